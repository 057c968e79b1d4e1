/* Every range is a prefix of a composite key; ranges over index tables fetch the record behind each
 * row. Long KV keys (registry/keys.h) sit in buckets that LMDB orders by hash: a bucket is gathered
 * and sorted by the full keys before it is handed out. */
#include "registry/query.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "registry/reader.h"

static_assert((int)REG_KEY_MAX >= (int)KEY_SIZE, "a prefix fits");

/* ---- single records ---- */

static bool get(struct reg_reader *rd, enum table t, const struct key *k, struct slice *v)
{
    assert(rd->reading);
    return tx_get(rd->tx, t, key_slice(k), v);
}

bool reg_node_find(struct reg_reader *rd, struct slice name, struct reg_node *out)
{
    struct key k;
    struct slice v;
    key_reset(&k);
    key_name(&k, name);
    if (!get(rd, T_NODES, &k, &v)) {
        return false;
    }
    stored_must(reg_node_decode(v, out), "node");
    return true;
}

bool reg_node_find_id(struct reg_reader *rd, struct slice uuid, struct reg_node *out)
{
    struct key k;
    struct slice node_key;
    struct slice v;
    key_reset(&k);
    key_name(&k, uuid);
    if (!get(rd, T_NODE_IDS, &k, &node_key) || !tx_get(rd->tx, T_NODES, node_key, &v)) {
        return false;
    }
    stored_must(reg_node_decode(v, out), "node");
    return true;
}

static void pair_key(struct key *k, struct slice node, struct slice id)
{
    key_reset(k);
    key_name(k, node);
    key_id(k, id);
}

bool reg_service_find(struct reg_reader *rd,
                      struct slice node,
                      struct slice id,
                      struct reg_service *out)
{
    struct key k;
    struct slice v;
    pair_key(&k, node, id);
    if (!get(rd, T_SERVICES, &k, &v)) {
        return false;
    }
    stored_must(reg_service_decode(v, out), "service");
    return true;
}

bool reg_check_find(struct reg_reader *rd,
                    struct slice node,
                    struct slice check_id,
                    struct reg_check *out)
{
    struct key k;
    struct slice v;
    pair_key(&k, node, check_id);
    if (!get(rd, T_CHECKS, &k, &v)) {
        return false;
    }
    stored_must(reg_check_decode(v, out), "check");
    return true;
}

bool reg_kv_find(struct reg_reader *rd, struct slice key, struct reg_kv *out)
{
    struct key k;
    struct slice v;
    key_kv(&k, key);
    if (!get(rd, T_KV, &k, &v)) {
        return false;
    }
    stored_must(reg_kv_decode(v, out), "key");
    return true;
}

bool reg_session_find(struct reg_reader *rd, struct slice id, struct reg_session *out)
{
    struct key k;
    struct slice v;
    key_reset(&k);
    key_name(&k, id);
    if (!get(rd, T_SESSIONS, &k, &v)) {
        return false;
    }
    stored_must(reg_session_decode(v, out), "session");
    return true;
}

/* ---- ranges ---- */

static void range(struct reg_reader *rd,
                  struct reg_iter *it,
                  enum table t,
                  const struct key *prefix)
{
    assert(rd->reading);
    memset(it, 0, sizeof *it);
    it->rd = rd;
    it->table = (int)t;
    it->prefix_len = prefix->len;
    memcpy(it->prefix, prefix->p, prefix->len);
    it->cursor = tx_cursor(rd->tx, t);
}

void reg_iter_end(struct reg_iter *it)
{
    tx_cursor_free(it->cursor);
    it->cursor = NULL;
    free(it->bucket);
    it->bucket = NULL;
}

static bool step(struct reg_iter *it, struct slice *k, struct slice *v)
{
    struct slice prefix = slice_of(it->prefix, it->prefix_len);
    if (it->cursor == NULL) {
        return false;
    }
    bool more = it->started ? tx_next(it->cursor, k, v) : tx_seek(it->cursor, prefix, k, v);
    it->started = true;
    return more && slice_starts(*k, prefix);
}

/* The next record, through the table of indexes if the range is over one. */
static bool step_record(struct reg_iter *it, enum table records, struct slice *v)
{
    struct slice k;
    if (!step(it, &k, v)) {
        return false;
    }
    if (it->table != (int)records) {
        struct slice at = *v;
        stored_must(tx_get(it->rd->tx, records, at, v) ? 0 : E_CORRUPT, "index row");
    }
    return true;
}

/* @name behind it a separator: all keys that go on from this component. */
static void range_name(struct reg_reader *rd, struct reg_iter *it, enum table t, struct slice name)
{
    struct key k;
    key_reset(&k);
    key_name(&k, name);
    key_separator(&k);
    range(rd, it, t, &k);
}

static void range_all(struct reg_reader *rd, struct reg_iter *it, enum table t)
{
    struct key k;
    key_reset(&k);
    range(rd, it, t, &k);
}

void reg_nodes(struct reg_reader *rd, struct reg_iter *it)
{
    range_all(rd, it, T_NODES);
}

bool reg_nodes_next(struct reg_iter *it, struct reg_node *out)
{
    struct slice v;
    if (!step_record(it, T_NODES, &v)) {
        return false;
    }
    stored_must(reg_node_decode(v, out), "node");
    return true;
}

void reg_node_services(struct reg_reader *rd, struct reg_iter *it, struct slice node)
{
    range_name(rd, it, T_SERVICES, node);
}

bool reg_node_services_next(struct reg_iter *it, struct reg_service *out)
{
    return reg_instances_next(it, out);
}

void reg_instances(struct reg_reader *rd, struct reg_iter *it, struct slice service)
{
    range_name(rd, it, T_BY_NAME, service);
}

void reg_all_instances(struct reg_reader *rd, struct reg_iter *it)
{
    range_all(rd, it, T_BY_NAME);
}

bool reg_instances_next(struct reg_iter *it, struct reg_service *out)
{
    struct slice v;
    if (!step_record(it, T_SERVICES, &v)) {
        return false;
    }
    stored_must(reg_service_decode(v, out), "service");
    return true;
}

void reg_node_checks(struct reg_reader *rd, struct reg_iter *it, struct slice node)
{
    range_name(rd, it, T_CHECKS, node);
}

void reg_instance_checks(struct reg_reader *rd,
                         struct reg_iter *it,
                         struct slice node,
                         struct slice service_id)
{
    struct key k;
    pair_key(&k, node, service_id);
    key_separator(&k);
    range(rd, it, T_BY_INSTANCE, &k);
}

void reg_service_checks(struct reg_reader *rd, struct reg_iter *it, struct slice service)
{
    range_name(rd, it, T_BY_SERVICE, service);
}

void reg_state_checks(struct reg_reader *rd, struct reg_iter *it, struct slice status)
{
    range_name(rd, it, T_BY_STATE, status);
}

void reg_all_checks(struct reg_reader *rd, struct reg_iter *it)
{
    range_all(rd, it, T_CHECKS);
}

bool reg_checks_next(struct reg_iter *it, struct reg_check *out)
{
    struct slice v;
    if (!step_record(it, T_CHECKS, &v)) {
        return false;
    }
    stored_must(reg_check_decode(v, out), "check");
    return true;
}

/* ---- keys ---- */

void reg_kvs(struct reg_reader *rd, struct reg_iter *it, struct slice prefix, struct slice after)
{
    struct key k;
    key_kv(&k, slice_of(prefix.p, prefix.len > KV_PLAIN_MAX ? KV_PLAIN_MAX : prefix.len));
    range(rd, it, T_KV, &k);
    it->full_prefix = prefix;
    it->after = after;
}

static int by_full_key(const void *a, const void *b)
{
    struct reg_kv x;
    struct reg_kv y;
    stored_must(reg_kv_decode(*(const struct slice *)a, &x), "key");
    stored_must(reg_kv_decode(*(const struct slice *)b, &y), "key");
    return slice_cmp(x.key, y.key);
}

/* Gather the rows that share the first KV_PLAIN_MAX bytes of @first, and the row behind them. */
static void gather(struct reg_iter *it, struct slice first, struct slice value)
{
    size_t cap = 0;
    struct slice k = first;
    struct slice v = value;
    bool more = true;
    it->n_bucket = 0;
    it->at_bucket = 0;
    while (more && key_kv_is_long(k) && memcmp(k.p, first.p, KV_PLAIN_MAX) == 0) {
        if (it->n_bucket == cap) {
            cap = cap == 0 ? 16 : cap * 2;
            struct slice *p = realloc(it->bucket, cap * sizeof *p);
            if (p == NULL) {
                log_fatal("registry", "Out of memory listing keys: keys=%zu", it->n_bucket);
            }
            it->bucket = p;
        }
        it->bucket[it->n_bucket++] = v;
        more = step(it, &k, &v);
    }
    it->has_next = more;
    it->next_key = k;
    it->next_value = v;
    qsort(it->bucket, it->n_bucket, sizeof *it->bucket, by_full_key);
}

static bool kv_row(struct reg_iter *it, struct slice *value)
{
    struct slice k;
    if (it->at_bucket < it->n_bucket) {
        *value = it->bucket[it->at_bucket++];
        return true;
    }
    if (it->has_next) {
        it->has_next = false;
        k = it->next_key;
        *value = it->next_value;
    } else if (!it->started && slice_cmp(it->after, it->full_prefix) > 0) {
        struct key from; /* resume behind @after, or at the bucket that holds it */
        size_t n = it->after.len > KV_PLAIN_MAX ? KV_PLAIN_MAX : it->after.len;
        key_kv(&from, slice_of(it->after.p, n));
        it->started = true;
        if (!tx_seek(it->cursor, key_slice(&from), &k, value) ||
            !slice_starts(k, slice_of(it->prefix, it->prefix_len))) {
            return false;
        }
    } else if (!step(it, &k, value)) {
        return false;
    }
    if (key_kv_is_long(k)) {
        gather(it, k, *value);
        *value = it->bucket[it->at_bucket++];
    }
    return true;
}

bool reg_kvs_next(struct reg_iter *it, struct reg_kv *out)
{
    struct slice v;
    while (it->cursor != NULL && kv_row(it, &v)) {
        stored_must(reg_kv_decode(v, out), "key");
        if (slice_starts(out->key, it->full_prefix) &&
            (it->after.len == 0 || slice_cmp(out->key, it->after) > 0)) {
            return true;
        }
    }
    return false;
}

/* ---- sessions ---- */

void reg_sessions(struct reg_reader *rd, struct reg_iter *it)
{
    range_all(rd, it, T_SESSIONS);
}

void reg_node_sessions(struct reg_reader *rd, struct reg_iter *it, struct slice node)
{
    range_name(rd, it, T_SESSION_BY_NODE, node);
}

bool reg_sessions_next(struct reg_iter *it, struct reg_session *out)
{
    struct slice v;
    if (!step_record(it, T_SESSIONS, &v)) {
        return false;
    }
    stored_must(reg_session_decode(v, out), "session");
    return true;
}

/* ---- indexes ---- */

static uint64_t prefix_index(struct reg_reader *rd, struct slice prefix)
{
    uint64_t max = 0;
    struct reg_iter it;
    struct reg_kv e;
    reg_kvs(rd, &it, prefix, slice_of(NULL, 0));
    while (reg_kvs_next(&it, &e)) {
        max = e.modify_index > max ? e.modify_index : max;
    }
    reg_iter_end(&it);
    struct key k;
    key_kv(&k, slice_of(prefix.p, prefix.len > KV_PLAIN_MAX ? KV_PLAIN_MAX : prefix.len));
    range(rd, &it, T_TOMBS, &k);
    struct slice key;
    struct slice v;
    while (step(&it, &key, &v)) {
        struct rd r = rd_of(v);
        uint64_t index = rd_u64(&r);
        struct slice full = rd_bytes(&r);
        if (index > max && slice_starts(full, prefix)) {
            max = index;
        }
    }
    reg_iter_end(&it);
    return max;
}

uint64_t reg_index(struct reg_reader *rd, enum reg_watch_kind kind, struct slice name)
{
    uint64_t index = 0;
    struct reg_kv e;
    if (kind == REG_W_KEY && reg_kv_find(rd, name, &e)) {
        return e.modify_index;
    }
    if (kind == REG_W_PREFIX && name.len > 0) {
        index = prefix_index(rd, name);
    }
    if (index == 0) {
        bool kv = kind == REG_W_KEY || kind == REG_W_PREFIX;
        index = index_get(rd->tx, &rd->state, kv ? REG_W_KVS : kind, kv ? slice_of(NULL, 0) : name);
    }
    return index == 0 ? 1 : index;
}

void reg_count(struct reg_reader *rd, struct reg_counts *out)
{
    out->nodes = tx_count(rd->tx, T_NODES);
    out->services = tx_count(rd->tx, T_SERVICE_INDEX);
    out->instances = tx_count(rd->tx, T_SERVICES);
    out->checks = tx_count(rd->tx, T_CHECKS);
    out->kvs = tx_count(rd->tx, T_KV);
}
