/* The DNS closed loop: each socket keeps a window of queries on their way, sent and received in
 * batches. Several sockets, since the server spreads them over its threads by source port.
 *
 * A query's ID is its slot in the low byte and the slot's generation in the high one, so that an
 * answer that comes after its slot was given up is recognised and dropped. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/load.h"

enum { HEADER = 12, QUERY_MAX = 300, ANSWER_MAX = 4096, BATCH = 32, SOCKETS_MAX = 64 };

static const uint64_t LOST_NS = 1000000000U; /* an answer that took longer is lost */

struct slot {
    uint64_t sent_ns; /* 0: not in use */
    uint8_t generation;
};

struct dns_socket {
    int fd;
    struct slot slots[LOAD_WINDOW_MAX];
};

struct dns_loop {
    struct worker *w;
    const struct load_options *o;
    struct dns_socket *sockets;
    struct template name; /* its digits lie one byte further right in the query's name */
    char query[QUERY_MAX];
    size_t query_len;
    struct mmsghdr in[BATCH], out[BATCH];
    struct iovec in_iov[BATCH], out_iov[BATCH];
    char in_data[BATCH][ANSWER_MAX];
    char out_data[BATCH][QUERY_MAX];
};

/* The query without EDNS, ID 0, recursion desired: what dig +noedns sends. */
static bool query_build(struct dns_loop *l)
{
    static const char head[HEADER] = {0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0};
    char *p = l->query;
    const char *label = l->name.text;
    if (l->name.len == 0 || l->name.len > 253) {
        return false;
    }
    memcpy(p, head, HEADER);
    p += HEADER;
    while (*label != '\0') {
        size_t n = strcspn(label, ".");
        if (n == 0 || n > 63) {
            return false;
        }
        *p++ = (char)n;
        memcpy(p, label, n);
        p += n;
        label += n + (label[n] == '.');
    }
    const char tail[5] = {0, 0, (char)l->o->qtype, 0, 1};
    memcpy(p, tail, sizeof tail);
    l->query_len = (size_t)(p + sizeof tail - l->query);
    return true;
}

/* Fill place @i of the batch to send with the next query of slot @s. */
static void query_put(struct dns_loop *l,
                      struct dns_socket *sock,
                      unsigned s,
                      unsigned i,
                      uint64_t now)
{
    char *p = l->out_data[i];
    memcpy(p, l->query, l->query_len);
    sock->slots[s].generation++;
    sock->slots[s].sent_ns = now;
    p[0] = (char)sock->slots[s].generation;
    p[1] = (char)s;
    if (l->name.n_counters > 0) {
        uint64_t n = __atomic_fetch_add(l->w->next, 1, __ATOMIC_RELAXED);
        template_number(&l->name, p + HEADER + 1, n);
    }
    l->out_iov[i] = (struct iovec){.iov_base = p, .iov_len = l->query_len};
}

static void flush(struct dns_loop *l, struct dns_socket *sock, unsigned n)
{
    unsigned sent = 0;
    while (sent < n) {
        int k = sendmmsg(sock->fd, l->out + sent, n - sent, 0);
        if (k <= 0) {
            tally_fail(&l->w->tally, "send: %s", strerror(errno));
            return;
        }
        sent += (unsigned)k;
    }
}

static void judge(struct dns_loop *l, const char *p, size_t n, uint64_t took, uint64_t now)
{
    const unsigned char *u = (const unsigned char *)p;
    struct tally *t = &l->w->tally;
    int answers = u[6] << 8 | u[7];
    if (n < l->query_len || (u[2] & 0x80) == 0) {
        tally_fail(t, "not an answer (%zu bytes)", n);
    } else if ((u[3] & 15) != l->o->status) {
        tally_fail(t, "response code %d, wanted %d", u[3] & 15, l->o->status);
    } else if ((u[2] & 2) != 0) {
        tally_fail(t, "truncated answer");
    } else if (l->o->length >= 0 && answers != l->o->length) {
        tally_fail(t, "%d answers, wanted %ld", answers, l->o->length);
    } else if (now >= l->w->begin_ns && now < l->w->end_ns) {
        t->ops++;
        histogram_add(&t->latency, took);
    }
}

/* Take one batch of answers and send as many new queries. */
static void turn(struct dns_loop *l, struct dns_socket *sock)
{
    int n = recvmmsg(sock->fd, l->in, BATCH, MSG_DONTWAIT, NULL);
    uint64_t now = load_now_ns();
    unsigned out = 0;
    if (n < 0 && errno != EAGAIN) {
        tally_fail(&l->w->tally, "receive: %s", strerror(errno));
    }
    for (int i = 0; i < n; i++) {
        const char *p = l->in_data[i];
        size_t len = l->in[i].msg_len;
        unsigned s = (unsigned char)p[1];
        if (len < HEADER || s >= l->o->window || sock->slots[s].sent_ns == 0 ||
            (uint8_t)p[0] != sock->slots[s].generation) {
            continue;
        }
        judge(l, p, len, now - sock->slots[s].sent_ns, now);
        sock->slots[s].sent_ns = 0;
        if (now < l->w->end_ns) {
            query_put(l, sock, s, out++, now);
        }
    }
    flush(l, sock, out);
}

/* Give up what is overdue and fill every free slot. */
static void refill(struct dns_loop *l, struct dns_socket *sock)
{
    uint64_t now = load_now_ns();
    unsigned out = 0;
    for (unsigned s = 0; s < l->o->window; s++) {
        struct slot *slot = &sock->slots[s];
        if (slot->sent_ns != 0 && now - slot->sent_ns < LOST_NS) {
            continue;
        }
        if (slot->sent_ns != 0) {
            tally_fail(&l->w->tally, "no answer within a second");
        }
        query_put(l, sock, s, out++, now);
        if (out == BATCH) {
            flush(l, sock, out);
            out = 0;
        }
    }
    flush(l, sock, out);
}

static bool sockets_open(struct dns_loop *l, struct pollfd *polls)
{
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons(l->o->port),
                                   .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    for (unsigned i = 0; i < l->w->connections; i++) {
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        l->sockets[i].fd = fd;
        polls[i] = (struct pollfd){.fd = fd, .events = POLLIN};
        if (fd < 0 || connect(fd, (const struct sockaddr *)&to, sizeof to) != 0) {
            tally_fail(&l->w->tally, "socket: %s", strerror(errno));
            return false;
        }
    }
    return true;
}

static void run(struct dns_loop *l, struct pollfd *polls)
{
    uint64_t scan = 0;
    for (uint64_t now = load_now_ns(); now < l->w->end_ns; now = load_now_ns()) {
        if (l->w->tally.errors >= LOAD_ERRORS_MAX) {
            return;
        }
        if (now - scan > LOST_NS / 4) {
            scan = now;
            for (unsigned i = 0; i < l->w->connections; i++) {
                refill(l, &l->sockets[i]);
            }
        }
        if (poll(polls, l->w->connections, 100) <= 0) {
            continue;
        }
        for (unsigned i = 0; i < l->w->connections; i++) {
            if (polls[i].revents != 0) {
                turn(l, &l->sockets[i]);
            }
        }
    }
}

void load_dns_work(struct worker *w)
{
    struct dns_loop *l = calloc(1, sizeof *l);
    struct pollfd polls[SOCKETS_MAX];
    if (l == NULL || w->connections > SOCKETS_MAX) {
        abort();
    }
    l->sockets = calloc(w->connections, sizeof *l->sockets);
    if (l->sockets == NULL) {
        abort();
    }
    l->w = w;
    l->o = w->options;
    template_init(&l->name, l->o->name);
    for (size_t i = 0; i < BATCH; i++) {
        l->in_iov[i] = (struct iovec){.iov_base = l->in_data[i], .iov_len = ANSWER_MAX};
        l->in[i].msg_hdr.msg_iov = &l->in_iov[i];
        l->out[i].msg_hdr.msg_iov = &l->out_iov[i];
        l->in[i].msg_hdr.msg_iovlen = l->out[i].msg_hdr.msg_iovlen = 1;
    }
    for (unsigned i = 0; i < w->connections; i++) {
        l->sockets[i].fd = -1;
    }
    if (!query_build(l)) {
        tally_fail(&w->tally, "%s is not a name", l->name.text);
    } else if (sockets_open(l, polls)) {
        run(l, polls);
    }
    for (unsigned i = 0; i < w->connections; i++) {
        if (l->sockets[i].fd >= 0) {
            (void)close(l->sockets[i].fd);
        }
    }
    template_fini(&l->name);
    free(l->sockets);
    free(l);
}
