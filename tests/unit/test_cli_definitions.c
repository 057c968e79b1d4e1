/* cli/definitions: what files define, in which words mistakes are told, and what becomes of the
 * store when definitions come, change and go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/config.h"
#include "cli/definitions_sync.h"
#include "tests/support/store.h"

/* A finished configuration with the HCL text @text. */
static int load(struct config *c, const char *text, struct errmsg *e)
{
    config_init(c, true);
    int rc = config_load_hcl(c, slice_str(text), "f.hcl", e);
    return rc == 0 ? config_finish(c, e) : rc;
}

static void load_ok(struct config *c, const char *text)
{
    struct errmsg e = {""};
    if (load(c, text, &e) != 0) {
        fail_msg("%s: %s", text, e.text);
    }
}

static void both_spellings_of_a_service_are_understood(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "service { id = \"w1\", name = \"web\", tags = [\"a\"], port = 80, address = \"10.0.0.1\"\n"
        "  meta { k_x = \"v\" }\n  enable_tag_override = true\n"
        "  tagged_addresses { lan { address = \"10.0.0.2\", port = 8 } }\n"
        "  weights { passing = 5, warning = 2 }\n"
        "  connect { sidecar_service {} }\n"
        "  check { id = \"c1\", http = \"http://x\", interval = \"10s\", tls_skip_verify = true\n"
        "    header { X-A = [\"b\"] } } }",
        "services = [{ ID = \"w1\", Name = \"web\", Tags = [\"a\"], Port = 80, Address = "
        "\"10.0.0.1\"\n"
        "  Meta = { k_x = \"v\" }\n  EnableTagOverride = true\n"
        "  TaggedAddresses = { lan = { Address = \"10.0.0.2\", Port = 8 } }\n"
        "  Weights = { Passing = 5, Warning = 2 }\n"
        "  Checks = [{ CheckID = \"c1\", HTTP = \"http://x\", Interval = \"10s\"\n"
        "    TLSSkipVerify = true, Header = { X-A = \"b\" } }] }]",
        "services { id = \"w1\", name = \"web\", tags = \"a\", port = 80, address = \"10.0.0.1\"\n"
        "  meta { k_x = \"v\" }\n  EnableTagOverride = true\n"
        "  tagged_addresses { lan { address = \"10.0.0.2\", port = 8 } }\n"
        "  weights { passing = 5, warning = 2 }\n"
        "  checks { check_id = \"c1\", http = \"http://x\", interval = \"10s\"\n"
        "    tls_skip_verify = true, header { X-A = \"b\" } } }",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct config c;
        struct slice v;
        load_ok(&c, rows[i]);
        assert_int_equal(c.definitions.n, 1);
        const struct definition *d = &c.definitions.items[0];
        assert_true(slice_is(d->service.id, "w1"));
        assert_true(slice_is(d->service.name, "web"));
        assert_int_equal(reg_list_count(d->service.tags), 1);
        assert_int_equal(d->service.port, 80);
        assert_true(reg_map_get(d->service.meta, "k_x", &v) && slice_is(v, "v"));
        assert_true(reg_map_get(d->service.tagged, "lan", &v));
        assert_true(d->service.enable_tag_override);
        assert_int_equal(d->service.weight_passing, 5);
        assert_int_equal(d->service.origin, REG_ORIGIN_FILE);
        assert_int_equal(d->n_checks, 1);
        assert_true(slice_is(d->checks[0].check_id, "c1"));
        assert_true(slice_is(d->checks[0].service_id, "w1"));
        assert_int_equal(d->checks[0].probe.interval_ns, INT64_C(10000000000));
        assert_true(d->checks[0].probe.tls_skip_verify);
        assert_int_equal(reg_list_count(d->checks[0].probe.header), 2);
        assert_int_equal(d->checks[0].origin, REG_ORIGIN_FILE);
        config_fini(&c);
    }
}

static void mesh_objects_get_the_spelling_of_the_api(void **state)
{
    (void)state;
    struct config c;
    load_ok(&c,
            "service { name = \"p\", kind = \"connect-proxy\"\n"
            "  proxy { destination_service_name = \"web\", destination_service_id = \"w1\"\n"
            "    config { local_x = 1 }, upstreams = [{ local_bind_port = 5 }] } }");
    struct slice proxy = c.definitions.items[0].service.proxy;
    static const char *const parts[] = {"\"DestinationServiceName\":\"web\"",
                                        "\"DestinationServiceID\":\"w1\"", "{\"local_x\":1}",
                                        "[{\"LocalBindPort\":5}]"};
    for (size_t i = 0; i < 4; i++) {
        assert_non_null(memmem(proxy.p, proxy.len, parts[i], strlen(parts[i])));
    }
    config_fini(&c);
}

static void mistakes_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *error;
    } rows[] = {
        {"service {\n name = \"x\"\n prot = 1\n}",
         "f.hcl: line 3: invalid config key service.prot (did you mean service.port?)"},
        {"service { name = \"x\", check {\n intervall = \"1s\" } }",
         "f.hcl: line 2: invalid config key service.check.intervall (did you mean "
         "service.check.interval?)"},
        {"service { check_id = \"x\" }",
         "f.hcl: line 1: invalid config key service.check_id (did you mean service.check?)"},
        {"services = 5", "f.hcl: line 1: services: expected an object, got a number"},
        {"service { name = \"x\", meta = 1 }",
         "f.hcl: line 1: service.meta: expected an object, got a number"},
        {"service { name = \"x\", port = \"1\" }",
         "f.hcl: service: json: cannot unmarshal string into Go struct field .Port of type int"},
        {"service { port = 1 }", "f.hcl: service \"\": Missing service name"},
        {"check { ttl = \"1s\" }", "f.hcl: check \"\": Missing check name"},
        {"check { name = \"x\" }",
         "f.hcl: check \"x\": Invalid check: TTL must be > 0 for TTL checks"},
        {"check { name = \"x\", args = [\"a\"], interval = \"1s\" }",
         "f.hcl: check \"x\": Scripts are disabled on this agent; to enable, configure "
         "'enable_script_checks' or 'enable_local_script_checks' to true"},
        {"service { name = \"x\", check { http = \"u\" } }",
         "f.hcl: service \"x\": Invalid check: Interval must be > 0 for Script, HTTP, H2PING, TCP, "
         "UDP or OSService checks"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct config c;
        struct errmsg e = {""};
        int rc = load(&c, rows[i].text, &e);
        if (rc != E_INVAL || strcmp(e.text, rows[i].error) != 0) {
            fail_msg("%s: got %d, \"%s\"", rows[i].text, rc, e.text);
        }
        config_fini(&c);
    }
}

/* ---- the store ---- */

/* A log that applies at once. */
struct log {
    struct reg_proposer proposer;
    struct test_store store;
    unsigned n; /* commands */
};

static int propose(struct reg_proposer *self, struct reg_proposal *p)
{
    struct log *l = container_of(self, struct log, proposer);
    struct buf cmd = BUF_INIT;
    buf_add_slice(&cmd, buf_slice(&p->cmd));
    p->result = test_store_apply(&l->store, &cmd, 0);
    p->status = 0;
    l->n++;
    buf_fini(&cmd);
    assert_true(queue_push_reply(p->reply.to, &p->reply.link));
    return 0;
}

static int open_log(void **state)
{
    struct log *l = calloc(1, sizeof *l);
    assert_non_null(l);
    l->proposer.propose = propose;
    test_store_open(&l->store);
    assert_int_equal(test_node(&l->store, "n1", "10.0.0.1").status, 0);
    *state = l;
    return 0;
}

static int close_log(void **state)
{
    struct log *l = *state;
    test_store_close(&l->store);
    free(l);
    return 0;
}

static int sync_text(struct log *l, const char *text, struct errmsg *e)
{
    struct config c;
    load_ok(&c, text);
    int rc = definitions_sync(&c, "n1", l->store.reg, &l->proposer, e);
    config_fini(&c);
    return rc;
}

static void sync_ok(struct log *l, const char *text)
{
    struct errmsg e = {""};
    if (sync_text(l, text, &e) != 0) {
        fail_msg("%s: %s", text, e.text);
    }
}

/* The names of services, then ids of checks, as "web,db;c1". */
static void expect(struct log *l, const char *wanted)
{
    struct buf b = BUF_INIT;
    struct reg_iter it;
    struct reg_service s;
    struct reg_check c;
    const char *comma = "";
    reg_read_begin(l->store.rd);
    reg_node_services(l->store.rd, &it, SLICE_LIT("n1"));
    while (reg_node_services_next(&it, &s)) {
        buf_printf(&b, "%s%.*s", comma, (int)s.name.len, s.name.p);
        comma = ",";
    }
    reg_iter_end(&it);
    comma = ";";
    reg_node_checks(l->store.rd, &it, SLICE_LIT("n1"));
    while (reg_checks_next(&it, &c)) {
        buf_printf(&b, "%s%.*s", comma, (int)c.check_id.len, c.check_id.p);
        comma = ",";
    }
    reg_iter_end(&it);
    reg_read_end(l->store.rd);
    buf_add_char(&b, '\0');
    assert_string_equal(b.p, wanted);
    buf_fini(&b);
}

static void definitions_come_and_go_and_an_unchanged_one_writes_nothing(void **state)
{
    struct log *l = *state;
    static const char two[] =
        "service { name = \"a\", check { ttl = \"1h\" } }\n"
        "service { name = \"b\" }\n"
        "check { id = \"c\", name = \"c\", ttl = \"1h\", service_id = \"b\" }";
    assert_int_equal(test_service(&l->store, "n1", "api", "api", "", 1, NULL, "passing").status, 0);
    sync_ok(l, two);
    expect(l, "a,api,b;c,service:a,service:api");
    l->n = 0;
    sync_ok(l, two);
    assert_int_equal(l->n, 0);
    sync_ok(l, "service { name = \"b\", port = 5 }");
    expect(l, "api,b;service:api");
    assert_int_equal(l->n, 3); /* b changes, a and c go */
    sync_ok(l, "");
    expect(l, "api;service:api");
}

static void a_file_wins_over_a_registration_and_a_later_definition_over_an_earlier(void **state)
{
    struct log *l = *state;
    assert_int_equal(test_service(&l->store, "n1", "x", "old", "", 1, NULL, NULL).status, 0);
    sync_ok(l, "service { id = \"x\", name = \"one\" }\nservice { id = \"x\", name = \"two\" }");
    expect(l, "two");
    l->n = 0;
    sync_ok(l, "service { id = \"x\", name = \"one\" }\nservice { id = \"x\", name = \"two\" }");
    assert_int_equal(l->n, 0);
}

static void a_check_that_exists_keeps_its_status(void **state)
{
    struct log *l = *state;
    struct buf cmd = BUF_INIT;
    struct reg_check c;
    const struct reg_check_status to = {.node = SLICE_LIT("n1"),
                                        .check_id = SLICE_LIT("c"),
                                        .status = SLICE_LIT("passing"),
                                        .output = SLICE_LIT("fine")};
    sync_ok(l, "check { id = \"c\", name = \"c\", ttl = \"1h\" }");
    reg_command_check_status(&cmd, &to);
    assert_int_equal(test_store_apply(&l->store, &cmd, 0).status, 0);
    sync_ok(l, "check { id = \"c\", name = \"new\", ttl = \"1h\" }");
    reg_read_begin(l->store.rd);
    assert_true(reg_check_find(l->store.rd, SLICE_LIT("n1"), SLICE_LIT("c"), &c));
    assert_true(slice_is(c.name, "new"));
    assert_true(slice_is(c.status, "passing"));
    assert_true(slice_is(c.output, "fine"));
    reg_read_end(l->store.rd);
    buf_fini(&cmd);
}

static void a_check_of_no_service_is_named(void **state)
{
    struct log *l = *state;
    struct errmsg e = {""};
    assert_int_equal(
        sync_text(l, "check { name = \"c\", ttl = \"1h\", service_id = \"none\" }", &e),
        E_NOTFOUND);
    assert_string_equal(e.text, "f.hcl: check: ServiceID \"none\" does not exist");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_spellings_of_a_service_are_understood),
        cmocka_unit_test(mesh_objects_get_the_spelling_of_the_api),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test_setup_teardown(definitions_come_and_go_and_an_unchanged_one_writes_nothing,
                                        open_log, close_log),
        cmocka_unit_test_setup_teardown(
            a_file_wins_over_a_registration_and_a_later_definition_over_an_earlier, open_log,
            close_log),
        cmocka_unit_test_setup_teardown(a_check_that_exists_keeps_its_status, open_log, close_log),
        cmocka_unit_test_setup_teardown(a_check_of_no_service_is_named, open_log, close_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
