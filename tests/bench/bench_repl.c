/* How fast commands go through the log into the store, without HTTP.
 *
 *     bench_repl DIR [SECONDS [IN-FLIGHT...]]
 *
 * For each number of commands in flight: a closed loop of 256-byte KV writes from one thread, each
 * one waiting for its result. Prints rate, latency, commands per log entry and per fdatasync, and
 * the CPU time of the process for each command. DIR is emptied by hand. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/log.h"
#include "raft/repl.h"
#include "registry/store.h"

enum { KEYS = 10000, VALUE = 256, SAMPLES_MAX = 1024 * 1024, CLIENTS_MAX = 4096 };

struct client {
    struct reg_proposal p;
    uint64_t sent_ns;
};

static struct queue replies;
static uint32_t *samples; /* tenths of a microsecond; the first SAMPLES_MAX of a run */
static size_t n_samples;
static uint64_t next_key;

static void send_one(struct reg_proposer *door, struct client *c)
{
    char key[32];
    static char value[VALUE];
    (void)snprintf(key, sizeof key, "bench/%" PRIu64, next_key++ % KEYS);
    memset(value, 'x', sizeof value);
    const struct reg_kv_op op = {
        .verb = REG_KV_SET, .key = slice_str(key), .value = slice_of(value, sizeof value)};
    buf_reset(&c->p.cmd);
    reg_command_kv(&c->p.cmd, &op);
    c->p.reply.to = &replies;
    c->sent_ns = clock_mono_ns();
    if (door->propose(door, &c->p) != 0) {
        log_fatal("bench", "refused");
    }
}

static int by_value(const void *a, const void *b)
{
    uint32_t x;
    uint32_t y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

/* A line "Name:  123 kB" of /proc/self/status; 0 when it is not there. */
static long status_kib(const char *name)
{
    char line[256];
    long kib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        if (strncmp(line, name, strlen(name)) == 0) {
            kib = strtol(line + strlen(name) + 1, NULL, 10);
        }
    }
    if (f != NULL) {
        (void)fclose(f); /* only read */
    }
    return kib;
}

static double cpu_us(void)
{
    struct rusage u;
    (void)getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

/* One reply: note its time and send the next command while the time is not up. */
static void on_reply(struct reg_proposer *door, struct client *c, bool more, unsigned *open)
{
    if (c->p.status != 0) {
        log_fatal("bench", "failed: status=%d", c->p.status);
    }
    if (n_samples < SAMPLES_MAX) {
        samples[n_samples++] = (uint32_t)((clock_mono_ns() - c->sent_ns) / 100);
    }
    if (more) {
        send_one(door, c);
    } else {
        (*open)--;
    }
}

static void run(struct repl *r, unsigned clients, double seconds)
{
    static struct client all[CLIENTS_MAX];
    struct reg_proposer *door = repl_proposer(r);
    struct repl_info before;
    struct repl_info after;
    repl_info(r, &before);
    n_samples = 0;
    double cpu = cpu_us();
    uint64_t start = clock_mono_ns();
    uint64_t end = start + (uint64_t)(seconds * 1e9);
    for (unsigned i = 0; i < clients; i++) {
        send_one(door, &all[i]);
    }
    unsigned open = clients;
    struct list got;
    list_init(&got);
    while (open > 0) {
        (void)queue_wait(&replies, &got);
        bool more = clock_mono_ns() < end;
        struct list *link;
        while ((link = list_pop(&got)) != NULL) {
            on_reply(door, container_of(link, struct client, p.reply.link), more, &open);
        }
    }
    double took = (double)(clock_mono_ns() - start) / 1e9;
    cpu = cpu_us() - cpu;
    repl_info(r, &after);
    qsort(samples, n_samples, sizeof samples[0], by_value);
    double n = (double)(after.commands - before.commands);
    printf(
        "in_flight=%-5u rate=%8.0f/s p50=%7.1f us p99=%8.1f us max=%9.1f us  per_entry=%5.1f "
        "per_sync=%5.1f cpu=%5.1f us\n",
        clients, n / took, samples[n_samples / 2] / 10.0, samples[n_samples * 99 / 100] / 10.0,
        samples[n_samples - 1] / 10.0, n / (double)(after.entries - before.entries),
        n / (double)(after.syncs - before.syncs), cpu / n);
    (void)fflush(stdout);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: bench_repl DIR [SECONDS [IN-FLIGHT...]]\n");
        return 2;
    }
    char store_dir[4096];
    char raft_dir[4096];
    (void)mkdir(argv[1], 0700);
    (void)snprintf(store_dir, sizeof store_dir, "%s/store", argv[1]);
    (void)snprintf(raft_dir, sizeof raft_dir, "%s/raft", argv[1]);
    (void)mkdir(store_dir, 0700);
    log_setup(2, LOG_LEVEL_WARN, false);
    samples = malloc(SAMPLES_MAX * sizeof *samples);
    queue_init(&replies, CLIENTS_MAX, NULL, NULL);
    struct errmsg e = {""};
    struct reg *store;
    struct repl *r;
    const struct reg_options so = {.dir = store_dir};
    if (samples == NULL || reg_open(&store, &so, &e) != 0) {
        log_fatal("bench", "%s", e.text);
    }
    const struct repl_options o = {.dir = raft_dir,
                                   .store = store,
                                   .id = 1,
                                   .address = "127.0.0.1:8300",
                                   .bootstrap = true,
                                   .sync = getenv("NOSYNC") == NULL};
    uint64_t t0 = clock_mono_ns();
    if (repl_start(&r, &o, &e) != 0) {
        log_fatal("bench", "%s", e.text);
    }
    printf("start=%.1f ms rss_anon=%ld KiB\n", (double)(clock_mono_ns() - t0) / 1e6,
           status_kib("RssAnon"));
    double seconds = argc > 2 ? strtod(argv[2], NULL) : 3;
    static const char *const usual[] = {"1", "32", "256"};
    for (int i = 0; i < (argc > 3 ? argc - 3 : 3); i++) {
        const char *n = argc > 3 ? argv[3 + i] : usual[i];
        unsigned clients = (unsigned)strtoul(n, NULL, 10);
        if (clients > 0 && clients <= CLIENTS_MAX) {
            run(r, clients, seconds);
        }
    }
    repl_stop(r);
    reg_close(store, true);
    free(samples);
    return 0;
}
