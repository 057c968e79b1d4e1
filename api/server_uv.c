/* How: the listener is a polled descriptor, so that the number of connections accepted in one turn
 * is bounded. Woken queries are served in the check phase, right after the sockets; while some
 * remain, an idle handle keeps the loop from sleeping. */
#include "api/server.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "api/conn_uv.h"
#include "api/read.h"
#include "api/request.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"

enum { BACKLOG = 4096, HANDLES = 5 };

/* ---- the moment ---- */

static void set_date(struct loop_moment *m, int64_t wall_s)
{
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t t = (time_t)wall_s;
    struct tm tm;
    if (m->wall_s == wall_s || gmtime_r(&t, &tm) == NULL) {
        return;
    }
    int n = snprintf(m->date, sizeof m->date, "Date: %s, %02d %s %04d %02d:%02d:%02d GMT\r\n",
                     days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour,
                     tm.tm_min, tm.tm_sec);
    m->date_len = n > 0 && (size_t)n < sizeof m->date ? (size_t)n : 0;
    m->wall_s = wall_s;
}

const struct loop_moment *loop_moment(struct api_loop *a)
{
    struct loop_moment *m = &a->moment;
    if (m->at_ms == uv_now(a->uv)) {
        return m;
    }
    m->at_ms = uv_now(a->uv);
    set_date(m, clock_wall_ns() / 1000000000);
    char address[128];
    bool known = true;
    uint64_t contact = 0;
    if (a->server->leadership != NULL) {
        a->server->leadership(a->server->arg, &known, address, &contact);
    }
    if (m->meta_len == 0 || known != m->known_leader || contact != m->last_contact_ms) {
        m->known_leader = known;
        m->last_contact_ms = contact;
        int n = snprintf(m->meta, sizeof m->meta,
                         "X-Consul-Knownleader: %s\r\nX-Consul-Lastcontact: %llu\r\n",
                         known ? "true" : "false", (unsigned long long)contact);
        assert(n > 0 && (size_t)n < sizeof m->meta);
        m->meta_len = (size_t)n;
    }
    return m;
}

/* ---- waking ---- */

void loop_sync(struct api_loop *a)
{
    if (reg_reader_seen(a->reader) != reg_published_index(a->server->store)) {
        reg_reader_sync(a->reader);
    }
}

static void on_deadline(uv_timer_t *timer)
{
    struct api_loop *a = container_of(timer, struct api_loop, deadline);
    a->deadline_ms = UINT64_MAX;
    read_turn(a);
}

static void on_check(uv_check_t *check)
{
    struct api_loop *a = container_of(check, struct api_loop, check);
    if (blocking_has_work(a->blocking)) {
        read_turn(a);
    }
}

/* Only there to keep the loop from sleeping; the check handle does the work. */
static void on_idle(uv_idle_t *idle)
{
    (void)idle;
}

void loop_schedule(struct api_loop *a)
{
    if (a->n_handles < HANDLES || uv_is_closing((uv_handle_t *)&a->idle)) {
        return; /* starting or stopping: nobody is parked */
    }
    /* These fail only for a handle that is closing. */
    if (blocking_has_work(a->blocking)) {
        (void)uv_idle_start(&a->idle, on_idle);
    } else {
        (void)uv_idle_stop(&a->idle);
    }
    uint64_t deadline_ms = blocking_deadline(a->blocking);
    if (deadline_ms == a->deadline_ms) {
        return;
    }
    a->deadline_ms = deadline_ms;
    if (deadline_ms == UINT64_MAX) {
        (void)uv_timer_stop(&a->deadline);
        return;
    }
    uint64_t now_ms = uv_now(a->uv);
    (void)uv_timer_start(&a->deadline, on_deadline, deadline_ms > now_ms ? deadline_ms - now_ms : 0,
                         0);
}

/* ---- listening ---- */

static void refuse_connection(int fd)
{
    static const char text[] =
        "HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    (void)send(fd, text, sizeof text - 1, MSG_NOSIGNAL | MSG_DONTWAIT); /* as far as it goes */
    (void)close(fd);
}

static void on_listener(uv_poll_t *poll, int status, int events)
{
    struct api_loop *a = container_of(poll, struct api_loop, listener);
    (void)events;
    for (int i = 0; status == 0 && i < LOOP_ACCEPTS_PER_TURN; i++) {
        int fd = accept4(a->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR) {
                /* Out of descriptors or memory: the listener stays readable, so polling on would
                 * spin. The next tick tries again. */
                log_warn("agent.http", "Cannot accept a connection: error=%s", strerror(errno));
                (void)uv_poll_stop(poll); /* always succeeds */
                a->accept_paused = true;
            }
            return;
        }
        if (a->stats.connections >= a->opts.connections_max) {
            refuse_connection(fd);
        } else {
            (void)conn_new(a, fd); /* on an error the connection is closed; nothing else is lost */
        }
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct api_loop *a = container_of(timer, struct api_loop, tick);
    conn_tick(a, uv_now(a->uv) / 1000);
    measure_levels(a->measure, blocking_count(a->blocking), a->stats.connections);
    metrics_roll(clock_mono_ms(), clock_wall_ns());
    if (a->accept_paused && !a->stopping) {
        a->accept_paused = uv_poll_start(&a->listener, UV_READABLE, on_listener) != 0;
    }
}

static int socket_address(const struct api_listen *l, struct sockaddr_storage *ss, socklen_t *len)
{
    memset(ss, 0, sizeof *ss);
    struct sockaddr_in *in4 = (struct sockaddr_in *)(void *)ss;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)ss;
    if (inet_pton(AF_INET, l->address, &in4->sin_addr) == 1) {
        in4->sin_family = AF_INET;
        in4->sin_port = htons(l->port);
        *len = sizeof *in4;
        return 0;
    }
    if (inet_pton(AF_INET6, l->address, &in6->sin6_addr) == 1) {
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(l->port);
        *len = sizeof *in6;
        return 0;
    }
    return E_INVAL;
}

/* The port the kernel picked, or the one asked for. */
static uint16_t port_of(int fd)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof ss;
    if (getsockname(fd, (struct sockaddr *)&ss, &len) != 0) {
        return 0;
    }
    return ntohs(ss.ss_family == AF_INET ? ((struct sockaddr_in *)(void *)&ss)->sin_port
                                         : ((struct sockaddr_in6 *)(void *)&ss)->sin6_port);
}

static int open_listener(struct api_loop *a, struct errmsg *e)
{
    const struct api_listen *l = &a->opts;
    struct sockaddr_storage ss;
    socklen_t len;
    if (socket_address(l, &ss, &len) != 0) {
        return err_set(e, E_INVAL, "HTTP address %s is no IP address", l->address);
    }
    int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return err_set(e, err_from_errno(errno), "HTTP socket: %s", strerror(errno));
    }
    int on = 1;
    /* TCP_NODELAY passes on to what is accepted. A kernel that refuses these is merely slower, but
     * for SO_REUSEPORT, without which the second loop's bind fails and says so. */
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&ss, len) != 0 || listen(fd, BACKLOG) != 0) {
        int rv = err_from_errno(errno);
        err_set(e, rv, "HTTP address %s:%u: %s", l->address, l->port, strerror(errno));
        (void)close(fd);
        return rv;
    }
    a->listen_fd = fd;
    a->port = port_of(fd);
    return 0;
}

/* ---- start and stop ---- */

static void fill_in(struct api_listen *to, const struct api_listen *from)
{
    *to = *from;
    to->connections_max = from->connections_max != 0 ? from->connections_max : 65536;
    to->header_max = from->header_max != 0 ? from->header_max : 1024 * 1024;
    to->idle_ms = from->idle_ms != 0 ? from->idle_ms : 120 * 1000;
    to->header_ms = from->header_ms != 0 ? from->header_ms : 10 * 1000;
    to->body_ms = from->body_ms != 0 ? from->body_ms : 60 * 1000;
    to->cache_bytes = from->cache_bytes != 0 ? from->cache_bytes : 16 * 1024 * 1024;
}

/* Everything but handles and connections. */
static void free_parts(struct api_loop *a)
{
    struct list *l;
    while ((l = list_pop(&a->requests_free)) != NULL) {
        free(container_of(l, struct request, link));
    }
    cache_free(a->cache);
    blocking_free(a->blocking);
    router_free(a->router);
    measure_free(a->measure);
    gzipper_free(a->gzip);
    buf_fini(&a->out);
    free(a->read_buf);
    if (a->listen_fd >= 0) {
        (void)close(a->listen_fd);
    }
    free(a);
}

static int start_handles(struct api_loop *a)
{
    uv_loop_t *uv = a->uv;
    int rv = uv_poll_init(uv, &a->listener, a->listen_fd);
    if (rv != 0) {
        return rv;
    }
    a->n_handles = HANDLES;
    /* These cannot fail: they only fill in the handle. */
    (void)uv_timer_init(uv, &a->tick);
    (void)uv_timer_init(uv, &a->deadline);
    (void)uv_check_init(uv, &a->check);
    (void)uv_idle_init(uv, &a->idle);
    (void)uv_timer_start(&a->tick, on_tick, 1000, 1000);
    (void)uv_check_start(&a->check, on_check);
    return uv_poll_start(&a->listener, UV_READABLE, on_listener);
}

int api_loop_start(struct api_loop **out,
                   uv_loop_t *loop,
                   const struct api_server *server,
                   struct reg_reader *reader,
                   struct queue *replies,
                   const struct api_listen *listen,
                   struct errmsg *e)
{
    struct api_loop *a = calloc(1, sizeof *a);
    if (a == NULL) {
        return err_set(e, E_NOMEM, "%s", err_text(E_NOMEM));
    }
    a->uv = loop;
    a->server = server;
    a->reader = reader;
    a->replies = replies;
    a->listen_fd = -1;
    a->deadline_ms = UINT64_MAX;
    a->moment.at_ms = UINT64_MAX;
    uv_update_time(loop);
    a->tick_s = uv_now(loop) / 1000;
    fill_in(&a->opts, listen);
    list_init(&a->conns);
    list_init(&a->requests);
    list_init(&a->requests_free);
    for (unsigned i = 0; i < LOOP_WHEEL_SIZE; i++) {
        list_init(&a->wheel[i]);
    }
    rng_seed(&a->rng, clock_mono_ns());
    a->router = router_new(api_routes, api_routes_count);
    a->measure = measure_new(api_routes, api_routes_count);
    a->blocking = blocking_new(reg_reader_watch(reader));
    a->cache = cache_new(reg_reader_watch(reader), a->opts.cache_bytes);
    a->read_buf = malloc(LOOP_READ_SIZE);
    int rv = E_NOMEM;
    if (a->router != NULL && a->measure != NULL && a->blocking != NULL && a->cache != NULL &&
        a->read_buf != NULL) {
        rv = open_listener(a, e);
    } else {
        err_set(e, rv, "%s", err_text(rv));
    }
    if (rv == 0 && start_handles(a) != 0) {
        rv = err_set(e, E_IO, "HTTP address %s: cannot be polled", a->opts.address);
    }
    if (rv != 0) {
        assert(a->n_handles == 0); /* polling a fresh listening socket fails at once or never */
        free_parts(a);
        return rv;
    }
    *out = a;
    return 0;
}

uint16_t api_loop_port(const struct api_loop *a)
{
    return a->port;
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct api_loop *a = handle->data;
    if (--a->n_handles > 0) {
        return;
    }
    void (*stopped)(void *arg) = a->stopped;
    void *arg = a->stopped_arg;
    free_parts(a);
    stopped(arg);
}

static void close_handle(struct api_loop *a, uv_handle_t *handle)
{
    if (!uv_is_closing(handle)) {
        handle->data = a;
        uv_close(handle, on_handle_closed);
    }
}

void loop_check_stopped(struct api_loop *a)
{
    if (!a->stopping || !list_empty(&a->conns) || !list_empty(&a->requests)) {
        return;
    }
    close_handle(a, (uv_handle_t *)&a->tick);
    close_handle(a, (uv_handle_t *)&a->deadline);
    close_handle(a, (uv_handle_t *)&a->check);
    close_handle(a, (uv_handle_t *)&a->idle);
}

void api_loop_stop(struct api_loop *a, void (*cb)(void *arg), void *arg)
{
    assert(!a->stopping);
    a->stopping = true;
    a->stopped = cb;
    a->stopped_arg = arg;
    close_handle(a, (uv_handle_t *)&a->listener);
    read_wake_all(a);
    struct list *next;
    for (struct list *l = a->conns.next; l != &a->conns; l = next) {
        next = l->next;
        conn_stop(container_of(l, struct conn, link));
    }
    loop_check_stopped(a);
}

void api_loop_stats(const struct api_loop *a, struct api_stats *out)
{
    *out = a->stats;
    out->parked = blocking_count(a->blocking);
    out->cache_hits = cache_hits(a->cache);
    out->cache_bytes = cache_bytes(a->cache);
}
