/* For api/ only: ?near=, the order of rows by the distance of their nodes.
 *
 * Rows are rendered in the order of the store and put into order afterwards, as bytes: a handler
 * calls near_begin() once, near_row() in front of each row of the open array, near_end() before it
 * closes it. Without ?near=, or for a node without coordinates, nothing happens. */
#ifndef API_NEAR_H_
#define API_NEAR_H_

#include "api/api.h"
#include "registry/coord.h"

struct near {
    struct reg_reader *rd;
    bool active;
    struct reg_coord_set from;
    struct buf rows; /* struct near_row each, private */
    struct slice last_node;
    double last_distance;
};

/* Inside a bracket of the reader, as all of them. */
void near_begin(struct near *n, struct api_req *r);
void near_row(struct near *n, const struct buf *out, struct slice node);
/* Frees what @n holds; marks @out as failed when there is no memory to sort. */
void near_end(struct near *n, struct buf *out);

#endif
