/* The autopilot configuration: one record for the cluster, replicated like all else.
 *
 * Until somebody writes one, Consul's defaults hold, with an index of 1. One server has no use for
 * it yet; it is stored so that tools which read, change and compare it find what they wrote. */
#ifndef REGISTRY_AUTOPILOT_H_
#define REGISTRY_AUTOPILOT_H_

#include "registry/store.h"

struct reg_autopilot {
    bool cleanup_dead_servers;
    bool disable_upgrade_migration;
    int64_t last_contact_threshold_ns;
    int64_t server_stabilization_ns;
    uint64_t max_trailing_logs;
    uint64_t min_quorum;
    struct slice redundancy_zone_tag;
    struct slice upgrade_version_tag;
    uint64_t create_index; /* not part of a command */
    uint64_t modify_index;
};

/* Append the command that writes @a; with @cas only if the stored ModifyIndex is @index: else the
 * result is not ok and nothing changes. */
void reg_command_autopilot(struct buf *b, const struct reg_autopilot *a, bool cas, uint64_t index);

/* What is stored, or the defaults; inside reg_read_begin() and reg_read_end(). */
void reg_autopilot_get(struct reg_reader *rd, struct reg_autopilot *out);

/* Writer only, from apply: the body of a command. E_CORRUPT: it does not decode. */
int apply_autopilot(struct reg *r, struct slice body, struct reg_result *out);

#endif
