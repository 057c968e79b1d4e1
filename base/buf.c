/* Growth doubles, from 256 bytes. Integers go in and out by memcpy, so no alignment is assumed. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_fini(struct buf *b)
{
    free(b->p);
    *b = (struct buf)BUF_INIT;
}

char *buf_reserve(struct buf *b, size_t n)
{
    if (b->failed) {
        return NULL;
    }
    if (b->p != NULL && n <= b->cap - b->len) {
        return b->p + b->len;
    }
    size_t max = b->max != 0 ? b->max : SIZE_MAX / 2;
    if (b->len > max || n > max - b->len) {
        b->failed = true;
        return NULL;
    }
    size_t cap = b->cap < 256 ? 256 : b->cap;
    while (cap < b->len + n) {
        cap = cap > max / 2 ? max : cap * 2;
    }
    cap = cap > max ? max : cap; /* the limit may be below the first step */
    char *p = realloc(b->p, cap);
    if (p == NULL) {
        b->failed = true;
        return NULL;
    }
    b->p = p;
    b->cap = cap;
    return b->p + b->len;
}

void buf_add_str(struct buf *b, const char *s)
{
    buf_add(b, s, strlen(s));
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *to = n < 0 ? NULL : buf_reserve(b, (size_t)n + 1);
    if (to == NULL) {
        b->failed = true;
    } else {
        (void)vsnprintf(to, (size_t)n + 1, fmt, again); /* cannot fail: the size was measured */
        b->len += (size_t)n;
    }
    va_end(again);
}

void buf_add_u64(struct buf *b, uint64_t v)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v != 0);
    buf_add(b, digits + at, sizeof digits - at);
}

void buf_add_i64(struct buf *b, int64_t v)
{
    if (v < 0) {
        buf_add_char(b, '-');
        buf_add_u64(b, (uint64_t)0 - (uint64_t)v);
    } else {
        buf_add_u64(b, (uint64_t)v);
    }
}

static void put_le(struct buf *b, uint64_t v, size_t n)
{
    char *to = buf_reserve(b, n);
    if (to == NULL) {
        return;
    }
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    memcpy(to, &v, n);
    b->len += n;
}

void buf_put_u8(struct buf *b, uint8_t v)
{
    put_le(b, v, 1);
}

void buf_put_u16(struct buf *b, uint16_t v)
{
    put_le(b, v, 2);
}

void buf_put_u32(struct buf *b, uint32_t v)
{
    put_le(b, v, 4);
}

void buf_put_u64(struct buf *b, uint64_t v)
{
    put_le(b, v, 8);
}

void buf_put_bytes(struct buf *b, struct slice s)
{
    if (s.len > UINT32_MAX) {
        b->failed = true;
        return;
    }
    buf_put_u32(b, (uint32_t)s.len);
    buf_add_slice(b, s);
}

char *buf_take(struct buf *b, size_t *len)
{
    char *p = b->p;
    *len = b->len;
    b->p = NULL;
    b->len = 0;
    b->cap = 0;
    return p;
}
