/* This server's own entries in the catalog: its node, service "consul" and check serfHealth. */
#ifndef CLI_SELF_H_
#define CLI_SELF_H_

#include <stdint.h>

#include "base/err.h"
#include "cli/config.h"
#include "registry/port.h"
#include "registry/store.h"

struct self {
    const struct config *config;
    const char *node_id;
    const char *address; /* advertised */
};

/* Write the entries through the log if they differ from what the store holds, and wait for it.
 * E_EXISTS and the like: the log refused them, @e says why. */
int self_register(const struct self *self,
                  struct reg *store,
                  struct reg_proposer *proposer,
                  struct errmsg *e);

#endif
