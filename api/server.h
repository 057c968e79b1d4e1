/* One serving loop's HTTP side: listener, connections, router, blocking queries, cached bodies.
 *
 * One instance per loop; all bind the same address (SO_REUSEPORT). The loop's reader and reply
 * queue are made and drained by whoever owns the loop. */
#ifndef API_SERVER_H_
#define API_SERVER_H_

#include <uv.h>

#include "api/api.h"

struct api_loop;

struct api_listen {
    const char *address;      /* IP literal */
    uint16_t port;            /* 0 = the kernel picks */
    unsigned connections_max; /* on this loop; 0 = 65536 */
    unsigned header_max;      /* bytes; 0 = 1 MiB */
    unsigned idle_ms;         /* keep-alive without a request; 0 = 120 s */
    unsigned header_ms;       /* from the first byte to the last header; 0 = 10 s */
    unsigned body_ms;         /* without progress in a body, or in sending; 0 = 60 s */
    uint64_t cache_bytes;     /* rendered bodies kept; 0 = 16 MiB */
};

/* @replies is the loop's queue for proposals and probe requests; @reader the loop's reader. Both
 * are borrowed and outlive the instance. E_ADDRINUSE, E_DENIED, E_INVAL: @e names the address. */
int api_loop_start(struct api_loop **out,
                   uv_loop_t *loop,
                   const struct api_server *server,
                   struct reg_reader *reader,
                   struct queue *replies,
                   const struct api_listen *listen,
                   struct errmsg *e);
uint16_t api_loop_port(const struct api_loop *a);
/* Stop listening, answer parked queries, close connections; @cb runs once all is freed. Replies
 * still outstanding must be drained by the owner until then. */
void api_loop_stop(struct api_loop *a, void (*cb)(void *arg), void *arg);

struct api_stats {
    uint64_t requests, connections, parked, cache_hits, cache_bytes;
};
void api_loop_stats(const struct api_loop *a, struct api_stats *out);

#endif
