/* The prepare handle runs before each wait: there the uv timer is set to the earliest deadline of
 * the schedule, at most once a turn however many deadlines moved. */
#include "healthcheck/loop_uv.h"

#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/list.h"
#include "healthcheck/resolve_ares.h"

uint64_t hc_loop_now(void)
{
    return clock_mono_ns();
}

static void on_timer(uv_timer_t *t)
{
    struct hc_loop *l = container_of(t, struct hc_loop, timer);
    l->armed_ms = UINT64_MAX;
    (void)hc_schedule_step(&l->schedule, hc_loop_now(), HC_TURN_TIMERS); /* the rest: next turn */
}

static void on_prepare(uv_prepare_t *p)
{
    struct hc_loop *l = container_of(p, struct hc_loop, prepare);
    uint64_t due = hc_schedule_next(&l->schedule);
    if (due == HC_NEVER) {
        if (l->armed_ms != UINT64_MAX) {
            uv_timer_stop(&l->timer);
            l->armed_ms = UINT64_MAX;
        }
        return;
    }
    /* Rounded up: a timer that fires early would only go round again. */
    uint64_t due_ms = due / 1000000 + (due % 1000000 != 0);
    if (due_ms == l->armed_ms) {
        return;
    }
    uint64_t now_ms = hc_loop_now() / 1000000;
    uv_update_time(&l->uv);
    int rc = uv_timer_start(&l->timer, on_timer, due_ms > now_ms ? due_ms - now_ms : 0, 0);
    assert(rc == 0);
    (void)rc;
    l->armed_ms = due_ms;
}

void hc_loop_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)suggested;
    struct hc_loop *l = container_of(handle->loop, struct hc_loop, uv);
    *buf = uv_buf_init(l->read, HC_READ_SIZE);
}

SSL_CTX *hc_loop_tls(struct hc_loop *l)
{
    if (l->tls != NULL) {
        return l->tls;
    }
    SSL_CTX *c = SSL_CTX_new(TLS_client_method());
    if (c == NULL) {
        return NULL;
    }
    /* A missing store only makes verification fail, and the check's output then says so. */
    (void)SSL_CTX_set_default_verify_paths(c);
    (void)SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION); /* a known constant: cannot fail */
    SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(c, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                            SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
    l->tls = c;
    return c;
}

int hc_loop_init(struct hc_loop *l, uint64_t seed, struct errmsg *e)
{
    *l = (struct hc_loop){.armed_ms = UINT64_MAX};
    hc_schedule_init(&l->schedule);
    rng_seed(&l->rng, seed);
    l->read = malloc(HC_READ_SIZE);
    l->plain = malloc(HC_PLAIN_SIZE);
    if (l->read == NULL || l->plain == NULL) {
        free(l->read);
        free(l->plain);
        return err_set(e, E_NOMEM, "%s", err_text(E_NOMEM));
    }
    int rc = uv_loop_init(&l->uv);
    if (rc != 0) {
        free(l->read);
        free(l->plain);
        return err_set(e, E_IO, "event loop: %s", uv_strerror(rc));
    }
    (void)uv_timer_init(&l->uv, &l->timer);     /* these four only fill in structs */
    (void)uv_prepare_init(&l->uv, &l->prepare); /* (libuv: "always returns 0") */
    (void)uv_prepare_start(&l->prepare, on_prepare);
    rc = hc_resolver_new(&l->resolver, l, e);
    if (rc != 0) {
        hc_loop_fini(l);
    }
    return rc;
}

void hc_loop_fini(struct hc_loop *l)
{
    hc_resolver_free(l->resolver);
    l->resolver = NULL;
    uv_close((uv_handle_t *)&l->timer, NULL);
    uv_close((uv_handle_t *)&l->prepare, NULL);
    (void)uv_run(&l->uv, UV_RUN_DEFAULT); /* returns when the last handle is closed */
    int rc = uv_loop_close(&l->uv);
    assert(rc == 0);
    (void)rc;
    SSL_CTX_free(l->tls);
    free(l->read);
    free(l->plain);
}
