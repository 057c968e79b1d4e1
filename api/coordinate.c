/* Network coordinates (consul-surface.md 1.3). This server measures none itself yet; they come from
 * whoever does, through coordinate/update. */
#include "api/handlers.h"
#include "api/json.h"
#include "registry/coord.h"

enum { SEGMENT_MAX = 128 };

/* ---- reading ---- */

static void render_coordinate(struct json *j, const struct reg_coord *c)
{
    json_obj(j);
    json_key(j, "Node");
    json_str(j, c->node);
    json_key(j, "Segment");
    json_str(j, c->segment);
    json_key(j, "Coord");
    json_obj(j);
    json_key(j, "Vec");
    json_arr(j);
    for (int i = 0; i < REG_COORD_DIMENSIONS; i++) {
        json_f64(j, c->vec[i]);
    }
    json_arr_end(j);
    json_key(j, "Error");
    json_f64(j, c->error);
    json_key(j, "Adjustment");
    json_f64(j, c->adjustment);
    json_key(j, "Height");
    json_f64(j, c->height);
    json_obj_end(j);
    json_obj_end(j);
}

static bool segment_passes(const struct api_req *r, const struct reg_coord *c)
{
    struct slice segment;
    return !api_param(r, "segment", &segment) || slice_eq(segment, c->segment);
}

/* Write those of @it that ?segment= asks for; returns how many. @j may be NULL: only count. */
static unsigned each_coordinate(struct api_req *r, struct reg_iter *it, struct json *j)
{
    struct reg_coord c;
    unsigned n = 0;
    while (reg_coords_next(it, &c)) {
        if (segment_passes(r, &c)) {
            n++;
            if (j != NULL) {
                render_coordinate(j, &c);
            }
        }
    }
    reg_iter_end(it);
    return n;
}

void coordinate_nodes_find(struct api_req *r, struct api_resource *res)
{
    handler_resource(r, res, REG_W_COORDS, slice_of(NULL, 0));
}

void coordinate_nodes_render(struct api_req *r, struct buf *out)
{
    struct json j = json_to(out);
    struct reg_iter it;
    json_arr(&j);
    reg_coords(r->reader, &it);
    (void)each_coordinate(r, &it, &j);
    json_arr_end(&j);
}

void coordinate_node_find(struct api_req *r, struct api_resource *res)
{
    struct reg_iter it;
    coordinate_nodes_find(r, res);
    reg_node_coords(r->reader, &it, r->tail);
    if (each_coordinate(r, &it, NULL) == 0) {
        res->status = 404;
        res->bare = true;
    }
}

void coordinate_node_render(struct api_req *r, struct buf *out)
{
    struct json j = json_to(out);
    struct reg_iter it;
    json_arr(&j);
    reg_node_coords(r->reader, &it, r->tail);
    (void)each_coordinate(r, &it, &j);
    json_arr_end(&j);
}

/* The servers of each datacenter; there is one server of one datacenter, and it lies where every
 * coordinate begins. */
void coordinate_datacenters(struct api_req *r)
{
    struct buf *name = api_buf(r);
    struct buf *b = api_buf(r);
    struct reg_coord c;
    buf_printf(name, "%s.%s", r->server->node, r->server->datacenter);
    reg_coord_origin(&c);
    c.node = buf_slice(name);
    struct json j = json_to(b);
    json_arr(&j);
    json_obj(&j);
    json_key(&j, "Datacenter");
    json_str(&j, handler_datacenter(r));
    json_key(&j, "AreaID");
    json_cstr(&j, "wan");
    json_key(&j, "Coordinates");
    json_arr(&j);
    render_coordinate(&j, &c);
    json_arr_end(&j);
    json_obj_end(&j);
    json_arr_end(&j);
    api_reply_json(r, buf_slice(b));
}

/* ---- writing ---- */

struct coord_body {
    struct decode_array vec; /* double */
    double error;
    double adjustment;
    double height;
};
static const struct decode_field coord_fields[] = {
    DECODE_FIELD("Vec", F64S, struct coord_body, vec),
    DECODE_FIELD("Error", F64, struct coord_body, error),
    DECODE_FIELD("Adjustment", F64, struct coord_body, adjustment),
    DECODE_FIELD("Height", F64, struct coord_body, height),
};
static const struct decode_object coord_object = {
    "Coordinate", sizeof(struct coord_body), coord_fields, 4, false, false};

struct update_body {
    struct slice datacenter;
    struct slice node;
    struct slice segment;
    struct coord_body *coord;
};
static const struct decode_field update_fields[] = {
    DECODE_FIELD("Datacenter", STR, struct update_body, datacenter),
    DECODE_FIELD("Node", STR, struct update_body, node),
    DECODE_FIELD("Segment", STR, struct update_body, segment),
    DECODE_SUB("Coord", OBJECT, struct update_body, coord, &coord_object),
    DECODE_SKIP("Token"),
};
static const struct decode_object update_object = {
    "CoordinateUpdateRequest", sizeof(struct update_body), update_fields, 5, false, false};

void coordinate_update(struct api_req *r)
{
    struct update_body *u = api_alloc(r, sizeof *u);
    if (!handler_decode(r, &update_object, u)) {
        return;
    }
    if (u->coord == NULL || u->segment.len > SEGMENT_MAX) {
        api_reply_error(r, 500, "invalid coordinate");
        return;
    }
    if (u->coord->vec.n != REG_COORD_DIMENSIONS) {
        api_reply_error(r, 500, "incompatible coordinate");
        return;
    }
    struct reg_coord c = {.node = u->node,
                          .segment = u->segment,
                          .error = u->coord->error,
                          .adjustment = u->coord->adjustment,
                          .height = u->coord->height};
    memcpy(c.vec, u->coord->vec.items, sizeof c.vec);
    if (!reg_coord_valid(&c)) {
        api_reply_error(r, 500, "invalid coordinate");
        return;
    }
    struct buf *cmd = api_buf(r);
    reg_command_coord(cmd, &c);
    api_propose(r, cmd, handler_on_empty);
}
