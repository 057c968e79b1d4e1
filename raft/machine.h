/* The state machine as the library sees it: `struct raft_fsm`, and when to take snapshots.
 *
 * Entries that commit go into the ring of the state-machine thread (fsm.h). A snapshot is only a
 * token that names the last command in it; the state itself is the store's durable checkpoint,
 * which machine_checkpoint() makes. Core thread only, but for machine_checkpoint(). */
#ifndef RAFT_MACHINE_H_
#define RAFT_MACHINE_H_

#include <stdint.h>

#include "base/list.h"
#include "raft/compat.h"
#include "raft/fsm.h"
#include "raft/guard.h"
#include "raft/io_uv.h"

struct machine {
    struct raft_fsm raft_fsm; /* for raft_init() */
    struct fsm fsm;           /* started and stopped by the owner */
    /* Private. */
    struct machine_options {
        struct reg *store;
        struct raft *raft;
        const struct guard *guard;
        const struct io *io;
        uint64_t snapshot_bytes;
        uint64_t snapshot_entries;
        uint64_t trailing_bytes;
        /* The entry @index is about to be applied: if this server proposed it, its proposals (left
         * to the machine) and their number. NULL otherwise. */
        struct list *(*claim)(void *arg, uint64_t index, unsigned *n);
        void *arg;
    } o;
    struct snapshot_token last_command; /* the newest one in the ring */
    uint64_t since_bytes;               /* applied since the last snapshot */
    uint64_t since_entries;
};

/* Prepare @m->raft_fsm. Everything in @o is borrowed. */
void machine_init(struct machine *m, const struct machine_options *o);

/* No snapshot before our own thresholds say so: call it once, after raft_init(). */
void machine_steer(struct machine *m);

/* On a helper thread: make the store durable at least up to the token's entry. */
int machine_checkpoint(struct machine *m, const struct snapshot_token *token, struct errmsg *e);

#endif
