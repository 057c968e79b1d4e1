/* Sequences are judged by RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. */
#include "api/utf8.h"

/* The length of the UTF-8 sequence at @p, or 0 when there is none (RFC 3629). */
static size_t utf8_len(const unsigned char *p, size_t left)
{
    if (p[0] < 0x80) {
        return 1;
    }
    size_t n = p[0] >= 0xc2 && p[0] < 0xe0   ? 2
               : p[0] >= 0xe0 && p[0] < 0xf0 ? 3
               : p[0] >= 0xf0 && p[0] < 0xf5 ? 4
                                             : 0;
    if (n == 0 || n > left) {
        return 0;
    }
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool low = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xf0 && p[1] < 0x90);
    bool high = (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf4 && p[1] > 0x8f);
    return low || high ? 0 : n;
}

void utf8_mend(struct buf *b, struct slice s)
{
    for (size_t i = 0; i < s.len;) {
        size_t n = utf8_len((const unsigned char *)s.p + i, s.len - i);
        if (n == 0) {
            buf_add_str(b, "\xef\xbf\xbd");
            i++;
        } else {
            buf_add(b, s.p + i, n);
            i += n;
        }
    }
}
