/* From results to commands.
 *
 * A check knows its newest state and what the store holds. When the status differs, or the output
 * does and is due, the check joins the `want` list; hc_proposals_next() turns its members into
 * proposals as far as HC_PROPOSALS_MAX allows. While one is under way newer states only replace
 * each other, so a check costs at most one command at a time. An answer settles what the store
 * holds, and the check joins the list again if that is not the newest.
 *
 * An output alone becomes due after half the update interval plus a random part of it (Consul's
 * local.State.UpdateCheck). */
#include "healthcheck/core.h"

#include <assert.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/metrics.h"

const char *hc_status_text(enum reg_status s)
{
    switch (s) {
        case REG_PASSING:
            return "passing";
        case REG_WARNING:
            return "warning";
        case REG_CRITICAL:
        case REG_STATUS_OTHER: /* never found by a probe */
            break;
    }
    return "critical";
}

void hc_waiters_answer(struct list *waiters, int code)
{
    struct list *l;
    while ((l = list_pop(waiters)) != NULL) {
        struct reg_probe_req *req = container_of(l, struct reg_probe_req, reply.link);
        req->code = code;
        (void)queue_push_reply(req->reply.to, &req->reply.link); /* closed: the asker is gone */
    }
}

static uint64_t output_hash(const struct hc_check *c)
{
    return hash64(0, buf_slice(&c->output));
}

/* The store does not hold what it should. */
static bool is_due(const struct hc_check *c)
{
    if (!c->has_result) {
        return false;
    }
    bool alone = c->output_due || c->hc->options.update_interval_ns == 0;
    return c->status != c->stored_status || (alone && output_hash(c) != c->stored_output);
}

static void want(struct hc_check *c)
{
    if (c->proposal == NULL && list_empty(&c->want) && !c->hc->stopping) {
        list_push(&c->hc->want, &c->want);
    }
}

static void on_flush(struct hc_timer *t, uint64_t now_ns)
{
    (void)now_ns;
    struct hc_check *c = container_of(t, struct hc_check, flush);
    c->output_due = true;
    if (is_due(c)) {
        want(c);
        hc_proposals_next(c->hc);
    } else {
        c->output_due = false;
    }
}

/* Wait for the time when the output may be written alone. */
static void flush_later(struct hc_check *c)
{
    uint64_t interval = (uint64_t)c->hc->options.update_interval_ns;
    uint64_t delay = interval / 2 + rng_below(&c->hc->loop.rng, interval);
    hc_timer_init(&c->flush, on_flush);
    hc_schedule_set(&c->hc->loop.schedule, &c->flush, hc_loop_now() + delay);
}

static void log_change(const struct hc_check *c, enum reg_status from)
{
    log_info("agent", "Check status changed: check=%.*s service=%.*s from=%s to=%s", (int)c->id.len,
             c->id.p, (int)c->service_id.len, c->service_id.len == 0 ? "" : c->service_id.p,
             hc_status_text(from), hc_status_text(c->status));
}

void hc_publish(struct hc_check *c, enum reg_status status, struct slice output)
{
    if (status != REG_CRITICAL) {
        c->critical_since_ns = 0;
    } else if (c->critical_since_ns == 0) {
        c->critical_since_ns = hc_loop_now();
    }
    enum reg_status before = c->status;
    bool same_status = c->has_result && before == status;
    if (same_status && slice_eq(buf_slice(&c->output), output)) {
        return;
    }
    c->has_result = true;
    c->status = status;
    buf_reset(&c->output);
    buf_add_slice(&c->output, output); /* without memory: the newest output is shown empty */
    if (before != status) {
        log_change(c, before);
    }
    if (is_due(c)) {
        want(c);
    } else if (!c->flush.set && c->proposal == NULL && output_hash(c) != c->stored_output) {
        flush_later(c);
    }
}

void hc_stored(struct hc_check *c, enum reg_status status, struct slice output)
{
    c->stored_status = status;
    c->stored_output = hash64(0, output);
    if (!c->has_result) {
        c->status = status;
        buf_reset(&c->output);
        buf_add_slice(&c->output, output); /* as above */
    } else if (is_due(c)) {
        want(c); /* somebody else wrote it; what we found is the truth */
    }
}

bool hc_publish_wait(struct hc_check *c, struct reg_probe_req *req)
{
    const struct hc_proposal *p = c->proposal;
    bool outputs_count = c->hc->options.update_interval_ns == 0;
    if (p != NULL && p->status == c->status && (!outputs_count || p->output == output_hash(c))) {
        list_push(&c->proposal->waiters, &req->reply.link);
        return true;
    }
    if (p != NULL || is_due(c)) { /* what is under way is older: the next one carries it */
        list_push(&c->waiters, &req->reply.link);
        return true;
    }
    return false;
}

/* ---- proposals ---- */

static void proposal_free(struct hc_proposal *p)
{
    assert(list_empty(&p->waiters));
    list_remove(&p->link);
    buf_fini(&p->rp.cmd);
    free(p);
}

static void back_off(struct hc *hc, uint64_t ns)
{
    if (!hc->stopping) {
        hc->backing_off = true;
        hc_schedule_set(&hc->loop.schedule, &hc->retry, hc_loop_now() + ns);
    }
}

void hc_on_retry(struct hc_timer *t, uint64_t now_ns)
{
    (void)now_ns;
    struct hc *hc = container_of(t, struct hc, retry);
    hc->backing_off = false;
    hc_proposals_next(hc);
}

/* The command did what it could: note what the store holds now. */
static void settle(struct hc_check *c, const struct hc_proposal *p)
{
    /* A reading that came before us knows better. */
    if (p->rp.result.index > c->modify_index) {
        c->stored_status = p->status;
        c->stored_output = p->output;
    }
}

static void on_reply(struct reg_reply *reply)
{
    struct reg_proposal *rp = container_of(reply, struct reg_proposal, reply);
    struct hc_proposal *p = container_of(rp, struct hc_proposal, rp);
    struct hc *hc = p->hc;
    struct hc_check *c = p->check;
    int code = rp->status != 0 ? rp->status : rp->result.status;
    hc->n_proposals--;
    if (rp->status != 0 && !hc->stopping) {
        log_warn("agent", "Syncing checks failed, will try again: error=%s", err_text(rp->status));
        back_off(hc, HC_RETRY_NS);
    }
    hc_waiters_answer(&p->waiters, code);
    if (c != NULL) {
        c->proposal = NULL;
        if (rp->status == 0 && code == 0) {
            settle(c, p);
        } else if (rp->status ==
                   0) { /* refused: the check is gone, and the next reading drops it */
            c->stored_status = p->status;
            c->stored_output = p->output;
            hc_touched(hc);
        }
        if (is_due(c)) {
            want(c);
        } else {
            hc_waiters_answer(&c->waiters, code); /* back to what the store holds already */
            if (c->has_result && !c->flush.set && output_hash(c) != c->stored_output) {
                flush_later(c);
            }
        }
    }
    proposal_free(p);
    hc_proposals_next(hc);
}

/* Push what @p->rp.cmd holds. Returns the proposer's answer; after an error @p is freed. */
static int propose(struct hc *hc, struct hc_proposal *p)
{
    p->rp.reply = (struct reg_reply){.to = &hc->replies, .done = on_reply};
    list_init(&p->rp.reply.link);
    p->rp.status = 0;
    list_push(&hc->proposals, &p->link);
    int rc =
        buf_ok(&p->rp.cmd) ? hc->options.proposer->propose(hc->options.proposer, &p->rp) : E_NOMEM;
    if (rc == 0) {
        hc->n_proposals++;
    } else {
        proposal_free(p);
    }
    return rc;
}

static struct hc_proposal *proposal_new(struct hc *hc)
{
    struct hc_proposal *p = calloc(1, sizeof *p);
    if (p != NULL) {
        p->hc = hc;
        list_init(&p->waiters);
        list_init(&p->link);
    }
    return p;
}

/* Propose the newest state of @c. Its waiters go along once it is accepted. */
static int propose_check(struct hc_check *c)
{
    struct hc *hc = c->hc;
    struct hc_proposal *p = proposal_new(hc);
    if (p == NULL) {
        return E_NOMEM;
    }
    p->check = c;
    p->status = c->status;
    p->output = output_hash(c);
    const struct reg_check_status cmd = {
        .node = hc->node,
        .check_id = c->id,
        .status = slice_str(hc_status_text(c->status)),
        .output = buf_slice(&c->output),
        .create_index = c->create_index,
    };
    reg_command_check_status(&p->rp.cmd, &cmd);
    int rc = propose(hc, p);
    if (rc == 0) {
        metrics_count(hc->metrics.changes, c->status != c->stored_status ? 1 : 0);
        c->proposal = p;
        c->output_due = false;
        list_splice(&p->waiters, &c->waiters);
        hc_schedule_clear(&hc->loop.schedule, &c->flush);
    }
    return rc;
}

void hc_proposals_next(struct hc *hc)
{
    while (!list_empty(&hc->want) && hc->n_proposals < HC_PROPOSALS_MAX && !hc->backing_off &&
           !hc->stopping) {
        struct hc_check *c = container_of(hc->want.next, struct hc_check, want);
        if (!is_due(c)) { /* it has gone back to what the store holds */
            list_remove(&c->want);
            hc_waiters_answer(&c->waiters, 0);
            continue;
        }
        int rc = propose_check(c);
        if (rc == E_FULL || rc == E_NOMEM) {
            back_off(hc, HC_RETRY_FULL_NS);
            return;
        }
        list_remove(&c->want);
        if (rc != 0) { /* shutting down, or a command that nobody will ever take */
            log_warn("agent", "Check status cannot be written: check=%.*s error=%s", (int)c->id.len,
                     c->id.p, err_text(rc));
            hc_waiters_answer(&c->waiters, rc);
        }
    }
}

/* ---- sessions that ran out ---- */

void hc_end_session(struct hc *hc, struct slice id)
{
    struct hc_proposal *p = hc->n_proposals < HC_PROPOSALS_MAX ? proposal_new(hc) : NULL;
    if (p == NULL) {
        return; /* the lease asks again */
    }
    const struct reg_session_op cmd = {.verb = REG_SESSION_DESTROY, .session.id = id};
    reg_command_session(&p->rp.cmd, &cmd);
    (void)propose(hc, p); /* likewise */
}

/* ---- services that are critical for too long ---- */

static void reap(struct hc_check *c)
{
    struct hc *hc = c->hc;
    uint64_t after = (uint64_t)(c->deregister_after_ns > hc->options.deregister_min_ns
                                    ? c->deregister_after_ns
                                    : hc->options.deregister_min_ns);
    if (c->deregister_after_ns <= 0 || c->service_id.len == 0 || c->critical_since_ns == 0 ||
        hc_loop_now() - c->critical_since_ns <= after || hc->n_proposals >= HC_PROPOSALS_MAX) {
        return; /* a full house: the next round takes it */
    }
    struct hc_proposal *p = proposal_new(hc);
    if (p == NULL) {
        return; /* likewise */
    }
    log_info("agent",
             "Check for service has been critical for too long; deregistering service: "
             "service=%.*s check=%.*s",
             (int)c->service_id.len, c->service_id.p, (int)c->id.len, c->id.p);
    const struct reg_deregister cmd = {.node = hc->node, .service_id = c->service_id};
    reg_command_deregister(&p->rp.cmd, &cmd);
    (void)propose(hc, p); /* refused: the next round tries again */
}

void hc_on_reap(struct hc_timer *t, uint64_t now_ns)
{
    struct hc *hc = container_of(t, struct hc, reap);
    hc_checks_each(hc, reap);
    hc_schedule_set(&hc->loop.schedule, &hc->reap, now_ns + (uint64_t)hc->options.reap_interval_ns);
}

bool hc_is_quiet(const struct hc *hc)
{
    return hc->n_proposals == 0 && hc->n_running == 0;
}
