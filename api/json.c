/* How: runs of bytes that need no escape are copied at once; the rest is looked at one by one.
 * UTF-8 is checked as Go's utf8.DecodeRune does it: a byte that begins no valid sequence becomes
 * \ufffd on its own. */
#include "api/json.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/duration.h"

/* What a byte inside a string needs. */
enum { PLAIN = 0, ESCAPE = 1, WIDE = 2 };

#define ROW_OF(class)                                                                          \
    class, class, class, class, class, class, class, class, class, class, class, class, class, \
        class, class, class
#define PLAIN_ROW ROW_OF(PLAIN)

/* Control characters, quote, backslash, <, >, & are escaped; above ASCII is UTF-8. */
static const unsigned char class_of[256] = {
    ROW_OF(ESCAPE), ROW_OF(ESCAPE), PLAIN,        PLAIN,        ESCAPE,       PLAIN,
    PLAIN,          PLAIN,          ESCAPE,       PLAIN,        PLAIN,        PLAIN,
    PLAIN,          PLAIN,          PLAIN,        PLAIN,        PLAIN,        PLAIN, /* 0x20: " & */
    PLAIN,          PLAIN,          PLAIN,        PLAIN,        PLAIN,        PLAIN,
    PLAIN,          PLAIN,          PLAIN,        PLAIN,        PLAIN,        PLAIN,
    ESCAPE,         PLAIN,          ESCAPE,       PLAIN, /* 0x30: < > */
    PLAIN_ROW,      PLAIN,          PLAIN,        PLAIN,        PLAIN,        PLAIN,
    PLAIN,          PLAIN,          PLAIN,        PLAIN,        PLAIN,        PLAIN,
    PLAIN,          ESCAPE,         PLAIN,        PLAIN,        PLAIN, /* 0x50: backslash */
    PLAIN_ROW,      PLAIN_ROW,      ROW_OF(WIDE), ROW_OF(WIDE), ROW_OF(WIDE), ROW_OF(WIDE),
    ROW_OF(WIDE),   ROW_OF(WIDE),   ROW_OF(WIDE), ROW_OF(WIDE),
};

static unsigned char_class(unsigned char c)
{
    return class_of[c];
}

static void comma(struct json *j)
{
    if (j->comma) {
        buf_add_char(j->b, ',');
    }
    j->comma = true;
}

void json_obj(struct json *j)
{
    comma(j);
    buf_add_char(j->b, '{');
    j->comma = false;
}

void json_obj_end(struct json *j)
{
    buf_add_char(j->b, '}');
    j->comma = true;
}

void json_arr(struct json *j)
{
    comma(j);
    buf_add_char(j->b, '[');
    j->comma = false;
}

void json_arr_end(struct json *j)
{
    buf_add_char(j->b, ']');
    j->comma = true;
}

void json_key(struct json *j, const char *key)
{
    size_t n = strlen(key);
    char *p = buf_room(j->b, n + 4);
    if (p != NULL) {
        size_t at = 0;
        if (j->comma) {
            p[at++] = ',';
        }
        p[at++] = '"';
        memcpy(p + at, key, n);
        p[at + n] = '"';
        p[at + n + 1] = ':';
        j->b->len += at + n + 2;
    }
    j->comma = false;
}

static void add_u16_escape(struct buf *b, unsigned code)
{
    static const char hex[] = "0123456789abcdef";
    char out[6] = {
        '\\', 'u', hex[code >> 12 & 15], hex[code >> 8 & 15], hex[code >> 4 & 15], hex[code & 15]};
    buf_add(b, out, sizeof out);
}

static void add_escape(struct buf *b, unsigned char c)
{
    static const char from[] = "\"\\\b\f\n\r\t";
    static const char to[] = "\"\\bfnrt";
    const char *at = c == 0 ? NULL : strchr(from, c);
    if (at == NULL) {
        add_u16_escape(b, c);
        return;
    }
    char out[2] = {'\\', to[at - from]};
    buf_add(b, out, sizeof out);
}

/* Length of the valid UTF-8 sequence at @p (@n bytes are left, at least 1); 0 if there is none. The
 * code point goes to *@code. */
static size_t utf8_sequence(const char *p, size_t n, unsigned *code)
{
    static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char first = (unsigned char)*p;
    size_t len = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || len > n) {
        return 0;
    }
    unsigned v = first & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        unsigned char c = (unsigned char)p[i];
        if ((c & 0xc0) != 0x80) {
            return 0;
        }
        v = v << 6 | (c & 0x3fu);
    }
    if (v < least[len] || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff)) {
        return 0;
    }
    *code = v;
    return len;
}

/* Append the non-ASCII character at @p; returns how many bytes of the input it took. */
static size_t add_wide(struct buf *b, const char *p, size_t n)
{
    unsigned code = 0;
    size_t len = utf8_sequence(p, n, &code);
    if (len == 0) {
        add_u16_escape(b, 0xfffd);
        return 1;
    }
    if (code == 0x2028 || code == 0x2029) {
        add_u16_escape(b, code);
    } else {
        buf_add(b, p, len);
    }
    return len;
}

/* How many bytes from @i on need no escape. */
static size_t plain_run(struct slice s, size_t i)
{
    size_t start = i;
    while (i < s.len && char_class((unsigned char)s.p[i]) == PLAIN) {
        i++;
    }
    return i - start;
}

static void add_string(struct buf *b, struct slice s)
{
    if (buf_room(b, s.len + 2) == NULL) { /* room for all, if nothing is escaped */
        return;
    }
    buf_add_char(b, '"');
    size_t i = 0;
    for (;;) {
        size_t n = plain_run(s, i);
        buf_add(b, s.p + i, n);
        i += n;
        if (i == s.len) {
            break;
        }
        if (char_class((unsigned char)s.p[i]) == ESCAPE) {
            add_escape(b, (unsigned char)s.p[i]);
            i++;
        } else {
            i += add_wide(b, s.p + i, s.len - i);
        }
    }
    buf_add_char(b, '"');
}

void json_key_slice(struct json *j, struct slice key)
{
    comma(j);
    add_string(j->b, key);
    buf_add_char(j->b, ':');
    j->comma = false;
}

void json_str(struct json *j, struct slice s)
{
    comma(j);
    add_string(j->b, s);
}

void json_cstr(struct json *j, const char *s)
{
    json_str(j, slice_str(s));
}

void json_base64(struct json *j, struct slice bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    comma(j);
    size_t out_len = (bytes.len + 2) / 3 * 4 + 2;
    char *out = buf_reserve(j->b, out_len);
    if (out == NULL) {
        return;
    }
    *out++ = '"';
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t n = bytes.len - i;
        unsigned v = (unsigned)(unsigned char)bytes.p[i] << 16;
        v |= n > 1 ? (unsigned)(unsigned char)bytes.p[i + 1] << 8 : 0;
        v |= n > 2 ? (unsigned)(unsigned char)bytes.p[i + 2] : 0;
        *out++ = digits[v >> 18];
        *out++ = digits[v >> 12 & 63];
        *out++ = n > 1 ? digits[v >> 6 & 63] : '=';
        *out++ = n > 2 ? digits[v & 63] : '=';
    }
    *out = '"';
    j->b->len += out_len;
}

void json_u64(struct json *j, uint64_t v)
{
    comma(j);
    buf_add_u64(j->b, v);
}

void json_i64(struct json *j, int64_t v)
{
    comma(j);
    buf_add_i64(j->b, v);
}

void json_bool(struct json *j, bool v)
{
    comma(j);
    buf_add_str(j->b, v ? "true" : "false");
}

void json_nil(struct json *j)
{
    comma(j);
    buf_add_str(j->b, "null");
}

void json_raw(struct json *j, struct slice text)
{
    comma(j);
    buf_add_slice(j->b, text);
}

/* The shortest digits that give the same number back; without an exponent from 1e-6 to 1e21. */
void json_f64(struct json *j, double v)
{
    char text[64];
    double size = v < 0 ? -v : v;
    comma(j);
    if (size != 0 && (size < 1e-6 || size >= 1e21)) {
        for (int digits = 0; digits <= 16; digits++) {
            (void)snprintf(text, sizeof text, "%.*e", digits, v);
            if (strtod(text, NULL) == v) {
                break;
            }
        }
        char *e = strchr(text, 'e');
        if (e != NULL && e[2] == '0') { /* e-09 is e-9 in Go */
            memmove(e + 2, e + 3, strlen(e + 3) + 1);
        }
    } else {
        for (int digits = 0; digits <= 24; digits++) {
            (void)snprintf(text, sizeof text, "%.*f", digits, v);
            if (strtod(text, NULL) == v) {
                break;
            }
        }
    }
    buf_add_str(j->b, text);
}

void json_duration(struct json *j, int64_t ns)
{
    comma(j);
    buf_add_char(j->b, '"');
    duration_format(j->b, ns);
    buf_add_char(j->b, '"');
}

static void new_line(struct buf *out, size_t depth)
{
    static const char four[] = "    ";
    buf_add_char(out, '\n');
    for (size_t i = 0; i < depth; i++) {
        buf_add(out, four, 4);
    }
}

/* Length of the string literal at the start of @s, quotes included. */
static size_t string_span(struct slice s)
{
    size_t i = 1;
    while (i < s.len && s.p[i] != '"') {
        i += s.p[i] == '\\' ? 2 : 1;
    }
    return i < s.len ? i + 1 : s.len;
}

void json_pretty(struct buf *out, struct slice compact)
{
    size_t depth = 0;
    for (size_t i = 0; i < compact.len; i++) {
        char c = compact.p[i];
        char next = i + 1 < compact.len ? compact.p[i + 1] : 0;
        if (c == '"') {
            size_t n = string_span(slice_of(compact.p + i, compact.len - i));
            buf_add(out, compact.p + i, n);
            i += n - 1;
        } else if ((c == '{' && next == '}') || (c == '[' && next == ']')) {
            buf_add(out, compact.p + i, 2);
            i++;
        } else if (c == '{' || c == '[') {
            buf_add_char(out, c);
            new_line(out, ++depth);
        } else if (c == '}' || c == ']') {
            depth -= depth > 0;
            new_line(out, depth);
            buf_add_char(out, c);
        } else if (c == ',') {
            buf_add_char(out, c);
            new_line(out, depth);
        } else if (c == ':') {
            buf_add(out, ": ", 2);
        } else {
            buf_add_char(out, c);
        }
    }
}
