/* The operator's routes, as far as they are true for one server: it is the configuration, the
 * leader and the only voter. Gossip encryption does not exist here, so a keyring is always empty.
 */
#include <stdio.h>
#include <time.h>

#include "api/handlers.h"
#include "api/json.h"
#include "registry/autopilot.h"

static void str(struct json *j, const char *key, const char *value)
{
    json_key(j, key);
    json_cstr(j, value);
}

static void boolean(struct json *j, const char *key, bool value)
{
    json_key(j, key);
    json_bool(j, value);
}

static void number(struct json *j, const char *key, uint64_t value)
{
    json_key(j, key);
    json_u64(j, value);
}

static void duration(struct json *j, const char *key, int64_t ns)
{
    json_key(j, key);
    json_duration(j, ns);
}

/* "ip:port" of this server, NUL-terminated. */
static const char *own_address(struct api_req *r)
{
    struct buf *b = api_buf(r);
    bool v6 = define_address_family(slice_str(r->server->address)) == 6;
    buf_printf(b, v6 ? "[%s]:%u" : "%s:%u", r->server->address, (unsigned)r->server->server_port);
    buf_add_char(b, '\0');
    return buf_ok(b) ? b->p : r->server->address;
}

static struct api_raft raft_of(struct api_req *r)
{
    struct api_raft raft = {.leader = false};
    r->server->raft(r->server->arg, &raft);
    return raft;
}

/* ---- raft ---- */

void operator_raft_configuration(struct api_req *r)
{
    struct api_raft raft = raft_of(r);
    struct json j = json_to(api_buf(r));
    json_obj(&j);
    json_key(&j, "Servers");
    json_arr(&j);
    json_obj(&j);
    str(&j, "ID", r->server->node_id);
    str(&j, "Node", r->server->node);
    str(&j, "Address", own_address(r));
    boolean(&j, "Leader", raft.leader);
    str(&j, "ProtocolVersion", "3");
    boolean(&j, "Voter", true);
    number(&j, "LastIndex", raft.last_index);
    json_obj_end(&j);
    json_arr_end(&j);
    number(&j, "Index", 0); /* as Consul: it does not fill it in */
    json_obj_end(&j);
    api_reply_json(r, buf_slice(j.b));
}

void operator_raft_peer_delete(struct api_req *r)
{
    struct slice id = {NULL, 0};
    struct slice address = {NULL, 0};
    bool by_id = api_param(r, "id", &id) && id.len > 0;
    bool by_address = api_param(r, "address", &address) && address.len > 0;
    struct slice what = by_id ? id : address;
    if (!by_id && !by_address) {
        api_reply_error(r, 400,
                        "Must specify either ?id with the server's ID or ?address with IP:port of "
                        "peer to remove");
    } else if (by_id && by_address) {
        api_reply_error(r, 400, "Must specify only one of ?id or ?address");
    } else if (slice_is(what, by_id ? r->server->node_id : own_address(r))) {
        api_reply_error(r, 500, "need at least one voter in configuration");
    } else {
        api_reply_error(r, 500, "%s \"%.*s\" was not found in the Raft configuration",
                        by_id ? "id" : "address", (int)what.len, what.p);
    }
}

/* ---- autopilot: the configuration ---- */

#define FIELD(name, kind, member) DECODE_FIELD(name, kind, struct reg_autopilot, member)
static const struct decode_field autopilot_fields[] = {
    FIELD("CleanupDeadServers", BOOL, cleanup_dead_servers),
    FIELD("LastContactThreshold", DURATION, last_contact_threshold_ns),
    FIELD("MaxTrailingLogs", U64, max_trailing_logs),
    FIELD("MinQuorum", U64, min_quorum),
    FIELD("ServerStabilizationTime", DURATION, server_stabilization_ns),
    FIELD("RedundancyZoneTag", TEXT, redundancy_zone_tag),
    FIELD("DisableUpgradeMigration", BOOL, disable_upgrade_migration),
    FIELD("UpgradeVersionTag", TEXT, upgrade_version_tag),
};
static const struct decode_object autopilot_object = {
    .go_name = "AutopilotConfiguration",
    .size = sizeof(struct reg_autopilot),
    .fields = autopilot_fields,
    .n_fields = sizeof autopilot_fields / sizeof autopilot_fields[0],
    .tolerant = true,
};

void operator_autopilot_get(struct api_req *r)
{
    struct reg_autopilot a;
    struct json j = json_to(api_buf(r));
    reg_read_begin(r->reader);
    reg_autopilot_get(r->reader, &a);
    json_obj(&j);
    boolean(&j, "CleanupDeadServers", a.cleanup_dead_servers);
    duration(&j, "LastContactThreshold", a.last_contact_threshold_ns);
    number(&j, "MaxTrailingLogs", a.max_trailing_logs);
    number(&j, "MinQuorum", a.min_quorum);
    duration(&j, "ServerStabilizationTime", a.server_stabilization_ns);
    json_key(&j, "RedundancyZoneTag");
    json_str(&j, a.redundancy_zone_tag);
    boolean(&j, "DisableUpgradeMigration", a.disable_upgrade_migration);
    json_key(&j, "UpgradeVersionTag");
    json_str(&j, a.upgrade_version_tag);
    number(&j, "CreateIndex", a.create_index);
    number(&j, "ModifyIndex", a.modify_index);
    json_obj_end(&j);
    reg_read_end(r->reader);
    api_reply_json(r, buf_slice(j.b));
}

static void on_written(struct api_req *r, int status, const struct reg_result *result)
{
    if (status != 0 || result->status != 0) {
        api_reply_proposal_error(r, status, result);
    } else {
        api_reply_json(r, result->ok ? SLICE_LIT("true") : SLICE_LIT("false"));
    }
}

/* Go's strconv.ParseUint. */
static bool parse_index(struct slice s, uint64_t *index)
{
    *index = 0;
    for (size_t i = 0; i < s.len; i++) {
        unsigned digit = (unsigned)(unsigned char)s.p[i] - '0';
        if (digit > 9 || __builtin_mul_overflow(*index, 10u, index) ||
            __builtin_add_overflow(*index, digit, index)) {
            return false;
        }
    }
    return s.len > 0;
}

void operator_autopilot_put(struct api_req *r)
{
    struct reg_autopilot a = {.cleanup_dead_servers = false};
    struct decode_memory m = handler_memory(r);
    struct slice text = {NULL, 0};
    struct errmsg e;
    uint64_t index = 0;
    if (decode_body(&m, r->body, &autopilot_object, &a, &e) != 0) {
        api_reply_error(r, 400, "Error parsing autopilot config: %s", e.text);
        return;
    }
    bool cas = api_param(r, "cas", &text);
    if (cas && !parse_index(text, &index)) {
        api_reply_error(
            r, 400, "Error parsing cas value: strconv.ParseUint: parsing \"%.*s\": invalid syntax",
            text.len > 128 ? 128 : (int)text.len, text.len == 0 ? "" : text.p);
        return;
    }
    struct buf *cmd = api_buf(r);
    reg_command_autopilot(cmd, &a, cas, index);
    api_propose(r, cmd, on_written);
}

/* ---- autopilot: health and state ---- */

static void stable_since(struct json *j, int64_t wall_ns)
{
    time_t s = (time_t)(wall_ns / 1000000000);
    struct tm tm;
    char text[40] = "";
    if (gmtime_r(&s, &tm) != NULL) {
        (void)strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    }
    str(j, "StableSince", text);
}

/* What both routes say of the server; @status: the name under which its gossip state goes. */
static void server_fields(struct json *j,
                          struct api_req *r,
                          const struct api_raft *raft,
                          const char *status)
{
    json_obj(j);
    str(j, "ID", r->server->node_id);
    str(j, "Name", r->server->node);
    str(j, "Address", own_address(r));
    str(j, status, "alive");
    str(j, "Version", r->server->version);
    str(j, "LastContact", "0s"); /* this server asks itself */
    number(j, "LastTerm", raft->term);
    number(j, "LastIndex", raft->last_index);
    boolean(j, "Healthy", raft->leader);
    stable_since(j, raft->stable_since_ns);
}

void operator_autopilot_health(struct api_req *r)
{
    struct api_raft raft = raft_of(r);
    struct json j = json_to(api_buf(r));
    json_obj(&j);
    boolean(&j, "Healthy", raft.leader);
    number(&j, "FailureTolerance", 0);
    json_key(&j, "Servers");
    json_arr(&j);
    server_fields(&j, r, &raft, "SerfStatus");
    boolean(&j, "Leader", raft.leader);
    boolean(&j, "Voter", true);
    json_obj_end(&j);
    json_arr_end(&j);
    json_obj_end(&j);
    if (raft.leader) {
        api_reply_json(r, buf_slice(j.b));
    } else {
        api_reply(r, 429, "application/json", buf_slice(j.b));
    }
}

void operator_autopilot_state(struct api_req *r)
{
    struct api_raft raft = raft_of(r);
    struct json j = json_to(api_buf(r));
    json_obj(&j);
    boolean(&j, "Healthy", raft.leader);
    number(&j, "FailureTolerance", 0);
    number(&j, "OptimisticFailureTolerance", 0);
    json_key(&j, "Servers");
    json_obj(&j);
    json_key_slice(&j, slice_str(r->server->node_id));
    server_fields(&j, r, &raft, "NodeStatus");
    boolean(&j, "ReadReplica", false);
    str(&j, "Status", raft.leader ? "leader" : "voter");
    json_key(&j, "Meta");
    json_raw(&j, SLICE_LIT("{}"));
    str(&j, "NodeType", "voter");
    json_obj_end(&j);
    json_obj_end(&j);
    str(&j, "Leader", raft.leader ? r->server->node_id : "");
    json_key(&j, "Voters");
    json_arr(&j);
    json_cstr(&j, r->server->node_id);
    json_arr_end(&j);
    json_obj_end(&j);
    api_reply_json(r, buf_slice(j.b));
}

/* ---- keyring ---- */

struct keyring_body {
    struct slice key;
};
static const struct decode_field keyring_fields[] = {
    DECODE_FIELD("Key", TEXT, struct keyring_body, key)};
static const struct decode_object keyring_object = {
    .go_name = "keyringArgs",
    .size = sizeof(struct keyring_body),
    .fields = keyring_fields,
    .n_fields = 1,
};

/* ?relay-factor= is a number from 0 to 5. False: the request was answered. */
static bool relay_good(struct api_req *r)
{
    struct slice s = {NULL, 0};
    uint64_t n = 0;
    if (!api_param(r, "relay-factor", &s) || s.len == 0) {
        return true;
    }
    if (!parse_index(s, &n)) {
        api_reply_error(r, 400,
                        "Error parsing relay factor: strconv.Atoi: parsing \"%.*s\": "
                        "invalid syntax",
                        s.len > 128 ? 128 : (int)s.len, s.p);
        return false;
    }
    if (n > 5) {
        api_reply_error(r, 400, "Invalid relay-factor: Relay factor must be in range: [0, 5]");
        return false;
    }
    return true;
}

static void refuse_keyring(struct api_req *r, const char *why)
{
    const struct api_server *s = r->server;
    api_reply_error(r, 500,
                    "4 errors occurred:\n\t* WAN error: 1/1 nodes reported failure\n\t* %s.%s: %s "
                    "(encryption not enabled)\n\t* %s (LAN) error: 1/1 nodes reported failure\n"
                    "\t* %s: %s (encryption not enabled)\n\n",
                    s->node, s->datacenter, why, s->datacenter, s->node, why);
}

void operator_keyring_get(struct api_req *r)
{
    if (relay_good(r)) {
        refuse_keyring(r, "Keyring is empty");
    }
}

void operator_keyring_change(struct api_req *r)
{
    struct keyring_body *body = api_alloc(r, sizeof *body);
    if (handler_decode(r, &keyring_object, body) && relay_good(r)) {
        refuse_keyring(r, "No keyring to modify");
    }
}
