/* recvmmsg() fills up to BATCH fixed buffers; answers are laid one behind the other into one arena
 * and leave by sendmmsg(), at the latest when the arena has no room for the largest answer. A turn
 * of the loop takes at most TURN_BATCHES batches, so that other work gets its share.
 *
 * On a wildcard address the kernel tells for each packet which of our addresses it was sent to; the
 * same control message sends the answer from there. */
#include "dns/udp_uv.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

enum {
    BATCH = 32,
    TURN_BATCHES = 8,
    QUERY_MAX = 2048,       /* bytes; a longer one is none that we would answer */
    ARENA_SIZE = 3 * 65536, /* room for two answers of the largest size, or for many */
    CONTROL_SIZE = 64       /* one IP_PKTINFO or IPV6_PKTINFO */
};

static_assert(CMSG_SPACE(sizeof(struct in6_pktinfo)) <= CONTROL_SIZE, "a control message fits");
static_assert((int)ARENA_SIZE > (int)DNS_MESSAGE_MAX, "an answer fits");

struct dns_udp {
    uv_poll_t poll;
    int fd;
    bool wildcard;
    struct dns_responder *r;
    void (*on_stopped)(void *arg);
    void *arg;
    struct mmsghdr in[BATCH];
    struct mmsghdr out[BATCH];
    struct iovec in_iov[BATCH];
    struct iovec out_iov[BATCH];
    struct sockaddr_storage from[BATCH];
    _Alignas(struct cmsghdr) uint8_t control[BATCH][CONTROL_SIZE];
    uint8_t query[BATCH][QUERY_MAX];
    unsigned n_out;
    size_t arena_len;
    uint8_t arena[ARENA_SIZE];
};

static void headers_reset(struct dns_udp *u)
{
    for (unsigned i = 0; i < BATCH; i++) {
        u->in_iov[i] = (struct iovec){u->query[i], QUERY_MAX};
        u->in[i].msg_hdr = (struct msghdr){.msg_name = &u->from[i],
                                           .msg_namelen = sizeof(u->from[i]),
                                           .msg_iov = &u->in_iov[i],
                                           .msg_iovlen = 1};
        if (u->wildcard) {
            u->in[i].msg_hdr.msg_control = u->control[i];
            u->in[i].msg_hdr.msg_controllen = CONTROL_SIZE;
        }
    }
}

/* Send what has been laid out. A message that the kernel refuses is skipped. */
static void flush(struct dns_udp *u)
{
    unsigned at = 0;
    while (at < u->n_out) {
        int n = sendmmsg(u->fd, u->out + at, u->n_out - at, MSG_DONTWAIT);
        if (n > 0) {
            at += (unsigned)n;
            continue;
        }
        u->r->stats.dropped++;
        at++; /* also when the socket's buffer is full: each message is tried once */
    }
    u->n_out = 0;
    u->arena_len = 0;
}

/* The answer leaves by the interface that routing says, from the address that was asked. */
static void control_prepare(struct msghdr *h)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            ((struct in_pktinfo *)(void *)CMSG_DATA(c))->ipi_ifindex = 0;
        }
    }
}

static void answer_one(struct dns_udp *u, unsigned i, uint32_t now)
{
    struct msghdr *in = &u->in[i].msg_hdr;
    if ((in->msg_flags & MSG_TRUNC) != 0) {
        u->r->stats.queries++;
        u->r->stats.dropped++;
        return;
    }
    if (ARENA_SIZE - u->arena_len < DNS_MESSAGE_MAX) {
        flush(u);
    }
    uint8_t *at = u->arena + u->arena_len;
    size_t n = dns_respond(u->r, u->query[i], u->in[i].msg_len, DNS_UDP, now, at);
    if (n == 0) {
        return;
    }
    control_prepare(in);
    u->out_iov[u->n_out] = (struct iovec){at, n};
    u->out[u->n_out].msg_hdr = (struct msghdr){.msg_name = in->msg_name,
                                               .msg_namelen = in->msg_namelen,
                                               .msg_iov = &u->out_iov[u->n_out],
                                               .msg_iovlen = 1,
                                               .msg_control = in->msg_control,
                                               .msg_controllen = in->msg_controllen};
    u->n_out++;
    u->arena_len += n;
}

static void on_poll(uv_poll_t *poll, int status, int events);

/* An error on the socket stops libuv's polling: forget the error and go on. */
static void on_poll_error(struct dns_udp *u, int status)
{
    int error = 0;
    socklen_t len = sizeof(error);
    (void)getsockopt(u->fd, SOL_SOCKET, SO_ERROR, &error, &len); /* reading it clears it */
    log_warn("dns", "UDP socket reported an error: error=%s errno=%d", uv_strerror(status), error);
    int rc = uv_poll_start(&u->poll, UV_READABLE, on_poll);
    if (rc != 0) {
        log_error("dns", "Cannot serve DNS over UDP any longer: error=%s", uv_strerror(rc));
    }
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct dns_udp *u = container_of(poll, struct dns_udp, poll);
    (void)events; /* readable is all that we asked for */
    if (status < 0) {
        on_poll_error(u, status);
        return;
    }
    for (unsigned turn = 0; turn < TURN_BATCHES; turn++) {
        headers_reset(u);
        int n = recvmmsg(u->fd, u->in, BATCH, MSG_DONTWAIT, NULL);
        if (n <= 0) {
            return; /* EAGAIN: nothing waits; else the next turn tries again */
        }
        dns_responder_sync(u->r);
        uint32_t now = (uint32_t)(clock_wall_ns() / 1000000000);
        for (unsigned i = 0; i < (unsigned)n; i++) {
            answer_one(u, i, now);
        }
        flush(u);
        if (n < BATCH) {
            return;
        }
    }
}

static void on_closed(uv_handle_t *handle)
{
    struct dns_udp *u = container_of((uv_poll_t *)handle, struct dns_udp, poll);
    void (*cb)(void *) = u->on_stopped;
    void *arg = u->arg;
    (void)close(u->fd); /* nothing is left to flush on a datagram socket */
    free(u);
    if (cb != NULL) {
        cb(arg);
    }
}

int dns_udp_start(struct dns_udp **out,
                  uv_loop_t *loop,
                  const struct dns_sockets *s,
                  struct dns_responder *r)
{
    struct dns_udp *u = calloc(1, sizeof(*u));
    if (u == NULL || uv_poll_init(loop, &u->poll, s->udp) != 0) {
        (void)close(s->udp); /* nothing was sent through it */
        free(u);
        return E_NOMEM;
    }
    u->fd = s->udp;
    u->wildcard = s->wildcard;
    u->r = r;
    if (uv_poll_start(&u->poll, UV_READABLE, on_poll) != 0) {
        dns_udp_stop(u, NULL, NULL);
        return E_IO;
    }
    *out = u;
    return 0;
}

void dns_udp_stop(struct dns_udp *u, void (*cb)(void *arg), void *arg)
{
    u->on_stopped = cb;
    u->arg = arg;
    uv_close((uv_handle_t *)&u->poll, on_closed);
}
