/* Addresses of both families are compared as IPv6, so a dual-stack socket's "::ffff:10.0.0.1" is in
 * 10.0.0.0/8. */
#include "api/access.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool access_network_parse(const char *text, struct access_network *out)
{
    char address[64];
    const char *slash = strchr(text, '/');
    if (slash == NULL || (size_t)(slash - text) >= sizeof address) {
        return false;
    }
    memcpy(address, text, (size_t)(slash - text));
    address[slash - text] = '\0';
    size_t digits = strlen(slash + 1);
    if (digits == 0 || digits > 3 || strspn(slash + 1, "0123456789") != digits) {
        return false;
    }
    unsigned bits = (unsigned)strtoul(slash + 1, NULL, 10);
    *out = (struct access_network){.bits = bits};
    if (inet_pton(AF_INET6, address, out->address) == 1) {
        return bits <= 128;
    }
    memcpy(out->address, mapped, sizeof mapped);
    out->bits += 96;
    return bits <= 32 && inet_pton(AF_INET, address, out->address + sizeof mapped) == 1;
}

static bool contains(const struct access_network *n, const unsigned char address[ACCESS_ADDRESS])
{
    unsigned whole = n->bits / 8;
    unsigned rest = n->bits % 8;
    if (memcmp(n->address, address, whole) != 0) {
        return false;
    }
    return rest == 0 || ((n->address[whole] ^ address[whole]) >> (8 - rest)) == 0;
}

bool access_is_blocked(const struct api_access *a, struct slice path)
{
    for (size_t i = 0; i < a->n_blocked; i++) {
        if (slice_starts(path, slice_str(a->blocked[i]))) {
            return true;
        }
    }
    return false;
}

bool access_may_write(const struct api_access *a, const unsigned char address[ACCESS_ADDRESS])
{
    for (size_t i = 0; i < a->n_writers; i++) {
        if (contains(&a->writers[i], address)) {
            return true;
        }
    }
    return a->n_writers == 0;
}
