/* dns/: what a name asks for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dns/name.h"

enum { A = 1, NS = 2, SOA = 6, PTR = 12, SRV = 33 };

static void zone_open(struct dns_zone *z)
{
    const struct dns_options o = {.alt_domain = "alt.example"};
    struct errmsg e;
    assert_int_equal(dns_zone_init(z, &o, &e), 0);
}

static void ask_open(struct dns_ask *ask, const struct dns_zone *z, const char *name, uint16_t type)
{
    uint8_t wire[DNS_NAME_MAX];
    size_t n = dns_labels_encode(slice_str(name), wire, sizeof(wire) - 1);
    wire[n] = 0;
    dns_ask_init(ask, wire, n + 1, type);
    dns_ask_parse(ask, z);
}

static void each_form_of_a_name_is_told_apart(void **state)
{
    (void)state;
    struct dns_zone z;
    zone_open(&z);
    static const struct {
        const char *text;
        uint16_t type;
        enum dns_ask_kind kind;
        const char *name, *tag;
    } rows[] = {
        {"web.service.consul", A, DNS_ASK_SERVICE, "web", ""},
        {"WEB.Service.CONSUL", A, DNS_ASK_SERVICE, "web", ""},
        {"web.service.alt.example", A, DNS_ASK_SERVICE, "web", ""},
        {"web.service.example", A, DNS_ASK_FOREIGN, "", ""},
        {"xconsul", A, DNS_ASK_FOREIGN, "", ""},
        {".", A, DNS_ASK_FOREIGN, "", ""},
        {"v1.web.service.consul", A, DNS_ASK_SERVICE, "web", "v1"},
        {"a.b.c.web.service.dc1.consul", A, DNS_ASK_SERVICE, "web", "a.b.c"},
        {"web.service.dc1.dc.consul", A, DNS_ASK_SERVICE, "web", ""},
        {"web.service.dc2.consul", A, DNS_ASK_NONE, "", ""},
        {"web.service.dc1.peer.consul", A, DNS_ASK_NONE, "", ""},
        {"service.service.consul", A, DNS_ASK_SERVICE, "service", ""},
        {"node.service.consul", A, DNS_ASK_SERVICE, "node", ""},
        {"service.node.consul", A, DNS_ASK_NODE, "service", ""},
        {"_web._v1.service.consul", A, DNS_ASK_SERVICE, "web", "v1"},
        {"_web._TCP.service.consul", A, DNS_ASK_SERVICE, "web", ""},
        {"_web._udp.service.consul", A, DNS_ASK_SERVICE, "web", "udp"},
        {"_web._tcp.consul", SRV, DNS_ASK_SERVICE, "web", ""},
        {"_web._v1.dc1.consul", SRV, DNS_ASK_SERVICE, "web", "v1"},
        {"_web._tcp.consul", A, DNS_ASK_NONE, "", ""},
        {"_._tcp.consul", SRV, DNS_ASK_NONE, "", ""},
        {"_web.service.consul", A, DNS_ASK_SERVICE, "_web", ""},
        {"a.b.node.dc1.consul", A, DNS_ASK_NODE, "a.b", ""},
        {"node.consul", A, DNS_ASK_NONE, "", ""},
        {"service.consul", A, DNS_ASK_NONE, "", ""},
        {"consul", A, DNS_ASK_NONE, "", ""},
        {"consul", SOA, DNS_ASK_SOA, "", ""},
        {"what.ever.consul", NS, DNS_ASK_NS, "", ""},
        {"0a000001.addr.consul", A, DNS_ASK_ADDR, "", ""},
        {"0a00000g.addr.consul", A, DNS_ASK_NONE, "", ""},
        {"0a0000.addr.consul", A, DNS_ASK_EMPTY, "", ""},
        {"x.y.query.consul", A, DNS_ASK_QUERY, "x.y", ""},
        {"_x._tcp.query.dc1.consul", SRV, DNS_ASK_QUERY, "x", ""},
        {"query.consul", A, DNS_ASK_NONE, "", ""},
        {"1.0.0.10.in-addr.arpa", PTR, DNS_ASK_REVERSE, "", ""},
        {"arpa", PTR, DNS_ASK_REVERSE, "", ""},
        {"arpa", NS, DNS_ASK_REVERSE, "", ""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct dns_ask ask;
        ask_open(&ask, &z, rows[i].text, rows[i].type);
        if (ask.kind != rows[i].kind || !slice_is(ask.name, rows[i].name) ||
            !slice_is(ask.tag, rows[i].tag)) {
            print_error("%s: kind %d name %.*s tag %.*s\n", rows[i].text, (int)ask.kind,
                        (int)ask.name.len, ask.name.p, (int)ask.tag.len, ask.tag.p);
        }
        assert_int_equal(ask.kind, rows[i].kind);
        assert_true(slice_is(ask.name, rows[i].name));
        assert_true(slice_is(ask.tag, rows[i].tag));
    }
}

static void reverse_names_hold_whole_addresses_or_none(void **state)
{
    (void)state;
    struct dns_zone z;
    zone_open(&z);
#define SIX "8.b.d.0.1.0.0.2.ip6.arpa"
    static const struct {
        const char *text;
        uint8_t len;
        const char *bytes;
    } rows[] = {
        {"4.3.2.1.in-addr.arpa", 4, "\1\2\3\4"},
        {"255.0.0.255.IN-ADDR.arpa", 4, "\xff\0\0\xff"},
        {"256.0.0.1.in-addr.arpa", 0, ""},
        {"0001.0.0.1.in-addr.arpa", 0, ""},
        {"x.0.0.1.in-addr.arpa", 0, ""},
        {"3.2.1.in-addr.arpa", 0, ""},
        {"5.4.3.2.1.in-addr.arpa", 0, ""},
        {"F.6.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0." SIX, 16,
         "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x6f"},
        {"f.66.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0." SIX, 0, ""},
        {"6.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0." SIX, 0, ""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct dns_ask ask;
        ask_open(&ask, &z, rows[i].text, PTR);
        assert_int_equal(ask.kind, DNS_ASK_REVERSE);
        assert_int_equal(ask.addr_len, rows[i].len);
        assert_memory_equal(ask.addr, rows[i].bytes, rows[i].len);
    }
}

static void the_longest_names_are_taken_apart(void **state)
{
    (void)state;
    struct dns_zone z;
    zone_open(&z);
    char name[DNS_NAME_MAX + 1];
    /* 119 labels of one byte: 2 * 119 + "service" and "consul" with the root is 254. */
    size_t n = 0;
    for (int i = 0; i < 119; i++) {
        name[n++] = 'a';
        name[n++] = '.';
    }
    memcpy(name + n, "service.consul", sizeof("service.consul"));
    struct dns_ask ask;
    ask_open(&ask, &z, name, A);
    assert_int_equal(ask.wire_len, 254);
    assert_int_equal(ask.kind, DNS_ASK_SERVICE);
    assert_int_equal(ask.tag.len, 2 * 118 - 1);
    assert_int_equal(ask.full.len, 252);
    /* The most labels there can be, none of them ours. */
    memset(name, '.', sizeof(name));
    for (int i = 0; i < 127; i++) {
        name[2 * i] = 'a';
    }
    name[253] = '\0';
    ask_open(&ask, &z, name, A);
    assert_int_equal(ask.wire_len, 255);
    assert_int_equal(ask.kind, DNS_ASK_FOREIGN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_form_of_a_name_is_told_apart),
        cmocka_unit_test(reverse_names_hold_whole_addresses_or_none),
        cmocka_unit_test(the_longest_names_are_taken_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
