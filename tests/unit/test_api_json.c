/* The JSON writer, checked against Go's spelling by table and against jansson by random documents.
 */
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "api/json.h"
#include "base/rand.h"

/* SLICE_LIT() as a constant initialiser. */
#define LIT(s)              \
    {                       \
        "" s, sizeof(s) - 1 \
    }

static void strings_are_escaped_as_go_does(void **state)
{
    (void)state;
    static const struct {
        struct slice in;
        const char *want;
    } rows[] = {
        {LIT(""), "\"\""},
        {LIT("plain"), "\"plain\""},
        {LIT("a\"b\\c/d"), "\"a\\\"b\\\\c/d\""},
        {LIT("\b\f\n\r\t"), "\"\\b\\f\\n\\r\\t\""},
        {LIT("\0\x01\x1f\x7f"), "\"\\u0000\\u0001\\u001f\x7f\""},
        {LIT("<a>&"), "\"\\u003ca\\u003e\\u0026\""},
        {LIT("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"), "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\""},
        {LIT("\xe2\x80\xa8\xe2\x80\xa9"), "\"\\u2028\\u2029\""},
        {LIT("\xff\xc0\x80"), "\"\\ufffd\\ufffd\\ufffd\""},
        {LIT("\xed\xa0\x80"), "\"\\ufffd\\ufffd\\ufffd\""},
        {LIT("\xe2\x82"), "\"\\ufffd\\ufffd\""},
        {LIT("\xf4\x90\x80\x80"), "\"\\ufffd\\ufffd\\ufffd\\ufffd\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf b = BUF_INIT;
        struct json j = json_to(&b);
        json_str(&j, rows[i].in);
        buf_add_char(&b, '\0');
        assert_string_equal(b.p, rows[i].want);
        buf_fini(&b);
    }
}

static void commas_go_between_elements_only(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    struct json j = json_to(&b);
    json_obj(&j);
    json_key(&j, "a");
    json_arr(&j);
    json_arr_end(&j);
    json_key_slice(&j, SLICE_LIT("b<"));
    json_arr(&j);
    json_u64(&j, UINT64_MAX);
    json_i64(&j, INT64_MIN);
    json_bool(&j, true);
    json_bool(&j, false);
    json_nil(&j);
    json_raw(&j, SLICE_LIT("{\"x\":1}"));
    json_duration(&j, 90000000000);
    json_obj(&j);
    json_obj_end(&j);
    json_arr_end(&j);
    json_key(&j, "c");
    json_cstr(&j, "d");
    json_obj_end(&j);
    buf_add_char(&b, '\0');
    assert_string_equal(b.p,
                        "{\"a\":[],\"b\\u003c\":[18446744073709551615,-9223372036854775808,true,"
                        "false,null,{\"x\":1},\"1m30s\",{}],\"c\":\"d\"}");
    buf_fini(&b);
}

static void base64_is_padded(void **state)
{
    (void)state;
    static const struct {
        struct slice in;
        const char *want;
    } rows[] = {
        {LIT(""), "\"\""},
        {LIT("f"), "\"Zg==\""},
        {LIT("fo"), "\"Zm8=\""},
        {LIT("foo"), "\"Zm9v\""},
        {LIT("\xff\xfe\xfd\xfc"), "\"//79/A==\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf b = BUF_INIT;
        struct json j = json_to(&b);
        json_base64(&j, rows[i].in);
        buf_add_char(&b, '\0');
        assert_string_equal(b.p, rows[i].want);
        buf_fini(&b);
    }
}

static void pretty_text_is_what_go_indents(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    json_pretty(&b, SLICE_LIT("[{\"a\":\"x,{}\\\":\",\"b\":[],\"c\":{}},1]"));
    buf_add_char(&b, '\0');
    assert_string_equal(b.p,
                        "[\n    {\n        \"a\": \"x,{}\\\":\",\n        \"b\": [],\n"
                        "        \"c\": {}\n    },\n    1\n]");
    buf_fini(&b);
}

/* A random document, written by us and built for jansson at once. Depth is bounded by 4. */
static json_t *random_value(struct rng *r, struct json *j, int depth);

static json_t *random_string(struct rng *r, struct json *j)
{
    char text[24];
    size_t n = rng_below(r, sizeof text);
    for (size_t i = 0; i < n; i++) {
        text[i] = (char)(1 + rng_below(r, 126));
    }
    json_str(j, slice_of(text, n));
    return json_stringn(text, n);
}

static json_t *random_container(struct rng *r, struct json *j, int depth)
{
    bool object = rng_below(r, 2) == 0;
    json_t *value = object ? json_object() : json_array();
    object ? json_obj(j) : json_arr(j);
    size_t n = rng_below(r, 5);
    for (size_t i = 0; i < n; i++) {
        char key[32];
        if (object) {
            (void)snprintf(key, sizeof key, "k<%zu\n", i);
            json_key_slice(j, slice_str(key));
            json_object_set_new(value, key, random_value(r, j, depth + 1));
        } else {
            json_array_append_new(value, random_value(r, j, depth + 1));
        }
    }
    object ? json_obj_end(j) : json_arr_end(j);
    return value;
}

static json_t *random_value(struct rng *r, struct json *j, int depth)
{
    switch (rng_below(r, depth < 4 ? 6 : 4)) {
        case 0: {
            int64_t v = (int64_t)rng_next(r);
            json_i64(j, v);
            return json_integer(v);
        }
        case 1:
            json_nil(j);
            return json_null();
        case 2:
            json_bool(j, true);
            return json_true();
        case 3:
            return random_string(r, j);
        default:
            return random_container(r, j, depth);
    }
}

static void a_reader_gets_back_what_was_written(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, 7);
    for (int i = 0; i < 500; i++) {
        struct buf b = BUF_INIT;
        struct buf pretty = BUF_INIT;
        struct json j = json_to(&b);
        json_t *want = random_value(&r, &j, 0);
        json_pretty(&pretty, buf_slice(&b));
        json_t *compact = json_loadb(b.p, b.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        json_t *indented = json_loadb(pretty.p, pretty.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        assert_true(json_equal(want, compact));
        assert_true(json_equal(want, indented));
        json_decref(want);
        json_decref(compact);
        json_decref(indented);
        buf_fini(&b);
        buf_fini(&pretty);
    }
}

static void numbers_are_as_short_as_go_writes_them(void **state)
{
    (void)state;
    static const struct {
        double v;
        const char *text;
    } rows[] = {{0, "0"},
                {1, "1"},
                {-2.5, "-2.5"},
                {0.1, "0.1"},
                {1e-5, "0.00001"},
                {1e-9, "1e-9"},
                {1.5e-10, "1.5e-10"},
                {1e21, "1e+21"},
                {1.0 / 3, "0.3333333333333333"},
                {123456789.25, "123456789.25"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf b = BUF_INIT;
        struct json j = json_to(&b);
        json_f64(&j, rows[i].v);
        if (!slice_is(buf_slice(&b), rows[i].text)) {
            fail_msg("%s: got %.*s", rows[i].text, (int)b.len, b.p);
        }
        buf_fini(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_are_escaped_as_go_does),
        cmocka_unit_test(commas_go_between_elements_only),
        cmocka_unit_test(numbers_are_as_short_as_go_writes_them),
        cmocka_unit_test(base64_is_padded),
        cmocka_unit_test(pretty_text_is_what_go_indents),
        cmocka_unit_test(a_reader_gets_back_what_was_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
