/* Which slot is newer follows from its content alone: the term grows, and within a term a vote is
 * given once. */
#include "raft/votefile.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

enum { SLOTS = 2, SLOT_STEP = 4096 };

static int write_slot(struct votefile *v, unsigned slot, struct errmsg *e)
{
    char bytes[TERM_SLOT];
    term_slot_encode(bytes, &v->now);
    struct iovec iov = {bytes, sizeof bytes};
    int sys = 0;
    int rc = file_write_all(v->ops, v->fd, &iov, 1, (uint64_t)slot * SLOT_STEP, &sys);
    if (rc == 0 && v->sync && v->ops->fdatasync(v->fd) != 0) {
        sys = errno;
        rc = err_from_errno(sys);
    }
    return rc == 0 ? 0 : err_set(e, rc, "cannot write %s: %s", v->path, strerror(sys));
}

static bool newer(const struct term_slot *a, const struct term_slot *b)
{
    return a->term > b->term || (a->term == b->term && a->voted_for != 0 && b->voted_for == 0);
}

/* Find the slot that counts and mend the other. */
static int judge(struct votefile *v,
                 const struct term_slot slots[SLOTS],
                 const bool good[SLOTS],
                 struct errmsg *e)
{
    if (!good[0] && !good[1]) {
        return err_set(
            e, E_CORRUPT,
            "%s is damaged: the vote of this server is lost. Nothing was changed. Restore "
            "the raft directory from a backup, or delete it together with the data of "
            "this server",
            v->path);
    }
    unsigned best = good[0] && (!good[1] || !newer(&slots[1], &slots[0])) ? 0 : 1;
    if (slots[best].server_id != v->now.server_id) {
        return err_set(e, E_UNSUPPORTED,
                       "%s was written by the server with raft id %" PRIu64 ", this is %" PRIu64
                       ". Start the right server, or give this one an empty directory",
                       v->path, slots[best].server_id, v->now.server_id);
    }
    v->now = slots[best];
    unsigned other = 1 - best;
    if (good[other] && !newer(&slots[best], &slots[other])) {
        return 0;
    }
    log_warn("raft", "Mended the vote file: file=%s term=%" PRIu64 " damaged_slot=%u", v->path,
             v->now.term, other);
    return write_slot(v, other, e);
}

/* The second slot is written when the first is safe; while it is blank, a bad first one is what is
 * left of the very first change, which nobody relied on yet. */
static int read_slots(struct votefile *v, struct errmsg *e)
{
    struct term_slot slots[SLOTS];
    bool good[SLOTS];
    bool blank = false;
    memset(slots, 0, sizeof slots);
    for (unsigned i = 0; i < SLOTS; i++) {
        char bytes[TERM_SLOT] = {0};
        static const char nothing[TERM_SLOT];
        size_t got = 0;
        int rc = file_read(v->ops, v->fd, bytes, sizeof bytes, (uint64_t)i * SLOT_STEP, &got);
        if (rc != 0) {
            return err_set(e, rc, "cannot read %s: %s", v->path, err_text(rc));
        }
        good[i] = term_slot_decode(slice_of(bytes, got), &slots[i]) == 0;
        blank = memcmp(bytes, nothing, sizeof bytes) == 0;
    }
    if (blank && !good[0]) {
        return 0;
    }
    return judge(v, slots, good, e);
}

int votefile_open(struct votefile *v,
                  const char *dir,
                  uint64_t server_id,
                  bool sync,
                  const struct file_ops *ops,
                  struct errmsg *e)
{
    memset(v, 0, sizeof *v);
    v->ops = ops;
    v->now.server_id = server_id;
    v->sync = sync;
    v->fd = -1;
    if (asprintf(&v->path, "%s/vote", dir) < 0) {
        v->path = NULL;
        return err_set(e, E_NOMEM, "%s", err_text(E_NOMEM));
    }
    v->fd = ops->open(v->path, O_RDWR | O_CREAT, 0600);
    int rc = 0;
    if (v->fd < 0 || ops->sync_dir(dir) != 0) {
        rc = err_set(e, err_from_errno(errno), "cannot open %s: %s", v->path, strerror(errno));
    } else {
        rc = read_slots(v, e);
    }
    if (rc != 0) {
        votefile_close(v);
    }
    return rc;
}

void votefile_close(struct votefile *v)
{
    if (v->fd >= 0) {
        (void)v->ops->close(v->fd); /* every change was synced */
    }
    free(v->path);
    v->path = NULL;
    v->fd = -1;
}

int votefile_set(struct votefile *v, uint64_t term, uint64_t voted_for, struct errmsg *e)
{
    v->now.term = term;
    v->now.voted_for = voted_for;
    for (unsigned i = 0; i < SLOTS; i++) {
        int rc = write_slot(v, i, e);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}
