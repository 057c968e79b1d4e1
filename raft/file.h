/* The file system as the log needs it: a table of calls, so that tests can put short writes, a full
 * disk and broken media at the n-th call.
 *
 * Each entry behaves as the POSIX call of its name: -1 and errno on failure. file_write_all() and
 * friends turn that into our codes and handle short and interrupted calls. Keeps no state. */
#ifndef RAFT_FILE_H_
#define RAFT_FILE_H_

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/err.h"

struct file_ops {
    int (*open)(const char *path, int flags, mode_t mode);
    int (*close)(int fd);
    ssize_t (*pread)(int fd, void *p, size_t n, off_t at);
    ssize_t (*pwritev)(int fd, const struct iovec *iov, int n, off_t at);
    int (*fdatasync)(int fd);
    /* Reserve blocks for bytes [0, len) and make the file that long; old content stays. */
    int (*allocate)(int fd, off_t len);
    int (*truncate)(int fd, off_t len);
    off_t (*size)(int fd);
    /* The first offset at or after @at that may hold data; the file's size when all is hole. */
    off_t (*data)(int fd, off_t at);
    int (*rename)(const char *from, const char *to);
    int (*unlink)(const char *path);
    int (*sync_dir)(const char *path);
};

extern const struct file_ops file_ops_posix;

/* Write all @n parts at @at, whatever pwritev() takes at a time. Changes @iov. Returns 0;
 * E_NOSPACE, E_IO, ...: an unknown part was written. *@sys (may be NULL) gets errno. */
int file_write_all(const struct file_ops *ops,
                   int fd,
                   struct iovec *iov,
                   int n,
                   uint64_t at,
                   int *sys);

/* Read up to @n bytes at @at; *@got is smaller only at the end of the file. 0 or E_IO. */
int file_read(const struct file_ops *ops, int fd, void *p, size_t n, uint64_t at, size_t *got);

/* Replace the file @dir/@name by the @n bytes at @p so that after a crash either the old or the
 * new content is there: a temporary file, fdatasync, rename, sync of the directory. */
int file_replace(const struct file_ops *ops,
                 const char *dir,
                 const char *name,
                 const void *p,
                 size_t n,
                 struct errmsg *e);

/* Read the whole file @dir/@name, at most @max bytes, into *@p (freed by the caller). E_NOTFOUND,
 * E_TOOBIG, E_NOMEM, E_IO, E_DENIED. */
int file_slurp(const struct file_ops *ops,
               const char *dir,
               const char *name,
               size_t max,
               char **p,
               size_t *n,
               struct errmsg *e);

#endif
