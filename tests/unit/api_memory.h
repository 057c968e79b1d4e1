/* For tests of api/ only: memory for decoders that is freed at once. */
#ifndef TESTS_UNIT_API_MEMORY_H_
#define TESTS_UNIT_API_MEMORY_H_

#include <stdlib.h>

#include "api/decode.h"

struct test_memory {
    struct test_block {
        struct test_block *next;
        max_align_t data[];
    } * blocks;
};

static inline void *test_alloc(void *arg, size_t n)
{
    struct test_memory *t = arg;
    struct test_block *b = calloc(1, sizeof *b + n);
    if (b == NULL) {
        abort();
    }
    b->next = t->blocks;
    t->blocks = b;
    return b->data;
}

static inline struct decode_memory test_memory(struct test_memory *t)
{
    return (struct decode_memory){test_alloc, t};
}

static inline void test_memory_fini(struct test_memory *t)
{
    while (t->blocks != NULL) {
        struct test_block *next = t->blocks->next;
        free(t->blocks);
        t->blocks = next;
    }
}

#endif
