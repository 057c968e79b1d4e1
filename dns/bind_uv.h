/* Bound sockets: the UDP and the TCP one of a DNS address. Header for dns/ only.
 *
 * All serving loops bind the same address (SO_REUSEPORT); the kernel spreads packets and
 * connections among them. */
#ifndef DNS_BIND_UV_H_
#define DNS_BIND_UV_H_

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct dns_sockets {
    int udp;
    int tcp; /* not yet listening */
    uint16_t port;
    bool wildcard; /* bound to no address in particular: UDP asks for IP_PKTINFO */
    sa_family_t family;
};

/* Open both, non-blocking, on the same port; @port 0 lets the kernel choose. On success the caller
 * closes them. E_INVAL: @address is no IP literal; E_ADDRINUSE, E_DENIED, E_IO. */
int dns_sockets_open(struct dns_sockets *s, const char *address, uint16_t port, struct errmsg *e);

#endif
