/* What happens to a request whose body is complete: Consul's refusals in Consul's order
 * (consul-surface.md 2.2), then the handler.
 *
 * Unwrapped answers (unknown path, redirect, "/") carry none of the headers of a route, as in Go,
 * where the mux answers before Consul's wrapper does. */
#include <assert.h>
#include <stdio.h>

#include "api/conn_uv.h"
#include "api/read.h"
#include "api/request.h"
#include "api/target.h"
#include "base/err.h"

static const char text_plain[] = "text/plain; charset=utf-8";

struct answer *answer_plain(int status, const char *text)
{
    struct answer *a = must(answer_new());
    a->status = status;
    answer_status_line(&a->head, 1, status);
    if (text != NULL) {
        answer_header(&a->head, "Content-Type", slice_str(text_plain));
        buf_add_str(&a->body, text);
    }
    return a;
}

struct answer *request_answer_new(int status, const char *content_type)
{
    struct answer *a = must(answer_new());
    a->status = status;
    a->routed = true;
    answer_status_line(&a->head, 1, status);
    if (content_type != NULL) {
        answer_header(&a->head, "Content-Type", slice_str(content_type));
    }
    buf_add_str(&a->head,
                "Vary: Accept-Encoding\r\n"
                "X-Consul-Default-Acl-Policy: allow\r\n");
    return a;
}

struct answer *request_answer_text(int status, const char *text)
{
    bool empty = text == NULL || *text == '\0';
    struct answer *a = request_answer_new(status, empty ? NULL : text_plain);
    buf_add_str(&a->body, empty ? "" : text);
    return a;
}

/* Consul 1.21 leaves the index out of errors of KV and of health/service and its like. */
static bool failure_has_index(const struct api_route *route)
{
    static const char *const without[] = {"/v1/health/service/", "/v1/health/connect/",
                                          "/v1/health/ingress/"};
    for (size_t i = 0; i < sizeof without / sizeof without[0]; i++) {
        if (strcmp(route->pattern, without[i]) == 0) {
            return false;
        }
    }
    return (route->flags & API_CONSISTENCY) != 0 ||
           strncmp(route->pattern, "/v1/coordinate/node", 19) == 0;
}

struct answer *request_answer_failure(const struct request *r, const char *text)
{
    struct answer *a = request_answer_text(500, text);
    if (failure_has_index(r->pub.route)) {
        buf_add_str(&a->head,
                    "X-Consul-Index: 1\r\n"
                    "X-Consul-Knownleader: false\r\n"
                    "X-Consul-Lastcontact: 0\r\n"
                    "X-Consul-Query-Backend: blocking-query\r\n");
    }
    return a;
}

void request_finish(struct request *r, struct answer *answer, bool linger)
{
    struct conn *c = r->conn;
    assert(!r->answered);
    r->answered = true;
    buf_add_slice(&answer->head, buf_slice(&r->extra));
    if (c != NULL) {
        r->conn = NULL;
        conn_answer(c, answer, linger);
    }
    answer_unref(answer);
    if (r->pending == 0 && !r->in_call) {
        request_free(r);
    }
}

void request_abort(struct request *r, int status, const char *text)
{
    struct answer *a =
        r->pub.route == NULL ? answer_plain(status, text) : request_answer_text(status, text);
    request_finish(r, a, true);
}

bool request_too_long(struct request *r, uint64_t length)
{
    if (length <= r->body_max) {
        return false;
    }
    char text[200];
    bool kv = r->pub.route != NULL && (r->pub.route->flags & API_NO_BODY_LIMIT) != 0;
    (void)snprintf(
        text, sizeof text, "Request body(%llu bytes) too large, max size: %llu bytes.%s",
        (unsigned long long)length, (unsigned long long)r->body_max,
        kv ? " See https://www.consul.io/docs/agent/options.html#kv_max_value_size." : "");
    request_abort(r, 413, text);
    return true;
}

/* ---- redirects ---- */

/* What Go's net/url leaves as it is in a path. */
static bool stays_in_path(char c)
{
    char lower = slice_lower(c);
    return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-_.~$&+,/:;=@%!'()*", c) != NULL);
}

static void add_escaped(struct buf *out, struct slice path)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < path.len; i++) {
        unsigned char c = (unsigned char)path.p[i];
        if (stays_in_path(path.p[i])) {
            buf_add_char(out, path.p[i]);
        } else {
            char escape[3] = {'%', hex[c >> 4], hex[c & 15]};
            buf_add(out, escape, sizeof escape);
        }
    }
}

static void add_html(struct buf *out, struct slice text)
{
    static const struct {
        char c;
        const char *entity;
    } rows[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&#34;"}, {'\'', "&#39;"}};
    for (size_t i = 0; i < text.len; i++) {
        size_t k = 0;
        while (k < sizeof rows / sizeof rows[0] && rows[k].c != text.p[i]) {
            k++;
        }
        if (k < sizeof rows / sizeof rows[0]) {
            buf_add_str(out, rows[k].entity);
        } else {
            buf_add_char(out, text.p[i]);
        }
    }
}

/* 301 to @path (raw) with the query kept, as http.Redirect: a page only for GET. */
static void redirect(struct request *r, struct slice path)
{
    struct buf *to = api_buf(&r->pub);
    add_escaped(to, path);
    if (r->raw_query.len > 0) {
        buf_add_char(to, '?');
        buf_add_slice(to, r->raw_query);
    }
    struct answer *a = answer_plain(301, NULL);
    answer_header(&a->head, "Location", buf_slice(to));
    if (r->pub.method == API_GET || r->pub.method == API_HEAD) {
        answer_header(&a->head, "Content-Type", SLICE_LIT("text/html; charset=utf-8"));
    }
    if (r->pub.method == API_GET) {
        buf_add_str(&a->body, "<a href=\"");
        add_html(&a->body, buf_slice(to));
        buf_add_str(&a->body, "\">Moved Permanently</a>.\n\n");
    }
    request_finish(r, a, false);
}

/* ---- what comes before a route ---- */

static bool answered_unrouted(struct request *r)
{
    struct buf *path = api_buf(&r->pub);
    if (r->options_star) {
        request_finish(r, answer_plain(200, NULL), false);
    } else if (!target_printable(r->pub.path)) {
        request_finish(r, answer_plain(400, NULL), false);
    } else if (!target_is_clean(r->raw_path)) {
        target_clean(r->raw_path, path);
        redirect(r, buf_slice(path));
    } else if (r->add_slash) {
        buf_add_slice(path, r->raw_path);
        buf_add_char(path, '/');
        redirect(r, buf_slice(path));
    } else if (r->pub.route != NULL) {
        return false;
    } else if (slice_is(r->pub.path, "/")) {
        request_finish(r, answer_plain(200, "Consul Agent"), false);
    } else {
        bool v1 = memmem(r->pub.path.p, r->pub.path.len, "/v1/", 4) != NULL;
        request_finish(
            r,
            answer_plain(404, v1 ? "Invalid URL path: not a recognized HTTP API endpoint\n"
                                 : "Invalid URL path: if attempting to use the HTTP API, ensure "
                                   "the path starts with '/v1/'\n"),
            false);
    }
    return true;
}

/* ---- what a route refuses ---- */

static unsigned methods_of(const struct request *r)
{
    const struct api_route *route = r->pub.route;
    return route->methods != NULL ? route->methods(&r->pub) : route_methods(route);
}

static void answer_methods(struct request *r)
{
    bool own = r->pub.route->methods != NULL;
    struct buf *allow = api_buf(&r->pub);
    struct buf *text = api_buf(&r->pub);
    bool options = r->pub.method == API_OPTIONS;
    route_allow(methods_of(r), options || !own, allow);
    buf_add_str(text, "method ");
    buf_add_slice(text, r->pub.method_text);
    buf_add_str(text, " not allowed");
    buf_add_char(text, '\0');
    struct answer *a = options ? request_answer_text(200, NULL) : request_answer_text(405, text->p);
    if (options && own) {
        answer_unref(a);
        a = request_answer_new(200, "application/json");
        request_add_json(r, a, SLICE_LIT("{}"));
    }
    answer_header(&a->head, "Allow", buf_slice(allow));
    request_finish(r, a, false);
}

/* Enterprise parameters, by parameter or header: refused with a 400 unless empty. */
static bool refused_enterprise(struct request *r)
{
    static const struct {
        const char *param, *header, *feature;
    } rows[] = {{"ns", "X-Consul-Namespace", "Namespaces are"},
                {"partition", "X-Consul-Partition", "Partitions are"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct slice value = {NULL, 0};
        bool param = api_param(&r->pub, rows[i].param, &value) && value.len > 0;
        if (param || api_header(&r->pub, rows[i].header).len > 0) {
            char text[160];
            (void)snprintf(text, sizeof text, "Invalid %s: \"%s\" - %s a Consul Enterprise feature",
                           param ? "query parameter" : "header",
                           param ? rows[i].param : rows[i].header, rows[i].feature);
            request_finish(r, request_answer_text(400, text), false);
            return true;
        }
    }
    return false;
}

/* ?dc= names another datacenter: nobody there to ask. ?datacenter= wins. */
static bool refused_datacenter(struct request *r)
{
    struct slice dc = {NULL, 0};
    if ((!api_param(&r->pub, "datacenter", &dc) || dc.len == 0) && !api_param(&r->pub, "dc", &dc)) {
        return false;
    }
    if (dc.len == 0 || slice_is(dc, r->loop->server->datacenter)) {
        return false;
    }
    request_finish(r, request_answer_failure(r, "No path to datacenter"), false);
    return true;
}

/* http_config.block_endpoints: nobody may ask for these. */
static bool refused_blocked(struct request *r)
{
    const struct api_access *access = r->loop->server->access;
    if (access == NULL || !access_is_blocked(access, r->pub.path)) {
        return false;
    }
    request_finish(r, request_answer_text(403, "Endpoint is blocked by agent configuration"),
                   false);
    return true;
}

/* allow_write_http_from: others may only read. */
static bool refused_write(struct request *r)
{
    const struct api_access *access = r->loop->server->access;
    unsigned char peer[ACCESS_ADDRESS];
    if (access == NULL || access->n_writers == 0 ||
        (r->pub.method & (API_GET | API_HEAD | API_OPTIONS)) != 0) {
        return false;
    }
    if (r->conn != NULL && conn_peer(r->conn, peer) && access_may_write(access, peer)) {
        return false;
    }
    request_finish(r, request_answer_text(403, "Access is restricted"), false);
    return true;
}

static bool answered_by_rules(struct request *r)
{
    const struct api_route *route = r->pub.route;
    if (refused_blocked(r)) {
        return true;
    }
    if (r->params_error != 0) {
        request_finish(r,
                       r->params_error == E_TOOBIG
                           ? request_answer_text(400, "Too many query parameters")
                           : request_answer_text(500, NULL),
                       false);
        return true;
    }
    if ((methods_of(r) & r->pub.method) == 0) {
        answer_methods(r);
        return true;
    }
    if (refused_write(r) || refused_enterprise(r)) {
        return true;
    }
    if ((route->flags & API_TAIL) != 0 && r->pub.tail.len == 0 && route->missing != NULL) {
        request_finish(r, request_answer_text(400, route->missing), false);
        return true;
    }
    return (route->flags & API_DC) != 0 && refused_datacenter(r);
}

void request_run(struct request *r)
{
    r->pub.body = buf_slice(&r->body);
    r->loop->stats.requests++;
    if (answered_unrouted(r) || answered_by_rules(r)) {
        return;
    }
    if (r->conn != NULL) {
        r->conn->metric = measure_request(r->loop->measure, r->pub.route, r->pub.method);
    }
    if (r->pub.method == API_GET && r->pub.route->find != NULL) {
        read_run(r);
        return;
    }
    api_call_fn call = route_call(r->pub.route, r->pub.method);
    assert(call != NULL);
    r->in_call = true;
    call(&r->pub);
    r->in_call = false;
    assert(r->answered || r->pending > 0); /* else nobody would ever answer */
    if (r->pending == 0) {
        request_free(r);
    }
}
