/* Plain files. The node id is written to a temporary name, synced and renamed, so that a crash
 * leaves the old one, the new one or none, never half of one. */
#include "cli/datadir.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

static int fail(struct errmsg *e, const char *what, const char *path)
{
    int sys = errno;
    return err_set(e, err_from_errno(sys), "data directory: cannot %s %s: %s", what, path,
                   strerror(sys));
}

/* mkdir -p with the mode that Consul uses. */
static int make_path(const char *path, struct errmsg *e)
{
    char part[PATH_MAX];
    size_t n = strlen(path);
    for (size_t i = 1; i <= n; i++) {
        if (path[i] != '/' && path[i] != '\0') {
            continue;
        }
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, 0755) != 0 && errno != EEXIST) {
            return fail(e, "create", part);
        }
    }
    struct stat st;
    if (stat(path, &st) != 0) {
        return fail(e, "read", path);
    }
    if (!S_ISDIR(st.st_mode)) {
        errno = ENOTDIR;
        return fail(e, "use", path);
    }
    return 0;
}

static int make_child(const char *path, struct errmsg *e)
{
    return mkdir(path, 0700) == 0 || errno == EEXIST ? 0 : fail(e, "create", path);
}

static int take_lock(struct datadir *d, struct errmsg *e)
{
    char file[PATH_MAX];
    (void)snprintf(file, sizeof file, "%s/lock", d->path); /* fits: see the size of path */
    d->lock_fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (d->lock_fd < 0) {
        return fail(e, "write to", file);
    }
    if (flock(d->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        int rc = errno == EWOULDBLOCK
                     ? err_set(e, E_BUSY, "data directory %s is in use by another agent", d->path)
                     : fail(e, "lock", file);
        (void)close(d->lock_fd); /* nothing was written */
        d->lock_fd = -1;
        return rc;
    }
    return 0;
}

static int make_temporary(struct datadir *d, struct errmsg *e)
{
    const char *base = getenv("TMPDIR");
    base = base == NULL || base[0] != '/' ? "/tmp" : base;
    int n = snprintf(d->path, sizeof d->path, "%s/rollcall-dev-XXXXXX", base);
    if (n < 0 || (size_t)n >= sizeof d->path) {
        return err_set(e, E_INVAL, "TMPDIR: path too long");
    }
    if (mkdtemp(d->path) == NULL) {
        return fail(e, "create", d->path);
    }
    d->temporary = true;
    return 0;
}

int datadir_open(struct datadir *d, const char *path, struct errmsg *e)
{
    *d = (struct datadir){.lock_fd = -1};
    int rc = 0;
    if (path == NULL) {
        rc = make_temporary(d, e);
    } else if (strlen(path) >= sizeof d->path) {
        rc = err_set(e, E_INVAL, "data directory: path too long");
    } else {
        memcpy(d->path, path, strlen(path) + 1);
        rc = make_path(path, e);
    }
    if (rc != 0) {
        return rc;
    }
    (void)snprintf(d->raft, sizeof d->raft, "%s/raft", d->path);
    (void)snprintf(d->state, sizeof d->state, "%s/state", d->path);
    rc = take_lock(d, e);
    rc = rc == 0 ? make_child(d->raft, e) : rc;
    rc = rc == 0 ? make_child(d->state, e) : rc;
    if (rc != 0) {
        datadir_close(d);
    }
    return rc;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void datadir_close(struct datadir *d)
{
    if (d->lock_fd >= 0) {
        (void)close(d->lock_fd); /* the kernel drops the lock */
        d->lock_fd = -1;
    }
    if (d->temporary && nftw(d->path, remove_entry, 16, FTW_DEPTH | FTW_PHYS) != 0) {
        log_warn("agent", "Cannot remove the temporary directory: path=%s error=%s", d->path,
                 strerror(errno));
    }
}

/* The id in @file. E_NOTFOUND: there is no such file. */
static int read_id(const char *file, char out[UUID_LEN + 1], struct errmsg *e)
{
    char text[256];
    FILE *f = fopen(file, "re");
    if (f == NULL) {
        return errno == ENOENT ? E_NOTFOUND : fail(e, "read", file);
    }
    size_t n = fread(text, 1, sizeof text - 1, f);
    (void)fclose(f); /* only read from */
    text[n] = '\0';
    text[strcspn(text, " \t\r\n")] = '\0';
    if (!uuid_valid(slice_str(text))) {
        return err_set(
            e, E_INVAL,
            "%s: not a UUID; write the id of this server into it again (the log in raft/ belongs "
            "to that id), or begin anew with an empty data directory",
            file);
    }
    memcpy(out, text, UUID_LEN + 1);
    return 0;
}

static int write_id(const char *file, const char *id, struct errmsg *e)
{
    char temporary[PATH_MAX + 8];
    (void)snprintf(temporary, sizeof temporary, "%s.new", file);
    FILE *f = fopen(temporary, "we");
    if (f == NULL) {
        return fail(e, "write", temporary);
    }
    bool ok = fprintf(f, "%s\n", id) > 0;
    ok = fflush(f) == 0 && ok;
    ok = fsync(fileno(f)) == 0 && ok;
    ok = fclose(f) == 0 && ok;
    if (!ok || rename(temporary, file) != 0) {
        return fail(e, "write", file);
    }
    return 0;
}

int datadir_node_id(const struct datadir *d,
                    const char *configured,
                    char out[UUID_LEN + 1],
                    struct errmsg *e)
{
    char file[PATH_MAX];
    (void)snprintf(file, sizeof file, "%s/node-id", d->path); /* fits: see the size of path */
    char stored[UUID_LEN + 1] = "";
    int rc = read_id(file, stored, e);
    if (rc != 0 && rc != E_NOTFOUND) {
        return rc;
    }
    if (configured != NULL) {
        for (size_t i = 0; i <= UUID_LEN; i++) {
            out[i] = slice_lower(configured[i]);
        }
    } else if (rc == 0) {
        memcpy(out, stored, UUID_LEN + 1);
    } else {
        uuid_make(out);
    }
    return strcmp(out, stored) == 0 ? 0 : write_id(file, out, e);
}
