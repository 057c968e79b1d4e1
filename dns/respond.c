/* The cache is asked before the name is taken apart: what it holds was in the zone when it got in,
 * and the zone does not change. */
#include "dns/respond.h"

#include "base/clock.h"
#include "base/metrics.h"

static unsigned declare(const char *name, const char *node, const char *help)
{
    return metrics_declare(&(struct metric_spec){
        .kind = METRIC_SUMMARY, .name = name, .help = help, .labels = {{"node", node}}});
}

int dns_responder_init(struct dns_responder *r,
                       struct reg_reader *rd,
                       const struct dns_options *o,
                       uint64_t seed,
                       struct errmsg *e)
{
    *r = (struct dns_responder){.rd = rd};
    int rc = dns_zone_init(&r->zone, o, e);
    if (rc != 0) {
        return rc;
    }
    r->cache = dns_cache_new(rd);
    if (r->cache == NULL) {
        return err_set(e, E_NOMEM, "dns: out of memory");
    }
    r->metric_domain = declare("consul.dns.domain_query", o->node,
                               "Milliseconds to answer DNS queries other than PTR.");
    r->metric_ptr = declare("consul.dns.ptr_query", o->node, "Milliseconds to answer PTR queries.");
    dns_plan_builder_init(&r->builder);
    r->renderer.zone = &r->zone;
    rng_seed(&r->renderer.rng, seed);
    return 0;
}

void dns_responder_fini(struct dns_responder *r)
{
    dns_plan_builder_fini(&r->builder);
    dns_cache_free(r->cache);
}

void dns_responder_sync(struct dns_responder *r)
{
    reg_reader_sync(r->rd);
}

static size_t respond_query(struct dns_responder *r,
                            const struct dns_query *q,
                            enum dns_transport transport,
                            uint32_t now,
                            uint8_t *out)
{
    dns_ask_init(&r->ask, q->name, q->name_len, q->type);
    struct dns_plan *plan = dns_cache_find(r->cache, &r->ask);
    if (plan != NULL) {
        r->stats.answers_cached++;
    } else {
        dns_ask_parse(&r->ask, &r->zone);
        if (r->ask.kind == DNS_ASK_FOREIGN) {
            return dns_answer_refuse(q, DNS_RCODE_REFUSED, true, out);
        }
        plan = dns_lookup(&r->zone, r->rd, &r->builder, &r->ask, &r->deps);
        if (plan == NULL) {
            return dns_answer_refuse(q, DNS_RCODE_SERVFAIL, true, out);
        }
        plan = dns_cache_put(r->cache, &r->ask, plan, &r->deps);
    }
    return dns_answer_render(&r->renderer, q, transport, plan, now, out);
}

static size_t respond_timed(struct dns_responder *r,
                            const struct dns_query *q,
                            enum dns_transport transport,
                            uint32_t now,
                            uint8_t *out)
{
    uint64_t began_ns = clock_mono_ns();
    size_t n = respond_query(r, q, transport, now, out);
    metrics_observe_ns(q->type == DNS_TYPE_PTR ? r->metric_ptr : r->metric_domain,
                       clock_mono_ns() - began_ns);
    return n;
}

size_t dns_respond(struct dns_responder *r,
                   const uint8_t *p,
                   size_t n,
                   enum dns_transport transport,
                   uint32_t now,
                   uint8_t *out)
{
    struct dns_query q;
    r->stats.queries++;
    switch (dns_query_parse(p, n, &q)) {
        case DNS_VERDICT_ANSWER:
            return respond_timed(r, &q, transport, now, out);
        case DNS_VERDICT_FORMERR:
            r->stats.malformed++;
            return dns_answer_refuse(&q, DNS_RCODE_FORMERR, false, out);
        case DNS_VERDICT_NOTIMP:
            return dns_answer_refuse(&q, DNS_RCODE_NOTIMP, false, out);
        case DNS_VERDICT_DROP:
            break;
    }
    r->stats.malformed++;
    return 0;
}
