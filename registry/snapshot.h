/* Snapshots for the operator: the whole state as an archive, and what of one may be restored.
 *
 * Writing reads one consistent view of the store and holds it for as long as the sink takes, so the
 * sink must be fast (a local file). Restoring goes through the log: the three commands of struct
 * reg_restore, applied in apply_restore.c. */
#ifndef REGISTRY_SNAPSHOT_H_
#define REGISTRY_SNAPSHOT_H_

#include "registry/archive.h"
#include "registry/store.h"

struct reg_snapshot_by {
    const char *server_id;
    const char *server_address; /* "IP:port" */
    int64_t wall_ns;
};

/* Write an archive of the committed state. Any thread; the writer and the readers go on. *@index:
 * the registry index of what was written. E_FULL: no reader slot is left; E_TOOBIG: more than an
 * archive can hold (8 GiB); E_NOMEM; or what the sink returned. */
int reg_snapshot_write(struct reg *r,
                       const struct archive_sink *sink,
                       const struct reg_snapshot_by *by,
                       uint64_t *index,
                       struct errmsg *e);

/* Does this version know all tables of @h? 0; E_UNSUPPORTED: @e names the first that it does not.
 */
int reg_snapshot_check_header(const struct state_header *h, struct errmsg *e);
/* Would the store accept this row of the table named @table? 0 or E_CORRUPT. Pure. */
int reg_snapshot_check_row(const char *table, struct slice key, struct slice value);

/* An unlinked file in the store's directory, for the bytes of an archive: read and write, private,
 * gone with its descriptor. *@fd is the caller's. E_NOSPACE, E_DENIED, E_IO. */
int reg_spool_open(const struct reg *r, int *fd, struct errmsg *e);

/* Inside a read bracket: the registry index right after the last restore; 0: there was none. An
 * index below it that a client brings may be of a state that is no more. */
uint64_t reg_restored_index(struct reg_reader *rd);

#endif
