/* Transactions on keys (consul-surface.md 4.4). One that only reads goes through the log as well:
 * so it is always consistent, and answers in Consul's other form, with the query's metadata. */
#include "api/handlers.h"
#include "api/render.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

struct kv_op {
    struct slice verb, key, value, session;
    uint64_t flags, index;
};

struct op {
    const struct kv_op *kv;
    struct slice node, service, check; /* JSON */
};

static const struct decode_field kv_fields[] = {
    DECODE_FIELD("Verb", STR, struct kv_op, verb),
    DECODE_FIELD("Key", TEXT, struct kv_op, key),
    DECODE_FIELD("Value", BASE64, struct kv_op, value),
    DECODE_FIELD("Flags", U64, struct kv_op, flags),
    DECODE_FIELD("Index", U64, struct kv_op, index),
    DECODE_FIELD("Session", STR, struct kv_op, session),
};
static const struct decode_object kv_object = {
    "KVTxnOp", sizeof(struct kv_op), kv_fields, COUNT(kv_fields), false, false};

static const struct decode_field op_fields[] = {
    DECODE_SUB("KV", OBJECT, struct op, kv, &kv_object),
    DECODE_FIELD("Node", JSON, struct op, node),
    DECODE_FIELD("Service", JSON, struct op, service),
    DECODE_FIELD("Check", JSON, struct op, check),
};
static const struct decode_object op_object = {
    "TxnOp", sizeof(struct op), op_fields, COUNT(op_fields), false, false};

static const struct {
    const char *name;
    uint8_t verb;
    bool writes;
} verbs[] = {
    {"set", REG_KV_SET, true},
    {"cas", REG_KV_CAS, true},
    {"lock", REG_KV_LOCK, true},
    {"unlock", REG_KV_UNLOCK, true},
    {"get", REG_KV_GET, false},
    {"get-or-empty", REG_KV_GET_OR_EMPTY, false},
    {"get-tree", REG_KV_GET_TREE, false},
    {"check-index", REG_KV_CHECK_INDEX, false},
    {"check-session", REG_KV_CHECK_SESSION, false},
    {"check-not-exists", REG_KV_CHECK_NOT_EXISTS, false},
    {"delete", REG_KV_DELETE, true},
    {"delete-cas", REG_KV_DELETE_CAS, true},
    {"delete-tree", REG_KV_DELETE_TREE, true},
};

/* The request as it goes on; api_req.user. */
struct txn {
    struct reg_kv_op ops[REG_TXN_OPS_MAX];
    unsigned n;
    bool writes;
};

static void add(struct txn *t, const struct kv_op *in)
{
    struct reg_kv_op *op = &t->ops[t->n++];
    /* A verb that nobody knows is told by the command, in its place among the errors. */
    *op = (struct reg_kv_op){.key = in->key, .value = in->verb};
    for (size_t i = 0; i < COUNT(verbs); i++) {
        if (slice_is(in->verb, verbs[i].name)) {
            *op = (struct reg_kv_op){.verb = verbs[i].verb,
                                     .key = in->key,
                                     .value = in->value,
                                     .flags = in->flags,
                                     .index = in->index,
                                     .session = in->session};
            t->writes = t->writes || verbs[i].writes;
        }
    }
}

/* ---- answering ---- */

static void open_results(struct json *j)
{
    json_obj(j);
    json_key(j, "Results");
}

/* What follows the results; @t only read: the metadata of the query behind it. */
static void close_results(struct api_req *r, const struct txn *t, struct json *j)
{
    if (!t->writes) {
        json_key(j, "Index");
        json_u64(j, 0);
        json_key(j, "LastContact");
        json_u64(j, 0);
        json_key(j, "KnownLeader");
        json_bool(j, true);
        json_key(j, "ConsistencyLevel");
        json_cstr(j, "");
        json_key(j, "NotModified");
        json_bool(j, false);
        json_key(j, "Backend");
        json_u64(j, 0);
        api_set_header(r, "X-Consul-Knownleader", SLICE_LIT("true"));
        api_set_header(r, "X-Consul-Lastcontact", SLICE_LIT("0"));
    }
    json_obj_end(j);
}

static void add_error(struct json *j, uint32_t op, struct slice what)
{
    json_obj(j);
    json_key(j, "OpIndex");
    json_u64(j, op);
    json_key(j, "What");
    json_str(j, what);
    json_obj_end(j);
}

static void begin_errors(struct json *j)
{
    open_results(j);
    json_nil(j);
    json_key(j, "Errors");
    json_arr(j);
}

static void reply_errors(struct api_req *r, struct json *j, const struct buf *b)
{
    json_arr_end(j);
    close_results(r, r->user, j);
    api_reply(r, 409, "application/json", buf_slice(b));
}

static void reply_failed(struct api_req *r, struct slice payload)
{
    struct buf *b = api_buf(r);
    struct json j = json_to(b);
    struct rd it = rd_of(payload);
    begin_errors(&j);
    while (rd_left(&it) > 0) {
        uint32_t op = rd_u32(&it);
        add_error(&j, op, rd_bytes(&it));
    }
    reply_errors(r, &j, b);
}

static void reply_done(struct api_req *r, struct slice payload)
{
    struct buf *b = api_buf(r);
    struct json j = json_to(b);
    struct rd it = rd_of(payload);
    struct reg_kv e;
    open_results(&j);
    json_arr(&j);
    while (rd_left(&it) > 0 && reg_kv_decode(rd_bytes(&it), &e) == 0) {
        json_obj(&j);
        json_key(&j, "KV");
        render_kv(&j, &e);
        json_obj_end(&j);
    }
    json_arr_end(&j);
    json_key(&j, "Errors");
    json_nil(&j);
    close_results(r, r->user, &j);
    api_reply_json(r, buf_slice(b));
}

static void on_applied(struct api_req *r, int status, const struct reg_result *result)
{
    if (status != 0 || result->status != 0) {
        api_reply_proposal_error(r, status, result);
        return;
    }
    struct slice payload = slice_of(result->payload, result->payload_len);
    if (result->ok) {
        reply_done(r, payload);
    } else {
        reply_failed(r, payload);
    }
}

/* ---- asking ---- */

/* False: the request was answered. */
static bool parse(struct api_req *r, struct decode_array *ops)
{
    struct decode_memory m = handler_memory(r);
    struct errmsg e;
    if (r->body.len > r->server->txn_body_max) {
        api_reply_error(r, 413,
                        "Request body(%zu bytes) too large, max size: %llu bytes. See "
                        "https://www.consul.io/docs/agent/options.html#txn_max_req_len.",
                        r->body.len, (unsigned long long)r->server->txn_body_max);
        return false;
    }
    if (decode_array_body(&m, r->body, &op_object, "api.TxnOps", "api.TxnOp", ops, &e) != 0) {
        api_reply_error(r, 400, "Failed to parse body: %s", e.text);
        return false;
    }
    if (ops->n > REG_TXN_OPS_MAX) {
        api_reply_error(r, 413, "Transaction contains too many operations (%u > %d)", ops->n,
                        REG_TXN_OPS_MAX);
        return false;
    }
    return true;
}

/* Every operation but delete-tree needs a key. False: the request was answered. */
static bool keys_given(struct api_req *r, const struct txn *t)
{
    struct buf *b = api_buf(r);
    struct json j = json_to(b);
    bool missing = false;
    begin_errors(&j);
    for (unsigned i = 0; i < t->n; i++) {
        if (t->ops[i].key.len == 0 && t->ops[i].verb != REG_KV_DELETE_TREE) {
            add_error(&j, i, SLICE_LIT("Must provide key"));
            missing = true;
        }
    }
    if (missing) {
        reply_errors(r, &j, b);
    }
    return !missing;
}

void txn_put(struct api_req *r)
{
    struct decode_array ops;
    struct txn *t = api_alloc(r, sizeof *t);
    r->user = t;
    if (!parse(r, &ops)) {
        return;
    }
    const struct op *in = ops.items;
    for (unsigned i = 0; i < ops.n; i++) {
        if (in[i].node.len > 0 || in[i].service.len > 0 || in[i].check.len > 0) {
            api_reply_error(r, 500,
                            "transactions on nodes, services and checks are not available yet");
            return;
        }
        if (in[i].kv != NULL) {
            add(t, in[i].kv);
        }
    }
    if (!keys_given(r, t)) {
        return;
    }
    if (t->n == 0) {
        reply_done(r, slice_of(NULL, 0));
        return;
    }
    struct buf *cmd = api_buf(r);
    reg_command_txn(cmd, &(struct reg_txn){.ops = t->ops, .n = t->n});
    api_propose(r, cmd, on_applied);
}
