/* Instances come in the order of their nodes, so the node and its checks are read once for a run of
 * instances on it.
 *
 * Aliases are host names in our own domain. They are followed ALIAS_DEPTH_MAX deep, and yield at
 * most CHASED_MAX records in a plan, so that a web of aliases cannot blow an answer up. */
#include "dns/instances.h"

enum { CHASED_MAX = 256 }; /* records that aliases lead to, in one plan */

void instances_begin(struct lookup *l, struct instances *is, struct slice name, struct slice tag)
{
    lookup_dep_add(l, REG_W_SERVICE, name);
    *is = (struct instances){.l = l, .tag = tag};
    l->node_known = false;
    reg_instances(l->rd, &is->it, name);
}

static bool tag_has(const struct reg_service *s, struct slice tag)
{
    if (tag.len == 0) {
        return true;
    }
    struct rd it = reg_list_iter(s->tags);
    struct slice t;
    while (reg_list_next(&it, &t)) {
        if (slice_ieq(t, tag)) {
            return true;
        }
    }
    return false;
}

/* Read the instance's node, unless it is the one read last. */
static bool node_read(struct lookup *l, struct slice name)
{
    if (l->node_known && slice_eq(l->node_name, name)) {
        return true;
    }
    l->node_known = reg_node_find(l->rd, name, &l->node);
    if (l->node_known) {
        l->node_name = name;
        l->node_health = (struct dns_health){.critical = false};
        l->node_unit = dns_plan_units(l->b);
        dns_health_add(&l->node_health, l->rd, name, slice_of(NULL, 0));
    }
    return l->node_known;
}

/* A prepared query may take what DNS would call critical: it then weighs as if it were well. */
static int prepared_weight(const struct lookup *l,
                           const struct reg_prepared *q,
                           const struct reg_service *s,
                           const struct dns_health *h)
{
    struct reg_node node;
    if (!reg_prepared_takes(l->rd, q, s, &node)) {
        return -1;
    }
    struct dns_health well = {.critical = false};
    int weight = dns_health_weight(h, s, false);
    return weight >= 0 ? weight : dns_health_weight(&well, s, false);
}

bool instances_next(struct instances *is, struct instance *out)
{
    struct lookup *l = is->l;
    while (reg_instances_next(&is->it, &out->s)) {
        if (!tag_has(&out->s, is->tag) || !node_read(l, out->s.node)) {
            continue;
        }
        struct dns_health h = l->node_health;
        dns_health_add(&h, l->rd, out->s.node, out->s.id);
        out->weight = is->prepared != NULL ? prepared_weight(l, is->prepared, &out->s, &h)
                                           : dns_health_weight(&h, &out->s, l->z->o.only_passing);
        if (out->weight >= 0) {
            out->n = l->node;
            return true;
        }
    }
    return false;
}

/* ---- what aliases lead to ---- */

/* Add an address that a name leads to, unless the records since @from have it. */
static void chased_add(struct lookup *l,
                       enum dns_part part,
                       const struct dns_place *p,
                       uint32_t from)
{
    struct dns_rr rr = lookup_rr_address(l, p, DNS_REF_TARGET);
    for (uint32_t i = from; i < dns_plan_rrs(l->b); i++) {
        const struct dns_rr *other = dns_plan_rr_at(l->b, i);
        if (other->type == rr.type && memcmp(other->u.ip, rr.u.ip, sizeof(rr.u.ip)) == 0) {
            return;
        }
    }
    if (l->chased < CHASED_MAX) {
        l->chased++;
        dns_plan_unit_more(l->b, part, &rr);
    }
}

/* Add an alias behind an alias, and go on from there. */
static void chased_alias(struct lookup *l, enum dns_part part, struct slice host, unsigned depth)
{
    struct dns_rr rr = lookup_rr(l, DNS_TYPE_CNAME, DNS_REF_TARGET);
    if (l->chased < CHASED_MAX && lookup_host_ref(l, host, &rr.u.target)) {
        l->chased++;
        dns_plan_unit_more(l->b, part, &rr);
        alias_chase(l, part, host, depth);
    }
}

static void chase_service(struct lookup *l,
                          enum dns_part part,
                          const struct dns_ask *ask,
                          unsigned depth)
{
    struct instances is;
    struct instance in;
    struct slice alias = slice_of(NULL, 0);
    uint32_t from = dns_plan_rrs(l->b);
    instances_begin(l, &is, ask->name, ask->tag);
    while (l->chased < CHASED_MAX && instances_next(&is, &in)) {
        struct dns_place p = dns_place_service(&in.s, &in.n, l->ask->type, ask->full);
        if (p.kind == DNS_PLACE_HOST) {
            alias = alias.len == 0 ? p.host : alias;
        } else if (dns_place_fits(&p, l->ask->type)) {
            chased_add(l, part, &p, from);
        }
    }
    reg_iter_end(&is.it);
    l->node_known = false;
    if (dns_plan_rrs(l->b) == from && alias.len != 0) {
        chased_alias(l, part, alias, depth);
    }
}

static void chase_node(struct lookup *l,
                       enum dns_part part,
                       const struct dns_ask *ask,
                       unsigned depth)
{
    struct reg_node n;
    lookup_dep_add(l, REG_W_NODE, ask->name);
    if (!reg_node_find(l->rd, ask->name, &n)) {
        return;
    }
    struct dns_place p = dns_place_node(&n, l->ask->type);
    if (p.kind == DNS_PLACE_HOST) {
        chased_alias(l, part, p.host, depth);
    } else if (dns_place_fits(&p, l->ask->type)) {
        chased_add(l, part, &p, dns_plan_rrs(l->b));
    }
}

void alias_chase(struct lookup *l, enum dns_part part, struct slice host, unsigned depth)
{
    uint8_t wire[DNS_NAME_MAX];
    size_t n = dns_labels_encode(host, wire, sizeof(wire) - 1);
    if (depth == 0 || n == 0) {
        return;
    }
    wire[n] = 0;
    struct dns_ask ask;
    dns_ask_init(&ask, wire, n + 1, DNS_TYPE_ANY);
    dns_ask_parse(&ask, l->z);
    if (ask.kind == DNS_ASK_SERVICE) {
        chase_service(l, part, &ask, depth - 1);
    } else if (ask.kind == DNS_ASK_NODE) {
        chase_node(l, part, &ask, depth - 1);
    } else if (ask.kind == DNS_ASK_ADDR) {
        struct dns_place p = {.kind = ask.addr_len == 4 ? DNS_PLACE_V4 : DNS_PLACE_V6};
        memcpy(p.ip, ask.addr, ask.addr_len);
        if (dns_place_fits(&p, l->ask->type)) {
            chased_add(l, part, &p, dns_plan_rrs(l->b));
        }
    }
}

void alias_unit_add(struct lookup *l, struct slice host)
{
    struct dns_rr rr = lookup_rr(l, DNS_TYPE_CNAME, DNS_REF_QUESTION);
    if (lookup_host_ref(l, host, &rr.u.target) && dns_plan_unit_add(l->b, &rr) &&
        l->ask->type != DNS_TYPE_CNAME) {
        alias_chase(l, DNS_PART_ANSWER, host, ALIAS_DEPTH_MAX);
    }
}
