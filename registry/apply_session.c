/* Sessions and lock delays (consul-surface.md 4.2, 4.3).
 *
 * A session ends in the command that ends it or its reason to live: in the same transaction its
 * rows go, the keys that it holds are released or deleted, and each of them may get a lock delay.
 * A delay is a wall time, compared with the clock of the batch that wants the lock: no timer, the
 * same answer on every server, and a restart forgets nothing. */
#include <string.h>

#include "registry/rows.h"

enum { UUID_SIZE = 36, HELD_AT_ONCE = 1000, DELAYS_REAPED = 64, ORDER_SIZE = 20 };

static const struct slice none = {NULL, 0};

/* ---- keys ---- */

static void session_key(struct key *k, struct slice id)
{
    key_reset(k);
    key_name(k, id);
}

static void node_key(struct key *k, struct slice node, struct slice id)
{
    key_reset(k);
    key_name(k, node);
    key_name(k, id);
}

static void check_key(struct key *k, struct slice node, struct slice check_id, struct slice id)
{
    key_reset(k);
    key_name(k, node);
    key_id(k, check_id);
    key_name(k, id);
}

static void held_key(struct key *k, struct slice id, struct slice kv_key)
{
    session_key(k, id);
    key_id(k, kv_key);
}

/* ---- ids ---- */

/* The text of a byte as Go's %#U prints it. */
static void bad_byte(struct reg_result *out, char c)
{
    result_fail(out, E_INVAL,
                "failed session lookup: index error: Invalid UUID: encoding/hex: invalid byte: "
                "U+%04X '%c'",
                (unsigned)(unsigned char)c, c);
}

bool reg_session_id_ok(struct slice id, struct reg_result *out)
{
    if (id.len != UUID_SIZE) {
        result_fail(out, E_INVAL, "failed session lookup: index error: UUID must be 36 characters");
        return false;
    }
    for (size_t i = 0; i < id.len; i++) {
        char c = slice_lower(id.p[i]);
        bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? c != '-' : !hex) {
            bad_byte(out, id.p[i]);
            return false;
        }
    }
    return true;
}

/* ---- look-ups ---- */

static bool find(struct reg *r, struct slice id, struct reg_session *out)
{
    struct key k;
    struct slice v;
    session_key(&k, id);
    if (!tx_get(r->tx, T_SESSIONS, key_slice(&k), &v)) {
        return false;
    }
    stored_must(reg_session_decode(v, out), "session");
    return true;
}

bool session_exists(struct reg *r, struct slice id)
{
    struct reg_session s;
    return find(r, id, &s);
}

/* ---- locks ---- */

void session_hold(struct reg *r, struct slice id, struct slice key)
{
    struct key k;
    held_key(&k, id, key);
    tx_put(r->tx, T_HELD, key_slice(&k), key);
}

void session_unhold(struct reg *r, struct slice id, struct slice key)
{
    struct key k;
    held_key(&k, id, key);
    (void)tx_del(r->tx, T_HELD, key_slice(&k)); /* a key released by its session's end has none */
}

static void put_be(char *p, uint64_t v, int n)
{
    for (int i = 0; i < n; i++) {
        p[i] = (char)(v >> (8 * (n - 1 - i)));
    }
}

static void delay_lock(struct reg *r, struct slice key, int64_t delay_ns)
{
    struct key k;
    char order[ORDER_SIZE];
    int64_t until = r->wall_ns + delay_ns;
    key_kv(&k, key);
    put_be(order, (uint64_t)until, 8);
    put_be(order + 8, r->state.index, 8);
    put_be(order + 16, r->tomb_seq++, 4);
    buf_reset(&r->scratch);
    buf_put_u64(&r->scratch, (uint64_t)until);
    stored_must(buf_ok(&r->scratch) ? 0 : E_NOMEM, "record");
    tx_put(r->tx, T_DELAYS, key_slice(&k), buf_slice(&r->scratch));
    tx_put(r->tx, T_DELAY_ORDER, slice_of(order, sizeof order), key_slice(&k));
}

static bool delayed_until(struct reg *r, struct slice stored, int64_t *until)
{
    struct slice v;
    if (!tx_get(r->tx, T_DELAYS, stored, &v)) {
        return false;
    }
    struct rd it = rd_of(v);
    *until = (int64_t)rd_u64(&it);
    stored_must(rd_done(&it) ? 0 : E_CORRUPT, "lock delay");
    return true;
}

bool lock_is_delayed(struct reg *r, struct slice key)
{
    struct key k;
    int64_t until;
    key_kv(&k, key);
    return delayed_until(r, key_slice(&k), &until) && r->wall_ns < until;
}

/* Forget the delay that ends first, if it has ended. */
static bool reap_one(struct reg *r)
{
    struct slice k;
    struct slice v;
    void *c = tx_cursor(r->tx, T_DELAY_ORDER);
    bool any = tx_seek(c, none, &k, &v);
    tx_cursor_free(c);
    if (!any) {
        return false;
    }
    stored_must(k.len == ORDER_SIZE && v.len <= KEY_SIZE ? 0 : E_CORRUPT, "lock delay");
    uint64_t until = 0;
    for (int i = 0; i < 8; i++) {
        until = until << 8 | (unsigned char)k.p[i];
    }
    if (r->wall_ns < (int64_t)until) {
        return false;
    }
    struct key stored = {.len = v.len};
    char order[ORDER_SIZE];
    memcpy(stored.p, v.p, v.len);
    memcpy(order, k.p, sizeof order);
    int64_t newest;
    if (delayed_until(r, key_slice(&stored), &newest) && newest == (int64_t)until) {
        (void)tx_del(r->tx, T_DELAYS, key_slice(&stored)); /* not delayed anew since */
    }
    (void)tx_del(r->tx, T_DELAY_ORDER, slice_of(order, sizeof order)); /* just found */
    return true;
}

void lock_delays_reap(struct reg *r)
{
    for (int i = 0; i < DELAYS_REAPED && reap_one(r); i++) {
    }
}

/* ---- rows ---- */

/* Call @each with every check id that @s is linked to. */
static void each_check(struct reg *r,
                       const struct reg_session *s,
                       void (*each)(struct reg *r, const struct reg_session *s, struct slice id))
{
    struct rd it = reg_list_iter(s->node_checks);
    struct slice id;
    struct slice ns;
    while (reg_list_next(&it, &id)) {
        each(r, s, id);
    }
    it = reg_list_iter(s->service_checks);
    while (reg_list_next(&it, &id) && reg_list_next(&it, &ns)) {
        each(r, s, id);
    }
}

static void link_check(struct reg *r, const struct reg_session *s, struct slice check_id)
{
    struct key k;
    struct key at;
    session_key(&at, s->id);
    check_key(&k, s->node, check_id, s->id);
    tx_put(r->tx, T_SESSION_BY_CHECK, key_slice(&k), key_slice(&at));
}

static void unlink_check(struct reg *r, const struct reg_session *s, struct slice check_id)
{
    struct key k;
    check_key(&k, s->node, check_id, s->id);
    (void)tx_del(r->tx, T_SESSION_BY_CHECK,
                 key_slice(&k)); /* a check named twice is gone already */
}

/* ---- ending ---- */

/* Up to HELD_AT_ONCE keys that the session holds, copied. */
static void collect_held(struct reg *r, struct slice id, struct buf *keys)
{
    struct key from;
    struct slice k;
    struct slice v;
    session_key(&from, id);
    key_separator(&from);
    void *c = tx_cursor(r->tx, T_HELD);
    bool more = tx_seek(c, key_slice(&from), &k, &v);
    for (int n = 0; more && n < HELD_AT_ONCE && slice_starts(k, key_slice(&from)); n++) {
        buf_put_bytes(keys, v);
        more = tx_next(c, &k, &v);
    }
    tx_cursor_free(c);
    stored_must(buf_ok(keys) ? 0 : E_NOMEM, "list of keys");
}

/* Each turn takes at least one row out of T_HELD. */
static void let_go(struct reg *r, const struct reg_session *s)
{
    int64_t delay_ns =
        s->lock_delay_ns > REG_LOCK_DELAY_MAX_NS ? REG_LOCK_DELAY_MAX_NS : s->lock_delay_ns;
    struct buf keys = BUF_INIT;
    do {
        buf_reset(&keys);
        collect_held(r, s->id, &keys);
        struct rd it = rd_of(buf_slice(&keys));
        while (rd_left(&it) > 0) {
            struct slice key = rd_bytes(&it);
            session_unhold(r, s->id, key);
            kv_invalidate(r, key, s->id, s->behavior == REG_SESSION_DELETE);
            if (delay_ns > 0) {
                delay_lock(r, key, delay_ns);
            }
        }
    } while (keys.len > 0);
    buf_fini(&keys);
}

static void end_session(struct reg *r, struct slice id)
{
    struct key k;
    struct slice v;
    struct buf keep = BUF_INIT;
    struct reg_session s;
    session_key(&k, id);
    if (!tx_get(r->tx, T_SESSIONS, key_slice(&k), &v)) {
        return;
    }
    buf_add_slice(&keep, v);
    stored_must(buf_ok(&keep) ? 0 : E_NOMEM, "record");
    stored_must(reg_session_decode(buf_slice(&keep), &s), "session");
    (void)tx_del(r->tx, T_SESSIONS, key_slice(&k)); /* it was found */
    node_key(&k, s.node, s.id);
    (void)tx_del(r->tx, T_SESSION_BY_NODE, key_slice(&k)); /* likewise */
    each_check(r, &s, unlink_check);
    let_go(r, &s);
    index_bump(r, REG_W_SESSIONS, none);
    buf_fini(&keep);
}

/* End each session whose key @t lists under @prefix, a complete component. Each turn takes a row
 * out of @t. */
static void end_under(struct reg *r, enum table t, struct key *prefix)
{
    key_separator(prefix);
    for (;;) {
        struct slice k;
        struct slice v;
        char id[UUID_SIZE];
        void *c = tx_cursor(r->tx, t);
        bool any = tx_seek(c, key_slice(prefix), &k, &v) && slice_starts(k, key_slice(prefix));
        tx_cursor_free(c);
        if (!any) {
            return;
        }
        stored_must(v.len == sizeof id ? 0 : E_CORRUPT, "index of sessions");
        memcpy(id, v.p, sizeof id);
        end_session(r, slice_of(id, sizeof id));
    }
}

void sessions_end_of_check(struct reg *r, struct slice node, struct slice check_id)
{
    struct key k;
    key_reset(&k);
    key_name(&k, node);
    key_id(&k, check_id);
    end_under(r, T_SESSION_BY_CHECK, &k);
}

void sessions_end_of_node(struct reg *r, struct slice node)
{
    struct key k;
    key_reset(&k);
    key_name(&k, node);
    end_under(r, T_SESSION_BY_NODE, &k);
}

/* ---- beginning ---- */

static bool check_allowed(struct reg *r, struct slice node, struct slice id, struct reg_result *out)
{
    struct reg_check c;
    if (!rows_find_check(r, node, id, &c)) {
        result_fail(out, E_NOTFOUND, "Missing check '%.*s' registration", (int)id.len, id.p);
        return false;
    }
    if (reg_status_of(c.status) == REG_CRITICAL) {
        result_fail(out, E_INVAL, "Check '%.*s' is in critical state", (int)id.len, id.p);
        return false;
    }
    return true;
}

static bool create_allowed(struct reg *r, const struct reg_session *s, struct reg_result *out)
{
    struct reg_node node;
    if (!reg_session_id_ok(s->id, out)) {
        return false;
    }
    if (session_exists(r, s->id)) {
        result_fail(out, E_EXISTS, "session %.*s exists already", (int)s->id.len, s->id.p);
        return false;
    }
    if (!rows_find_node(r, s->node, &node)) {
        result_fail(out, E_NOTFOUND, "Missing node registration");
        return false;
    }
    struct slice id;
    struct slice ns;
    struct rd it = reg_list_iter(s->node_checks);
    while (reg_list_next(&it, &id)) {
        if (!check_allowed(r, s->node, id, out)) {
            return false;
        }
    }
    it = reg_list_iter(s->service_checks);
    while (reg_list_next(&it, &id) && reg_list_next(&it, &ns)) {
        if (!check_allowed(r, s->node, id, out)) {
            return false;
        }
    }
    return true;
}

static void create(struct reg *r, const struct reg_session *asked, struct reg_result *out)
{
    if (!create_allowed(r, asked, out)) {
        return;
    }
    struct reg_session s = *asked;
    struct key at;
    struct key k;
    s.create_index = r->state.index;
    s.modify_index = r->state.index;
    session_key(&at, s.id);
    buf_reset(&r->scratch);
    reg_session_encode(&r->scratch, &s);
    stored_must(buf_ok(&r->scratch) ? 0 : E_NOMEM, "record");
    tx_put(r->tx, T_SESSIONS, key_slice(&at), buf_slice(&r->scratch));
    node_key(&k, s.node, s.id);
    tx_put(r->tx, T_SESSION_BY_NODE, key_slice(&k), key_slice(&at));
    each_check(r, &s, link_check);
    index_bump(r, REG_W_SESSIONS, none);
}

void apply_session(struct reg *r, const struct reg_session_op *c, struct reg_result *out)
{
    switch ((enum reg_session_verb)c->verb) {
        case REG_SESSION_CREATE:
            create(r, &c->session, out);
            return;
        case REG_SESSION_DESTROY:
            if (reg_session_id_ok(c->session.id, out)) {
                end_session(r, c->session.id);
            }
            return;
    }
    result_fail(out, E_PROTO, "unknown session verb %u", (unsigned)c->verb);
}
