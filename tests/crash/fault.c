/* Preloaded into the server: the n-th call of one kind, and every later one, fails.
 *
 *     ROLLCALL_FAULT=pwritev:ENOSPC:200    calls: pwritev fdatasync fallocate fsync
 *
 * Only calls of the log's files matter to the test; others of the same kind count too. */
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>

static atomic_long calls;

/* Is this the turn of @name to fail? Sets errno then. */
static int fails(const char *name)
{
    const char *spec = getenv("ROLLCALL_FAULT");
    size_t n = strlen(name);
    if (spec == NULL || strncmp(spec, name, n) != 0 || spec[n] != ':') {
        return 0;
    }
    const char *code = spec + n + 1;
    const char *colon = strchr(code, ':');
    if (colon == NULL || atomic_fetch_add(&calls, 1) + 1 < atol(colon + 1)) {
        return 0;
    }
    errno = strncmp(code, "ENOSPC", 6) == 0 ? ENOSPC : EIO;
    return 1;
}

typedef ssize_t (*pwritev_fn)(int, const struct iovec *, int, off_t);
typedef int (*fd_fn)(int);
typedef int (*fallocate_fn)(int, int, off_t, off_t);

/* A pointer to data and one to a function are the same size on every system that has dlsym(). */
static void find(const char *name, void *to, size_t size)
{
    void *p = dlsym(RTLD_NEXT, name);
    memcpy(to, &p, size);
}

ssize_t pwritev(int fd, const struct iovec *iov, int n, off_t at);
ssize_t pwritev64(int fd, const struct iovec *iov, int n, off_t at);
int fdatasync(int fd);
int fsync(int fd);
int fallocate(int fd, int mode, off_t at, off_t len);
int fallocate64(int fd, int mode, off_t at, off_t len);

ssize_t pwritev(int fd, const struct iovec *iov, int n, off_t at)
{
    pwritev_fn real;
    find("pwritev", &real, sizeof real);
    return fails("pwritev") ? -1 : real(fd, iov, n, at);
}

ssize_t pwritev64(int fd, const struct iovec *iov, int n, off_t at)
{
    return pwritev(fd, iov, n, at);
}

int fdatasync(int fd)
{
    fd_fn real;
    find("fdatasync", &real, sizeof real);
    return fails("fdatasync") ? -1 : real(fd);
}

int fsync(int fd)
{
    fd_fn real;
    find("fsync", &real, sizeof real);
    return fails("fsync") ? -1 : real(fd);
}

int fallocate(int fd, int mode, off_t at, off_t len)
{
    fallocate_fn real;
    find("fallocate", &real, sizeof real);
    return fails("fallocate") ? -1 : real(fd, mode, at, len);
}

int fallocate64(int fd, int mode, off_t at, off_t len)
{
    return fallocate(fd, mode, at, len);
}
