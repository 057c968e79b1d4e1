/* The guard: stands between the library and its disk and network, and keeps the defects of libraft
 * 0.15 from doing harm.
 *
 * It is itself a `struct raft_io`: give guard.io to raft_init(); it hands everything on to the real
 * one below. What it changes on the way, by the numbers of the defect list:
 *
 *   S1  A new leader appends a barrier at once, and answers from followers wait until it is stored:
 *       so entries of older terms commit only together with one of this term (Raft 5.4.2).
 *   S2  A follower's "stored up to" never exceeds what the leader of this term has compared (also
 * S6). S3  A failed write ends the process (also C1, C2, C5, C6). S4  No election, and no
 * TimeoutNow, while a follower's entries are on their way to the disk. S5  A vote request of this
 * term is dropped when the vote went to somebody else. S7  guard_may_snapshot(): no snapshot while
 * a configuration is not committed. L2  Entries that overlap the log are dropped while a snapshot
 * is stored. L3  No election, and no vote request, while a snapshot is installed. D2, L5  At most
 * GUARD_SEND_ENTRIES entries and GUARD_SEND_BYTES bytes a message. Also: the library giving up
 * (RAFT_UNAVAILABLE) ends the process.
 *
 * With the later line of the library most of this never fires. Core thread only. */
#ifndef RAFT_GUARD_H_
#define RAFT_GUARD_H_

#include <stdbool.h>
#include <stdint.h>

#include "raft/compat.h"

enum {
    GUARD_HELD = 64, /* servers whose answers can wait; those of more are dropped and come again */
    GUARD_SEND_ENTRIES = 4096,
    GUARD_SEND_BYTES = 4 * 1024 * 1024
};

struct guard {
    struct raft_io io; /* the upper side, for raft_init() */
    /* Read only: */
    bool ready;              /* leader, and the barrier of this term is applied */
    uint64_t last_leader_ms; /* io.time() of the last message from a leader; 0: never */
    /* Private. */
    struct raft_io *low;
    struct raft *raft;
    void (*stepped)(void *arg);
    void *arg;
    raft_io_tick_cb tick;
    raft_io_recv_cb recv;
    raft_io_close_cb closed;
    bool closing;
    bool stepping;
    /* S1 */
    struct raft_barrier barrier;
    bool barrier_busy;
    raft_term led_term; /* the barrier is of this term */
    struct raft_message held[GUARD_HELD];
    unsigned n_held;
    /* S2: while a message is handled */
    bool in_recv;
    bool accepted;
    raft_index recv_last; /* prev + n of the message */
    raft_term compared_term;
    raft_index compared; /* equal to the leader's log up to here */
    /* S4, L2, L3 */
    unsigned follower_appends;
    bool putting;
    bool installing;
};

/* Put @g on top of @low, for @raft. @stepped is called after each event that may have changed the
 * library's state, outside of it. */
void guard_init(struct guard *g,
                struct raft *raft,
                struct raft_io *low,
                void (*stepped)(void *arg),
                void *arg);
/* After raft_start(), and after calls into the library that did not come through the guard. */
void guard_step(struct guard *g);
/* raft_close() is about to be called: the end of the library is now no error. */
void guard_close(struct guard *g);

bool guard_may_snapshot(const struct guard *g);

#endif
