/* healthcheck/: probes against servers on loopback, in the same thread and loop. A server follows a
 * script; a probe that is to time out gets a short time-out, nothing else here depends on time. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/list.h"
#include "healthcheck/probe.h"

#define SHORT_NS ((int64_t)150000000)

/* ---- the servers ---- */

enum mode {
    ANSWER,      /* `reply` once a request is there, then close */
    ANSWER_KEEP, /* the same, but stay open */
    HANG,        /* never say anything */
    SLAM,        /* close on accept */
    FLOOD,       /* `reply`, then bytes without end */
    H2           /* a gRPC health server */
};

struct server {
    uv_tcp_t tcp;
    enum mode mode;
    const char *reply;  /* NUL-terminated; %d is not special */
    struct buf request; /* what the last client sent */
    SSL_CTX *tls;       /* NULL: in the clear */
    unsigned accepted;
    const char *grpc_message; /* framed response, NULL for none */
    size_t grpc_len;
    const char *grpc_status;
    char address[HC_ADDR_TEXT];
};

struct peer {
    uv_tcp_t tcp;
    struct server *server;
    SSL *ssl;
    nghttp2_session *h2;
    size_t sent;
    bool answered;
    char in[65536];
};

struct write {
    uv_write_t req;
    char bytes[];
};

static struct hc_loop loop;
static struct server servers[4];
static unsigned n_servers;

static void on_written(uv_write_t *req, int status)
{
    (void)status;
    free(container_of(req, struct write, req));
}

static void raw_send(struct peer *p, const void *bytes, size_t n)
{
    struct write *w = malloc(sizeof *w + n);
    assert_non_null(w);
    memcpy(w->bytes, bytes, n);
    uv_buf_t b = uv_buf_init(w->bytes, (unsigned)n);
    if (uv_write(&w->req, (uv_stream_t *)&p->tcp, &b, 1, on_written) != 0) {
        free(w);
    }
}

static void tls_flush(struct peer *p)
{
    char bytes[16384];
    int n;
    while ((n = BIO_read(SSL_get_wbio(p->ssl), bytes, sizeof bytes)) > 0) {
        raw_send(p, bytes, (size_t)n);
    }
}

static void peer_send(struct peer *p, const void *bytes, size_t n)
{
    if (p->ssl == NULL) {
        raw_send(p, bytes, n);
    } else {
        (void)SSL_write(p->ssl, bytes, (int)n);
        tls_flush(p);
    }
}

static void on_peer_closed(uv_handle_t *h)
{
    struct peer *p = container_of(h, struct peer, tcp);
    nghttp2_session_del(p->h2);
    SSL_free(p->ssl);
    free(p);
}

static void peer_close(struct peer *p)
{
    if (!uv_is_closing((uv_handle_t *)&p->tcp)) {
        uv_close((uv_handle_t *)&p->tcp, on_peer_closed);
    }
}

static void on_flooded(uv_write_t *req, int status)
{
    static char junk[65536];
    struct peer *p = req->data;
    if (status != 0) {
        free(req);
        peer_close(p);
        return;
    }
    memset(junk, 'x', sizeof junk);
    uv_buf_t b = uv_buf_init(junk, sizeof junk);
    if (uv_write(req, (uv_stream_t *)&p->tcp, &b, 1, on_flooded) != 0) {
        free(req);
    }
}

static void flood(struct peer *p)
{
    uv_write_t *req = calloc(1, sizeof *req);
    assert_non_null(req);
    req->data = p;
    on_flooded(req, 0);
}

/* HTTP, or anything that waits for an empty line. */
static void on_request(struct peer *p)
{
    struct server *s = p->server;
    if (p->answered || memmem(s->request.p, s->request.len, "\r\n\r\n", 4) == NULL ||
        s->mode == HANG) {
        return;
    }
    p->answered = true;
    peer_send(p, s->reply, strlen(s->reply));
    if (s->mode == FLOOD) {
        flood(p);
    } else if (s->mode == ANSWER) {
        if (p->ssl != NULL) {
            (void)SSL_shutdown(p->ssl);
            tls_flush(p);
        }
        peer_close(p);
    }
}

static ssize_t grpc_body(nghttp2_session *h2,
                         int32_t stream,
                         uint8_t *to,
                         size_t size,
                         uint32_t *flags,
                         nghttp2_data_source *source,
                         void *arg)
{
    (void)source;
    struct peer *p = arg;
    const struct server *s = p->server;
    assert_true(s->grpc_len <= size);
    memcpy(to, s->grpc_message, s->grpc_len);
    *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
    uint8_t name[] = "grpc-status";
    uint8_t value[16];
    size_t n = strlen(s->grpc_status);
    memcpy(value, s->grpc_status, n);
    const nghttp2_nv nv[] = {{name, value, sizeof name - 1, n, NGHTTP2_NV_FLAG_NONE}};
    assert_int_equal(nghttp2_submit_trailer(h2, stream, nv, 1), 0);
    return (ssize_t)s->grpc_len;
}

static nghttp2_nv text_nv(char *name, char *value)
{
    return (nghttp2_nv){(uint8_t *)name, (uint8_t *)value, strlen(name), strlen(value),
                        NGHTTP2_NV_FLAG_NONE};
}

static int on_h2_frame(nghttp2_session *h2, const nghttp2_frame *f, void *arg)
{
    struct peer *p = arg;
    struct server *s = p->server;
    if ((f->hd.type != NGHTTP2_DATA && f->hd.type != NGHTTP2_HEADERS) ||
        !(f->hd.flags & NGHTTP2_FLAG_END_STREAM)) {
        return 0;
    }
    char status[] = ":status", ok[] = "200", type[] = "content-type", grpc[] = "application/grpc";
    char code[] = "grpc-status", message[] = "grpc-message", text[] = "unknown%20service";
    char number[16];
    (void)snprintf(number, sizeof number, "%s", s->grpc_status);
    nghttp2_nv nv[4] = {text_nv(status, ok), text_nv(type, grpc)};
    if (s->grpc_message != NULL) {
        const nghttp2_data_provider body = {.read_callback = grpc_body};
        return nghttp2_submit_response(h2, f->hd.stream_id, nv, 2, &body);
    }
    nv[2] = text_nv(code, number);
    nv[3] = text_nv(message, text);
    return nghttp2_submit_response(h2, f->hd.stream_id, nv, 4, NULL);
}

static int on_h2_chunk(nghttp2_session *h2,
                       uint8_t flags,
                       int32_t stream,
                       const uint8_t *data,
                       size_t n,
                       void *arg)
{
    (void)h2;
    (void)flags;
    (void)stream;
    struct peer *p = arg;
    buf_add(&p->server->request, data, n);
    return 0;
}

static void h2_pump(struct peer *p)
{
    const uint8_t *bytes;
    ssize_t n;
    while ((n = nghttp2_session_mem_send(p->h2, &bytes)) > 0) {
        peer_send(p, bytes, (size_t)n);
    }
}

static void h2_begin(struct peer *p)
{
    nghttp2_session_callbacks *cb;
    assert_int_equal(nghttp2_session_callbacks_new(&cb), 0);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_h2_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_h2_chunk);
    assert_int_equal(nghttp2_session_server_new(&p->h2, cb, p), 0);
    nghttp2_session_callbacks_del(cb);
    assert_int_equal(nghttp2_submit_settings(p->h2, NGHTTP2_FLAG_NONE, NULL, 0), 0);
    h2_pump(p);
}

static void on_bytes(struct peer *p, const char *bytes, size_t n)
{
    if (p->h2 == NULL && p->server->mode == H2) {
        h2_begin(p);
    }
    if (p->h2 != NULL) {
        (void)nghttp2_session_mem_recv(p->h2, (const uint8_t *)bytes, n);
        h2_pump(p);
    } else {
        buf_add(&p->server->request, bytes, n);
        on_request(p);
    }
}

static void on_peer_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *b)
{
    struct peer *p = container_of(stream, struct peer, tcp);
    if (n < 0) {
        peer_close(p);
        return;
    }
    if (p->ssl == NULL) {
        on_bytes(p, b->base, (size_t)n);
        return;
    }
    (void)BIO_write(SSL_get_rbio(p->ssl), b->base, (int)n);
    char plain[16384];
    int got;
    while ((got = SSL_read(p->ssl, plain, sizeof plain)) > 0) {
        on_bytes(p, plain, (size_t)got);
    }
    tls_flush(p);
}

static void on_peer_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *b)
{
    (void)suggested;
    struct peer *p = container_of(h, struct peer, tcp);
    *b = uv_buf_init(p->in, sizeof p->in);
}

static void on_accept(uv_stream_t *stream, int status)
{
    assert_int_equal(status, 0);
    struct server *s = container_of(stream, struct server, tcp);
    struct peer *p = calloc(1, sizeof *p);
    assert_non_null(p);
    p->server = s;
    assert_int_equal(uv_tcp_init(&loop.uv, &p->tcp), 0);
    assert_int_equal(uv_accept(stream, (uv_stream_t *)&p->tcp), 0);
    s->accepted++;
    buf_reset(&s->request);
    if (s->mode == SLAM) {
        peer_close(p);
        return;
    }
    if (s->tls != NULL) {
        p->ssl = SSL_new(s->tls);
        SSL_set_bio(p->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
        SSL_set_accept_state(p->ssl);
    }
    assert_int_equal(uv_read_start((uv_stream_t *)&p->tcp, on_peer_alloc, on_peer_read), 0);
}

static struct server *serve(enum mode mode, const char *reply)
{
    struct server *s = &servers[n_servers++];
    *s = (struct server){.mode = mode, .reply = reply, .grpc_status = "0"};
    union hc_addr a = {.v4 = {.sin_family = AF_INET}};
    a.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int n = sizeof a;
    assert_int_equal(uv_tcp_init(&loop.uv, &s->tcp), 0);
    assert_int_equal(uv_tcp_bind(&s->tcp, &a.any, 0), 0);
    assert_int_equal(uv_listen((uv_stream_t *)&s->tcp, 16, on_accept), 0);
    assert_int_equal(uv_tcp_getsockname(&s->tcp, &a.any, &n), 0);
    hc_addr_text(&a, s->address);
    return s;
}

static int choose_h2(SSL *ssl,
                     const unsigned char **out,
                     unsigned char *len,
                     const unsigned char *in,
                     unsigned n,
                     void *arg)
{
    (void)ssl;
    (void)arg;
    static const unsigned char want[] = {2, 'h', '2'};
    unsigned char *chosen;
    int rc = SSL_select_next_proto(&chosen, len, want, sizeof want, in, n);
    *out = chosen;
    return rc == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

/* A certificate for "localhost", signed by itself. */
static SSL_CTX *server_tls(bool h2)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    assert_non_null(ctx);
    assert_non_null(key);
    assert_non_null(x);
    (void)ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    (void)X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    (void)X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    (void)X509_set_pubkey(x, key);
    X509_NAME *name = X509_get_subject_name(x);
    (void)X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost",
                                     -1, -1, 0);
    (void)X509_set_issuer_name(x, name);
    X509_EXTENSION *san = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:localhost");
    (void)X509_add_ext(x, san, -1);
    X509_EXTENSION_free(san);
    assert_true(X509_sign(x, key, EVP_sha256()) > 0);
    assert_int_equal(SSL_CTX_use_certificate(ctx, x), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(ctx, key), 1);
    /* So that a test can also trust it. */
    assert_int_equal(X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), x), 1);
    X509_free(x);
    EVP_PKEY_free(key);
    if (h2) {
        SSL_CTX_set_alpn_select_cb(ctx, choose_h2, NULL);
    }
    return ctx;
}

/* Let the probes of this test trust the server's certificate. */
static void trust(const struct server *s)
{
    SSL_CTX *client = hc_loop_tls(&loop);
    X509_STORE *store = SSL_CTX_get_cert_store(s->tls);
    (void)X509_STORE_up_ref(store);
    SSL_CTX_set_cert_store(client, store);
}

/* ---- running a probe ---- */

static struct hc_probe probe;
static bool finished;

static void on_done(struct hc_probe *p)
{
    (void)p;
    finished = true;
    uv_stop(&loop.uv);
}

static int set_up(void **state)
{
    (void)state;
    struct errmsg e;
    (void)signal(SIGPIPE, SIG_IGN);
    n_servers = 0;
    assert_int_equal(hc_loop_init(&loop, 1, &e), 0);
    hc_probe_init(&probe, &loop, on_done);
    return 0;
}

static void close_any(uv_handle_t *h, void *arg)
{
    (void)arg;
    if (h->type == UV_TCP && !uv_is_closing(h)) {
        for (unsigned i = 0; i < n_servers; i++) {
            if (h == (uv_handle_t *)&servers[i].tcp) {
                uv_close(h, NULL);
                return;
            }
        }
        peer_close(container_of(h, struct peer, tcp));
    }
}

static int tear_down(void **state)
{
    (void)state;
    hc_probe_fini(&probe);
    uv_walk(&loop.uv, close_any, NULL);
    hc_loop_fini(&loop);
    for (unsigned i = 0; i < n_servers; i++) {
        buf_fini(&servers[i].request);
        SSL_CTX_free(servers[i].tls);
    }
    return 0;
}

static void run(const struct reg_probe *def)
{
    finished = false;
    hc_probe_start(&probe, def, 64);
    while (!finished) {
        (void)uv_run(&loop.uv, UV_RUN_DEFAULT);
    }
}

/* Run @def; `*` at the end of @want stands for anything. */
static void expect(const struct reg_probe *def, enum reg_status status, const char *want)
{
    run(def);
    size_t n = strlen(want);
    struct slice got = buf_slice(&probe.output);
    bool same = n > 0 && want[n - 1] == '*' ? slice_starts(got, slice_of(want, n - 1))
                                            : slice_is(got, want);
    if (probe.status != status || !same) {
        fail_msg("status %d, output \"%.*s\"\nwant %d, \"%s\"", (int)probe.status, (int)got.len,
                 got.p, (int)status, want);
    }
}

static char text_a[512];
static char text_b[512];

/* @fmt with each "%s" replaced by @address. */
static const char *format(char *to, const char *fmt, const char *address)
{
    struct buf b = BUF_INIT;
    const char *at;
    while ((at = strstr(fmt, "%s")) != NULL) {
        buf_add(&b, fmt, (size_t)(at - fmt));
        buf_add_str(&b, address);
        fmt = at + 2;
    }
    buf_add_str(&b, fmt);
    buf_add_char(&b, '\0');
    assert_true(b.len <= sizeof text_a);
    memcpy(to, b.p, b.len);
    buf_fini(&b);
    return to;
}

static struct slice target(const char *fmt, const struct server *s)
{
    return slice_str(format(text_a, fmt, s->address));
}

/* ---- HTTP ---- */

static void an_http_answer_decides_by_its_code(void **state)
{
    (void)state;
    static const struct {
        const char *reply;
        enum reg_status status;
        const char *output;
    } rows[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", REG_PASSING, "200 OK Output: hi"},
        {"HTTP/1.0 200 OK\r\n\r\nto the end", REG_PASSING, "200 OK Output: to the end"},
        {"HTTP/1.1 204 No Content\r\n\r\n", REG_PASSING, "204 No Content Output: "},
        /* such an answer has no body, whatever is announced */
        {"HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\nabc", REG_PASSING,
         "204 No Content Output: "},
        {"HTTP/1.1 299 \r\nContent-Length: 0\r\n\r\n", REG_PASSING, "299  Output: "},
        {"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n", REG_WARNING,
         "429 Too Many Requests Output: "},
        {"HTTP/1.1 302 Found\r\nContent-Length: 1\r\n\r\nx", REG_CRITICAL, "302 Found Output: x"},
        {"HTTP/1.1 503 Service Unavailable\r\n\r\nno", REG_CRITICAL,
         "503 Service Unavailable Output: no"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
         REG_PASSING, "200 OK Output: abc"},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nz", REG_PASSING,
         "200 OK Output: z"},
        /* shorter than announced: what came counts */
        {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", REG_PASSING, "200 OK Output: half"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabXX", REG_PASSING,
         "200 OK Output: ab"},
        {"HTTP/1.1 200 OK\r\n\r\n0123456789012345678901234567890123456789"
         "0123456789012345678901234567890123456789",
         REG_PASSING,
         "200 OK Output: 6789012345678901234567890123456789012345678901234567890123456789"},
    };
    struct server *s = serve(ANSWER, "");
    struct reg_probe def = {.kind = REG_PROBE_HTTP};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        s->reply = rows[i].reply;
        def.target = target("http://%s/x", s);
        (void)snprintf(text_b, sizeof text_b, "HTTP GET http://%s/x: %s", s->address,
                       rows[i].output);
        expect(&def, rows[i].status, text_b);
    }
    assert_int_equal(s->accepted, sizeof rows / sizeof rows[0]);
}

static void an_http_probe_sends_method_body_and_headers(void **state)
{
    (void)state;
    struct server *s = serve(ANSWER_KEEP, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    struct buf b = BUF_INIT;
    struct reg_list_builder lb;
    reg_list_begin(&lb, &b);
    reg_list_add(&lb, SLICE_LIT("Host"));
    reg_list_add(&lb, SLICE_LIT("web"));
    const struct reg_probe def = {.kind = REG_PROBE_HTTP,
                                  .method = SLICE_LIT("PUT"),
                                  .body = SLICE_LIT("{}"),
                                  .header = reg_list_end(&lb),
                                  .target = target("http://%s/p", s)};
    expect(&def, REG_PASSING, format(text_b, "HTTP PUT http://%s/p: 200 OK Output: ", s->address));
    buf_add_char(&s->request, '\0');
    assert_string_equal(s->request.p,
                        "PUT /p HTTP/1.1\r\nHost: web\r\nUser-Agent: Consul Health Check\r\n"
                        "Content-Length: 2\r\nAccept: text/plain, text/*, */*\r\n"
                        "Connection: close\r\n\r\n{}");
    buf_fini(&b);
}

static void redirects_are_followed_unless_disabled(void **state)
{
    (void)state;
    struct server *end = serve(ANSWER, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nend");
    char reply[256];
    (void)snprintf(reply, sizeof reply,
                   "HTTP/1.1 302 Found\r\nX-Empty:\r\nlocation: http://%s/end\r\n\r\nmoved",
                   end->address);
    struct server *s = serve(ANSWER, reply);
    struct reg_probe def = {.kind = REG_PROBE_HTTP, .target = target("http://%s/", s)};
    expect(&def, REG_PASSING,
           format(text_b, "HTTP GET http://%s/: 200 OK Output: end", s->address));
    def.disable_redirects = true;
    expect(&def, REG_CRITICAL,
           format(text_b, "HTTP GET http://%s/: 302 Found Output: moved", s->address));
    assert_int_equal(end->accepted, 1);
}

static void ten_redirects_are_enough(void **state)
{
    (void)state;
    struct server *s = serve(ANSWER, "HTTP/1.1 307 Temporary Redirect\r\nLocation: /again\r\n\r\n");
    const struct reg_probe def = {.kind = REG_PROBE_HTTP, .target = target("http://%s/", s)};
    expect(&def, REG_CRITICAL,
           format(text_b, "Get \"http://%s/again\": stopped after 10 redirects", s->address));
    assert_int_equal(s->accepted, 11);
}

static void a_redirect_to_nowhere_is_critical(void **state)
{
    (void)state;
    struct server *s = serve(ANSWER, "HTTP/1.1 302 Found\r\nLocation: ftp://x/\r\n\r\n");
    const struct reg_probe def = {.kind = REG_PROBE_HTTP, .target = target("http://%s/", s)};
    expect(&def, REG_CRITICAL, "Get \"ftp://x/\": unsupported protocol scheme \"ftp\"");
}

static void a_silent_server_times_out(void **state)
{
    (void)state;
    struct server *s = serve(HANG, "");
    const struct reg_probe def = {
        .kind = REG_PROBE_HTTP, .timeout_ns = SHORT_NS, .target = target("http://%s/", s)};
    expect(&def, REG_CRITICAL,
           format(text_b,
                  "Get \"http://%s/\": context deadline exceeded (Client.Timeout exceeded while "
                  "awaiting headers)",
                  s->address));
}

static void a_body_that_never_ends_is_cut_and_the_code_decides(void **state)
{
    (void)state;
    struct server *s = serve(FLOOD, "HTTP/1.1 200 OK\r\n\r\n");
    const struct reg_probe def = {.kind = REG_PROBE_HTTP, .target = target("http://%s/", s)};
    expect(&def, REG_PASSING,
           format(text_b,
                  "HTTP GET http://%s/: 200 OK Output: "
                  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
                  s->address));
    assert_true(probe.tail.cap <= 64);
}

static void headers_that_never_end_are_refused(void **state)
{
    (void)state;
    struct server *s = serve(FLOOD, "HTTP/1.1 200 OK\r\nX: ");
    const struct reg_probe def = {.kind = REG_PROBE_HTTP, .target = target("http://%s/", s)};
    expect(&def, REG_CRITICAL,
           format(text_b,
                  "Get \"http://%s/\": net/http: HTTP/1.x transport connection broken: malformed "
                  "HTTP response",
                  s->address));
}

static void a_server_that_hangs_up_or_talks_nonsense_is_critical(void **state)
{
    (void)state;
    struct server *slam = serve(SLAM, "");
    struct reg_probe def = {.kind = REG_PROBE_HTTP, .target = target("http://%s/", slam)};
    run(&def); /* "EOF" or "connection reset by peer": the kernel's choice */
    assert_int_equal(probe.status, REG_CRITICAL);
    struct server *odd = serve(ANSWER, "SSH-2.0-OpenSSH\r\n");
    def.target = target("http://%s/", odd);
    expect(&def, REG_CRITICAL,
           format(text_b,
                  "Get \"http://%s/\": net/http: HTTP/1.x transport connection broken: malformed "
                  "HTTP response",
                  odd->address));
}

static void a_closed_port_is_refused_in_gos_words(void **state)
{
    (void)state;
    struct server *s = serve(ANSWER, "");
    struct reg_probe def = {.kind = REG_PROBE_HTTP, .target = target("http://%s/", s)};
    char want[256];
    uv_close((uv_handle_t *)&s->tcp, NULL);
    (void)uv_run(&loop.uv, UV_RUN_NOWAIT);
    (void)snprintf(want, sizeof want,
                   "Get \"http://%s/\": dial tcp %s: connect: connection refused", s->address,
                   s->address);
    expect(&def, REG_CRITICAL, want);
    def = (struct reg_probe){.kind = REG_PROBE_TCP, .target = target("%s", s)};
    expect(&def, REG_CRITICAL,
           format(text_b, "dial tcp %s: connect: connection refused", s->address));
    def.kind = REG_PROBE_H2PING;
    (void)snprintf(want, sizeof want,
                   "Failed to dial to %s: dial tcp %s: connect: connection refused", s->address,
                   s->address);
    expect(&def, REG_CRITICAL, want);
    def.kind = REG_PROBE_GRPC;
    expect(
        &def, REG_CRITICAL,
        format(text_b,
               "rpc error: code = Unavailable desc = connection error: desc = \"transport: Error "
               "while dialing: dial tcp %s: connect: connection refused\"",
               s->address));
    def.kind = REG_PROBE_UDP;
    expect(&def, REG_CRITICAL, format(text_b, "read udp %s: read: connection refused", s->address));
}

static void a_bad_definition_is_critical_and_says_why(void **state)
{
    (void)state;
    static const struct {
        enum reg_probe_kind kind;
        const char *target;
        const char *output;
    } rows[] = {
        {REG_PROBE_HTTP, "", "Get \"\": unsupported protocol scheme \"\""},
        {REG_PROBE_HTTP, "http:///x", "Get \"http:///x\": http: no Host in request URL"},
        {REG_PROBE_TCP, "127.0.0.1", "dial tcp: address 127.0.0.1: missing port in address"},
        {REG_PROBE_UDP, "127.0.0.1", "dial udp: address 127.0.0.1: missing port in address"},
        {REG_PROBE_H2PING, "x",
         "Failed to dial to x: dial tcp: address x: missing port in address"},
        {REG_PROBE_GRPC, "x",
         "rpc error: code = Unavailable desc = connection error: desc = \"transport: Error while "
         "dialing: dial tcp: address x: missing port in address\""},
        {REG_PROBE_SCRIPT, "", "Checks of type \"script\" are not supported by this agent"},
        {REG_PROBE_DOCKER, "", "Checks of type \"docker\" are not supported by this agent"},
        {REG_PROBE_OS_SERVICE, "", "Checks of type \"os_service\" are not supported by this agent"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct reg_probe def = {.kind = (uint8_t)rows[i].kind,
                                      .target = slice_str(rows[i].target)};
        expect(&def, REG_CRITICAL, rows[i].output);
    }
}

static void names_come_from_the_hosts_file(void **state)
{
    (void)state;
    struct server *s = serve(ANSWER, "");
    const char *port = strchr(s->address, ':') + 1;
    struct reg_probe def = {.kind = REG_PROBE_TCP};
    def.target = slice_str(format(text_a, "localhost:%s", port));
    expect(&def, REG_PASSING, format(text_b, "TCP connect localhost:%s: Success", port));
}

static void a_probe_can_be_canceled_at_any_point(void **state)
{
    (void)state;
    struct server *s = serve(HANG, "");
    const struct reg_probe defs[] = {
        {.kind = REG_PROBE_HTTP, .target = target("http://%s/", s)},
        {.kind = REG_PROBE_HTTP, .target = SLICE_LIT("http://no-such-host.invalid/")},
        {.kind = REG_PROBE_UDP, .target = SLICE_LIT("127.0.0.1:9")},
        {.kind = REG_PROBE_GRPC, .target = SLICE_LIT("nonsense")},
    };
    for (size_t i = 0; i < sizeof defs / sizeof defs[0]; i++) {
        for (unsigned turns = 0; turns < 4; turns++) {
            finished = false;
            hc_probe_start(&probe, &defs[i], 64);
            for (unsigned k = 0; k < turns && !finished; k++) {
                (void)uv_run(&loop.uv, UV_RUN_NOWAIT);
            }
            hc_probe_cancel(&probe);
            while (!finished) {
                (void)uv_run(&loop.uv, UV_RUN_DEFAULT);
            }
        }
    }
}

/* ---- TCP, UDP ---- */

static void tcp_passes_when_the_port_is_open(void **state)
{
    (void)state;
    struct server *s = serve(HANG, "");
    const struct reg_probe def = {.kind = REG_PROBE_TCP, .target = target("%s", s)};
    expect(&def, REG_PASSING, format(text_b, "TCP connect %s: Success", s->address));
}

static void tcp_with_tls_needs_a_handshake(void **state)
{
    (void)state;
    struct server *s = serve(HANG, "");
    s->tls = server_tls(false);
    struct reg_probe def = {.kind = REG_PROBE_TCP, .use_tls = true, .target = target("%s", s)};
    expect(&def, REG_CRITICAL,
           "tls: failed to verify certificate: x509: certificate signed by unknown authority");
    def.tls_skip_verify = true;
    expect(&def, REG_PASSING, format(text_b, "TCP connect %s: Success", s->address));
    struct server *plain = serve(ANSWER, "");
    def.target = target("%s", plain);
    def.timeout_ns = SHORT_NS; /* it waits for an empty line that never comes */
    expect(&def, REG_CRITICAL, "context deadline exceeded");
    struct server *slam = serve(SLAM, "");
    def.target = target("%s", slam);
    run(&def);
    assert_int_equal(probe.status, REG_CRITICAL);
}

static void on_nothing(uv_udp_t *h,
                       ssize_t n,
                       const uv_buf_t *b,
                       const struct sockaddr *from,
                       unsigned flags)
{
    (void)h;
    (void)n;
    (void)b;
    (void)from;
    (void)flags;
}

static void udp_passes_on_silence(void **state)
{
    (void)state;
    static uv_udp_t quiet; /* closed by the tear-down */
    union hc_addr a = {.v4 = {.sin_family = AF_INET}};
    a.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int n = sizeof a;
    assert_int_equal(uv_udp_init(&loop.uv, &quiet), 0);
    assert_int_equal(uv_udp_bind(&quiet, &a.any, 0), 0);
    assert_int_equal(uv_udp_getsockname(&quiet, &a.any, &n), 0);
    assert_int_equal(uv_udp_recv_start(&quiet, hc_loop_alloc, on_nothing), 0);
    char address[HC_ADDR_TEXT];
    hc_addr_text(&a, address);
    const struct reg_probe def = {
        .kind = REG_PROBE_UDP, .timeout_ns = SHORT_NS, .target = slice_str(address)};
    expect(&def, REG_PASSING, format(text_b, "UDP connect %s: Success", address));
    uv_close((uv_handle_t *)&quiet, NULL);
}

/* ---- HTTPS ---- */

static void https_verifies_the_certificate_unless_told_not_to(void **state)
{
    (void)state;
    struct server *s = serve(ANSWER, "HTTP/1.1 200 OK\r\n\r\nsecret");
    s->tls = server_tls(false);
    struct reg_probe def = {.kind = REG_PROBE_HTTP, .target = target("https://%s/", s)};
    const char *ok = format(text_b, "HTTP GET https://%s/: 200 OK Output: secret", s->address);
    char want[256];
    (void)snprintf(
        want, sizeof want,
        "Get \"https://%s/\": tls: failed to verify certificate: x509: certificate signed "
        "by unknown authority",
        s->address);
    expect(&def, REG_CRITICAL, want);
    trust(s);
    (void)snprintf(
        want, sizeof want,
        "Get \"https://%s/\": tls: failed to verify certificate: x509: certificate is not "
        "valid for 127.0.0.1",
        s->address);
    expect(&def, REG_CRITICAL, want);
    def.tls_server_name = SLICE_LIT("localhost");
    expect(&def, REG_PASSING, ok);
    def.tls_server_name = SLICE_LIT("elsewhere");
    def.tls_skip_verify = true;
    expect(&def, REG_PASSING, ok);
}

static void https_to_a_plain_server_says_so(void **state)
{
    (void)state;
    struct server *s = serve(FLOOD, "HTTP/1.0 400 Bad Request\r\n\r\n");
    s->mode = SLAM;
    struct reg_probe def = {.kind = REG_PROBE_HTTP, .target = target("https://%s/", s)};
    run(&def);
    assert_int_equal(probe.status, REG_CRITICAL);
}

/* ---- gRPC and HTTP/2 ---- */

static void grpc_asks_the_health_service(void **state)
{
    (void)state;
    struct server *s = serve(H2, "");
    struct reg_probe def = {.kind = REG_PROBE_GRPC, .target = target("%s/web", s)};
    s->grpc_message = "\0\0\0\0\2\x08\1";
    s->grpc_len = 7;
    expect(&def, REG_PASSING, format(text_b, "gRPC check %s/web: success", s->address));
    assert_int_equal(s->request.len, 10);
    assert_memory_equal(s->request.p, "\0\0\0\0\5\x0a\3web", 10);
    s->grpc_message = "\0\0\0\0\2\x08\2";
    expect(&def, REG_CRITICAL,
           format(text_b, "gRPC %s/web serving status: NOT_SERVING", s->address));
    s->grpc_message = "\0\0\0\0\0";
    s->grpc_len = 5;
    expect(&def, REG_CRITICAL, format(text_b, "gRPC %s/web serving status: UNKNOWN", s->address));
    s->grpc_message = "\0\0\0\0\7x";
    expect(&def, REG_CRITICAL, "rpc error: code = Internal desc = malformed health response");
    s->grpc_message = NULL;
    s->grpc_status = "5";
    expect(&def, REG_CRITICAL, "rpc error: code = NotFound desc = unknown service");
}

static void grpc_over_tls_negotiates_http2(void **state)
{
    (void)state;
    struct server *s = serve(H2, "");
    s->tls = server_tls(true);
    s->grpc_message = "\0\0\0\0\2\x08\1";
    s->grpc_len = 7;
    struct reg_probe def = {.kind = REG_PROBE_GRPC,
                            .use_tls = true,
                            .tls_skip_verify = true,
                            .target = target("%s", s)};
    expect(&def, REG_PASSING, format(text_b, "gRPC check %s: success", s->address));
    def.tls_skip_verify = false;
    expect(&def, REG_CRITICAL,
           "rpc error: code = Unavailable desc = connection error: desc = \"transport: "
           "authentication handshake failed: tls: failed to verify certificate: x509: certificate "
           "signed by unknown authority\"");
}

static void grpc_reports_silence_and_other_protocols(void **state)
{
    (void)state;
    struct server *s = serve(HANG, "");
    struct reg_probe def = {
        .kind = REG_PROBE_GRPC, .timeout_ns = SHORT_NS, .target = target("%s", s)};
    expect(&def, REG_CRITICAL,
           "rpc error: code = DeadlineExceeded desc = context deadline exceeded");
    struct server *http = serve(ANSWER, "HTTP/1.1 400 Bad Request\r\n\r\n");
    def.target = target("%s", http);
    expect(&def, REG_CRITICAL, "rpc error: code = Unavailable desc = error reading from server: *");
}

static void h2ping_passes_on_the_answer_to_a_ping(void **state)
{
    (void)state;
    struct server *s = serve(H2, "");
    struct reg_probe def = {.kind = REG_PROBE_H2PING, .target = target("%s", s)};
    expect(&def, REG_PASSING, "HTTP2 ping was successful");
    struct server *quiet = serve(HANG, "");
    def.target = target("%s", quiet);
    def.timeout_ns = SHORT_NS;
    expect(&def, REG_CRITICAL, "HTTP2 ping failed: context deadline exceeded");
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_http_answer_decides_by_its_code),
        T(an_http_probe_sends_method_body_and_headers),
        T(redirects_are_followed_unless_disabled),
        T(ten_redirects_are_enough),
        T(a_redirect_to_nowhere_is_critical),
        T(a_silent_server_times_out),
        T(a_body_that_never_ends_is_cut_and_the_code_decides),
        T(headers_that_never_end_are_refused),
        T(a_server_that_hangs_up_or_talks_nonsense_is_critical),
        T(a_closed_port_is_refused_in_gos_words),
        T(a_bad_definition_is_critical_and_says_why),
        T(names_come_from_the_hosts_file),
        T(a_probe_can_be_canceled_at_any_point),
        T(tcp_passes_when_the_port_is_open),
        T(tcp_with_tls_needs_a_handshake),
        T(udp_passes_on_silence),
        T(https_verifies_the_certificate_unless_told_not_to),
        T(https_to_a_plain_server_says_so),
        T(grpc_asks_the_health_service),
        T(grpc_over_tls_negotiates_http2),
        T(grpc_reports_silence_and_other_protocols),
        T(h2ping_passes_on_the_answer_to_a_ping),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
