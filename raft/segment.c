/* A load reads the file's data (holes are skipped) into one image and walks it; everything that is
 * decided about torn or damaged tails is decided on that image, in judge(). */
#include "raft/segment.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"

enum { ZEROS = 64 * 1024, READ_CHUNK = 1024 * 1024 };

static const char zeros[ZEROS];

void segment_name(char out[SEGMENT_NAME], uint64_t first_index)
{
    (void)snprintf(out, SEGMENT_NAME, "%020" PRIu64 ".log", first_index); /* 24 characters */
}

bool segment_name_parse(const char *name, uint64_t *first_index)
{
    char *end;
    if (strlen(name) != 24 || strspn(name, "0123456789") != 20) {
        return false;
    }
    errno = 0;
    *first_index = strtoull(name, &end, 10);
    return errno == 0 && strcmp(end, ".log") == 0 && *first_index > 0;
}

static struct segment *segment_new(const char *dir, uint64_t first_index)
{
    char name[SEGMENT_NAME];
    segment_name(name, first_index);
    struct segment *s = calloc(1, sizeof *s);
    if (s == NULL || asprintf(&s->path, "%s/%s", dir, name) < 0) {
        free(s);
        return NULL;
    }
    list_init(&s->link);
    s->fd = -1;
    s->next_index = first_index;
    s->end = SEGMENT_HEADER;
    return s;
}

void segment_free(const struct file_ops *ops, struct segment *s)
{
    if (s == NULL) {
        return;
    }
    if (s->fd >= 0) {
        (void)ops->close(s->fd); /* what matters was synced before */
    }
    free(s->path);
    free(s);
}

static int fail(struct errmsg *e, const char *what, const char *path, int sys)
{
    int rc = err_from_errno(sys);
    return err_set(e, rc, "cannot %s %s: %s", what, path, strerror(sys));
}

static int write_header(const struct file_ops *ops, struct segment *s, struct errmsg *e)
{
    char bytes[SEGMENT_HEADER];
    segment_header_encode(bytes, &s->header);
    struct iovec iov = {bytes, sizeof bytes};
    int sys = 0;
    if (file_write_all(ops, s->fd, &iov, 1, 0, &sys) != 0) {
        return fail(e, "write", s->path, sys);
    }
    return ops->fdatasync(s->fd) == 0 ? 0 : fail(e, "sync", s->path, errno);
}

int segment_create(const struct file_ops *ops,
                   const char *dir,
                   const struct segment_header *h,
                   uint64_t size,
                   struct segment **out,
                   struct errmsg *e)
{
    struct segment *s = segment_new(dir, h->first_index);
    if (s == NULL) {
        return err_set(e, E_NOMEM, "%s", err_text(E_NOMEM));
    }
    s->header = *h;
    s->size = size;
    s->zeroed = SEGMENT_HEADER;
    int rc = 0;
    s->fd = ops->open(s->path, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (s->fd < 0) {
        rc = fail(e, "create", s->path, errno);
    } else if (ops->allocate(s->fd, (off_t)size) != 0) {
        rc = fail(e, "reserve space for", s->path, errno);
    } else if ((rc = write_header(ops, s, e)) == 0 && ops->sync_dir(dir) != 0) {
        rc = fail(e, "sync", dir, errno);
    }
    if (rc != 0) {
        segment_free(ops, s);
        return rc;
    }
    *out = s;
    return 0;
}

/* ---- reading ---- */

struct image {
    char *p;
    uint64_t len;  /* the file's size */
    uint64_t data; /* behind the last byte that is not zero */
};

/* calloc() of this size is fresh zero pages: the holes that are not read cost no memory. */
static int image_read(const struct file_ops *ops,
                      int fd,
                      const char *path,
                      struct image *im,
                      struct errmsg *e)
{
    off_t size = ops->size(fd);
    if (size < 0 || size > SEGMENT_FILE_MAX) {
        return err_set(e, size < 0 ? E_IO : E_CORRUPT, "cannot read %s: its size is impossible",
                       path);
    }
    im->len = (uint64_t)size;
    im->p = calloc(1, im->len + RECORD_ALIGN);
    if (im->p == NULL) {
        return err_set(e, E_NOMEM, "cannot read %s: %s", path, err_text(E_NOMEM));
    }
    uint64_t at = 0;
    while (at < im->len) {
        off_t found = ops->data(fd, (off_t)at);
        at = found < 0 ? at : (uint64_t)found;
        if (at >= im->len) {
            break;
        }
        size_t want = im->len - at < READ_CHUNK ? (size_t)(im->len - at) : READ_CHUNK;
        size_t got = 0;
        int rc = file_read(ops, fd, im->p + at, want, at, &got);
        if (rc != 0 || got == 0) {
            free(im->p);
            return err_set(e, rc == 0 ? E_IO : rc, "cannot read %s at offset %" PRIu64, path, at);
        }
        at += got;
        im->data = at;
    }
    while (im->data > 0 && im->p[im->data - 1] == 0) {
        im->data--;
    }
    return 0;
}

/* The first valid record behind @from; false when there is none. */
static bool find_record(const struct segment *s,
                        const struct image *im,
                        uint64_t from,
                        struct record *r,
                        uint64_t *at)
{
    uint64_t off = (from + RECORD_ALIGN) / RECORD_ALIGN * RECORD_ALIGN;
    for (; off + RECORD_HEADER <= im->data; off += RECORD_ALIGN) {
        struct slice payload;
        uint64_t need;
        struct slice in = slice_of(im->p + off, im->len - off);
        if (record_decode(in, s->header.salt, off, r, &payload, &need) == 0) {
            *at = off;
            return true;
        }
    }
    return false;
}

/* The last record behind the first valid one at @at: the latest group tells most. */
static void find_last(const struct segment *s,
                      const struct image *im,
                      struct record *r,
                      uint64_t *at)
{
    struct record next;
    while (find_record(s, im, *at, &next, at)) {
        *r = next;
    }
}

/* The walk ended at s->end and the image has something behind it: torn or damaged? (See the
 * header.) Returns 0 for torn. */
static int judge(const struct segment *s, const struct image *im, bool last, struct errmsg *e)
{
    struct record behind;
    uint64_t at = 0;
    bool found = find_record(s, im, s->end, &behind, &at);
    uint64_t first_at = at;
    if (found) {
        find_last(s, im, &behind, &at);
    }
    if (last && (!found || behind.group <= s->next_index)) {
        return 0;
    }
    if (!found) {
        return err_set(
            e, E_CORRUPT,
            "%s is damaged at offset %" PRIu64 " (entry %" PRIu64
            "), and another file follows it. Nothing was changed. Restore the raft "
            "directory from a backup, or delete it together with the data of this server",
            s->path, s->end, s->next_index);
    }
    return err_set(e, E_CORRUPT,
                   "%s is damaged at offset %" PRIu64 " (entry %" PRIu64
                   "), but whole entries follow at offset %" PRIu64
                   ". Nothing was changed. Restore the raft directory from a backup, or delete it "
                   "together with the data of this server",
                   s->path, s->end, s->next_index, first_at);
}

/* A record that is whole but cannot follow what is before it. */
static int out_of_order(const struct segment *s, const struct record *r, struct errmsg *e)
{
    return err_set(
        e, E_CORRUPT,
        "%s holds entry %" PRIu64 " (term %" PRIu64 ") at offset %" PRIu64 " where entry %" PRIu64
        " (term %" PRIu64
        " or later) belongs. Nothing was changed. Restore the raft directory from a backup",
        s->path, r->index, r->term, s->end, s->next_index, s->last_term);
}

static int walk(struct segment *s,
                const struct image *im,
                segment_visit visit,
                void *arg,
                struct errmsg *e)
{
    while (s->end < im->data) {
        struct record r;
        struct slice payload;
        uint64_t need;
        struct slice in = slice_of(im->p + s->end, im->len - s->end);
        if (record_decode(in, s->header.salt, s->end, &r, &payload, &need) != 0) {
            break;
        }
        if (r.index != s->next_index || r.term < s->last_term) {
            return out_of_order(s, &r, e);
        }
        int rc = visit == NULL ? 0 : visit(arg, &r, payload);
        if (rc != 0) {
            return rc;
        }
        s->next_index++;
        s->last_term = r.term;
        s->end += need;
    }
    return 0;
}

/* Cut the file at s->end and reserve the space again, so that nothing of the torn write can be
 * taken for a record later. */
static int erase_tail(const struct file_ops *ops, struct segment *s, int fd, struct errmsg *e)
{
    if (ops->truncate(fd, (off_t)s->end) != 0 || ops->fdatasync(fd) != 0) {
        return fail(e, "cut", s->path, errno);
    }
    if (ops->allocate(fd, (off_t)s->size) != 0 || ops->fdatasync(fd) != 0) {
        return fail(e, "reserve space for", s->path, errno);
    }
    s->zeroed = s->end;
    return 0;
}

/* Fill @s from its open file. *@whole is false for a creation that did not complete. */
static int load_file(const struct file_ops *ops,
                     struct segment *s,
                     int fd,
                     bool last,
                     segment_visit visit,
                     void *arg,
                     bool *whole,
                     struct errmsg *e)
{
    struct image im = {NULL, 0, 0};
    int rc = image_read(ops, fd, s->path, &im, e);
    if (rc != 0) {
        return rc;
    }
    uint64_t first_index = s->next_index;
    *whole = true;
    if (segment_header_decode(slice_of(im.p, im.len), &s->header) != 0 ||
        s->header.first_index != first_index) {
        /* The header is synced before the first record is written. */
        *whole = false;
        rc = last && im.data <= SEGMENT_HEADER
                 ? 0
                 : err_set(e, E_CORRUPT,
                           "the header of %s is damaged. Nothing was changed. Restore the raft "
                           "directory from a backup, or delete it together with the data of this "
                           "server",
                           s->path);
        goto out;
    }
    s->size = im.len;
    rc = walk(s, &im, visit, arg, e);
    s->zeroed = s->end;
    if (rc == 0 && im.data > s->end) {
        rc = judge(s, &im, last, e);
        if (rc == 0) {
            log_warn("raft",
                     "Cut a write that never completed: file=%s offset=%" PRIu64 " bytes=%" PRIu64
                     " next_index=%" PRIu64,
                     s->path, s->end, im.data - s->end, s->next_index);
            rc = erase_tail(ops, s, fd, e);
        }
    }
out:
    free(im.p);
    return rc;
}

int segment_load(const struct file_ops *ops,
                 const char *dir,
                 uint64_t first_index,
                 bool last,
                 segment_visit visit,
                 void *arg,
                 struct segment **out,
                 struct errmsg *e)
{
    *out = NULL;
    struct segment *s = segment_new(dir, first_index);
    if (s == NULL) {
        return err_set(e, E_NOMEM, "%s", err_text(E_NOMEM));
    }
    int fd = ops->open(s->path, last ? O_RDWR : O_RDONLY, 0);
    if (fd < 0) {
        int rc = fail(e, "open", s->path, errno);
        segment_free(ops, s);
        return rc;
    }
    bool whole = false;
    int rc = load_file(ops, s, fd, last, visit, arg, &whole, e);
    (void)ops->close(fd); /* a cut was synced */
    if (rc != 0 || !whole) {
        segment_free(ops, s);
        return rc;
    }
    *out = s;
    return 0;
}

/* ---- writing ---- */

int segment_open(const struct file_ops *ops, struct segment *s, struct errmsg *e)
{
    assert(s->fd < 0);
    s->fd = ops->open(s->path, O_RDWR, 0);
    if (s->fd < 0) {
        return fail(e, "open", s->path, errno);
    }
    /* A killed process leaves records in the page cache that were never synced; they count as
     * stored from now on. */
    return ops->fdatasync(s->fd) == 0 ? 0 : fail(e, "sync", s->path, errno);
}

/* Parts of one write: per record header, payload, padding; then zeros ahead. */
struct parts {
    struct iovec iov[3 * SEGMENT_RECORDS_PER_WRITE + SEGMENT_ZERO_AHEAD / ZEROS + 1];
    int n;
    uint64_t bytes;
};

static void parts_add(struct parts *ps, const void *p, uint64_t n)
{
    if (n == 0) {
        return;
    }
    char *bytes = NULL;
    memcpy(&bytes, &p, sizeof bytes); /* iov_base is not const; pwritev only reads */
    ps->iov[ps->n++] = (struct iovec){bytes, (size_t)n};
    ps->bytes += n;
}

/* Zeros up to the next boundary when this write is the first to reach its blocks. */
static void parts_zero_ahead(struct parts *ps, struct segment *s)
{
    uint64_t end = s->end + ps->bytes;
    if (end <= s->zeroed) {
        return;
    }
    uint64_t to = (end + SEGMENT_ZERO_AHEAD - 1) / SEGMENT_ZERO_AHEAD * SEGMENT_ZERO_AHEAD;
    to = to > s->size ? s->size : to;
    for (uint64_t at = end; at < to; at += ZEROS) {
        parts_add(ps, zeros, to - at < ZEROS ? to - at : ZEROS);
    }
    s->zeroed = to > end ? to : end;
}

int segment_append(const struct file_ops *ops,
                   struct segment *s,
                   const struct segment_entry *entries,
                   unsigned n,
                   uint64_t group,
                   bool zero_ahead,
                   struct errmsg *e)
{
    assert(s->fd >= 0);
    assert(n > 0 && n <= SEGMENT_RECORDS_PER_WRITE);
    assert(group > 0 && group <= s->next_index);
    static _Thread_local char headers[SEGMENT_RECORDS_PER_WRITE][RECORD_HEADER];
    static _Thread_local struct parts ps;
    ps.n = 0;
    ps.bytes = 0;
    for (unsigned i = 0; i < n; i++) {
        const struct segment_entry *en = &entries[i];
        const struct record r = {s->next_index + i, en->term, group, en->type, en->length};
        record_encode(headers[i], &r, en->payload, s->header.salt, s->end + ps.bytes);
        parts_add(&ps, headers[i], RECORD_HEADER);
        parts_add(&ps, en->payload, en->length);
        parts_add(&ps, zeros, record_size(en->length) - RECORD_HEADER - en->length);
    }
    uint64_t bytes = ps.bytes;
    assert(s->end + bytes <= s->size);
    if (zero_ahead) {
        parts_zero_ahead(&ps, s);
    }
    int sys = 0;
    if (file_write_all(ops, s->fd, ps.iov, ps.n, s->end, &sys) != 0) {
        return fail(e, "write", s->path, sys);
    }
    s->end += bytes;
    s->next_index += n;
    s->last_term = entries[n - 1].term;
    return 0;
}

/* Where a record begins, found by walking. */
struct seek {
    uint64_t index;
    uint64_t at;
    uint64_t term; /* of the record in front of it */
};

static int seek_visit(void *arg, const struct record *r, struct slice payload)
{
    (void)payload;
    struct seek *seek = arg;
    if (r->index == seek->index) {
        return E_EOF;
    }
    seek->at += record_size(r->length);
    seek->term = r->term;
    return 0;
}

int segment_cut(const struct file_ops *ops, struct segment *s, uint64_t index, struct errmsg *e)
{
    assert(s->fd >= 0);
    assert(index >= s->header.first_index && index <= s->next_index);
    struct image im = {NULL, 0, 0};
    int rc = image_read(ops, s->fd, s->path, &im, e);
    if (rc != 0) {
        return rc;
    }
    struct segment copy = *s;
    copy.next_index = s->header.first_index;
    copy.end = SEGMENT_HEADER;
    copy.last_term = 0;
    struct seek seek = {index, SEGMENT_HEADER, 0};
    rc = walk(&copy, &im, seek_visit, &seek, e);
    free(im.p);
    if (rc != E_EOF && (rc != 0 || copy.next_index != index)) {
        return rc != 0
                   ? rc
                   : err_set(e, E_CORRUPT, "%s is damaged before entry %" PRIu64, s->path, index);
    }
    s->end = seek.at;
    s->next_index = index;
    s->last_term = seek.term;
    return erase_tail(ops, s, s->fd, e);
}
