/* A DNS server with nothing around it, to measure dns/ alone:
 *
 *     bench_dns LOOPS INSTANCES [PORT]
 *
 * serves web.service.consul with INSTANCES instances out of a store in a temporary directory, on
 * LOOPS threads, at 127.0.0.1, prints the port, and ends with its standard input. Load it with
 * dnsperf; the last line it prints is the CPU time it took for each query. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "dns/dns.h"
#include "tests/support/store.h"

enum { LOOPS_MAX = 16 };

struct server {
    uv_loop_t loop;
    uv_async_t stop;
    struct reg_reader *rd;
    struct dns *dns;
    pthread_t thread;
    struct dns_stats stats;
};

static void on_stop(uv_async_t *async)
{
    struct server *s = async->data;
    dns_stats(s->dns, &s->stats);
    dns_stop(s->dns, NULL, NULL);
    uv_close((uv_handle_t *)async, NULL);
}

static void *serve(void *arg)
{
    struct server *s = arg;
    (void)uv_run(&s->loop, UV_RUN_DEFAULT); /* until on_stop() has closed all */
    return NULL;
}

static void server_start(struct server *s, struct reg *reg, uint16_t port)
{
    const struct dns_options o = {.port = port,
                                  .udp_answer_limit = 3,
                                  .node_meta_txt = true,
                                  .soa_refresh = 3600,
                                  .soa_retry = 600,
                                  .soa_expire = 86400};
    struct errmsg e = {""};
    if (uv_loop_init(&s->loop) != 0 || uv_async_init(&s->loop, &s->stop, on_stop) != 0 ||
        reg_reader_open(reg, NULL, NULL, &s->rd) != 0 ||
        dns_start(&s->dns, &s->loop, s->rd, &o, &e) != 0) {
        (void)fprintf(stderr, "bench_dns: cannot start %s\n", e.text);
        exit(1);
    }
    s->stop.data = s;
}

static void instances_put(struct test_store *store, int n)
{
    for (int i = 0; i < n; i++) {
        char node[32];
        char address[32];
        (void)snprintf(node, sizeof(node), "n%d", i);
        (void)snprintf(address, sizeof(address), "10.%d.%d.%d", i >> 16, i >> 8 & 255, i & 255);
        (void)test_node(store, node, address); /* a bench does not look at results */
        (void)test_service(store, node, "web", "web", "", 8000, NULL, "passing");
    }
}

int main(int argc, char **argv)
{
    static struct server servers[LOOPS_MAX];
    struct test_store store;
    int n_loops = argc > 1 ? atoi(argv[1]) : 2;
    if (n_loops < 1 || n_loops > LOOPS_MAX) {
        return 2;
    }
    test_store_open(&store);
    instances_put(&store, argc > 2 ? atoi(argv[2]) : 3);
    uint16_t port = (uint16_t)(argc > 3 ? atoi(argv[3]) : 0);
    for (int i = 0; i < n_loops; i++) {
        server_start(&servers[i], store.reg, port);
        port = dns_port(servers[0].dns);
        (void)pthread_create(&servers[i].thread, NULL, serve,
                             &servers[i]); /* else: nothing to see */
    }
    (void)printf("port %u\n", (unsigned)port);
    (void)fflush(stdout);
    char c;
    while (read(0, &c, 1) > 0) {
    }
    uint64_t queries = 0;
    for (int i = 0; i < n_loops; i++) {
        (void)uv_async_send(&servers[i].stop); /* fails only for a closed handle */
        (void)pthread_join(servers[i].thread, NULL);
        queries += servers[i].stats.queries;
        reg_reader_close(servers[i].rd);
        (void)uv_loop_close(&servers[i].loop); /* all handles are closed */
    }
    struct rusage u;
    (void)getrusage(RUSAGE_SELF, &u); /* cannot fail */
    double us = (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
                (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
    (void)printf("%llu queries, %.2f us CPU each, %ld KiB\n", (unsigned long long)queries,
                 queries == 0 ? 0.0 : us / (double)queries, u.ru_maxrss);
    test_store_close(&store);
    return 0;
}
