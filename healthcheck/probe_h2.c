/* gRPC's health protocol, and HTTP/2 PING, both over nghttp2: prior knowledge in the clear, ALPN
 * "h2" with TLS. After Consul's CheckGRPC and CheckH2PING; the error texts are grpc-go's.
 *
 * nghttp2's callbacks only note what they see. What to do about it is decided behind
 * nghttp2_session_mem_recv(), since a session must not be deleted inside its own call. */
#include <stdio.h>
#include <string.h>

#include "base/list.h"
#include "healthcheck/grpc.h"
#include "healthcheck/probe.h"

/* ---- how it ends ---- */

/* "rpc error: code = Unavailable desc = ..." as the output, critical. */
static void rpc_error(struct hc_probe *p, int code, struct slice desc)
{
    const char *name = hc_grpc_code_text(code);
    buf_reset(&p->output);
    if (name != NULL) {
        buf_printf(&p->output, "rpc error: code = %s desc = ", name);
    } else {
        buf_printf(&p->output, "rpc error: code = Code(%d) desc = ", code);
    }
    buf_add_slice(&p->output, desc);
    hc_probe_finish(p, REG_CRITICAL);
}

enum { GRPC_UNKNOWN = 2, GRPC_DEADLINE = 4, GRPC_INTERNAL = 13, GRPC_UNAVAILABLE = 14 };

/* grpc-go's http2client: which code an HTTP status stands for. */
static int code_of_http(int status)
{
    switch (status) {
        case 400:
            return GRPC_INTERNAL;
        case 401:
            return 16;
        case 403:
            return 7;
        case 404:
            return 12;
        case 429:
        case 502:
        case 503:
        case 504:
            return GRPC_UNAVAILABLE;
        default:
            return GRPC_UNKNOWN;
    }
}

static void grpc_result(struct hc_probe *p)
{
    const struct hc_h2 *h = &p->h2;
    char text[160];
    int status;
    if (h->http_status != 200 && h->http_status != 0) {
        int n = snprintf(text, sizeof text, "unexpected HTTP status code received from server: %d",
                         h->http_status);
        rpc_error(p, code_of_http(h->http_status), slice_of(text, (size_t)n));
    } else if (h->grpc_status > 0) {
        rpc_error(p, h->grpc_status, buf_slice(&p->text));
    } else if (h->grpc_status < 0) {
        int n = snprintf(text, sizeof text, "stream terminated by RST_STREAM with error code: %s",
                         nghttp2_http2_strerror(h->reset_code));
        rpc_error(p, GRPC_INTERNAL,
                  h->reset_code != 0
                      ? slice_of(text, (size_t)n)
                      : SLICE_LIT("server closed the stream without sending trailers"));
    } else if (hc_grpc_response(buf_slice(&p->reason), &status) != 0) {
        rpc_error(p, GRPC_INTERNAL, SLICE_LIT("malformed health response"));
    } else if (status == HC_SERVING) {
        buf_add_str(&p->output, "gRPC check ");
        buf_add_slice(&p->output, p->def->target);
        buf_add_str(&p->output, ": success");
        hc_probe_finish(p, REG_PASSING);
    } else {
        const char *name = hc_grpc_serving_text(status);
        buf_add_str(&p->output, "gRPC ");
        buf_add_slice(&p->output, p->def->target);
        buf_add_str(&p->output, " serving status: ");
        if (name != NULL) {
            buf_add_str(&p->output, name);
        } else {
            buf_add_i64(&p->output, status);
        }
        hc_probe_finish(p, REG_CRITICAL);
    }
}

static void ping_failed(struct hc_probe *p, const char *why)
{
    buf_reset(&p->output);
    buf_printf(&p->output, "HTTP2 ping failed: %s", why);
    hc_probe_finish(p, REG_CRITICAL);
}

static void session_failed(struct hc_probe *p, const char *why)
{
    if (p->h2.ping_only) {
        ping_failed(p, why);
    } else {
        char text[ERRMSG_SIZE + 64];
        int n = snprintf(text, sizeof text, "error reading from server: %s", why);
        rpc_error(p, GRPC_UNAVAILABLE, slice_of(text, (size_t)n < sizeof text ? (size_t)n : 0));
    }
}

/* ---- what nghttp2 sees ---- */

static int small_number(const uint8_t *p, size_t n)
{
    int v = 0;
    for (size_t i = 0; i < n; i++) {
        if (p[i] < '0' || p[i] > '9' || i > 4) {
            return GRPC_UNKNOWN;
        }
        v = v * 10 + (p[i] - '0');
    }
    return n == 0 ? GRPC_UNKNOWN : v;
}

static int on_header(nghttp2_session *s,
                     const nghttp2_frame *frame,
                     const uint8_t *name,
                     size_t name_len,
                     const uint8_t *value,
                     size_t value_len,
                     uint8_t flags,
                     void *arg)
{
    (void)s;
    (void)flags;
    struct hc_probe *p = arg;
    struct slice key = slice_of((const char *)name, name_len);
    if (frame->hd.stream_id != p->h2.stream) {
        return 0;
    }
    if (slice_is(key, ":status")) {
        p->h2.http_status = small_number(value, value_len);
    } else if (slice_is(key, "grpc-status")) {
        p->h2.grpc_status = small_number(value, value_len);
    } else if (slice_is(key, "grpc-message")) {
        buf_reset(&p->text); /* nghttp2 bounds the header block */
        hc_text_unescape(&p->text, slice_of((const char *)value, value_len));
    }
    return 0;
}

static int on_chunk(nghttp2_session *s,
                    uint8_t flags,
                    int32_t stream,
                    const uint8_t *data,
                    size_t n,
                    void *arg)
{
    (void)s;
    (void)flags;
    struct hc_probe *p = arg;
    if (stream != p->h2.stream) {
        return 0;
    }
    if (n > HC_GRPC_RESPONSE_MAX - p->reason.len) {
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    buf_add(&p->reason, data, n);
    return 0;
}

static int on_frame(nghttp2_session *s, const nghttp2_frame *frame, void *arg)
{
    (void)s;
    struct hc_probe *p = arg;
    if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK)) {
        p->h2.pong = true;
    }
    return 0;
}

static int on_stream_close(nghttp2_session *s, int32_t stream, uint32_t error, void *arg)
{
    (void)s;
    struct hc_probe *p = arg;
    if (stream == p->h2.stream) {
        p->h2.closed = true;
        p->h2.reset_code = error;
    }
    return 0;
}

/* The request message, from p->scratch. */
static ssize_t on_send_body(nghttp2_session *s,
                            int32_t stream,
                            uint8_t *to,
                            size_t size,
                            uint32_t *flags,
                            nghttp2_data_source *source,
                            void *arg)
{
    (void)s;
    (void)stream;
    (void)source;
    struct hc_probe *p = arg;
    size_t n = p->scratch.len - p->h2.sent;
    n = n < size ? n : size;
    memcpy(to, p->scratch.p + p->h2.sent, n);
    p->h2.sent += n;
    if (p->h2.sent == p->scratch.len) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    }
    return (ssize_t)n;
}

/* ---- the session ---- */

static int session_new(struct hc_probe *p)
{
    nghttp2_session_callbacks *cb;
    if (nghttp2_session_callbacks_new(&cb) != 0) {
        return E_NOMEM;
    }
    nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_chunk);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_stream_close);
    int rc = nghttp2_session_client_new(&p->h2.session, cb, p);
    nghttp2_session_callbacks_del(cb);
    if (rc != 0) {
        p->h2.session = NULL;
        return E_NOMEM;
    }
    const nghttp2_settings_entry s[] = {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0}};
    return nghttp2_submit_settings(p->h2.session, NGHTTP2_FLAG_NONE, s, 1) == 0 ? 0 : E_NOMEM;
}

/* nghttp2 copies names and values; its struct only lacks the const. */
static nghttp2_nv header(const char *name, struct slice value)
{
    union {
        const char *in;
        uint8_t *out;
    } n = {.in = name}, v = {.in = value.p};
    return (nghttp2_nv){n.out, v.out, strlen(name), value.len, NGHTTP2_NV_FLAG_NONE};
}

static int submit_check(struct hc_probe *p)
{
    char left[32];
    uint64_t now = hc_loop_now();
    uint64_t ms = p->deadline_ns > now ? (p->deadline_ns - now) / 1000000 + 1 : 1;
    /* At most eight digits are allowed (gRPC over HTTP/2, "Timeout"). */
    int n =
        snprintf(left, sizeof left, "%llum", (unsigned long long)(ms < 99999999 ? ms : 99999999));
    const nghttp2_nv nv[] = {
        header(":method", SLICE_LIT("POST")),
        header(":scheme", p->def->use_tls ? SLICE_LIT("https") : SLICE_LIT("http")),
        header(":path", SLICE_LIT("/grpc.health.v1.Health/Check")),
        header(":authority", p->h2.authority),
        header("content-type", SLICE_LIT("application/grpc")),
        header("user-agent", SLICE_LIT(HC_USER_AGENT)),
        header("te", SLICE_LIT("trailers")),
        header("grpc-timeout", slice_of(left, (size_t)n)),
    };
    hc_grpc_request(&p->scratch, p->h2.service);
    if (!buf_ok(&p->scratch)) {
        return E_NOMEM;
    }
    const nghttp2_data_provider body = {.read_callback = on_send_body};
    p->h2.stream =
        nghttp2_submit_request(p->h2.session, NULL, nv, sizeof nv / sizeof nv[0], &body, NULL);
    return p->h2.stream < 0 ? E_NOMEM : 0;
}

/* Send what the session has to send. nghttp2 bounds it: one request and answers to control frames.
 */
static int pump(struct hc_probe *p)
{
    for (;;) {
        const uint8_t *data;
        ssize_t n = nghttp2_session_mem_send(p->h2.session, &data);
        if (n < 0) {
            return E_NOMEM;
        }
        if (n == 0) {
            return 0;
        }
        hc_conn_write(&p->conn, slice_of((const char *)data, (size_t)n));
    }
}

static void on_open(struct hc_conn *c)
{
    struct hc_probe *p = container_of(c, struct hc_probe, conn);
    if (p->def->use_tls && !p->h2.ping_only && !hc_conn_is_h2(c)) {
        rpc_error(
            p, GRPC_UNAVAILABLE,
            SLICE_LIT("connection error: desc = \"transport: authentication handshake failed: "
                      "credentials: cannot check peer: missing selected ALPN property\""));
        return;
    }
    int rc = session_new(p);
    if (rc == 0 && p->h2.ping_only) {
        rc = nghttp2_submit_ping(p->h2.session, NGHTTP2_FLAG_NONE, NULL) == 0 ? 0 : E_NOMEM;
    } else if (rc == 0) {
        rc = submit_check(p);
    }
    if (rc == 0) {
        rc = pump(p);
    }
    if (rc != 0) {
        session_failed(p, err_text(rc));
    }
}

static void on_data(struct hc_conn *c, struct slice data)
{
    struct hc_probe *p = container_of(c, struct hc_probe, conn);
    struct hc_h2 *h = &p->h2;
    ssize_t n = nghttp2_session_mem_recv(h->session, (const uint8_t *)data.p, data.len);
    if (h->ping_only && h->pong) {
        buf_add_str(&p->output, "HTTP2 ping was successful");
        hc_probe_finish(p, REG_PASSING);
    } else if (!h->ping_only && h->closed) {
        grpc_result(p);
    } else if (n < 0) {
        session_failed(p, nghttp2_strerror((int)n));
    } else if (pump(p) != 0) {
        session_failed(p, err_text(E_NOMEM));
    } else if (h->closed) {
        grpc_result(p);
    } else if (!nghttp2_session_want_read(h->session)) {
        session_failed(p, "http2: the connection was closed by GOAWAY");
    }
}

static void dial_failed(struct hc_probe *p, int status)
{
    const char *why = p->conn.error.text;
    if (p->h2.ping_only) {
        buf_printf(&p->output, "Failed to dial to %.*s: %s", (int)p->def->target.len,
                   p->def->target.p, why);
        hc_probe_finish(p, REG_CRITICAL);
        return;
    }
    bool tls = status == E_PROTO || status == E_DENIED;
    struct buf desc = BUF_INIT;
    buf_printf(&desc, "connection error: desc = \"transport: %s: %s\"",
               tls ? "authentication handshake failed" : "Error while dialing", why);
    rpc_error(p, GRPC_UNAVAILABLE, buf_slice(&desc));
    buf_fini(&desc);
}

static void on_end(struct hc_conn *c, int status)
{
    struct hc_probe *p = container_of(c, struct hc_probe, conn);
    if (status == E_TIMEOUT && p->h2.ping_only) {
        ping_failed(p, "context deadline exceeded");
    } else if (status == E_TIMEOUT) {
        rpc_error(p, GRPC_DEADLINE, SLICE_LIT("context deadline exceeded"));
    } else if (p->h2.session == NULL) {
        dial_failed(p, status);
    } else {
        session_failed(p, c->error.text);
    }
}

static void release(struct hc_probe *p)
{
    nghttp2_session_del(p->h2.session);
    p->h2.session = NULL;
}

/* Connect to host:port in @target; errors become the output. */
static void connect_to(struct hc_probe *p, struct slice target)
{
    struct hc_conn_options o = {
        .use_tls = p->def->use_tls,
        .tls = {.skip_verify = p->def->tls_skip_verify,
                .name = p->def->tls_server_name,
                .h2 = true},
        .deadline_ns = p->deadline_ns,
    };
    if (hc_hostport_split(target, &o.host, &o.port, &p->conn.error) != 0) {
        err_prefix(&p->conn.error, "dial tcp");
        dial_failed(p, E_INVAL);
        return;
    }
    if (o.tls.name.len == 0) {
        o.tls.name = o.host;
    }
    p->h2.authority = target;
    p->conn.on_open = on_open;
    p->conn.on_data = on_data;
    p->conn.on_end = on_end;
    hc_conn_start(&p->conn, &o);
}

static void grpc_start(struct hc_probe *p)
{
    p->h2 = (struct hc_h2){.grpc_status = -1};
    struct slice target = p->def->target;
    const char *slash = target.len == 0 ? NULL : memchr(target.p, '/', target.len);
    if (slash != NULL) {
        size_t n = (size_t)(slash - target.p);
        p->h2.service = slice_of(slash + 1, target.len - n - 1);
        target.len = n;
    }
    connect_to(p, target);
}

static void ping_start(struct hc_probe *p)
{
    p->h2 = (struct hc_h2){.grpc_status = -1, .ping_only = true};
    connect_to(p, p->def->target);
}

const struct hc_probe_kind hc_probe_grpc = {.start = grpc_start, .release = release};
const struct hc_probe_kind hc_probe_h2ping = {.start = ping_start, .release = release};
