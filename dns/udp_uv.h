/* DNS over UDP on one serving loop. Header for dns/ only.
 *
 * Takes packets in batches and sends their answers in batches. What the kernel does not take at
 * once is dropped: the asker repeats its question. */
#ifndef DNS_UDP_UV_H_
#define DNS_UDP_UV_H_

#include <uv.h>

#include "dns/bind_uv.h"
#include "dns/respond.h"

struct dns_udp;

/* Takes @s->udp over, also on an error. @r outlives the instance. */
int dns_udp_start(struct dns_udp **out,
                  uv_loop_t *loop,
                  const struct dns_sockets *s,
                  struct dns_responder *r);
/* @cb(@arg) runs in a later turn of the loop, when all is closed and freed. */
void dns_udp_stop(struct dns_udp *u, void (*cb)(void *arg), void *arg);

#endif
