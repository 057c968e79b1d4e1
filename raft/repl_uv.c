/* The core thread: a uv loop around the library. One async handle wakes it for everything: new
 * proposals, finished writes, room in the state machine's ring, the wish to stop. After each event
 * the guard calls on_stepped(), which publishes the status and sends the next entry on its way.
 *
 * Life:  STARTING ──► RUNNING ──► STOPPING ──► (loop ends)
 *            └── the library refused to start: the loop ends at once, repl_start() reports it. */
#include "raft/repl.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <uv.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "raft/guard.h"
#include "raft/io_uv.h"
#include "raft/machine.h"
#include "raft/proposer.h"

enum {
    ELECTION_MS = 1000,
    HEARTBEAT_MS = 100,
    SNAPSHOT_BYTES = 16 * 1024 * 1024,
    SNAPSHOT_ENTRIES = 32768,
    TRAILING_BYTES = 4 * 1024 * 1024,
    QUEUE_MAX = 65536,
    CATCH_UP_ROUNDS = 100,
    CATCH_UP_ROUND_MS = 50000
};

/* The entry in flight: at most one (L1, C1). */
struct flight {
    struct raft_apply req;
    struct proposer_batch batch; /* its proposals leave for the ring when the entry is applied */
    bool busy;
    uint64_t began_ns;
};

/* Series, by base/metrics.h. */
struct repl_metrics {
    unsigned apply, commands, commit_time, leader, follower;
};

struct repl {
    struct reg_proposer door;
    struct repl_options o;
    char *dir;
    char *address;
    int lock_fd;
    struct queue proposals;
    uv_loop_t loop;
    uv_async_t wake;
    pthread_t core;
    atomic_bool stopping;
    /* Core thread only. */
    struct raft raft;
    struct guard guard;
    struct io io;
    struct machine machine;
    struct proposer proposer;
    struct flight flight;
    struct repl_metrics metrics;
    uint64_t entries; /* proposed since start */
    uint64_t commands;
    bool led;    /* what on_leader() was told last */
    bool closed; /* raft_close() was called */
    /* Shared. */
    pthread_mutex_t lock;
    pthread_cond_t started;
    enum { REPL_STARTING, REPL_RUNNING, REPL_FAILED } state;
    int start_error; /* the library's */
    struct repl_info info;
};

/* ---- proposals ---- */

static void wake_core(void *arg)
{
    struct repl *r = arg;
    (void)uv_async_send(&r->wake); /* fails only on a closed handle; nobody wakes us then */
}

static int propose(struct reg_proposer *self, struct reg_proposal *p)
{
    struct repl *r = container_of(self, struct repl, door);
    if (p->cmd.len > REG_COMMAND_SIZE_MAX) {
        return E_TOOBIG;
    }
    return queue_push(&r->proposals, &p->reply.link);
}

static void answer_all(struct list *proposals, int status)
{
    struct list *link;
    while ((link = list_pop(proposals)) != NULL) {
        struct reg_proposal *p = container_of(link, struct reg_proposal, reply.link);
        p->status = status;
        (void)queue_push_reply(p->reply.to,
                               link); /* the asker drains its queue before closing it */
    }
}

/* Both this and on_stepped() run after the entry has left our hands: applied, or lost with the
 * leadership, when it may still commit elsewhere. */
static void on_apply(struct raft_apply *req, int status, void *result)
{
    (void)result;
    struct repl *r = req->data;
    r->flight.busy = false;
    metrics_observe_ns(r->metrics.commit_time, clock_mono_ns() - r->flight.began_ns);
    if (status != 0) {
        answer_all(&r->flight.batch.proposals, E_UNKNOWN);
    }
    assert(list_empty(&r->flight.batch.proposals));
}

static void fly(struct repl *r)
{
    struct flight *f = &r->flight;
    int rc = proposer_join(&r->proposer, clock_wall_ns(), &f->batch);
    if (rc != 0) {
        log_fatal("raft", "No memory for a log entry, ending");
    }
    const struct raft_buffer buf = {f->batch.entry, f->batch.len};
    f->busy = true;
    f->began_ns = clock_mono_ns();
    f->req.data = r;
    rc = raft_apply(&r->raft, &f->req, &buf, 1, on_apply);
    if (rc == 0) {
        r->entries++;
        r->commands += f->batch.count;
        metrics_count(r->metrics.apply, 1);
        metrics_count(r->metrics.commands, f->batch.count);
        return;
    }
    f->busy = false;
    free(f->batch.entry);
    if (rc != RAFT_NOTLEADER) {
        log_fatal("raft", "The consensus library refused an entry, ending: error=\"%s\"",
                  raft_strerror(rc));
    }
    answer_all(&f->batch.proposals, E_NOTLEADER);
}

/* Take what came in, as long as one entry could use it: so at most queue_max proposals wait in the
 * queue and as many here. */
static void take_proposals(struct repl *r)
{
    if (r->proposer.count >= REG_BATCH_COMMANDS_MAX) {
        return;
    }
    struct list taken;
    list_init(&taken);
    r->proposer.count += queue_take(&r->proposals, &taken);
    list_splice(&r->proposer.waiting, &taken);
}

static void refuse_all(struct repl *r, int status)
{
    answer_all(&r->proposer.waiting, status);
    r->proposer.count = 0;
    take_proposals(r); /* all that is in the queue, since nothing waits here now */
    answer_all(&r->proposer.waiting, status);
    r->proposer.count = 0;
}

static void pump(struct repl *r)
{
    take_proposals(r);
    if (atomic_load_explicit(&r->stopping, memory_order_relaxed)) {
        refuse_all(r, E_CANCELED);
    } else if (raft_state(&r->raft) != RAFT_LEADER) {
        refuse_all(r, E_NOTLEADER);
    }
    if (r->proposer.count > 0 && !r->flight.busy && r->guard.ready && !fsm_full(&r->machine.fsm)) {
        fly(r);
    }
}

static struct list *claim(void *arg, uint64_t index, unsigned *n)
{
    struct repl *r = arg;
    if (!r->flight.busy || r->flight.req.index != index) {
        return NULL;
    }
    *n = r->flight.batch.count;
    return &r->flight.batch.proposals;
}

/* On the snapshot's helper thread. */
static int checkpoint(void *arg, const struct snapshot_token *token, struct errmsg *e)
{
    struct repl *r = arg;
    return machine_checkpoint(&r->machine, token, e);
}

/* ---- status ---- */

static void publish(struct repl *r)
{
    raft_id id = 0;
    const char *address = NULL;
    raft_leader(&r->raft, &id, &address);
    uint64_t heard = r->guard.last_leader_ms;
    pthread_mutex_lock(&r->lock);
    struct repl_info *i = &r->info;
    i->state = raft_state(&r->raft);
    i->leader = r->guard.ready;
    if (i->leader_id != id || address == NULL) {
        (void)snprintf(i->leader_address, sizeof i->leader_address, "%s",
                       address == NULL ? "" : address); /* may be cut: it is for the eye */
    }
    i->leader_id = id;
    i->term = r->raft.current_term;
    i->last_index = raft_last_index(&r->raft);
    i->commit_index = r->raft.commit_index;
    i->last_contact_ms = i->leader || heard == 0 ? 0 : clock_mono_ms() - heard;
    i->snapshot_index = r->io.snapshot_index;
    i->entries = r->entries;
    i->commands = r->commands;
    i->peers = r->raft.configuration.n;
    pthread_mutex_unlock(&r->lock);
}

void repl_info(struct repl *r, struct repl_info *out)
{
    pthread_mutex_lock(&r->lock);
    *out = r->info;
    pthread_mutex_unlock(&r->lock);
    out->applied_index = fsm_committed(&r->machine.fsm);
    out->syncs = logstore_syncs(r->io.store);
}

static void tell_started(struct repl *r, int start_error)
{
    pthread_mutex_lock(&r->lock);
    r->state = start_error == 0 ? REPL_RUNNING : REPL_FAILED;
    r->start_error = start_error;
    pthread_cond_signal(&r->started);
    pthread_mutex_unlock(&r->lock);
}

/* Is anybody else needed for a majority? */
static bool sole_voter(const struct repl *r)
{
    unsigned voters = 0;
    bool self = false;
    for (unsigned i = 0; i < r->raft.configuration.n; i++) {
        const struct raft_server *s = &r->raft.configuration.servers[i];
        voters += s->role == RAFT_VOTER ? 1 : 0;
        self = self || (s->role == RAFT_VOTER && s->id == r->raft.id);
    }
    return voters == 1 && self;
}

static void track_leadership(struct repl *r)
{
    if (r->guard.ready != r->led) {
        r->led = r->guard.ready;
        metrics_count(r->led ? r->metrics.leader : r->metrics.follower, 1);
        log_info("raft", "%s: term=%" PRIu64, r->led ? "This server leads" : "Leadership lost",
                 (uint64_t)r->raft.current_term);
        if (r->o.on_leader != NULL) {
            r->o.on_leader(r->o.on_leader_arg, r->led);
        }
    }
    if (r->state == REPL_STARTING && (r->led || !sole_voter(r))) {
        tell_started(r, 0);
    }
}

/* ---- the loop ---- */

static void on_wake_closed(uv_handle_t *h)
{
    (void)h; /* with the last handle gone, uv_run() returns */
}

static void on_raft_closed(struct raft *raft)
{
    struct repl *r = raft->data;
    uv_close((uv_handle_t *)&r->wake, on_wake_closed);
}

/* Close the library when nothing is on its way any more (closing earlier is what crashes it, C1).
 */
static void stop_when_quiet(struct repl *r)
{
    bool quiet = !r->flight.busy && !r->guard.barrier_busy && r->io.puts == 0 &&
                 r->guard.follower_appends == 0;
    if (r->closed || !quiet || !atomic_load(&r->stopping)) {
        return;
    }
    r->closed = true;
    guard_close(&r->guard);
    raft_close(&r->raft, on_raft_closed);
}

static void on_stepped(void *arg)
{
    struct repl *r = arg;
    track_leadership(r);
    pump(r);
    publish(r);
}

static void on_wake(uv_async_t *h)
{
    struct repl *r = container_of(h, struct repl, wake);
    io_run(&r->io);
    if (r->closed) {
        return;
    }
    pump(r);
    stop_when_quiet(r);
}

static int start_raft(struct repl *r)
{
    int rc = 0;
    if (r->o.bootstrap && io_pristine(&r->io)) {
        struct raft_configuration conf;
        raft_configuration_init(&conf);
        rc = raft_configuration_add(&conf, r->o.id, r->address, RAFT_VOTER);
        rc = rc != 0 ? rc : raft_bootstrap(&r->raft, &conf);
        raft_configuration_close(&conf);
    }
    return rc != 0 ? rc : raft_start(&r->raft);
}

static void *run_core(void *arg)
{
    struct repl *r = arg;
    int rc = start_raft(r);
    if (rc != 0) {
        tell_started(r, rc);
        r->closed = true;
        guard_close(&r->guard);
        raft_close(&r->raft, on_raft_closed);
    } else {
        guard_step(&r->guard);
    }
    (void)uv_run(&r->loop, UV_RUN_DEFAULT); /* until all handles are closed */
    return NULL;
}

/* ---- start ---- */

static int open_dir(struct repl *r, struct errmsg *e)
{
    if (mkdir(r->dir, 0700) != 0 && errno != EEXIST) {
        return err_set(e, err_from_errno(errno), "cannot make %s: %s", r->dir, strerror(errno));
    }
    r->lock_fd = open(r->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (r->lock_fd < 0) {
        return err_set(e, err_from_errno(errno), "cannot open %s: %s", r->dir, strerror(errno));
    }
    if (flock(r->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        return err_set(e, E_BUSY, "%s is used by another process", r->dir);
    }
    return 0;
}

/* Log and store must fit together: the log must reach back to what the store has, and reach as far
 * as what the store has applied (a log that lost its tail would hand out its indexes again). */
static int check_witness(struct repl *r, uint64_t applied, struct errmsg *e)
{
    uint64_t last = r->io.state.next - 1;
    struct snapshot_token token;
    (void)io_token(&r->io, &token); /* zeros without a snapshot, which fit always */
    if (last < applied) {
        return err_set(
            e, E_CORRUPT,
            "the log in %s ends at entry %" PRIu64
            " but the store has applied entry "
            "%" PRIu64
            ": acknowledged entries are missing from the log. Restore the raft "
            "directory from a backup, or, to start empty, delete the whole data directory",
            r->dir, last, applied);
    }
    if (token.index > applied) {
        return err_set(e, E_CORRUPT,
                       "the log in %s was cut at entry %" PRIu64
                       " but the store holds only what "
                       "came up to entry %" PRIu64
                       ". Restore the store's checkpoint from a backup, or, "
                       "to start empty, delete the whole data directory",
                       r->dir, token.index, applied);
    }
    return 0;
}

static int init_raft(struct repl *r, struct errmsg *e)
{
    const struct machine_options mo = {
        .store = r->o.store,
        .raft = &r->raft,
        .guard = &r->guard,
        .io = &r->io,
        .snapshot_bytes = r->o.snapshot_bytes,
        .snapshot_entries = r->o.snapshot_entries,
        .trailing_bytes = r->o.trailing_bytes,
        .claim = claim,
        .arg = r,
    };
    machine_init(&r->machine, &mo);
    guard_init(&r->guard, &r->raft, &r->io.raft, on_stepped, r);
    int rc = raft_init(&r->raft, &r->guard.io, &r->machine.raft_fsm, r->o.id, r->address);
    if (rc != 0) {
        return err_set(e, rc == RAFT_NOMEM ? E_NOMEM : E_INVAL, "cannot start raft: %s",
                       raft_errmsg(&r->raft));
    }
    r->raft.data = r;
    raft_set_election_timeout(&r->raft, r->o.election_ms);
    raft_set_heartbeat_timeout(&r->raft, r->o.heartbeat_ms);
    machine_steer(&r->machine);
    raft_set_pre_vote(&r->raft, true);
    raft_set_max_catch_up_rounds(&r->raft, CATCH_UP_ROUNDS);
    raft_set_max_catch_up_round_duration(&r->raft, CATCH_UP_ROUND_MS);
    return 0;
}

static void set_options(struct repl *r, const struct repl_options *o)
{
    r->o = *o;
    r->o.election_ms = o->election_ms != 0 ? o->election_ms : ELECTION_MS;
    r->o.heartbeat_ms = o->heartbeat_ms != 0 ? o->heartbeat_ms : HEARTBEAT_MS;
    r->o.snapshot_bytes = o->snapshot_bytes != 0 ? o->snapshot_bytes : SNAPSHOT_BYTES;
    r->o.snapshot_entries = o->snapshot_entries != 0 ? o->snapshot_entries : SNAPSHOT_ENTRIES;
    r->o.trailing_bytes = o->trailing_bytes != 0 ? o->trailing_bytes : TRAILING_BYTES;
    r->o.queue_max = o->queue_max != 0 ? o->queue_max : QUEUE_MAX;
}

static unsigned declare(enum metric_kind kind, const char *name, const char *help)
{
    return metrics_declare(&(struct metric_spec){.kind = kind, .name = name, .help = help});
}

static void declare_metrics(struct repl_metrics *m)
{
    m->apply = declare(METRIC_COUNTER, "consul.raft.apply", "Log entries proposed.");
    m->commands = declare(METRIC_COUNTER, "rollcall.raft.commands", "Commands in these entries.");
    m->commit_time = declare(METRIC_SUMMARY, "consul.raft.commitTime",
                             "Milliseconds from proposing an entry to its being committed.");
    m->leader =
        declare(METRIC_COUNTER, "consul.raft.state.leader", "How often this server began to lead.");
    m->follower = declare(METRIC_COUNTER, "consul.raft.state.follower",
                          "How often this server ceased to lead.");
}

static struct repl *repl_new(const struct repl_options *o)
{
    struct repl *r = calloc(1, sizeof *r);
    if (r == NULL) {
        return NULL;
    }
    set_options(r, o);
    r->dir = strdup(o->dir);
    r->address = strdup(o->address);
    if (r->dir == NULL || r->address == NULL || uv_loop_init(&r->loop) != 0) {
        free(r->dir);
        free(r->address);
        free(r);
        return NULL;
    }
    (void)uv_async_init(&r->loop, &r->wake, on_wake); /* a fresh loop has its descriptors */
    declare_metrics(&r->metrics);
    r->lock_fd = -1;
    r->door.propose = propose;
    queue_init(&r->proposals, r->o.queue_max, wake_core, r);
    proposer_init(&r->proposer);
    list_init(&r->flight.batch.proposals);
    atomic_init(&r->stopping, false);
    (void)pthread_mutex_init(&r->lock, NULL); /* fail only for attributes */
    (void)pthread_cond_init(&r->started, NULL);
    return r;
}

/* The loop has no handles, or only `wake` when the core never ran. */
static void repl_free(struct repl *r)
{
    if (!uv_is_closing((uv_handle_t *)&r->wake)) {
        uv_close((uv_handle_t *)&r->wake, on_wake_closed);
        (void)uv_run(&r->loop, UV_RUN_DEFAULT); /* runs the close callback */
    }
    int rc = uv_loop_close(&r->loop);
    assert(rc == 0);
    (void)rc;
    queue_fini(&r->proposals);
    pthread_mutex_destroy(&r->lock);
    pthread_cond_destroy(&r->started);
    if (r->lock_fd >= 0) {
        (void)close(r->lock_fd); /* gives up the lock */
    }
    free(r->dir);
    free(r->address);
    free(r);
}

static void wait_started(struct repl *r)
{
    pthread_mutex_lock(&r->lock);
    while (r->state == REPL_STARTING) {
        pthread_cond_wait(&r->started, &r->lock);
    }
    pthread_mutex_unlock(&r->lock);
}

/* The threads, in the order of the flow: state machine, writer, core. */
static int start_threads(struct repl *r, uint64_t applied, struct errmsg *e)
{
    int rc = fsm_start(&r->machine.fsm, r->o.store, applied, wake_core, r);
    if (rc != 0) {
        return err_set(e, rc, "cannot start a thread");
    }
    rc = io_start(&r->io, &r->loop);
    if (rc == 0 && pthread_create(&r->core, NULL, run_core, r) != 0) {
        rc = E_NOMEM;
    }
    if (rc != 0) {
        uv_close((uv_handle_t *)&r->io.timer, NULL); /* repl_free() runs the loop */
        fsm_stop(&r->machine.fsm);
        return err_set(e, rc, "cannot start a thread");
    }
    (void)pthread_setname_np(r->core, "raft-core"); /* for the eye only */
    return 0;
}

/* Wait for the core to end, then end the rest. */
static void repl_join(struct repl *r)
{
    (void)pthread_join(r->core, NULL); /* fails only for a thread that does not exist */
    fsm_stop(&r->machine.fsm);
    io_close(&r->io);
    repl_free(r);
}

static int start_code(int raft_error)
{
    switch (raft_error) {
        case RAFT_NOMEM:
            return E_NOMEM;
        case RAFT_NOSPACE:
            return E_NOSPACE;
        case RAFT_IOERR:
            return E_IO;
        default:
            return E_CORRUPT;
    }
}

int repl_start(struct repl **out, const struct repl_options *o, struct errmsg *e)
{
    assert(o->id != 0);
    struct repl *r = repl_new(o);
    if (r == NULL) {
        return err_set(e, E_NOMEM, "%s", err_text(E_NOMEM));
    }
    uint64_t applied;
    uint64_t applied_term;
    reg_applied(o->store, &applied, &applied_term);
    const struct io_options io = {
        .dir = r->dir,
        .server_id = o->id,
        .sync = o->sync,
        .ops = &file_ops_posix,
        .wake = wake_core,
        .checkpoint = checkpoint,
        .arg = r,
    };
    int rc = open_dir(r, e);
    if (rc != 0 || (rc = io_open(&r->io, &io, e)) != 0) {
        goto err_after_new;
    }
    if ((rc = check_witness(r, applied, e)) != 0 || (rc = init_raft(r, e)) != 0 ||
        (rc = start_threads(r, applied, e)) != 0) {
        goto err_after_io;
    }
    wait_started(r);
    if (r->state == REPL_FAILED) {
        const char *why =
            r->io.why.text[0] != '\0' ? r->io.why.text : raft_strerror(r->start_error);
        rc = err_set(e, start_code(r->start_error), "the log in %s cannot begin: %s", r->dir, why);
        repl_join(r);
        return rc;
    }
    fsm_drain(&r->machine.fsm);
    *out = r;
    return 0;
err_after_io:
    io_close(&r->io);
err_after_new:
    repl_free(r);
    return rc;
}

void repl_stop(struct repl *r)
{
    queue_close(&r->proposals);
    atomic_store(&r->stopping, true);
    wake_core(r);
    repl_join(r);
}

struct reg_proposer *repl_proposer(struct repl *r)
{
    return &r->door;
}
