/* Nodes, services and checks: what registering, deregistering and probing mean.
 *
 * Each command is checked in full before its first write, so a refusal changes nothing. A write
 * that changes no field moves no index (Consul: idempotent registrations do not wake watchers).
 *
 * What moves which index:
 *   node     NODES, NODE; SERVICE of each name it carries
 *   service  NODE, SERVICE, AGENT; SERVICES if the map of names to tags may differ
 *   check    CHECKS, NODE_CHECKS, STATE_CHECKS (old and new); SERVICE_CHECKS and SERVICE of its
 *            service, or SERVICE of each name on the node; AGENT if the definition changed */
#include "registry/rows.h"

static const struct slice none = {NULL, 0};

/* ---- announcing ---- */

static void bump_each_service(struct reg *r, struct slice node)
{
    struct buf names = BUF_INIT; /* copied, because writing moves the map */
    rows_service_names(r, node, &names);
    struct rd it = rd_of(buf_slice(&names));
    while (rd_left(&it) > 0) {
        index_bump(r, REG_W_SERVICE, rd_bytes(&it));
    }
    buf_fini(&names);
}

/* @c changed, came or went, and the tables already show it. */
static void announce_check(struct reg *r, const struct reg_check *c)
{
    index_bump(r, REG_W_CHECKS, none);
    index_bump(r, REG_W_NODE_CHECKS, c->node);
    index_bump(r, REG_W_STATE_CHECKS, c->status);
    if (c->service_id.len == 0) {
        bump_each_service(r, c->node);
        return;
    }
    if (rows_any_bound_check(r, c->service_name)) {
        index_bump(r, REG_W_SERVICE_CHECKS, c->service_name);
    } else {
        index_drop(r, REG_W_SERVICE_CHECKS, c->service_name);
    }
    if (rows_any_instance(r, c->service_name)) {
        index_bump(r, REG_W_SERVICE, c->service_name);
    }
}

/* An instance of @name changed, came or went, and the tables already show it. The name's index goes
 * with its last instance. */
static void announce_service(struct reg *r, struct slice name, bool map_differs)
{
    if (rows_any_instance(r, name)) {
        index_bump(r, REG_W_SERVICE, name);
    } else {
        index_drop(r, REG_W_SERVICE, name);
        map_differs = true;
    }
    if (map_differs) {
        index_bump(r, REG_W_SERVICES, none);
    }
}

/* ---- deleting ---- */

static void delete_check(struct reg *r, struct slice node, struct slice id)
{
    struct buf keep = BUF_INIT;
    struct reg_check c;
    if (rows_keep_check(r, node, id, &keep, &c)) {
        rows_drop_check(r, &c);
        announce_check(r, &c);
        index_touch(r, REG_W_AGENT, node);
        sessions_end_of_check(r, c.node, c.check_id);
    }
    buf_fini(&keep);
}

static bool is_among(struct slice id, const struct reg_check *checks, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (slice_eq(checks[i].check_id, id)) {
            return true;
        }
    }
    return false;
}

/* Delete each check of (@node, @service_id) that is not among @except. */
static void delete_instance_checks(struct reg *r,
                                   struct slice node,
                                   struct slice service_id,
                                   const struct reg_check *except,
                                   unsigned n_except)
{
    struct buf ids = BUF_INIT;
    rows_instance_check_ids(r, node, service_id, &ids);
    struct rd it = rd_of(buf_slice(&ids));
    while (rd_left(&it) > 0) {
        struct slice id = rd_bytes(&it);
        if (!is_among(id, except, n_except)) {
            delete_check(r, node, id);
        }
    }
    buf_fini(&ids);
}

static void delete_service(struct reg *r, struct slice node, struct slice id)
{
    struct buf keep = BUF_INIT;
    struct reg_service s;
    if (rows_keep_service(r, node, id, &keep, &s)) {
        delete_instance_checks(r, node, id, NULL, 0);
        rows_drop_service(r, &s);
        announce_service(r, s.name, reg_list_count(s.tags) > 0);
        index_bump(r, REG_W_NODE, node);
        index_touch(r, REG_W_AGENT, node);
    }
    buf_fini(&keep);
}

static void delete_node(struct reg *r, struct slice name)
{
    struct buf keep = BUF_INIT;
    struct buf ids = BUF_INIT;
    struct reg_node n;
    if (rows_keep_node(r, name, &keep, &n)) {
        rows_service_ids(r, name, &ids);
        struct rd it = rd_of(buf_slice(&ids));
        while (rd_left(&it) > 0) {
            delete_service(r, n.name, rd_bytes(&it));
        }
        buf_reset(&ids);
        rows_check_ids(r, name, &ids); /* those of the node itself */
        it = rd_of(buf_slice(&ids));
        while (rd_left(&it) > 0) {
            delete_check(r, n.name, rd_bytes(&it));
        }
        sessions_end_of_node(r, n.name);
        rows_drop_node(r, &n);
        coords_drop(r, name);
        index_bump(r, REG_W_NODES, none);
        index_drop(r, REG_W_NODE, name);
        index_drop(r, REG_W_NODE_CHECKS, name);
        index_touch(r, REG_W_AGENT, name);
    }
    buf_fini(&ids);
    buf_fini(&keep);
}

/* ---- what is refused ---- */

/* Consul: a name that belongs to another, living node id cannot be taken. @steal: a holder without
 * an id may be taken over. */
static bool name_is_free(struct reg *r,
                         const struct reg_node *n,
                         bool steal,
                         struct reg_result *out)
{
    struct reg_node holder;
    struct reg_check health;
    if (!rows_find_node(r, n->name, &holder) || slice_ieq(holder.id, n->id) ||
        (holder.id.len == 0 && steal)) {
        return true;
    }
    if (!rows_find_check(r, holder.name, SLICE_LIT("serfHealth"), &health) ||
        reg_status_of(health.status) == REG_CRITICAL) {
        return true;
    }
    result_fail(out, E_EXISTS,
                "failed inserting node: Error while renaming Node ID: \"%.*s\": Node name %.*s is "
                "reserved by node %.*s with name %.*s",
                (int)n->id.len, n->id.p, (int)n->name.len, n->name.p, (int)holder.id.len,
                holder.id.p, (int)holder.name.len, holder.name.p);
    return false;
}

static bool node_allowed(struct reg *r, const struct reg_register *c, struct reg_result *out)
{
    struct reg_node known;
    if ((c->flags & REG_REG_NODE) == 0) {
        if (!rows_find_node(r, c->node.name, &known)) {
            result_fail(out, E_NOTFOUND, "Missing node registration");
            return false;
        }
        return true;
    }
    bool has_id = rows_find_node_by_id(r, c->node.id, &known);
    bool same_name = has_id && slice_ieq(known.name, c->node.name);
    return c->node.id.len == 0 || same_name || name_is_free(r, &c->node, !has_id, out);
}

/* Each bound check needs its service, on the node or in the same command. */
static bool checks_allowed(struct reg *r, const struct reg_register *c, struct reg_result *out)
{
    for (unsigned i = 0; i < c->n_checks; i++) {
        struct slice id = c->checks[i].service_id;
        struct reg_service s;
        bool mine = (c->flags & REG_REG_SERVICE) != 0 && slice_eq(id, c->service.id);
        if (id.len == 0 || mine || rows_find_service(r, c->node.name, id, &s)) {
            continue;
        }
        if ((c->flags & REG_REG_CHECK_SERVICE) != 0) {
            result_fail(out, E_NOTFOUND, "ServiceID \"%.*s\" does not exist", (int)id.len, id.p);
        } else {
            result_fail(out, E_NOTFOUND, "failed inserting check: Missing service registration");
        }
        return false;
    }
    return true;
}

/* ---- registering ---- */

/* Consul: a known id under a new name is a rename; the old name goes with all that it carried, and
 * CreateIndex stays. Otherwise the name decides which node is meant. */
static void register_node(struct reg *r, const struct reg_node *asked)
{
    struct reg_node n = *asked;
    struct reg_node was;
    struct buf keep = BUF_INIT;
    n.create_index = r->state.index;
    bool had = rows_find_node_by_id(r, n.id, &was);
    if (had) {
        n.create_index = was.create_index;
    }
    bool renamed = had && !slice_ieq(was.name, n.name);
    if (renamed) {
        buf_add_slice(&keep, was.name);
        delete_node(r, buf_slice(&keep));
    }
    had = rows_keep_node(r, n.name, &keep, &was);
    if (had && !renamed) {
        n.create_index = was.create_index;
    }
    if (!had || !reg_node_same(&n, &was)) {
        if (had && !slice_ieq(was.id, n.id)) {
            rows_unindex_node(r, &was);
        }
        n.modify_index = r->state.index;
        rows_put_node(r, &n);
        index_bump(r, REG_W_NODES, none);
        index_bump(r, REG_W_NODE, n.name);
        bump_each_service(r, n.name);
    }
    buf_fini(&keep);
}

/* Store @s over @was (NULL: there is none) and announce it. */
static void write_service(struct reg *r, const struct reg_service *s, const struct reg_service *was)
{
    bool map_differs;
    if (was == NULL) {
        map_differs = reg_list_count(s->tags) > 0 || !rows_any_instance(r, s->name);
    } else {
        map_differs = !slice_eq(s->tags.raw, was->tags.raw) || !slice_eq(s->name, was->name);
    }
    if (was != NULL && !slice_ieq(was->name, s->name)) {
        rows_unindex_service(r, was);
        announce_service(r, was->name, true);
    }
    rows_put_service(r, s);
    announce_service(r, s->name, map_differs);
    index_bump(r, REG_W_NODE, s->node);
    index_touch(r, REG_W_AGENT, s->node);
}

static void register_service(struct reg *r, struct slice node, const struct reg_service *asked)
{
    struct buf keep = BUF_INIT;
    struct reg_service s = *asked;
    struct reg_service was;
    s.node = node;
    s.create_index = r->state.index;
    bool had = rows_keep_service(r, node, s.id, &keep, &was);
    if (had) {
        s.create_index = was.create_index;
        s.node = was.node; /* the spelling of the node's name does not matter */
    }
    if (!had || !reg_service_same(&s, &was)) {
        s.modify_index = r->state.index;
        write_service(r, &s, had ? &was : NULL);
    }
    buf_fini(&keep);
}

static bool definition_same(const struct reg_check *a, const struct reg_check *b)
{
    struct reg_check c = *a;
    c.status = b->status;
    c.output = b->output;
    return reg_check_same(&c, b);
}

/* Store @c over @was (NULL: there is none) and announce it. */
static void write_check(struct reg *r, const struct reg_check *c, const struct reg_check *was)
{
    if (was != NULL) {
        rows_unindex_check(r, was);
    }
    rows_put_check(r, c);
    announce_check(r, c);
    if (was != NULL && !slice_eq(was->status, c->status)) {
        index_bump(r, REG_W_STATE_CHECKS, was->status);
    }
    if (was != NULL && !slice_eq(was->service_id, c->service_id)) {
        announce_check(r, was);
    }
    if (was == NULL || !definition_same(c, was)) {
        index_touch(r, REG_W_AGENT, c->node);
    }
    if (reg_status_of(c->status) == REG_CRITICAL) {
        sessions_end_of_check(r, c->node, c->check_id);
    }
}

static void register_check(struct reg *r, const struct reg_register *c, const struct reg_check *in)
{
    struct buf keep = BUF_INIT;
    struct buf keep_service = BUF_INIT;
    struct reg_check check = *in;
    struct reg_check was;
    struct reg_service s;
    check.node = c->node.name;
    check.create_index = r->state.index;
    bool had = rows_keep_check(r, check.node, check.check_id, &keep, &was);
    if (had) {
        check.create_index = was.create_index;
        check.node = was.node;
        if ((c->flags & REG_REG_KEEP_STATUS) != 0) {
            check.status = was.status;
            check.output = was.output;
        }
    }
    if (check.status.len == 0) {
        check.status = SLICE_LIT("critical");
    }
    if (check.service_id.len > 0 &&
        rows_keep_service(r, check.node, check.service_id, &keep_service, &s)) {
        check.service_name = s.name; /* a bound check shows its service's name and tags */
        check.service_tags = s.tags;
    }
    if (!had || !reg_check_same(&check, &was)) {
        check.modify_index = r->state.index;
        write_check(r, &check, had ? &was : NULL);
    }
    buf_fini(&keep_service);
    buf_fini(&keep);
}

void apply_register(struct reg *r, const struct reg_register *c, struct reg_result *out)
{
    if (!node_allowed(r, c, out) || !checks_allowed(r, c, out)) {
        return;
    }
    if ((c->flags & REG_REG_NODE) != 0) {
        register_node(r, &c->node);
    }
    if ((c->flags & REG_REG_SERVICE) != 0) {
        register_service(r, c->node.name, &c->service);
        if ((c->flags & REG_REG_REPLACE_CHECKS) != 0) {
            delete_instance_checks(r, c->node.name, c->service.id, c->checks, c->n_checks);
        }
    }
    for (unsigned i = 0; i < c->n_checks; i++) {
        register_check(r, c, &c->checks[i]);
    }
}

void apply_deregister(struct reg *r, const struct reg_deregister *c, struct reg_result *out)
{
    struct reg_service service;
    struct reg_check check;
    struct reg_node node;
    if (c->service_id.len > 0) {
        out->ok = rows_find_service(r, c->node, c->service_id, &service);
        delete_service(r, c->node, c->service_id);
    } else if (c->check_id.len > 0) {
        out->ok = rows_find_check(r, c->node, c->check_id, &check);
        delete_check(r, c->node, c->check_id);
    } else {
        out->ok = rows_find_node(r, c->node, &node);
        delete_node(r, c->node);
    }
}

void apply_check_status(struct reg *r, const struct reg_check_status *c, struct reg_result *out)
{
    struct buf keep = BUF_INIT;
    struct reg_check was;
    if (!rows_keep_check(r, c->node, c->check_id, &keep, &was) ||
        (c->create_index != 0 && c->create_index != was.create_index)) {
        result_fail(out, E_NOTFOUND, "Unknown check ID \"%.*s\"", (int)c->check_id.len,
                    c->check_id.p);
    } else if (!slice_eq(was.status, c->status) || !slice_eq(was.output, c->output)) {
        struct reg_check now = was;
        now.status = c->status;
        now.output = c->output;
        now.modify_index = r->state.index;
        write_check(r, &now, &was);
    }
    buf_fini(&keep);
}
