/* The agent's parts in their order: store, replication, serving loops, health checks.
 *
 * Owns them all. Knows nothing of command lines and signals: see agent.c. */
#ifndef CLI_DAEMON_H_
#define CLI_DAEMON_H_

#include <stdint.h>

#include "base/err.h"
#include "cli/address.h"
#include "cli/config.h"
#include "cli/datadir.h"

/* What follows from the configuration and the machine, before anything runs. */
struct daemon_identity {
    char node_id[UUID_LEN + 1];
    char address[ADDRESS_SIZE]; /* advertised */
    struct addresses http;      /* n 0 when the port is off */
    struct addresses dns;
};

struct daemon;

/* Work out identity: expand addresses, find the advertised one, read or make the node id.
 * E_INVAL, E_NOTFOUND, E_UNSUPPORTED and I/O errors: @e names the key or file. */
int daemon_identify(struct daemon_identity *id,
                    const struct config *c,
                    const struct datadir *d,
                    struct errmsg *e);

/* Start everything; returns when requests are answered. All arguments are borrowed until
 * daemon_stop(). @leave and @reload are what the routes of these names call, from a serving loop:
 * they return at once. On an error nothing runs, and @e is one line for a person. */
int daemon_start(struct daemon **out,
                 const struct config *c,
                 const struct datadir *d,
                 const struct daemon_identity *id,
                 void (*leave)(void),
                 void (*reload)(void),
                 struct errmsg *e);
/* Take over from @fresh, which is finished, what can change while running: the node's metadata, and
 * the services and checks of the files. Borrows @fresh for the call; waits for the log. What was
 * changed before an error, which @e explains, stays changed. */
int daemon_reload(struct daemon *d, const struct config *fresh, struct errmsg *e);
/* Stop answering, finish what is in the log, close the store. NULL is fine. */
void daemon_stop(struct daemon *d);

#endif
