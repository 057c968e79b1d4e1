/* The snapshot calls of our `struct raft_io`: storing one takes three threads in turn. A helper
 * makes the store's state durable (a checkpoint may take long), the writer stores the metadata and
 * trims the log, the core tells the library. */
#include "raft/io_uv.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

/* Build what the library wants from what the log store has. NULL without memory. */
struct raft_snapshot *io_snapshot_build(const struct snapshot_meta *m)
{
    struct raft_snapshot *s = raft_calloc(1, sizeof *s);
    if (s == NULL) {
        return NULL;
    }
    s->index = m->index;
    s->term = m->term;
    s->configuration_index = m->configuration_index;
    raft_configuration_init(&s->configuration);
    for (unsigned i = 0; i < m->n_servers; i++) {
        const struct snapshot_server *from = &m->servers[i];
        char *address = strndup(from->address.p == NULL ? "" : from->address.p, from->address.len);
        int rc = address == NULL
                     ? RAFT_NOMEM
                     : raft_configuration_add(&s->configuration, from->id, address, from->role);
        free(address);
        if (rc != 0) {
            goto err;
        }
    }
    s->bufs = raft_malloc(sizeof *s->bufs);
    void *token = raft_malloc(m->token.len + 1);
    if (s->bufs == NULL || token == NULL) {
        raft_free(s->bufs);
        raft_free(token);
        goto err;
    }
    memcpy(token, m->token.p == NULL ? "" : m->token.p, m->token.len);
    s->bufs[0] = (struct raft_buffer){token, m->token.len};
    s->n_bufs = 1;
    return s;
err:
    raft_configuration_close(&s->configuration);
    raft_free(s);
    return NULL;
}

/* A snapshot on its way: the helper thread makes the store's state durable, then the writer stores
 * the metadata and trims the log. */
struct put {
    struct writer_job job;
    struct raft_io_snapshot_put *req;
    struct io *io;
    struct snapshot_token token;
    struct snapshot_server servers[SNAPSHOT_SERVERS_MAX];
    pthread_t thread;
    bool helped;
    int status; /* of the checkpoint, one of ours */
};

static void on_put_done(struct writer_job *job)
{
    struct put *p = container_of(job, struct put, job);
    struct io *io = p->io;
    struct raft_io_snapshot_put *req = p->req;
    int status = p->status == 0 ? 0 : p->status == E_NOSPACE ? RAFT_NOSPACE : RAFT_IOERR;
    if (p->helped) {
        (void)pthread_join(p->thread, NULL); /* it pushed the job last, so it ends now */
    }
    if (status == 0) {
        uint64_t first = p->job.discard ? p->job.meta.index + 1 : p->job.meta.first;
        if (p->job.discard) {
            entrymap_fini(&io->entries);
            entrymap_init(&io->entries, first);
        }
        entrymap_trim(&io->entries, first);
        io->snapshot_index = p->job.meta.index;
        log_info("raft", "Stored a snapshot: index=%" PRIu64 " log_first=%" PRIu64,
                 p->job.meta.index, first);
    }
    io->puts--;
    free(p);
    req->cb(req, status);
}

static void *help(void *arg)
{
    struct put *p = arg;
    struct io *io = p->io;
    struct errmsg e = {""};
    p->status = io->checkpoint(io->checkpoint_arg, &p->token, &e);
    if (p->status != 0) {
        log_warn("raft", "Cannot write a checkpoint, the log goes on growing: error=\"%s\"",
                 e.text);
        (void)queue_push_reply(&io->done, &p->job.link); /* open while a snapshot is under way */
        return NULL;
    }
    writer_push(&io->writer, &p->job);
    return NULL;
}

static void put_fill(struct put *p, unsigned trailing, const struct raft_snapshot *s)
{
    uint64_t kept = trailing < s->index ? trailing : s->index - 1;
    uint64_t first = s->index - kept + 1;
    uint64_t oldest = p->io->entries.first;
    for (unsigned i = 0; i < s->configuration.n; i++) {
        const struct raft_server *from = &s->configuration.servers[i];
        p->servers[i] =
            (struct snapshot_server){from->id, (uint8_t)from->role, slice_str(from->address)};
    }
    p->job.meta = (struct snapshot_meta){
        .index = s->index,
        .term = s->term,
        .first = first > oldest ? first : oldest,
        .configuration_index = s->configuration_index,
        .servers = p->servers,
        .n_servers = s->configuration.n,
        .token = slice_of(s->bufs[0].base, s->bufs[0].len),
    };
    p->job.discard = trailing == 0;
}

int io_snapshot_put(struct raft_io *raft,
                    unsigned trailing,
                    struct raft_io_snapshot_put *req,
                    const struct raft_snapshot *snapshot,
                    raft_io_snapshot_put_cb cb)
{
    struct io *io = container_of(raft, struct io, raft);
    assert(io->puts == 0); /* the library stores one at a time */
    if (snapshot->configuration.n > SNAPSHOT_SERVERS_MAX || snapshot->n_bufs != 1) {
        return RAFT_INVALID;
    }
    struct put *p = io_must(calloc(1, sizeof *p));
    req->cb = cb;
    p->req = req;
    p->io = io;
    list_init(&p->job.link);
    p->job.kind = WRITER_SNAPSHOT;
    p->job.done = on_put_done;
    put_fill(p, trailing, snapshot); /* the snapshot stays until the callback */
    if (snapshot_token_decode(p->job.meta.token, &p->token) != 0) {
        free(p);
        return RAFT_MALFORMED;
    }
    io->puts++;
    if (p->job.discard) {
        writer_push(&io->writer, &p->job); /* its state came before it */
        return 0;
    }
    p->helped = true;
    if (pthread_create(&p->thread, NULL, help, p) != 0) {
        p->helped = false;
        p->status = E_NOMEM;
        (void)queue_push_reply(&io->done, &p->job.link); /* open while the core runs */
    }
    return 0;
}

struct get {
    struct io_later later;
    struct raft_io_snapshot_get *req;
    struct io *io;
};

/* The writer may replace the file at the same time, so it is read, not the writer's copy. */
static void get_run(struct io_later *l)
{
    struct get *g = container_of(l, struct get, later);
    struct raft_io_snapshot_get *req = g->req;
    struct io *io = g->io;
    free(g);
    struct snapshot_meta meta;
    struct snapshot_server servers[SNAPSHOT_SERVERS_MAX];
    struct raft_snapshot *s = NULL;
    struct buf bytes = BUF_INIT;
    int rc = logstore_snapshot_read(io->store, &bytes);
    if (rc == 0 && snapshot_meta_decode(buf_slice(&bytes), &meta, servers) == 0) {
        s = io_snapshot_build(&meta);
    }
    buf_fini(&bytes);
    req->cb(req, s, s != NULL ? 0 : RAFT_NOTFOUND);
}

int io_snapshot_get(struct raft_io *raft,
                    struct raft_io_snapshot_get *req,
                    raft_io_snapshot_get_cb cb)
{
    struct io *io = container_of(raft, struct io, raft);
    struct get *g = io_must(calloc(1, sizeof *g));
    req->cb = cb;
    g->req = req;
    g->io = io;
    io_call_later(io, &g->later, get_run);
    return 0;
}
