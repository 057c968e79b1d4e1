/* Sections and keys are Consul's, so that scripts find them; "rollcall" holds our own. */
#include "cli/stats.h"

#include <inttypes.h>
#include <raft.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cli/version.h"
#include "registry/query.h"

/* Where the pairs go, with room for one number. */
struct sink {
    void (*each)(void *to, const char *section, const char *key, const char *value);
    void *to;
};

static void number(const struct sink *s, const char *section, const char *key, uint64_t v)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%" PRIu64, v); /* 20 digits at most */
    s->each(s->to, section, key, text);
}

static void text(const struct sink *s, const char *section, const char *key, const char *v)
{
    s->each(s->to, section, key, v);
}

void stats_leadership(void *arg, bool *known, char address[128], uint64_t *last_contact_ms)
{
    const struct stats *s = arg;
    struct repl_info info;
    repl_info(s->repl, &info);
    *known = info.leader_address[0] != '\0';
    memcpy(address, info.leader_address, sizeof info.leader_address);
    *last_contact_ms = info.last_contact_ms;
}

void stats_raft(void *arg, struct api_raft *out)
{
    const struct stats *s = arg;
    struct repl_info info;
    repl_info(s->repl, &info);
    *out = (struct api_raft){
        .leader = info.leader,
        .term = info.term,
        .last_index = info.last_index,
        .stable_since_ns = s->stable_since_ns,
    };
}

/* Services and checks that were registered with this agent. */
static void add_agent(const struct sink *out, const struct stats *s)
{
    struct reg_reader *rd;
    struct reg_iter it;
    struct reg_service service;
    struct reg_check check;
    struct slice node = slice_str(s->config->node_name);
    uint64_t services = 0;
    uint64_t checks = 0;
    uint64_t ttls = 0;
    if (reg_reader_open(s->store, NULL, NULL, &rd) != 0) {
        return; /* too many readers at this moment: leave the section out */
    }
    reg_read_begin(rd);
    reg_node_services(rd, &it, node);
    while (reg_node_services_next(&it, &service)) {
        services += reg_origin_is_agent(service.origin);
    }
    reg_iter_end(&it);
    reg_node_checks(rd, &it, node);
    while (reg_checks_next(&it, &check)) {
        checks += reg_origin_is_agent(check.origin);
        ttls += reg_origin_is_agent(check.origin) && check.probe.kind == REG_PROBE_TTL;
    }
    reg_iter_end(&it);
    reg_read_end(rd);
    reg_reader_close(rd);
    number(out, "agent", "check_monitors", 0);
    number(out, "agent", "check_ttls", ttls);
    number(out, "agent", "checks", checks);
    number(out, "agent", "services", services);
}

static void add_build(const struct sink *out, const struct repl_info *info)
{
    text(out, "build", "prerelease", "");
    text(out, "build", "revision", ROLLCALL_REVISION);
    text(out, "build", "version", CONSUL_VERSION);
    text(out, "build", "version_metadata", "");
    text(out, "consul", "acl", "disabled");
    text(out, "consul", "bootstrap", "true");
    text(out, "consul", "known_datacenters", "1");
    text(out, "consul", "leader", info->leader ? "true" : "false");
    text(out, "consul", "leader_addr", info->leader_address);
    text(out, "consul", "server", "true");
}

static const char *state_name(int state)
{
    return state == RAFT_LEADER      ? "Leader"
           : state == RAFT_CANDIDATE ? "Candidate"
           : state == RAFT_FOLLOWER  ? "Follower"
                                     : "Shutdown";
}

static void add_raft(const struct sink *out, const struct repl_info *info)
{
    uint64_t pending =
        info->commit_index > info->applied_index ? info->commit_index - info->applied_index : 0;
    char contact[32] = "0";
    if (!info->leader && info->leader_address[0] != '\0') {
        (void)snprintf(contact, sizeof contact, "%" PRIu64 "ms", info->last_contact_ms);
    } else if (!info->leader) {
        memcpy(contact, "never", sizeof "never");
    }
    number(out, "raft", "applied_index", info->applied_index);
    number(out, "raft", "commit_index", info->commit_index);
    number(out, "raft", "fsm_pending", pending);
    text(out, "raft", "last_contact", contact);
    number(out, "raft", "last_log_index", info->last_index);
    number(out, "raft", "last_log_term", info->term);
    number(out, "raft", "last_snapshot_index", info->snapshot_index);
    number(out, "raft", "num_peers", info->peers == 0 ? 0 : info->peers - 1);
    number(out, "raft", "protocol_version", 3);
    number(out, "raft", "protocol_version_max", 3);
    number(out, "raft", "protocol_version_min", 0);
    text(out, "raft", "state", state_name(info->state));
    number(out, "raft", "term", info->term);
}

static void add_runtime(const struct sink *out)
{
    struct utsname u;
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    const char *arch = uname(&u) != 0 ? "unknown" : u.machine;
    arch = strcmp(arch, "x86_64") == 0 ? "amd64" : strcmp(arch, "aarch64") == 0 ? "arm64" : arch;
    text(out, "runtime", "arch", arch);
    number(out, "runtime", "cpu_count", cpus < 1 ? 1 : (uint64_t)cpus);
    number(out, "runtime", "max_procs", cpus < 1 ? 1 : (uint64_t)cpus);
    text(out, "runtime", "os", "linux");
    text(out, "runtime", "version", "C11");
}

/* There is no gossip yet: each pool is this server alone. */
static void add_serf(const struct sink *out, const char *section)
{
    text(out, section, "encrypted", "false");
    number(out, section, "event_queue", 0);
    number(out, section, "event_time", 1);
    number(out, section, "failed", 0);
    number(out, section, "health_score", 0);
    number(out, section, "intent_queue", 0);
    number(out, section, "left", 0);
    number(out, section, "member_time", 1);
    number(out, section, "members", 1);
    number(out, section, "query_queue", 0);
    number(out, section, "query_time", 1);
}

void stats_each(void *arg,
                void (*each)(void *to, const char *section, const char *key, const char *value),
                void *to)
{
    const struct stats *s = arg;
    const struct sink out = {each, to};
    struct repl_info info;
    repl_info(s->repl, &info);
    add_agent(&out, s);
    add_build(&out, &info);
    add_raft(&out, &info);
    text(&out, "rollcall", "version", ROLLCALL_VERSION);
    number(&out, "rollcall", "log_commands", info.commands);
    number(&out, "rollcall", "log_entries", info.entries);
    number(&out, "rollcall", "log_syncs", info.syncs);
    number(&out, "rollcall", "registry_index", reg_published_index(s->store));
    add_runtime(&out);
    add_serf(&out, "serf_lan");
    add_serf(&out, "serf_wan");
}
