/* A hash table of leases, each with its timer in the schedule of the thread. Ids match in any case,
 * as the registry's do. */
#include "healthcheck/lease.h"

#include <stdlib.h>

#include "base/err.h"
#include "base/hash.h"
#include "base/list.h"

enum { HEADS_FIRST = 64, ID_SIZE = 36 };
#define AGAIN_NS ((uint64_t)1000000000) /* until an end that did not come is asked for again */

struct hc_lease {
    struct hc_lease *next; /* in its hash chain */
    struct hc_leases *set;
    uint64_t ttl_ns;
    uint64_t generation; /* of the list that had it last */
    bool over;
    struct hc_timer timer;
    size_t id_len;
    char id[ID_SIZE]; /* lower case */
};

void hc_leases_init(struct hc_leases *set,
                    struct hc_schedule *schedule,
                    void (*expired)(struct hc_leases *set, struct slice id))
{
    *set = (struct hc_leases){.schedule = schedule, .expired = expired, .generation = 1};
}

static size_t head_of(const struct hc_leases *set, struct slice id)
{
    return (size_t)hash64(HASH64_INIT, id) & (set->n_heads - 1);
}

static struct slice id_of(const struct hc_lease *l)
{
    return slice_of(l->id, l->id_len);
}

/* @id in lower case in @out; an empty slice when it is longer than a uuid. */
static struct slice fold(struct slice id, char out[ID_SIZE])
{
    if (id.len > ID_SIZE) {
        return slice_of(NULL, 0);
    }
    for (size_t i = 0; i < id.len; i++) {
        out[i] = slice_lower(id.p[i]);
    }
    return slice_of(out, id.len);
}

static struct hc_lease *find(const struct hc_leases *set, struct slice id)
{
    if (set->n_heads == 0) {
        return NULL;
    }
    struct hc_lease *l = set->heads[head_of(set, id)];
    while (l != NULL && !slice_eq(id_of(l), id)) {
        l = l->next;
    }
    return l;
}

/* False without memory for a first table; without memory for a larger one the chains grow longer.
 */
static bool grow(struct hc_leases *set)
{
    if (set->count < set->n_heads) {
        return true;
    }
    struct hc_lease **old = set->heads;
    size_t n_old = set->n_heads;
    size_t n = n_old == 0 ? HEADS_FIRST : n_old * 2;
    struct hc_lease **heads = calloc(n, sizeof(struct hc_lease *));
    if (heads == NULL) {
        return n_old > 0;
    }
    set->heads = heads;
    set->n_heads = n;
    for (size_t i = 0; i < n_old; i++) {
        while (old[i] != NULL) {
            struct hc_lease *l = old[i];
            old[i] = l->next;
            size_t at = head_of(set, id_of(l));
            l->next = heads[at];
            heads[at] = l;
        }
    }
    free(old);
    return true;
}

static void on_due(struct hc_timer *t, uint64_t now_ns)
{
    struct hc_lease *l = container_of(t, struct hc_lease, timer);
    l->over = true;
    hc_schedule_set(l->set->schedule, &l->timer, now_ns + AGAIN_NS);
    l->set->expired(l->set, id_of(l));
}

static void restart(struct hc_lease *l, uint64_t now_ns)
{
    hc_schedule_set(l->set->schedule, &l->timer, now_ns + 2 * l->ttl_ns);
}

/* Drop the leases that are not of @generation; 0: all. */
static void drop_others(struct hc_leases *set, uint64_t generation)
{
    for (size_t i = 0; i < set->n_heads; i++) {
        struct hc_lease **at = &set->heads[i];
        while (*at != NULL) {
            struct hc_lease *l = *at;
            if (l->generation == generation) {
                at = &l->next;
                continue;
            }
            *at = l->next;
            hc_schedule_clear(set->schedule, &l->timer);
            free(l);
            set->count--;
        }
    }
}

void hc_leases_fini(struct hc_leases *set)
{
    drop_others(set, 0);
    free(set->heads);
    set->heads = NULL;
    set->n_heads = 0;
}

void hc_leases_begin(struct hc_leases *set)
{
    set->generation++;
}

int hc_leases_keep(struct hc_leases *set, struct slice id, int64_t ttl_ns, uint64_t now_ns)
{
    char text[ID_SIZE];
    struct slice folded = fold(id, text);
    if (folded.len == 0 || ttl_ns <= 0) {
        return E_INVAL;
    }
    struct hc_lease *l = find(set, folded);
    if (l == NULL) {
        l = grow(set) ? calloc(1, sizeof *l) : NULL;
        if (l == NULL) {
            return E_NOMEM;
        }
        l->set = set;
        l->ttl_ns = (uint64_t)ttl_ns;
        l->id_len = folded.len;
        memcpy(l->id, folded.p, folded.len);
        hc_timer_init(&l->timer, on_due);
        size_t at = head_of(set, folded);
        l->next = set->heads[at];
        set->heads[at] = l;
        set->count++;
        restart(l, now_ns);
    }
    l->generation = set->generation;
    return 0;
}

void hc_leases_end(struct hc_leases *set)
{
    drop_others(set, set->generation);
}

int hc_leases_renew(struct hc_leases *set, struct slice id, uint64_t now_ns)
{
    char text[ID_SIZE];
    struct hc_lease *l = find(set, fold(id, text));
    if (l == NULL || l->over) {
        return E_NOTFOUND;
    }
    restart(l, now_ns);
    return 0;
}
