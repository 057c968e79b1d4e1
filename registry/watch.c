/* A hash table of subscriptions by watch key.
 *
 * If anybody waits for prefixes, a touched KV key looks up each of its prefixes whose length is in
 * use: FNV-1a gives the hash of every prefix in one pass over the key.
 *
 * The counters that reg_watch_wants() reads are a counting Bloom filter with one hash: relaxed
 * atomics, changed by the owner only. A subscriber that is added while a commit is under way is not
 * missed: it looks at the store after subscribing (reader), and the store publishes before it asks.
 */
#include "registry/watch.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"

enum { BLOOM_SIZE = 16384, BUCKETS_MIN = 64, PREFIX_MAX = 4096 };
#define NOT_PREFIX UINT32_MAX

struct reg_watch {
    struct list *buckets;
    size_t n_buckets; /* a power of two */
    size_t count;
    uint32_t prefix_count[PREFIX_MAX + 1]; /* how many wait for a prefix of each length */
    uint32_t prefix_longest;               /* an upper bound of the lengths in use */
    size_t prefixes;
    atomic_uint urgent[BLOOM_SIZE];
    atomic_uint urgent_prefixes;
};

static bool is_folded(enum reg_watch_kind kind)
{
    return kind != REG_W_KEY && kind != REG_W_PREFIX;
}

static uint64_t seed_of(enum reg_watch_kind kind)
{
    return HASH64_INIT ^ ((uint64_t)kind * 0x9e3779b97f4a7c15u);
}

uint64_t reg_watch_key(enum reg_watch_kind kind, struct slice name)
{
    uint64_t h = seed_of(kind);
    bool fold = is_folded(kind);
    for (size_t i = 0; i < name.len; i++) {
        h = hash64_step(h, (unsigned char)(fold ? slice_lower(name.p[i]) : name.p[i]));
    }
    return hash64_mix(h);
}

void reg_changes_unref(struct reg_changes *c)
{
    if (c != NULL && atomic_fetch_sub(&c->refs, 1) == 1) {
        free(c);
    }
}

static struct list *buckets_new(size_t n)
{
    struct list *b = malloc(n * sizeof *b);
    for (size_t i = 0; b != NULL && i < n; i++) {
        list_init(&b[i]);
    }
    return b;
}

struct reg_watch *reg_watch_new(void)
{
    struct reg_watch *w = calloc(1, sizeof *w);
    if (w == NULL) {
        return NULL;
    }
    w->n_buckets = BUCKETS_MIN;
    w->buckets = buckets_new(w->n_buckets);
    if (w->buckets == NULL) {
        free(w);
        return NULL;
    }
    return w;
}

void reg_watch_free(struct reg_watch *w)
{
    if (w == NULL) {
        return;
    }
    assert(w->count == 0);
    free(w->buckets);
    free(w);
}

static struct list *bucket_of(const struct reg_watch *w, uint64_t hash)
{
    return &w->buckets[hash & (w->n_buckets - 1)];
}

/* Double the table when it is full. Failing to is no error: chains grow longer. */
static void grow(struct reg_watch *w)
{
    if (w->count < w->n_buckets) {
        return;
    }
    size_t n = w->n_buckets * 2;
    struct list *b = buckets_new(n);
    if (b == NULL) {
        return;
    }
    for (size_t i = 0; i < w->n_buckets; i++) {
        struct list *l;
        while ((l = list_pop(&w->buckets[i])) != NULL) {
            list_push(&b[container_of(l, struct reg_sub, link)->hash & (n - 1)], l);
        }
    }
    free(w->buckets);
    w->buckets = b;
    w->n_buckets = n;
}

int reg_watch_add(struct reg_watch *w,
                  struct reg_sub *sub,
                  enum reg_watch_kind kind,
                  struct slice name)
{
    assert(sub->touched != NULL);
    grow(w);
    sub->prefix_len = NOT_PREFIX;
    if (kind == REG_W_PREFIX) {
        name.len = name.len > PREFIX_MAX ? PREFIX_MAX : name.len;
        sub->prefix_len = (uint32_t)name.len;
        w->prefix_count[name.len]++;
        w->prefixes++;
        if (sub->prefix_len > w->prefix_longest) {
            w->prefix_longest = sub->prefix_len;
        }
    }
    sub->hash = reg_watch_key(kind, name);
    list_push(bucket_of(w, sub->hash), &sub->link);
    w->count++;
    if (!sub->lazy) {
        atomic_uint *counter =
            kind == REG_W_PREFIX ? &w->urgent_prefixes : &w->urgent[sub->hash % BLOOM_SIZE];
        atomic_fetch_add(counter, 1);
    }
    return 0;
}

void reg_watch_remove(struct reg_watch *w, struct reg_sub *sub)
{
    if (list_empty(&sub->link)) {
        return;
    }
    list_remove(&sub->link);
    assert(w->count > 0);
    w->count--;
    bool prefix = sub->prefix_len != NOT_PREFIX;
    if (prefix) {
        assert(w->prefix_count[sub->prefix_len] > 0);
        w->prefix_count[sub->prefix_len]--;
        w->prefixes--;
        if (w->prefixes == 0) {
            w->prefix_longest = 0;
        }
    }
    if (!sub->lazy) {
        atomic_uint *counter = prefix ? &w->urgent_prefixes : &w->urgent[sub->hash % BLOOM_SIZE];
        atomic_fetch_sub(counter, 1);
    }
}

size_t reg_watch_count(const struct reg_watch *w)
{
    return w->count;
}

bool reg_watch_wants(const struct reg_watch *w, const struct reg_changes *c)
{
    if (c->all) {
        return true;
    }
    for (unsigned i = 0; i < c->n_hashes; i++) {
        if (atomic_load(&w->urgent[c->hashes[i] % BLOOM_SIZE]) != 0) {
            return true;
        }
    }
    return c->keys.len > 0 && atomic_load(&w->urgent_prefixes) != 0;
}

/* Move the subscribers of @hash to @out: they stay subscribed, but a callback may remove any of
 * them meanwhile. */
static void collect(const struct reg_watch *w, uint64_t hash, uint32_t prefix_len, struct list *out)
{
    struct list *head = bucket_of(w, hash);
    struct list *next;
    for (struct list *l = head->next; l != head; l = next) {
        next = l->next;
        struct reg_sub *sub = container_of(l, struct reg_sub, link);
        if (sub->hash == hash && sub->prefix_len == prefix_len) {
            list_remove(l);
            list_push(out, l);
        }
    }
}

static void call(const struct reg_watch *w, struct list *firing)
{
    struct list *l;
    while ((l = list_pop(firing)) != NULL) {
        struct reg_sub *sub = container_of(l, struct reg_sub, link);
        list_push(bucket_of(w, sub->hash), l);
        sub->touched(sub);
    }
}

static void fire(const struct reg_watch *w, uint64_t hash, uint32_t prefix_len)
{
    struct list firing;
    list_init(&firing);
    collect(w, hash, prefix_len, &firing);
    call(w, &firing);
}

static void fire_prefixes(const struct reg_watch *w, struct slice key)
{
    uint64_t h = seed_of(REG_W_PREFIX);
    for (uint32_t n = 0; n <= w->prefix_longest; n++) {
        if (w->prefix_count[n] != 0) {
            fire(w, hash64_mix(h), n);
        }
        if (n >= key.len) {
            break;
        }
        h = hash64_step(h, (unsigned char)key.p[n]);
    }
}

static void fire_all(const struct reg_watch *w)
{
    struct list firing;
    list_init(&firing);
    for (size_t i = 0; i < w->n_buckets; i++) {
        list_splice(&firing, &w->buckets[i]);
    }
    call(w, &firing);
}

void reg_watch_fire(struct reg_watch *w, const struct reg_changes *c)
{
    if (w->count == 0) {
        return;
    }
    if (c->all) {
        fire_all(w);
        return;
    }
    for (unsigned i = 0; i < c->n_hashes; i++) {
        fire(w, c->hashes[i], NOT_PREFIX);
    }
    struct rd it = rd_of(c->keys);
    while (w->prefixes > 0 && rd_left(&it) > 0) {
        fire_prefixes(w, rd_bytes(&it));
    }
}
