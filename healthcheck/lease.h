/* Leases: the time that each session with a TTL still has (consul-surface.md 4.3).
 *
 * Owns the set of leases and their timers. A lease runs for twice the session's TTL from its
 * beginning or its last renewal; then the caller is told, once a second until the lease is dropped,
 * to end the session through the log. A lease that is not in the set begins at full length when it
 * is first seen, so a restart shortens none. Reads no clock and no store. One thread. Used inside
 * this folder only.
 *
 * Invariants: a lease has its timer set; one that has run out is never renewed. */
#ifndef HEALTHCHECK_LEASE_H_
#define HEALTHCHECK_LEASE_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "healthcheck/schedule.h"

struct hc_lease;

struct hc_leases {
    struct hc_schedule *schedule;
    /* The session @id has run out. The set must not be changed meanwhile. */
    void (*expired)(struct hc_leases *set, struct slice id);
    /* Private: by id, chained, 2^n heads. */
    struct hc_lease **heads;
    size_t n_heads;
    size_t count;
    uint64_t generation;
};

/* An empty set whose timers are in @schedule (borrowed). */
void hc_leases_init(struct hc_leases *set,
                    struct hc_schedule *schedule,
                    void (*expired)(struct hc_leases *set, struct slice id));
void hc_leases_fini(struct hc_leases *set);

/* Bring the set in line with a list: begin, keep() for each member, end, which drops the others. */
void hc_leases_begin(struct hc_leases *set);
/* The session @id (a uuid) exists at @now_ns; begins a lease if it has none. 0, E_NOMEM, or E_INVAL
 * when @id is too long for a uuid. */
int hc_leases_keep(struct hc_leases *set, struct slice id, int64_t ttl_ns, uint64_t now_ns);
void hc_leases_end(struct hc_leases *set);

/* The lease begins anew at @now_ns. E_NOTFOUND: there is none, or it has run out. */
int hc_leases_renew(struct hc_leases *set, struct slice id, uint64_t now_ns);

#endif
