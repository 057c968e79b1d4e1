/* Borrowed bytes: a pointer and a length, not NUL-terminated and owned by somebody else. */
#ifndef BASE_SLICE_H_
#define BASE_SLICE_H_

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct slice {
    const char *p; /* may be NULL when len is 0 */
    size_t len;
};

/* A string literal as a slice. */
#define SLICE_LIT(s) ((struct slice){"" s, sizeof(s) - 1})

static inline struct slice slice_of(const char *p, size_t len)
{
    return (struct slice){p, len};
}

/* @s may be NULL: then the slice is empty. */
static inline struct slice slice_str(const char *s)
{
    return (struct slice){s, s == NULL ? 0 : strlen(s)};
}

static inline bool slice_eq(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

static inline bool slice_is(struct slice a, const char *s)
{
    return slice_eq(a, slice_str(s));
}

static inline char slice_lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

/* Equal but for the case of ASCII letters. */
static inline bool slice_ieq(struct slice a, struct slice b)
{
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (slice_lower(a.p[i]) != slice_lower(b.p[i])) {
            return false;
        }
    }
    return true;
}

static inline bool slice_starts(struct slice a, struct slice prefix)
{
    return a.len >= prefix.len && (prefix.len == 0 || memcmp(a.p, prefix.p, prefix.len) == 0);
}

/* Order by bytes, shorter first when one is a prefix of the other. */
static inline int slice_cmp(struct slice a, struct slice b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int c = n == 0 ? 0 : memcmp(a.p, b.p, n);
    return c != 0 ? c : (a.len > b.len) - (a.len < b.len);
}

#endif
