/* api/: ?filter= selects and refuses as Consul does (go-bexpr). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "api/filter_types.h"
#include "api/regex.h"
#include "tests/unit/api_memory.h"

/* w1 on node a and w2 on node b, as in the recorded scenario filter-catalog; w3 has nothing. */
static struct filter_service_node rows[3];
static struct buf lists;

struct place {
    size_t start, len;
};

static struct place pack(const char *const *items)
{
    struct reg_list_builder lb;
    size_t start = lists.len;
    reg_list_begin(&lb, &lists);
    for (; *items != NULL; items++) {
        reg_list_add(&lb, slice_str(*items));
    }
    (void)reg_list_end(&lb);
    return (struct place){start, lists.len - start};
}

static struct reg_list at(struct place p)
{
    return (struct reg_list){slice_of(lists.p + p.start, p.len)};
}

static int set_up(void **state)
{
    (void)state;
    struct place tags1 = pack((const char *const[]){"v1", "blue", NULL});
    struct place tags2 = pack((const char *const[]){"v2", NULL});
    struct place meta1 = pack((const char *const[]){"ver", "1", "x-y", "dash", NULL});
    struct place node2 = pack((const char *const[]){"rack", "2", "ssd", "", NULL});
    struct buf packed = BUF_INIT;
    decode_addr_join(&packed, SLICE_LIT("10.9.0.1"), 77);
    struct reg_list_builder lb;
    size_t start = lists.len;
    reg_list_begin(&lb, &lists);
    reg_list_add(&lb, SLICE_LIT("lan"));
    reg_list_add(&lb, buf_slice(&packed));
    (void)reg_list_end(&lb);
    struct place addrs = {start, lists.len - start};
    buf_fini(&packed);
    rows[0] = (struct filter_service_node){
        .node = {.name = SLICE_LIT("a"), .address = SLICE_LIT("10.0.0.1")},
        .service = {.id = SLICE_LIT("w1"),
                    .port = 80,
                    .weight_passing = 1,
                    .tags = at(tags1),
                    .meta = at(meta1),
                    .tagged = at(addrs)},
        .datacenter = SLICE_LIT("dc1")};
    rows[1] = (struct filter_service_node){
        .node = {.name = SLICE_LIT("b"), .address = SLICE_LIT("10.0.0.2"), .meta = at(node2)},
        .service = {.id = SLICE_LIT("w2"),
                    .port = 81,
                    .weight_passing = 9,
                    .tags = at(tags2),
                    .enable_tag_override = true},
        .datacenter = SLICE_LIT("dc1")};
    rows[2] = (struct filter_service_node){
        .node = {.name = SLICE_LIT("c"), .address = SLICE_LIT("10.0.0.3")},
        .service = {.id = SLICE_LIT("w3"), .port = 82},
        .datacenter = SLICE_LIT("dc1")};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buf_fini(&lists);
    return 0;
}

static void filters_select(void **state)
{
    (void)state;
    static const struct {
        const char *filter;
        unsigned selected; /* bit 0: w1 ... */
    } cases[] = {
        {"ServiceID == w1", 1},
        {"ServiceID == \"w1\"", 1},
        {"ServiceID==`w1`", 1},
        {"ServiceID != w1", 6},
        {"\"w\" in ServiceID", 7},
        {"\"1\" not in ServiceID", 6},
        {"ServiceID matches \"w[12]\"", 3},
        {"ServiceID not matches \"1$\"", 6},
        {"ServicePort == 80", 1},
        {"ServicePort != 80", 6},
        {"ServicePort == \"81\"", 2},
        {"ServiceEnableTagOverride == true", 2},
        {"ServiceEnableTagOverride != true", 5},
        {"v1 in ServiceTags", 1},
        {"\"v1\" not in ServiceTags", 6},
        {"ServiceTags contains blue", 1},
        {"ServiceTags not contains blue", 6},
        {"ServiceTags is empty", 4},
        {"ServiceTags is not empty", 3},
        {"ServiceMeta.ver == 1", 1},
        {"ServiceMeta.ver != 1", 6},
        {"ServiceMeta[\"x-y\"] == dash", 1},
        {"ServiceMeta[`x-y`] == dash", 1},
        {"ver in ServiceMeta", 1},
        {"ver not in ServiceMeta", 6},
        {"ServiceMeta is empty", 6},
        {"ServiceMeta.ver matches \"[0-9]\"", 7},
        {"NodeMeta.rack == \"2\"", 2},
        {"NodeMeta.ssd == \"\"", 2},
        {"ServiceTaggedAddresses.lan.Address == \"10.9.0.1\"", 1},
        {"ServiceTaggedAddresses.lan.Port == 77", 1},
        {"lan in ServiceTaggedAddresses", 1},
        {"ServiceWeights.Passing == 9", 2},
        {"Node == a or Node == b", 3},
        {"Node == a and ServicePort == 80", 1},
        {"not Node == a", 6},
        {"not (Node == a or Node == b)", 4},
        {"not not Node == a", 1},
        {"Node == a or Node == b and ServicePort == 80", 1},
        {"(Node == a or Node == b) and ServicePort == 81", 2},
        {"  Node   ==   a  ", 1},
        {"Node ==a", 1},
        {"Node== a", 1},
        {"( Node==a )", 1},
        {"Datacenter == dc1", 7},
        {"Address == \"10.0.0.3\"", 4},
        {"ServiceID == \"w\\x31\"", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct test_memory t = {NULL};
        struct decode_memory m = test_memory(&t);
        struct errmsg e = {""};
        const struct filter *f =
            filter_parse(&m, slice_str(cases[i].filter), &filter_type_service_node, &e);
        unsigned got = 0;
        for (unsigned k = 0; f != NULL && k < 3; k++) {
            got |= filter_match(f, &rows[k]) ? 1u << k : 0;
        }
        if (f == NULL || got != cases[i].selected) {
            fail_msg("%s: got %u \"%s\"", cases[i].filter, got, e.text);
        }
        test_memory_fini(&t);
    }
}

static void bad_filters_are_refused_with_consuls_texts(void **state)
{
    (void)state;
    static const struct {
        const char *filter;
        const char *text;
    } cases[] = {
        {"Nope == 1", "Selector \"Nope\" is not valid"},
        {"node == a", "Selector \"node\" is not valid"},
        {"CreateIndex == 1", "Selector \"CreateIndex\" is not valid"},
        {"ServiceTags.x == 1", "Selector \"ServiceTags.x\" is not valid"},
        {"Node.x == 1", "Selector \"Node.x\" is not valid"},
        {"ServiceWeights == 1", "Selector \"ServiceWeights\" is not valid"},
        {"ServiceID is empty", "Invalid match operator \"Is Empty\" for selector \"ServiceID\""},
        {"ServicePort is empty",
         "Invalid match operator \"Is Empty\" for selector \"ServicePort\""},
        {"ServiceTags == v1", "Invalid match operator \"Equal\" for selector \"ServiceTags\""},
        {"ServiceMeta == x", "Invalid match operator \"Equal\" for selector \"ServiceMeta\""},
        {"ServiceMeta.none is empty",
         "Invalid match operator \"Is Empty\" for selector \"ServiceMeta.none\""},
        {"ServicePort == abc",
         "Failed to coerce value \"abc\" for selector \"ServicePort\": strconv.ParseInt: parsing "
         "\"abc\": invalid syntax"},
        {"ServiceEnableTagOverride == maybe",
         "Failed to coerce value \"maybe\" for selector \"ServiceEnableTagOverride\": "
         "strconv.ParseBool: parsing \"maybe\": invalid syntax"},
        {"ServiceID matches \"[\"",
         "Failed to compile regular expression \"[\": error parsing regexp: missing "
         "terminating ] for character class at offset 1"},
        {"Address == 10.0.0.1", "1:16 (15): rule \"number\": Invalid number literal"},
        {"ServicePort in 80", "1:16 (15): rule \"match\": Invalid selector"},
        {"(Node == a", "1:11 (10): rule \"grouping\": Unmatched parentheses"},
        {"ServiceID == \"unclosed", "1:23 (22): rule \"string\": Unterminated string literal"},
        {"ServiceMeta. == a", "1:13 (12): no match found, expected: [a-zA-Z]"},
        {"Node == a AND Node == b",
         "1:11 (10): no match found, expected: \"and\", \"or\", [ \\t\\r\\n] or EOF"},
        {" ",
         "1:2 (1): no match found, expected: \"(\", \"-\", \"0\", \"\\\"\", \"`\", \"not\", "
         "[ \\t\\r\\n], [1-9] or [a-zA-Z]"},
    };
    static const char *const broken[] = {
        "ServiceID",  "ServiceID ==",  "== w1",         "ServiceID = w1", "ServiceID == 'w1'",
        "Node == a)", "Node == a and", "and Node == a", "NOT Node == a",  "Node == a && Node == b",
        "Node[",      "Node[\"",       "Node[\"a\"",    "Node is",        "not",
        "("};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct test_memory t = {NULL};
        struct decode_memory m = test_memory(&t);
        struct errmsg e = {""};
        assert_null(filter_parse(&m, slice_str(cases[i].filter), &filter_type_service_node, &e));
        assert_string_equal(e.text, cases[i].text);
        test_memory_fini(&t);
    }
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        struct test_memory t = {NULL};
        struct decode_memory m = test_memory(&t);
        struct errmsg e = {""};
        if (filter_parse(&m, slice_str(broken[i]), &filter_type_service_node, &e) != NULL) {
            fail_msg("%s: accepted", broken[i]);
        }
        test_memory_fini(&t);
    }
}

static void nesting_is_bounded(void **state)
{
    (void)state;
    struct test_memory t = {NULL};
    struct decode_memory m = test_memory(&t);
    struct errmsg e = {""};
    struct buf b = BUF_INIT;
    for (int i = 0; i < 1000; i++) {
        buf_add_char(&b, '(');
    }
    assert_null(filter_parse(&m, buf_slice(&b), &filter_type_service_node, &e));
    buf_reset(&b);
    for (int i = 0; i < 500; i++) {
        buf_add_str(&b, "Node==zz or ");
    }
    buf_add_str(&b, "Node==a");
    const struct filter *f = filter_parse(&m, buf_slice(&b), &filter_type_service_node, &e);
    assert_non_null(f);
    assert_true(filter_match(f, &rows[0]));
    buf_fini(&b);
    test_memory_fini(&t);
}

static void a_list_of_checks_matches_when_any_of_them_does(void **state)
{
    (void)state;
    struct reg_check checks[2] = {{.status = SLICE_LIT("passing")},
                                  {.status = SLICE_LIT("critical")}};
    struct filter_health health = {.node.node.name = SLICE_LIT("n"), .checks = {checks, 2}};
    static const struct {
        const char *filter;
        bool match;
    } cases[] = {
        {"Checks.Status == critical", true},
        {"Checks.Status == warning", false},
        {"Checks.Status != critical", true},
        {"Checks is empty", false},
        {"Node.Node == n", true},
        {"Service.Port == 0", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct test_memory t = {NULL};
        struct decode_memory m = test_memory(&t);
        struct errmsg e = {""};
        const struct filter *f =
            filter_parse(&m, slice_str(cases[i].filter), &filter_type_health, &e);
        assert_non_null(f);
        assert_int_equal(filter_match(f, &health), cases[i].match);
        test_memory_fini(&t);
    }
}

static void patterns_match_as_in_re2(void **state)
{
    (void)state;
    static const struct {
        const char *pattern;
        const char *text;
        bool match;
    } cases[] = {
        {"", "", true},
        {"b", "abc", true},
        {"^b", "abc", false},
        {"c$", "abc", true},
        {"^abc$", "abc", true},
        {"a.c",
         "a\xc3\xa9"
         "c",
         true},
        {"^a.c$",
         "a\xff"
         "c",
         false},
        {"a[^x]c",
         "a\xe2\x82\xac"
         "c",
         true},
        {"^(foo|bar)+$", "foobarfoo", true},
        {"^(foo|bar)+$", "foobaz", false},
        {"^a{2,3}$", "a", false},
        {"^a{2,3}$", "aaa", true},
        {"^a{2,3}$", "aaaa", false},
        {"^a{2,}$", "aaaaaa", true},
        {"a{x", "a{x", true},
        {"^\\d+\\.\\d+$", "10.25", true},
        {"^\\w+$", "a_9", true},
        {"^[\\d\\-x]+$", "1-x", true},
        {"^[]a]+$", "]a", true},
        {"\\bcat\\b", "a cat sat", true},
        {"\\bcat\\b", "concat", false},
        {"(?i)WEB", "my-web", true},
        {"(?i:a)B", "AB", true},
        {"(?i:a)B", "Ab", false},
        {"^(?:\xc3\xa9)*$", "\xc3\xa9\xc3\xa9", true},
        {"^\xc3\xa9+$", "\xc3\xa9\xc3\xa9", true},
        {"x*?y", "y", true},
        {"^(a*)*$", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", false},
    };
    static const char *const refused[] = {"(", ")", "[", "[a", "*", "a**b(", "\\", "[z-a]", "\\C"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct test_memory t = {NULL};
        struct decode_memory m = test_memory(&t);
        struct errmsg e = {""};
        const struct regex *re = regex_compile(&m, slice_str(cases[i].pattern), &e);
        if (re == NULL || regex_search(re, slice_str(cases[i].text)) != cases[i].match) {
            fail_msg("%s on %s: %s", cases[i].pattern, cases[i].text, e.text);
        }
        test_memory_fini(&t);
    }
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct test_memory t = {NULL};
        struct decode_memory m = test_memory(&t);
        struct errmsg e = {""};
        if (regex_compile(&m, slice_str(refused[i]), &e) != NULL) {
            fail_msg("%s: accepted", refused[i]);
        }
        test_memory_fini(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filters_select),
        cmocka_unit_test(bad_filters_are_refused_with_consuls_texts),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(a_list_of_checks_matches_when_any_of_them_does),
        cmocka_unit_test(patterns_match_as_in_re2),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
