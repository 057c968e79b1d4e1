/* Nodes, services and checks: what registering, deregistering and probing do to the tables.
 *
 * Each command is checked in full before its first write, so a refusal changes nothing. A write
 * that changes no field moves no index (Consul: idempotent registrations do not wake watchers).
 *
 * What moves which index:
 *   node     NODES, NODE; SERVICE of each name it carries
 *   service  NODE, SERVICE, AGENT; SERVICES if the map of names to tags may differ
 *   check    CHECKS, NODE_CHECKS, STATE_CHECKS (old and new); SERVICE_CHECKS and SERVICE of its
 *            service, or SERVICE of each name on the node; AGENT if the definition changed */
#include <string.h>

#include "registry/state.h"

static const struct slice none = {NULL, 0};

/* ---- keys ---- */

static void node_key(struct key *k, struct slice node)
{
    key_reset(k);
    key_name(k, node);
}

static void pair_key(struct key *k, struct slice node, struct slice id)
{
    node_key(k, node);
    key_id(k, id);
}

static void by_name_key(struct key *k, const struct reg_service *s)
{
    key_reset(k);
    key_name(k, s->name);
    key_name(k, s->node);
    key_id(k, s->id);
}

static void by_instance_key(struct key *k, const struct reg_check *c)
{
    node_key(k, c->node);
    key_id(k, c->service_id);
    key_id(k, c->check_id);
}

static void by_service_key(struct key *k, const struct reg_check *c)
{
    key_reset(k);
    key_name(k, c->service_name);
    key_name(k, c->node);
    key_id(k, c->check_id);
}

static void by_state_key(struct key *k, const struct reg_check *c)
{
    key_reset(k);
    key_name(k, c->status);
    key_name(k, c->node);
    key_id(k, c->check_id);
}

/* ---- look-ups of the writer ---- */

static bool find_node(struct reg *r, struct slice name, struct reg_node *out)
{
    struct key k;
    struct slice v;
    node_key(&k, name);
    if (!tx_get(r->tx, T_NODES, key_slice(&k), &v)) {
        return false;
    }
    stored_must(reg_node_decode(v, out), "node");
    return true;
}

static bool find_node_by_id(struct reg *r, struct slice id, struct reg_node *out)
{
    struct key k;
    struct slice v;
    if (id.len == 0) {
        return false;
    }
    node_key(&k, id);
    struct slice node;
    if (!tx_get(r->tx, T_NODE_IDS, key_slice(&k), &v) || !tx_get(r->tx, T_NODES, v, &node)) {
        return false;
    }
    stored_must(reg_node_decode(node, out), "node");
    return true;
}

static bool find_service(struct reg *r, struct slice node, struct slice id, struct reg_service *out)
{
    struct key k;
    struct slice v;
    pair_key(&k, node, id);
    if (!tx_get(r->tx, T_SERVICES, key_slice(&k), &v)) {
        return false;
    }
    stored_must(reg_service_decode(v, out), "service");
    return true;
}

static bool find_check(struct reg *r, struct slice node, struct slice id, struct reg_check *out)
{
    struct key k;
    struct slice v;
    pair_key(&k, node, id);
    if (!tx_get(r->tx, T_CHECKS, key_slice(&k), &v)) {
        return false;
    }
    stored_must(reg_check_decode(v, out), "check");
    return true;
}

/* ---- announcing ---- */

/* Call @each for the name of every service on @node. The names are copied, because writing moves
 * the map. */
static void each_service_name(struct reg *r,
                              struct slice node,
                              void (*each)(struct reg *r, struct slice name))
{
    struct key prefix;
    struct buf names = BUF_INIT;
    node_key(&prefix, node);
    key_separator(&prefix);
    void *c = tx_cursor(r->tx, T_SERVICES);
    struct slice k;
    struct slice v;
    bool more = tx_seek(c, key_slice(&prefix), &k, &v);
    while (more && slice_starts(k, key_slice(&prefix))) {
        struct reg_service s;
        stored_must(reg_service_decode(v, &s), "service");
        buf_put_bytes(&names, s.name);
        more = tx_next(c, &k, &v);
    }
    tx_cursor_free(c);
    stored_must(buf_ok(&names) ? 0 : E_NOMEM, "list of services");
    struct rd it = rd_of(buf_slice(&names));
    while (rd_left(&it) > 0) {
        each(r, rd_bytes(&it));
    }
    buf_fini(&names);
}

static void bump_service(struct reg *r, struct slice name)
{
    index_bump(r, REG_W_SERVICE, name);
}

static bool service_name_exists(struct reg *r, struct slice name)
{
    struct key k;
    key_reset(&k);
    key_name(&k, name);
    key_separator(&k);
    return tx_any(r->tx, T_BY_NAME, key_slice(&k));
}

static bool service_has_checks(struct reg *r, struct slice name)
{
    struct key k;
    key_reset(&k);
    key_name(&k, name);
    key_separator(&k);
    return tx_any(r->tx, T_BY_SERVICE, key_slice(&k));
}

/* @c changed, came or went, and the tables already show it. */
static void announce_check(struct reg *r, const struct reg_check *c)
{
    index_bump(r, REG_W_CHECKS, none);
    index_bump(r, REG_W_NODE_CHECKS, c->node);
    index_bump(r, REG_W_STATE_CHECKS, c->status);
    if (c->service_id.len == 0) {
        each_service_name(r, c->node, bump_service);
        return;
    }
    if (service_has_checks(r, c->service_name)) {
        index_bump(r, REG_W_SERVICE_CHECKS, c->service_name);
    } else {
        index_drop(r, REG_W_SERVICE_CHECKS, c->service_name);
    }
    if (service_name_exists(r, c->service_name)) {
        index_bump(r, REG_W_SERVICE, c->service_name);
    }
}

/* ---- writing ---- */

static struct slice encoded(struct reg *r)
{
    stored_must(buf_ok(&r->scratch) ? 0 : E_NOMEM, "record");
    return buf_slice(&r->scratch);
}

static void put_node(struct reg *r, const struct reg_node *n)
{
    struct key k;
    node_key(&k, n->name);
    buf_reset(&r->scratch);
    reg_node_encode(&r->scratch, n);
    tx_put(r->tx, T_NODES, key_slice(&k), encoded(r));
    if (n->id.len > 0) {
        struct key id;
        node_key(&id, n->id);
        tx_put(r->tx, T_NODE_IDS, key_slice(&id), key_slice(&k));
    }
}

static void put_service(struct reg *r, const struct reg_service *s)
{
    struct key k;
    struct key name;
    pair_key(&k, s->node, s->id);
    by_name_key(&name, s);
    buf_reset(&r->scratch);
    reg_service_encode(&r->scratch, s);
    tx_put(r->tx, T_SERVICES, key_slice(&k), encoded(r));
    tx_put(r->tx, T_BY_NAME, key_slice(&name), key_slice(&k));
}

static void put_check(struct reg *r, const struct reg_check *c)
{
    struct key k;
    struct key i;
    pair_key(&k, c->node, c->check_id);
    buf_reset(&r->scratch);
    reg_check_encode(&r->scratch, c);
    tx_put(r->tx, T_CHECKS, key_slice(&k), encoded(r));
    by_instance_key(&i, c);
    tx_put(r->tx, T_BY_INSTANCE, key_slice(&i), key_slice(&k));
    by_state_key(&i, c);
    tx_put(r->tx, T_BY_STATE, key_slice(&i), key_slice(&k));
    if (c->service_id.len > 0) {
        by_service_key(&i, c);
        tx_put(r->tx, T_BY_SERVICE, key_slice(&i), key_slice(&k));
    }
}

/* Remove the check's rows in the tables of indexes, whose keys derive from its fields. */
static void unindex_check(struct reg *r, const struct reg_check *c)
{
    struct key k;
    by_instance_key(&k, c);
    (void)tx_del(r->tx, T_BY_INSTANCE, key_slice(&k));
    by_state_key(&k, c);
    (void)tx_del(r->tx, T_BY_STATE, key_slice(&k));
    if (c->service_id.len > 0) {
        by_service_key(&k, c);
        (void)tx_del(r->tx, T_BY_SERVICE, key_slice(&k));
    }
}

/* A copy of a stored record's bytes, so that its view survives writes. Free @keep afterwards. */
static struct slice keep_record(struct reg *r, enum table t, const struct key *k, struct buf *keep)
{
    struct slice v = none;
    if (tx_get(r->tx, t, key_slice(k), &v)) {
        buf_reset(keep);
        buf_add_slice(keep, v);
        stored_must(buf_ok(keep) ? 0 : E_NOMEM, "record");
        return buf_slice(keep);
    }
    return none;
}

static bool keep_check(struct reg *r,
                       struct slice node,
                       struct slice id,
                       struct buf *keep,
                       struct reg_check *out)
{
    struct key k;
    pair_key(&k, node, id);
    struct slice v = keep_record(r, T_CHECKS, &k, keep);
    if (v.p == NULL) {
        return false;
    }
    stored_must(reg_check_decode(v, out), "check");
    return true;
}

static void delete_check(struct reg *r, struct slice node, struct slice id)
{
    struct buf keep = BUF_INIT;
    struct reg_check c;
    if (keep_check(r, node, id, &keep, &c)) {
        struct key k;
        unindex_check(r, &c);
        pair_key(&k, node, id);
        (void)tx_del(r->tx, T_CHECKS, key_slice(&k));
        announce_check(r, &c);
        index_touch(r, REG_W_AGENT, node);
    }
    buf_fini(&keep);
}

/* Delete each check of (@node, @service_id) that is not among @except. */
static void delete_instance_checks(struct reg *r,
                                   struct slice node,
                                   struct slice service_id,
                                   const struct reg_check *except,
                                   unsigned n_except)
{
    struct key prefix;
    struct buf ids = BUF_INIT;
    pair_key(&prefix, node, service_id);
    key_separator(&prefix);
    void *cur = tx_cursor(r->tx, T_BY_INSTANCE);
    struct slice k;
    struct slice v;
    bool more = tx_seek(cur, key_slice(&prefix), &k, &v);
    while (more && slice_starts(k, key_slice(&prefix))) {
        struct slice record;
        struct reg_check c;
        stored_must(tx_get(r->tx, T_CHECKS, v, &record) ? 0 : E_CORRUPT, "index of checks");
        stored_must(reg_check_decode(record, &c), "check");
        bool spared = false;
        for (unsigned i = 0; i < n_except && !spared; i++) {
            spared = slice_eq(except[i].check_id, c.check_id);
        }
        if (!spared) {
            buf_put_bytes(&ids, c.check_id);
        }
        more = tx_next(cur, &k, &v);
    }
    tx_cursor_free(cur);
    stored_must(buf_ok(&ids) ? 0 : E_NOMEM, "list of checks");
    struct rd it = rd_of(buf_slice(&ids));
    while (rd_left(&it) > 0) {
        delete_check(r, node, rd_bytes(&it));
    }
    buf_fini(&ids);
}

/* The instance's rows are gone or changed: let the service's watchers know, and forget the name's
 * index with its last instance. */
static void announce_service(struct reg *r, struct slice name, bool map_differs)
{
    if (service_name_exists(r, name)) {
        index_bump(r, REG_W_SERVICE, name);
    } else {
        index_drop(r, REG_W_SERVICE, name);
        map_differs = true;
    }
    if (map_differs) {
        index_bump(r, REG_W_SERVICES, none);
    }
}

static void delete_service(struct reg *r, struct slice node, struct slice id)
{
    struct buf keep = BUF_INIT;
    struct key k;
    pair_key(&k, node, id);
    struct slice v = keep_record(r, T_SERVICES, &k, &keep);
    if (v.p != NULL) {
        struct reg_service s;
        struct key name;
        stored_must(reg_service_decode(v, &s), "service");
        delete_instance_checks(r, node, id, NULL, 0);
        by_name_key(&name, &s);
        (void)tx_del(r->tx, T_BY_NAME, key_slice(&name));
        (void)tx_del(r->tx, T_SERVICES, key_slice(&k));
        announce_service(r, s.name, reg_list_count(s.tags) > 0);
        index_bump(r, REG_W_NODE, node);
        index_touch(r, REG_W_AGENT, node);
    }
    buf_fini(&keep);
}

/* Collect the ids (second component in full, from the records) of all rows of @t on @node. */
static void collect_ids(struct reg *r, enum table t, struct slice node, struct buf *ids)
{
    struct key prefix;
    node_key(&prefix, node);
    key_separator(&prefix);
    void *cur = tx_cursor(r->tx, t);
    struct slice k;
    struct slice v;
    bool more = tx_seek(cur, key_slice(&prefix), &k, &v);
    while (more && slice_starts(k, key_slice(&prefix))) {
        if (t == T_SERVICES) {
            struct reg_service s;
            stored_must(reg_service_decode(v, &s), "service");
            buf_put_bytes(ids, s.id);
        } else {
            struct reg_check c;
            stored_must(reg_check_decode(v, &c), "check");
            buf_put_bytes(ids, c.check_id);
        }
        more = tx_next(cur, &k, &v);
    }
    tx_cursor_free(cur);
    stored_must(buf_ok(ids) ? 0 : E_NOMEM, "list of ids");
}

static void delete_node(struct reg *r, struct slice name)
{
    struct reg_node n;
    struct buf keep = BUF_INIT;
    struct buf ids = BUF_INIT;
    struct key k;
    node_key(&k, name);
    struct slice v = keep_record(r, T_NODES, &k, &keep);
    if (v.p != NULL) {
        stored_must(reg_node_decode(v, &n), "node");
        collect_ids(r, T_SERVICES, name, &ids);
        struct rd it = rd_of(buf_slice(&ids));
        while (rd_left(&it) > 0) {
            delete_service(r, n.name, rd_bytes(&it));
        }
        buf_reset(&ids);
        collect_ids(r, T_CHECKS, name, &ids);
        it = rd_of(buf_slice(&ids));
        while (rd_left(&it) > 0) {
            delete_check(r, n.name, rd_bytes(&it));
        }
        (void)tx_del(r->tx, T_NODES, key_slice(&k));
        if (n.id.len > 0) {
            struct key id;
            node_key(&id, n.id);
            (void)tx_del(r->tx, T_NODE_IDS, key_slice(&id));
        }
        index_bump(r, REG_W_NODES, none);
        index_drop(r, REG_W_NODE, name);
        index_drop(r, REG_W_NODE_CHECKS, name);
        index_touch(r, REG_W_AGENT, name);
    }
    buf_fini(&ids);
    buf_fini(&keep);
}

/* ---- registering ---- */

/* Consul: a name that belongs to another, living node id cannot be taken. @steal: a holder without
 * an id may be taken over. */
static bool name_is_free(struct reg *r,
                         const struct reg_node *n,
                         bool steal,
                         struct reg_result *out)
{
    struct reg_node holder;
    struct reg_check health;
    if (!find_node(r, n->name, &holder) || slice_ieq(holder.id, n->id) ||
        (holder.id.len == 0 && steal)) {
        return true;
    }
    if (!find_check(r, holder.name, SLICE_LIT("serfHealth"), &health) ||
        reg_status_of(health.status) == REG_CRITICAL) {
        return true;
    }
    result_fail(out, E_EXISTS,
                "failed inserting node: Error while renaming Node ID: \"%.*s\": Node name %.*s is "
                "reserved by node %.*s with name %.*s",
                (int)n->id.len, n->id.p, (int)n->name.len, n->name.p, (int)holder.id.len,
                holder.id.p, (int)holder.name.len, holder.name.p);
    return false;
}

/* Refuse what cannot be applied, before anything is written. */
static bool register_allowed(struct reg *r, const struct reg_register *c, struct reg_result *out)
{
    struct reg_node known;
    bool writes_node = (c->flags & REG_REG_NODE) != 0;
    if (!writes_node && !find_node(r, c->node.name, &known)) {
        result_fail(out, E_NOTFOUND, "Missing node registration");
        return false;
    }
    if (writes_node && c->node.id.len > 0) {
        bool has_id = find_node_by_id(r, c->node.id, &known);
        bool renames = has_id && !slice_ieq(known.name, c->node.name);
        if ((renames || !has_id) && !name_is_free(r, &c->node, !has_id, out)) {
            return false;
        }
    }
    for (unsigned i = 0; i < c->n_checks; i++) {
        struct slice id = c->checks[i].service_id;
        struct reg_service s;
        bool mine = (c->flags & REG_REG_SERVICE) != 0 && slice_eq(id, c->service.id);
        if (id.len > 0 && !mine && !find_service(r, c->node.name, id, &s)) {
            if ((c->flags & REG_REG_CHECK_SERVICE) != 0) {
                result_fail(out, E_NOTFOUND, "ServiceID \"%.*s\" does not exist", (int)id.len,
                            id.p);
            } else {
                result_fail(out, E_NOTFOUND,
                            "failed inserting check: Missing service registration");
            }
            return false;
        }
    }
    return true;
}

/* Consul: a known id under a new name is a rename; the old name goes with all that it carried, and
 * CreateIndex stays. Otherwise the name decides which node is meant. */
static void register_node(struct reg *r, const struct reg_node *asked)
{
    struct reg_node n = *asked;
    struct reg_node was;
    struct buf old_name = BUF_INIT;
    n.create_index = r->state.index;
    bool had = find_node_by_id(r, n.id, &was);
    if (had) {
        n.create_index = was.create_index;
    }
    bool renamed = had && !slice_ieq(was.name, n.name);
    if (renamed) {
        buf_add_slice(&old_name, was.name);
        delete_node(r, buf_slice(&old_name));
    }
    buf_fini(&old_name);
    had = find_node(r, n.name, &was);
    if (had && !renamed) {
        n.create_index = was.create_index;
    }
    if (had && reg_node_same(&n, &was)) {
        return;
    }
    if (had && was.id.len > 0 && !slice_ieq(was.id, n.id)) {
        struct key id;
        node_key(&id, was.id);
        (void)tx_del(r->tx, T_NODE_IDS, key_slice(&id));
    }
    n.modify_index = r->state.index;
    put_node(r, &n);
    index_bump(r, REG_W_NODES, none);
    index_bump(r, REG_W_NODE, n.name);
    each_service_name(r, n.name, bump_service);
}

static void register_service(struct reg *r, struct slice node, const struct reg_service *asked)
{
    struct buf keep = BUF_INIT;
    struct key k;
    struct reg_service s = *asked;
    struct reg_service was;
    s.node = node;
    s.create_index = r->state.index;
    pair_key(&k, node, s.id);
    struct slice v = keep_record(r, T_SERVICES, &k, &keep);
    bool had = v.p != NULL;
    bool map_differs;
    if (had) {
        stored_must(reg_service_decode(v, &was), "service");
        s.create_index = was.create_index;
        s.node = was.node; /* the spelling of the node's name does not matter */
        if (reg_service_same(&s, &was)) {
            buf_fini(&keep);
            return;
        }
        map_differs = !slice_eq(s.tags.raw, was.tags.raw) || !slice_eq(s.name, was.name);
    } else {
        map_differs = reg_list_count(s.tags) > 0 || !service_name_exists(r, s.name);
    }
    s.modify_index = r->state.index;
    if (had && !slice_ieq(was.name, s.name)) {
        struct key name;
        by_name_key(&name, &was);
        (void)tx_del(r->tx, T_BY_NAME, key_slice(&name));
        announce_service(r, was.name, true);
    }
    put_service(r, &s);
    announce_service(r, s.name, map_differs);
    index_bump(r, REG_W_NODE, node);
    index_touch(r, REG_W_AGENT, node);
    buf_fini(&keep);
}

static bool definition_same(const struct reg_check *a, const struct reg_check *b)
{
    struct reg_check c = *a;
    c.status = b->status;
    c.output = b->output;
    return reg_check_same(&c, b);
}

/* Store @c over @was (NULL: there is none) and announce it. */
static void write_check(struct reg *r, const struct reg_check *c, const struct reg_check *was)
{
    if (was != NULL) {
        unindex_check(r, was);
    }
    put_check(r, c);
    announce_check(r, c);
    if (was != NULL && !slice_eq(was->status, c->status)) {
        index_bump(r, REG_W_STATE_CHECKS, was->status);
    }
    if (was != NULL && !slice_eq(was->service_id, c->service_id)) {
        announce_check(r, was);
    }
    if (was == NULL || !definition_same(c, was)) {
        index_touch(r, REG_W_AGENT, c->node);
    }
}

static void register_check(struct reg *r, const struct reg_register *c, const struct reg_check *in)
{
    struct buf keep = BUF_INIT;
    struct buf keep_svc = BUF_INIT;
    struct reg_check check = *in;
    struct reg_check was;
    check.node = c->node.name;
    check.create_index = r->state.index;
    bool had = keep_check(r, check.node, check.check_id, &keep, &was);
    if (had) {
        check.create_index = was.create_index;
        check.node = was.node;
        if ((c->flags & REG_REG_KEEP_STATUS) != 0) {
            check.status = was.status;
            check.output = was.output;
        }
    }
    if (check.status.len == 0) {
        check.status = SLICE_LIT("critical");
    }
    struct reg_service s;
    struct key k;
    pair_key(&k, check.node, check.service_id);
    struct slice v = check.service_id.len > 0 ? keep_record(r, T_SERVICES, &k, &keep_svc) : none;
    if (v.p != NULL) { /* a bound check shows its service's name and tags */
        stored_must(reg_service_decode(v, &s), "service");
        check.service_name = s.name;
        check.service_tags = s.tags;
    }
    if (!had || !reg_check_same(&check, &was)) {
        check.modify_index = r->state.index;
        write_check(r, &check, had ? &was : NULL);
    }
    buf_fini(&keep_svc);
    buf_fini(&keep);
}

void apply_register(struct reg *r, const struct reg_register *c, struct reg_result *out)
{
    if (!register_allowed(r, c, out)) {
        return;
    }
    if ((c->flags & REG_REG_NODE) != 0) {
        register_node(r, &c->node);
    }
    if ((c->flags & REG_REG_SERVICE) != 0) {
        register_service(r, c->node.name, &c->service);
        if ((c->flags & REG_REG_REPLACE_CHECKS) != 0) {
            delete_instance_checks(r, c->node.name, c->service.id, c->checks, c->n_checks);
        }
    }
    for (unsigned i = 0; i < c->n_checks; i++) {
        register_check(r, c, &c->checks[i]);
    }
}

void apply_deregister(struct reg *r, const struct reg_deregister *c, struct reg_result *out)
{
    struct reg_service s;
    struct reg_check k;
    struct reg_node n;
    if (c->service_id.len > 0) {
        out->ok = find_service(r, c->node, c->service_id, &s);
        delete_service(r, c->node, c->service_id);
    } else if (c->check_id.len > 0) {
        out->ok = find_check(r, c->node, c->check_id, &k);
        delete_check(r, c->node, c->check_id);
    } else {
        out->ok = find_node(r, c->node, &n);
        delete_node(r, c->node);
    }
}

void apply_check_status(struct reg *r, const struct reg_check_status *c, struct reg_result *out)
{
    struct buf keep = BUF_INIT;
    struct reg_check was;
    if (!keep_check(r, c->node, c->check_id, &keep, &was) ||
        (c->create_index != 0 && c->create_index != was.create_index)) {
        result_fail(out, E_NOTFOUND, "Unknown check ID \"%.*s\"", (int)c->check_id.len,
                    c->check_id.p);
    } else if (!slice_eq(was.status, c->status) || !slice_eq(was.output, c->output)) {
        struct reg_check now = was;
        now.status = c->status;
        now.output = c->output;
        now.modify_index = r->state.index;
        write_check(r, &now, &was);
    }
    buf_fini(&keep);
}
