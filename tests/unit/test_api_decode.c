/* api/: request bodies are decoded after Go's rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "api/decode.h"
#include "api/define.h"
#include "tests/unit/api_memory.h"

static int decode(struct test_memory *t,
                  const char *body,
                  const struct decode_object *o,
                  void *out,
                  struct errmsg *e)
{
    struct decode_memory m = test_memory(t);
    return decode_body(&m, slice_str(body), o, out, e);
}

static void faults_are_worded_as_by_go(void **state)
{
    (void)state;
    static const struct {
        const struct decode_object *object;
        const char *body;
        const char *text;
    } rows[] = {
        {&define_service_body, "", "EOF"},
        {&define_service_body, " \n", "EOF"},
        {&define_service_body, "{", "unexpected EOF"},
        {&define_check_body, "{\"Name\": ", "unexpected EOF"},
        {&define_register_body, "{]",
         "invalid character ']' looking for beginning of object key string"},
        {&define_check_update_body, "nonsense",
         "invalid character 'o' in literal null (expecting 'u')"},
        {&define_check_body, "{\"a\" 1}", "invalid character '1' after object key"},
        {&define_check_body, "{\"Name\":\"a\" 1}",
         "invalid character '1' after object key:value pair"},
        {&define_check_body, "{\"Args\":[\"a\" 1]}", "invalid character '1' after array element"},
        {&define_check_body, "{\"Name\":\"\\q\"}", "invalid character 'q' in string escape code"},
        {&define_check_body, "{\"Name\":\"a\nb\"}", "invalid character '\\n' in string literal"},
        {&define_check_body, "{\"Name\":tru}",
         "invalid character '}' in literal true (expecting 'e')"},
        {&define_service_body, "{\"Name\":\"a\",\"Colour\":\"red\"}",
         "json: unknown field \"Colour\""},
        {&define_check_body, "{\"CheckID\":\"a\"}", "json: unknown field \"CheckID\""},
        {&define_register_body, "{\"Node\":\"n\",\"Namespace\":\"x\"}",
         "json: unknown field \"Namespace\" - Namespaces are a Consul Enterprise feature"},
        {&define_service_body, "{\"Port\":\"80\"}",
         "json: cannot unmarshal string into Go struct field .Port of type int"},
        {&define_service_body, "{\"Port\":80.5}",
         "json: cannot unmarshal number 80.5 into Go struct field .Port of type int"},
        {&define_service_body, "{\"Port\":80.0}",
         "json: cannot unmarshal number 80.0 into Go struct field .Port of type int"},
        {&define_service_body, "{\"Tags\":\"v1\"}",
         "json: cannot unmarshal string into Go struct field .Tags of type []string"},
        {&define_service_body, "{\"Tags\":[1]}",
         "json: cannot unmarshal number into Go struct field .Tags of type string"},
        {&define_service_body, "{\"Meta\":{\"k\":1}}",
         "json: cannot unmarshal number into Go struct field .Meta of type string"},
        {&define_service_body, "{\"Check\":{\"TTL\":\"ten\"}}", "time: invalid duration \"ten\""},
        {&define_service_body, "{\"Check\":{\"TTL\":\"10\"}}",
         "time: missing unit in duration \"10\""},
        {&define_check_body, "{\"Interval\":\"1x\"}",
         "time: unknown unit \"x\" in duration \"1x\""},
        {&define_check_body, "{\"Header\":{\"A\":\"b\"}}",
         "json: cannot unmarshal string into Go struct field .Header of type []string"},
        {&define_register_body, "{\"Address\":5}",
         "json: cannot unmarshal number into Go struct field RegisterRequest.Address of type "
         "string"},
        {&define_register_body, "{\"Service\":{\"Port\":\"80\"}}",
         "json: cannot unmarshal string into Go struct field NodeService.Service.Port of type int"},
        {&define_service_body, "{\"Name\":\"a\\u0000b\"}",
         "field \"Name\" must not contain a NUL character"},
        {&define_service_body, "{\"Port\":99999999999999999999}",
         "too big integer near '99999999999999999999'"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct test_memory t = {NULL};
        struct errmsg e = {""};
        void *out = test_alloc(&t, rows[i].object->size);
        int rc = decode(&t, rows[i].body, rows[i].object, out, &e);
        if (rc != E_INVAL || strcmp(e.text, rows[i].text) != 0) {
            fail_msg("%s: got %d \"%s\"", rows[i].body, rc, e.text);
        }
        test_memory_fini(&t);
    }
}

static void names_match_in_any_case_and_by_alias(void **state)
{
    (void)state;
    struct test_memory t = {NULL};
    struct errmsg e;
    struct define_service *d = test_alloc(&t, sizeof *d);
    int rc = decode(&t,
                    "{\"name\":\"my-pg\",\"enabletagoverride\":true,\"ID\":\"pg/a\",\"port\":5430,"
                    "\"tags\":[\"b\",\"a\",\"b\"],\"tagged_addresses\":{\"wan\":{\"address\":\"x\","
                    "\"PORT\":7}},\"check\":{\"http\":\"http://h/\",\"interval\":\"5s\","
                    "\"deregister_critical_service_after\":\"100.0s\",\"service_id\":\"ignored\"}}",
                    &define_service_body, d, &e);
    assert_int_equal(rc, 0);
    assert_true(slice_is(d->name, "my-pg"));
    assert_true(slice_is(d->id, "pg/a"));
    assert_true(d->enable_tag_override);
    assert_int_equal(d->port, 5430);
    assert_int_equal(reg_list_count(d->tags), 3);
    struct slice packed;
    struct slice address;
    int32_t port;
    assert_true(reg_map_get(d->tagged, "wan", &packed));
    assert_true(decode_addr_split(packed, &address, &port));
    assert_true(slice_is(address, "x"));
    assert_int_equal(port, 7);
    assert_non_null(d->check);
    assert_true(slice_is(d->check->http, "http://h/"));
    assert_true(d->check->interval_ns == 5000000000);
    assert_true(d->check->deregister_after_ns == 100000000000);
    test_memory_fini(&t);
}

static void null_is_absent_and_an_empty_list_is_not(void **state)
{
    (void)state;
    struct test_memory t = {NULL};
    struct errmsg e;
    struct define_service *d = test_alloc(&t, sizeof *d);
    assert_int_equal(decode(&t,
                            "{\"Name\":null,\"Tags\":null,\"Meta\":{},\"Check\":null,\"Checks\":"
                            "[null,{\"TTL\":5000000000},{\"TTL\":true}],\"Weights\":null} trailing",
                            &define_service_body, d, &e),
                     0);
    assert_int_equal(d->name.len, 0);
    assert_true(reg_list_absent(d->tags));
    assert_false(reg_list_absent(d->meta));
    assert_null(d->check);
    assert_null(d->weights);
    assert_int_equal(d->checks.n, 2);
    const struct define_check *checks = d->checks.items;
    assert_true(checks[0].ttl_ns == 5000000000);
    assert_true(checks[1].ttl_ns == 0); /* neither text nor number: as if not given */
    test_memory_fini(&t);
}

static void maps_are_sorted_and_headers_flattened(void **state)
{
    (void)state;
    struct test_memory t = {NULL};
    struct errmsg e;
    struct define_check *d = test_alloc(&t, sizeof *d);
    assert_int_equal(decode(&t, "{\"Header\":{\"B\":[\"1\",\"2\"],\"A\":[\"3\"],\"C\":[]}}",
                            &define_check_body, d, &e),
                     0);
    static const char *const expected[] = {"A", "3", "B", "1", "B", "2"};
    struct rd it = reg_list_iter(d->header);
    struct slice s;
    size_t n = 0;
    while (reg_list_next(&it, &s)) {
        assert_true(n < 6 && slice_is(s, expected[n]));
        n++;
    }
    assert_int_equal(n, 6);
    test_memory_fini(&t);
}

static void bad_utf8_becomes_the_replacement_character(void **state)
{
    (void)state;
    struct test_memory t = {NULL};
    struct errmsg e;
    struct define_service *d = test_alloc(&t, sizeof *d);
    assert_int_equal(decode(&t, "{\"Name\":\"a\xffz\xed\xa0\x80\"}", &define_service_body, d, &e),
                     0);
    assert_true(slice_is(d->name, "a\xef\xbf\xbdz\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"));
    test_memory_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faults_are_worded_as_by_go),
        cmocka_unit_test(names_match_in_any_case_and_by_alias),
        cmocka_unit_test(null_is_absent_and_an_empty_list_is_not),
        cmocka_unit_test(maps_are_sorted_and_headers_flattened),
        cmocka_unit_test(bad_utf8_becomes_the_replacement_character),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
