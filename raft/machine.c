/* The library counts entries; we count bytes too, and set its threshold to "now" or "never". */
#include "raft/machine.h"

#include <assert.h>
#include <inttypes.h>

#include "base/log.h"
#include "registry/store.h"

enum { THRESHOLD_NEVER = 1u << 30 /* entries: our own thresholds come first */ };

void machine_steer(struct machine *m)
{
    bool due = m->since_bytes >= m->o.snapshot_bytes || m->since_entries >= m->o.snapshot_entries;
    raft_set_snapshot_threshold(m->o.raft, due ? 1 : THRESHOLD_NEVER);
}

static int on_fsm_apply(struct raft_fsm *fsm, const struct raft_buffer *buf, void **result)
{
    struct machine *m = fsm->data;
    *result = NULL;
    uint64_t index = raft_last_applied(m->o.raft) + 1; /* true in both lines of the library */
    uint64_t term = entrymap_term(&m->o.io->entries, index);
    assert(term > 0);
    unsigned n = 0;
    struct list *proposals = m->o.claim(m->o.arg, index, &n);
    fsm_push(&m->fsm, index, term, slice_of(buf->base, buf->len), proposals, n);
    m->last_command = (struct snapshot_token){index, term};
    m->since_bytes += entrymap_size(&m->o.io->entries, index);
    m->since_entries++;
    machine_steer(m);
    return 0;
}

static int on_fsm_snapshot(struct raft_fsm *fsm, struct raft_buffer *bufs[], unsigned *n_bufs)
{
    struct machine *m = fsm->data;
    if (!guard_may_snapshot(m->o.guard)) {
        return RAFT_BUSY;
    }
    *bufs = raft_malloc(sizeof **bufs);
    char *token = raft_malloc(SNAPSHOT_TOKEN);
    if (*bufs == NULL || token == NULL) {
        raft_free(*bufs);
        raft_free(token);
        return RAFT_BUSY;
    }
    snapshot_token_encode(token, &m->last_command);
    (*bufs)[0] = (struct raft_buffer){token, SNAPSHOT_TOKEN};
    *n_bufs = 1;
    uint64_t keep =
        entrymap_fit(&m->o.io->entries, raft_last_applied(m->o.raft), m->o.trailing_bytes);
    /* 0 would mean "drop the whole log". */
    raft_set_snapshot_trailing(m->o.raft, keep > 0 ? (unsigned)keep : 1);
    /* Counting begins anew even if the snapshot fails: that spaces the attempts. */
    m->since_bytes = 0;
    m->since_entries = 0;
    machine_steer(m);
    return 0;
}

/* At start-up repl_start() has checked the token already. */
static int on_fsm_restore(struct raft_fsm *fsm, struct raft_buffer *buf)
{
    struct machine *m = fsm->data;
    struct snapshot_token token;
    uint64_t applied = fsm_committed(&m->fsm);
    if (snapshot_token_decode(slice_of(buf->base, buf->len), &token) != 0 ||
        token.index > applied) {
        log_fatal("raft",
                  "The log was cut behind what the store holds, ending. Restore the data directory "
                  "from a backup, or delete it and let this server join again: applied=%" PRIu64,
                  applied);
    }
    m->last_command = token;
    raft_free(buf->base);
    return 0;
}

int machine_checkpoint(struct machine *m, const struct snapshot_token *token, struct errmsg *e)
{
    fsm_wait(&m->fsm, token->index);
    uint64_t index = 0;
    uint64_t term = 0;
    int rc = reg_checkpoint(m->o.store, &index, &term, e);
    assert(rc != 0 || index >= token->index);
    return rc;
}

void machine_init(struct machine *m, const struct machine_options *o)
{
    m->o = *o;
    m->raft_fsm = (struct raft_fsm){
        .version = 1,
        .data = m,
        .apply = on_fsm_apply,
        .snapshot = on_fsm_snapshot,
        .restore = on_fsm_restore,
    };
}
