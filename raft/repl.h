/* Replication: takes commands to the Raft log and applies what commits to the store.
 *
 * Owns the core thread (libraft behind the guard, the proposer), the log writer thread and the
 * state-machine thread. At most one log entry is in flight; what arrives meanwhile joins the next
 * one. Any disk error, or a broken invariant, ends the process (log_fatal); a restart recovers. */
#ifndef RAFT_REPL_H_
#define RAFT_REPL_H_

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "registry/port.h"
#include "registry/store.h"

struct repl;

struct repl_options {
    const char *dir;           /* the log's directory; made when missing */
    struct reg *store;         /* borrowed; repl is its only writer from repl_start to repl_stop */
    uint64_t id;               /* Raft id, not 0; derived from the node id */
    const char *address;       /* "host:port" of this server's port 8300 */
    bool bootstrap;            /* a new directory becomes a cluster of one */
    bool sync;                 /* false: no fdatasync (only for -dev) */
    unsigned election_ms;      /* 0 = 1000 */
    unsigned heartbeat_ms;     /* 0 = 100 */
    uint64_t snapshot_bytes;   /* log bytes after which a checkpoint is made; 0 = 16 MiB */
    uint64_t snapshot_entries; /* the same in entries; 0 = 32768 */
    uint64_t trailing_bytes;   /* log bytes kept behind a checkpoint; 0 = 4 MiB */
    unsigned queue_max;        /* proposals waiting; 0 = 65536 */
    void (*on_leader)(void *arg, bool leader); /* core thread; may be NULL; must not block */
    void *on_leader_arg;
};

/* Load the log, start the threads, replay what the store lacks. Returns when entries can be
 * proposed (a single voter: when it leads and its first barrier is applied).
 * E_CORRUPT: damage in the middle of the log or in the term file, or log and store do not fit
 * together; @e says which file and what to do. E_DENIED, E_NOSPACE, E_IO; E_UNSUPPORTED: the
 * directory belongs to another server id; E_BUSY: another process uses it. */
int repl_start(struct repl **out, const struct repl_options *o, struct errmsg *e);

/* Refuse new proposals, finish those in the log, cancel the rest, stop the threads, free. */
void repl_stop(struct repl *r);

/* The door for commands; lives as long as @r. */
struct reg_proposer *repl_proposer(struct repl *r);

/* A snapshot of where replication stands. Any thread. */
struct repl_info {
    int state; /* RAFT_FOLLOWER, RAFT_CANDIDATE, RAFT_LEADER of raft.h */
    bool leader;
    char leader_address[128]; /* "" when unknown */
    uint64_t leader_id;
    uint64_t term;
    uint64_t last_index; /* last log entry */
    uint64_t commit_index;
    uint64_t applied_index;   /* applied to the store */
    uint64_t last_contact_ms; /* since the leader was heard; 0 on the leader */
    uint64_t snapshot_index;
    uint64_t entries, commands, syncs; /* since start: log entries, commands in them, fdatasyncs */
    unsigned peers;                    /* servers in the configuration */
};
void repl_info(struct repl *r, struct repl_info *out);

#endif
