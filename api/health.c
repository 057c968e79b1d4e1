/* Reads of health. In health/service the rows of one node follow each other, so what the node
 * contributes to each (its object, its own checks, whether they all pass) is rendered once and
 * copied. */
#include "api/filter_types.h"
#include "api/handlers.h"
#include "api/near.h"
#include "api/render.h"

/* ---- lists of checks ---- */

/* Write the checks that @it yields and that pass the filter and ?node-meta=. */
static void render_checks(struct api_req *r, struct reg_iter *it, struct buf *out)
{
    const char *error;
    const struct filter *f = handler_filter(r, &filter_type_check, &error);
    struct json j = json_to(out);
    struct reg_check c;
    struct near near;
    near_begin(&near, r);
    json_arr(&j);
    while (reg_checks_next(it, &c)) {
        if (handler_node_passes(r, c.node) && (f == NULL || filter_match(f, &c))) {
            near_row(&near, out, c.node);
            render_check(&j, &c, false);
        }
    }
    reg_iter_end(it);
    near_end(&near, out);
    json_arr_end(&j);
}

void health_node_find(struct api_req *r, struct api_resource *res)
{
    if (handler_filter_ok(r, res, &filter_type_check)) {
        handler_resource(r, res, REG_W_NODE_CHECKS, r->tail);
    }
}

void health_node_render(struct api_req *r, struct buf *out)
{
    struct reg_iter it;
    reg_node_checks(r->reader, &it, r->tail);
    render_checks(r, &it, out);
}

void health_checks_find(struct api_req *r, struct api_resource *res)
{
    if (handler_filter_ok(r, res, &filter_type_check)) {
        handler_resource(r, res, REG_W_SERVICE_CHECKS, r->tail);
    }
}

void health_checks_render(struct api_req *r, struct buf *out)
{
    struct reg_iter it;
    reg_service_checks(r->reader, &it, r->tail);
    render_checks(r, &it, out);
}

void health_state_find(struct api_req *r, struct api_resource *res)
{
    if (!handler_filter_ok(r, res, &filter_type_check)) {
        return;
    }
    if (slice_is(r->tail, "any")) {
        handler_resource(r, res, REG_W_CHECKS, slice_of(NULL, 0));
    } else {
        handler_resource(r, res, REG_W_STATE_CHECKS, r->tail);
    }
}

void health_state_render(struct api_req *r, struct buf *out)
{
    struct reg_iter it;
    if (slice_is(r->tail, "any")) {
        reg_all_checks(r->reader, &it);
    } else {
        reg_state_checks(r->reader, &it, r->tail);
    }
    render_checks(r, &it, out);
}

/* ---- health/service ---- */

static bool wants_passing(const struct api_req *r, bool *passing)
{
    struct slice v;
    *passing = false;
    if (!api_param(r, "passing", &v)) {
        return true;
    }
    *passing = true;
    return v.len == 0 || handler_bool(v, passing);
}

void health_service_find(struct api_req *r, struct api_resource *res)
{
    bool passing;
    if (!wants_passing(r, &passing)) {
        res->status = 400;
        res->error = "Invalid value for ?passing";
    } else if (handler_filter_ok(r, res, &filter_type_health)) {
        handler_resource(r, res, REG_W_SERVICE, r->tail);
    }
}

/* What the node of the current row contributes. */
struct row_node {
    struct filter_node node;
    struct buf object; /* rendered */
    struct buf checks; /* rendered, with commas, without brackets */
    bool known;
    bool passes;  /* ?node-meta= */
    bool passing; /* all checks of the node itself pass */
};

static void row_node(struct api_req *r, struct row_node *row, struct slice name)
{
    if (row->known && slice_eq(row->node.node.name, name)) {
        return;
    }
    row->known = reg_node_find(r->reader, name, &row->node.node);
    row->passes = row->known && handler_node_meta(r, row->node.node.meta);
    row->passing = true;
    buf_reset(&row->object);
    buf_reset(&row->checks);
    if (!row->passes) {
        return;
    }
    struct json j = json_to(&row->object);
    render_node(&j, row->node.datacenter, &row->node.node);
    struct json checks = json_to(&row->checks);
    struct reg_iter it;
    struct reg_check c;
    reg_instance_checks(r->reader, &it, name, slice_of(NULL, 0));
    while (reg_checks_next(&it, &c)) {
        row->passing = row->passing && reg_status_of(c.status) == REG_PASSING;
        render_check(&checks, &c, false);
    }
    reg_iter_end(&it);
}

static bool instance_passing(struct api_req *r, const struct reg_service *s)
{
    struct reg_iter it;
    struct reg_check c;
    bool passing = true;
    reg_instance_checks(r->reader, &it, s->node, s->id);
    while (passing && reg_checks_next(&it, &c)) {
        passing = reg_status_of(c.status) == REG_PASSING;
    }
    reg_iter_end(&it);
    return passing;
}

/* The filter's view needs the checks side by side. */
static bool instance_matches(struct api_req *r,
                             const struct filter *f,
                             const struct row_node *row,
                             const struct reg_service *s)
{
    struct filter_health view = {.node = row->node, .service = *s};
    struct buf checks = BUF_INIT;
    for (int own = 0; own < 2; own++) {
        struct reg_iter it;
        struct reg_check c;
        reg_instance_checks(r->reader, &it, s->node, own == 1 ? s->id : slice_of(NULL, 0));
        while (reg_checks_next(&it, &c)) {
            buf_add(&checks, &c, sizeof c);
            view.checks.n++;
        }
        reg_iter_end(&it);
    }
    view.checks.items = checks.p;
    bool match = buf_ok(&checks) && filter_match(f, &view);
    buf_fini(&checks);
    return match;
}

static void render_instance(struct api_req *r,
                            struct json *j,
                            const struct row_node *row,
                            const struct reg_service *s)
{
    json_obj(j);
    json_key(j, "Node");
    json_raw(j, buf_slice(&row->object));
    json_key(j, "Service");
    render_node_service(j, s);
    json_key(j, "Checks");
    json_arr(j);
    if (row->checks.len > 0) {
        json_raw(j, buf_slice(&row->checks));
    }
    struct reg_iter it;
    struct reg_check c;
    reg_instance_checks(r->reader, &it, s->node, s->id);
    while (reg_checks_next(&it, &c)) {
        render_check(j, &c, false);
    }
    reg_iter_end(&it);
    json_arr_end(j);
    json_obj_end(j);
}

void health_service_render(struct api_req *r, struct buf *out)
{
    const char *error;
    const struct filter *f = handler_filter(r, &filter_type_health, &error);
    struct row_node row = {.node.datacenter = handler_datacenter(r), .known = false};
    struct json j = json_to(out);
    struct reg_iter it;
    struct reg_service s;
    struct near near;
    bool passing;
    near_begin(&near, r);
    (void)wants_passing(r, &passing); /* find refused what is no boolean */
    json_arr(&j);
    reg_instances(r->reader, &it, r->tail);
    while (reg_instances_next(&it, &s)) {
        row_node(r, &row, s.node);
        if (row.passes && handler_tags(r, s.tags) &&
            (!passing || (row.passing && instance_passing(r, &s))) &&
            (f == NULL || instance_matches(r, f, &row, &s))) {
            near_row(&near, out, s.node);
            render_instance(r, &j, &row, &s);
        }
    }
    reg_iter_end(&it);
    near_end(&near, out);
    json_arr_end(&j);
    out->failed = out->failed || !buf_ok(&row.object) || !buf_ok(&row.checks);
    buf_fini(&row.object);
    buf_fini(&row.checks);
}
