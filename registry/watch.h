/* Watch keys: the names under which a change is announced, and who waits for which.
 *
 * Each commit yields a `struct reg_changes`, the set of keys that it touched. A serving loop keeps
 * one `struct reg_watch` table; cached answers and parked queries subscribe there to keys and are
 * called when a change touches one. So a waiter wakes only when its own resource changed
 * (DESIGN.md decision 7).
 *
 * Keys are 64-bit hashes of kind and (lower-cased) name: a collision can only cause a needless
 * wake-up, never a missed one. KV keys are carried in full, since they also drive prefixes. */
#ifndef REGISTRY_WATCH_H_
#define REGISTRY_WATCH_H_

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/slice.h"

enum reg_watch_kind {
    REG_W_NODES = 1,      /* the list of nodes */
    REG_W_SERVICES,       /* the map of service names to tags */
    REG_W_CHECKS,         /* any check */
    REG_W_KVS,            /* any key (use the two below where possible) */
    REG_W_NODE,           /* + node name: the node and its services */
    REG_W_NODE_CHECKS,    /* + node name: the checks on the node */
    REG_W_SERVICE,        /* + service name: instances, their nodes, their checks */
    REG_W_SERVICE_CHECKS, /* + service name: the checks bound to it */
    REG_W_STATE_CHECKS,   /* + status text: checks that are, or just were, in it */
    REG_W_AGENT,          /* + node name: what the agent routes of that node show; drives probing */
    REG_W_KEY,            /* + key: exactly this KV key */
    REG_W_PREFIX,         /* + prefix: any KV key that starts with it. Subscribe only */
    REG_W_SESSIONS,       /* any session */
    REG_W_EVENTS,         /* user events */
    REG_W_COORDS,         /* network coordinates */
    REG_W_QUERIES         /* prepared queries */
};

/* The hash of @kind and @name (lower-cased but for KEY and PREFIX; empty for the tables). */
uint64_t reg_watch_key(enum reg_watch_kind kind, struct slice name);

/* What one commit touched: immutable once published, shared by all readers. */
struct reg_changes {
    atomic_uint refs;
    uint64_t index; /* registry index after the commit */
    unsigned n_hashes;
    const uint64_t *hashes; /* all kinds but PREFIX */
    struct slice keys;      /* KV keys touched, for the prefixes: u32 length, bytes, ... */
    bool all;               /* everything may have changed (restore): wake all */
};
void reg_changes_unref(struct reg_changes *c);

/* One subscription: embed it, zeroed, with list_init(&sub.link) and the first two fields set. */
struct reg_sub {
    /* The key was touched. May unsubscribe and free anything, also itself. */
    void (*touched)(struct reg_sub *sub);
    /* True: whoever owns the reader need not be woken for this one; it is content to be told at the
     * next reg_reader_sync() (cached answers). False: parked queries and the like. */
    bool lazy;
    /* Private. */
    struct list link;
    uint64_t hash;
    uint32_t prefix_len; /* REG_W_PREFIX: its length; else UINT32_MAX */
};

struct reg_watch;
/* One thread only. Returns NULL without memory. */
struct reg_watch *reg_watch_new(void);
void reg_watch_free(struct reg_watch *w); /* nobody may be subscribed; NULL is fine */

/* Subscribe @sub (its `touched` is set) to (@kind, @name). Returns 0 or E_NOMEM. A prefix longer
 * than 4096 bytes subscribes to its first 4096: more wake-ups, none missed. */
int reg_watch_add(struct reg_watch *w,
                  struct reg_sub *sub,
                  enum reg_watch_kind kind,
                  struct slice name);
/* Harmless when @sub is not subscribed but was list_init()ed. */
void reg_watch_remove(struct reg_watch *w, struct reg_sub *sub);
/* Any thread: might @c touch a subscriber that is not lazy? Errs towards true. */
bool reg_watch_wants(const struct reg_watch *w, const struct reg_changes *c);
/* Call every subscriber that @c touches, at most once for each touched key. */
void reg_watch_fire(struct reg_watch *w, const struct reg_changes *c);
size_t reg_watch_count(const struct reg_watch *w);

#endif
