/* The store's inside: what apply, commit and open share. Header for registry/ only.
 *
 * Everything here belongs to the writer thread, but for `published` and the list of readers. */
#ifndef REGISTRY_STATE_H_
#define REGISTRY_STATE_H_

#include <pthread.h>
#include <stdatomic.h>

#include "registry/coord.h"
#include "registry/event.h"
#include "registry/keys.h"
#include "registry/prepared.h"
#include "registry/store.h"
#include "registry/tables.h"

enum { WATCH_KINDS = REG_W_QUERIES + 1 };

/* The row "state" of T_META, little endian, in this order behind a u32 schema. */
struct state {
    uint64_t raft_index; /* applied */
    uint64_t raft_term;
    uint64_t index;             /* the registry index: one step for each command */
    uint64_t wide[WATCH_KINDS]; /* index of each table-wide kind */
    uint64_t gone[WATCH_KINDS]; /* the last index at which a name of this kind vanished */
};

struct reg {
    struct tables *tables;
    char *dir;
    struct tx *tx; /* open between the first reg_apply() and reg_commit() */
    struct state state;
    int64_t wall_ns;    /* of the batch that is being applied */
    uint32_t tomb_seq;  /* tells tombstones of one index apart */
    uint64_t touches;   /* counts up with each announcement */
    struct buf hashes;  /* u64 each: what was touched since the last commit */
    struct buf keys;    /* KV keys touched, as in reg_changes */
    bool all;           /* too much was touched to list */
    struct buf scratch; /* for encoding records */
    atomic_uint_fast64_t published;
    pthread_mutex_t readers_lock;
    struct list readers;
};

void state_encode(struct buf *b, const struct state *s);
int state_decode(struct slice raw, struct state *s);
extern const struct slice state_key;

/* ---- index.c: resource indexes and what a commit touched ---- */

/* The resource changed at the current index: store that and announce it. */
void index_bump(struct reg *r, enum reg_watch_kind kind, struct slice name);
/* The named resource vanished: forget its row, remember when, announce it. */
void index_drop(struct reg *r, enum reg_watch_kind kind, struct slice name);
/* Announce only (kinds that have no index). */
void index_touch(struct reg *r, enum reg_watch_kind kind, struct slice name);
void index_touch_key(struct reg *r, struct slice kv_key);
uint64_t index_get(struct tx *tx,
                   const struct state *s,
                   enum reg_watch_kind kind,
                   struct slice name);

/* ---- apply_catalog.c, apply_kv.c, apply_session.c, apply_restore.c: one command each; @out is
 * zeroed, ok = true
 * ---- */

void apply_register(struct reg *r, const struct reg_register *c, struct reg_result *out);
void apply_deregister(struct reg *r, const struct reg_deregister *c, struct reg_result *out);
void apply_check_status(struct reg *r, const struct reg_check_status *c, struct reg_result *out);
void apply_kv(struct reg *r, const struct reg_kv_op *c, struct reg_result *out);
void apply_session(struct reg *r, const struct reg_session_op *c, struct reg_result *out);
/* event.c */
void apply_event(struct reg *r, const struct reg_event *c, struct reg_result *out);
/* coord.c; the second: the node goes. */
void apply_coord(struct reg *r, const struct reg_coord *c, struct reg_result *out);
void coords_drop(struct reg *r, struct slice node);
void apply_restore(struct reg *r,
                   enum reg_command_type type,
                   const struct reg_restore *c,
                   struct reg_result *out);
void apply_txn(struct reg *r, const struct reg_txn *c, struct reg_result *out);
/* prepared.c */
void apply_prepared(struct reg *r, const struct reg_prepared_op *c, struct reg_result *out);
/* Forget tombstones older than 15 minutes by the batch's clock; bounded work. */
void apply_reap(struct reg *r);

/* ---- what sessions need of keys (apply_kv.c) and catalog and keys of sessions ---- */

/* The entry of @key; false when there is none. */
bool kv_find_entry(struct reg *r, struct slice key, struct reg_kv *out);
/* The session @id, which held @key, has ended: release or delete the key. Neither is in the map. */
void kv_invalidate(struct reg *r, struct slice key, struct slice id, bool delete_it);
/* A session linked to this check, or living on this node, has to end. */
void sessions_end_of_check(struct reg *r, struct slice node, struct slice check_id);
void sessions_end_of_node(struct reg *r, struct slice node);
/* False when there is none, or @id is not well-formed. */
bool session_exists(struct reg *r, struct slice id);
/* Note that the session @id holds @key, or does not any more. @key is not in the map. */
void session_hold(struct reg *r, struct slice id, struct slice key);
void session_unhold(struct reg *r, struct slice id, struct slice key);
/* @key cannot be locked yet, by the clock of the batch. */
bool lock_is_delayed(struct reg *r, struct slice key);
/* Forget lock delays that are over; bounded work. */
void lock_delays_reap(struct reg *r);

/* A refusal in Consul's words. */
void result_fail(struct reg_result *out, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* A stored record that does not decode is not what we wrote: ends the process. */
void stored_must(int rc, const char *what);

#endif
