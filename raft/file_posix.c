/* The POSIX side of file.h. Unsupported extras (fallocate, SEEK_DATA) fall back to less: the log
 * is then slower or found later to have no space, but not wrong. */
#include "raft/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int posix_open(const char *path, int flags, mode_t mode)
{
    return open(path, flags | O_CLOEXEC, mode);
}

static int posix_allocate(int fd, off_t len)
{
    int rc = fallocate(fd, 0, 0, len);
    if (rc != 0 && errno == EOPNOTSUPP) {
        return ftruncate(fd, len);
    }
    return rc;
}

static off_t posix_size(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 ? st.st_size : -1;
}

static off_t posix_data(int fd, off_t at)
{
    off_t found = lseek(fd, at, SEEK_DATA);
    if (found >= 0) {
        return found;
    }
    return errno == ENXIO ? posix_size(fd) : at;
}

static int posix_sync_dir(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    int rc = fsync(fd);
    int sys = errno;
    (void)close(fd); /* read only: nothing to lose */
    errno = sys;
    return rc;
}

const struct file_ops file_ops_posix = {
    .open = posix_open,
    .close = close,
    .pread = pread,
    .pwritev = pwritev,
    .fdatasync = fdatasync,
    .allocate = posix_allocate,
    .truncate = ftruncate,
    .size = posix_size,
    .data = posix_data,
    .rename = rename,
    .unlink = unlink,
    .sync_dir = posix_sync_dir,
};

/* Drop @done bytes from the front of the parts; returns how many parts are used up. */
static int iov_advance(struct iovec *iov, int n, size_t done)
{
    int used = 0;
    while (used < n && done >= iov[used].iov_len) {
        done -= iov[used].iov_len;
        used++;
    }
    if (used < n) {
        iov[used].iov_base = (char *)iov[used].iov_base + done;
        iov[used].iov_len -= done;
    }
    return used;
}

int file_write_all(const struct file_ops *ops,
                   int fd,
                   struct iovec *iov,
                   int n,
                   uint64_t at,
                   int *sys)
{
    while (n > 0) {
        ssize_t done = ops->pwritev(fd, iov, n, (off_t)at);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) { /* 0 for a non-empty write: the device takes no more */
            int code = done < 0 ? errno : ENOSPC;
            if (sys != NULL) {
                *sys = code;
            }
            return err_from_errno(code);
        }
        int used = iov_advance(iov, n, (size_t)done);
        iov += used;
        n -= used;
        at += (uint64_t)done;
    }
    return 0;
}

int file_read(const struct file_ops *ops, int fd, void *p, size_t n, uint64_t at, size_t *got)
{
    *got = 0;
    while (*got < n) {
        ssize_t done = ops->pread(fd, (char *)p + *got, n - *got, (off_t)(at + *got));
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done < 0) {
            return err_from_errno(errno);
        }
        if (done == 0) {
            break;
        }
        *got += (size_t)done;
    }
    return 0;
}

static int replace_write(const struct file_ops *ops, const char *tmp, const void *p, size_t n)
{
    int fd = ops->open(tmp, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0) {
        return err_from_errno(errno);
    }
    char *bytes = NULL;
    memcpy(&bytes, &p, sizeof bytes); /* iov_base is not const; pwritev only reads */
    struct iovec iov = {bytes, n};
    int rc = file_write_all(ops, fd, &iov, 1, 0, NULL);
    if (rc == 0 && ops->fdatasync(fd) != 0) {
        rc = err_from_errno(errno);
    }
    if (ops->close(fd) != 0 && rc == 0) {
        rc = err_from_errno(errno);
    }
    return rc;
}

int file_replace(const struct file_ops *ops,
                 const char *dir,
                 const char *name,
                 const void *p,
                 size_t n,
                 struct errmsg *e)
{
    char tmp[4096];
    char path[4096];
    if ((size_t)snprintf(tmp, sizeof tmp, "%s/%s.tmp", dir, name) >= sizeof tmp) {
        return err_set(e, E_INVAL, "the path %s is too long", dir);
    }
    (void)snprintf(path, sizeof path, "%s/%s", dir, name); /* shorter than tmp */
    int rc = replace_write(ops, tmp, p, n);
    if (rc != 0) {
        (void)ops->unlink(tmp); /* a leftover is overwritten next time */
        return err_set(e, rc, "cannot write %s: %s", tmp, err_text(rc));
    }
    if (ops->rename(tmp, path) != 0 || ops->sync_dir(dir) != 0) {
        rc = err_from_errno(errno);
        return err_set(e, rc, "cannot replace %s: %s", path, err_text(rc));
    }
    return 0;
}

int file_slurp(const struct file_ops *ops,
               const char *dir,
               const char *name,
               size_t max,
               char **p,
               size_t *n,
               struct errmsg *e)
{
    char path[4096];
    if ((size_t)snprintf(path, sizeof path, "%s/%s", dir, name) >= sizeof path) {
        return err_set(e, E_INVAL, "the path %s is too long", dir);
    }
    int fd = ops->open(path, O_RDONLY, 0);
    if (fd < 0) {
        int rc = errno == ENOENT ? E_NOTFOUND : err_from_errno(errno);
        return err_set(e, rc, "cannot open %s: %s", path, err_text(rc));
    }
    int rc = 0;
    off_t size = ops->size(fd);
    if (size < 0 || (uint64_t)size > max) {
        rc = size < 0 ? E_IO : E_TOOBIG;
    } else if ((*p = malloc((size_t)size + 1)) == NULL) {
        rc = E_NOMEM;
    } else if ((rc = file_read(ops, fd, *p, (size_t)size, 0, n)) != 0) {
        free(*p);
    }
    (void)ops->close(fd); /* read only */
    return rc == 0 ? 0 : err_set(e, rc, "cannot read %s: %s", path, err_text(rc));
}
