/* The store holds what was last written of a check; its newest output may still be with the prober,
 * since outputs alone are written only now and then. The agent's own routes show the newest. */
#include <stdlib.h>

#include "api/handlers.h"

void live_ask(struct api_req *r, void (*done)(struct api_req *r, struct reg_probe_req *live))
{
    struct reg_probe_req q = {.op = REG_PROBE_REQ_LIVE};
    if (r->server->prober == NULL) {
        done(r, &q);
    } else {
        api_probe(r, &q, done);
    }
}

static int live_cmp(const void *a, const void *b)
{
    const struct reg_live_check *x = a;
    const struct reg_live_check *y = b;
    return slice_cmp(x->check_id, y->check_id);
}

void live_sort(struct reg_probe_req *live)
{
    if (live->n_live > 1) {
        qsort(live->live, live->n_live, sizeof *live->live, live_cmp);
    }
}

void live_apply(const struct reg_probe_req *live, struct reg_check *c)
{
    struct reg_live_check wanted = {.check_id = c->check_id};
    const struct reg_live_check *found =
        live->n_live == 0 ? NULL
                          : bsearch(&wanted, live->live, live->n_live, sizeof wanted, live_cmp);
    if (found != NULL) {
        c->status = found->status;
        c->output = found->output;
    }
}
