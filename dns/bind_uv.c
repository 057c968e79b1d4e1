/* With port 0 the kernel chooses for UDP, and TCP takes the same; if that one is taken there, both
 * are tried anew. */
#include "dns/bind_uv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    PORT_TRIES = 16,
    UDP_BUFFER_SIZE = 1024 * 1024 /* what the kernel may hold for a loop that is busy; bytes */
};

struct where {
    struct sockaddr_storage addr;
    socklen_t len;
};

static int where_parse(struct where *w, const char *address, uint16_t port, struct errmsg *e)
{
    memset(w, 0, sizeof(*w));
    struct sockaddr_in *v4 = (struct sockaddr_in *)&w->addr;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&w->addr;
    if (inet_pton(AF_INET, address, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        w->len = sizeof(*v4);
        return 0;
    }
    if (inet_pton(AF_INET6, address, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        w->len = sizeof(*v6);
        return 0;
    }
    return err_set(e, E_INVAL, "dns: \"%s\" is not an IP address", address);
}

static bool where_is_wildcard(const struct where *w)
{
    if (w->addr.ss_family == AF_INET) {
        return ((const struct sockaddr_in *)&w->addr)->sin_addr.s_addr == htonl(INADDR_ANY);
    }
    return IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)&w->addr)->sin6_addr);
}

static int option_set(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof(value));
}

/* A bound socket, or -1 and errno. */
static int socket_open(const struct where *w, int type, bool wildcard)
{
    int fd = socket(w->addr.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    bool v6 = w->addr.ss_family == AF_INET6;
    bool ok = option_set(fd, SOL_SOCKET, SO_REUSEPORT, 1) == 0;
    ok = ok && (type == SOCK_DGRAM || option_set(fd, SOL_SOCKET, SO_REUSEADDR, 1) == 0);
    ok = ok && (!v6 || option_set(fd, IPPROTO_IPV6, IPV6_V6ONLY, wildcard ? 0 : 1) == 0);
    if (ok && type == SOCK_DGRAM && wildcard) {
        ok = v6 ? option_set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1) == 0
                : option_set(fd, IPPROTO_IP, IP_PKTINFO, 1) == 0;
    }
    if (ok && type == SOCK_DGRAM) {
        /* Wishes: with the kernel's own sizes it works, too. */
        (void)option_set(fd, SOL_SOCKET, SO_RCVBUF, UDP_BUFFER_SIZE);
        (void)option_set(fd, SOL_SOCKET, SO_SNDBUF, UDP_BUFFER_SIZE);
    }
    if (!ok || bind(fd, (const struct sockaddr *)&w->addr, w->len) != 0) {
        int kept = errno;
        (void)close(fd); /* nothing was sent through it */
        errno = kept;
        return -1;
    }
    return fd;
}

static uint16_t port_of(int fd)
{
    struct sockaddr_storage addr;
    socklen_t len = sizeof(addr);
    if (getsockname(fd, (struct sockaddr *)&addr, &len) != 0) {
        return 0;
    }
    return ntohs(addr.ss_family == AF_INET ? ((struct sockaddr_in *)&addr)->sin_port
                                           : ((struct sockaddr_in6 *)&addr)->sin6_port);
}

/* One try; 0 or a negative errno. */
static int pair_open(struct dns_sockets *s, const char *address, uint16_t port, struct errmsg *e)
{
    struct where w;
    if (where_parse(&w, address, port, e) != 0) {
        return -EINVAL;
    }
    s->family = w.addr.ss_family;
    s->wildcard = where_is_wildcard(&w);
    s->udp = socket_open(&w, SOCK_DGRAM, s->wildcard);
    if (s->udp < 0) {
        return -errno;
    }
    s->port = port_of(s->udp);
    (void)where_parse(&w, address, s->port, e); /* it was good with the other port */
    s->tcp = socket_open(&w, SOCK_STREAM, s->wildcard);
    if (s->tcp < 0) {
        int kept = errno;
        (void)close(s->udp); /* nothing was sent through it */
        return -kept;
    }
    return 0;
}

int dns_sockets_open(struct dns_sockets *s, const char *address, uint16_t port, struct errmsg *e)
{
    struct where w;
    int rc = where_parse(&w, address, port, e);
    if (rc != 0) {
        return rc;
    }
    for (int i = 0; i < (port == 0 ? PORT_TRIES : 1); i++) {
        rc = pair_open(s, address, port, e);
        if (rc != -EADDRINUSE) {
            break;
        }
    }
    if (rc != 0) {
        int code = err_from_errno(-rc);
        return err_set(e, code, "dns: cannot bind %s port %u: %s", address, (unsigned)port,
                       strerror(-rc));
    }
    return 0;
}
