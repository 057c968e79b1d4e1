/* One table says what there is; setting declares once more, which finds the series by its name:
 * this happens only when somebody reads. Figures of the process come from /proc, in the names that
 * Prometheus' own clients use. */
#include "cli/gauges.h"

#include <dirent.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/metrics.h"
#include "cli/version.h"
#include "registry/query.h"

/* name, help, label or NULL. */
#define GAUGES(X)                                                                                \
    X(NODES, "consul.state.nodes", "Nodes in the catalog.", "datacenter")                        \
    X(SERVICES, "consul.state.services", "Names of services in the catalog.", "datacenter")      \
    X(INSTANCES, "consul.state.service_instances", "Instances of services in the catalog.",      \
      "datacenter")                                                                              \
    X(KEYS, "consul.state.kv_entries", "Keys in the KV store.", "datacenter")                    \
    X(CHECKS, "rollcall.state.checks", "Checks in the catalog.", "datacenter")                   \
    X(SERVERS, "consul.members.servers", "Servers of the cluster.", "datacenter")                \
    X(APPLIED, "consul.raft.applied_index", "Last log entry applied to the state.", NULL)        \
    X(LAST, "consul.raft.last_index", "Last log entry.", NULL)                                   \
    X(LEADER, "consul.server.isLeader", "1 while this server leads.", NULL)                      \
    X(HEALTHY, "consul.autopilot.healthy", "1 while the cluster has a leader.", NULL)            \
    X(TOLERANCE, "consul.autopilot.failure_tolerance", "Servers that may fail.", NULL)           \
    X(VERSION, "consul.version", "1; the version is a label.", "version")                        \
    X(ALLOC, "consul.runtime.alloc_bytes", "Bytes in use by the allocator.", NULL)               \
    X(SYSTEM, "consul.runtime.sys_bytes", "Bytes the allocator has from the system.", NULL)      \
    X(RESIDENT, "process.resident_memory_bytes",                                                 \
      "Memory that is resident, the store's map "                                                \
      "included.",                                                                               \
      NULL)                                                                                      \
    X(VIRTUAL, "process.virtual_memory_bytes", "Address space, the store's map included.", NULL) \
    X(OPEN, "process.open_fds", "Open file descriptors.", NULL)                                  \
    X(OPEN_MAX, "process.max_fds", "File descriptors that may be open.", NULL)                   \
    X(CPU, "process.cpu_seconds_total", "User and system time.", NULL)

#define ENUM_ROW(id, name, help, label) GAUGE_##id,
#define SPEC_ROW(id, name, help, label) {METRIC_GAUGE, name, help, {{label, NULL}, {NULL, NULL}}},
enum gauge { GAUGES(ENUM_ROW) GAUGE_COUNT };
static const struct metric_spec gauge_specs[] = {GAUGES(SPEC_ROW)};

static void set(const struct stats *s, enum gauge g, double value)
{
    struct metric_spec spec = gauge_specs[g];
    if (spec.labels[0].key != NULL) {
        spec.labels[0].value = g == GAUGE_VERSION ? ROLLCALL_VERSION : s->config->datacenter;
    }
    metrics_gauge_set(metrics_declare(&spec), value);
}

void gauges_declare(const struct stats *s)
{
    for (int g = 0; g < GAUGE_COUNT; g++) {
        set(s, (enum gauge)g, 0);
    }
}

static void set_state(const struct stats *s, struct reg_reader *reader)
{
    struct reg_counts n;
    reg_read_begin(reader);
    reg_count(reader, &n);
    reg_read_end(reader);
    set(s, GAUGE_NODES, (double)n.nodes);
    set(s, GAUGE_SERVICES, (double)n.services);
    set(s, GAUGE_INSTANCES, (double)n.instances);
    set(s, GAUGE_KEYS, (double)n.kvs);
    set(s, GAUGE_CHECKS, (double)n.checks);
}

static void set_raft(const struct stats *s)
{
    struct repl_info info;
    repl_info(s->repl, &info);
    set(s, GAUGE_SERVERS, info.peers);
    set(s, GAUGE_APPLIED, (double)info.applied_index);
    set(s, GAUGE_LAST, (double)info.last_index);
    set(s, GAUGE_LEADER, info.leader ? 1 : 0);
    set(s, GAUGE_HEALTHY, info.leader_address[0] != '\0' ? 1 : 0);
    set(s, GAUGE_TOLERANCE, info.peers == 0 ? 0 : (info.peers - 1) / 2);
    set(s, GAUGE_VERSION, 1);
}

/* Descriptors listed below /proc; their number is bounded by the limit of the process. */
static double count_descriptors(void)
{
    DIR *d = opendir("/proc/self/fd");
    double n = 0;
    if (d == NULL) {
        return 0;
    }
    for (const struct dirent *e; (e = readdir(d)) != NULL;) {
        n += e->d_name[0] != '.' ? 1 : 0;
    }
    (void)closedir(d); /* only read from */
    return n - 1;      /* the one that was open for this */
}

static void set_process(const struct stats *s)
{
    struct mallinfo2 m = mallinfo2();
    struct rusage use;
    struct rlimit files;
    unsigned long long pages = 0;
    unsigned long long resident = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (f != NULL) {
        if (fscanf(f, "%llu %llu", &pages, &resident) != 2) {
            pages = resident = 0;
        }
        (void)fclose(f); /* only read from */
    }
    double page = (double)sysconf(_SC_PAGESIZE);
    set(s, GAUGE_ALLOC, (double)(m.uordblks + m.hblkhd));
    set(s, GAUGE_SYSTEM, (double)(m.arena + m.hblkhd));
    set(s, GAUGE_RESIDENT, (double)resident * page);
    set(s, GAUGE_VIRTUAL, (double)pages * page);
    set(s, GAUGE_OPEN, count_descriptors());
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        set(s, GAUGE_OPEN_MAX, (double)files.rlim_cur);
    }
    if (getrusage(RUSAGE_SELF, &use) == 0) {
        set(s, GAUGE_CPU,
            (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
                (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6);
    }
}

void gauges_set(void *arg, struct reg_reader *reader)
{
    const struct stats *s = arg;
    set_state(s, reader);
    set_raft(s);
    set_process(s);
}
