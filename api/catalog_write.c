/* catalog/register and catalog/deregister: records of nodes and services that somebody else looks
 * after. The body decides which node; nothing here is bound to this server. */
#include "api/handlers.h"

/* Consul refuses a body for another datacenter; ?dc= is not looked at. */
static bool other_datacenter(struct api_req *r, struct slice dc)
{
    bool other = dc.len > 0 && !slice_eq(dc, handler_datacenter(r));
    if (other) {
        api_reply_error(r, 500, "No path to datacenter");
    }
    return other;
}

/* With SkipNodeUpdate a node that exists stays as it is; one that does not is made all the same. */
static bool writes_node(struct api_req *r, const struct define_register *d)
{
    struct reg_node n;
    if (!d->skip_node_update) {
        return true;
    }
    reg_read_begin(r->reader);
    bool known = reg_node_find(r->reader, d->node, &n);
    reg_read_end(r->reader);
    return !known;
}

/* All checks of the body, "Check" first as in Consul. Returns 0, or E_INVAL with @e set. */
static int gather_checks(struct api_req *r,
                         const struct define_register *d,
                         struct reg_register *c,
                         struct define_error *e)
{
    struct decode_memory m = handler_memory(r);
    unsigned room = d->checks.n + 1;
    struct reg_check *checks = api_alloc(r, room * sizeof *checks);
    const struct define_catalog_check *items = d->checks.items;
    if (d->check != NULL &&
        define_catalog_check(&m, d->check, d->node, &checks[c->n_checks++], e) != 0) {
        return E_INVAL;
    }
    for (unsigned i = 0; i < d->checks.n && c->n_checks < DECODE_OBJECTS_MAX; i++) {
        if (define_catalog_check(&m, &items[i], d->node, &checks[c->n_checks++], e) != 0) {
            return E_INVAL;
        }
    }
    c->checks = checks;
    return 0;
}

void catalog_register(struct api_req *r)
{
    struct define_register *d = api_alloc(r, sizeof *d);
    struct decode_memory m = handler_memory(r);
    struct define_error e;
    struct reg_register c = {.flags = 0};
    if (!handler_decode(r, &define_register_body, d) || other_datacenter(r, d->datacenter)) {
        return;
    }
    if (define_catalog_node(d, &c.node, &e) != 0) {
        handler_refuse(r, &e);
        return;
    }
    /* A Service without name and id says nothing; Consul takes the body. */
    if (d->service != NULL && (d->service->id.len > 0 || d->service->name.len > 0)) {
        c.flags |= REG_REG_SERVICE;
        if (define_catalog_service(&m, d->service, d->node, &c.service, &e) != 0) {
            handler_refuse(r, &e);
            return;
        }
    }
    if (gather_checks(r, d, &c, &e) != 0) {
        handler_refuse(r, &e);
        return;
    }
    c.flags |= writes_node(r, d) ? REG_REG_NODE : 0;
    handler_register(r, &c, handler_on_true);
}

void catalog_deregister(struct api_req *r)
{
    struct define_deregister *d = api_alloc(r, sizeof *d);
    if (!handler_decode(r, &define_deregister_body, d) || other_datacenter(r, d->datacenter)) {
        return;
    }
    if (d->node.len == 0) {
        api_reply_error(r, 500, "Must provide node");
        return;
    }
    struct reg_deregister c = {
        .node = d->node,
        .service_id = d->service_id,
        .check_id = d->service_id.len > 0 ? slice_of(NULL, 0) : d->check_id,
    };
    handler_deregister(r, &c, handler_on_true);
}
