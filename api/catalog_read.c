/* Reads of the catalog. Instances come ordered by node, so the node that belongs to a row is mostly
 * the one of the row before: it is looked up again only when the name changes. */
#include <stdlib.h>

#include "api/filter_types.h"
#include "api/handlers.h"
#include "api/near.h"
#include "api/render.h"

/* The node of the current row. */
struct row_node {
    struct reg_node node;
    bool known;  /* the store has it */
    bool passes; /* ... and it satisfies ?node-meta= */
};

static const struct row_node *row_node(struct api_req *r, struct row_node *row, struct slice name)
{
    if (!row->known || !slice_eq(row->node.name, name)) {
        row->known = reg_node_find(r->reader, name, &row->node);
        row->passes = row->known && handler_node_meta(r, row->node.meta);
    }
    return row;
}

/* ---- nodes ---- */

void catalog_nodes_find(struct api_req *r, struct api_resource *res)
{
    if (handler_filter_ok(r, res, &filter_type_node)) {
        handler_resource(r, res, REG_W_NODES, slice_of(NULL, 0));
    }
}

void catalog_nodes_render(struct api_req *r, struct buf *out)
{
    const char *error;
    const struct filter *f = handler_filter(r, &filter_type_node, &error);
    struct slice dc = handler_datacenter(r);
    struct json j = json_to(out);
    struct reg_iter it;
    struct filter_node n = {.datacenter = dc};
    struct near near;
    near_begin(&near, r);
    json_arr(&j);
    reg_nodes(r->reader, &it);
    while (reg_nodes_next(&it, &n.node)) {
        if (handler_node_meta(r, n.node.meta) && (f == NULL || filter_match(f, &n))) {
            near_row(&near, out, n.node.name);
            render_node(&j, dc, &n.node);
        }
    }
    reg_iter_end(&it);
    near_end(&near, out);
    json_arr_end(&j);
}

/* ---- services: the map of names to tags ---- */

void catalog_services_find(struct api_req *r, struct api_resource *res)
{
    if (handler_filter_ok(r, res, &filter_type_service_node)) {
        handler_resource(r, res, REG_W_SERVICES, slice_of(NULL, 0));
    }
}

/* The service being gathered. */
struct gather {
    struct slice name;
    struct slice last; /* the tags of the row before; most instances share theirs */
    struct slice *tags;
    size_t n;
    size_t cap;
    bool failed; /* no memory: the answer would lack tags */
};

static void gather_tags(struct gather *g, struct reg_list tags)
{
    struct rd it = reg_list_iter(tags);
    struct slice tag;
    if (g->n > 0 && slice_eq(g->last, tags.raw)) {
        return;
    }
    g->last = tags.raw;
    while (reg_list_next(&it, &tag)) {
        if (g->n == g->cap) {
            size_t cap = g->cap == 0 ? 64 : 2 * g->cap;
            struct slice *more = reallocarray(g->tags, cap, sizeof *more);
            if (more == NULL) {
                g->failed = true;
                return;
            }
            g->tags = more;
            g->cap = cap;
        }
        g->tags[g->n++] = tag;
    }
}

static int tag_cmp(const void *a, const void *b)
{
    return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

/* Write the gathered service, its tags each once. */
static void gather_flush(struct gather *g, struct json *j)
{
    if (g->name.p == NULL) {
        return;
    }
    if (g->n > 1) {
        qsort(g->tags, g->n, sizeof *g->tags, tag_cmp);
    }
    json_key_slice(j, g->name);
    json_arr(j);
    for (size_t i = 0; i < g->n; i++) {
        if (i == 0 || !slice_eq(g->tags[i], g->tags[i - 1])) {
            json_str(j, g->tags[i]);
        }
    }
    json_arr_end(j);
    g->n = 0;
}

void catalog_services_render(struct api_req *r, struct buf *out)
{
    const char *error;
    const struct filter *f = handler_filter(r, &filter_type_service_node, &error);
    struct slice any;
    bool needs_node = f != NULL || api_param(r, "node-meta", &any);
    struct row_node row = {.known = false};
    struct filter_service_node view = {.datacenter = handler_datacenter(r)};
    struct gather g = {.name = {NULL, 0}};
    struct json j = json_to(out);
    struct reg_iter it;
    json_obj(&j);
    reg_all_instances(r->reader, &it);
    while (reg_instances_next(&it, &view.service)) {
        if (needs_node) {
            if (!row_node(r, &row, view.service.node)->passes) {
                continue;
            }
            view.node = row.node;
            if (f != NULL && !filter_match(f, &view)) {
                continue;
            }
        }
        if (g.name.p == NULL || !slice_ieq(g.name, view.service.name)) {
            gather_flush(&g, &j);
            g.name = view.service.name;
        }
        gather_tags(&g, view.service.tags);
    }
    gather_flush(&g, &j);
    reg_iter_end(&it);
    json_obj_end(&j);
    out->failed = out->failed || g.failed;
    free(g.tags);
}

/* ---- the instances of one service ---- */

void catalog_service_find(struct api_req *r, struct api_resource *res)
{
    if (handler_filter_ok(r, res, &filter_type_service_node)) {
        handler_resource(r, res, REG_W_SERVICE, r->tail);
    }
}

void catalog_service_render(struct api_req *r, struct buf *out)
{
    const char *error;
    const struct filter *f = handler_filter(r, &filter_type_service_node, &error);
    struct row_node row = {.known = false};
    struct filter_service_node view = {.datacenter = handler_datacenter(r)};
    struct json j = json_to(out);
    struct reg_iter it;
    struct near near;
    near_begin(&near, r);
    json_arr(&j);
    reg_instances(r->reader, &it, r->tail);
    while (reg_instances_next(&it, &view.service)) {
        if (!row_node(r, &row, view.service.node)->passes || !handler_tags(r, view.service.tags)) {
            continue;
        }
        view.node = row.node;
        if (f == NULL || filter_match(f, &view)) {
            near_row(&near, out, row.node.name);
            render_service_node(&j, view.datacenter, &row.node, &view.service);
        }
    }
    reg_iter_end(&it);
    near_end(&near, out);
    json_arr_end(&j);
}

/* ---- one node ---- */

void catalog_node_find(struct api_req *r, struct api_resource *res)
{
    if (handler_filter_ok(r, res, &filter_type_service)) {
        handler_resource(r, res, REG_W_NODE, r->tail);
    }
}

/* The node's services that pass the filter: as an object by id, or as an array. */
static void node_services(struct api_req *r, struct json *j, struct slice node, bool by_id)
{
    const char *error;
    const struct filter *f = handler_filter(r, &filter_type_service, &error);
    struct reg_iter it;
    struct reg_service s;
    reg_node_services(r->reader, &it, node);
    while (reg_node_services_next(&it, &s)) {
        if (f != NULL && !filter_match(f, &s)) {
            continue;
        }
        if (by_id) {
            json_key_slice(j, s.id);
        }
        render_node_service(j, &s);
    }
    reg_iter_end(&it);
}

void catalog_node_render(struct api_req *r, struct buf *out)
{
    struct json j = json_to(out);
    struct reg_node n;
    if (!reg_node_find(r->reader, r->tail, &n)) {
        json_nil(&j);
        return;
    }
    json_obj(&j);
    json_key(&j, "Node");
    render_node(&j, handler_datacenter(r), &n);
    json_key(&j, "Services");
    json_obj(&j);
    node_services(r, &j, n.name, true);
    json_obj_end(&j);
    json_obj_end(&j);
}

void catalog_node_services_render(struct api_req *r, struct buf *out)
{
    struct json j = json_to(out);
    struct reg_node n;
    bool known = reg_node_find(r->reader, r->tail, &n);
    json_obj(&j);
    json_key(&j, "Node");
    if (known) {
        render_node(&j, handler_datacenter(r), &n);
    } else {
        json_nil(&j);
    }
    json_key(&j, "Services");
    if (known) {
        json_arr(&j);
        node_services(r, &j, n.name, false);
        json_arr_end(&j);
    } else {
        json_nil(&j);
    }
    json_obj_end(&j);
}

void catalog_datacenters(struct api_req *r)
{
    struct buf *b = api_buf(r);
    struct json j = json_to(b);
    json_arr(&j);
    json_str(&j, handler_datacenter(r));
    json_arr_end(&j);
    api_reply_json(r, buf_slice(b));
}

/* ---- mesh ---- */

void mesh_find(struct api_req *r, struct api_resource *res)
{
    handler_resource(r, res, REG_W_SERVICE, r->tail);
}

void mesh_render_list(struct api_req *r, struct buf *out)
{
    (void)r;
    buf_add_str(out, "[]");
}

void mesh_render_null(struct api_req *r, struct buf *out)
{
    (void)r;
    buf_add_str(out, "null");
}
