/* The probe loop: libuv's loop, the schedule on one of its timers, and what all probes share.
 *
 * Owns the read buffers, the resolver and the TLS context. One thread. Used inside this folder
 * only.
 *
 * Invariant: callbacks of this folder are never run inside the call that took them; what could be
 * answered at once goes through a timer that is due now. */
#ifndef HEALTHCHECK_LOOP_UV_H_
#define HEALTHCHECK_LOOP_UV_H_

#include <openssl/ssl.h>
#include <uv.h>

#include "base/err.h"
#include "base/rand.h"
#include "healthcheck/schedule.h"

enum {
    HC_READ_SIZE = 64 * 1024,  /* one read from a socket */
    HC_PLAIN_SIZE = 16 * 1024, /* one decrypted TLS record */
    HC_TURN_TIMERS = 512       /* timers that fire in one turn of the loop */
};

struct hc_resolver;

struct hc_loop {
    uv_loop_t uv;
    uv_timer_t timer;
    uv_prepare_t prepare;
    struct hc_schedule schedule;
    struct hc_resolver *resolver;
    SSL_CTX *tls; /* NULL until the first TLS probe */
    struct rng rng;
    uint64_t armed_ms; /* what `timer` waits for, on the loop's clock; UINT64_MAX: nothing */
    char *read;        /* HC_READ_SIZE bytes; borrowed to one read callback at a time */
    char *plain;       /* HC_PLAIN_SIZE bytes, likewise */
};

/* E_NOMEM, E_IO. After an error nothing is kept. */
int hc_loop_init(struct hc_loop *l, uint64_t seed, struct errmsg *e);
/* Close what the loop itself owns and run it until all handles are gone. No probe may run. */
void hc_loop_fini(struct hc_loop *l);

/* The TLS context for probes: the system's CA store, TLS 1.2 and up. NULL without memory. */
SSL_CTX *hc_loop_tls(struct hc_loop *l);

/* The time that the schedule counts in. */
uint64_t hc_loop_now(void);

/* For uv_read_start() and uv_udp_recv_start(), on handles whose loop is a struct hc_loop's. */
void hc_loop_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf);

#endif
