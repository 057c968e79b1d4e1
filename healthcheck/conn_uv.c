/*                 no name                                 no TLS
 *   CLOSED ──► RESOLVING ──► CONNECTING ──► HANDSHAKE ──► OPEN
 *     ▲             │          │    ▲             │           │
 *     │             │          ▼    │ next        │           │
 *     │             │       RETRYING┘ address     │           │
 *     │             └──────► ENDED ◄┴─────────────┴───────────┘
 *     └──── CLOSING ◄── from any
 *
 * One timer serves as the deadline (of one attempt while connecting) and to report ends that are
 * found inside a call. Reads go to the loop's one buffer and are consumed before the callback
 * returns. A failed write is not reported: the read side then sees the reset, and what the peer
 * said before. */
#include "healthcheck/conn_uv.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/list.h"
#include "healthcheck/url.h"

/* The shortest time one of several addresses gets to answer (Go's dialSerial). */
#define ATTEMPT_MIN_NS ((uint64_t)2000000000)

static void attempt(struct hc_conn *c);

void hc_conn_errno_text(char *out, size_t size, int uv_error)
{
    const char *s = strerrordesc_np(-uv_error); /* libuv's codes are negated errnos on Unix */
    (void)snprintf(out, size, "%s", s != NULL ? s : uv_strerror(uv_error));
    out[0] = slice_lower(out[0]);
}

static void end(struct hc_conn *c, int status)
{
    assert(c->state != HC_CONN_ENDED && c->state != HC_CONN_CLOSING);
    assert(c->state != HC_CONN_CLOSED);
    hc_schedule_clear(&c->loop->schedule, &c->timer);
    hc_lookup_cancel(&c->lookup);
    if (c->live && !uv_is_closing((uv_handle_t *)&c->tcp)) {
        (void)uv_read_stop((uv_stream_t *)&c->tcp); /* always succeeds */
    }
    c->state = HC_CONN_ENDED;
    c->on_end(c, status); /* may close us */
}

/* Report the end @status on the next turn of the loop. */
static void end_later(struct hc_conn *c, int status)
{
    if (c->pending == 0) {
        c->pending = status;
        hc_schedule_set(&c->loop->schedule, &c->timer, 0);
    }
}

static void on_closed(uv_handle_t *handle)
{
    struct hc_conn *c = container_of(handle, struct hc_conn, tcp);
    c->live = false;
    if (c->state == HC_CONN_RETRYING) {
        attempt(c);
    } else if (c->state == HC_CONN_CLOSING) {
        hc_tls_fini(&c->tls);
        c->state = HC_CONN_CLOSED;
        c->closed(c); /* our last touch */
    }
}

/* One address did not answer: keep the first error, as Go does, and try the next. */
static void attempt_failed(struct hc_conn *c, int status, const char *what)
{
    char where[HC_ADDR_TEXT];
    hc_addr_text(&c->addrs.a[c->next_addr - 1], where);
    if (c->next_addr == 1) {
        (void)err_set(&c->error, status, "dial tcp %s: %s", where, what);
    }
    if (c->next_addr < c->addrs.n && hc_loop_now() < c->deadline_ns) {
        c->state = HC_CONN_RETRYING;
        hc_schedule_clear(&c->loop->schedule, &c->timer);
        uv_close((uv_handle_t *)&c->tcp, on_closed);
    } else {
        end_later(c, status);
    }
}

static void on_timer(struct hc_timer *t, uint64_t now_ns)
{
    struct hc_conn *c = container_of(t, struct hc_conn, timer);
    if (c->state == HC_CONN_CLOSING) { /* there was no socket to close */
        hc_tls_fini(&c->tls);
        c->state = HC_CONN_CLOSED;
        c->closed(c); /* our last touch */
        return;
    }
    if (c->pending != 0) {
        end(c, c->pending);
        return;
    }
    assert(c->state != HC_CONN_CLOSED);
    assert(c->state != HC_CONN_ENDED);
    switch (c->state) {
        case HC_CONN_RESOLVING:
            (void)err_set(&c->error, E_TIMEOUT, "dial tcp: lookup %.*s: i/o timeout",
                          (int)c->host.len, c->host.p);
            break;
        case HC_CONN_CONNECTING:
            attempt_failed(c, E_TIMEOUT, "i/o timeout");
            return;
        case HC_CONN_RETRYING:
        case HC_CONN_HANDSHAKE:
            (void)err_set(&c->error, E_TIMEOUT, "context deadline exceeded");
            break;
        case HC_CONN_OPEN:
            (void)err_set(&c->error, E_TIMEOUT, "i/o timeout");
            break;
        case HC_CONN_CLOSED:
        case HC_CONN_ENDED:
        case HC_CONN_CLOSING:
            break; /* see the asserts above */
    }
    (void)now_ns;
    end(c, E_TIMEOUT);
}

/* Hand what waits to the socket, one write at a time. */
static void on_written(uv_write_t *req, int status);

static void kick(struct hc_conn *c)
{
    if (c->tls.ssl != NULL) {
        hc_tls_flush(&c->tls, &c->out);
    }
    if (!buf_ok(&c->out)) {
        (void)err_set(&c->error, E_NOMEM, "%s", err_text(E_NOMEM));
        end_later(c, E_NOMEM);
        return;
    }
    if (c->writing || c->out.len == 0) {
        return;
    }
    struct buf t = c->sending;
    c->sending = c->out;
    c->out = t;
    buf_reset(&c->out);
    uv_buf_t b = uv_buf_init(c->sending.p, (unsigned)c->sending.len);
    if (uv_write(&c->write, (uv_stream_t *)&c->tcp, &b, 1, on_written) == 0) {
        c->writing = true;
    }
}

static void on_written(uv_write_t *req, int status)
{
    struct hc_conn *c = container_of(req, struct hc_conn, write);
    c->writing = false;
    if (status == 0 && (c->state == HC_CONN_OPEN || c->state == HC_CONN_HANDSHAKE)) {
        kick(c);
    }
}

/* "read tcp local->remote: read: why" into c->error. */
static void set_read_error(struct hc_conn *c, int uv_error)
{
    union hc_addr a;
    int n = sizeof a;
    char why[128];
    char local[HC_ADDR_TEXT] = "";
    char remote[HC_ADDR_TEXT];
    if (uv_tcp_getsockname(&c->tcp, &a.any, &n) == 0) {
        hc_addr_text(&a, local);
    }
    hc_addr_text(&c->addrs.a[c->next_addr - 1], remote);
    hc_conn_errno_text(why, sizeof why, uv_error);
    (void)err_set(&c->error, E_CONN, "read tcp %s->%s: read: %s", local, remote, why);
}

static bool is_open(const struct hc_conn *c)
{
    return c->state == HC_CONN_OPEN && c->pending == 0;
}

/* Pass on what the session can decrypt; the records of one feed bound the loop. */
static void decrypt(struct hc_conn *c)
{
    int n = 1;
    while (n > 0 && is_open(c)) {
        n = hc_tls_read(&c->tls, c->loop->plain, HC_PLAIN_SIZE, &c->error);
        if (n > 0) {
            c->on_data(c, slice_of(c->loop->plain, (size_t)n));
        }
    }
    if (!is_open(c)) {
        return;
    }
    kick(c);
    if (n != E_AGAIN && is_open(c)) {
        if (n == E_EOF) {
            (void)err_set(&c->error, E_EOF, "EOF");
        }
        end(c, n);
    }
}

static void handshake(struct hc_conn *c)
{
    int rc = hc_tls_handshake(&c->tls, &c->error);
    kick(c); /* also the alert that tells the peer why we refuse */
    if (rc == E_AGAIN || c->pending != 0) {
        return;
    }
    if (rc != 0) {
        end(c, rc);
        return;
    }
    c->state = HC_CONN_OPEN;
    c->on_open(c);
    if (is_open(c)) {
        decrypt(c);
    }
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *b)
{
    struct hc_conn *c = container_of(stream, struct hc_conn, tcp);
    if (c->pending != 0 || n == 0) {
        return;
    }
    if (n < 0) {
        if (n == UV_EOF) {
            (void)err_set(&c->error, E_EOF, "EOF");
        } else {
            set_read_error(c, (int)n);
        }
        end(c, n == UV_EOF ? E_EOF : E_CONN);
        return;
    }
    struct slice data = slice_of(b->base, (size_t)n);
    if (c->tls.ssl == NULL) {
        c->on_data(c, data);
        return;
    }
    if (hc_tls_feed(&c->tls, data) != 0) {
        (void)err_set(&c->error, E_NOMEM, "%s", err_text(E_NOMEM));
        end(c, E_NOMEM);
    } else if (c->state == HC_CONN_HANDSHAKE) {
        handshake(c);
    } else {
        decrypt(c);
    }
}

static void begin_tls(struct hc_conn *c)
{
    SSL_CTX *ctx = hc_loop_tls(c->loop);
    int rc = ctx == NULL ? E_NOMEM : hc_tls_init(&c->tls, ctx, &c->tls_options);
    if (rc != 0) {
        (void)err_set(&c->error, rc, "tls: %s", err_text(rc));
        end(c, rc);
        return;
    }
    c->state = HC_CONN_HANDSHAKE;
    handshake(c);
}

static void on_connect(uv_connect_t *req, int status)
{
    struct hc_conn *c = container_of(req, struct hc_conn, connect);
    if (c->state != HC_CONN_CONNECTING || c->pending != 0) {
        return; /* closed or given up meanwhile */
    }
    if (status != 0) {
        char why[128];
        char text[160];
        hc_conn_errno_text(why, sizeof why, status);
        (void)snprintf(text, sizeof text, "connect: %s", why);
        attempt_failed(c, E_CONN, text);
        return;
    }
    hc_schedule_set(&c->loop->schedule, &c->timer, c->deadline_ns);
    if (c->use_tls) {
        begin_tls(c);
    } else {
        c->state = HC_CONN_OPEN;
        c->on_open(c);
    }
    if ((is_open(c) || c->state == HC_CONN_HANDSHAKE) && c->pending == 0) {
        int rc = uv_read_start((uv_stream_t *)&c->tcp, hc_loop_alloc, on_read);
        if (rc != 0) {
            set_read_error(c, rc);
            end(c, E_CONN);
        }
    }
}

/* Connect to the next address. */
static void attempt(struct hc_conn *c)
{
    assert(!c->live && c->next_addr < c->addrs.n);
    uint64_t now = hc_loop_now();
    uint64_t left = c->deadline_ns > now ? c->deadline_ns - now : 0;
    uint64_t share = left / (c->addrs.n - c->next_addr);
    if (share < ATTEMPT_MIN_NS) {
        share = left < ATTEMPT_MIN_NS ? left : ATTEMPT_MIN_NS;
    }
    const union hc_addr *to = &c->addrs.a[c->next_addr++];
    c->state = HC_CONN_CONNECTING;
    hc_schedule_set(&c->loop->schedule, &c->timer, now + share);
    (void)uv_tcp_init(&c->loop->uv, &c->tcp); /* opens no socket yet: cannot fail */
    c->live = true;
    int rc = uv_tcp_connect(&c->connect, &c->tcp, &to->any, on_connect);
    if (rc != 0) {
        char why[128];
        char text[160];
        hc_conn_errno_text(why, sizeof why, rc);
        (void)snprintf(text, sizeof text, "connect: %s", why);
        attempt_failed(c, E_CONN, text);
    }
}

static void on_lookup(struct hc_lookup *q, int status)
{
    struct hc_conn *c = container_of(q, struct hc_conn, lookup);
    assert(c->state == HC_CONN_RESOLVING);
    if (status != 0) {
        c->error = q->error;
        err_prefix(&c->error, "dial tcp");
        end(c, status);
        return;
    }
    c->addrs = q->addrs;
    attempt(c);
}

void hc_conn_init(struct hc_conn *c, struct hc_loop *l)
{
    *c = (struct hc_conn){.loop = l, .state = HC_CONN_CLOSED};
    hc_timer_init(&c->timer, on_timer);
}

void hc_conn_fini(struct hc_conn *c)
{
    assert(c->state == HC_CONN_CLOSED && !c->live);
    buf_fini(&c->out);
    buf_fini(&c->sending);
}

static void buf_recycle(struct buf *b)
{
    if (b->cap > HC_CONN_KEEP) {
        buf_fini(b);
    }
    buf_reset(b);
    b->max = HC_CONN_OUT_MAX;
}

void hc_conn_start(struct hc_conn *c, const struct hc_conn_options *o)
{
    assert(c->state == HC_CONN_CLOSED && !c->live);
    assert(o->host.len <= HC_HOST_MAX);
    buf_recycle(&c->out);
    buf_recycle(&c->sending);
    c->error.text[0] = '\0';
    c->host = o->host;
    c->use_tls = o->use_tls;
    c->tls_options = o->tls;
    c->deadline_ns = o->deadline_ns;
    c->pending = 0;
    c->writing = false;
    c->next_addr = 0;
    c->state = HC_CONN_RESOLVING;
    if (hc_addr_literal(o->host, o->port, &c->addrs)) {
        attempt(c);
        return;
    }
    hc_schedule_set(&c->loop->schedule, &c->timer, o->deadline_ns);
    c->lookup.done = on_lookup;
    int rc = hc_lookup_start(c->loop->resolver, &c->lookup, o->host, o->port);
    if (rc != 0) {
        (void)err_set(&c->error, rc, "dial tcp: lookup %.*s: %s", (int)o->host.len, o->host.p,
                      err_text(rc));
        end_later(c, rc);
    }
}

void hc_conn_write(struct hc_conn *c, struct slice s)
{
    assert(c->state == HC_CONN_OPEN);
    if (c->tls.ssl == NULL) {
        buf_add_slice(&c->out, s);
    } else if (hc_tls_write(&c->tls, s) != 0) {
        (void)err_set(&c->error, E_PROTO, "tls: cannot write");
        end_later(c, E_PROTO);
        return;
    }
    kick(c);
}

void hc_conn_close(struct hc_conn *c, void (*closed)(struct hc_conn *c))
{
    c->closed = closed;
    if (c->state == HC_CONN_CLOSING) {
        return;
    }
    hc_lookup_cancel(&c->lookup);
    hc_schedule_clear(&c->loop->schedule, &c->timer);
    c->state = HC_CONN_CLOSING;
    if (!c->live) {
        hc_schedule_set(&c->loop->schedule, &c->timer, 0);
    } else if (!uv_is_closing((uv_handle_t *)&c->tcp)) {
        uv_close((uv_handle_t *)&c->tcp, on_closed);
    }
}

bool hc_conn_is_h2(const struct hc_conn *c)
{
    return c->tls.ssl != NULL && hc_tls_is_h2(&c->tls);
}
