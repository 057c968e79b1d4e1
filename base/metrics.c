/* A thread's figures are a block: one cell for each series, and buckets for each summary that the
 * thread has ever recorded to. Only that thread writes there, by relaxed loads and stores; readers
 * may see a count without its sum, never a torn one. The block of a thread that ended goes on with
 * the next thread that begins, so nothing is lost and the number of blocks is bounded.
 *
 *     value 0 ..255 ns   bucket 0
 *     value in ns        8 * (position of the highest bit - 8) + the three bits below it + 1 */
#include "base/metrics.h"

#include <assert.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { LOWEST_BIT = 8, OCTAVES = 32, BUCKETS = OCTAVES * 8 + 2 };

struct cell {
    _Atomic uint64_t count;
    _Atomic uint64_t sum;                /* summaries: nanoseconds */
    _Atomic(_Atomic uint32_t *) buckets; /* NULL until the first duration; they may wrap */
};

struct block {
    struct cell cells[METRICS_MAX];
    bool used; /* under the lock: a thread writes to it */
};

/* The sum over all blocks. */
struct total {
    uint64_t count;
    uint64_t sum;
    uint32_t *buckets; /* NULL: all zero */
};

struct series {
    struct metric_spec spec;
    _Atomic double set;
    struct total before; /* at the start of the last complete interval ... */
    struct total after;  /* ... and at its end */
};

/* One registry for the process. Series are appended under the lock and never change their place. */
static struct {
    pthread_mutex_t lock;
    struct series *series[METRICS_MAX]; /* by id; 0 is no series */
    unsigned n_series;
    unsigned order[METRICS_MAX]; /* ids by name and labels */
    struct block *blocks[METRICS_THREADS_MAX];
    unsigned n_blocks;
    bool rolled;       /* there is a complete interval */
    uint64_t began_ms; /* the current interval; 0: no clock has been seen yet */
    int64_t began_ns;
    struct metrics_interval last;
} all = {.lock = PTHREAD_MUTEX_INITIALIZER};

static _Thread_local struct block *mine;
static pthread_key_t end_key;
static pthread_once_t end_once = PTHREAD_ONCE_INIT;

/* ---- declaring ---- */

static int compare_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? (a != NULL) - (b != NULL) : strcmp(a, b);
}

static int compare(const struct metric_spec *a, const struct metric_spec *b)
{
    int c = compare_text(a->name, b->name);
    for (int i = 0; c == 0 && i < METRICS_LABELS; i++) {
        c = compare_text(a->labels[i].key, b->labels[i].key);
        c = c == 0 ? compare_text(a->labels[i].value, b->labels[i].value) : c;
    }
    return c;
}

static const char *copy(const char *s, bool *ok)
{
    char *to = s == NULL ? NULL : strdup(s);
    *ok = *ok && (s == NULL || to != NULL);
    return to;
}

static void free_text(const char *s)
{
    free((void *)(uintptr_t)s); /* made by copy() */
}

static void free_series(struct series *s)
{
    free_text(s->spec.name);
    free_text(s->spec.help);
    for (int i = 0; i < METRICS_LABELS; i++) {
        free_text(s->spec.labels[i].key);
        free_text(s->spec.labels[i].value);
    }
    free(s);
}

static struct series *make_series(const struct metric_spec *spec)
{
    struct series *s = calloc(1, sizeof *s);
    bool ok = s != NULL;
    if (!ok) {
        return NULL;
    }
    s->spec.kind = spec->kind;
    s->spec.name = copy(spec->name, &ok);
    s->spec.help = copy(spec->help, &ok);
    for (int i = 0; i < METRICS_LABELS; i++) {
        s->spec.labels[i].key = copy(spec->labels[i].key, &ok);
        s->spec.labels[i].value = copy(spec->labels[i].value, &ok);
    }
    if (!ok) {
        free_series(s);
        return NULL;
    }
    return s;
}

/* Under the lock. The place of @spec in the order; *@found: it is there. */
static unsigned place_of(const struct metric_spec *spec, bool *found)
{
    unsigned low = 0;
    unsigned high = all.n_series;
    while (low < high) {
        unsigned mid = low + (high - low) / 2;
        int c = compare(&all.series[all.order[mid]]->spec, spec);
        if (c == 0) {
            *found = true;
            return mid;
        }
        low = c < 0 ? mid + 1 : low;
        high = c < 0 ? high : mid;
    }
    *found = false;
    return low;
}

unsigned metrics_declare(const struct metric_spec *spec)
{
    bool found;
    unsigned id = 0;
    pthread_mutex_lock(&all.lock);
    unsigned at = place_of(spec, &found);
    if (found) {
        id = all.order[at];
    } else if (all.n_series + 1 < METRICS_MAX) {
        struct series *s = make_series(spec);
        if (s != NULL) {
            memmove(&all.order[at + 1], &all.order[at], (all.n_series - at) * sizeof all.order[0]);
            id = ++all.n_series;
            all.order[at] = id;
            all.series[id] = s;
        }
    }
    pthread_mutex_unlock(&all.lock);
    return id;
}

/* ---- recording ---- */

static void on_thread_end(void *arg)
{
    struct block *b = arg;
    mine = NULL; /* whatever this thread still records needs a block again */
    pthread_mutex_lock(&all.lock);
    b->used = false;
    pthread_mutex_unlock(&all.lock);
}

static void make_key(void)
{
    (void)pthread_key_create(&end_key, on_thread_end); /* without keys blocks are not reused */
}

/* The block of this thread; NULL when there are too many. */
static struct block *take_block(void)
{
    (void)pthread_once(&end_once, make_key); /* fails only for an invalid argument */
    pthread_mutex_lock(&all.lock);
    struct block *b = NULL;
    for (unsigned i = 0; b == NULL && i < all.n_blocks; i++) {
        b = all.blocks[i]->used ? NULL : all.blocks[i];
    }
    if (b == NULL && all.n_blocks < METRICS_THREADS_MAX && (b = calloc(1, sizeof *b)) != NULL) {
        all.blocks[all.n_blocks++] = b;
    }
    if (b != NULL) {
        b->used = true;
    }
    pthread_mutex_unlock(&all.lock);
    if (b != NULL) {
        (void)pthread_setspecific(end_key, b); /* on failure the block is not reused */
    }
    mine = b;
    return b;
}

static struct cell *cell_of(unsigned id)
{
    struct block *b = mine != NULL ? mine : take_block();
    return b == NULL || id == 0 ? NULL : &b->cells[id];
}

/* Only this thread writes, so no locked instruction is needed. */
static void grow(_Atomic uint64_t *to, uint64_t by)
{
    uint64_t v = atomic_load_explicit(to, memory_order_relaxed);
    atomic_store_explicit(to, v + by, memory_order_relaxed);
}

void metrics_count(unsigned id, uint64_t n)
{
    struct cell *c = cell_of(id);
    if (c != NULL) {
        grow(&c->count, n);
    }
}

void metrics_gauge_add(unsigned id, int64_t delta)
{
    metrics_count(id, (uint64_t)delta);
}

void metrics_gauge_set(unsigned id, double value)
{
    assert(id < METRICS_MAX);
    if (id != 0) {
        atomic_store_explicit(&all.series[id]->set, value, memory_order_relaxed);
    }
}

static unsigned bucket_of(uint64_t ns)
{
    if (ns < 1u << LOWEST_BIT) {
        return 0;
    }
    unsigned bit = 63 - (unsigned)__builtin_clzll(ns);
    unsigned b = (bit - LOWEST_BIT) * 8 + (unsigned)(ns >> (bit - 3) & 7) + 1;
    return b < BUCKETS ? b : BUCKETS - 1;
}

/* The middle of a bucket, in milliseconds. */
static double bucket_ms(unsigned b)
{
    if (b == 0) {
        return (double)(1u << LOWEST_BIT) / 2e6;
    }
    double start = ldexp(1.0 + (double)((b - 1) % 8) / 8, (int)(LOWEST_BIT + (b - 1) / 8));
    double width = ldexp(1.0 / 8, (int)(LOWEST_BIT + (b - 1) / 8));
    return (start + width / 2) / 1e6;
}

void metrics_observe_ns(unsigned id, uint64_t ns)
{
    struct cell *c = cell_of(id);
    if (c == NULL) {
        return;
    }
    _Atomic uint32_t *buckets = atomic_load_explicit(&c->buckets, memory_order_relaxed);
    if (buckets == NULL) {
        buckets = calloc(BUCKETS, sizeof *buckets);
        if (buckets == NULL) {
            return;
        }
        atomic_store_explicit(&c->buckets, buckets, memory_order_release);
    }
    _Atomic uint32_t *b = &buckets[bucket_of(ns)];
    atomic_store_explicit(b, atomic_load_explicit(b, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    grow(&c->sum, ns);
    grow(&c->count, 1);
}

/* ---- reading; all under the lock ---- */

/* Add up series @id into @t, whose buckets are zeroed first. Without memory the buckets stay as
 * they were: quantiles are then missing once. */
static void add_up(unsigned id, struct total *t)
{
    t->count = 0;
    t->sum = 0;
    if (t->buckets != NULL) {
        memset(t->buckets, 0, BUCKETS * sizeof *t->buckets);
    }
    for (unsigned i = 0; i < all.n_blocks; i++) {
        struct cell *c = &all.blocks[i]->cells[id];
        t->count += atomic_load_explicit(&c->count, memory_order_relaxed);
        t->sum += atomic_load_explicit(&c->sum, memory_order_relaxed);
        _Atomic uint32_t *from = atomic_load_explicit(&c->buckets, memory_order_acquire);
        if (from != NULL && t->buckets == NULL) {
            t->buckets = calloc(BUCKETS, sizeof *t->buckets);
        }
        for (unsigned b = 0; from != NULL && t->buckets != NULL && b < BUCKETS; b++) {
            t->buckets[b] += atomic_load_explicit(&from[b], memory_order_relaxed);
        }
    }
}

void metrics_roll(uint64_t mono_ms, int64_t wall_ns)
{
    if (pthread_mutex_trylock(&all.lock) != 0) {
        return; /* somebody else does it, or reads: the next call will do */
    }
    if (all.began_ms == 0) {
        all.began_ms = mono_ms;
        all.began_ns = wall_ns;
    } else if (mono_ms >= all.began_ms + METRICS_ROLL_MS) {
        for (unsigned id = 1; id <= all.n_series; id++) {
            struct series *s = all.series[id];
            struct total oldest = s->before;
            s->before = s->after;
            s->after = oldest;
            add_up(id, &s->after);
        }
        all.last.start_ns = all.began_ns;
        all.last.seconds = (double)(mono_ms - all.began_ms) / 1000;
        all.began_ms = mono_ms;
        all.began_ns = wall_ns;
        all.rolled = true;
    }
    pthread_mutex_unlock(&all.lock);
}

/* How often bucket @b grew from @from to @to. */
static uint32_t grown(const struct total *from, const struct total *to, unsigned b)
{
    uint32_t start = from->buckets == NULL ? 0 : from->buckets[b];
    return (to->buckets == NULL ? 0 : to->buckets[b]) - start;
}

static void fill_spread(struct metric_point *p, const struct total *from, const struct total *to)
{
    static const double at[] = {0.5, 0.9, 0.99};
    uint64_t n = 0;
    for (unsigned b = 0; b < BUCKETS; b++) {
        n += grown(from, to, b);
    }
    uint64_t seen = 0;
    double squares = 0;
    size_t q = 0;
    for (unsigned b = 0; b < BUCKETS; b++) {
        uint32_t here = grown(from, to, b);
        if (here == 0) {
            continue;
        }
        double ms = bucket_ms(b);
        p->least = seen == 0 ? ms : p->least;
        p->greatest = ms;
        squares += (double)here * (ms - p->mean) * (ms - p->mean);
        seen += here;
        while (q < 3 && (double)seen >= at[q] * (double)n) {
            p->quantiles[q++] = ms;
        }
    }
    p->deviation = n > 1 ? sqrt(squares / (double)(n - 1)) : 0;
}

static void fill(struct metric_point *p,
                 struct series *s,
                 const struct total *now,
                 const struct total *from,
                 const struct total *to)
{
    double unit = s->spec.kind == METRIC_SUMMARY ? 1e-6 : 0;
    *p = (struct metric_point){.spec = &s->spec, .quantiles = {NAN, NAN, NAN}};
    p->total = now->count;
    p->count = to->count - from->count;
    switch (s->spec.kind) {
        case METRIC_GAUGE:
            p->value =
                atomic_load_explicit(&s->set, memory_order_relaxed) + (double)(int64_t)now->count;
            break;
        case METRIC_COUNTER:
            p->total_sum = (double)now->count;
            p->sum = (double)p->count;
            p->mean = p->least = p->greatest = p->count > 0 ? 1 : 0;
            break;
        case METRIC_SUMMARY:
            p->total_sum = (double)now->sum * unit;
            p->sum = (double)(to->sum - from->sum) * unit;
            p->mean = p->count > 0 ? p->sum / (double)p->count : 0;
            fill_spread(p, from, to);
            break;
    }
}

void metrics_read(uint64_t mono_ms,
                  int64_t wall_ns,
                  struct metrics_interval *interval,
                  void (*each)(void *to, const struct metric_point *p),
                  void *to)
{
    static const struct total nothing = {0, 0, NULL};
    struct total now = {0, 0, NULL};
    pthread_mutex_lock(&all.lock);
    bool began = all.began_ms != 0 && mono_ms > all.began_ms;
    *interval = all.last;
    if (!all.rolled) {
        interval->start_ns = all.began_ms == 0 ? wall_ns : all.began_ns;
        interval->seconds = began ? (double)(mono_ms - all.began_ms) / 1000 : 1;
    }
    for (unsigned i = 0; i < all.n_series; i++) {
        struct metric_point p;
        struct series *s = all.series[all.order[i]];
        add_up(all.order[i], &now);
        fill(&p, s, &now, all.rolled ? &s->before : &nothing, all.rolled ? &s->after : &now);
        each(to, &p);
    }
    pthread_mutex_unlock(&all.lock);
    free(now.buckets);
}
