/* A name in wire form turns into dotted text when each length byte becomes a dot, at the same
 * offsets; so a run of labels is one slice, and names of nodes and tags may hold dots. */
#include "dns/name.h"

#include <assert.h>

/* ---- the zone ---- */

static int domain_compile(const char *text,
                          uint8_t out[DNS_NAME_MAX],
                          size_t *len,
                          struct errmsg *e)
{
    size_t n = dns_labels_encode(slice_str(text), out, DNS_DOMAIN_MAX - 1);
    if (n == 0) {
        return err_set(e, E_INVAL, "dns: \"%s\" is not a domain name of at most %d bytes", text,
                       DNS_DOMAIN_MAX);
    }
    for (size_t i = 0; i < n; i++) {
        out[i] = (uint8_t)slice_lower((char)out[i]); /* lengths are below 'A' */
    }
    out[n] = 0;
    *len = n + 1;
    return 0;
}

static void suffix_set(struct dns_zone *z,
                       enum dns_suffix_id id,
                       const char *word,
                       struct slice dc_labels)
{
    struct dns_suffix *s = &z->suffix[id];
    size_t n = dns_labels_encode(slice_str(word), s->labels, sizeof(s->labels));
    assert(n != 0);
    memcpy(s->labels + n, dc_labels.p, dc_labels.len);
    s->len = n + dc_labels.len;
    s->full_len = s->len + z->domain_len;
    s->parent = DNS_SUFFIX_ZONE;
}

static void options_default(struct dns_options *o)
{
    o->address = o->address == NULL ? "127.0.0.1" : o->address;
    o->domain = o->domain == NULL ? "consul." : o->domain;
    o->datacenter = o->datacenter == NULL ? "dc1" : o->datacenter;
    o->node = o->node == NULL ? "" : o->node;
    o->server_service = o->server_service == NULL ? "consul" : o->server_service;
}

int dns_zone_init(struct dns_zone *z, const struct dns_options *o, struct errmsg *e)
{
    *z = (struct dns_zone){.o = *o};
    options_default(&z->o);
    int rc = domain_compile(z->o.domain, z->domain, &z->domain_len, e);
    if (rc != 0) {
        return rc;
    }
    if (z->o.alt_domain != NULL && z->o.alt_domain[0] != '\0') {
        rc = domain_compile(z->o.alt_domain, z->alt, &z->alt_len, e);
        if (rc != 0) {
            return rc;
        }
        if (z->alt_len == z->domain_len && memcmp(z->alt, z->domain, z->alt_len) == 0) {
            return err_set(e, E_INVAL, "dns: alt_domain \"%s\" is the domain itself",
                           z->o.alt_domain);
        }
    }
    uint8_t dc[DNS_LABEL_MAX + 1];
    size_t dc_len = dns_labels_encode(slice_str(z->o.datacenter), dc, sizeof(dc));
    if (dc_len == 0 || dc[0] != dc_len - 1) {
        return err_set(e, E_INVAL, "dns: datacenter \"%s\" is not one DNS label", z->o.datacenter);
    }
    z->suffix[DNS_SUFFIX_ROOT] = (struct dns_suffix){.full_len = 1};
    struct dns_suffix *zone = &z->suffix[DNS_SUFFIX_ZONE];
    zone->len = z->domain_len - 1;
    zone->full_len = z->domain_len;
    zone->parent = DNS_SUFFIX_ROOT;
    memcpy(zone->labels, z->domain, zone->len);
    struct slice dc_labels = slice_of((const char *)dc, dc_len);
    suffix_set(z, DNS_SUFFIX_NODE, "node", dc_labels);
    suffix_set(z, DNS_SUFFIX_ADDR, "addr", dc_labels);
    suffix_set(z, DNS_SUFFIX_SERVICE, "service", dc_labels);
    return 0;
}

uint32_t dns_zone_service_ttl(const struct dns_zone *z, struct slice service)
{
    uint32_t ttl = 0;
    size_t best = 0; /* 1 + length of the longest prefix so far */
    for (unsigned i = 0; i < z->o.n_service_ttl; i++) {
        struct slice name = slice_str(z->o.service_ttl[i].name);
        bool prefix = name.len != 0 && name.p[name.len - 1] == '*';
        if (!prefix) {
            if (slice_ieq(name, service)) {
                return z->o.service_ttl[i].seconds;
            }
            continue;
        }
        size_t n = name.len - 1;
        if (n <= service.len && n + 1 > best &&
            slice_ieq(slice_of(name.p, n), slice_of(service.p, n))) {
            best = n + 1;
            ttl = z->o.service_ttl[i].seconds;
        }
    }
    return ttl;
}

/* ---- questions ---- */

void dns_ask_init(struct dns_ask *ask, const uint8_t *name, size_t len, uint16_t type)
{
    assert(len >= 1 && len <= DNS_NAME_MAX);
    ask->type = type;
    ask->wire_len = len;
    for (size_t i = 0; i < len; i++) {
        ask->wire[i] = (uint8_t)slice_lower((char)name[i]); /* lengths are below 'A' */
    }
}

/* The labels of the name without the zone's: where each starts in @text, and one past its end. */
struct labels {
    const struct dns_ask *ask;
    unsigned n;
    uint8_t start[DNS_LABELS_MAX];
    uint8_t end[DNS_LABELS_MAX];
};

/* Labels @from up to, not including, @to as one dotted slice. */
static struct slice labels_join(const struct labels *l, unsigned from, unsigned to)
{
    if (from >= to) {
        return slice_of(NULL, 0);
    }
    return slice_of(l->ask->text + l->start[from], (size_t)(l->end[to - 1] - l->start[from]));
}

static struct slice label(const struct labels *l, unsigned i)
{
    return labels_join(l, i, i + 1);
}

/* Write the whole name's text, and note the labels in the first @len bytes of its wire form. */
static void labels_split(struct labels *l, struct dns_ask *ask, size_t len)
{
    l->ask = ask;
    l->n = 0;
    memcpy(ask->text, ask->wire, ask->wire_len);
    for (size_t at = 0; at + 1 < ask->wire_len;) {
        size_t n = ask->wire[at];
        ask->text[at] = '.';
        if (at < len) {
            assert(l->n < DNS_LABELS_MAX); /* a label takes two of 254 bytes or more */
            l->start[l->n] = (uint8_t)(at + 1);
            l->end[l->n] = (uint8_t)(at + 1 + n);
            l->n++;
        }
        at += 1 + n;
    }
    ask->full = slice_of(ask->text + 1, ask->wire_len < 2 ? 0 : ask->wire_len - 2);
}

/* Does the name end with @zone, at the border of a label? Then *@left is the length before it. */
static bool zone_ends(const struct dns_ask *ask, const uint8_t *zone, size_t zone_len, size_t *left)
{
    if (zone_len == 0 || zone_len > ask->wire_len) {
        return false;
    }
    size_t start = ask->wire_len - zone_len;
    if (memcmp(ask->wire + start, zone, zone_len) != 0) {
        return false;
    }
    size_t at = 0;
    while (at < start) {
        at += 1u + ask->wire[at];
    }
    *left = start;
    return at == start;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* <hex>.addr: 8 or 32 digits. Another length is a name without records, as in Consul. */
static enum dns_ask_kind ask_addr(struct dns_ask *ask, struct slice hex)
{
    if (hex.len != 8 && hex.len != 32) {
        return DNS_ASK_EMPTY;
    }
    ask->addr_len = (uint8_t)(hex.len / 2);
    for (size_t i = 0; i < ask->addr_len; i++) {
        int high = hex_digit(hex.p[2 * i]);
        int low = hex_digit(hex.p[2 * i + 1]);
        if (high < 0 || low < 0) {
            return DNS_ASK_NONE;
        }
        ask->addr[i] = (uint8_t)(high * 16 + low);
    }
    return DNS_ASK_ADDR;
}

/* One number of a reverse IPv4 name, -1 if it is none. */
static int octet(struct slice s)
{
    int v = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] < '0' || s.p[i] > '9') {
            return -1;
        }
        v = v * 10 + (s.p[i] - '0');
    }
    return s.len == 0 || s.len > 3 || v > 255 ? -1 : v;
}

/* d.c.b.a.in-addr.arpa and 32 nibbles below ip6.arpa; all else below arpa asks for no address. */
static void ask_reverse(struct dns_ask *ask, const struct labels *l)
{
    if (l->n == 6 && slice_is(label(l, 4), "in-addr")) {
        for (unsigned i = 0; i < 4; i++) {
            int v = octet(label(l, 3 - i));
            if (v < 0) {
                return;
            }
            ask->addr[i] = (uint8_t)v;
        }
        ask->addr_len = 4;
    } else if (l->n == 34 && slice_is(label(l, 32), "ip6")) {
        for (unsigned i = 0; i < 16; i++) {
            struct slice high = label(l, 31 - 2 * i);
            struct slice low = label(l, 30 - 2 * i);
            int h = high.len == 1 ? hex_digit(high.p[0]) : -1;
            int v = low.len == 1 ? hex_digit(low.p[0]) : -1;
            if (h < 0 || v < 0) {
                return;
            }
            ask->addr[i] = (uint8_t)(h * 16 + v);
        }
        ask->addr_len = 16;
    }
}

/* Behind the form's word: nothing, `<dc>` or `<dc>.dc`; it must be this datacenter. */
static bool dc_ours(const struct dns_zone *z, const struct labels *l, unsigned from)
{
    unsigned n = l->n - from;
    if (n == 0) {
        return true;
    }
    if (n > 2 || (n == 2 && !slice_is(label(l, l->n - 1), "dc"))) {
        return false;
    }
    return slice_ieq(label(l, from), slice_str(z->o.datacenter));
}

/* The labels before "service": [tag.]name, or RFC 2782's _name._tag, where _tcp is no tag. */
static enum dns_ask_kind ask_service(struct dns_ask *ask, const struct labels *l, unsigned n)
{
    if (n == 0) {
        return DNS_ASK_NONE;
    }
    struct slice first = label(l, 0);
    struct slice second = n == 2 ? label(l, 1) : slice_of(NULL, 0);
    if (n == 2 && first.p[0] == '_' && second.p[0] == '_') {
        ask->name = slice_of(first.p + 1, first.len - 1);
        ask->tag = slice_of(second.p + 1, second.len - 1);
        if (slice_is(ask->tag, "tcp")) {
            ask->tag = slice_of(NULL, 0);
        }
    } else {
        ask->name = label(l, n - 1);
        ask->tag = labels_join(l, 0, n - 1);
    }
    return ask->name.len == 0 ? DNS_ASK_NONE : DNS_ASK_SERVICE;
}

/* The labels before "query": a name that may hold dots, or RFC 2782's _name._tcp. */
static enum dns_ask_kind ask_query(struct dns_ask *ask, const struct labels *l, unsigned n)
{
    if (n == 2 && label(l, 0).p[0] == '_' && slice_is(label(l, 1), "_tcp")) {
        ask->name = slice_of(label(l, 0).p + 1, label(l, 0).len - 1);
    } else {
        ask->name = labels_join(l, 0, n);
    }
    return ask->name.len == 0 ? DNS_ASK_NONE : DNS_ASK_QUERY;
}

/* Find the word that says the form, from the right, so that services may be called "node". */
static enum dns_ask_kind ask_below(struct dns_ask *ask,
                                   const struct dns_zone *z,
                                   const struct labels *l)
{
    for (unsigned i = l->n; i-- > 0;) {
        struct slice word = label(l, i);
        if (slice_is(word, "service")) {
            return dc_ours(z, l, i + 1) ? ask_service(ask, l, i) : DNS_ASK_NONE;
        }
        if (slice_is(word, "node")) {
            ask->name = labels_join(l, 0, i);
            return i != 0 && dc_ours(z, l, i + 1) ? DNS_ASK_NODE : DNS_ASK_NONE;
        }
        if (slice_is(word, "addr")) {
            /* The datacenter is not looked at: the name is the address, wherever that is. */
            return i == 1 && l->n - i <= 3 ? ask_addr(ask, label(l, 0)) : DNS_ASK_NONE;
        }
        if (slice_is(word, "query")) {
            return dc_ours(z, l, i + 1) ? ask_query(ask, l, i) : DNS_ASK_NONE;
        }
        if (slice_is(word, "connect") || slice_is(word, "virtual") || slice_is(word, "ingress")) {
            return DNS_ASK_NONE;
        }
        if (ask->type == DNS_TYPE_SRV && word.p[0] == '_') {
            /* RFC 2782 names are known by their underscores: SRV may leave "service" out. */
            return dc_ours(z, l, i + 1) ? ask_service(ask, l, i + 1) : DNS_ASK_NONE;
        }
    }
    return DNS_ASK_NONE;
}

void dns_ask_parse(struct dns_ask *ask, const struct dns_zone *z)
{
    ask->kind = DNS_ASK_FOREIGN;
    ask->name = slice_of(NULL, 0);
    ask->tag = slice_of(NULL, 0);
    ask->full = slice_of(NULL, 0);
    ask->addr_len = 0;
    struct labels l;
    size_t left = 0;
    static const uint8_t arpa[] = "\4arpa";
    if (zone_ends(ask, z->domain, z->domain_len, &left) ||
        zone_ends(ask, z->alt, z->alt_len, &left)) {
        labels_split(&l, ask, left);
        ask->kind = ask->type == DNS_TYPE_SOA  ? DNS_ASK_SOA
                    : ask->type == DNS_TYPE_NS ? DNS_ASK_NS
                                               : ask_below(ask, z, &l);
    } else if (zone_ends(ask, arpa, sizeof(arpa), &left)) {
        labels_split(&l, ask, ask->wire_len - 1);
        ask->kind = DNS_ASK_REVERSE;
        ask_reverse(ask, &l);
    }
}
