/* c-ares tells which sockets it wants watched; each gets a uv_poll of its own. Its time-outs hang
 * on one timer of the schedule. c-ares cannot cancel one query: a given-up look-up leaves its job
 * behind, without a request, until c-ares is done with it; so the jobs are what is counted and
 * bounded.
 *
 * c-ares may answer inside ares_getaddrinfo() (names from /etc/hosts). A job therefore only notes
 * the answer, and its timer, due at once, delivers it. */
#include "healthcheck/resolve_ares.h"

#include <ares.h>
#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/list.h"
#include "healthcheck/loop_uv.h"
#include "healthcheck/url.h"

struct hc_resolver {
    struct hc_loop *loop;
    ares_channel channel;
    struct hc_timer timer;
    struct list polls;
    struct list jobs;
    unsigned n_jobs;
};

struct hc_lookup_job {
    struct list link;
    struct hc_resolver *resolver;
    struct hc_lookup *request; /* NULL: given up */
    struct hc_timer deliver;
    int status;
    char host[HC_HOST_MAX + 1];
};

/* A socket of c-ares. */
struct poll {
    uv_poll_t handle;
    struct list link;
    struct hc_resolver *resolver;
    ares_socket_t fd;
};

void hc_addr_text(const union hc_addr *a, char out[HC_ADDR_TEXT])
{
    char ip[INET6_ADDRSTRLEN] = "";
    if (a->any.sa_family == AF_INET6) {
        (void)inet_ntop(AF_INET6, &a->v6.sin6_addr, ip, sizeof ip); /* fits by its constant */
        (void)snprintf(out, HC_ADDR_TEXT, "[%s]:%u", ip, (unsigned)ntohs(a->v6.sin6_port));
    } else {
        (void)inet_ntop(AF_INET, &a->v4.sin_addr, ip, sizeof ip); /* as above */
        (void)snprintf(out, HC_ADDR_TEXT, "%s:%u", ip, (unsigned)ntohs(a->v4.sin_port));
    }
}

bool hc_addr_literal(struct slice host, uint16_t port, struct hc_addrs *out)
{
    char text[INET6_ADDRSTRLEN + 1];
    if (host.len == 0) {
        host = SLICE_LIT("127.0.0.1");
    }
    if (host.len >= sizeof text) {
        return false;
    }
    memcpy(text, host.p, host.len);
    text[host.len] = '\0';
    union hc_addr *a = &out->a[0];
    *a = (union hc_addr){.v6 = {0}};
    out->n = 1;
    if (inet_pton(AF_INET, text, &a->v4.sin_addr) == 1) {
        a->v4.sin_family = AF_INET;
        a->v4.sin_port = htons(port);
        return true;
    }
    if (inet_pton(AF_INET6, text, &a->v6.sin6_addr) == 1) {
        a->v6.sin6_family = AF_INET6;
        a->v6.sin6_port = htons(port);
        return true;
    }
    out->n = 0;
    return false;
}

/* Wake c-ares when it next wants to look at its time-outs. */
static void rearm(struct hc_resolver *r)
{
    struct timeval max = {.tv_sec = HC_LOOKUP_TRY_MS / 1000};
    struct timeval tv;
    if (r->n_jobs == 0) {
        hc_schedule_clear(&r->loop->schedule, &r->timer);
        return;
    }
    const struct timeval *t = ares_timeout(r->channel, &max, &tv);
    uint64_t wait = (uint64_t)t->tv_sec * 1000000000 + (uint64_t)t->tv_usec * 1000;
    hc_schedule_set(&r->loop->schedule, &r->timer, hc_loop_now() + wait);
}

static void on_timeout(struct hc_timer *t, uint64_t now_ns)
{
    (void)now_ns;
    struct hc_resolver *r = container_of(t, struct hc_resolver, timer);
    ares_process_fd(r->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    rearm(r);
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct poll *p = container_of(handle, struct poll, handle);
    struct hc_resolver *r = p->resolver;
    bool both = status < 0; /* let c-ares find the error itself */
    ares_process_fd(r->channel, both || (events & UV_READABLE) ? p->fd : ARES_SOCKET_BAD,
                    both || (events & UV_WRITABLE) ? p->fd : ARES_SOCKET_BAD);
    rearm(r); /* @p may be closed by now */
}

static void on_poll_closed(uv_handle_t *handle)
{
    free(container_of(handle, struct poll, handle));
}

static void poll_close(struct poll *p)
{
    list_remove(&p->link);
    uv_close((uv_handle_t *)&p->handle, on_poll_closed);
}

/* c-ares opened, closed or wants to watch @fd. Without memory the socket goes unwatched, and the
 * look-up times out. */
static void on_socket(void *arg, ares_socket_t fd, int readable, int writable)
{
    struct hc_resolver *r = arg;
    struct poll *found = NULL;
    for (struct list *i = r->polls.next; i != &r->polls && found == NULL; i = i->next) {
        struct poll *p = container_of(i, struct poll, link);
        found = p->fd == fd ? p : NULL;
    }
    if (!readable && !writable) {
        if (found != NULL) {
            poll_close(found);
        }
        return;
    }
    if (found == NULL) {
        found = calloc(1, sizeof *found);
        if (found == NULL) {
            return;
        }
        if (uv_poll_init(&r->loop->uv, &found->handle, fd) != 0) {
            free(found);
            return;
        }
        found->resolver = r;
        found->fd = fd;
        list_push(&r->polls, &found->link);
    }
    (void)uv_poll_start(&found->handle, (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0),
                        on_poll); /* fails only for a closing handle */
}

static void job_free(struct hc_lookup_job *j)
{
    struct hc_resolver *r = j->resolver;
    hc_schedule_clear(&r->loop->schedule, &j->deliver);
    list_remove(&j->link);
    assert(r->n_jobs > 0);
    r->n_jobs--;
    free(j);
}

static void on_deliver(struct hc_timer *t, uint64_t now_ns)
{
    (void)now_ns;
    struct hc_lookup_job *j = container_of(t, struct hc_lookup_job, deliver);
    struct hc_lookup *q = j->request;
    int status = j->status;
    job_free(j);
    if (q != NULL) {
        q->job = NULL;
        q->done(q, status); /* our last touch of the request */
    }
}

static void take_addresses(struct hc_lookup *q, const struct ares_addrinfo *ai)
{
    for (const struct ares_addrinfo_node *n = ai->nodes; n != NULL; n = n->ai_next) {
        if (q->addrs.n == HC_ADDRS_MAX) {
            return;
        }
        union hc_addr *a = &q->addrs.a[q->addrs.n];
        if (n->ai_family == AF_INET && n->ai_addrlen >= sizeof a->v4) {
            memcpy(&a->v4, n->ai_addr, sizeof a->v4);
            q->addrs.n++;
        } else if (n->ai_family == AF_INET6 && n->ai_addrlen >= sizeof a->v6) {
            memcpy(&a->v6, n->ai_addr, sizeof a->v6);
            q->addrs.n++;
        }
    }
}

static void on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *ai)
{
    (void)timeouts;
    struct hc_lookup_job *j = arg;
    struct hc_lookup *q = j->request;
    if (status == ARES_SUCCESS && q != NULL) {
        take_addresses(q, ai);
    }
    if (ai != NULL) {
        ares_freeaddrinfo(ai);
    }
    if (status == ARES_EDESTRUCTION) {
        job_free(j);
        return;
    }
    if (q != NULL && q->addrs.n > 0) {
        j->status = 0;
    } else if (q != NULL && status == ARES_ETIMEOUT) {
        j->status = err_set(&q->error, E_TIMEOUT, "lookup %s: i/o timeout", j->host);
    } else if (q != NULL && (status == ARES_ENOTFOUND || status == ARES_ENODATA ||
                             status == ARES_EBADNAME || status == ARES_SUCCESS)) {
        j->status = err_set(&q->error, E_NOTFOUND, "lookup %s: no such host", j->host);
    } else if (q != NULL) {
        j->status = err_set(&q->error, E_IO, "lookup %s: %s", j->host, ares_strerror(status));
    }
    hc_schedule_set(&j->resolver->loop->schedule, &j->deliver, 0);
}

int hc_lookup_start(struct hc_resolver *r, struct hc_lookup *q, struct slice host, uint16_t port)
{
    assert(host.len <= HC_HOST_MAX);
    if (r->n_jobs >= HC_LOOKUPS_MAX) {
        return E_FULL;
    }
    struct hc_lookup_job *j = calloc(1, sizeof *j);
    if (j == NULL) {
        return E_NOMEM;
    }
    j->resolver = r;
    j->request = q;
    memcpy(j->host, host.p, host.len);
    hc_timer_init(&j->deliver, on_deliver);
    list_push(&r->jobs, &j->link);
    r->n_jobs++;
    q->job = j;
    q->addrs.n = 0;
    const struct ares_addrinfo_hints hints = {
        .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = ARES_AI_NUMERICSERV,
    };
    char service[6];
    (void)snprintf(service, sizeof service, "%u", (unsigned)port);
    ares_getaddrinfo(r->channel, j->host, service, &hints, on_answer, j);
    rearm(r);
    return 0;
}

void hc_lookup_cancel(struct hc_lookup *q)
{
    if (q->job != NULL) {
        q->job->request = NULL;
        q->job = NULL;
    }
}

int hc_resolver_new(struct hc_resolver **out, struct hc_loop *l, struct errmsg *e)
{
    struct hc_resolver *r = calloc(1, sizeof *r);
    if (r == NULL) {
        return err_set(e, E_NOMEM, "%s", err_text(E_NOMEM));
    }
    r->loop = l;
    list_init(&r->polls);
    list_init(&r->jobs);
    hc_timer_init(&r->timer, on_timeout);
    struct ares_options o = {
        .timeout = HC_LOOKUP_TRY_MS,
        .tries = HC_LOOKUP_TRIES,
        .sock_state_cb = on_socket,
        .sock_state_cb_data = r,
    };
    int rc = ares_library_init(ARES_LIB_INIT_ALL);
    if (rc == ARES_SUCCESS) {
        rc = ares_init_options(&r->channel, &o,
                               ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
        if (rc != ARES_SUCCESS) {
            ares_library_cleanup();
        }
    }
    if (rc != ARES_SUCCESS) {
        free(r);
        return err_set(e, rc == ARES_ENOMEM ? E_NOMEM : E_IO, "resolver: %s", ares_strerror(rc));
    }
    *out = r;
    return 0;
}

void hc_resolver_free(struct hc_resolver *r)
{
    if (r == NULL) {
        return;
    }
    ares_destroy(r->channel);       /* ends every query of c-ares and closes its sockets */
    while (!list_empty(&r->jobs)) { /* answered, but not yet delivered */
        struct hc_lookup_job *j = container_of(r->jobs.next, struct hc_lookup_job, link);
        assert(j->request == NULL);
        job_free(j);
    }
    while (!list_empty(&r->polls)) {
        poll_close(container_of(r->polls.next, struct poll, link));
    }
    hc_schedule_clear(&r->loop->schedule, &r->timer);
    ares_library_cleanup();
    free(r);
}
