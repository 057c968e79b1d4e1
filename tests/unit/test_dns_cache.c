/* dns/: kept answers are dropped when what they were made from changes, and only then; and the
 * cache has a bound. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dns/respond.h"
#include "tests/support/dnsmsg.h"
#include "tests/support/store.h"

enum { A = 1, PTR = 12, SRV = 33 };

struct world {
    struct test_store store;
    struct dns_responder r;
    uint8_t out[DNS_MESSAGE_MAX];
    struct dnsmsg_counts last;
};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    const struct dns_options o = {.udp_answer_limit = 3};
    struct errmsg e;
    test_store_open(&w->store);
    *state = w;
    return dns_responder_init(&w->r, w->store.rd, &o, 1, &e);
}

static int teardown(void **state)
{
    struct world *w = *state;
    dns_responder_fini(&w->r);
    test_store_close(&w->store);
    free(w);
    return 0;
}

static void node(struct world *w, const char *name, const char *address)
{
    assert_int_equal(test_node(&w->store, name, address).status, 0);
}

static void service(struct world *w,
                    const char *at,
                    const char *name,
                    const char *address,
                    const char *status)
{
    assert_int_equal(test_service(&w->store, at, name, name, address, 1, NULL, status).status, 0);
}

/* Ask; tell whether the answer came from the cache. */
static bool cached(struct world *w, const char *name, uint16_t type)
{
    uint8_t packet[512];
    const struct dnsmsg_query q = {.name = name, .type = type};
    uint64_t before = w->r.stats.answers_cached;
    dns_responder_sync(&w->r);
    size_t n = dns_respond(&w->r, packet, dnsmsg_query_encode(&q, packet), DNS_UDP, 1, w->out);
    assert_true(dnsmsg_show(w->out, n, NULL, &w->last));
    return w->r.stats.answers_cached != before;
}

static void an_answer_is_kept_for_any_spelling_size_and_transport(void **state)
{
    struct world *w = *state;
    node(w, "n1", "10.0.0.1");
    service(w, "n1", "web", "", NULL);
    assert_false(cached(w, "web.service.consul", A));
    assert_true(cached(w, "web.service.consul", A));
    assert_true(cached(w, "WEB.Service.consul", A));
    assert_false(cached(w, "web.service.consul", SRV));
    uint8_t packet[512];
    const struct dnsmsg_query q = {.name = "web.service.consul", .type = A, .edns = 4096};
    size_t n = dnsmsg_query_encode(&q, packet);
    assert_true(dns_respond(&w->r, packet, n, DNS_TCP, 1, w->out) > 0);
    assert_int_equal(w->r.stats.answers_cached, 3);
}

static void a_change_of_the_service_drops_its_answers_and_no_others(void **state)
{
    struct world *w = *state;
    node(w, "n1", "10.0.0.1");
    service(w, "n1", "web", "", "passing");
    service(w, "n1", "db", "", "passing");
    assert_false(cached(w, "web.service.consul", A));
    assert_false(cached(w, "db.service.consul", A));
    assert_false(cached(w, "none.service.consul", A));
    service(w, "n1", "web", "", "critical");
    assert_false(cached(w, "web.service.consul", A));
    assert_int_equal(w->last.rcode, DNS_RCODE_NXDOMAIN);
    assert_true(cached(w, "db.service.consul", A));
    assert_true(cached(w, "none.service.consul", A));
    (void)test_put(&w->store, "key", "value");
    assert_true(cached(w, "web.service.consul", A));
}

static void a_denied_name_appears_as_soon_as_it_exists(void **state)
{
    struct world *w = *state;
    assert_false(cached(w, "n1.node.consul", A));
    assert_false(cached(w, "web.service.consul", A));
    assert_true(cached(w, "web.service.consul", A));
    assert_int_equal(w->last.rcode, DNS_RCODE_NXDOMAIN);
    node(w, "n1", "10.0.0.1");
    assert_false(cached(w, "n1.node.consul", A));
    assert_int_equal(w->last.answers, 1);
    service(w, "n1", "web", "", NULL);
    assert_false(cached(w, "web.service.consul", A));
    assert_int_equal(w->last.answers, 1);
}

static void a_change_of_the_node_drops_what_was_made_from_it(void **state)
{
    struct world *w = *state;
    node(w, "n1", "10.0.0.1");
    service(w, "n1", "web", "", NULL);
    assert_false(cached(w, "web.service.consul", A));
    assert_false(cached(w, "n1.node.consul", A));
    node(w, "n1", "10.0.0.2");
    assert_false(cached(w, "web.service.consul", A));
    assert_int_equal(w->out[35 + 16], 2); /* the last byte of the only record */
    assert_false(cached(w, "n1.node.consul", A));
}

static void an_alias_depends_on_what_it_leads_to(void **state)
{
    struct world *w = *state;
    node(w, "n1", "10.0.0.1");
    service(w, "n1", "own", "10.9.9.9", "passing");
    service(w, "n1", "ref", "own.service.consul", NULL);
    assert_false(cached(w, "ref.service.consul", A));
    assert_int_equal(w->last.answers, 2);
    assert_true(cached(w, "ref.service.consul", A));
    service(w, "n1", "own", "10.9.9.9", "critical");
    assert_false(cached(w, "ref.service.consul", A));
    assert_int_equal(w->last.answers, 1);
}

/* No watch key tells of addresses: such an answer is good for one state of the registry. */
static void a_reverse_answer_is_kept_until_anything_changes(void **state)
{
    struct world *w = *state;
    node(w, "n1", "10.0.0.1");
    assert_false(cached(w, "1.0.0.10.in-addr.arpa", PTR));
    assert_true(cached(w, "1.0.0.10.in-addr.arpa", PTR));
    (void)test_put(&w->store, "key", "value");
    assert_false(cached(w, "1.0.0.10.in-addr.arpa", PTR));
    assert_true(cached(w, "1.0.0.10.in-addr.arpa", PTR));
}

static void a_flood_of_names_stays_within_the_bound(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < DNS_CACHE_ENTRIES_MAX + 100; i++) {
        char name[64];
        (void)snprintf(name, sizeof(name), "x%d.service.consul", i);
        assert_false(cached(w, name, A));
    }
    assert_int_equal(dns_cache_entries(w->r.cache), DNS_CACHE_ENTRIES_MAX);
    assert_true(dns_cache_bytes(w->r.cache) <= DNS_CACHE_BYTES_MAX);
    assert_int_equal(reg_watch_count(reg_reader_watch(w->store.rd)), DNS_CACHE_ENTRIES_MAX);
    assert_false(cached(w, "x0.service.consul", A)); /* the oldest went */
    assert_true(cached(w, "x4000.service.consul", A));
}

static void names_that_are_not_ours_take_no_room(void **state)
{
    struct world *w = *state;
    assert_false(cached(w, "example.test", A));
    assert_int_equal(w->last.rcode, DNS_RCODE_REFUSED);
    assert_int_equal(dns_cache_entries(w->r.cache), 0);
}

static void large_plans_push_older_ones_out_by_their_bytes(void **state)
{
    struct world *w = *state;
    struct dns_plan_builder b;
    struct dns_ask ask;
    struct dns_deps deps = {.n = 0};
    const struct dns_rr rr = {.type = A, .owner = {.suffix = DNS_REF_QUESTION}};
    dns_plan_builder_init(&b);
    for (uint8_t i = 0; i < 20; i++) {
        const uint8_t wire[] = {1, (uint8_t)('a' + i), 0};
        dns_plan_begin(&b, DNS_RCODE_NOERROR);
        for (int k = 0; k < 50000; k++) {
            assert_true(dns_plan_unit_add(&b, &rr));
        }
        dns_ask_init(&ask, wire, sizeof(wire), A);
        struct dns_plan *plan = dns_plan_end(&b);
        assert_ptr_equal(dns_cache_put(w->r.cache, &ask, plan, &deps), plan);
        assert_true(dns_cache_bytes(w->r.cache) <= DNS_CACHE_BYTES_MAX);
    }
    assert_in_range(dns_cache_entries(w->r.cache), 4, 19);
    assert_non_null(dns_cache_find(w->r.cache, &ask));
    dns_plan_builder_fini(&b);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(an_answer_is_kept_for_any_spelling_size_and_transport),
        TEST(a_change_of_the_service_drops_its_answers_and_no_others),
        TEST(a_denied_name_appears_as_soon_as_it_exists),
        TEST(a_change_of_the_node_drops_what_was_made_from_it),
        TEST(an_alias_depends_on_what_it_leads_to),
        TEST(a_reverse_answer_is_kept_until_anything_changes),
        TEST(a_flood_of_names_stays_within_the_bound),
        TEST(names_that_are_not_ours_take_no_room),
        TEST(large_plans_push_older_ones_out_by_their_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
