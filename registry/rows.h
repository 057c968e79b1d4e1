/* The rows of the catalog: how a node, service or check lies in its table and in the tables that
 * index it. For registry/'s writer only; what a command means is apply_catalog.c's business.
 *
 * Invariant: a record is in its table and under each of its index keys, or nowhere. Views point
 * into the map and die at the next write, but for those of the rows_keep_*() functions, which point
 * into the buffer given. Running out of memory or LMDB failing ends the process. */
#ifndef REGISTRY_ROWS_H_
#define REGISTRY_ROWS_H_

#include "registry/state.h"

/* Look-ups. False when there is none. */
bool rows_find_node(struct reg *r, struct slice name, struct reg_node *out);
bool rows_find_node_by_id(struct reg *r, struct slice id, struct reg_node *out); /* "" is nobody */
bool rows_find_service(struct reg *r, struct slice node, struct slice id, struct reg_service *out);
bool rows_find_check(struct reg *r, struct slice node, struct slice id, struct reg_check *out);
/* As above, with the record copied to @keep, which is emptied first. */
bool rows_keep_node(struct reg *r, struct slice name, struct buf *keep, struct reg_node *out);
bool rows_keep_service(struct reg *r,
                       struct slice node,
                       struct slice id,
                       struct buf *keep,
                       struct reg_service *out);
bool rows_keep_check(struct reg *r,
                     struct slice node,
                     struct slice id,
                     struct buf *keep,
                     struct reg_check *out);

/* Is there any instance of, any check bound to, the service @name? */
bool rows_any_instance(struct reg *r, struct slice name);
bool rows_any_bound_check(struct reg *r, struct slice name);

/* Append to @out, as buf_put_bytes() does, for each ... of the node. */
void rows_service_names(struct reg *r, struct slice node, struct buf *out);
void rows_service_ids(struct reg *r, struct slice node, struct buf *out);
void rows_check_ids(struct reg *r, struct slice node, struct buf *out);
/* ... check of one of its instances ("" = of the node itself). */
void rows_instance_check_ids(struct reg *r,
                             struct slice node,
                             struct slice service_id,
                             struct buf *out);

/* Store, replacing a record under the same key. An index row that an older version had under
 * another key must be dropped first. */
void rows_put_node(struct reg *r, const struct reg_node *n);
void rows_put_service(struct reg *r, const struct reg_service *s);
void rows_put_check(struct reg *r, const struct reg_check *c);

/* Remove the record and its index rows. The view must not point into the map. */
void rows_drop_node(struct reg *r, const struct reg_node *n);
void rows_drop_service(struct reg *r, const struct reg_service *s);
void rows_drop_check(struct reg *r, const struct reg_check *c);
/* Remove only index rows: the node's id; the instance under its name; all of the check. */
void rows_unindex_node(struct reg *r, const struct reg_node *n);
void rows_unindex_service(struct reg *r, const struct reg_service *s);
void rows_unindex_check(struct reg *r, const struct reg_check *c);

#endif
