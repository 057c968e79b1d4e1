/* The writer thread: the only one that touches the log's files after start-up.
 *
 * Takes everything that waits, writes it, calls fdatasync once, and hands the jobs back through the
 * owner's queue. Jobs are done in the order they came. A job that fails ends the process: nothing
 * that was acknowledged is lost by that, and what was not is nobody's yet. */
#ifndef RAFT_WRITER_H_
#define RAFT_WRITER_H_

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/queue.h"
#include "raft/logstore.h"

enum writer_kind { WRITER_APPEND, WRITER_TRUNCATE, WRITER_SNAPSHOT };

/* Embed it. Everything it points to stays until it comes back. */
struct writer_job {
    struct list link;
    enum writer_kind kind;
    /* APPEND */
    const struct segment_entry *entries;
    unsigned n;
    /* TRUNCATE: this index and all behind it */
    uint64_t index;
    /* SNAPSHOT */
    struct snapshot_meta meta;
    bool discard;
    /* On the owner's thread, by writer_jobs_run(). May free the job. */
    void (*done)(struct writer_job *job);
};

struct writer {
    /* Private. */
    struct queue jobs;
    struct queue *done;
    struct logstore *store;
    pthread_t thread;
};

/* At most this many jobs wait: one entry is in flight on a leader, and a follower's leader waits
 * for its answers; beyond that something is broken. */
enum { WRITER_JOBS_MAX = 4096 };

/* Borrows @store and @done. Returns 0 or E_NOMEM. */
int writer_start(struct writer *w, struct logstore *store, struct queue *done);
/* Finish what waits, end the thread. */
void writer_stop(struct writer *w);

/* Any thread. Ends the process when WRITER_JOBS_MAX jobs wait. */
void writer_push(struct writer *w, struct writer_job *job);

/* Call done() of each job in the queue given to writer_start(). Returns how many. */
size_t writer_jobs_run(struct queue *done);

#endif
