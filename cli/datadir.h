/* The data directory: its layout, its lock, and the node id kept in it.
 *
 *     <data>/lock       held (flock) while an agent runs here
 *     <data>/node-id    the node's UUID, one line
 *     <data>/raft/      the log
 *     <data>/state/     the store
 *
 * With -dev and no directory given, a temporary one is made, and removed at the end. */
#ifndef CLI_DATADIR_H_
#define CLI_DATADIR_H_

#include <limits.h>
#include <stdbool.h>

#include "base/err.h"
#include "base/rand.h"

struct datadir {
    char path[PATH_MAX - 64]; /* so that a file name always fits behind it */
    char raft[PATH_MAX];
    char state[PATH_MAX];
    bool temporary;
    int lock_fd;
};

/* Make what is missing and take the lock. @path NULL: a temporary directory.
 * E_DENIED, E_NOSPACE, E_IO; E_BUSY: another agent runs there. @e names the directory. */
int datadir_open(struct datadir *d, const char *path, struct errmsg *e);
/* Give the lock back; remove the directory if it is temporary. */
void datadir_close(struct datadir *d);

/* The node's id: @configured if it is not NULL, else the one in the file, else a new one, which is
 * written. E_INVAL: the file holds no UUID; E_IO and others: it cannot be read or written. */
int datadir_node_id(const struct datadir *d,
                    const char *configured,
                    char out[UUID_LEN + 1],
                    struct errmsg *e);

#endif
