/* Mode A of engine.md 5.1. LMDB without syncing survives the death of the process, because the
 * kernel keeps its pages, but not the death of the kernel: a file of another boot may hold a root
 * page without its tree, and LMDB 0.9 cannot tell. So the boot id stands beside the file:
 *
 *     live/data.mdb         the state, not synced
 *     live/boot             boot id of the kernel under which it was last opened
 *     live/clean            it was synced and closed (removed on opening)
 *     checkpoint-<n>.mdb    synced copy; n is the applied Raft index it holds
 *
 * Each step is a rename, so that a crash between any two leaves one of the two states. */
#include "registry/checkpoint.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "registry/state.h"

enum { BOOT_ID_SIZE = 64, PATH_SIZE = 4096 };

static int fail(struct errmsg *e, const char *doing, const char *path)
{
    int sys = errno;
    return err_set(e, err_from_errno(sys), "cannot %s \"%s\": %s", doing, path, strerror(sys));
}

static int join(char out[PATH_SIZE], const char *dir, const char *name, struct errmsg *e)
{
    int n = snprintf(out, PATH_SIZE, "%s/%s", dir, name);
    return n < 0 || n >= PATH_SIZE ? err_set(e, E_TOOBIG, "path too long: \"%s\"", dir) : 0;
}

static void read_boot_id(char id[BOOT_ID_SIZE])
{
    memset(id, 0, BOOT_ID_SIZE);
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        ssize_t n = read(fd, id, BOOT_ID_SIZE - 1);
        if (n < 0) {
            id[0] = '\0'; /* unknown: then no live file is trusted, which is safe */
        }
        (void)close(fd);
    }
}

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

static bool file_is(const char *path, const char *text)
{
    char got[BOOT_ID_SIZE] = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    ssize_t n = read(fd, got, sizeof got - 1);
    (void)close(fd);
    return n > 0 && text[0] != '\0' && strcmp(got, text) == 0;
}

static int sync_dir(const char *dir, struct errmsg *e)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return fail(e, "open the directory", dir);
    }
    int rc = fsync(fd) == 0 ? 0 : fail(e, "sync the directory", dir);
    (void)close(fd);
    return rc;
}

static int write_file(const char *path, const char *text, struct errmsg *e)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return fail(e, "create", path);
    }
    size_t len = strlen(text);
    errno = ENOSPC; /* what a short write means */
    int rc = write(fd, text, len) == (ssize_t)len && fsync(fd) == 0 ? 0 : fail(e, "write", path);
    (void)close(fd);
    return rc;
}

/* The number in "checkpoint-<n>.mdb"; false for any other name. */
static bool checkpoint_index(const char *name, uint64_t *index)
{
    int end = 0;
    return sscanf(name, "checkpoint-%20" SCNu64 ".mdb%n", index, &end) == 1 && end > 0 &&
           name[end] == '\0';
}

/* Visit the checkpoints: the newest below @below is stored; with @unlink_rest the others go. */
static int newest_checkpoint(const char *dir,
                             bool unlink_older,
                             uint64_t *newest,
                             bool *any,
                             struct errmsg *e)
{
    DIR *d = opendir(dir);
    if (d == NULL) {
        return fail(e, "list", dir);
    }
    *any = false;
    struct dirent *de;
    uint64_t index;
    while ((de = readdir(d)) != NULL) {
        if (checkpoint_index(de->d_name, &index) && (!*any || index > *newest)) {
            *newest = index;
            *any = true;
        }
    }
    rewinddir(d);
    while (unlink_older && (de = readdir(d)) != NULL) {
        if (checkpoint_index(de->d_name, &index) && index < *newest) {
            (void)unlinkat(dirfd(d), de->d_name, 0); /* tried again after the next checkpoint */
        }
    }
    (void)closedir(d);
    return 0;
}

static int copy_file(const char *from, const char *to, struct errmsg *e)
{
    int in = open(from, O_RDONLY | O_CLOEXEC);
    if (in < 0) {
        return fail(e, "open", from);
    }
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (out < 0) {
        (void)close(in);
        return fail(e, "create", to);
    }
    char block[65536];
    ssize_t n;
    int rc = 0;
    while (rc == 0 && (n = read(in, block, sizeof block)) != 0) {
        errno = n < 0 ? errno : ENOSPC;
        if (n < 0 || write(out, block, (size_t)n) != n) {
            rc = fail(e, "copy to", to);
        }
    }
    (void)close(in);
    (void)close(out);
    return rc;
}

/* The live file cannot be trusted, or is not there: start from the newest checkpoint, if any. */
static int rebuild_live(const char *dir, const char *live_dir, const char *data, struct errmsg *e)
{
    char tmp[PATH_SIZE];
    char from[PATH_SIZE];
    char name[64];
    uint64_t index = 0;
    bool any;
    int rc = join(tmp, live_dir, "data.tmp", e);
    if (rc != 0 || (rc = newest_checkpoint(dir, false, &index, &any, e)) != 0) {
        return rc;
    }
    (void)unlink(data); /* missing is fine; any other failure shows when it is opened */
    if (!any) {
        return 0;
    }
    (void)snprintf(name, sizeof name, "checkpoint-%" PRIu64 ".mdb", index);
    if ((rc = join(from, dir, name, e)) != 0 || (rc = copy_file(from, tmp, e)) != 0) {
        return rc;
    }
    if (rename(tmp, data) != 0) {
        return fail(e, "rename to", data);
    }
    log_info("registry", "Starting from a checkpoint: raft_index=%" PRIu64, index);
    return 0;
}

int live_prepare(const char *dir, char **path, struct errmsg *e)
{
    char live_dir[PATH_SIZE];
    char data[PATH_SIZE];
    char boot[PATH_SIZE];
    char clean[PATH_SIZE];
    char id[BOOT_ID_SIZE];
    int rc = join(live_dir, dir, "live", e);
    if (rc == 0 && mkdir(live_dir, 0700) != 0 && errno != EEXIST) {
        rc = fail(e, "create the directory", live_dir);
    }
    if (rc != 0 || (rc = join(data, live_dir, "data.mdb", e)) != 0 ||
        (rc = join(boot, live_dir, "boot", e)) != 0 ||
        (rc = join(clean, live_dir, "clean", e)) != 0) {
        return rc;
    }
    read_boot_id(id);
    bool trusted = exists(data) && (file_is(boot, id) || exists(clean));
    if (!trusted) {
        if (exists(data)) {
            log_warn("registry", "The kernel restarted while the state was open, rebuilding it");
        }
        rc = rebuild_live(dir, live_dir, data, e);
    }
    if (rc == 0) {
        rc = write_file(boot, id, e);
    }
    if (rc == 0 && unlink(clean) != 0 && errno != ENOENT) {
        rc = fail(e, "remove", clean);
    }
    if (rc == 0) {
        rc = sync_dir(live_dir, e);
    }
    if (rc == 0) {
        *path = strdup(data);
        rc = *path == NULL ? err_set(e, E_NOMEM, "out of memory") : 0;
    }
    return rc;
}

void live_discard(const char *dir)
{
    char path[PATH_SIZE];
    if (join(path, dir, "live/data.mdb", NULL) == 0) {
        (void)unlink(path); /* what cannot be removed shows when it is opened again */
    }
}

void live_mark_clean(const char *dir)
{
    char clean[PATH_SIZE];
    struct errmsg e;
    if (join(clean, dir, "live/clean", &e) != 0 || write_file(clean, "clean\n", &e) != 0) {
        log_warn("registry", "The state is not marked clean: error=%s", e.text);
    }
}

/* The applied index that the copy @path holds, which also proves that it opens. */
static int inspect(const char *path, struct state *s, struct errmsg *e)
{
    struct tables *t;
    int rc = tables_open(&t, path, (uint64_t)16 << 30, 4, true, e);
    if (rc != 0) {
        return rc;
    }
    struct tx *tx = tx_read_new(t);
    rc = tx == NULL ? err_set(e, E_NOMEM, "out of memory") : 0;
    if (rc == 0) {
        struct slice v;
        tx_read_begin(tx);
        rc = tx_get(tx, T_META, state_key, &v) ? state_decode(v, s) : E_CORRUPT;
        tx_read_end(tx);
        tx_read_free(tx);
        if (rc != 0) {
            err_set(e, rc, "\"%s\" holds no state", path);
        }
    }
    tables_close(t);
    return rc;
}

int reg_checkpoint(struct reg *r, uint64_t *raft_index, uint64_t *raft_term, struct errmsg *e)
{
    char tmp[PATH_SIZE];
    char lock[PATH_SIZE];
    char path[PATH_SIZE];
    char name[64];
    struct state s;
    int rc = join(tmp, r->dir, "checkpoint.tmp", e);
    if (rc == 0) {
        rc = join(lock, r->dir, "checkpoint.tmp-lock", e);
    }
    if (rc == 0) {
        rc = tables_copy(r->tables, tmp, e);
    }
    if (rc == 0) {
        rc = inspect(tmp, &s, e);
    }
    if (rc == 0) {
        (void)snprintf(name, sizeof name, "checkpoint-%" PRIu64 ".mdb", s.raft_index);
        rc = join(path, r->dir, name, e);
    }
    if (rc == 0 && rename(tmp, path) != 0) {
        rc = fail(e, "rename to", path);
    }
    (void)unlink(lock); /* LMDB's lock file of the copy; leaving it does no harm */
    if (rc != 0) {
        (void)unlink(tmp);
        return rc;
    }
    if ((rc = sync_dir(r->dir, e)) != 0) {
        return rc;
    }
    uint64_t newest = 0;
    bool any;
    *raft_index = s.raft_index;
    *raft_term = s.raft_term;
    return newest_checkpoint(r->dir, true, &newest, &any, e);
}
