/* The list of segments is short (one per 64 MiB), so it is walked. What is before the snapshot's
 * `first` may linger inside a segment; loading passes over it. */
#include "raft/logstore.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/rand.h"

enum { SEGMENT_SIZE_DEFAULT = 64 * 1024 * 1024 };

static const char SNAPSHOT_NAME[] = "snapshot";

struct logstore {
    const struct file_ops *ops;
    char *dir;
    uint64_t server_id;
    uint64_t segment_size;
    bool sync;
    struct list segments; /* struct segment, in order; the last is open */
    uint64_t first;       /* the log needs nothing before it */
    uint64_t next;
    uint64_t incarnation;
    uint64_t group;      /* what is appended now belongs to it; 0: the next append begins one */
    struct buf snapshot; /* as loaded; the loaded metadata points into it */
    struct snapshot_server servers[SNAPSHOT_SERVERS_MAX];
    atomic_uint_fast64_t syncs;
};

static struct segment *last_segment(const struct logstore *s)
{
    return list_empty(&s->segments) ? NULL : container_of(s->segments.prev, struct segment, link);
}

uint64_t logstore_next(const struct logstore *s)
{
    return s->next;
}

uint64_t logstore_syncs(const struct logstore *s)
{
    return atomic_load_explicit(&s->syncs, memory_order_relaxed);
}

int logstore_snapshot_read(const struct logstore *s, struct buf *out)
{
    char *p = NULL;
    size_t n = 0;
    int rc = file_slurp(s->ops, s->dir, SNAPSHOT_NAME, SNAPSHOT_FILE_MAX, &p, &n, NULL);
    if (rc != 0) {
        return rc;
    }
    buf_add(out, p, n);
    free(p);
    return buf_ok(out) ? 0 : E_NOMEM;
}

/* ---- loading ---- */

struct names {
    uint64_t *first;
    size_t n;
    size_t cap;
};

static int names_add(struct names *names, uint64_t first)
{
    if (names->n == names->cap) {
        size_t cap = names->cap == 0 ? 16 : names->cap * 2;
        uint64_t *grown = realloc(names->first, cap * sizeof *grown);
        if (grown == NULL) {
            return E_NOMEM;
        }
        names->first = grown;
        names->cap = cap;
    }
    names->first[names->n++] = first;
    return 0;
}

static int by_index(const void *a, const void *b)
{
    uint64_t x;
    uint64_t y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

/* The segments in the directory, sorted. Other names are left alone. */
static int names_read(const char *dir, struct names *names, struct errmsg *e)
{
    DIR *d = opendir(dir);
    if (d == NULL) {
        return err_set(e, err_from_errno(errno), "cannot read %s: %s", dir, strerror(errno));
    }
    int rc = 0;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(d);
        if (entry == NULL) {
            rc = errno == 0 ? 0 : err_set(e, E_IO, "cannot read %s: %s", dir, strerror(errno));
            break;
        }
        uint64_t first;
        if (segment_name_parse(entry->d_name, &first) && (rc = names_add(names, first)) != 0) {
            (void)err_set(e, rc, "%s", err_text(rc));
            break;
        }
    }
    (void)closedir(d); /* only read */
    if (names->n > 0) {
        qsort(names->first, names->n, sizeof names->first[0], by_index);
    }
    return rc;
}

static int load_snapshot(struct logstore *s, struct logstore_state *state, struct errmsg *e)
{
    int rc = logstore_snapshot_read(s, &s->snapshot);
    if (rc == E_NOTFOUND) {
        return 0;
    }
    if (rc != 0) {
        return err_set(e, rc, "cannot read %s/%s: %s", s->dir, SNAPSHOT_NAME, err_text(rc));
    }
    if (snapshot_meta_decode(buf_slice(&s->snapshot), &state->snapshot, s->servers) != 0) {
        return err_set(e, E_CORRUPT,
                       "%s/%s is damaged. Nothing was changed. Restore the raft directory from a "
                       "backup, or delete it together with the data of this server",
                       s->dir, SNAPSHOT_NAME);
    }
    state->has_snapshot = true;
    s->first = state->snapshot.first;
    s->incarnation = state->snapshot.incarnation;
    s->next = state->snapshot.index + 1;
    return 0;
}

static int remove_file(struct logstore *s, const char *path, struct errmsg *e)
{
    if (s->ops->unlink(path) != 0 || s->ops->sync_dir(s->dir) != 0) {
        return err_set(e, err_from_errno(errno), "cannot remove %s: %s", path, strerror(errno));
    }
    return 0;
}

static int remove_named(struct logstore *s, uint64_t first_index, struct errmsg *e)
{
    char name[SEGMENT_NAME];
    char path[4096];
    segment_name(name, first_index);
    if ((size_t)snprintf(path, sizeof path, "%s/%s", s->dir, name) >= sizeof path) {
        return err_set(e, E_INVAL, "the path %s is too long", s->dir);
    }
    return remove_file(s, path, e);
}

/* Between segments and the caller: passes on what is still needed. */
struct visitor {
    const struct logstore *s;
    logstore_visit visit;
    void *arg;
};

static int visit_record(void *arg, const struct record *r, struct slice payload)
{
    struct visitor *v = arg;
    if (r->index < v->s->first) {
        return 0;
    }
    return v->visit(v->arg, r->index, r->term, r->type, payload);
}

/* Read only the header of a segment, to tell left-overs of an earlier incarnation. False when it
 * cannot be read: the load will say why. */
static bool is_leftover(struct logstore *s, uint64_t first_index)
{
    char name[SEGMENT_NAME];
    char path[4096];
    char bytes[SEGMENT_HEADER];
    struct segment_header h;
    segment_name(name, first_index);
    if ((size_t)snprintf(path, sizeof path, "%s/%s", s->dir, name) >= sizeof path) {
        return false;
    }
    int fd = s->ops->open(path, 0, 0);
    if (fd < 0) {
        return false;
    }
    size_t got = 0;
    int rc = file_read(s->ops, fd, bytes, sizeof bytes, 0, &got);
    (void)s->ops->close(fd); /* read only */
    return rc == 0 && segment_header_decode(slice_of(bytes, got), &h) == 0 &&
           h.incarnation < s->incarnation;
}

static int missing(const struct logstore *s, uint64_t expected, uint64_t found, struct errmsg *e)
{
    return err_set(e, E_CORRUPT,
                   "the log file that holds entry %" PRIu64
                   " is missing in %s: the next one begins "
                   "with entry %" PRIu64
                   ". Nothing was changed. Restore the raft directory from a "
                   "backup, or delete it together with the data of this server",
                   expected, s->dir, found);
}

/* Is the file that begins with @first_index what must come behind those that were loaded? */
static int check_gap(const struct logstore *s, uint64_t first_index, struct errmsg *e)
{
    const struct segment *before = last_segment(s);
    if (before == NULL) {
        return first_index <= s->first ? 0 : missing(s, s->first, first_index, e);
    }
    return first_index == before->next_index ? 0 : missing(s, before->next_index, first_index, e);
}

/* Does @seg, which is in the right place, belong to this log? */
static int check_owner(const struct logstore *s, const struct segment *seg, struct errmsg *e)
{
    const struct segment *before = last_segment(s);
    if (seg->header.server_id != s->server_id) {
        return err_set(e, E_UNSUPPORTED,
                       "%s was written by the server with raft id %" PRIu64 ", this is %" PRIu64
                       ". Start the right server, or give this one an empty "
                       "directory",
                       seg->path, seg->header.server_id, s->server_id);
    }
    if (seg->header.incarnation != s->incarnation ||
        (before != NULL && seg->last_term != 0 && seg->last_term < before->last_term)) {
        return err_set(
            e, E_CORRUPT,
            "%s does not belong to the log in its directory. Nothing was changed. Restore "
            "the raft directory from a backup",
            seg->path);
    }
    return 0;
}

/* Remove what a replaced log left behind, from @names too. */
static int drop_leftovers(struct logstore *s, struct names *names, struct errmsg *e)
{
    size_t kept = 0;
    for (size_t i = 0; i < names->n; i++) {
        if (!is_leftover(s, names->first[i])) {
            names->first[kept++] = names->first[i];
            continue;
        }
        int rc = remove_named(s, names->first[i], e);
        if (rc != 0) {
            return rc;
        }
    }
    names->n = kept;
    return 0;
}

static int load_segments(struct logstore *s,
                         const struct names *names,
                         struct visitor *v,
                         struct errmsg *e)
{
    for (size_t i = 0; i < names->n; i++) {
        struct segment *seg = NULL;
        int rc = check_gap(s, names->first[i], e);
        rc = rc != 0 ? rc
                     : segment_load(s->ops, s->dir, names->first[i], i + 1 == names->n,
                                    visit_record, v, &seg, e);
        if (rc == 0 && seg == NULL) {
            log_warn("raft",
                     "Removed a log file whose creation never completed: dir=%s "
                     "first_index=%" PRIu64,
                     s->dir, names->first[i]);
            rc = remove_named(s, names->first[i], e);
        }
        if (rc == 0 && seg != NULL && (rc = check_owner(s, seg, e)) == 0) {
            list_push(&s->segments, &seg->link);
            seg = NULL;
        }
        segment_free(s->ops, seg);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

static int load(struct logstore *s,
                logstore_visit visit,
                void *arg,
                struct logstore_state *state,
                struct errmsg *e)
{
    struct names names = {NULL, 0, 0};
    struct visitor v = {s, visit, arg};
    int rc = load_snapshot(s, state, e);
    rc = rc != 0 ? rc : names_read(s->dir, &names, e);
    rc = rc != 0 ? rc : drop_leftovers(s, &names, e);
    rc = rc != 0 ? rc : load_segments(s, &names, &v, e);
    free(names.first);
    if (rc != 0) {
        return rc;
    }
    struct segment *seg = last_segment(s);
    uint64_t next = seg != NULL ? seg->next_index : s->first;
    if (next < s->next) { /* trimming keeps the entry of the snapshot; discarding sets `first` */
        return err_set(e, E_CORRUPT,
                       "the log in %s ends before entry %" PRIu64
                       " but its snapshot is of entry "
                       "%" PRIu64
                       ". Nothing was changed. Restore the raft directory from a "
                       "backup, or delete it together with the data of this server",
                       s->dir, next, s->next - 1);
    }
    s->next = next;
    rc = seg != NULL ? segment_open(s->ops, seg, e) : 0;
    state->first = list_empty(&s->segments) ? s->next : s->first;
    state->next = s->next;
    return rc;
}

int logstore_open(struct logstore **out,
                  const struct logstore_options *o,
                  logstore_visit visit,
                  void *arg,
                  struct logstore_state *state,
                  struct errmsg *e)
{
    memset(state, 0, sizeof *state);
    struct logstore *s = calloc(1, sizeof *s);
    if (s == NULL || (s->dir = strdup(o->dir)) == NULL) {
        free(s);
        return err_set(e, E_NOMEM, "%s", err_text(E_NOMEM));
    }
    s->ops = o->ops;
    s->server_id = o->server_id;
    s->segment_size = o->segment_size != 0 ? o->segment_size : SEGMENT_SIZE_DEFAULT;
    s->sync = o->sync;
    list_init(&s->segments);
    s->first = 1;
    s->next = 1;
    s->snapshot = (struct buf)BUF_INIT;
    atomic_init(&s->syncs, 0);
    int rc = load(s, visit, arg, state, e);
    if (rc != 0) {
        logstore_close(s);
        return rc;
    }
    *out = s;
    return 0;
}

void logstore_close(struct logstore *s)
{
    if (s == NULL) {
        return;
    }
    struct list *link;
    while ((link = list_pop(&s->segments)) != NULL) {
        segment_free(s->ops, container_of(link, struct segment, link));
    }
    buf_fini(&s->snapshot);
    free(s->dir);
    free(s);
}

/* ---- writing ---- */

int logstore_sync(struct logstore *s, struct errmsg *e)
{
    const struct segment *seg = last_segment(s);
    s->group = 0;
    if (seg == NULL || !s->sync) {
        return 0;
    }
    if (s->ops->fdatasync(seg->fd) != 0) {
        return err_set(e, err_from_errno(errno), "cannot sync %s: %s", seg->path, strerror(errno));
    }
    atomic_fetch_add_explicit(&s->syncs, 1, memory_order_relaxed);
    return 0;
}

/* Begin a new last segment with room for a record of @bytes. The group so far is synced first, so
 * that only the last segment can ever be torn. */
static int roll(struct logstore *s, uint64_t bytes, struct errmsg *e)
{
    int rc = logstore_sync(s, e);
    if (rc != 0) {
        return rc;
    }
    struct segment_header h = {0, s->next, s->server_id, s->incarnation};
    rand_bytes(&h.salt, sizeof h.salt);
    uint64_t size = s->segment_size;
    if (size < SEGMENT_HEADER + bytes) {
        size = SEGMENT_HEADER + bytes;
    }
    struct segment *seg = NULL;
    rc = segment_create(s->ops, s->dir, &h, size, &seg, e);
    if (rc != 0) {
        return rc;
    }
    struct segment *before = last_segment(s);
    if (before != NULL) {
        (void)s->ops->close(before->fd); /* synced above, or not wanted */
        before->fd = -1;
    }
    list_push(&s->segments, &seg->link);
    return 0;
}

int logstore_append(struct logstore *s,
                    const struct segment_entry *entries,
                    unsigned n,
                    struct errmsg *e)
{
    while (n > 0) {
        struct segment *seg = last_segment(s);
        uint64_t room = seg == NULL ? 0 : seg->size - seg->end;
        unsigned fit = 0;
        uint64_t bytes = 0;
        while (fit < n && fit < SEGMENT_RECORDS_PER_WRITE &&
               bytes + record_size(entries[fit].length) <= room) {
            bytes += record_size(entries[fit].length);
            fit++;
        }
        if (fit == 0) {
            int rc = roll(s, record_size(entries[0].length), e);
            if (rc != 0) {
                return rc;
            }
            continue;
        }
        if (s->group == 0) {
            s->group = s->next;
        }
        int rc = segment_append(s->ops, seg, entries, fit, s->group, s->sync, e);
        if (rc != 0) {
            return rc;
        }
        s->next += fit;
        entries += fit;
        n -= fit;
    }
    return 0;
}

/* Remove the last segment and its file. */
static int drop_last(struct logstore *s, struct errmsg *e)
{
    struct segment *seg = last_segment(s);
    int rc = remove_file(s, seg->path, e);
    list_remove(&seg->link);
    segment_free(s->ops, seg);
    return rc;
}

int logstore_truncate(struct logstore *s, uint64_t index, struct errmsg *e)
{
    assert(index >= s->first && index <= s->next);
    struct segment *seg;
    while ((seg = last_segment(s)) != NULL && seg->header.first_index >= index &&
           seg->header.first_index > s->first) {
        int rc = drop_last(s, e); /* from the back: a crash leaves no gap */
        if (rc != 0) {
            return rc;
        }
    }
    s->group = 0;
    s->next = index;
    if (seg == NULL) {
        return 0;
    }
    int rc = seg->fd >= 0 ? 0 : segment_open(s->ops, seg, e);
    return rc != 0 ? rc : segment_cut(s->ops, seg, index, e);
}

/* Remove segments from the front while the next one begins at or before s->first. */
static int trim(struct logstore *s, struct errmsg *e)
{
    while (!list_empty(&s->segments)) {
        struct segment *front = container_of(s->segments.next, struct segment, link);
        if (front == last_segment(s) || front->next_index > s->first) {
            return 0;
        }
        int rc = remove_file(s, front->path, e);
        if (rc != 0) {
            return rc;
        }
        list_remove(&front->link);
        segment_free(s->ops, front);
    }
    return 0;
}

int logstore_snapshot(struct logstore *s,
                      const struct snapshot_meta *m,
                      bool discard,
                      struct errmsg *e)
{
    struct snapshot_meta meta = *m;
    meta.incarnation = s->incarnation + (discard ? 1 : 0);
    meta.first = discard ? m->index + 1 : m->first;
    struct buf bytes = BUF_INIT;
    snapshot_meta_encode(&bytes, &meta);
    if (!buf_ok(&bytes)) {
        buf_fini(&bytes);
        return err_set(e, E_NOMEM, "%s", err_text(E_NOMEM));
    }
    int rc = file_replace(s->ops, s->dir, SNAPSHOT_NAME, bytes.p, bytes.len, e);
    buf_fini(&bytes);
    if (rc != 0) {
        return rc;
    }
    s->incarnation = meta.incarnation;
    s->first = meta.first;
    if (!discard) {
        return trim(s, e);
    }
    while (rc == 0 && last_segment(s) != NULL) {
        rc = drop_last(s, e);
    }
    s->next = m->index + 1;
    s->group = 0;
    return rc;
}
