/* A table of DNS_CACHE_ENTRIES_MAX chains, and a list of all entries by age. An entry subscribes to
 * its plan's watch keys lazily: nobody is woken for it, it is told at the next sync. A plan that no
 * watch key can guard carries the index that the reader had seen, and counts for that one only. */
#include "dns/cache.h"

#include <assert.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/list.h"

struct entry;

struct entry_sub {
    struct reg_sub sub;
    struct entry *entry;
};

struct entry {
    struct dns_cache *cache;
    struct entry *next; /* in its chain */
    struct list age;
    uint64_t hash;
    uint64_t index; /* the only state that the plan is good for; UINT64_MAX: until touched */
    struct dns_plan *plan;
    size_t size;
    uint16_t type;
    uint8_t wire_len;
    uint8_t n_subs;
    struct entry_sub *subs; /* behind this struct, then the name */
    uint8_t *wire;
};

struct dns_cache {
    struct reg_reader *rd;
    struct list by_age; /* oldest first */
    size_t entries;
    size_t bytes;
    struct dns_plan *loose; /* the plan put last, when it could not be kept */
    struct entry *chain[DNS_CACHE_ENTRIES_MAX];
};

static_assert((DNS_CACHE_ENTRIES_MAX & (DNS_CACHE_ENTRIES_MAX - 1)) == 0, "masked by hash");

static struct entry **chain_of(struct dns_cache *c, uint64_t hash)
{
    return &c->chain[hash & (DNS_CACHE_ENTRIES_MAX - 1)];
}

static uint64_t ask_hash(const struct dns_ask *ask)
{
    struct slice name = slice_of((const char *)ask->wire, ask->wire_len);
    return hash64_mix(hash64(HASH64_INIT ^ ask->type, name));
}

static void entry_drop(struct entry *e)
{
    struct dns_cache *c = e->cache;
    struct entry **at = chain_of(c, e->hash);
    while (*at != e) {
        assert(*at != NULL);
        at = &(*at)->next;
    }
    *at = e->next;
    list_remove(&e->age);
    assert(c->entries > 0 && c->bytes >= e->size);
    c->entries--;
    c->bytes -= e->size;
    for (unsigned i = 0; i < e->n_subs; i++) {
        reg_watch_remove(reg_reader_watch(c->rd), &e->subs[i].sub);
    }
    free(e->plan);
    free(e);
}

static void on_touched(struct reg_sub *sub)
{
    entry_drop(container_of(sub, struct entry_sub, sub)->entry);
}

struct dns_cache *dns_cache_new(struct reg_reader *rd)
{
    struct dns_cache *c = calloc(1, sizeof(*c));
    if (c != NULL) {
        c->rd = rd;
        list_init(&c->by_age);
    }
    return c;
}

static void oldest_drop(struct dns_cache *c)
{
    assert(!list_empty(&c->by_age));
    entry_drop(container_of(c->by_age.next, struct entry, age));
}

void dns_cache_free(struct dns_cache *c)
{
    if (c == NULL) {
        return;
    }
    while (c->entries > 0) {
        oldest_drop(c);
    }
    free(c->loose);
    free(c);
}

static bool entry_is(const struct entry *e, uint64_t hash, const struct dns_ask *ask)
{
    return e->hash == hash && e->type == ask->type && e->wire_len == ask->wire_len &&
           memcmp(e->wire, ask->wire, ask->wire_len) == 0;
}

struct dns_plan *dns_cache_find(struct dns_cache *c, const struct dns_ask *ask)
{
    uint64_t hash = ask_hash(ask);
    struct entry *e = *chain_of(c, hash);
    while (e != NULL && !entry_is(e, hash, ask)) {
        e = e->next;
    }
    if (e == NULL) {
        return NULL;
    }
    if (e->index != UINT64_MAX && e->index != reg_reader_seen(c->rd)) {
        entry_drop(e);
        return NULL;
    }
    return e->plan;
}

static struct entry *entry_new(struct dns_cache *c,
                               const struct dns_ask *ask,
                               struct dns_plan *plan,
                               const struct dns_deps *deps)
{
    size_t subs_size = deps->n * sizeof(struct entry_sub);
    size_t size = sizeof(struct entry) + subs_size + ask->wire_len;
    char *p = calloc(1, size);
    if (p == NULL) {
        return NULL;
    }
    struct entry *e = (struct entry *)(void *)p;
    e->cache = c;
    e->hash = ask_hash(ask);
    e->index = deps->any_change ? reg_reader_seen(c->rd) : UINT64_MAX;
    e->plan = plan;
    e->size = size + plan->size;
    e->type = ask->type;
    e->subs = (struct entry_sub *)(void *)(p + sizeof(*e));
    e->wire = (uint8_t *)p + sizeof(*e) + subs_size;
    e->wire_len = (uint8_t)ask->wire_len;
    memcpy(e->wire, ask->wire, ask->wire_len);
    list_init(&e->age);
    return e;
}

/* Subscribe to all keys; false without memory, and then to none. */
static bool entry_subscribe(struct entry *e, const struct dns_deps *deps)
{
    struct reg_watch *w = reg_reader_watch(e->cache->rd);
    for (; e->n_subs < deps->n; e->n_subs++) {
        struct entry_sub *s = &e->subs[e->n_subs];
        unsigned i = e->n_subs;
        s->entry = e;
        s->sub.touched = on_touched;
        s->sub.lazy = true;
        list_init(&s->sub.link);
        struct slice name = slice_of(deps->dep[i].name, deps->dep[i].len);
        if (reg_watch_add(w, &s->sub, deps->dep[i].kind, name) != 0) {
            while (e->n_subs > 0) {
                reg_watch_remove(w, &e->subs[--e->n_subs].sub);
            }
            return false;
        }
    }
    return true;
}

struct dns_plan *dns_cache_put(struct dns_cache *c,
                               const struct dns_ask *ask,
                               struct dns_plan *plan,
                               const struct dns_deps *deps)
{
    free(c->loose);
    c->loose = NULL;
    struct entry *e = NULL;
    if (plan->size <= DNS_CACHE_BYTES_MAX / 4) {
        e = entry_new(c, ask, plan, deps);
    }
    if (e == NULL || !entry_subscribe(e, deps)) {
        free(e);
        c->loose = plan;
        return plan;
    }
    while (c->entries >= DNS_CACHE_ENTRIES_MAX ||
           (c->entries > 0 && c->bytes + e->size > DNS_CACHE_BYTES_MAX)) {
        oldest_drop(c);
    }
    struct entry **at = chain_of(c, e->hash);
    e->next = *at;
    *at = e;
    list_push(&c->by_age, &e->age);
    c->entries++;
    c->bytes += e->size;
    return plan;
}

size_t dns_cache_entries(const struct dns_cache *c)
{
    return c->entries;
}

size_t dns_cache_bytes(const struct dns_cache *c)
{
    return c->bytes;
}
