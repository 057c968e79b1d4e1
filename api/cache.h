/* Rendered bodies kept for as long as nothing they show has changed.
 *
 * Keyed by the target without its index and wait; each entry subscribes to the watch keys of its
 * resource and drops itself when one is touched. So what is found is current, provided that the
 * reader has processed all announced changes (the caller sees to it). Bounded in bytes: the least
 * recently used goes first. One loop only. */
#ifndef API_CACHE_H_
#define API_CACHE_H_

#include "api/answer.h"
#include "api/api.h"

struct cache;

/* NULL without memory. @watch outlives the cache. */
struct cache *cache_new(struct reg_watch *watch, uint64_t bytes_max);
void cache_free(struct cache *c);

/* The entry under @key, borrowed; NULL when there is none. */
struct answer *cache_find(struct cache *c, struct slice key);
/* Keep @a (one more reference) under @key until a key of @res is touched. Keeps nothing when memory
 * is short or @a alone is above an eighth of the limit. */
void cache_put(struct cache *c, struct slice key, struct answer *a, const struct api_resource *res);

uint64_t cache_hits(const struct cache *c);
uint64_t cache_bytes(const struct cache *c);

#endif
