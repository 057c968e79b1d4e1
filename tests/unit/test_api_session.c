/* api/: the body of session/create, and how a session is shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "api/define_session.h"
#include "api/render.h"
#include "tests/unit/api_memory.h"

#define SECOND ((int64_t)1000000000)

static int define(struct test_memory *mem,
                  const char *body,
                  struct reg_session *s,
                  struct define_error *e)
{
    struct decode_memory m = test_memory(mem);
    const struct define_session_rules rules = {.node = SLICE_LIT("node1"),
                                               .ttl_min_ns = 10 * SECOND};
    return define_session(&m, &rules, slice_str(body), s, e);
}

static void sessions_are_shown_with_consuls_defaults(void **state)
{
    (void)state;
#define SHOWN(name, node, delay, behavior, ttl, checks, services)                    \
    "{\"ID\":\"i\",\"Name\":\"" name "\",\"Node\":\"" node "\",\"LockDelay\":" delay \
    ",\"Behavior\":\"" behavior "\",\"TTL\":\"" ttl "\",\"NodeChecks\":" checks      \
    ",\"ServiceChecks\":" services ",\"CreateIndex\":7,\"ModifyIndex\":7}"
#define SERF "[\"serfHealth\"]"
    static const struct {
        const char *body;
        const char *shown;
    } rows[] = {
        {"", SHOWN("", "node1", "15000000000", "release", "", SERF, "null")},
        {"{}", SHOWN("", "node1", "15000000000", "release", "", SERF, "null")},
        {"null", SHOWN("", "node1", "15000000000", "release", "", SERF, "null")},
        {"{\"name\":\"my_pg-a\",\"checks\":[],\"lockdelay\":\"0.001s\",\"behavior\":\"delete\","
         "\"ttl\":\"15.0s\"}",
         SHOWN("my_pg-a", "node1", "1000000", "delete", "15.0s", "[]", "null")},
        {"{\"LockDelay\":10,\"Node\":\"n2\"}",
         SHOWN("", "n2", "10000000000", "release", "", SERF, "null")},
        {"{\"LockDelay\":5000000000}",
         SHOWN("", "node1", "5000000000", "release", "", SERF, "null")},
        {"{\"LockDelay\":\"-1s\"}", SHOWN("", "node1", "0", "release", "", SERF, "null")},
        {"{\"LockDelay\":\"0s\",\"NodeChecks\":[]}",
         SHOWN("", "node1", "0", "release", "", "[]", "null")},
        {"{\"LockDelay\":null,\"Unknown\":{}}",
         SHOWN("", "node1", "15000000000", "release", "", SERF, "null")},
        {"{\"Checks\":[\"a\",\"serfHealth\"]}",
         SHOWN("", "node1", "15000000000", "release", "", "[\"serfHealth\",\"a\"]", "null")},
        {"{\"ServiceChecks\":[{\"ID\":\"service:web\"}],\"TTL\":\"0s\"}",
         SHOWN("", "node1", "15000000000", "release", "0s", SERF,
               "[{\"ID\":\"service:web\",\"Namespace\":\"\"}]")},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct test_memory mem = {NULL};
        struct reg_session s;
        struct define_error e;
        struct buf b = BUF_INIT;
        struct json j = json_to(&b);
        print_message("%s\n", rows[i].body);
        assert_int_equal(define(&mem, rows[i].body, &s, &e), 0);
        s.id = SLICE_LIT("i");
        s.create_index = s.modify_index = 7;
        render_session(&j, &s);
        buf_add_char(&b, '\0');
        assert_string_equal(b.p, rows[i].shown);
        buf_fini(&b);
        test_memory_fini(&mem);
    }
}

static void ttls_are_kept_as_text_and_as_time(void **state)
{
    (void)state;
    struct test_memory mem = {NULL};
    struct reg_session s;
    struct define_error e;
    assert_int_equal(define(&mem, "{\"TTL\":\"15.000000s\"}", &s, &e), 0);
    assert_true(s.ttl_ns == 15 * SECOND);
    assert_true(slice_is(s.ttl, "15.000000s"));
    test_memory_fini(&mem);
}

static void sessions_are_refused_with_consuls_texts(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        int status;
        const char *text;
    } rows[] = {
        {"{", 400, "Request decode failed: unexpected EOF"},
        {"{\"TTL\":10}", 400,
         "Request decode failed: json: cannot unmarshal number into Go struct field .TTL of type "
         "string"},
        {"{\"LockDelay\":\"abc\"}", 400, "Request decode failed: time: invalid duration \"abc\""},
        {"{\"Behavior\":\"explode\"}", 500, "Invalid Behavior setting 'explode'"},
        {"{\"TTL\":\"abc\"}", 500, "Session TTL 'abc' invalid: time: invalid duration \"abc\""},
        {"{\"TTL\":\"9s\"}", 500,
         "Invalid Session TTL '9000000000', must be between [10s=24h0m0s]"},
        {"{\"TTL\":\"86401s\"}", 500,
         "Invalid Session TTL '86401000000000', must be between [10s=24h0m0s]"},
        {"{\"TTL\":\"-10s\"}", 500,
         "Invalid Session TTL '-10000000000', must be between [10s=24h0m0s]"},
        {"{\"Node\":\"\"}", 500, "Must provide Node"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct test_memory mem = {NULL};
        struct reg_session s;
        struct define_error e;
        print_message("%s\n", rows[i].body);
        assert_int_not_equal(define(&mem, rows[i].body, &s, &e), 0);
        assert_int_equal(e.status, rows[i].status);
        assert_string_equal(e.text.text, rows[i].text);
        test_memory_fini(&mem);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sessions_are_shown_with_consuls_defaults),
        cmocka_unit_test(ttls_are_kept_as_text_and_as_time),
        cmocka_unit_test(sessions_are_refused_with_consuls_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
