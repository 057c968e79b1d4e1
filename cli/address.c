/* "Private" as in RFC 1918 and RFC 6598, on interfaces that are up. */
#include "cli/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

bool address_is_ip(const char *s)
{
    unsigned char raw[16];
    return inet_pton(AF_INET, s, raw) == 1 || inet_pton(AF_INET6, s, raw) == 1;
}

bool address_is_any(const char *s)
{
    static const unsigned char zero[16];
    unsigned char raw[16];
    return (inet_pton(AF_INET, s, raw) == 1 && memcmp(raw, zero, 4) == 0) ||
           (inet_pton(AF_INET6, s, raw) == 1 && memcmp(raw, zero, 16) == 0);
}

static bool is_private(uint32_t a)
{
    return a >> 24 == 10 || a >> 20 == 0xac1 || a >> 16 == 0xc0a8 ||
           (a >> 22) == (0x64400000 >> 22);
}

/* Count the IPv4 addresses that fit (@interface NULL: private ones) and keep the first. */
static int scan(const char *interface, char out[ADDRESS_SIZE], unsigned *n, struct errmsg *e)
{
    struct ifaddrs *list;
    *n = 0;
    if (getifaddrs(&list) != 0) {
        return err_set(e, E_IO, "cannot list the network interfaces: %s", strerror(errno));
    }
    for (const struct ifaddrs *i = list; i != NULL; i = i->ifa_next) {
        if (i->ifa_addr == NULL || i->ifa_addr->sa_family != AF_INET || !(i->ifa_flags & IFF_UP)) {
            continue;
        }
        struct sockaddr_in a;
        memcpy(&a, i->ifa_addr, sizeof a);
        bool fits = interface != NULL ? strcmp(interface, i->ifa_name) == 0
                                      : is_private(ntohl(a.sin_addr.s_addr));
        if (fits && (*n)++ == 0) {
            (void)inet_ntop(AF_INET, &a.sin_addr, out, ADDRESS_SIZE); /* the size fits */
        }
    }
    freeifaddrs(list);
    return 0;
}

int address_private(char out[ADDRESS_SIZE], struct errmsg *e)
{
    unsigned n;
    int rc = scan(NULL, out, &n, e);
    if (rc != 0 || n == 1) {
        return rc;
    }
    return n == 0 ? err_set(e, E_NOTFOUND,
                            "No private IPv4 address found. Please configure one with 'bind' "
                            "and/or 'advertise'.")
                  : err_set(e, E_EXISTS,
                            "Multiple private IPv4 addresses found. Please configure one with "
                            "'bind' and/or 'advertise'.");
}

/* One template, without its braces. */
static int expand_template(char out[ADDRESS_SIZE],
                           const char *key,
                           const char *text,
                           struct errmsg *e)
{
    char name[IF_NAMESIZE];
    char rest;
    unsigned n = 0;
    int rc = 0;
    if (sscanf(text, " GetInterfaceIP \"%15[^\"]\" %c", name, &rest) == 1) {
        rc = scan(name, out, &n, e);
        return rc == 0 && n == 0
                   ? err_set(e, E_NOTFOUND, "%s: no IPv4 address on interface %s", key, name)
                   : rc;
    }
    if (sscanf(text, " %15s %c", name, &rest) == 1 && strcmp(name, "GetPrivateIP") == 0) {
        rc = scan(NULL, out, &n, e);
        return rc == 0 && n == 0 ? err_set(e, E_NOTFOUND, "%s: no private IPv4 address found", key)
                                 : rc;
    }
    return err_set(e, E_UNSUPPORTED,
                   "%s: template {{%s}} is not supported yet (only GetPrivateIP and "
                   "GetInterfaceIP \"name\")",
                   key, text);
}

int addresses_expand(struct addresses *out, const char *key, const char *value, struct errmsg *e)
{
    out->n = 0;
    for (const char *p = value + strspn(value, " "); *p != '\0'; p += strspn(p, " ")) {
        char word[128];
        bool template = strncmp(p, "{{", 2) == 0;
        const char *close = template ? strstr(p, "}}") : NULL;
        const char *start = template ? p + 2 : p;
        size_t n = close != NULL ? (size_t)(close - start) : strcspn(p, " ");
        if ((template && close == NULL) || n >= sizeof word) {
            return err_set(e, E_INVAL, "%s: cannot read \"%s\"", key, p);
        }
        if (out->n == ADDRESSES_MAX) {
            return err_set(e, E_INVAL, "%s: more than %d addresses", key, (int)ADDRESSES_MAX);
        }
        memcpy(word, start, n);
        word[n] = '\0';
        char *to = out->text[out->n];
        if (template) {
            int rc = expand_template(to, key, word, e);
            if (rc != 0) {
                return rc;
            }
        } else if (strncmp(word, "unix://", 7) == 0) {
            return err_set(e, E_UNSUPPORTED, "%s: unix sockets are not supported yet", key);
        } else if (!address_is_ip(word)) {
            return err_set(e, E_INVAL, "%s: \"%s\" is not an IP address", key, word);
        } else {
            memcpy(to, word, n + 1); /* a literal that parses fits */
        }
        out->n++;
        p = close != NULL ? close + 2 : p + n;
    }
    return out->n > 0 ? 0 : err_set(e, E_INVAL, "%s cannot be empty", key);
}
