/* Plans that are kept until a change touches what they were made from.
 *
 * Keyed by the lower-cased name and the type of the question; transport, sizes, flags and spelling
 * are matters of rendering. A look-up in the cache reads no store and allocates nothing. Bounded by
 * DNS_CACHE_ENTRIES_MAX entries and DNS_CACHE_BYTES_MAX bytes; the oldest goes first.
 *
 * An entry leaves when reg_reader_sync() fires one of its subscriptions; so the owner calls that
 * before it looks here. Used from the reader's thread only. */
#ifndef DNS_CACHE_H_
#define DNS_CACHE_H_

#include "dns/lookup.h"

enum { DNS_CACHE_ENTRIES_MAX = 4096, DNS_CACHE_BYTES_MAX = 16 * 1024 * 1024 };

struct dns_cache;

/* Returns NULL without memory. */
struct dns_cache *dns_cache_new(struct reg_reader *rd);
void dns_cache_free(struct dns_cache *c); /* NULL is fine */

/* The kept plan for @ask (initialised, not necessarily parsed), or NULL. Borrowed until the next
 * call of this file or of reg_reader_sync(). */
struct dns_plan *dns_cache_find(struct dns_cache *c, const struct dns_ask *ask);

/* Keep @plan, which goes over to the cache in any case. Returns it, borrowed like above: when there
 * is no memory to keep it, or it is too large, it lives until the next call just the same. */
struct dns_plan *dns_cache_put(struct dns_cache *c,
                               const struct dns_ask *ask,
                               struct dns_plan *plan,
                               const struct dns_deps *deps);

size_t dns_cache_entries(const struct dns_cache *c);
size_t dns_cache_bytes(const struct dns_cache *c);

#endif
