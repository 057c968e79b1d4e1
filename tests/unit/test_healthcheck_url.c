/* healthcheck/url: parsing, redirects, request targets, host:port pairs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "healthcheck/url.h"

static void urls_are_taken_apart(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        bool tls;
        const char *host;
        unsigned port;
        const char *hostport;
        const char *path;
    } rows[] = {
        {"http://a", false, "a", 80, "a", ""},
        {"HTTPS://a/", true, "a", 443, "a", "/"},
        {"http://a:8080/x?y#z", false, "a", 8080, "a:8080", "/x?y"},
        {"http://a:/x", false, "a", 80, "a", "/x"},
        {"http://a?q", false, "a", 80, "a", "?q"},
        {"http://u:p@a:1/x@y", false, "a", 1, "a:1", "/x@y"},
        {"http://[::1]:9/", false, "::1", 9, "[::1]:9", "/"},
        {"https://[fe80::1]", true, "fe80::1", 443, "[fe80::1]", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct hc_url u;
        struct errmsg e = {"-"};
        if (hc_url_parse(slice_str(rows[i].url), &u, &e) != 0) {
            fail_msg("%s: %s", rows[i].url, e.text);
        }
        if (u.tls != rows[i].tls || !slice_is(u.host, rows[i].host) || u.port != rows[i].port ||
            !slice_is(u.hostport, rows[i].hostport) || !slice_is(u.path, rows[i].path)) {
            fail_msg("%s: host %.*s port %u path %.*s", rows[i].url, (int)u.host.len, u.host.p,
                     (unsigned)u.port, (int)u.path.len, u.path.p);
        }
    }
}

static void other_urls_are_refused_in_gos_words(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        const char *error;
    } rows[] = {
        {"", "unsupported protocol scheme \"\""},
        {"a/b", "unsupported protocol scheme \"\""},
        {"ftp://a", "unsupported protocol scheme \"ftp\""},
        {"http:", "http: no Host in request URL"},
        {"http://", "http: no Host in request URL"},
        {"http:///x", "http: no Host in request URL"},
        {"http://a:b/", "invalid port \":b\" after host"},
        {"http://a:65536/", "invalid port \":65536\" after host"},
        {"http://[::1", "missing ']' in host"},
        {"http://[::1]x", "invalid port \"x\" after host"},
        {"http://a b/", "invalid character in host name"},
        {"http://a/\r\nx", "net/url: invalid control character in URL"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct hc_url u;
        struct errmsg e = {"-"};
        int rc = hc_url_parse(slice_str(rows[i].url), &u, &e);
        if (rc != E_INVAL || strcmp(e.text, rows[i].error) != 0) {
            fail_msg("%s: %d %s", rows[i].url, rc, e.text);
        }
    }
}

static void redirects_are_resolved_by_rfc_3986(void **state)
{
    (void)state;
    static const struct {
        const char *ref;
        const char *want;
    } rows[] = {
        {"g", "http://u@a:1/b/c/g"},
        {"./g", "http://u@a:1/b/c/g"},
        {"g/", "http://u@a:1/b/c/g/"},
        {"/g", "http://u@a:1/g"},
        {"//g", "http://g"},
        {"https://g/x", "https://g/x"},
        {"?y", "http://u@a:1/b/c/d?y"},
        {"#s", "http://u@a:1/b/c/d?q#s"},
        {"g?y#s", "http://u@a:1/b/c/g?y#s"},
        {".", "http://u@a:1/b/c/"},
        {"..", "http://u@a:1/b/"},
        {"../g", "http://u@a:1/b/g"},
        {"../../g", "http://u@a:1/g"},
        {"../../../g", "http://u@a:1/g"},
        {"/./g/../h", "http://u@a:1/h"},
        {"g?y/../x", "http://u@a:1/b/c/g?y/../x"},
        {"", "http://u@a:1/b/c/d?q"},
    };
    struct hc_url base;
    assert_int_equal(hc_url_parse(SLICE_LIT("http://u@a:1/b/c/d?q"), &base, NULL), 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf b = BUF_INIT;
        hc_url_resolve(&b, &base, slice_str(rows[i].ref));
        if (!slice_is(buf_slice(&b), rows[i].want)) {
            fail_msg("\"%s\": %.*s", rows[i].ref, (int)b.len, b.p);
        }
        buf_fini(&b);
    }
    assert_true(hc_url_has_host(SLICE_LIT("//g")));
    assert_true(hc_url_has_host(SLICE_LIT("https://g")));
    assert_false(hc_url_has_host(SLICE_LIT("/x?u=http://y")));
}

static void a_request_target_has_no_byte_that_could_end_it(void **state)
{
    (void)state;
    struct hc_url u;
    struct buf b = BUF_INIT;
    assert_int_equal(hc_url_parse(SLICE_LIT("http://a/b c\xc3\xa9%20\"?x y"), &u, NULL), 0);
    hc_url_target(&b, &u);
    assert_true(slice_is(buf_slice(&b), "/b%20c%C3%A9%20%22?x%20y"));
    buf_reset(&b);
    assert_int_equal(hc_url_parse(SLICE_LIT("http://a?x"), &u, NULL), 0);
    hc_url_target(&b, &u);
    assert_true(slice_is(buf_slice(&b), "/?x"));
    buf_fini(&b);
}

static void host_and_port_are_split_as_in_go(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *host; /* NULL: refused */
        unsigned port;
        const char *error;
    } rows[] = {
        {"a:1", "a", 1, NULL},
        {"127.0.0.1:65535", "127.0.0.1", 65535, NULL},
        {"[::1]:80", "::1", 80, NULL},
        {":80", "", 80, NULL},
        {"127.0.0.1", NULL, 0, "address 127.0.0.1: missing port in address"},
        {"[::1]", NULL, 0, "address [::1]: missing port in address"},
        {"[::1", NULL, 0, "address [::1: missing ']' in address"},
        {"::1:80", NULL, 0, "address ::1:80: too many colons in address"},
        {"a:", NULL, 0, "address a:: invalid port"},
        {"a:http", NULL, 0, "address a:http: invalid port"},
        {"a:65536", NULL, 0, "address a:65536: invalid port"},
        {"", NULL, 0, "missing address"},
        {"a b:1", NULL, 0, "invalid character in address"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct slice host;
        uint16_t port;
        struct errmsg e = {"-"};
        int rc = hc_hostport_split(slice_str(rows[i].text), &host, &port, &e);
        bool good = rows[i].host != NULL
                        ? rc == 0 && slice_is(host, rows[i].host) && port == rows[i].port
                        : rc == E_INVAL && strcmp(e.text, rows[i].error) == 0;
        if (!good) {
            fail_msg("\"%s\": %d %s", rows[i].text, rc, e.text);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls_are_taken_apart),
        cmocka_unit_test(other_urls_are_refused_in_gos_words),
        cmocka_unit_test(redirects_are_resolved_by_rfc_3986),
        cmocka_unit_test(a_request_target_has_no_byte_that_could_end_it),
        cmocka_unit_test(host_and_port_are_split_as_in_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
