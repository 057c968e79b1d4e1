/* healthcheck/: thresholds, TTLs, the schedule, body tails, the request of an HTTP check, gRPC's
 * two messages. All pure: a fake clock where there is time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/list.h"
#include "base/rand.h"
#include "healthcheck/grpc.h"
#include "healthcheck/http_request.h"
#include "healthcheck/result.h"
#include "healthcheck/schedule.h"
#include "healthcheck/threshold.h"
#include "healthcheck/ttl.h"

static void assert_text(const struct buf *b, const char *want)
{
    if (!slice_is(buf_slice(b), want)) {
        fail_msg("got  \"%.*s\"\nwant \"%s\"", (int)b->len, b->p, want);
    }
}

/* ---- thresholds ---- */

static void thresholds_turn_a_status_after_enough_results(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int32_t success;
        int32_t warning;
        int32_t critical;
        const char *results;   /* p, w, c */
        const char *published; /* '-': the old status stays */
    } rows[] = {
        {"none: each result applies", 0, 0, 0, "pcwp", "pcwp"},
        {"the first result applies at once", 3, 0, 3, "p", "p"},
        {"the first failure applies at once", 3, 0, 3, "c", "c"},
        {"two successes", 2, 0, 0, "cpp", "c-p"},
        {"warning counts as success", 2, 0, 0, "cwp", "c-p"},
        {"a failure between starts the count anew", 2, 0, 0, "cpcpp", "c-c-p"},
        {"three failures", 0, 0, 3, "pccc", "p--c"},
        {"a success between starts the count anew", 0, 0, 3, "pccpccc", "p--p--c"},
        {"a warning stage", 0, 2, 3, "pccccc", "p-wccc"},
        {"no warning stage when absent", 0, 0, 2, "pcc", "p-c"},
        {"as recorded: success 2, critical 3", 2, 0, 3, "ppcccpp", "pp--c-p"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct reg_probe p = {
            .success_before_passing = rows[i].success,
            .failures_before_warning = rows[i].warning,
            .failures_before_critical = rows[i].critical,
        };
        struct hc_threshold t;
        hc_threshold_init(&t, &p);
        char got[16] = "";
        for (size_t k = 0; rows[i].results[k] != '\0'; k++) {
            char c = rows[i].results[k];
            enum reg_status out = REG_STATUS_OTHER;
            enum reg_status in = c == 'p' ? REG_PASSING : c == 'w' ? REG_WARNING : REG_CRITICAL;
            bool publish = hc_threshold_step(&t, in, &out);
            got[k] = !publish ? '-' : "pwc"[out];
        }
        if (strcmp(got, rows[i].published) != 0) {
            fail_msg("%s: got %s, want %s", rows[i].name, got, rows[i].published);
        }
    }
}

/* ---- TTL ---- */

static void a_ttl_expires_unless_it_is_updated(void **state)
{
    (void)state;
    struct hc_ttl t;
    struct buf b = BUF_INIT;
    hc_ttl_init(&t, 100, 1000);
    assert_int_equal(t.due_ns, 1100);
    assert_int_equal(hc_ttl_update(&t, SLICE_LIT("fine"), 4096, 1050, &b), 0);
    assert_text(&b, "fine");
    assert_int_equal(t.due_ns, 1150);
    buf_reset(&b);
    hc_ttl_expire(&t, &b);
    assert_text(&b, "TTL expired (last output before timeout follows): fine");
    assert_true(t.due_ns == HC_NEVER);
    hc_ttl_fini(&t);
    buf_fini(&b);
}

static void an_expiry_without_a_note_says_only_that(void **state)
{
    (void)state;
    struct hc_ttl t;
    struct buf b = BUF_INIT;
    hc_ttl_init(&t, 100, 0);
    hc_ttl_expire(&t, &b);
    assert_text(&b, "TTL expired");
    hc_ttl_fini(&t);
    buf_fini(&b);
}

static void a_long_note_is_cut_and_says_so(void **state)
{
    (void)state;
    struct hc_ttl t;
    struct buf b = BUF_INIT;
    hc_ttl_init(&t, 100, 0);
    assert_int_equal(hc_ttl_update(&t, SLICE_LIT("0123456789"), 4, 0, &b), 0);
    assert_text(&b, "0123 ... (captured 4 of 10 bytes)");
    hc_ttl_fini(&t);
    buf_fini(&b);
}

/* ---- schedule ---- */

struct item {
    struct hc_timer timer;
    uint64_t fired_at;
    unsigned order;
};
static unsigned fired;

static void on_fire(struct hc_timer *t, uint64_t now_ns)
{
    struct item *i = container_of(t, struct item, timer);
    i->fired_at = now_ns;
    i->order = ++fired;
}

static void timers_fire_in_order_of_their_deadlines(void **state)
{
    (void)state;
    enum { N = 20000 };
    struct hc_schedule s;
    struct rng r;
    struct item *items = calloc(N, sizeof *items);
    assert_non_null(items);
    rng_seed(&r, 7);
    hc_schedule_init(&s);
    for (size_t i = 0; i < N; i++) {
        hc_timer_init(&items[i].timer, on_fire);
        hc_schedule_set(&s, &items[i].timer, rng_below(&r, 1000));
    }
    for (size_t i = 0; i < N; i += 3) { /* some move, some go */
        hc_schedule_set(&s, &items[i].timer, 1000 + rng_below(&r, 1000));
    }
    for (size_t i = 1; i < N; i += 7) {
        hc_schedule_clear(&s, &items[i].timer);
    }
    fired = 0;
    for (uint64_t now = 0; now < 2000; now++) {
        while (hc_schedule_step(&s, now, 16) > 0) {
        }
        assert_true(hc_schedule_next(&s) > now);
    }
    assert_int_equal(s.count, 0);
    for (size_t i = 0; i < N; i++) {
        bool cleared = i % 7 == 1;
        assert_int_equal(items[i].fired_at, cleared ? 0 : items[i].timer.due_ns);
        assert_int_equal(items[i].order == 0, cleared);
    }
    free(items);
}

static void one_step_fires_no_more_than_it_may(void **state)
{
    (void)state;
    struct hc_schedule s;
    struct item items[5] = {0};
    hc_schedule_init(&s);
    for (size_t i = 0; i < 5; i++) {
        hc_timer_init(&items[i].timer, on_fire);
        hc_schedule_set(&s, &items[i].timer, i);
    }
    assert_int_equal(hc_schedule_step(&s, 10, 2), 2);
    assert_int_equal(hc_schedule_next(&s), 2);
    assert_int_equal(hc_schedule_step(&s, 10, 9), 3);
    assert_true(hc_schedule_next(&s) == HC_NEVER);
    hc_schedule_clear(&s, &items[0].timer); /* harmless when it has fired */
}

/* ---- the tail of a body ---- */

static void a_tail_keeps_the_last_bytes(void **state)
{
    (void)state;
    static const struct {
        size_t max;
        const char *pieces; /* '|' separates */
        const char *want;
    } rows[] = {
        {8, "", ""},
        {8, "abc", "abc"},
        {8, "abc|defgh", "abcdefgh"},
        {8, "abc|defghi", "bcdefghi"},
        {4, "abcdefgh", "efgh"},
        {4, "a|b|c|d|e|f", "cdef"},
        {1, "abc|d", "d"},
        {3, "ab|cdefghij|k", "ijk"},
    };
    struct hc_tail t = {0}; /* one for all rows: its memory is used again */
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        hc_tail_reset(&t, rows[i].max);
        const char *p = rows[i].pieces;
        while (*p != '\0') {
            size_t n = strcspn(p, "|");
            hc_tail_add(&t, slice_of(p, n));
            p += n + (p[n] == '|');
        }
        struct buf b = BUF_INIT;
        hc_tail_write(&t, &b);
        assert_text(&b, rows[i].want);
        buf_fini(&b);
    }
    hc_tail_fini(&t);
}

static void a_tail_of_a_long_stream_is_its_end(void **state)
{
    (void)state;
    struct hc_tail t = {0};
    struct buf b = BUF_INIT;
    struct buf all = BUF_INIT;
    hc_tail_reset(&t, 4096);
    for (unsigned i = 0; i < 3000; i++) {
        char piece[32];
        int n = snprintf(piece, sizeof piece, "line %u.", i);
        hc_tail_add(&t, slice_of(piece, (size_t)n));
        buf_add(&all, piece, (size_t)n);
    }
    hc_tail_write(&t, &b);
    assert_int_equal(b.len, 4096);
    assert_memory_equal(b.p, all.p + all.len - 4096, 4096);
    buf_fini(&b);
    buf_fini(&all);
    hc_tail_fini(&t);
}

/* ---- HTTP requests ---- */

static void make_request(const char *url,
                         const struct reg_probe *def,
                         bool same_site,
                         const char *want)
{
    struct hc_url u;
    struct buf b = BUF_INIT;
    struct errmsg e;
    assert_int_equal(hc_url_parse(slice_str(url), &u, &e), 0);
    const struct hc_http_request r = {
        .method = def->method.len > 0 ? def->method : SLICE_LIT("GET"),
        .url = &u,
        .def = def,
        .with_body = true,
        .own_host = same_site,
        .same_site = same_site,
    };
    assert_int_equal(hc_http_request(&b, &r, &e), 0);
    buf_add_char(&b, '\0');
    assert_string_equal(b.p, want);
    buf_fini(&b);
}

static void a_request_has_consuls_headers(void **state)
{
    (void)state;
    const struct reg_probe def = {.kind = REG_PROBE_HTTP};
    make_request("http://127.0.0.1:80/x?y", &def, true,
                 "GET /x?y HTTP/1.1\r\nHost: 127.0.0.1:80\r\nUser-Agent: Consul Health Check\r\n"
                 "Accept: text/plain, text/*, */*\r\nConnection: close\r\n\r\n");
}

static struct reg_list headers(struct buf *b, const char *const *strings)
{
    struct reg_list_builder lb;
    reg_list_begin(&lb, b);
    for (; *strings != NULL; strings++) {
        reg_list_add(&lb, slice_str(*strings));
    }
    return reg_list_end(&lb);
}

static void the_definitions_headers_replace_the_defaults(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    const char *const own[] = {"Host", "web.example", "user-agent", "mine", "Accept",         "a/b",
                               "X-A",  "1",           "X-A",        "2",    "Content-Length", "9",
                               NULL};
    const struct reg_probe def = {
        .method = SLICE_LIT("POST"), .body = SLICE_LIT("hi"), .header = headers(&b, own)};
    make_request("http://u:p%40@h/", &def, true,
                 "POST / HTTP/1.1\r\nHost: web.example\r\nUser-Agent: mine\r\nContent-Length: 2\r\n"
                 "Accept: a/b\r\nX-A: 1\r\nX-A: 2\r\nAuthorization: Basic dTpwQA==\r\n"
                 "Connection: close\r\n\r\nhi");
    buf_fini(&b);
}

static void credentials_do_not_follow_to_another_site(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    const char *const own[] = {"Authorization", "secret", "Cookie", "c", "X-B", "1", NULL};
    const struct reg_probe def = {.header = headers(&b, own)};
    make_request("http://other/", &def, false,
                 "GET / HTTP/1.1\r\nHost: other\r\nUser-Agent: Consul Health Check\r\nX-B: 1\r\n"
                 "Accept: text/plain, text/*, */*\r\nConnection: close\r\n\r\n");
    assert_true(hc_http_same_site(SLICE_LIT("a.b"), SLICE_LIT("A.b")));
    assert_true(hc_http_same_site(SLICE_LIT("a.b"), SLICE_LIT("x.a.b")));
    assert_false(hc_http_same_site(SLICE_LIT("a.b"), SLICE_LIT("xa.b")));
    assert_false(hc_http_same_site(SLICE_LIT("x.a.b"), SLICE_LIT("a.b")));
    buf_fini(&b);
}

static void nothing_can_be_smuggled_into_a_request(void **state)
{
    (void)state;
    static const struct {
        const char *method;
        const char *header[3];
        const char *error;
    } rows[] = {
        {"GET /", {NULL}, "net/http: invalid method \"GET /\""},
        {"GET", {"X\r\nY", "1", NULL}, "net/http: invalid header field name \"X\r\nY\""},
        {"GET", {"X", "1\r\nY: 2", NULL}, "net/http: invalid header field value for \"X\""},
        {"GET", {"Host", "a\r\nY: 2", NULL}, "http: invalid Host header"},
        {"GET",
         {"User-Agent", "a\nb", NULL},
         "net/http: invalid header field value for \"User-Agent\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf b = BUF_INIT;
        struct buf out = BUF_INIT;
        struct errmsg e;
        struct hc_url u;
        const struct reg_probe def = {.header = headers(&b, rows[i].header)};
        assert_int_equal(hc_url_parse(SLICE_LIT("http://h/"), &u, &e), 0);
        const struct hc_http_request r = {
            .method = slice_str(rows[i].method), .url = &u, .def = &def, .own_host = true};
        assert_int_equal(hc_http_request(&out, &r, &e), E_INVAL);
        assert_string_equal(e.text, rows[i].error);
        buf_fini(&out);
        buf_fini(&b);
    }
}

static void redirects_change_the_method_as_in_go(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *before;
        const char *after;
        bool body;
    } rows[] = {
        {301, "POST", "GET", false},  {302, "PUT", "GET", false},  {303, "GET", "GET", false},
        {302, "HEAD", "HEAD", false}, {307, "POST", "POST", true}, {308, "PUT", "PUT", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bool body = true;
        struct slice got = hc_http_redirect(rows[i].status, slice_str(rows[i].before), &body);
        assert_true(slice_is(got, rows[i].after));
        assert_int_equal(body, rows[i].body);
    }
    assert_false(hc_http_is_redirect(300));
    assert_false(hc_http_is_redirect(304));
    assert_true(hc_http_is_redirect(308));
}

static void errors_read_as_those_of_go(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    hc_http_error(&b, SLICE_LIT("POST"), SLICE_LIT("http://u:p@h/\"x"), "EOF");
    assert_text(&b, "Post \"http://u:***@h/\\\"x\": EOF");
    buf_fini(&b);
}

/* ---- gRPC ---- */

static void a_health_request_is_one_framed_string(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    hc_grpc_request(&b, slice_of(NULL, 0));
    assert_int_equal(b.len, 5);
    assert_memory_equal(b.p, "\0\0\0\0\0", 5);
    buf_reset(&b);
    hc_grpc_request(&b, SLICE_LIT("web"));
    assert_int_equal(b.len, 10);
    assert_memory_equal(b.p, "\0\0\0\0\5\x0a\3web", 10);
    buf_reset(&b);
    char name[300];
    memset(name, 'n', sizeof name);
    hc_grpc_request(&b, slice_of(name, sizeof name));
    assert_memory_equal(b.p, "\0\0\0\x01\x2f\x0a\xac\x02n", 9);
    buf_fini(&b);
}

static void a_health_response_is_read_whatever_else_is_in_it(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        int rc;
        int status;
    } rows[] = {
        {"\0\0\0\0\0", 5, 0, HC_SERVING_UNKNOWN},
        {"\0\0\0\0\2\x08\1", 7, 0, HC_SERVING},
        {"\0\0\0\0\2\x08\2", 7, 0, HC_NOT_SERVING},
        {"\0\0\0\0\2\x08\3", 7, 0, HC_SERVICE_UNKNOWN},
        {"\0\0\0\0\6\x12\2ab\x08\1", 11, 0, HC_SERVING}, /* an unknown string */
        {"\0\0\0\0\7\x1d"
         "1234\x08\1",
         12, 0, HC_SERVING}, /* an unknown fixed32 */
        {"\0\0\0\0\x0b\x11"
         "12345678\x08\1",
         16, 0, HC_SERVING}, /* an unknown fixed64 */
        {"\1\0\0\0\2\x08\1", 7, E_UNSUPPORTED, 0},
        {"\0\0\0\0\2\x08", 6, E_PROTO, 0},
        {"\0\0\0\0\1\x08", 6, E_PROTO, 0},
        {"\0\0\0\0\2\x0c\1", 7, E_PROTO, 0}, /* groups are not of this century */
        {"\0\0\0", 3, E_PROTO, 0},
        {"", 0, E_PROTO, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int status = -7;
        int rc = hc_grpc_response(slice_of(rows[i].bytes, rows[i].len), &status);
        if (rc != rows[i].rc || (rc == 0 && status != rows[i].status)) {
            fail_msg("row %zu: %d, status %d", i, rc, status);
        }
    }
    assert_string_equal(hc_grpc_serving_text(2), "NOT_SERVING");
    assert_null(hc_grpc_serving_text(4));
    assert_string_equal(hc_grpc_code_text(14), "Unavailable");
    assert_null(hc_grpc_code_text(17));
}

static void escapes_are_undone_where_they_are_whole(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    hc_text_unescape(&b, SLICE_LIT("a%20b%2Fc%zz%4"));
    assert_text(&b, "a b/c%zz%4");
    buf_reset(&b);
    hc_text_quote(&b, SLICE_LIT("a\"b\\c\n\x01"));
    assert_text(&b, "\"a\\\"b\\\\c\\n\\x01\"");
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thresholds_turn_a_status_after_enough_results),
        cmocka_unit_test(a_ttl_expires_unless_it_is_updated),
        cmocka_unit_test(an_expiry_without_a_note_says_only_that),
        cmocka_unit_test(a_long_note_is_cut_and_says_so),
        cmocka_unit_test(timers_fire_in_order_of_their_deadlines),
        cmocka_unit_test(one_step_fires_no_more_than_it_may),
        cmocka_unit_test(a_tail_keeps_the_last_bytes),
        cmocka_unit_test(a_tail_of_a_long_stream_is_its_end),
        cmocka_unit_test(a_request_has_consuls_headers),
        cmocka_unit_test(the_definitions_headers_replace_the_defaults),
        cmocka_unit_test(credentials_do_not_follow_to_another_site),
        cmocka_unit_test(nothing_can_be_smuggled_into_a_request),
        cmocka_unit_test(redirects_change_the_method_as_in_go),
        cmocka_unit_test(errors_read_as_those_of_go),
        cmocka_unit_test(a_health_request_is_one_framed_string),
        cmocka_unit_test(a_health_response_is_read_whatever_else_is_in_it),
        cmocka_unit_test(escapes_are_undone_where_they_are_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
