/* Keys and values, after Consul's rules (consul-surface.md 4.1): a PUT that changes nothing moves
 * no index; a delete leaves a tombstone, so that the index of a prefix does not go back.
 *
 * Tombstones are forgotten 15 minutes after, by the clock of later batches: no timer, and every
 * server forgets the same ones at the same entry. */
#include <string.h>

#include "registry/state.h"

enum { REAP_AT_ONCE = 64, TREE_CHUNK = 1000 };
#define TOMB_TTL_NS ((int64_t)15 * 60 * 1000000000)

static const struct slice none = {NULL, 0};

bool kv_find_entry(struct reg *r, struct slice key, struct reg_kv *out)
{
    struct key k;
    struct slice v;
    key_kv(&k, key);
    if (!tx_get(r->tx, T_KV, key_slice(&k), &v)) {
        return false;
    }
    stored_must(reg_kv_decode(v, out), "key");
    return true;
}

static void announce(struct reg *r, struct slice key)
{
    index_bump(r, REG_W_KVS, none);
    index_touch_key(r, key);
}

/* Store @e; @e->key is not in the map. */
static void put(struct reg *r, const struct reg_kv *e)
{
    struct key k;
    key_kv(&k, e->key);
    buf_reset(&r->scratch);
    reg_kv_encode(&r->scratch, e);
    stored_must(buf_ok(&r->scratch) ? 0 : E_NOMEM, "record");
    struct slice key = e->key;
    tx_put(r->tx, T_KV, key_slice(&k), buf_slice(&r->scratch));
    announce(r, key);
}

static struct reg_kv entry_of(const struct reg *r, const struct reg_kv_op *c)
{
    return (struct reg_kv){.key = c->key,
                           .value = c->value,
                           .flags = c->flags,
                           .create_index = r->state.index,
                           .modify_index = r->state.index};
}

/* Store @e over @was, unless that is the same already. */
static void put_over(struct reg *r, struct reg_kv *e, bool had, const struct reg_kv *was)
{
    if (had) {
        if (was->flags == e->flags && was->lock_index == e->lock_index &&
            slice_eq(was->session, e->session) && slice_eq(was->value, e->value)) {
            return;
        }
        e->create_index = was->create_index;
    }
    put(r, e);
}

static void set(struct reg *r, const struct reg_kv_op *c, bool had, const struct reg_kv *was)
{
    struct reg_kv e = entry_of(r, c);
    if (had) {
        e.session = was->session; /* a plain PUT keeps the lock's holder but not its count */
    }
    put_over(r, &e, had, was);
}

/* ---- locks (consul-surface.md 4.2) ---- */

static bool session_given(const struct reg_kv_op *c, struct reg_result *out)
{
    if (c->session.len == 0) {
        result_fail(out, E_INVAL, "missing session");
    }
    return c->session.len > 0;
}

static void lock(struct reg *r,
                 const struct reg_kv_op *c,
                 bool had,
                 const struct reg_kv *was,
                 struct reg_result *out)
{
    if (lock_is_delayed(r, c->key)) { /* Consul asks this before it looks at the session */
        out->ok = false;
        return;
    }
    if (!session_given(c, out) || !reg_session_id_ok(c->session, out)) {
        return;
    }
    if (!session_exists(r, c->session)) {
        result_fail(out, E_NOTFOUND, "invalid session \"%.*s\"", (int)c->session.len, c->session.p);
        return;
    }
    struct reg_kv e = entry_of(r, c);
    e.session = c->session;
    e.lock_index = 1;
    bool held = had && was->session.len > 0;
    if (held && !slice_ieq(was->session, c->session)) {
        out->ok = false;
        return;
    }
    if (had) {
        e.lock_index = was->lock_index + (held ? 0 : 1);
    }
    put_over(r, &e, had, was);
    if (!held) {
        session_hold(r, c->session, c->key);
    }
}

static void unlock(struct reg *r,
                   const struct reg_kv_op *c,
                   bool had,
                   const struct reg_kv *was,
                   struct reg_result *out)
{
    if (!session_given(c, out)) {
        return;
    }
    out->ok = had && slice_ieq(was->session, c->session);
    if (out->ok) {
        struct reg_kv e = entry_of(r, c);
        e.lock_index = was->lock_index;
        put_over(r, &e, had, was);
        session_unhold(r, c->session, c->key);
    }
}

/* ---- deleting ---- */

/* Row of T_TOMB_ORDER: big endian, so that the oldest comes first. */
static struct slice order_key(char p[12], uint64_t index, uint32_t seq)
{
    for (int i = 0; i < 8; i++) {
        p[i] = (char)(index >> (56 - 8 * i));
    }
    for (int i = 0; i < 4; i++) {
        p[8 + i] = (char)(seq >> (24 - 8 * i));
    }
    return slice_of(p, 12);
}

/* @key is not in the map. */
static void delete_one(struct reg *r, struct slice key)
{
    struct key k;
    char order[12];
    struct reg_kv was;
    if (!kv_find_entry(r, key, &was)) {
        return;
    }
    if (was.session.len > 0) {
        session_unhold(r, was.session, key);
    }
    key_kv(&k, key);
    (void)tx_del(r->tx, T_KV, key_slice(&k)); /* it was found */
    buf_reset(&r->scratch);
    buf_put_u64(&r->scratch, r->state.index);
    buf_put_bytes(&r->scratch, key);
    stored_must(buf_ok(&r->scratch) ? 0 : E_NOMEM, "record");
    tx_put(r->tx, T_TOMBS, key_slice(&k), buf_slice(&r->scratch));
    buf_reset(&r->scratch);
    buf_put_u64(&r->scratch, (uint64_t)r->wall_ns);
    buf_put_bytes(&r->scratch, key_slice(&k));
    stored_must(buf_ok(&r->scratch) ? 0 : E_NOMEM, "record");
    tx_put(r->tx, T_TOMB_ORDER, order_key(order, r->state.index, r->tomb_seq++),
           buf_slice(&r->scratch));
    announce(r, key);
}

/* Up to TREE_CHUNK keys below @prefix, copied. Keys of a bucket (keys.h) are compared in full. */
static void collect(struct reg *r, struct slice prefix, struct buf *keys)
{
    struct key from;
    key_kv(&from, slice_of(prefix.p, prefix.len > KV_PLAIN_MAX ? KV_PLAIN_MAX : prefix.len));
    struct slice k;
    struct slice v;
    void *c = tx_cursor(r->tx, T_KV);
    bool more = tx_seek(c, key_slice(&from), &k, &v);
    unsigned n = 0;
    while (more && n < TREE_CHUNK && slice_starts(k, key_slice(&from))) {
        struct reg_kv e;
        stored_must(reg_kv_decode(v, &e), "key");
        if (slice_starts(e.key, prefix)) {
            buf_put_bytes(keys, e.key);
            n++;
        }
        more = tx_next(c, &k, &v);
    }
    tx_cursor_free(c);
    stored_must(buf_ok(keys) ? 0 : E_NOMEM, "list of keys");
}

static void delete_tree(struct reg *r, struct slice prefix)
{
    struct buf keys = BUF_INIT;
    do {
        buf_reset(&keys);
        collect(r, prefix, &keys);
        struct rd it = rd_of(buf_slice(&keys));
        while (rd_left(&it) > 0) {
            delete_one(r, rd_bytes(&it));
        }
    } while (keys.len > 0);
    buf_fini(&keys);
}

void kv_invalidate(struct reg *r, struct slice key, struct slice id, bool delete_it)
{
    struct reg_kv e;
    if (!kv_find_entry(r, key, &e) || !slice_ieq(e.session, id)) {
        return;
    }
    if (delete_it) {
        delete_one(r, key);
        return;
    }
    e.key = key;
    e.session = none;
    e.modify_index = r->state.index;
    put(r, &e);
}

void apply_kv(struct reg *r, const struct reg_kv_op *c, struct reg_result *out)
{
    struct reg_kv was;
    bool had = c->verb != REG_KV_DELETE_TREE && kv_find_entry(r, c->key, &was);
    switch ((enum reg_kv_verb)c->verb) {
        case REG_KV_SET:
            set(r, c, had, &was);
            return;
        case REG_KV_CAS:
            out->ok = c->index == 0 ? !had : had && was.modify_index == c->index;
            if (out->ok) {
                set(r, c, had, &was);
            }
            return;
        case REG_KV_DELETE:
            delete_one(r, c->key);
            return;
        case REG_KV_DELETE_CAS:
            out->ok = !had || was.modify_index == c->index;
            if (out->ok) {
                delete_one(r, c->key);
            }
            return;
        case REG_KV_DELETE_TREE:
            delete_tree(r, c->key);
            return;
        case REG_KV_LOCK:
            lock(r, c, had, &was, out);
            return;
        case REG_KV_UNLOCK:
            unlock(r, c, had, &was, out);
            return;
        case REG_KV_GET:
        case REG_KV_GET_OR_EMPTY:
        case REG_KV_GET_TREE:
        case REG_KV_CHECK_INDEX:
        case REG_KV_CHECK_SESSION:
        case REG_KV_CHECK_NOT_EXISTS:
            break; /* apply_txn.c sees to these */
    }
    result_fail(out, E_PROTO, "unknown KV verb %u", (unsigned)c->verb);
}

/* Forget the oldest tombstone if it is due. */
static bool reap_one(struct reg *r)
{
    struct slice k;
    struct slice v;
    void *c = tx_cursor(r->tx, T_TOMB_ORDER);
    bool any = tx_seek(c, none, &k, &v);
    tx_cursor_free(c);
    if (!any) {
        return false;
    }
    struct rd it = rd_of(v);
    int64_t wall_ns = (int64_t)rd_u64(&it);
    struct slice stored = rd_bytes(&it);
    stored_must(rd_done(&it) && stored.len <= KEY_SIZE && k.len == 12 ? 0 : E_CORRUPT, "tombstone");
    if (r->wall_ns - wall_ns < TOMB_TTL_NS) {
        return false;
    }
    struct key tomb = {.len = stored.len};
    char order[12];
    memcpy(tomb.p, stored.p, stored.len);
    memcpy(order, k.p, sizeof order);
    uint64_t index = 0;
    for (int i = 0; i < 8; i++) {
        index = index << 8 | (unsigned char)order[i];
    }
    if (tx_get(r->tx, T_TOMBS, key_slice(&tomb), &v)) {
        it = rd_of(v);
        if (rd_u64(&it) == index) { /* not buried anew since */
            (void)tx_del(r->tx, T_TOMBS, key_slice(&tomb));
        }
    }
    (void)tx_del(r->tx, T_TOMB_ORDER, slice_of(order, sizeof order));
    return true;
}

void apply_reap(struct reg *r)
{
    for (int i = 0; i < REAP_AT_ONCE && reap_one(r); i++) {
    }
    lock_delays_reap(r);
}
