/* Work on checks: runs that come round, TTLs that expire. A run borrows a probe from a pool, so
 * that ten thousand idle checks cost no sockets and no buffers. When all probes are busy, checks
 * wait in the order in which they came due. */
#include "healthcheck/core.h"

#include <assert.h>
#include <stdlib.h>

#include "base/metrics.h"

/* The run is over: its probe may serve the next check. */
static void run_return(struct hc_run *run)
{
    struct hc *hc = run->hc;
    buf_fini(&run->def);
    run->check = NULL;
    metrics_gauge_add(hc->metrics.running, -1);
    list_remove(&run->link);
    hc->n_running--;
    if (hc->n_idle < HC_RUNS_KEPT && !hc->stopping) {
        list_push(&hc->idle, &run->link);
        hc->n_idle++;
    } else {
        hc_probe_fini(&run->probe);
        free(run);
    }
}

static void on_probe_done(struct hc_probe *p)
{
    struct hc_run *run = container_of(p, struct hc_run, probe);
    struct hc *hc = run->hc;
    struct hc_check *c = run->check;
    if (!p->canceled) {
        metrics_observe_ns(hc->metrics.probe, hc_loop_now() - run->began_ns);
    }
    if (c != NULL) {
        c->run = NULL;
        hc_schedule_set(&hc->loop.schedule, &c->timer, hc_loop_now() + (uint64_t)c->interval_ns);
        enum reg_status status;
        if (!p->canceled && hc_threshold_step(&c->threshold, p->status, &status)) {
            hc_publish(c, status, buf_slice(&p->output));
        }
    }
    run_return(run);
    hc_runs_next(hc);
    hc_proposals_next(hc);
}

/* An idle run, or NULL when there are too many or no memory is left. */
static struct hc_run *run_take(struct hc *hc)
{
    struct hc_run *run = NULL;
    if (hc->n_running >= hc->runs_max || hc->stopping) {
        return NULL;
    }
    struct list *l = list_pop(&hc->idle);
    if (l != NULL) {
        hc->n_idle--;
        run = container_of(l, struct hc_run, link);
    } else {
        run = calloc(1, sizeof *run);
        if (run == NULL) {
            return NULL;
        }
        run->hc = hc;
        list_init(&run->link);
        hc_probe_init(&run->probe, &hc->loop, on_probe_done);
    }
    run->began_ns = hc_loop_now();
    metrics_gauge_add(hc->metrics.running, 1);
    list_push(&hc->running, &run->link);
    hc->n_running++;
    return run;
}

void hc_runs_next(struct hc *hc)
{
    while (!list_empty(&hc->ready)) {
        struct hc_run *run = run_take(hc);
        if (run == NULL) {
            return; /* the next run that ends comes back here */
        }
        struct hc_check *c = container_of(list_pop(&hc->ready), struct hc_check, ready);
        int rc = reg_check_decode(buf_slice(&c->def), &run->view);
        assert(rc == 0); /* we encoded it */
        (void)rc;
        run->check = c;
        c->run = run;
        hc_probe_start(&run->probe, &run->view.probe, (size_t)c->output_max);
    }
}

static void on_due(struct hc_timer *t, uint64_t now_ns)
{
    (void)now_ns;
    struct hc_check *c = container_of(t, struct hc_check, timer);
    assert(c->run == NULL);
    list_push(&c->hc->ready, &c->ready);
    hc_runs_next(c->hc);
    if (c->run == NULL && c->hc->n_running == 0) { /* no memory, and no end of a run to wait for */
        list_remove(&c->ready);
        hc_schedule_set(&c->hc->loop.schedule, &c->timer, now_ns + (uint64_t)c->interval_ns);
    }
}

static void on_expired(struct hc_timer *t, uint64_t now_ns)
{
    (void)now_ns;
    struct hc_check *c = container_of(t, struct hc_check, timer);
    struct buf *text = &c->hc->text;
    buf_reset(text);
    hc_ttl_expire(&c->ttl, text);
    hc_publish(c, REG_CRITICAL, buf_slice(text));
    hc_proposals_next(c->hc);
}

int hc_ttl_set(struct hc_check *c, enum reg_status status, struct slice output)
{
    struct buf *text = &c->hc->text;
    assert(c->kind == REG_PROBE_TTL);
    buf_reset(text);
    int rc = hc_ttl_update(&c->ttl, output, (size_t)c->output_max, hc_loop_now(), text);
    if (rc == 0) {
        hc_schedule_set(&c->hc->loop.schedule, &c->timer, c->ttl.due_ns);
        hc_publish(c, status, buf_slice(text));
    }
    return rc;
}

void hc_check_start(struct hc_check *c)
{
    struct hc *hc = c->hc;
    uint64_t now = hc_loop_now();
    struct reg_check view;
    if (c->kind == REG_PROBE_TTL) {
        int rc = reg_check_decode(buf_slice(&c->def), &view);
        assert(rc == 0); /* we encoded it */
        (void)rc;
        hc_ttl_init(&c->ttl, view.probe.ttl_ns, now);
        hc_timer_init(&c->timer, on_expired);
        hc_schedule_set(&hc->loop.schedule, &c->timer, c->ttl.due_ns);
    } else if (c->kind == REG_PROBE_ALIAS) {
        hc_timer_init(&c->timer, on_due); /* never set: its target's changes drive it */
        hc_alias_watch(c);                /* the reading that made it looks at its target, too */
    } else {
        /* Spread over the interval, so that checks made together do not run together. */
        uint64_t delay = rng_below(&hc->loop.rng, (uint64_t)c->interval_ns);
        hc_timer_init(&c->timer, on_due);
        hc_schedule_set(&hc->loop.schedule, &c->timer, now + delay);
    }
}

void hc_check_stop(struct hc_check *c)
{
    hc_schedule_clear(&c->hc->loop.schedule, &c->timer);
    list_remove(&c->ready);
    hc_alias_unwatch(c);
}

void hc_runs_free(struct hc *hc)
{
    struct list *l;
    assert(hc->n_running == 0);
    while ((l = list_pop(&hc->idle)) != NULL) {
        struct hc_run *run = container_of(l, struct hc_run, link);
        hc_probe_fini(&run->probe);
        free(run);
    }
    hc->n_idle = 0;
}
