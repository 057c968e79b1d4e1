/* Alias checks: the worst of another service's checks and of its node's own, or only of the node's.
 * After Consul's CheckAlias.processChecks; the empty node in "could not be found on node " is
 * Consul's too. An alias of this node's service sees what agents see: checks of origin
 * REG_ORIGIN_AGENT; one of another node sees all that the catalog has. Thresholds do not apply.
 *
 * The node's checks and services are watched; all aliases are looked at together, see hc_follow().
 */
#include "healthcheck/core.h"
#include "healthcheck/result.h"

#include <assert.h>

struct verdict {
    struct hc *hc;
    const struct hc_check *self;
    bool local;
    enum reg_status status;
};

/* Count in the checks that @it yields, worst first found; true once one is critical. */
static bool look(struct verdict *v, struct reg_iter *it)
{
    struct reg_check rec;
    struct buf *text = &v->hc->text;
    bool critical = false;
    while (!critical && reg_checks_next(it, &rec)) {
        bool itself = v->local && slice_eq(rec.check_id, v->self->id);
        if (itself || (v->local && !reg_origin_is_agent(rec.origin))) {
            continue; /* an alias that saw itself would stay critical for ever */
        }
        enum reg_status status = reg_status_of(rec.status);
        if (status == REG_CRITICAL || status == REG_WARNING) {
            v->status = status;
            buf_reset(text);
            buf_add_str(text, "Aliased check ");
            hc_text_quote(text, rec.name);
            buf_add_str(text, " failing: ");
            buf_add_slice(text, rec.output);
            critical = status == REG_CRITICAL;
        } else if (v->status == REG_PASSING) {
            buf_reset(text);
            buf_add_str(text, "All checks passing.");
        }
    }
    reg_iter_end(it);
    return critical;
}

void hc_alias_eval(struct hc_check *c)
{
    struct hc *hc = c->hc;
    struct reg_check def;
    struct reg_service found;
    struct reg_iter it;
    int rc = reg_check_decode(buf_slice(&c->def), &def);
    assert(rc == 0); /* we encoded it */
    (void)rc;
    struct slice other = def.probe.alias_node;
    struct slice service = def.probe.target;
    struct verdict v = {.hc = hc, .self = c, .status = REG_PASSING};
    v.local = other.len == 0 || slice_ieq(other, hc->node);
    struct slice node = v.local ? hc->node : other;
    buf_reset(&hc->text);
    buf_add_str(&hc->text, "No checks found.");

    reg_read_begin(hc->reader);
    reg_instance_checks(hc->reader, &it, node, slice_of("", 0));
    bool done = look(&v, &it);
    if (!done && service.len > 0) {
        reg_instance_checks(hc->reader, &it, node, service);
        (void)look(&v, &it); /* nothing comes behind */
    }
    if (service.len > 0 && !reg_service_find(hc->reader, node, service, &found)) {
        v.status = REG_CRITICAL;
        buf_reset(&hc->text);
        buf_printf(&hc->text, "Service %.*s could not be found on node %.*s", (int)service.len,
                   service.p, (int)other.len, other.len == 0 ? "" : other.p);
    }
    reg_read_end(hc->reader);
    hc_publish(c, v.status, buf_slice(&hc->text));
}

static void on_checks(struct reg_sub *sub)
{
    hc_alias_touched(container_of(sub, struct hc_check, alias_checks)->hc);
}

static void on_node(struct reg_sub *sub)
{
    hc_alias_touched(container_of(sub, struct hc_check, alias_node)->hc);
}

void hc_alias_watch(struct hc_check *c)
{
    struct reg_check def;
    int rc = reg_check_decode(buf_slice(&c->def), &def);
    assert(rc == 0); /* we encoded it */
    (void)rc;
    struct slice node = def.probe.alias_node;
    node = node.len == 0 ? c->hc->node : node;
    struct reg_watch *w = reg_reader_watch(c->hc->reader);
    c->alias_checks.touched = on_checks;
    c->alias_node.touched = on_node;
    /* Without memory the alias follows only when this node's set of checks changes. */
    (void)reg_watch_add(w, &c->alias_checks, REG_W_NODE_CHECKS, node);
    (void)reg_watch_add(w, &c->alias_node, REG_W_NODE, node);
}

void hc_alias_unwatch(struct hc_check *c)
{
    struct reg_watch *w = reg_reader_watch(c->hc->reader);
    reg_watch_remove(w, &c->alias_checks);
    reg_watch_remove(w, &c->alias_node);
}
