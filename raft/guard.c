/* `low->data` is the guard and `io.data` the library (raft_init() sets it), so each side finds its
 * way with what the callbacks pass. Whatever calls into the library ends with guard_step(). */
#include "raft/guard.h"

#include <assert.h>
#include <string.h>

#include "base/list.h"
#include "base/log.h"

static struct guard *of(struct raft_io *io)
{
    return container_of(io, struct guard, io);
}

static void check(const struct guard *g, const char *what, int status)
{
    if (status != 0 && !g->closing) {
        log_fatal("raft", "A write of the log failed, ending: write=%s error=\"%s\"", what,
                  raft_strerror(status));
    }
}

/* ---- S1: leadership begins with a barrier ---- */

static void on_barrier(struct raft_barrier *req, int status)
{
    struct guard *g = req->data;
    g->barrier_busy = false;
    g->ready =
        status == 0 && raft_state(g->raft) == RAFT_LEADER && g->led_term == g->raft->current_term;
}

static void lead(struct guard *g)
{
    if (g->led_term == g->raft->current_term || g->barrier_busy) {
        return;
    }
    g->barrier.data = g;
    g->barrier_busy = true;
    int rc = raft_barrier(g->raft, &g->barrier, on_barrier);
    if (rc != 0) {
        g->barrier_busy = false; /* a transfer is under way: the next step tries again */
        return;
    }
    g->led_term = g->raft->current_term;
}

/* May answers of followers count? Once the barrier of this term is on our own disk. */
static bool barrier_stored(const struct guard *g)
{
    return g->led_term == g->raft->current_term && g->raft->last_stored >= g->barrier.index;
}

/* Keep @m until then: the newest of each server. */
static void hold(struct guard *g, const struct raft_message *m)
{
    for (unsigned i = 0; i < g->n_held; i++) {
        if (g->held[i].server_id == m->server_id) {
            g->held[i].append_entries_result = m->append_entries_result;
            return;
        }
    }
    if (g->n_held < GUARD_HELD) {
        g->held[g->n_held] = *m;
        /* The address is the sender's memory; the library looks servers up by id. */
        g->held[g->n_held].server_address = "";
        g->n_held++;
    }
}

static void replay(struct guard *g)
{
    if (raft_state(g->raft) != RAFT_LEADER) {
        g->n_held = 0;
        return;
    }
    if (g->n_held == 0 || !barrier_stored(g)) {
        return;
    }
    unsigned n = g->n_held;
    g->n_held = 0;
    for (unsigned i = 0; i < n; i++) {
        struct raft_message m = g->held[i];
        g->recv(&g->io, &m);
    }
}

void guard_step(struct guard *g)
{
    if (g->closing || g->stepping) {
        return;
    }
    g->stepping = true;
    int state = raft_state(g->raft);
    if (state == RAFT_UNAVAILABLE) {
        log_fatal("raft", "The consensus library gave up, ending: error=\"%s\"",
                  raft_errmsg(g->raft));
    }
    if (state == RAFT_LEADER) {
        lead(g);
    } else {
        g->ready = false;
    }
    g->ready = g->ready && g->led_term == g->raft->current_term;
    replay(g);
    g->stepping = false;
    g->stepped(g->arg);
}

/* ---- what comes up: ticks and messages ---- */

static void on_tick(struct raft_io *low)
{
    struct guard *g = low->data;
    if (g->follower_appends == 0 && !g->installing) {
        g->tick(&g->io);
    }
    guard_step(g);
}

/* Free what a message that is not handed on carries; the library would have. */
static void drop(struct raft_message *m)
{
    if (m->type == RAFT_IO_APPEND_ENTRIES && m->append_entries.n_entries > 0) {
        raft_free(m->append_entries.entries[0].batch);
        raft_free(m->append_entries.entries);
    } else if (m->type == RAFT_IO_INSTALL_SNAPSHOT) {
        raft_configuration_close(&m->install_snapshot.conf);
        raft_free(m->install_snapshot.data.base);
    }
}

/* True when @m must not reach the library now. Everything dropped is sent again by its sender. */
static bool refuse(struct guard *g, struct raft_message *m)
{
    const struct raft *r = g->raft;
    switch (m->type) {
        case RAFT_IO_APPEND_ENTRIES:
            return g->putting && m->append_entries.n_entries > 0 &&
                   m->append_entries.prev_log_index < raft_last_index(g->raft);
        case RAFT_IO_APPEND_ENTRIES_RESULT:
            if (raft_state(g->raft) == RAFT_LEADER && m->append_entries_result.rejected == 0 &&
                m->append_entries_result.term == r->current_term && !barrier_stored(g)) {
                hold(g, m);
                return true;
            }
            return false;
        case RAFT_IO_REQUEST_VOTE: {
            const struct raft_request_vote *v = &m->request_vote;
            bool voted = r->voted_for != 0 && r->voted_for != v->candidate_id;
            return g->installing || (!v->pre_vote && v->term == r->current_term && voted);
        }
        case RAFT_IO_TIMEOUT_NOW:
            return g->follower_appends > 0 || g->installing;
        default:
            return false;
    }
}

static void on_recv(struct raft_io *low, struct raft_message *m)
{
    struct guard *g = low->data;
    if (refuse(g, m)) {
        drop(m);
        return;
    }
    bool entries = m->type == RAFT_IO_APPEND_ENTRIES;
    raft_term term = entries ? m->append_entries.term : 0;
    g->in_recv = entries;
    g->accepted = false;
    if (entries) {
        g->recv_last = m->append_entries.prev_log_index + m->append_entries.n_entries;
    }
    if ((entries && term >= g->raft->current_term) || m->type == RAFT_IO_INSTALL_SNAPSHOT) {
        g->last_leader_ms = g->low->time(g->low);
    }
    g->recv(&g->io, m);
    g->in_recv = false;
    guard_step(g);
}

/* ---- what goes down ---- */

/* S2: the message being handled was compared with our log and accepted. */
static void accept_message(struct guard *g)
{
    if (g->compared_term != g->raft->current_term) {
        g->compared_term = g->raft->current_term;
        g->compared = 0;
    }
    if (g->in_recv && !g->accepted) {
        g->accepted = true;
        g->compared = g->recv_last > g->compared ? g->recv_last : g->compared;
    }
}

/* Report nothing that was not compared. False: nothing is left to report. */
static bool clamp_result(struct guard *g, struct raft_message *m)
{
    struct raft_append_entries_result *result = &m->append_entries_result;
    if (result->rejected != 0) {
        return true;
    }
    accept_message(g);
    if (result->last_log_index > g->compared) {
        result->last_log_index = g->compared;
    }
    return result->last_log_index > 0;
}

/* D2, L5: the receiver asks for the rest. It must not commit what it did not get. */
static void clamp_entries(struct raft_message *m)
{
    struct raft_append_entries *ae = &m->append_entries;
    size_t bytes = 0;
    unsigned n = 0;
    while (n < ae->n_entries && n < GUARD_SEND_ENTRIES) {
        bytes += ae->entries[n].buf.len;
        if (n > 0 && bytes > GUARD_SEND_BYTES) {
            break;
        }
        n++;
    }
    if (n < ae->n_entries) {
        ae->n_entries = n;
        raft_index last = ae->prev_log_index + n;
        ae->leader_commit = ae->leader_commit < last ? ae->leader_commit : last;
    }
}

/* A message that is not sent still needs its callback, later: send it to nobody. */
static int guard_send(struct raft_io *io,
                      struct raft_io_send *req,
                      const struct raft_message *message,
                      raft_io_send_cb cb)
{
    struct guard *g = of(io);
    struct raft_message m = *message;
    if (m.type == RAFT_IO_APPEND_ENTRIES_RESULT && !clamp_result(g, &m)) {
        m.server_id = 0;
    } else if (m.type == RAFT_IO_APPEND_ENTRIES) {
        clamp_entries(&m);
    }
    int rc = g->low->send(g->low, req, &m, cb);
    assert(rc == 0); /* C7: failures come through the callback */
    return rc;
}

struct guard_append {
    struct raft_io_append req; /* ours, for the lower side */
    struct raft_io_append *upper;
    struct guard *guard;
    bool follower;
};

static void on_append(struct raft_io_append *req, int status)
{
    struct guard_append *a = req->data;
    struct guard *g = a->guard;
    struct raft_io_append *upper = a->upper;
    check(g, "append", status);
    if (a->follower) {
        g->follower_appends--;
    }
    raft_free(a);
    upper->cb(upper, status);
    guard_step(g);
}

static int guard_append(struct raft_io *io,
                        struct raft_io_append *req,
                        const struct raft_entry entries[],
                        unsigned n,
                        raft_io_append_cb cb)
{
    struct guard *g = of(io);
    struct guard_append *a = raft_malloc(sizeof *a);
    if (a == NULL) {
        return RAFT_NOMEM;
    }
    bool follower = raft_state(g->raft) == RAFT_FOLLOWER;
    if (follower && g->in_recv) {
        accept_message(g);
    }
    req->cb = cb;
    *a = (struct guard_append){.upper = req, .guard = g, .follower = follower};
    a->req.data = a;
    int rc = g->low->append(g->low, &a->req, entries, n, on_append);
    if (rc != 0) {
        raft_free(a);
        return rc;
    }
    g->follower_appends += follower ? 1 : 0;
    return 0;
}

static int guard_truncate(struct raft_io *io, raft_index index)
{
    struct guard *g = of(io);
    if (g->compared >= index) {
        g->compared = index - 1;
    }
    int rc = g->low->truncate(g->low, index);
    check(g, "truncate", rc);
    return rc;
}

static int guard_set_term(struct raft_io *io, raft_term term)
{
    struct guard *g = of(io);
    int rc = g->low->set_term(g->low, term);
    check(g, "term", rc);
    return rc;
}

static int guard_set_vote(struct raft_io *io, raft_id id)
{
    struct guard *g = of(io);
    int rc = g->low->set_vote(g->low, id);
    check(g, "vote", rc);
    return rc;
}

struct guard_put {
    struct raft_io_snapshot_put req;
    struct raft_io_snapshot_put *upper;
    struct guard *guard;
    raft_index index;
    raft_term term; /* in which it came */
};

static void on_put(struct raft_io_snapshot_put *req, int status)
{
    struct guard_put *p = req->data;
    struct guard *g = p->guard;
    struct raft_io_snapshot_put *upper = p->upper;
    /* The lower side ends the process on a failed write; what arrives here is a snapshot that could
     * not be taken now. */
    if (g->installing) {
        check(g, "snapshot", status);
        if (p->term == g->raft->current_term) { /* S2: it is the leader's log up to there */
            g->compared_term = p->term;
            g->compared = p->index > g->compared ? p->index : g->compared;
        }
    }
    g->putting = false;
    g->installing = false;
    raft_free(p);
    upper->cb(upper, status);
    guard_step(g);
}

static int guard_snapshot_put(struct raft_io *io,
                              unsigned trailing,
                              struct raft_io_snapshot_put *req,
                              const struct raft_snapshot *snapshot,
                              raft_io_snapshot_put_cb cb)
{
    struct guard *g = of(io);
    struct guard_put *p = raft_malloc(sizeof *p);
    if (p == NULL) {
        return RAFT_NOMEM;
    }
    req->cb = cb;
    *p = (struct guard_put){
        .upper = req, .guard = g, .index = snapshot->index, .term = g->raft->current_term};
    p->req.data = p;
    int rc = g->low->snapshot_put(g->low, trailing, &p->req, snapshot, on_put);
    if (rc != 0) {
        raft_free(p);
        return rc;
    }
    g->putting = true;
    g->installing = trailing == 0;
    return 0;
}

/* ---- what passes through unchanged ---- */

static int guard_io_init(struct raft_io *io, raft_id id, const char *address)
{
    struct guard *g = of(io);
    return g->low->init(g->low, id, address);
}

static void on_closed(struct raft_io *low)
{
    struct guard *g = low->data;
    g->closed(&g->io);
}

static void guard_io_close(struct raft_io *io, raft_io_close_cb cb)
{
    struct guard *g = of(io);
    g->closed = cb;
    g->low->close(g->low, on_closed);
}

static int guard_load(struct raft_io *io,
                      raft_term *term,
                      raft_id *voted_for,
                      struct raft_snapshot **snapshot,
                      raft_index *start_index,
                      struct raft_entry *entries[],
                      size_t *n_entries)
{
    struct guard *g = of(io);
    return g->low->load(g->low, term, voted_for, snapshot, start_index, entries, n_entries);
}

static int guard_start(struct raft_io *io,
                       unsigned msecs,
                       raft_io_tick_cb tick,
                       raft_io_recv_cb recv)
{
    struct guard *g = of(io);
    g->tick = tick;
    g->recv = recv;
    return g->low->start(g->low, msecs, on_tick, on_recv);
}

static int guard_bootstrap(struct raft_io *io, const struct raft_configuration *conf)
{
    struct guard *g = of(io);
    return g->low->bootstrap(g->low, conf);
}

static int guard_recover(struct raft_io *io, const struct raft_configuration *conf)
{
    struct guard *g = of(io);
    return g->low->recover(g->low, conf);
}

static int guard_snapshot_get(struct raft_io *io,
                              struct raft_io_snapshot_get *req,
                              raft_io_snapshot_get_cb cb)
{
    struct guard *g = of(io);
    return g->low->snapshot_get(g->low, req, cb);
}

static raft_time guard_time(struct raft_io *io)
{
    struct guard *g = of(io);
    return g->low->time(g->low);
}

static int guard_random(struct raft_io *io, int min, int max)
{
    struct guard *g = of(io);
    return g->low->random(g->low, min, max);
}

void guard_init(struct guard *g,
                struct raft *raft,
                struct raft_io *low,
                void (*stepped)(void *arg),
                void *arg)
{
    memset(g, 0, sizeof *g);
    g->raft = raft;
    g->low = low;
    g->stepped = stepped;
    g->arg = arg;
    low->data = g;
    g->io = (struct raft_io){
        .version = 1,
        .init = guard_io_init,
        .close = guard_io_close,
        .load = guard_load,
        .start = guard_start,
        .bootstrap = guard_bootstrap,
        .recover = guard_recover,
        .set_term = guard_set_term,
        .set_vote = guard_set_vote,
        .send = guard_send,
        .append = guard_append,
        .truncate = guard_truncate,
        .snapshot_put = guard_snapshot_put,
        .snapshot_get = guard_snapshot_get,
        .time = guard_time,
        .random = guard_random,
    };
}

void guard_close(struct guard *g)
{
    g->closing = true;
    g->ready = false;
}

bool guard_may_snapshot(const struct guard *g)
{
    return g->raft->configuration_uncommitted_index == 0;
}
