/* Watchers: connections that each hang in a blocking query, as a gateway's do.
 *
 *     FIRST ── index ──► PARKED ── the change ──► WOKEN ── next round ──► PARKED
 *
 * A watcher first asks without an index, then with the one it was given. "watch" makes a change
 * when all are parked and the server has come to rest, and takes the time from sending the change
 * to each wake (the whole body has arrived). A woken watcher waits for the others before it parks
 * again, so that a round measures waking alone. "hold" only keeps them parked until its input ends.
 * A parked watcher that is answered without a change is an error, and so is an index that did not
 * grow. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/load.h"

enum watcher_state { WATCHER_FIRST, WATCHER_PARKED, WATCHER_WOKEN };

struct watcher {
    int fd;
    enum watcher_state state;
    uint64_t number;
    uint64_t index;
    struct response response;
};

struct watch_loop {
    const struct load_options *o;
    int epoll;
    struct watcher *all;
    struct watcher trigger; /* the connection of the change; state WOKEN once it is answered */
    unsigned parked;
    bool changing; /* the change has been sent: wakes are wanted */
    uint64_t changed_ns;
    struct template target;
    struct tally tally;
    char in[256 * 1024];
};

enum { EVENTS = 256, QUIET_MS = 100, QUIET_TURNS = 5, SETTLE_TURNS_MAX = 300 };

static bool ask(struct watch_loop *l, struct watcher *v)
{
    char target[1024];
    char request[1200];
    if (l->target.len >= sizeof target) {
        return false;
    }
    memcpy(target, l->target.text, l->target.len + 1);
    template_number(&l->target, target, v->number);
    char block[64] = "";
    if (v->state == WATCHER_PARKED) {
        (void)snprintf(block, sizeof block, "%cindex=%llu&wait=600s",
                       strchr(target, '?') != NULL ? '&' : '?', (unsigned long long)v->index);
    }
    int n = snprintf(request, sizeof request, "GET %s%s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
                     target, block);
    response_reset(&v->response);
    if (!load_send(v->fd, request, (size_t)n)) {
        tally_fail(&l->tally, "send: %s", strerror(errno));
        return false;
    }
    return true;
}

static void park(struct watch_loop *l, struct watcher *v)
{
    v->state = WATCHER_PARKED;
    l->parked += ask(l, v);
}

static void on_answer(struct watch_loop *l, struct watcher *v, uint64_t now)
{
    const struct response *r = &v->response;
    if (v == &l->trigger) {
        v->state = WATCHER_WOKEN;
        if (r->status != 200) {
            tally_fail(&l->tally, "the change got status %d: %.*s", r->status,
                       (int)(r->length < sizeof r->start ? r->length : sizeof r->start), r->start);
        }
        return;
    }
    if (r->status != l->o->status) {
        tally_fail(&l->tally, "status %d, wanted %d", r->status, l->o->status);
    } else if (r->index <= v->index) {
        tally_fail(&l->tally, "index %llu after %llu", (unsigned long long)r->index,
                   (unsigned long long)v->index);
    }
    v->index = r->index;
    if (v->state == WATCHER_FIRST) {
        park(l, v);
        return;
    }
    l->parked--;
    v->state = WATCHER_WOKEN;
    if (!l->changing) {
        tally_fail(&l->tally, "a watcher woke without a change");
        park(l, v);
        return;
    }
    histogram_add(&l->tally.latency, now - l->changed_ns);
}

static void on_readable(struct watch_loop *l, struct watcher *v)
{
    ssize_t n = recv(v->fd, l->in, sizeof l->in, 0);
    if (n < 0 && errno == EAGAIN) {
        return;
    }
    size_t used;
    int rc = n > 0 ? response_feed(&v->response, l->in, (size_t)n, &used) : -1;
    if (rc < 0) {
        tally_fail(&l->tally, "receive: %s",
                   n == 0  ? "closed by the server"
                   : n < 0 ? strerror(errno)
                           : "malformed response");
        l->parked -= v->state == WATCHER_PARKED && v != &l->trigger;
        (void)close(v->fd);
        v->fd = -1;
    } else if (rc > 0) {
        on_answer(l, v, load_now_ns());
    }
}

/* Handle what is ready, waiting for it up to @ms. Returns the number of events. */
static int turn(struct watch_loop *l, int ms)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(l->epoll, events, EVENTS, ms);
    for (int i = 0; i < n; i++) {
        on_readable(l, events[i].data.ptr);
    }
    return n;
}

static bool watcher_open(struct watch_loop *l, struct watcher *v)
{
    v->fd = load_connect(l->o->port);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = v};
    if (v->fd < 0 || epoll_ctl(l->epoll, EPOLL_CTL_ADD, v->fd, &e) != 0) {
        tally_fail(&l->tally, "connect: %s", strerror(errno));
        return false;
    }
    return true;
}

/* Until all are parked and neither an answer nor CPU time of the server has moved for a while. */
static bool settle(struct watch_loop *l)
{
    double cpu = 0;
    for (int quiet = 0, turns = 0; quiet < QUIET_TURNS || l->parked < l->o->connections;) {
        if (turns++ == SETTLE_TURNS_MAX || l->tally.errors >= LOAD_ERRORS_MAX) {
            tally_fail(&l->tally, "%u of %u watchers came to hang", l->parked, l->o->connections);
            return false;
        }
        double before = cpu;
        turns -= turn(l, QUIET_MS) > 0; /* only waiting in vain is bounded */
        cpu = load_cpu_s(l->o->server);
        quiet = cpu - before < 0.02 ? quiet + 1 : 0;
    }
    return true;
}

static bool start(struct watch_loop *l, const struct load_options *o)
{
    struct rlimit files = {.rlim_cur = o->connections + 64U, .rlim_max = o->connections + 64U};
    struct rlimit now;
    l->o = o;
    if (getrlimit(RLIMIT_NOFILE, &now) == 0 && now.rlim_cur < files.rlim_cur) {
        files.rlim_max = now.rlim_max > files.rlim_cur ? now.rlim_max : files.rlim_cur;
        (void)setrlimit(RLIMIT_NOFILE, &files); /* when refused, connecting says so */
    }
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->all = calloc(o->connections, sizeof *l->all);
    if (l->all == NULL || l->epoll < 0) {
        abort();
    }
    template_init(&l->target, o->target);
    for (unsigned i = 0; i < o->connections; i++) {
        l->all[i].number = i;
        if (!watcher_open(l, &l->all[i]) || !ask(l, &l->all[i])) {
            return false;
        }
        (void)turn(l, 0);
    }
    return settle(l);
}

static void finish(struct watch_loop *l)
{
    for (unsigned i = 0; l->all != NULL && i < l->o->connections; i++) {
        if (l->all[i].fd > 0) {
            (void)close(l->all[i].fd);
        }
    }
    (void)close(l->epoll);
    template_fini(&l->target);
    free(l->all);
    free(l);
}

/* Make change number @round and wait until everybody has seen it. Returns the time of the last
 * wake. */
static uint64_t change(struct watch_loop *l, unsigned round)
{
    struct template put;
    template_request(&put, "PUT", l->o->trigger_target, l->o->trigger_body);
    template_number(&put, put.text, round + 1);
    response_reset(&l->trigger.response);
    l->trigger.state = WATCHER_PARKED;
    l->changing = true;
    l->changed_ns = load_now_ns();
    uint64_t woken = l->tally.latency.n;
    if (!load_send(l->trigger.fd, put.text, put.len)) {
        tally_fail(&l->tally, "send: %s", strerror(errno));
    }
    uint64_t last = l->changed_ns;
    while ((l->parked > 0 || l->trigger.state != WATCHER_WOKEN) && turn(l, LOAD_STUCK_MS) > 0) {
        if (l->tally.latency.n != woken) {
            woken = l->tally.latency.n;
            last = load_now_ns();
        }
    }
    l->changing = false;
    if (l->parked > 0) {
        tally_fail(&l->tally, "%u watchers did not wake", l->parked);
    }
    template_fini(&put);
    return last - l->changed_ns;
}

static int by_value(const void *a, const void *b)
{
    const double *x = a;
    const double *y = b;
    return (*x > *y) - (*x < *y);
}

int load_watch(const struct load_options *o)
{
    enum { ROUNDS_MAX = 100 };
    double last_ms[ROUNDS_MAX] = {0};
    struct watch_loop *l = calloc(1, sizeof *l);
    unsigned rounds = o->rounds < ROUNDS_MAX ? o->rounds : ROUNDS_MAX;
    unsigned done = 0;
    double cpu = 0;
    double sum_s = 0;
    if (l == NULL) {
        abort();
    }
    bool ok = start(l, o) && watcher_open(l, &l->trigger);
    for (; ok && done < rounds; done++) {
        double before = load_cpu_s(o->server);
        last_ms[done] = (double)change(l, done) / 1e6;
        sum_s += last_ms[done] / 1e3;
        for (unsigned i = 0; i < o->connections && l->all[i].fd > 0; i++) {
            if (l->all[i].state == WATCHER_WOKEN) {
                park(l, &l->all[i]);
            }
        }
        ok = l->tally.errors == 0 && settle(l);
        cpu += load_cpu_s(o->server) - before;
    }
    l->tally.ops = l->tally.latency.n;
    qsort(last_ms, done, sizeof last_ms[0], by_value);
    char more[128];
    (void)snprintf(more, sizeof more, ",\"last_ms_median\":%.1f,\"last_ms_max\":%.1f",
                   last_ms[done / 2], done > 0 ? last_ms[done - 1] : 0);
    load_print(&l->tally, sum_s, o->server > 0 ? cpu : -1, more);
    finish(l);
    return 0;
}

int load_hold(const struct load_options *o)
{
    struct watch_loop *l = calloc(1, sizeof *l);
    if (l == NULL) {
        abort();
    }
    bool ok = start(l, o);
    (void)printf("ready\n");
    (void)fflush(stdout);
    struct pollfd wait[2] = {{.fd = STDIN_FILENO, .events = POLLIN},
                             {.fd = l->epoll, .events = POLLIN}};
    while (ok && poll(wait, 2, -1) > 0 && wait[0].revents == 0) {
        (void)turn(l, 0);
        ok = l->tally.errors < LOAD_ERRORS_MAX;
    }
    l->tally.ops = l->parked;
    load_print(&l->tally, 1, -1, "");
    finish(l);
    return 0;
}
