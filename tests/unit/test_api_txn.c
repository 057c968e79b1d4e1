/* api/: bodies that are arrays, and bytes in base64 within them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "api/decode.h"
#include "tests/unit/api_memory.h"

struct item {
    struct slice bytes;
};
static const struct decode_field fields[] = {DECODE_FIELD("B", BASE64, struct item, bytes)};
static const struct decode_object object = {"Item", sizeof(struct item), fields, 1, false, false};

static int decode(struct test_memory *mem,
                  const char *body,
                  struct decode_array *out,
                  struct errmsg *e)
{
    struct decode_memory m = test_memory(mem);
    return decode_array_body(&m, slice_str(body), &object, "api.Items", "api.Item", out, e);
}

static void base64_is_decoded_as_go_does(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *bytes;
    } rows[] = {
        {"", ""},
        {"eA==", "x"},
        {"eHk=", "xy"},
        {"eHl6", "xyz"},
        {"eHl6eA==", "xyzx"},
        {"eH\\nl6", "xyz"},
        {"+/+/", "\xfb\xff\xbf"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct test_memory mem = {NULL};
        struct decode_array a;
        struct errmsg e;
        char body[64];
        (void)snprintf(body, sizeof body, "[{\"B\":\"%s\"}]", rows[i].text);
        assert_int_equal(decode(&mem, body, &a, &e), 0);
        assert_int_equal(a.n, 1);
        assert_true(slice_is(((struct item *)a.items)->bytes, rows[i].bytes));
        test_memory_fini(&mem);
    }
}

static void what_is_wrong_is_told_in_gos_words(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        const char *text;
    } rows[] = {
        {"", "EOF"},
        {"[", "unexpected EOF"},
        {"{}", "json: cannot unmarshal object into Go value of type api.Items"},
        {"[1]", "json: cannot unmarshal number into Go value of type api.Item"},
        {"[{\"X\":1}]", "json: unknown field \"X\""},
        {"[{\"B\":5}]",
         "json: cannot unmarshal number into Go struct field Item.B of type []uint8"},
        {"[{\"B\":\"not base64!\"}]", "illegal base64 data at input byte 3"},
        {"[{\"B\":\"=\"}]", "illegal base64 data at input byte 0"},
        {"[{\"B\":\"eA\"}]", "illegal base64 data at input byte 2"},
        {"[{\"B\":\"eA=\"}]", "illegal base64 data at input byte 3"},
        {"[{\"B\":\"eA==eA==\"}]", "illegal base64 data at input byte 4"},
        {"[{\"B\":\"eA===\"}]", "illegal base64 data at input byte 4"},
        {"[{\"B\":\"e=A=\"}]", "illegal base64 data at input byte 1"},
        {"[{\"B\":\"eA=A\"}]", "illegal base64 data at input byte 3"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct test_memory mem = {NULL};
        struct decode_array a;
        struct errmsg e;
        print_message("%s\n", rows[i].body);
        assert_int_not_equal(decode(&mem, rows[i].body, &a, &e), 0);
        assert_string_equal(e.text, rows[i].text);
        test_memory_fini(&mem);
    }
}

static void null_is_an_empty_list_and_an_empty_element(void **state)
{
    (void)state;
    struct test_memory mem = {NULL};
    struct decode_array a;
    struct errmsg e;
    assert_int_equal(decode(&mem, "null", &a, &e), 0);
    assert_int_equal(a.n, 0);
    assert_int_equal(decode(&mem, "[null,{}]", &a, &e), 0);
    assert_int_equal(a.n, 2);
    test_memory_fini(&mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_is_decoded_as_go_does),
        cmocka_unit_test(what_is_wrong_is_told_in_gos_words),
        cmocka_unit_test(null_is_an_empty_list_and_an_empty_element),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
