/* Hashes: CRC-32C guards stored bytes, hash64 spreads keys in memory tables. Pure. */
#ifndef BASE_HASH_H_
#define BASE_HASH_H_

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

/* CRC-32C (Castagnoli, RFC 3720 B.4) of @p, continuing from @crc (0 to begin). */
uint32_t crc32c(uint32_t crc, const void *p, size_t n);

/* 64-bit FNV-1a, extended by a byte at a time: hash64_step() over a key's bytes gives the hash of
 * each of its prefixes on the way. The values live in memory only, never on disk or wire. */
#define HASH64_INIT 0xcbf29ce484222325u
static inline uint64_t hash64_step(uint64_t h, unsigned char c)
{
    return (h ^ c) * 0x100000001b3u;
}
/* Spread the bits of @h: FNV's low bits alone are poor table indexes. */
static inline uint64_t hash64_mix(uint64_t h)
{
    h ^= h >> 32;
    h *= 0xd6e8feb86659fd93u;
    return h ^ (h >> 32);
}
uint64_t hash64(uint64_t seed, struct slice s);

#endif
