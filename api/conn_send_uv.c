/* How: answers are appended to one buffer of the loop and leave in one write at the end of the turn
 * (uv_try_write; what the socket does not take goes to a uv_write). Long bodies are sent from where
 * they were rendered, by reference, in the same write as their head. A body that is a file is read
 * and sent in pieces, each when the one before has left. */
#include "api/conn_send_uv.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    COPY_MAX = 16 * 1024,  /* longer bodies are sent by reference */
    FILE_PIECE = 64 * 1024 /* of a body that is a file, in memory at once */
};

/* A write that the socket did not take at once. */
struct conn_write {
    uv_write_t req;
    struct conn *conn;
    struct buf head;
    struct answer *answer; /* the rest of its body, or NULL */
};

static void on_written(uv_write_t *req, int status)
{
    struct conn_write *w = container_of(req, struct conn_write, req);
    struct conn *c = w->conn;
    buf_fini(&w->head);
    answer_unref(w->answer);
    free(w);
    c->n_writes--;
    if (c->state == CONN_CLOSED) {
        return;
    }
    if (status < 0) {
        conn_close(c);
    } else if (c->n_writes == 0 && (c->state == CONN_SENDING || c->streaming)) {
        conn_sent(c);
    }
}

enum { PARTS = 3 };

/* Cut the first @n bytes off the parts. */
static void skip(struct slice parts[PARTS], size_t n)
{
    for (int i = 0; i < PARTS; i++) {
        size_t cut = n < parts[i].len ? n : parts[i].len;
        if (cut > 0) {
            parts[i].p += cut;
            parts[i].len -= cut;
        }
        n -= cut;
    }
}

/* The parts that are not empty, for libuv, which does not write through the pointers. */
static unsigned to_bufs(const struct slice parts[PARTS], uv_buf_t bufs[PARTS])
{
    unsigned n = 0;
    for (int i = 0; i < PARTS; i++) {
        if (parts[i].len > 0) {
            bufs[n++] = (uv_buf_t){(char *)(uintptr_t)parts[i].p, parts[i].len};
        }
    }
    return n;
}

/* Hand the parts to uv_write(), which keeps the order: the first is copied, the second belongs to
 * @answer, the third is a literal. */
static void write_later(struct conn *c, struct answer *answer, const struct slice parts[PARTS])
{
    struct conn_write *w = calloc(1, sizeof *w);
    if (w != NULL) {
        buf_add_slice(&w->head, parts[0]);
    }
    if (w == NULL || !buf_ok(&w->head)) {
        free(w);
        conn_close(c);
        return;
    }
    w->conn = c;
    w->answer = answer == NULL ? NULL : answer_ref(answer);
    const struct slice kept[PARTS] = {buf_slice(&w->head), parts[1], parts[2]};
    uv_buf_t bufs[PARTS];
    unsigned n = to_bufs(kept, bufs);
    c->n_writes++;
    if (uv_write(&w->req, (uv_stream_t *)&c->tcp, bufs, n, on_written) != 0) {
        c->n_writes--;
        buf_fini(&w->head);
        answer_unref(w->answer);
        free(w);
        conn_close(c);
    }
}

/* Send the loop's buffer, then @body of @answer, then @tail, a literal (all may be empty): at once
 * what the socket takes, later the rest. The connection may be closed afterwards. */
static void send_out(struct conn *c, struct answer *answer, struct slice body, struct slice tail)
{
    struct buf *out = &c->loop->out;
    struct slice parts[PARTS] = {buf_slice(out), body, tail};
    uv_buf_t bufs[PARTS];
    unsigned n = to_bufs(parts, bufs);
    if (!buf_ok(out)) {
        conn_close(c);
    }
    int rv = 0;
    if (n > 0 && c->n_writes == 0 && c->state != CONN_CLOSED) {
        rv = uv_try_write((uv_stream_t *)&c->tcp, bufs, n);
    }
    if (rv < 0 && rv != UV_EAGAIN) {
        conn_close(c);
    }
    skip(parts, rv > 0 ? (size_t)rv : 0);
    if (c->state != CONN_CLOSED && parts[0].len + parts[1].len + parts[2].len > 0) {
        write_later(c, answer, parts);
    }
    buf_reset(out);
}

/* How long the body is, and the end of the head. A chunked body is one chunk: its size is known. */
static void add_length(struct buf *out, size_t body_len, bool chunked)
{
    if (chunked) {
        buf_printf(out, "Transfer-Encoding: chunked\r\n\r\n%zx\r\n", body_len);
        return;
    }
    buf_add_str(out, "Content-Length: ");
    buf_add_u64(out, body_len);
    buf_add_str(out, "\r\n\r\n");
}

static void add_head(struct conn *c, const struct answer *answer, bool packed)
{
    struct buf *out = &c->loop->out;
    const struct loop_moment *now = loop_moment(c->loop);
    size_t start = out->len;
    buf_add_slice(out, buf_slice(&answer->head));
    if (c->minor == 0 && buf_ok(out)) {
        out->p[start + strlen("HTTP/1.")] = '0';
    }
    if (answer->meta) {
        buf_add(out, now->meta, now->meta_len);
    }
    if (answer->tells_cache) {
        /* What is kept is dropped when it changes, so it is never older than now. */
        buf_add_str(out, answer->sent ? "X-Cache: HIT\r\nAge: 0\r\n" : "X-Cache: MISS\r\n");
    }
    if (c->loop->server->access != NULL) {
        buf_add_slice(out, c->loop->server->access->headers);
        buf_add_slice(out,
                      answer->routed ? c->loop->server->access->route_headers : slice_of(NULL, 0));
    }
    buf_add(out, now->date, now->date_len);
    if (packed) {
        buf_add_str(out, "Content-Encoding: gzip\r\n");
    }
    if (!c->keep_alive) {
        buf_add_str(out, "Connection: close\r\n");
    } else if (c->minor == 0) {
        buf_add_str(out, "Connection: keep-alive\r\n");
    }
}

/* A file on its way: one piece at a time, read when the one before has left. */
struct file_send {
    uv_write_t req;
    struct conn *conn;
    struct answer *answer;
    uint64_t at;
    bool chunked;
    char piece[FILE_PIECE + 8]; /* and the end of the chunks */
};

static void file_send_free(struct file_send *f)
{
    answer_unref(f->answer);
    free(f);
}

static void on_piece_written(uv_write_t *req, int status);

/* Send the next piece. On failure the connection is closed and @f freed. */
static void send_piece(struct file_send *f)
{
    static const struct slice tail = {"\r\n0\r\n\r\n", 7};
    struct conn *c = f->conn;
    uint64_t left = f->answer->file_len - f->at;
    size_t want = left < FILE_PIECE ? (size_t)left : FILE_PIECE;
    ssize_t n = pread(f->answer->file, f->piece, want, (off_t)f->at);
    if (n == (ssize_t)want) {
        f->at += want;
        if (want == left && f->chunked) {
            memcpy(f->piece + want, tail.p, tail.len);
            want += tail.len;
        }
        const uv_buf_t buf = {f->piece, want};
        c->n_writes++;
        if (uv_write(&f->req, (uv_stream_t *)&c->tcp, &buf, 1, on_piece_written) == 0) {
            return;
        }
        c->n_writes--;
    }
    file_send_free(f);
    conn_close(c);
}

static void on_piece_written(uv_write_t *req, int status)
{
    struct file_send *f = container_of(req, struct file_send, req);
    struct conn *c = f->conn;
    c->n_writes--;
    if (c->state == CONN_CLOSED || status < 0) {
        file_send_free(f);
        conn_close(c);
        return;
    }
    if (f->at < f->answer->file_len) {
        conn_progress(c);
        send_piece(f);
        return;
    }
    file_send_free(f);
    if (c->n_writes == 0 && c->state == CONN_SENDING) {
        conn_sent(c);
    }
}

static void emit_file(struct conn *c, struct answer *answer)
{
    bool chunked = c->minor > 0 && !c->no_body;
    add_head(c, answer, false);
    add_length(&c->loop->out, answer->file_len, chunked);
    if (c->no_body) {
        return;
    }
    conn_send(c);
    struct file_send *f = c->state == CONN_CLOSED ? NULL : malloc(sizeof *f);
    if (f == NULL) {
        conn_close(c);
        return;
    }
    f->conn = c;
    f->answer = answer_ref(answer);
    f->at = 0;
    f->chunked = chunked;
    send_piece(f);
}

void conn_emit(struct conn *c, struct answer *answer)
{
    struct api_loop *a = c->loop;
    bool packed;
    if (answer->file >= 0) {
        emit_file(c, answer);
        return;
    }
    if (c->accepts_gzip && a->gzip == NULL && answer->body.len > ANSWER_GZIP_MIN) {
        a->gzip = gzipper_new();
    }
    struct slice body = answer_body(answer, a->gzip, c->accepts_gzip, &packed);
    /* As Consul does it: long answers are chunked, but HTTP/1.0 knows no chunks. */
    bool chunked = body.len > COPY_MAX && c->minor > 0 && !c->no_body;
    add_head(c, answer, packed);
    add_length(&a->out, body.len, chunked);
    answer->sent = true;
    if (c->no_body) {
        return;
    }
    if (body.len <= COPY_MAX) {
        buf_add_slice(&a->out, body);
    } else {
        send_out(c, answer, body, chunked ? SLICE_LIT("\r\n0\r\n\r\n") : slice_of(NULL, 0));
    }
}

void conn_send(struct conn *c)
{
    send_out(c, NULL, slice_of(NULL, 0), slice_of(NULL, 0));
}
