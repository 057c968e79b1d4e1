/* HTTP: one request on a connection of its own, redirects followed, the tail of the body kept.
 * After Consul's CheckHTTP over Go's net/http, whose error texts appear in the output of checks.
 *
 * The parser's callbacks only note what they see: connections are closed and opened behind
 * http_parser_execute(), never inside. Once the headers are there the status code decides, however
 * the body ends; before that every end is an error. */
#include <stdio.h>

#include "base/list.h"
#include "healthcheck/http_request.h"
#include "healthcheck/probe.h"

static void request(struct hc_probe *p);

/* `Get "url": cause` as the output, critical. */
static void fail(struct hc_probe *p, const char *cause)
{
    buf_reset(&p->output);
    hc_http_error(&p->output, p->http.method, buf_slice(&p->text_url), cause);
    hc_probe_finish(p, REG_CRITICAL);
}

static void answer(struct hc_probe *p)
{
    const struct hc_http *h = &p->http;
    unsigned code = h->parser.status_code;
    buf_add_str(&p->output, "HTTP ");
    buf_add_slice(&p->output, p->def->method.len > 0 ? p->def->method : SLICE_LIT("GET"));
    buf_add_char(&p->output, ' ');
    buf_add_slice(&p->output, p->def->target);
    buf_printf(&p->output, ": %u ", code);
    buf_add_slice(&p->output, buf_slice(&p->reason));
    buf_add_str(&p->output, " Output: ");
    hc_tail_write(&p->tail, &p->output);
    hc_probe_finish(p, code >= 200 && code <= 299 ? REG_PASSING
                       : code == 429              ? REG_WARNING
                                                  : REG_CRITICAL);
}

/* ---- what the parser sees ---- */

static struct hc_probe *probe_of(http_parser *parser)
{
    return container_of(parser, struct hc_probe, http.parser);
}

static int on_message_begin(http_parser *parser)
{
    struct hc_probe *p = probe_of(parser);
    buf_reset(&p->reason);
    buf_reset(&p->text);
    p->http.has_location = false;
    return 0;
}

static int on_reason(http_parser *parser, const char *at, size_t n)
{
    struct buf *b = &probe_of(parser)->reason;
    size_t room = b->len < HC_HTTP_REASON_MAX ? HC_HTTP_REASON_MAX - b->len : 0;
    buf_add(b, at, n < room ? n : room);
    return 0;
}

/* Names may come in pieces: `scratch`, free once the request is sent, collects them. */
static int on_name(http_parser *parser, const char *at, size_t n)
{
    struct hc_probe *p = probe_of(parser);
    if (p->http.name_is_location) { /* its value is over */
        p->http.name_is_location = false;
        buf_reset(&p->scratch);
    }
    buf_add(&p->scratch, at, n < HC_URL_MAX ? n : HC_URL_MAX);
    return 0;
}

static int on_value(http_parser *parser, const char *at, size_t n)
{
    struct hc_probe *p = probe_of(parser);
    struct hc_http *h = &p->http;
    if (!h->name_is_location) {
        bool location = slice_ieq(buf_slice(&p->scratch), SLICE_LIT("location"));
        buf_reset(&p->scratch);
        if (!location || h->has_location) {
            return 0;
        }
        h->name_is_location = true;
        h->has_location = true;
    }
    buf_add(&p->text, at, n); /* bounded by the parser's limit on all headers */
    return 0;
}

static bool is_informational(const http_parser *parser)
{
    return parser->status_code < 200 && parser->status_code != 101;
}

/* 1 tells the parser that no body follows. */
static int on_headers_complete(http_parser *parser)
{
    struct hc_http *h = &probe_of(parser)->http;
    h->name_is_location = false;
    h->headers_done = !is_informational(parser);
    bool empty = parser->status_code == 204 || parser->status_code == 304; /* RFC 9110 6.4.1 */
    return empty || slice_is(h->method, "HEAD") ? 1 : 0;
}

static int on_body(http_parser *parser, const char *at, size_t n)
{
    struct hc_probe *p = probe_of(parser);
    hc_tail_add(&p->tail, slice_of(at, n));
    p->http.body_bytes += n;
    if (p->http.body_bytes > HC_HTTP_BODY_MAX) {
        p->http.complete = true;
        http_parser_pause(parser, 1);
    }
    return 0;
}

static int on_message_complete(http_parser *parser)
{
    if (!is_informational(parser)) {
        probe_of(parser)->http.complete = true;
        http_parser_pause(parser, 1);
    }
    return 0;
}

static const http_parser_settings settings = {
    .on_message_begin = on_message_begin,
    .on_status = on_reason,
    .on_header_field = on_name,
    .on_header_value = on_value,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

/* ---- redirects ---- */

static bool wants_redirect(const struct hc_probe *p)
{
    const struct hc_http *h = &p->http;
    return h->headers_done && !p->def->disable_redirects && p->text.len > 0 &&
           hc_http_is_redirect(h->parser.status_code);
}

static void on_ready_for_next(struct hc_conn *c)
{
    request(container_of(c, struct hc_probe, conn));
}

/* Close, then ask again where Location points. */
static void follow(struct hc_probe *p)
{
    struct hc_http *h = &p->http;
    struct slice location = buf_slice(&p->text);
    bool elsewhere = hc_url_has_host(location);
    buf_reset(&p->scratch);
    hc_url_resolve(&p->scratch, &h->url, location);
    struct hc_url to;
    struct errmsg e;
    if (!buf_ok(&p->scratch)) {
        fail(p, err_text(E_NOMEM));
        return;
    }
    int rc = hc_url_parse(buf_slice(&p->scratch), &to, &e);
    if (rc == 0) {
        h->same_site = h->same_site && hc_http_same_site(h->url.host, to.host);
    }
    h->own_host = h->own_host && !elsewhere;
    h->method = hc_http_redirect((int)h->parser.status_code, h->method, &h->with_body);
    struct buf t = p->text_url;
    p->text_url = p->scratch;
    p->scratch = t;
    if (rc != 0) {
        fail(p, e.text);
    } else if (h->redirects == HC_HTTP_REDIRECTS_MAX) {
        fail(p, "stopped after 10 redirects");
    } else {
        h->redirects++;
        hc_conn_close(&p->conn, on_ready_for_next);
    }
}

/* ---- the connection ---- */

static void on_open(struct hc_conn *c)
{
    struct hc_probe *p = container_of(c, struct hc_probe, conn);
    hc_conn_write(c, buf_slice(&p->scratch));
    buf_reset(&p->scratch);
}

/* The head or all of the response is there, or will not come: decide. */
static void settle(struct hc_probe *p)
{
    if (wants_redirect(p)) {
        follow(p);
    } else if (p->http.complete) {
        answer(p);
    }
}

static void on_data(struct hc_conn *c, struct slice data)
{
    struct hc_probe *p = container_of(c, struct hc_probe, conn);
    struct hc_http *h = &p->http;
    (void)http_parser_execute(&h->parser, &settings, data.p, data.len); /* the error is in parser */
    enum http_errno error = HTTP_PARSER_ERRNO(&h->parser);
    if (error == HPE_OK || h->complete) {
        settle(p);
    } else if (h->headers_done) { /* a broken body: what came of it is the output */
        h->complete = true;
        settle(p);
    } else if (!h->url.tls && data.len > 2 && data.p[0] == 0x15 && data.p[1] == 3) {
        fail(p,
             "net/http: HTTP/1.x transport connection broken: malformed HTTP response: "
             "the server speaks TLS");
    } else {
        fail(p, "net/http: HTTP/1.x transport connection broken: malformed HTTP response");
    }
}

static void on_end(struct hc_conn *c, int status)
{
    struct hc_probe *p = container_of(c, struct hc_probe, conn);
    struct hc_http *h = &p->http;
    if (h->headers_done) { /* the body is as long as it got */
        h->complete = true;
        settle(p);
    } else if (status == E_TIMEOUT) {
        fail(p, "context deadline exceeded (Client.Timeout exceeded while awaiting headers)");
    } else {
        fail(p, c->error.text);
    }
}

/* Send the request for p->text_url. */
static void request(struct hc_probe *p)
{
    struct hc_http *h = &p->http;
    struct errmsg e;
    int rc = hc_url_parse(buf_slice(&p->text_url), &h->url, &e);
    if (rc != 0) {
        fail(p, e.text);
        return;
    }
    const struct hc_http_request r = {
        .method = h->method,
        .url = &h->url,
        .def = p->def,
        .with_body = h->with_body,
        .own_host = h->own_host,
        .same_site = h->same_site,
    };
    buf_reset(&p->scratch);
    rc = hc_http_request(&p->scratch, &r, &e);
    if (rc != 0) {
        fail(p, e.text);
        return;
    }
    http_parser_init(&h->parser, HTTP_RESPONSE);
    h->headers_done = false;
    h->complete = false;
    h->name_is_location = false;
    h->has_location = false;
    h->body_bytes = 0;
    buf_reset(&p->reason);
    buf_reset(&p->text);
    hc_tail_reset(&p->tail, p->output_max);
    const struct hc_conn_options o = {
        .host = h->url.host,
        .port = h->url.port,
        .use_tls = h->url.tls,
        .tls = {.name = p->def->tls_server_name.len > 0 ? p->def->tls_server_name : h->url.host,
                .skip_verify = p->def->tls_skip_verify},
        .deadline_ns = p->deadline_ns,
    };
    hc_conn_start(&p->conn, &o);
}

static void start(struct hc_probe *p)
{
    p->http = (struct hc_http){
        .method = p->def->method.len > 0 ? p->def->method : SLICE_LIT("GET"),
        .with_body = true,
        .own_host = true,
        .same_site = true,
    };
    p->conn.on_open = on_open;
    p->conn.on_data = on_data;
    p->conn.on_end = on_end;
    buf_add_slice(&p->text_url, p->def->target);
    request(p);
}

const struct hc_probe_kind hc_probe_http = {.start = start};
