/* Instances that may be handed out, and the aliases among them. Header for dns/ only. */
#ifndef DNS_INSTANCES_H_
#define DNS_INSTANCES_H_

#include "dns/lookup_parts.h"

struct instance {
    struct reg_service s; /* views into the map, until the bracket ends */
    struct reg_node n;
    int weight;
};

/* The healthy instances of a service that bear a tag (if not empty). Close with
 * reg_iter_end(&is.it). */
struct instances {
    struct lookup *l;
    struct reg_iter it;
    struct slice tag;
    const struct reg_prepared *prepared; /* not NULL: it decides instead, not health and tag */
};
void instances_begin(struct lookup *l, struct instances *is, struct slice name, struct slice tag);
bool instances_next(struct instances *is, struct instance *out);

enum { ALIAS_DEPTH_MAX = 3 }; /* aliases behind aliases, as in Consul */

/* Add the records of @host to the last unit, if it is a name of ours. The node that the look-up
 * read last is forgotten. */
void alias_chase(struct lookup *l, enum dns_part part, struct slice host, unsigned depth);
/* Add a unit that is an alias: the CNAME, and where it leads if the asker wants that. */
void alias_unit_add(struct lookup *l, struct slice host);

#endif
