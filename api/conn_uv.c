/* How: all connections read into one buffer of the loop; only bytes that cannot be used yet are
 * copied to the connection.
 *
 * Timeouts: a wheel of one-second slots. A deadline that moves back only changes a number; the
 * wheel finds out when it looks. */
#include "api/conn_uv.h"

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

#include "api/conn_send_uv.h"
#include "api/read.h"
#include "api/request.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/metrics.h"

enum {
    OUT_MAX = 256 * 1024,    /* answers to pipelined requests gathered before they are sent */
    WAITING_MAX = 64 * 1024, /* unread bytes behind a request in progress */
    LINGER_S = 5,
    FOREVER_S = 1000000000
};

static const char *const state_names[] = {"head",    "body",   "busy",  "parked",
                                          "sending", "linger", "closed"};

/* Which states may follow each state, by bits. */
static const unsigned moves[] = {
    [CONN_HEAD] = 1u << CONN_BODY | 1u << CONN_BUSY | 1u << CONN_HEAD | 1u << CONN_SENDING |
                  1u << CONN_LINGER | 1u << CONN_CLOSED,
    [CONN_BODY] = 1u << CONN_BUSY | 1u << CONN_CLOSED,
    [CONN_BUSY] = 1u << CONN_HEAD | 1u << CONN_PARKED | 1u << CONN_CLOSED,
    [CONN_PARKED] = 1u << CONN_HEAD | 1u << CONN_CLOSED,
    [CONN_SENDING] = 1u << CONN_HEAD | 1u << CONN_LINGER | 1u << CONN_CLOSED,
    [CONN_LINGER] = 1u << CONN_CLOSED,
    [CONN_CLOSED] = 0,
};

static void conn_move(struct conn *c, enum conn_state to)
{
    log_trace("agent.http", "Connection moved: from=%s to=%s", state_names[c->state],
              state_names[to]);
    assert((moves[c->state] & 1u << to) != 0);
    c->state = (uint8_t)to;
}

/* ---- deadlines ---- */

static uint64_t now_s(const struct api_loop *a)
{
    return uv_now(a->uv) / 1000;
}

static void wheel_put(struct conn *c, uint64_t at_s)
{
    uint64_t least = c->loop->tick_s + 1;
    uint64_t most = c->loop->tick_s + LOOP_WHEEL_SIZE - 1;
    c->wheel_s = at_s < least ? least : at_s > most ? most : at_s;
    list_remove(&c->wheel_link);
    list_push(&c->loop->wheel[c->wheel_s % LOOP_WHEEL_SIZE], &c->wheel_link);
}

static void set_deadline(struct conn *c, uint64_t after_s)
{
    c->deadline_s = now_s(c->loop) + after_s;
    if (c->deadline_s < c->wheel_s) {
        wheel_put(c, c->deadline_s);
    }
}

static uint64_t seconds(unsigned ms)
{
    return (ms + 999) / 1000 + 1; /* the current second has begun already */
}

/* ---- the end of a connection ---- */

static void on_closed(uv_handle_t *handle)
{
    struct conn *c = container_of((uv_tcp_t *)handle, struct conn, tcp);
    struct api_loop *a = c->loop;
    list_remove(&c->link);
    a->stats.connections--;
    free(c);
    loop_check_stopped(a);
}

void conn_close(struct conn *c)
{
    if (c->state == CONN_CLOSED) {
        return;
    }
    conn_move(c, CONN_CLOSED);
    list_remove(&c->wheel_link);
    waiter_unpark(&c->waiter);
    if (c->request != NULL) {
        request_detach(c->request);
        c->request = NULL;
    }
    buf_fini(&c->in);
    uv_close((uv_handle_t *)&c->tcp, on_closed);
}

/* ---- answers ---- */

void conn_progress(struct conn *c)
{
    if (!c->loop->stopping) {
        set_deadline(c, seconds(c->loop->opts.body_ms));
    }
}

/* Everything said: end, or read on until the client has seen it. */
static void end_politely(struct conn *c)
{
    if (!c->linger || c->loop->stopping) {
        conn_close(c);
        return;
    }
    conn_move(c, CONN_LINGER);
    buf_fini(&c->in);
    set_deadline(c, LINGER_S);
    /* Half-closing tells the client that nothing more comes, while we still read: closing outright
     * with unread bytes would reset the connection and could destroy the answer on its way. */
    uv_os_fd_t fd;
    if (uv_fileno((uv_handle_t *)&c->tcp, &fd) != 0 || shutdown(fd, SHUT_WR) != 0) {
        conn_close(c);
    }
}

/* All that can be answered now is: send it, and see what comes next. */
static void end_turn(struct conn *c)
{
    conn_send(c);
    if (c->state != CONN_HEAD) {
        return;
    }
    if (c->n_writes > 0) {
        conn_move(c, CONN_SENDING);
        set_deadline(c, seconds(c->loop->opts.body_ms));
    } else if (c->close_after) {
        end_politely(c);
    }
}

static void serve(struct conn *c, struct slice in);

/* Serve what waited behind the request that was just answered. */
static void resume(struct conn *c)
{
    if (c->state == CONN_HEAD && c->in.len > 0) {
        serve(c, buf_slice(&c->in));
    }
}

/* What was outstanding is sent. */
void conn_sent(struct conn *c)
{
    if (c->streaming) {
        set_deadline(c, FOREVER_S);
        c->request->stream_sent(&c->request->pub);
        return;
    }
    conn_move(c, CONN_HEAD);
    set_deadline(c, seconds(c->loop->opts.idle_ms));
    end_turn(c);
    resume(c);
}

bool conn_peer(const struct conn *c, unsigned char address[ACCESS_ADDRESS])
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    struct sockaddr_storage a = {.ss_family = AF_UNSPEC};
    int len = sizeof a;
    if (uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&a, &len) != 0) {
        return false;
    }
    if (a.ss_family == AF_INET6) {
        memcpy(address, &((const struct sockaddr_in6 *)&a)->sin6_addr, ACCESS_ADDRESS);
        return true;
    }
    memcpy(address, mapped, sizeof mapped);
    memcpy(address + sizeof mapped, &((const struct sockaddr_in *)&a)->sin_addr, 4);
    return a.ss_family == AF_INET;
}

void conn_answer(struct conn *c, struct answer *answer, bool linger)
{
    assert(c->consuming || c->loop->out.len == 0);
    if (c->state == CONN_BODY) {
        conn_move(c, CONN_BUSY);
    }
    conn_move(c, CONN_HEAD);
    c->request = NULL;
    c->keep_alive = c->keep_alive && !linger && !c->loop->stopping;
    c->close_after = !c->keep_alive;
    c->linger = linger;
    if (c->metric != 0) {
        metrics_observe_ns(c->metric, clock_mono_ns() - c->began_ns);
        c->metric = 0;
    }
    set_deadline(c, seconds(c->loop->opts.idle_ms));
    conn_emit(c, answer);
    if (!c->consuming) {
        end_turn(c);
        resume(c);
    } else if (c->loop->out.len > OUT_MAX) {
        conn_send(c);
    }
}

/* Send what is in the loop's buffer; what the socket does not take must leave in time. */
static void stream_out(struct conn *c)
{
    if (c->consuming) {
        return; /* the end of the turn sends it */
    }
    conn_send(c);
    if (c->state != CONN_CLOSED && c->n_writes > 0) {
        set_deadline(c, seconds(c->loop->opts.body_ms));
    }
}

void conn_stream(struct conn *c, struct slice head)
{
    struct buf *out = &c->loop->out;
    c->streaming = true;
    c->keep_alive = false;
    c->metric = 0; /* how long somebody listens says nothing */
    buf_add_slice(out, head);
    buf_add(out, loop_moment(c->loop)->date, loop_moment(c->loop)->date_len);
    buf_add_str(out, c->minor == 0 ? "Connection: close\r\n\r\n"
                                   : "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n");
    stream_out(c);
}

void conn_stream_send(struct conn *c, struct slice bytes)
{
    struct buf *out = &c->loop->out;
    assert(c->streaming && c->n_writes == 0);
    if (bytes.len == 0) {
        return; /* an empty chunk would end the body */
    }
    if (c->minor > 0) {
        buf_printf(out, "%zx\r\n", bytes.len);
    }
    buf_add_slice(out, bytes);
    buf_add_str(out, c->minor > 0 ? "\r\n" : "");
    stream_out(c);
}

int conn_park(struct conn *c, struct group *g, uint64_t index, uint64_t deadline_ms)
{
    int rv = waiter_park(g, &c->waiter, index, deadline_ms);
    if (rv == 0) {
        conn_move(c, CONN_PARKED);
        c->request = NULL;
        set_deadline(c, FOREVER_S);
    }
    return rv;
}

void conn_continue(struct conn *c)
{
    buf_add_str(&c->loop->out, "HTTP/1.1 100 Continue\r\n\r\n");
}

/* The bytes are no request: say so as Go's net/http does, and end. */
static void refuse(struct conn *c, int status, const char *text)
{
    struct answer *a = answer_plain(status, text);
    c->no_body = c->accepts_gzip = false;
    c->minor = 1;
    conn_answer(c, a, true);
    answer_unref(a);
}

/* ---- reading ---- */

/* "gzip" among the codings, not refused by q=0. */
static bool accepts_gzip(struct slice value)
{
    const char *at = value.len < 4 ? NULL : memmem(value.p, value.len, "gzip", 4);
    if (at == NULL) {
        return false;
    }
    const char *rest = at + 4;
    size_t n = value.len - (size_t)(rest - value.p);
    const char *comma = n == 0 ? NULL : memchr(rest, ',', n);
    struct slice params = slice_of(rest, comma == NULL ? n : (size_t)(comma - rest));
    const char *q = params.len < 3 ? NULL : memmem(params.p, params.len, "q=", 2);
    if (q == NULL) {
        return true;
    }
    for (q += 2; q < params.p + params.len; q++) {
        if (*q >= '1' && *q <= '9') {
            return true;
        }
    }
    return false;
}

/* Note how to answer. Returns true if a kept answer will do: no header that changes what is said.
 */
static bool note_head(struct conn *c, const struct http_head *head)
{
    bool plain = slice_is(head->method, "GET") && !head->chunked && head->length == 0;
    c->minor = head->minor;
    c->keep_alive = head->keep_alive;
    c->no_body = slice_is(head->method, "HEAD");
    c->accepts_gzip = false;
    for (unsigned i = 0; i < head->n_fields; i++) {
        struct slice name = head->fields[i].name;
        if (name.len == 15 && slice_ieq(name, SLICE_LIT("accept-encoding"))) {
            c->accepts_gzip = accepts_gzip(head->fields[i].value);
        } else if (name.len >= 13 && name.len <= 18 &&
                   (slice_ieq(name, SLICE_LIT("cache-control")) ||
                    slice_ieq(name, SLICE_LIT("x-consul-namespace")) ||
                    slice_ieq(name, SLICE_LIT("x-consul-partition")))) {
            plain = false;
        }
    }
    return plain;
}

/* The body is complete. */
static void run(struct conn *c)
{
    struct request *r = c->request;
    conn_move(c, CONN_BUSY);
    set_deadline(c, FOREVER_S);
    request_run(r);
}

/* A head has been parsed. */
static void begin(struct conn *c, const struct http_head *head)
{
    struct api_loop *a = c->loop;
    bool has_body = head->chunked || head->length > 0;
    c->began_ns = clock_mono_ns();
    c->metric = 0;
    if (note_head(c, head)) {
        struct answer *kept = read_cached(a, head->target);
        if (kept != NULL) {
            a->stats.requests++;
            c->metric = kept->metric;
            conn_move(c, CONN_BUSY);
            conn_answer(c, kept, false);
            return;
        }
    }
    struct request *r = request_new(a, c);
    if (r == NULL) {
        refuse(c, 503, "503 Service Unavailable");
        return;
    }
    c->request = r;
    if (request_open(r, head) != 0) {
        c->request = NULL;
        request_detach(r);
        refuse(c, 400, "400 Bad Request");
        return;
    }
    if (!has_body) {
        run(c);
        return;
    }
    conn_move(c, CONN_BODY);
    set_deadline(c, seconds(a->opts.body_ms));
    if (!request_too_long(r, head->length) && head->expect_continue) {
        conn_continue(c);
    }
}

/* Read a head from @in and begin its request. Returns how much was used; 0: more is needed. */
static size_t step_head(struct conn *c, struct slice in)
{
    struct http_head *head = &c->loop->head;
    bool fresh = c->seam.looked == 0;
    size_t used = 0;
    int rv = http_seam_head(&c->seam, in, &used, head);
    if (rv == E_AGAIN) {
        if (fresh) {
            set_deadline(c, seconds(c->loop->opts.header_ms));
        }
        return 0;
    }
    if (rv != 0) {
        const char *text;
        int status = http_seam_refusal(&c->seam, &text);
        refuse(c, status, text);
        return in.len;
    }
    begin(c, head);
    return used;
}

static size_t step_body(struct conn *c, struct slice in)
{
    struct request *r = c->request;
    size_t used = 0;
    int rv = http_seam_body(&c->seam, in, &used, &r->body);
    if ((rv == 0 || rv == E_AGAIN) && request_spools(r) && !request_spool(r)) {
        return used;
    }
    if (rv == 0) {
        run(c);
    } else if (rv == E_TOOBIG) {
        /* More than was announced as a length: a chunked body. */
        (void)request_too_long(r, r->body_max + 1);
    } else if (rv == E_AGAIN) {
        set_deadline(c, seconds(c->loop->opts.body_ms));
    } else {
        const char *text;
        int status = http_seam_refusal(&c->seam, &text);
        request_abort(r, status, text);
    }
    return used;
}

/* True when the next bytes can be looked at. */
static bool ready(const struct conn *c)
{
    switch ((enum conn_state)c->state) {
        case CONN_HEAD:
            return c->n_writes == 0 && !c->close_after;
        case CONN_BODY:
        case CONN_LINGER:
            return true;
        case CONN_BUSY:
        case CONN_PARKED:
        case CONN_SENDING:
        case CONN_CLOSED:
            return false;
    }
    return false;
}

/* Serve what @in holds, in order, until something must be waited for. Returns how much was used. */
static size_t consume(struct conn *c, struct slice in)
{
    size_t used = 0;
    bool more = true;
    c->consuming = true;
    while (more && used < in.len && ready(c)) {
        struct slice rest = slice_of(in.p + used, in.len - used);
        if (c->state == CONN_HEAD) {
            size_t n = step_head(c, rest);
            more = n > 0;
            used += n;
        } else if (c->state == CONN_BODY) {
            used += step_body(c, rest);
        } else {
            used = in.len; /* lingering: thrown away */
        }
    }
    c->consuming = false;
    end_turn(c);
    return used;
}

/* Keep the bytes of @in behind @used for later; @in is the connection's own buffer or a fresh read.
 */
static void keep_rest(struct conn *c, struct slice in, size_t used)
{
    size_t rest = in.len - used;
    if (rest == 0) {
        buf_fini(&c->in);
    } else if (c->in.len > 0) {
        memmove(c->in.p, c->in.p + used, rest);
        c->in.len = rest;
    } else {
        buf_add(&c->in, in.p + used, rest);
    }
    if (!buf_ok(&c->in)) {
        conn_close(c);
    }
}

static void pace(struct conn *c);

static void serve(struct conn *c, struct slice in)
{
    size_t used = consume(c, in);
    /* A connection that ends has nothing to keep: its buffer may be gone, and @in with it. */
    if (c->state != CONN_CLOSED && c->state != CONN_LINGER) {
        keep_rest(c, in, used);
        pace(c);
    }
}

/* The client ended its side. One that waits for a call may have closed only its half; one that
 * waits for a change gives its place back at once. */
static void on_eof(struct conn *c)
{
    if (c->state == CONN_BODY) {
        request_abort(c->request, 500, "unexpected EOF");
    }
    if (!c->streaming && (c->state == CONN_BUSY || c->state == CONN_SENDING)) {
        c->keep_alive = false;
        c->close_after = true;
        c->linger = false;
        return;
    }
    conn_close(c);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    (void)suggested;
    struct conn *c = container_of((uv_tcp_t *)handle, struct conn, tcp);
    *out = uv_buf_init(c->loop->read_buf, LOOP_READ_SIZE);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct conn *c = container_of((uv_tcp_t *)stream, struct conn, tcp);
    if (n == 0) {
        return; /* nothing to read after all */
    }
    if (n == UV_EOF) {
        on_eof(c);
        return;
    }
    if (n < 0) {
        conn_close(c);
        return;
    }
    struct slice in = slice_of(buf->base, (size_t)n);
    if (c->in.len > 0) {
        buf_add_slice(&c->in, in);
        if (!buf_ok(&c->in)) {
            conn_close(c);
            return;
        }
        in = buf_slice(&c->in);
    }
    serve(c, in);
}

/* Go on reading, or stop while enough waits. */
static void pace(struct conn *c)
{
    bool waiting = c->state == CONN_BUSY || c->state == CONN_PARKED || c->state == CONN_SENDING;
    bool pause = waiting && c->in.len >= WAITING_MAX;
    if (pause == c->paused) {
        return;
    }
    c->paused = pause;
    if (pause) {
        (void)uv_read_stop((uv_stream_t *)&c->tcp); /* always succeeds */
    } else if (uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) != 0) {
        conn_close(c);
    }
}

int conn_new(struct api_loop *a, int fd)
{
    struct conn *c = calloc(1, sizeof *c);
    if (c == NULL || uv_tcp_init(a->uv, &c->tcp) != 0) {
        free(c);
        (void)close(fd); /* nothing was written to it */
        return E_NOMEM;
    }
    c->loop = a;
    c->state = CONN_HEAD;
    c->keep_alive = true;
    c->wheel_s = UINT64_MAX;
    list_init(&c->wheel_link);
    list_init(&c->waiter.link);
    list_push(&a->conns, &c->link);
    http_seam_init(&c->seam, a->opts.header_max);
    a->stats.connections++;
    set_deadline(c, seconds(a->opts.idle_ms));
    if (uv_tcp_open(&c->tcp, fd) != 0) {
        (void)close(fd); /* nothing was written to it */
        conn_close(c);
        return E_CONN;
    }
    if (uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) != 0) {
        conn_close(c);
        return E_CONN;
    }
    return 0;
}

/* ---- time ---- */

static void expire(struct conn *c)
{
    bool partial = c->state == CONN_HEAD && c->in.len > 0;
    if (c->state == CONN_BODY) {
        request_abort(c->request, 408, "Request Timeout");
    } else if (partial) {
        refuse(c, 408, "408 Request Timeout");
    } else {
        conn_close(c);
    }
}

void conn_tick(struct api_loop *a, uint64_t upto_s)
{
    while (a->tick_s < upto_s) {
        struct list due;
        struct list *l;
        a->tick_s++;
        list_init(&due);
        list_splice(&due, &a->wheel[a->tick_s % LOOP_WHEEL_SIZE]);
        while ((l = list_pop(&due)) != NULL) {
            struct conn *c = container_of(l, struct conn, wheel_link);
            if (c->deadline_s > a->tick_s) {
                wheel_put(c, c->deadline_s);
            } else {
                wheel_put(c, a->tick_s + LINGER_S);
                expire(c);
            }
        }
    }
}

void conn_stop(struct conn *c)
{
    if (c->state == CONN_HEAD || c->state == CONN_LINGER || c->streaming) {
        conn_close(c);
    } else if (c->state == CONN_SENDING || c->state == CONN_BODY) {
        c->close_after = true;
        set_deadline(c, 2); /* what has not left by then will not */
    }
}
