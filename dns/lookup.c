/* One bracket of the reader for each look-up; one function for each form of a name. */
#include "dns/lookup.h"

#include <assert.h>

#include "base/duration.h"
#include "dns/instances.h"

enum {
    ALIASES_MAX = 16,   /* instances that are aliases: one of so many is answered with */
    SERVERS_MAX = 3,    /* name servers in one answer, as in Consul */
    TWINS_SEEN_MAX = 32 /* instances on the same node that one is compared to */
};

static void text_to_unit(struct dns_plan_builder *b, const struct dns_rr *rr)
{
    dns_plan_unit_more(b, DNS_PART_TEXT, rr);
}

static void text_to_answer(struct dns_plan_builder *b, const struct dns_rr *rr)
{
    (void)dns_plan_unit_add(b, rr); /* node meta has far fewer pairs than a plan units */
}

static void text_to_extra(struct dns_plan_builder *b, const struct dns_rr *rr)
{
    dns_plan_run_add(b, DNS_RUN_EXTRA, rr);
}

/* ---- services ---- */

static bool ref_eq(const struct lookup *l, const struct dns_ref *a, const struct dns_ref *b)
{
    const char *text = l->b->text.p;
    return a->suffix == b->suffix && a->len == b->len && buf_ok(&l->b->text) &&
           memcmp(text + a->at, text + b->at, a->len) == 0;
}

/* Is there a unit on the same node with the same target and port? Two registrations of one endpoint
 * must not draw twice the load. */
static bool srv_has_twin(const struct lookup *l, const struct dns_rr *srv)
{
    uint32_t n = dns_plan_rrs(l->b);
    unsigned seen = 0;
    uint32_t units = dns_plan_units(l->b);
    for (uint32_t i = n; i-- > 0 && units > l->node_unit && seen < TWINS_SEEN_MAX;) {
        const struct dns_rr *rr = dns_plan_rr_at(l->b, i);
        if (rr->type != DNS_TYPE_SRV) {
            continue;
        }
        seen++;
        units--;
        if (rr->u.srv.port == srv->u.srv.port && ref_eq(l, &rr->u.srv.target, &srv->u.srv.target)) {
            return true;
        }
    }
    return false;
}

/* The instance's SRV record, what its target needs, and its node's meta. False when the plan is
 * full. */
static bool srv_unit(struct lookup *l, const struct instance *in)
{
    struct dns_place p = dns_place_service(&in->s, &in->n, DNS_TYPE_SRV, l->ask->full);
    struct dns_rr rr = lookup_rr(l, DNS_TYPE_SRV, DNS_REF_QUESTION);
    rr.u.srv.weight = (uint16_t)in->weight;
    rr.u.srv.port = (uint16_t)(in->s.port < 0 ? 0 : in->s.port > UINT16_MAX ? 0 : in->s.port);
    bool by_node = false;
    if (p.kind == DNS_PLACE_NONE ||
        (p.kind == DNS_PLACE_HOST && !lookup_host_ref(l, p.host, &rr.u.srv.target))) {
        return true;
    }
    if (p.kind != DNS_PLACE_HOST) {
        by_node = p.of_node && lookup_name_ref(l, in->n.name, DNS_SUFFIX_NODE, &rr.u.srv.target);
        if (!by_node) {
            rr.u.srv.target = lookup_addr_ref(l, &p);
        }
    }
    if (srv_has_twin(l, &rr)) {
        return true;
    }
    if (!dns_plan_unit_add(l->b, &rr)) {
        return false;
    }
    if (p.kind == DNS_PLACE_HOST) {
        alias_chase(l, DNS_PART_ADDRESS, p.host, ALIAS_DEPTH_MAX);
    } else {
        struct dns_rr address = lookup_rr_address(l, &p, DNS_REF_TARGET);
        dns_plan_unit_more(l->b, DNS_PART_ADDRESS, &address);
    }
    struct dns_ref owner = {.suffix = DNS_REF_TARGET};
    if (l->z->o.node_meta_txt && reg_list_count(in->n.meta) != 0 &&
        (by_node || lookup_name_ref(l, in->n.name, DNS_SUFFIX_NODE, &owner))) {
        lookup_texts_add(l, &in->n, &owner, text_to_unit);
    }
    return true;
}

/* The instances that the question is about. */
static void asked_begin(struct lookup *l, struct instances *is)
{
    const struct reg_prepared *q = l->prepared;
    instances_begin(l, is, q != NULL ? q->service : l->ask->name,
                    q != NULL ? slice_of(NULL, 0) : l->ask->tag);
    is->prepared = q;
}

/* Aliases count only where there is no address: a name with a CNAME has nothing else (RFC 1034
 * 3.6.2), hence also one of them at a time. */
static void plan_aliases(struct lookup *l)
{
    struct instances is;
    struct instance in;
    l->b->head.units_limit = 1;
    asked_begin(l, &is);
    while (dns_plan_units(l->b) < ALIASES_MAX && instances_next(&is, &in)) {
        struct dns_place p = dns_place_service(&in.s, &in.n, l->ask->type, l->ask->full);
        if (p.kind == DNS_PLACE_HOST) {
            alias_unit_add(l, p.host);
        }
    }
    reg_iter_end(&is.it);
}

static void plan_service(struct lookup *l)
{
    const struct dns_ask *ask = l->ask;
    if (l->prepared == NULL) {
        l->ttl = dns_zone_service_ttl(l->z, ask->name);
    }
    dns_plan_begin(l->b, DNS_RCODE_NOERROR);
    l->b->head.shuffle = true;
    unsigned n_healthy = 0;
    unsigned n_aliases = 0;
    bool room = true;
    struct instances is;
    struct instance in;
    asked_begin(l, &is);
    while (room && instances_next(&is, &in)) {
        n_healthy++;
        if (ask->type == DNS_TYPE_SRV) {
            room = srv_unit(l, &in);
            continue;
        }
        struct dns_place p = dns_place_service(&in.s, &in.n, ask->type, ask->full);
        if (p.kind == DNS_PLACE_HOST) {
            n_aliases++;
        } else if (dns_place_fits(&p, ask->type)) {
            struct dns_rr rr = lookup_rr_address(l, &p, DNS_REF_QUESTION);
            room = dns_plan_unit_add(l->b, &rr);
        }
    }
    reg_iter_end(&is.it);
    if (n_healthy == 0) {
        lookup_negative(l, DNS_RCODE_NXDOMAIN);
        return;
    }
    if (ask->type != DNS_TYPE_SRV) {
        dns_plan_unique_addresses(l->b);
        if (dns_plan_units(l->b) == 0 && n_aliases != 0) {
            plan_aliases(l);
        }
    }
    if (dns_plan_units(l->b) == 0) {
        lookup_negative(l, DNS_RCODE_NOERROR);
    }
}

/* ---- prepared queries ---- */

static uint32_t prepared_ttl(const struct lookup *l, const struct reg_prepared *q)
{
    int64_t ns = 0;
    if (q->ttl.len == 0 || duration_parse(q->ttl, &ns) != 0 || ns < 0) {
        return dns_zone_service_ttl(l->z, q->service);
    }
    int64_t seconds = ns / 1000000000;
    return seconds > INT32_MAX ? INT32_MAX : (uint32_t)seconds; /* RFC 2181 8 */
}

static void plan_query(struct lookup *l)
{
    struct reg_prepared_run run;
    lookup_dep_add(l, REG_W_QUERIES, slice_of(NULL, 0));
    if (reg_prepared_begin(&run, l->rd, l->ask->name, NULL) == 0) {
        l->prepared = &run.q;
        l->ttl = prepared_ttl(l, &run.q);
        plan_service(l);
        l->prepared = NULL;
        /* As in Consul, where a query's order may depend on who asks. */
        l->b->head.for_subnet = l->b->head.rcode == DNS_RCODE_NOERROR;
    } else {
        lookup_negative(l, DNS_RCODE_NXDOMAIN);
    }
    reg_prepared_end(&run);
}

/* ---- nodes and addresses ---- */

static void plan_node(struct lookup *l)
{
    const struct dns_ask *ask = l->ask;
    uint16_t type = ask->type;
    struct reg_node n;
    l->ttl = l->z->o.node_ttl;
    lookup_dep_add(l, REG_W_NODE, ask->name);
    if (!reg_node_find(l->rd, ask->name, &n)) {
        lookup_negative(l, DNS_RCODE_NXDOMAIN);
        return;
    }
    dns_plan_begin(l->b, DNS_RCODE_NOERROR);
    bool wants_address = type == DNS_TYPE_A || type == DNS_TYPE_AAAA || type == DNS_TYPE_ANY;
    struct dns_place p = dns_place_node(&n, type);
    if (wants_address && p.kind == DNS_PLACE_HOST) {
        alias_unit_add(l, p.host);
    } else if (wants_address && dns_place_fits(&p, type)) {
        struct dns_rr rr = lookup_rr_address(l, &p, DNS_REF_QUESTION);
        (void)dns_plan_unit_add(l->b, &rr); /* the first always has room */
    }
    struct dns_ref owner = {.suffix = DNS_REF_QUESTION};
    if (type == DNS_TYPE_ANY || type == DNS_TYPE_TXT) {
        lookup_texts_add(l, &n, &owner, text_to_answer);
    } else if (wants_address && l->z->o.node_meta_txt) {
        lookup_texts_add(l, &n, &owner, text_to_extra);
    }
}

/* The name tells the address. Who asks for something else is told it beside the answer. */
static void plan_addr(struct lookup *l)
{
    const struct dns_ask *ask = l->ask;
    l->ttl = l->z->o.node_ttl;
    dns_plan_begin(l->b, DNS_RCODE_NOERROR);
    struct dns_place p = {.kind = ask->addr_len == 4 ? DNS_PLACE_V4 : DNS_PLACE_V6};
    memcpy(p.ip, ask->addr, ask->addr_len);
    struct dns_rr rr = lookup_rr_address(l, &p, DNS_REF_QUESTION);
    if (ask->type == DNS_TYPE_ANY || ask->type == rr.type) {
        (void)dns_plan_unit_add(l->b, &rr); /* the first always has room */
    } else {
        dns_plan_run_add(l->b, DNS_RUN_EXTRA, &rr);
    }
}

static bool address_is(const struct dns_ask *ask, struct slice text)
{
    struct dns_place p = dns_place_of(text);
    return p.kind == (ask->addr_len == 4 ? DNS_PLACE_V4 : DNS_PLACE_V6) &&
           memcmp(p.ip, ask->addr, ask->addr_len) == 0;
}

/* Whose address is it: a node's, or else a service's? Goes through all there are, for want of an
 * index; that is why the plan is kept until the registry changes. */
static bool reverse_find(struct lookup *l, struct dns_ref *target)
{
    struct reg_iter it;
    struct reg_node n;
    bool found = false;
    reg_nodes(l->rd, &it);
    while (!found && reg_nodes_next(&it, &n)) {
        found =
            address_is(l->ask, n.address) && lookup_name_ref(l, n.name, DNS_SUFFIX_NODE, target);
    }
    reg_iter_end(&it);
    if (found) {
        return true;
    }
    struct reg_service s;
    reg_all_instances(l->rd, &it);
    while (!found && reg_instances_next(&it, &s)) {
        found =
            address_is(l->ask, s.address) && lookup_name_ref(l, s.name, DNS_SUFFIX_SERVICE, target);
    }
    reg_iter_end(&it);
    return found;
}

static void plan_reverse(struct lookup *l)
{
    dns_plan_begin(l->b, DNS_RCODE_NOERROR);
    struct dns_rr rr = lookup_rr(l, DNS_TYPE_PTR, DNS_REF_QUESTION);
    l->deps->any_change = l->ask->addr_len != 0;
    if (l->ask->addr_len != 0 && reverse_find(l, &rr.u.target)) {
        (void)dns_plan_unit_add(l->b, &rr); /* the first always has room */
        if (l->ask->type == DNS_TYPE_SOA) {
            struct dns_rr soa = lookup_rr_soa(l);
            dns_plan_run_add(l->b, DNS_RUN_AUTHORITY, &soa);
        }
    } else if (l->z->o.recursors) {
        dns_plan_begin(l->b, DNS_RCODE_REFUSED); /* not ours to deny: a recursor may know it */
    } else {
        lookup_negative(l, DNS_RCODE_NXDOMAIN);
    }
}

/* ---- the zone ---- */

/* One unit for each server: its NS record, and its address beside. */
static void servers_add(struct lookup *l)
{
    struct instances is;
    struct instance in;
    l->b->head.shuffle = true;
    l->b->head.units_limit = SERVERS_MAX;
    instances_begin(l, &is, slice_str(l->z->o.server_service), slice_of(NULL, 0));
    bool room = true;
    while (room && instances_next(&is, &in)) {
        struct dns_rr rr = lookup_rr(l, DNS_TYPE_NS, DNS_SUFFIX_ZONE);
        if (!lookup_name_ref(l, in.n.name, DNS_SUFFIX_NODE, &rr.u.target)) {
            continue;
        }
        room = dns_plan_unit_add(l->b, &rr);
        struct dns_place p = dns_place_node(&in.n, DNS_TYPE_ANY);
        if (room && (p.kind == DNS_PLACE_V4 || p.kind == DNS_PLACE_V6)) {
            struct dns_rr glue = lookup_rr_address(l, &p, DNS_REF_TARGET);
            dns_plan_unit_more(l->b, DNS_PART_ADDRESS, &glue);
        }
    }
    reg_iter_end(&is.it);
}

/* Every name below the domain answers SOA and NS questions with the zone's. */
static void plan_zone(struct lookup *l)
{
    l->ttl = l->z->o.node_ttl;
    dns_plan_begin(l->b, DNS_RCODE_NOERROR);
    if (l->ask->kind == DNS_ASK_SOA) {
        struct dns_rr soa = lookup_rr_soa(l);
        dns_plan_run_add(l->b, DNS_RUN_LEAD, &soa);
        l->b->head.units_in_authority = true;
    }
    servers_add(l);
}

static void plan_make(struct lookup *l)
{
    switch (l->ask->kind) {
        case DNS_ASK_FOREIGN:
            assert(false); /* the caller refuses them */
            break;
        case DNS_ASK_NONE:
            lookup_negative(l, DNS_RCODE_NXDOMAIN);
            break;
        case DNS_ASK_EMPTY:
            dns_plan_begin(l->b, DNS_RCODE_NOERROR);
            break;
        case DNS_ASK_SERVICE:
            plan_service(l);
            break;
        case DNS_ASK_QUERY:
            plan_query(l);
            break;
        case DNS_ASK_NODE:
            plan_node(l);
            break;
        case DNS_ASK_ADDR:
            plan_addr(l);
            break;
        case DNS_ASK_REVERSE:
            plan_reverse(l);
            break;
        case DNS_ASK_SOA:
        case DNS_ASK_NS:
            plan_zone(l);
            break;
    }
}

struct dns_plan *dns_lookup(const struct dns_zone *z,
                            struct reg_reader *rd,
                            struct dns_plan_builder *b,
                            const struct dns_ask *ask,
                            struct dns_deps *deps)
{
    struct lookup l = {.z = z, .rd = rd, .b = b, .ask = ask, .deps = deps};
    deps->n = 0;
    deps->any_change = false;
    if (ask->type == DNS_TYPE_AXFR || ask->type == DNS_TYPE_IXFR) {
        dns_plan_begin(b, DNS_RCODE_NOTIMP);
        return dns_plan_end(b);
    }
    reg_read_begin(rd);
    plan_make(&l);
    reg_read_end(rd);
    return dns_plan_end(b);
}
