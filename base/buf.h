/* A growable byte buffer with sticky failure: chain appends, check buf_ok() once.
 *
 * Owns its memory. After a failed allocation, or past its limit, further appends do nothing and
 * buf_ok() stays false until buf_reset(). One thread at a time. */
#ifndef BASE_BUF_H_
#define BASE_BUF_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct buf {
    char *p;
    size_t len;
    size_t cap;
    size_t max; /* bytes it may hold; 0 means SIZE_MAX / 2 */
    bool failed;
};

#define BUF_INIT             \
    {                        \
        NULL, 0, 0, 0, false \
    }

/* Free the memory; the buffer is then as new (its limit too). */
void buf_fini(struct buf *b);

/* Forget the content and any failure; keep the memory. */
static inline void buf_reset(struct buf *b)
{
    b->len = 0;
    b->failed = false;
}

static inline bool buf_ok(const struct buf *b)
{
    return !b->failed;
}

static inline struct slice buf_slice(const struct buf *b)
{
    return slice_of(b->p, b->len);
}

/* Make room for @n more bytes. Returns their place, or NULL when the buffer has failed. The
 * caller writes at most @n bytes there and adds them to b->len itself. */
char *buf_reserve(struct buf *b, size_t n);

/* As buf_reserve(), quick when there is room already. */
static inline char *buf_room(struct buf *b, size_t n)
{
    return !b->failed && b->p != NULL && n <= b->cap - b->len ? b->p + b->len : buf_reserve(b, n);
}

/* Append bytes, a slice, a string without its NUL, a byte. */
static inline void buf_add(struct buf *b, const void *p, size_t n)
{
    char *to = buf_room(b, n);
    if (to != NULL && n > 0) {
        memcpy(to, p, n);
        b->len += n;
    }
}
static inline void buf_add_slice(struct buf *b, struct slice s)
{
    buf_add(b, s.p, s.len);
}
static inline void buf_add_char(struct buf *b, char c)
{
    char *to = buf_room(b, 1);
    if (to != NULL) {
        *to = c;
        b->len++;
    }
}
void buf_add_str(struct buf *b, const char *s);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_add_u64(struct buf *b, uint64_t v); /* decimal */
void buf_add_i64(struct buf *b, int64_t v);  /* decimal */

/* Little endian, for records and frames. */
void buf_put_u8(struct buf *b, uint8_t v);
void buf_put_u16(struct buf *b, uint16_t v);
void buf_put_u32(struct buf *b, uint32_t v);
void buf_put_u64(struct buf *b, uint64_t v);
/* u32 length, then the bytes. Fails the buffer above UINT32_MAX. */
void buf_put_bytes(struct buf *b, struct slice s);

/* Take the memory out: the caller frees it with free(). The buffer is then empty. */
char *buf_take(struct buf *b, size_t *len);

/* A cursor over encoded bytes, sticky too: after the first short read every get yields zero or an
 * empty slice and rd_ok() is false. The slices point into the input. */
struct rd {
    const char *p;
    const char *end;
    bool failed;
};

static inline struct rd rd_of(struct slice s)
{
    return (struct rd){s.p, s.len == 0 ? s.p : s.p + s.len, false};
}
static inline bool rd_ok(const struct rd *r)
{
    return !r->failed;
}
static inline size_t rd_left(const struct rd *r)
{
    return r->p == NULL ? 0 : (size_t)(r->end - r->p);
}
/* True when all was read and nothing failed: trailing bytes make a record malformed. */
static inline bool rd_done(const struct rd *r)
{
    return !r->failed && rd_left(r) == 0;
}
/* The next @n bytes. */
static inline struct slice rd_raw(struct rd *r, size_t n)
{
    if (r->failed || rd_left(r) < n) {
        r->failed = true;
        return slice_of(NULL, 0);
    }
    struct slice s = slice_of(r->p, n);
    if (n > 0) {
        r->p += n;
    }
    return s;
}

/* The next integer of @n bytes (at most 8); 0 after a failure. */
static inline uint64_t rd_int(struct rd *r, size_t n)
{
    struct slice s = rd_raw(r, n);
    uint64_t v = 0;
    if (s.len > 0) {
        memcpy(&v, s.p, n);
    }
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    return v;
}
static inline uint8_t rd_u8(struct rd *r)
{
    return (uint8_t)rd_int(r, 1);
}
static inline uint16_t rd_u16(struct rd *r)
{
    return (uint16_t)rd_int(r, 2);
}
static inline uint32_t rd_u32(struct rd *r)
{
    return (uint32_t)rd_int(r, 4);
}
static inline uint64_t rd_u64(struct rd *r)
{
    return rd_int(r, 8);
}
/* Twin of buf_put_bytes(). */
static inline struct slice rd_bytes(struct rd *r)
{
    uint32_t n = rd_u32(r);
    return rd_raw(r, n);
}

#endif
