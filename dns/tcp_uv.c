/* Each connection has one buffer for queries; complete frames in it are answered one by one into an
 * arena shared by all connections, which is written out at once. What the kernel does not take is
 * copied and queued in libuv; until that is gone the connection is *choked*: nothing is read, and
 * frames wait in its buffer.
 *
 *     open ── EOF, nothing queued; error; idle; crowded out; malformed ──► closing ──► freed
 *       │                                                                      ▲
 *       └── EOF with answers queued ──► ended ── written ──────────────────────┘
 *
 * Connections are listed by their last activity, the longest idle first; a timer looks at the head
 * of the list once a second. */
#include "dns/tcp_uv.h"

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"

enum {
    FRAME_HEADER = 2,
    QUERY_MAX = 4096, /* bytes; a longer one is none that we would answer */
    ANSWER_MAX = FRAME_HEADER + DNS_MESSAGE_MAX,
    ARENA_SIZE = 2 * ANSWER_MAX,
    BACKLOG = 1024,
    SWEEP_MS = 1000
};

struct dns_tcp {
    uv_tcp_t listener;
    uv_timer_t sweep;
    struct dns_responder *r;
    struct list connections; /* longest idle first */
    unsigned n_connections;  /* in the list */
    unsigned n_handles;      /* not yet closed, the listener and the timer included */
    void (*on_stopped)(void *arg);
    void *arg;
    size_t arena_len;
    uint8_t arena[ARENA_SIZE];
};

struct connection {
    uv_tcp_t tcp;
    struct dns_tcp *owner;
    struct list link;
    uint64_t active_ms;
    enum { CONNECTION_OPEN, CONNECTION_ENDED, CONNECTION_CLOSING } state;
    size_t fill;
    uint8_t in[FRAME_HEADER + QUERY_MAX];
};

struct writing {
    uv_write_t req;
    uint8_t bytes[];
};

/* ---- ends ---- */

static void handle_gone(struct dns_tcp *t)
{
    assert(t->n_handles > 0);
    if (--t->n_handles == 0) {
        void (*cb)(void *) = t->on_stopped;
        void *arg = t->arg;
        free(t);
        if (cb != NULL) {
            cb(arg);
        }
    }
}

static void on_connection_closed(uv_handle_t *handle)
{
    struct connection *c = container_of((uv_tcp_t *)handle, struct connection, tcp);
    struct dns_tcp *t = c->owner;
    free(c);
    handle_gone(t);
}

static void connection_close(struct connection *c)
{
    if (c->state == CONNECTION_CLOSING) {
        return;
    }
    c->state = CONNECTION_CLOSING;
    list_remove(&c->link);
    c->owner->n_connections--;
    if (c->owner->n_connections == 0) {
        (void)uv_timer_stop(&c->owner->sweep); /* fails only for a handle never initialised */
    }
    uv_close((uv_handle_t *)&c->tcp, on_connection_closed);
}

static void connection_touch(struct connection *c)
{
    c->active_ms = uv_now(c->tcp.loop);
    list_remove(&c->link);
    list_push(&c->owner->connections, &c->link);
}

static void on_sweep(uv_timer_t *timer)
{
    struct dns_tcp *t = container_of(timer, struct dns_tcp, sweep);
    uint64_t now = uv_now(timer->loop);
    while (!list_empty(&t->connections)) {
        struct connection *c = container_of(t->connections.next, struct connection, link);
        if (now - c->active_ms < DNS_TCP_IDLE_MS) {
            break;
        }
        connection_close(c);
    }
}

/* ---- answers ---- */

static void frames_answer(struct connection *c);
static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf);
static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf);

static bool choked(const struct connection *c)
{
    return uv_stream_get_write_queue_size((const uv_stream_t *)&c->tcp) != 0;
}

static void on_written(uv_write_t *req, int status)
{
    struct connection *c = container_of((uv_tcp_t *)req->handle, struct connection, tcp);
    free(container_of(req, struct writing, req));
    if (c->state == CONNECTION_CLOSING) {
        return;
    }
    if (status < 0) {
        connection_close(c);
        return;
    }
    connection_touch(c);
    frames_answer(c);
    if (c->state == CONNECTION_CLOSING || choked(c)) {
        return;
    }
    if (c->state == CONNECTION_ENDED ||
        uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) != 0) {
        connection_close(c);
    }
}

/* Queue a copy of what the kernel did not take at once. */
static void rest_write(struct connection *c, const uint8_t *p, size_t n)
{
    struct writing *w = malloc(sizeof(*w) + n);
    if (w == NULL) {
        connection_close(c);
        return;
    }
    memcpy(w->bytes, p, n);
    uv_buf_t buf = uv_buf_init((char *)w->bytes, (unsigned)n);
    if (uv_write(&w->req, (uv_stream_t *)&c->tcp, &buf, 1, on_written) != 0) {
        free(w);
        connection_close(c);
    }
}

static void arena_flush(struct connection *c)
{
    struct dns_tcp *t = c->owner;
    size_t n = t->arena_len;
    t->arena_len = 0;
    if (n == 0) {
        return;
    }
    uv_buf_t buf = uv_buf_init((char *)t->arena, (unsigned)n);
    int sent = uv_try_write((uv_stream_t *)&c->tcp, &buf, 1);
    if (sent < 0 && sent != UV_EAGAIN) {
        connection_close(c);
        return;
    }
    size_t done = sent < 0 ? 0 : (size_t)sent;
    if (done < n) {
        rest_write(c, t->arena + done, n - done);
    }
}

/* Answer one message into the arena. False: the asker talks nonsense; close. */
static bool frame_answer(struct connection *c, const uint8_t *p, size_t n, uint32_t now)
{
    struct dns_tcp *t = c->owner;
    uint8_t *at = t->arena + t->arena_len;
    size_t len = dns_respond(t->r, p, n, DNS_TCP, now, at + FRAME_HEADER);
    if (len == 0) {
        return false;
    }
    dns_poke_u16(at, (uint16_t)len);
    t->arena_len += FRAME_HEADER + len;
    return true;
}

/* Answer all complete frames in the buffer, unless choked on the way; keep the rest. */
static void frames_answer(struct connection *c)
{
    struct dns_tcp *t = c->owner;
    size_t at = 0;
    bool sane = true;
    uint32_t now = (uint32_t)(clock_wall_ns() / 1000000000);
    assert(t->arena_len == 0);
    dns_responder_sync(t->r);
    while (sane && !choked(c) && c->state != CONNECTION_CLOSING && c->fill - at >= FRAME_HEADER) {
        size_t n = (size_t)c->in[at] << 8 | c->in[at + 1];
        if (n > QUERY_MAX) {
            t->r->stats.malformed++;
            sane = false;
            break;
        }
        if (c->fill - at - FRAME_HEADER < n) {
            break;
        }
        sane = frame_answer(c, c->in + at + FRAME_HEADER, n, now);
        at += FRAME_HEADER + n;
        if (ARENA_SIZE - t->arena_len < ANSWER_MAX) {
            arena_flush(c);
        }
    }
    memmove(c->in, c->in + at, c->fill - at);
    c->fill -= at;
    if (c->state == CONNECTION_CLOSING) {
        t->arena_len = 0;
        return;
    }
    arena_flush(c);
    if (!sane) {
        connection_close(c);
    }
}

/* ---- connections ---- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct connection *c = container_of((uv_tcp_t *)handle, struct connection, tcp);
    (void)suggested; /* the buffer is our own */
    *buf = uv_buf_init((char *)c->in + c->fill, (unsigned)(sizeof(c->in) - c->fill));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct connection *c = container_of((uv_tcp_t *)stream, struct connection, tcp);
    (void)buf; /* it is c->in */
    if (n == 0) {
        return; /* EAGAIN */
    }
    if (n == UV_EOF && choked(c)) {
        c->state = CONNECTION_ENDED; /* on_written() closes */
        (void)uv_read_stop(stream);  /* never fails */
        return;
    }
    if (n < 0) {
        connection_close(c);
        return;
    }
    c->fill += (size_t)n;
    connection_touch(c);
    frames_answer(c);
    if (c->state == CONNECTION_OPEN && choked(c)) {
        (void)uv_read_stop(stream); /* never fails; on_written() starts again */
    }
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct dns_tcp *t = container_of((uv_tcp_t *)listener, struct dns_tcp, listener);
    struct connection *c = status < 0 ? NULL : calloc(1, sizeof(*c));
    if (c == NULL) {
        log_warn("dns", "Cannot accept a TCP connection: error=%s",
                 status < 0 ? uv_strerror(status) : "out of memory");
        return;
    }
    if (uv_tcp_init(listener->loop, &c->tcp) != 0) {
        free(c);
        return;
    }
    if (t->n_connections == DNS_TCP_CONNECTIONS_MAX) {
        connection_close(container_of(t->connections.next, struct connection, link));
    }
    c->owner = t;
    t->n_handles++;
    if (t->n_connections == 0) {
        (void)uv_timer_start(&t->sweep, on_sweep, SWEEP_MS,
                             SWEEP_MS); /* has a callback: no error */
    }
    t->n_connections++;
    t->r->stats.tcp_connections++;
    c->active_ms = uv_now(listener->loop);
    list_push(&t->connections, &c->link);
    if (uv_accept(listener, (uv_stream_t *)&c->tcp) != 0 ||
        uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) != 0) {
        connection_close(c);
        return;
    }
    (void)uv_tcp_nodelay(&c->tcp, 1); /* only slower without */
}

/* ---- start and stop ---- */

static void on_listener_closed(uv_handle_t *handle)
{
    handle_gone(container_of((uv_tcp_t *)handle, struct dns_tcp, listener));
}

static void on_sweep_closed(uv_handle_t *handle)
{
    handle_gone(container_of((uv_timer_t *)handle, struct dns_tcp, sweep));
}

int dns_tcp_start(struct dns_tcp **out,
                  uv_loop_t *loop,
                  const struct dns_sockets *s,
                  struct dns_responder *r)
{
    struct dns_tcp *t = calloc(1, sizeof(*t));
    if (t == NULL || uv_tcp_init(loop, &t->listener) != 0) {
        (void)close(s->tcp); /* nothing was sent through it */
        free(t);
        return E_NOMEM;
    }
    (void)uv_timer_init(loop, &t->sweep); /* never fails */
    list_init(&t->connections);
    t->n_handles = 2;
    t->r = r;
    int rc = uv_tcp_open(&t->listener, s->tcp);
    if (rc != 0) {
        (void)close(s->tcp); /* nothing was sent through it */
    } else {
        rc = uv_listen((uv_stream_t *)&t->listener, BACKLOG, on_connection);
    }
    if (rc != 0) {
        dns_tcp_stop(t, NULL, NULL);
        return err_from_errno(-rc);
    }
    *out = t;
    return 0;
}

void dns_tcp_stop(struct dns_tcp *t, void (*cb)(void *arg), void *arg)
{
    t->on_stopped = cb;
    t->arg = arg;
    while (!list_empty(&t->connections)) {
        connection_close(container_of(t->connections.next, struct connection, link));
    }
    uv_close((uv_handle_t *)&t->listener, on_listener_closed);
    uv_close((uv_handle_t *)&t->sweep, on_sweep_closed);
}
