/* LMDB 0.9 with MDB_NOSYNC (durability is the log's, see store.h), MDB_NOTLS (a reader belongs to
 * the object, not the thread) and MDB_NOSUBDIR. MDB_NOMEMINIT is not used: it would write what lay
 * in freed memory to the disk. No DUPSORT (engine.md 5.4). */
#include "registry/tables.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

struct tables {
    MDB_env *env;
    MDB_dbi dbi[TABLE_COUNT];
};

struct tx {
    struct tables *t;
    MDB_txn *txn;
    MDB_txn *outer; /* not NULL: txn is nested in it */
};

static const char *const table_names[TABLE_COUNT] = {
    "meta",    "index",       "service_index", "nodes",           "node_ids",         "services",
    "by_name", "checks",      "by_instance",   "by_service",      "by_state",         "kv",
    "tombs",   "tomb_order",  "sessions",      "session_by_node", "session_by_check", "held",
    "delays",  "delay_order", "events",        "coords",          "queries",          "query_names",
    "stage",
};

static int code_of(int rc)
{
    switch (rc) {
        case 0:
            return 0;
        case MDB_MAP_FULL:
            return E_NOSPACE;
        case MDB_CORRUPTED:
        case MDB_INVALID:
        case MDB_VERSION_MISMATCH:
        case MDB_PANIC:
        case MDB_PAGE_NOTFOUND:
            return E_CORRUPT;
        case MDB_READERS_FULL:
            return E_FULL;
        default:
            return rc > 0 ? err_from_errno(rc) : E_IO;
    }
}

static void must(int rc, const char *doing)
{
    if (rc != 0) {
        log_fatal("registry", "The state cannot be %s, ending: error=%s", doing, mdb_strerror(rc));
    }
}

static int open_tables(struct tables *t, bool read_only)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(t->env, NULL, read_only ? MDB_RDONLY : 0, &txn);
    if (rc != 0) {
        return rc;
    }
    for (int i = 0; i < TABLE_COUNT && rc == 0; i++) {
        rc = mdb_dbi_open(txn, table_names[i], read_only ? 0 : MDB_CREATE, &t->dbi[i]);
        if (rc == MDB_NOTFOUND) { /* only read, and of a version that had fewer tables */
            rc = 0;
        }
    }
    if (rc != 0) {
        mdb_txn_abort(txn);
        return rc;
    }
    return mdb_txn_commit(txn);
}

int tables_open(struct tables **out,
                const char *path,
                uint64_t map_size,
                unsigned readers_max,
                bool read_only,
                struct errmsg *e)
{
    struct tables *t = calloc(1, sizeof *t);
    if (t == NULL) {
        return err_set(e, E_NOMEM, "out of memory");
    }
    unsigned flags = MDB_NOSYNC | MDB_NOTLS | MDB_NOSUBDIR | (read_only ? MDB_RDONLY : 0);
    int rc = mdb_env_create(&t->env);
    if (rc == 0) {
        rc = mdb_env_set_mapsize(t->env, map_size);
    }
    if (rc == 0) {
        rc = mdb_env_set_maxdbs(t->env, TABLE_COUNT);
    }
    if (rc == 0) {
        rc = mdb_env_set_maxreaders(t->env, readers_max);
    }
    if (rc == 0) {
        rc = mdb_env_open(t->env, path, flags, 0600);
    }
    if (rc == 0) {
        rc = open_tables(t, read_only);
    }
    if (rc != 0) {
        err_set(e, 0, "cannot open the state file \"%s\": %s", path, mdb_strerror(rc));
        tables_close(t);
        return code_of(rc);
    }
    *out = t;
    return 0;
}

void tables_close(struct tables *t)
{
    if (t != NULL) {
        if (t->env != NULL) {
            mdb_env_close(t->env);
        }
        free(t);
    }
}

int tables_sync(struct tables *t)
{
    return code_of(mdb_env_sync(t->env, 1));
}

int tables_copy(struct tables *t, const char *path, struct errmsg *e)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return err_set(e, err_from_errno(errno), "cannot create \"%s\": %s", path, strerror(errno));
    }
    int rc = mdb_env_copyfd2(t->env, fd, MDB_CP_COMPACT);
    if (rc == 0 && fsync(fd) != 0) {
        rc = errno;
    }
    if (close(fd) != 0 && rc == 0) {
        rc = errno;
    }
    if (rc != 0) {
        return err_set(e, code_of(rc), "cannot write \"%s\": %s", path, mdb_strerror(rc));
    }
    return 0;
}

struct tx *tx_write_begin(struct tables *t)
{
    struct tx *tx = malloc(sizeof *tx);
    if (tx == NULL) {
        log_fatal("registry", "Out of memory for a transaction");
    }
    tx->t = t;
    tx->outer = NULL;
    must(mdb_txn_begin(t->env, NULL, 0, &tx->txn), "written (begin)");
    return tx;
}

void tx_write_commit(struct tx *tx)
{
    must(mdb_txn_commit(tx->txn), "written (commit)");
    free(tx);
}

void tx_nest_begin(struct tx *tx)
{
    assert(tx->outer == NULL);
    MDB_txn *inner;
    must(mdb_txn_begin(tx->t->env, tx->txn, 0, &inner), "written (nested begin)");
    tx->outer = tx->txn;
    tx->txn = inner;
}

void tx_nest_end(struct tx *tx, bool keep)
{
    assert(tx->outer != NULL);
    if (keep) {
        must(mdb_txn_commit(tx->txn), "written (nested commit)");
    } else {
        mdb_txn_abort(tx->txn);
    }
    tx->txn = tx->outer;
    tx->outer = NULL;
}

struct tx *tx_read_new(struct tables *t)
{
    struct tx *tx = malloc(sizeof *tx);
    if (tx == NULL) {
        return NULL;
    }
    tx->t = t;
    tx->outer = NULL;
    if (mdb_txn_begin(t->env, NULL, MDB_RDONLY, &tx->txn) != 0) {
        free(tx);
        return NULL;
    }
    mdb_txn_reset(tx->txn);
    return tx;
}

void tx_read_free(struct tx *tx)
{
    if (tx != NULL) {
        mdb_txn_abort(tx->txn);
        free(tx);
    }
}

void tx_read_begin(struct tx *tx)
{
    must(mdb_txn_renew(tx->txn), "read (renew)");
}

void tx_read_end(struct tx *tx)
{
    mdb_txn_reset(tx->txn);
}

static MDB_val val_of(struct slice s)
{
    /* LMDB's API has no const; it does not write through these. */
    return (MDB_val){s.len, (void *)(uintptr_t)s.p};
}

static struct slice slice_of_val(MDB_val v)
{
    return slice_of(v.mv_data, v.mv_size);
}

bool tx_get(struct tx *tx, enum table t, struct slice key, struct slice *value)
{
    if (key.len == 0) { /* LMDB refuses empty keys: nothing is stored under one */
        return false;
    }
    MDB_val k = val_of(key);
    MDB_val v;
    int rc = mdb_get(tx->txn, tx->t->dbi[t], &k, &v);
    if (rc == MDB_NOTFOUND) {
        return false;
    }
    must(rc, "read (get)");
    *value = slice_of_val(v);
    return true;
}

void tx_put(struct tx *tx, enum table t, struct slice key, struct slice value)
{
    MDB_val k = val_of(key);
    MDB_val v = val_of(value);
    must(mdb_put(tx->txn, tx->t->dbi[t], &k, &v, 0), "written (put)");
}

bool tx_del(struct tx *tx, enum table t, struct slice key)
{
    MDB_val k = val_of(key);
    int rc = mdb_del(tx->txn, tx->t->dbi[t], &k, NULL);
    if (rc == MDB_NOTFOUND) {
        return false;
    }
    must(rc, "written (delete)");
    return true;
}

void tx_clear(struct tx *tx, enum table t)
{
    must(mdb_drop(tx->txn, tx->t->dbi[t], 0), "written (clear)");
}

const char *table_name(enum table t)
{
    return table_names[t];
}

uint64_t tx_count(struct tx *tx, enum table t)
{
    MDB_stat st;
    must(mdb_stat(tx->txn, tx->t->dbi[t], &st), "read (stat)");
    return st.ms_entries;
}

void *tx_cursor(struct tx *tx, enum table t)
{
    MDB_cursor *c;
    must(mdb_cursor_open(tx->txn, tx->t->dbi[t], &c), "read (cursor)");
    return c;
}

void tx_cursor_free(void *cursor)
{
    if (cursor != NULL) {
        mdb_cursor_close(cursor);
    }
}

static bool cursor_get(void *cursor,
                       MDB_val k,
                       MDB_cursor_op op,
                       struct slice *found,
                       struct slice *value)
{
    MDB_val v;
    int rc = mdb_cursor_get(cursor, &k, &v, op);
    if (rc == MDB_NOTFOUND) {
        return false;
    }
    must(rc, "read (cursor)");
    *found = slice_of_val(k);
    *value = slice_of_val(v);
    return true;
}

bool tx_seek(void *cursor, struct slice key, struct slice *found, struct slice *value)
{
    return cursor_get(cursor, val_of(key), key.len == 0 ? MDB_FIRST : MDB_SET_RANGE, found, value);
}

bool tx_next(void *cursor, struct slice *found, struct slice *value)
{
    return cursor_get(cursor, (MDB_val){0, NULL}, MDB_NEXT, found, value);
}

bool tx_any(struct tx *tx, enum table t, struct slice prefix)
{
    void *c = tx_cursor(tx, t);
    struct slice key;
    struct slice value;
    bool any = tx_seek(c, prefix, &key, &value) && slice_starts(key, prefix);
    tx_cursor_free(c);
    return any;
}
