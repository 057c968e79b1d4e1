/* The schedule: every deadline of the probe thread in one heap, so that one timer of the loop
 * serves tens of thousands of checks.
 *
 * Timers are embedded and never allocated, so setting one cannot fail. Reads no clock: the caller
 * brings the time. Used inside this folder only.
 *
 * Invariants: a timer is in the heap once or not at all; a timer that fires is out of the heap. */
#ifndef HEALTHCHECK_SCHEDULE_H_
#define HEALTHCHECK_SCHEDULE_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HC_NEVER UINT64_MAX

struct hc_timer {
    uint64_t due_ns;
    /* The time has come; @now_ns is that of hc_schedule_step(). May set or clear any timer and free
     * the memory of this one. */
    void (*fire)(struct hc_timer *t, uint64_t now_ns);
    /* Private: the node of a pairing heap. `prev` is the parent for a first child, else the sibling
     * before it. */
    struct hc_timer *child;
    struct hc_timer *next;
    struct hc_timer *prev;
    bool set;
};

struct hc_schedule {
    struct hc_timer *root;
    size_t count;
};

void hc_schedule_init(struct hc_schedule *s);
/* Prepare @t, which is then not set. */
void hc_timer_init(struct hc_timer *t, void (*fire)(struct hc_timer *t, uint64_t now_ns));

/* Fire @t at @due_ns; replaces an earlier setting. */
void hc_schedule_set(struct hc_schedule *s, struct hc_timer *t, uint64_t due_ns);
/* Harmless when @t is not set. */
void hc_schedule_clear(struct hc_schedule *s, struct hc_timer *t);
/* When the next timer is due; HC_NEVER without one. */
uint64_t hc_schedule_next(const struct hc_schedule *s);
/* Fire what is due at @now_ns, earliest first, at most @max timers: the bound on the work of one
 * turn of the loop. Returns how many fired. */
unsigned hc_schedule_step(struct hc_schedule *s, uint64_t now_ns, unsigned max);

#endif
