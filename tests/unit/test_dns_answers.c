/* dns/: what is asked and what is answered, over a real store. The expectations are recorded
 * answers of Consul (conformance transcripts dns-*), unless a comment says otherwise. */
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

enum {
    A = 1,
    NS = 2,
    CNAME = 5,
    SOA = 6,
    PTR = 12,
    MX = 15,
    TXT = 16,
    AAAA = 28,
    SRV = 33,
    ANY = 255,
    RD = 0x100
};

#define NEGATIVE "! consul. 0 SOA ns.consul. hostmaster.consul. # 3600 600 86400 0\n"

struct world {
    struct test_store store;
    struct dns_responder r;
    uint8_t out[DNS_MESSAGE_MAX];
};

static const struct dns_options defaults = {.udp_answer_limit = 3,
                                            .node_meta_txt = true,
                                            .soa_refresh = 3600,
                                            .soa_retry = 600,
                                            .soa_expire = 86400};

static struct world *world_new(const struct dns_options *o)
{
    struct world *w = calloc(1, sizeof(*w));
    struct errmsg e;
    assert_non_null(w);
    test_store_open(&w->store);
    assert_int_equal(dns_responder_init(&w->r, w->store.rd, o, 1, &e), 0);
    return w;
}

static void world_free(struct world *w)
{
    dns_responder_fini(&w->r);
    test_store_close(&w->store);
    free(w);
}

/* ---- what to register ---- */

/* "a=1,b=2" as a map in @b; absent for NULL. */
static struct reg_list map_of(struct buf *b, const char *text)
{
    struct reg_list_builder lb;
    if (text == NULL) {
        return (struct reg_list){slice_of(NULL, 0)};
    }
    reg_list_begin(&lb, b);
    while (*text != '\0') {
        size_t key = strcspn(text, "=");
        size_t all = strcspn(text, ",");
        reg_list_add(&lb, slice_of(text, key));
        reg_list_add(&lb, slice_of(text + key + 1, all - key - 1));
        text += all + (text[all] == ',' ? 1 : 0);
    }
    return reg_list_end(&lb);
}

static void node_put(struct world *w,
                     const char *name,
                     const char *address,
                     const char *meta,
                     const char *tagged)
{
    struct buf cmd = BUF_INIT;
    struct buf meta_buf = BUF_INIT;
    struct buf tagged_buf = BUF_INIT;
    struct reg_register c = {.flags = REG_REG_NODE,
                             .node = {.name = slice_str(name),
                                      .address = slice_str(address),
                                      .meta = map_of(&meta_buf, meta),
                                      .tagged = map_of(&tagged_buf, tagged)}};
    reg_command_register(&cmd, &c);
    assert_int_equal(test_store_apply(&w->store, &cmd, 0).status, 0);
    buf_fini(&cmd);
    buf_fini(&meta_buf);
    buf_fini(&tagged_buf);
}

struct service {
    const char *node, *id, *name, *address;
    int port;
    const char *tags[3];
    const char *tagged;
    const char *status;   /* of its check; NULL: no check */
    int passing, warning; /* weights; 0 for 1 */
};

static void service_put(struct world *w, const struct service *s)
{
    struct buf cmd = BUF_INIT;
    struct buf tags = BUF_INIT;
    struct buf tagged = BUF_INIT;
    struct reg_list_builder lb;
    reg_list_begin(&lb, &tags);
    for (int i = 0; i < 3 && s->tags[i] != NULL; i++) {
        reg_list_add(&lb, slice_str(s->tags[i]));
    }
    struct reg_check check = {.check_id = slice_str(s->id),
                              .status = slice_str(s->status),
                              .service_id = slice_str(s->id)};
    struct reg_register c = {.flags = REG_REG_SERVICE,
                             .node = {.name = slice_str(s->node)},
                             .service = {.id = slice_str(s->id),
                                         .name = slice_str(s->name),
                                         .address = slice_str(s->address),
                                         .port = s->port,
                                         .tags = reg_list_end(&lb),
                                         .tagged = map_of(&tagged, s->tagged),
                                         .weight_passing = s->passing == 0 ? 1 : s->passing,
                                         .weight_warning = s->warning == 0 ? 1 : s->warning},
                             .checks = &check,
                             .n_checks = s->status == NULL ? 0 : 1};
    reg_command_register(&cmd, &c);
    assert_int_equal(test_store_apply(&w->store, &cmd, 0).status, 0);
    buf_fini(&cmd);
    buf_fini(&tags);
    buf_fini(&tagged);
}

static void node_check_put(struct world *w, const char *node, const char *status)
{
    struct buf cmd = BUF_INIT;
    struct reg_check check = {.check_id = SLICE_LIT("alive"), .status = slice_str(status)};
    struct reg_register c = {.node = {.name = slice_str(node)}, .checks = &check, .n_checks = 1};
    reg_command_register(&cmd, &c);
    assert_int_equal(test_store_apply(&w->store, &cmd, 0).status, 0);
    buf_fini(&cmd);
}

/* ---- what to ask ---- */

/* The answer's lines, without the question's. The caller frees them. */
static char *answer_of(struct world *w, const struct dnsmsg_query *q, enum dns_transport transport)
{
    uint8_t packet[512];
    struct buf text = BUF_INIT;
    size_t len;
    size_t n = dnsmsg_query_encode(q, packet);
    dns_responder_sync(&w->r);
    n = dns_respond(&w->r, packet, n, transport, 1700000000, w->out);
    (void)dnsmsg_show(w->out, n, &text, NULL);
    buf_add_char(&text, '\0');
    char *s = buf_take(&text, &len);
    char *question = strstr(s, "\n?");
    if (question != NULL) {
        char *end = strchr(question + 1, '\n');
        memmove(question, end, strlen(end) + 1);
    }
    return s;
}

struct ask {
    const char *name;
    uint16_t type;
    const char *expected;
    uint16_t flags;
    uint16_t class;
};

static void ask_all(struct world *w, const struct ask *asks, size_t n)
{
    for (int round = 0; round < 2; round++) { /* planned, then from the cache */
        for (size_t i = 0; i < n; i++) {
            struct dnsmsg_query q = {.name = asks[i].name,
                                     .type = asks[i].type,
                                     .flags = asks[i].flags,
                                     .class = asks[i].class};
            char *got = answer_of(w, &q, DNS_UDP);
            if (strcmp(got, asks[i].expected) != 0) {
                print_error("%s type %u, round %d\n", asks[i].name, asks[i].type, round);
            }
            assert_string_equal(got, asks[i].expected);
            free(got);
        }
    }
}
#define ASK_ALL(w, asks) ask_all(w, asks, sizeof(asks) / sizeof((asks)[0]))

static void ask_one(struct world *w, const char *name, uint16_t type, const char *expected)
{
    const struct ask asks[] = {{name, type, expected, 0, 0}};
    ASK_ALL(w, asks);
}

/* ---- services ---- */

#define NX "NXDOMAIN qr aa\n" NEGATIVE
#define NODATA "NOERROR qr aa\n" NEGATIVE
#define SERVER "consul. 0 NS node1.node.dc1.consul.\n"
#define GLUE "+ node1.node.dc1.consul. 0 A 127.0.0.1\n"

static struct world *world_of_web(void)
{
    struct world *w = world_new(&defaults);
    node_put(w, "node1", "127.0.0.1", "consul-network-segment=", NULL);
    service_put(w, &(struct service){.node = "node1", .id = "consul", .name = "consul", .port = 1});
    node_put(w, "n1", "10.0.0.1", NULL, NULL);
    node_put(w, "n2", "10.0.0.2", NULL, NULL);
    node_put(w, "n3", "10.0.0.3", NULL, NULL);
    service_put(w, &(struct service){.node = "n1",
                                     .id = "w1",
                                     .name = "web",
                                     .port = 80,
                                     .tags = {"v1", "blue"},
                                     .status = "passing"});
    service_put(w, &(struct service){.node = "n2",
                                     .id = "w2",
                                     .name = "web",
                                     .port = 81,
                                     .tags = {"v2", "dot.ted"},
                                     .status = "passing"});
    service_put(w, &(struct service){.node = "n2",
                                     .id = "w3",
                                     .name = "web",
                                     .port = 82,
                                     .tags = {"v2"},
                                     .status = "passing"});
    service_put(w, &(struct service){.node = "n3", .id = "m", .name = "Mixed-Case", .port = 1});
    service_put(w, &(struct service){.node = "n3", .id = "d", .name = "dot.name", .port = 2});
    return w;
}

#define WEB(name) "= " name ". 0 A 10.0.0.1\n= " name ". 0 A 10.0.0.2\n"
#define WEB_SRV(name)                      \
    "= " name                              \
    ". 0 SRV 1 1 80 n1.node.dc1.consul.\n" \
    "= " name                              \
    ". 0 SRV 1 1 81 n2.node.dc1.consul.\n" \
    "= " name                              \
    ". 0 SRV 1 1 82 n2.node.dc1.consul.\n" \
    "+ n1.node.dc1.consul. 0 A 10.0.0.1\n" \
    "+ n2.node.dc1.consul. 0 A 10.0.0.2\n" \
    "+ n2.node.dc1.consul. 0 A 10.0.0.2\n"
#define W1_SRV(name) \
    "= " name ". 0 SRV 1 1 80 n1.node.dc1.consul.\n+ n1.node.dc1.consul. 0 A 10.0.0.1\n"

static void a_service_is_found_by_each_form_of_its_name(void **state)
{
    (void)state;
    struct world *w = world_of_web();
    const struct ask asks[] = {
        {"web.service.consul", A, "NOERROR qr aa\n" WEB("web.service.consul"), 0, 0},
        {"web.service.consul", A, "NOERROR qr aa rd\n" WEB("web.service.consul"), RD, 0},
        {"web.service.consul", A, "NOERROR qr aa\n" WEB("web.service.consul"), 0, 3},
        {"web.service.consul", SRV, "NOERROR qr aa\n" WEB_SRV("web.service.consul"), 0, 0},
        {"web.service.consul", ANY, "NOERROR qr aa\n" WEB("web.service.consul"), 0, 0},
        {"web.service.consul", TXT, "NOERROR qr aa\n" WEB("web.service.consul"), 0, 0},
        {"web.service.consul", AAAA, NODATA, 0, 0},
        {"web.service.consul", CNAME, NODATA, 0, 0},
        {"web.service.consul", MX, NODATA, 0, 0},
        {"web.service.consul", PTR, NODATA, 0, 0},
        {"web.service.consul", 0, NODATA, 0, 0},
        {"web.service.consul", 65535, NODATA, 0, 0},
        {"v1.web.service.consul", A, "NOERROR qr aa\n= v1.web.service.consul. 0 A 10.0.0.1\n", 0,
         0},
        {"V1.WEB.SERVICE.CONSUL", SRV, "NOERROR qr aa\n" W1_SRV("V1.WEB.SERVICE.CONSUL"), 0, 0},
        {"dot.ted.web.service.consul", A,
         "NOERROR qr aa\n= dot.ted.web.service.consul. 0 A 10.0.0.2\n", 0, 0},
        {"none.web.service.consul", A, NX, 0, 0},
        {"web.service.dc1.consul", SRV, "NOERROR qr aa\n" WEB_SRV("web.service.dc1.consul"), 0, 0},
        /* The explicit form of 1.21. */
        {"web.service.dc1.dc.consul", A, "NOERROR qr aa\n" WEB("web.service.dc1.dc.consul"), 0, 0},
        {"web.service.dc9.consul", A, NX, 0, 0},
        {"web.service.a.b.consul", A, NX, 0, 0},
        {"_web._tcp.service.consul", SRV, "NOERROR qr aa\n" WEB_SRV("_web._tcp.service.consul"), 0,
         0},
        {"_web._v1.service.consul", SRV, "NOERROR qr aa\n" W1_SRV("_web._v1.service.consul"), 0, 0},
        {"_web._udp.service.consul", SRV, NX, 0, 0},
        {"_web._tcp.service.dc1.consul", SRV,
         "NOERROR qr aa\n" WEB_SRV("_web._tcp.service.dc1.consul"), 0, 0},
        {"_web._tcp.consul", SRV, "NOERROR qr aa\n" WEB_SRV("_web._tcp.consul"), 0, 0},
        {"_web._tcp.dc1.consul", SRV, "NOERROR qr aa\n" WEB_SRV("_web._tcp.dc1.consul"), 0, 0},
        {"_web._tcp.consul", A, NX, 0, 0},
        {"_web._v1.service.consul", A, "NOERROR qr aa\n= _web._v1.service.consul. 0 A 10.0.0.1\n",
         0, 0},
        {"_web.service.consul", SRV, NX, 0, 0},
        {"mixed-case.service.consul", SRV,
         "NOERROR qr aa\n= mixed-case.service.consul. 0 SRV 1 1 1 n3.node.dc1.consul.\n"
         "+ n3.node.dc1.consul. 0 A 10.0.0.3\n",
         0, 0},
        {"dot.name.service.consul", SRV, NX, 0, 0},
        {"none.service.consul", A, NX, 0, 0},
        {"none.service.consul", SRV, NX, 0, 0},
        {"service.consul", A, NX, 0, 0},
        {"web.consul", A, NX, 0, 0},
        {"consul", A, NX, 0, 0},
        {"consul", ANY, NX, 0, 0},
        {"x.y.z.consul", A, NX, 0, 0},
        {"web.connect.consul", A, NX, 0, 0},
        {"web.virtual.consul", A, NX, 0, 0},
        {"web.query.consul", A, NX, 0, 0},
    };
    ASK_ALL(w, asks);
    world_free(w);
}

static void names_outside_of_the_zone_are_refused(void **state)
{
    (void)state;
    struct world *w = world_of_web();
    const struct ask asks[] = {{"example.test", A, "REFUSED qr\n", 0, 0},
                               {"example.test", A, "REFUSED qr rd\n", RD, 0},
                               {"", NS, "REFUSED qr\n", 0, 0},
                               {"consulx", A, "REFUSED qr\n", 0, 0},
                               {"notconsul", A, "REFUSED qr\n", 0, 0},
                               {"version.bind", TXT, "REFUSED qr\n", 0, 3}};
    ASK_ALL(w, asks);
    world_free(w);
}

static void the_zone_tells_its_authority_and_servers_under_any_name(void **state)
{
    (void)state;
    struct world *w = world_of_web();
    const char *soa =
        "NOERROR qr aa\n"
        "= consul. 0 SOA ns.consul. hostmaster.consul. # 3600 600 86400 0\n"
        "! " SERVER GLUE;
    const struct ask asks[] = {{"consul", SOA, soa, 0, 0},
                               {"web.service.consul", SOA, soa, 0, 0},
                               {"none.service.consul", SOA, soa, 0, 0},
                               {"consul", NS, "NOERROR qr aa\n= " SERVER GLUE, 0, 0},
                               {"n1.node.consul", NS, "NOERROR qr aa\n= " SERVER GLUE, 0, 0},
                               {"consul", 252, "NOTIMP qr aa\n", 0, 0}};
    ASK_ALL(w, asks);
    world_free(w);
}

static void a_server_with_a_critical_node_is_no_name_server(void **state)
{
    (void)state;
    struct world *w = world_of_web();
    node_check_put(w, "node1", "critical");
    ask_one(w, "consul", NS, "NOERROR qr aa\n");
    world_free(w);
}

/* ---- health ---- */

static void health_decides_who_is_handed_out_and_with_which_weight(void **state)
{
    (void)state;
    struct world *w = world_new(&defaults);
    const char *const status[] = {"passing", "warning", "critical", NULL};
    for (int i = 0; i < 4; i++) {
        char node[16];
        char id[16];
        char address[32];
        (void)snprintf(node, sizeof(node), "n%d", i + 1);
        (void)snprintf(id, sizeof(id), "w%d", i + 1);
        (void)snprintf(address, sizeof(address), "10.0.0.%d", i + 1);
        node_put(w, node, address, NULL, NULL);
        service_put(w, &(struct service){.node = node,
                                         .id = id,
                                         .name = "web",
                                         .port = 81 + i,
                                         .passing = i < 3 ? 10 * (i + 1) : 1,
                                         .warning = i + 1,
                                         .status = status[i]});
    }
    ask_one(w, "web.service.consul", SRV,
            "NOERROR qr aa\n"
            "= web.service.consul. 0 SRV 1 1 84 n4.node.dc1.consul.\n"
            "= web.service.consul. 0 SRV 1 10 81 n1.node.dc1.consul.\n"
            "= web.service.consul. 0 SRV 1 2 82 n2.node.dc1.consul.\n"
            "+ n1.node.dc1.consul. 0 A 10.0.0.1\n"
            "+ n2.node.dc1.consul. 0 A 10.0.0.2\n"
            "+ n4.node.dc1.consul. 0 A 10.0.0.4\n");
    node_check_put(w, "n4", "critical");
    node_check_put(w, "n1", "critical");
    ask_one(w, "web.service.consul", A, "NOERROR qr aa\n= web.service.consul. 0 A 10.0.0.2\n");
    ask_one(w, "n4.node.consul", A, "NOERROR qr aa\n= n4.node.consul. 0 A 10.0.0.4\n");
    node_check_put(w, "n2", "critical");
    ask_one(w, "web.service.consul", A, NX);
    ask_one(w, "web.service.consul", SRV, NX);
    world_free(w);
}

static void only_passing_leaves_warnings_out(void **state)
{
    (void)state;
    struct dns_options o = defaults;
    o.only_passing = true;
    struct world *w = world_new(&o);
    node_put(w, "n1", "10.0.0.1", NULL, NULL);
    service_put(w, &(struct service){.node = "n1", .id = "a", .name = "a", .status = "warning"});
    service_put(w, &(struct service){.node = "n1", .id = "b", .name = "b", .status = "passing"});
    ask_one(w, "a.service.consul", A, NX);
    ask_one(w, "b.service.consul", A, "NOERROR qr aa\n= b.service.consul. 0 A 10.0.0.1\n");
    world_free(w);
}

/* ---- addresses ---- */

static struct world *world_of_addresses(void)
{
    struct world *w = world_new(&defaults);
    node_put(w, "n1", "10.0.0.1", NULL, NULL);
    node_put(w, "two", "10.0.0.2", NULL, NULL);
    node_put(w, "ext", "ext.example.test", NULL, NULL);
    node_put(w, "six", "2001:db8::6", NULL, NULL);
    const struct service services[] = {
        {.node = "n1", .id = "own", .name = "own", .port = 1, .address = "10.9.9.9"},
        {.node = "two", .id = "own2", .name = "own", .port = 1, .address = "10.9.9.9"},
        {.node = "n1", .id = "v6", .name = "v6", .port = 2, .address = "2001:db8::9"},
        {.node = "n1", .id = "host", .name = "host", .port = 3, .address = "www.example.test"},
        {.node = "n1",
         .id = "tag",
         .name = "tag",
         .port = 4,
         .address = "10.9.9.4",
         .tagged = "lan=10.8.8.4,lan_ipv6=2001:db8::44,wan=198.51.100.4"},
        {.node = "ext", .id = "e", .name = "ext", .port = 5},
        {.node = "six", .id = "s", .name = "sixnode", .port = 6},
        {.node = "n1", .id = "ref", .name = "ref", .port = 7, .address = "own.service.consul"},
        {.node = "n1", .id = "self", .name = "self", .port = 8, .address = "self.service.consul"},
    };
    for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
        service_put(w, &services[i]);
    }
    return w;
}

static void the_address_is_the_services_own_or_its_nodes(void **state)
{
    (void)state;
    struct world *w = world_of_addresses();
    const char *host = "NOERROR qr aa\n= host.service.consul. 0 CNAME www.example.test.\n";
    const struct ask asks[] = {
        {"own.service.consul", A, "NOERROR qr aa\n= own.service.consul. 0 A 10.9.9.9\n", 0, 0},
        {"own.service.consul", AAAA, NODATA, 0, 0},
        {"own.service.consul", SRV,
         "NOERROR qr aa\n= own.service.consul. 0 SRV 1 1 1 0a090909.addr.dc1.consul.\n"
         "= own.service.consul. 0 SRV 1 1 1 0a090909.addr.dc1.consul.\n"
         "+ 0a090909.addr.dc1.consul. 0 A 10.9.9.9\n"
         "+ 0a090909.addr.dc1.consul. 0 A 10.9.9.9\n",
         0, 0},
        {"v6.service.consul", A, NODATA, 0, 0},
        {"v6.service.consul", AAAA, "NOERROR qr aa\n= v6.service.consul. 0 AAAA 2001:db8::9\n", 0,
         0},
        {"v6.service.consul", SRV,
         "NOERROR qr aa\n= v6.service.consul. 0 SRV 1 1 2 "
         "20010db8000000000000000000000009.addr.dc1.consul.\n"
         "+ 20010db8000000000000000000000009.addr.dc1.consul. 0 AAAA 2001:db8::9\n",
         0, 0},
        {"host.service.consul", A, host, 0, 0},
        {"host.service.consul", AAAA, host, 0, 0},
        {"host.service.consul", ANY, host, 0, 0},
        {"host.service.consul", CNAME, host, 0, 0},
        {"host.service.consul", SRV,
         "NOERROR qr aa\n= host.service.consul. 0 SRV 1 1 3 www.example.test.\n", 0, 0},
        {"tag.service.consul", A, "NOERROR qr aa\n= tag.service.consul. 0 A 10.9.9.4\n", 0, 0},
        {"tag.service.consul", AAAA, "NOERROR qr aa\n= tag.service.consul. 0 AAAA 2001:db8::44\n",
         0, 0},
        {"tag.service.consul", ANY, "NOERROR qr aa\n= tag.service.consul. 0 AAAA 2001:db8::44\n", 0,
         0},
        {"tag.service.consul", SRV,
         "NOERROR qr aa\n= tag.service.consul. 0 SRV 1 1 4 "
         "20010db8000000000000000000000044.addr.dc1.consul.\n"
         "+ 20010db8000000000000000000000044.addr.dc1.consul. 0 AAAA 2001:db8::44\n",
         0, 0},
        {"ext.service.consul", A,
         "NOERROR qr aa\n= ext.service.consul. 0 CNAME ext.example.test.\n", 0, 0},
        {"ext.service.consul", SRV,
         "NOERROR qr aa\n= ext.service.consul. 0 SRV 1 1 5 ext.example.test.\n", 0, 0},
        {"ext.node.consul", A, "NOERROR qr aa\n= ext.node.consul. 0 CNAME ext.example.test.\n", 0,
         0},
        {"ext.node.consul", CNAME, "NOERROR qr aa\n", 0, 0},
        {"sixnode.service.consul", A, NODATA, 0, 0},
        {"sixnode.service.consul", SRV,
         "NOERROR qr aa\n= sixnode.service.consul. 0 SRV 1 1 6 six.node.dc1.consul.\n"
         "+ six.node.dc1.consul. 0 AAAA 2001:db8::6\n",
         0, 0},
    };
    ASK_ALL(w, asks);
    world_free(w);
}

static void a_host_name_of_our_own_is_followed(void **state)
{
    (void)state;
    struct world *w = world_of_addresses();
    const char *both =
        "NOERROR qr aa\n= own.service.consul. 0 A 10.9.9.9\n"
        "= ref.service.consul. 0 CNAME own.service.consul.\n";
    const struct ask asks[] = {
        {"ref.service.consul", A, both, 0, 0},
        {"ref.service.consul", ANY, both, 0, 0},
        /* Consul adds the A record here, too, which nginx takes for a broken answer. */
        {"ref.service.consul", AAAA,
         "NOERROR qr aa\n= ref.service.consul. 0 CNAME own.service.consul.\n", 0, 0},
        {"ref.service.consul", SRV,
         "NOERROR qr aa\n= ref.service.consul. 0 SRV 1 1 7 own.service.consul.\n"
         "+ own.service.consul. 0 A 10.9.9.9\n",
         0, 0},
        {"self.service.consul", A, "NOERROR qr aa\n= self.service.consul. 0 A 10.0.0.1\n", 0, 0},
        {"self.service.consul", AAAA, NODATA, 0, 0},
        {"self.service.consul", SRV,
         "NOERROR qr aa\n= self.service.consul. 0 SRV 1 1 8 n1.node.dc1.consul.\n"
         "+ n1.node.dc1.consul. 0 A 10.0.0.1\n",
         0, 0},
    };
    ASK_ALL(w, asks);
    world_free(w);
}

static void aliases_that_go_in_circles_end(void **state)
{
    (void)state;
    struct world *w = world_new(&defaults);
    node_put(w, "n1", "b.service.consul", NULL, NULL);
    service_put(
        w, &(struct service){.node = "n1", .id = "a", .name = "a", .address = "b.service.consul"});
    service_put(
        w, &(struct service){.node = "n1", .id = "b", .name = "b", .address = "a.service.consul"});
    ask_one(w, "a.service.consul", A,
            "NOERROR qr aa\n= a.service.consul. 0 CNAME b.service.consul.\n"
            "= a.service.consul. 0 CNAME b.service.consul.\n"
            "= b.service.consul. 0 CNAME a.service.consul.\n");
    world_free(w);
}

static void an_address_beside_a_host_name_leaves_the_alias_out(void **state)
{
    (void)state;
    struct world *w = world_of_addresses();
    service_put(w, &(struct service){.node = "two", .id = "host2", .name = "host", .port = 3});
    ask_one(w, "host.service.consul", A, "NOERROR qr aa\n= host.service.consul. 0 A 10.0.0.2\n");
    world_free(w);
}

/* ---- nodes ---- */

static void a_node_is_found_with_its_texts(void **state)
{
    (void)state;
    struct world *w = world_new(&defaults);
    node_put(w, "n1", "10.0.0.1", "key=value,rfc1035-x=raw", "wan=198.51.100.1");
    node_put(w, "n6", "2001:db8::6", NULL, NULL);
    node_put(w, "dot.ted", "10.0.0.2", NULL, NULL);
    node_put(w, "Host", "Target.example.test", NULL, NULL);
    const char *host = "NOERROR qr aa\n= host.node.consul. 0 CNAME Target.example.test.\n";
#define TEXTS(mark, name) mark " " name ". 0 TXT \"key=value\"\n" mark " " name ". 0 TXT \"raw\"\n"
    const struct ask asks[] = {
        {"n1.node.consul", A,
         "NOERROR qr aa\n= n1.node.consul. 0 A 10.0.0.1\n" TEXTS("+", "n1.node.consul"), 0, 0},
        {"n1.node.consul", AAAA, "NOERROR qr aa\n" TEXTS("+", "n1.node.consul"), 0, 0},
        {"n1.node.consul", ANY,
         "NOERROR qr aa\n= n1.node.consul. 0 A 10.0.0.1\n" TEXTS("=", "n1.node.consul"), 0, 0},
        {"n1.node.consul", TXT, "NOERROR qr aa\n" TEXTS("=", "n1.node.consul"), 0, 0},
        {"n1.node.consul", SRV, "NOERROR qr aa\n", 0, 0},
        {"n1.node.consul", MX, "NOERROR qr aa\n", 0, 0},
        {"N1.NODE.CONSUL", A,
         "NOERROR qr aa\n= N1.NODE.CONSUL. 0 A 10.0.0.1\n" TEXTS("+", "N1.NODE.CONSUL"), 0, 0},
        {"n1.node.DC1.consul", TXT, "NOERROR qr aa\n" TEXTS("=", "n1.node.DC1.consul"), 0, 0},
        {"n1.node.dc9.consul", A, NX, 0, 0},
        {"n1.node.dc1.x.consul", A, NX, 0, 0},
        {"n6.node.consul", AAAA, "NOERROR qr aa\n= n6.node.consul. 0 AAAA 2001:db8::6\n", 0, 0},
        {"n6.node.consul", A, "NOERROR qr aa\n", 0, 0},
        {"dot.ted.node.consul", A, "NOERROR qr aa\n= dot.ted.node.consul. 0 A 10.0.0.2\n", 0, 0},
        {"host.node.consul", A, host, 0, 0},
        {"host.node.consul", ANY, host, 0, 0},
        {"host.node.consul", CNAME, "NOERROR qr aa\n", 0, 0},
        {"none.node.consul", A, NX, 0, 0},
        {"none.node.consul", TXT, NX, 0, 0},
        {"node.consul", A, NX, 0, 0},
    };
    ASK_ALL(w, asks);
    world_free(w);
}

static void an_address_name_tells_its_address(void **state)
{
    (void)state;
    struct world *w = world_new(&defaults);
    const char *six = "20010db8000000000000000000000006.addr.consul";
    const struct ask asks[] = {
        {"0a000001.addr.consul", A, "NOERROR qr aa\n= 0a000001.addr.consul. 0 A 10.0.0.1\n", 0, 0},
        {"0A000001.addr.dc1.consul", A, "NOERROR qr aa\n= 0A000001.addr.dc1.consul. 0 A 10.0.0.1\n",
         0, 0},
        {"0a000001.addr.consul", AAAA, "NOERROR qr aa\n+ 0a000001.addr.consul. 0 A 10.0.0.1\n", 0,
         0},
        {"0a000001.addr.consul", ANY, "NOERROR qr aa\n= 0a000001.addr.consul. 0 A 10.0.0.1\n", 0,
         0},
        {six, AAAA,
         "NOERROR qr aa\n= 20010db8000000000000000000000006.addr.consul. 0 AAAA 2001:db8::6\n", 0,
         0},
        {six, A,
         "NOERROR qr aa\n+ 20010db8000000000000000000000006.addr.consul. 0 AAAA 2001:db8::6\n", 0,
         0},
        {"0a0000.addr.consul", A, "NOERROR qr aa\n", 0, 0},
        {"zzzzzzzz.addr.consul", A, NX, 0, 0},
        {"x.0a000001.addr.consul", A, NX, 0, 0},
        {"addr.consul", A, NX, 0, 0},
    };
    ASK_ALL(w, asks);
    world_free(w);
}

/* Misses are NXDOMAIN as in 1.21; the recordings of 1.10 show SERVFAIL. */
static void an_address_tells_its_name(void **state)
{
    (void)state;
    struct world *w = world_new(&defaults);
    node_put(w, "n1", "10.0.0.1", NULL, NULL);
    node_put(w, "n6", "2001:db8::6", NULL, NULL);
    service_put(w,
                &(struct service){.node = "n1", .id = "w", .name = "web", .address = "10.7.7.7"});
#define SIX ".0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"
    const struct ask asks[] = {
        {"1.0.0.10.in-addr.arpa", PTR,
         "NOERROR qr aa\n= 1.0.0.10.in-addr.arpa. 0 PTR n1.node.dc1.consul.\n", 0, 0},
        {"1.0.0.10.IN-ADDR.ARPA", A,
         "NOERROR qr aa\n= 1.0.0.10.IN-ADDR.ARPA. 0 PTR n1.node.dc1.consul.\n", 0, 0},
        {"1.0.0.10.in-addr.arpa", SOA,
         "NOERROR qr aa\n= 1.0.0.10.in-addr.arpa. 0 PTR n1.node.dc1.consul.\n" NEGATIVE, 0, 0},
        {"7.7.7.10.in-addr.arpa", PTR,
         "NOERROR qr aa\n= 7.7.7.10.in-addr.arpa. 0 PTR web.service.dc1.consul.\n", 0, 0},
        {"6.0" SIX, PTR, "NOERROR qr aa\n= 6.0" SIX ". 0 PTR n6.node.dc1.consul.\n", 0, 0},
        {"9.9" SIX, PTR, NX, 0, 0},
        {"9.9.9.10.in-addr.arpa", PTR, NX, 0, 0},
        {"0.0.10.in-addr.arpa", PTR, NX, 0, 0},
        {"in-addr.arpa", PTR, NX, 0, 0},
        {"arpa", PTR, NX, 0, 0},
    };
    ASK_ALL(w, asks);
    node_put(w, "late", "10.9.9.9", NULL, NULL);
    ask_one(w, "9.9.9.10.in-addr.arpa", PTR,
            "NOERROR qr aa\n= 9.9.9.10.in-addr.arpa. 0 PTR late.node.dc1.consul.\n");
    world_free(w);
}

/* ---- configuration ---- */

static void lifetimes_follow_the_longest_matching_name(void **state)
{
    (void)state;
    static const struct dns_ttl ttls[] = {{"*", 5}, {"db*", 33}, {"dbx*", 44}, {"web", 22}};
    struct dns_options o = defaults;
    o.node_ttl = 11;
    o.service_ttl = ttls;
    o.n_service_ttl = 4;
    o.soa_min_ttl = 60;
    struct world *w = world_new(&o);
    node_put(w, "n1", "10.0.0.1", NULL, NULL);
    const char *const names[] = {"web", "db", "dbx-1", "webx"};
    for (int i = 0; i < 4; i++) {
        service_put(w,
                    &(struct service){.node = "n1", .id = names[i], .name = names[i], .port = 1});
    }
    const struct ask asks[] = {
        {"WEB.service.consul", A, "NOERROR qr aa\n= WEB.service.consul. 22 A 10.0.0.1\n", 0, 0},
        {"db.service.consul", A, "NOERROR qr aa\n= db.service.consul. 33 A 10.0.0.1\n", 0, 0},
        {"dbx-1.service.consul", SRV,
         "NOERROR qr aa\n= dbx-1.service.consul. 44 SRV 1 1 1 n1.node.dc1.consul.\n"
         "+ n1.node.dc1.consul. 44 A 10.0.0.1\n",
         0, 0},
        {"webx.service.consul", A, "NOERROR qr aa\n= webx.service.consul. 5 A 10.0.0.1\n", 0, 0},
        {"n1.node.consul", A, "NOERROR qr aa\n= n1.node.consul. 11 A 10.0.0.1\n", 0, 0},
        {"0a000001.addr.consul", A, "NOERROR qr aa\n= 0a000001.addr.consul. 11 A 10.0.0.1\n", 0, 0},
        {"1.0.0.10.in-addr.arpa", PTR,
         "NOERROR qr aa\n= 1.0.0.10.in-addr.arpa. 0 PTR n1.node.dc1.consul.\n", 0, 0},
        {"none.service.consul", A,
         "NXDOMAIN qr aa\n"
         "! consul. 60 SOA ns.consul. hostmaster.consul. # 3600 600 86400 60\n",
         0, 0},
    };
    ASK_ALL(w, asks);
    world_free(w);
}

static void two_domains_serve_the_same_names(void **state)
{
    (void)state;
    struct dns_options o = defaults;
    o.domain = "Registry.Test";
    o.alt_domain = "alt";
    o.datacenter = "east";
    struct world *w = world_new(&o);
    node_put(w, "n1", "10.0.0.1", NULL, NULL);
    service_put(w, &(struct service){
                       .node = "n1", .id = "w", .name = "web", .port = 1, .address = "10.3.3.3"});
#define SRV_OF(name)                                    \
    "NOERROR qr aa\n= " name                            \
    ". 0 SRV 1 1 1 0a030303.addr.east.registry.test.\n" \
    "+ 0a030303.addr.east.registry.test. 0 A 10.3.3.3\n"
    const struct ask asks[] = {
        {"web.service.registry.test", A,
         "NOERROR qr aa\n= web.service.registry.test. 0 A 10.3.3.3\n", 0, 0},
        {"web.service.REGISTRY.test", SRV, SRV_OF("web.service.REGISTRY.test"), 0, 0},
        {"web.service.alt", SRV, SRV_OF("web.service.alt"), 0, 0},
        {"web.service.east.alt", SRV, SRV_OF("web.service.east.alt"), 0, 0},
        {"0a030303.addr.alt", A, "NOERROR qr aa\n= 0a030303.addr.alt. 0 A 10.3.3.3\n", 0, 0},
        {"web.service.dc1.alt", SRV,
         "NXDOMAIN qr aa\n! registry.test. 0 SOA ns.registry.test. hostmaster.registry.test. # "
         "3600 600 86400 0\n",
         0, 0},
        {"web.service.consul", A, "REFUSED qr\n", 0, 0},
    };
    ASK_ALL(w, asks);
    world_free(w);
}

static void a_zone_that_cannot_be_served_is_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *domain, *alt, *dc;
    } bad[] = {{".", NULL, "dc1"},       {"a..b", NULL, "dc1"},   {"consul", "consul.", "dc1"},
               {"consul", "x..", "dc1"}, {"consul", NULL, "a.b"}, {"consul", NULL, ""}};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct dns_options o = defaults;
        struct dns_zone z;
        struct errmsg e = {""};
        o.domain = bad[i].domain;
        o.alt_domain = bad[i].alt;
        o.datacenter = bad[i].dc;
        assert_int_equal(dns_zone_init(&z, &o, &e), E_INVAL);
        assert_true(strlen(e.text) > 0);
    }
}

/* ---- EDNS ---- */

static void an_option_record_is_answered_with_one(void **state)
{
    (void)state;
    struct world *w = world_of_web();
    static const struct {
        int edns;
        const char *ecs, *name, *expected;
    } rows[] = {
        {4096, NULL, "web.service.consul",
         "NOERROR qr aa\n" WEB("web.service.consul") "+ OPT 4096\n"},
        {-1, NULL, "web.service.consul", "NOERROR qr aa\n" WEB("web.service.consul") "+ OPT 0\n"},
        {1232, "00011800c63364", "web.service.consul",
         "NOERROR qr aa\n" WEB("web.service.consul") "+ OPT 1232 0008000700011800c63364\n"},
        {1232, "00011818c63364", "none.service.consul", /* the scope is ours to say */
         "NXDOMAIN qr aa\n" NEGATIVE "+ OPT 1232 0008000700011800c63364\n"},
        {1232, "00011900c63364", "web.service.consul", "FORMERR qr\n"}, /* a byte too few */
        {1232, "0003", "web.service.consul", "FORMERR qr\n"},
        {1232, NULL, "example.test", "REFUSED qr\n"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct dnsmsg_query q = {
            .name = rows[i].name, .type = A, .edns = rows[i].edns, .ecs = rows[i].ecs};
        char *got = answer_of(w, &q, DNS_UDP);
        assert_string_equal(got, rows[i].expected);
        free(got);
    }
    world_free(w);
}

static void checking_disabled_comes_back_and_other_reserved_bits_do_not(void **state)
{
    (void)state;
    struct world *w = world_of_web();
    const struct ask asks[] = {{"v1.web.service.consul", A,
                                "NOERROR qr aa cd\n= v1.web.service.consul. 0 A 10.0.0.1\n", 0x70,
                                0}};
    ASK_ALL(w, asks);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_service_is_found_by_each_form_of_its_name),
        cmocka_unit_test(names_outside_of_the_zone_are_refused),
        cmocka_unit_test(the_zone_tells_its_authority_and_servers_under_any_name),
        cmocka_unit_test(a_server_with_a_critical_node_is_no_name_server),
        cmocka_unit_test(health_decides_who_is_handed_out_and_with_which_weight),
        cmocka_unit_test(only_passing_leaves_warnings_out),
        cmocka_unit_test(the_address_is_the_services_own_or_its_nodes),
        cmocka_unit_test(a_host_name_of_our_own_is_followed),
        cmocka_unit_test(aliases_that_go_in_circles_end),
        cmocka_unit_test(an_address_beside_a_host_name_leaves_the_alias_out),
        cmocka_unit_test(a_node_is_found_with_its_texts),
        cmocka_unit_test(an_address_name_tells_its_address),
        cmocka_unit_test(an_address_tells_its_name),
        cmocka_unit_test(lifetimes_follow_the_longest_matching_name),
        cmocka_unit_test(two_domains_serve_the_same_names),
        cmocka_unit_test(a_zone_that_cannot_be_served_is_refused_by_name),
        cmocka_unit_test(an_option_record_is_answered_with_one),
        cmocka_unit_test(checking_disabled_comes_back_and_other_reserved_bits_do_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
