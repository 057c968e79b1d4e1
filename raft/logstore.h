/* The log on disk: segments in a row, the snapshot file, and their directory.
 *
 * Owns the files NNNNNNNNNNNNNNNNNNNN.log (segment.h) and "snapshot" (record.h) below its
 * directory, and knows which is the last entry. Entries get consecutive indexes; what was appended
 * counts as stored after logstore_sync(). One thread at a time (the writer's, after loading).
 *
 * Invariants: segments follow each other without a gap; only the last one is written; a segment
 * begins only when everything before it is synced. After any error but one of logstore_open() the
 * process must end: what is on disk is unknown until the next load. */
#ifndef RAFT_LOGSTORE_H_
#define RAFT_LOGSTORE_H_

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "raft/file.h"
#include "raft/record.h"
#include "raft/segment.h"

struct logstore;

struct logstore_options {
    const char *dir; /* exists */
    uint64_t server_id;
    uint64_t segment_size; /* 0 = 64 MiB */
    bool sync;             /* false: logstore_sync() does nothing */
    const struct file_ops *ops;
};

/* What loading found. */
struct logstore_state {
    uint64_t first; /* index of the first entry that was visited, or of the next to come */
    uint64_t next;  /* index that the next entry gets */
    bool has_snapshot;
    struct snapshot_meta snapshot; /* points into the store; valid until logstore_close() */
};

/* Called at load for each entry that is still needed, in order. A returned error ends the load. */
typedef int (
    *logstore_visit)(void *arg, uint64_t index, uint64_t term, uint16_t type, struct slice payload);

/* Load everything and be ready to append. E_CORRUPT (@e names file, offset and what to do),
 * E_UNSUPPORTED: the files belong to another server; E_IO, E_NOSPACE, E_DENIED, E_NOMEM, or what
 * @visit returned. */
int logstore_open(struct logstore **out,
                  const struct logstore_options *o,
                  logstore_visit visit,
                  void *arg,
                  struct logstore_state *state,
                  struct errmsg *e);
void logstore_close(struct logstore *s); /* no sync; NULL is fine */

/* Write @n entries behind the last one. */
int logstore_append(struct logstore *s,
                    const struct segment_entry *entries,
                    unsigned n,
                    struct errmsg *e);
/* Make all that was appended durable. */
int logstore_sync(struct logstore *s, struct errmsg *e);
/* Drop @index and all behind it, durably. It may be one past the last. */
int logstore_truncate(struct logstore *s, uint64_t index, struct errmsg *e);

/* Store the snapshot @m durably (m->incarnation is ignored), then remove the segments that hold
 * only entries before m->first. With @discard no entry survives: the log goes on behind m->index.
 */
int logstore_snapshot(struct logstore *s,
                      const struct snapshot_meta *m,
                      bool discard,
                      struct errmsg *e);
/* Any thread: read the stored snapshot from its file into @out, encoded (snapshot_meta_decode). 0,
 * E_NOTFOUND, E_NOMEM, E_IO. */
int logstore_snapshot_read(const struct logstore *s, struct buf *out);

uint64_t logstore_next(const struct logstore *s);
/* fdatasync calls of logstore_sync() so far. Any thread. */
uint64_t logstore_syncs(const struct logstore *s);

#endif
