/* Three ways back to the library: writer jobs by the `done` queue, everything that must not be
 * called back at once by the `later` list, ticks by a uv timer. io_run() empties the first two. */
#include "raft/io_uv.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

static struct io *of(struct raft_io *raft)
{
    return container_of(raft, struct io, raft);
}

void *io_must(void *p)
{
    if (p == NULL) {
        log_fatal("raft", "Out of memory in the consensus core, ending");
    }
    return p;
}

/* ---- loading ---- */

/* The library frees entries one by one when they have no batch. */
static int keep_entry(struct io *io, uint64_t term, uint16_t type, struct slice payload)
{
    if (io->n_loaded == io->cap_loaded) {
        size_t cap = io->cap_loaded == 0 ? 1024 : io->cap_loaded * 2;
        struct raft_entry *grown = raft_realloc(io->loaded, cap * sizeof *grown);
        if (grown == NULL) {
            return E_NOMEM;
        }
        io->loaded = grown;
        io->cap_loaded = cap;
    }
    void *copy = raft_malloc(payload.len > 0 ? payload.len : 1);
    if (copy == NULL || entrymap_add(&io->entries, term, record_size(payload.len)) != 0) {
        raft_free(copy);
        return E_NOMEM;
    }
    if (payload.len > 0) {
        memcpy(copy, payload.p, payload.len);
    }
    struct raft_entry *en = &io->loaded[io->n_loaded++];
    memset(en, 0, sizeof *en);
    en->term = term;
    en->type = type;
    en->buf = (struct raft_buffer){copy, payload.len};
    return 0;
}

static int visit(void *arg, uint64_t index, uint64_t term, uint16_t type, struct slice payload)
{
    struct io *io = arg;
    if (io->n_loaded == 0) {
        entrymap_init(&io->entries, index);
    }
    return keep_entry(io, term, type, payload);
}

static void free_loaded(struct io *io)
{
    for (size_t i = 0; i < io->n_loaded; i++) {
        raft_free(io->loaded[i].buf.base);
    }
    raft_free(io->loaded);
    io->loaded = NULL;
    io->n_loaded = 0;
}

bool io_pristine(const struct io *io)
{
    return io->state.next == 1 && !io->state.has_snapshot && io->vote.now.term <= 1;
}

bool io_token(const struct io *io, struct snapshot_token *token)
{
    *token = (struct snapshot_token){0, 0};
    if (!io->state.has_snapshot) {
        return false;
    }
    (void)snapshot_token_decode(io->state.snapshot.token, token); /* stays 0 when damaged */
    return true;
}

static int check_state(const struct io *io, const char *dir, struct errmsg *e)
{
    bool stored = io->state.next > 1 || io->state.has_snapshot;
    if (!stored || io->vote.now.term > 0) {
        return 0;
    }
    return err_set(e, E_CORRUPT,
                   "%s/vote is missing or empty although there is a log beside it. Nothing was "
                   "changed. Restore the raft directory from a backup, or delete it together with "
                   "the data of this server",
                   dir);
}

static void on_done_wake(void *arg)
{
    struct io *io = arg;
    io->wake(io->wake_arg);
}

static void io_init_calls(struct raft_io *raft);

int io_open(struct io *io, const struct io_options *o, struct errmsg *e)
{
    memset(io, 0, sizeof *io);
    io->ops = o->ops;
    io->wake = o->wake;
    io->wake_arg = o->arg;
    io->checkpoint = o->checkpoint;
    io->checkpoint_arg = o->arg;
    io->transport = o->transport;
    list_init(&io->later);
    entrymap_init(&io->entries, 1);
    io_init_calls(&io->raft);
    uint64_t seed;
    rand_bytes(&seed, sizeof seed);
    rng_seed(&io->rng, seed);
    int rc = votefile_open(&io->vote, o->dir, o->server_id, o->sync, o->ops, e);
    if (rc != 0) {
        return rc;
    }
    const struct logstore_options lo = {
        .dir = o->dir, .server_id = o->server_id, .sync = o->sync, .ops = o->ops};
    rc = logstore_open(&io->store, &lo, visit, io, &io->state, e);
    rc = rc != 0 ? rc : check_state(io, o->dir, e);
    if (rc != 0) {
        logstore_close(io->store);
        votefile_close(&io->vote);
        free_loaded(io);
        entrymap_fini(&io->entries);
        return rc;
    }
    if (io->n_loaded == 0) {
        entrymap_init(&io->entries, io->state.next);
    }
    io->snapshot_index = io->state.has_snapshot ? io->state.snapshot.index : 0;
    queue_init(&io->done, (size_t)-1, on_done_wake, io);
    return 0;
}

int io_start(struct io *io, uv_loop_t *loop)
{
    io->loop = loop;
    (void)uv_timer_init(loop, &io->timer); /* cannot fail */
    int rc = writer_start(&io->writer, io->store, &io->done);
    io->writing = rc == 0;
    return rc;
}

/* ---- callbacks for the next turn ---- */

void io_call_later(struct io *io, struct io_later *l, void (*run)(struct io_later *))
{
    l->run = run;
    list_init(&l->link);
    list_push(&io->later, &l->link);
    io->wake(io->wake_arg);
}

void io_run(struct io *io)
{
    (void)writer_jobs_run(&io->done); /* only the number */
    struct list now;
    list_init(&now);
    list_splice(&now, &io->later);
    struct list *link;
    while ((link = list_pop(&now)) != NULL) {
        struct io_later *l = container_of(link, struct io_later, link);
        l->run(l);
    }
}

void io_close(struct io *io)
{
    if (io->writing) {
        writer_stop(&io->writer);
    }
    io_run(io); /* sends that failed during the close */
    queue_close(&io->done);
    queue_fini(&io->done);
    logstore_close(io->store);
    votefile_close(&io->vote);
    free_loaded(io);
    entrymap_fini(&io->entries);
}

/* ---- struct raft_io: life ---- */

static int io_init(struct raft_io *raft, raft_id id, const char *address)
{
    (void)raft;
    (void)id;
    (void)address; /* both are the core's business */
    return 0;
}

static void on_timer_closed(uv_handle_t *h)
{
    struct io *io = container_of(h, struct io, timer);
    io->closed(&io->raft);
}

static void io_raft_close(struct raft_io *raft, raft_io_close_cb cb)
{
    struct io *io = of(raft);
    io->closed = cb;
    uv_close((uv_handle_t *)&io->timer, on_timer_closed);
}

static void on_timer(uv_timer_t *t)
{
    struct io *io = container_of(t, struct io, timer);
    io->tick(&io->raft);
}

static int io_raft_start(struct raft_io *raft,
                         unsigned msecs,
                         raft_io_tick_cb tick,
                         raft_io_recv_cb recv)
{
    struct io *io = of(raft);
    io->tick = tick;
    io->recv = recv;
    (void)uv_timer_start(&io->timer, on_timer, msecs, msecs); /* fails only without a callback */
    return 0;
}

static raft_time io_time(struct raft_io *raft)
{
    (void)raft;
    return clock_mono_ms();
}

static int io_random(struct raft_io *raft, int min, int max)
{
    struct io *io = of(raft);
    return max <= min ? min : min + (int)rng_below(&io->rng, (uint64_t)(max - min));
}

/* ---- struct raft_io: state ---- */

static int io_load(struct raft_io *raft,
                   raft_term *term,
                   raft_id *voted_for,
                   struct raft_snapshot **snapshot,
                   raft_index *start_index,
                   struct raft_entry *entries[],
                   size_t *n_entries)
{
    struct io *io = of(raft);
    *term = io->vote.now.term;
    *voted_for = io->vote.now.voted_for;
    *snapshot = NULL;
    if (io->state.has_snapshot && (*snapshot = io_snapshot_build(&io->state.snapshot)) == NULL) {
        return RAFT_NOMEM;
    }
    *start_index = io->state.first;
    *entries = io->loaded;
    *n_entries = io->n_loaded;
    io->loaded = NULL;
    io->n_loaded = 0;
    io->cap_loaded = 0;
    return 0;
}

static void set_vote(struct io *io, uint64_t term, uint64_t voted_for)
{
    struct errmsg e = {""};
    if (votefile_set(&io->vote, term, voted_for, &e) != 0) {
        log_fatal("raft", "Cannot write the vote, ending: error=\"%s\"", e.text);
    }
}

static int io_set_term(struct raft_io *raft, raft_term term)
{
    set_vote(of(raft), term, 0);
    return 0;
}

static int io_set_vote(struct raft_io *raft, raft_id id)
{
    struct io *io = of(raft);
    set_vote(io, io->vote.now.term, id);
    return 0;
}

/* The vote first: a log without a vote is damage, a vote of term 1 without a log is a bootstrap
 * that may begin anew. The writer has nothing to do yet, so the store is ours for the moment. */
static int io_bootstrap(struct raft_io *raft, const struct raft_configuration *conf)
{
    struct io *io = of(raft);
    if (!io_pristine(io)) {
        return RAFT_CANTBOOTSTRAP;
    }
    struct raft_buffer buf;
    int rc = raft_configuration_encode(conf, &buf);
    if (rc != 0) {
        return rc;
    }
    const struct segment_entry en = {1, RAFT_CHANGE, (uint32_t)buf.len, buf.base};
    rc = votefile_set(&io->vote, 1, 0, &io->why);
    rc = rc != 0 ? rc : logstore_append(io->store, &en, 1, &io->why);
    rc = rc != 0 ? rc : logstore_sync(io->store, &io->why);
    if (rc != 0) {
        raft_free(buf.base);
        return rc == E_NOSPACE ? RAFT_NOSPACE : RAFT_IOERR;
    }
    rc = keep_entry(io, 1, RAFT_CHANGE, slice_of(buf.base, buf.len));
    raft_free(buf.base);
    io->state.next = 2;
    return rc == 0 ? 0 : RAFT_NOMEM;
}

/* Recovering by the library writes term 1, which makes the recovered log the older one (S9). */
static int io_recover(struct raft_io *raft, const struct raft_configuration *conf)
{
    (void)raft;
    (void)conf;
    return RAFT_INVALID;
}

/* ---- struct raft_io: the log ---- */

struct append {
    struct writer_job job;
    struct raft_io_append *req;
    struct segment_entry entries[];
};

static void on_append_done(struct writer_job *job)
{
    struct append *a = container_of(job, struct append, job);
    struct raft_io_append *req = a->req;
    free(a);
    req->cb(req, 0);
}

static int io_append(struct raft_io *raft,
                     struct raft_io_append *req,
                     const struct raft_entry entries[],
                     unsigned n,
                     raft_io_append_cb cb)
{
    struct io *io = of(raft);
    struct append *a = io_must(calloc(1, sizeof *a + n * sizeof a->entries[0]));
    for (unsigned i = 0; i < n; i++) {
        const struct raft_entry *en = &entries[i];
        if (en->buf.len > RECORD_PAYLOAD_MAX) {
            log_fatal("raft", "An entry is larger than the log can hold, ending: bytes=%zu",
                      en->buf.len);
        }
        a->entries[i] =
            (struct segment_entry){en->term, en->type, (uint32_t)en->buf.len, en->buf.base};
        if (entrymap_add(&io->entries, en->term, record_size(en->buf.len)) != 0) {
            (void)io_must(NULL);
        }
    }
    req->cb = cb;
    a->req = req;
    list_init(&a->job.link);
    a->job.kind = WRITER_APPEND;
    a->job.entries = a->entries;
    a->job.n = n;
    a->job.done = on_append_done;
    writer_push(&io->writer, &a->job);
    return 0;
}

static void on_truncate_done(struct writer_job *job)
{
    free(job);
}

static int io_truncate(struct raft_io *raft, raft_index index)
{
    struct io *io = of(raft);
    struct writer_job *job = io_must(calloc(1, sizeof *job));
    list_init(&job->link);
    job->kind = WRITER_TRUNCATE;
    job->index = index;
    job->done = on_truncate_done;
    entrymap_truncate(&io->entries, index);
    writer_push(&io->writer, job);
    return 0;
}

/* ---- struct raft_io: the network ---- */

struct send {
    struct io_later later;
    struct raft_io_send *req;
};

static void on_sent(void *arg, int status)
{
    struct raft_io_send *req = arg;
    req->cb(req, status);
}

static void send_fail(struct io_later *l)
{
    struct send *s = container_of(l, struct send, later);
    struct raft_io_send *req = s->req;
    free(s);
    on_sent(req, RAFT_NOCONNECTION);
}

static int io_send(struct raft_io *raft,
                   struct raft_io_send *req,
                   const struct raft_message *m,
                   raft_io_send_cb cb)
{
    struct io *io = of(raft);
    req->cb = cb;
    if (io->transport != NULL && m->server_id != 0) {
        io->transport->send(io->transport, m, on_sent, req);
        return 0;
    }
    struct send *s = io_must(calloc(1, sizeof *s));
    s->req = req;
    io_call_later(io, &s->later, send_fail);
    return 0;
}

void io_deliver(struct io *io, struct raft_message *m)
{
    io->recv(&io->raft, m);
}

static void io_init_calls(struct raft_io *raft)
{
    *raft = (struct raft_io){
        .version = 1,
        .init = io_init,
        .close = io_raft_close,
        .load = io_load,
        .start = io_raft_start,
        .bootstrap = io_bootstrap,
        .recover = io_recover,
        .set_term = io_set_term,
        .set_vote = io_set_vote,
        .send = io_send,
        .append = io_append,
        .truncate = io_truncate,
        .snapshot_put = io_snapshot_put,
        .snapshot_get = io_snapshot_get,
        .time = io_time,
        .random = io_random,
    };
}
