/* operator raft, operator autopilot: the cluster from the operator's side; join and reload. */
#include <stdlib.h>
#include <string.h>

#include "cli/answer.h"
#include "cli/command.h"
#include "cli/table.h"

#define AUTOPILOT_PATH "/v1/operator/autopilot/configuration"

static int no_arguments(const struct cli_call *call)
{
    return call->n_args == 0 ? 0
                             : cli_error("Too many arguments (expected 0, got %d)", call->n_args);
}

static int print(const char *text)
{
    struct buf out = BUF_INIT;
    buf_add_str(&out, text);
    int rc = cli_print(&out);
    buf_fini(&out);
    return rc;
}

/* ---- operator raft list-peers ---- */

/* How far @index is behind the leader's; "-" for the leader itself. */
static void add_trail(struct table *t, long long index, long long leader_index, bool leader)
{
    struct buf b = BUF_INIT;
    long long behind = leader_index - index;
    if (leader) {
        buf_add_str(&b, "-");
    } else {
        buf_printf(&b, "%lld commit%s", behind, behind == 1 ? "" : "s");
    }
    table_add(t, buf_slice(&b));
    buf_fini(&b);
}

static void add_peer(struct table *t, const json_t *server, long long leader_index)
{
    struct buf b = BUF_INIT;
    bool leader = json_is_true(json_object_get(server, "Leader"));
    long long index = answer_int(server, "LastIndex");
    table_add_str(t, answer_str(server, "Node"));
    table_add_str(t, answer_str(server, "ID"));
    table_add_str(t, answer_str(server, "Address"));
    table_add_str(t, leader ? "leader" : "follower");
    table_add_str(t, json_is_true(json_object_get(server, "Voter")) ? "true" : "false");
    table_add_str(t, answer_str(server, "ProtocolVersion"));
    buf_printf(&b, "%lld", index);
    table_add(t, buf_slice(&b));
    buf_fini(&b);
    add_trail(t, index, leader_index, leader);
}

static int list_peers_run(struct cli_call *call)
{
    static const char *const columns[] = {
        "Node",  "ID",           "Address",      "State",
        "Voter", "RaftProtocol", "Commit Index", "Trails Leader By"};
    enum { COLUMNS = sizeof columns / sizeof columns[0] };
    struct errmsg e;
    json_t *root = NULL;
    if (no_arguments(call) != 0) {
        return 1;
    }
    if (answer_get(&call->client, "/v1/operator/raft/configuration", &root, &e) != 0) {
        return cli_error("Error getting peers: Failed to retrieve raft configuration: %s", e.text);
    }
    const json_t *servers = json_object_get(root, "Servers");
    const json_t *server;
    size_t i;
    long long leader_index = 0;
    struct table t;
    struct buf out = BUF_INIT;
    table_init(&t, COLUMNS, 2);
    for (i = 0; i < COLUMNS; i++) {
        table_add_str(&t, columns[i]);
    }
    json_array_foreach(servers, i, server)
    {
        bool leader = json_is_true(json_object_get(server, "Leader"));
        leader_index = leader ? answer_int(server, "LastIndex") : leader_index;
    }
    json_array_foreach(servers, i, server)
    {
        add_peer(&t, server, leader_index);
    }
    table_print(&t, &out);
    int status = cli_print(&out);
    buf_fini(&out);
    table_fini(&t);
    json_decref(root);
    return status;
}

const struct cli_command cli_operator_raft_list_peers = {
    .name = "operator raft list-peers",
    .args = "[options]",
    .synopsis = "Display the current Raft peer configuration",
    .help = "Lists the servers of the cluster and how far each has got.",
    .http = true,
    .query = true,
    .run = list_peers_run,
};

/* ---- operator autopilot get-config ---- */

static const struct {
    const char *key;
    enum { SETTING_BOOL, SETTING_NUMBER, SETTING_TEXT, SETTING_WORD } kind;
} settings[] = {
    {"CleanupDeadServers", SETTING_BOOL},      {"LastContactThreshold", SETTING_WORD},
    {"MaxTrailingLogs", SETTING_NUMBER},       {"MinQuorum", SETTING_NUMBER},
    {"ServerStabilizationTime", SETTING_WORD}, {"RedundancyZoneTag", SETTING_TEXT},
    {"DisableUpgradeMigration", SETTING_BOOL}, {"UpgradeVersionTag", SETTING_TEXT},
};
enum { SETTINGS = sizeof settings / sizeof settings[0] };

static int get_config_run(struct cli_call *call)
{
    struct errmsg e;
    struct buf out = BUF_INIT;
    json_t *root = NULL;
    if (no_arguments(call) != 0) {
        return 1;
    }
    if (answer_get(&call->client, AUTOPILOT_PATH, &root, &e) != 0) {
        return cli_error("Error querying Autopilot configuration: %s", e.text);
    }
    for (size_t i = 0; i < SETTINGS; i++) {
        const char *key = settings[i].key;
        buf_printf(&out, "%s = ", key);
        switch (settings[i].kind) {
            case SETTING_BOOL:
                buf_add_str(&out, json_is_true(json_object_get(root, key)) ? "true" : "false");
                break;
            case SETTING_NUMBER:
                buf_printf(&out, "%lld", answer_int(root, key));
                break;
            case SETTING_WORD:
                buf_add_str(&out, answer_str(root, key));
                break;
            case SETTING_TEXT:
                buf_printf(&out, "\"%s\"", answer_str(root, key));
                break;
        }
        buf_add_char(&out, '\n');
    }
    int status = cli_print(&out);
    buf_fini(&out);
    json_decref(root);
    return status;
}

const struct cli_command cli_operator_autopilot_get_config = {
    .name = "operator autopilot get-config",
    .args = "[options]",
    .synopsis = "Display the current Autopilot configuration",
    .help = "Prints the settings of Autopilot, which the servers share.",
    .http = true,
    .query = true,
    .run = get_config_run,
};

/* ---- operator autopilot set-config ---- */

struct set_values {
    const char *given[SETTINGS]; /* in the order of the settings; NULL: leave it */
};

#define SET_FLAG(name, i, value, help)                                                            \
    {                                                                                             \
        name, FLAG_STRING, offsetof(struct set_values, given) + (i) * sizeof(char *), value, help \
    }
static const struct flag set_config_flags[] = {
    SET_FLAG("cleanup-dead-servers", 0, "true|false", "Remove servers that have failed."),
    SET_FLAG("last-contact-threshold",
             1,
             "duration",
             "How long a healthy server may be without contact to the leader."),
    SET_FLAG("max-trailing-logs", 2, "number", "How far a healthy server's log may be behind."),
    SET_FLAG("min-quorum", 3, "number", "Servers below which none is removed."),
    SET_FLAG("server-stabilization-time",
             4,
             "duration",
             "How long a new server must be healthy before it may vote."),
    SET_FLAG("redundancy-zone-tag", 5, "key", "Node metadata that names the zone."),
    SET_FLAG("disable-upgrade-migration", 6, "true|false", "Do not wait for servers to upgrade."),
    SET_FLAG("upgrade-version-tag", 7, "key", "Node metadata that names the version."),
    {NULL, FLAG_BOOL, 0, NULL, NULL},
};

/* The JSON value that @text stands for; NULL when it is none. */
static json_t *value_of(size_t setting, const char *text)
{
    char *end;
    switch (settings[setting].kind) {
        case SETTING_BOOL:
            return strcmp(text, "true") == 0    ? json_true()
                   : strcmp(text, "false") == 0 ? json_false()
                                                : NULL;
        case SETTING_NUMBER: {
            unsigned long long n = strtoull(text, &end, 10);
            bool good = *text >= '0' && *text <= '9' && *end == '\0' && n <= UINT32_MAX;
            return good ? json_integer((json_int_t)n) : NULL;
        }
        case SETTING_TEXT:
        case SETTING_WORD:
            break;
    }
    return json_string(text);
}

/* Write @root back, if nobody has changed it meanwhile. Returns the exit status. */
static int put_config(const struct cli_call *call, const json_t *root)
{
    struct errmsg e;
    struct buf path = BUF_INIT;
    struct http_answer a;
    char *body = json_dumps(root, JSON_COMPACT);
    buf_printf(&path, AUTOPILOT_PATH "?cas=%lld", answer_int(root, "ModifyIndex"));
    buf_add_char(&path, '\0');
    int rc = body == NULL || !buf_ok(&path)
                 ? err_set(&e, E_NOMEM, "%s", err_text(E_NOMEM))
                 : http_call_ok(&call->client, "PUT", path.p, slice_str(body), &a, &e);
    free(body);
    buf_fini(&path);
    if (rc != 0) {
        return cli_error("Error setting Autopilot configuration: %s", e.text);
    }
    bool written = a.body.len >= 4 && memcmp(a.body.p, "true", 4) == 0;
    buf_fini(&a.body);
    return written ? print("Configuration updated!\n")
                   : cli_error("Configuration could not be atomically updated, please try again");
}

static int set_config_run(struct cli_call *call)
{
    const struct set_values *v = call->values;
    struct errmsg e;
    json_t *root = NULL;
    if (no_arguments(call) != 0) {
        return 1;
    }
    if (answer_get(&call->client, AUTOPILOT_PATH, &root, &e) != 0) {
        return cli_error("Error querying Autopilot configuration: %s", e.text);
    }
    for (size_t i = 0; i < SETTINGS; i++) {
        json_t *value = v->given[i] == NULL ? NULL : value_of(i, v->given[i]);
        if (v->given[i] != NULL && json_object_set_new(root, settings[i].key, value) != 0) {
            json_decref(root);
            return cli_error("Invalid value '%s' for flag -%s", v->given[i],
                             set_config_flags[i].name);
        }
    }
    int status = put_config(call, root);
    json_decref(root);
    return status;
}

const struct cli_command cli_operator_autopilot_set_config = {
    .name = "operator autopilot set-config",
    .args = "[options]",
    .synopsis = "Modify the current Autopilot configuration",
    .help = "Changes the settings that are given and keeps the others.",
    .flags = set_config_flags,
    .values_size = sizeof(struct set_values),
    .http = true,
    .run = set_config_run,
};

/* ---- operator autopilot state ---- */

struct state_values {
    const char *format;
};

static const struct flag state_flags[] = {
    {"format", FLAG_STRING, offsetof(struct state_values, format), "pretty|json",
     "How to print it."},
    {NULL, FLAG_BOOL, 0, NULL, NULL},
};

static const char *bool_text(const json_t *o, const char *key)
{
    return json_is_true(json_object_get(o, key)) ? "true" : "false";
}

static void add_server(struct buf *out, const char *id, const json_t *s)
{
    buf_printf(out, "   %s\n", id);
    buf_printf(out, "      Name:            %s\n", answer_str(s, "Name"));
    buf_printf(out, "      Address:         %s\n", answer_str(s, "Address"));
    buf_printf(out, "      Version:         %s\n", answer_str(s, "Version"));
    buf_printf(out, "      Status:          %s\n", answer_str(s, "Status"));
    buf_printf(out, "      Node Type:       %s\n", answer_str(s, "NodeType"));
    buf_printf(out, "      Node Status:     %s\n", answer_str(s, "NodeStatus"));
    buf_printf(out, "      Healthy:         %s\n", bool_text(s, "Healthy"));
    buf_printf(out, "      Last Contact:    %s\n", answer_str(s, "LastContact"));
    buf_printf(out, "      Last Term:       %lld\n", answer_int(s, "LastTerm"));
    buf_printf(out, "      Last Index:      %lld\n", answer_int(s, "LastIndex"));
}

static void add_state(struct buf *out, const json_t *root)
{
    const json_t *servers = json_object_get(root, "Servers");
    const json_t *voter;
    size_t i;
    size_t n;
    buf_printf(out, "Healthy:                      %s\n", bool_text(root, "Healthy"));
    buf_printf(out, "Failure Tolerance:            %lld\n", answer_int(root, "FailureTolerance"));
    buf_printf(out, "Optimistic Failure Tolerance: %lld\n",
               answer_int(root, "OptimisticFailureTolerance"));
    buf_printf(out, "Leader:                       %s\nVoters:\n", answer_str(root, "Leader"));
    json_array_foreach(json_object_get(root, "Voters"), i, voter)
    {
        buf_printf(out, "   %s\n", json_is_string(voter) ? json_string_value(voter) : "");
    }
    const char **ids = answer_sorted(servers, &n);
    buf_add_str(out, "Servers:\n");
    for (i = 0; i < n; i++) {
        add_server(out, ids[i], json_object_get(servers, ids[i]));
    }
    free(ids);
}

static int state_run(struct cli_call *call)
{
    const struct state_values *v = call->values;
    const char *format = v->format == NULL ? "pretty" : v->format;
    struct errmsg e;
    struct buf out = BUF_INIT;
    json_t *root = NULL;
    bool json = strcmp(format, "json") == 0;
    if (no_arguments(call) != 0) {
        return 1;
    }
    if (!json && strcmp(format, "pretty") != 0) {
        return cli_error("Unknown format: %s (use pretty or json)", format);
    }
    if (answer_get(&call->client, "/v1/operator/autopilot/state", &root, &e) != 0) {
        return cli_error("Error retrieving Autopilot state: %s", e.text);
    }
    if (json) {
        char *text = json_dumps(root, JSON_INDENT(4));
        buf_printf(&out, "%s\n", text == NULL ? "null" : text);
        free(text);
    } else {
        add_state(&out, root);
    }
    int status = cli_print(&out);
    buf_fini(&out);
    json_decref(root);
    return status;
}

const struct cli_command cli_operator_autopilot_state = {
    .name = "operator autopilot state",
    .args = "[options]",
    .synopsis = "Display the current Autopilot state",
    .help = "Prints which servers there are, which of them vote, and how they are.",
    .flags = state_flags,
    .values_size = sizeof(struct state_values),
    .http = true,
    .query = true,
    .run = state_run,
};

/* ---- join, reload ---- */

struct join_values {
    bool wan;
};

static const struct flag join_flags[] = {
    {"wan", FLAG_BOOL, offsetof(struct join_values, wan), NULL,
     "Join the servers of another datacenter."},
    {NULL, FLAG_BOOL, 0, NULL, NULL},
};

static int join_run(struct cli_call *call)
{
    const struct join_values *v = call->values;
    int joined = 0;
    if (call->n_args == 0) {
        return cli_error("At least one address to join must be specified.");
    }
    for (int i = 0; i < call->n_args; i++) {
        struct errmsg e;
        struct http_answer a;
        struct buf path = BUF_INIT;
        buf_add_str(&path, "/v1/agent/join/");
        http_escape_path(&path, slice_str(call->args[i]));
        buf_add_str(&path, v->wan ? "?wan=1" : "");
        buf_add_char(&path, '\0');
        int rc = !buf_ok(&path) ? err_set(&e, E_NOMEM, "%s", err_text(E_NOMEM))
                                : http_call_ok(&call->client, "PUT", path.p, slice_str(""), &a, &e);
        buf_fini(&path);
        if (rc != 0) {
            (void)cli_error("Error joining address '%s': %s", call->args[i], e.text);
            continue;
        }
        buf_fini(&a.body);
        joined++;
    }
    if (joined == 0) {
        return cli_error("Failed to join any nodes.");
    }
    struct buf out = BUF_INIT;
    buf_printf(&out, "Successfully joined cluster by contacting %d nodes.\n", joined);
    int status = cli_print(&out);
    buf_fini(&out);
    return status == 0 && joined == call->n_args ? 0 : 1;
}

const struct cli_command cli_join = {
    .name = "join",
    .args = "[options] ADDRESS...",
    .synopsis = "Tell the agent to join a cluster",
    .help =
        "Tells the agent to join the servers at these addresses. For now a server is a cluster "
        "of its own: only its own address succeeds.",
    .flags = join_flags,
    .values_size = sizeof(struct join_values),
    .http = true,
    .run = join_run,
};

static int reload_run(struct cli_call *call)
{
    struct http_answer a;
    struct errmsg e;
    if (no_arguments(call) != 0) {
        return 1;
    }
    if (http_call_ok(&call->client, "PUT", "/v1/agent/reload", slice_str(""), &a, &e) != 0) {
        return cli_error("Error reloading: %s", e.text);
    }
    buf_fini(&a.body);
    return print("Configuration reload triggered\n");
}

const struct cli_command cli_reload = {
    .name = "reload",
    .args = "[options]",
    .synopsis = "Triggers the agent to reload configuration files",
    .help = "Makes the agent read its configuration again, as the signal HUP does.",
    .http = true,
    .run = reload_run,
};
