/* The HTTP seam: each request of a table gives the same result however its bytes are cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/http_seam.h"
#include "base/err.h"

enum { HEAD_MAX = 4096, BODY_MAX = 300 };

/* What came of one stream of bytes, as text: "METHOD target 1.1 keep|close n=fields [body]" for
 * each request, then how it ended: "0 more", "0 too big" or the refusal. This is the part before
 * "body". */
static void describe(const struct http_head *head, struct buf *out)
{
    buf_add_slice(out, head->method);
    buf_add_char(out, ' ');
    buf_add_slice(out, head->target);
    buf_printf(out, " 1.%u %s n=%u%s [", head->minor, head->keep_alive ? "keep" : "close",
               head->n_fields, head->expect_continue ? " expect" : "");
}

static void end(struct http_seam *s, int rv, struct buf *out)
{
    const char *text = rv == E_AGAIN ? "more" : "too big";
    int status = 0;
    if (rv == E_PROTO) {
        status = http_seam_refusal(s, &text);
    }
    buf_printf(out, "%d %s", status, text);
}

/* Feed @bytes, first those before @cut, then the rest; or one by one when @cut is SIZE_MAX. */
static void run(struct slice bytes, size_t cut, struct buf *out)
{
    static struct http_head head;
    struct http_seam s;
    struct buf in = BUF_INIT;
    struct buf body = {.max = BODY_MAX};
    struct buf pending = BUF_INIT; /* the description of the head, whose slices die with @in */
    bool in_body = false;
    size_t fed = 0;
    int rv = E_AGAIN;
    http_seam_init(&s, HEAD_MAX);
    while (rv == E_AGAIN && fed < bytes.len) {
        size_t n = cut == SIZE_MAX ? 1 : fed < cut ? cut - fed : bytes.len - fed;
        buf_add(&in, bytes.p + fed, n);
        fed += n;
        rv = 0;
        while (rv == 0 && (in.len > 0 || in_body)) {
            size_t used = 0;
            rv = in_body ? http_seam_body(&s, buf_slice(&in), &used, &body)
                         : http_seam_head(&s, buf_slice(&in), &used, &head);
            if (rv == 0 && !in_body) {
                describe(&head, &pending);
                in_body = true;
            } else if (rv == 0) {
                buf_add_slice(out, buf_slice(&pending));
                buf_add_slice(out, buf_slice(&body));
                buf_add_str(out, "]\n");
                buf_reset(&pending);
                buf_reset(&body);
                in_body = false;
            }
            memmove(in.p, in.p + used, in.len - used);
            in.len -= used;
        }
        rv = rv == 0 ? E_AGAIN : rv;
    }
    end(&s, rv, out);
    buf_add_char(out, '\0');
    buf_fini(&in);
    buf_fini(&body);
    buf_fini(&pending);
}

#define GET "GET /a HTTP/1.1\r\nHost: x\r\n"
#define TEN "0123456789"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN
#define PUT "PUT /a HTTP/1.1\r\nHost: x\r\n"

static const struct {
    const char *name, *bytes, *want;
} rows[] = {
    {"plain", GET "\r\n", "GET /a 1.1 keep n=1 []\n0 more"},
    {"close", GET "Connection: close\r\n\r\n", "GET /a 1.1 close n=2 []\n0 more"},
    {"1.0", "GET /a HTTP/1.0\r\n\r\n", "GET /a 1.0 close n=0 []\n0 more"},
    {"1.0 keep-alive", "GET /a HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
     "GET /a 1.0 keep n=1 []\n0 more"},
    {"two in one", GET "\r\n" PUT "Content-Length: 2\r\n\r\nhi" GET "\r\n",
     "GET /a 1.1 keep n=1 []\nPUT /a 1.1 keep n=2 [hi]\nGET /a 1.1 keep n=1 []\n0 more"},
    {"any method", "get /a HTTP/1.1\r\nHost: x\r\n\r\nFOO-BAR * HTTP/1.1\r\nhost: x\r\n\r\n",
     "get /a 1.1 keep n=1 []\nFOO-BAR * 1.1 keep n=1 []\n0 more"},
    {"absolute", "GET http://h/a?b HTTP/1.1\r\nHost: x\r\n\r\n",
     "GET http://h/a?b 1.1 keep n=1 []\n0 more"},
    {"chunks",
     PUT "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=\"y\"\r\n0123456789\r\n0\r\n\r\n",
     "PUT /a 1.1 keep n=2 [abc0123456789]\n0 more"},
    {"trailers",
     PUT "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nT: v\r\nU: w\r\n\r\n" GET "\r\n",
     "PUT /a 1.1 keep n=2 [a]\nGET /a 1.1 keep n=1 []\n0 more"},
    {"upgrade unread", GET "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n",
     "GET /a 1.1 keep n=3 []\n0 more"},
    {"upgrade with body", PUT "Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nhi",
     "PUT /a 1.1 keep n=4 [hi]\n0 more"},
    {"expect", PUT "Expect: 100-continue\r\nContent-Length: 1\r\n\r\na",
     "PUT /a 1.1 keep n=3 expect [a]\n0 more"},
    {"empty value", GET "A:\r\nB: \t \r\n\r\n", "GET /a 1.1 keep n=3 []\n0 more"},
    {"body not complete", PUT "Content-Length: 5\r\n\r\nabc", "0 more"},
    {"body beyond the limit", PUT "Content-Length: 310\r\n\r\n" HUNDRED HUNDRED HUNDRED TEN,
     "0 too big"},

    {"no words", "nonsense\r\n\r\n", "400 400 Bad Request"},
    {"no version", "GET /a\r\nHost: x\r\n\r\n", "400 400 Bad Request"},
    {"blank in target", "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", "400 400 Bad Request"},
    {"empty first line", "\r\n" GET "\r\n", "400 400 Bad Request"},
    {"version 2", "GET /a HTTP/2.0\r\nHost: x\r\n\r\n",
     "505 505 HTTP Version Not Supported: unsupported protocol version"},
    {"bare LF in the first line", "GET /a HTTP/1.1\nHost: x\r\n\r\n", "400 400 Bad Request"},
    {"bare LF in a header", GET "A: b\nC: d\r\n\r\n", "400 400 Bad Request"},
    {"bare LF at the end", GET "\n", "400 400 Bad Request"},
    {"CR in a value", GET "A: b\rc\r\n\r\n", "400 400 Bad Request: invalid header value"},
    {"folded", GET "A: b\r\n c\r\n\r\n", "400 400 Bad Request"},
    {"no colon", GET "Name\r\n\r\n", "400 400 Bad Request"},
    {"blank in a name", GET "Bad Name: x\r\n\r\n", "400 400 Bad Request: invalid header name"},
    {"blank before the colon", GET "Name : x\r\n\r\n", "400 400 Bad Request: invalid header name"},
    {"control in a value", GET "A: \x01\r\n\r\n", "400 400 Bad Request: invalid header value"},
    {"no Host", "GET /a HTTP/1.1\r\n\r\n", "400 400 Bad Request: missing required Host header"},
    {"two Hosts", GET "Host: x\r\n\r\n", "400 400 Bad Request: too many Host headers"},
    {"length no number", PUT "Content-Length: x\r\n\r\n", "400 400 Bad Request"},
    {"length negative", PUT "Content-Length: -1\r\n\r\n", "400 400 Bad Request"},
    {"length huge", PUT "Content-Length: 99999999999999999999\r\n\r\n", "400 400 Bad Request"},
    {"two lengths", PUT "Content-Length: 1\r\nContent-Length: 1\r\n\r\na", "400 400 Bad Request"},
    {"length and chunked", PUT "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
     "400 400 Bad Request"},
    {"chunked and length", PUT "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
     "400 400 Bad Request"},
    {"chunked in 1.0", "PUT /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
     "400 400 Bad Request"},
    {"two codings", PUT "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n",
     "501 501 Not Implemented: unsupported transfer encoding"},
    {"bad chunk size", PUT "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
     "500 invalid byte in chunk length"},
    {"bare LF behind a size", PUT "Transfer-Encoding: chunked\r\n\r\n3\nabc",
     "500 invalid byte in chunk length"},
    {"chunk longer than said", PUT "Transfer-Encoding: chunked\r\n\r\n3\r\nabcXX",
     "500 malformed chunked encoding"},
    {"size beyond 60 bits", PUT "Transfer-Encoding: chunked\r\n\r\n1000000000000000\r\n",
     "500 http chunk length too large"},
};

static void a_request_reads_the_same_however_it_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct slice bytes = slice_str(rows[i].bytes);
        for (size_t cut = 0; cut <= bytes.len + 1; cut++) {
            struct buf out = BUF_INIT;
            run(bytes, cut > bytes.len ? SIZE_MAX : cut, &out);
            if (strstr(out.p, rows[i].want) != out.p || strlen(out.p) != strlen(rows[i].want)) {
                print_error("%s, cut at %zu:\n%s\n", rows[i].name, cut, out.p);
            }
            assert_string_equal(out.p, rows[i].want);
            buf_fini(&out);
        }
    }
}

static void a_head_is_bounded_in_bytes_and_in_fields(void **state)
{
    (void)state;
    struct buf many = BUF_INIT;
    struct buf long_one = BUF_INIT;
    struct buf out = BUF_INIT;
    buf_add_str(&many, GET);
    for (int i = 0; i < HTTP_FIELDS_MAX; i++) {
        buf_add_str(&many, "A: b\r\n");
    }
    buf_add_str(&many, "\r\n");
    run(buf_slice(&many), 0, &out);
    assert_string_equal(out.p, "431 431 Request Header Fields Too Large");
    buf_reset(&out);

    buf_add_str(&long_one, GET "A: ");
    for (int i = 0; i < HEAD_MAX; i++) {
        buf_add_char(&long_one, 'x');
    }
    run(buf_slice(&long_one), SIZE_MAX, &out);
    assert_string_equal(out.p, "431 431 Request Header Fields Too Large");
    buf_fini(&many);
    buf_fini(&long_one);
    buf_fini(&out);
}

static void fields_are_found_in_any_case_without_their_blanks(void **state)
{
    (void)state;
    static struct http_head head;
    struct http_seam s;
    size_t used;
    http_seam_init(&s, HEAD_MAX);
    assert_int_equal(0,
                     http_seam_head(&s, SLICE_LIT(GET "X-Token: \t a b \t\r\n\r\n"), &used, &head));
    assert_true(slice_is(http_field_find(head.fields, head.n_fields, "x-tOKEN"), "a b"));
    assert_int_equal(0, http_field_find(head.fields, head.n_fields, "X-Toke").len);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_reads_the_same_however_it_is_cut),
        cmocka_unit_test(a_head_is_bounded_in_bytes_and_in_fields),
        cmocka_unit_test(fields_are_found_in_any_case_without_their_blanks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
