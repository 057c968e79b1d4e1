/* Names are cut where a shared suffix begins, so that rendering can point to it. */
#include "dns/lookup_parts.h"

#include <assert.h>

void lookup_dep_add(struct lookup *l, enum reg_watch_kind kind, struct slice name)
{
    struct dns_deps *d = l->deps;
    for (unsigned i = 0; i < d->n; i++) {
        if (d->dep[i].kind == kind && slice_ieq(slice_of(d->dep[i].name, d->dep[i].len), name)) {
            return;
        }
    }
    if (d->n == DNS_DEPS_MAX || name.len > sizeof(d->dep[0].name)) {
        d->any_change = true;
        return;
    }
    d->dep[d->n].kind = kind;
    d->dep[d->n].len = (uint8_t)name.len;
    if (name.len > 0) {
        memcpy(d->dep[d->n].name, name.p, name.len);
    }
    d->n++;
}

/* ---- names ---- */

bool lookup_name_ref(struct lookup *l,
                     struct slice text,
                     enum dns_suffix_id suffix,
                     struct dns_ref *out)
{
    uint8_t labels[DNS_NAME_MAX];
    size_t n = dns_labels_encode(text, labels, DNS_NAME_MAX - l->z->suffix[suffix].full_len);
    if (n != 0) {
        *out = dns_plan_ref(l->b, labels, n, (uint8_t)suffix);
    }
    return n != 0;
}

bool lookup_host_ref(struct lookup *l, struct slice host, struct dns_ref *out)
{
    uint8_t labels[DNS_NAME_MAX];
    size_t n = dns_labels_encode(host, labels, DNS_NAME_MAX - 1);
    if (n == 0) {
        return false;
    }
    const struct dns_suffix *zone = &l->z->suffix[DNS_SUFFIX_ZONE];
    size_t at = 0;
    while (at < n && n - at > zone->len) {
        at += 1u + labels[at];
    }
    bool ours = n - at == zone->len && memcmp(labels + at, zone->labels, zone->len) == 0;
    *out = ours ? dns_plan_ref(l->b, labels, at, DNS_SUFFIX_ZONE)
                : dns_plan_ref(l->b, labels, n, DNS_SUFFIX_ROOT);
    return true;
}

struct dns_ref lookup_addr_ref(struct lookup *l, const struct dns_place *p)
{
    static const char digits[] = "0123456789abcdef";
    size_t n = p->kind == DNS_PLACE_V4 ? 4 : 16;
    uint8_t label[1 + 32];
    label[0] = (uint8_t)(2 * n);
    for (size_t i = 0; i < n; i++) {
        label[1 + 2 * i] = (uint8_t)digits[p->ip[i] >> 4];
        label[2 + 2 * i] = (uint8_t)digits[p->ip[i] & 15];
    }
    return dns_plan_ref(l->b, label, 1 + 2 * n, DNS_SUFFIX_ADDR);
}

/* ---- records ---- */

struct dns_rr lookup_rr(const struct lookup *l, enum dns_type type, uint8_t owner)
{
    return (struct dns_rr){.type = (uint16_t)type, .ttl = l->ttl, .owner = {.suffix = owner}};
}

struct dns_rr lookup_rr_address(const struct lookup *l, const struct dns_place *p, uint8_t owner)
{
    assert(p->kind == DNS_PLACE_V4 || p->kind == DNS_PLACE_V6);
    bool v4 = p->kind == DNS_PLACE_V4;
    struct dns_rr rr = lookup_rr(l, v4 ? DNS_TYPE_A : DNS_TYPE_AAAA, owner);
    memcpy(rr.u.ip, p->ip, v4 ? 4 : 16);
    return rr;
}

struct dns_rr lookup_rr_soa(const struct lookup *l)
{
    struct dns_rr rr = lookup_rr(l, DNS_TYPE_SOA, DNS_SUFFIX_ZONE);
    rr.ttl = l->z->o.soa_min_ttl;
    return rr;
}

void lookup_negative(struct lookup *l, enum dns_rcode rcode)
{
    dns_plan_begin(l->b, rcode);
    struct dns_rr soa = lookup_rr_soa(l);
    dns_plan_run_add(l->b, DNS_RUN_AUTHORITY, &soa);
}

/* ---- texts ---- */

static void quote(struct buf *b, struct slice s, const char *special)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] != '\0' && strchr(special, s.p[i]) != NULL) {
            buf_add_char(b, '`');
        }
        buf_add_char(b, s.p[i]);
    }
}

/* RFC 1464: "key=value", with ` before what would be misread; and blanks at the key's ends. */
static void text_encode(struct buf *b, struct slice key, struct slice value)
{
    const struct slice bare = SLICE_LIT("rfc1035-");
    if (key.len >= bare.len && slice_ieq(slice_of(key.p, bare.len), bare)) {
        buf_add_slice(b, value);
        return;
    }
    size_t from = 0;
    while (from < key.len && (key.p[from] == ' ' || key.p[from] == '\t')) {
        from++;
    }
    size_t to = key.len;
    while (to > from && (key.p[to - 1] == ' ' || key.p[to - 1] == '\t')) {
        to--;
    }
    quote(b, slice_of(key.p, from), " \t");
    quote(b, slice_of(key.p + from, to - from), "`=");
    quote(b, slice_of(key.p + to, key.len - to), " \t");
    buf_add_char(b, '=');
    quote(b, value, "`");
}

void lookup_texts_add(struct lookup *l,
                      const struct reg_node *n,
                      const struct dns_ref *owner,
                      void (*add)(struct dns_plan_builder *, const struct dns_rr *))
{
    struct rd it = reg_list_iter(n->meta);
    struct slice key;
    struct slice value;
    struct buf text = BUF_INIT;
    text.max = DNS_TXT_MAX;
    while (reg_list_next(&it, &key) && reg_list_next(&it, &value) &&
           dns_plan_text_len(l->b) < DNS_PLAN_TEXT_SOFT_MAX) {
        buf_reset(&text);
        text_encode(&text, key, value);
        if (buf_ok(&text)) {
            struct dns_rr rr = lookup_rr(l, DNS_TYPE_TXT, 0);
            rr.owner = *owner;
            dns_plan_txt(l->b, &rr, buf_slice(&text));
            add(l->b, &rr);
        }
    }
    buf_fini(&text);
}
