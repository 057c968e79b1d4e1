/* Restoring a snapshot: everything there is gives way to the rows of an archive.
 *
 *     BEGIN ─► the stage is emptied, the header kept ─► ROWS ... ─► END: checked, then swapped in
 *
 * The pieces wait in T_STAGE, which no reader looks at: "h" holds the id, the number of rows and
 * the header, 'r' and a big endian number each piece. END looks at all of them before it changes
 * anything, so a restore that is refused, or never ends, does nothing but take room until the next
 * BEGIN. Commands in between are applied as ever, and gone with the rest after END.
 *
 * Records keep their indexes; the registry index goes on above both, so that it never names two
 * different states. An archive that we wrote has no dangling index rows; in one that somebody made
 * they would end the process at a look-up, so they are dropped. */
#include <string.h>

#include "base/log.h"
#include "registry/snapshot_parts.h"
#include "registry/state.h"

enum { DROP_AT_ONCE = 256 }; /* dangling rows gathered before they are deleted */

static const struct slice head_key = {"h", 1};

static struct slice piece_key(char p[9], uint64_t n)
{
    p[0] = 'r';
    for (int i = 0; i < 8; i++) {
        p[1 + i] = (char)(n >> (56 - 8 * i));
    }
    return slice_of(p, 9);
}

static void begin(struct reg *r, const struct reg_restore *c, struct reg_result *out)
{
    struct state_header h;
    if (state_header_decode(c->bytes, &h) != 0 || reg_snapshot_check_header(&h, NULL) != 0) {
        result_fail(out, E_UNSUPPORTED, "the snapshot is of another version");
        return;
    }
    tx_clear(r->tx, T_STAGE);
    buf_reset(&r->scratch);
    buf_put_u64(&r->scratch, c->id);
    buf_put_u64(&r->scratch, c->count);
    buf_put_bytes(&r->scratch, c->bytes);
    stored_must(buf_ok(&r->scratch) ? 0 : E_NOMEM, "header of a restore");
    tx_put(r->tx, T_STAGE, head_key, buf_slice(&r->scratch));
}

/* The restore that is under way, if it is @id. */
static bool under_way(struct reg *r, uint64_t id, uint64_t *rows, struct state_header *h)
{
    struct slice v;
    if (!tx_get(r->tx, T_STAGE, head_key, &v)) {
        return false;
    }
    struct rd rd = rd_of(v);
    uint64_t staged = rd_u64(&rd);
    *rows = rd_u64(&rd);
    stored_must(state_header_decode(rd_bytes(&rd), h), "header of a restore");
    return staged == id;
}

static void add(struct reg *r, const struct reg_restore *c, struct reg_result *out)
{
    struct state_header h;
    uint64_t rows;
    char p[9];
    if (!under_way(r, c->id, &rows, &h) || c->count + 1 != tx_count(r->tx, T_STAGE)) {
        result_fail(out, E_CANCELED, "another restore has begun");
        return;
    }
    tx_put(r->tx, T_STAGE, piece_key(p, c->count), c->bytes);
}

/* Call @each for every staged row. Returns 0 or E_CORRUPT, or what @each returned. */
static int each_staged(struct reg *r,
                       const struct state_header *h,
                       int (*each)(struct reg *r, enum table t, struct slice k, struct slice v),
                       uint64_t *rows)
{
    char p[9];
    struct slice key;
    struct slice piece;
    struct buf copy = BUF_INIT; /* what @each writes may move the piece */
    int rc = 0;
    *rows = 0;
    void *c = tx_cursor(r->tx, T_STAGE);
    for (bool more = tx_seek(c, piece_key(p, 0), &key, &piece); rc == 0 && more;
         more = tx_next(c, &key, &piece)) {
        buf_reset(&copy);
        buf_add_slice(&copy, piece);
        stored_must(buf_ok(&copy) ? 0 : E_NOMEM, "piece of a restore");
        struct rd rd = rd_of(buf_slice(&copy));
        unsigned pos;
        struct slice k;
        struct slice v;
        while (rc == 0 && (rc = state_row_next(&rd, &pos, &k, &v)) == 0) {
            enum table t;
            bool good = pos <= h->n_tables && table_of_name(h->tables[pos - 1], &t);
            rc = good ? each(r, t, k, v) : E_CORRUPT;
            ++*rows;
        }
        rc = rc == E_EOF ? 0 : rc;
    }
    tx_cursor_free(c);
    buf_fini(&copy);
    return rc;
}

static int check_row(struct reg *r, enum table t, struct slice k, struct slice v)
{
    (void)r;
    return reg_snapshot_check_row(table_name(t), k, v);
}

static int put_row(struct reg *r, enum table t, struct slice k, struct slice v)
{
    tx_put(r->tx, t, k, v);
    return 0;
}

/* ---- rows that lead nowhere ---- */

struct link {
    enum table from, to;
    bool by_node; /* the first component of the key is the other's key; else the value is */
};

/* In this order: what hangs on a dropped row is dropped after it. */
static const struct link links[] = {
    {T_SERVICES, T_NODES, true},
    {T_CHECKS, T_NODES, true},
    {T_NODE_IDS, T_NODES, false},
    {T_BY_NAME, T_SERVICES, false},
    {T_BY_INSTANCE, T_CHECKS, false},
    {T_BY_SERVICE, T_CHECKS, false},
    {T_BY_STATE, T_CHECKS, false},
    {T_SESSION_BY_NODE, T_SESSIONS, false},
    {T_SESSION_BY_CHECK, T_SESSIONS, false},
};

static struct slice target_of(const struct link *l, struct slice key, struct slice value)
{
    const char *end = l->by_node ? memchr(key.p, '\0', key.len) : NULL;
    return !l->by_node ? value : end == NULL ? key : slice_of(key.p, (size_t)(end - key.p));
}

/* Gather up to DROP_AT_ONCE keys of dangling rows. */
static void find_dangling(struct reg *r, const struct link *l, struct buf *keys)
{
    struct slice key;
    struct slice value;
    struct slice ignored;
    unsigned n = 0;
    void *c = tx_cursor(r->tx, l->from);
    for (bool more = tx_seek(c, slice_of(NULL, 0), &key, &value); more && n < DROP_AT_ONCE;
         more = tx_next(c, &key, &value)) {
        if (!tx_get(r->tx, l->to, target_of(l, key, value), &ignored)) {
            buf_put_bytes(keys, key);
            n++;
        }
    }
    tx_cursor_free(c);
    stored_must(buf_ok(keys) ? 0 : E_NOMEM, "list of rows");
}

static void drop_dangling(struct reg *r, const struct link *l)
{
    struct buf keys = BUF_INIT;
    do {
        buf_reset(&keys);
        find_dangling(r, l, &keys);
        struct rd it = rd_of(buf_slice(&keys));
        while (rd_left(&it) > 0) {
            (void)tx_del(r->tx, l->from, rd_bytes(&it)); /* it was there a moment ago */
        }
    } while (keys.len > 0);
    buf_fini(&keys);
}

/* ---- the swap ---- */

static void set_indexes(struct reg *r, const struct state_header *h)
{
    struct state *s = &r->state;
    s->index = s->index > h->index ? s->index : h->index + 1;
    for (unsigned i = 0; i < WATCH_KINDS; i++) {
        s->wide[i] = i < h->n_kinds ? h->wide[i] : 0;
        s->gone[i] = i < h->n_kinds ? h->gone[i] : 0;
    }
    buf_reset(&r->scratch);
    buf_put_u64(&r->scratch, s->index);
    stored_must(buf_ok(&r->scratch) ? 0 : E_NOMEM, "index of a restore");
    tx_put(r->tx, T_META, restored_key, buf_slice(&r->scratch));
}

static void end(struct reg *r, const struct reg_restore *c, struct reg_result *out)
{
    struct state_header h;
    uint64_t expected;
    uint64_t rows;
    if (!under_way(r, c->id, &expected, &h)) {
        result_fail(out, E_CANCELED, "another restore has begun");
        return;
    }
    if (each_staged(r, &h, check_row, &rows) != 0 || rows != expected || rows != c->count ||
        h.index > INT64_MAX) {
        tx_clear(r->tx, T_STAGE);
        result_fail(out, E_CORRUPT, "the snapshot's rows are damaged");
        return;
    }
    for (int t = 0; t < TABLE_COUNT; t++) {
        if (table_is_data((enum table)t)) {
            tx_clear(r->tx, (enum table)t);
        }
    }
    (void)each_staged(r, &h, put_row, &rows); /* every row was looked at above */
    tx_clear(r->tx, T_STAGE);
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++) {
        drop_dangling(r, &links[i]);
    }
    set_indexes(r, &h);
    r->all = true;
    r->touches++;
    out->index = r->state.index;
    log_info("registry", "Restored a snapshot: rows=%llu index=%llu", (unsigned long long)rows,
             (unsigned long long)r->state.index);
}

void apply_restore(struct reg *r,
                   enum reg_command_type type,
                   const struct reg_restore *c,
                   struct reg_result *out)
{
    switch (type) {
        case REG_CMD_RESTORE_BEGIN:
            begin(r, c, out);
            return;
        case REG_CMD_RESTORE_ROWS:
            add(r, c, out);
            return;
        case REG_CMD_RESTORE_END:
            end(r, c, out);
            return;
        default:
            result_fail(out, E_PROTO, "no command of a restore");
    }
}
