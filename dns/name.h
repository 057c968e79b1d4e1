/* Names: the zone that is served, and what a question's name asks for.
 *
 * `struct dns_zone` is the compiled configuration, immutable after dns_zone_init(). dns_ask_parse()
 * takes a name apart (consul-surface.md 5.1), from the right, without regard to case. Looks nothing
 * up. Pure. */
#ifndef DNS_NAME_H_
#define DNS_NAME_H_

#include "dns/dns.h"
#include "dns/wire.h"

/* The ends that answers' names share: written once in a message, then pointed to. */
enum dns_suffix_id {
    DNS_SUFFIX_ROOT,    /* nothing but the root */
    DNS_SUFFIX_ZONE,    /* <domain> */
    DNS_SUFFIX_NODE,    /* node.<dc>.<domain> */
    DNS_SUFFIX_ADDR,    /* addr.<dc>.<domain> */
    DNS_SUFFIX_SERVICE, /* service.<dc>.<domain> */
    DNS_SUFFIX_COUNT
};

struct dns_suffix {
    uint8_t labels[DNS_NAME_MAX]; /* without those of the parent */
    size_t len;
    size_t full_len; /* with the parents and the root's zero */
    uint8_t parent;  /* enum dns_suffix_id; the root's is itself */
};

struct dns_zone {
    struct dns_options o;         /* with the defaults filled in */
    uint8_t domain[DNS_NAME_MAX]; /* wire form, lower case, root included */
    size_t domain_len;
    uint8_t alt[DNS_NAME_MAX];
    size_t alt_len; /* 0: none */
    struct dns_suffix suffix[DNS_SUFFIX_COUNT];
};

/* Compile @o, whose strings are borrowed for the zone's life. Returns 0; E_INVAL: a domain or the
 * datacenter is no DNS name, the domain is longer than DNS_DOMAIN_MAX, or it equals alt_domain. */
enum { DNS_DOMAIN_MAX = 128 };
int dns_zone_init(struct dns_zone *z, const struct dns_options *o, struct errmsg *e);

/* The TTL of answers for @service (any case): exact name, then the longest "prefix*", then "*". */
uint32_t dns_zone_service_ttl(const struct dns_zone *z, struct slice service);

enum dns_ask_kind {
    DNS_ASK_FOREIGN, /* not ours */
    DNS_ASK_NONE,    /* below our domain, but of no form that we serve */
    DNS_ASK_EMPTY,   /* exists, has no records */
    DNS_ASK_SERVICE, /* @name, and @tag unless empty */
    DNS_ASK_NODE,    /* @name */
    DNS_ASK_ADDR,    /* @addr, from the name itself */
    DNS_ASK_REVERSE, /* @addr; addr_len 0: below arpa, but no full address */
    DNS_ASK_SOA,
    DNS_ASK_NS,
    DNS_ASK_QUERY /* @name: a prepared query's name or id */
};

struct dns_ask {
    enum dns_ask_kind kind;
    uint16_t type;
    struct slice name; /* lower case, dotted; points into @text */
    struct slice tag;
    struct slice full; /* the whole name, lower case, dotted, without a dot at the end */
    uint8_t addr[16];
    uint8_t addr_len;           /* 4, 16 or 0 */
    uint8_t wire[DNS_NAME_MAX]; /* the name in lower case */
    size_t wire_len;
    char text[DNS_NAME_MAX];
};

/* Put the lower-cased wire name @name of @len bytes (as dns_name_len() measured) into @ask, with
 * @type. That is the identity of a question; the rest of @ask is for dns_ask_parse(). */
void dns_ask_init(struct dns_ask *ask, const uint8_t *name, size_t len, uint16_t type);

/* Find out what the initialised @ask asks for. */
void dns_ask_parse(struct dns_ask *ask, const struct dns_zone *z);

#endif
