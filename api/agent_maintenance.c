/* Maintenance is a critical check that nobody probes (consul-surface.md 3.5): `_node_maintenance`
 * or
 * `_service_maintenance:<id>`, its reason in Notes. Switching on what is on, or off what is off,
 * changes nothing. */
#include "api/handlers.h"

/* ?enable= as a boolean. False: the request was answered. */
static bool wanted(struct api_req *r, bool *enable)
{
    struct slice v;
    if (!api_param(r, "enable", &v)) {
        api_reply_error(r, 400, "Missing value for enable");
        return false;
    }
    if (!handler_bool(v, enable)) {
        api_reply_error(r, 400, "Invalid value for enable: \"%.*s\"",
                        v.len > 128 ? 128 : (int)v.len, v.len == 0 ? "" : v.p);
        return false;
    }
    return true;
}

/* Make the check exist or not. @c has its id, name and service; @otherwise is the reason if none
 * was given. */
static void set_maintenance(struct api_req *r,
                            bool enable,
                            struct reg_check *c,
                            const char *otherwise)
{
    struct reg_check was;
    reg_read_begin(r->reader);
    bool is = reg_check_find(r->reader, handler_node(r), c->check_id, &was);
    reg_read_end(r->reader);
    if (is == enable) {
        api_reply_empty(r);
        return;
    }
    if (!enable) {
        struct reg_deregister d = {.node = handler_node(r), .check_id = c->check_id};
        handler_log(r, "Left maintenance mode", "check", c->check_id);
        handler_deregister(r, &d, handler_on_synced);
        return;
    }
    if (!api_param(r, "reason", &c->notes) || c->notes.len == 0) {
        c->notes = slice_str(otherwise);
    }
    c->status = SLICE_LIT("critical");
    c->type = SLICE_LIT("maintenance");
    c->origin = REG_ORIGIN_AGENT;
    c->probe.kind = REG_PROBE_NONE;
    struct reg_register reg = {
        .flags = REG_REG_CHECK_SERVICE, .node.name = handler_node(r), .checks = c, .n_checks = 1};
    handler_log(r, "Entered maintenance mode", "check", c->check_id);
    handler_register(r, &reg, handler_on_synced);
}

void agent_node_maintenance(struct api_req *r)
{
    bool enable;
    if (!wanted(r, &enable)) {
        return;
    }
    struct reg_check c = {.check_id = SLICE_LIT("_node_maintenance"),
                          .name = SLICE_LIT("Node Maintenance Mode")};
    set_maintenance(r, enable, &c,
                    "Maintenance mode is enabled for this node, but no reason was provided. This "
                    "is a default message.");
}

void agent_service_maintenance(struct api_req *r)
{
    bool enable;
    if (r->tail.len == 0) {
        api_reply_error(r, 400, "Missing service ID");
        return;
    }
    if (!wanted(r, &enable)) {
        return;
    }
    struct reg_service s;
    reg_read_begin(r->reader);
    bool found =
        reg_service_find(r->reader, handler_node(r), r->tail, &s) && reg_origin_is_agent(s.origin);
    reg_read_end(r->reader);
    if (!found) {
        api_reply_error(r, 404, "No service registered with ID \"%.*s\"", (int)r->tail.len,
                        r->tail.p);
        return;
    }
    struct buf *id = api_buf(r);
    buf_add_str(id, "_service_maintenance:");
    buf_add_slice(id, r->tail);
    struct reg_check c = {.check_id = buf_slice(id),
                          .name = SLICE_LIT("Service Maintenance Mode"),
                          .service_id = r->tail};
    set_maintenance(r, enable, &c,
                    "Maintenance mode is enabled for this service, but no reason was provided. "
                    "This is a default message.");
}
