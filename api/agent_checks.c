/* The agent's checks: those that were registered at this node, through its own routes. What a TTL
 * check reports goes to the prober, which owns the timers. */
#include <stdio.h>

#include "api/filter_types.h"
#include "api/handlers.h"
#include "api/render.h"

/* ---- reading ---- */

/* Write the checks that pass the filter; returns how many there are in all. */
static unsigned render_own(struct api_req *r,
                           const struct reg_probe_req *live,
                           const struct filter *f,
                           struct json *j)
{
    unsigned n = 0;
    struct reg_iter it;
    struct reg_check c;
    json_obj(j);
    reg_read_begin(r->reader);
    reg_node_checks(r->reader, &it, handler_node(r));
    while (reg_checks_next(&it, &c)) {
        if (!reg_origin_is_agent(c.origin)) {
            continue;
        }
        n++;
        live_apply(live, &c);
        if (f == NULL || filter_match(f, &c)) {
            json_key_slice(j, c.check_id);
            render_check(j, &c, true);
        }
    }
    reg_iter_end(&it);
    reg_read_end(r->reader);
    json_obj_end(j);
    return n;
}

/* Consul looks at the filter only when there is a check to filter, and words its fault alone. */
static void on_live(struct api_req *r, struct reg_probe_req *live)
{
    const char *error;
    const struct filter *f = handler_filter(r, &filter_type_check, &error);
    struct buf *b = api_buf(r);
    struct json j = json_to(b);
    live_sort(live);
    unsigned n = render_own(r, live, f, &j);
    if (error != NULL && n > 0) {
        api_reply_error(r, 500, "%s", error + strlen(HANDLER_FILTER_PREFIX));
    } else {
        api_reply_json(r, buf_slice(b));
    }
}

void agent_checks_get(struct api_req *r)
{
    live_ask(r, on_live);
}

static bool find_own(struct api_req *r, struct slice id)
{
    struct reg_check c;
    reg_read_begin(r->reader);
    bool found =
        reg_check_find(r->reader, handler_node(r), id, &c) && reg_origin_is_agent(c.origin);
    reg_read_end(r->reader);
    return found;
}

static void reply_unknown(struct api_req *r)
{
    api_reply_error(r, 404,
                    "Unknown check ID \"%.*s\". Ensure that the check ID is passed, not the check "
                    "name.",
                    (int)r->tail.len, r->tail.len == 0 ? "" : r->tail.p);
}

/* ---- registering ---- */

/* The service was there or not when the command was applied. */
static void on_registered(struct api_req *r, int status, const struct reg_result *result)
{
    if (status == 0 && result->status == E_NOTFOUND) {
        api_reply_error(r, 404, "%s", result->text);
    } else {
        handler_on_synced(r, status, result);
    }
}

void agent_check_register(struct api_req *r)
{
    struct define_check *d = api_alloc(r, sizeof *d);
    if (!handler_decode(r, &define_check_body, d)) {
        return;
    }
    struct decode_memory m = handler_memory(r);
    struct define_rules rules = {.scripts = r->server->scripts_remote};
    struct define_error e;
    struct reg_check check;
    if (define_agent_check(&m, &rules, d, &check, &e) != 0) {
        handler_refuse(r, &e);
        return;
    }
    struct reg_register c = {.flags = REG_REG_KEEP_STATUS | REG_REG_CHECK_SERVICE,
                             .node.name = handler_node(r),
                             .checks = &check,
                             .n_checks = 1};
    handler_log(r, "Synced check", "check", check.check_id);
    handler_register(r, &c, on_registered);
}

void agent_check_deregister(struct api_req *r)
{
    if (!find_own(r, r->tail)) {
        reply_unknown(r);
        return;
    }
    struct reg_deregister c = {.node = handler_node(r), .check_id = r->tail};
    handler_log(r, "Deregistered check", "check", r->tail);
    handler_deregister(r, &c, handler_on_synced);
}

/* ---- TTL ---- */

static void on_set(struct api_req *r, struct reg_probe_req *q)
{
    static const struct reg_result none;
    if (q->code == 0) {
        api_reply_empty(r);
    } else if (q->code == E_NOTFOUND) {
        reply_unknown(r);
    } else if (q->code == E_INVAL) {
        api_reply_error(r, 500, "CheckID \"%.*s\" does not have associated TTL", (int)r->tail.len,
                        r->tail.len == 0 ? "" : r->tail.p);
    } else {
        api_reply_proposal_error(r, q->code, &none);
    }
}

static void set_status(struct api_req *r, struct slice status, struct slice output)
{
    if (!find_own(r, r->tail)) {
        reply_unknown(r);
        return;
    }
    struct reg_probe_req q = {
        .op = REG_PROBE_REQ_TTL, .check_id = r->tail, .status = status, .output = output};
    api_probe(r, &q, on_set);
}

static void set_with_note(struct api_req *r, struct slice status)
{
    struct slice note = {NULL, 0};
    (void)api_param(r, "note", &note); /* absent = empty */
    set_status(r, status, note);
}

void agent_check_pass(struct api_req *r)
{
    set_with_note(r, SLICE_LIT("passing"));
}

void agent_check_warn(struct api_req *r)
{
    set_with_note(r, SLICE_LIT("warning"));
}

void agent_check_fail(struct api_req *r)
{
    set_with_note(r, SLICE_LIT("critical"));
}

void agent_check_update(struct api_req *r)
{
    struct define_check_update d = {.status = {NULL, 0}};
    if (!handler_decode(r, &define_check_update_body, &d)) {
        return;
    }
    if (!slice_is(d.status, "passing") && !slice_is(d.status, "warning") &&
        !slice_is(d.status, "critical")) {
        api_reply_error(r, 400, "Invalid check status: '%.*s'",
                        d.status.len > 128 ? 128 : (int)d.status.len,
                        d.status.len == 0 ? "" : d.status.p);
        return;
    }
    set_status(r, d.status, d.output);
}
