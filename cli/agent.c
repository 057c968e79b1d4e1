/* The command `agent`: flags to configuration, then the parts in their order, then signals.
 *
 * Signals are blocked before any thread starts and taken by the main thread alone: TERM and INT
 * stop in order, a second one at once; HUP reads the configuration again for what can change while
 * running. */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "cli/command.h"
#include "cli/config.h"
#include "cli/daemon.h"
#include "cli/notify.h"
#include "cli/version.h"

enum { STOP_SECONDS = 20, SAME_ORDER_MS = 500 };

struct agent_values {
    bool dev;
    struct flag_list config; /* files and directories in the order given */
    const char *config_format;
    struct flag_list hcl;
    struct flag_notes notes; /* flags that stand for configuration keys */
};

/* flag, configuration key, kind, name of the value, help. */
#define AGENT_FLAGS(X)                                                                            \
    X("advertise", "advertise_addr", NOTE, "address", "Address that others reach this node at.")  \
    X("advertise-wan", "advertise_addr_wan", NOTE, "address", "The same for other datacenters.")  \
    X("allow-write-http-from", "allow_write_http_from", NOTE, "cidr",                             \
      "Networks from which the HTTP API may be written to.")                                      \
    X("alt-domain", "alt_domain", NOTE, "domain", "Second domain for DNS.")                       \
    X("auto-reload-config", "auto_reload_config", NOTE_BOOL, NULL,                                \
      "Reload the configuration when its files change.")                                          \
    X("bind", "bind_addr", NOTE, "address", "Address for traffic inside the cluster.")            \
    X("bootstrap", "bootstrap", NOTE_BOOL, NULL, "Start a cluster of one server.")                \
    X("bootstrap-expect", "bootstrap_expect", NOTE, "number", "Servers to expect; for now 1.")    \
    X("check_output_max_size", "check_output_max_size", NOTE, "bytes",                            \
      "How much of a check's output is kept.")                                                    \
    X("client", "client_addr", NOTE, "address",                                                   \
      "Address to serve HTTP and DNS on; the default is 127.0.0.1. May be several, separated by " \
      "spaces.")                                                                                  \
    X("data-dir", "data_dir", NOTE, "path", "Directory for the data; made when missing.")         \
    X("datacenter", "datacenter", NOTE, "name", "Datacenter of this agent; dc1 unless given.")    \
    X("default-query-time", "default_query_time", NOTE, "duration",                               \
      "How long a blocking query waits that does not say.")                                       \
    X("disable-host-node-id", "disable_host_node_id", NOTE_BOOL, NULL,                            \
      "Make a random node id (always so).")                                                       \
    X("disable-keyring-file", "disable_keyring_file", NOTE_BOOL, NULL,                            \
      "Do not keep the keyring in a file.")                                                       \
    X("dns-port", "ports.dns", NOTE, "port", "DNS port; the default is 8600, -1 is off.")         \
    X("domain", "domain", NOTE, "domain", "Domain for DNS; the default is consul.")               \
    X("enable-local-script-checks", "enable_local_script_checks", NOTE_BOOL, NULL,                \
      "Allow script checks from configuration files.")                                            \
    X("enable-script-checks", "enable_script_checks", NOTE_BOOL, NULL, "Allow script checks.")    \
    X("encrypt", "encrypt", NOTE, "key", "Gossip encryption key.")                                \
    X("grpc-port", "ports.grpc", NOTE, "port", "gRPC port.")                                      \
    X("grpc-tls-port", "ports.grpc_tls", NOTE, "port", "gRPC port with TLS.")                     \
    X("http-port", "ports.http", NOTE, "port", "HTTP port; the default is 8500, -1 is off.")      \
    X("https-port", "ports.https", NOTE, "port", "HTTPS port.")                                   \
    X("join", "start_join", NOTE, "address", "Server to join at the start.")                      \
    X("join-wan", "start_join_wan", NOTE, "address", "Server of another datacenter to join.")     \
    X("log-file", "log_file", NOTE, "path", "File for the log instead of standard output.")       \
    X("log-json", "log_json", NOTE_BOOL, NULL, "Log lines as JSON objects.")                      \
    X("log-level", "log_level", NOTE, "level", "trace, debug, info, warn or err.")                \
    X("log-rotate-bytes", "log_rotate_bytes", NOTE, "bytes", "Size at which to rotate the log.")  \
    X("log-rotate-duration", "log_rotate_duration", NOTE, "duration",                             \
      "Age at which to rotate the log.")                                                          \
    X("log-rotate-max-files", "log_rotate_max_files", NOTE, "number", "Old logs to keep.")        \
    X("max-query-time", "max_query_time", NOTE, "duration",                                       \
      "How long a blocking query may wait at most.")                                              \
    X("node", "node_name", NOTE, "name", "Name of this node; the host name unless given.")        \
    X("node-id", "node_id", NOTE, "uuid", "Id of this node; kept in the data directory.")         \
    X("node-meta", "node_meta", NOTE, "key:value", "Metadata of this node; may be repeated.")     \
    X("pid-file", "pid_file", NOTE, "path", "File to write the process id to.")                   \
    X("primary-gateway", "primary_gateways", NOTE, "address", "Gateway of the primary.")          \
    X("protocol", "protocol", NOTE, "number", "Gossip protocol version.")                         \
    X("raft-protocol", "raft_protocol", NOTE, "number", "Raft protocol version.")                 \
    X("recursor", "recursors", NOTE, "address", "Upstream DNS server; may be repeated.")          \
    X("rejoin", "rejoin_after_leave", NOTE_BOOL, NULL, "Join again after having left.")           \
    X("retry-interval", "retry_interval", NOTE, "duration", "Time between attempts to join.")     \
    X("retry-interval-wan", "retry_interval_wan", NOTE, "duration",                               \
      "Time between attempts to join other datacenters.")                                         \
    X("retry-join", "retry_join", NOTE, "address", "Server to join, with retries.")               \
    X("retry-join-wan", "retry_join_wan", NOTE, "address",                                        \
      "Server of another datacenter to join, with retries.")                                      \
    X("retry-max", "retry_max", NOTE, "number", "Attempts to join; 0 is without end.")            \
    X("retry-max-wan", "retry_max_wan", NOTE, "number", "Attempts to join other datacenters.")    \
    X("serf-lan-allowed-cidrs", "serf_lan_allowed_cidrs", NOTE, "cidr",                           \
      "Networks whose members may join.")                                                         \
    X("serf-lan-bind", "serf_lan", NOTE, "address", "Address for the LAN pool.")                  \
    X("serf-lan-port", "ports.serf_lan", NOTE, "port", "Port of the LAN pool.")                   \
    X("serf-wan-allowed-cidrs", "serf_wan_allowed_cidrs", NOTE, "cidr",                           \
      "Networks whose servers may join.")                                                         \
    X("serf-wan-bind", "serf_wan", NOTE, "address", "Address for the WAN pool.")                  \
    X("serf-wan-port", "ports.serf_wan", NOTE, "port", "Port of the WAN pool.")                   \
    X("server", "server", NOTE_BOOL, NULL, "Run as a server.")                                    \
    X("server-port", "ports.server", NOTE, "port", "Port for the other servers.")                 \
    X("syslog", "enable_syslog", NOTE_BOOL, NULL, "Log to syslog too.")                           \
    X("ui", "ui", NOTE_BOOL, NULL, "Serve the web console.")                                      \
    X("ui-content-path", "ui_content_path", NOTE, "path", "Path of the web console.")             \
    X("ui-dir", "ui_dir", NOTE, "path", "Directory of the web console's files.")

#define NOTE_ROW(name, key, kind, value, help) \
    {name, FLAG_##kind, offsetof(struct agent_values, notes), value, help},
#define KEY_ROW(name, key, kind, value, help) {name, key},

static const struct flag agent_flags[] = {
    {"dev", FLAG_BOOL, offsetof(struct agent_values, dev), NULL,
     "Try-out mode: one server, data in a temporary directory that is removed at the end, nothing "
     "synced to disk, every setting with a default."},
    {"config-file", FLAG_LIST, offsetof(struct agent_values, config), "path",
     "JSON or HCL file to read; may be repeated, later ones win."},
    {"config-dir", FLAG_LIST, offsetof(struct agent_values, config), "path",
     "Directory whose .json and .hcl files are read in the order of their names; may be repeated."},
    {"config-format", FLAG_STRING, offsetof(struct agent_values, config_format), "format",
     "Read every file as this, hcl or json, whatever its name."},
    {"hcl", FLAG_LIST, offsetof(struct agent_values, hcl), "text",
     "A piece of HCL configuration; may be repeated, wins over everything else."},
    AGENT_FLAGS(NOTE_ROW){NULL, FLAG_BOOL, 0, NULL, NULL},
};

static const struct {
    const char *flag;
    const char *key;
} agent_keys[] = {AGENT_FLAGS(KEY_ROW)};

static const char *key_of_flag(const char *flag)
{
    for (size_t i = 0; i < sizeof agent_keys / sizeof agent_keys[0]; i++) {
        if (strcmp(agent_keys[i].flag, flag) == 0) {
            return agent_keys[i].key;
        }
    }
    return flag; /* unreachable: both tables come from one list */
}

/* Defaults, then files, then flags, then -hcl. @c is for config_fini() also on errors. */
static int load(struct config *c, const struct agent_values *v, struct errmsg *e)
{
    config_init(c, v->dev);
    const char *format = v->config_format == NULL ? "" : v->config_format;
    if (format[0] != '\0' && strcmp(format, "json") != 0 && strcmp(format, "hcl") != 0) {
        return err_set(e, E_INVAL, "-config-format: '%s' is not json or hcl", format);
    }
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < v->config.n; i++) {
        rc = config_load_path(c, v->config.items[i], format, e);
    }
    for (size_t i = 0; rc == 0 && i < v->notes.n; i++) {
        const struct flag_note *n = &v->notes.items[i];
        char origin[64];
        (void)snprintf(origin, sizeof origin, "-%s", n->flag); /* names are short literals */
        rc = config_set_text(c, key_of_flag(n->flag), n->value, origin, e);
    }
    for (size_t i = 0; rc == 0 && i < v->hcl.n; i++) {
        rc = config_load_hcl(c, slice_str(v->hcl.items[i]), "-hcl", e);
    }
    return rc == 0 ? config_finish(c, e) : rc;
}

static int open_log(const struct config *c, bool *opened, struct errmsg *e)
{
    enum log_level level;
    char path[4096];
    int fd = STDOUT_FILENO;
    int rc = config_log_level(c, &level, e);
    *opened = rc == 0 && c->log_file != NULL && c->log_file[0] != '\0';
    if (*opened) {
        bool dir = c->log_file[strlen(c->log_file) - 1] == '/';
        (void)snprintf(path, sizeof path, "%s%s", c->log_file, dir ? "rollcall.log" : "");
        fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
        if (fd < 0) {
            return err_set(e, err_from_errno(errno), "log_file: cannot open %s: %s", path,
                           strerror(errno));
        }
    }
    if (rc == 0) {
        log_setup(fd, level, c->log_json);
    }
    return rc;
}

static void add_addresses(struct buf *b, const struct addresses *http, const struct addresses *dns)
{
    const struct addresses *a = http->n > 0 ? http : dns;
    for (size_t i = 0; i < a->n; i++) {
        buf_printf(b, "%s%s", i == 0 ? "" : " ", a->text[i]);
    }
}

/* What Consul prints before the log begins; a log that machines read gets it as a line. */
static void print_banner(const struct config *c, const struct daemon_identity *id)
{
    struct buf b = BUF_INIT;
    if (c->log_json) {
        log_info("agent", "Starting Rollcall agent: version=%s node_id=%s node_name=%s",
                 ROLLCALL_VERSION, id->node_id, c->node_name);
        return;
    }
    buf_add_str(&b, "==> Starting Rollcall agent...\n");
    buf_printf(&b, "           Version: '%s' (Rollcall %s)\n", CONSUL_VERSION, ROLLCALL_VERSION);
    buf_printf(&b, "           Node ID: '%s'\n", id->node_id);
    buf_printf(&b, "         Node name: '%s'\n", c->node_name);
    buf_printf(&b, "        Datacenter: '%s' (Segment: '<all>')\n", c->datacenter);
    buf_printf(&b, "            Server: true (Bootstrap: true)\n       Client Addr: [");
    add_addresses(&b, &id->http, &id->dns);
    buf_printf(&b, "] (HTTP: %lld, HTTPS: -1, gRPC: -1, DNS: %lld)\n", (long long)c->port_http,
               (long long)c->port_dns);
    buf_printf(&b, "      Cluster Addr: %s (LAN: %lld, WAN: %lld)\n\n", id->address,
               (long long)c->port_serf_lan, (long long)c->port_serf_wan);
    buf_add_str(&b, "==> Log data will now stream in as it occurs:\n\n");
    (void)cli_print(&b); /* the agent runs on without a reader of its banner */
    buf_fini(&b);
}

/* With -dev: three things to try, with the addresses that this agent really has. */
static void print_hints(const struct config *c, const struct daemon_identity *id)
{
    struct buf b = BUF_INIT;
    const char *http = id->http.n > 0 ? id->http.text[0] : NULL;
    const char *dns = id->dns.n > 0 ? id->dns.text[0] : NULL;
    buf_add_str(&b, "\n==> Rollcall is running. Three things to try:\n\n");
    if (http != NULL) {
        buf_printf(&b,
                   "    curl -X PUT http://%s:%lld/v1/agent/service/register \\\n"
                   "         -d '{\"Name\":\"web\",\"Port\":8080,\"Check\":{\"TCP\":\"%s:%lld\","
                   "\"Interval\":\"5s\"}}'\n"
                   "    curl 'http://%s:%lld/v1/health/service/web?passing'\n",
                   http, (long long)c->port_http, http, (long long)c->port_http, http,
                   (long long)c->port_http);
    }
    if (dns != NULL) {
        buf_printf(&b, "    dig @%s -p %lld web.service.%s SRV\n", dns, (long long)c->port_dns,
                   c->domain);
    }
    buf_add_char(&b, '\n');
    (void)cli_print(&b); /* as above */
    buf_fini(&b);
}

static void log_started(const struct config *c, const struct daemon_identity *id)
{
    for (size_t i = 0; i < c->notes.n; i++) {
        log_warn("agent", "Configuration key has no effect yet: key=%s", c->notes.items[i]);
    }
    for (size_t i = 0; i < id->dns.n; i++) {
        log_info("agent", "Started DNS server: address=%s:%lld network=udp,tcp", id->dns.text[i],
                 (long long)c->port_dns);
    }
    for (size_t i = 0; i < id->http.n; i++) {
        log_info("agent", "Started HTTP server: address=%s:%lld network=tcp", id->http.text[i],
                 (long long)c->port_http);
    }
    log_info("agent", "Synced node info: node=%s", c->node_name);
    log_info("agent", "Consul agent running!");
}

static int write_pid(const struct config *c, struct errmsg *e)
{
    if (c->pid_file == NULL || c->pid_file[0] == '\0') {
        return 0;
    }
    FILE *f = fopen(c->pid_file, "we");
    bool ok = f != NULL && fprintf(f, "%ld\n", (long)getpid()) > 0;
    ok = f != NULL && fclose(f) == 0 && ok;
    return ok ? 0
              : err_set(e, err_from_errno(errno), "pid_file: cannot write %s: %s", c->pid_file,
                        strerror(errno));
}

/* When the stop began; written once, before the handler is installed. */
static uint64_t stop_began_ms;

/* Wrappers such as timeout(1), and terminals with a wrapper in between, deliver one order twice:
 * what follows the first at once is no second order. */
static void end_now(int sig)
{
    static const char slow[] = "==> The agent did not stop in time; ending it\n";
    if (sig == SIGALRM) {
        ssize_t n = write(STDERR_FILENO, slow, sizeof slow - 1);
        (void)n; /* nothing is left to try */
    } else if (clock_mono_ms() - stop_began_ms < SAME_ORDER_MS) {
        return;
    }
    _exit(1);
}

/* From here on a second TERM or INT, or too long a wait, ends the process at once. */
static void arm_second_signal(const sigset_t *set)
{
    struct sigaction now = {.sa_handler = end_now};
    sigset_t more = *set;
    stop_began_ms = clock_mono_ms();
    (void)sigaction(SIGTERM, &now, NULL); /* cannot fail for these three */
    (void)sigaction(SIGINT, &now, NULL);
    (void)sigaction(SIGALRM, &now, NULL);
    (void)sigdelset(&more, SIGHUP);
    (void)pthread_sigmask(SIG_UNBLOCK, &more, NULL);
    (void)alarm(STOP_SECONDS);
}

/* HUP: log level, node metadata, services and checks change without a restart. */
static void reload(const struct agent_values *v, struct daemon *d)
{
    struct config c;
    struct errmsg e;
    enum log_level level;
    notify("RELOADING=1");
    if (load(&c, v, &e) != 0 || config_log_level(&c, &level, &e) != 0 ||
        daemon_reload(d, &c, &e) != 0) {
        log_error("agent", "Failed to reload the configuration: error=%s", e.text);
    } else {
        log_set_level(level);
        log_info("agent", "Configuration reloaded: log_level=%s definitions=%zu", c.log_level,
                 c.definitions.n);
    }
    config_fini(&c);
    notify("READY=1");
}

static void leave(void)
{
    (void)kill(getpid(), SIGTERM); /* taken by the main thread, in wait_for_end() */
}

/* As HUP, from any thread. */
static void ask_reload(void)
{
    (void)kill(getpid(), SIGHUP); /* as above */
}

static void wait_for_end(const struct agent_values *v, struct daemon *d, const sigset_t *set)
{
    for (;;) {
        int sig = 0;
        if (sigwait(set, &sig) != 0 || sig == SIGHUP) {
            if (sig == SIGHUP) {
                reload(v, d);
            }
            continue;
        }
        log_info("agent", "Caught signal: signal=%s", sig == SIGINT ? "interrupt" : "terminated");
        log_info("agent", "Gracefully shutting down agent...");
        return;
    }
}

/* Start, serve until a signal, stop. */
static int serve(const struct agent_values *v,
                 const struct config *c,
                 const struct datadir *dir,
                 struct errmsg *e)
{
    struct daemon_identity id;
    struct daemon *d = NULL;
    sigset_t set;
    int rc = daemon_identify(&id, c, dir, e);
    if (rc != 0) {
        return rc;
    }
    (void)sigemptyset(&set); /* none of these can fail for the signals named */
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
    print_banner(c, &id);
    rc = daemon_start(&d, c, dir, &id, leave, ask_reload, e);
    if (rc != 0) {
        return rc;
    }
    rc = write_pid(c, e);
    if (rc == 0) {
        log_started(c, &id);
        notify("READY=1");
        if (c->dev) {
            print_hints(c, &id);
        }
        wait_for_end(v, d, &set);
        notify("STOPPING=1");
    }
    arm_second_signal(&set);
    daemon_stop(d);
    if (rc == 0 && c->pid_file != NULL && c->pid_file[0] != '\0') {
        (void)unlink(c->pid_file); /* a file left behind does no harm */
    }
    log_info("agent", "Agent stopped");
    return rc;
}

/* Every connection and probe is a descriptor: take all that the system allows. */
static void raise_file_limit(void)
{
    struct rlimit lim;
    if (getrlimit(RLIMIT_NOFILE, &lim) == 0 && lim.rlim_cur < lim.rlim_max) {
        lim.rlim_cur = lim.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &lim); /* then the old limit stays, which works too */
    }
}

static int agent_run(struct cli_call *call)
{
    const struct agent_values *v = call->values;
    struct config c;
    struct datadir dir;
    struct errmsg e = {""};
    bool logs = false;
    if (call->n_args > 0) {
        return cli_error("Unexpected extra arguments: %s", call->args[0]);
    }
    raise_file_limit();
    (void)mallopt(M_ARENA_MAX, 2); /* threads share arenas: less memory kept per thread */
    int rc = load(&c, v, &e);
    rc = rc == 0 ? open_log(&c, &logs, &e) : rc;
    rc = rc == 0 ? datadir_open(&dir, c.data_dir, &e) : rc;
    if (rc == 0) {
        rc = serve(v, &c, &dir, &e);
        datadir_close(&dir);
    }
    config_fini(&c);
    if (rc != 0 && logs) {
        log_error("agent", "Agent failed: error=%s", e.text); /* the log is elsewhere */
    }
    return rc == 0 ? 0 : cli_error("==> %s", e.text);
}

const struct cli_command cli_agent = {
    .name = "agent",
    .args = "[options]",
    .synopsis = "Runs a Rollcall agent",
    .help =
        "Runs the agent until it is interrupted. The quickest start is `agent -dev`; a server "
        "that keeps its data runs with `agent -server -bootstrap-expect=1 -data-dir=<path>`.",
    .flags = agent_flags,
    .values_size = sizeof(struct agent_values),
    .run = agent_run,
};

/* validate: the same loading, nothing started. It shares the flags' meaning with the agent. */

struct validate_values {
    bool quiet;
    const char *config_format;
};

static const struct flag validate_flags[] = {
    {"quiet", FLAG_BOOL, offsetof(struct validate_values, quiet), NULL,
     "Print nothing when the configuration is valid."},
    {"config-format", FLAG_STRING, offsetof(struct validate_values, config_format), "format",
     "Read every file as this, hcl or json, whatever its name."},
    {NULL, FLAG_BOOL, 0, NULL, NULL},
};

static int validate_run(struct cli_call *call)
{
    const struct validate_values *v = call->values;
    struct config c;
    struct errmsg e;
    if (call->n_args == 0) {
        return cli_error("Must specify at least one config file or directory");
    }
    struct agent_values as_agent = {.config_format = v->config_format};
    struct flag_list *l = &as_agent.config;
    l->items = calloc((size_t)call->n_args, sizeof *l->items);
    for (int i = 0; l->items != NULL && i < call->n_args; i++) {
        l->items[l->n++] = call->args[i];
    }
    int rc = load(&c, &as_agent, &e);
    config_fini(&c);
    free(l->items);
    if (rc != 0) {
        return cli_error("Config validation failed: %s", e.text);
    }
    struct buf out = BUF_INIT;
    if (!v->quiet) {
        buf_add_str(&out, "Configuration is valid!\n");
    }
    int status = cli_print(&out);
    buf_fini(&out);
    return status;
}

const struct cli_command cli_validate = {
    .name = "validate",
    .args = "[options] FILE_OR_DIRECTORY...",
    .synopsis = "Validate config files/directories",
    .help =
        "Reads configuration files as the agent would and tells whether it could start with "
        "them.",
    .flags = validate_flags,
    .values_size = sizeof(struct validate_values),
    .run = validate_run,
};
