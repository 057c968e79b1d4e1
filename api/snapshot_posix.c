/* snapshot: the state as an archive, and back (consul-surface.md 1.4, 4.5).
 *
 * Both directions run on a thread of their own with a file between them and the socket, so that a
 * slow client holds neither a read transaction nor a loop. Restoring: the archive is read to its
 * end first, and only when all of it is good read again and proposed, piece by piece, each after
 * the one before is committed. */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "api/handlers.h"
#include "base/clock.h"
#include "base/rand.h"
#include "registry/snapshot.h"

enum {
    READ_SIZE = 64 * 1024,
    PIECE_SIZE = 192 * 1024, /* of rows in one command, unless one row alone is longer */
    UNPACKED_MAX = 8,        /* state.bin may be so many times as large as an archive may */
    TRIES_MAX = 500,         /* with a full queue of proposals, 20 ms apart */
    REPLIES_MAX = 1
};

/* ---- saving ---- */

struct saving {
    struct reg *store;
    struct reg_snapshot_by by;
    char address[128];
    int fd;
    uint64_t len;
    uint64_t index;
    int status;
    struct errmsg e;
};

static int write_to_file(void *arg, struct slice s)
{
    struct saving *w = arg;
    while (s.len > 0) {
        ssize_t n = write(w->fd, s.p, s.len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n < 0 ? err_from_errno(errno) : E_NOSPACE;
        }
        s = slice_of(s.p + n, s.len - (size_t)n);
        w->len += (uint64_t)n;
    }
    return 0;
}

static void save(void *arg)
{
    struct saving *w = arg;
    const struct archive_sink sink = {write_to_file, w};
    w->status = reg_spool_open(w->store, &w->fd, &w->e);
    if (w->status == 0) {
        w->status = reg_snapshot_write(w->store, &sink, &w->by, &w->index, &w->e);
    }
}

static void on_saved(struct api_req *r, void *arg)
{
    struct saving *w = arg;
    if (w->status == 0) {
        api_reply_file(r, "application/x-gzip", w->fd, w->len, w->index);
        return;
    }
    if (w->fd >= 0) {
        (void)close(w->fd); /* not wanted any more */
    }
    api_reply_error(r, 500, "%s", w->e.text);
}

/* True when this server may answer: there is a leader, or any state will do. */
static bool may_answer(struct api_req *r, char address[128])
{
    bool known = true;
    uint64_t last_contact_ms = 0;
    address[0] = '\0';
    if (r->server->leadership != NULL) {
        r->server->leadership(r->server->arg, &known, address, &last_contact_ms);
    }
    if (known || api_flag(r, "stale")) {
        return true;
    }
    api_reply_error(r, 500, "No cluster leader");
    return false;
}

void snapshot_get(struct api_req *r)
{
    struct saving *w = api_alloc(r, sizeof *w);
    if (!may_answer(r, w->address)) {
        return;
    }
    w->store = r->server->store;
    w->by = (struct reg_snapshot_by){
        .server_id = r->server->node_id, .server_address = w->address, .wall_ns = clock_wall_ns()};
    w->fd = -1;
    api_work(r, save, w, on_saved);
}

/* ---- restoring ---- */

struct restoring {
    struct reg_proposer *proposer;
    int fd; /* borrowed; -1: an empty body */
    uint64_t state_max;
    struct state_header header;
    struct buf header_body;
    /* While proposing: */
    bool proposing;
    uint64_t id;
    uint64_t rows;
    uint64_t pieces;
    struct buf piece;
    int status;
    struct errmsg e;
};

static void on_committed(struct reg_reply *reply)
{
    (void)reply; /* it is looked at by whoever waited */
}

/* Hand over @p, waiting while the queue is full. */
static int hand_over(struct restoring *w, struct reg_proposal *p)
{
    int rc = w->proposer->propose(w->proposer, p);
    for (int i = 0; rc == E_FULL && i < TRIES_MAX; i++) {
        const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
        (void)nanosleep(&pause, NULL); /* waking early only tries earlier */
        rc = w->proposer->propose(w->proposer, p);
    }
    return rc;
}

/* Propose one command and wait until it is applied. */
static int propose(struct restoring *w, enum reg_command_type type, const struct reg_restore *c)
{
    struct queue replies;
    struct reg_proposal p = {.reply = {.to = &replies, .done = on_committed}, .cmd = BUF_INIT};
    struct list answered;
    queue_init(&replies, REPLIES_MAX, NULL, NULL);
    list_init(&answered);
    list_init(&p.reply.link);
    reg_command_restore(&p.cmd, type, c);
    int rc = buf_ok(&p.cmd) ? hand_over(w, &p) : E_NOMEM;
    if (rc == 0) {
        (void)queue_wait(&replies, &answered); /* one reply for one proposal */
        while (list_pop(&answered) != NULL) {
        }
        rc = p.status != 0 ? p.status : p.result.status;
    }
    if (rc != 0) {
        err_set(&w->e, rc, "failed to restore the snapshot: %s",
                p.status == 0 && p.result.status != 0 ? p.result.text : err_text(rc));
    }
    buf_fini(&p.cmd);
    queue_fini(&replies);
    return rc;
}

static int propose_piece(struct restoring *w)
{
    if (w->piece.len == 0) {
        return 0;
    }
    int rc = propose(w, REG_CMD_RESTORE_ROWS,
                     &(struct reg_restore){w->id, w->pieces, buf_slice(&w->piece)});
    w->pieces++;
    buf_reset(&w->piece);
    return rc;
}

static int on_header(void *arg, const struct state_header *h, struct slice body)
{
    struct restoring *w = arg;
    w->header = *h;
    buf_reset(&w->header_body);
    buf_add_slice(&w->header_body, body);
    return !buf_ok(&w->header_body) ? E_NOMEM : reg_snapshot_check_header(h, NULL);
}

static int on_row(void *arg, unsigned table, struct slice key, struct slice value)
{
    struct restoring *w = arg;
    if (!w->proposing) {
        return reg_snapshot_check_row(w->header.tables[table - 1], key, value);
    }
    if (w->piece.len > 0 && w->piece.len + key.len + value.len > PIECE_SIZE) {
        int rc = propose_piece(w);
        if (rc != 0) {
            return rc;
        }
    }
    state_row_encode(&w->piece, table, key, value);
    return buf_ok(&w->piece) ? 0 : E_NOMEM;
}

/* Read the whole archive; its rows go to on_row(). */
static int read_archive(struct restoring *w, struct errmsg *e)
{
    const struct state_visitor visitor = {on_header, on_row, w};
    struct archive_reader *r = archive_reader_new(&visitor, w->state_max);
    struct archive_meta meta;
    char bytes[READ_SIZE];
    off_t at = 0;
    int rc = r == NULL ? err_set(e, E_NOMEM, "%s", err_text(E_NOMEM)) : 0;
    ssize_t n = w->fd < 0 ? 0 : 1;
    while (rc == 0 && n > 0) {
        n = pread(w->fd, bytes, sizeof bytes, at);
        at += n;
        rc = n < 0   ? err_set(e, err_from_errno(errno), "cannot read: %s", strerror(errno))
             : n > 0 ? archive_reader_feed(r, slice_of(bytes, (size_t)n), e)
                     : 0;
    }
    if (rc == 0) {
        rc = archive_reader_end(r, &meta, &w->rows, e);
    }
    archive_reader_free(r);
    return rc;
}

static void restore(void *arg)
{
    struct restoring *w = arg;
    struct errmsg ignored; /* the second reading fails with what propose() said, or not at all */
    int rc = read_archive(w, &w->e);
    if (rc == 0) {
        rand_bytes(&w->id, sizeof w->id);
        rc = propose(w, REG_CMD_RESTORE_BEGIN,
                     &(struct reg_restore){w->id, w->rows, buf_slice(&w->header_body)});
    }
    if (rc == 0) {
        w->proposing = true;
        rc = read_archive(w, &ignored);
    }
    if (rc == 0) {
        rc = propose_piece(w);
    }
    if (rc == 0) {
        rc = propose(w, REG_CMD_RESTORE_END,
                     &(struct reg_restore){w->id, w->rows, slice_of(NULL, 0)});
    }
    w->status = rc;
    buf_fini(&w->piece);
    buf_fini(&w->header_body);
}

static void on_restored(struct api_req *r, void *arg)
{
    struct restoring *w = arg;
    if (w->status == 0) {
        api_reply_empty(r);
    } else {
        api_reply_error(r, 500, "%s", w->e.text[0] != '\0' ? w->e.text : err_text(w->status));
    }
}

void snapshot_put(struct api_req *r)
{
    struct restoring *w = api_alloc(r, sizeof *w);
    w->proposer = r->server->proposer;
    w->fd = r->body_fd;
    w->state_max = r->server->snapshot_max * UNPACKED_MAX;
    api_work(r, restore, w, on_restored);
}
