/* The library's disk and network: a `struct raft_io` over our log store, writer thread and uv loop.
 *
 * Owns the tick timer, what the core remembers of the log (struct entrymap), the snapshot that is
 * being stored and its helper thread. Borrows the log store, the vote file and the transport. Term
 * and vote are written on the core thread, before the call returns, as the library wants it;
 * entries go through the writer.
 *
 * Core thread only, but for the helper thread inside. A failed write ends the process. */
#ifndef RAFT_IO_UV_H_
#define RAFT_IO_UV_H_

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "base/list.h"
#include "base/queue.h"
#include "base/rand.h"
#include "raft/compat.h"
#include "raft/entrymap.h"
#include "raft/logstore.h"
#include "raft/transport.h"
#include "raft/votefile.h"
#include "raft/writer.h"

struct io {
    struct raft_io raft; /* for guard_init() */
    struct entrymap entries;
    uint64_t snapshot_index; /* of the last one stored */
    /* Private. */
    const struct file_ops *ops;
    struct logstore *store;
    struct votefile vote;
    struct writer writer;
    struct queue done; /* finished writer jobs */
    uv_loop_t *loop;
    uv_timer_t timer;
    void (*wake)(void *arg);
    void *wake_arg;
    int (*checkpoint)(void *arg, const struct snapshot_token *token, struct errmsg *e);
    void *checkpoint_arg;
    struct repl_transport *transport;
    raft_io_tick_cb tick;
    raft_io_recv_cb recv;
    raft_io_close_cb closed;
    struct rng rng;
    struct list later; /* callbacks for the next turn of the loop */
    struct raft_entry *loaded;
    size_t n_loaded;
    size_t cap_loaded;
    struct logstore_state state;
    struct errmsg why; /* what io_bootstrap() failed of; the library only passes a code on */
    bool writing;      /* the writer runs */
    unsigned puts;     /* snapshots being stored: 0 or 1 */
};

struct io_options {
    const char *dir;
    uint64_t server_id;
    bool sync;
    const struct file_ops *ops;
    void (*wake)(void *arg); /* any thread: make the core call io_run() */
    /* On a thread of its own: make the store durable at least up to the token's entry. */
    int (*checkpoint)(void *arg, const struct snapshot_token *token, struct errmsg *e);
    void *arg; /* of both */
    struct repl_transport *transport;
};

/* Read the directory: vote, snapshot, log. The errors of logstore_open() and votefile_open(); also
 * E_CORRUPT when there is a log but no vote. */
int io_open(struct io *io, const struct io_options *o, struct errmsg *e);
/* Nothing was ever stored here. */
bool io_pristine(const struct io *io);
/* The token of the snapshot that was loaded; zeros, and false, when there is none. */
bool io_token(const struct io *io, struct snapshot_token *token);
/* Start the writer; from now on @loop's thread owns @io. 0 or E_NOMEM. */
int io_start(struct io *io, uv_loop_t *loop);
/* On the core, after a wake: hand back what is finished. */
void io_run(struct io *io);
/* The loop has ended (or never ran): stop the writer, close the files, free. */
void io_close(struct io *io);

/* The transport has a message for us. Its content goes over to the library. */
void io_deliver(struct io *io, struct raft_message *m);

/* ---- shared by io_uv.c and io_snapshot_uv.c only ---- */

/* A callback for the next turn of the loop: embed it. */
struct io_later {
    struct list link;
    void (*run)(struct io_later *l);
};
void io_call_later(struct io *io, struct io_later *l, void (*run)(struct io_later *));
/* @p; ends the process when it is NULL. */
void *io_must(void *p);
/* What the library wants, made from what the log store has. NULL without memory. */
struct raft_snapshot *io_snapshot_build(const struct snapshot_meta *m);
int io_snapshot_put(struct raft_io *raft,
                    unsigned trailing,
                    struct raft_io_snapshot_put *req,
                    const struct raft_snapshot *snapshot,
                    raft_io_snapshot_put_cb cb);
int io_snapshot_get(struct raft_io *raft,
                    struct raft_io_snapshot_get *req,
                    raft_io_snapshot_get_cb cb);

#endif
