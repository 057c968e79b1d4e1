/* Catalog registrations: taken as they are but for what would break an index; nobody probes them,
 * so the Definition of a check is only kept as text, in the order and spelling in which Consul
 * shows it. */
#include <stdio.h>

#include "api/define_parts.h"
#include "api/json.h"

int define_catalog_service(const struct decode_memory *m,
                           const struct define_service *d,
                           struct slice node,
                           struct reg_service *s,
                           struct define_error *e)
{
    if (d->name.len == 0) {
        return define_refuse(e, 500, "Must provide service name with ID");
    }
    if (define_address_is_any(d->address)) {
        return define_refuse(e, 500, "Invalid service address");
    }
    define_service_fill(m, d, s);
    char prefix[256];
    (void)snprintf(prefix, sizeof prefix,
                   "failed inserting service: Invalid Service Meta for node %.*s and serviceID "
                   "%.*s: ",
                   node.len > 64 ? 64 : (int)node.len, node.p, s->id.len > 64 ? 64 : (int)s->id.len,
                   s->id.p);
    s->origin = REG_ORIGIN_CATALOG;
    return define_meta_check(d->meta, 500, prefix, e);
}

static void add_duration(struct json *j, const char *key, int64_t ns)
{
    if (ns != 0) {
        json_key(j, key);
        json_duration(j, ns);
    }
}

static void add_str(struct json *j, const char *key, struct slice s)
{
    if (s.len > 0) {
        json_key(j, key);
        json_str(j, s);
    }
}

static void add_bool(struct json *j, const char *key, bool v)
{
    if (v) {
        json_key(j, key);
        json_bool(j, v);
    }
}

static void add_strs(struct json *j, const char *key, struct reg_list l)
{
    if (reg_list_count(l) == 0) {
        return;
    }
    json_key(j, key);
    json_arr(j);
    struct rd it = reg_list_iter(l);
    struct slice s;
    while (reg_list_next(&it, &s)) {
        json_str(j, s);
    }
    json_arr_end(j);
}

/* Headers are stored flat and shown grouped by name. */
static void add_headers(struct json *j, const char *key, struct reg_list l)
{
    if (reg_list_count(l) == 0) {
        return;
    }
    json_key(j, key);
    json_obj(j);
    struct rd it = reg_list_iter(l);
    struct slice name;
    struct slice value;
    struct slice open = {NULL, 0};
    while (reg_list_next(&it, &name) && reg_list_next(&it, &value)) {
        if (open.p == NULL || !slice_eq(open, name)) {
            if (open.p != NULL) {
                json_arr_end(j);
            }
            json_key_slice(j, name);
            json_arr(j);
            open = name;
        }
        json_str(j, value);
    }
    json_arr_end(j);
    json_obj_end(j);
}

/* The Definition as Consul marshals it: every field only where it is set. */
static struct slice probe_text(const struct decode_memory *m, const struct define_catalog_probe *d)
{
    struct buf b = BUF_INIT;
    struct json j = json_to(&b);
    json_obj(&j);
    add_duration(&j, "Interval", d->interval_ns);
    add_duration(&j, "Timeout", d->timeout_ns);
    add_duration(&j, "DeregisterCriticalServiceAfter", d->deregister_after_ns);
    add_str(&j, "HTTP", d->http);
    add_str(&j, "TLSServerName", d->tls_server_name);
    add_bool(&j, "TLSSkipVerify", d->tls_skip_verify);
    add_headers(&j, "Header", d->header);
    add_str(&j, "Method", d->method);
    add_str(&j, "Body", d->body);
    add_bool(&j, "DisableRedirects", d->disable_redirects);
    add_str(&j, "TCP", d->tcp);
    add_bool(&j, "TCPUseTLS", d->tcp_use_tls);
    add_str(&j, "UDP", d->udp);
    add_str(&j, "H2PING", d->h2ping);
    add_bool(&j, "H2PingUseTLS", d->h2ping_use_tls > 0);
    add_str(&j, "OSService", d->os_service);
    if (d->output_max != 0) {
        json_key(&j, "OutputMaxSize");
        json_i64(&j, d->output_max);
    }
    add_strs(&j, "ScriptArgs", d->args);
    add_str(&j, "DockerContainerID", d->docker_id);
    add_str(&j, "Shell", d->shell);
    add_str(&j, "GRPC", d->grpc);
    add_bool(&j, "GRPCUseTLS", d->grpc_use_tls > 0);
    add_str(&j, "AliasNode", d->alias_node);
    add_str(&j, "AliasService", d->alias_service);
    add_str(&j, "SessionName", d->session_name);
    if (d->ttl_ns != 0) {
        json_key(&j, "TTL");
        json_i64(&j, d->ttl_ns);
    }
    json_obj_end(&j);
    return define_keep(m, &b);
}

/* The Type that follows from a Definition; Interval counts where a probe needs one. */
static const char *probe_type(const struct define_catalog_probe *d)
{
    bool every = d->interval_ns > 0;
    bool script = reg_list_count(d->args) > 0;
    const struct {
        bool yes;
        const char *type;
    } types[] = {
        {d->grpc.len > 0 && every, "grpc"},
        {d->http.len > 0 && every, "http"},
        {d->ttl_ns > 0, "ttl"},
        {d->tcp.len > 0 && every, "tcp"},
        {d->udp.len > 0 && every, "udp"},
        {d->alias_node.len > 0 || d->alias_service.len > 0, "alias"},
        {script && every && d->docker_id.len > 0, "docker"},
        {script && every, "script"},
        {d->h2ping.len > 0 && every, "h2ping"},
        {d->os_service.len > 0 && every, "os_service"},
        {d->session_name.len > 0, "session"},
    };
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (types[i].yes) {
            return types[i].type;
        }
    }
    return "";
}

int define_catalog_check(const struct decode_memory *m,
                         const struct define_catalog_check *d,
                         struct slice node,
                         struct reg_check *c,
                         struct define_error *e)
{
    if (d->node.len > 0 && !slice_ieq(d->node, node)) {
        return define_refuse(e, 500, "check node \"%.*s\" does not match node \"%.*s\"",
                             d->node.len > 128 ? 128 : (int)d->node.len, d->node.p,
                             node.len > 128 ? 128 : (int)node.len, node.p);
    }
    struct slice id = d->check_id.len > 0 ? d->check_id : d->name;
    if (id.len == 0) {
        return define_refuse(
            e, 500,
            "failed inserting check: failed health check lookup: index error: object is "
            "missing a value for this index on node \"%.*s\"",
            node.len > 128 ? 128 : (int)node.len, node.p);
    }
    *c = (struct reg_check){
        .check_id = id,
        .name = d->name,
        .status = d->status.len > 0 ? d->status : SLICE_LIT("critical"),
        .notes = d->notes,
        .output = d->output,
        .service_id = d->service_id,
        .service_name = d->service_name,
        .service_tags = d->service_tags,
        .type = d->type,
        .interval = d->interval,
        .timeout = d->timeout,
        .exposed_port = d->exposed_port,
        .origin = REG_ORIGIN_CATALOG,
    };
    if (d->definition != NULL) {
        c->definition = probe_text(m, d->definition);
        if (c->type.len == 0) {
            c->type = slice_str(probe_type(d->definition));
        }
    }
    if (slice_is(c->definition, "{}")) {
        c->definition = slice_of(NULL, 0);
    }
    return 0;
}

int define_catalog_node(const struct define_register *d, struct reg_node *n, struct define_error *e)
{
    if (d->node.len == 0) {
        return define_refuse(e, 500, "Must provide node");
    }
    if (d->address.len == 0 && !d->skip_node_update) {
        return define_refuse(e, 500, "Must provide address if SkipNodeUpdate is not set");
    }
    if (d->id.len > 0 && d->id.len != 36) {
        return define_refuse(e, 500, "Bad node ID: uuid string is wrong length");
    }
    for (size_t i = 0; i < d->id.len; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        char c = slice_lower(d->id.p[i]);
        if (dash ? c != '-' : !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
            return define_refuse(
                e, 500, "Bad node ID: %s",
                dash ? "uuid is improperly formatted" : "invalid byte in uuid string");
        }
    }
    *n = (struct reg_node){
        .id = d->id,
        .name = d->node,
        .address = d->address,
        .tagged = d->tagged,
        .meta = d->meta,
        .locality = d->locality,
    };
    return 0;
}
