/* Index tables map to the key of the record, so a row is never a copy that could go stale. Their
 * keys derive from fields of the record: whoever changes such a field drops the old row first. */
#include "registry/rows.h"

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

/* (first, node, id), where the first two are names. */
static void triple_key(struct key *k, struct slice first, struct slice node, struct slice id)
{
    key_reset(k);
    key_name(k, first);
    key_name(k, node);
    key_id(k, id);
}

static void instance_key(struct key *k, const struct reg_check *c)
{
    pair_key(k, c->node, c->service_id);
    key_id(k, c->check_id);
}

/* ---- look-ups ---- */

bool rows_find_node(struct reg *r, struct slice name, struct reg_node *out)
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

bool rows_find_node_by_id(struct reg *r, struct slice id, struct reg_node *out)
{
    struct key k;
    struct slice at;
    struct slice v;
    if (id.len == 0) {
        return false;
    }
    node_key(&k, id);
    if (!tx_get(r->tx, T_NODE_IDS, key_slice(&k), &at) || !tx_get(r->tx, T_NODES, at, &v)) {
        return false;
    }
    stored_must(reg_node_decode(v, out), "node");
    return true;
}

bool rows_find_service(struct reg *r, struct slice node, struct slice id, struct reg_service *out)
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

bool rows_find_check(struct reg *r, struct slice node, struct slice id, struct reg_check *out)
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

/* A copy of the bytes under @k; false when there are none. */
static bool keep(struct reg *r, enum table t, const struct key *k, struct buf *to)
{
    struct slice v;
    if (!tx_get(r->tx, t, key_slice(k), &v)) {
        return false;
    }
    buf_reset(to);
    buf_add_slice(to, v);
    stored_must(buf_ok(to) ? 0 : E_NOMEM, "record");
    return true;
}

bool rows_keep_node(struct reg *r, struct slice name, struct buf *to, struct reg_node *out)
{
    struct key k;
    node_key(&k, name);
    if (!keep(r, T_NODES, &k, to)) {
        return false;
    }
    stored_must(reg_node_decode(buf_slice(to), out), "node");
    return true;
}

bool rows_keep_service(struct reg *r,
                       struct slice node,
                       struct slice id,
                       struct buf *to,
                       struct reg_service *out)
{
    struct key k;
    pair_key(&k, node, id);
    if (!keep(r, T_SERVICES, &k, to)) {
        return false;
    }
    stored_must(reg_service_decode(buf_slice(to), out), "service");
    return true;
}

bool rows_keep_check(struct reg *r,
                     struct slice node,
                     struct slice id,
                     struct buf *to,
                     struct reg_check *out)
{
    struct key k;
    pair_key(&k, node, id);
    if (!keep(r, T_CHECKS, &k, to)) {
        return false;
    }
    stored_must(reg_check_decode(buf_slice(to), out), "check");
    return true;
}

static bool any_under(struct reg *r, enum table t, struct slice name)
{
    struct key k;
    node_key(&k, name);
    key_separator(&k);
    return tx_any(r->tx, t, key_slice(&k));
}

bool rows_any_instance(struct reg *r, struct slice name)
{
    return any_under(r, T_BY_NAME, name);
}

bool rows_any_bound_check(struct reg *r, struct slice name)
{
    return any_under(r, T_BY_SERVICE, name);
}

/* ---- ranges ---- */

/* Append what @pick chooses of each value under @prefix (a complete component). */
static void collect(struct reg *r,
                    enum table t,
                    struct key *prefix,
                    struct buf *out,
                    struct slice (*pick)(struct reg *r, struct slice value))
{
    key_separator(prefix);
    void *c = tx_cursor(r->tx, t);
    struct slice k;
    struct slice v;
    bool more = tx_seek(c, key_slice(prefix), &k, &v);
    while (more && slice_starts(k, key_slice(prefix))) {
        buf_put_bytes(out, pick(r, v));
        more = tx_next(c, &k, &v);
    }
    tx_cursor_free(c);
    stored_must(buf_ok(out) ? 0 : E_NOMEM, "list of rows");
}

static struct slice pick_service_name(struct reg *r, struct slice value)
{
    struct reg_service s;
    (void)r;
    stored_must(reg_service_decode(value, &s), "service");
    return s.name;
}

static struct slice pick_service_id(struct reg *r, struct slice value)
{
    struct reg_service s;
    (void)r;
    stored_must(reg_service_decode(value, &s), "service");
    return s.id;
}

static struct slice pick_check_id(struct reg *r, struct slice value)
{
    struct reg_check c;
    (void)r;
    stored_must(reg_check_decode(value, &c), "check");
    return c.check_id;
}

static struct slice pick_indexed_check_id(struct reg *r, struct slice value)
{
    struct slice record;
    stored_must(tx_get(r->tx, T_CHECKS, value, &record) ? 0 : E_CORRUPT, "index of checks");
    return pick_check_id(r, record);
}

void rows_service_names(struct reg *r, struct slice node, struct buf *out)
{
    struct key k;
    node_key(&k, node);
    collect(r, T_SERVICES, &k, out, pick_service_name);
}

void rows_service_ids(struct reg *r, struct slice node, struct buf *out)
{
    struct key k;
    node_key(&k, node);
    collect(r, T_SERVICES, &k, out, pick_service_id);
}

void rows_check_ids(struct reg *r, struct slice node, struct buf *out)
{
    struct key k;
    node_key(&k, node);
    collect(r, T_CHECKS, &k, out, pick_check_id);
}

void rows_instance_check_ids(struct reg *r,
                             struct slice node,
                             struct slice service_id,
                             struct buf *out)
{
    struct key k;
    pair_key(&k, node, service_id);
    collect(r, T_BY_INSTANCE, &k, out, pick_indexed_check_id);
}

/* ---- writing ---- */

static struct slice encoded(struct reg *r)
{
    stored_must(buf_ok(&r->scratch) ? 0 : E_NOMEM, "record");
    return buf_slice(&r->scratch);
}

void rows_put_node(struct reg *r, const struct reg_node *n)
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

void rows_put_service(struct reg *r, const struct reg_service *s)
{
    struct key k;
    struct key name;
    pair_key(&k, s->node, s->id);
    triple_key(&name, s->name, s->node, s->id);
    buf_reset(&r->scratch);
    reg_service_encode(&r->scratch, s);
    tx_put(r->tx, T_SERVICES, key_slice(&k), encoded(r));
    tx_put(r->tx, T_BY_NAME, key_slice(&name), key_slice(&k));
}

void rows_put_check(struct reg *r, const struct reg_check *c)
{
    struct key k;
    struct key i;
    pair_key(&k, c->node, c->check_id);
    buf_reset(&r->scratch);
    reg_check_encode(&r->scratch, c);
    tx_put(r->tx, T_CHECKS, key_slice(&k), encoded(r));
    instance_key(&i, c);
    tx_put(r->tx, T_BY_INSTANCE, key_slice(&i), key_slice(&k));
    triple_key(&i, c->status, c->node, c->check_id);
    tx_put(r->tx, T_BY_STATE, key_slice(&i), key_slice(&k));
    if (c->service_id.len > 0) {
        triple_key(&i, c->service_name, c->node, c->check_id);
        tx_put(r->tx, T_BY_SERVICE, key_slice(&i), key_slice(&k));
    }
}

/* What is dropped may be missing: a node without an id, a check that is not bound. */
static void drop(struct reg *r, enum table t, const struct key *k)
{
    (void)tx_del(r->tx, t, key_slice(k));
}

void rows_unindex_node(struct reg *r, const struct reg_node *n)
{
    struct key k;
    if (n->id.len > 0) {
        node_key(&k, n->id);
        drop(r, T_NODE_IDS, &k);
    }
}

void rows_unindex_service(struct reg *r, const struct reg_service *s)
{
    struct key k;
    triple_key(&k, s->name, s->node, s->id);
    drop(r, T_BY_NAME, &k);
}

void rows_unindex_check(struct reg *r, const struct reg_check *c)
{
    struct key k;
    instance_key(&k, c);
    drop(r, T_BY_INSTANCE, &k);
    triple_key(&k, c->status, c->node, c->check_id);
    drop(r, T_BY_STATE, &k);
    if (c->service_id.len > 0) {
        triple_key(&k, c->service_name, c->node, c->check_id);
        drop(r, T_BY_SERVICE, &k);
    }
}

void rows_drop_node(struct reg *r, const struct reg_node *n)
{
    struct key k;
    rows_unindex_node(r, n);
    node_key(&k, n->name);
    drop(r, T_NODES, &k);
}

void rows_drop_service(struct reg *r, const struct reg_service *s)
{
    struct key k;
    rows_unindex_service(r, s);
    pair_key(&k, s->node, s->id);
    drop(r, T_SERVICES, &k);
}

void rows_drop_check(struct reg *r, const struct reg_check *c)
{
    struct key k;
    rows_unindex_check(r, c);
    pair_key(&k, c->node, c->check_id);
    drop(r, T_CHECKS, &k);
}
