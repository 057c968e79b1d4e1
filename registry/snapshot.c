/* How: tar wants the size of a file before its bytes, so the rows are gone through twice in one
 * read transaction: once to add up their sizes, once to write them. */
#include "registry/snapshot.h"

#include <inttypes.h>
#include <stdio.h>

#include "registry/coord.h"
#include "registry/event.h"
#include "registry/prepared.h"
#include "registry/reader.h"
#include "registry/snapshot_parts.h"

enum { PIECE = 64 * 1024 }; /* bytes of state.bin gathered before they are compressed */

const struct slice restored_key = {"restored", 8};

bool table_is_data(enum table t)
{
    return t != T_META && t != T_STAGE;
}

static void fill_header(const struct state *s, struct state_header *h)
{
    *h = (struct state_header){.index = s->index, .n_kinds = WATCH_KINDS};
    for (unsigned i = 0; i < WATCH_KINDS; i++) {
        h->wide[i] = s->wide[i];
        h->gone[i] = s->gone[i];
    }
    for (int t = 0; t < TABLE_COUNT; t++) {
        if (table_is_data((enum table)t)) {
            (void)snprintf(h->tables[h->n_tables++], sizeof h->tables[0], "%s",
                           table_name((enum table)t)); /* our names are short */
        }
    }
}

/* Call @each for every row of every data table, in the order of the header. */
static void each_row(struct tx *tx,
                     void (*each)(void *arg, unsigned pos, struct slice key, struct slice value),
                     void *arg)
{
    unsigned pos = 0;
    for (int t = 0; t < TABLE_COUNT; t++) {
        if (!table_is_data((enum table)t)) {
            continue;
        }
        pos++;
        struct slice key;
        struct slice value;
        void *c = tx_cursor(tx, (enum table)t);
        for (bool more = tx_seek(c, slice_of(NULL, 0), &key, &value); more;
             more = tx_next(c, &key, &value)) {
            each(arg, pos, key, value);
        }
        tx_cursor_free(c);
    }
}

struct writing {
    struct archive_writer *w;
    struct buf piece;
    uint64_t rows;
    uint64_t size;
    bool too_big;
};

static void measure_row(void *arg, unsigned pos, struct slice key, struct slice value)
{
    struct writing *wr = arg;
    (void)pos;
    wr->rows++;
    wr->size += state_row_size(key, value);
    wr->too_big = wr->too_big || key.len + value.len > STATE_ROW_MAX;
}

static void flush(struct writing *wr)
{
    archive_writer_state(wr->w, buf_slice(&wr->piece));
    wr->piece.len = 0; /* a failure stays, and shows at the end */
}

static void write_row(void *arg, unsigned pos, struct slice key, struct slice value)
{
    struct writing *wr = arg;
    state_put_row(&wr->piece, pos, key, value);
    if (wr->piece.len >= PIECE) {
        flush(wr);
    }
}

static int write_archive(struct tx *tx,
                         const struct state *s,
                         struct writing *wr,
                         const struct reg_snapshot_by *by)
{
    struct state_header h;
    fill_header(s, &h);
    state_put_header(&wr->piece, &h);
    each_row(tx, measure_row, wr);
    struct buf end = BUF_INIT;
    state_put_end(&end, wr->rows);
    struct archive_meta meta = {.index = s->raft_index, .term = s->raft_term};
    meta.size = wr->piece.len + wr->size + end.len;
    (void)snprintf(meta.id, sizeof meta.id, "%" PRIu64 "-%" PRIu64 "-%" PRId64, meta.term,
                   meta.index, by->wall_ns / 1000000); /* three numbers fit */
    archive_writer_meta(wr->w, &meta, by->server_id, by->server_address);
    each_row(tx, write_row, wr);
    buf_add_slice(&wr->piece, buf_slice(&end));
    flush(wr);
    bool good = buf_ok(&end) && buf_ok(&wr->piece);
    buf_fini(&end);
    int rc = archive_writer_end(wr->w);
    return wr->too_big ? E_TOOBIG : good ? rc : E_NOMEM;
}

int reg_snapshot_write(struct reg *r,
                       const struct archive_sink *sink,
                       const struct reg_snapshot_by *by,
                       uint64_t *index,
                       struct errmsg *e)
{
    struct tx *tx = tx_read_new(r->tables);
    if (tx == NULL) {
        return err_set(e, E_FULL, "no reader slot is left in the state file");
    }
    struct writing wr = {.w = archive_writer_new(sink, by->wall_ns / 1000000000)};
    int rc = E_NOMEM;
    if (wr.w != NULL) {
        struct state s = {.index = 1};
        struct slice v;
        tx_read_begin(tx);
        if (tx_get(tx, T_META, state_key, &v)) {
            stored_must(state_decode(v, &s), "state row");
        }
        *index = s.index;
        rc = write_archive(tx, &s, &wr, by);
        tx_read_end(tx);
    }
    tx_read_free(tx);
    archive_writer_free(wr.w);
    buf_fini(&wr.piece);
    return rc == 0 ? 0 : err_set(e, rc, "cannot write the snapshot: %s", err_text(rc));
}

/* ---- what may be restored ---- */

bool table_of_name(const char *name, enum table *t)
{
    for (int i = 0; i < TABLE_COUNT; i++) {
        if (table_is_data((enum table)i) && strcmp(table_name((enum table)i), name) == 0) {
            *t = (enum table)i;
            return true;
        }
    }
    return false;
}

int reg_snapshot_check_header(const struct state_header *h, struct errmsg *e)
{
    for (unsigned i = 0; i < h->n_tables; i++) {
        enum table t;
        if (!table_of_name(h->tables[i], &t)) {
            return err_set(e, E_UNSUPPORTED,
                           "the snapshot is of a newer version: it has a table \"%s\"",
                           h->tables[i]);
        }
    }
    return 0;
}

static bool tomb_good(struct slice value)
{
    struct rd r = rd_of(value);
    (void)rd_u64(&r);
    (void)rd_bytes(&r);
    return rd_done(&r);
}

static bool tomb_order_good(struct slice key, struct slice value)
{
    struct rd r = rd_of(value);
    (void)rd_u64(&r);
    struct slice stored = rd_bytes(&r);
    return rd_done(&r) && key.len == 12 && stored.len > 0 && stored.len <= KEY_SIZE;
}

/* What readers end the process for, if it were stored. */
static bool row_good(enum table t, struct slice key, struct slice value)
{
    union {
        struct reg_node node;
        struct reg_service service;
        struct reg_check check;
        struct reg_kv kv;
        struct reg_session session;
        struct reg_event event;
        struct reg_coord coord;
    } record;
    switch (t) {
        case T_NODES:
            return reg_node_decode(value, &record.node) == 0;
        case T_SERVICES:
            return reg_service_decode(value, &record.service) == 0;
        case T_CHECKS:
            return reg_check_decode(value, &record.check) == 0;
        case T_KV:
            return reg_kv_decode(value, &record.kv) == 0;
        case T_INDEX:
        case T_SERVICE_INDEX:
            return value.len == 8;
        case T_TOMBS:
            return tomb_good(value);
        case T_TOMB_ORDER:
            return tomb_order_good(key, value);
        case T_SESSIONS:
            return reg_session_decode(value, &record.session) == 0;
        case T_EVENTS:
            return reg_event_decode(value, &record.event) == 0;
        case T_COORDS:
            return reg_coord_decode(value, &record.coord) == 0;
        case T_QUERIES: {
            struct reg_prepared prepared;
            return reg_prepared_decode(value, &prepared) == 0;
        }
        case T_QUERY_NAMES:
        case T_HELD:
            return value.len > 0;
        case T_DELAYS:
            return value.len == 8;
        case T_DELAY_ORDER:
        case T_NODE_IDS:
        case T_BY_NAME:
        case T_BY_INSTANCE:
        case T_BY_SERVICE:
        case T_BY_STATE:
        case T_SESSION_BY_NODE:
        case T_SESSION_BY_CHECK:
            return value.len > 0 && value.len <= KEY_SIZE;
        case T_META:
        case T_STAGE:
        case TABLE_COUNT:
            return false;
    }
    return false;
}

int reg_snapshot_check_row(const char *table, struct slice key, struct slice value)
{
    enum table t;
    return table_of_name(table, &t) && row_good(t, key, value) ? 0 : E_CORRUPT;
}

uint64_t reg_restored_index(struct reg_reader *rd)
{
    struct slice v;
    if (!tx_get(rd->tx, T_META, restored_key, &v)) {
        return 0;
    }
    struct rd r = rd_of(v);
    return rd_u64(&r);
}
