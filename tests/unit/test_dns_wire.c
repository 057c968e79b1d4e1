/* dns/: messages on the wire. Broken and strange ones, what they are taken for; and what is
 * written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dns/wire.h"
#include "tests/support/dnsmsg.h"

/* Hexadecimal digits, blanks ignored, into @out; returns the number of bytes. */
static size_t unhex(const char *hex, uint8_t *out, size_t max)
{
    size_t n = 0;
    for (; *hex != '\0'; hex++) {
        unsigned v;
        if (*hex == ' ') {
            continue;
        }
        assert_int_equal(sscanf(hex, "%2x", &v), 1);
        assert_true(n < max);
        out[n++] = (uint8_t)v;
        hex++;
    }
    return n;
}

#define NAME "03776562 0773657276696365 06636f6e73756c 00 "
#define L63                                                               \
    "3f 6161616161616161616161616161616161616161616161616161616161616161" \
    "61616161616161616161616161616161616161616161616161616161616161 "

static void each_message_is_answered_refused_or_dropped(void **state)
{
    (void)state;
    static const struct {
        const char *about, *hex;
        enum dns_verdict expected;
    } rows[] = {
        {"two bytes", "1234", DNS_VERDICT_DROP},
        {"half a header", "1234 0100 0001", DNS_VERDICT_DROP},
        {"no question", "1234 0100 0000 0000 0000 0000", DNS_VERDICT_FORMERR},
        {"question missing", "1234 0100 0001 0000 0000 0000", DNS_VERDICT_FORMERR},
        {"no type", "1234 0100 0001 0000 0000 0000 " NAME, DNS_VERDICT_FORMERR},
        {"no class", "1234 0100 0001 0000 0000 0000 " NAME "0001", DNS_VERDICT_FORMERR},
        {"good", "1234 0100 0001 0000 0000 0000 " NAME "0001 0001", DNS_VERDICT_ANSWER},
        {"the root", "1234 0100 0001 0000 0000 0000 00 0001 0001", DNS_VERDICT_ANSWER},
        {"a response", "1234 8100 0001 0000 0000 0000 " NAME "0001 0001", DNS_VERDICT_DROP},
        {"bytes behind", "1234 0100 0001 0000 0000 0000 " NAME "0001 0001 ffff",
         DNS_VERDICT_ANSWER},
        {"two questions", "1234 0100 0002 0000 0000 0000 " NAME "0001 0001 " NAME "0021 0001",
         DNS_VERDICT_FORMERR},
        {"points to itself", "1234 0100 0001 0000 0000 0000 c00c 0001 0001", DNS_VERDICT_FORMERR},
        {"points outside", "1234 0100 0001 0000 0000 0000 c0ff 0001 0001", DNS_VERDICT_FORMERR},
        {"label of 64", "1234 0100 0001 0000 0000 0000 40 61 " L63 "00 0001 0001",
         DNS_VERDICT_FORMERR},
        {"name of 320", "1234 0100 0001 0000 0000 0000 " L63 L63 L63 L63 L63 "00 0001 0001",
         DNS_VERDICT_FORMERR},
        {"name cut short", "1234 0100 0001 0000 0000 0000 03 77 65", DNS_VERDICT_FORMERR},
        {"an answer in it",
         "1234 0100 0001 0001 0000 0000 " NAME "0001 0001 c00c 0001 0001 00000005 0004 0a000001",
         DNS_VERDICT_ANSWER},
        {"two answers in it",
         "1234 0100 0001 0002 0000 0000 " NAME "0001 0001 c00c 0001 0001 00000005 0004 0a000001"
         "c00c 0001 0001 00000005 0004 0a000001",
         DNS_VERDICT_FORMERR},
        {"an answer missing", "1234 0100 0001 0001 0000 0000 " NAME "0001 0001",
         DNS_VERDICT_FORMERR},
        {"option record cut short",
         "1234 0100 0001 0000 0000 0001 " NAME "0001 0001 00 0029 0200 00000000 00",
         DNS_VERDICT_FORMERR},
        {"option record",
         "1234 0100 0001 0000 0000 0001 " NAME "0001 0001 00 0029 0200 00000000 "
         "0000",
         DNS_VERDICT_ANSWER},
        {"option record with a name",
         "1234 0100 0001 0000 0000 0001 " NAME "0001 0001 c00c 0029 0200 00000000 0000",
         DNS_VERDICT_FORMERR},
        {"option record as answer",
         "1234 0100 0001 0001 0000 0000 " NAME "0001 0001 00 0029 0200 00000000 0000",
         DNS_VERDICT_FORMERR},
        {"two option records",
         "1234 0100 0001 0000 0000 0002 " NAME "0001 0001 00 0029 1000 00000000 0000"
         "00 0029 1000 00000000 0000",
         DNS_VERDICT_FORMERR},
        {"option longer than its record",
         "1234 0100 0001 0000 0000 0001 " NAME "0001 0001 00 0029 1000 00000000 0004 0008 0007",
         DNS_VERDICT_FORMERR},
        {"half an option",
         "1234 0100 0001 0000 0000 0001 " NAME "0001 0001 00 0029 1000 00000000 0002 000c",
         DNS_VERDICT_FORMERR},
        {"unknown option",
         "1234 0100 0001 0000 0000 0001 " NAME "0001 0001 00 0029 1000 00000000 0005 fde9 0001 00",
         DNS_VERDICT_ANSWER},
        {"subnet of an unknown family",
         "1234 0100 0001 0000 0000 0001 " NAME "0001 0001 00 0029 1000 00000000 0008 0008 0004 "
         "0003 0000",
         DNS_VERDICT_FORMERR},
        {"asks for an option record", "1234 0100 0001 0000 0000 0000 " NAME "0029 0001",
         DNS_VERDICT_FORMERR},
        {"inverse query", "1234 0900 0001 0000 0000 0000 " NAME "0001 0001", DNS_VERDICT_NOTIMP},
        {"notify", "1234 2100 0001 0000 0000 0000 " NAME "0001 0001", DNS_VERDICT_NOTIMP},
        {"update", "1234 2900 0001 0000 0000 0000 " NAME "0001 0001", DNS_VERDICT_NOTIMP},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t p[512];
        size_t n = unhex(rows[i].hex, p, sizeof(p));
        /* In a block of its own size, so that a read behind the end is seen. */
        uint8_t *exact = malloc(n);
        struct dns_query q;
        memcpy(exact, p, n);
        enum dns_verdict got = dns_query_parse(exact, n, &q);
        if (got != rows[i].expected) {
            print_error("%s\n", rows[i].about);
        }
        assert_int_equal(got, rows[i].expected);
        free(exact);
    }
}

static void a_query_cut_anywhere_is_never_read_beyond(void **state)
{
    (void)state;
    const struct dnsmsg_query asked = {
        .name = "a.b.service.consul", .type = 33, .edns = 1232, .ecs = "00011800c63364"};
    uint8_t p[512];
    size_t n = dnsmsg_query_encode(&asked, p);
    for (size_t cut = 0; cut <= n; cut++) {
        uint8_t *exact = malloc(cut == 0 ? 1 : cut);
        struct dns_query q;
        memcpy(exact, p, cut);
        enum dns_verdict expected = cut < DNS_HEADER_SIZE ? DNS_VERDICT_DROP
                                    : cut < n             ? DNS_VERDICT_FORMERR
                                                          : DNS_VERDICT_ANSWER;
        assert_int_equal(dns_query_parse(exact, cut, &q), expected);
        free(exact);
    }
}

static void a_query_comes_out_as_it_was_put_in(void **state)
{
    (void)state;
    const struct dnsmsg_query asked = {.name = "Web.service.consul",
                                       .type = 33,
                                       .class = 3,
                                       .flags = 0x0110,
                                       .edns = 4096,
                                       .ecs = "00011818c63364"};
    uint8_t p[512];
    size_t n = dnsmsg_query_encode(&asked, p);
    struct dns_query q;
    assert_int_equal(dns_query_parse(p, n, &q), DNS_VERDICT_ANSWER);
    assert_int_equal(q.id, 0x1234);
    assert_int_equal(q.flags, 0x0110);
    assert_int_equal(q.type, 33);
    assert_int_equal(q.class, 3);
    assert_int_equal(q.name_len, 20);
    assert_memory_equal(q.name, "\3Web\7service\6consul", 20);
    assert_true(q.edns);
    assert_int_equal(q.edns_size, 4096);
    assert_int_equal(q.ecs_len, 7);
    assert_memory_equal(q.ecs, "\0\1\x18\0\xc6\x33\x64", 7);
}

static void text_becomes_labels_or_is_refused(void **state)
{
    (void)state;
    char long_label[66];
    memset(long_label, 'x', sizeof(long_label));
    long_label[64] = '\0';
    const struct {
        const char *text;
        size_t max, expected;
    } rows[] = {{"consul", 255, 7}, {"consul.", 255, 7},  {"a.b", 255, 4},
                {"a.b", 4, 4},      {"a.b", 3, 0},        {"", 255, 0},
                {".", 255, 0},      {"a..b", 255, 0},     {".a", 255, 0},
                {"a..", 255, 0},    {long_label, 255, 0}, {long_label + 1, 255, 64}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t out[255];
        assert_int_equal(dns_labels_encode(slice_str(rows[i].text), out, rows[i].max),
                         rows[i].expected);
    }
    uint8_t out[8];
    assert_int_equal(dns_labels_encode(SLICE_LIT("a.bc."), out, sizeof(out)), 5);
    assert_memory_equal(out, "\1a\2bc", 5);
}

static void writing_past_the_limit_writes_nothing_more(void **state)
{
    (void)state;
    uint8_t p[8] = {0};
    struct dns_out o = {.p = p, .max = 5};
    dns_out_u32(&o, 0x01020304);
    dns_out_u16(&o, 0x0506); /* one byte too many */
    dns_out_bytes(&o, "x", 1);
    assert_true(o.full);
    assert_int_equal(o.len, 4);
    assert_memory_equal(p, "\1\2\3\4\0\0\0\0", 8);
    dns_out_rewind(&o, 2);
    dns_out_u16(&o, 0x0708);
    assert_false(o.full);
    assert_memory_equal(p, "\1\2\7\10", 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_message_is_answered_refused_or_dropped),
        cmocka_unit_test(a_query_cut_anywhere_is_never_read_beyond),
        cmocka_unit_test(a_query_comes_out_as_it_was_put_in),
        cmocka_unit_test(text_becomes_labels_or_is_refused),
        cmocka_unit_test(writing_past_the_limit_writes_nothing_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
