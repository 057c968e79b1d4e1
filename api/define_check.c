/* Checks of agents: a definition may name several ways of checking; exactly one is chosen, by
 * Consul's priority (consul-surface.md 3.1). Bounds such as the least interval are the prober's. */
#include "api/define_parts.h"
#include "api/json.h"

static struct slice duration_text(const struct decode_memory *m, int64_t ns)
{
    struct buf b = BUF_INIT;
    struct json j = json_to(&b);
    json_duration(&j, ns);
    struct slice quoted = define_keep(m, &b);
    return quoted.len < 2 ? quoted : slice_of(quoted.p + 1, quoted.len - 2);
}

static bool is_script(const struct define_check *d)
{
    return reg_list_count(d->args) > 0;
}

static bool is_alias(const struct define_check *d)
{
    return d->alias_node.len > 0 || d->alias_service.len > 0;
}

/* Consul's CheckType.Validate. Returns NULL when @d makes sense. */
const char *define_check_fault(const struct define_check *d)
{
    bool probes = is_script(d) || d->http.len > 0 || d->tcp.len > 0 || d->udp.len > 0 ||
                  d->grpc.len > 0 || d->h2ping.len > 0 || d->os_service.len > 0;
    if (d->interval_ns > 0 && d->ttl_ns > 0) {
        return "Interval and TTL cannot both be specified";
    }
    if (probes && d->interval_ns <= 0) {
        return "Interval must be > 0 for Script, HTTP, H2PING, TCP, UDP or OSService checks";
    }
    if (probes && is_alias(d)) {
        return "Interval cannot be set for Alias checks";
    }
    if (is_alias(d) && d->ttl_ns > 0) {
        return "TTL must be not be set for Alias checks";
    }
    if (!probes && !is_alias(d) && d->ttl_ns <= 0) {
        return "TTL must be > 0 for TTL checks";
    }
    if (d->output_max < 0) {
        return "MaxOutputMaxSize must be positive";
    }
    if (d->failures_before_warning > d->failures_before_critical) {
        return "FailuresBeforeWarning can't be higher than FailuresBeforeCritical";
    }
    return NULL;
}

bool define_status_valid(struct slice status)
{
    return slice_is(status, "passing") || slice_is(status, "warning") ||
           slice_is(status, "critical");
}

int define_check_scripts(const struct define_rules *rules,
                         const struct define_check *d,
                         struct define_error *e)
{
    if (!is_script(d)) {
        return 0;
    }
    return define_refuse(e, 500, "%s",
                         rules->scripts
                             ? "Script checks are not available yet"
                             : "Scripts are disabled on this agent from remote calls; to enable, "
                               "configure 'enable_script_checks' to true");
}

/* The one kind a check has, where several are set (consul-surface.md 3.1), and its target. */
static void choose_kind(const struct define_check *d, struct reg_check *c)
{
    const struct {
        bool yes;
        enum reg_probe_kind kind;
        struct slice target;
        const char *type;
        bool tls;
    } kinds[] = {
        {d->grpc.len > 0, REG_PROBE_GRPC, d->grpc, "grpc", d->grpc_use_tls},
        {d->http.len > 0, REG_PROBE_HTTP, d->http, "http", false},
        {d->ttl_ns > 0, REG_PROBE_TTL, {NULL, 0}, "ttl", false},
        {d->tcp.len > 0, REG_PROBE_TCP, d->tcp, "tcp", d->tcp_use_tls},
        {d->udp.len > 0, REG_PROBE_UDP, d->udp, "udp", false},
        {is_alias(d), REG_PROBE_ALIAS, d->alias_service, "alias", false},
        {is_script(d) && d->docker_id.len > 0, REG_PROBE_DOCKER, {NULL, 0}, "docker", false},
        {is_script(d), REG_PROBE_SCRIPT, {NULL, 0}, "script", false},
        {d->h2ping.len > 0, REG_PROBE_H2PING, d->h2ping, "h2ping", d->h2ping_use_tls >= 0},
        {d->os_service.len > 0, REG_PROBE_OS_SERVICE, d->os_service, "os_service", false},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (kinds[i].yes) {
            c->probe.kind = (uint8_t)kinds[i].kind;
            c->probe.target = kinds[i].target;
            c->probe.use_tls = kinds[i].tls;
            c->type = slice_str(kinds[i].type);
            return;
        }
    }
}

/* All of @c but its id, name and service. */
void define_check_fill(const struct decode_memory *m,
                       const struct define_check *d,
                       struct reg_check *c)
{
    c->status = d->status.len > 0 ? d->status : SLICE_LIT("critical");
    c->notes = d->notes;
    c->interval = duration_text(m, d->interval_ns);
    c->timeout = duration_text(m, d->timeout_ns);
    c->origin = REG_ORIGIN_AGENT;
    c->probe = (struct reg_probe){
        .method = d->method,
        .body = d->body,
        .header = d->header,
        .tls_server_name = d->tls_server_name,
        .args = d->args,
        .alias_node = d->alias_node,
        .shell = d->shell,
        .docker_id = d->docker_id,
        .interval_ns = d->interval_ns,
        .timeout_ns = d->timeout_ns,
        .ttl_ns = d->ttl_ns,
        .deregister_after_ns = d->deregister_after_ns,
        .success_before_passing = d->success_before_passing,
        .failures_before_warning = d->failures_before_warning,
        .failures_before_critical = d->failures_before_critical,
        .output_max = d->output_max,
        .tls_skip_verify = d->tls_skip_verify,
        .disable_redirects = d->disable_redirects,
    };
    choose_kind(d, c);
}

int define_agent_check(const struct decode_memory *m,
                       const struct define_rules *rules,
                       const struct define_check *d,
                       struct reg_check *c,
                       struct define_error *e)
{
    if (d->name.len == 0) {
        return define_refuse(e, 400, "Missing check name");
    }
    if (d->status.len > 0 && !define_status_valid(d->status)) {
        return define_refuse(e, 400, "Bad check status");
    }
    const char *fault = define_check_fault(d);
    if (fault != NULL) {
        return define_refuse(e, 400, "Invalid check: %s", fault);
    }
    if (define_check_scripts(rules, d, e) != 0) {
        return E_INVAL;
    }
    *c = (struct reg_check){0};
    define_check_fill(m, d, c);
    c->check_id = d->id.len > 0 ? d->id : d->name;
    c->name = d->name;
    c->service_id = d->service_id;
    return 0;
}
