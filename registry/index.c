/* Where the index of a resource is kept: the table-wide kinds in the state row, service names in a
 * table of their own (its size counts them), all other names in T_INDEX behind a byte for the kind.
 */
#include <assert.h>

#include "base/hash.h"
#include "registry/state.h"

enum { KEYS_MAX = 1024 * 1024, HASHES_MAX = 65536 };

static bool is_wide(enum reg_watch_kind kind)
{
    return kind == REG_W_NODES || kind == REG_W_SERVICES || kind == REG_W_CHECKS ||
           kind == REG_W_KVS || kind == REG_W_SESSIONS || kind == REG_W_EVENTS ||
           kind == REG_W_COORDS || kind == REG_W_QUERIES;
}

static enum table table_of(enum reg_watch_kind kind)
{
    return kind == REG_W_SERVICE ? T_SERVICE_INDEX : T_INDEX;
}

static void row_key(struct key *k, enum reg_watch_kind kind, struct slice name)
{
    key_reset(k);
    if (kind != REG_W_SERVICE) {
        char prefix = (char)('A' + (int)kind);
        key_id(k, slice_of(&prefix, 1));
    }
    key_name(k, name);
}

static struct slice u64_slice(uint64_t v, char p[8])
{
    for (size_t i = 0; i < 8; i++) {
        p[i] = (char)(v >> (8 * i));
    }
    return slice_of(p, 8);
}

void index_touch(struct reg *r, enum reg_watch_kind kind, struct slice name)
{
    r->touches++;
    uint64_t h = reg_watch_key(kind, name);
    size_t n = r->hashes.len / sizeof h;
    for (size_t i = n > 8 ? n - 8 : 0; i < n; i++) { /* the common repeats: same table, same name */
        uint64_t seen;
        memcpy(&seen, r->hashes.p + i * sizeof h, sizeof h);
        if (seen == h) {
            return;
        }
    }
    if (n >= HASHES_MAX) {
        r->all = true;
        return;
    }
    buf_add(&r->hashes, &h, sizeof h);
}

void index_touch_key(struct reg *r, struct slice kv_key)
{
    if (r->keys.len + kv_key.len > KEYS_MAX) {
        r->all = true;
        return;
    }
    buf_put_bytes(&r->keys, kv_key);
    index_touch(r, REG_W_KEY, kv_key);
}

void index_bump(struct reg *r, enum reg_watch_kind kind, struct slice name)
{
    if (is_wide(kind)) {
        r->state.wide[kind] = r->state.index;
    } else {
        struct key k;
        char p[8];
        row_key(&k, kind, name);
        tx_put(r->tx, table_of(kind), key_slice(&k), u64_slice(r->state.index, p));
    }
    index_touch(r, kind, name);
}

void index_drop(struct reg *r, enum reg_watch_kind kind, struct slice name)
{
    assert(!is_wide(kind));
    struct key k;
    row_key(&k, kind, name);
    (void)tx_del(r->tx, table_of(kind), key_slice(&k)); /* there may be none: nothing to forget */
    r->state.gone[kind] = r->state.index;
    index_touch(r, kind, name);
}

uint64_t index_get(struct tx *tx,
                   const struct state *s,
                   enum reg_watch_kind kind,
                   struct slice name)
{
    if (is_wide(kind)) {
        return s->wide[kind];
    }
    struct key k;
    struct slice v;
    row_key(&k, kind, name);
    if (!tx_get(tx, table_of(kind), key_slice(&k), &v)) {
        return s->gone[kind];
    }
    struct rd r = rd_of(v);
    return rd_u64(&r);
}
