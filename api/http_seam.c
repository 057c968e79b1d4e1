/* How: http_seam_head() looks for the empty line, remembering how far it got, so that a client that
 * sends single bytes costs no more than one that does not. The request line is taken apart here.
 * The header lines are checked for what the library would let pass, then go through it behind a
 * made-up request line ("POST / HTTP/1.1"), because it knows only its own list of methods. The
 * library splits the fields, checks values and Content-Length, and decides about keep-alive.
 *
 * Bodies:  LENGTH ──► DONE
 *          SIZE ─► EXTENSION ─► SIZE_LF ─► DATA ─► DATA_CR ─► DATA_LF ─► SIZE ...
 *             └────────────────────▲  └ (size 0) ─► TRAILER ─► DONE */
#include "api/http_seam.h"

#include <assert.h>
#include <http_parser.h>
#include <pthread.h>

#include "base/err.h"

enum state { HEAD, LENGTH, SIZE, EXTENSION, SIZE_LF, DATA, DATA_CR, DATA_LF, TRAILER, TRAILER_LF };

enum { EXTRA_MAX = 8192 }; /* chunk extensions and trailers of one request */

static const char bad_request[] = "400 Bad Request";
static const char too_large[] = "431 Request Header Fields Too Large";

static int refuse(struct http_seam *s, int status, const char *text)
{
    s->status = (uint16_t)status;
    s->text = text;
    return E_PROTO;
}

/* The library's limit is one variable for the whole process. Ours is checked per head. */
static void lift_library_limit(void)
{
    http_parser_set_max_header_size(INT32_MAX);
}

void http_seam_init(struct http_seam *s, uint32_t head_max)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, lift_library_limit); /* fails only for a bad argument */
    *s = (struct http_seam){.head_max = head_max, .state = HEAD};
}

int http_seam_refusal(const struct http_seam *s, const char **text)
{
    assert(s->text != NULL);
    *text = s->text;
    return s->status;
}

struct slice http_field_find(const struct http_field *fields, unsigned n, const char *name)
{
    struct slice want = slice_str(name);
    for (unsigned i = 0; i < n; i++) {
        if (slice_ieq(fields[i].name, want)) {
            return fields[i].value;
        }
    }
    return slice_of(NULL, 0);
}

/* RFC 9110 5.6.2 */
static bool is_token(struct slice s)
{
    static const char more[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];
        char lower = slice_lower(c);
        bool alnum = (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9');
        if (!alnum && (c == '\0' || strchr(more, c) == NULL)) {
            return false;
        }
    }
    return s.len > 0;
}

/* Find the end of the head: the offset behind the empty line goes to *@end. */
static int find_end(struct http_seam *s, struct slice in, size_t *end)
{
    while (s->looked < in.len) {
        const char *lf = memchr(in.p + s->looked, '\n', in.len - s->looked);
        if (lf == NULL) {
            s->looked = (uint32_t)in.len;
            break;
        }
        size_t at = (size_t)(lf - in.p);
        if (at == s->line || in.p[at - 1] != '\r' || (s->line == 0 && at == 1)) {
            return refuse(s, 400, bad_request); /* a bare LF, or an empty first line */
        }
        if (at == s->line + 1) {
            *end = at + 1;
            return 0;
        }
        s->line = s->looked = (uint32_t)at + 1;
    }
    if (in.len > s->head_max) {
        return refuse(s, 431, too_large);
    }
    return E_AGAIN;
}

/* "METHOD SP target SP HTTP/1.x" without its CR LF. */
static int parse_request_line(struct http_seam *s, struct slice line, struct http_head *head)
{
    const char *sp = memchr(line.p, ' ', line.len);
    const char *last = memrchr(line.p, ' ', line.len);
    if (sp == NULL || last == sp) {
        return refuse(s, 400, bad_request);
    }
    struct slice version = slice_of(last + 1, line.len - (size_t)(last + 1 - line.p));
    head->method = slice_of(line.p, (size_t)(sp - line.p));
    head->target = slice_of(sp + 1, (size_t)(last - sp - 1));
    bool shaped = version.len == 8 && memcmp(version.p, "HTTP/", 5) == 0 && version.p[6] == '.' &&
                  version.p[5] >= '0' && version.p[5] <= '9' && version.p[7] >= '0' &&
                  version.p[7] <= '9';
    if (!shaped || !is_token(head->method) || head->target.len == 0) {
        return refuse(s, 400, bad_request);
    }
    for (size_t i = 0; i < head->target.len; i++) {
        unsigned char c = (unsigned char)head->target.p[i];
        if (c <= ' ' || c == 0x7f) {
            return refuse(s, 400, bad_request);
        }
    }
    if (version.p[5] != '1') {
        return refuse(s, 505, "505 HTTP Version Not Supported: unsupported protocol version");
    }
    head->minor = version.p[7] == '0' ? 0 : 1;
    return 0;
}

/* Text as RFC 9110 5.5 allows it in a value. */
static bool is_value(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if ((c < ' ' && c != '\t') || c == 0x7f) {
            return false;
        }
    }
    return true;
}

/* What the library does not check: folding, names that are no tokens, controls in values. */
static int check_lines(struct http_seam *s, struct slice lines)
{
    while (lines.len > 2) {
        const char *lf = memchr(lines.p, '\n', lines.len);
        assert(lf != NULL);
        size_t n = (size_t)(lf - lines.p) + 1;
        const char *colon = memchr(lines.p, ':', n);
        if (lines.p[0] == ' ' || lines.p[0] == '\t' || colon == NULL) {
            return refuse(s, 400, bad_request);
        }
        if (!is_token(slice_of(lines.p, (size_t)(colon - lines.p)))) {
            return refuse(s, 400, "400 Bad Request: invalid header name");
        }
        if (!is_value(slice_of(colon, (size_t)(lf - 1 - colon)))) {
            return refuse(s, 400, "400 Bad Request: invalid header value");
        }
        lines = slice_of(lines.p + n, lines.len - n);
    }
    return 0;
}

/* What the library's callbacks gather. */
struct gather {
    struct http_head *head;
    bool too_many;
    uint64_t length;
};

static int on_field(http_parser *p, const char *at, size_t n)
{
    struct gather *g = p->data;
    if (g->head->n_fields == HTTP_FIELDS_MAX) {
        g->too_many = true;
        return 1;
    }
    g->head->fields[g->head->n_fields++] = (struct http_field){.name = slice_of(at, n)};
    return 0;
}

static int on_value(http_parser *p, const char *at, size_t n)
{
    struct gather *g = p->data;
    assert(g->head->n_fields > 0);
    while (n > 0 && (at[n - 1] == ' ' || at[n - 1] == '\t')) {
        n--;
    }
    g->head->fields[g->head->n_fields - 1].value = slice_of(at, n);
    return 0;
}

static int on_headers_complete(http_parser *p)
{
    struct gather *g = p->data;
    g->length = p->content_length == UINT64_MAX ? 0 : p->content_length;
    g->head->keep_alive = http_should_keep_alive(p) != 0;
    p->upgrade = 0; /* nothing we would upgrade to: plain HTTP/1.1 goes on */
    return 1;       /* the body is read here, not there */
}

static int parse_fields(struct http_seam *s, struct slice lines, struct http_head *head)
{
    static const http_parser_settings settings = {.on_header_field = on_field,
                                                  .on_header_value = on_value,
                                                  .on_headers_complete = on_headers_complete};
    static const char first[2][18] = {"POST / HTTP/1.0\r\n", "POST / HTTP/1.1\r\n"};
    struct gather g = {.head = head};
    http_parser p;
    http_parser_init(&p, HTTP_REQUEST);
    p.data = &g;
    head->n_fields = 0;
    size_t n = http_parser_execute(&p, &settings, first[head->minor], 17);
    assert(n == 17);
    n = http_parser_execute(&p, &settings, lines.p, lines.len);
    if (n != lines.len || HTTP_PARSER_ERRNO(&p) != HPE_OK) {
        return g.too_many ? refuse(s, 431, too_large) : refuse(s, 400, bad_request);
    }
    head->length = g.length;
    return 0;
}

/* Rules over all fields: one Host, one way to frame the body. */
static int check_fields(struct http_seam *s, struct http_head *head)
{
    unsigned hosts = 0;
    unsigned codings = 0;
    unsigned lengths = 0;
    head->chunked = head->expect_continue = false;
    for (unsigned i = 0; i < head->n_fields; i++) {
        struct slice name = head->fields[i].name;
        struct slice value = head->fields[i].value;
        hosts += slice_ieq(name, SLICE_LIT("host"));
        lengths += slice_ieq(name, SLICE_LIT("content-length"));
        if (slice_ieq(name, SLICE_LIT("transfer-encoding"))) {
            codings++;
            head->chunked = slice_ieq(value, SLICE_LIT("chunked"));
        }
        if (slice_ieq(name, SLICE_LIT("expect"))) {
            head->expect_continue = slice_ieq(value, SLICE_LIT("100-continue")) && head->minor > 0;
        }
    }
    if (hosts > 1) {
        return refuse(s, 400, "400 Bad Request: too many Host headers");
    }
    if (hosts == 0 && head->minor > 0) {
        return refuse(s, 400, "400 Bad Request: missing required Host header");
    }
    if (codings > 1 || (codings == 1 && !head->chunked)) {
        return refuse(s, 501, "501 Not Implemented: unsupported transfer encoding");
    }
    if (lengths > 1 || (codings > 0 && (lengths > 0 || head->minor == 0))) {
        return refuse(s, 400, bad_request);
    }
    return 0;
}

int http_seam_head(struct http_seam *s, struct slice in, size_t *used, struct http_head *head)
{
    assert(s->state == HEAD);
    *used = 0;
    size_t end = 0;
    int rv = find_end(s, in, &end);
    if (rv != 0) {
        return rv;
    }
    const char *lf = memchr(in.p, '\n', end);
    assert(lf != NULL);
    size_t first = (size_t)(lf - in.p) + 1;
    struct slice lines = slice_of(in.p + first, end - first);
    rv = parse_request_line(s, slice_of(in.p, first - 2), head);
    rv = rv != 0 ? rv : check_lines(s, lines);
    rv = rv != 0 ? rv : parse_fields(s, lines, head);
    rv = rv != 0 ? rv : check_fields(s, head);
    if (rv != 0) {
        return rv;
    }
    *used = end;
    s->line = s->looked = s->extra = 0;
    s->left = head->length;
    s->digits = 0;
    s->state = head->chunked ? SIZE : head->length > 0 ? LENGTH : HEAD;
    return 0;
}

static int hex_digit(char c)
{
    char lower = slice_lower(c);
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* Copy what @in holds of the s->left bytes; returns how many, or E_TOOBIG. */
static int64_t copy_body(struct http_seam *s, struct slice in, struct buf *body)
{
    size_t n = in.len < s->left ? in.len : (size_t)s->left;
    buf_add(body, in.p, n);
    if (!buf_ok(body)) {
        return E_TOOBIG;
    }
    s->left -= n;
    return (int64_t)n;
}

/* One byte of a chunk's size line. */
static int step_size(struct http_seam *s, char c)
{
    int digit = hex_digit(c);
    if (digit >= 0) {
        if (++s->digits > 15) {
            return refuse(s, 500, "http chunk length too large");
        }
        s->left = s->left << 4 | (unsigned)digit;
    } else if (s->digits == 0 || (c != '\r' && c != ';')) {
        return refuse(s, 500, "invalid byte in chunk length");
    } else {
        s->state = c == '\r' ? SIZE_LF : EXTENSION;
    }
    return E_AGAIN;
}

/* One byte of framing. 0 at the end of the last trailer, else E_AGAIN or E_PROTO. */
static int step_framing(struct http_seam *s, char c)
{
    bool good = true;
    switch ((enum state)s->state) {
        case SIZE:
            return step_size(s, c);
        case EXTENSION:
            good = c != '\n' && ++s->extra <= EXTRA_MAX;
            s->state = c == '\r' ? SIZE_LF : EXTENSION;
            break;
        case SIZE_LF:
            good = c == '\n';
            s->state = s->left > 0 ? DATA : TRAILER;
            s->digits = 0; /* from here on: bytes in the trailer line, 0 or 1 */
            break;
        case DATA_CR:
            good = c == '\r';
            s->state = DATA_LF;
            break;
        case DATA_LF:
            good = c == '\n';
            s->state = SIZE;
            s->digits = 0;
            break;
        case TRAILER:
            good = c != '\n' && ++s->extra <= EXTRA_MAX;
            s->state = c == '\r' ? TRAILER_LF : TRAILER;
            s->digits = s->digits || c != '\r';
            break;
        case TRAILER_LF:
            if (c == '\n' && s->digits == 0) {
                s->state = HEAD;
                return 0;
            }
            good = c == '\n';
            s->state = TRAILER;
            s->digits = 0;
            break;
        case HEAD:
        case LENGTH:
        case DATA:
            assert(s->state == SIZE); /* http_seam_body() handles these three */
    }
    return good ? E_AGAIN : refuse(s, 500, "malformed chunked encoding");
}

int http_seam_body(struct http_seam *s, struct slice in, size_t *used, struct buf *body)
{
    *used = 0;
    while (s->state != HEAD) {
        struct slice rest = slice_of(in.p + *used, in.len - *used);
        if (rest.len == 0) {
            return E_AGAIN;
        }
        if (s->state == LENGTH || s->state == DATA) {
            int64_t n = copy_body(s, rest, body);
            if (n < 0) {
                return (int)n;
            }
            *used += (size_t)n;
            if (s->left == 0) {
                s->state = s->state == LENGTH ? HEAD : DATA_CR;
            }
            continue;
        }
        int rv = step_framing(s, *rest.p);
        *used += 1;
        if (rv != E_AGAIN) {
            return rv;
        }
    }
    return 0;
}
