/* registry/: transactions on keys: all or nothing, each operation seeing those before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/err.h"
#include "tests/support/store.h"

#define SESSION "0a1b2c3d-0000-4000-8000-00000000000a"
#define SECOND ((int64_t)1000000000)

static struct test_store S;

static int setup(void **state)
{
    (void)state;
    test_store_open(&S);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    test_store_close(&S);
    return 0;
}

#define OP_WITH(verb_, key_, ...)                            \
    {                                                        \
        .verb = (verb_), .key = SLICE_LIT(key_), __VA_ARGS__ \
    }
#define OP(verb_, key_)                         \
    {                                           \
        .verb = (verb_), .key = SLICE_LIT(key_) \
    }
#define VALUE(v) .value = SLICE_LIT(v)

static struct reg_result apply(const struct reg_kv_op *ops, unsigned n, int64_t wall_ns)
{
    struct buf cmd = BUF_INIT;
    reg_command_txn(&cmd, &(struct reg_txn){.ops = ops, .n = n});
    struct reg_result r = test_store_apply(&S, &cmd, wall_ns);
    buf_fini(&cmd);
    assert_int_equal(r.status, 0);
    return r;
}

/* Apply @ops and compare with @expected: "key=value key=value" for results, "op:text|" for errors.
 */
static void expect(const struct reg_kv_op *ops, unsigned n, bool ok, const char *expected)
{
    struct buf b = BUF_INIT;
    struct reg_result r = apply(ops, n, 0);
    struct rd it = rd_of(slice_of(r.payload, r.payload_len));
    assert_int_equal(r.ok, ok);
    while (rd_left(&it) > 0) {
        struct reg_kv e;
        if (!ok) {
            buf_printf(&b, "%u:", rd_u32(&it));
            buf_add_slice(&b, rd_bytes(&it));
            buf_add_char(&b, '|');
            continue;
        }
        assert_int_equal(reg_kv_decode(rd_bytes(&it), &e), 0);
        buf_add_slice(&b, e.key);
        buf_add_char(&b, '=');
        buf_add_slice(&b, e.value);
        buf_add_char(&b, ' ');
    }
    buf_add_char(&b, '\0');
    assert_string_equal(b.p, expected);
    buf_fini(&b);
    free(r.payload);
}

#define COUNT(a) (unsigned)(sizeof(a) / sizeof(a)[0])

static bool exists(const char *key)
{
    struct reg_kv e;
    reg_read_begin(S.rd);
    bool found = reg_kv_find(S.rd, slice_str(key), &e);
    reg_read_end(S.rd);
    return found;
}

static uint64_t kvs_index(void)
{
    reg_read_begin(S.rd);
    uint64_t index = reg_index(S.rd, REG_W_KVS, slice_str(""));
    reg_read_end(S.rd);
    return index;
}

static void each_operation_sees_those_before_it(void **state)
{
    (void)state;
    const struct reg_kv_op ops[] = {
        OP(REG_KV_CHECK_NOT_EXISTS, "a"),
        OP_WITH(REG_KV_SET, "a", VALUE("1")),
        OP(REG_KV_GET, "a"),
        OP_WITH(REG_KV_SET, "ab", VALUE("2")),
        OP(REG_KV_GET_TREE, "a"),
        OP(REG_KV_DELETE, "ab"),
        OP(REG_KV_GET_OR_EMPTY, "ab"),
    };
    expect(ops, COUNT(ops), true, "a= a=1 ab= a=1 ab=2 ab= ");
    assert_true(exists("a"));
    assert_false(exists("ab"));
}

static void a_failure_undoes_everything_and_tells_all_errors(void **state)
{
    (void)state;
    (void)test_put(&S, "kept", "old");
    uint64_t before = kvs_index();
    const struct reg_kv_op ops[] = {
        OP_WITH(REG_KV_SET, "new", VALUE("1")),
        OP(REG_KV_GET, "none"),
        OP(REG_KV_DELETE_TREE, "k"),
        OP_WITH(REG_KV_CAS, "new", .index = 1),
        OP_WITH(0, "x", VALUE("fly")),
        OP_WITH(REG_KV_LOCK, "x", .session = SLICE_LIT(SESSION)),
        OP_WITH(REG_KV_DELETE_CAS, "new", .index = 1),
        OP_WITH(REG_KV_UNLOCK, "new", .session = SLICE_LIT(SESSION)),
        OP(REG_KV_CHECK_NOT_EXISTS, "new"),
        OP_WITH(REG_KV_CHECK_SESSION, "new", .session = SLICE_LIT("s")),
    };
    expect(ops, COUNT(ops), false,
           "1:key \"none\" doesn't exist|"
           "3:failed to set key \"new\", index is stale|"
           "4:unknown KV verb \"fly\"|"
           "5:invalid session \"" SESSION
           "\"|"
           "6:failed to delete key \"new\", index is stale|"
           "7:failed to unlock key \"new\", lock isn't held, or is held by another session|"
           "8:key \"new\" exists|"
           "9:failed session check for key \"new\", current session \"\" != \"s\"|");
    assert_false(exists("new"));
    assert_true(exists("kept"));
    assert_int_equal(kvs_index(), before);
}

static void a_failed_one_announces_nothing(void **state)
{
    (void)state;
    const struct reg_kv_op ops[] = {OP_WITH(REG_KV_SET, "a", VALUE("1")), OP(REG_KV_GET, "none")};
    struct reg_result r = apply(ops, COUNT(ops), 0);
    assert_false(r.changed);
    free(r.payload);
    r = apply(ops, 1, 0);
    assert_true(r.changed);
    free(r.payload);
}

static void one_that_failed_leaves_the_next_alone(void **state)
{
    (void)state;
    const struct reg_kv_op bad[] = {OP_WITH(REG_KV_SET, "a", VALUE("1")), OP(REG_KV_GET, "none")};
    const struct reg_kv_op good[] = {OP_WITH(REG_KV_CAS, "a", VALUE("2")), OP(REG_KV_GET, "a")};
    expect(bad, COUNT(bad), false, "1:key \"none\" doesn't exist|");
    expect(good, COUNT(good), true, "a= a=2 ");
    test_store_reopen(&S, true);
    assert_true(exists("a"));
}

static void locks_are_taken_and_rest_as_outside(void **state)
{
    (void)state;
    (void)test_node(&S, "n1", "10.0.0.1");
    struct buf cmd = BUF_INIT;
    struct reg_session_op op = {
        .verb = REG_SESSION_CREATE,
        .session = {
            .id = SLICE_LIT(SESSION), .node = SLICE_LIT("n1"), .lock_delay_ns = 5 * SECOND}};
    reg_command_session(&cmd, &op);
    assert_int_equal(test_store_apply(&S, &cmd, 0).status, 0);
    const struct reg_kv_op take[] = {
        OP_WITH(REG_KV_LOCK, "l", VALUE("v"), .session = SLICE_LIT(SESSION)),
        OP_WITH(REG_KV_CHECK_SESSION, "l", .session = SLICE_LIT(SESSION)),
    };
    expect(take, COUNT(take), true, "l= l= ");
    op.verb = REG_SESSION_DESTROY;
    reg_command_session(&cmd, &op);
    assert_int_equal(test_store_apply(&S, &cmd, 0).status, 0);
    buf_fini(&cmd);
    expect(take, COUNT(take), false, "0:failed to lock key \"l\" due to lock delay|");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        TEST(each_operation_sees_those_before_it),
        TEST(a_failure_undoes_everything_and_tells_all_errors),
        TEST(a_failed_one_announces_nothing),
        TEST(one_that_failed_leaves_the_next_alone),
        TEST(locks_are_taken_and_rest_as_outside),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
