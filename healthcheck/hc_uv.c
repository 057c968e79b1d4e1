/* The thread. Everything that arrives from outside (requests, replies, changes of the store, the
 * wish to stop) wakes one async handle, whose callback looks at all of it.
 *
 * The end: requests are refused, runs canceled, checks freed; then the loop goes on until the last
 * proposal has come back, since the proposer owns it until then. */
#include "healthcheck/core.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/log.h"
#include "base/metrics.h"
#include "base/rand.h"

static void answer(struct reg_probe_req *req, int code)
{
    req->code = code;
    (void)queue_push_reply(req->reply.to, &req->reply.link); /* closed: the asker is gone */
}

/* ---- requests ---- */

static void on_ttl(struct hc *hc, struct reg_probe_req *req)
{
    struct hc_check *c;
    enum reg_status status = reg_status_of(req->status);
    int rc = status == REG_STATUS_OTHER ? E_INVAL : hc_follow_one(hc, req->check_id, &c);
    if (rc == 0 && c->kind != REG_PROBE_TTL) {
        rc = E_INVAL;
    }
    if (rc == 0) {
        rc = hc_ttl_set(c, status, req->output);
    }
    if (rc != 0 || !hc_publish_wait(c, req)) {
        answer(req, rc);
    }
}

struct live {
    struct reg_probe_req *req;
    bool fill; /* else only count */
    size_t size;
};

static void live_one(struct live *v, const struct hc_check *c)
{
    struct reg_probe_req *req = v->req;
    if (!v->fill) {
        req->n_live++;
        v->size += c->id.len + c->output.len;
        return;
    }
    struct reg_live_check *l = &req->live[req->n_live++];
    l->check_id = slice_of(req->text.p + req->text.len, c->id.len);
    buf_add_slice(&req->text, c->id);
    l->output = slice_of(req->text.p + req->text.len, c->output.len);
    buf_add_slice(&req->text, buf_slice(&c->output));
    l->status = slice_str(hc_status_text(c->status));
}

static void live_all(struct hc *hc, struct live *v)
{
    v->req->n_live = 0;
    for (size_t i = 0; i < hc->n_heads; i++) {
        for (const struct hc_check *c = hc->heads[i]; c != NULL; c = c->next) {
            live_one(v, c);
        }
    }
}

static void on_live(struct hc *hc, struct reg_probe_req *req)
{
    struct live v = {.req = req};
    hc_follow(hc);
    buf_reset(&req->text);
    live_all(hc, &v);
    req->live = calloc(req->n_live + 1, sizeof *req->live);
    if (req->live == NULL || buf_reserve(&req->text, v.size + 1) == NULL) {
        free(req->live);
        req->live = NULL;
        req->n_live = 0;
        answer(req, E_NOMEM);
        return;
    }
    v.fill = true;
    live_all(hc, &v); /* the text has all its room, so that the slices stay where they point */
    answer(req, 0);
}

static void requests_run(struct hc *hc)
{
    struct list got;
    struct list *l;
    list_init(&got);
    (void)queue_take(&hc->requests, &got); /* the number shows in the list */
    while ((l = list_pop(&got)) != NULL) {
        struct reg_probe_req *req = container_of(l, struct reg_probe_req, reply.link);
        if (hc->stopping) {
            answer(req, E_CANCELED);
        } else if (req->op == REG_PROBE_REQ_TTL) {
            on_ttl(hc, req);
        } else if (req->op == REG_PROBE_REQ_RENEW) {
            answer(req, hc_session_renew(hc, req->session));
        } else {
            on_live(hc, req);
        }
    }
}

static int submit(struct reg_prober *self, struct reg_probe_req *req)
{
    struct hc *hc = container_of(self, struct hc, prober);
    return queue_push(&hc->requests, &req->reply.link);
}

/* ---- waking ---- */

static void wake(void *arg)
{
    struct hc *hc = arg;
    (void)uv_async_send(&hc->async); /* fails only for a closed handle, and we outlive its users */
}

/* The producer's last touch of us is the counter: see the end of thread_main(). */
static void wake_reply(void *arg)
{
    struct hc *hc = arg;
    wake(hc);
    atomic_fetch_add(&hc->reply_wakes, 1);
}

static void replies_run(struct hc *hc)
{
    if (reg_replies_run(&hc->replies) > 0) { /* bounded by HC_PROPOSALS_MAX */
        hc->reply_batches++;
    }
}

static void on_touched(struct reg_sub *sub)
{
    hc_touched(container_of(sub, struct hc, sub));
}

static void on_sessions_touched(struct reg_sub *sub)
{
    hc_sessions_touched(container_of(sub, struct hc, sub_sessions));
}

static void drop(struct hc_check *c)
{
    hc_check_free(c, E_CANCELED);
}

/* Begin to end: nothing new starts from here on. */
static void begin_stop(struct hc *hc)
{
    hc->stopping = true;
    queue_close(&hc->requests);
    requests_run(hc);
    hc_schedule_clear(&hc->loop.schedule, &hc->follow);
    hc_schedule_clear(&hc->loop.schedule, &hc->retry);
    hc_schedule_clear(&hc->loop.schedule, &hc->reap);
    hc_checks_each(hc, drop);
    hc_leases_fini(&hc->leases);
}

static void on_async(uv_async_t *a)
{
    struct hc *hc = container_of(a, struct hc, async);
    replies_run(hc);
    if (!hc->stopping) {
        reg_reader_sync(hc->reader);
        requests_run(hc);
        hc_proposals_next(hc);
    }
    if (atomic_load(&hc->stop)) {
        if (!hc->stopping) {
            begin_stop(hc);
        }
        uv_stop(&hc->loop.uv);
    }
}

/* ---- the thread ---- */

static unsigned runs_max(void)
{
    struct rlimit lim;
    if (getrlimit(RLIMIT_NOFILE, &lim) != 0 || lim.rlim_cur / 2 > HC_RUNS_MAX) {
        return HC_RUNS_MAX;
    }
    return lim.rlim_cur < 32 ? 16 : (unsigned)(lim.rlim_cur / 2);
}

static int thread_init(struct hc *hc, struct errmsg *e)
{
    int rc = hc_loop_init(&hc->loop, hc->options.seed, e);
    if (rc != 0) {
        return rc;
    }
    int uv = uv_async_init(&hc->loop.uv, &hc->async, on_async);
    if (uv != 0) {
        rc = err_set(e, E_IO, "wake-up handle: %s", uv_strerror(uv));
        goto err_after_loop;
    }
    rc = reg_reader_open(hc->options.store, wake, hc, &hc->reader);
    if (rc != 0) {
        rc = err_set(e, rc, "reader: %s", err_text(rc));
        goto err_after_async;
    }
    hc->sub.touched = on_touched;
    list_init(&hc->sub.link);
    hc->sub_sessions.touched = on_sessions_touched;
    list_init(&hc->sub_sessions.link);
    rc = reg_watch_add(reg_reader_watch(hc->reader), &hc->sub, REG_W_AGENT, hc->node);
    if (rc == 0) {
        rc = reg_watch_add(reg_reader_watch(hc->reader), &hc->sub_sessions, REG_W_SESSIONS,
                           slice_of(NULL, 0));
    }
    if (rc != 0) {
        rc = err_set(e, rc, "watch: %s", err_text(rc));
        goto err_after_reader;
    }
    hc_sessions_init(hc);
    hc_timer_init(&hc->follow, hc_on_follow);
    hc_timer_init(&hc->retry, hc_on_retry);
    hc_timer_init(&hc->reap, hc_on_reap);
    hc_schedule_set(&hc->loop.schedule, &hc->reap,
                    hc_loop_now() + (uint64_t)hc->options.reap_interval_ns);
    return 0;

err_after_reader:
    reg_watch_remove(reg_reader_watch(hc->reader), &hc->sub);
    reg_reader_close(hc->reader);
err_after_async:
    uv_close((uv_handle_t *)&hc->async, NULL);
err_after_loop:
    hc_loop_fini(&hc->loop);
    return rc;
}

static void thread_fini(struct hc *hc)
{
    hc_runs_free(hc);
    reg_watch_remove(reg_reader_watch(hc->reader), &hc->sub);
    reg_watch_remove(reg_reader_watch(hc->reader), &hc->sub_sessions);
    reg_reader_close(hc->reader);
    uv_close((uv_handle_t *)&hc->async, NULL);
    hc_loop_fini(&hc->loop);
    free(hc->heads);
    buf_fini(&hc->scratch);
    buf_fini(&hc->text);
}

static void *thread_main(void *arg)
{
    struct hc *hc = arg;
    hc->start_status = thread_init(hc, &hc->start_error);
    bool started = hc->start_status == 0;
    if (started) {
        hc_touched(hc);
        hc_sessions_touched(hc);
    }
    (void)sem_post(&hc->started); /* cannot overflow */
    if (!started) {
        return NULL;
    }
    while (!hc->stopping) {
        (void)uv_run(&hc->loop.uv, UV_RUN_DEFAULT); /* returns after uv_stop() only */
    }
    while (!hc_is_quiet(hc)) {
        (void)uv_run(&hc->loop.uv, UV_RUN_ONCE); /* until runs are closed and proposals back */
    }
    /* Each batch of replies began with one wake-up: the last of them may still be on its way out of
     * wake_reply() on the proposer's thread. */
    while (atomic_load(&hc->reply_wakes) != hc->reply_batches) {
        (void)sched_yield(); /* a few instructions of another thread */
    }
    thread_fini(hc);
    return NULL;
}

/* ---- from outside ---- */

static void fill_defaults(struct hc_options *o)
{
    o->update_interval_ns = o->update_interval_ns < 0 ? 300000000000 : o->update_interval_ns;
    o->output_max = o->output_max <= 0 ? HC_OUTPUT_DEFAULT : o->output_max;
    o->interval_min_ns = o->interval_min_ns <= 0 ? 1000000000 : o->interval_min_ns;
    o->deregister_min_ns = o->deregister_min_ns <= 0 ? 60000000000 : o->deregister_min_ns;
    o->reap_interval_ns = o->reap_interval_ns <= 0 ? 30000000000 : o->reap_interval_ns;
    if (o->seed == 0) {
        rand_bytes(&o->seed, sizeof o->seed);
    }
}

/* Start the thread with all signals blocked: they belong to the main thread, and SIGPIPE to nobody.
 */
static int spawn(struct hc *hc)
{
    sigset_t all;
    sigset_t old;
    sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old); /* fails only for a bad first argument */
    int rc = pthread_create(&hc->thread, NULL, thread_main, hc);
    if (rc == 0) {
        (void)pthread_setname_np(hc->thread, "checks"); /* only for whoever looks with top */
    }
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    return rc == 0 ? 0 : E_NOMEM;
}

static void hc_free(struct hc *hc)
{
    queue_fini(&hc->requests);
    queue_fini(&hc->replies);
    (void)sem_destroy(&hc->started);
    free(hc->node_text);
    free(hc);
}

static unsigned declare(enum metric_kind kind, const char *name, const char *help)
{
    return metrics_declare(&(struct metric_spec){.kind = kind, .name = name, .help = help});
}

static void declare_metrics(struct hc_metrics *m)
{
    m->probe = declare(METRIC_SUMMARY, "rollcall.check.probe", "Milliseconds that probes took.");
    m->changes = declare(METRIC_COUNTER, "rollcall.check.status_changes",
                         "Changes of a check's status that this server wrote.");
    m->running = declare(METRIC_GAUGE, "rollcall.check.running", "Probes that are under way.");
}

int hc_start(struct hc **out, const struct hc_options *o, struct errmsg *e)
{
    assert(o->store != NULL);
    assert(o->proposer != NULL);
    struct hc *hc = calloc(1, sizeof *hc);
    char *node = strdup(o->node);
    if (hc == NULL || node == NULL) {
        free(hc);
        free(node);
        return err_set(e, E_NOMEM, "%s", err_text(E_NOMEM));
    }
    hc->options = *o;
    hc->options.node = node;
    hc->node_text = node;
    hc->node = slice_str(node);
    fill_defaults(&hc->options);
    declare_metrics(&hc->metrics);
    hc->prober.submit = submit;
    hc->runs_max = runs_max();
    list_init(&hc->running);
    list_init(&hc->idle);
    list_init(&hc->ready);
    list_init(&hc->want);
    list_init(&hc->proposals);
    queue_init(&hc->requests, HC_REQUESTS_MAX, wake, hc);
    queue_init(&hc->replies, HC_PROPOSALS_MAX, wake_reply, hc);
    (void)sem_init(&hc->started, 0, 0); /* fails only for a value too large */
    int rc = spawn(hc);
    if (rc != 0) {
        hc_free(hc);
        return err_set(e, rc, "cannot start a thread");
    }
    while (sem_wait(&hc->started) != 0 && errno == EINTR) {
    }
    rc = hc->start_status;
    if (rc != 0) {
        (void)pthread_join(hc->thread, NULL); /* it is our own, and joinable */
        if (e != NULL) {
            *e = hc->start_error;
        }
        err_prefix(e, "health checker");
        hc_free(hc);
        return rc;
    }
    *out = hc;
    return 0;
}

void hc_stop(struct hc *hc)
{
    if (hc == NULL) {
        return;
    }
    atomic_store(&hc->stop, true);
    wake(hc);
    (void)pthread_join(hc->thread, NULL); /* it is our own, and joinable */
    hc_free(hc);
}

struct reg_prober *hc_prober(struct hc *hc)
{
    return &hc->prober;
}
