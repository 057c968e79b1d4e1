/* A chained hash table that doubles when there are more checks than heads. A definition is kept
 * encoded, in about 200 bytes, and decoded for each run; equal definitions have equal bytes. */
#include "base/hash.h"
#include "healthcheck/core.h"

#include <assert.h>
#include <stdlib.h>

enum { HEADS_FIRST = 64 };

static size_t head_of(const struct hc *hc, struct slice id)
{
    return hash64_mix(hash64(0, id)) & (hc->n_heads - 1);
}

struct hc_check *hc_check_find(struct hc *hc, struct slice id)
{
    if (hc->n_heads == 0) {
        return NULL;
    }
    struct hc_check *c = hc->heads[head_of(hc, id)];
    while (c != NULL && !slice_eq(c->id, id)) {
        c = c->next;
    }
    return c;
}

/* False without memory for a first table; without memory for a larger one the chains grow longer.
 */
static bool grow(struct hc *hc)
{
    if (hc->n_checks < hc->n_heads) {
        return true;
    }
    size_t n = hc->n_heads == 0 ? HEADS_FIRST : hc->n_heads * 2;
    struct hc_check **old = hc->heads;
    size_t n_old = hc->n_heads;
    struct hc_check **heads = calloc(n, sizeof(struct hc_check *));
    if (heads == NULL) {
        return n_old > 0;
    }
    hc->heads = heads;
    hc->n_heads = n;
    for (size_t i = 0; i < n_old; i++) {
        while (old[i] != NULL) {
            struct hc_check *c = old[i];
            old[i] = c->next;
            size_t at = head_of(hc, c->id);
            c->next = heads[at];
            heads[at] = c;
        }
    }
    free(old);
    return true;
}

void hc_definition_encode(struct buf *b, const struct reg_check *c)
{
    const struct reg_check only = {
        .check_id = c->check_id,
        .service_id = c->service_id,
        .probe = c->probe,
    };
    reg_check_encode(b, &only);
}

/* Point the fields of @c into its definition. */
static void adopt(struct hc_check *c)
{
    struct reg_check v;
    int rc = reg_check_decode(buf_slice(&c->def), &v);
    assert(rc == 0); /* we encoded it */
    (void)rc;
    c->id = v.check_id;
    c->service_id = v.service_id;
    c->kind = v.probe.kind;
    c->deregister_after_ns = v.probe.deregister_after_ns;
    c->output_max = c->hc->options.output_max;
    if (v.probe.output_max > 0 && v.probe.output_max < c->output_max) {
        c->output_max = v.probe.output_max;
    }
    c->interval_ns = v.probe.interval_ns;
    if (c->interval_ns < c->hc->options.interval_min_ns) {
        c->interval_ns = c->hc->options.interval_min_ns;
    }
    hc_threshold_init(&c->threshold, &v.probe);
}

struct hc_check *hc_check_new(struct hc *hc, const struct reg_check *rec)
{
    struct hc_check *c = grow(hc) ? calloc(1, sizeof *c) : NULL;
    if (c == NULL) {
        return NULL;
    }
    c->hc = hc;
    hc_definition_encode(&c->def, rec);
    if (!buf_ok(&c->def)) {
        buf_fini(&c->def);
        free(c);
        return NULL;
    }
    adopt(c);
    list_init(&c->ready);
    list_init(&c->want);
    list_init(&c->waiters);
    list_init(&c->alias_checks.link);
    list_init(&c->alias_node.link);
    c->create_index = rec->create_index;
    size_t at = head_of(hc, c->id);
    c->next = hc->heads[at];
    hc->heads[at] = c;
    hc->n_checks++;
    hc->n_aliases += c->kind == REG_PROBE_ALIAS;
    return c;
}

/* The probe of @c, if one runs, keeps reading the definition: leave it to the run. */
static void leave_run(struct hc_check *c)
{
    struct hc_run *run = c->run;
    if (run != NULL) {
        run->check = NULL;
        run->def = c->def;
        c->def = (struct buf)BUF_INIT;
        c->run = NULL;
        hc_probe_cancel(&run->probe);
    }
}

void hc_check_free(struct hc_check *c, int code)
{
    struct hc *hc = c->hc;
    struct hc_check **at = &hc->heads[head_of(hc, c->id)];
    while (*at != c) {
        assert(*at != NULL);
        at = &(*at)->next;
    }
    *at = c->next;
    hc->n_checks--;
    hc->n_aliases -= c->kind == REG_PROBE_ALIAS;
    hc_check_stop(c);
    hc_schedule_clear(&hc->loop.schedule, &c->flush);
    list_remove(&c->want);
    hc_waiters_answer(&c->waiters, code);
    if (c->proposal != NULL) {
        c->proposal->check = NULL; /* its waiters hear of it when it comes back */
    }
    leave_run(c);
    hc_ttl_fini(&c->ttl);
    buf_fini(&c->def);
    buf_fini(&c->output);
    free(c);
}

void hc_check_redefine(struct hc_check *c, struct buf *def, const struct reg_check *view)
{
    assert(slice_eq(c->id, view->check_id));
    hc_check_stop(c);
    leave_run(c);
    hc_ttl_fini(&c->ttl);
    c->hc->n_aliases -= c->kind == REG_PROBE_ALIAS;
    buf_fini(&c->def);
    c->def = *def;
    *def = (struct buf)BUF_INIT;
    adopt(c);
    c->hc->n_aliases += c->kind == REG_PROBE_ALIAS;
    c->critical_since_ns = 0; /* as in Consul, the time in critical begins anew */
}

void hc_checks_each(struct hc *hc, void (*each)(struct hc_check *c))
{
    for (size_t i = 0; i < hc->n_heads; i++) {
        struct hc_check *c = hc->heads[i];
        while (c != NULL) {
            struct hc_check *next = c->next;
            each(c);
            c = next;
        }
    }
}
