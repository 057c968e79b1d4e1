/* cli/config: what is accepted, what is refused, and in which words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/config.h"
#include "cli/config_keys.h"

/* Load @text into a fresh server configuration and finish it. */
static int load(struct config *c, const char *text, struct errmsg *e)
{
    static const char base[] =
        "{\"node_name\": \"n1\", \"server\": true, \"bootstrap\": true, \"data_dir\": \"/d\"}";
    config_init(c, false);
    assert_int_equal(config_load_text(c, base, sizeof base - 1, "base", e), 0);
    int rc = config_load_text(c, text, strlen(text), "f.json", e);
    return rc == 0 ? config_finish(c, e) : rc;
}

static void mistakes_are_named_with_file_and_key(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *error;
    } rows[] = {
        {"{", "f.json: line 1, column 1: string or '}' expected near end of file"},
        {"[]", "f.json: expected an object, got a list"},
        {"{\"nodename\": \"x\"}",
         "f.json: line 1: invalid config key nodename (did you mean node_name?)"},
        {"{\"no_such_thing_at_all\": 1}",
         "f.json: line 1: invalid config key no_such_thing_at_all"},
        {"{\"ports\": {\"htp\": 1}}",
         "f.json: line 1: invalid config key ports.htp (did you mean ports.http?)"},
        {"{\"node_name\": 5}", "f.json: line 1: node_name: expected a string, got a number"},
        {"{\"ports\": {\"http\": \"80\"}}",
         "f.json: line 1: ports.http: expected a whole number, got a string"},
        {"{\"ports\": 1}", "f.json: line 1: ports: expected an object, got a number"},
        {"{\"server\": \"yes\"}", "f.json: line 1: server: expected a boolean, got a string"},
        {"{\"max_query_time\": \"10\"}",
         "f.json: line 1: max_query_time: invalid duration \"10\" (write for example \"10s\")"},
        {"{\"max_query_time\": 10}",
         "f.json: line 1: max_query_time: expected a duration such as \"10s\", got a number"},
        {"{\"node_meta\": {\"a\": 1}}",
         "f.json: line 1: node_meta: expected an object of strings, got a number"},
        {"{\"recursors\": [1]}",
         "f.json: line 1: recursors: expected a list of strings, got a number"},
        {"{\"encrypt_verify_incoming\": 1}",
         "f.json: line 1: encrypt_verify_incoming: expected a boolean, got a number"},
        {"{\"dns_config\": {\"service_ttl\": {\"*\": 5}}}",
         "f.json: line 1: dns_config.service_ttl: expected a duration such as \"10s\", got a "
         "number"},
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

static void values_that_cannot_work_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *error;
    } rows[] = {
        {"{\"data_dir\": \"\"}",
         "data_dir cannot be empty: give -data-dir=<directory>, or -dev to try out"},
        {"{\"datacenter\": \"\"}", "datacenter cannot be empty"},
        {"{\"datacenter\": \"a.b\"}",
         "datacenter can only contain lowercase alphanumeric, - or _ characters."},
        {"{\"node_id\": \"x\"}", "node_id: \"x\" is not a UUID"},
        {"{\"log_level\": \"loud\"}",
         "Invalid log level: loud. Valid log levels are: [TRACE DEBUG INFO WARN ERR]"},
        {"{\"ports\": {\"http\": 70000}}",
         "ports.http: invalid port: 70000 (use 1 to 65535, or -1 for none)"},
        {"{\"ports\": {\"dns\": 8500}}", "ports.dns: port 8500 is already used for ports.http"},
        {"{\"ports\": {\"server\": -1}}", "ports.server: a server needs this port"},
        {"{\"alt_domain\": \"CONSUL\"}", "alt_domain cannot be the same as domain"},
        {"{\"performance\": {\"raft_multiplier\": 11}}",
         "performance.raft_multiplier cannot be 11. Must be between 1 and 10"},
        {"{\"check_output_max_size\": 0}",
         "check_output_max_size: must be between 1 and 1048576, not 0"},
        {"{\"bootstrap_expect\": 1}",
         "'bootstrap_expect > 0' and 'bootstrap = true' are mutually exclusive"},
        {"{\"bootstrap\": false, \"bootstrap_expect\": 3}",
         "bootstrap_expect = 3: not built yet: only one server (use 1)"},
        {"{\"server\": false, \"bootstrap\": false}",
         "client mode is not built yet: start with -server -bootstrap-expect=1, or with -dev"},
        {"{\"retry_join\": [\"10.0.0.2\"]}",
         "retry_join: joining other servers is not built yet: only one server (remove "
         "\"10.0.0.2\")"},
        {"{\"acl\": {\"enabled\": true}}",
         "acl.enabled: ACLs are not available yet; remove it to run without access control"},
        {"{\"http_config\": {\"allow_write_http_from\": [\"10.0.0.1\"]}}",
         "http_config.allow_write_http_from: \"10.0.0.1\" is no network (write for example "
         "\"10.0.0.0/8\")"},
        {"{\"http_config\": {\"response_headers\": {\"a b\": \"c\"}}}",
         "http_config.response_headers: \"a b\" is no valid header"},
        {"{\"http_config\": {\"response_headers\": {\"X-A\": \"c\\r\\nX-B: d\"}}}",
         "http_config.response_headers: \"X-A\" is no valid header"},
        {"{\"http_config\": {\"response_headers\": {\"content-length\": \"5\"}}}",
         "http_config.response_headers: content-length cannot be set"},
        {"{\"node_meta\": {\"a b\": \"c\"}}",
         "node_meta invalid: Couldn't load metadata pair ('a b', 'c'): Key contains invalid "
         "characters"},
        {"{\"node_meta\": {\"consul-x\": \"c\"}}",
         "node_meta invalid: Couldn't load metadata pair ('consul-x', 'c'): Key prefix 'consul-' "
         "is reserved for internal use"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct config c;
        struct errmsg e = {""};
        int rc = load(&c, rows[i].text, &e);
        if (rc == 0 || strcmp(e.text, rows[i].error) != 0) {
            fail_msg("%s: got %d, \"%s\"", rows[i].text, rc, e.text);
        }
        config_fini(&c);
    }
}

static void consul_files_are_accepted_as_they_are(void **state)
{
    (void)state;
    /* What Consul's own test harness writes (consul-surface.md 10.2). */
    static const char text[] =
        "{\"node_name\": \"node-a\", \"node_id\": \"6f0bdf20-3c1b-4d2e-9a5e-0d1c2b3a4f5e\","
        " \"performance\": {\"raft_multiplier\": 1}, \"bootstrap\": true, \"server\": true,"
        " \"data_dir\": \"/tmp/x\", \"segments\": null, \"disable_update_check\": true,"
        " \"log_level\": \"debug\", \"bind_addr\": \"127.0.0.1\", \"addresses\": {},"
        " \"ports\": {\"dns\": 1, \"http\": 2, \"https\": 3, \"serf_lan\": 4, \"serf_wan\": 5,"
        " \"server\": 6}, \"acl\": {\"tokens\": {}}, \"services\": [],"
        " \"connect\": {\"enabled\": true, \"ca_config\": {\"cluster_id\": \"x\"}}}";
    struct config c;
    struct errmsg e = {""};
    assert_int_equal(load(&c, text, &e), 0);
    assert_string_equal(c.node_name, "node-a");
    assert_int_equal(c.port_http, 2);
    assert_int_equal(c.raft_multiplier, 1);
    assert_string_equal(c.domain, "consul.");
    assert_int_equal(c.notes.n, 2); /* what it asks for in vain: connect, ports.https */
    assert_string_equal(c.notes.items[0], "connect");
    assert_string_equal(c.notes.items[1], "ports.https");
    config_fini(&c);
}

static void later_sources_win_lists_grow_and_maps_merge(void **state)
{
    (void)state;
    struct config c;
    struct errmsg e = {""};
    static const char one[] =
        "{\"node_name\": \"a\", \"server\": true, \"data_dir\": \"/d\", \"recursors\": [\"1\"],"
        " \"node_meta\": {\"z\": \"1\", \"y\": \"1\"}, \"ports\": {\"http\": 1, \"dns\": 2}}";
    static const char two[] =
        "{\"NODE_NAME\": \"b\", \"recursors\": [\"2\"], \"node_meta\": {\"y\": \"2\"},"
        " \"ports\": [{\"http\": 3}], \"node_id\": null}";
    config_init(&c, false);
    assert_int_equal(config_load_text(&c, one, strlen(one), "1", &e), 0);
    assert_int_equal(config_load_text(&c, two, strlen(two), "2", &e), 0);
    assert_int_equal(config_set_text(&c, "bootstrap_expect", "1", "-bootstrap-expect", &e), 0);
    assert_int_equal(config_set_text(&c, "node_meta", "rack:r:1", "-node-meta", &e), 0);
    assert_int_equal(config_set_text(&c, "ports.dns", "4", "-dns-port", &e), 0);
    assert_int_equal(config_finish(&c, &e), 0);
    assert_string_equal(c.node_name, "b");
    assert_int_equal(c.recursors.n, 2);
    assert_int_equal(c.port_http, 3);
    assert_int_equal(c.port_dns, 4);
    assert_true(c.bootstrap);
    assert_int_equal(c.node_meta.n, 3);
    assert_string_equal(c.node_meta.items[0].key, "rack");
    assert_string_equal(c.node_meta.items[0].value, "r:1");
    assert_string_equal(c.node_meta.items[1].value, "2");
    config_fini(&c);
}

static void flags_with_bad_values_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *key, *text, *error;
    } rows[] = {
        {"ports.http", "80x", "-f: invalid number \"80x\""},
        {"ports.http", "", "-f: invalid number \"\""},
        {"server", "maybe", "-f: invalid boolean value \"maybe\""},
        {"max_query_time", "5",
         "-f: max_query_time: invalid duration \"5\" (write for example \"10s\")"},
        {"node_name", "\xff", "-f: \"\xff\" is not valid UTF-8"},
        {"node_meta", "\xff:x", "-f: \"\xff:x\" is not valid UTF-8"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct config c;
        struct errmsg e = {""};
        config_init(&c, false);
        int rc = config_set_text(&c, rows[i].key, rows[i].text, "-f", &e);
        if (rc != E_INVAL || strcmp(e.text, rows[i].error) != 0) {
            fail_msg("%s=%s: got %d, \"%s\"", rows[i].key, rows[i].text, rc, e.text);
        }
        config_fini(&c);
    }
}

static void the_development_mode_needs_nothing_else(void **state)
{
    (void)state;
    struct config c;
    struct errmsg e = {""};
    config_init(&c, true);
    assert_int_equal(config_finish(&c, &e), 0);
    assert_true(c.server && c.bootstrap);
    assert_null(c.data_dir);
    assert_string_equal(c.bind_addr, "127.0.0.1");
    assert_string_equal(c.log_level, "DEBUG");
    assert_true(strlen(c.node_name) > 0);
    config_fini(&c);
}

static void the_soa_takes_seconds_or_durations(void **state)
{
    (void)state;
    struct config c;
    struct errmsg e = {""};
    assert_int_equal(load(&c,
                          "{\"dns_config\": {\"soa\": {\"refresh\": 1800, \"retry\": \"5m\"},"
                          " \"service_ttl\": {\"web\": \"10s\", \"*\": \"1s\"}}}",
                          &e),
                     0);
    assert_int_equal(c.dns_soa_refresh, 1800);
    assert_int_equal(c.dns_soa_retry, 300);
    assert_int_equal(c.dns_soa_expire, 86400);
    assert_int_equal(c.dns_service_ttl.n, 2);
    config_fini(&c);
}

static void directories_are_read_in_the_order_of_their_names(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text;
    } files[] = {
        {"b.json", "{\"node_name\": \"from-b\"}"},
        {"a.json", "{\"node_name\": \"from-a\", \"domain\": \"a.test\"}"},
        {"note.txt", "not read"},
    };
    char dir[] = "/tmp/rollcall-test-XXXXXX";
    char path[64];
    struct config c;
    struct errmsg e = {""};
    assert_non_null(mkdtemp(dir));
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", dir, files[i].name);
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        assert_true(fputs(files[i].text, f) >= 0);
        assert_int_equal(fclose(f), 0);
    }
    config_init(&c, true);
    assert_int_equal(config_load_path(&c, dir, "", &e), 0);
    assert_string_equal(c.node_name, "from-b");
    assert_string_equal(c.domain, "a.test");
    (void)snprintf(path, sizeof path, "%s/note.txt", dir);
    assert_int_equal(config_load_path(&c, path, "", &e), E_INVAL);
    assert_int_equal(config_load_path(&c, "/no/such/file.json", "", &e), E_NOTFOUND);
    assert_string_equal(e.text, "cannot read /no/such/file.json: No such file or directory");
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", dir, files[i].name);
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(rmdir(dir), 0);
    config_fini(&c);
}

static void hcl_says_the_same_as_json(void **state)
{
    (void)state;
    static const char text[] =
        "node_name = \"n1\"\nports {\n  http = 8600\n}\n"
        "node_meta { rack = \"1\" }\nnode_meta { zone = \"z\" }\n"
        "dns_config { service_ttl { \"*\" = \"5s\" } }\n";
    struct config c;
    struct errmsg e = {""};
    config_init(&c, true);
    assert_int_equal(config_load_hcl(&c, slice_str(text), "f.hcl", &e), 0);
    assert_int_equal(config_load_hcl(&c, SLICE_LIT(" {\"domain\": \"x\"}"), "f.hcl", &e), 0);
    assert_string_equal(c.node_name, "n1");
    assert_string_equal(c.domain, "x");
    assert_int_equal(c.port_http, 8600);
    assert_int_equal(c.node_meta.n, 2);
    assert_int_equal(c.dns_service_ttl.n, 1);
    assert_int_equal(config_load_hcl(&c, SLICE_LIT("ports {\n htp = 1 }"), "f.hcl", &e), E_INVAL);
    assert_string_equal(e.text,
                        "f.hcl: line 2: invalid config key ports.htp (did you mean ports.http?)");
    config_fini(&c);
}

static void every_key_has_one_row_and_a_known_parent(void **state)
{
    (void)state;
    for (size_t i = 0; i < config_keys_count; i++) {
        const struct config_key *k = &config_keys[i];
        char parent[128];
        assert_ptr_equal(config_key_find(k->path), k); /* no second row hides behind it */
        const char *dot = strrchr(k->path, '.');
        if (dot != NULL && strcmp(k->path, "telemetry.disable_compat_1.9") != 0) {
            (void)snprintf(parent, sizeof parent, "%.*s", (int)(dot - k->path), k->path);
            const struct config_key *p = config_key_find(parent);
            if (p == NULL || p->type != CONFIG_OBJECT) {
                fail_msg("%s has no parent", k->path);
            }
        }
        assert_true((k->effect == CONFIG_REFUSED) == (k->text != NULL));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistakes_are_named_with_file_and_key),
        cmocka_unit_test(values_that_cannot_work_are_refused),
        cmocka_unit_test(consul_files_are_accepted_as_they_are),
        cmocka_unit_test(later_sources_win_lists_grow_and_maps_merge),
        cmocka_unit_test(flags_with_bad_values_are_named),
        cmocka_unit_test(the_development_mode_needs_nothing_else),
        cmocka_unit_test(the_soa_takes_seconds_or_durations),
        cmocka_unit_test(directories_are_read_in_the_order_of_their_names),
        cmocka_unit_test(hcl_says_the_same_as_json),
        cmocka_unit_test(every_key_has_one_row_and_a_known_parent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
