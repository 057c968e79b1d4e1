/* A pairing heap: set is O(1), taking the earliest O(log n) amortised, and nothing is allocated.
 * The two merging passes loop instead of recursing, so a long list of children costs no stack. */
#include "healthcheck/schedule.h"

#include <assert.h>

void hc_schedule_init(struct hc_schedule *s)
{
    s->root = NULL;
    s->count = 0;
}

void hc_timer_init(struct hc_timer *t, void (*fire)(struct hc_timer *t, uint64_t now_ns))
{
    *t = (struct hc_timer){.due_ns = HC_NEVER, .fire = fire};
}

/* Join two heaps; either may be NULL. The later root becomes the first child of the earlier. */
static struct hc_timer *meld(struct hc_timer *a, struct hc_timer *b)
{
    if (a == NULL) {
        return b;
    }
    if (b == NULL) {
        return a;
    }
    if (b->due_ns < a->due_ns) {
        struct hc_timer *t = a;
        a = b;
        b = t;
    }
    b->prev = a;
    b->next = a->child;
    if (a->child != NULL) {
        a->child->prev = b;
    }
    a->child = b;
    a->next = NULL;
    a->prev = NULL;
    return a;
}

/* Join a list of siblings: pairs from left to right, then the pairs from right to left. */
static struct hc_timer *meld_all(struct hc_timer *first)
{
    struct hc_timer *pairs = NULL;
    while (first != NULL) {
        struct hc_timer *a = first;
        struct hc_timer *b = a->next;
        first = b == NULL ? NULL : b->next;
        a->next = NULL;
        a->prev = NULL;
        if (b != NULL) {
            b->next = NULL;
            b->prev = NULL;
        }
        a = meld(a, b);
        a->next = pairs;
        pairs = a;
    }
    struct hc_timer *root = NULL;
    while (pairs != NULL) {
        struct hc_timer *next = pairs->next;
        pairs->next = NULL;
        root = meld(root, pairs);
        pairs = next;
    }
    return root;
}

void hc_schedule_clear(struct hc_schedule *s, struct hc_timer *t)
{
    if (!t->set) {
        return;
    }
    if (t == s->root) {
        s->root = meld_all(t->child);
    } else {
        if (t->prev->child == t) {
            t->prev->child = t->next;
        } else {
            t->prev->next = t->next;
        }
        if (t->next != NULL) {
            t->next->prev = t->prev;
        }
        s->root = meld(s->root, meld_all(t->child));
    }
    t->child = NULL;
    t->next = NULL;
    t->prev = NULL;
    t->set = false;
    assert(s->count > 0);
    s->count--;
}

void hc_schedule_set(struct hc_schedule *s, struct hc_timer *t, uint64_t due_ns)
{
    assert(t->fire != NULL);
    hc_schedule_clear(s, t);
    t->due_ns = due_ns;
    t->set = true;
    s->root = meld(s->root, t);
    s->count++;
}

uint64_t hc_schedule_next(const struct hc_schedule *s)
{
    return s->root == NULL ? HC_NEVER : s->root->due_ns;
}

unsigned hc_schedule_step(struct hc_schedule *s, uint64_t now_ns, unsigned max)
{
    unsigned n = 0;
    while (n < max && s->root != NULL && s->root->due_ns <= now_ns) {
        struct hc_timer *t = s->root;
        hc_schedule_clear(s, t);
        n++;
        t->fire(t, now_ns); /* our last touch of @t */
    }
    return n;
}
