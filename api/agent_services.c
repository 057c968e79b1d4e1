/* The agent's services: those that were registered at this node, through its own routes. */
#include <stdio.h>

#include "api/filter_types.h"
#include "api/handlers.h"
#include "api/render.h"
#include "base/duration.h"
#include "base/hash.h"

/* ---- reading ---- */

void agent_services_find(struct api_req *r, struct api_resource *res)
{
    if (handler_filter_ok(r, res, &filter_type_service)) {
        res->index = reg_index(r->reader, REG_W_NODE, handler_node(r));
        handler_watch(res, REG_W_AGENT, handler_node(r));
    }
}

void agent_services_render(struct api_req *r, struct buf *out)
{
    const char *error;
    const struct filter *f = handler_filter(r, &filter_type_service, &error);
    struct json j = json_to(out);
    struct reg_iter it;
    struct reg_service s;
    json_obj(&j);
    reg_node_services(r->reader, &it, handler_node(r));
    while (reg_node_services_next(&it, &s)) {
        if (reg_origin_is_agent(s.origin) && (f == NULL || filter_match(f, &s))) {
            json_key_slice(&j, s.id);
            render_agent_service(&j, handler_datacenter(r), &s, slice_of(NULL, 0));
        }
    }
    reg_iter_end(&it);
    json_obj_end(&j);
}

/* The agent's service with this id, between reg_read_begin() and reg_read_end(). */
static bool find_own(struct api_req *r, struct slice id, struct reg_service *s)
{
    return reg_service_find(r->reader, handler_node(r), id, s) && reg_origin_is_agent(s->origin);
}

/* The content hash is over what the answer shows, so it changes with any of it and only then. */
static void render_with_hash(struct api_req *r, const struct reg_service *s, struct buf *b)
{
    char hash[17];
    struct json j = json_to(b);
    render_agent_service(&j, handler_datacenter(r), s, slice_of(NULL, 0));
    (void)snprintf(hash, sizeof hash, "%016llx",
                   (unsigned long long)hash64(HASH64_INIT, buf_slice(b)));
    buf_reset(b);
    j = json_to(b);
    render_agent_service(&j, handler_datacenter(r), s, slice_str(hash));
    api_set_header(r, "X-Consul-Contenthash", slice_str(hash));
}

void agent_service_get(struct api_req *r)
{
    struct slice wait;
    int64_t ns;
    if (api_param(r, "wait", &wait) && wait.len > 0 && duration_parse(wait, &ns) != 0) {
        api_reply_error(r, 400, "Invalid wait time");
        return;
    }
    struct reg_service s;
    struct buf *b = api_buf(r);
    reg_read_begin(r->reader);
    bool found = find_own(r, r->tail, &s);
    if (found) {
        render_with_hash(r, &s, b);
    }
    reg_read_end(r->reader);
    if (found) {
        api_reply_json(r, buf_slice(b));
    } else {
        api_reply_error(r, 404, "unknown service ID: %.*s", (int)r->tail.len,
                        r->tail.len == 0 ? "" : r->tail.p);
    }
}

/* ---- registering ---- */

static bool wants_replaced(const struct api_req *r)
{
    struct slice v;
    return api_param(r, "replace-existing-checks", &v) && (v.len == 0 || slice_is(v, "true"));
}

void agent_service_register(struct api_req *r)
{
    struct define_service *d = api_alloc(r, sizeof *d);
    if (!handler_decode(r, &define_service_body, d)) {
        return;
    }
    struct decode_memory m = handler_memory(r);
    struct define_rules rules = {.scripts = r->server->scripts_remote};
    struct define_error e;
    struct reg_check *checks = NULL;
    struct reg_register c = {.flags = REG_REG_SERVICE | REG_REG_KEEP_STATUS,
                             .node.name = handler_node(r)};
    if (define_agent_service(&m, &rules, d, &c.service, &checks, &c.n_checks, &e) != 0) {
        handler_refuse(r, &e);
        return;
    }
    if (d->token.len == 0) {
        c.service.token = r->token;
    }
    c.flags |= wants_replaced(r) ? REG_REG_REPLACE_CHECKS : 0;
    c.checks = checks;
    handler_log(r, "Synced service", "service", c.service.id);
    handler_register(r, &c, handler_on_synced);
}

void agent_service_deregister(struct api_req *r)
{
    struct reg_service s;
    reg_read_begin(r->reader);
    bool found = find_own(r, r->tail, &s);
    reg_read_end(r->reader);
    if (!found) {
        api_reply_error(r, 404,
                        "Unknown service ID \"%.*s\". Ensure that the service ID is passed, not "
                        "the service name.",
                        (int)r->tail.len, r->tail.len == 0 ? "" : r->tail.p);
        return;
    }
    struct reg_deregister c = {.node = handler_node(r), .service_id = r->tail};
    handler_log(r, "Deregistered service", "service", r->tail);
    handler_deregister(r, &c, handler_on_synced);
}
