/* registry/: sessions, the locks that hang on them, and what ends both. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/err.h"
#include "tests/support/store.h"

#define ID_A "0a1b2c3d-0000-4000-8000-00000000000a"
#define ID_B "0a1b2c3d-0000-4000-8000-00000000000b"
#define ID_C "0a1b2c3d-0000-4000-8000-00000000000c"
#define SECOND ((int64_t)1000000000)

static struct test_store S;

static int setup(void **state)
{
    (void)state;
    test_store_open(&S);
    (void)test_node(&S, "n1", "10.0.0.1");
    (void)test_service(&S, "n1", "web-1", "web", "", 80, NULL, "passing");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    test_store_close(&S);
    return 0;
}

struct wish {
    const char *id;
    const char *check; /* of the service web-1, or NULL */
    uint8_t behavior;
    int64_t lock_delay_ns;
};

static struct reg_result create(const struct wish *w)
{
    struct buf cmd = BUF_INIT;
    struct buf list = BUF_INIT;
    struct reg_list_builder lb;
    reg_list_begin(&lb, &list);
    if (w->check != NULL) {
        reg_list_add(&lb, slice_str(w->check));
        reg_list_add(&lb, slice_str(""));
    }
    struct reg_session_op op = {.verb = REG_SESSION_CREATE,
                                .session = {.id = slice_str(w->id),
                                            .node = SLICE_LIT("n1"),
                                            .behavior = w->behavior,
                                            .lock_delay_ns = w->lock_delay_ns,
                                            .service_checks = reg_list_end(&lb)}};
    reg_command_session(&cmd, &op);
    struct reg_result r = test_store_apply(&S, &cmd, 0);
    buf_fini(&list);
    buf_fini(&cmd);
    return r;
}

static struct reg_result destroy_at(const char *id, int64_t wall_ns)
{
    struct buf cmd = BUF_INIT;
    struct reg_session_op op = {.verb = REG_SESSION_DESTROY, .session.id = slice_str(id)};
    reg_command_session(&cmd, &op);
    struct reg_result r = test_store_apply(&S, &cmd, wall_ns);
    buf_fini(&cmd);
    return r;
}

static struct reg_result op_at(uint8_t verb,
                               const char *key,
                               const char *value,
                               const char *session,
                               int64_t wall_ns)
{
    struct buf cmd = BUF_INIT;
    struct reg_kv_op op = {.verb = verb,
                           .key = slice_str(key),
                           .value = slice_str(value),
                           .session = slice_str(session)};
    reg_command_kv(&cmd, &op);
    struct reg_result r = test_store_apply(&S, &cmd, wall_ns);
    buf_fini(&cmd);
    return r;
}

static bool lock(const char *key, const char *session)
{
    struct reg_result r = op_at(REG_KV_LOCK, key, "v", session, 0);
    assert_int_equal(r.status, 0);
    return r.ok;
}

static bool session_there(const char *id)
{
    struct reg_session s;
    reg_read_begin(S.rd);
    bool found = reg_session_find(S.rd, slice_str(id), &s);
    reg_read_end(S.rd);
    return found;
}

static unsigned sessions_of(const char *node)
{
    struct reg_iter it;
    struct reg_session s;
    unsigned n = 0;
    reg_read_begin(S.rd);
    reg_node_sessions(S.rd, &it, slice_str(node));
    while (reg_sessions_next(&it, &s)) {
        n++;
    }
    reg_iter_end(&it);
    reg_read_end(S.rd);
    return n;
}

static uint64_t sessions_index(void)
{
    reg_read_begin(S.rd);
    uint64_t index = reg_index(S.rd, REG_W_SESSIONS, slice_str(""));
    reg_read_end(S.rd);
    return index;
}

/* @session NULL: the key must be absent; "": nobody may hold it. */
static void expect_key(const char *key, const char *session, uint64_t lock_index)
{
    struct reg_kv e;
    reg_read_begin(S.rd);
    bool found = reg_kv_find(S.rd, slice_str(key), &e);
    bool same = found && session != NULL && slice_is(e.session, session);
    uint64_t locks = found ? e.lock_index : 0;
    reg_read_end(S.rd);
    assert_int_equal(found, session != NULL);
    if (session != NULL) {
        assert_true(same);
        assert_int_equal(locks, lock_index);
    }
}

static void a_session_lives_until_it_is_destroyed(void **state)
{
    (void)state;
    assert_int_equal(sessions_index(), 1);
    struct reg_result r = create(&(struct wish){.id = ID_A});
    assert_int_equal(r.status, 0);
    assert_int_equal(sessions_index(), r.index);
    assert_true(session_there(ID_A));
    assert_true(session_there("0A1B2C3D-0000-4000-8000-00000000000A"));
    assert_int_equal(sessions_of("N1"), 1);
    assert_int_equal(sessions_of("n2"), 0);
    r = destroy_at(ID_A, 0);
    assert_int_equal(r.status, 0);
    assert_int_equal(sessions_index(), r.index);
    assert_false(session_there(ID_A));
    assert_int_equal(sessions_of("n1"), 0);
    assert_false(destroy_at(ID_A, 0).changed);
}

static void a_session_is_refused_for_reasons_in_consuls_words(void **state)
{
    (void)state;
    static const struct {
        struct wish wish;
        const char *text;
    } rows[] = {
        {{.id = "short"}, "failed session lookup: index error: UUID must be 36 characters"},
        {{.id = "0a1b2c3d-0000-4000-8000-00000000000g"},
         "failed session lookup: index error: Invalid UUID: encoding/hex: invalid byte: U+0067 "
         "'g'"},
        {{.id = ID_B, .check = "none"}, "Missing check 'none' registration"},
        {{.id = ID_B, .check = "service:db-1"}, "Check 'service:db-1' is in critical state"},
    };
    (void)test_service(&S, "n1", "db-1", "db", "", 80, NULL, "critical");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct reg_result r = create(&rows[i].wish);
        assert_int_not_equal(r.status, 0);
        assert_string_equal(r.text, rows[i].text);
        assert_false(r.changed);
    }
    assert_int_equal(create(&(struct wish){.id = ID_A}).status, 0);
    assert_int_equal(create(&(struct wish){.id = ID_A}).status, E_EXISTS);
}

static void a_session_needs_its_node(void **state)
{
    (void)state;
    struct buf cmd = BUF_INIT;
    struct reg_session_op op = {.verb = REG_SESSION_CREATE,
                                .session = {.id = SLICE_LIT(ID_A), .node = SLICE_LIT("none")}};
    reg_command_session(&cmd, &op);
    assert_string_equal(test_store_apply(&S, &cmd, 0).text, "Missing node registration");
    buf_fini(&cmd);
}

static void locks_count_and_have_one_holder(void **state)
{
    (void)state;
    (void)create(&(struct wish){.id = ID_A});
    (void)create(&(struct wish){.id = ID_B});
    assert_true(lock("k", ID_A));
    expect_key("k", ID_A, 1);
    assert_false(lock("k", ID_B));
    assert_true(lock("k", ID_A)); /* again, by the holder */
    expect_key("k", ID_A, 1);
    assert_false(op_at(REG_KV_UNLOCK, "k", "v", ID_B, 0).ok);
    assert_true(op_at(REG_KV_UNLOCK, "k", "v", ID_A, 0).ok);
    expect_key("k", "", 1);
    assert_false(op_at(REG_KV_UNLOCK, "k", "v", ID_A, 0).ok);
    assert_true(lock("k", ID_B));
    expect_key("k", ID_B, 2);
}

static void a_plain_write_keeps_the_holder_and_resets_the_count(void **state)
{
    (void)state;
    (void)create(&(struct wish){.id = ID_A});
    assert_true(lock("k", ID_A));
    assert_true(op_at(REG_KV_SET, "k", "v", "", 0).changed); /* even with the same value */
    expect_key("k", ID_A, 0);
    assert_false(op_at(REG_KV_SET, "k", "v", "", 0).changed);
}

static void a_lock_needs_a_living_session(void **state)
{
    (void)state;
    assert_string_equal(op_at(REG_KV_LOCK, "k", "v", ID_C, 0).text, "invalid session \"" ID_C "\"");
    assert_string_equal(op_at(REG_KV_LOCK, "k", "v", "", 0).text, "missing session");
    assert_string_equal(op_at(REG_KV_UNLOCK, "k", "v", "", 0).text, "missing session");
    expect_key("k", NULL, 0);
}

static void the_end_of_a_session_releases_or_deletes_its_keys(void **state)
{
    (void)state;
    (void)create(&(struct wish){.id = ID_A, .behavior = REG_SESSION_RELEASE});
    (void)create(&(struct wish){.id = ID_B, .behavior = REG_SESSION_DELETE});
    char long_key[600];
    memset(long_key, 'x', sizeof long_key - 1);
    long_key[sizeof long_key - 1] = '\0';
    assert_true(lock("a/1", ID_A));
    assert_true(lock("a/2", ID_A));
    assert_true(lock(long_key, ID_A));
    assert_true(lock("free", ID_A));
    assert_true(op_at(REG_KV_UNLOCK, "free", "v", ID_A, 0).ok);
    assert_true(lock("free", ID_B));
    assert_true(lock("b", ID_B));
    assert_true(lock("gone", ID_B));
    assert_true(op_at(REG_KV_DELETE, "gone", "", "", 0).changed);
    assert_true(lock("gone", ID_A)); /* anew, by somebody else */
    (void)destroy_at(ID_A, 0);
    expect_key("a/1", "", 1);
    expect_key("a/2", "", 1);
    expect_key(long_key, "", 1);
    expect_key("free", ID_B, 2);
    expect_key("gone", "", 1);
    (void)destroy_at(ID_B, 0);
    expect_key("free", NULL, 0);
    expect_key("b", NULL, 0);
    expect_key("gone", "", 1);
}

static void a_session_of_many_keys_lets_all_of_them_go(void **state)
{
    (void)state;
    char key[32];
    (void)create(&(struct wish){.id = ID_A, .behavior = REG_SESSION_DELETE});
    for (int i = 0; i < 1200; i++) {
        (void)snprintf(key, sizeof key, "m/%d", i);
        assert_true(lock(key, ID_A));
    }
    (void)destroy_at(ID_A, 0);
    struct reg_counts n;
    reg_read_begin(S.rd);
    reg_count(S.rd, &n);
    reg_read_end(S.rd);
    assert_int_equal(n.kvs, 0);
}

static void a_lock_rests_for_the_lock_delay_by_the_clock_of_the_batch(void **state)
{
    (void)state;
    int64_t t = 1000 * SECOND;
    (void)create(&(struct wish){.id = ID_A, .lock_delay_ns = 5 * SECOND});
    (void)create(&(struct wish){.id = ID_B, .lock_delay_ns = 90 * SECOND});
    (void)create(&(struct wish){.id = ID_C});
    assert_true(lock("k", ID_A));
    (void)destroy_at(ID_A, t);
    assert_false(op_at(REG_KV_LOCK, "k", "v", ID_B, t + 5 * SECOND - 1).ok);
    test_store_reopen(&S, true);
    assert_false(op_at(REG_KV_LOCK, "k", "v", ID_B, t + 5 * SECOND - 1).ok);
    assert_true(op_at(REG_KV_SET, "k", "plain writes may pass", "", t).ok);
    assert_true(op_at(REG_KV_LOCK, "k", "v", ID_B, t + 5 * SECOND).ok);
    (void)destroy_at(ID_B, t); /* a minute is the most */
    assert_false(op_at(REG_KV_LOCK, "k", "v", ID_C, t + 60 * SECOND - 1).ok);
    assert_true(op_at(REG_KV_LOCK, "k", "v", ID_C, t + 60 * SECOND).ok);
}

static void a_key_that_was_released_does_not_rest(void **state)
{
    (void)state;
    (void)create(&(struct wish){.id = ID_A, .lock_delay_ns = 15 * SECOND});
    (void)create(&(struct wish){.id = ID_B});
    assert_true(lock("k", ID_A));
    assert_true(op_at(REG_KV_UNLOCK, "k", "v", ID_A, 0).ok);
    assert_true(lock("k", ID_B));
}

static void set_status(const char *check, const char *status)
{
    struct buf cmd = BUF_INIT;
    reg_command_check_status(&cmd, &(struct reg_check_status){.node = SLICE_LIT("n1"),
                                                              .check_id = slice_str(check),
                                                              .status = slice_str(status)});
    assert_int_equal(test_store_apply(&S, &cmd, 0).status, 0);
    buf_fini(&cmd);
}

static void a_session_ends_with_what_it_is_linked_to(void **state)
{
    (void)state;
    const struct wish linked = {.id = ID_A, .check = "service:web-1"};
    (void)create(&(struct wish){.id = ID_B});
    (void)create(&linked);
    assert_true(lock("k", ID_A));
    set_status("service:web-1", "warning");
    assert_true(session_there(ID_A));
    set_status("service:web-1", "critical");
    assert_false(session_there(ID_A));
    expect_key("k", "", 1);

    set_status("service:web-1", "passing");
    assert_int_equal(create(&linked).status, 0);
    (void)test_deregister(&S, "n1", NULL, "service:web-1");
    assert_false(session_there(ID_A));

    (void)test_service(&S, "n1", "web-1", "web", "", 80, NULL, "passing");
    assert_int_equal(create(&linked).status, 0);
    (void)test_deregister(&S, "n1", "web-1", NULL);
    assert_false(session_there(ID_A));

    (void)test_service(&S, "n1", "web-1", "web", "", 80, NULL, "passing");
    assert_int_equal(create(&linked).status, 0);
    (void)test_service(&S, "n1", "web-1", "web", "", 80, NULL, "critical");
    assert_false(session_there(ID_A));

    assert_true(session_there(ID_B));
    (void)test_deregister(&S, "n1", NULL, NULL);
    assert_false(session_there(ID_B));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        TEST(a_session_lives_until_it_is_destroyed),
        TEST(a_session_is_refused_for_reasons_in_consuls_words),
        TEST(a_session_needs_its_node),
        TEST(locks_count_and_have_one_holder),
        TEST(a_plain_write_keeps_the_holder_and_resets_the_count),
        TEST(a_lock_needs_a_living_session),
        TEST(the_end_of_a_session_releases_or_deletes_its_keys),
        TEST(a_session_of_many_keys_lets_all_of_them_go),
        TEST(a_lock_rests_for_the_lock_delay_by_the_clock_of_the_batch),
        TEST(a_key_that_was_released_does_not_rest),
        TEST(a_session_ends_with_what_it_is_linked_to),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
