/* Network coordinates (Vivaldi): where nodes lie, so that round-trip times can be estimated.
 *
 * A node has one coordinate for each network segment it is in (mostly the one named ""). They are
 * bound to a node that exists and go with it. The registry stores the numbers bit by bit and
 * computes nothing with them; distances are for readers. */
#ifndef REGISTRY_COORD_H_
#define REGISTRY_COORD_H_

#include "registry/query.h"

enum { REG_COORD_DIMENSIONS = 8, REG_COORD_SEGMENTS_MAX = 8 /* kept for one node */ };

struct reg_coord {
    struct slice node;
    struct slice segment;
    double vec[REG_COORD_DIMENSIONS]; /* seconds, as all below */
    double error;
    double adjustment;
    double height;
};

/* The coordinate of a node that nothing is known of yet. */
void reg_coord_origin(struct reg_coord *c);
/* Every number is finite. */
bool reg_coord_valid(const struct reg_coord *c);
/* The estimated round-trip time in seconds. */
double reg_coord_distance(const struct reg_coord *a, const struct reg_coord *b);

/* The stored form, which is a command's body too. Decoding: 0 or E_CORRUPT, views into @s. */
void reg_coord_encode(struct buf *b, const struct reg_coord *c);
int reg_coord_decode(struct slice s, struct reg_coord *c);
/* Append the command that sets @c; a node that does not exist is passed over without a word. */
void reg_command_coord(struct buf *b, const struct reg_coord *c);

/* All coordinates by node and segment; those of one node. */
void reg_coords(struct reg_reader *rd, struct reg_iter *it);
void reg_node_coords(struct reg_reader *rd, struct reg_iter *it, struct slice node);
bool reg_coords_next(struct reg_iter *it, struct reg_coord *out);

/* The coordinates of one node, as a set to measure from. */
struct reg_coord_set {
    struct reg_coord coords[REG_COORD_SEGMENTS_MAX];
    unsigned n;
};
void reg_coord_set_read(struct reg_reader *rd, struct slice node, struct reg_coord_set *out);
/* The distance in the segment that both are in; infinite when there is none. */
double reg_coord_set_distance(const struct reg_coord_set *a, const struct reg_coord_set *b);

#endif
