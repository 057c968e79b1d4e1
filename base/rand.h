/* Random numbers. The seeded generator is for jitter and rotation, never for secrets; uuid_make()
 * draws from the kernel. */
#ifndef BASE_RAND_H_
#define BASE_RAND_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

/* xorshift64*: fast, one per thread, reproducible from its seed. */
struct rng {
    uint64_t s;
};

void rng_seed(struct rng *r, uint64_t seed);
uint64_t rng_next(struct rng *r);
/* Uniform in [0, n); 0 when n is 0. */
uint64_t rng_below(struct rng *r, uint64_t n);

/* Fill @p from the kernel's generator; the process ends if the kernel has none. */
void rand_bytes(void *p, size_t n);

enum { UUID_LEN = 36 };
/* A random (version 4) UUID in lower case, NUL-terminated. */
void uuid_make(char out[UUID_LEN + 1]);
/* True for 8-4-4-4-12 hexadecimal digits of either case. */
bool uuid_valid(struct slice s);

#endif
