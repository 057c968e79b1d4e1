/* Services of agents: checks run in Consul's order, so that a body with several faults gets the
 * same text: name, address, weights, meta, checks, scripts, tagged addresses. */
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>

#include "api/define_parts.h"

enum { META_PAIRS_MAX = 64, META_KEY_MAX = 128, META_VALUE_MAX = 512 };

int define_refuse(struct define_error *e, int status, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    e->status = status;
    (void)vsnprintf(e->text.text, sizeof e->text.text, fmt, ap);
    va_end(ap);
    return E_INVAL;
}

struct slice define_keep(const struct decode_memory *m, struct buf *b)
{
    struct slice out = {NULL, 0};
    if (buf_ok(b) && b->len > 0) {
        char *p = m->alloc(m->arg, b->len);
        memcpy(p, b->p, b->len);
        out = slice_of(p, b->len);
    }
    buf_fini(b);
    return out;
}

struct slice define_printf(const struct decode_memory *m, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n <= 0) {
        return slice_of(NULL, 0);
    }
    char *p = m->alloc(m->arg, (size_t)n + 1);
    va_start(ap, fmt);
    (void)vsnprintf(p, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return slice_of(p, (size_t)n);
}

/* ---- addresses ---- */

bool define_address_is_any(struct slice address)
{
    return slice_is(address, "0.0.0.0") || slice_is(address, "::") || slice_is(address, "[::]");
}

int define_address_family(struct slice address)
{
    char text[64];
    unsigned char bin[16];
    if (address.len == 0 || address.len >= sizeof text) {
        return 0;
    }
    memcpy(text, address.p, address.len);
    text[address.len] = '\0';
    return inet_pton(AF_INET, text, bin) == 1 ? 4 : inet_pton(AF_INET6, text, bin) == 1 ? 6 : 0;
}

static const char *const typed_addresses[] = {"lan_ipv4", "wan_ipv4", "lan_ipv6", "wan_ipv6"};

/* lan_ipv4 and its like must be of their family. */
static int check_tagged(const struct reg_list tagged, struct define_error *e)
{
    for (size_t i = 0; i < 4; i++) {
        struct slice packed;
        struct slice address;
        int32_t port;
        int family = i < 2 ? 4 : 6;
        if (reg_map_get(tagged, typed_addresses[i], &packed) &&
            decode_addr_split(packed, &address, &port) &&
            define_address_family(address) != family) {
            return define_refuse(e, 500,
                                 "Service tagged address \"%s\" must be a valid ipv%d address",
                                 typed_addresses[i], family);
        }
    }
    return 0;
}

/* Add (@name, @packed) to the sorted map being built, before the first of @from that sorts behind
 * it; the members before are copied. */
static bool merge_until(struct reg_list_builder *lb,
                        struct rd *from,
                        struct slice pending[2],
                        bool has,
                        struct slice name)
{
    while (has && slice_cmp(pending[0], name) < 0) {
        reg_list_add(lb, pending[0]);
        reg_list_add(lb, pending[1]);
        has = reg_list_next(from, &pending[0]) && reg_list_next(from, &pending[1]);
    }
    return has;
}

/* As the agent does: an IP literal is also the instance's typed LAN and WAN address, where none was
 * given. */
static struct reg_list inject_tagged(const struct decode_memory *m,
                                     struct reg_list tagged,
                                     struct slice address,
                                     int32_t port)
{
    int family = define_address_family(address);
    if (family == 0) {
        return tagged;
    }
    struct buf packed = BUF_INIT;
    struct buf b = BUF_INIT;
    decode_addr_join(&packed, address, port);
    struct reg_list_builder lb;
    reg_list_begin(&lb, &b);
    struct rd from = reg_list_iter(tagged);
    struct slice pending[2];
    bool has = reg_list_next(&from, &pending[0]) && reg_list_next(&from, &pending[1]);
    for (size_t i = 0; i < 2; i++) {
        struct slice name = slice_str(typed_addresses[(family == 4 ? 0 : 2) + i]);
        has = merge_until(&lb, &from, pending, has, name);
        if (has && slice_eq(pending[0], name)) {
            continue; /* given by the body: kept */
        }
        reg_list_add(&lb, name);
        reg_list_add(&lb, buf_slice(&packed));
    }
    while (has) {
        reg_list_add(&lb, pending[0]);
        reg_list_add(&lb, pending[1]);
        has = reg_list_next(&from, &pending[0]) && reg_list_next(&from, &pending[1]);
    }
    (void)reg_list_end(&lb);
    buf_fini(&packed);
    return (struct reg_list){define_keep(m, &b)};
}

/* ---- meta and weights ---- */

static bool meta_key_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

static const char *meta_pair_fault(struct slice key, struct slice value)
{
    if (key.len == 0) {
        return "Key cannot be blank";
    }
    for (size_t i = 0; i < key.len; i++) {
        if (!meta_key_char(key.p[i])) {
            return "Key contains invalid characters";
        }
    }
    if (key.len > META_KEY_MAX) {
        return "Key is too long (limit: 128 characters)";
    }
    if (slice_starts(key, SLICE_LIT("consul-"))) {
        return "Key prefix 'consul-' is reserved for internal use";
    }
    return value.len > META_VALUE_MAX ? "Value is too long (limit: 512 characters)" : NULL;
}

/* What is wrong with @meta, behind @prefix; the value's text is cut to fit. */
int define_meta_check(struct reg_list meta, int status, const char *prefix, struct define_error *e)
{
    if (reg_list_count(meta) > 2 * META_PAIRS_MAX) {
        return define_refuse(e, status,
                             "%sNode metadata cannot contain more than %d key/value pairs", prefix,
                             META_PAIRS_MAX);
    }
    struct rd it = reg_list_iter(meta);
    struct slice key;
    struct slice value;
    while (reg_list_next(&it, &key) && reg_list_next(&it, &value)) {
        const char *fault = meta_pair_fault(key, value);
        if (fault != NULL) {
            int k = key.len > 160 ? 160 : (int)key.len;
            int v = value.len > 120 ? 120 : (int)value.len;
            return define_refuse(e, status, "%sCouldn't load metadata pair ('%.*s', '%.*s'): %s",
                                 prefix, k, k == 0 ? "" : key.p, v, v == 0 ? "" : value.p, fault);
        }
    }
    return 0;
}

static int check_weights(const struct define_weights *w, struct define_error *e)
{
    if (w == NULL) {
        return 0;
    }
    if (w->passing < 1) {
        return define_refuse(e, 400, "Invalid Weights: Passing must be greater than 0");
    }
    if (w->warning < 0) {
        return define_refuse(e, 400, "Invalid Weights: Warning must be greater or equal than 0");
    }
    if (w->passing > 65535 || w->warning > 65535) {
        return define_refuse(e, 400, "Invalid Weights: DNS Weight must be between 0 and 65535");
    }
    return 0;
}

/* ---- services of agents ---- */

/* An object without any field is as good as no check (Go compares with the zero value). */
static bool check_given(const struct define_check *d)
{
    static const struct define_check zero;
    return d != NULL && memcmp(d, &zero, sizeof zero) != 0;
}

/* The definitions of "Check" and "Checks" in that order; @all has room for them. */
static unsigned gather_checks(const struct define_service *d, const struct define_check **all)
{
    unsigned n = 0;
    if (check_given(d->check)) {
        all[n++] = d->check;
    }
    const struct define_check *items = d->checks.items;
    for (unsigned i = 0; i < d->checks.n; i++) {
        all[n++] = &items[i];
    }
    return n;
}

static int check_checks(const struct define_rules *rules,
                        const struct define_check *const *all,
                        unsigned n,
                        struct define_error *e)
{
    for (unsigned i = 0; i < n; i++) {
        const char *fault = define_check_fault(all[i]);
        if (fault != NULL) {
            return define_refuse(e, 400, "Invalid check: %s", fault);
        }
    }
    for (unsigned i = 0; i < n; i++) {
        if (all[i]->status.len > 0 && !define_status_valid(all[i]->status)) {
            return define_refuse(e, 400, "Status for checks must 'passing', 'warning', 'critical'");
        }
    }
    for (unsigned i = 0; i < n; i++) {
        if (define_check_scripts(rules, all[i], e) != 0) {
            return E_INVAL;
        }
    }
    return 0;
}

static struct slice check_id_of(const struct decode_memory *m,
                                const struct define_check *d,
                                struct slice service_id,
                                unsigned nth,
                                unsigned n)
{
    if (d->id.len > 0) {
        return d->id;
    }
    return n == 1 ? define_printf(m, "service:%.*s", (int)service_id.len, service_id.p)
                  : define_printf(m, "service:%.*s:%u", (int)service_id.len, service_id.p, nth);
}

/* Of two checks with one id the later wins, as when they are added one by one. */
static unsigned put_check(struct reg_check *checks, unsigned n, const struct reg_check *c)
{
    for (unsigned i = 0; i < n; i++) {
        if (slice_eq(checks[i].check_id, c->check_id)) {
            checks[i] = *c;
            return n;
        }
    }
    checks[n] = *c;
    return n + 1;
}

static int service_checks(const struct decode_memory *m,
                          const struct define_rules *rules,
                          const struct define_service *d,
                          const struct reg_service *s,
                          struct reg_check **checks,
                          unsigned *n_checks,
                          struct define_error *e)
{
    unsigned room = d->checks.n + 1;
    if (room > DECODE_OBJECTS_MAX) {
        return define_refuse(e, 400, "A service cannot have more than %d checks",
                             DECODE_OBJECTS_MAX - 1);
    }
    const struct define_check **all = m->alloc(m->arg, room * sizeof(void *));
    unsigned n = gather_checks(d, all);
    if (check_checks(rules, all, n, e) != 0) {
        return E_INVAL;
    }
    *checks = m->alloc(m->arg, room * sizeof **checks);
    *n_checks = 0;
    for (unsigned i = 0; i < n; i++) {
        struct reg_check c = {0};
        define_check_fill(m, all[i], &c);
        c.check_id = check_id_of(m, all[i], s->id, i + 1, n);
        c.name = all[i]->name.len > 0
                     ? all[i]->name
                     : define_printf(m, "Service '%.*s' check", (int)s->name.len, s->name.p);
        c.service_id = s->id;
        c.service_name = s->name;
        c.service_tags = s->tags;
        *n_checks = put_check(*checks, *n_checks, &c);
    }
    return 0;
}

void define_service_fill(const struct decode_memory *m,
                         const struct define_service *d,
                         struct reg_service *s)
{
    *s = (struct reg_service){
        .id = d->id.len > 0 ? d->id : d->name,
        .name = d->name,
        .kind = d->kind,
        .tags = d->tags,
        .address = d->address,
        .tagged = d->tagged,
        .meta = d->meta,
        .port = d->port,
        .socket_path = d->socket_path,
        .weight_passing = d->weights == NULL ? 1 : d->weights->passing,
        .weight_warning = d->weights == NULL ? 1 : d->weights->warning,
        .enable_tag_override = d->enable_tag_override,
        .proxy = define_proxy(m, d->proxy),
        .connect = define_connect(m, d->connect),
        .locality = d->locality,
        .token = d->token,
    };
}

int define_agent_service(const struct decode_memory *m,
                         const struct define_rules *rules,
                         const struct define_service *d,
                         struct reg_service *s,
                         struct reg_check **checks,
                         unsigned *n_checks,
                         struct define_error *e)
{
    if (d->name.len == 0) {
        return define_refuse(e, 400, "Missing service name");
    }
    if (define_address_is_any(d->address)) {
        return define_refuse(e, 400, "Invalid service address");
    }
    if (check_weights(d->weights, e) != 0 ||
        define_meta_check(d->meta, 400, "Invalid Service Meta: ", e) != 0) {
        return E_INVAL;
    }
    define_service_fill(m, d, s);
    s->origin = REG_ORIGIN_AGENT;
    if (service_checks(m, rules, d, s, checks, n_checks, e) != 0 ||
        check_tagged(d->tagged, e) != 0) {
        return E_INVAL;
    }
    s->tagged = inject_tagged(m, d->tagged, d->address, d->port);
    return 0;
}
