/* The DNS side: answers for the registry's names, on one serving loop.
 *
 * One instance per serving loop; all of them bind the same address (SO_REUSEPORT). Reads through
 * the loop's reader, keeps planned answers until a change touches what they were made from. Names
 * and sizes as in Consul: consul-surface.md section 5. Not thread-safe: use it from its loop only.
 */
#ifndef DNS_DNS_H_
#define DNS_DNS_H_

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/err.h"
#include "registry/query.h"

struct dns;

struct dns_ttl {
    const char *name; /* exact name, "prefix*" or "*" */
    uint32_t seconds;
};

/* dns_config and its neighbours; borrowed, must outlive the instances. Zeroed fields mean Consul's
 * defaults, but for the ones marked. */
struct dns_options {
    const char *address;        /* IP literal to bind */
    uint16_t port;              /* 0 = the kernel picks (dns_port() tells) */
    const char *domain;         /* "consul." */
    const char *alt_domain;     /* NULL = none */
    const char *datacenter;     /* "dc1" */
    const char *node;           /* this server's node name, for NS and SOA */
    const char *server_service; /* "consul": its instances are the name servers */
    uint32_t node_ttl;
    const struct dns_ttl *service_ttl;
    unsigned n_service_ttl;
    bool only_passing;
    bool enable_truncate;
    unsigned udp_answer_limit; /* set 3 for the default */
    unsigned a_record_limit;
    bool disable_compression;
    bool node_meta_txt;                                       /* set true for the default */
    uint32_t soa_refresh, soa_retry, soa_expire, soa_min_ttl; /* set 3600, 600, 86400, 0 */
    bool recursors; /* RA flag; forwarding itself is not built yet: REFUSED */
};

/* Bind UDP and TCP and start answering. @reader is the loop's own and outlives the instance.
 * E_ADDRINUSE, E_DENIED, E_INVAL (address): @e names it. */
int dns_start(struct dns **out,
              uv_loop_t *loop,
              struct reg_reader *reader,
              const struct dns_options *o,
              struct errmsg *e);
uint16_t dns_port(const struct dns *d);
/* Close the sockets; @cb runs once all is closed and freed. */
void dns_stop(struct dns *d, void (*cb)(void *arg), void *arg);

/* Since the start. @malformed: not answered, or with FORMERR; @dropped: UDP packets that were too
 * long or answers that the kernel did not take; @tcp_connections: accepted. */
struct dns_stats {
    uint64_t queries, answers_cached, malformed, dropped, tcp_connections;
};
void dns_stats(const struct dns *d, struct dns_stats *out);

#endif
