/* How: chained hash table with a fixed number of buckets, entries also in one list by last use
 * (newest last). A touched entry frees itself inside the callback. */
#include "api/cache.h"

#include <assert.h>
#include <stdlib.h>

#include "base/hash.h"

enum { BUCKETS = 4096 }; /* 32 KiB; with 16 MiB of small answers a chain is some 8 long */

struct entry {
    struct entry *next; /* in its bucket */
    struct list used;
    struct cache *cache;
    uint64_t hash;
    struct answer *answer;
    size_t size;
    struct reg_sub subs[API_WATCH_MAX];
    unsigned n_subs;
    size_t key_len;
    char key[];
};

struct cache {
    struct reg_watch *watch;
    uint64_t bytes;
    uint64_t bytes_max;
    uint64_t hits;
    struct list used;
    struct entry *buckets[BUCKETS];
};

struct cache *cache_new(struct reg_watch *watch, uint64_t bytes_max)
{
    struct cache *c = calloc(1, sizeof *c);
    if (c != NULL) {
        c->watch = watch;
        c->bytes_max = bytes_max;
        list_init(&c->used);
    }
    return c;
}

static void drop(struct entry *e)
{
    struct cache *c = e->cache;
    struct entry **at = &c->buckets[e->hash % BUCKETS];
    while (*at != e) {
        assert(*at != NULL);
        at = &(*at)->next;
    }
    *at = e->next;
    list_remove(&e->used);
    for (unsigned i = 0; i < e->n_subs; i++) {
        reg_watch_remove(c->watch, &e->subs[i]);
    }
    assert(c->bytes >= e->size);
    c->bytes -= e->size;
    answer_unref(e->answer);
    free(e);
}

void cache_free(struct cache *c)
{
    if (c == NULL) {
        return;
    }
    while (!list_empty(&c->used)) {
        drop(container_of(c->used.next, struct entry, used));
    }
    free(c);
}

static struct entry *find(struct cache *c, uint64_t hash, struct slice key)
{
    for (struct entry *e = c->buckets[hash % BUCKETS]; e != NULL; e = e->next) {
        if (e->hash == hash && slice_eq(slice_of(e->key, e->key_len), key)) {
            return e;
        }
    }
    return NULL;
}

struct answer *cache_find(struct cache *c, struct slice key)
{
    struct entry *e = find(c, hash64_mix(hash64(0, key)), key);
    if (e == NULL) {
        return NULL;
    }
    c->hits++;
    if (c->used.prev != &e->used) {
        list_remove(&e->used);
        list_push(&c->used, &e->used);
    }
    return e->answer;
}

/* Which of the entry's subscriptions fired does not matter: each knows its place among them. */
static void on_touched_0(struct reg_sub *sub)
{
    drop(container_of(sub, struct entry, subs[0]));
}
static void on_touched_1(struct reg_sub *sub)
{
    drop(container_of(sub, struct entry, subs[1]));
}
static void on_touched_2(struct reg_sub *sub)
{
    drop(container_of(sub, struct entry, subs[2]));
}
static void on_touched_3(struct reg_sub *sub)
{
    drop(container_of(sub, struct entry, subs[3]));
}
static void (*const on_touched[])(struct reg_sub *sub) = {on_touched_0, on_touched_1, on_touched_2,
                                                          on_touched_3};
static_assert(sizeof on_touched / sizeof on_touched[0] == API_WATCH_MAX, "one callback per place");

static struct entry *entry_new(struct cache *c, struct slice key, struct answer *a)
{
    struct entry *e = malloc(sizeof *e + key.len);
    if (e == NULL) {
        return NULL;
    }
    *e = (struct entry){.cache = c,
                        .hash = hash64_mix(hash64(0, key)),
                        .answer = answer_ref(a),
                        .size = sizeof *e + key.len + answer_size(a),
                        .key_len = key.len};
    memcpy(e->key, key.p, key.len);
    struct entry **bucket = &c->buckets[e->hash % BUCKETS];
    e->next = *bucket;
    *bucket = e;
    list_push(&c->used, &e->used);
    c->bytes += e->size;
    return e;
}

void cache_put(struct cache *c, struct slice key, struct answer *a, const struct api_resource *res)
{
    size_t size = sizeof(struct entry) + key.len + answer_size(a);
    if (size > c->bytes_max / 8) {
        return;
    }
    struct entry *old = find(c, hash64_mix(hash64(0, key)), key);
    if (old != NULL) {
        drop(old);
    }
    while (c->bytes + size > c->bytes_max && !list_empty(&c->used)) {
        drop(container_of(c->used.next, struct entry, used));
    }
    struct entry *e = entry_new(c, key, a);
    if (e == NULL) {
        return;
    }
    for (unsigned i = 0; i < res->n_watch; i++) {
        e->subs[i].touched = on_touched[i];
        e->subs[i].lazy = true; /* looked at before use, so no commit need wake the loop for it */
        list_init(&e->subs[i].link);
        e->n_subs = i + 1;
        if (reg_watch_add(c->watch, &e->subs[i], res->watch[i].kind, res->watch[i].name) != 0) {
            drop(e);
            return;
        }
    }
}

uint64_t cache_hits(const struct cache *c)
{
    return c->hits;
}

uint64_t cache_bytes(const struct cache *c)
{
    return c->bytes;
}
