/* Sessions (consul-surface.md 1.4, 4.3). Creating and destroying are commands; renewing asks the
 * prober, which keeps the leases, and changes nothing that is stored. */
#include "api/define_session.h"
#include "api/handlers.h"
#include "api/render.h"
#include "base/rand.h"

static const struct slice none = {NULL, 0};

/* ---- reading ---- */

static void find_all(struct api_req *r, struct api_resource *res)
{
    res->index = reg_index(r->reader, REG_W_SESSIONS, none);
    handler_watch(res, REG_W_SESSIONS, none);
}

void session_list_find(struct api_req *r, struct api_resource *res)
{
    find_all(r, res);
}

void session_info_find(struct api_req *r, struct api_resource *res)
{
    struct reg_result *fault = api_alloc(r, sizeof *fault);
    if (!reg_session_id_ok(r->tail, fault)) {
        res->status = 500;
        res->error = fault->text;
        return;
    }
    find_all(r, res);
}

static void render_range(struct reg_iter *it, struct buf *out)
{
    struct json j = json_to(out);
    struct reg_session s;
    json_arr(&j);
    while (reg_sessions_next(it, &s)) {
        render_session(&j, &s);
    }
    json_arr_end(&j);
    reg_iter_end(it);
}

void session_list_render(struct api_req *r, struct buf *out)
{
    struct reg_iter it;
    reg_sessions(r->reader, &it);
    render_range(&it, out);
}

void session_node_render(struct api_req *r, struct buf *out)
{
    struct reg_iter it;
    reg_node_sessions(r->reader, &it, r->tail);
    render_range(&it, out);
}

void session_info_render(struct api_req *r, struct buf *out)
{
    struct json j = json_to(out);
    struct reg_session s;
    json_arr(&j);
    if (reg_session_find(r->reader, r->tail, &s)) {
        render_session(&j, &s);
    }
    json_arr_end(&j);
}

/* ---- creating and destroying ---- */

static void propose(struct api_req *r,
                    const struct reg_session_op *op,
                    void (*done)(struct api_req *r, int status, const struct reg_result *result))
{
    struct buf *cmd = api_buf(r);
    reg_command_session(cmd, op);
    api_propose(r, cmd, done);
}

/* Consul's prefix for what applying refused. True: the request was answered. */
static bool reply_refused(struct api_req *r, int status, const struct reg_result *result)
{
    if (status != 0) {
        api_reply_proposal_error(r, status, result);
    } else if (result->status != 0) {
        api_reply_error(r, 500, "apply failed: %s", result->text);
    }
    return status != 0 || result->status != 0;
}

static void on_created(struct api_req *r, int status, const struct reg_result *result)
{
    if (reply_refused(r, status, result)) {
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

void session_create(struct api_req *r)
{
    struct decode_memory m = handler_memory(r);
    struct define_session_rules rules = {.node = handler_node(r),
                                         .ttl_min_ns = r->server->session_ttl_min_ns};
    struct define_error e;
    struct reg_session_op op = {.verb = REG_SESSION_CREATE};
    /* As Consul: a body without a length in the head is not looked at. */
    struct slice body = r->has_length ? r->body : none;
    if (define_session(&m, &rules, body, &op.session, &e) != 0) {
        handler_refuse(r, &e);
        return;
    }
    char *id = api_alloc(r, UUID_LEN + 1);
    uuid_make(id);
    r->user = id;
    op.session.id = slice_of(id, UUID_LEN);
    propose(r, &op, on_created);
}

static void on_destroyed(struct api_req *r, int status, const struct reg_result *result)
{
    if (!reply_refused(r, status, result)) {
        api_reply_json(r, SLICE_LIT("true"));
    }
}

void session_destroy(struct api_req *r)
{
    struct reg_session_op op = {.verb = REG_SESSION_DESTROY, .session.id = r->tail};
    propose(r, &op, on_destroyed);
}

/* ---- renewing ---- */

/* 404 when it is gone; true and the answer in @out otherwise. */
static bool render_one(struct api_req *r, struct buf *out, bool *has_ttl)
{
    struct reg_session s;
    struct json j = json_to(out);
    reg_read_begin(r->reader);
    bool found = reg_session_find(r->reader, r->tail, &s);
    if (found) {
        *has_ttl = s.ttl_ns > 0;
        json_arr(&j);
        render_session(&j, &s);
        json_arr_end(&j);
    }
    reg_read_end(r->reader);
    if (!found) {
        api_reply_error(r, 404, "Session id '%.*s' not found", (int)r->tail.len, r->tail.p);
    }
    return found;
}

static void on_renewed(struct api_req *r, struct reg_probe_req *q)
{
    static const struct reg_result nothing;
    if (q->code == 0) {
        api_reply_json(r, buf_slice(r->user));
    } else if (q->code == E_NOTFOUND) {
        api_reply_error(r, 404, "Session id '%.*s' not found", (int)r->tail.len, r->tail.p);
    } else {
        api_reply_proposal_error(r, q->code, &nothing);
    }
}

void session_renew(struct api_req *r)
{
    struct reg_result fault;
    if (!reg_session_id_ok(r->tail, &fault)) {
        api_reply_error(r, 500, "%s", fault.text);
        return;
    }
    struct buf *b = api_buf(r);
    bool has_ttl;
    if (!render_one(r, b, &has_ttl)) {
        return;
    }
    if (!has_ttl) {
        api_reply_json(r, buf_slice(b));
        return;
    }
    r->user = b;
    struct reg_probe_req q = {.op = REG_PROBE_REQ_RENEW, .session = r->tail};
    api_probe(r, &q, on_renewed);
}
