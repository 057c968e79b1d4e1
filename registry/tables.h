/* The tables on disk: what LMDB is used for, and nothing else of it. Header for registry/ only.
 *
 * A transaction is a `struct tx`; the writer has one at a time, each reader its own. Any failure of
 * LMDB other than "no such key" ends the process (log_fatal): a state machine that cannot write or
 * read its state has nothing more to say. Slices point into the map and die with the transaction
 * (in the writer's: at the next write). */
#ifndef REGISTRY_TABLES_H_
#define REGISTRY_TABLES_H_

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"

/* Each row: what it maps. Composite keys as registry/keys.h makes them. */
enum table {
    T_META,          /* "state" -> applied Raft index, term, registry index, schema, wide indexes */
    T_INDEX,         /* u8 kind, name -> u64 index (all named kinds but services) */
    T_SERVICE_INDEX, /* name -> u64 index; its size is the number of service names */
    T_NODES,         /* node -> node record */
    T_NODE_IDS,      /* uuid, lower case -> key in T_NODES */
    T_SERVICES,      /* node, id -> service record */
    T_BY_NAME,       /* service name, node, id -> key in T_SERVICES */
    T_CHECKS,        /* node, check id -> check record */
    T_BY_INSTANCE,   /* node, service id, check id -> key in T_CHECKS */
    T_BY_SERVICE,    /* service name, node, check id -> key in T_CHECKS (bound checks) */
    T_BY_STATE,      /* status, node, check id -> key in T_CHECKS */
    T_KV,            /* KV key -> kv record */
    T_TOMBS,         /* KV key -> u64 index, i64 wall_ns, the full key */
    T_TOMB_ORDER,    /* BE u64 index, BE u32 sequence -> KV key in T_TOMBS */
    T_SESSIONS,      /* uuid -> session record */
    T_SESSION_BY_NODE,  /* node, uuid -> key in T_SESSIONS */
    T_SESSION_BY_CHECK, /* node, check id, uuid -> key in T_SESSIONS */
    T_HELD,             /* uuid, KV key -> the full KV key that the session holds */
    T_DELAYS,           /* KV key -> i64 wall_ns before which nobody can lock it */
    T_DELAY_ORDER,      /* BE u64 wall_ns, index, BE u32 sequence -> KV key in T_DELAYS */
    T_EVENTS,           /* BE u64 index -> event record */
    T_COORDS,           /* node, segment -> coordinate record */
    T_QUERIES,          /* uuid, lower case -> prepared query record */
    T_QUERY_NAMES,      /* "n", name -> uuid */
    T_STAGE,            /* what a restore under way has brought so far (apply_restore.c) */
    TABLE_COUNT
};

struct tables; /* the environment */
struct tx;

/* Open the file @path (made when missing). @read_only: for inspecting a copy. */
int tables_open(struct tables **out,
                const char *path,
                uint64_t map_size,
                unsigned readers_max,
                bool read_only,
                struct errmsg *e);
void tables_close(struct tables *t);
int tables_sync(struct tables *t);
/* A compacted copy to the new file @path, synced. Any thread. E_NOSPACE, E_IO. */
int tables_copy(struct tables *t, const char *path, struct errmsg *e);

struct tx *tx_write_begin(struct tables *t);
void tx_write_commit(struct tx *tx); /* frees it */
/* Writes from here on can be taken back, until tx_nest_end(), which keeps or undoes them. Not
 * within another nesting. */
void tx_nest_begin(struct tx *tx);
void tx_nest_end(struct tx *tx, bool keep);
/* A reader's transaction, made once and reset: NULL when no reader slot is left. */
struct tx *tx_read_new(struct tables *t);
void tx_read_free(struct tx *tx);
void tx_read_begin(struct tx *tx);
void tx_read_end(struct tx *tx);

/* The name of @t on disk and in archives; it never changes. */
const char *table_name(enum table t);

bool tx_get(struct tx *tx, enum table t, struct slice key, struct slice *value);
void tx_put(struct tx *tx, enum table t, struct slice key, struct slice value);
/* False when there was none. */
bool tx_del(struct tx *tx, enum table t, struct slice key);
/* Remove every row. */
void tx_clear(struct tx *tx, enum table t);
uint64_t tx_count(struct tx *tx, enum table t);
/* True when some key of @t starts with @prefix. */
bool tx_any(struct tx *tx, enum table t, struct slice prefix);

/* A position in a table; the writer may not write to the table meanwhile. */
void *tx_cursor(struct tx *tx, enum table t);
void tx_cursor_free(void *cursor); /* NULL is fine */
/* The first key at or after @key; then one after another. False at the end. */
bool tx_seek(void *cursor, struct slice key, struct slice *found, struct slice *value);
bool tx_next(void *cursor, struct slice *found, struct slice *value);

#endif
