/* The seam to the other servers. For raft/ only.
 *
 * A transport takes messages and reports for each, later and exactly once, whether it went out;
 * what it receives it gives to io_deliver(). With no transport every message fails: a cluster of
 * one. */
#ifndef RAFT_TRANSPORT_H_
#define RAFT_TRANSPORT_H_

#include "raft/compat.h"

struct repl_transport {
    /* Take @m for server m->server_id. Borrowed until done(@arg, status) is called, which must not
     * happen inside this call; status is 0 or RAFT_NOCONNECTION. Never fails by itself. */
    void (*send)(struct repl_transport *t,
                 const struct raft_message *m,
                 void (*done)(void *arg, int status),
                 void *arg);
};

#endif
