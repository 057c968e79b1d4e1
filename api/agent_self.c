/* What this server says about itself. `DebugConfig` holds the settings that clients are known to
 * read (clients.md 2c); sections of `Stats` come from whoever wired the server, "agent" from the
 * store. */
#include <stdio.h>

#include "api/handlers.h"
#include "api/json.h"

static void str(struct json *j, const char *key, const char *value)
{
    json_key(j, key);
    json_cstr(j, value);
}

/* A DNS domain without its final dot; "" for none. */
static void domain(struct json *j, const char *key, const char *value)
{
    struct slice s = slice_str(value);
    s.len -= s.len > 0 && s.p[s.len - 1] == '.' ? 1 : 0;
    json_key(j, key);
    json_str(j, s);
}

static void number(struct json *j, const char *key, int64_t value)
{
    json_key(j, key);
    json_i64(j, value);
}

static void boolean(struct json *j, const char *key, bool value)
{
    json_key(j, key);
    json_bool(j, value);
}

static void decimal_str(struct json *j, const char *key, uint64_t value)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    str(j, key, text);
}

static void config(struct json *j, const struct api_server *s)
{
    json_key(j, "Config");
    json_obj(j);
    str(j, "Datacenter", s->datacenter);
    str(j, "PrimaryDatacenter", s->datacenter);
    str(j, "NodeName", s->node);
    str(j, "NodeID", s->node_id);
    str(j, "BuildDate", s->build_date);
    str(j, "Revision", s->revision);
    boolean(j, "Server", true);
    str(j, "Version", s->version);
    json_obj_end(j);
}

static void add_endpoint(struct json *j, const char *scheme, const char *address, unsigned port)
{
    char text[192];
    bool v6 = define_address_family(slice_str(address)) == 6;
    (void)snprintf(text, sizeof text, "%s://%s%s%s:%u", scheme, v6 ? "[" : "", address,
                   v6 ? "]" : "", port);
    json_cstr(j, text);
}

static void debug_config(struct json *j, const struct api_server *s)
{
    json_key(j, "DebugConfig");
    json_obj(j);
    boolean(j, "ACLsEnabled", false);
    str(j, "AdvertiseAddrLAN", s->address);
    boolean(j, "Bootstrap", true);
    str(j, "BuildDate", s->build_date);
    number(j, "CheckOutputMaxSize", s->output_max);
    boolean(j, "ConnectEnabled", false);
    json_key(j, "DNSAddrs");
    json_arr(j);
    add_endpoint(j, "tcp", s->address, s->dns_port);
    add_endpoint(j, "udp", s->address, s->dns_port);
    json_arr_end(j);
    domain(j, "DNSAltDomain", s->alt_domain);
    domain(j, "DNSDomain", s->domain);
    number(j, "DNSPort", s->dns_port);
    str(j, "Datacenter", s->datacenter);
    boolean(j, "EnableLocalScriptChecks", s->scripts_local);
    boolean(j, "EnableRemoteScriptChecks", s->scripts_remote);
    number(j, "GRPCPort", -1);
    number(j, "GRPCTLSPort", -1);
    number(j, "HTTPPort", s->http_port);
    json_key(j, "KVMaxValueSize");
    json_u64(j, s->kv_value_max);
    str(j, "NodeID", s->node_id);
    str(j, "NodeName", s->node);
    str(j, "PrimaryDatacenter", s->datacenter);
    str(j, "Revision", s->revision);
    json_key(j, "SerfAdvertiseAddrLAN");
    add_endpoint(j, "tcp", s->address, s->serf_lan_port);
    number(j, "SerfPortLAN", s->serf_lan_port);
    boolean(j, "ServerMode", true);
    number(j, "ServerPort", s->server_port);
    json_key(j, "Telemetry");
    /* Above 0: some ask for Prometheus text only then. */
    json_raw(j, SLICE_LIT("{\"PrometheusOpts\":{\"Expiration\":\"24h0m0s\"}}"));
    str(j, "Version", s->version);
    json_obj_end(j);
}

/* This server as a member of the pool @name belongs to. */
/* This server, as @name in the pool whose port is @port. */
static void member(struct json *j, const struct api_server *s, const char *name, uint16_t port)
{
    char build[160];
    (void)snprintf(build, sizeof build, "%s:%.8s", s->version, s->revision);
    json_obj(j);
    str(j, "Name", name);
    str(j, "Addr", s->address);
    number(j, "Port", port);
    json_key(j, "Tags");
    json_obj(j);
    str(j, "acls", "0");
    str(j, "bootstrap", "1");
    str(j, "build", build);
    str(j, "dc", s->datacenter);
    str(j, "id", s->node_id);
    decimal_str(j, "port", s->server_port);
    str(j, "raft_vsn", "3");
    str(j, "role", "consul");
    str(j, "segment", "");
    str(j, "vsn", "2");
    str(j, "vsn_max", "3");
    str(j, "vsn_min", "2");
    json_obj_end(j);
    number(j, "Status", 1); /* alive */
    number(j, "ProtocolMin", 1);
    number(j, "ProtocolMax", 5);
    number(j, "ProtocolCur", 2);
    number(j, "DelegateMin", 2);
    number(j, "DelegateMax", 5);
    number(j, "DelegateCur", 4);
    json_obj_end(j);
}

/* ---- Stats ---- */

/* The wired sections come pair by pair; a section is written as one object while its pairs follow
 * each other. */
struct stats {
    struct json *j;
    char open[64]; /* the section being written; empty: none */
};

static void stats_pair(void *to, const char *section, const char *key, const char *value)
{
    struct stats *s = to;
    if (strcmp(section, "agent") == 0) {
        return; /* ours */
    }
    if (strcmp(s->open, section) != 0) {
        if (s->open[0] != '\0') {
            json_obj_end(s->j);
        }
        (void)snprintf(s->open, sizeof s->open, "%s", section);
        json_key(s->j, section);
        json_obj(s->j);
    }
    str(s->j, key, value);
}

/* The services and checks of this agent. */
static void agent_counts(struct api_req *r, uint64_t *services, uint64_t *checks)
{
    struct reg_iter it;
    struct reg_service s;
    struct reg_check c;
    *services = 0;
    *checks = 0;
    reg_node_services(r->reader, &it, handler_node(r));
    while (reg_node_services_next(&it, &s)) {
        *services += reg_origin_is_agent(s.origin) ? 1 : 0;
    }
    reg_iter_end(&it);
    reg_node_checks(r->reader, &it, handler_node(r));
    while (reg_checks_next(&it, &c)) {
        *checks += reg_origin_is_agent(c.origin) ? 1 : 0;
    }
    reg_iter_end(&it);
}

static void stats(struct json *j, struct api_req *r)
{
    uint64_t services;
    uint64_t checks;
    agent_counts(r, &services, &checks);
    json_key(j, "Stats");
    json_obj(j);
    json_key(j, "agent");
    json_obj(j);
    decimal_str(j, "checks", checks);
    decimal_str(j, "services", services);
    json_obj_end(j);
    struct stats s = {.j = j, .open = ""};
    if (r->server->stats != NULL) {
        r->server->stats(r->server->arg, stats_pair, &s);
    }
    if (s.open[0] != '\0') {
        json_obj_end(j);
    }
    json_obj_end(j);
}

static void meta(struct json *j, struct api_req *r)
{
    struct reg_node n;
    bool found = reg_node_find(r->reader, handler_node(r), &n);
    struct rd it = reg_list_iter(found ? n.meta : (struct reg_list){{NULL, 0}});
    struct slice key;
    struct slice value;
    json_key(j, "Meta");
    json_obj(j);
    while (reg_list_next(&it, &key) && reg_list_next(&it, &value)) {
        json_key_slice(j, key);
        json_str(j, value);
    }
    json_obj_end(j);
}

void agent_self(struct api_req *r)
{
    struct buf *b = api_buf(r);
    struct json j = json_to(b);
    json_obj(&j);
    config(&j, r->server);
    debug_config(&j, r->server);
    /* The coordinate of a node that has measured no other (Vivaldi's start). */
    json_key(&j, "Coord");
    json_raw(&j, SLICE_LIT("{\"Vec\":[0,0,0,0,0,0,0,0],\"Error\":1.5,\"Adjustment\":0,"
                           "\"Height\":0.00001}"));
    json_key(&j, "Member");
    member(&j, r->server, r->server->node, r->server->serf_lan_port);
    reg_read_begin(r->reader);
    stats(&j, r);
    meta(&j, r);
    reg_read_end(r->reader);
    json_obj_end(&j);
    api_reply_json(r, buf_slice(b));
}

void agent_members(struct api_req *r)
{
    struct buf *b = api_buf(r);
    struct buf *name = api_buf(r);
    struct json j = json_to(b);
    struct slice wan;
    buf_add_str(name, r->server->node);
    uint16_t port = r->server->serf_lan_port;
    if (api_param(r, "wan", &wan) && wan.len > 0) {
        port = r->server->serf_wan_port;
        buf_printf(name, ".%s", r->server->datacenter);
    }
    buf_add_char(name, '\0');
    json_arr(&j);
    member(&j, r->server, buf_ok(name) ? name->p : r->server->node, port);
    json_arr_end(&j);
    api_reply_json(r, buf_slice(b));
}

void agent_version(struct api_req *r)
{
    struct buf *b = api_buf(r);
    struct json j = json_to(b);
    json_obj(&j);
    str(&j, "SHA", r->server->revision);
    str(&j, "BuildDate", r->server->build_date);
    str(&j, "HumanVersion", r->server->version);
    str(&j, "FIPS", "");
    json_obj_end(&j);
    api_reply_json(r, buf_slice(b));
}

void agent_leave(struct api_req *r)
{
    const struct api_server *s = r->server;
    api_reply_empty(r);
    s->leave(s->arg);
}

/* Nobody but this server is a member, and it stays. */
void agent_force_leave(struct api_req *r)
{
    if (slice_ieq(r->tail, handler_node(r))) {
        api_reply_empty(r);
    } else {
        api_reply_error(r, 500, "agent: No node found with name '%.*s'", (int)r->tail.len,
                        r->tail.len == 0 ? "" : r->tail.p);
    }
}
