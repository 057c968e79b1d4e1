/* Keys and values (consul-surface.md 1.4, 4.1). One GET has four shapes: a single entry, ?raw of
 * it, ?recurse below a prefix, ?keys below a prefix; ?keys wins over ?recurse. */
#include <stdio.h>
#include <stdlib.h>

#include "api/handlers.h"
#include "api/render.h"

/* ---- reading ---- */

static bool any_below(struct api_req *r)
{
    struct reg_iter it;
    struct reg_kv e;
    reg_kvs(r->reader, &it, r->tail, slice_of(NULL, 0));
    bool any = reg_kvs_next(&it, &e);
    reg_iter_end(&it);
    return any;
}

static void find_below(struct api_req *r, struct api_resource *res)
{
    res->index = reg_index(r->reader, REG_W_PREFIX, r->tail);
    handler_watch(res, REG_W_PREFIX, r->tail);
    /* Consul's oddity: all keys of an empty store are [], the keys below a prefix 404. */
    if (!any_below(r) && !(api_flag(r, "keys") && r->tail.len == 0)) {
        res->status = 404;
    }
}

void kv_find(struct api_req *r, struct api_resource *res)
{
    struct reg_kv e;
    if (api_flag(r, "keys") || api_flag(r, "recurse")) {
        find_below(r, res);
        return;
    }
    if (r->tail.len == 0) {
        res->status = 400;
        res->error = "Missing key name";
        return;
    }
    res->index = reg_index(r->reader, REG_W_KEY, r->tail);
    handler_watch(res, REG_W_KEY, r->tail);
    if (!reg_kv_find(r->reader, r->tail, &e)) {
        res->status = 404;
        res->private_body = true; /* the index is the table's and moves with other keys */
    } else if (api_flag(r, "raw")) {
        res->raw = true;
        res->content_type = "text/plain";
    }
}

/* The end of @key's part that ?keys shows: behind the first @separator past the prefix. */
static size_t cut_at(struct slice key, size_t prefix_len, struct slice separator)
{
    if (separator.len == 0) {
        return key.len;
    }
    for (size_t i = prefix_len; i + separator.len <= key.len; i++) {
        if (memcmp(key.p + i, separator.p, separator.len) == 0) {
            return i + separator.len;
        }
    }
    return key.len;
}

/* Keys come in order, so those that are cut to the same text follow each other. */
static void render_keys(struct api_req *r, struct buf *out)
{
    struct slice separator = {NULL, 0};
    if (!api_param(r, "separator", &separator)) {
        (void)api_param(r, "seperator", &separator); /* a spelling that clients use */
    }
    struct json j = json_to(out);
    struct reg_iter it;
    struct reg_kv e;
    struct slice last = {NULL, 0};
    json_arr(&j);
    reg_kvs(r->reader, &it, r->tail, slice_of(NULL, 0));
    while (reg_kvs_next(&it, &e)) {
        struct slice shown = slice_of(e.key.p, cut_at(e.key, r->tail.len, separator));
        if (last.p == NULL || !slice_eq(shown, last)) {
            json_str(&j, shown);
            last = shown;
        }
    }
    reg_iter_end(&it);
    json_arr_end(&j);
}

static void render_below(struct api_req *r, struct buf *out)
{
    struct json j = json_to(out);
    struct reg_iter it;
    struct reg_kv e;
    json_arr(&j);
    reg_kvs(r->reader, &it, r->tail, slice_of(NULL, 0));
    while (reg_kvs_next(&it, &e)) {
        render_kv(&j, &e);
    }
    reg_iter_end(&it);
    json_arr_end(&j);
}

void kv_render(struct api_req *r, struct buf *out)
{
    struct reg_kv e;
    if (api_flag(r, "keys")) {
        render_keys(r, out);
    } else if (api_flag(r, "recurse")) {
        render_below(r, out);
    } else if (reg_kv_find(r->reader, r->tail, &e)) {
        if (api_flag(r, "raw")) {
            buf_add_slice(out, e.value);
        } else {
            struct json j = json_to(out);
            json_arr(&j);
            render_kv(&j, &e);
            json_arr_end(&j);
        }
    }
}

/* ---- writing ---- */

static int param_cmp(const void *a, const void *b)
{
    const struct api_param *x = a;
    const struct api_param *y = b;
    return slice_cmp(x->name, y->name);
}

static void add_escaped(struct buf *b, struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '_' || c == '.' || c == '~';
        if (plain) {
            buf_add_char(b, c);
        } else if (c == ' ') {
            buf_add_char(b, '+');
        } else {
            buf_printf(b, "%%%02X", (unsigned)(unsigned char)c);
        }
    }
}

/* More than one of @flags was given: 400 with the parameters as Go's url.Values.Encode() has them.
 */
static bool conflicting(struct api_req *r, const char *const *flags, unsigned n)
{
    unsigned given = 0;
    for (unsigned i = 0; i < n; i++) {
        given += api_flag(r, flags[i]) ? 1 : 0;
    }
    if (given < 2) {
        return false;
    }
    struct api_param *sorted = api_alloc(r, r->n_params * sizeof *sorted);
    memcpy(sorted, r->params, r->n_params * sizeof *sorted);
    qsort(sorted, r->n_params, sizeof *sorted, param_cmp);
    struct buf *b = api_buf(r);
    for (unsigned i = 0; i < r->n_params; i++) {
        if (i > 0) {
            buf_add_char(b, '&');
        }
        add_escaped(b, sorted[i].name);
        buf_add_char(b, '=');
        add_escaped(b, sorted[i].value);
    }
    api_reply_error(r, 400, "Conflicting flags: %.*s", (int)b->len, b->p);
    return true;
}

/* An unsigned parameter, worded as Go's strconv. False: the request was answered. */
static bool u64_param(struct api_req *r, const char *name, uint64_t *v, bool *given)
{
    struct slice s;
    *given = api_param(r, name, &s);
    *v = 0;
    if (!*given) {
        return true;
    }
    const char *fault = s.len == 0 ? "invalid syntax" : NULL;
    for (size_t i = 0; i < s.len; i++) {
        unsigned digit = (unsigned)(unsigned char)s.p[i] - '0';
        if (digit > 9) {
            fault = "invalid syntax";
            break;
        }
        if (__builtin_mul_overflow(*v, 10, v) || __builtin_add_overflow(*v, digit, v)) {
            fault = "value out of range";
        }
    }
    if (fault != NULL) {
        api_reply_error(r, 500, "strconv.ParseUint: parsing \"%.*s\": %s",
                        s.len > 64 ? 64 : (int)s.len, s.len == 0 ? "" : s.p, fault);
    }
    return fault == NULL;
}

static void on_kv(struct api_req *r, int status, const struct reg_result *result)
{
    if (status != 0) {
        api_reply_proposal_error(r, status, result);
    } else if (result->status != 0) {
        api_reply_error(r, 500, "raft apply failed: %s", result->text);
    } else {
        api_reply_json(r, result->ok ? SLICE_LIT("true") : SLICE_LIT("false"));
    }
}

static void propose(struct api_req *r, const struct reg_kv_op *op)
{
    struct buf *cmd = api_buf(r);
    reg_command_kv(cmd, op);
    api_propose(r, cmd, on_kv);
}

static bool no_key(struct api_req *r)
{
    if (r->tail.len == 0) {
        api_reply_error(r, 400, "Missing key name");
    }
    return r->tail.len == 0;
}

void kv_put(struct api_req *r)
{
    static const char *const exclusive[] = {"cas", "acquire", "release"};
    struct reg_kv_op op = {.verb = REG_KV_SET, .key = r->tail, .value = r->body};
    bool has_flags;
    bool has_cas;
    if (no_key(r) || conflicting(r, exclusive, 3) ||
        !u64_param(r, "flags", &op.flags, &has_flags) ||
        !u64_param(r, "cas", &op.index, &has_cas)) {
        return;
    }
    if (r->body.len > r->server->kv_value_max) {
        api_reply_error(r, 413,
                        "Request body(%zu bytes) too large, max size: %llu bytes. See "
                        "https://www.consul.io/docs/agent/options.html#kv_max_value_size.",
                        r->body.len, (unsigned long long)r->server->kv_value_max);
        return;
    }
    if (api_param(r, "acquire", &op.session)) {
        op.verb = REG_KV_LOCK;
    } else if (api_param(r, "release", &op.session)) {
        op.verb = REG_KV_UNLOCK;
    } else if (has_cas) {
        op.verb = REG_KV_CAS;
    }
    propose(r, &op);
}

void kv_delete(struct api_req *r)
{
    static const char *const exclusive[] = {"recurse", "cas"};
    struct reg_kv_op op = {.verb = REG_KV_DELETE, .key = r->tail};
    bool has_cas;
    if (conflicting(r, exclusive, 2) || !u64_param(r, "cas", &op.index, &has_cas)) {
        return;
    }
    if (api_flag(r, "recurse")) {
        op.verb = REG_KV_DELETE_TREE;
    } else if (no_key(r)) {
        return;
    } else if (has_cas) {
        op.verb = REG_KV_DELETE_CAS;
    }
    propose(r, &op);
}
