/* The whole path of one query but for the socket: bytes in, bytes out.
 *
 * Parses, refuses what is not ours, answers from the cache or the store. One instance per serving
 * loop, used from its thread only. Allocates nothing when the plan is in the cache. */
#ifndef DNS_RESPOND_H_
#define DNS_RESPOND_H_

#include "dns/answer.h"
#include "dns/cache.h"

struct dns_responder {
    struct dns_zone zone;
    struct dns_stats stats; /* also counted on by the sockets */
    /* Private. */
    struct reg_reader *rd;
    struct dns_cache *cache;
    struct dns_plan_builder builder;
    struct dns_renderer renderer;
    struct dns_ask ask;
    struct dns_deps deps;
    unsigned metric_domain, metric_ptr; /* series */
};

/* @rd is the loop's own and outlives the responder; @o's strings too. @seed: of the order in which
 * instances are given. E_INVAL (@e says which option), E_NOMEM. */
int dns_responder_init(struct dns_responder *r,
                       struct reg_reader *rd,
                       const struct dns_options *o,
                       uint64_t seed,
                       struct errmsg *e);
void dns_responder_fini(struct dns_responder *r);

/* Begin a batch of queries that have been received: what was committed before is seen by all of
 * them. */
void dns_responder_sync(struct dns_responder *r);

/* Answer the message of @n bytes at @p into @out, which has room for DNS_MESSAGE_MAX bytes. @now:
 * unix time in seconds. Returns the answer's length; 0: stay silent. */
size_t dns_respond(struct dns_responder *r,
                   const uint8_t *p,
                   size_t n,
                   enum dns_transport transport,
                   uint32_t now,
                   uint8_t *out);

#endif
