/* base/: durations after Go's rules, buffers and cursors, CRC, UUIDs, queues. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/duration.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/queue.h"
#include "base/rand.h"

static void durations_parse_as_in_go(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int rc;
        int64_t ns;
    } rows[] = {
        {"0", 0, 0},
        {"10s", 0, 10000000000},
        {"1m30s", 0, 90000000000},
        {"300ms", 0, 300000000},
        {"1h", 0, 3600000000000},
        {"15.0s", 0, 15000000000},
        {"0.001s", 0, 1000000},
        {"2.9755232334136963s", 0, 2975523233},
        {"120000ms", 0, 120000000000},
        {"-1.5h", 0, -5400000000000},
        {"1us", 0, 1000},
        {"1\xc2\xb5s", 0, 1000},
        {".5s", 0, 500000000},
        {"1.s", 0, 1000000000},
        {"9223372036854775807ns", 0, INT64_MAX},
        {"9223372036854775808ns", E_INVAL, 0},
        {"-9223372036854775808ns", 0, INT64_MIN},
        {"", E_INVAL, 0},
        {"10", E_INVAL, 0},
        {"s", E_INVAL, 0},
        {".s", E_INVAL, 0},
        {"-", E_INVAL, 0},
        {"1d", E_INVAL, 0},
        {"10s ", E_INVAL, 0},
        {"3000000h", E_INVAL, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t ns = 0;
        int rc = duration_parse(slice_str(rows[i].text), &ns);
        if (rc != rows[i].rc || ns != rows[i].ns) {
            fail_msg("\"%s\": got %d, %lld", rows[i].text, rc, (long long)ns);
        }
    }
}

static void durations_print_as_in_go(void **state)
{
    (void)state;
    static const struct {
        int64_t ns;
        const char *text;
    } rows[] = {
        {0, "0s"},
        {1, "1ns"},
        {1100, "1.1\xc2\xb5s"},
        {2200000, "2.2ms"},
        {3300000000, "3.3s"},
        {60000000000, "1m0s"},
        {245000000000, "4m5s"},
        {245001000000, "4m5.001s"},
        {18367001000000, "5h6m7.001s"},
        {3600000000000, "1h0m0s"},
        {-1500000000, "-1.5s"},
        {INT64_MIN, "-2562047h47m16.854775808s"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf b = BUF_INIT;
        duration_format(&b, rows[i].ns);
        if (!slice_is(buf_slice(&b), rows[i].text)) {
            fail_msg("%lld: got %.*s", (long long)rows[i].ns, (int)b.len, b.p);
        }
        buf_fini(&b);
    }
}

static void buffers_fail_once_and_stay_failed(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    b.max = 300;
    for (int i = 0; i < 300; i++) {
        buf_add_char(&b, 'x');
    }
    assert_true(buf_ok(&b));
    buf_add_char(&b, 'y');
    assert_false(buf_ok(&b));
    assert_int_equal(b.len, 300);
    buf_fini(&b);
    b.max = 5; /* below the first allocation too */
    buf_add_str(&b, "12345");
    assert_true(buf_ok(&b));
    buf_add_char(&b, '6');
    assert_false(buf_ok(&b));
    buf_reset(&b);
    buf_printf(&b, "%d-%s", 7, "a");
    assert_true(slice_is(buf_slice(&b), "7-a"));
    buf_fini(&b);
}

static void cursors_return_what_was_put_and_refuse_every_cut(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    buf_put_u8(&b, 0xab);
    buf_put_u16(&b, 0xbeef);
    buf_put_u32(&b, 0xdeadbeef);
    buf_put_u64(&b, 0x0123456789abcdef);
    buf_put_bytes(&b, slice_str("hello"));
    for (size_t cut = 0; cut <= b.len; cut++) {
        char *exact = malloc(cut + 1); /* so that ASan sees a read past the cut */
        assert_non_null(exact);
        memcpy(exact, b.p, cut);
        struct rd r = rd_of(slice_of(exact, cut));
        uint8_t v8 = rd_u8(&r);
        uint16_t v16 = rd_u16(&r);
        uint32_t v32 = rd_u32(&r);
        uint64_t v64 = rd_u64(&r);
        struct slice s = rd_bytes(&r);
        assert_int_equal(rd_done(&r), cut == b.len);
        if (cut == b.len) {
            assert_int_equal(v8, 0xab);
            assert_int_equal(v16, 0xbeef);
            assert_int_equal(v32, 0xdeadbeef);
            assert_true(v64 == 0x0123456789abcdef);
            assert_true(slice_is(s, "hello"));
        }
        free(exact);
    }
    buf_fini(&b);
}

static void crc_matches_the_published_check_value(void **state)
{
    (void)state;
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283); /* RFC 3720 polynomial */
    assert_int_equal(crc32c(crc32c(0, "1234", 4), "56789", 5), 0xe3069283);
}

static void uuids_are_valid_and_differ(void **state)
{
    (void)state;
    char a[UUID_LEN + 1];
    char b[UUID_LEN + 1];
    uuid_make(a);
    uuid_make(b);
    assert_true(uuid_valid(slice_str(a)));
    assert_int_equal(a[14], '4');
    assert_string_not_equal(a, b);
    assert_false(uuid_valid(slice_str("6f0bdf20-3c1b-4d2e-9a5e-0d1c2b3a4f5")));
    assert_false(uuid_valid(slice_str("6f0bdf20-3c1b-4d2e-9a5e-0d1c2b3a4f5g")));
}

static void count_wakes(void *arg)
{
    (*(int *)arg)++;
}

static void queues_bound_wake_once_and_refuse_when_closed(void **state)
{
    (void)state;
    int wakes = 0;
    struct queue q;
    queue_init(&q, 2, count_wakes, &wakes);
    struct list items[4];
    assert_int_equal(queue_push(&q, &items[0]), 0);
    assert_int_equal(queue_push(&q, &items[1]), 0);
    assert_int_equal(wakes, 1);
    assert_int_equal(queue_push(&q, &items[2]), E_FULL);
    assert_true(queue_push_reply(&q, &items[2]));
    struct list out;
    list_init(&out);
    assert_int_equal(queue_take(&q, &out), 3);
    assert_ptr_equal(list_pop(&out), &items[0]);
    assert_ptr_equal(list_pop(&out), &items[1]);
    assert_ptr_equal(list_pop(&out), &items[2]);
    queue_close(&q);
    assert_int_equal(queue_push(&q, &items[3]), E_CANCELED);
    assert_int_equal(queue_wait(&q, &out), 0);
    queue_fini(&q);
}

static void errors_have_texts_and_prefixes(void **state)
{
    (void)state;
    struct errmsg e;
    assert_int_equal(err_set(&e, E_INVAL, "bad port %d", 70000), E_INVAL);
    err_prefix(&e, "ports.%s", "http");
    assert_string_equal(e.text, "ports.http: bad port 70000");
    assert_string_equal(err_text(E_NOSPACE), "no space left on device");
    assert_string_equal(err_name(E_NOSPACE), "E_NOSPACE");
    assert_int_equal(err_set(NULL, E_IO, "nobody listens"), E_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_parse_as_in_go),
        cmocka_unit_test(durations_print_as_in_go),
        cmocka_unit_test(buffers_fail_once_and_stay_failed),
        cmocka_unit_test(cursors_return_what_was_put_and_refuse_every_cut),
        cmocka_unit_test(crc_matches_the_published_check_value),
        cmocka_unit_test(uuids_are_valid_and_differ),
        cmocka_unit_test(queues_bound_wake_once_and_refuse_when_closed),
        cmocka_unit_test(errors_have_texts_and_prefixes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
