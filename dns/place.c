/* Plain rules, in the order in which Consul applies them (consul-surface.md 5.2). */
#include "dns/place.h"

#include <arpa/inet.h>

struct dns_place dns_place_of(struct slice text)
{
    struct dns_place p = {.kind = DNS_PLACE_NONE};
    if (text.len == 0) {
        return p;
    }
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    char literal[INET6_ADDRSTRLEN];
    p.kind = DNS_PLACE_HOST;
    p.host = text;
    if (text.len >= sizeof(literal) || memchr(text.p, '\0', text.len) != NULL) {
        return p;
    }
    memcpy(literal, text.p, text.len);
    literal[text.len] = '\0';
    if (inet_pton(AF_INET, literal, p.ip) == 1) {
        p.kind = DNS_PLACE_V4;
    } else if (inet_pton(AF_INET6, literal, p.ip) == 1) {
        p.kind = DNS_PLACE_V6;
        if (memcmp(p.ip, mapped, sizeof(mapped)) == 0) {
            p.kind = DNS_PLACE_V4;
            memmove(p.ip, p.ip + 12, 4);
        }
    }
    return p;
}

bool dns_place_fits(const struct dns_place *p, uint16_t type)
{
    bool both = type == DNS_TYPE_ANY || type == DNS_TYPE_SRV || type == DNS_TYPE_TXT;
    switch (p->kind) {
        case DNS_PLACE_V4:
            return both || type == DNS_TYPE_A;
        case DNS_PLACE_V6:
            return both || type == DNS_TYPE_AAAA;
        case DNS_PLACE_HOST:
            return true;
        case DNS_PLACE_NONE:
            return false;
    }
    return false;
}

/* The address of that name in a map of tagged ones; a service's ends at a NUL, behind it its port.
 */
static struct slice tagged_address(struct reg_list tagged, const char *name)
{
    struct slice v;
    if (!reg_map_get(tagged, name, &v)) {
        return slice_of(NULL, 0);
    }
    const char *nul = v.len == 0 ? NULL : memchr(v.p, '\0', v.len);
    return nul == NULL ? v : slice_of(v.p, (size_t)(nul - v.p));
}

/* Whoever asks for a family gets the tagged address of that family; whoever takes any, IPv6. */
static struct slice address_choose(struct slice plain, struct reg_list tagged, uint16_t type)
{
    struct slice v = slice_of(NULL, 0);
    if (type != DNS_TYPE_A) {
        v = tagged_address(tagged, "lan_ipv6");
    }
    if (v.len == 0 && type != DNS_TYPE_AAAA) {
        v = tagged_address(tagged, "lan_ipv4");
    }
    return v.len != 0 ? v : plain;
}

struct dns_place dns_place_node(const struct reg_node *n, uint16_t type)
{
    struct slice chosen = address_choose(n->address, n->tagged, type);
    struct dns_place p = dns_place_of(chosen);
    p.of_node = p.kind != DNS_PLACE_HOST && slice_eq(chosen, n->address);
    return p;
}

struct dns_place dns_place_service(const struct reg_service *s,
                                   const struct reg_node *n,
                                   uint16_t type,
                                   struct slice asked)
{
    struct slice own = address_choose(s->address, s->tagged, type);
    if (own.len == 0) {
        return dns_place_node(n, type);
    }
    struct dns_place p = dns_place_of(own);
    if (p.kind == DNS_PLACE_HOST) {
        if (own.p[own.len - 1] == '.') {
            own.len--;
        }
        struct dns_place node = dns_place_node(n, type);
        if (slice_ieq(own, asked) && node.kind != DNS_PLACE_HOST) {
            return node;
        }
    }
    return p;
}

void dns_health_add(struct dns_health *h,
                    struct reg_reader *rd,
                    struct slice node,
                    struct slice service_id)
{
    struct reg_iter it;
    struct reg_check c;
    reg_instance_checks(rd, &it, node, service_id);
    while (reg_checks_next(&it, &c)) {
        switch (reg_status_of(c.status)) {
            case REG_PASSING:
                break;
            case REG_WARNING:
                h->warning = true;
                break;
            case REG_CRITICAL:
                h->critical = true;
                break;
            case REG_STATUS_OTHER:
                h->other = true;
                break;
        }
    }
    reg_iter_end(&it);
}

int dns_health_weight(const struct dns_health *h, const struct reg_service *s, bool only_passing)
{
    if (h->critical || (only_passing && (h->warning || h->other))) {
        return -1;
    }
    int32_t w = h->other ? 1 : h->warning ? s->weight_warning : s->weight_passing;
    return w < 0 ? 0 : w > UINT16_MAX ? UINT16_MAX : w;
}
