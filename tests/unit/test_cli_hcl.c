/* cli/hcl: what each form becomes as JSON, and in which words mistakes are told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "cli/hcl.h"

static void each_form_becomes_the_json_that_users_mean(void **state)
{
    (void)state;
    static const struct {
        const char *hcl;
        const char *json;
    } rows[] = {
        {"", "{}"},
        {"\xef\xbb\xbf# only a comment", "{}"},
        {"a = 1", "{\"a\":1}"},
        {"a=1 // b\n# c = 2\n/* d = 3\n*/ e = 4", "{\"a\":1,\"e\":4}"},
        {"a = true\nb = false", "{\"a\":true,\"b\":false}"},
        {"a = -5\nb = 0x1F\nc = 010\nd = 1.5\ne = 1e2",
         "{\"a\":-5,\"b\":31,\"c\":8,\"d\":1.5,\"e\":100.0}"},
        {"a = \"x\\n\\t\\\"\\\\\\u00e9\\x41\\101\"",
         "{\"a\":\"x\\n\\t\\\"\\\\\xc3\xa9"
         "AA\"}"},
        {"a = \"\\ud83d\\ude00\"", "{\"a\":\"\xf0\x9f\x98\x80\"}"},
        {"a = \"${env(\"X\", {})}\"", "{\"a\":\"${env(\\\"X\\\", {})}\"}"},
        {"a = \"$x {\"", "{\"a\":\"$x {\"}"},
        {"\"a b\" = 1", "{\"a b\":1}"},
        {"a-b_c.d = 1", "{\"a-b_c.d\":1}"},
        {"a = []", "{\"a\":[]}"},
        {"a = [1, \"x\", true, [2], {b = 3},]", "{\"a\":[1,\"x\",true,[2],{\"b\":3}]}"},
        {"a { b = 1 }", "{\"a\":{\"b\":1}}"},
        {"a = { b = 1, c = 2 }", "{\"a\":{\"b\":1,\"c\":2}}"},
        {"a { b { c { } } }", "{\"a\":{\"b\":{\"c\":{}}}}"},
        {"a \"b\" { c = 1 }", "{\"a\":{\"b\":{\"c\":1}}}"},
        {"a \"b\" \"c\" { d = 1 }", "{\"a\":{\"b\":{\"c\":{\"d\":1}}}}"},
        {"a { b = 1 }\na { b = 2 }\na { b = 3 }", "{\"a\":[{\"b\":1},{\"b\":2},{\"b\":3}]}"},
        {"a \"x\" { b = 1 }\na \"y\" { b = 2 }", "{\"a\":[{\"x\":{\"b\":1}},{\"y\":{\"b\":2}}]}"},
        {"a = [{ b = 1 }]\na { b = 2 }", "{\"a\":[{\"b\":1},{\"b\":2}]}"},
        {"a = 1\na = 2", "{\"a\":2}"},
        {"a = [1]\na = [2]", "{\"a\":[2]}"},
        {"a = <<EOF\n x\n  y\nEOF\nb = 1", "{\"a\":\" x\\n  y\\n\",\"b\":1}"},
        {"a = <<-EOF\n  x\n    y\n  EOF\n", "{\"a\":\"x\\n  y\\n\"}"},
        {"a = <<-EOF\n x\n    y\n  EOF\n", "{\"a\":\" x\\n    y\\n\"}"},
        {"a = <<EOF\nEOF", "{\"a\":\"\"}"},
        {"a = <<EOF\r\nx\r\nEOF\r\nb = 1", "{\"a\":\"x\\r\\n\",\"b\":1}"},
        {"a = [<<E\nx\nE\n, 1]", "{\"a\":[\"x\\n\",1]}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        json_t *root;
        struct errmsg e = {""};
        if (hcl_parse(slice_str(rows[i].hcl), "f.hcl", &root, &e) != 0) {
            fail_msg("%s: %s", rows[i].hcl, e.text);
        }
        char *text = json_dumps(root, JSON_COMPACT);
        assert_non_null(text);
        if (strcmp(text, rows[i].json) != 0) {
            fail_msg("%s: got %s", rows[i].hcl, text);
        }
        free(text);
        json_decref(root);
    }
}

static void mistakes_are_named_with_line_and_what_was_expected(void **state)
{
    (void)state;
    static const struct {
        const char *hcl;
        const char *error;
    } rows[] = {
        {"a", "f.hcl: line 1: expected '=' or '{' behind a key, got the end of the file"},
        {"\na 5", "f.hcl: line 2: expected '=' or '{' behind a key, got '5'"},
        {"a \"b\" = 1", "f.hcl: line 1: expected '{' behind a label, got '='"},
        {"a =\n", "f.hcl: line 2: expected a value, got the end of the file"},
        {"a = }", "f.hcl: line 1: expected a value, got '}'"},
        {"a = yes", "f.hcl: line 1: expected a value, got yes (text is \"quoted\")"},
        {"a = null", "f.hcl: line 1: expected a value, got null (text is \"quoted\")"},
        {"a = [1\n2]", "f.hcl: line 2: expected ',' or ']' in a list, got '2'"},
        {"a = [,]", "f.hcl: line 1: expected a value, got ','"},
        {"a {\n b = 1\n", "f.hcl: line 3: expected a key or '}', got the end of the file"},
        {"a { 1 }", "f.hcl: line 1: expected a key or '}', got '1'"},
        {"}", "f.hcl: line 1: expected a key, got '}'"},
        {"a : 1", "f.hcl: line 1: expected '=' or '{' behind a key, got ':'"},
        {"\x01", "f.hcl: line 1: expected a key, got byte 1"},
        {"a = \"x\nb = 1",
         "f.hcl: line 1: string that does not end: expected \" before the end of the line"},
        {"a = \"x", "f.hcl: line 1: string that does not end: expected \""},
        {"a = \"\\q\"", "f.hcl: line 1: invalid escape in a string"},
        {"a = \"\\ud800\"", "f.hcl: line 1: invalid \\u escape in a string"},
        {"a = \"\xff\"", "f.hcl: line 1: text that is not valid UTF-8"},
        {"\"\xff\" = 1", "f.hcl: line 1: a key that is not valid UTF-8"},
        {"a \"b\" \"\xff\" {}", "f.hcl: line 1: a key that is not valid UTF-8"},
        {"a = 1x", "f.hcl: line 1: invalid number 1x"},
        {"a = 99999999999999999999", "f.hcl: line 1: invalid number 99999999999999999999"},
        {"a = <<EOF\nx\n", "f.hcl: line 1: heredoc that does not end: expected a line \"EOF\""},
        {"a = << EOF\n",
         "f.hcl: line 1: expected a word and the end of the line behind <<, got ' '"},
        {"\n/* x\n", "f.hcl: line 2: comment that does not end: expected */"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        json_t *root;
        struct errmsg e = {""};
        int rc = hcl_parse(slice_str(rows[i].hcl), "f.hcl", &root, &e);
        if (rc != E_INVAL || root != NULL || strcmp(e.text, rows[i].error) != 0) {
            fail_msg("%s: got %d, \"%s\"", rows[i].hcl, rc, e.text);
        }
    }
}

static void depth_and_number_of_values_are_bounded(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    struct errmsg e = {""};
    json_t *root;
    buf_add_str(&b, "a = ");
    for (int i = 0; i < 100000; i++) {
        buf_add_char(&b, '[');
    }
    assert_int_equal(hcl_parse(buf_slice(&b), "f", &root, &e), E_INVAL);
    assert_string_equal(e.text, "f: line 1: nested too deeply");
    buf_reset(&b);
    buf_add_str(&b, "a = [");
    for (int i = 0; i < HCL_VALUES_MAX; i++) {
        buf_add_str(&b, "1,");
    }
    assert_int_equal(hcl_parse(buf_slice(&b), "f", &root, &e), E_INVAL);
    assert_string_equal(e.text, "f: line 1: too many values in one file");
    assert_int_equal(hcl_parse(SLICE_LIT("a = 1\0"), "f", &root, &e), E_INVAL);
    buf_fini(&b);
}

static void a_member_is_found_by_its_path_in_hcl_and_json(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *path;
        unsigned line;
    } rows[] = {
        {"a = 1\nb {\n  C = 2\n}", "b.c", 3},
        {"a \"x\" {\n b = 1 }", "a.x.b", 2},
        {"a = [{ x = 1 },\n{ b = 1 }]", "a.b", 2},
        {"{\n \"a\": {\n  \"b\": null }}", "a.b", 3},
        {"{\n \"a\": 1,\n \"s\": \"${\", \n \"b\": 2}", "b", 4},
        {"a = 1", "b", 0},
        {"a = ", "a", 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        unsigned line = hcl_line_of(slice_str(rows[i].text), rows[i].path);
        if (line != rows[i].line) {
            fail_msg("%s in %s: line %u", rows[i].path, rows[i].text, line);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_form_becomes_the_json_that_users_mean),
        cmocka_unit_test(mistakes_are_named_with_line_and_what_was_expected),
        cmocka_unit_test(depth_and_number_of_values_are_bounded),
        cmocka_unit_test(a_member_is_found_by_its_path_in_hcl_and_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
