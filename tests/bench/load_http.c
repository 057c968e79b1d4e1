/* The HTTP closed loop: each connection has one request on its way. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/load.h"

struct http_conn {
    int fd; /* -1: at rest */
    uint64_t sent_ns;
    struct response response;
};

struct http_loop {
    struct worker *w;
    const struct load_options *o;
    int epoll;
    struct http_conn *conns;
    unsigned open;
    struct template request;
    char *out; /* the request as it is sent; only its counters change */
    size_t want_len;
    char in[256 * 1024];
};

enum { EVENTS = 64 };

static void conn_close(struct http_loop *l, struct http_conn *c)
{
    if (c->fd >= 0) {
        (void)close(c->fd);
        c->fd = -1;
        l->open--;
    }
}

/* Send the next request, or rest when the run is over. */
static void conn_next(struct http_loop *l, struct http_conn *c, uint64_t now)
{
    uint64_t n = __atomic_fetch_add(l->w->next, 1, __ATOMIC_RELAXED);
    if (now >= l->w->end_ns || (l->o->count > 0 && n >= l->o->count)) {
        conn_close(l, c);
        return;
    }
    template_number(&l->request, l->out, n);
    response_reset(&c->response);
    c->sent_ns = now;
    if (!load_send(c->fd, l->out, l->request.len)) {
        tally_fail(&l->w->tally, "send: %s", strerror(errno));
        conn_close(l, c);
    }
}

static void conn_open(struct http_loop *l, struct http_conn *c)
{
    c->fd = load_connect(l->o->port);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
    if (c->fd < 0) {
        tally_fail(&l->w->tally, "connect: %s", strerror(errno));
        return;
    }
    l->open++;
    if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &e) != 0) {
        tally_fail(&l->w->tally, "epoll: %s", strerror(errno));
        conn_close(l, c);
        return;
    }
    conn_next(l, c, load_now_ns());
}

static void judge(struct http_loop *l, const struct http_conn *c, uint64_t now)
{
    const struct response *r = &c->response;
    const struct load_options *o = l->o;
    struct tally *t = &l->w->tally;
    int shown = (int)(r->length < sizeof r->start ? r->length : sizeof r->start);
    if (r->status != o->status) {
        tally_fail(t, "status %d, wanted %d: %.*s", r->status, o->status, shown, r->start);
    } else if (o->length >= 0 && r->length != (uint64_t)o->length) {
        tally_fail(t, "%llu bytes, wanted %ld: %.*s", (unsigned long long)r->length, o->length,
                   shown, r->start);
    } else if (o->want != NULL &&
               (r->length < l->want_len || memcmp(r->start, o->want, l->want_len) != 0)) {
        tally_fail(t, "body is not as wanted: %.*s", shown, r->start);
    } else if (now >= l->w->begin_ns && now < l->w->end_ns) {
        t->ops++;
        histogram_add(&t->latency, now - c->sent_ns);
    }
}

static void conn_read(struct http_loop *l, struct http_conn *c)
{
    ssize_t n = recv(c->fd, l->in, sizeof l->in, 0);
    if (n < 0 && errno == EAGAIN) {
        return;
    }
    size_t used = 0;
    int rc = n > 0 ? response_feed(&c->response, l->in, (size_t)n, &used) : -1;
    if (rc == 0) {
        return;
    }
    bool closes = rc < 0 || c->response.closes;
    uint64_t now = load_now_ns();
    if (n <= 0) {
        tally_fail(&l->w->tally, "receive: %s", n == 0 ? "closed by the server" : strerror(errno));
    } else if (rc < 0 || used != (size_t)n) {
        tally_fail(&l->w->tally, "malformed response: %.*s", (int)(n < 120 ? n : 120), l->in);
        closes = true;
    } else {
        judge(l, c, now);
    }
    if (closes) {
        conn_close(l, c);
        if (now < l->w->end_ns) {
            conn_open(l, c);
        }
        return;
    }
    conn_next(l, c, now);
}

static void run(struct http_loop *l)
{
    struct epoll_event events[EVENTS];
    while (l->open > 0 && l->w->tally.errors < LOAD_ERRORS_MAX) {
        int n = epoll_wait(l->epoll, events, EVENTS, LOAD_STUCK_MS);
        if (n == 0) {
            tally_fail(&l->w->tally, "no answer for %d ms", LOAD_STUCK_MS);
            return;
        }
        for (int i = 0; i < n; i++) {
            conn_read(l, events[i].data.ptr);
        }
    }
}

void load_http_work(struct worker *w)
{
    struct http_loop *l = calloc(1, sizeof *l);
    struct http_conn *conns = calloc(w->connections, sizeof *conns);
    if (l == NULL || conns == NULL) {
        abort();
    }
    l->w = w;
    l->o = w->options;
    l->conns = conns;
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->want_len = l->o->want != NULL ? strlen(l->o->want) : 0;
    template_request(&l->request, l->o->method, l->o->target, l->o->body);
    l->out = strdup(l->request.text);
    if (l->out == NULL || l->epoll < 0 || l->want_len > sizeof l->conns[0].response.start) {
        abort();
    }
    for (unsigned i = 0; i < w->connections; i++) {
        conns[i].fd = -1;
    }
    for (unsigned i = 0; i < w->connections && w->tally.errors == 0; i++) {
        conn_open(l, &conns[i]);
    }
    run(l);
    for (unsigned i = 0; i < w->connections; i++) {
        conn_close(l, &conns[i]);
    }
    (void)close(l->epoll);
    template_fini(&l->request);
    free(l->out);
    free(conns);
    free(l);
}
