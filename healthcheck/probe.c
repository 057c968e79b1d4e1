/* What is common to all kinds: the table of kinds, and how a run ends.
 *
 *   IDLE ── start ──► RUNNING ── finish or cancel ──► STOPPING ── all closed ──► IDLE, done()
 */
#include "healthcheck/probe.h"

#include <assert.h>

#include "base/list.h"

static const struct hc_probe_kind *kind_of(uint8_t kind)
{
    switch ((enum reg_probe_kind)kind) {
        case REG_PROBE_HTTP:
            return &hc_probe_http;
        case REG_PROBE_TCP:
            return &hc_probe_tcp;
        case REG_PROBE_UDP:
            return &hc_probe_udp;
        case REG_PROBE_GRPC:
            return &hc_probe_grpc;
        case REG_PROBE_H2PING:
            return &hc_probe_h2ping;
        case REG_PROBE_SCRIPT:
        case REG_PROBE_DOCKER:
        case REG_PROBE_OS_SERVICE:
            return &hc_probe_unsupported;
        case REG_PROBE_NONE:
        case REG_PROBE_TTL:
        case REG_PROBE_ALIAS:
            return NULL;
    }
    return NULL; /* a kind from a later version */
}

bool hc_probe_runs(uint8_t kind)
{
    return kind_of(kind) != NULL;
}

static void on_timer(struct hc_timer *t, uint64_t now_ns)
{
    (void)now_ns;
    hc_probe_stopped(container_of(t, struct hc_probe, timer));
}

void hc_probe_init(struct hc_probe *p, struct hc_loop *l, void (*done)(struct hc_probe *p))
{
    *p = (struct hc_probe){.loop = l, .done = done, .state = HC_PROBE_IDLE};
    hc_conn_init(&p->conn, l);
    hc_timer_init(&p->timer, on_timer);
}

void hc_probe_fini(struct hc_probe *p)
{
    assert(p->state == HC_PROBE_IDLE);
    hc_conn_fini(&p->conn);
    hc_tail_fini(&p->tail);
    buf_fini(&p->output);
    buf_fini(&p->text_url);
    buf_fini(&p->text);
    buf_fini(&p->reason);
    buf_fini(&p->scratch);
}

static void recycle(struct buf *b)
{
    if (b->cap > HC_CONN_KEEP) {
        buf_fini(b);
    }
    buf_reset(b);
}

void hc_probe_start(struct hc_probe *p, const struct reg_probe *def, size_t output_max)
{
    assert(p->state == HC_PROBE_IDLE);
    p->kind = kind_of(def->kind);
    assert(p->kind != NULL);
    recycle(&p->output);
    recycle(&p->text_url);
    recycle(&p->text);
    recycle(&p->reason);
    recycle(&p->scratch);
    hc_tail_reset(&p->tail, output_max);
    int64_t timeout = def->timeout_ns > 0 ? def->timeout_ns : HC_TIMEOUT_DEFAULT_NS;
    p->deadline_ns = hc_loop_now() + (uint64_t)timeout;
    p->def = def;
    p->output_max = output_max;
    p->canceled = false;
    p->state = HC_PROBE_RUNNING;
    p->kind->start(p);
}

void hc_probe_stopped(struct hc_probe *p)
{
    assert(p->state == HC_PROBE_STOPPING);
    if (p->kind->release != NULL) {
        p->kind->release(p);
    }
    p->def = NULL;
    p->state = HC_PROBE_IDLE;
    p->done(p); /* our last touch */
}

static void on_conn_closed(struct hc_conn *c)
{
    hc_probe_stopped(container_of(c, struct hc_probe, conn));
}

static void stop(struct hc_probe *p)
{
    p->state = HC_PROBE_STOPPING;
    hc_schedule_clear(&p->loop->schedule, &p->timer);
    if (p->kind->stop != NULL) {
        p->kind->stop(p);
    } else if (p->conn.state != HC_CONN_CLOSED) {
        hc_conn_close(&p->conn, on_conn_closed);
    } else {
        hc_timer_init(&p->timer, on_timer);
        hc_schedule_set(&p->loop->schedule, &p->timer, 0);
    }
}

void hc_probe_finish(struct hc_probe *p, enum reg_status status)
{
    if (p->state != HC_PROBE_RUNNING) {
        return;
    }
    p->status = status;
    stop(p);
}

void hc_probe_fail(struct hc_probe *p, const char *text)
{
    buf_reset(&p->output);
    buf_add_str(&p->output, text);
    hc_probe_finish(p, REG_CRITICAL);
}

void hc_probe_cancel(struct hc_probe *p)
{
    if (p->state == HC_PROBE_RUNNING) {
        p->canceled = true;
        stop(p);
    }
}
