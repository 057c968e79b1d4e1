/* One thread:
 *
 *     uv_run ── HTTP and DNS sockets
 *            └─ wake (uv_async): changes in the reader's inbox, replies, or the order to stop
 *
 * To stop, the loop closes its listeners and connections, goes on draining replies until all are
 * gone, then closes its reader and the wake handle; with no handle left uv_run returns. The same
 * way is taken, on the caller's thread, for a loop whose thread never ran. */
#include "cli/serve.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"

/* Replies are bounded by the requests that wait for them, so the queue never refuses one. */
enum { REPLIES_MAX = 65536 };

struct loop {
    uv_loop_t uv;
    uv_async_t wake;
    struct queue replies;
    struct reg_reader *reader;
    struct api_loop *api[ADDRESSES_MAX];
    struct dns *dns[ADDRESSES_MAX];
    size_t n_api;
    size_t n_dns;
    size_t closing; /* listeners that have not reported their end */
    atomic_bool stop;
    bool stopping;
    bool running; /* its thread was started */
    pthread_t thread;
};

struct serve {
    struct serve_options o;
    struct dns_options dns[ADDRESSES_MAX];
    struct loop *loops;
    unsigned n_loops; /* opened */
};

static void wake_loop(void *arg)
{
    struct loop *l = arg;
    (void)uv_async_send(&l->wake); /* fails only on a handle of another kind */
}

static void all_closed(struct loop *l)
{
    if (l->reader != NULL) {
        reg_reader_close(l->reader);
        l->reader = NULL;
    }
    uv_close((uv_handle_t *)&l->wake, NULL);
}

static void on_listener_stopped(void *arg)
{
    struct loop *l = arg;
    assert(l->closing > 0);
    if (--l->closing == 0) {
        all_closed(l);
    }
}

static void stop_loop(struct loop *l)
{
    l->stopping = true;
    l->closing = l->n_api + l->n_dns;
    if (l->closing == 0) {
        all_closed(l);
        return;
    }
    for (size_t i = 0; i < l->n_api; i++) {
        api_loop_stop(l->api[i], on_listener_stopped, l);
    }
    for (size_t i = 0; i < l->n_dns; i++) {
        dns_stop(l->dns[i], on_listener_stopped, l);
    }
}

static void on_wake(uv_async_t *wake)
{
    struct loop *l = container_of(wake, struct loop, wake);
    if (l->reader != NULL) {
        reg_reader_sync(l->reader);
    }
    (void)reg_replies_run(&l->replies); /* the number is of no interest */
    if (atomic_load(&l->stop) && !l->stopping) {
        stop_loop(l);
    }
}

static void *run(void *arg)
{
    struct loop *l = arg;
    (void)uv_run(&l->uv, UV_RUN_DEFAULT); /* returns when all handles are closed */
    return NULL;
}

/* A bind without SO_REUSEPORT, undone at once. */
static int probe_port(const char *what,
                      const char *address,
                      uint16_t port,
                      int type,
                      struct errmsg *e)
{
    struct sockaddr_storage a = {0};
    bool v6 = strchr(address, ':') != NULL;
    int rc = v6 ? uv_ip6_addr(address, port, (struct sockaddr_in6 *)&a)
                : uv_ip4_addr(address, port, (struct sockaddr_in *)&a);
    if (rc != 0) {
        return err_set(e, E_INVAL, "%s address %s: not an IP address", what, address);
    }
    int fd = socket(v6 ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return err_set(e, err_from_errno(errno), "cannot open a socket: %s", strerror(errno));
    }
    const int on = 1;
    bool bad = type == SOCK_STREAM && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0;
    bad = bad || (v6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0);
    bad = bad || bind(fd, (struct sockaddr *)&a,
                      v6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in)) != 0;
    int sys = errno;
    (void)close(fd); /* never used */
    if (!bad) {
        return 0;
    }
    return err_set(e, err_from_errno(sys),
                   v6 ? "cannot listen on [%s]:%u (%s): %s" : "cannot listen on %s:%u (%s): %s",
                   address, (unsigned)port, what, strerror(sys));
}

int serve_probe(const struct serve_options *o, struct errmsg *e)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < o->http->n; i++) {
        rc = probe_port("HTTP", o->http->text[i], o->http_port, SOCK_STREAM, e);
    }
    for (size_t i = 0; rc == 0 && i < o->dns->n; i++) {
        rc = probe_port("DNS", o->dns->text[i], o->dns_options.port, SOCK_STREAM, e);
        rc = rc == 0 ? probe_port("DNS", o->dns->text[i], o->dns_options.port, SOCK_DGRAM, e) : rc;
    }
    return rc;
}

static int open_listeners(struct serve *s, struct loop *l, struct errmsg *e)
{
    for (size_t i = 0; i < s->o.http->n; i++) {
        const struct api_listen listen = {
            .address = s->o.http->text[i],
            .port = s->o.http_port,
            .header_max = s->o.http_header_max,
        };
        int rc =
            api_loop_start(&l->api[i], &l->uv, s->o.server, l->reader, &l->replies, &listen, e);
        if (rc != 0) {
            return rc;
        }
        l->n_api++;
    }
    for (size_t i = 0; i < s->o.dns->n; i++) {
        int rc = dns_start(&l->dns[i], &l->uv, l->reader, &s->dns[i], e);
        if (rc != 0) {
            return rc;
        }
        l->n_dns++;
    }
    return 0;
}

/* On success, and when only a listener failed, the loop is for close_loop(); *@opened tells. */
static int open_loop(struct serve *s, struct loop *l, bool *opened, struct errmsg *e)
{
    *opened = false;
    if (uv_loop_init(&l->uv) != 0) {
        return err_set(e, E_NOMEM, "cannot make an event loop");
    }
    if (uv_async_init(&l->uv, &l->wake, on_wake) != 0) {
        (void)uv_loop_close(&l->uv); /* it has no handle */
        return err_set(e, E_NOMEM, "cannot make an event loop");
    }
    queue_init(&l->replies, REPLIES_MAX, wake_loop, l);
    *opened = true;
    int rc = reg_reader_open(s->o.store, wake_loop, l, &l->reader);
    if (rc != 0) {
        return err_set(e, rc, "cannot open a reader of the store: %s", err_text(rc));
    }
    return open_listeners(s, l, e);
}

/* Wait for the loop's end, which was ordered, and free what it holds. */
static void close_loop(struct loop *l)
{
    if (l->running) {
        int rc = pthread_join(l->thread, NULL);
        assert(rc == 0);
        (void)rc;
    } else {
        (void)run(l);
    }
    queue_fini(&l->replies);
    int rc = uv_loop_close(&l->uv);
    assert(rc == 0); /* else a handle was left open */
    (void)rc;
}

int serve_open(struct serve **out, const struct serve_options *o, struct errmsg *e)
{
    assert(o->threads > 0 && o->threads <= 64);
    int rc = 0;
    struct serve *s = calloc(1, sizeof *s);
    struct loop *loops = calloc(o->threads, sizeof *loops);
    if (s == NULL || loops == NULL) {
        free(s);
        free(loops);
        return err_set(e, E_NOMEM, "%s", err_text(E_NOMEM));
    }
    s->o = *o;
    s->loops = loops;
    for (size_t i = 0; i < o->dns->n; i++) {
        s->dns[i] = o->dns_options;
        s->dns[i].address = o->dns->text[i];
    }
    while (rc == 0 && s->n_loops < o->threads) {
        bool opened;
        rc = open_loop(s, &loops[s->n_loops], &opened, e);
        s->n_loops += opened ? 1 : 0;
    }
    if (rc != 0) {
        serve_stop(s);
        return rc;
    }
    *out = s;
    return 0;
}

int serve_start(struct serve *s, struct errmsg *e)
{
    for (unsigned i = 0; i < s->n_loops; i++) {
        struct loop *l = &s->loops[i];
        char name[16];
        int rc = pthread_create(&l->thread, NULL, run, l);
        if (rc != 0) {
            return err_set(e, E_NOMEM, "cannot start a thread: %s", strerror(rc));
        }
        l->running = true;
        (void)snprintf(name, sizeof name, "serve-%u", i & 63);
        (void)pthread_setname_np(l->thread, name); /* only for whoever looks at it with top */
    }
    return 0;
}

void serve_stop(struct serve *s)
{
    if (s == NULL) {
        return;
    }
    for (unsigned i = 0; i < s->n_loops; i++) {
        atomic_store(&s->loops[i].stop, true); /* all at once, then wait for each */
        wake_loop(&s->loops[i]);
    }
    for (unsigned i = 0; i < s->n_loops; i++) {
        close_loop(&s->loops[i]);
    }
    free(s->loops);
    free(s);
}
