/* A look-up in progress, and the parts that answers are made of. Header for dns/ only.
 *
 * Names and records go into the builder's plan; all that is kept is copied out of the reader's map.
 */
#ifndef DNS_LOOKUP_PARTS_H_
#define DNS_LOOKUP_PARTS_H_

#include "dns/lookup.h"
#include "dns/place.h"
#include "registry/prepared_run.h"

struct lookup {
    const struct dns_zone *z;
    struct reg_reader *rd;
    struct dns_plan_builder *b;
    const struct dns_ask *ask;
    struct dns_deps *deps;
    uint32_t ttl;                        /* of the records to come */
    const struct reg_prepared *prepared; /* the query that is run; NULL: the ask is for a service */
    unsigned chased;                     /* records that aliases led to */
    /* The node read last, its name as asked for; valid inside the bracket. */
    bool node_known;
    struct slice node_name;
    struct reg_node node;
    struct dns_health node_health;
    uint32_t node_unit; /* the first unit of this node's run */
};

/* The plan depends on this key. Beyond DNS_DEPS_MAX it depends on everything. */
void lookup_dep_add(struct lookup *l, enum reg_watch_kind kind, struct slice name);

/* Dotted @text in front of @suffix. False if that is no DNS name. */
bool lookup_name_ref(struct lookup *l,
                     struct slice text,
                     enum dns_suffix_id suffix,
                     struct dns_ref *out);
/* A registered host name; the part that is our own domain, if any, becomes a suffix. False if it is
 * no DNS name. */
bool lookup_host_ref(struct lookup *l, struct slice host, struct dns_ref *out);
/* <hex>.addr.<dc>.<domain>, the name that is its own address. */
struct dns_ref lookup_addr_ref(struct lookup *l, const struct dns_place *p);

/* A record with the look-up's TTL and @owner as the suffix of its owner, without data. */
struct dns_rr lookup_rr(const struct lookup *l, enum dns_type type, uint8_t owner);
/* The A or AAAA record of @p, which is an address. */
struct dns_rr lookup_rr_address(const struct lookup *l, const struct dns_place *p, uint8_t owner);
struct dns_rr lookup_rr_soa(const struct lookup *l);

/* Begin the plan anew: there is nothing to hand out. The SOA tells resolvers how long to remember
 * that (RFC 2308 3). */
void lookup_negative(struct lookup *l, enum dns_rcode rcode);

/* Make one TXT record for each pair of the node's meta, and @add it. */
void lookup_texts_add(struct lookup *l,
                      const struct reg_node *n,
                      const struct dns_ref *owner,
                      void (*add)(struct dns_plan_builder *, const struct dns_rr *));

#endif
