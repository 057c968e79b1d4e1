/* Network coordinates: kept with their node, and the distances between them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "registry/coord.h"
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

static struct reg_result set(const char *node, const char *segment, double x)
{
    struct buf cmd = BUF_INIT;
    struct reg_coord c = {
        .node = slice_str(node), .segment = slice_str(segment), .vec = {x}, .height = 0.5};
    reg_command_coord(&cmd, &c);
    struct reg_result r = test_store_apply(&S, &cmd, 0);
    buf_fini(&cmd);
    return r;
}

static struct reg_coord_set set_of(const char *node)
{
    struct reg_coord_set s;
    reg_read_begin(S.rd);
    reg_coord_set_read(S.rd, slice_str(node), &s);
    reg_read_end(S.rd);
    return s;
}

static void a_coordinate_needs_its_node(void **state)
{
    (void)state;
    assert_false(set("n", "", 1).ok);
    assert_int_equal(set_of("n").n, 0);
    test_node(&S, "n", "10.0.0.1");
    assert_true(set("N", "", 1).changed); /* names match in any case */
    struct reg_coord_set s = set_of("n");
    assert_int_equal(s.n, 1);
    assert_true(s.coords[0].vec[0] == 1 && s.coords[0].height == 0.5);
    assert_false(set("n", "", 1).changed); /* the same again moves nothing */
}

static void a_coordinate_goes_with_its_node(void **state)
{
    (void)state;
    test_node(&S, "n", "10.0.0.1");
    test_node(&S, "n2", "10.0.0.2");
    set("n", "", 1);
    set("n", "seg", 2);
    set("n2", "", 3);
    assert_int_equal(set_of("n").n, 2);
    test_deregister(&S, "n", "", "");
    assert_int_equal(set_of("n").n, 0);
    assert_int_equal(set_of("n2").n, 1);
}

static void a_node_is_in_a_bounded_number_of_segments(void **state)
{
    (void)state;
    test_node(&S, "n", "10.0.0.1");
    for (int i = 0; i < REG_COORD_SEGMENTS_MAX + 2; i++) {
        char segment[16];
        (void)snprintf(segment, sizeof segment, "s%d", i);
        assert_true(set("n", segment, 1).changed == (i < REG_COORD_SEGMENTS_MAX));
    }
    assert_true(set("n", "s0", 2).changed);
}

static void distance_is_that_of_the_points_plus_heights_and_adjustments(void **state)
{
    (void)state;
    struct reg_coord a = {.vec = {3, 0}, .height = 0.25};
    struct reg_coord b = {.vec = {0, 4}, .height = 0.25};
    assert_true(reg_coord_distance(&a, &b) == 5.5);
    a.adjustment = -1;
    assert_true(reg_coord_distance(&a, &b) == 4.5);
    a.adjustment = -100; /* an adjustment that would make it negative does not count */
    assert_true(reg_coord_distance(&a, &b) == 5.5);
}

static void distance_is_taken_in_a_common_segment(void **state)
{
    (void)state;
    test_node(&S, "a", "10.0.0.1");
    test_node(&S, "b", "10.0.0.2");
    set("a", "", 0);
    set("a", "seg", 10);
    set("b", "seg", 11);
    struct reg_coord_set a = set_of("a");
    struct reg_coord_set b = set_of("b");
    struct reg_coord_set nobody = {.n = 0};
    assert_true(reg_coord_set_distance(&a, &b) == 2);
    assert_true(isinf(reg_coord_set_distance(&a, &nobody)));
}

static void numbers_that_are_not_finite_are_not_valid(void **state)
{
    (void)state;
    struct reg_coord c;
    reg_coord_origin(&c);
    assert_true(reg_coord_valid(&c));
    c.vec[7] = HUGE_VAL;
    assert_false(reg_coord_valid(&c));
}

static void a_record_that_is_cut_does_not_decode(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    struct reg_coord c = {.node = SLICE_LIT("n"), .vec = {0.1}};
    reg_coord_encode(&b, &c);
    assert_int_equal(reg_coord_decode(buf_slice(&b), &c), 0);
    for (size_t len = 0; len < b.len; len++) {
        assert_int_not_equal(reg_coord_decode(slice_of(b.p, len), &c), 0);
    }
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_coordinate_needs_its_node, open_it, close_it),
        cmocka_unit_test_setup_teardown(a_coordinate_goes_with_its_node, open_it, close_it),
        cmocka_unit_test_setup_teardown(a_node_is_in_a_bounded_number_of_segments, open_it,
                                        close_it),
        cmocka_unit_test(distance_is_that_of_the_points_plus_heights_and_adjustments),
        cmocka_unit_test_setup_teardown(distance_is_taken_in_a_common_segment, open_it, close_it),
        cmocka_unit_test(numbers_that_are_not_finite_are_not_valid),
        cmocka_unit_test(a_record_that_is_cut_does_not_decode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
