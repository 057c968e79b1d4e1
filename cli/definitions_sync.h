/* Brings this node's services and checks in line with what the configuration files define.
 *
 * Records made here are of origin REG_ORIGIN_FILE. What a file defines wins over a registration
 * with the same id; what no file defines any more is deregistered; what came through the API stays.
 * A check that exists keeps its status. */
#ifndef CLI_DEFINITIONS_SYNC_H_
#define CLI_DEFINITIONS_SYNC_H_

#include "cli/config.h"
#include "registry/port.h"
#include "registry/store.h"

/* Write through the log what differs, one command for each definition, and wait. @c is finished.
 * On an error, which @e explains, what was written before stays. */
int definitions_sync(const struct config *c,
                     const char *node,
                     struct reg *store,
                     struct reg_proposer *proposer,
                     struct errmsg *e);

#endif
