/* Look-ups between reg_read_begin() and reg_read_end(). Views die at the latter.
 *
 * Names of nodes and services match case-insensitively; ids, check ids and KV keys exactly.
 * Iterators are small, need no clean-up when embedded in a bracket, and run in key order: nodes by
 * name, instances by node then id, checks by node then check id, keys by bytes. A record that does
 * not decode ends the process (the file is not what we wrote).
 *
 * reg_index_*() give the X-Consul-Index of a resource: the registry index of its last change, never
 * lower than an earlier answer, also after it vanished; at least 1. */
#ifndef REGISTRY_QUERY_H_
#define REGISTRY_QUERY_H_

#include "registry/store.h"

bool reg_node_find(struct reg_reader *rd, struct slice name, struct reg_node *out);
bool reg_node_find_id(struct reg_reader *rd, struct slice uuid, struct reg_node *out);
bool reg_service_find(struct reg_reader *rd,
                      struct slice node,
                      struct slice id,
                      struct reg_service *out);
bool reg_check_find(struct reg_reader *rd,
                    struct slice node,
                    struct slice check_id,
                    struct reg_check *out);
bool reg_kv_find(struct reg_reader *rd, struct slice key, struct reg_kv *out);

/* @id in any case. */
bool reg_session_find(struct reg_reader *rd, struct slice id, struct reg_session *out);

enum { REG_KEY_MAX = 511 }; /* LMDB's limit on stored keys */

/* A range in progress; the fields are private. Close it with reg_iter_end(), also after it ran
 * out. */
struct reg_iter {
    struct reg_reader *rd;
    int table;
    void *cursor;
    bool started;
    size_t prefix_len;
    char prefix[REG_KEY_MAX];
    struct slice full_prefix; /* KV: the prefix itself, borrowed */
    struct slice after;       /* KV: borrowed */
    struct slice *bucket;     /* KV: records of one bucket of long keys, sorted */
    size_t n_bucket, at_bucket;
    struct slice next_key, next_value; /* KV: the row behind the bucket */
    bool has_next;
};
void reg_iter_end(struct reg_iter *it);

void reg_nodes(struct reg_reader *rd, struct reg_iter *it);
bool reg_nodes_next(struct reg_iter *it, struct reg_node *out);

/* All services of a node, by id. */
void reg_node_services(struct reg_reader *rd, struct reg_iter *it, struct slice node);
bool reg_node_services_next(struct reg_iter *it, struct reg_service *out);

/* All instances of a service name. */
void reg_instances(struct reg_reader *rd, struct reg_iter *it, struct slice service);
bool reg_instances_next(struct reg_iter *it, struct reg_service *out);

/* All instances there are, ordered by service name (lower case). */
void reg_all_instances(struct reg_reader *rd, struct reg_iter *it);

/* All checks on a node; then only those of one service id ("" = of the node itself). */
void reg_node_checks(struct reg_reader *rd, struct reg_iter *it, struct slice node);
void reg_instance_checks(struct reg_reader *rd,
                         struct reg_iter *it,
                         struct slice node,
                         struct slice service_id);
/* Checks bound to a service name; checks in one status; all checks. */
void reg_service_checks(struct reg_reader *rd, struct reg_iter *it, struct slice service);
void reg_state_checks(struct reg_reader *rd, struct reg_iter *it, struct slice status);
void reg_all_checks(struct reg_reader *rd, struct reg_iter *it);
bool reg_checks_next(struct reg_iter *it, struct reg_check *out);

/* Keys that start with @prefix (borrowed until reg_iter_end), by bytes; from @after (exclusive,
 * may be empty) so that a long scan can be resumed in a later bracket. */
void reg_kvs(struct reg_reader *rd, struct reg_iter *it, struct slice prefix, struct slice after);
bool reg_kvs_next(struct reg_iter *it, struct reg_kv *out);

/* All sessions, by id; those of a node. */
void reg_sessions(struct reg_reader *rd, struct reg_iter *it);
void reg_node_sessions(struct reg_reader *rd, struct reg_iter *it, struct slice node);
bool reg_sessions_next(struct reg_iter *it, struct reg_session *out);

/* Index of a table-wide or named resource; @name as for reg_watch_key(). REG_W_KEY: the entry's
 * ModifyIndex, or for an absent key the index of the KV table. REG_W_PREFIX: the highest index
 * under the prefix, deleted keys included; the KV table's if there never was any. */
uint64_t reg_index(struct reg_reader *rd, enum reg_watch_kind kind, struct slice name);

struct reg_counts {
    uint64_t nodes, services, instances, checks, kvs;
};
void reg_count(struct reg_reader *rd, struct reg_counts *out);

#endif
