/* The writer's turn: entries are applied into one LMDB transaction, then committed, announced and
 * published, in that order:
 *
 *     commit ─► inbox of every reader ─► published index ─► wake the readers that wait for it
 *
 * A reader that sees the published index finds the changes in its inbox; a reader that subscribes
 * late looks at the published index again. So no wake-up is lost and no cached answer is stale. */
#include "registry/store.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "registry/autopilot.h"
#include "registry/checkpoint.h"
#include "registry/reader.h"
#include "registry/state.h"

enum { SCHEMA = 1, READERS_DEFAULT = 126, CHECKS_MAX = 1024 };
#define MAP_SIZE_DEFAULT ((uint64_t)16 << 30)

const struct slice state_key = {"state", 5};

void state_encode(struct buf *b, const struct state *s)
{
    buf_put_u32(b, SCHEMA);
    buf_put_u64(b, s->raft_index);
    buf_put_u64(b, s->raft_term);
    buf_put_u64(b, s->index);
    for (int i = 0; i < WATCH_KINDS; i++) {
        buf_put_u64(b, s->wide[i]);
        buf_put_u64(b, s->gone[i]);
    }
}

int state_decode(struct slice raw, struct state *s)
{
    struct rd r = rd_of(raw);
    if (rd_u32(&r) != SCHEMA) {
        return E_CORRUPT;
    }
    s->raft_index = rd_u64(&r);
    s->raft_term = rd_u64(&r);
    s->index = rd_u64(&r);
    for (int i = 0; i < WATCH_KINDS && rd_left(&r) > 0; i++) { /* kinds of later versions: 0 */
        s->wide[i] = rd_u64(&r);
        s->gone[i] = rd_u64(&r);
    }
    return rd_done(&r) ? 0 : E_CORRUPT;
}

void result_fail(struct reg_result *out, int status, const char *fmt, ...)
{
    va_list ap;
    out->status = status;
    out->ok = false;
    va_start(ap, fmt);
    (void)vsnprintf(out->text, sizeof out->text, fmt, ap); /* a cut text is still a text */
    va_end(ap);
}

void stored_must(int rc, const char *what)
{
    if (rc != 0) {
        log_fatal("registry", "A stored %s cannot be used, ending: error=%s", what, err_text(rc));
    }
}

/* The state row of a fresh or existing file. */
static int load_state(struct reg *r, struct errmsg *e)
{
    struct tx *tx = tx_read_new(r->tables);
    if (tx == NULL) {
        return err_set(e, E_FULL, "no reader slot left in the state file");
    }
    tx_read_begin(tx);
    struct slice v;
    int rc = 0;
    if (tx_get(tx, T_META, state_key, &v)) {
        rc = state_decode(v, &r->state);
    } else {
        r->state.index = 1; /* the first command is number 2: an index of 1 means "nothing yet" */
    }
    tx_read_end(tx);
    tx_read_free(tx);
    if (rc != 0) {
        return err_set(e, rc, "the state in \"%s\" was written by another version", r->dir);
    }
    return 0;
}

static int open_live(struct reg *r, const struct reg_options *o, struct errmsg *e)
{
    char *live = NULL;
    int rc = live_prepare(r->dir, &live, e);
    if (rc == 0) {
        rc = tables_open(&r->tables, live, o->map_size != 0 ? o->map_size : MAP_SIZE_DEFAULT,
                         o->readers_max != 0 ? o->readers_max : READERS_DEFAULT, false, e);
    }
    free(live);
    if (rc == 0 && (rc = load_state(r, e)) != 0) {
        tables_close(r->tables);
        r->tables = NULL;
    }
    return rc;
}

int reg_open(struct reg **out, const struct reg_options *o, struct errmsg *e)
{
    struct reg *r = calloc(1, sizeof *r);
    int rc = r == NULL ? err_set(e, E_NOMEM, "out of memory") : 0;
    if (rc == 0) {
        r->dir = strdup(o->dir);
        rc = r->dir == NULL ? err_set(e, E_NOMEM, "out of memory") : 0;
    }
    if (rc == 0) {
        rc = open_live(r, o, e);
    }
    if (rc == E_CORRUPT) { /* the log and the checkpoint have it all: begin again from them */
        log_warn("registry", "The state is damaged, rebuilding it: error=%s",
                 e != NULL ? e->text : err_text(rc));
        live_discard(r->dir);
        rc = open_live(r, o, e);
    }
    if (rc != 0) {
        if (r != NULL) {
            tables_close(r->tables);
            free(r->dir);
            free(r);
        }
        return rc;
    }
    list_init(&r->readers);
    pthread_mutex_init(&r->readers_lock, NULL);
    atomic_store(&r->published, r->state.index);
    *out = r;
    return 0;
}

void reg_close(struct reg *r, bool clean)
{
    if (r == NULL) {
        return;
    }
    assert(list_empty(&r->readers));
    assert(r->tx == NULL);
    int rc = clean ? tables_sync(r->tables) : 0;
    tables_close(r->tables);
    if (clean && rc == 0) {
        live_mark_clean(r->dir);
    }
    pthread_mutex_destroy(&r->readers_lock);
    buf_fini(&r->hashes);
    buf_fini(&r->keys);
    buf_fini(&r->scratch);
    free(r->dir);
    free(r);
}

void reg_applied(const struct reg *r, uint64_t *raft_index, uint64_t *raft_term)
{
    *raft_index = r->state.raft_index;
    *raft_term = r->state.raft_term;
}

uint64_t reg_published_index(const struct reg *r)
{
    return atomic_load(&r->published);
}

/* One command. A body that does not decode is E_CORRUPT: the caller ends the process. */
static int apply_command(struct reg *r, uint8_t type, struct slice body, struct reg_result *out)
{
    union {
        struct reg_deregister dereg;
        struct reg_check_status status;
        struct reg_kv_op kv;
        struct reg_session_op session;
        struct reg_event event;
        struct reg_coord coord;
        struct reg_restore restore;
        struct reg_prepared_op prepared;
    } c;
    int rc;
    switch ((enum reg_command_type)type) {
        case REG_CMD_REGISTER: {
            static _Thread_local struct reg_check checks[CHECKS_MAX]; /* too large for the stack */
            struct reg_register reg;
            rc = reg_register_decode(body, &reg, checks, CHECKS_MAX);
            if (rc == 0) {
                apply_register(r, &reg, out);
            }
            return rc;
        }
        case REG_CMD_DEREGISTER:
            rc = reg_deregister_decode(body, &c.dereg);
            if (rc == 0) {
                apply_deregister(r, &c.dereg, out);
            }
            return rc;
        case REG_CMD_CHECK_STATUS:
            rc = reg_check_status_decode(body, &c.status);
            if (rc == 0) {
                apply_check_status(r, &c.status, out);
            }
            return rc;
        case REG_CMD_KV:
            rc = reg_kv_op_decode(body, &c.kv);
            if (rc == 0) {
                apply_kv(r, &c.kv, out);
            }
            return rc;
        case REG_CMD_SESSION:
            rc = reg_session_op_decode(body, &c.session);
            if (rc == 0) {
                apply_session(r, &c.session, out);
            }
            return rc;
        case REG_CMD_EVENT:
            rc = reg_event_decode(body, &c.event);
            if (rc == 0) {
                apply_event(r, &c.event, out);
            }
            return rc;
        case REG_CMD_COORD:
            rc = reg_coord_decode(body, &c.coord);
            if (rc == 0) {
                apply_coord(r, &c.coord, out);
            }
            return rc;
        case REG_CMD_AUTOPILOT:
            return apply_autopilot(r, body, out);
        case REG_CMD_RESTORE_BEGIN:
        case REG_CMD_RESTORE_ROWS:
        case REG_CMD_RESTORE_END:
            rc = reg_restore_decode(body, &c.restore);
            if (rc == 0) {
                apply_restore(r, (enum reg_command_type)type, &c.restore, out);
            }
            return rc;
        case REG_CMD_TXN: {
            struct reg_kv_op ops[REG_TXN_OPS_MAX];
            struct reg_txn txn;
            rc = reg_txn_decode(body, &txn, ops);
            if (rc == 0) {
                apply_txn(r, &txn, out);
            }
            return rc;
        }
        case REG_CMD_PREPARED:
            rc = reg_prepared_op_decode(body, &c.prepared);
            if (rc == 0) {
                apply_prepared(r, &c.prepared, out);
            }
            return rc;
    }
    return E_CORRUPT;
}

void reg_apply(struct reg *r,
               uint64_t raft_index,
               uint64_t raft_term,
               struct slice entry,
               struct reg_result *results,
               unsigned results_max,
               unsigned *n)
{
    *n = 0;
    if (raft_index <= r->state.raft_index) {
        return; /* the live file is ahead of the log's replay */
    }
    if (r->tx == NULL) {
        r->tx = tx_write_begin(r->tables);
    }
    struct reg_batch batch;
    int rc = reg_batch_open(entry, &batch);
    r->wall_ns = rc == 0 ? batch.wall_ns : 0;
    uint8_t type;
    struct slice body;
    while (rc == 0 && (rc = reg_batch_next(&batch, &type, &body)) == 0) {
        struct reg_result unwanted;
        struct reg_result *out = *n < results_max ? &results[*n] : &unwanted;
        r->state.index++;
        r->tomb_seq = 0;
        out->status = 0;
        out->ok = true;
        out->index = r->state.index;
        out->text[0] = '\0';
        out->payload = NULL;
        out->payload_len = 0;
        uint64_t touches = r->touches;
        rc = apply_command(r, type, body, out);
        out->changed = r->touches != touches;
        if (out == &unwanted) {
            free(unwanted.payload);
        }
        ++*n;
    }
    if (rc != E_EOF) {
        log_fatal("registry", "A log entry cannot be applied, ending: raft_index=%llu error=%s",
                  (unsigned long long)raft_index, err_text(rc));
    }
    apply_reap(r);
    r->state.raft_index = raft_index;
    r->state.raft_term = raft_term;
}

/* The touched keys as one block of memory; the accumulators are empty afterwards. */
static struct reg_changes *take_changes(struct reg *r)
{
    struct reg_changes *c = malloc(sizeof *c + r->hashes.len + r->keys.len);
    if (c == NULL || !buf_ok(&r->hashes) || !buf_ok(&r->keys)) {
        log_fatal("registry", "Out of memory announcing a commit");
    }
    char *hashes = (char *)(c + 1);
    char *keys = hashes + r->hashes.len;
    if (r->hashes.len > 0) {
        memcpy(hashes, r->hashes.p, r->hashes.len);
    }
    if (r->keys.len > 0) {
        memcpy(keys, r->keys.p, r->keys.len);
    }
    atomic_init(&c->refs, 1);
    c->index = r->state.index;
    c->n_hashes = (unsigned)(r->hashes.len / sizeof(uint64_t));
    c->hashes = (const uint64_t *)(const void *)hashes;
    c->keys = slice_of(keys, r->keys.len);
    c->all = r->all;
    buf_reset(&r->hashes);
    buf_reset(&r->keys);
    r->all = false;
    return c;
}

void reg_commit(struct reg *r)
{
    if (r->tx == NULL) {
        return;
    }
    buf_reset(&r->scratch);
    state_encode(&r->scratch, &r->state);
    stored_must(buf_ok(&r->scratch) ? 0 : E_NOMEM, "state row");
    tx_put(r->tx, T_META, state_key, buf_slice(&r->scratch));
    tx_write_commit(r->tx);
    r->tx = NULL;
    struct reg_changes *c = take_changes(r);
    readers_announce(r, c);
    reg_changes_unref(c);
}
