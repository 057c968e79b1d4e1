/* One pass for each part: scheme, authority, rest. Errors follow net/url, whose words users of
 * Consul search for. */
#include "healthcheck/url.h"

#include <string.h>

static bool find_char(struct slice s, const char *set, size_t *at)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] != '\0' && strchr(set, s.p[i]) != NULL) {
            *at = i;
            return true;
        }
    }
    return false;
}

static struct slice head(struct slice s, size_t n)
{
    return slice_of(s.p, n);
}

static struct slice tail(struct slice s, size_t from)
{
    return slice_of(s.p + from, s.len - from);
}

/* The length of "scheme:" at the start of @s; 0 when it has none. */
static size_t scheme_len(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = slice_lower(s.p[i]);
        bool alpha = c >= 'a' && c <= 'z';
        bool more = (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
        if (c == ':') {
            return i == 0 ? 0 : i + 1;
        }
        if (!alpha && (i == 0 || !more)) {
            return 0;
        }
    }
    return 0;
}

/* A decimal port; an empty one leaves *@port alone. */
static bool parse_port(struct slice s, uint16_t *port)
{
    unsigned v = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] < '0' || s.p[i] > '9') {
            return false;
        }
        v = v * 10 + (unsigned)(s.p[i] - '0');
        if (v > 65535) {
            return false;
        }
    }
    if (s.len > 0) {
        *port = (uint16_t)v;
    }
    return true;
}

static int parse_authority(struct slice a, struct hc_url *u, struct errmsg *e)
{
    for (size_t i = a.len; i > 0; i--) {
        if (a.p[i - 1] == '@') {
            u->userinfo = head(a, i - 1);
            a = tail(a, i);
            break;
        }
    }
    u->hostport = a;
    struct slice port = slice_of(NULL, 0);
    size_t at;
    if (a.len > 0 && a.p[0] == '[') {
        if (!find_char(a, "]", &at)) {
            return err_set(e, E_INVAL, "missing ']' in host");
        }
        u->host = slice_of(a.p + 1, at - 1);
        u->ipv6 = true;
        a = tail(a, at + 1);
    } else {
        u->host = find_char(a, ":", &at) ? head(a, at) : a;
        a = tail(a, u->host.len);
    }
    if (a.len > 0) {
        if (a.p[0] != ':' || !parse_port(tail(a, 1), &u->port)) {
            return err_set(e, E_INVAL, "invalid port \"%.*s\" after host",
                           (int)(a.len < 64 ? a.len : 64), a.p);
        }
        port = tail(a, 1);
    }
    if (port.len == 0 && a.len > 0) { /* "host:" means the default port, and Host omits the colon */
        u->hostport.len--;
    }
    for (size_t i = 0; i < u->host.len; i++) {
        unsigned char c = (unsigned char)u->host.p[i];
        if (c <= ' ' || c == 0x7f || strchr("\"<>\\^`{|}%", (char)c) != NULL) {
            return err_set(e, E_INVAL, "invalid character in host name");
        }
    }
    if (u->host.len > HC_HOST_MAX) {
        return err_set(e, E_INVAL, "host name is longer than %d bytes", HC_HOST_MAX);
    }
    return 0;
}

int hc_url_parse(struct slice s, struct hc_url *u, struct errmsg *e)
{
    *u = (struct hc_url){0};
    if (s.len > HC_URL_MAX) {
        return err_set(e, E_TOOBIG, "URL is longer than %d bytes", HC_URL_MAX);
    }
    for (size_t i = 0; i < s.len; i++) {
        if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f) {
            return err_set(e, E_INVAL, "net/url: invalid control character in URL");
        }
    }
    size_t n = scheme_len(s);
    struct slice scheme = head(s, n == 0 ? 0 : n - 1);
    u->tls = slice_ieq(scheme, SLICE_LIT("https"));
    if (!u->tls && !slice_ieq(scheme, SLICE_LIT("http"))) {
        return err_set(e, E_INVAL, "unsupported protocol scheme \"%.*s\"", (int)scheme.len,
                       scheme.len == 0 ? "" : scheme.p);
    }
    u->port = u->tls ? 443 : 80;
    struct slice rest = tail(s, n);
    if (!slice_starts(rest, SLICE_LIT("//"))) {
        return err_set(e, E_INVAL, "http: no Host in request URL");
    }
    rest = tail(rest, 2);
    size_t at = rest.len;
    (void)find_char(rest, "/?#", &at); /* none: the authority is all */
    int rc = parse_authority(head(rest, at), u, e);
    if (rc != 0) {
        return rc;
    }
    if (u->host.len == 0) {
        return err_set(e, E_INVAL, "http: no Host in request URL");
    }
    rest = tail(rest, at);
    at = rest.len;
    (void)find_char(rest, "#", &at); /* none: all of it is path */
    u->path = head(rest, at);
    return 0;
}

/* Append scheme and authority of @u. */
static void add_origin(struct buf *out, const struct hc_url *u)
{
    buf_add_str(out, u->tls ? "https://" : "http://");
    if (u->userinfo.len > 0) {
        buf_add_slice(out, u->userinfo);
        buf_add_char(out, '@');
    }
    buf_add_slice(out, u->hostport);
}

/* Append @path (which begins with "/") without its "." and ".." segments (RFC 3986 5.2.4). */
static void add_without_dots(struct buf *out, struct slice path)
{
    size_t start = out->len;
    while (path.len > 0 && buf_ok(out)) {
        size_t n = 0; /* one "/segment" */
        do {
            n++;
        } while (n < path.len && path.p[n] != '/');
        struct slice seg = head(path, n);
        path = tail(path, n);
        bool up = slice_is(seg, "/..");
        if (!up && !slice_is(seg, "/.")) {
            buf_add_slice(out, seg);
            continue;
        }
        if (up) {
            while (out->len > start && out->p[--out->len] != '/') {
            }
        }
        if (path.len == 0) {
            buf_add_char(out, '/');
        }
    }
}

/* The path of @u without its query; "/" when empty. */
static struct slice plain_path(const struct hc_url *u)
{
    size_t at = u->path.len;
    (void)find_char(u->path, "?", &at); /* none: all of it */
    return at == 0 ? SLICE_LIT("/") : head(u->path, at);
}

bool hc_url_has_host(struct slice ref)
{
    return scheme_len(ref) > 0 || slice_starts(ref, SLICE_LIT("//"));
}

void hc_url_resolve(struct buf *out, const struct hc_url *base, struct slice ref)
{
    if (scheme_len(ref) > 0) {
        buf_add_slice(out, ref);
        return;
    }
    if (slice_starts(ref, SLICE_LIT("//"))) {
        buf_add_str(out, base->tls ? "https:" : "http:");
        buf_add_slice(out, ref);
        return;
    }
    add_origin(out, base);
    size_t at = ref.len;
    (void)find_char(ref, "?#", &at); /* none: all of it is path */
    struct slice path = head(ref, at);
    if (path.len == 0) {
        bool query = ref.len > 0 && ref.p[0] == '?';
        buf_add_slice(out, query || base->path.len == 0 ? plain_path(base) : base->path);
    } else if (path.p[0] == '/') {
        add_without_dots(out, path);
    } else {
        struct slice dir = plain_path(base);
        while (dir.len > 1 && dir.p[dir.len - 1] != '/') {
            dir.len--;
        }
        struct buf joined = BUF_INIT;
        buf_add_slice(&joined, dir);
        buf_add_slice(&joined, path);
        add_without_dots(out, buf_slice(&joined));
        out->failed = out->failed || joined.failed;
        buf_fini(&joined);
    }
    buf_add_slice(out, tail(ref, at));
}

void hc_url_target(struct buf *out, const struct hc_url *u)
{
    static const char hex[] = "0123456789ABCDEF";
    if (u->path.len == 0 || u->path.p[0] != '/') {
        buf_add_char(out, '/');
    }
    for (size_t i = 0; i < u->path.len; i++) {
        unsigned char c = (unsigned char)u->path.p[i];
        if (c <= ' ' || c >= 0x7f || c == '"' || c == '<' || c == '>') {
            buf_add_char(out, '%');
            buf_add_char(out, hex[c >> 4]);
            buf_add_char(out, hex[c & 15]);
        } else {
            buf_add_char(out, (char)c);
        }
    }
}

void hc_url_show(struct buf *out, struct slice s)
{
    struct hc_url u;
    size_t colon;
    if (hc_url_parse(s, &u, NULL) != 0 || !find_char(u.userinfo, ":", &colon)) {
        buf_add_slice(out, s);
        return;
    }
    size_t keep = (size_t)(u.userinfo.p - s.p) + colon + 1;
    buf_add_slice(out, head(s, keep));
    buf_add_str(out, "***");
    buf_add_slice(out, tail(s, (size_t)(u.userinfo.p - s.p) + u.userinfo.len));
}

int hc_hostport_split(struct slice s, struct slice *host, uint16_t *port, struct errmsg *e)
{
    int shown = (int)(s.len < HC_HOST_MAX ? s.len : HC_HOST_MAX);
    const char *text = s.len == 0 ? "" : s.p;
    if (s.len == 0) {
        return err_set(e, E_INVAL, "missing address");
    }
    for (size_t i = 0; i < s.len; i++) {
        if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 0x7f) {
            return err_set(e, E_INVAL, "invalid character in address");
        }
    }
    size_t colon = s.len;
    while (colon > 0 && s.p[colon - 1] != ':') {
        colon--;
    }
    if (colon == 0) {
        return err_set(e, E_INVAL, "address %.*s: missing port in address", shown, text);
    }
    *host = head(s, colon - 1);
    if (s.p[0] == '[') {
        size_t end;
        if (!find_char(s, "]", &end)) {
            return err_set(e, E_INVAL, "address %.*s: missing ']' in address", shown, text);
        }
        if (end + 1 != colon - 1) {
            return err_set(e, E_INVAL, "address %.*s: missing port in address", shown, text);
        }
        *host = slice_of(s.p + 1, end - 1);
    } else {
        size_t first;
        if (find_char(*host, ":", &first)) {
            return err_set(e, E_INVAL, "address %.*s: too many colons in address", shown, text);
        }
    }
    struct slice digits = tail(s, colon);
    *port = 0;
    if (digits.len == 0 || !parse_port(digits, port)) {
        return err_set(e, E_INVAL, "address %.*s: invalid port", shown, text);
    }
    if (host->len > HC_HOST_MAX) {
        return err_set(e, E_INVAL, "host name is longer than %d bytes", HC_HOST_MAX);
    }
    return 0;
}
