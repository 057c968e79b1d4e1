/* The file "vote": the current term and whom this server voted for in it.
 *
 * Two slots a sector apart hold the same content; a change writes and syncs one, then the other. So
 * a crash leaves at least one good slot, and a damaged one is told and mended from its twin: the
 * newer of the good ones is always right. One thread at a time. */
#ifndef RAFT_VOTEFILE_H_
#define RAFT_VOTEFILE_H_

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "raft/file.h"
#include "raft/record.h"

struct votefile {
    struct term_slot now; /* read it; changed by votefile_set() only */
    /* Private. */
    const struct file_ops *ops;
    char *path;
    int fd;
    bool sync;
};

/* Read the file of @dir; when there is none, term 0 and no vote. E_CORRUPT: neither slot is good;
 * E_UNSUPPORTED: it is another server's. The errors of files. */
int votefile_open(struct votefile *v,
                  const char *dir,
                  uint64_t server_id,
                  bool sync,
                  const struct file_ops *ops,
                  struct errmsg *e);
void votefile_close(struct votefile *v);

/* Store both numbers durably. After an error what is stored is unknown: end the process. */
int votefile_set(struct votefile *v, uint64_t term, uint64_t voted_for, struct errmsg *e);

#endif
