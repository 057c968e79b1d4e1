/* User events: what the registry keeps of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "registry/event.h"
#include "tests/support/store.h"

static struct test_store S;

static int open_it(void **state)
{
    (void)state;
    test_store_open(&S);
    return 0;
}

static int close_it(void **state)
{
    (void)state;
    test_store_close(&S);
    return 0;
}

static struct reg_result fire(const char *name, const char *payload)
{
    struct buf cmd = BUF_INIT;
    reg_command_event(&cmd, &(struct reg_event){.id = SLICE_LIT("id"),
                                                .name = slice_str(name),
                                                .payload = slice_str(payload),
                                                .service_filter = SLICE_LIT("web")});
    struct reg_result r = test_store_apply(&S, &cmd, 0);
    buf_fini(&cmd);
    return r;
}

static void events_are_listed_in_the_order_of_firing(void **state)
{
    (void)state;
    struct reg_iter it;
    struct reg_event e;
    fire("b", "1");
    uint64_t second = fire("a", "").index;
    reg_read_begin(S.rd);
    assert_int_equal(reg_index(S.rd, REG_W_EVENTS, slice_of(NULL, 0)), second);
    reg_events(S.rd, &it);
    assert_true(reg_events_next(&it, &e));
    assert_true(slice_is(e.name, "b") && slice_is(e.payload, "1"));
    assert_true(slice_is(e.service_filter, "web") && e.node_filter.len == 0);
    assert_true(reg_events_next(&it, &e));
    assert_true(slice_is(e.name, "a") && e.ltime == second);
    assert_false(reg_events_next(&it, &e));
    reg_iter_end(&it);
    reg_read_end(S.rd);
}

static void only_the_newest_are_kept(void **state)
{
    (void)state;
    struct reg_iter it;
    struct reg_event e;
    unsigned n = 0;
    for (unsigned i = 0; i < REG_EVENTS_MAX + 3; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "%u", i);
        fire(name, "");
    }
    reg_read_begin(S.rd);
    reg_events(S.rd, &it);
    assert_true(reg_events_next(&it, &e));
    assert_true(slice_is(e.name, "3"));
    for (n = 1; reg_events_next(&it, &e); n++) {
    }
    assert_int_equal(n, REG_EVENTS_MAX);
    reg_iter_end(&it);
    reg_read_end(S.rd);
}

static void a_record_that_is_cut_does_not_decode(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    struct reg_event e = {.name = SLICE_LIT("n"), .ltime = 7};
    reg_event_encode(&b, &e);
    assert_int_equal(reg_event_decode(buf_slice(&b), &e), 0);
    assert_int_equal(e.ltime, 7);
    for (size_t len = 0; len < b.len; len++) {
        assert_int_not_equal(reg_event_decode(slice_of(b.p, len), &e), 0);
    }
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(events_are_listed_in_the_order_of_firing, open_it,
                                        close_it),
        cmocka_unit_test_setup_teardown(only_the_newest_are_kept, open_it, close_it),
        cmocka_unit_test(a_record_that_is_cut_does_not_decode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
