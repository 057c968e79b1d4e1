/* Addresses in the configuration: IP literals, a few of Consul's templates, and the machine's own
 * private address. Reads the list of network interfaces. */
#ifndef CLI_ADDRESS_H_
#define CLI_ADDRESS_H_

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum { ADDRESS_SIZE = 46, ADDRESSES_MAX = 8 }; /* INET6_ADDRSTRLEN; addresses in one value */

struct addresses {
    char text[ADDRESSES_MAX][ADDRESS_SIZE];
    size_t n;
};

/* Expand @value, one or several addresses separated by spaces: IP literals,
 * {{ GetPrivateIP }} and {{ GetInterfaceIP "eth0" }}. E_INVAL, E_UNSUPPORTED: @e names @key. */
int addresses_expand(struct addresses *out, const char *key, const char *value, struct errmsg *e);

/* True for an IPv4 or IPv6 literal. */
bool address_is_ip(const char *s);
/* True for 0.0.0.0 and ::. */
bool address_is_any(const char *s);

/* The only private IPv4 address of this machine. E_NOTFOUND: none; E_EXISTS: several. */
int address_private(char out[ADDRESS_SIZE], struct errmsg *e);

#endif
