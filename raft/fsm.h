/* The state-machine thread: applies committed entries to the store, the only one to write it.
 *
 * Owns a ring of entries. The core pushes copies; the thread takes all that waits into one
 * transaction (reg_apply for each, one reg_commit), then answers the proposals behind them.
 *
 * Bounds: the core stops proposing at FSM_SOFT entries that are not committed yet; a push beyond
 * FSM_HARD entries or FSM_HARD_BYTES waits for room, which happens in replay at start-up (and on a
 * follower whose store cannot keep up). */
#ifndef RAFT_FSM_H_
#define RAFT_FSM_H_

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/slice.h"
#include "registry/port.h"
#include "registry/store.h"

enum {
    FSM_SOFT = 32,
    FSM_HARD = 1024,
    FSM_HARD_BYTES = 16 * 1024 * 1024,
    FSM_TXN_BYTES = 4 * 1024 * 1024 /* entries joined into one transaction, but at least one */
};

struct fsm {
    /* Private. */
    struct reg *store;
    void (*room)(void *arg);
    void *room_arg;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t more;    /* for the thread */
    pthread_cond_t changed; /* for those who wait for room or for an index */
    struct list entries;
    size_t count; /* pushed and not committed */
    size_t bytes;
    uint64_t pushed; /* index of the newest entry pushed; 0 before */
    uint64_t committed;
    bool was_full;
    bool stopping;
    struct reg_result *results;
    unsigned metric_apply; /* series */
};

/* @room is called on the thread when fsm_full() has become false. Entries up to @committed are in
 * the store. Returns 0 or E_NOMEM. */
int fsm_start(struct fsm *f,
              struct reg *store,
              uint64_t committed,
              void (*room)(void *arg),
              void *room_arg);
/* Apply what was pushed, then end the thread. */
void fsm_stop(struct fsm *f);

/* Core only. Copies @entry; takes the @n proposals out of @proposals (NULL when there are none: the
 * entry came from another server or from the log), one for each command. The process ends when
 * there is no memory. */
void fsm_push(struct fsm *f,
              uint64_t index,
              uint64_t term,
              struct slice entry,
              struct list *proposals,
              unsigned n);
/* Any thread: should the core hold back? */
bool fsm_full(struct fsm *f);

/* Any thread: sleep until @index, which was pushed, is committed to the store. */
void fsm_wait(struct fsm *f, uint64_t index);
/* Any thread: sleep until all that was pushed so far is committed. */
void fsm_drain(struct fsm *f);
uint64_t fsm_committed(struct fsm *f);

#endif
