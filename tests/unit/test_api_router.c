/* The router and request targets, by tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "api/router.h"
#include "api/target.h"
#include "base/err.h"

static void any_call(struct api_req *r)
{
    (void)r;
}
static void any_find(struct api_req *r, struct api_resource *res)
{
    (void)r;
    (void)res;
}
static void any_render(struct api_req *r, struct buf *out)
{
    (void)r;
    (void)out;
}

static const struct api_route routes[] = {
    {.pattern = "/v1/kv/",
     .find = any_find,
     .render = any_render,
     .put = any_call,
     .del = any_call},
    {.pattern = "/v1/agent/self", .get = any_call},
    {.pattern = "/v1/agent/check/", .put = any_call},
    {.pattern = "/v1/agent/check/pass/", .put = any_call},
    {.pattern = "/v1/operator/keyring",
     .get = any_call,
     .put = any_call,
     .post = any_call,
     .del = any_call},
};

static void the_longest_pattern_wins(void **state)
{
    (void)state;
    static const struct {
        const char *path, *pattern;
        bool add_slash;
    } rows[] = {
        {"/v1/kv/", "/v1/kv/", false},
        {"/v1/kv/a/b//c", "/v1/kv/", false},
        {"/v1/kv", NULL, true},
        {"/v1/kvs", NULL, false},
        {"/v1/agent/self", "/v1/agent/self", false},
        {"/v1/agent/self/", NULL, false},
        {"/v1/agent/self/x", NULL, false},
        {"/v1/agent/check/x", "/v1/agent/check/", false},
        {"/v1/agent/check/pass", NULL, true},
        {"/v1/agent/check/pass/web", "/v1/agent/check/pass/", false},
        {"/v1/agent/check/passed", "/v1/agent/check/", false},
        {"/v1/kv/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18", "/v1/kv/", false},
        {"/", NULL, false},
        {"", NULL, false},
    };
    struct router *r = router_new(routes, sizeof routes / sizeof routes[0]);
    assert_non_null(r);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bool add_slash;
        const struct api_route *route = router_find(r, slice_str(rows[i].path), &add_slash);
        assert_int_equal(rows[i].add_slash, add_slash);
        if (rows[i].pattern == NULL) {
            assert_null(route);
        } else {
            assert_non_null(route);
            assert_string_equal(rows[i].pattern, route->pattern);
        }
    }
    router_free(r);
}

static void allow_lists_what_has_a_handler(void **state)
{
    (void)state;
    static const char *const want[] = {"OPTIONS,GET,PUT,DELETE", "OPTIONS,GET", "OPTIONS,PUT",
                                       "OPTIONS,PUT", "OPTIONS,GET,POST,PUT,DELETE"};
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        struct buf b = BUF_INIT;
        route_allow(route_methods(&routes[i]), true, &b);
        buf_add_char(&b, '\0');
        assert_string_equal(want[i], b.p);
        buf_fini(&b);
    }
    assert_int_equal(API_GET, api_method_of(SLICE_LIT("GET")));
    assert_int_equal(API_OTHER, api_method_of(SLICE_LIT("get")));
    assert_null(route_call(&routes[0], API_GET));
    assert_ptr_equal(any_call, route_call(&routes[0], API_DELETE));
}

static void targets_are_split_at_the_question_mark(void **state)
{
    (void)state;
    static const struct {
        const char *text, *path, *query;
    } rows[] = {
        {"/", "/", ""},
        {"/a?b?c", "/a", "b?c"},
        {"/a?", "/a", ""},
        {"http://host/a?b", "/a", "b"},
        {"https://host:1/a", "/a", ""},
        {"http://host", "/", ""},
        {"http://host?x", "/", "x"},
        {"a", NULL, NULL},
        {"", NULL, NULL},
        {"*", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct target t;
        int rv = target_split(slice_str(rows[i].text), &t);
        assert_int_equal(rows[i].path == NULL ? E_PROTO : 0, rv);
        if (rv == 0) {
            assert_true(slice_is(t.path, rows[i].path));
            assert_true(slice_is(t.query, rows[i].query));
        }
    }
}

static void escapes_are_decoded(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        bool plus;
        const char *out; /* NULL: refused */
    } rows[] = {
        {"plain", false, "plain"}, {"a%2Fb%20c", false, "a/b c"}, {"a+b", false, "a+b"},
        {"a+b", true, "a b"},      {"%41%62", true, "Ab"},        {"%", false, NULL},
        {"%2", false, NULL},       {"%zz", true, NULL},           {"a%2", true, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char room[32];
        struct slice out;
        int rv = target_decode(slice_str(rows[i].in), rows[i].plus, room, &out);
        assert_int_equal(rows[i].out == NULL ? E_PROTO : 0, rv);
        if (rv == 0) {
            assert_true(slice_is(out, rows[i].out));
        }
    }
}

static void parameters_keep_their_order_and_empty_values(void **state)
{
    (void)state;
    struct api_param p[API_PARAMS_MAX];
    unsigned n;
    char room[256];
    assert_int_equal(0, target_params(SLICE_LIT("&a=1&&b&c=&a=x%20y+z&=v"), room, p, &n));
    assert_int_equal(5, n);
    assert_true(slice_is(p[0].name, "a") && slice_is(p[0].value, "1"));
    assert_true(slice_is(p[1].name, "b") && p[1].value.len == 0);
    assert_true(slice_is(p[2].name, "c") && p[2].value.len == 0);
    assert_true(slice_is(p[3].name, "a") && slice_is(p[3].value, "x y z"));
    assert_true(p[4].name.len == 0 && slice_is(p[4].value, "v"));
    assert_int_equal(E_PROTO, target_params(SLICE_LIT("a;b"), room, p, &n));
    assert_int_equal(E_PROTO, target_params(SLICE_LIT("a=%zz"), room, p, &n));
    struct buf many = BUF_INIT;
    for (int i = 0; i <= API_PARAMS_MAX; i++) {
        buf_add_str(&many, "a&");
    }
    assert_int_equal(E_TOOBIG, target_params(buf_slice(&many), room, p, &n));
    buf_fini(&many);
}

static void paths_are_cleaned_as_go_does(void **state)
{
    (void)state;
    static const struct {
        const char *path, *clean;
    } rows[] = {
        {"/", "/"},          {"//", "/"},          {"/a", "/a"},       {"/a/", "/a/"},
        {"/a//b", "/a/b"},   {"/a/./b", "/a/b"},   {"/a/../b", "/b"},  {"/a/b/..", "/a"},
        {"/a/b/../", "/a/"}, {"/..", "/"},         {"/../a", "/a"},    {"/a/.", "/a"},
        {"/a/./", "/a/"},    {"/a/...", "/a/..."}, {"/a/.b", "/a/.b"}, {"/v1/kv//x", "/v1/kv/x"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf b = BUF_INIT;
        target_clean(slice_str(rows[i].path), &b);
        assert_true(slice_is(buf_slice(&b), rows[i].clean));
        assert_int_equal(slice_is(buf_slice(&b), rows[i].path),
                         target_is_clean(slice_str(rows[i].path)));
        buf_fini(&b);
    }
}

static void unprintable_characters_are_found(void **state)
{
    (void)state;
    assert_true(target_printable(SLICE_LIT("/v1/kv/a b\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\xff")));
    assert_false(target_printable(SLICE_LIT("/a\x01")));
    assert_false(target_printable(SLICE_LIT("/a\x7f")));
    assert_false(target_printable(SLICE_LIT("/a\xc2\x85")));
    assert_false(target_printable(SLICE_LIT("/a\xe2\x80\x8b")));
}

static void equal_queries_share_a_name_whatever_their_index(void **state)
{
    (void)state;
    static const struct {
        const char *query, *shared;
    } rows[] = {
        {"", ""},
        {"index=5", ""},
        {"index=5&wait=10s", ""},
        {"passing&index=5&tag=a&wait=1s", "?passing&tag=a"},
        {"indexes=5&waiter", "?indexes=5&waiter"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf b = BUF_INIT;
        target_shared_query(slice_str(rows[i].query), &b);
        assert_true(slice_is(buf_slice(&b), rows[i].shared));
        buf_fini(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_pattern_wins),
        cmocka_unit_test(allow_lists_what_has_a_handler),
        cmocka_unit_test(targets_are_split_at_the_question_mark),
        cmocka_unit_test(escapes_are_decoded),
        cmocka_unit_test(parameters_keep_their_order_and_empty_values),
        cmocka_unit_test(paths_are_cleaned_as_go_does),
        cmocka_unit_test(unprintable_characters_are_found),
        cmocka_unit_test(equal_queries_share_a_name_whatever_their_index),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
