/* The entry is measured first and then filled into memory of just that size: the library keeps it
 * until the log is trimmed, so slack would cost twice. */
#include "raft/proposer.h"

#include <assert.h>
#include <stdlib.h>

#include "base/err.h"

void proposer_init(struct proposer *p)
{
    list_init(&p->waiting);
    p->count = 0;
}

void proposer_add(struct proposer *p, struct reg_proposal *proposal)
{
    list_push(&p->waiting, &proposal->reply.link);
    p->count++;
}

static struct reg_proposal *of(struct list *link)
{
    return container_of(link, struct reg_proposal, reply.link);
}

struct reg_proposal *proposer_take(struct proposer *p)
{
    struct list *link = list_pop(&p->waiting);
    if (link == NULL) {
        return NULL;
    }
    p->count--;
    return of(link);
}

/* How many of the oldest fit, and the size of the entry they make. */
static unsigned measure(struct proposer *p, size_t *len)
{
    unsigned n = 0;
    *len = REG_BATCH_HEADER;
    for (struct list *at = p->waiting.next; at != &p->waiting; at = at->next) {
        size_t with = *len + of(at)->cmd.len;
        if (n == REG_BATCH_COMMANDS_MAX || (n > 0 && with > REG_BATCH_SIZE_MAX)) {
            break;
        }
        *len = with;
        n++;
    }
    *len = (*len + 7) / 8 * 8;
    return n;
}

int proposer_join(struct proposer *p, int64_t wall_ns, struct proposer_batch *b)
{
    assert(!list_empty(&p->waiting));
    size_t len;
    unsigned n = measure(p, &len);
    struct buf out = {malloc(len), 0, len, len, false};
    if (out.p == NULL) {
        return E_NOMEM;
    }
    reg_batch_begin(&out, wall_ns);
    list_init(&b->proposals);
    for (unsigned i = 0; i < n; i++) {
        struct reg_proposal *proposal = proposer_take(p);
        buf_add_slice(&out, buf_slice(&proposal->cmd));
        list_push(&b->proposals, &proposal->reply.link);
    }
    reg_batch_end(&out, n);
    assert(buf_ok(&out) && out.len == len);
    b->count = n;
    b->entry = buf_take(&out, &b->len);
    return 0;
}
