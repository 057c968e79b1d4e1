/* api/: objects are written as Consul shows them; every text is also read back by jansson. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

#include "api/decode.h"
#include "api/render.h"

static void expect(struct buf *b, const char *text)
{
    json_error_t e;
    assert_true(buf_ok(b));
    json_t *v = json_loadb(b->p, b->len, JSON_REJECT_DUPLICATES, &e);
    if (v == NULL || !slice_is(buf_slice(b), text)) {
        fail_msg("got %.*s", (int)b->len, b->p);
    }
    json_decref(v);
    buf_fini(b);
}

/* The list of @items in @b, which must not grow afterwards. */
static struct reg_list list_of(struct buf *b, const char *const *items)
{
    struct reg_list_builder lb;
    reg_list_begin(&lb, b);
    for (; *items != NULL; items++) {
        reg_list_add(&lb, slice_str(*items));
    }
    return reg_list_end(&lb);
}

static void a_bare_node_shows_null_for_what_was_not_given(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    struct json j = json_to(&b);
    struct reg_node n = {.name = SLICE_LIT("n1"),
                         .address = SLICE_LIT("10.0.0.1"),
                         .create_index = 5,
                         .modify_index = 6};
    render_node(&j, SLICE_LIT("dc1"), &n);
    expect(&b,
           "{\"ID\":\"\",\"Node\":\"n1\",\"Address\":\"10.0.0.1\",\"Datacenter\":\"dc1\","
           "\"TaggedAddresses\":null,\"Meta\":null,\"CreateIndex\":5,\"ModifyIndex\":6}");
}

static void an_empty_map_of_a_node_is_an_object(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    struct buf meta = BUF_INIT;
    struct json j = json_to(&b);
    struct reg_node n = {.meta = list_of(&meta, (const char *const[]){NULL})};
    render_node(&j, SLICE_LIT("dc1"), &n);
    expect(&b,
           "{\"ID\":\"\",\"Node\":\"\",\"Address\":\"\",\"Datacenter\":\"dc1\","
           "\"TaggedAddresses\":null,\"Meta\":{},\"CreateIndex\":0,\"ModifyIndex\":0}");
    buf_fini(&meta);
}

static void a_bare_service_of_a_node_leaves_out_its_port(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    struct json j = json_to(&b);
    struct reg_service s = {
        .id = SLICE_LIT("s"), .name = SLICE_LIT("s"), .weight_passing = 1, .weight_warning = 1};
    render_node_service(&j, &s);
    expect(&b,
           "{\"ID\":\"s\",\"Service\":\"s\",\"Tags\":[],\"Address\":\"\",\"Meta\":null,"
           "\"Weights\":{\"Passing\":1,\"Warning\":1},\"EnableTagOverride\":false,"
           "\"Proxy\":{\"Mode\":\"\",\"MeshGateway\":{},\"Expose\":{}},\"Connect\":{},"
           "\"PeerName\":\"\",\"CreateIndex\":0,\"ModifyIndex\":0}");
}

static void a_full_service_shows_all_it_has(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    struct buf tags = BUF_INIT;
    struct buf meta = BUF_INIT;
    struct buf tagged = BUF_INIT;
    struct buf packed = BUF_INIT;
    struct json j = json_to(&b);
    struct reg_list_builder lb;
    decode_addr_join(&packed, SLICE_LIT("192.168.0.5"), 8000);
    reg_list_begin(&lb, &tagged);
    reg_list_add(&lb, SLICE_LIT("lan"));
    reg_list_add(&lb, buf_slice(&packed));
    struct reg_service s = {
        .kind = SLICE_LIT("connect-proxy"),
        .id = SLICE_LIT("w1"),
        .name = SLICE_LIT("web"),
        .tags = list_of(&tags, (const char *const[]){"v1", "<&>", NULL}),
        .address = SLICE_LIT("10.1.2.3"),
        .tagged = reg_list_end(&lb),
        .meta = list_of(&meta, (const char *const[]){"k", "v", NULL}),
        .port = 80,
        .socket_path = SLICE_LIT("/s"),
        .weight_passing = 10,
        .weight_warning = 2,
        .enable_tag_override = true,
        .proxy = SLICE_LIT("{\"Mode\":\"direct\"}"),
        .connect = SLICE_LIT("{\"Native\":true}"),
        .create_index = 7,
        .modify_index = 8,
    };
    render_node_service(&j, &s);
    expect(&b,
           "{\"Kind\":\"connect-proxy\",\"ID\":\"w1\",\"Service\":\"web\",\"Tags\":[\"v1\","
           "\"\\u003c\\u0026\\u003e\"],\"Address\":\"10.1.2.3\",\"TaggedAddresses\":{\"lan\":{"
           "\"Address\":\"192.168.0.5\",\"Port\":8000}},\"Meta\":{\"k\":\"v\"},\"Port\":80,"
           "\"SocketPath\":\"/s\",\"Weights\":{\"Passing\":10,\"Warning\":2},"
           "\"EnableTagOverride\":true,\"Proxy\":{\"Mode\":\"direct\"},\"Connect\":{\"Native\":"
           "true},\"PeerName\":\"\",\"CreateIndex\":7,\"ModifyIndex\":8}");
    j = json_to(&b);
    render_agent_service(&j, SLICE_LIT("dc1"), &s, SLICE_LIT("00ff"));
    expect(&b,
           "{\"Kind\":\"connect-proxy\",\"ID\":\"w1\",\"Service\":\"web\",\"Tags\":[\"v1\","
           "\"\\u003c\\u0026\\u003e\"],\"Meta\":{\"k\":\"v\"},\"Port\":80,\"Address\":"
           "\"10.1.2.3\",\"SocketPath\":\"/s\",\"TaggedAddresses\":{\"lan\":{\"Address\":"
           "\"192.168.0.5\",\"Port\":8000}},\"Weights\":{\"Passing\":10,\"Warning\":2},"
           "\"EnableTagOverride\":true,\"ContentHash\":\"00ff\",\"Proxy\":{\"Mode\":\"direct\"}"
           ",\"Connect\":{\"Native\":true},\"Datacenter\":\"dc1\"}");
    buf_fini(&tags);
    buf_fini(&meta);
    buf_fini(&tagged);
    buf_fini(&packed);
}

static void a_service_with_its_node_keeps_port_zero_and_has_an_object_as_meta(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    struct json j = json_to(&b);
    struct reg_node n = {.name = SLICE_LIT("n"), .address = SLICE_LIT("a"), .modify_index = 99};
    struct reg_service s = {.id = SLICE_LIT("s"),
                            .name = SLICE_LIT("s"),
                            .weight_passing = 1,
                            .weight_warning = 1,
                            .create_index = 3,
                            .modify_index = 4};
    render_service_node(&j, SLICE_LIT("dc1"), &n, &s);
    expect(&b,
           "{\"ID\":\"\",\"Node\":\"n\",\"Address\":\"a\",\"Datacenter\":\"dc1\","
           "\"TaggedAddresses\":null,\"NodeMeta\":null,\"ServiceKind\":\"\",\"ServiceID\":\"s\""
           ",\"ServiceName\":\"s\",\"ServiceTags\":[],\"ServiceAddress\":\"\","
           "\"ServiceWeights\":{\"Passing\":1,\"Warning\":1},\"ServiceMeta\":{},"
           "\"ServicePort\":0,\"ServiceSocketPath\":\"\",\"ServiceEnableTagOverride\":false,"
           "\"ServiceProxy\":{\"Mode\":\"\",\"MeshGateway\":{},\"Expose\":{}},"
           "\"ServiceConnect\":{},\"ServiceLocality\":null,\"CreateIndex\":3,"
           "\"ModifyIndex\":4}");
}

static void a_check_hides_indexes_and_definition_from_the_agents_routes(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    struct json j = json_to(&b);
    struct reg_check c = {.node = SLICE_LIT("n"),
                          .check_id = SLICE_LIT("c"),
                          .name = SLICE_LIT("C"),
                          .status = SLICE_LIT("passing"),
                          .type = SLICE_LIT("http"),
                          .interval = SLICE_LIT("10s"),
                          .timeout = SLICE_LIT("0s"),
                          .definition = SLICE_LIT("{\"TCP\":\"h:1\"}"),
                          .create_index = 1,
                          .modify_index = 2};
    render_check(&j, &c, false);
    expect(&b,
           "{\"Node\":\"n\",\"CheckID\":\"c\",\"Name\":\"C\",\"Status\":\"passing\",\"Notes\":"
           "\"\",\"Output\":\"\",\"ServiceID\":\"\",\"ServiceName\":\"\",\"ServiceTags\":[],"
           "\"Type\":\"http\",\"Interval\":\"10s\",\"Timeout\":\"0s\",\"ExposedPort\":0,"
           "\"Definition\":{\"TCP\":\"h:1\"},\"CreateIndex\":1,\"ModifyIndex\":2}");
    j = json_to(&b);
    render_check(&j, &c, true);
    expect(&b,
           "{\"Node\":\"n\",\"CheckID\":\"c\",\"Name\":\"C\",\"Status\":\"passing\",\"Notes\":"
           "\"\",\"Output\":\"\",\"ServiceID\":\"\",\"ServiceName\":\"\",\"ServiceTags\":[],"
           "\"Type\":\"http\",\"Interval\":\"10s\",\"Timeout\":\"0s\",\"ExposedPort\":0,"
           "\"Definition\":{},\"CreateIndex\":0,\"ModifyIndex\":0}");
}

static void an_entry_is_base64_and_null_when_empty(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    struct json j = json_to(&b);
    struct reg_kv e = {.key = SLICE_LIT("a/b"),
                       .value = SLICE_LIT("hello"),
                       .flags = 7,
                       .create_index = 1,
                       .modify_index = 2};
    render_kv(&j, &e);
    expect(&b,
           "{\"LockIndex\":0,\"Key\":\"a/b\",\"Flags\":7,\"Value\":"
           "\"aGVsbG8=\",\"CreateIndex\":1,\"ModifyIndex\":2}");
    j = json_to(&b);
    e.flags = 0;
    e.value = slice_of(NULL, 0);
    e.session = SLICE_LIT("s");
    e.lock_index = 1;
    render_kv(&j, &e);
    expect(&b,
           "{\"LockIndex\":1,\"Key\":\"a/b\",\"Flags\":0,\"Value\":null,\"Session\":\"s\","
           "\"CreateIndex\":1,\"ModifyIndex\":2}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bare_node_shows_null_for_what_was_not_given),
        cmocka_unit_test(an_empty_map_of_a_node_is_an_object),
        cmocka_unit_test(a_bare_service_of_a_node_leaves_out_its_port),
        cmocka_unit_test(a_full_service_shows_all_it_has),
        cmocka_unit_test(a_service_with_its_node_keeps_port_zero_and_has_an_object_as_meta),
        cmocka_unit_test(a_check_hides_indexes_and_definition_from_the_agents_routes),
        cmocka_unit_test(an_entry_is_base64_and_null_when_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
