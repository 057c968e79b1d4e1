/* raft/: the log store after crashes, with damaged files and on failing disks; the vote file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/rand.h"
#include "raft/logstore.h"
#include "raft/votefile.h"

enum { SECTOR = 512, ENTRIES_MAX = 256, PATH = 512 };

/* ---- a file system that fails, loses what was not synced, and needs no real disk ---- */

struct saved_sector {
    char path[PATH];
    off_t at;
    size_t len;
    char bytes[SECTOR];
};

static struct {
    unsigned calls;   /* that can fail, so far */
    unsigned fail_at; /* the call that fails; 0: none */
    int fail_errno;
    bool broken;     /* a call failed: all later ones fail too */
    size_t short_at; /* pwritev takes at most so many bytes; 0: all */
    bool track;      /* remember what unsynced writes replaced */
    struct saved_sector *saved;
    size_t n_saved;
    char paths[64][PATH]; /* by descriptor */
} disk;

static void disk_reset(void)
{
    free(disk.saved);
    memset(&disk, 0, sizeof disk);
}

static bool fails(void)
{
    disk.calls++;
    if (disk.broken || disk.calls == disk.fail_at) {
        disk.broken = true;
        errno = disk.fail_errno;
        return true;
    }
    return false;
}

static int disk_open(const char *path, int flags, mode_t mode)
{
    if ((flags & O_CREAT) != 0 && fails()) {
        return -1;
    }
    int fd = file_ops_posix.open(path, flags, mode);
    if (fd >= 0 && fd < 64) {
        (void)snprintf(disk.paths[fd], PATH, "%s", path);
    }
    return fd;
}

static void save_sector(const char *path, off_t at)
{
    for (size_t i = 0; i < disk.n_saved; i++) {
        if (disk.saved[i].at == at && strcmp(disk.saved[i].path, path) == 0) {
            return; /* older content is the durable one */
        }
    }
    disk.saved = realloc(disk.saved, (disk.n_saved + 1) * sizeof *disk.saved);
    assert_non_null(disk.saved);
    struct saved_sector *s = &disk.saved[disk.n_saved++];
    (void)snprintf(s->path, PATH, "%s", path);
    s->at = at;
    int fd = open(path, O_RDONLY);
    ssize_t n = pread(fd, s->bytes, SECTOR, at);
    s->len = n > 0 ? (size_t)n : 0;
    close(fd);
}

static ssize_t disk_pwritev(int fd, const struct iovec *iov, int n, off_t at)
{
    if (fails()) {
        return -1;
    }
    size_t total = 0;
    for (int i = 0; i < n; i++) {
        total += iov[i].iov_len;
    }
    if (disk.track) {
        for (off_t s = at / SECTOR * SECTOR; s < at + (off_t)total; s += SECTOR) {
            save_sector(disk.paths[fd], s);
        }
    }
    if (disk.short_at > 0 && total > disk.short_at) {
        size_t want = iov[0].iov_len < disk.short_at ? iov[0].iov_len : disk.short_at;
        return pwrite(fd, iov[0].iov_base, want, at);
    }
    return pwritev(fd, iov, n, at);
}

static int disk_fdatasync(int fd)
{
    if (fails()) {
        return -1;
    }
    size_t kept = 0;
    for (size_t i = 0; i < disk.n_saved; i++) {
        if (strcmp(disk.saved[i].path, disk.paths[fd]) != 0) {
            disk.saved[kept++] = disk.saved[i];
        }
    }
    disk.n_saved = kept;
    return 0;
}

static int disk_allocate(int fd, off_t len)
{
    return fails() ? -1 : ftruncate(fd, len);
}

static int disk_truncate(int fd, off_t len)
{
    return fails() ? -1 : ftruncate(fd, len);
}

static int disk_rename(const char *from, const char *to)
{
    return fails() ? -1 : rename(from, to);
}

static int disk_unlink(const char *path)
{
    return fails() ? -1 : unlink(path);
}

static int disk_sync_dir(const char *path)
{
    (void)path;
    return fails() ? -1 : 0;
}

static off_t disk_size(int fd)
{
    return file_ops_posix.size(fd);
}

static off_t disk_data(int fd, off_t at)
{
    (void)fd;
    return at;
}

static const struct file_ops ops = {
    .open = disk_open,
    .close = close,
    .pread = pread,
    .pwritev = disk_pwritev,
    .fdatasync = disk_fdatasync,
    .allocate = disk_allocate,
    .truncate = disk_truncate,
    .size = disk_size,
    .data = disk_data,
    .rename = disk_rename,
    .unlink = disk_unlink,
    .sync_dir = disk_sync_dir,
};

/* The power goes: each sector that was written and not synced may have reached the disk or not. */
static void disk_crash(struct rng *rng)
{
    for (size_t i = 0; i < disk.n_saved; i++) {
        const struct saved_sector *s = &disk.saved[i];
        if ((rng_next(rng) >> 20) % 2 == 0) {
            int fd = open(s->path, O_WRONLY);
            if (fd >= 0) {
                assert_int_equal(pwrite(fd, s->bytes, s->len, s->at), (ssize_t)s->len);
                close(fd);
            }
        }
    }
    disk.n_saved = 0;
}

/* ---- directories ---- */

static char dir[PATH];

static void dir_clear(void)
{
    DIR *d = opendir(dir);
    const struct dirent *en;
    while (d != NULL && (en = readdir(d)) != NULL) {
        char path[2 * PATH];
        (void)snprintf(path, sizeof path, "%s/%s", dir, en->d_name);
        (void)unlink(path);
    }
    closedir(d);
}

static int dir_make(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof dir, "/tmp/test_raft_log.XXXXXX");
    log_set_level(LOG_LEVEL_ERROR); /* cutting a torn tail warns thousands of times */
    return mkdtemp(dir) == NULL ? -1 : 0;
}

static int dir_remove(void **state)
{
    (void)state;
    dir_clear();
    disk_reset();
    return rmdir(dir);
}

struct file {
    char name[256];
    char *bytes;
    size_t len;
};

struct tree {
    struct file files[16];
    size_t n;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct file *)a)->name, ((const struct file *)b)->name);
}

/* The segments of the directory, in order. */
static void tree_read(struct tree *t)
{
    t->n = 0;
    DIR *d = opendir(dir);
    const struct dirent *en;
    while ((en = readdir(d)) != NULL) {
        uint64_t first;
        if (segment_name_parse(en->d_name, &first)) {
            struct file *f = &t->files[t->n++];
            (void)snprintf(f->name, sizeof f->name, "%s", en->d_name);
            assert_int_equal(
                file_slurp(&file_ops_posix, dir, f->name, 1 << 20, &f->bytes, &f->len, NULL), 0);
        }
    }
    closedir(d);
    qsort(t->files, t->n, sizeof t->files[0], by_name);
}

static void file_write(const char *name, const char *bytes, size_t len)
{
    char path[2 * PATH];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), (ssize_t)len);
    close(fd);
}

static void tree_write(const struct tree *t)
{
    dir_clear();
    for (size_t i = 0; i < t->n; i++) {
        file_write(t->files[i].name, t->files[i].bytes, t->files[i].len);
    }
}

static void tree_free(struct tree *t)
{
    for (size_t i = 0; i < t->n; i++) {
        free(t->files[i].bytes);
    }
}

/* ---- logs whose content follows from the index ---- */

struct seen {
    uint64_t first;
    uint64_t next;
};

static uint32_t length_of(uint64_t index)
{
    return (uint32_t)(index * 37 % 150);
}

static uint64_t term_of(uint64_t index)
{
    return 1 + index / 10;
}

static const char *payload_of(uint64_t index)
{
    static char bytes[ENTRIES_MAX][256];
    char *p = bytes[index % ENTRIES_MAX];
    memset(p, (int)(1 + index % 250), 256);
    return p;
}

/* Fails the test on any entry that was not written like this. */
static int see(void *arg, uint64_t index, uint64_t term, uint16_t type, struct slice payload)
{
    struct seen *s = arg;
    s->first = s->first == 0 ? index : s->first;
    assert_true(s->next == 0 || index == s->next);
    s->next = index + 1;
    assert_int_equal(term, term_of(index));
    assert_int_equal(type, 1);
    assert_int_equal(payload.len, length_of(index));
    assert_memory_equal(payload.p == NULL ? "" : payload.p, payload_of(index), payload.len);
    return 0;
}

static int store_open(struct logstore **s, struct seen *seen, struct errmsg *e)
{
    memset(seen, 0, sizeof *seen);
    const struct logstore_options o = {
        .dir = dir, .server_id = 7, .segment_size = 2048, .sync = true, .ops = &ops};
    struct logstore_state state;
    int rc = logstore_open(s, &o, see, seen, &state, e);
    if (rc == 0) {
        seen->first = seen->first == 0 ? state.first : seen->first;
        seen->next = seen->next == 0 ? state.next : seen->next;
        assert_int_equal(seen->next, state.next);
    }
    return rc;
}

/* Append @n entries as one group. */
static int append(struct logstore *s, unsigned n)
{
    struct segment_entry entries[ENTRIES_MAX];
    for (unsigned i = 0; i < n; i++) {
        uint64_t index = logstore_next(s) + i;
        entries[i] = (struct segment_entry){term_of(index), 1, length_of(index), payload_of(index)};
    }
    struct errmsg e;
    int rc = logstore_append(s, entries, n, &e);
    return rc != 0 ? rc : logstore_sync(s, &e);
}

/* Three segments of groups of three; the last group is entries 40 to 43. */
enum { LOG_LAST_GROUP = 40, LOG_NEXT = 44 };
static void make_log(struct tree *t)
{
    dir_clear();
    disk_reset();
    struct logstore *s;
    struct seen seen;
    struct errmsg e;
    assert_int_equal(store_open(&s, &seen, &e), 0);
    while (logstore_next(s) < LOG_LAST_GROUP) {
        assert_int_equal(append(s, 3), 0);
    }
    assert_int_equal(append(s, 4), 0);
    assert_int_equal(logstore_next(s), LOG_NEXT);
    logstore_close(s);
    tree_read(t);
    assert_int_equal(t->n, 3);
    uint64_t first;
    assert_true(segment_name_parse(t->files[2].name, &first));
    assert_true(first + 3 < LOG_LAST_GROUP); /* the last file has synced groups, too */
}

/* Where each record of the last file begins, by index; and where they end. */
static uint64_t record_at(const struct tree *t, uint64_t index)
{
    uint64_t first;
    assert_true(segment_name_parse(t->files[t->n - 1].name, &first));
    uint64_t at = SEGMENT_HEADER;
    for (uint64_t i = first; i < index; i++) {
        at += record_size(length_of(i));
    }
    return at;
}

static void a_log_is_read_back_as_written(void **state)
{
    (void)state;
    struct tree t;
    make_log(&t);
    struct logstore *s;
    struct seen seen;
    struct errmsg e;
    assert_int_equal(store_open(&s, &seen, &e), 0);
    assert_int_equal(seen.first, 1);
    assert_int_equal(seen.next, LOG_NEXT);
    logstore_close(s);
    tree_free(&t);
}

/* After a cut the log must be as if the lost entries had never been: appending and loading again
 * brings up nothing old. */
static void append_and_reload(struct logstore *s)
{
    uint64_t next = logstore_next(s);
    assert_int_equal(append(s, 1), 0);
    logstore_close(s);
    struct seen seen;
    struct errmsg e;
    assert_int_equal(store_open(&s, &seen, &e), 0);
    assert_int_equal(seen.next, next + 1);
    logstore_close(s);
}

static void every_torn_length_of_the_last_write_is_cut(void **state)
{
    (void)state;
    struct tree t;
    make_log(&t);
    struct file *last = &t.files[t.n - 1];
    uint64_t from = record_at(&t, LOG_LAST_GROUP);
    uint64_t end = record_at(&t, LOG_NEXT);
    char *whole = malloc(last->len);
    memcpy(whole, last->bytes, last->len);
    for (uint64_t len = from; len <= end; len++) {
        memcpy(last->bytes, whole, len);
        memset(last->bytes + len, 0, last->len - len);
        tree_write(&t);
        uint64_t expect = LOG_LAST_GROUP;
        while (expect < LOG_NEXT && record_at(&t, expect + 1) <= len) {
            expect++;
        }
        struct logstore *s;
        struct seen seen;
        struct errmsg e;
        assert_int_equal(store_open(&s, &seen, &e), 0);
        /* Zeros at a record's end that were not written are no loss. */
        if (seen.next < expect || seen.next > LOG_NEXT) {
            fail_msg("torn at %d: next is %d, not %d", (int)len, (int)seen.next, (int)expect);
        }
        append_and_reload(s);
        /* The same when the file itself ends there. */
        tree_write(&t);
        file_write(last->name, last->bytes, len);
        assert_int_equal(store_open(&s, &seen, &e), 0);
        assert_true(seen.next >= expect || seen.next >= LOG_LAST_GROUP);
        logstore_close(s);
    }
    memcpy(last->bytes, whole, last->len);
    free(whole);
    tree_free(&t);
}

/* Which entry holds byte @at of the last file; 0: the header; LOG_NEXT: behind the records. */
static uint64_t entry_at(const struct tree *t, uint64_t at)
{
    uint64_t first;
    assert_true(segment_name_parse(t->files[t->n - 1].name, &first));
    if (at < SEGMENT_HEADER) {
        return 0;
    }
    while (first < LOG_NEXT && record_at(t, first + 1) <= at) {
        first++;
    }
    return first;
}

/* What must come of a damaged byte: E_CORRUPT where later groups prove that it had been synced; a
 * cut in the last group; nothing behind the records. */
static void check_flip(const struct tree *t, size_t file, size_t at)
{
    struct logstore *s;
    struct seen seen;
    struct errmsg e = {""};
    int rc = store_open(&s, &seen, &e);
    bool last = file + 1 == t->n;
    uint64_t entry = last ? entry_at(t, at) : 0;
    bool corrupt = entry < LOG_LAST_GROUP;
    uint64_t next = entry < LOG_NEXT ? entry : LOG_NEXT;
    if (rc != (corrupt ? E_CORRUPT : 0) || (!corrupt && seen.next != next)) {
        fail_msg("byte %d of %s (entry %d): %s, next %d: %s", (int)at, t->files[file].name,
                 (int)entry, err_name(rc), (int)seen.next, e.text);
    }
    if (corrupt) {
        assert_non_null(strstr(e.text, ".log"));
        assert_non_null(strstr(e.text, "Nothing was changed"));
        return;
    }
    append_and_reload(s);
}

static void every_flipped_byte_is_refused_or_cut_but_never_read(void **state)
{
    (void)state;
    struct tree t;
    make_log(&t);
    for (size_t f = 0; f < t.n; f++) {
        for (size_t at = 0; at < t.files[f].len; at++) {
            t.files[f].bytes[at] ^= (char)(1 << (at % 8));
            tree_write(&t);
            check_flip(&t, f, at);
            t.files[f].bytes[at] ^= (char)(1 << (at % 8));
        }
    }
    tree_free(&t);
}

static void a_missing_file_in_the_middle_is_refused(void **state)
{
    (void)state;
    struct tree t;
    make_log(&t);
    for (size_t f = 0; f + 1 < t.n; f++) {
        tree_write(&t);
        char path[2 * PATH];
        (void)snprintf(path, sizeof path, "%s/%s", dir, t.files[f].name);
        assert_int_equal(unlink(path), 0);
        struct logstore *s;
        struct seen seen;
        struct errmsg e;
        assert_int_equal(store_open(&s, &seen, &e), E_CORRUPT);
        assert_non_null(strstr(e.text, "missing"));
    }
    tree_free(&t);
}

static void a_directory_of_another_server_is_refused(void **state)
{
    (void)state;
    struct tree t;
    make_log(&t);
    const struct logstore_options o = {.dir = dir, .server_id = 8, .sync = true, .ops = &ops};
    struct logstore *s;
    struct seen seen = {0, 0};
    struct logstore_state st;
    struct errmsg e;
    assert_int_equal(logstore_open(&s, &o, see, &seen, &st, &e), E_UNSUPPORTED);
    tree_free(&t);
}

/* A client may store bytes that look like a record of ours. */
static void a_record_inside_a_payload_is_no_record(void **state)
{
    (void)state;
    char fake[RECORD_HEADER];
    const struct record r = {5, 1, 5, 1, 0};
    record_encode(fake, &r, NULL, 1234, 4096);
    struct record got;
    struct slice payload;
    uint64_t need;
    assert_int_equal(record_decode(slice_of(fake, sizeof fake), 1234, 4096, &got, &payload, &need),
                     0);
    assert_int_equal(record_decode(slice_of(fake, sizeof fake), 1235, 4096, &got, &payload, &need),
                     E_CORRUPT);
    assert_int_equal(record_decode(slice_of(fake, sizeof fake), 1234, 4104, &got, &payload, &need),
                     E_CORRUPT);
}

static void a_file_whose_creation_did_not_complete_is_removed(void **state)
{
    (void)state;
    struct tree t;
    make_log(&t);
    char zeros[2048] = {0};
    file_write("00000000000000000044.log", zeros, sizeof zeros);
    struct logstore *s;
    struct seen seen;
    struct errmsg e;
    assert_int_equal(store_open(&s, &seen, &e), 0);
    assert_int_equal(seen.next, LOG_NEXT);
    append_and_reload(s);
    tree_free(&t);
}

static void truncating_drops_the_tail_for_good(void **state)
{
    (void)state;
    for (uint64_t index = 1; index <= LOG_NEXT; index++) {
        struct tree t;
        make_log(&t);
        tree_free(&t);
        struct logstore *s;
        struct seen seen;
        struct errmsg e;
        assert_int_equal(store_open(&s, &seen, &e), 0);
        assert_int_equal(logstore_truncate(s, index, &e), 0);
        assert_int_equal(logstore_next(s), index);
        logstore_close(s);
        assert_int_equal(store_open(&s, &seen, &e), 0);
        assert_int_equal(seen.next, index);
        append_and_reload(s);
    }
}

static struct snapshot_meta snapshot_at(uint64_t index, uint64_t first)
{
    static char token[SNAPSHOT_TOKEN];
    static const struct snapshot_server server = {7, 1, {"a:1", 3}};
    snapshot_token_encode(token, &(struct snapshot_token){index, term_of(index)});
    return (struct snapshot_meta){.index = index,
                                  .term = term_of(index),
                                  .first = first,
                                  .configuration_index = 1,
                                  .servers = &server,
                                  .n_servers = 1,
                                  .token = slice_of(token, sizeof token)};
}

static void a_snapshot_trims_whole_files_and_hides_the_rest(void **state)
{
    (void)state;
    for (uint64_t first = 1; first < LOG_NEXT; first++) {
        struct tree t;
        make_log(&t);
        struct logstore *s;
        struct seen seen;
        struct errmsg e;
        assert_int_equal(store_open(&s, &seen, &e), 0);
        struct snapshot_meta m = snapshot_at(LOG_NEXT - 1, first);
        assert_int_equal(logstore_snapshot(s, &m, false, &e), 0);
        logstore_close(s);
        struct tree after;
        tree_read(&after);
        uint64_t second;
        assert_true(segment_name_parse(t.files[1].name, &second));
        assert_int_equal(after.n < t.n, first >= second);
        assert_int_equal(store_open(&s, &seen, &e), 0);
        assert_int_equal(seen.first, first);
        assert_int_equal(seen.next, LOG_NEXT);
        append_and_reload(s);
        tree_free(&after);
        tree_free(&t);
    }
}

static void a_received_snapshot_replaces_the_whole_log(void **state)
{
    (void)state;
    /* With every crash between storing the snapshot and removing the old files. */
    for (unsigned fail_at = 1; fail_at < 20; fail_at++) {
        struct tree t;
        make_log(&t);
        tree_free(&t);
        struct logstore *s;
        struct seen seen;
        struct errmsg e;
        assert_int_equal(store_open(&s, &seen, &e), 0);
        disk.calls = 0;
        disk.fail_at = fail_at;
        disk.fail_errno = EIO;
        struct snapshot_meta m = snapshot_at(20, 5);
        int rc = logstore_snapshot(s, &m, true, &e);
        logstore_close(s);
        disk_reset();
        assert_int_equal(store_open(&s, &seen, &e), 0);
        /* Either the old log or none of it: never entries 21 and up of the old one. */
        assert_true(seen.next == 21 || (rc != 0 && seen.next == LOG_NEXT && seen.first == 1));
        append_and_reload(s);
        if (rc == 0) {
            return;
        }
    }
    fail_msg("never completed");
}

static void damage_to_the_snapshot_file_is_refused(void **state)
{
    (void)state;
    struct tree t;
    make_log(&t);
    struct logstore *s;
    struct seen seen;
    struct errmsg e;
    assert_int_equal(store_open(&s, &seen, &e), 0);
    struct snapshot_meta m = snapshot_at(20, 15);
    assert_int_equal(logstore_snapshot(s, &m, false, &e), 0);
    logstore_close(s);
    char *bytes;
    size_t len;
    assert_int_equal(file_slurp(&file_ops_posix, dir, "snapshot", 4096, &bytes, &len, &e), 0);
    for (size_t at = 0; at < len; at++) {
        bytes[at] ^= 0x10;
        file_write("snapshot", bytes, len);
        assert_int_equal(store_open(&s, &seen, &e), E_CORRUPT);
        bytes[at] ^= 0x10;
        file_write("snapshot", bytes, at);
        assert_int_equal(store_open(&s, &seen, &e), E_CORRUPT);
    }
    free(bytes);
    tree_free(&t);
}

/* ---- failing disks ---- */

/* Work of all kinds; *@acked is what was promised when it ends, by completion or by an error. */
static int work(uint64_t *acked)
{
    struct logstore *s;
    struct seen seen;
    struct errmsg e;
    *acked = 1;
    int rc = store_open(&s, &seen, &e);
    if (rc != 0) {
        return rc;
    }
    for (unsigned i = 0; rc == 0 && i < 12; i++) {
        rc = append(s, 1 + i % 4);
        *acked = rc == 0 ? logstore_next(s) : *acked;
    }
    if (rc == 0) {
        *acked = logstore_next(s) - 2; /* giving up the last two is what was asked for */
        rc = logstore_truncate(s, *acked, &e);
    }
    if (rc == 0) {
        struct snapshot_meta m = snapshot_at(*acked - 1, *acked - 4);
        rc = logstore_snapshot(s, &m, false, &e);
    }
    if (rc == 0 && (rc = append(s, 5)) == 0) {
        *acked = logstore_next(s);
    }
    logstore_close(s);
    return rc;
}

static void no_failing_call_loses_what_was_acknowledged(void **state)
{
    (void)state;
    static const int codes[] = {ENOSPC, EIO};
    for (size_t c = 0; c < 2; c++) {
        for (unsigned n = 1;; n++) {
            dir_clear();
            disk_reset();
            disk.fail_at = n;
            disk.fail_errno = codes[c];
            uint64_t acked;
            int rc = work(&acked);
            bool failed = disk.broken;
            disk_reset();
            if (failed) {
                assert_int_equal(rc, err_from_errno(codes[c]));
            } else {
                assert_int_equal(rc, 0);
            }
            struct logstore *s;
            struct seen seen;
            struct errmsg e = {""};
            rc = store_open(&s, &seen, &e);
            if (rc != 0 || seen.next < acked) {
                fail_msg("call %u: %s, %d of %d: %s", n, err_name(rc), (int)seen.next, (int)acked,
                         e.text);
            }
            append_and_reload(s);
            if (!failed) {
                assert_true(n > 50);
                break;
            }
        }
    }
}

static void short_writes_are_continued(void **state)
{
    (void)state;
    for (size_t size = 1; size < 100; size += 7) {
        dir_clear();
        disk_reset();
        disk.short_at = size;
        uint64_t acked;
        assert_int_equal(work(&acked), 0);
        disk_reset();
        struct logstore *s;
        struct seen seen;
        struct errmsg e;
        assert_int_equal(store_open(&s, &seen, &e), 0);
        assert_int_equal(seen.next, acked);
        logstore_close(s);
    }
}

/* The power goes at each call, and any part of what was not synced reaches the disk. */
static void no_crash_loses_what_was_acknowledged(void **state)
{
    (void)state;
    for (unsigned n = 1; n < 60; n++) {
        for (uint64_t seed = 1; seed <= 12; seed++) {
            dir_clear();
            disk_reset();
            disk.track = true;
            disk.fail_at = n;
            disk.fail_errno = EIO;
            struct logstore *s;
            struct seen seen;
            struct errmsg e = {""};
            uint64_t acked = 1;
            int rc = store_open(&s, &seen, &e);
            if (rc == 0) {
                for (unsigned i = 0; rc == 0 && i < 12; i++) {
                    rc = append(s, 4 + i % 9);
                    acked = rc == 0 ? logstore_next(s) : acked;
                }
                logstore_close(s);
            }
            struct rng rng;
            rng_seed(&rng, seed * 1000 + n);
            disk_crash(&rng);
            disk_reset();
            rc = store_open(&s, &seen, &e);
            if (rc != 0 || seen.next < acked) {
                fail_msg("call %u seed %u: %s, %d of %d: %s", n, (unsigned)seed, err_name(rc),
                         (int)seen.next, (int)acked, e.text);
            }
            append_and_reload(s);
        }
    }
}

/* ---- the vote ---- */

static void vote_set(uint64_t term, uint64_t vote)
{
    struct votefile v;
    struct errmsg e;
    assert_int_equal(votefile_open(&v, dir, 7, true, &ops, &e), 0);
    assert_int_equal(votefile_set(&v, term, vote, &e), 0);
    votefile_close(&v);
}

static int vote_get(struct term_slot *t)
{
    struct votefile v;
    struct errmsg e;
    int rc = votefile_open(&v, dir, 7, true, &ops, &e);
    if (rc == 0) {
        *t = v.now;
        votefile_close(&v);
    }
    return rc;
}

static void a_flipped_byte_of_the_vote_is_mended(void **state)
{
    (void)state;
    dir_clear();
    disk_reset();
    vote_set(3, 9);
    vote_set(4, 0);
    vote_set(4, 2);
    char *bytes;
    size_t len;
    assert_int_equal(file_slurp(&file_ops_posix, dir, "vote", 8192, &bytes, &len, NULL), 0);
    for (size_t at = 0; at < len; at++) {
        bytes[at] ^= 0x04;
        file_write("vote", bytes, len);
        bytes[at] ^= 0x04;
        for (int twice = 0; twice < 2; twice++) { /* the second time from the mended file */
            struct term_slot t;
            assert_int_equal(vote_get(&t), 0);
            assert_int_equal(t.term, 4);
            assert_int_equal(t.voted_for, 2);
        }
    }
    free(bytes);
}

static void a_vote_damaged_twice_is_refused(void **state)
{
    (void)state;
    dir_clear();
    disk_reset();
    vote_set(3, 9);
    char *bytes;
    size_t len;
    assert_int_equal(file_slurp(&file_ops_posix, dir, "vote", 8192, &bytes, &len, NULL), 0);
    bytes[20] ^= 1;
    bytes[len - 1] ^= 1;
    file_write("vote", bytes, len);
    struct term_slot t;
    assert_int_equal(vote_get(&t), E_CORRUPT);
    free(bytes);
}

static void a_torn_vote_is_the_old_or_the_new_one(void **state)
{
    (void)state;
    dir_clear();
    disk_reset();
    vote_set(3, 9);
    char *old;
    char *new;
    size_t len;
    assert_int_equal(file_slurp(&file_ops_posix, dir, "vote", 8192, &old, &len, NULL), 0);
    vote_set(5, 1);
    assert_int_equal(file_slurp(&file_ops_posix, dir, "vote", 8192, &new, &len, NULL), 0);
    for (size_t cut = 0; cut <= len; cut++) { /* the first `cut` bytes are new */
        memcpy(old, new, cut);
        file_write("vote", old, len);
        struct term_slot t;
        assert_int_equal(vote_get(&t), 0);
        bool is_old = t.term == 3 && t.voted_for == 9;
        bool is_new = t.term == 5 && t.voted_for == 1;
        assert_true(cut < TERM_SLOT ? is_old || is_new : is_new);
    }
    free(old);
    free(new);
}

static void a_vote_that_was_never_given_is_none(void **state)
{
    (void)state;
    dir_clear();
    disk_reset();
    struct term_slot t;
    assert_int_equal(vote_get(&t), 0);
    assert_int_equal(t.term, 0);
    vote_set(1, 0);
    char *bytes;
    size_t len;
    assert_int_equal(file_slurp(&file_ops_posix, dir, "vote", 8192, &bytes, &len, NULL), 0);
    for (size_t cut = 0; cut < TERM_SLOT; cut++) { /* the very first write, torn */
        file_write("vote", bytes, cut);
        assert_int_equal(vote_get(&t), 0);
        assert_true(t.term <= 1);
    }
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_log_is_read_back_as_written),
        cmocka_unit_test(every_torn_length_of_the_last_write_is_cut),
        cmocka_unit_test(every_flipped_byte_is_refused_or_cut_but_never_read),
        cmocka_unit_test(a_missing_file_in_the_middle_is_refused),
        cmocka_unit_test(a_directory_of_another_server_is_refused),
        cmocka_unit_test(a_record_inside_a_payload_is_no_record),
        cmocka_unit_test(a_file_whose_creation_did_not_complete_is_removed),
        cmocka_unit_test(truncating_drops_the_tail_for_good),
        cmocka_unit_test(a_snapshot_trims_whole_files_and_hides_the_rest),
        cmocka_unit_test(a_received_snapshot_replaces_the_whole_log),
        cmocka_unit_test(damage_to_the_snapshot_file_is_refused),
        cmocka_unit_test(no_failing_call_loses_what_was_acknowledged),
        cmocka_unit_test(short_writes_are_continued),
        cmocka_unit_test(no_crash_loses_what_was_acknowledged),
        cmocka_unit_test(a_flipped_byte_of_the_vote_is_mended),
        cmocka_unit_test(a_vote_damaged_twice_is_refused),
        cmocka_unit_test(a_torn_vote_is_the_old_or_the_new_one),
        cmocka_unit_test(a_vote_that_was_never_given_is_none),
    };
    return cmocka_run_group_tests(tests, dir_make, dir_remove);
}
