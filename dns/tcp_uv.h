/* DNS over TCP on one serving loop (RFC 7766). Header for dns/ only.
 *
 * Several queries on a connection, also pipelined; answers leave in the order of the queries. A
 * connection that is idle for DNS_TCP_IDLE_MS is closed; at DNS_TCP_CONNECTIONS_MAX a new one takes
 * the place of the one that is idle longest. While an asker does not read its answers, its queries
 * are not read either, so a connection holds at most two answers of the largest size. */
#ifndef DNS_TCP_UV_H_
#define DNS_TCP_UV_H_

#include <uv.h>

#include "dns/bind_uv.h"
#include "dns/respond.h"

enum { DNS_TCP_IDLE_MS = 10000, DNS_TCP_CONNECTIONS_MAX = 512 };

struct dns_tcp;

/* Takes @s->tcp over, also on an error. @r outlives the instance. */
int dns_tcp_start(struct dns_tcp **out,
                  uv_loop_t *loop,
                  const struct dns_sockets *s,
                  struct dns_responder *r);
/* @cb(@arg) runs in a later turn of the loop, when all is closed and freed. */
void dns_tcp_stop(struct dns_tcp *t, void (*cb)(void *arg), void *arg);

#endif
