/* The store: the replicated state in LMDB, its one writer and its many readers.
 *
 * Writing (the state-machine thread only): reg_apply() any number of entries, then reg_commit(),
 * which makes them visible together, hands the changes to every reader's inbox and publishes the
 * index. The applied Raft index and term are stored in the same transaction as the data.
 *
 * Reading (any thread): each thread opens one `struct reg_reader` and brackets its look-ups with
 * reg_read_begin() and reg_read_end(). Between them it sees one commit; views point into the map
 * and die at reg_read_end(). A reader must not be held across a wait or a socket write.
 *
 * Durability is mode A of engine.md 5.1: the live file is not synced; reg_checkpoint() writes a
 * durable copy; after an OS crash the live file is dropped and the log replayed onto the copy.
 *
 * Files below the directory given: live/data.mdb (+ live/boot: the kernel's boot id, removed and
 * re-made at each start; live/clean: written by a clean close), checkpoint-<raft index>.mdb.
 *
 * Invariants: indexes only grow; a name is in its table and in every index table, or in none. A
 * failed LMDB write or commit ends the process (log_fatal). */
#ifndef REGISTRY_STORE_H_
#define REGISTRY_STORE_H_

#include "base/err.h"
#include "registry/command.h"
#include "registry/model.h"
#include "registry/watch.h"

struct reg;
struct reg_reader;

struct reg_options {
    const char *dir;      /* must exist and be writable */
    uint64_t map_size;    /* bytes; 0 = 16 GiB */
    unsigned readers_max; /* threads that will read; 0 = 126 */
};

/* Open or create. E_CORRUPT: neither live file nor checkpoint is usable; E_DENIED, E_NOSPACE, E_IO.
 * @e then says which file and what to do. */
int reg_open(struct reg **out, const struct reg_options *o, struct errmsg *e);
/* No reader may be open. With @clean the live file is synced and marked so that even after an OS
 * crash it is used again. */
void reg_close(struct reg *r, bool clean);

/* The Raft index and term that the store holds; after reg_open(), and later on the writer. */
void reg_applied(const struct reg *r, uint64_t *raft_index, uint64_t *raft_term);
/* Any thread: the registry index of the last commit that readers can see. Acquire. */
uint64_t reg_published_index(const struct reg *r);

/* ---- writer thread ---- */

/* Apply the entry @raft_index. @results holds room for @results_max command results (may be 0: a
 * follower or replay does not want them); the number of commands goes to *@n. An entry at or below
 * the applied index is skipped (*@n = 0). A malformed entry or an LMDB error ends the process. */
void reg_apply(struct reg *r,
               uint64_t raft_index,
               uint64_t raft_term,
               struct slice entry,
               struct reg_result *results,
               unsigned results_max,
               unsigned *n);
/* Make what was applied visible and announce it. Does nothing if nothing was applied. */
void reg_commit(struct reg *r);

/* Write a durable copy of the committed state, beside the live file (fsync and rename), and remove
 * older ones. Any thread but only one at a time; readers and the writer go on meanwhile.
 * *@raft_index and *@raft_term: what the copy holds. E_NOSPACE, E_IO: nothing was replaced. */
int reg_checkpoint(struct reg *r, uint64_t *raft_index, uint64_t *raft_term, struct errmsg *e);

/* ---- readers ---- */

/* @wake is called on the writer's thread when the inbox turns non-empty (uv_async_send); may be
 * NULL. E_NOMEM, E_FULL: too many readers. */
int reg_reader_open(struct reg *r, void (*wake)(void *), void *wake_arg, struct reg_reader **out);
void reg_reader_close(struct reg_reader *rd);
/* The reader's subscriptions; used from its thread only. */
struct reg_watch *reg_reader_watch(struct reg_reader *rd);

/* Process announced changes: fire the subscriptions. Call it when woken, and before serving from a
 * cache: reg_reader_seen() == reg_published_index() then, so that what is cached is current.
 * Whoever looks at the store first and subscribes afterwards (a parked query) calls it once more
 * after subscribing, so that a commit between the two is not missed. */
void reg_reader_sync(struct reg_reader *rd);
/* The index up to which subscriptions have fired. */
uint64_t reg_reader_seen(const struct reg_reader *rd);

void reg_read_begin(struct reg_reader *rd);
void reg_read_end(struct reg_reader *rd);

#endif
