/* Defaults are in place before the body is decoded, so a field that is absent keeps its default and
 * one that is given empty ("NodeChecks": []) does not. "Checks" is the old name of NodeChecks: an
 * empty one empties both, others are added. */
#include "api/define_session.h"

#include "api/define_parts.h"
#include "base/duration.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define SECOND_NS ((int64_t)1000000000)
#define TTL_MAX_NS (24 * 3600 * SECOND_NS)

enum { LOCK_DELAY_SECONDS_BELOW = 1000 };

struct service_check {
    struct slice id, ns;
};

struct body {
    struct slice name, node, behavior, ttl;
    int64_t lock_delay_ns;
    struct reg_list node_checks;
    struct reg_list checks;
    struct decode_array service_checks; /* of struct service_check */
};

static const struct decode_field service_check_fields[] = {
    DECODE_FIELD("ID", STR, struct service_check, id),
    DECODE_FIELD("Namespace", STR, struct service_check, ns),
};
static const struct decode_object service_check_object = {"ServiceCheck",
                                                          sizeof(struct service_check),
                                                          service_check_fields,
                                                          COUNT(service_check_fields),
                                                          false,
                                                          true};

static const struct decode_field body_fields[] = {
    DECODE_FIELD("Name", STR, struct body, name),
    DECODE_FIELD("Node", STR, struct body, node),
    DECODE_FIELD("Behavior", STR, struct body, behavior),
    DECODE_FIELD("TTL", STR, struct body, ttl),
    DECODE_FIELD("LockDelay", DURATION, struct body, lock_delay_ns),
    DECODE_FIELD("lock_delay", DURATION, struct body, lock_delay_ns),
    DECODE_FIELD("NodeChecks", STRS, struct body, node_checks),
    DECODE_FIELD("node_checks", STRS, struct body, node_checks),
    DECODE_FIELD("Checks", STRS, struct body, checks),
    DECODE_SUB("ServiceChecks", OBJECTS, struct body, service_checks, &service_check_object),
    DECODE_SUB("service_checks", OBJECTS, struct body, service_checks, &service_check_object),
};
static const struct decode_object body_object = {
    "", sizeof(struct body), body_fields, COUNT(body_fields), true, true};

/* Move what was built in @b to @m. */
static struct reg_list take_list(const struct decode_memory *m,
                                 struct reg_list_builder *lb,
                                 struct buf *b)
{
    (void)reg_list_end(lb); /* the list is all of @b */
    return (struct reg_list){define_keep(m, b)};
}

static struct reg_list serf_health(const struct decode_memory *m)
{
    struct buf b = BUF_INIT;
    struct reg_list_builder lb;
    reg_list_begin(&lb, &b);
    reg_list_add(&lb, SLICE_LIT("serfHealth"));
    return take_list(m, &lb, &b);
}

static bool list_has(struct reg_list l, struct slice id)
{
    struct rd it = reg_list_iter(l);
    struct slice s;
    while (reg_list_next(&it, &s)) {
        if (slice_eq(s, id)) {
            return true;
        }
    }
    return false;
}

/* The checks of the node under both names. */
static struct reg_list node_checks(const struct decode_memory *m, const struct body *d)
{
    if (reg_list_count(d->checks) == 0) {
        return reg_list_absent(d->checks) ? d->node_checks : d->checks;
    }
    struct buf b = BUF_INIT;
    struct reg_list_builder lb;
    struct slice id;
    reg_list_begin(&lb, &b);
    struct rd it = reg_list_iter(d->node_checks);
    while (reg_list_next(&it, &id)) {
        reg_list_add(&lb, id);
    }
    it = reg_list_iter(d->checks);
    while (reg_list_next(&it, &id)) {
        if (!list_has(d->node_checks, id)) {
            reg_list_add(&lb, id);
        }
    }
    return take_list(m, &lb, &b);
}

static struct reg_list service_checks(const struct decode_memory *m, const struct decode_array *a)
{
    if (a->n == 0) {
        return (struct reg_list){{NULL, 0}};
    }
    const struct service_check *c = a->items;
    struct buf b = BUF_INIT;
    struct reg_list_builder lb;
    reg_list_begin(&lb, &b);
    for (unsigned i = 0; i < a->n; i++) {
        reg_list_add(&lb, c[i].id);
        reg_list_add(&lb, c[i].ns);
    }
    return take_list(m, &lb, &b);
}

static int check_ttl(const struct define_session_rules *rules,
                     struct slice ttl,
                     int64_t *ns,
                     struct define_error *e)
{
    *ns = 0;
    if (ttl.len == 0) {
        return 0;
    }
    int len = ttl.len > 64 ? 64 : (int)ttl.len;
    struct errmsg why;
    if (decode_duration_text(ttl, ns, &why) != 0) {
        return define_refuse(e, 500, "Session TTL '%.*s' invalid: %s", len, ttl.p, why.text);
    }
    if (*ns != 0 && (*ns < rules->ttl_min_ns || *ns > TTL_MAX_NS)) {
        struct buf range = BUF_INIT;
        duration_format(&range, rules->ttl_min_ns);
        buf_add_char(&range, '=');
        duration_format(&range, TTL_MAX_NS);
        int rc = define_refuse(e, 500, "Invalid Session TTL '%lld', must be between [%.*s]",
                               (long long)*ns, (int)range.len, range.p);
        buf_fini(&range);
        return rc;
    }
    return 0;
}

static int check_behavior(struct slice text, uint8_t *behavior, struct define_error *e)
{
    if (text.len == 0 || slice_is(text, "release")) {
        *behavior = REG_SESSION_RELEASE;
        return 0;
    }
    if (slice_is(text, "delete")) {
        *behavior = REG_SESSION_DELETE;
        return 0;
    }
    return define_refuse(e, 500, "Invalid Behavior setting '%.*s'",
                         text.len > 128 ? 128 : (int)text.len, text.p);
}

/* Small numbers are seconds, as in Consul; a time that has passed already is none. */
static int64_t lock_delay(int64_t ns)
{
    if (ns < 0) {
        return 0;
    }
    return ns < LOCK_DELAY_SECONDS_BELOW ? ns * SECOND_NS : ns;
}

int define_session(const struct decode_memory *m,
                   const struct define_session_rules *rules,
                   struct slice body,
                   struct reg_session *s,
                   struct define_error *e)
{
    struct body d = {
        .node = rules->node, .lock_delay_ns = 15 * SECOND_NS, .node_checks = serf_health(m)};
    struct errmsg why;
    if (body.len > 0 && decode_body(m, body, &body_object, &d, &why) != 0) {
        return define_refuse(e, 400, "Request decode failed: %s", why.text);
    }
    *s = (struct reg_session){.name = d.name,
                              .node = d.node,
                              .ttl = d.ttl,
                              .lock_delay_ns = lock_delay(d.lock_delay_ns),
                              .node_checks = node_checks(m, &d),
                              .service_checks = service_checks(m, &d.service_checks)};
    if (s->node.len == 0) {
        return define_refuse(e, 500, "Must provide Node");
    }
    int rc = check_behavior(d.behavior, &s->behavior, e);
    return rc != 0 ? rc : check_ttl(rules, d.ttl, &s->ttl_ns, e);
}
