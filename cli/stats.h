/* What the agent says about itself: the figures of agent/self and `rollcall info`. */
#ifndef CLI_STATS_H_
#define CLI_STATS_H_

#include <stdbool.h>
#include <stdint.h>

#include "api/api.h"
#include "cli/config.h"
#include "raft/repl.h"
#include "registry/store.h"

/* Where the figures come from; borrowed. */
struct stats {
    const struct config *config;
    struct reg *store;
    struct repl *repl;
    _Atomic int64_t stable_since_ns; /* wall clock: the last change of leadership */
};

/* For struct api_server; @arg is a struct stats. Any thread. */
void stats_leadership(void *arg, bool *known, char address[128], uint64_t *last_contact_ms);
void stats_raft(void *arg, struct api_raft *out);
void stats_each(void *arg,
                void (*each)(void *to, const char *section, const char *key, const char *value),
                void *to);

#endif
