/* The health checker's own state: its checks, what was found, what waits for the log.
 *
 * Everything here belongs to the probe thread. Used inside this folder only; the outside sees hc.h.
 *
 *     follow.c   store ──► the set of checks            checks.c   the set itself
 *     run.c      runs, TTL expiry ──► results           alias.c    results that follow other checks
 *     publish.c  results ──► proposals; reaping         hc_uv.c    thread, queues, requests
 *     sessions.c the leases of sessions (lease.c)
 *
 * Invariants: a check has at most one proposal under way; what is newer waits in the check. A TTL
 * update waits with the proposal that carries it, or with the check until there is one. */
#ifndef HEALTHCHECK_CORE_H_
#define HEALTHCHECK_CORE_H_

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "base/list.h"
#include "base/queue.h"
#include "healthcheck/hc.h"
#include "healthcheck/lease.h"
#include "healthcheck/loop_uv.h"
#include "healthcheck/probe.h"
#include "healthcheck/threshold.h"
#include "healthcheck/ttl.h"
#include "registry/query.h"

enum {
    HC_PROPOSALS_MAX = 512,  /* proposals under way; further changes wait in their checks */
    HC_RUNS_MAX = 4096,      /* probes at once; also at most half the process's descriptors */
    HC_RUNS_KEPT = 256,      /* idle probes kept for the next runs */
    HC_REQUESTS_MAX = 65536, /* requests from api/ that wait */
    HC_OUTPUT_DEFAULT = 4096
};
#define HC_RETRY_NS ((uint64_t)1000000000)    /* after a proposal failed */
#define HC_RETRY_FULL_NS ((uint64_t)50000000) /* after the proposer was full */
/* Reading the checks again waits at least this long, and ten times what the last reading took, so
 * that a storm of changes on a node with many checks costs a tenth of the thread. */
#define HC_FOLLOW_NS ((uint64_t)10000000)

struct hc_run;
struct hc_proposal;

/* One check that this node runs. */
struct hc_check {
    struct hc_check *next; /* in its hash chain */
    struct hc *hc;
    struct buf def;  /* a reg_check with nothing but the definition, encoded */
    struct slice id; /* these two point into def */
    struct slice service_id;
    uint8_t kind; /* enum reg_probe_kind */
    uint64_t create_index;
    uint64_t modify_index; /* as last read */
    uint64_t generation;   /* of the reading that saw it last */
    int64_t deregister_after_ns;
    int64_t interval_ns;
    int32_t output_max;
    bool has_result; /* status and output are ours, not the store's */
    /* The newest. */
    enum reg_status status;
    struct buf output;
    /* What the store holds. */
    enum reg_status stored_status;
    uint64_t stored_output; /* hash */
    bool output_due;        /* a changed output is to be written even alone */
    struct hc_threshold threshold;
    struct hc_ttl ttl;
    struct hc_timer timer; /* next run, or expiry of the TTL */
    struct hc_timer flush; /* when a changed output is due */
    struct hc_run *run;
    struct list ready;          /* waits for a free run */
    uint64_t critical_since_ns; /* 0: it is not critical, or not by a result of ours */
    struct hc_proposal *proposal;
    struct list want;            /* waits for a proposal */
    struct list waiters;         /* TTL updates that the next proposal carries */
    struct reg_sub alias_checks; /* an alias watches the node that it follows */
    struct reg_sub alias_node;
};

/* One probe, borrowed by a check while it runs. */
struct hc_run {
    struct hc_probe probe;
    uint64_t began_ns;
    struct hc *hc;
    struct hc_check *check; /* NULL: the check is gone, or another now */
    struct buf def;         /* then: its definition, which the probe still reads */
    struct reg_check view;
    struct list link; /* idle, or running */
};

struct hc_proposal {
    struct reg_proposal rp;
    struct hc *hc;
    struct hc_check *check; /* NULL: a deregistration, or the check is gone */
    struct list waiters;
    struct list link; /* in hc->proposals */
    enum reg_status status;
    uint64_t output; /* hash */
};

/* Series, by base/metrics.h. */
struct hc_metrics {
    unsigned probe, changes, running;
};

struct hc {
    struct reg_prober prober;
    struct hc_metrics metrics;
    struct hc_options options; /* with defaults filled in; node is our copy */
    char *node_text;           /* owned */
    struct slice node;
    pthread_t thread;
    struct hc_loop loop;
    uv_async_t async;
    atomic_bool stop;
    struct queue requests;
    struct queue replies;
    atomic_uint reply_wakes; /* wake-ups by proposers that are over */
    unsigned reply_batches;  /* non-empty batches taken from `replies` */
    struct reg_reader *reader;
    struct reg_sub sub;          /* REG_W_AGENT of our node */
    bool touched;                /* the set of checks changed since it was read */
    bool aliases_touched;        /* what an alias follows changed */
    struct reg_sub sub_sessions; /* REG_W_SESSIONS */
    bool sessions_touched;
    struct hc_leases leases;
    struct hc_timer follow;
    uint64_t follow_after_ns; /* not before this */
    uint64_t generation;
    /* Checks by id: chained, 2^n heads. */
    struct hc_check **heads;
    size_t n_heads;
    size_t n_checks;
    size_t n_aliases;
    struct list running;
    struct list idle;
    unsigned n_running;
    unsigned n_idle;
    unsigned runs_max;
    struct list ready; /* checks that wait for a run */
    struct list want;  /* checks that wait for a proposal */
    struct list proposals;
    unsigned n_proposals;
    struct hc_timer retry;
    bool backing_off;
    bool stopping;
    struct hc_timer reap;
    struct buf scratch;
    struct buf text;
    /* Start-up: the thread reports here. */
    sem_t started;
    int start_status;
    struct errmsg start_error;
};

/* ---- checks.c ---- */

/* NULL when there is none. */
struct hc_check *hc_check_find(struct hc *hc, struct slice id);
/* A new check from its record, in the set but not started. NULL without memory. */
struct hc_check *hc_check_new(struct hc *hc, const struct reg_check *c);
/* Take it out of the set and free it; a run goes on without it, TTL updates are answered @code. */
void hc_check_free(struct hc_check *c, int code);
/* Encode what of @c concerns probing: equal bytes mean an equal definition. */
void hc_definition_encode(struct buf *b, const struct reg_check *c);
/* Replace the definition by @def (taken over) and stop what the old one started. */
void hc_check_redefine(struct hc_check *c, struct buf *def, const struct reg_check *view);
/* Call @each for all checks; it may free the check that it is given. */
void hc_checks_each(struct hc *hc, void (*each)(struct hc_check *c));

/* ---- follow.c ---- */

/* Bring the set of checks and the aliases in line with the store now, if anything changed. */
void hc_follow(struct hc *hc);
/* The same for one check id. Returns 0, E_NOTFOUND: no such check on this node; E_INVAL: it is of a
 * kind that nobody probes; E_NOMEM. *@out is set on 0. */
int hc_follow_one(struct hc *hc, struct slice id, struct hc_check **out);
/* The store said that something changed: read it when it is time. */
void hc_touched(struct hc *hc);
/* What an alias follows changed: look at the aliases when it is time. */
void hc_alias_touched(struct hc *hc);
/* The table of sessions changed: read it when it is time. */
void hc_sessions_touched(struct hc *hc);
/* hc->follow is due. */
void hc_on_follow(struct hc_timer *t, uint64_t now_ns);

/* ---- run.c ---- */

/* Begin to work on a check that is new or has a new definition. */
void hc_check_start(struct hc_check *c);
/* Undo it: timers, run, watch. */
void hc_check_stop(struct hc_check *c);
/* Give idle runs to the checks that wait. */
void hc_runs_next(struct hc *hc);
/* Free the idle runs; none may be running. */
void hc_runs_free(struct hc *hc);
/* A TTL update: 0 or E_NOMEM. */
int hc_ttl_set(struct hc_check *c, enum reg_status status, struct slice output);

/* ---- alias.c ---- */

/* Look at what the alias @c follows; outside any read bracket. */
void hc_alias_eval(struct hc_check *c);
/* Have hc_alias_touched() called when the node that @c follows changes; and no more. */
void hc_alias_watch(struct hc_check *c);
void hc_alias_unwatch(struct hc_check *c);

/* ---- sessions.c ---- */

void hc_sessions_init(struct hc *hc);
/* Bring the leases in line with the store; outside any read bracket. */
void hc_sessions_read(struct hc *hc);
/* A session was renewed: 0; E_NOTFOUND: it is gone or runs out just now; E_NOMEM. */
int hc_session_renew(struct hc *hc, struct slice id);

/* ---- publish.c ---- */

/* Propose the end of the session @id, if the bounds allow; it is asked for again if not. */
void hc_end_session(struct hc *hc, struct slice id);

/* The check now is @status with @output: note it, and propose what must be. */
void hc_publish(struct hc_check *c, enum reg_status status, struct slice output);
/* Read from the store: @status and the output's hash. Proposes ours when the store has another. */
void hc_stored(struct hc_check *c, enum reg_status status, struct slice output);
/* Let @req wait for what hc_publish() started; false: nothing is under way, answer at once. */
bool hc_publish_wait(struct hc_check *c, struct reg_probe_req *req);
/* Propose as much as the bounds allow. */
void hc_proposals_next(struct hc *hc);
/* hc->retry is due: the back-off is over. */
void hc_on_retry(struct hc_timer *t, uint64_t now_ns);
/* hc->reap is due: deregister the services that were critical for too long. */
void hc_on_reap(struct hc_timer *t, uint64_t now_ns);
/* Answer all in @waiters with @code. */
void hc_waiters_answer(struct list *waiters, int code);

/* "passing", "warning" or "critical"; never NULL. */
const char *hc_status_text(enum reg_status s);
/* Nothing is under way any more: the thread may end. */
bool hc_is_quiet(const struct hc *hc);

#endif
