/* registry/: records and commands survive encoding, and no damaged bytes are taken for sound. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/err.h"
#include "registry/command.h"

static struct reg_list list_of(struct buf *b, const char *const *items, size_t n)
{
    struct reg_list_builder lb;
    reg_list_begin(&lb, b);
    for (size_t i = 0; i < n; i++) {
        reg_list_add(&lb, slice_str(items[i]));
    }
    return reg_list_end(&lb);
}

static struct reg_check sample_check(struct reg_list list)
{
    return (struct reg_check){.node = SLICE_LIT("n1"),
                              .check_id = SLICE_LIT("service:web"),
                              .name = SLICE_LIT("web up"),
                              .status = SLICE_LIT("passing"),
                              .output = SLICE_LIT("200 OK"),
                              .service_id = SLICE_LIT("web"),
                              .service_tags = list,
                              .type = SLICE_LIT("http"),
                              .probe = {.kind = REG_PROBE_HTTP,
                                        .target = SLICE_LIT("http://h/"),
                                        .header = list,
                                        .interval_ns = 10000000000,
                                        .tls_skip_verify = true,
                                        .failures_before_critical = 3},
                              .origin = REG_ORIGIN_AGENT,
                              .create_index = 7,
                              .modify_index = 9};
}

static void a_check_comes_back_as_it_was(void **state)
{
    (void)state;
    const char *const items[] = {"a", "", "long enough to differ"};
    struct buf text = BUF_INIT;
    struct buf b = BUF_INIT;
    struct reg_check c = sample_check(list_of(&text, items, 3));
    struct reg_check d;
    reg_check_encode(&b, &c);
    assert_int_equal(reg_check_decode(buf_slice(&b), &d), 0);
    assert_true(reg_check_same(&c, &d));
    assert_int_equal(d.create_index, 7);
    assert_int_equal(d.modify_index, 9);
    assert_int_equal(d.probe.interval_ns, 10000000000);
    assert_int_equal(reg_list_count(d.service_tags), 3);
    d.modify_index = 1000;
    assert_true(reg_check_same(&c, &d)); /* indexes do not count */
    d.probe.failures_before_critical = 4;
    assert_false(reg_check_same(&c, &d));
    buf_fini(&b);
    buf_fini(&text);
}

static void every_cut_of_a_record_is_refused(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    struct reg_check c = sample_check((struct reg_list){{NULL, 0}});
    reg_check_encode(&b, &c);
    for (size_t cut = 0; cut < b.len; cut++) {
        char *exact = malloc(cut + 1);
        struct reg_check d;
        assert_non_null(exact);
        memcpy(exact, b.p, cut);
        assert_int_equal(reg_check_decode(slice_of(exact, cut), &d), E_CORRUPT);
        free(exact);
    }
    buf_add_char(&b, 'x'); /* and one byte too many */
    struct reg_check d;
    assert_int_equal(reg_check_decode(buf_slice(&b), &d), E_CORRUPT);
    buf_fini(&b);
}

static void null_and_empty_lists_are_told_apart(void **state)
{
    (void)state;
    struct buf text = BUF_INIT;
    struct buf b = BUF_INIT;
    struct reg_node n = {.name = SLICE_LIT("n"), .meta = list_of(&text, NULL, 0)};
    struct reg_node m;
    reg_node_encode(&b, &n);
    assert_int_equal(reg_node_decode(buf_slice(&b), &m), 0);
    assert_true(reg_list_absent(m.tagged));
    assert_false(reg_list_absent(m.meta));
    assert_int_equal(reg_list_count(m.meta), 0);
    buf_fini(&b);
    buf_fini(&text);
}

static void maps_are_looked_up_by_key(void **state)
{
    (void)state;
    const char *const items[] = {"env", "prod", "zone", "a"};
    struct buf text = BUF_INIT;
    struct reg_list l = list_of(&text, items, 4);
    struct slice v;
    assert_true(reg_map_get(l, "zone", &v));
    assert_true(slice_is(v, "a"));
    assert_false(reg_map_get(l, "prod", &v)); /* a value is no key */
    assert_true(reg_list_valid(l));
    l.raw.len--;
    assert_false(reg_list_valid(l));
    buf_fini(&text);
}

static void batches_hold_what_was_put_and_refuse_every_cut(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    struct reg_check check = sample_check((struct reg_list){{NULL, 0}});
    reg_batch_begin(&b, 1234567890123);
    reg_command_kv(&b, &(struct reg_kv_op){.verb = REG_KV_CAS,
                                           .key = SLICE_LIT("a/b"),
                                           .value = SLICE_LIT("v"),
                                           .flags = UINT64_MAX,
                                           .index = 42});
    reg_command_register(&b, &(struct reg_register){.flags = REG_REG_SERVICE,
                                                    .node = {.name = SLICE_LIT("n")},
                                                    .service = {.id = SLICE_LIT("w"), .port = -1},
                                                    .checks = &check,
                                                    .n_checks = 1});
    reg_batch_end(&b, 2);
    assert_int_equal(b.len % 8, 0);
    struct reg_batch batch;
    uint8_t type;
    struct slice body;
    struct reg_kv_op kv;
    struct reg_register reg;
    struct reg_check checks[1];
    assert_int_equal(reg_batch_open(buf_slice(&b), &batch), 0);
    assert_int_equal(batch.wall_ns, 1234567890123);
    assert_int_equal(reg_batch_next(&batch, &type, &body), 0);
    assert_int_equal(type, REG_CMD_KV);
    assert_int_equal(reg_kv_op_decode(body, &kv), 0);
    assert_true(kv.flags == UINT64_MAX);
    assert_int_equal(reg_batch_next(&batch, &type, &body), 0);
    assert_int_equal(type, REG_CMD_REGISTER);
    assert_int_equal(reg_register_decode(body, &reg, checks, 1), 0);
    assert_int_equal(reg.service.port, -1);
    assert_true(reg_check_same(&checks[0], &check));
    assert_int_equal(reg_register_decode(body, &reg, checks, 0), E_CORRUPT); /* no room */
    assert_int_equal(reg_batch_next(&batch, &type, &body), E_EOF);
    for (size_t cut = 0; cut + 8 <= b.len; cut += 1) {
        int rc = reg_batch_open(slice_of(b.p, cut), &batch);
        while (rc == 0) {
            rc = reg_batch_next(&batch, &type, &body);
        }
        if (rc != E_CORRUPT) {
            fail_msg("cut at %zu: got %s", cut, err_name(rc));
        }
    }
    buf_fini(&b);
}

static void a_command_above_the_limit_fails_its_buffer(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    size_t n = REG_COMMAND_SIZE_MAX + 1;
    char *value = calloc(1, n);
    assert_non_null(value);
    reg_command_kv(&b, &(struct reg_kv_op){.verb = REG_KV_SET, .value = slice_of(value, n)});
    assert_false(buf_ok(&b));
    free(value);
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_check_comes_back_as_it_was),
        cmocka_unit_test(every_cut_of_a_record_is_refused),
        cmocka_unit_test(null_and_empty_lists_are_told_apart),
        cmocka_unit_test(maps_are_looked_up_by_key),
        cmocka_unit_test(batches_hold_what_was_put_and_refuse_every_cut),
        cmocka_unit_test(a_command_above_the_limit_fails_its_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
