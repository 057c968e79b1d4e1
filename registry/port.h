/* The two doors through which folders that do not know each other ask for work.
 *
 * - A *proposer* takes commands to the log (raft/ implements it; api/ and healthcheck/ use it).
 * - A *prober* owns the live side of this node's checks (TTL timers, the newest outputs) and the
 *   leases of sessions (healthcheck/ implements it; api/ uses it).
 *
 * Both take an embedded request, own it until they are done, then push it to the `reply` queue that
 * the asker named. The asker's thread takes it from there and calls `done`. Exactly one reply for
 * each accepted request; a refused one (the call returned an error) is not touched. */
#ifndef REGISTRY_PORT_H_
#define REGISTRY_PORT_H_

#include "base/buf.h"
#include "base/list.h"
#include "base/queue.h"
#include "registry/command.h"

/* What comes back through a reply queue. */
struct reg_reply {
    struct list link;
    struct queue *to;
    /* On the asker's thread, by whoever drains @to. May free the request that embeds this. */
    void (*done)(struct reg_reply *reply);
};

/* Drain @q: calls done() of each reply. Returns how many. */
size_t reg_replies_run(struct queue *q);

/* One command on its way through the log. */
struct reg_proposal {
    struct reg_reply reply;
    struct buf cmd; /* one encoded command; owned by whoever made the proposal, freed by them */
    /* 0: committed, applied and visible to readers; see result. E_NOTLEADER, E_TIMEOUT (no leader
     * in time): surely not applied. E_UNKNOWN: it may be applied yet. E_CANCELED: shutting down. */
    int status;
    struct reg_result result;
};

struct reg_proposer {
    /* Any thread. 0: accepted. E_FULL: too many wait; answer "try again". E_TOOBIG: the command is
     * above REG_COMMAND_SIZE_MAX. E_CANCELED: shutting down. */
    int (*propose)(struct reg_proposer *self, struct reg_proposal *p);
};

/* The newest output of one check, which may be ahead of the store (outputs alone are written only
 * now and then). */
struct reg_live_check {
    struct slice check_id;
    struct slice status;
    struct slice output;
};

struct reg_probe_req {
    struct reg_reply reply;
    enum { REG_PROBE_REQ_TTL, REG_PROBE_REQ_LIVE, REG_PROBE_REQ_RENEW } op;
    /* TTL: set this check. Borrowed from the asker until the reply. */
    struct slice check_id;
    struct slice status; /* "passing", "warning", "critical" */
    struct slice output;
    struct slice
        session; /* RENEW: the id of the session whose TTL begins anew; borrowed likewise */
    /* Answer. RENEW: 0; E_NOTFOUND: it is gone, or just runs out. TTL: 0 once the change, if there
     * was one, is committed; E_NOTFOUND: no such check on this node; E_INVAL: it is no TTL check;
     * else as reg_proposal.status. */
    int code;
    /* LIVE: each check of this node with its newest status and output, in no order. The slices
     * point into @text; the asker frees @live and the buffer. */
    struct reg_live_check *live;
    size_t n_live;
    struct buf text;
};

struct reg_prober {
    /* Any thread. 0: accepted. E_FULL, E_CANCELED. */
    int (*submit)(struct reg_prober *self, struct reg_probe_req *req);
};

#endif
