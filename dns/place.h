/* Places: where an instance or node is found, as far as DNS is concerned. Header for dns/ only.
 *
 * Chooses among plain and tagged addresses, tells IP addresses from host names, and sums up checks.
 * Pure but for reading checks. */
#ifndef DNS_PLACE_H_
#define DNS_PLACE_H_

#include "dns/name.h"

struct dns_place {
    enum { DNS_PLACE_NONE, DNS_PLACE_V4, DNS_PLACE_V6, DNS_PLACE_HOST } kind;
    bool of_node;      /* an IP address that the node's own name leads to */
    uint8_t ip[16];    /* V4: the first 4 */
    struct slice host; /* as registered */
};

/* The place that address @text says. */
struct dns_place dns_place_of(struct slice text);

/* May a record of @place answer a question of @type? Host names may always, as aliases. */
bool dns_place_fits(const struct dns_place *p, uint16_t type);

/* The place of a node for a question of @type. */
struct dns_place dns_place_node(const struct reg_node *n, uint16_t type);
/* The place of an instance: its own address, or else its node's. An own address that is @asked, the
 * dotted name asked for, would be an alias of itself: then it is the node's, too. */
struct dns_place dns_place_service(const struct reg_service *s,
                                   const struct reg_node *n,
                                   uint16_t type,
                                   struct slice asked);

/* Which statuses occur among some checks. */
struct dns_health {
    bool critical;
    bool warning;
    bool other;
};
/* Add what the checks of @node's service @service_id say ("": those of the node itself). */
void dns_health_add(struct dns_health *h,
                    struct reg_reader *rd,
                    struct slice node,
                    struct slice service_id);
/* The SRV weight of @s in this health, or -1 when it is not to be handed out. */
int dns_health_weight(const struct dns_health *h, const struct reg_service *s, bool only_passing);

#endif
