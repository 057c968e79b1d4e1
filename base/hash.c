/* CRC-32C by the SSE4.2 instruction where the processor has it, else by a table. */
#include "base/hash.h"

#include <pthread.h>
#include <string.h>

#if defined(__x86_64__)
#include <nmmintrin.h>

__attribute__((target("sse4.2"))) static uint32_t crc_hw(uint32_t crc,
                                                         const unsigned char *p,
                                                         size_t n)
{
    uint64_t c = crc;
    while (n >= 8) {
        uint64_t v;
        memcpy(&v, p, 8);
        c = _mm_crc32_u64(c, v);
        p += 8;
        n -= 8;
    }
    uint32_t c32 = (uint32_t)c;
    while (n > 0) {
        c32 = _mm_crc32_u8(c32, *p++);
        n--;
    }
    return c32;
}
#endif

static uint32_t table[256];
static pthread_once_t table_once = PTHREAD_ONCE_INIT;

static void table_make(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++) {
            c = (c & 1) != 0 ? 0x82f63b78u ^ (c >> 1) : c >> 1;
        }
        table[i] = c;
    }
}

static uint32_t crc_sw(uint32_t crc, const unsigned char *p, size_t n)
{
    (void)pthread_once(&table_once, table_make); /* cannot fail with a valid control */
    while (n-- > 0) {
        crc = table[(crc ^ *p++) & 255] ^ (crc >> 8);
    }
    return crc;
}

uint32_t crc32c(uint32_t crc, const void *p, size_t n)
{
    crc = ~crc;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2")) {
        return ~crc_hw(crc, p, n);
    }
#endif
    return ~crc_sw(crc, p, n);
}

uint64_t hash64(uint64_t seed, struct slice s)
{
    uint64_t h = HASH64_INIT ^ seed;
    for (size_t i = 0; i < s.len; i++) {
        h = hash64_step(h, (unsigned char)s.p[i]);
    }
    return hash64_mix(h);
}
