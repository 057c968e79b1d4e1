/* How: groups sit in a hash table by query; a group is also in the dirty list, or in the waking
 * list, or in both. A group that wakes moves all its waiters to `waking` at once (a splice) and is
 * drained from there over as many turns as it takes; one whose index is already higher goes back.
 */
#include "api/blocking.h"

#include <assert.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/hash.h"

enum { BUCKETS_MIN = 256, HEAP_MIN = 64 };

struct group {
    struct blocking *blocking;
    struct group *next; /* in its bucket */
    uint64_t hash;
    uint64_t index;
    struct list waiters;
    struct list waking;
    struct list dirty_link;
    struct list waking_link;
    struct answer *answer; /* for those in waking */
    struct reg_sub subs[API_WATCH_MAX];
    unsigned n_subs;
    unsigned pins;
    bool wake_all; /* those in waking, whatever their index */
    size_t key_len;
    char key[];
};

struct blocking {
    struct reg_watch *watch;
    struct group **buckets;
    size_t n_buckets; /* a power of two */
    size_t n_groups;
    struct list dirty;
    struct list waking;
    struct waiter **heap; /* by deadline, the earliest first */
    uint32_t n;
    uint32_t cap;
};

struct blocking *blocking_new(struct reg_watch *watch)
{
    struct blocking *b = calloc(1, sizeof *b);
    if (b == NULL) {
        return NULL;
    }
    b->watch = watch;
    b->n_buckets = BUCKETS_MIN;
    b->buckets = calloc(b->n_buckets, sizeof(struct group *));
    if (b->buckets == NULL) {
        free(b);
        return NULL;
    }
    list_init(&b->dirty);
    list_init(&b->waking);
    return b;
}

void blocking_free(struct blocking *b)
{
    if (b == NULL) {
        return;
    }
    assert(b->n == 0);
    assert(b->n_groups == 0);
    free(b->buckets);
    free(b->heap);
    free(b);
}

/* ---- the heap ---- */

static void heap_place(struct blocking *b, uint32_t at, struct waiter *w)
{
    b->heap[at] = w;
    w->place = at;
}

static void heap_up(struct blocking *b, uint32_t at, struct waiter *w)
{
    while (at > 0 && b->heap[(at - 1) / 2]->deadline_ms > w->deadline_ms) {
        heap_place(b, at, b->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    heap_place(b, at, w);
}

static void heap_down(struct blocking *b, uint32_t at, struct waiter *w)
{
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= b->n) {
            break;
        }
        child += child + 1 < b->n && b->heap[child + 1]->deadline_ms < b->heap[child]->deadline_ms;
        if (b->heap[child]->deadline_ms >= w->deadline_ms) {
            break;
        }
        heap_place(b, at, b->heap[child]);
        at = child;
    }
    heap_place(b, at, w);
}

static int heap_add(struct blocking *b, struct waiter *w)
{
    if (b->n == b->cap) {
        uint32_t cap = b->cap == 0 ? HEAP_MIN : 2 * b->cap;
        struct waiter **heap = realloc(b->heap, cap * sizeof(struct waiter *));
        if (heap == NULL) {
            return E_NOMEM;
        }
        b->heap = heap;
        b->cap = cap;
    }
    heap_up(b, b->n++, w);
    return 0;
}

static void heap_remove(struct blocking *b, struct waiter *w)
{
    assert(w->place < b->n && b->heap[w->place] == w);
    struct waiter *last = b->heap[--b->n];
    if (last == w) {
        return;
    }
    uint32_t at = w->place;
    if (at > 0 && b->heap[(at - 1) / 2]->deadline_ms > last->deadline_ms) {
        heap_up(b, at, last);
    } else {
        heap_down(b, at, last);
    }
}

/* ---- groups ---- */

static void mark_dirty(struct group *g)
{
    if (list_empty(&g->dirty_link)) {
        list_push(&g->blocking->dirty, &g->dirty_link);
    }
}

static void on_touched_0(struct reg_sub *sub)
{
    mark_dirty(container_of(sub, struct group, subs[0]));
}
static void on_touched_1(struct reg_sub *sub)
{
    mark_dirty(container_of(sub, struct group, subs[1]));
}
static void on_touched_2(struct reg_sub *sub)
{
    mark_dirty(container_of(sub, struct group, subs[2]));
}
static void on_touched_3(struct reg_sub *sub)
{
    mark_dirty(container_of(sub, struct group, subs[3]));
}
static void (*const on_touched[])(struct reg_sub *sub) = {on_touched_0, on_touched_1, on_touched_2,
                                                          on_touched_3};
static_assert(sizeof on_touched / sizeof on_touched[0] == API_WATCH_MAX, "one callback per place");

/* Double the table when it is full. Failing to is no error: chains grow longer. */
static void grow(struct blocking *b)
{
    if (b->n_groups < b->n_buckets) {
        return;
    }
    size_t n = 2 * b->n_buckets;
    struct group **buckets = calloc(n, sizeof(struct group *));
    if (buckets == NULL) {
        return;
    }
    for (size_t i = 0; i < b->n_buckets; i++) {
        struct group *next;
        for (struct group *g = b->buckets[i]; g != NULL; g = next) {
            next = g->next;
            g->next = buckets[g->hash & (n - 1)];
            buckets[g->hash & (n - 1)] = g;
        }
    }
    free(b->buckets);
    b->buckets = buckets;
    b->n_buckets = n;
}

static struct group *group_new(struct blocking *b, uint64_t hash, struct slice key)
{
    struct group *g = malloc(sizeof *g + key.len);
    if (g == NULL) {
        return NULL;
    }
    grow(b);
    *g = (struct group){.blocking = b, .hash = hash, .key_len = key.len};
    memcpy(g->key, key.p, key.len);
    list_init(&g->waiters);
    list_init(&g->waking);
    list_init(&g->dirty_link);
    list_init(&g->waking_link);
    struct group **bucket = &b->buckets[hash & (b->n_buckets - 1)];
    g->next = *bucket;
    *bucket = g;
    b->n_groups++;
    return g;
}

static void unsubscribe(struct group *g)
{
    for (unsigned i = 0; i < g->n_subs; i++) {
        reg_watch_remove(g->blocking->watch, &g->subs[i]);
    }
    g->n_subs = 0;
}

static void free_if_unused(struct group *g)
{
    if (g->pins > 0 || !list_empty(&g->waiters) || !list_empty(&g->waking)) {
        return;
    }
    struct blocking *b = g->blocking;
    struct group **at = &b->buckets[g->hash & (b->n_buckets - 1)];
    while (*at != g) {
        assert(*at != NULL);
        at = &(*at)->next;
    }
    *at = g->next;
    b->n_groups--;
    list_remove(&g->dirty_link);
    list_remove(&g->waking_link);
    unsubscribe(g);
    answer_unref(g->answer);
    free(g);
}

struct group *group_find(struct blocking *b, struct slice key)
{
    uint64_t hash = hash64(0, key);
    for (struct group *g = b->buckets[hash & (b->n_buckets - 1)]; g != NULL; g = g->next) {
        if (g->hash == hash && slice_eq(group_key(g), key)) {
            return g;
        }
    }
    return NULL;
}

struct group *group_get(struct blocking *b, struct slice key)
{
    struct group *g = group_find(b, key);
    if (g == NULL) {
        g = group_new(b, hash64(0, key), key);
    }
    if (g != NULL) {
        g->pins++;
    }
    return g;
}

void group_pin(struct group *g)
{
    g->pins++;
}

void group_unpin(struct group *g)
{
    assert(g->pins > 0);
    g->pins--;
    free_if_unused(g);
}

struct slice group_key(const struct group *g)
{
    return slice_of(g->key, g->key_len);
}

uint64_t group_index(const struct group *g)
{
    return g->index;
}

bool group_dirty(const struct group *g)
{
    return !list_empty(&g->dirty_link);
}

void group_subscribe(struct group *g, const struct api_resource *res)
{
    assert(res->n_watch <= API_WATCH_MAX);
    unsubscribe(g);
    for (unsigned i = 0; i < res->n_watch; i++) {
        g->subs[i] = (struct reg_sub){.touched = on_touched[i]};
        list_init(&g->subs[i].link);
        g->n_subs = i + 1;
        if (reg_watch_add(g->blocking->watch, &g->subs[i], res->watch[i].kind,
                          res->watch[i].name) != 0) {
            mark_dirty(g);
        }
    }
}

void group_set(struct group *g, uint64_t index, struct answer *answer, bool all)
{
    g->index = index;
    if (answer == NULL) {
        return;
    }
    answer_ref(answer);
    answer_unref(g->answer); /* those still being woken get the newer answer */
    g->answer = answer;
    g->wake_all = all;
    list_splice(&g->waking, &g->waiters);
    if (list_empty(&g->waking_link)) {
        list_push(&g->blocking->waking, &g->waking_link);
    }
}

/* ---- waiters ---- */

int waiter_park(struct group *g, struct waiter *w, uint64_t index, uint64_t deadline_ms)
{
    assert(w->group == NULL);
    w->index = index;
    w->deadline_ms = deadline_ms;
    if (heap_add(g->blocking, w) != 0) {
        return E_NOMEM;
    }
    w->group = g;
    list_push(&g->waiters, &w->link);
    return 0;
}

void waiter_unpark(struct waiter *w)
{
    struct group *g = w->group;
    if (g == NULL) {
        return;
    }
    heap_remove(g->blocking, w);
    list_remove(&w->link);
    w->group = NULL;
    free_if_unused(g);
}

struct group *blocking_take_dirty(struct blocking *b)
{
    struct list *l = list_pop(&b->dirty);
    if (l == NULL) {
        return NULL;
    }
    struct group *g = container_of(l, struct group, dirty_link);
    g->pins++;
    return g;
}

/* All of @g's waiters are handed out. */
static void end_waking(struct group *g)
{
    list_remove(&g->waking_link);
    answer_unref(g->answer);
    g->answer = NULL;
    free_if_unused(g);
}

struct waiter *blocking_take_woken(struct blocking *b, struct answer **answer)
{
    while (!list_empty(&b->waking)) {
        struct group *g = container_of(b->waking.next, struct group, waking_link);
        struct list *l = list_pop(&g->waking);
        if (l == NULL) {
            end_waking(g);
            continue;
        }
        struct waiter *w = container_of(l, struct waiter, link);
        if (w->index >= g->index && !g->wake_all) {
            list_push(&g->waiters, l); /* it waits for more than has happened */
            continue;
        }
        *answer = answer_ref(g->answer);
        g->pins++;
        waiter_unpark(w);
        group_unpin(g);
        return w;
    }
    return NULL;
}

struct waiter *blocking_due(struct blocking *b, uint64_t now_ms)
{
    return b->n > 0 && b->heap[0]->deadline_ms <= now_ms ? b->heap[0] : NULL;
}

uint64_t blocking_deadline(const struct blocking *b)
{
    return b->n == 0 ? UINT64_MAX : b->heap[0]->deadline_ms;
}

bool blocking_has_work(const struct blocking *b)
{
    return !list_empty(&b->dirty) || !list_empty(&b->waking);
}

size_t blocking_count(const struct blocking *b)
{
    return b->n;
}
