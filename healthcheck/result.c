/* The ring grows by doubling while nothing has wrapped; once it has its full size the write
 * position goes round. Growing first and wrapping later means that a short body never costs `max`
 * bytes. */
#include "healthcheck/result.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { TAIL_FIRST = 512 };

void hc_tail_reset(struct hc_tail *t, size_t max)
{
    assert(max > 0);
    if (t->cap > max) { /* an earlier user was allowed more */
        free(t->p);
        t->p = NULL;
        t->cap = 0;
    }
    t->max = max;
    t->len = 0;
    t->at = 0;
    t->failed = false;
}

void hc_tail_fini(struct hc_tail *t)
{
    free(t->p);
    *t = (struct hc_tail){0};
}

/* Room for @want bytes in all, as far as `max` and memory allow. */
static void grow(struct hc_tail *t, size_t want)
{
    if (t->failed || t->cap >= want || t->cap >= t->max) {
        return;
    }
    size_t cap = t->cap == 0 ? TAIL_FIRST : t->cap;
    while (cap < want && cap < t->max) {
        cap *= 2;
    }
    cap = cap > t->max ? t->max : cap;
    char *p = realloc(t->p, cap);
    if (p == NULL) {
        t->failed = true;
        return;
    }
    t->p = p;
    t->cap = cap;
}

void hc_tail_add(struct hc_tail *t, struct slice s)
{
    if (s.len > t->max) {
        s = slice_of(s.p + (s.len - t->max), t->max);
    }
    if (t->at == t->len) {
        grow(t, t->len + s.len);
    }
    if (s.len > t->cap) { /* out of memory while growing */
        s = slice_of(s.p + (s.len - t->cap), t->cap);
    }
    while (s.len > 0) {
        if (t->at == t->cap) {
            t->at = 0;
        }
        size_t n = t->cap - t->at < s.len ? t->cap - t->at : s.len;
        memcpy(t->p + t->at, s.p, n);
        t->at += n;
        t->len = t->len < t->at ? t->at : t->len;
        s = slice_of(s.p + n, s.len - n);
    }
}

void hc_tail_write(const struct hc_tail *t, struct buf *out)
{
    if (t->len > t->at) { /* wrapped: the oldest byte is at the write position */
        buf_add(out, t->p + t->at, t->len - t->at);
    }
    buf_add(out, t->p, t->at);
}

void hc_text_quote(struct buf *b, struct slice s)
{
    static const char hex[] = "0123456789abcdef";
    buf_add_char(b, '"');
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == '"' || c == '\\') {
            buf_add_char(b, '\\');
            buf_add_char(b, (char)c);
        } else if (c == '\n') {
            buf_add_str(b, "\\n");
        } else if (c == '\r') {
            buf_add_str(b, "\\r");
        } else if (c == '\t') {
            buf_add_str(b, "\\t");
        } else if (c < 0x20 || c == 0x7f) {
            buf_add_str(b, "\\x");
            buf_add_char(b, hex[c >> 4]);
            buf_add_char(b, hex[c & 15]);
        } else {
            buf_add_char(b, (char)c);
        }
    }
    buf_add_char(b, '"');
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    char l = slice_lower(c);
    return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

void hc_text_unescape(struct buf *b, struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        int hi = s.p[i] == '%' && i + 2 < s.len ? hex_value(s.p[i + 1]) : -1;
        int lo = hi >= 0 ? hex_value(s.p[i + 2]) : -1;
        if (lo >= 0) {
            buf_add_char(b, (char)(hi << 4 | lo));
            i += 2;
        } else {
            buf_add_char(b, s.p[i]);
        }
    }
}
