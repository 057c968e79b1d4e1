/* The store is the only source of the set of checks. A record whose modify index is as last read
 * needs no second look; else its definition is encoded again and compared by bytes. */
#include "healthcheck/core.h"

#include "base/log.h"

static bool is_probed(const struct reg_check *rec)
{
    return reg_origin_is_agent(rec->origin) &&
           (hc_probe_runs(rec->probe.kind) || rec->probe.kind == REG_PROBE_TTL ||
            rec->probe.kind == REG_PROBE_ALIAS);
}

static struct hc_check *add(struct hc *hc, const struct reg_check *rec)
{
    struct hc_check *c = hc_check_new(hc, rec);
    if (c == NULL) {
        log_error("agent", "No memory to run a check: check=%.*s", (int)rec->check_id.len,
                  rec->check_id.p);
        return NULL;
    }
    hc_stored(c, reg_status_of(rec->status), rec->output);
    hc_check_start(c);
    return c;
}

/* Bring one check in line with its record. NULL without memory. */
static struct hc_check *merge(struct hc *hc, const struct reg_check *rec)
{
    struct hc_check *c = hc_check_find(hc, rec->check_id);
    if (c != NULL && c->create_index != rec->create_index) { /* deregistered and made anew */
        hc_check_free(c, E_NOTFOUND);
        c = NULL;
    }
    if (c == NULL) {
        c = add(hc, rec);
    } else if (c->modify_index != rec->modify_index) {
        buf_reset(&hc->scratch);
        hc_definition_encode(&hc->scratch, rec);
        if (!buf_ok(&hc->scratch)) {
            return NULL;
        }
        bool same = slice_eq(buf_slice(&hc->scratch), buf_slice(&c->def));
        if (!same) {
            hc_check_redefine(c, &hc->scratch, rec);
        }
        hc_stored(c, reg_status_of(rec->status), rec->output);
        if (!same) {
            hc_check_start(c);
        }
    }
    if (c != NULL) {
        c->modify_index = rec->modify_index;
        c->generation = hc->generation;
    }
    return c;
}

static void drop_unseen(struct hc_check *c)
{
    if (c->generation != c->hc->generation) {
        hc_check_free(c, E_NOTFOUND);
    }
}

static void eval_if_alias(struct hc_check *c)
{
    if (c->kind == REG_PROBE_ALIAS) {
        hc_alias_eval(c);
    }
}

/* The whole set; without memory for a check it is logged, and tried again at the next change. */
static void read_all(struct hc *hc)
{
    hc->generation++;
    struct reg_iter it;
    struct reg_check rec;
    reg_read_begin(hc->reader);
    reg_node_checks(hc->reader, &it, hc->node);
    while (reg_checks_next(&it, &rec)) {
        if (is_probed(&rec)) {
            (void)merge(hc, &rec); /* see above */
        }
    }
    reg_iter_end(&it);
    reg_read_end(hc->reader);
    hc_checks_each(hc, drop_unseen);
}

void hc_follow(struct hc *hc)
{
    reg_reader_sync(hc->reader); /* may touch */
    if (!hc->touched && !hc->aliases_touched && !hc->sessions_touched) {
        return;
    }
    uint64_t begin = hc_loop_now();
    if (hc->touched) {
        hc->touched = false;
        read_all(hc);
    }
    if (hc->sessions_touched) {
        hc->sessions_touched = false;
        hc_sessions_read(hc);
    }
    hc->aliases_touched = false;
    if (hc->n_aliases > 0) {
        hc_checks_each(hc, eval_if_alias);
    }
    uint64_t end = hc_loop_now();
    uint64_t pause = (end - begin) * 10;
    hc->follow_after_ns = end + (pause > HC_FOLLOW_NS ? pause : HC_FOLLOW_NS);
    hc_runs_next(hc);
    hc_proposals_next(hc);
}

int hc_follow_one(struct hc *hc, struct slice id, struct hc_check **out)
{
    reg_reader_sync(hc->reader); /* may touch */
    *out = hc_check_find(hc, id);
    if (*out != NULL && !hc->touched) {
        return 0;
    }
    struct reg_check rec;
    reg_read_begin(hc->reader);
    bool found = reg_check_find(hc->reader, hc->node, id, &rec) && reg_origin_is_agent(rec.origin);
    bool probed = found && is_probed(&rec);
    struct hc_check *c = probed ? merge(hc, &rec) : NULL;
    reg_read_end(hc->reader);
    if (!probed && *out != NULL) {
        hc_check_free(*out, E_NOTFOUND);
    }
    *out = c;
    return !found ? E_NOTFOUND : !probed ? E_INVAL : c == NULL ? E_NOMEM : 0;
}

void hc_on_follow(struct hc_timer *t, uint64_t now_ns)
{
    (void)now_ns;
    hc_follow(container_of(t, struct hc, follow));
}

/* Have hc_follow() called when it is time. */
static void follow_soon(struct hc *hc)
{
    if (!hc->follow.set && !hc->stopping) {
        hc_schedule_set(&hc->loop.schedule, &hc->follow, hc->follow_after_ns);
    }
}

void hc_touched(struct hc *hc)
{
    hc->touched = true;
    follow_soon(hc);
}

void hc_alias_touched(struct hc *hc)
{
    hc->aliases_touched = true;
    follow_soon(hc);
}

void hc_sessions_touched(struct hc *hc)
{
    hc->sessions_touched = true;
    follow_soon(hc);
}
