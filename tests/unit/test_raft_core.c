/* raft/: which proposals share an entry, and what is remembered of entries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "raft/entrymap.h"
#include "raft/proposer.h"

enum { PROPOSALS_MAX = 2000 };

static struct reg_proposal proposals[PROPOSALS_MAX];

/* A KV command that takes exactly @size bytes, length field included. */
static void make(struct reg_proposal *p, size_t size)
{
    *p = (struct reg_proposal){.cmd = BUF_INIT};
    const struct reg_kv_op none = {.verb = REG_KV_SET};
    reg_command_kv(&p->cmd, &none);
    size_t rest = p->cmd.len;
    assert_true(size >= rest);
    char *value = calloc(1, size);
    assert_non_null(value);
    const struct reg_kv_op op = {.verb = REG_KV_SET, .value = slice_of(value, size - rest)};
    buf_reset(&p->cmd);
    reg_command_kv(&p->cmd, &op);
    free(value);
    assert_int_equal(p->cmd.len, size);
}

static void batches_end_at_the_command_and_the_byte_limit(void **state)
{
    (void)state;
    enum { ROOM = REG_BATCH_SIZE_MAX - REG_BATCH_HEADER };
    static const struct {
        const char *name;
        struct {
            unsigned n;
            size_t size;
        } waiting[4];
        unsigned batches[4]; /* commands in each */
    } rows[] = {
        {"one", {{1, 100}}, {1}},
        {"all that waits", {{7, 100}}, {7}},
        {"the most commands", {{512, 100}}, {512}},
        {"one command too many", {{513, 100}}, {512, 1}},
        {"many too many", {{1200, 64}}, {512, 512, 176}},
        {"exactly the bytes", {{2, ROOM / 2}}, {2}},
        {"one byte too many", {{1, ROOM / 2}, {1, ROOM / 2 + 1}}, {1, 1}},
        {"the largest that has company", {{1, ROOM - 64}, {1, 64}}, {2}},
        {"a larger one goes alone", {{1, 100}, {1, REG_BATCH_SIZE_MAX * 2}, {1, 100}}, {1, 1, 1}},
        {"a larger one in front", {{1, REG_COMMAND_SIZE_MAX}, {5, 100}}, {1, 5}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct proposer p;
        proposer_init(&p);
        unsigned n = 0;
        for (unsigned w = 0; w < 4; w++) {
            for (unsigned k = 0; k < rows[i].waiting[w].n; k++) {
                make(&proposals[n], rows[i].waiting[w].size);
                proposer_add(&p, &proposals[n++]);
            }
        }
        unsigned at = 0;
        for (unsigned b = 0; b < 4 && rows[i].batches[b] > 0; b++) {
            struct proposer_batch batch;
            assert_int_equal(proposer_join(&p, 1234567, &batch), 0);
            if (batch.count != rows[i].batches[b]) {
                fail_msg("%s: batch %u has %u", rows[i].name, b, batch.count);
            }
            assert_int_equal(batch.len % 8, 0);
            struct reg_batch rd;
            assert_int_equal(reg_batch_open(slice_of(batch.entry, batch.len), &rd), 0);
            assert_int_equal(rd.count, batch.count);
            assert_int_equal(rd.wall_ns, 1234567);
            uint8_t type;
            struct slice body;
            while (reg_batch_next(&rd, &type, &body) == 0) {
                assert_int_equal(type, REG_CMD_KV);
                /* In the order they came, each with its proposal. */
                struct list *link = list_pop(&batch.proposals);
                assert_ptr_equal(link, &proposals[at].reply.link);
                assert_int_equal(body.len, proposals[at].cmd.len - 5);
                at++;
            }
            assert_true(list_empty(&batch.proposals));
            free(batch.entry);
        }
        assert_int_equal(at, n);
        assert_int_equal(p.count, 0);
        assert_null(proposer_take(&p));
        for (unsigned k = 0; k < n; k++) {
            buf_fini(&proposals[k].cmd);
        }
    }
}

static void sizes_and_terms_are_remembered_while_the_log_moves(void **state)
{
    (void)state;
    struct entrymap m;
    entrymap_init(&m, 1);
    for (uint64_t i = 1; i <= 5000; i++) {
        assert_int_equal(entrymap_add(&m, 1 + i / 1000, 10 + i % 7), 0);
        if (i % 100 == 0) {
            entrymap_trim(&m, i - 60); /* so that the ring goes round */
        }
    }
    assert_int_equal(m.first, 4940);
    for (uint64_t i = m.first; i < m.next; i++) {
        assert_int_equal(entrymap_size(&m, i), 10 + i % 7);
        assert_int_equal(entrymap_term(&m, i), 1 + i / 1000);
    }
    assert_int_equal(entrymap_term(&m, 4939), 0);
    assert_int_equal(entrymap_term(&m, 5001), 0);
    entrymap_truncate(&m, 4990);
    assert_int_equal(entrymap_size(&m, 4990), 0);
    assert_int_equal(entrymap_add(&m, 9, 77), 0);
    assert_int_equal(entrymap_term(&m, 4989), 5);
    assert_int_equal(entrymap_term(&m, 4990), 9);
    assert_int_equal(entrymap_size(&m, 4990), 77);
    entrymap_trim(&m, 6000); /* the log was replaced */
    assert_int_equal(entrymap_add(&m, 10, 5), 0);
    assert_int_equal(entrymap_term(&m, 6000), 10);
    entrymap_fini(&m);
}

static void the_entries_that_fit_are_counted_from_the_end(void **state)
{
    (void)state;
    struct entrymap m;
    entrymap_init(&m, 11);
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(entrymap_add(&m, 1, 100), 0);
    }
    static const struct {
        uint64_t index, bytes, n;
    } rows[] = {{20, 1000, 10}, {20, 999, 9}, {20, 5000, 10}, {20, 99, 0},
                {15, 250, 2},   {11, 100, 1}, {10, 100, 0},   {21, 100, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(entrymap_fit(&m, rows[i].index, rows[i].bytes), rows[i].n);
    }
    entrymap_fini(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_end_at_the_command_and_the_byte_limit),
        cmocka_unit_test(sizes_and_terms_are_remembered_while_the_log_moves),
        cmocka_unit_test(the_entries_that_fit_are_counted_from_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
