/* Header order: Host, User-Agent, Content-Length, the definition's, Accept, Connection. Framing
 * headers of the definition are ignored, as net/http does: they are ours to write. */
#include "healthcheck/http_request.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "healthcheck/probe.h"
#include "healthcheck/result.h"

static bool is_token(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c <= ' ' || c >= 0x7f || strchr("()<>@,;:\\\"/[]?={}", (char)c) != NULL) {
            return false;
        }
    }
    return s.len > 0;
}

static bool is_field_value(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if ((c < ' ' && c != '\t') || c == 0x7f) {
            return false;
        }
    }
    return true;
}

static bool in_list(struct slice name, const char *const *list)
{
    for (; *list != NULL; list++) {
        if (slice_ieq(name, slice_str(*list))) {
            return true;
        }
    }
    return false;
}

/* Written by us, or not at all. */
static bool is_ours(struct slice name)
{
    static const char *const ours[] = {
        "host", "user-agent", "content-length", "transfer-encoding", "connection", "trailer", NULL};
    return in_list(name, ours);
}

static bool is_credential(struct slice name)
{
    static const char *const secrets[] = {"authorization", "www-authenticate", "cookie", "cookie2",
                                          NULL};
    return in_list(name, secrets);
}

/* The first value of @name in the definition that is not empty; empty when there is none. */
static struct slice header_of(const struct reg_probe *def, const char *name)
{
    struct rd it = reg_list_iter(def->header);
    struct slice key;
    struct slice value;
    while (reg_list_next(&it, &key) && reg_list_next(&it, &value)) {
        if (value.len > 0 && slice_ieq(key, slice_str(name))) {
            return value;
        }
    }
    return slice_of(NULL, 0);
}

static void add_header(struct buf *out, const char *name, struct slice value)
{
    buf_add_str(out, name);
    buf_add_str(out, ": ");
    buf_add_slice(out, value);
    buf_add_str(out, "\r\n");
}

static void add_basic_auth(struct buf *out, struct slice userinfo)
{
    struct buf plain = BUF_INIT;
    hc_text_unescape(&plain, userinfo);
    if (memchr(userinfo.p, ':', userinfo.len) == NULL) {
        buf_add_char(&plain, ':');
    }
    /* Base64 yields 4 bytes for 3, and EVP_EncodeBlock adds a NUL. */
    size_t size = (plain.len + 2) / 3 * 4 + 1;
    buf_add_str(out, "Authorization: Basic ");
    char *to = buf_ok(&plain) ? buf_reserve(out, size) : NULL;
    if (to != NULL) {
        int n =
            EVP_EncodeBlock((unsigned char *)to, (const unsigned char *)plain.p, (int)plain.len);
        out->len += (size_t)n;
    }
    out->failed = out->failed || plain.failed;
    buf_add_str(out, "\r\n");
    buf_fini(&plain);
}

static int add_own_headers(struct buf *out, const struct hc_http_request *r, struct errmsg *e)
{
    struct rd it = reg_list_iter(r->def->header);
    struct slice key;
    struct slice value;
    while (reg_list_next(&it, &key) && reg_list_next(&it, &value)) {
        int shown = (int)(key.len < 100 ? key.len : 100);
        if (!is_token(key)) {
            return err_set(e, E_INVAL, "net/http: invalid header field name \"%.*s\"", shown,
                           key.p);
        }
        if (!is_field_value(value)) {
            return err_set(e, E_INVAL, "net/http: invalid header field value for \"%.*s\"", shown,
                           key.p);
        }
        bool empty_accept = value.len == 0 && slice_ieq(key, SLICE_LIT("accept"));
        if (is_ours(key) || empty_accept || (!r->same_site && is_credential(key))) {
            continue;
        }
        buf_add_slice(out, key);
        add_header(out, "", value);
    }
    return 0;
}

int hc_http_request(struct buf *out, const struct hc_http_request *r, struct errmsg *e)
{
    if (!is_token(r->method)) {
        return err_set(e, E_INVAL, "net/http: invalid method \"%.*s\"",
                       (int)(r->method.len < 100 ? r->method.len : 100), r->method.p);
    }
    buf_add_slice(out, r->method);
    buf_add_char(out, ' ');
    hc_url_target(out, r->url);
    buf_add_str(out, " HTTP/1.1\r\n");

    struct slice host = r->own_host ? header_of(r->def, "host") : slice_of(NULL, 0);
    struct slice agent = header_of(r->def, "user-agent");
    if (!is_field_value(host)) {
        return err_set(e, E_INVAL, "http: invalid Host header");
    }
    if (!is_field_value(agent)) {
        return err_set(e, E_INVAL, "net/http: invalid header field value for \"User-Agent\"");
    }
    add_header(out, "Host", host.len > 0 ? host : r->url->hostport);
    add_header(out, "User-Agent", agent.len > 0 ? agent : SLICE_LIT(HC_USER_AGENT));
    struct slice body = r->with_body ? r->def->body : slice_of(NULL, 0);
    if (body.len > 0 || slice_is(r->method, "POST") || slice_is(r->method, "PUT") ||
        slice_is(r->method, "PATCH")) {
        buf_printf(out, "Content-Length: %zu\r\n", body.len);
    }
    int rc = add_own_headers(out, r, e);
    if (rc != 0) {
        return rc;
    }
    if (header_of(r->def, "accept").len == 0) {
        buf_add_str(out, "Accept: text/plain, text/*, */*\r\n");
    }
    if (r->url->userinfo.len > 0 &&
        (!r->same_site || header_of(r->def, "authorization").len == 0)) {
        add_basic_auth(out, r->url->userinfo);
    }
    buf_add_str(out, "Connection: close\r\n\r\n");
    buf_add_slice(out, body);
    return buf_ok(out) ? 0 : err_set(e, E_NOMEM, "%s", err_text(E_NOMEM));
}

bool hc_http_is_redirect(unsigned status)
{
    return (status >= 301 && status <= 303) || status == 307 || status == 308;
}

struct slice hc_http_redirect(int status, struct slice method, bool *with_body)
{
    if (status == 307 || status == 308) {
        return method;
    }
    *with_body = false;
    return slice_is(method, "HEAD") ? method : SLICE_LIT("GET");
}

bool hc_http_same_site(struct slice a, struct slice b)
{
    if (b.len > a.len) {
        struct slice end = slice_of(b.p + (b.len - a.len), a.len);
        return b.p[b.len - a.len - 1] == '.' && slice_ieq(a, end);
    }
    return slice_ieq(a, b);
}

void hc_http_error(struct buf *out, struct slice method, struct slice url, const char *cause)
{
    for (size_t i = 0; i < method.len; i++) { /* "Get", "Post" */
        buf_add_char(out, i == 0 ? method.p[i] : slice_lower(method.p[i]));
    }
    struct buf shown = BUF_INIT;
    hc_url_show(&shown, url);
    buf_add_char(out, ' ');
    hc_text_quote(out, buf_slice(&shown));
    out->failed = out->failed || shown.failed;
    buf_fini(&shown);
    buf_add_str(out, ": ");
    buf_add_str(out, cause);
}
