/* The health of the agent's own services for load balancers: the status code tells it, and a line
 * of text for those that ask for text (consul-surface.md 1.2). The agent's node checks count for
 * each service. */
#include <stdio.h>

#include "api/handlers.h"
#include "api/render.h"

/* From best to worst. */
enum verdict { PASSING, WARNING, CRITICAL, MAINTENANCE };

static const struct {
    int code;
    const char *text;
} verdicts[] = {
    [PASSING] = {200, "passing"},
    [WARNING] = {429, "warning"},
    [CRITICAL] = {503, "critical"},
    [MAINTENANCE] = {503, "maintenance"},
};

static enum verdict verdict_of(const struct reg_check *c)
{
    if (slice_is(c->check_id, "_node_maintenance") ||
        slice_starts(c->check_id, SLICE_LIT("_service_maintenance:"))) {
        return MAINTENANCE;
    }
    switch (reg_status_of(c->status)) {
        case REG_PASSING:
            return PASSING;
        case REG_WARNING:
            return WARNING;
        case REG_CRITICAL:
        case REG_STATUS_OTHER:
            return CRITICAL;
    }
    return CRITICAL;
}

/* Append the checks that count for @s to @checks (an array in JSON), and give the worst verdict. */
static enum verdict judge(struct api_req *r,
                          const struct reg_probe_req *live,
                          const struct reg_service *s,
                          struct buf *checks)
{
    enum verdict worst = PASSING;
    struct json j = json_to(checks);
    json_arr(&j);
    for (int own = 0; own < 2; own++) {
        struct reg_iter it;
        struct reg_check c;
        reg_instance_checks(r->reader, &it, s->node, own == 1 ? s->id : slice_of(NULL, 0));
        while (reg_checks_next(&it, &c)) {
            if (!reg_origin_is_agent(c.origin)) {
                continue;
            }
            live_apply(live, &c);
            enum verdict v = verdict_of(&c);
            worst = v > worst ? v : worst;
            render_agent_health_check(&j, &c);
        }
        reg_iter_end(&it);
    }
    json_arr_end(&j);
    return worst;
}

static enum verdict render_one(struct api_req *r,
                               const struct reg_probe_req *live,
                               const struct reg_service *s,
                               struct json *j)
{
    struct buf checks = BUF_INIT;
    enum verdict v = judge(r, live, s, &checks);
    json_obj(j);
    json_key(j, "AggregatedStatus");
    json_cstr(j, verdicts[v].text);
    json_key(j, "Service");
    render_agent_service(j, handler_datacenter(r), s, slice_of(NULL, 0));
    json_key(j, "Checks");
    json_raw(j, buf_slice(&checks));
    json_obj_end(j);
    j->b->failed = j->b->failed || !buf_ok(&checks);
    buf_fini(&checks);
    return v;
}

static bool wants_text(const struct api_req *r)
{
    struct slice format;
    if (api_param(r, "format", &format)) {
        return slice_is(format, "text");
    }
    struct slice accept = api_header(r, "Accept");
    return slice_starts(accept, SLICE_LIT("text/plain"));
}

static void reply(struct api_req *r, int code, const char *reason, struct slice json)
{
    api_set_header(r, "X-Consul-Reason", slice_str(reason));
    if (wants_text(r)) {
        api_reply(r, code, "text/plain", slice_str(reason));
    } else {
        api_reply(r, code, "application/json", json);
    }
}

/* @what: "ServiceId" or "ServiceName"; the text as Consul words it for each. */
static const char *not_found(struct api_req *r, const char *what, const char *end)
{
    struct buf *b = api_buf(r);
    buf_add_str(b, what);
    buf_add_slice(b, r->tail);
    buf_add_str(b, end);
    buf_add_char(b, '\0');
    return buf_ok(b) ? b->p : "Not Found";
}

/* Consul answers an unknown id in JSON, also where text was asked for. */
static void reply_unknown_id(struct api_req *r)
{
    const char *reason = not_found(r, "ServiceId ", " not found");
    struct buf *b = api_buf(r);
    struct json j = json_to(b);
    if (wants_text(r)) {
        json_cstr(&j, reason);
    } else {
        buf_add_str(b, "{\"AggregatedStatus\":\"critical\",\"Service\":null,\"Checks\":null}");
    }
    api_set_header(r, "X-Consul-Reason", slice_str(reason));
    api_reply(r, 404, "application/json", buf_slice(b));
}

static void on_live_id(struct api_req *r, struct reg_probe_req *live)
{
    struct buf *b = api_buf(r);
    struct json j = json_to(b);
    struct reg_service s;
    enum verdict v = CRITICAL;
    live_sort(live);
    reg_read_begin(r->reader);
    bool found =
        reg_service_find(r->reader, handler_node(r), r->tail, &s) && reg_origin_is_agent(s.origin);
    if (found) {
        v = render_one(r, live, &s, &j);
    }
    reg_read_end(r->reader);
    if (found) {
        reply(r, verdicts[v].code, verdicts[v].text, buf_slice(b));
    } else {
        reply_unknown_id(r);
    }
}

void agent_health_by_id(struct api_req *r)
{
    if (r->tail.len == 0) { /* Consul loses this error's status, see consul-surface.md 1.2 */
        api_reply_error(r, 500, "Missing serviceID");
    } else {
        live_ask(r, on_live_id);
    }
}

static void on_live_name(struct api_req *r, struct reg_probe_req *live)
{
    struct buf *b = api_buf(r);
    struct json j = json_to(b);
    struct reg_iter it;
    struct reg_service s;
    enum verdict worst = PASSING;
    bool found = false;
    live_sort(live);
    json_arr(&j);
    reg_read_begin(r->reader);
    reg_node_services(r->reader, &it, handler_node(r));
    while (reg_node_services_next(&it, &s)) {
        if (reg_origin_is_agent(s.origin) && slice_eq(s.name, r->tail)) {
            enum verdict v = render_one(r, live, &s, &j);
            worst = v > worst ? v : worst;
            found = true;
        }
    }
    reg_iter_end(&it);
    reg_read_end(r->reader);
    json_arr_end(&j);
    if (found) {
        reply(r, verdicts[worst].code, verdicts[worst].text, buf_slice(b));
    } else {
        reply(r, 404, not_found(r, "ServiceName ", " Not Found"), buf_slice(b));
    }
}

void agent_health_by_name(struct api_req *r)
{
    if (r->tail.len == 0) {
        api_reply_error(r, 500, "Missing service Name");
    } else {
        live_ask(r, on_live_name);
    }
}
