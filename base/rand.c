/* xorshift64* after Vigna, "An experimental exploration of Marsaglia's xorshift generators";
 * UUIDs after RFC 4122 section 4.4. */
#include "base/rand.h"

#include <stdlib.h>
#include <sys/random.h>

__extension__ typedef unsigned __int128 u128;

void rng_seed(struct rng *r, uint64_t seed)
{
    r->s = seed ^ 0x9e3779b97f4a7c15u;
    if (r->s == 0) {
        r->s = 1;
    }
}

uint64_t rng_next(struct rng *r)
{
    r->s ^= r->s >> 12;
    r->s ^= r->s << 25;
    r->s ^= r->s >> 27;
    return r->s * 0x2545f4914f6cdd1du;
}

uint64_t rng_below(struct rng *r, uint64_t n)
{
    return n == 0 ? 0 : (uint64_t)(((u128)rng_next(r) * n) >> 64);
}

void rand_bytes(void *p, size_t n)
{
    char *to = p;
    while (n > 0) {
        ssize_t got = getrandom(to, n, 0);
        if (got <= 0) {
            abort(); /* no entropy: nothing that needs an id may go on */
        }
        to += got;
        n -= (size_t)got;
    }
}

void uuid_make(char out[UUID_LEN + 1])
{
    static const char hex[] = "0123456789abcdef";
    unsigned char b[16];
    rand_bytes(b, sizeof b);
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    size_t at = 0;
    for (size_t i = 0; i < sizeof b; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            out[at++] = '-';
        }
        out[at++] = hex[b[i] >> 4];
        out[at++] = hex[b[i] & 15];
    }
    out[at] = '\0';
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

bool uuid_valid(struct slice s)
{
    if (s.len != UUID_LEN) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? s.p[i] != '-' : !is_hex(s.p[i])) {
            return false;
        }
    }
    return true;
}
