/* Order of starting, and backwards of stopping:
 *
 *     ports looked at ── store ── replication ── sockets bound ── probe thread ── own entries ──
 * entries of the files ── serving threads
 *
 * The probe thread comes before the serving threads, which hand TTL updates to it; the own entries
 * come before the first answer, so that no client ever meets a catalog without them. */
#include "cli/daemon.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "cli/definitions_sync.h"
#include "cli/gauges.h"
#include "cli/self.h"
#include "cli/serve.h"
#include "cli/stats.h"
#include "cli/version.h"
#include "healthcheck/hc.h"

/* Bodies other than KV values: far above any registration, far below what could hurt. */
enum { BODY_MAX = 1024 * 1024, LEADER_ADDRESS_SIZE = 80 };

struct daemon {
    const struct config *config;
    const struct daemon_identity *id;
    struct reg *store;
    struct repl *repl;
    struct hc *hc;
    struct serve *serve;
    struct stats stats;
    struct api_server server;
    struct dns_ttl *ttls;
    char raft_address[LEADER_ADDRESS_SIZE];
    void (*leave)(void);
    void (*reload)(void);
};

int daemon_identify(struct daemon_identity *id,
                    const struct config *c,
                    const struct datadir *d,
                    struct errmsg *e)
{
    struct addresses list;
    *id = (struct daemon_identity){.node_id = ""};
    int rc = addresses_expand(&list, "bind_addr", c->bind_addr, e);
    if (rc == 0 && c->advertise_addr != NULL) {
        rc = addresses_expand(&list, "advertise_addr", c->advertise_addr, e);
        if (rc == 0 && address_is_any(list.text[0])) {
            rc = err_set(e, E_INVAL, "Advertise address cannot be 0.0.0.0, :: or [::]");
        }
    }
    if (rc == 0 && address_is_any(list.text[0])) {
        rc = address_private(id->address, e);
    } else if (rc == 0) {
        memcpy(id->address, list.text[0], sizeof id->address);
    }
    if (rc == 0 && c->port_http > 0) {
        bool own = c->addresses_http != NULL;
        rc = addresses_expand(&id->http, own ? "addresses.http" : "client_addr",
                              own ? c->addresses_http : c->client_addr, e);
    }
    if (rc == 0 && c->port_dns > 0) {
        bool own = c->addresses_dns != NULL;
        rc = addresses_expand(&id->dns, own ? "addresses.dns" : "client_addr",
                              own ? c->addresses_dns : c->client_addr, e);
    }
    return rc == 0 ? datadir_node_id(d, c->node_id, id->node_id, e) : rc;
}

/* The Raft id of a node: both halves of its UUID. It is stored in the log, so this may not change.
 */
static uint64_t raft_id(const char *uuid)
{
    uint64_t half[2] = {0, 0};
    unsigned n = 0;
    for (const char *p = uuid; *p != '\0'; p++) {
        if (*p != '-') {
            unsigned digit = (unsigned)(*p <= '9' ? *p - '0' : *p - 'a' + 10);
            half[n / 16] = half[n / 16] << 4 | digit;
            n++;
        }
    }
    assert(n == 32);
    uint64_t id = half[0] ^ half[1];
    return id == 0 ? 1 : id;
}

static void on_leader(void *arg, bool leader)
{
    struct daemon *d = arg;
    d->stats.stable_since_ns = clock_wall_ns();
    if (leader) {
        log_info("agent.server", "cluster leadership acquired: node=%s", d->config->node_name);
    } else {
        log_warn("agent.server", "cluster leadership lost: node=%s", d->config->node_name);
    }
}

static int start_store(struct daemon *d, const struct datadir *dir, struct errmsg *e)
{
    const struct config *c = d->config;
    const struct reg_options store = {.dir = dir->state};
    int rc = reg_open(&d->store, &store, e);
    if (rc != 0) {
        return rc;
    }
    bool v6 = strchr(d->id->address, ':') != NULL;
    (void)snprintf(d->raft_address, sizeof d->raft_address, v6 ? "[%s]:%u" : "%s:%u",
                   d->id->address, (unsigned)c->port_server); /* 45 + 8 characters at most */
    const struct repl_options repl = {
        .dir = dir->raft,
        .store = d->store,
        .id = raft_id(d->id->node_id),
        .address = d->raft_address,
        .bootstrap = true,
        .sync = !c->dev,
        .election_ms = 1000 * (unsigned)c->raft_multiplier,
        .heartbeat_ms = 100 * (unsigned)c->raft_multiplier,
        .snapshot_entries = (uint64_t)c->raft_snapshot_threshold,
        .on_leader = on_leader,
        .on_leader_arg = d,
    };
    return repl_start(&d->repl, &repl, e);
}

/* The server's callbacks share one argument: the figures' struct inside the daemon. */
static void on_leave(void *arg)
{
    const struct daemon *d = container_of(arg, struct daemon, stats);
    d->leave();
}

static void on_reload(void *arg)
{
    const struct daemon *d = container_of(arg, struct daemon, stats);
    d->reload();
}

static void fill_server(struct daemon *d)
{
    const struct config *c = d->config;
    d->stats.config = c;
    d->stats.store = d->store;
    d->stats.repl = d->repl;
    d->server = (struct api_server){
        .node = c->node_name,
        .node_id = d->id->node_id,
        .datacenter = c->datacenter,
        .address = d->id->address,
        .server_port = (uint16_t)c->port_server,
        .serf_lan_port = (uint16_t)(c->port_serf_lan < 0 ? 0 : c->port_serf_lan),
        .serf_wan_port = (uint16_t)(c->port_serf_wan < 0 ? 0 : c->port_serf_wan),
        .dns_port = (uint16_t)(c->port_dns < 0 ? 0 : c->port_dns),
        .http_port = (uint16_t)(c->port_http < 0 ? 0 : c->port_http),
        .version = CONSUL_VERSION,
        .revision = ROLLCALL_REVISION,
        .build_date = ROLLCALL_BUILD_DATE,
        .domain = c->domain,
        .alt_domain = c->alt_domain,
        .pretty_always = c->dev,
        .scripts_local = c->enable_local_script_checks || c->enable_script_checks,
        .scripts_remote = c->enable_script_checks,
        .txn_body_max = (uint64_t)c->txn_body_max,
        .session_ttl_min_ns = c->session_ttl_min_ns,
        .kv_value_max = (uint64_t)c->kv_value_max,
        .body_max = (uint64_t)(c->txn_body_max > BODY_MAX ? c->txn_body_max : BODY_MAX),
        .snapshot_max = (uint64_t)c->snapshot_max,
        .wait_default_ns = c->default_query_time_ns,
        .wait_max_ns = c->max_query_time_ns,
        .output_max = (int32_t)c->check_output_max,
        .access = &c->http_access,
        .store = d->store,
        .proposer = repl_proposer(d->repl),
        .leadership = stats_leadership,
        .stats = stats_each,
        .gauges = gauges_set,
        .raft = stats_raft,
        .leave = on_leave,
        .reload = on_reload,
        .arg = &d->stats,
    };
    gauges_declare(&d->stats);
}

static int fill_ttls(struct daemon *d)
{
    const struct config_ttls *t = &d->config->dns_service_ttl;
    d->ttls = calloc(t->n + 1, sizeof *d->ttls);
    for (size_t i = 0; d->ttls != NULL && i < t->n; i++) {
        int64_t s = t->items[i].ns / 1000000000;
        uint32_t seconds = s < 0 ? 0 : s > INT32_MAX ? INT32_MAX : (uint32_t)s;
        d->ttls[i] = (struct dns_ttl){t->items[i].name, seconds};
    }
    return d->ttls == NULL ? E_NOMEM : 0;
}

static unsigned threads_of(const struct config *c)
{
    const char *env = getenv("ROLLCALL_SERVING_THREADS");
    long n = c->serving_threads > 0 ? (long)c->serving_threads : env != NULL ? atol(env) : 0;
    n = n > 0 ? n : sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : n > 64 ? 64 : (unsigned)n;
}

static struct serve_options serve_options_of(const struct daemon *d)
{
    const struct config *c = d->config;
    return (struct serve_options){
        .threads = threads_of(c),
        .store = d->store,
        .server = &d->server,
        .http = &d->id->http,
        .http_port = (uint16_t)(c->port_http < 0 ? 0 : c->port_http),
        .http_header_max = (unsigned)c->http_header_max,
        .dns = &d->id->dns,
        .dns_options =
            {
                .port = (uint16_t)(c->port_dns < 0 ? 0 : c->port_dns),
                .domain = c->domain,
                .alt_domain = c->alt_domain,
                .datacenter = c->datacenter,
                .node = c->node_name,
                .server_service = "consul",
                .node_ttl = (uint32_t)(c->dns_node_ttl_ns / 1000000000),
                .service_ttl = d->ttls,
                .n_service_ttl = (unsigned)c->dns_service_ttl.n,
                .only_passing = c->dns_only_passing,
                .enable_truncate = c->dns_enable_truncate,
                .udp_answer_limit = (unsigned)c->dns_udp_answer_limit,
                .a_record_limit = (unsigned)c->dns_a_record_limit,
                .disable_compression = c->dns_disable_compression,
                .node_meta_txt = c->dns_node_meta_txt,
                .soa_refresh = (uint32_t)c->dns_soa_refresh,
                .soa_retry = (uint32_t)c->dns_soa_retry,
                .soa_expire = (uint32_t)c->dns_soa_expire,
                .soa_min_ttl = (uint32_t)c->dns_soa_min_ttl,
                .recursors = c->recursors.n > 0,
            },
    };
}

static int start_checks(struct daemon *d, struct errmsg *e)
{
    const struct config *c = d->config;
    const struct hc_options o = {
        .store = d->store,
        .proposer = repl_proposer(d->repl),
        .node = c->node_name,
        .update_interval_ns = c->check_update_interval_ns,
        .output_max = (int32_t)c->check_output_max,
        .deregister_min_ns = c->check_deregister_min_ns,
    };
    int rc = hc_start(&d->hc, &o, e);
    if (rc == 0) {
        d->server.prober = hc_prober(d->hc);
    }
    return rc;
}

int daemon_start(struct daemon **out,
                 const struct config *c,
                 const struct datadir *dir,
                 const struct daemon_identity *id,
                 void (*leave)(void),
                 void (*reload)(void),
                 struct errmsg *e)
{
    struct daemon *d = calloc(1, sizeof *d);
    if (d == NULL) {
        return err_set(e, E_NOMEM, "%s", err_text(E_NOMEM));
    }
    d->config = c;
    d->id = id;
    d->leave = leave;
    d->reload = reload;
    int rc = fill_ttls(d) == 0 ? 0 : err_set(e, E_NOMEM, "%s", err_text(E_NOMEM));
    struct serve_options serve = serve_options_of(d);
    rc = rc == 0 ? serve_probe(&serve, e) : rc; /* before the store: a taken port is told at once */
    rc = rc == 0 ? start_store(d, dir, e) : rc;
    if (rc == 0) {
        fill_server(d);
        serve = serve_options_of(d); /* now with the store */
        rc = serve_open(&d->serve, &serve, e);
    }
    rc = rc == 0 ? start_checks(d, e) : rc;
    if (rc == 0) {
        const struct self self = {c, id->node_id, id->address};
        rc = self_register(&self, d->store, repl_proposer(d->repl), e);
        rc = rc == 0 ? definitions_sync(c, c->node_name, d->store, repl_proposer(d->repl), e) : rc;
    }
    rc = rc == 0 ? serve_start(d->serve, e) : rc;
    if (rc != 0) {
        daemon_stop(d);
        return rc;
    }
    *out = d;
    return 0;
}

int daemon_reload(struct daemon *d, const struct config *fresh, struct errmsg *e)
{
    struct config c =
        *d->config; /* a view: whatever else is new in the files waits for a restart */
    c.node_meta = fresh->node_meta;
    c.definitions = fresh->definitions;
    const struct self self = {&c, d->id->node_id, d->id->address};
    struct reg_proposer *proposer = repl_proposer(d->repl);
    int rc = self_register(&self, d->store, proposer, e);
    return rc == 0 ? definitions_sync(&c, c.node_name, d->store, proposer, e) : rc;
}

void daemon_stop(struct daemon *d)
{
    if (d == NULL) {
        return;
    }
    serve_stop(d->serve);
    if (d->hc != NULL) {
        hc_stop(d->hc);
    }
    if (d->repl != NULL) {
        repl_stop(d->repl);
    }
    if (d->store != NULL) {
        reg_close(d->store, true);
    }
    free(d->ttls);
    free(d);
}
