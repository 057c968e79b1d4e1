/* api/: definitions are checked and completed as by Consul. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "api/define.h"
#include "tests/unit/api_memory.h"

struct registered {
    struct test_memory memory;
    struct reg_service service;
    struct reg_check *checks;
    unsigned n_checks;
    struct define_error error;
};

static int define_service(struct registered *r, const char *body)
{
    struct decode_memory m = test_memory(&r->memory);
    struct define_service *d = test_alloc(&r->memory, sizeof *d);
    struct define_rules rules = {.scripts = false};
    assert_int_equal(decode_body(&m, slice_str(body), &define_service_body, d, &r->error.text), 0);
    return define_agent_service(&m, &rules, d, &r->service, &r->checks, &r->n_checks, &r->error);
}

static void services_are_refused_with_consuls_texts(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        int status;
        const char *text;
    } rows[] = {
        {"null", 400, "Missing service name"},
        {"{}", 400, "Missing service name"},
        {"{\"ID\":\"only-id\"}", 400, "Missing service name"},
        {"{\"Name\":\"a\",\"Address\":\"0.0.0.0\"}", 400, "Invalid service address"},
        {"{\"Name\":\"a\",\"Address\":\"::\"}", 400, "Invalid service address"},
        {"{\"Name\":\"a\",\"Meta\":{\"bad key!\":\"v\"}}", 400,
         "Invalid Service Meta: Couldn't load metadata pair ('bad key!', 'v'): Key contains "
         "invalid characters"},
        {"{\"Name\":\"a\",\"Meta\":{\"\":\"v\"}}", 400,
         "Invalid Service Meta: Couldn't load metadata pair ('', 'v'): Key cannot be blank"},
        {"{\"Name\":\"a\",\"Meta\":{\"consul-x\":\"v\"}}", 400,
         "Invalid Service Meta: Couldn't load metadata pair ('consul-x', 'v'): Key prefix "
         "'consul-' is reserved for internal use"},
        {"{\"Name\":\"a\",\"Weights\":{\"Passing\":0,\"Warning\":1}}", 400,
         "Invalid Weights: Passing must be greater than 0"},
        {"{\"Name\":\"a\",\"Weights\":{\"Passing\":1,\"Warning\":70000}}", 400,
         "Invalid Weights: DNS Weight must be between 0 and 65535"},
        {"{\"Name\":\"a\",\"Check\":{\"TTL\":\"-1s\"}}", 400,
         "Invalid check: TTL must be > 0 for TTL checks"},
        {"{\"Name\":\"a\",\"Check\":{\"HTTP\":\"http://127.0.0.1:1/\"}}", 400,
         "Invalid check: Interval must be > 0 for Script, HTTP, H2PING, TCP, UDP or OSService "
         "checks"},
        {"{\"Name\":\"a\",\"Check\":{\"TTL\":\"5s\",\"Status\":\"fine\"}}", 400,
         "Status for checks must 'passing', 'warning', 'critical'"},
        {"{\"Name\":\"a\",\"Check\":{\"Interval\":\"5s\",\"TTL\":\"5s\"}}", 400,
         "Invalid check: Interval and TTL cannot both be specified"},
        {"{\"Name\":\"a\",\"Checks\":[{\"TTL\":\"5s\"},{\"Name\":\"empty\"}]}", 400,
         "Invalid check: TTL must be > 0 for TTL checks"},
        {"{\"Name\":\"a\",\"Check\":{\"AliasService\":\"b\",\"TTL\":\"5s\"}}", 400,
         "Invalid check: TTL must be not be set for Alias checks"},
        {"{\"Name\":\"a\",\"Check\":{\"TTL\":\"5s\",\"OutputMaxSize\":-1}}", 400,
         "Invalid check: MaxOutputMaxSize must be positive"},
        {"{\"Name\":\"a\",\"Check\":{\"TTL\":\"5s\",\"FailuresBeforeWarning\":2}}", 400,
         "Invalid check: FailuresBeforeWarning can't be higher than FailuresBeforeCritical"},
        {"{\"Name\":\"a\",\"Check\":{\"Args\":[\"/bin/true\"],\"Interval\":\"10s\"}}", 500,
         "Scripts are disabled on this agent from remote calls; to enable, configure "
         "'enable_script_checks' to true"},
        {"{\"Name\":\"a\",\"TaggedAddresses\":{\"lan_ipv4\":{\"Address\":\"::1\",\"Port\":1}}}",
         500, "Service tagged address \"lan_ipv4\" must be a valid ipv4 address"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct registered r = {.checks = NULL};
        int rc = define_service(&r, rows[i].body);
        if (rc != E_INVAL || r.error.status != rows[i].status ||
            strcmp(r.error.text.text, rows[i].text) != 0) {
            fail_msg("%s: got %d, %d \"%s\"", rows[i].body, rc, r.error.status, r.error.text.text);
        }
        test_memory_fini(&r.memory);
    }
}

static void meta_has_at_most_64_pairs(void **state)
{
    (void)state;
    for (unsigned n = 64; n <= 65; n++) {
        struct registered r = {.checks = NULL};
        char body[2048] = "{\"Name\":\"a\",\"Meta\":{";
        for (unsigned i = 0; i < n; i++) {
            size_t at = strlen(body);
            (void)snprintf(body + at, sizeof body - at, "%s\"k%u\":\"v\"", i > 0 ? "," : "", i);
        }
        strcat(body, "}}");
        assert_int_equal(define_service(&r, body), n == 64 ? 0 : E_INVAL);
        if (n == 65) {
            assert_string_equal(r.error.text.text,
                                "Invalid Service Meta: Node metadata cannot "
                                "contain more than 64 key/value pairs");
        }
        test_memory_fini(&r.memory);
    }
}

static void what_is_left_out_gets_consuls_defaults(void **state)
{
    (void)state;
    struct registered r = {.checks = NULL};
    assert_int_equal(define_service(&r, "{\"Name\":\"web\",\"Check\":{\"TTL\":\"90s\"}}"), 0);
    assert_true(slice_is(r.service.id, "web"));
    assert_int_equal(r.service.weight_passing, 1);
    assert_int_equal(r.service.weight_warning, 1);
    assert_int_equal(r.service.origin, REG_ORIGIN_AGENT);
    assert_true(reg_list_absent(r.service.tagged));
    assert_int_equal(r.n_checks, 1);
    assert_true(slice_is(r.checks[0].check_id, "service:web"));
    assert_true(slice_is(r.checks[0].name, "Service 'web' check"));
    assert_true(slice_is(r.checks[0].status, "critical"));
    assert_true(slice_is(r.checks[0].type, "ttl"));
    assert_int_equal(r.checks[0].probe.kind, REG_PROBE_TTL);
    assert_true(r.checks[0].probe.ttl_ns == 90000000000);
    test_memory_fini(&r.memory);
}

static void several_checks_are_numbered_and_the_later_of_one_id_wins(void **state)
{
    (void)state;
    struct registered r = {.checks = NULL};
    assert_int_equal(define_service(&r,
                                    "{\"ID\":\"w1\",\"Name\":\"web\",\"Check\":{\"TTL\":\"1h\","
                                    "\"Name\":\"a\"},\"Checks\":[{\"TTL\":\"1h\"},{\"CheckID\":"
                                    "\"x\",\"TTL\":\"1h\",\"Name\":\"y\"},{\"CheckID\":\"x\","
                                    "\"TCP\":\"h:1\",\"Interval\":\"1s\",\"Name\":\"z\"}]}"),
                     0);
    assert_int_equal(r.n_checks, 3);
    assert_true(slice_is(r.checks[0].check_id, "service:w1:1"));
    assert_true(slice_is(r.checks[0].name, "a"));
    assert_true(slice_is(r.checks[1].check_id, "service:w1:2"));
    assert_true(slice_is(r.checks[2].check_id, "x"));
    assert_true(slice_is(r.checks[2].name, "z"));
    assert_true(slice_is(r.checks[2].type, "tcp"));
    assert_true(slice_is(r.checks[2].interval, "1s"));
    test_memory_fini(&r.memory);
}

static void an_empty_check_object_is_no_check(void **state)
{
    (void)state;
    struct registered r = {.checks = NULL};
    assert_int_equal(define_service(&r, "{\"Name\":\"web\",\"Check\":{},\"Checks\":[]}"), 0);
    assert_int_equal(r.n_checks, 0);
    test_memory_fini(&r.memory);
}

static void an_ip_address_is_also_the_typed_lan_and_wan_address(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        const char *names; /* name=address:port, ... */
    } rows[] = {
        {"{\"Name\":\"a\",\"Address\":\"10.1.2.3\",\"Port\":8080,\"TaggedAddresses\":{\"lan\":"
         "{\"Address\":\"192.168.0.5\",\"Port\":8000},\"wan\":{\"Address\":\"198.51.100.5\","
         "\"Port\":80}}}",
         "lan=192.168.0.5:8000 lan_ipv4=10.1.2.3:8080 wan=198.51.100.5:80 wan_ipv4=10.1.2.3:8080 "},
        {"{\"Name\":\"a\",\"Address\":\"2001:db8::7\"}",
         "lan_ipv6=2001:db8::7:0 wan_ipv6=2001:db8::7:0 "},
        {"{\"Name\":\"a\",\"Address\":\"10.0.0.1\",\"TaggedAddresses\":{\"wan_ipv4\":{\"Address\":"
         "\"1.1.1.1\",\"Port\":9}}}",
         "lan_ipv4=10.0.0.1:0 wan_ipv4=1.1.1.1:9 "},
        {"{\"Name\":\"a\",\"Address\":\"db.example.test\"}", ""},
        {"{\"Name\":\"a\"}", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct registered r = {.checks = NULL};
        char got[512] = "";
        assert_int_equal(define_service(&r, rows[i].body), 0);
        struct rd it = reg_list_iter(r.service.tagged);
        struct slice name;
        struct slice packed;
        while (reg_list_next(&it, &name) && reg_list_next(&it, &packed)) {
            struct slice address;
            int32_t port;
            assert_true(decode_addr_split(packed, &address, &port));
            size_t at = strlen(got);
            (void)snprintf(got + at, sizeof got - at, "%.*s=%.*s:%d ", (int)name.len, name.p,
                           (int)address.len, address.p, port);
        }
        assert_string_equal(got, rows[i].names);
        test_memory_fini(&r.memory);
    }
}

static void script_checks_are_refused_until_they_are_built(void **state)
{
    (void)state;
    struct test_memory t = {NULL};
    struct decode_memory m = test_memory(&t);
    struct define_check *d = test_alloc(&t, sizeof *d);
    struct define_rules rules = {.scripts = true};
    struct define_error e = {.status = 0};
    struct reg_check c;
    struct slice body = slice_str("{\"Name\":\"x\",\"Args\":[\"a\"],\"Interval\":\"1s\"}");
    assert_int_equal(decode_body(&m, body, &define_check_body, d, &e.text), 0);
    assert_int_not_equal(define_agent_check(&m, &rules, d, &c, &e), 0);
    assert_int_equal(e.status, 500);
    assert_string_equal(e.text.text, "Script checks are not available yet");
    test_memory_fini(&t);
}

static void of_several_kinds_of_check_one_is_chosen(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        const char *type;
        enum reg_probe_kind kind;
        const char *target;
        bool tls;
    } rows[] = {
        {"{\"Name\":\"x\",\"GRPC\":\"h:1/s\",\"GRPCUseTLS\":true,\"HTTP\":\"http://h\","
         "\"Interval\":\"1s\"}",
         "grpc", REG_PROBE_GRPC, "h:1/s", true},
        {"{\"Name\":\"x\",\"HTTP\":\"http://h\",\"TCP\":\"h:1\",\"Interval\":\"1s\"}", "http",
         REG_PROBE_HTTP, "http://h", false},
        {"{\"Name\":\"x\",\"TCP\":\"h:1\",\"tcp_use_tls\":true,\"Interval\":\"1s\"}", "tcp",
         REG_PROBE_TCP, "h:1", true},
        {"{\"Name\":\"x\",\"UDP\":\"h:1\",\"Interval\":\"1s\"}", "udp", REG_PROBE_UDP, "h:1",
         false},
        {"{\"Name\":\"x\",\"AliasService\":\"s\"}", "alias", REG_PROBE_ALIAS, "s", false},
        {"{\"Name\":\"x\",\"H2PING\":\"h:1\",\"Interval\":\"1s\"}", "h2ping", REG_PROBE_H2PING,
         "h:1", true},
        {"{\"Name\":\"x\",\"H2PING\":\"h:1\",\"H2PingUseTLS\":false,\"Interval\":\"1s\"}", "h2ping",
         REG_PROBE_H2PING, "h:1", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct test_memory t = {NULL};
        struct decode_memory m = test_memory(&t);
        struct define_check *d = test_alloc(&t, sizeof *d);
        struct define_rules rules = {.scripts = true};
        struct define_error e = {.status = 0};
        struct reg_check c;
        assert_int_equal(decode_body(&m, slice_str(rows[i].body), &define_check_body, d, &e.text),
                         0);
        assert_int_equal(define_agent_check(&m, &rules, d, &c, &e), 0);
        assert_true(slice_is(c.type, rows[i].type));
        assert_int_equal(c.probe.kind, rows[i].kind);
        assert_true(slice_is(c.probe.target, rows[i].target));
        assert_int_equal(c.probe.use_tls, rows[i].tls);
        test_memory_fini(&t);
    }
}

static void checks_are_refused_with_consuls_texts(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        int status;
        const char *text;
    } rows[] = {
        {"{}", 400, "Missing check name"},
        {"{\"ID\":\"x\",\"TTL\":\"5s\"}", 400, "Missing check name"},
        {"{\"Name\":\"x\"}", 400, "Invalid check: TTL must be > 0 for TTL checks"},
        {"{\"Name\":\"x\",\"TTL\":true}", 400, "Invalid check: TTL must be > 0 for TTL checks"},
        {"{\"Name\":\"x\",\"TTL\":\"5s\",\"Status\":\"Passing\"}", 400, "Bad check status"},
        {"{\"Name\":\"x\",\"DockerContainerID\":\"d\",\"Interval\":\"5s\"}", 400,
         "Invalid check: TTL must be > 0 for TTL checks"},
        {"{\"Name\":\"x\",\"Args\":[\"true\"],\"Interval\":\"5s\"}", 500,
         "Scripts are disabled on this agent from remote calls; to enable, configure "
         "'enable_script_checks' to true"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct test_memory t = {NULL};
        struct decode_memory m = test_memory(&t);
        struct define_check *d = test_alloc(&t, sizeof *d);
        struct define_rules rules = {.scripts = false};
        struct define_error e = {.status = 0};
        struct reg_check c;
        assert_int_equal(decode_body(&m, slice_str(rows[i].body), &define_check_body, d, &e.text),
                         0);
        assert_int_equal(define_agent_check(&m, &rules, d, &c, &e), E_INVAL);
        assert_int_equal(e.status, rows[i].status);
        assert_string_equal(e.text.text, rows[i].text);
        test_memory_fini(&t);
    }
}

static void catalog_registrations_are_refused_with_consuls_texts(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        const char *text;
    } rows[] = {
        {"{}", "Must provide node"},
        {"{\"Node\":\"n\"}", "Must provide address if SkipNodeUpdate is not set"},
        {"{\"Node\":\"n\",\"Address\":\"1.1.1.1\",\"ID\":\"not-a-uuid\"}",
         "Bad node ID: uuid string is wrong length"},
        {"{\"Node\":\"n\",\"Address\":\"a\",\"Service\":{\"ID\":\"x\"}}",
         "Must provide service name with ID"},
        {"{\"Node\":\"n\",\"Address\":\"a\",\"Service\":{\"Service\":\"s\",\"Address\":\"0.0.0.0\"}"
         "}",
         "Invalid service address"},
        {"{\"Node\":\"n\",\"Address\":\"a\",\"Service\":{\"Service\":\"s\",\"Meta\":{\"bad "
         "key\":\"v\"}}}",
         "failed inserting service: Invalid Service Meta for node n and serviceID s: Couldn't load "
         "metadata pair ('bad key', 'v'): Key contains invalid characters"},
        {"{\"Node\":\"n\",\"Address\":\"a\",\"Check\":{}}",
         "failed inserting check: failed health check lookup: index error: object is missing a "
         "value for this index on node \"n\""},
        {"{\"Node\":\"n\",\"Address\":\"a\",\"Check\":{\"Node\":\"other\",\"CheckID\":\"x\"}}",
         "check node \"other\" does not match node \"n\""},
        {"{\"Node\":\"n\",\"SkipNodeUpdate\":true}", NULL},
        {"{\"Node\":\"n\",\"Address\":\"a\",\"Check\":{\"CheckID\":\"x\",\"Status\":\"odd\"}}",
         NULL},
        {"{\"Node\":\"n\",\"Address\":\"a\",\"Service\":{\"Service\":\"s\",\"Weights\":{"
         "\"Passing\":"
         "0,\"Warning\":0}}}",
         NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct test_memory t = {NULL};
        struct decode_memory m = test_memory(&t);
        struct define_register *d = test_alloc(&t, sizeof *d);
        struct define_error e = {.status = 0};
        struct reg_node n;
        struct reg_service s;
        struct reg_check c;
        assert_int_equal(
            decode_body(&m, slice_str(rows[i].body), &define_register_body, d, &e.text), 0);
        int rc = define_catalog_node(d, &n, &e);
        if (rc == 0 && d->service != NULL) {
            rc = define_catalog_service(&m, d->service, d->node, &s, &e);
        }
        if (rc == 0 && d->check != NULL) {
            rc = define_catalog_check(&m, d->check, d->node, &c, &e);
        }
        assert_int_equal(rc, rows[i].text == NULL ? 0 : E_INVAL);
        if (rows[i].text != NULL) {
            assert_int_equal(e.status, 500);
            assert_string_equal(e.text.text, rows[i].text);
        }
        test_memory_fini(&t);
    }
}

static void a_catalog_checks_definition_is_kept_as_consul_shows_it(void **state)
{
    (void)state;
    static const struct {
        const char *definition;
        const char *kept;
        const char *type;
    } rows[] = {
        {"{\"TCP\":\"localhost:8888\",\"Interval\":\"5s\",\"Timeout\":\"1s\","
         "\"DeregisterCriticalServiceAfter\":\"30s\",\"Unknown\":1}",
         "{\"Interval\":\"5s\",\"Timeout\":\"1s\",\"DeregisterCriticalServiceAfter\":\"30s\","
         "\"TCP\":\"localhost:8888\"}",
         "tcp"},
        {"{\"HTTP\":\"http://x/"
         "\",\"Header\":{\"A\":[\"b\",\"c\"],\"B\":[\"d\"]},\"Method\":\"GET\","
         "\"TLSSkipVerify\":true,\"Interval\":5000000000}",
         "{\"Interval\":\"5s\",\"HTTP\":\"http://x/\",\"TLSSkipVerify\":true,\"Header\":{\"A\":"
         "[\"b\",\"c\"],\"B\":[\"d\"]},\"Method\":\"GET\"}",
         "http"},
        {"{}", "", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct test_memory t = {NULL};
        struct decode_memory m = test_memory(&t);
        struct define_register *d = test_alloc(&t, sizeof *d);
        struct define_error e;
        struct reg_check c;
        char body[1024];
        (void)snprintf(body, sizeof body, "{\"Check\":{\"Name\":\"c\",\"Definition\":%s}}",
                       rows[i].definition);
        assert_int_equal(decode_body(&m, slice_str(body), &define_register_body, d, &e.text), 0);
        assert_int_equal(define_catalog_check(&m, d->check, SLICE_LIT("n"), &c, &e), 0);
        assert_true(slice_is(c.check_id, "c"));
        assert_true(slice_is(c.definition, rows[i].kept));
        assert_true(slice_is(c.type, rows[i].type));
        test_memory_fini(&t);
    }
}

static void mesh_fields_read_back_as_from_consul(void **state)
{
    (void)state;
    struct registered r = {.checks = NULL};
    assert_int_equal(
        define_service(&r,
                       "{\"Name\":\"p\",\"Kind\":\"connect-proxy\",\"Port\":1,\"Proxy\":{"
                       "\"DestinationServiceName\":\"web\"},\"Connect\":{\"Native\":true,"
                       "\"SidecarService\":{}}}"),
        0);
    assert_true(slice_is(r.service.kind, "connect-proxy"));
    assert_true(slice_is(r.service.proxy,
                         "{\"DestinationServiceName\":\"web\",\"Mode\":\"\","
                         "\"MeshGateway\":{},\"Expose\":{}}"));
    assert_true(slice_is(r.service.connect, "{\"Native\":true}"));
    test_memory_fini(&r.memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(services_are_refused_with_consuls_texts),
        cmocka_unit_test(meta_has_at_most_64_pairs),
        cmocka_unit_test(what_is_left_out_gets_consuls_defaults),
        cmocka_unit_test(several_checks_are_numbered_and_the_later_of_one_id_wins),
        cmocka_unit_test(an_empty_check_object_is_no_check),
        cmocka_unit_test(an_ip_address_is_also_the_typed_lan_and_wan_address),
        cmocka_unit_test(of_several_kinds_of_check_one_is_chosen),
        cmocka_unit_test(script_checks_are_refused_until_they_are_built),
        cmocka_unit_test(checks_are_refused_with_consuls_texts),
        cmocka_unit_test(catalog_registrations_are_refused_with_consuls_texts),
        cmocka_unit_test(a_catalog_checks_definition_is_kept_as_consul_shows_it),
        cmocka_unit_test(mesh_fields_read_back_as_from_consul),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
