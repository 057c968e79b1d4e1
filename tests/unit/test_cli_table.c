/* cli/table: columns line up, and no line ends in blanks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/table.h"

/* Fill a table of @columns with @cells (NULL-terminated) and compare what it prints. */
static void expect(unsigned columns, unsigned gap, const char *const *cells, const char *text)
{
    struct table t;
    struct buf out = BUF_INIT;
    table_init(&t, columns, gap);
    for (; *cells != NULL; cells++) {
        table_add_str(&t, *cells);
    }
    table_print(&t, &out);
    buf_add_char(&out, '\0');
    assert_string_equal(out.p, text);
    buf_fini(&out);
    table_fini(&t);
}

static void columns_are_as_wide_as_their_widest_cell(void **state)
{
    (void)state;
    static const char *const cells[] = {"Node", "Address", "node1", "10.0.0.1", "n", "x", NULL};
    expect(2, 2, cells, "Node   Address\nnode1  10.0.0.1\nn      x\n");
}

static void empty_cells_leave_no_blanks_at_the_end_of_a_line(void **state)
{
    (void)state;
    static const char *const cells[] = {"consul", "", "", "web", "", "v1", NULL};
    expect(3, 2, cells, "consul\nweb       v1\n");
}

static void letters_of_several_bytes_count_once(void **state)
{
    (void)state;
    static const char *const cells[] = {"k\xc3\xbc", "1", "kue", "2", NULL};
    expect(2, 1, cells, "k\xc3\xbc  1\nkue 2\n");
}

static void control_characters_cannot_reach_the_terminal(void **state)
{
    (void)state;
    static const char *const cells[] = {"a\x1b[31m\n", "b", NULL};
    expect(2, 1, cells, "a [31m  b\n");
}

static void a_table_without_cells_prints_nothing(void **state)
{
    (void)state;
    static const char *const cells[] = {NULL};
    expect(2, 2, cells, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_as_wide_as_their_widest_cell),
        cmocka_unit_test(empty_cells_leave_no_blanks_at_the_end_of_a_line),
        cmocka_unit_test(letters_of_several_bytes_count_once),
        cmocka_unit_test(control_characters_cannot_reach_the_terminal),
        cmocka_unit_test(a_table_without_cells_prints_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
