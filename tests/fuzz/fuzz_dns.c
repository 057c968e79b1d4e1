/* Packets from anybody: the parser reads nothing outside of them; the whole path to the answer,
 * over a store with instances of many kinds, writes only sound messages within the asker's size. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "dns/respond.h"
#include "tests/support/dnsmsg.h"
#include "tests/support/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
    struct test_store store;
    struct dns_responder r;
    uint8_t out[DNS_MESSAGE_MAX];
};

static void world_close(void);

static struct world *world_open(void)
{
    static struct world w;
    static bool opened = false;
    static const char *const addresses[] = {"",
                                            "10.1.1.1",
                                            "2001:db8::1",
                                            "web.service.consul",
                                            "www.example.test",
                                            "n1.node.consul",
                                            "a..b"};
    if (opened) {
        return &w;
    }
    opened = true;
    test_store_open(&w.store);
    for (int i = 0; i < 70; i++) {
        char node[16];
        char address[32];
        (void)snprintf(node, sizeof(node), "n%d", i);
        (void)snprintf(address, sizeof(address), i % 7 == 6 ? "h%d.example.test" : "10.0.0.%d", i);
        (void)test_node(&w.store, node, address); /* the test is of dns/ */
        (void)test_service(&w.store, node, "w", i % 2 == 0 ? "web" : "consul", addresses[i % 7], i,
                           "v1", i % 9 == 8 ? "critical" : "passing");
    }
    const struct dns_options o = {
        .alt_domain = "alt", .udp_answer_limit = 3, .node_meta_txt = true};
    struct errmsg e;
    if (dns_responder_init(&w.r, w.store.rd, &o, 1, &e) != 0) {
        abort();
    }
    (void)atexit(world_close); /* else a directory stays in /tmp */
    return &w;
}

static void world_close(void)
{
    struct world *w = world_open();
    dns_responder_fini(&w->r);
    test_store_close(&w->store);
}

/* What the asker accepts, as an answer must not exceed it. */
static size_t size_max(const uint8_t *data, size_t size, enum dns_transport transport)
{
    struct dns_query q;
    if (transport == DNS_TCP) {
        return DNS_MESSAGE_MAX;
    }
    bool large = dns_query_parse(data, size, &q) == DNS_VERDICT_ANSWER && q.edns_size > 512;
    return large ? q.edns_size : 512;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world *w = world_open();
    const enum dns_transport transports[] = {DNS_UDP, DNS_TCP};
    for (int i = 0; i < 2; i++) {
        size_t n = dns_respond(&w->r, data, size, transports[i], 1, w->out);
        assert(n <= size_max(data, size, transports[i]));
        assert(n == 0 || dnsmsg_show(w->out, n, NULL, NULL));
    }
    return 0;
}
