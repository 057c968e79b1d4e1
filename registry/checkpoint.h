/* The store's files: which copy of the state to open, and durable copies of it.
 * Header for registry/ only; reg_checkpoint() is in store.h. */
#ifndef REGISTRY_CHECKPOINT_H_
#define REGISTRY_CHECKPOINT_H_

#include "base/err.h"

/* Make "<dir>/live/data.mdb" the file to open: the one that is there if it can be trusted (this
 * kernel has not restarted since it was last opened, or it was closed clean), else a copy of the
 * newest checkpoint, else none (a fresh file will be made). Marks it as in use under this boot.
 * *@path is the file's name (the caller frees it). E_DENIED, E_NOSPACE, E_IO with a message. */
int live_prepare(const char *dir, char **path, struct errmsg *e);

/* The live file turned out to be unusable: remove it, so that live_prepare() starts over. */
void live_discard(const char *dir);

/* The live file is synced and closed: trust it even after the kernel restarts. */
void live_mark_clean(const char *dir);

#endif
