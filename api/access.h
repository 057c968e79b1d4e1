/* Who may ask what over HTTP, and what every answer carries, by configuration: `http_config`'s
 * block_endpoints, allow_write_http_from and response_headers.
 *
 * Immutable, shared by all loops; owns nothing. Texts: consul-surface.md 2.2. Pure. */
#ifndef API_ACCESS_H_
#define API_ACCESS_H_

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"

enum { ACCESS_ADDRESS = 16 }; /* bytes of an IPv6 address; IPv4 is in ::ffff:0:0/96 */

struct access_network {
    unsigned char address[ACCESS_ADDRESS];
    unsigned bits; /* of the address that count */
};

struct api_access {
    const char *const *blocked; /* prefixes of paths */
    size_t n_blocked;
    const struct access_network *writers; /* none: everybody may write */
    size_t n_writers;
    struct slice headers;       /* whole lines for every answer */
    struct slice route_headers; /* ... for answers of routes */
};

/* Read "10.0.0.0/8", "fd00::/8". False: it is no network. */
bool access_network_parse(const char *text, struct access_network *out);

/* Is a request for @path refused to everybody? */
bool access_is_blocked(const struct api_access *a, struct slice path);

/* May a client at @address change something? */
bool access_may_write(const struct api_access *a, const unsigned char address[ACCESS_ADDRESS]);

#endif
