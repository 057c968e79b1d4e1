/* Parked queries: who waits for a resource to move past an index.
 *
 * Equal queries share one *group*: one set of subscriptions, one look at the store and one rendered
 * answer for all. A touched group becomes dirty; the caller takes dirty groups, looks at the store
 * again and tells the group its new index and answer; then it takes the waiters that are due, a
 * bounded number a turn. Waiters also run out of time: a heap gives the next one.
 *
 * Keeps no timer, reads no clock, sends nothing. Memory: a waiter is embedded by its connection and
 * costs a heap slot (8 bytes) more; a group some 300 bytes and its name.
 *
 * Invariants: a waiter is in its group and in the heap, or in neither. A waiter that is not being
 * woken has an index at or above its group's. A group lives while somebody waits in it or while it
 * is pinned. One loop only. */
#ifndef API_BLOCKING_H_
#define API_BLOCKING_H_

#include "api/answer.h"
#include "api/api.h"

struct blocking;
struct group;

/* Embedded by whoever waits; zeroed before its first use. */
struct waiter {
    /* Private but for reading. */
    struct list link;
    struct group *group; /* NULL: not parked */
    uint64_t index;
    uint64_t deadline_ms;
    uint32_t place; /* in the heap */
};

/* @watch outlives it. NULL without memory. */
struct blocking *blocking_new(struct reg_watch *watch);
void blocking_free(struct blocking *b); /* nobody may be parked; NULL is fine */

/* The group for the query @key, made if there is none, and pinned: group_unpin() it. NULL without
 * memory. */
struct group *group_get(struct blocking *b, struct slice key);
/* As group_get(), but NULL when there is none. Not pinned. */
struct group *group_find(struct blocking *b, struct slice key);
void group_pin(struct group *g);
void group_unpin(struct group *g);
struct slice group_key(const struct group *g);
/* The resource's index as of the last look; 0 before it. */
uint64_t group_index(const struct group *g);
/* True when something was touched since the last look. */
bool group_dirty(const struct group *g);

/* After a look: subscribe to the keys of @res anew. Without memory the group stays dirty and is
 * looked at again each turn. */
void group_subscribe(struct group *g, const struct api_resource *res);
/* After a look: the index has become @index (the group's own, if nothing moved). With @answer, wake
 * all waiters whose index is below, or simply @all: blocking_take_woken() hands them out with it.
 */
void group_set(struct group *g, uint64_t index, struct answer *answer, bool all);

/* Park @w in @g until @index is passed or @deadline_ms. Returns 0 or E_NOMEM. */
int waiter_park(struct group *g, struct waiter *w, uint64_t index, uint64_t deadline_ms);
/* Take @w out; harmless when it is not parked. May free its group. */
void waiter_unpark(struct waiter *w);

/* The next dirty group, pinned, no longer dirty; NULL when there is none. */
struct group *blocking_take_dirty(struct blocking *b);
/* The next waiter to be answered with *@answer (a reference the caller now owns), unparked; NULL
 * when there is none. */
struct waiter *blocking_take_woken(struct blocking *b, struct answer **answer);
/* A waiter whose time is up, still parked; NULL when there is none. */
struct waiter *blocking_due(struct blocking *b, uint64_t now_ms);
/* When the next waiter runs out of time; UINT64_MAX when nobody waits. */
uint64_t blocking_deadline(const struct blocking *b);
/* True when blocking_take_dirty() or blocking_take_woken() have something. */
bool blocking_has_work(const struct blocking *b);
size_t blocking_count(const struct blocking *b);

#endif
