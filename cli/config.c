/* Defaults, memory, and the checks that need more than one key. Loading is in config_load.c.
 *
 * Memory comes in blocks that are freed together; a list that grows leaves its shorter copy behind,
 * which is little, since configurations are small (CONFIG_ITEMS_MAX). */
#include "cli/config.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/rand.h"
#include "cli/config_load.h"
#include "cli/http_access.h"
#include "registry/command.h"

#define SECOND INT64_C(1000000000)

struct config_block {
    struct config_block *next;
    max_align_t data[];
};

void *config_alloc(struct config *c, size_t n)
{
    struct config_block *b = calloc(1, sizeof *b + n);
    if (b == NULL) {
        log_fatal("agent", "Out of memory while reading the configuration");
    }
    b->next = c->blocks;
    c->blocks = b;
    return b->data;
}

const char *config_strdup(struct config *c, const char *s)
{
    size_t n = strlen(s) + 1;
    return memcpy(config_alloc(c, n), s, n);
}

void *config_grown(struct config *c, void *items, size_t n, size_t size)
{
    if ((n & (n - 1)) != 0) {
        return items;
    }
    void *more = config_alloc(c, (n == 0 ? 4 : 2 * n) * size);
    return n == 0 ? more : memcpy(more, items, n * size);
}

int config_list_add(struct config *c, struct config_list *l, const char *value)
{
    if (l->n >= CONFIG_ITEMS_MAX) {
        return E_TOOBIG;
    }
    l->items = config_grown(c, l->items, l->n, sizeof l->items[0]);
    l->items[l->n++] = config_strdup(c, value);
    return 0;
}

int config_map_set(struct config *c, struct config_map *m, const char *key, const char *value)
{
    for (size_t i = 0; i < m->n; i++) {
        if (strcmp(m->items[i].key, key) == 0) {
            m->items[i].value = config_strdup(c, value);
            return 0;
        }
    }
    if (m->n >= CONFIG_ITEMS_MAX) {
        return E_TOOBIG;
    }
    m->items = config_grown(c, m->items, m->n, sizeof m->items[0]);
    m->items[m->n++] = (struct config_pair){config_strdup(c, key), config_strdup(c, value)};
    return 0;
}

int config_ttl_set(struct config *c, struct config_ttls *t, const char *name, int64_t ns)
{
    for (size_t i = 0; i < t->n; i++) {
        if (strcmp(t->items[i].name, name) == 0) {
            t->items[i].ns = ns;
            return 0;
        }
    }
    if (t->n >= CONFIG_ITEMS_MAX) {
        return E_TOOBIG;
    }
    t->items = config_grown(c, t->items, t->n, sizeof t->items[0]);
    t->items[t->n++] = (struct config_ttl){config_strdup(c, name), ns};
    return 0;
}

void config_init(struct config *c, bool dev)
{
    *c = (struct config){
        .dev = dev,
        .server = dev,
        .bootstrap = dev,
        .datacenter = "dc1",
        .domain = "consul.",
        .bind_addr = dev ? "127.0.0.1" : "0.0.0.0",
        .client_addr = "127.0.0.1",
        .port_http = 8500,
        .port_dns = 8600,
        .port_server = 8300,
        .port_serf_lan = 8301,
        .port_serf_wan = 8302,
        .port_https = -1,
        .port_grpc = -1,
        .port_grpc_tls = -1,
        .log_level = dev ? "DEBUG" : "INFO",
        .default_query_time_ns = 300 * SECOND,
        .max_query_time_ns = 600 * SECOND,
        .kv_value_max = 512 * 1024,
        .txn_body_max = 512 * 1024,
        .snapshot_max = 512 * 1024 * 1024,
        .http_header_max = 1024 * 1024,
        .session_ttl_min_ns = 10 * SECOND,
        .check_update_interval_ns = 300 * SECOND,
        .check_output_max = 4096,
        .check_deregister_min_ns = 60 * SECOND,
        .dns_udp_answer_limit = 3,
        .dns_node_meta_txt = true,
        .dns_soa_refresh = 3600,
        .dns_soa_retry = 600,
        .dns_soa_expire = 86400,
    };
}

void config_fini(struct config *c)
{
    while (c->blocks != NULL) {
        struct config_block *b = c->blocks;
        c->blocks = b->next;
        free(b);
    }
}

int config_log_level(const struct config *c, enum log_level *out, struct errmsg *e)
{
    if (log_level_parse(slice_str(c->log_level), out) != 0) {
        return err_set(e, E_INVAL,
                       "Invalid log level: %s. Valid log levels are: [TRACE DEBUG INFO WARN ERR]",
                       c->log_level);
    }
    return 0;
}

static int finish_names(struct config *c, struct errmsg *e)
{
    if (c->node_name == NULL || c->node_name[0] == '\0') {
        char host[256];
        if (gethostname(host, sizeof host) != 0) {
            return err_set(e, E_IO, "node_name: cannot read the host name; set node_name");
        }
        host[sizeof host - 1] = '\0';
        c->node_name = config_strdup(c, host);
    }
    size_t n = strlen(c->node_name);
    if (n == 0 || n > 128) {
        return err_set(e, E_INVAL,
                       "node_name: %zu characters; the length must be between 1 and 128", n);
    }
    char *dc = strdup(c->datacenter);
    if (dc == NULL) {
        return err_set(e, E_NOMEM, "datacenter: %s", err_text(E_NOMEM));
    }
    for (char *p = dc; *p != '\0'; p++) {
        *p = slice_lower(*p);
    }
    c->datacenter = config_strdup(c, dc);
    free(dc);
    if (c->datacenter[0] == '\0') {
        return err_set(e, E_INVAL, "datacenter cannot be empty");
    }
    if (strspn(c->datacenter, "abcdefghijklmnopqrstuvwxyz0123456789_-") != strlen(c->datacenter)) {
        return err_set(e, E_INVAL,
                       "datacenter can only contain lowercase alphanumeric, - or _ characters.");
    }
    if (c->node_id != NULL && c->node_id[0] == '\0') {
        c->node_id = NULL;
    }
    if (c->node_id != NULL && !uuid_valid(slice_str(c->node_id))) {
        return err_set(e, E_INVAL, "node_id: \"%s\" is not a UUID", c->node_id);
    }
    return 0;
}

/* With exactly one dot at its end, so that equal names are equal strings. */
static const char *fqdn(struct config *c, const char *name)
{
    size_t n = strlen(name);
    while (n > 0 && name[n - 1] == '.') {
        n--;
    }
    char *out = config_alloc(c, n + 2);
    memcpy(out, name, n);
    out[n] = '.';
    return out;
}

static int finish_domains(struct config *c, struct errmsg *e)
{
    c->domain = fqdn(c, c->domain);
    if (c->alt_domain == NULL || c->alt_domain[0] == '\0') {
        c->alt_domain = NULL;
        return 0;
    }
    c->alt_domain = fqdn(c, c->alt_domain);
    if (strcasecmp(c->domain, c->alt_domain) == 0) {
        return err_set(e, E_INVAL, "alt_domain cannot be the same as domain");
    }
    return 0;
}

static int by_key(const void *a, const void *b)
{
    const struct config_pair *x = a;
    const struct config_pair *y = b;
    return strcmp(x->key, y->key);
}

/* Consul's rules for metadata of nodes and services (consul-surface.md 2.9). */
static const char *bad_pair(const struct config_pair *m)
{
    if (m->key[0] == '\0') {
        return "Key cannot be blank";
    }
    for (const char *p = m->key; *p != '\0'; p++) {
        if (!isalnum((unsigned char)*p) && *p != '-' && *p != '_') {
            return "Key contains invalid characters";
        }
    }
    if (strlen(m->key) > 128) {
        return "Key is too long (limit: 128 characters)";
    }
    if (strncmp(m->key, "consul-", 7) == 0) {
        return "Key prefix 'consul-' is reserved for internal use";
    }
    return strlen(m->value) > 512 ? "Value is too long (limit: 512 characters)" : NULL;
}

static int finish_meta(struct config *c, struct errmsg *e)
{
    if (c->node_meta.n > 64) {
        return err_set(e, E_INVAL,
                       "node_meta invalid: Node metadata cannot contain more than 64 key/value "
                       "pairs");
    }
    for (size_t i = 0; i < c->node_meta.n; i++) {
        const struct config_pair *m = &c->node_meta.items[i];
        const char *why = bad_pair(m);
        if (why != NULL) {
            return err_set(e, E_INVAL,
                           "node_meta invalid: Couldn't load metadata pair ('%s', '%s'): %s",
                           m->key, m->value, why);
        }
    }
    if (c->node_meta.n > 0) {
        qsort(c->node_meta.items, c->node_meta.n, sizeof c->node_meta.items[0], by_key);
    }
    if (c->tagged_addresses.n > 0) {
        qsort(c->tagged_addresses.items, c->tagged_addresses.n, sizeof c->tagged_addresses.items[0],
              by_key);
    }
    return 0;
}

/* Which parts of a cluster can be had: for now one server that elects itself. */
static int finish_cluster(struct config *c, struct errmsg *e)
{
    if (c->bootstrap_expect < 0) {
        return err_set(e, E_INVAL,
                       "bootstrap_expect cannot be %lld. Must be greater than or equal to zero",
                       (long long)c->bootstrap_expect);
    }
    if (c->bootstrap && !c->server) {
        return err_set(e, E_INVAL, "'bootstrap = true' requires 'server = true'");
    }
    if (c->bootstrap_expect > 0 && !c->server) {
        return err_set(e, E_INVAL, "'bootstrap_expect > 0' requires 'server = true'");
    }
    if (!c->server) {
        return err_set(e, E_UNSUPPORTED,
                       "client mode is not built yet: start with -server -bootstrap-expect=1, or "
                       "with -dev");
    }
    if (c->bootstrap_expect > 0 && c->bootstrap && !c->dev) {
        return err_set(e, E_INVAL,
                       "'bootstrap_expect > 0' and 'bootstrap = true' are mutually exclusive");
    }
    if (c->bootstrap_expect > 1) {
        return err_set(e, E_UNSUPPORTED,
                       "bootstrap_expect = %lld: not built yet: only one server (use 1)",
                       (long long)c->bootstrap_expect);
    }
    if (!c->bootstrap && c->bootstrap_expect == 0) {
        return err_set(e, E_UNSUPPORTED,
                       "a server that joins others is not built yet: only one server (set "
                       "bootstrap_expect to 1)");
    }
    c->bootstrap = true;
    const struct config_list *join = c->retry_join.n > 0 ? &c->retry_join : &c->start_join;
    if (join->n > 0) {
        return err_set(
            e, E_UNSUPPORTED,
            "%s: joining other servers is not built yet: only one server (remove \"%s\")",
            join == &c->retry_join ? "retry_join" : "start_join", join->items[0]);
    }
    return 0;
}

static int finish_ports(struct config *c, struct errmsg *e)
{
    const struct {
        const char *name;
        int64_t *port;
    } rows[] = {
        {"ports.http", &c->port_http},         {"ports.dns", &c->port_dns},
        {"ports.server", &c->port_server},     {"ports.serf_lan", &c->port_serf_lan},
        {"ports.serf_wan", &c->port_serf_wan}, {"ports.https", &c->port_https},
        {"ports.grpc", &c->port_grpc},         {"ports.grpc_tls", &c->port_grpc_tls},
    };
    enum { ROWS = sizeof rows / sizeof rows[0] };
    for (size_t i = 0; i < ROWS; i++) {
        if (*rows[i].port > 65535) {
            return err_set(e, E_INVAL, "%s: invalid port: %lld (use 1 to 65535, or -1 for none)",
                           rows[i].name, (long long)*rows[i].port);
        }
        *rows[i].port = *rows[i].port <= 0 ? -1 : *rows[i].port;
        for (size_t j = 0; j < i; j++) {
            if (*rows[i].port > 0 && *rows[i].port == *rows[j].port) {
                return err_set(e, E_INVAL, "%s: port %lld is already used for %s", rows[i].name,
                               (long long)*rows[i].port, rows[j].name);
            }
        }
    }
    if (c->port_server < 0) {
        return err_set(e, E_INVAL, "ports.server: a server needs this port");
    }
    return 0;
}

static int finish_limits(const struct config *c, struct errmsg *e)
{
    const struct {
        const char *name;
        int64_t value, min, max;
    } rows[] = {
        {"check_output_max_size", c->check_output_max, 1, 1024 * 1024},
        {"limits.kv_max_value_size", c->kv_value_max, 1, REG_COMMAND_SIZE_MAX - 65536},
        {"limits.txn_max_req_len", c->txn_body_max, 1, REG_COMMAND_SIZE_MAX - 65536},
        {"limits.snapshot_max_size", c->snapshot_max, 1, (int64_t)4 << 30},
        {"http_config.max_header_bytes", c->http_header_max, 1024, 16 * 1024 * 1024},
        {"serving_threads", c->serving_threads, 0, 64},
        {"raft_snapshot_threshold", c->raft_snapshot_threshold, 0, INT32_MAX},
        {"dns_config.udp_answer_limit", c->dns_udp_answer_limit, 1, 65535},
        {"dns_config.a_record_limit", c->dns_a_record_limit, 0, 65535},
        {"dns_config.soa.refresh", c->dns_soa_refresh, 0, INT32_MAX},
        {"dns_config.soa.retry", c->dns_soa_retry, 0, INT32_MAX},
        {"dns_config.soa.expire", c->dns_soa_expire, 0, INT32_MAX},
        {"dns_config.soa.min_ttl", c->dns_soa_min_ttl, 0, INT32_MAX},
        {"dns_config.node_ttl", c->dns_node_ttl_ns, 0, INT32_MAX * SECOND},
        {"default_query_time", c->default_query_time_ns, 1, 24 * 3600 * SECOND},
        {"max_query_time", c->max_query_time_ns, 1, 24 * 3600 * SECOND},
        {"session_ttl_min", c->session_ttl_min_ns, 1, 24 * 3600 * SECOND},
        {"check_update_interval", c->check_update_interval_ns, 0, INT64_MAX / 4},
        {"check_deregister_interval_min", c->check_deregister_min_ns, 1, INT64_MAX / 4},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].value < rows[i].min || rows[i].value > rows[i].max) {
            bool time = strstr(rows[i].name, "time") != NULL || rows[i].max > UINT32_MAX;
            return err_set(e, E_INVAL, "%s: must be between %lld and %lld%s, not %lld",
                           rows[i].name, (long long)rows[i].min, (long long)rows[i].max,
                           time ? " ns" : "", (long long)rows[i].value);
        }
    }
    if (c->raft_multiplier < 0 || c->raft_multiplier > 10) {
        return err_set(e, E_INVAL,
                       "performance.raft_multiplier cannot be %lld. Must be between 1 and 10",
                       (long long)c->raft_multiplier);
    }
    return 0;
}

/* What would leave the agent more open than its owner thinks is refused, never ignored. */
static int finish_safety(const struct config *c, struct errmsg *e)
{
    if (c->acl_enabled) {
        return err_set(e, E_UNSUPPORTED,
                       "acl.enabled: ACLs are not available yet; remove it to run without access "
                       "control");
    }
    return 0;
}

/* Notes for keys that are kept but not acted on. They may not fail the start: past the bound they
 * are left out. */
static void finish_notes(struct config *c)
{
    const struct {
        bool set;
        const char *key;
    } rows[] = {
        {c->port_https > 0, "ports.https"},
        {c->port_grpc > 0, "ports.grpc"},
        {c->port_grpc_tls > 0, "ports.grpc_tls"},
        {c->encrypt != NULL && c->encrypt[0] != '\0', "encrypt"},
        {c->recursors.n > 0, "recursors"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].set) {
            (void)config_list_add(c, &c->notes, rows[i].key);
        }
    }
}

int config_finish(struct config *c, struct errmsg *e)
{
    enum log_level level;
    if (!c->dev && (c->data_dir == NULL || c->data_dir[0] == '\0')) {
        return err_set(e, E_INVAL,
                       "data_dir cannot be empty: give -data-dir=<directory>, or -dev to try out");
    }
    if (c->data_dir != NULL && c->data_dir[0] == '\0') {
        c->data_dir = NULL;
    }
    int rc = config_log_level(c, &level, e);
    rc = rc == 0 ? finish_safety(c, e) : rc;
    rc = rc == 0 ? finish_cluster(c, e) : rc;
    rc = rc == 0 ? finish_names(c, e) : rc;
    rc = rc == 0 ? finish_domains(c, e) : rc;
    rc = rc == 0 ? finish_meta(c, e) : rc;
    rc = rc == 0 ? finish_ports(c, e) : rc;
    rc = rc == 0 ? finish_limits(c, e) : rc;
    rc = rc == 0 ? http_access_finish(c, e) : rc;
    rc = rc == 0 ? definitions_finish(c, e) : rc;
    if (rc == 0) {
        finish_notes(c);
    }
    return rc;
}
