/* Prepared queries over HTTP (consul-surface.md 1.4, 4.6). One route serves query/:id,
 * query/:id/execute and query/:id/explain, as in Consul, and switches methods by itself.
 *
 * There is one datacenter, so an empty result has nowhere to fail over to: Failovers is 0. */
#include <stdlib.h>

#include "api/handlers.h"
#include "api/prepared_body.h"
#include "api/render.h"
#include "api/request.h"
#include "base/rand.h"
#include "registry/coord.h"
#include "registry/prepared_run.h"

/* ---- which of the three ---- */

enum ask { ASK_QUERY, ASK_EXECUTE, ASK_EXPLAIN };

static enum ask ask_of(const struct api_req *r, struct slice *id)
{
    static const struct slice ends[] = {{"", 0}, {"/execute", 8}, {"/explain", 8}};
    for (int i = ASK_EXECUTE; i <= ASK_EXPLAIN; i++) {
        size_t n = ends[i].len;
        if (r->tail.len >= n && slice_eq(slice_of(r->tail.p + r->tail.len - n, n), ends[i])) {
            *id = slice_of(r->tail.p, r->tail.len - n);
            return (enum ask)i;
        }
    }
    *id = r->tail;
    return ASK_QUERY;
}

unsigned prepared_methods(const struct api_req *r)
{
    struct slice id;
    return ask_of(r, &id) == ASK_QUERY ? API_GET | API_PUT | API_DELETE : API_GET;
}

/* ---- reading definitions ---- */

void prepared_list_find(struct api_req *r, struct api_resource *res)
{
    handler_resource(r, res, REG_W_QUERIES, slice_of(NULL, 0));
}

void prepared_list_render(struct api_req *r, struct buf *out)
{
    struct json j = json_to(out);
    struct reg_iter it;
    struct reg_prepared q;
    json_arr(&j);
    reg_prepareds(r->reader, &it);
    while (reg_prepareds_next(&it, &q)) {
        prepared_render(&j, &q);
    }
    reg_iter_end(&it);
    json_arr_end(&j);
}

static void refuse(struct api_resource *res, int status, const char *error)
{
    res->status = status;
    res->error = error;
    res->bare = true;
}

/* Strconv's Atoi; false when @s is no number. */
static bool parse_limit(struct slice s, int64_t *out)
{
    bool negative = s.len > 0 && s.p[0] == '-';
    int64_t v = 0;
    size_t from = negative || (s.len > 0 && s.p[0] == '+') ? 1 : 0;
    for (size_t i = from; i < s.len; i++) {
        if (s.p[i] < '0' || s.p[i] > '9' || __builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, s.p[i] - '0', &v)) {
            return false;
        }
    }
    *out = negative ? -v : v;
    return s.len > from;
}

/* What execute and explain have found out. */
struct found {
    int64_t limit;
    struct slice id;
};

/* For execute and explain: does the query exist, and can it be run? */
static void find_run(struct api_req *r, struct api_resource *res, struct slice id)
{
    struct found *f = api_alloc(r, sizeof *f);
    struct slice limit = {NULL, 0};
    struct reg_prepared_run run;
    struct errmsg e;
    f->id = id;
    r->user = f;
    res->index = 1;
    res->at_once = true;
    res->private_body = true; /* each run is shuffled anew */
    if (api_param(r, "limit", &limit) && limit.len > 0 && !parse_limit(limit, &f->limit)) {
        struct buf *text = api_buf(r);
        buf_printf(text, "Bad limit: strconv.Atoi: parsing \"%.*s\": invalid syntax%c",
                   limit.len > 64 ? 64 : (int)limit.len, limit.p, '\0');
        refuse(res, 500, text->p);
        return;
    }
    int rc = reg_prepared_begin(&run, r->reader, id, &e);
    reg_prepared_end(&run);
    if (rc == E_NOTFOUND) {
        refuse(res, 404, "Query not found");
    } else if (rc != 0) {
        refuse(res, 500, api_copy(r, slice_of(e.text, strlen(e.text) + 1)).p);
    }
}

void prepared_find(struct api_req *r, struct api_resource *res)
{
    struct slice id;
    struct reg_prepared q;
    if (ask_of(r, &id) != ASK_QUERY) {
        find_run(r, res, id);
        return;
    }
    handler_resource(r, res, REG_W_QUERIES, slice_of(NULL, 0));
    if (id.len != 36) {
        res->status = 500;
        res->error = "failed prepared query lookup: index error: UUID must be 36 characters";
    } else if (!reg_prepared_find(r->reader, id, &q)) {
        refuse(res, 404, "Query not found");
    } else {
        res->index = q.modify_index;
    }
}

/* ---- executing ---- */

struct row {
    double distance;
    size_t place; /* in the shuffled order */
    struct slice node;
    struct slice service_id;
};

/* The rows that @q takes, shuffled. The caller frees @rows. */
static size_t gather(struct api_req *r, const struct reg_prepared *q, struct buf *rows)
{
    struct reg_iter it;
    struct reg_service s;
    struct reg_node n;
    reg_instances(r->reader, &it, q->service);
    while (reg_instances_next(&it, &s)) {
        if (reg_prepared_takes(r->reader, q, &s, &n)) {
            struct row row = {.node = s.node, .service_id = s.id};
            buf_add(rows, &row, sizeof row);
        }
    }
    reg_iter_end(&it);
    size_t n_rows = buf_ok(rows) ? rows->len / sizeof(struct row) : 0;
    struct row *p = (struct row *)(void *)rows->p;
    for (size_t i = n_rows; i > 1; i--) {
        size_t k = (size_t)rng_below(&request_of(r)->loop->rng, i);
        struct row swap = p[i - 1];
        p[i - 1] = p[k];
        p[k] = swap;
    }
    return n_rows;
}

/* The node whose address the client says it came from; empty when there is none. */
static struct slice node_of_client(struct api_req *r)
{
    struct slice from = api_header(r, "X-Forwarded-For");
    const char *comma = from.len == 0 ? NULL : memchr(from.p, ',', from.len);
    struct slice name = {NULL, 0};
    struct reg_iter it;
    struct reg_node n;
    from.len = comma == NULL ? from.len : (size_t)(comma - from.p);
    reg_nodes(r->reader, &it);
    while (from.len > 0 && name.len == 0 && reg_nodes_next(&it, &n)) {
        name = slice_eq(n.address, from) ? n.name : name;
    }
    reg_iter_end(&it);
    return name;
}

static int row_cmp(const void *a, const void *b)
{
    const struct row *x = a;
    const struct row *y = b;
    if (x->distance != y->distance) {
        return x->distance < y->distance ? -1 : 1;
    }
    return (x->place > y->place) - (x->place < y->place);
}

/* By distance from ?near= or the query's own Near, if that node has coordinates. */
static void sort_near(struct api_req *r, const struct reg_prepared *q, struct row *rows, size_t n)
{
    struct slice near = {NULL, 0};
    struct reg_coord_set from;
    if (!api_param(r, "near", &near) || near.len == 0) {
        near = q->near;
    }
    if (slice_is(near, "_agent")) {
        near = handler_node(r);
    } else if (slice_is(near, "_ip")) {
        near = node_of_client(r);
    }
    from.n = 0;
    if (near.len > 0) {
        reg_coord_set_read(r->reader, near, &from);
    }
    if (from.n == 0 || n < 2) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        struct reg_coord_set to;
        reg_coord_set_read(r->reader, rows[i].node, &to);
        rows[i].distance = reg_coord_set_distance(&from, &to);
        rows[i].place = i;
    }
    qsort(rows, n, sizeof *rows, row_cmp);
}

static void render_checks(struct api_req *r, struct json *j, struct slice node, struct slice id)
{
    struct reg_iter it;
    struct reg_check c;
    reg_instance_checks(r->reader, &it, node, id);
    while (reg_checks_next(&it, &c)) {
        render_check(j, &c, false);
    }
    reg_iter_end(&it);
}

static void render_row(struct api_req *r, struct json *j, const struct row *row)
{
    struct reg_node n;
    struct reg_service s;
    if (!reg_node_find(r->reader, row->node, &n) ||
        !reg_service_find(r->reader, row->node, row->service_id, &s)) {
        return; /* cannot be: the bracket has not ended since it was gathered */
    }
    json_obj(j);
    json_key(j, "Node");
    render_node(j, handler_datacenter(r), &n);
    json_key(j, "Service");
    render_node_service(j, &s);
    json_key(j, "Checks");
    json_arr(j);
    render_checks(r, j, row->node, slice_of(NULL, 0));
    render_checks(r, j, row->node, row->service_id);
    json_arr_end(j);
    json_obj_end(j);
}

/* Consul puts these into the body here. */
static void render_meta(struct api_req *r, struct json *j)
{
    json_key(j, "Index");
    json_u64(j, 0);
    json_key(j, "LastContact");
    json_u64(j, 0);
    json_key(j, "KnownLeader");
    json_bool(j, true);
    json_key(j, "ConsistencyLevel");
    json_cstr(j, api_flag(r, "consistent") ? "consistent"
                 : api_flag(r, "stale")    ? "stale"
                                           : "leader");
    json_key(j, "NotModified");
    json_bool(j, false);
    json_key(j, "Backend");
    json_u64(j, 0);
}

static void render_execute(struct api_req *r, struct reg_prepared *q, struct buf *out)
{
    const struct found *f = r->user;
    struct slice connect = {NULL, 0};
    struct json j = json_to(out);
    struct buf rows = BUF_INIT;
    bool mesh = false;
    if (api_param(r, "connect", &connect) && handler_bool(connect, &mesh)) {
        q->connect = q->connect || mesh;
    }
    size_t n = gather(r, q, &rows);
    struct row *p = (struct row *)(void *)rows.p;
    sort_near(r, q, p, n);
    json_obj(&j);
    json_key(&j, "Service");
    json_str(&j, q->service);
    json_key(&j, "Nodes");
    json_arr(&j);
    for (size_t i = 0; i < n && (f->limit <= 0 || i < (uint64_t)f->limit); i++) {
        render_row(r, &j, &p[i]);
    }
    json_arr_end(&j);
    json_key(&j, "DNS");
    json_obj(&j);
    json_key(&j, "TTL");
    json_str(&j, q->ttl);
    json_obj_end(&j);
    json_key(&j, "Datacenter");
    json_str(&j, handler_datacenter(r));
    json_key(&j, "Failovers");
    json_u64(&j, 0);
    render_meta(r, &j);
    json_obj_end(&j);
    out->failed = out->failed || !buf_ok(&rows);
    buf_fini(&rows);
}

void prepared_get_render(struct api_req *r, struct buf *out)
{
    struct slice id;
    struct json j = json_to(out);
    struct reg_prepared_run run = {.blocks = NULL};
    struct errmsg e;
    enum ask ask = ask_of(r, &id);
    if (ask == ASK_QUERY) {
        json_arr(&j);
        if (reg_prepared_find(r->reader, id, &run.q)) {
            prepared_render(&j, &run.q);
        }
        json_arr_end(&j);
    } else if (reg_prepared_begin(&run, r->reader, id, &e) != 0) {
        json_nil(&j); /* cannot be: it was found in this bracket */
    } else if (ask == ASK_EXECUTE) {
        render_execute(r, &run.q, out);
    } else {
        json_obj(&j);
        json_key(&j, "Query");
        prepared_render(&j, &run.q);
        render_meta(r, &j);
        json_obj_end(&j);
    }
    reg_prepared_end(&run);
}

/* ---- writing ---- */

static void propose(struct api_req *r,
                    const struct reg_prepared_op *op,
                    void (*done)(struct api_req *r, int status, const struct reg_result *result))
{
    struct buf *cmd = api_buf(r);
    reg_command_prepared(cmd, op);
    api_propose(r, cmd, done);
}

/* Decode the body. False: the request was answered. */
static bool take_body(struct api_req *r, struct reg_prepared *q)
{
    void *body = api_alloc(r, prepared_body_size());
    if (!handler_decode(r, &prepared_body, body)) {
        return false;
    }
    prepared_from_body(body, q);
    return true;
}

static void on_created(struct api_req *r, int status, const struct reg_result *result)
{
    if (status != 0 || result->status != 0) {
        api_reply_proposal_error(r, status, result);
        return;
    }
    struct buf *b = api_buf(r);
    struct json j = json_to(b);
    json_obj(&j);
    json_key(&j, "ID");
    json_cstr(&j, r->user);
    json_obj_end(&j);
    api_reply_json(r, buf_slice(b));
}

void prepared_create(struct api_req *r)
{
    struct reg_prepared_op op = {.verb = REG_PREPARED_CREATE};
    struct errmsg e;
    if (!take_body(r, &op.q)) {
        return;
    }
    if (op.q.id.len > 0) {
        api_reply_error(r, 500, "ID must be empty when creating a new prepared query");
        return;
    }
    if (prepared_check(&op.q, &e) != 0) {
        api_reply_error(r, 500, "%s", e.text);
        return;
    }
    char *uuid = api_alloc(r, UUID_LEN + 1);
    uuid_make(uuid);
    op.q.id = slice_of(uuid, UUID_LEN);
    r->user = uuid;
    propose(r, &op, on_created);
}

/* There is such a query to change. False: the request was answered. */
static bool exists(struct api_req *r)
{
    struct reg_prepared q;
    if (r->tail.len != 36) {
        api_reply_error(r, 500,
                        "Prepared Query lookup failed: failed prepared query lookup: index error: "
                        "UUID must be 36 characters");
        return false;
    }
    reg_read_begin(r->reader);
    bool found = reg_prepared_find(r->reader, r->tail, &q);
    reg_read_end(r->reader);
    if (!found) {
        api_reply_error(r, 500, "Cannot modify non-existent prepared query: '%.*s'",
                        (int)r->tail.len, r->tail.p);
    }
    return found;
}

void prepared_put(struct api_req *r)
{
    struct reg_prepared_op op = {.verb = REG_PREPARED_UPDATE};
    struct errmsg e;
    if (!take_body(r, &op.q) || !exists(r)) {
        return;
    }
    op.q.id = r->tail; /* the path's id counts, not the body's */
    if (prepared_check(&op.q, &e) != 0) {
        api_reply_error(r, 500, "%s", e.text);
        return;
    }
    propose(r, &op, handler_on_empty);
}

void prepared_delete(struct api_req *r)
{
    struct reg_prepared_op op = {.verb = REG_PREPARED_DELETE, .q = {.id = r->tail}};
    if (exists(r)) {
        propose(r, &op, handler_on_empty);
    }
}
