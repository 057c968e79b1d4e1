/* The reply comes through a queue of one that lives on the stack of who waits. */
#include "cli/propose.h"

static void on_reply(struct reg_reply *reply)
{
    (void)reply; /* the proposal lies on the stack of who waits */
}

int propose_and_wait(struct reg_proposer *proposer,
                     struct buf *cmd,
                     struct reg_result *out,
                     struct errmsg *e)
{
    struct queue replies;
    struct reg_proposal p = {.reply = {.to = &replies, .done = on_reply}, .cmd = *cmd};
    struct list got;
    queue_init(&replies, 1, NULL, NULL);
    list_init(&got);
    int rc = buf_ok(cmd) ? proposer->propose(proposer, &p) : E_NOMEM;
    if (rc == 0) {
        size_t n = queue_wait(&replies, &got);
        (void)n; /* exactly one reply comes, and the queue is never closed before */
        rc = p.status;
    }
    *cmd = p.cmd;
    struct list *l = list_pop(&got);
    (void)l; /* the link of p */
    queue_fini(&replies);
    if (rc != 0) {
        return err_set(e, rc, "%s", err_text(rc));
    }
    if (out != NULL) {
        *out = p.result;
    }
    return p.result.status == 0 ? 0 : err_set(e, p.result.status, "%s", p.result.text);
}
