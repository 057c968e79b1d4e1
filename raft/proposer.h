/* Which proposals share a log entry, and their bytes. Pure; core thread only.
 *
 * Owns the proposals that wait for the entry in flight. Proposals leave in the order they came. An
 * entry takes at most REG_BATCH_COMMANDS_MAX commands and REG_BATCH_SIZE_MAX bytes; a command that
 * is larger goes alone. What may wait is bounded by whoever adds (the core's queue). */
#ifndef RAFT_PROPOSER_H_
#define RAFT_PROPOSER_H_

#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "registry/port.h"

struct proposer {
    struct list waiting; /* struct reg_proposal by reply.link */
    size_t count;
};

/* One entry: its bytes and whose they are. */
struct proposer_batch {
    struct list proposals;
    unsigned count;
    char *entry; /* malloc()ed, exactly @len bytes, a multiple of 8 */
    size_t len;
};

void proposer_init(struct proposer *p);
void proposer_add(struct proposer *p, struct reg_proposal *proposal);
/* The oldest proposal, out of the queue; NULL when none waits. */
struct reg_proposal *proposer_take(struct proposer *p);

/* Join the oldest proposals into an entry stamped @wall_ns; at least one must wait. Returns 0: the
 * batch owns them and the entry. E_NOMEM: nothing changed. */
int proposer_join(struct proposer *p, int64_t wall_ns, struct proposer_batch *b);

#endif
