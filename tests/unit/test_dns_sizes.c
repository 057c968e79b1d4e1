/* dns/: answers within the asker's size. Properties over many numbers of instances and sizes: never
 * empty while something is healthy, never above the size, always sound; and every instance gets its
 * turn. Plans are made by hand, so that thousands of instances cost no store. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dns/answer.h"
#include "tests/support/dnsmsg.h"

enum { A = 1, TXT = 16, AAAA = 28, SRV = 33 };

struct bench {
    struct dns_zone zone;
    struct dns_renderer r;
    struct dns_plan_builder b;
    uint8_t out[DNS_MESSAGE_MAX];
};

static const struct dns_options defaults = {.udp_answer_limit = 3};

static struct bench *bench_new(const struct dns_options *o)
{
    struct bench *t = calloc(1, sizeof(*t));
    struct errmsg e;
    assert_non_null(t);
    assert_int_equal(dns_zone_init(&t->zone, o, &e), 0);
    t->r.zone = &t->zone;
    rng_seed(&t->r.rng, 7);
    dns_plan_builder_init(&t->b);
    return t;
}

static void bench_free(struct bench *t)
{
    dns_plan_builder_fini(&t->b);
    free(t);
}

/* A unit: an A record, or a SRV record with its target's address and a text. */
static void unit_put(struct bench *t, uint16_t type, unsigned i, size_t text_len)
{
    struct dns_rr a = {.type = A, .owner = {.suffix = DNS_REF_QUESTION}};
    a.u.ip[0] = 10;
    a.u.ip[1] = (uint8_t)(i >> 16);
    a.u.ip[2] = (uint8_t)(i >> 8);
    a.u.ip[3] = (uint8_t)i;
    if (type == A) {
        assert_true(dns_plan_unit_add(&t->b, &a));
        return;
    }
    char label[16];
    int len = snprintf(label + 1, sizeof(label) - 1, "node%u", i);
    label[0] = (char)len;
    struct dns_rr srv = {.type = SRV, .owner = {.suffix = DNS_REF_QUESTION}};
    srv.u.srv.port = (uint16_t)i;
    srv.u.srv.target =
        dns_plan_ref(&t->b, (const uint8_t *)label, (size_t)len + 1, DNS_SUFFIX_NODE);
    assert_true(dns_plan_unit_add(&t->b, &srv));
    a.owner.suffix = DNS_REF_TARGET;
    dns_plan_unit_more(&t->b, DNS_PART_ADDRESS, &a);
    if (text_len != 0) {
        char text[600];
        memset(text, 'x', sizeof(text));
        struct dns_rr txt = {.type = TXT, .owner = {.suffix = DNS_REF_TARGET}};
        dns_plan_txt(&t->b, &txt, slice_of(text, text_len));
        dns_plan_unit_more(&t->b, DNS_PART_TEXT, &txt);
    }
}

static struct dns_plan *plan_of(struct bench *t, uint16_t type, unsigned n, size_t text_len)
{
    dns_plan_begin(&t->b, DNS_RCODE_NOERROR);
    t->b.head.shuffle = true;
    for (unsigned i = 0; i < n; i++) {
        unit_put(t, type, i, text_len);
    }
    struct dns_plan *plan = dns_plan_end(&t->b);
    assert_non_null(plan);
    return plan;
}

/* Ask, check that the answer is sound, and count. @edns: 0 for none. */
static size_t ask(struct bench *t,
                  struct dns_plan *plan,
                  const char *name,
                  uint16_t type,
                  int edns,
                  enum dns_transport transport,
                  struct dnsmsg_counts *c)
{
    uint8_t packet[512];
    struct dns_query q;
    struct dnsmsg_query asked = {.name = name, .type = type, .edns = edns};
    size_t n = dnsmsg_query_encode(&asked, packet);
    assert_int_equal(dns_query_parse(packet, n, &q), DNS_VERDICT_ANSWER);
    n = dns_answer_render(&t->r, &q, transport, plan, 1, t->out);
    assert_true(dnsmsg_show(t->out, n, NULL, c));
    return n;
}

static void an_answer_is_never_empty_never_too_large_and_always_sound(void **state)
{
    (void)state;
    static const unsigned instances[] = {1, 2, 3, 4, 9, 50, 199, 1000, 1024, 1025, 4096, 5000};
    static const int sizes[] = {512, 513, 600, 1232, 1400, 4096, 16000, 20000, 65474, 65535};
    static const uint16_t types[] = {A, SRV};
    for (int compress = 0; compress < 2; compress++) {
        struct dns_options o = defaults;
        o.disable_compression = compress == 0;
        struct bench *t = bench_new(&o);
        for (size_t i = 0; i < 2 * sizeof(instances) / sizeof(instances[0]); i++) {
            unsigned n = instances[i / 2];
            uint16_t type = types[i % 2];
            struct dns_plan *plan = plan_of(t, type, n, type == SRV && n % 2 == 0 ? 300 : 0);
            for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
                struct dnsmsg_counts c;
                size_t len = ask(t, plan, "web.service.consul", type, sizes[s], DNS_UDP, &c);
                assert_in_range(len, 1, (unsigned)sizes[s] - 8);
                assert_in_range(c.answers, 1, n);
                assert_int_equal(c.flags & 0x200, 0);
            }
            struct dnsmsg_counts c;
            assert_in_range(ask(t, plan, "web.service.consul", type, 0, DNS_UDP, &c), 1, 504);
            assert_int_equal(c.answers, n < 3 ? n : 3);
            assert_in_range(ask(t, plan, "web.service.consul", type, 0, DNS_TCP, &c), 1, 65523);
            assert_in_range(c.answers, 1, type == SRV ? 1024 : 4096);
            free(plan);
        }
        bench_free(t);
    }
}

static void an_answer_is_filled_before_anything_beside_it(void **state)
{
    (void)state;
    struct bench *t = bench_new(&defaults);
    struct dns_plan *plan = plan_of(t, SRV, 1000, 100);
    struct dnsmsg_counts c;
    /* 36 bytes of header and question, 11 of OPT; a SRV record takes 18 and its target. */
    size_t len = ask(t, plan, "web.service.consul", SRV, 1232, DNS_UDP, &c);
    assert_in_range(len, 1200, 1224);
    assert_in_range(c.answers, 40, 60);
    /* Where all answers fit, the addresses come next, and the texts last. */
    free(plan);
    plan = plan_of(t, SRV, 20, 100);
    (void)ask(t, plan, "web.service.consul", SRV, 1232, DNS_UDP, &c);
    assert_int_equal(c.answers, 20);
    assert_true(c.additional >= 21 && c.additional < 30); /* 20 addresses, OPT, some texts */
    (void)ask(t, plan, "web.service.consul", SRV, 4096, DNS_UDP, &c);
    assert_int_equal(c.additional, 41);
    free(plan);
    bench_free(t);
}

/* Not even one record fits: the longest names in 512 bytes. An empty NOERROR would say that there
 * is nothing; so TC is set, and the asker comes back over TCP. */
static void what_cannot_fit_is_marked_as_truncated(void **state)
{
    (void)state;
    struct bench *t = bench_new(&defaults);
    char name[250];
    uint8_t labels[DNS_NAME_MAX];
    memset(name, 'a', sizeof(name));
    for (size_t i = 50; i < 248; i += 50) {
        name[i] = '.';
    }
    memcpy(name + 230, ".service.consul", sizeof(".service.consul"));
    size_t len = dns_labels_encode(slice_str(name), labels, sizeof(labels));
    assert_int_not_equal(len, 0);
    labels[1] = 'b';
    dns_plan_begin(&t->b, DNS_RCODE_NOERROR);
    struct dns_rr srv = {.type = SRV, .owner = {.suffix = DNS_REF_QUESTION}};
    srv.u.srv.target = dns_plan_ref(&t->b, labels, len, DNS_SUFFIX_ROOT);
    assert_true(dns_plan_unit_add(&t->b, &srv));
    struct dns_plan *plan = dns_plan_end(&t->b);
    struct dnsmsg_counts c;
    assert_true(ask(t, plan, name, SRV, 0, DNS_UDP, &c) <= 504);
    assert_int_equal(c.answers, 0);
    assert_int_equal(c.flags & 0x200, 0x200);
    (void)ask(t, plan, name, SRV, 0, DNS_TCP, &c);
    assert_int_equal(c.answers, 1);
    assert_int_equal(c.flags & 0x200, 0);
    free(plan);
    bench_free(t);
}

static void truncation_is_marked_when_that_is_configured(void **state)
{
    (void)state;
    struct dns_options o = defaults;
    o.enable_truncate = true;
    struct bench *t = bench_new(&o);
    struct dnsmsg_counts c;
    static const struct {
        unsigned instances;
        int edns;
        enum dns_transport transport;
        bool cut;
    } rows[] = {{3, 0, DNS_UDP, false},    {4, 0, DNS_UDP, true},      {4, 512, DNS_UDP, true},
                {4, 1232, DNS_UDP, false}, {100, 1232, DNS_UDP, true}, {100, 0, DNS_TCP, false},
                {5000, 0, DNS_TCP, true}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct dns_plan *plan = plan_of(t, A, rows[i].instances, 0);
        (void)ask(t, plan, "web.service.consul", A, rows[i].edns, rows[i].transport, &c);
        assert_int_equal((c.flags & 0x200) != 0, rows[i].cut);
        free(plan);
    }
    bench_free(t);
}

static void limits_of_configuration_are_kept(void **state)
{
    (void)state;
    static const struct {
        unsigned answer_limit, a_limit;
        uint16_t type;
        int edns;
        unsigned expected;
    } rows[] = {
        {5, 0, A, 0, 5},   {20, 0, A, 0, 8},    {0, 0, A, 0, 8},
        {1, 0, SRV, 0, 1}, {5, 0, A, 4096, 50}, {3, 2, A, 0, 2},
        {3, 7, A, 0, 3},   {3, 7, A, 4096, 7},  {3, 7, SRV, 4096, 50},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct dns_options o = {.udp_answer_limit = rows[i].answer_limit,
                                .a_record_limit = rows[i].a_limit};
        struct bench *t = bench_new(&o);
        struct dns_plan *plan = plan_of(t, rows[i].type, 50, 0);
        struct dnsmsg_counts c;
        (void)ask(t, plan, "web.service.consul", rows[i].type, rows[i].edns, DNS_UDP, &c);
        assert_int_equal(c.answers, rows[i].expected);
        assert_int_equal(c.flags & 0x200, 0);
        free(plan);
        bench_free(t);
    }
}

/* P13: the union of 200 queries without EDNS covers at least 99 % of 50 instances. */
static void every_instance_gets_its_turn_in_small_answers(void **state)
{
    (void)state;
    struct bench *t = bench_new(&defaults);
    struct dns_plan *plan = plan_of(t, A, 50, 0);
    unsigned seen[50] = {0};
    for (int i = 0; i < 200; i++) {
        struct dnsmsg_counts c;
        size_t len = ask(t, plan, "web.service.consul", A, 0, DNS_UDP, &c);
        for (unsigned k = 1; k <= 3; k++) {
            seen[t->out[len - (k - 1) * 16 - 1]]++;
        }
    }
    unsigned covered = 0;
    for (int i = 0; i < 50; i++) {
        covered += seen[i] != 0;
        assert_true(seen[i] < 40); /* 12 on average */
    }
    assert_int_equal(covered, 50);
    free(plan);
    bench_free(t);
}

static void a_small_service_comes_in_every_order(void **state)
{
    (void)state;
    struct bench *t = bench_new(&defaults);
    struct dns_plan *plan = plan_of(t, A, 3, 0);
    unsigned first[3] = {0};
    for (int i = 0; i < 300; i++) {
        struct dnsmsg_counts c;
        size_t len = ask(t, plan, "web.service.consul", A, 0, DNS_UDP, &c);
        assert_int_equal(c.answers, 3);
        first[t->out[len - 33]]++;
    }
    for (int i = 0; i < 3; i++) {
        assert_in_range(first[i], 60, 140);
    }
    free(plan);
    bench_free(t);
}

/* Beyond offset 16383 nothing can be pointed to; names are written out there. */
static void pointers_end_where_they_cannot_reach(void **state)
{
    (void)state;
    struct bench *t = bench_new(&defaults);
    struct dns_plan *plan = plan_of(t, SRV, 1024, 0);
    struct dnsmsg_counts c;
    size_t len = ask(t, plan, "web.service.consul", SRV, 0, DNS_TCP, &c);
    assert_int_equal(c.answers, 1024);
    assert_int_equal(c.additional, 1024);
    assert_true(len > 40000);
    free(plan);
    bench_free(t);
}

static void a_long_text_is_cut_into_strings(void **state)
{
    (void)state;
    struct bench *t = bench_new(&defaults);
    static const size_t lengths[] = {0, 1, 255, 256, 511, 600};
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        char text[600];
        memset(text, 'x', sizeof(text));
        dns_plan_begin(&t->b, DNS_RCODE_NOERROR);
        struct dns_rr txt = {.type = TXT, .owner = {.suffix = DNS_REF_QUESTION}};
        dns_plan_txt(&t->b, &txt, slice_of(text, lengths[i]));
        assert_true(dns_plan_unit_add(&t->b, &txt));
        struct dns_plan *plan = dns_plan_end(&t->b);
        struct dnsmsg_counts c;
        (void)ask(t, plan, "n1.node.consul", TXT, 4096, DNS_UDP, &c);
        assert_int_equal(c.answers, 1);
        free(plan);
    }
    bench_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_never_empty_never_too_large_and_always_sound),
        cmocka_unit_test(an_answer_is_filled_before_anything_beside_it),
        cmocka_unit_test(what_cannot_fit_is_marked_as_truncated),
        cmocka_unit_test(truncation_is_marked_when_that_is_configured),
        cmocka_unit_test(limits_of_configuration_are_kept),
        cmocka_unit_test(every_instance_gets_its_turn_in_small_answers),
        cmocka_unit_test(a_small_service_comes_in_every_order),
        cmocka_unit_test(pointers_end_where_they_cannot_reach),
        cmocka_unit_test(a_long_text_is_cut_into_strings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
