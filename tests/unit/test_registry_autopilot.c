/* registry/autopilot: the stored configuration and its compare-and-set. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/err.h"
#include "registry/autopilot.h"
#include "registry/state.h"
#include "tests/support/store.h"

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

static struct reg_result write_config(uint64_t trailing, bool cas, uint64_t index)
{
    struct buf cmd = BUF_INIT;
    const struct reg_autopilot a = {.max_trailing_logs = trailing,
                                    .last_contact_threshold_ns = 5,
                                    .upgrade_version_tag = SLICE_LIT("version")};
    reg_command_autopilot(&cmd, &a, cas, index);
    struct reg_result r = test_store_apply(&S, &cmd, 0);
    buf_fini(&cmd);
    return r;
}

/* Its slices are gone. */
static struct reg_autopilot config(void)
{
    struct reg_autopilot a;
    reg_read_begin(S.rd);
    reg_autopilot_get(S.rd, &a);
    reg_read_end(S.rd);
    return a;
}

static void before_the_first_write_the_defaults_hold_with_index_1(void **state)
{
    (void)state;
    struct reg_autopilot a = config();
    assert_true(a.cleanup_dead_servers);
    assert_int_equal(a.max_trailing_logs, 250);
    assert_int_equal(a.last_contact_threshold_ns, 200000000);
    assert_int_equal(a.server_stabilization_ns, 10000000000);
    assert_int_equal(a.create_index, 1);
    assert_int_equal(a.modify_index, 1);
}

static void a_write_replaces_every_setting_and_keeps_its_create_index(void **state)
{
    (void)state;
    struct reg_result first = write_config(7, false, 0);
    struct reg_result second = write_config(8, false, 0);
    struct reg_autopilot a = config();
    assert_true(first.ok && second.ok);
    assert_int_equal(a.max_trailing_logs, 8);
    assert_false(a.cleanup_dead_servers);
    assert_int_equal(a.create_index, first.index);
    assert_int_equal(a.modify_index, second.index);
}

static void with_cas_only_the_current_index_may_write(void **state)
{
    (void)state;
    assert_true(write_config(7, true, 1).ok); /* the defaults' index */
    assert_false(write_config(8, true, 1).ok);
    struct reg_autopilot a = config();
    assert_int_equal(a.max_trailing_logs, 7);
    assert_true(write_config(9, true, a.modify_index).ok);
    assert_int_equal(config().max_trailing_logs, 9);
}

static void it_is_there_after_a_restart(void **state)
{
    (void)state;
    (void)write_config(7, false, 0);
    test_store_reopen(&S, true);
    struct reg_autopilot a;
    reg_read_begin(S.rd);
    reg_autopilot_get(S.rd, &a);
    assert_int_equal(a.max_trailing_logs, 7);
    assert_true(slice_is(a.upgrade_version_tag, "version"));
    reg_read_end(S.rd);
}

static void a_body_that_is_cut_anywhere_is_corrupt(void **state)
{
    (void)state;
    struct buf cmd = BUF_INIT;
    struct reg_result out;
    const struct reg_autopilot a = {.redundancy_zone_tag = SLICE_LIT("zone")};
    reg_command_autopilot(&cmd, &a, false, 0);
    for (size_t cut = 5; cut < cmd.len; cut++) { /* behind length and type */
        struct slice body = slice_of(cmd.p + 5, cut - 5);
        assert_int_equal(apply_autopilot(S.reg, body, &out), E_CORRUPT);
    }
    buf_fini(&cmd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(before_the_first_write_the_defaults_hold_with_index_1,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_write_replaces_every_setting_and_keeps_its_create_index,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(with_cas_only_the_current_index_may_write, setup, teardown),
        cmocka_unit_test_setup_teardown(it_is_there_after_a_restart, setup, teardown),
        cmocka_unit_test_setup_teardown(a_body_that_is_cut_anywhere_is_corrupt, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
