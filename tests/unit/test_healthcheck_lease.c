/* healthcheck/: leases of sessions, on the test's own clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/err.h"
#include "healthcheck/lease.h"

#define A SLICE_LIT("0a1b2c3d-0000-4000-8000-00000000000a")
#define B SLICE_LIT("0a1b2c3d-0000-4000-8000-00000000000b")
#define TTL ((int64_t)10000000000)
#define UTTL ((uint64_t)TTL)
#define SECOND ((uint64_t)1000000000)

static struct hc_schedule schedule;
static struct hc_leases set;
static unsigned n_expired;
static char last[64];

static void on_expired(struct hc_leases *s, struct slice id)
{
    assert_ptr_equal(s, &set);
    n_expired++;
    (void)snprintf(last, sizeof last, "%.*s", (int)id.len, id.p);
}

static int setup(void **state)
{
    (void)state;
    n_expired = 0;
    hc_schedule_init(&schedule);
    hc_leases_init(&set, &schedule, on_expired);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    hc_leases_fini(&set);
    assert_int_equal(schedule.count, 0);
    return 0;
}

/* Expiries by @now_ns. */
static unsigned at(uint64_t now_ns)
{
    n_expired = 0;
    (void)hc_schedule_step(&schedule, now_ns, 100);
    return n_expired;
}

static void a_lease_runs_for_twice_the_ttl(void **state)
{
    (void)state;
    assert_int_equal(hc_leases_keep(&set, A, TTL, 5), 0);
    assert_int_equal(at(5 + 2 * UTTL - 1), 0);
    assert_int_equal(at(5 + 2 * UTTL), 1);
    assert_true(slice_is(A, last));
}

static void renewing_begins_it_anew(void **state)
{
    (void)state;
    assert_int_equal(hc_leases_keep(&set, A, TTL, 0), 0);
    assert_int_equal(hc_leases_renew(&set, A, UTTL), 0);
    assert_int_equal(hc_leases_renew(&set, SLICE_LIT("0A1B2C3D-0000-4000-8000-00000000000A"), UTTL),
                     0);
    assert_int_equal(at(3 * UTTL - 1), 0);
    assert_int_equal(at(3 * UTTL), 1);
}

static void seeing_it_again_does_not(void **state)
{
    (void)state;
    for (uint64_t t = 0; t < 2 * UTTL; t += SECOND) {
        hc_leases_begin(&set);
        assert_int_equal(hc_leases_keep(&set, A, TTL, t), 0);
        hc_leases_end(&set);
    }
    assert_int_equal(at(2 * UTTL), 1);
}

static void one_that_ran_out_is_never_renewed(void **state)
{
    (void)state;
    assert_int_equal(hc_leases_keep(&set, A, TTL, 0), 0);
    assert_int_equal(at(2 * UTTL), 1);
    assert_int_equal(hc_leases_renew(&set, A, 2 * UTTL), E_NOTFOUND);
}

static void an_end_that_does_not_come_is_asked_for_each_second(void **state)
{
    (void)state;
    assert_int_equal(hc_leases_keep(&set, A, TTL, 0), 0);
    assert_int_equal(at(2 * UTTL), 1);
    assert_int_equal(at(2 * UTTL + SECOND - 1), 0);
    assert_int_equal(at(2 * UTTL + SECOND), 1);
    hc_leases_begin(&set);
    hc_leases_end(&set);
    assert_int_equal(at(4 * UTTL), 0);
}

static void a_session_that_is_gone_has_none(void **state)
{
    (void)state;
    assert_int_equal(hc_leases_renew(&set, A, 0), E_NOTFOUND);
    assert_int_equal(hc_leases_keep(&set, A, TTL, 0), 0);
    assert_int_equal(hc_leases_keep(&set, B, TTL, 0), 0);
    hc_leases_begin(&set);
    assert_int_equal(hc_leases_keep(&set, B, TTL, 1), 0);
    hc_leases_end(&set);
    assert_int_equal(set.count, 1);
    assert_int_equal(hc_leases_renew(&set, A, 1), E_NOTFOUND);
    assert_int_equal(at(2 * UTTL), 1);
    assert_true(slice_is(B, last));
}

static void what_is_no_session_with_a_ttl_is_refused(void **state)
{
    (void)state;
    assert_int_equal(hc_leases_keep(&set, A, 0, 0), E_INVAL);
    assert_int_equal(hc_leases_keep(&set, SLICE_LIT(""), TTL, 0), E_INVAL);
    assert_int_equal(
        hc_leases_keep(&set, SLICE_LIT("0a1b2c3d-0000-4000-8000-00000000000ab"), TTL, 0), E_INVAL);
}

static void many_leases_expire_in_their_order(void **state)
{
    (void)state;
    char id[37];
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(id, sizeof id, "0a1b2c3d-0000-4000-8000-%012d", i);
        assert_int_equal(hc_leases_keep(&set, slice_str(id), TTL, (uint64_t)(999 - i)), 0);
    }
    assert_int_equal(set.count, 1000);
    for (int i = 999; i >= 0; i--) {
        assert_int_equal(at(2 * UTTL + (uint64_t)(999 - i)), 1);
        (void)snprintf(id, sizeof id, "0a1b2c3d-0000-4000-8000-%012d", i);
        assert_string_equal(last, id);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        TEST(a_lease_runs_for_twice_the_ttl),
        TEST(renewing_begins_it_anew),
        TEST(seeing_it_again_does_not),
        TEST(one_that_ran_out_is_never_renewed),
        TEST(an_end_that_does_not_come_is_asked_for_each_second),
        TEST(a_session_that_is_gone_has_none),
        TEST(what_is_no_session_with_a_ttl_is_refused),
        TEST(many_leases_expire_in_their_order),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
