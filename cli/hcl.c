/* Recursive descent over the bytes, one function for each rule; depth and number of values are
 * bounded, so that no text can exhaust stack or memory beyond a multiple of its size.
 *
 *     members  ::= { keys ( "=" value | object ) [ "," ] }
 *     keys     ::= ( identifier | string ) { string | identifier }
 *     value    ::= string | heredoc | number | bool | object | list
 *
 * The parser remembers where in the tree it stands as a dotted path. hcl_line_of() is the same walk
 * with a path to look for; for it ":" counts as "=", since JSON is written so. */
#include "cli/hcl.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"

enum { NUMBER_MAX = 64, KEYS_MAX = 8 };

struct hcl {
    const char *p, *end;
    unsigned line;
    unsigned depth;
    unsigned values;
    const char *origin;
    struct errmsg *e;
    bool json;       /* ":" between key and value */
    struct buf path; /* where we are; kept only while looking for @wanted */
    struct slice wanted;
    unsigned found; /* the line of @wanted */
};

static int bad(struct hcl *h, const char *what)
{
    return err_set(h->e, E_INVAL, "%s: line %u: %s", h->origin, h->line, what);
}

/* What stands at the cursor, for messages. */
static int unexpected(struct hcl *h, const char *wanted)
{
    if (h->p == h->end) {
        return err_set(h->e, E_INVAL, "%s: line %u: expected %s, got the end of the file",
                       h->origin, h->line, wanted);
    }
    unsigned char c = (unsigned char)*h->p;
    return err_set(
        h->e, E_INVAL,
        isprint(c) ? "%s: line %u: expected %s, got '%c'" : "%s: line %u: expected %s, got byte %u",
        h->origin, h->line, wanted, c);
}

static bool at(const struct hcl *h, char c)
{
    return h->p < h->end && *h->p == c;
}

static bool at_text(const struct hcl *h, const char *s)
{
    size_t n = strlen(s);
    return (size_t)(h->end - h->p) >= n && memcmp(h->p, s, n) == 0;
}

static void skip_line(struct hcl *h)
{
    while (h->p < h->end && *h->p != '\n') {
        h->p++;
    }
}

/* White space and comments. */
static int skip(struct hcl *h)
{
    while (h->p < h->end) {
        if (isspace((unsigned char)*h->p)) {
            h->line += *h->p == '\n';
            h->p++;
        } else if (*h->p == '#' || at_text(h, "//")) {
            skip_line(h);
        } else if (at_text(h, "/*")) {
            unsigned began = h->line;
            h->p += 2;
            while (h->p < h->end && !at_text(h, "*/")) {
                h->line += *h->p == '\n';
                h->p++;
            }
            if (h->p == h->end) {
                h->line = began;
                return bad(h, "comment that does not end: expected */");
            }
            h->p += 2;
        } else {
            break;
        }
    }
    return 0;
}

/* ---- strings ---- */

static void put_utf8(struct buf *b, unsigned long c)
{
    if (c < 0x80) {
        buf_add_char(b, (char)c);
    } else if (c < 0x800) {
        buf_add_char(b, (char)(0xc0 | c >> 6));
        buf_add_char(b, (char)(0x80 | (c & 0x3f)));
    } else if (c < 0x10000) {
        buf_add_char(b, (char)(0xe0 | c >> 12));
        buf_add_char(b, (char)(0x80 | (c >> 6 & 0x3f)));
        buf_add_char(b, (char)(0x80 | (c & 0x3f)));
    } else {
        buf_add_char(b, (char)(0xf0 | c >> 18));
        buf_add_char(b, (char)(0x80 | (c >> 12 & 0x3f)));
        buf_add_char(b, (char)(0x80 | (c >> 6 & 0x3f)));
        buf_add_char(b, (char)(0x80 | (c & 0x3f)));
    }
}

/* Exactly @n digits of @base at the cursor. */
static bool take_digits(struct hcl *h, unsigned n, int base, unsigned long *out)
{
    char text[9];
    if ((size_t)(h->end - h->p) < n) {
        return false;
    }
    for (unsigned i = 0; i < n; i++) {
        unsigned char c = (unsigned char)h->p[i];
        if (base == 8 ? c < '0' || c > '7' : !isxdigit(c)) {
            return false;
        }
        text[i] = (char)c;
    }
    text[n] = '\0';
    *out = strtoul(text, NULL, base);
    h->p += n;
    return true;
}

/* A code point given as @digits hexadecimal digits; two halves of a pair count as one. */
static int take_unicode(struct hcl *h, unsigned digits, struct buf *out)
{
    unsigned long c;
    unsigned long low;
    bool ok = take_digits(h, digits, 16, &c);
    if (ok && c >= 0xd800 && c < 0xdc00 && at_text(h, "\\u")) {
        h->p += 2;
        ok = take_digits(h, 4, 16, &low) && low >= 0xdc00 && low < 0xe000;
        c = ok ? 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00) : 0;
    }
    if (!ok || c == 0 || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) {
        return bad(h, "invalid \\u escape in a string");
    }
    put_utf8(out, c);
    return 0;
}

/* The cursor is behind the backslash. */
static int take_escape(struct hcl *h, struct buf *out)
{
    static const char names[] = "abfnrtv\\\"/";
    static const char bytes[] = "\a\b\f\n\r\t\v\\\"/";
    unsigned long c;
    const char *name = h->p < h->end && *h->p != '\0' ? strchr(names, *h->p) : NULL;
    if (name != NULL) {
        h->p++;
        buf_add_char(out, bytes[name - names]);
        return 0;
    }
    if (at(h, 'u') || at(h, 'U')) {
        return take_unicode(h, *h->p++ == 'u' ? 4 : 8, out);
    }
    bool hex = at(h, 'x');
    h->p += hex;
    if (!take_digits(h, hex ? 2 : 3, hex ? 16 : 8, &c) || c == 0 || c > 0x7f) {
        return bad(h, "invalid escape in a string");
    }
    buf_add_char(out, (char)c);
    return 0;
}

/* Text in quotes. Between "${" and its "}" nothing is special, as in HCL, where an expression with
 * strings of its own would stand. */
static int take_string(struct hcl *h, struct buf *out)
{
    unsigned braces = 0;
    h->p++;
    while (h->p < h->end) {
        if (braces == 0 && *h->p == '"') {
            h->p++;
            return 0;
        }
        if (*h->p == '\n' && braces == 0) {
            return bad(h, "string that does not end: expected \" before the end of the line");
        }
        if (*h->p == '\\' && braces == 0) {
            h->p++;
            int rc = take_escape(h, out);
            if (rc != 0) {
                return rc;
            }
            continue;
        }
        bool opens = !h->json && (at_text(h, "${") || (braces > 0 && *h->p == '{'));
        if (opens) {
            braces++;
            if (*h->p == '$') {
                buf_add_char(out, *h->p++);
            }
        } else if (braces > 0 && *h->p == '}') {
            braces--;
        }
        h->line += *h->p == '\n';
        buf_add_char(out, *h->p++);
    }
    return bad(h, "string that does not end: expected \"");
}

/* The end of a line without its "\n", and without the "\r" before it. */
static const char *line_end(const struct hcl *h, const char *from)
{
    const char *nl = memchr(from, '\n', (size_t)(h->end - from));
    return nl == NULL ? h->end : nl;
}

/* Does every line of @body begin with @indent? */
static bool all_indented(struct slice body, struct slice indent)
{
    const char *end = body.p + body.len;
    for (const char *p = body.p; p < end;) {
        if (!slice_starts(slice_of(p, (size_t)(end - p)), indent)) {
            return false;
        }
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        p = nl == NULL ? end : nl + 1;
    }
    return true;
}

/* The lines of a heredoc. The closing mark's indentation is taken from each line when all have it;
 * if one has less, all stay as they are. */
static void put_lines(struct buf *out, struct slice body, struct slice indent)
{
    if (indent.len == 0 || !all_indented(body, indent)) {
        buf_add(out, body.p, body.len);
        return;
    }
    const char *end = body.p + body.len;
    for (const char *p = body.p; p < end;) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        const char *next = nl == NULL ? end : nl + 1;
        buf_add(out, p + indent.len, (size_t)(next - p) - indent.len);
        p = next;
    }
}

/* <<MARK or <<-MARK, lines, MARK. The text keeps its last line break. */
static int take_heredoc(struct hcl *h, struct buf *out)
{
    unsigned began = h->line;
    h->p += 2;
    bool indented = at(h, '-');
    h->p += indented;
    const char *mark = h->p;
    while (h->p < h->end && (isalnum((unsigned char)*h->p) || *h->p == '_')) {
        h->p++;
    }
    struct slice name = slice_of(mark, (size_t)(h->p - mark));
    h->p += at(h, '\r');
    if (name.len == 0 || !at(h, '\n')) {
        return unexpected(h, "a word and the end of the line behind <<");
    }
    const char *body = ++h->p;
    h->line++;
    for (const char *p = body; p < h->end; h->line++) {
        const char *end = line_end(h, p);
        const char *word = p;
        while (indented && word < end && (*word == ' ' || *word == '\t')) {
            word++;
        }
        const char *stop = end > word && end[-1] == '\r' ? end - 1 : end;
        if (slice_eq(slice_of(word, (size_t)(stop - word)), name)) {
            put_lines(out, slice_of(body, (size_t)(p - body)), slice_of(p, (size_t)(word - p)));
            h->p = end;
            return 0;
        }
        p = end == h->end ? end : end + 1;
    }
    h->line = began;
    return err_set(h->e, E_INVAL,
                   "%s: line %u: heredoc that does not end: expected a line \"%.*s\"", h->origin,
                   h->line, (int)(name.len > 64 ? 64 : name.len), name.p);
}

/* ---- values ---- */

static int take_value(struct hcl *h, json_t **out);
static int take_members(struct hcl *h, json_t *object);

static json_t *text_value(struct buf *b)
{
    return buf_ok(b) ? json_stringn(b->len == 0 ? "" : b->p, b->len) : NULL;
}

/* jansson refuses text that is not UTF-8; so a NULL without the want of memory is that. */
static int made(struct hcl *h, json_t **out, json_t *v)
{
    *out = v;
    return v != NULL ? 0 : bad(h, "text that is not valid UTF-8");
}

static int take_number(struct hcl *h, json_t **out)
{
    char text[NUMBER_MAX];
    size_t n = 0;
    while (h->p + n < h->end && n + 1 < sizeof text &&
           (isalnum((unsigned char)h->p[n]) || strchr("+-.", h->p[n]) != NULL) && h->p[n] != '\0') {
        text[n] = h->p[n];
        n++;
    }
    text[n] = '\0';
    char *end;
    errno = 0;
    long long whole = strtoll(text, &end, 0);
    if (*end == '\0' && errno == 0) {
        h->p += n;
        return made(h, out, json_integer(whole));
    }
    errno = 0;
    double real = strtod(text, &end);
    bool plain = strspn(text, "0123456789+-.eE") == n; /* no "inf", no "0x1p3" */
    if (*end != '\0' || errno != 0 || !plain || strpbrk(text, ".eE") == NULL) {
        return err_set(h->e, E_INVAL, "%s: line %u: invalid number %s", h->origin, h->line, text);
    }
    h->p += n;
    return made(h, out, json_real(real));
}

static bool word_char(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '.';
}

static int take_word(struct hcl *h, json_t **out)
{
    size_t n = 0;
    while (h->p + n < h->end && word_char(h->p[n])) {
        n++;
    }
    struct slice word = slice_of(h->p, n);
    json_t *v = slice_is(word, "true")              ? json_true()
                : slice_is(word, "false")           ? json_false()
                : slice_is(word, "null") && h->json ? json_null()
                                                    : NULL;
    if (v == NULL) {
        return err_set(h->e, E_INVAL,
                       "%s: line %u: expected a value, got %.*s (text is \"quoted\")", h->origin,
                       h->line, (int)(n > 64 ? 64 : n), word.p);
    }
    h->p += n;
    *out = v;
    return 0;
}

static int take_text(struct hcl *h, json_t **out)
{
    struct buf b = BUF_INIT;
    int rc = *h->p == '"' ? take_string(h, &b) : take_heredoc(h, &b);
    rc = rc == 0 ? made(h, out, text_value(&b)) : rc;
    buf_fini(&b);
    return rc;
}

static int take_list(struct hcl *h, json_t *list)
{
    h->p++;
    for (;;) {
        json_t *v = NULL;
        int rc = skip(h);
        if (rc != 0) {
            return rc;
        }
        if (at(h, ']')) {
            h->p++;
            return 0;
        }
        rc = take_value(h, &v);
        if (rc == 0 && json_array_append_new(list, v) != 0) {
            rc = E_NOMEM;
        }
        rc = rc == 0 ? skip(h) : rc;
        if (rc != 0) {
            return rc;
        }
        if (!at(h, ',') && !at(h, ']')) {
            return unexpected(h, "',' or ']' in a list");
        }
        h->p += at(h, ',');
    }
}

static int take_object(struct hcl *h, json_t *object)
{
    h->p++;
    int rc = take_members(h, object);
    if (rc == 0 && !at(h, '}')) {
        return unexpected(h, "a key or '}'");
    }
    h->p += rc == 0;
    return rc;
}

/* Objects and lists. On an error *@out is NULL. */
static int take_nested(struct hcl *h, json_t **out)
{
    bool object = at(h, '{');
    if (h->depth >= HCL_DEPTH_MAX) {
        return bad(h, "nested too deeply");
    }
    json_t *v = object ? json_object() : json_array();
    h->depth++;
    int rc = v == NULL ? E_NOMEM : object ? take_object(h, v) : take_list(h, v);
    h->depth--;
    if (rc != 0) {
        json_decref(v);
        v = NULL;
    }
    *out = v;
    return rc;
}

static int take_value(struct hcl *h, json_t **out)
{
    if (++h->values > HCL_VALUES_MAX) {
        return bad(h, "too many values in one file");
    }
    if (h->p == h->end) {
        return unexpected(h, "a value");
    }
    unsigned char c = (unsigned char)*h->p;
    if (c == '{' || c == '[') {
        return take_nested(h, out);
    }
    if (c == '"' || at_text(h, "<<")) {
        return take_text(h, out);
    }
    if (isdigit(c) || c == '-' || c == '+' || c == '.') {
        return take_number(h, out);
    }
    return isalpha(c) || c == '_' ? take_word(h, out) : unexpected(h, "a value");
}

/* ---- members ---- */

static int take_key(struct hcl *h, struct buf *out)
{
    int rc = 0;
    if (at(h, '"')) {
        rc = take_string(h, out);
    } else {
        while (h->p < h->end && word_char(*h->p)) {
            buf_add_char(out, *h->p++);
        }
    }
    buf_add_char(out, '\0');
    return rc != 0 ? rc : buf_ok(out) ? 0 : E_NOMEM;
}

static bool at_key(const struct hcl *h)
{
    return h->p < h->end && (*h->p == '"' || isalpha((unsigned char)*h->p) || *h->p == '_');
}

/* Put @v, which is taken over, under @key: blocks of one name become a list. */
static int put_member(struct hcl *h, json_t *object, const char *key, json_t *v)
{
    json_t *old = json_object_get(object, key);
    if (json_is_object(v) && json_is_array(old) && json_array_size(old) > 0 &&
        json_is_object(json_array_get(old, 0))) {
        return json_array_append_new(old, v) == 0 ? 0 : E_NOMEM;
    }
    if (!json_is_object(v) || !json_is_object(old)) {
        return json_object_set_new(object, key, v) == 0 ? 0
                                                        : bad(h, "a key that is not valid UTF-8");
    }
    json_t *both = json_array();
    bool ok = both != NULL && json_array_append(both, old) == 0;
    ok = json_array_append_new(both, v) == 0 && ok;
    return json_object_set_new(object, key, both) == 0 && ok ? 0 : E_NOMEM;
}

/* Go down to @key; returns the length of the path to go back to. */
static size_t enter(struct hcl *h, const char *key)
{
    size_t before = h->path.len;
    if (h->wanted.len > 0) {
        buf_printf(&h->path, "%s%s", before == 0 ? "" : ".", key);
        if (h->found == 0 && h->path.len == h->wanted.len &&
            strncasecmp(h->path.p, h->wanted.p, h->wanted.len) == 0) {
            h->found = h->line;
        }
    }
    return before;
}

static void leave(struct hcl *h, size_t before)
{
    if (buf_ok(&h->path)) {
        h->path.len = before;
    }
}

/* Behind the first key: labels, then "=" and a value, or a block. */
static int take_member_value(struct hcl *h, unsigned labels, json_t **out)
{
    struct buf label = BUF_INIT;
    int rc = skip(h);
    bool assigned = at(h, '=') || (h->json && at(h, ':'));
    if (rc == 0 && assigned && labels == 0) {
        h->p++;
        rc = skip(h);
        rc = rc == 0 ? take_value(h, out) : rc;
    } else if (rc == 0 && at(h, '{')) {
        rc = take_value(h, out);
    } else if (rc == 0 && at_key(h) && labels < KEYS_MAX) {
        rc = take_key(h, &label);
        size_t before = rc == 0 ? enter(h, label.p) : h->path.len;
        json_t *inner = NULL;
        rc = rc == 0 ? take_member_value(h, labels + 1, &inner) : rc;
        leave(h, before);
        if (rc == 0) {
            *out = json_object();
            rc = put_member(h, *out, label.p, inner);
        } else {
            json_decref(inner);
        }
    } else if (rc == 0) {
        rc = unexpected(h, labels == 0 ? "'=' or '{' behind a key" : "'{' behind a label");
    }
    buf_fini(&label);
    return rc;
}

static int take_member(struct hcl *h, json_t *object)
{
    struct buf key = BUF_INIT;
    json_t *v = NULL;
    int rc = take_key(h, &key);
    if (rc == 0) {
        size_t before = enter(h, key.p);
        rc = take_member_value(h, 0, &v);
        leave(h, before);
    }
    if (rc == 0) {
        rc = put_member(h, object, key.p, v);
    } else {
        json_decref(v);
    }
    buf_fini(&key);
    return rc;
}

/* Up to what is no key: a brace, the end, or a mistake, which is the caller's. */
static int take_members(struct hcl *h, json_t *object)
{
    for (;;) {
        int rc = skip(h);
        if (rc != 0 || !at_key(h)) {
            return rc;
        }
        rc = take_member(h, object);
        rc = rc == 0 ? skip(h) : rc;
        if (rc != 0) {
            return rc;
        }
        h->p += at(h, ',');
    }
}

static int take_all(struct hcl *h, json_t *root)
{
    if (at_text(h, "\xef\xbb\xbf")) {
        h->p += 3;
    }
    int rc = skip(h);
    if (rc == 0 && h->json && at(h, '{')) {
        return take_object(h, root);
    }
    rc = rc == 0 ? take_members(h, root) : rc;
    if (rc == 0 && h->p != h->end) {
        rc = unexpected(h, "a key");
    }
    return rc;
}

int hcl_parse(struct slice text, const char *origin, json_t **root, struct errmsg *e)
{
    struct hcl h = {.p = text.p, .end = text.p + text.len, .line = 1, .origin = origin, .e = e};
    *root = json_object();
    int rc = *root == NULL ? E_NOMEM : 0;
    if (rc == 0 && text.len > 0 && memchr(text.p, '\0', text.len) != NULL) {
        rc = err_set(e, E_INVAL, "%s: a NUL byte: this is no text file", origin);
    }
    rc = rc == 0 ? take_all(&h, *root) : rc;
    if (rc != 0) {
        if (rc == E_NOMEM) {
            err_set(e, rc, "%s: %s", origin, err_text(rc));
        }
        json_decref(*root);
        *root = NULL;
    }
    return rc;
}

unsigned hcl_line_of(struct slice text, const char *path)
{
    struct hcl h = {.p = text.p,
                    .end = text.p + text.len,
                    .line = 1,
                    .origin = "",
                    .json = true,
                    .path = BUF_INIT,
                    .wanted = slice_str(path)};
    json_t *root = json_object();
    if (root != NULL) {
        (void)take_all(&h, root); /* what it cannot read behind @path is of no interest */
    }
    json_decref(root);
    buf_fini(&h.path);
    return h.found;
}
