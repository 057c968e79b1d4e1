/* What handlers share: small adapters around the request. */
#include "api/handlers.h"

#include <assert.h>
#include <stdio.h>

#include "base/log.h"

static void *alloc_from_request(void *arg, size_t n)
{
    return api_alloc(arg, n);
}

struct decode_memory handler_memory(struct api_req *r)
{
    return (struct decode_memory){alloc_from_request, r};
}

bool handler_decode(struct api_req *r, const struct decode_object *o, void *out)
{
    struct errmsg e;
    struct decode_memory m = handler_memory(r);
    if (decode_body(&m, r->body, o, out, &e) == 0) {
        return true;
    }
    api_reply_error(r, 400, "Request decode failed: %s", e.text);
    return false;
}

void handler_refuse(struct api_req *r, const struct define_error *e)
{
    api_reply_error(r, e->status, "%s", e->text.text);
}

void handler_on_empty(struct api_req *r, int status, const struct reg_result *result)
{
    if (status != 0 || result->status != 0) {
        api_reply_proposal_error(r, status, result);
    } else {
        api_reply_empty(r);
    }
}

/* What there is to say once the command is applied. */
struct log_later {
    const char *sentence;
    const char *key;
    struct slice id;
};

void handler_log(struct api_req *r, const char *sentence, const char *key, struct slice id)
{
    struct log_later *l = api_alloc(r, sizeof *l);
    *l = (struct log_later){sentence, key, id};
    r->user = l;
}

void handler_on_synced(struct api_req *r, int status, const struct reg_result *result)
{
    const struct log_later *l = r->user;
    if (status == 0 && result->status == 0 && result->changed) {
        log_info("agent", "%s: %s=%.*s index=%llu", l->sentence, l->key, (int)l->id.len,
                 l->id.len == 0 ? "" : l->id.p, (unsigned long long)result->index);
    }
    handler_on_empty(r, status, result);
}

void handler_on_true(struct api_req *r, int status, const struct reg_result *result)
{
    if (status != 0 || result->status != 0) {
        api_reply_proposal_error(r, status, result);
    } else {
        api_reply_json(r, SLICE_LIT("true"));
    }
}

void handler_register(struct api_req *r,
                      const struct reg_register *c,
                      void (*done)(struct api_req *r, int status, const struct reg_result *result))
{
    struct buf *cmd = api_buf(r);
    reg_command_register(cmd, c);
    api_propose(r, cmd, done);
}

void handler_deregister(struct api_req *r,
                        const struct reg_deregister *c,
                        void (*done)(struct api_req *r,
                                     int status,
                                     const struct reg_result *result))
{
    struct buf *cmd = api_buf(r);
    reg_command_deregister(cmd, c);
    api_propose(r, cmd, done);
}

void handler_watch(struct api_resource *res, enum reg_watch_kind kind, struct slice name)
{
    assert(res->n_watch < API_WATCH_MAX);
    res->watch[res->n_watch].kind = kind;
    res->watch[res->n_watch].name = name;
    res->n_watch++;
}

void handler_resource(struct api_req *r,
                      struct api_resource *res,
                      enum reg_watch_kind kind,
                      struct slice name)
{
    struct slice any;
    res->index = reg_index(r->reader, kind, name);
    handler_watch(res, kind, name);
    if (kind != REG_W_NODES && api_param(r, "node-meta", &any)) {
        handler_watch(res, REG_W_NODES, slice_of(NULL, 0));
    }
    if (api_param(r, "near", &any)) {
        handler_watch(res, REG_W_COORDS, slice_of(NULL, 0));
    }
}

bool handler_node_meta(const struct api_req *r, struct reg_list meta)
{
    for (unsigned i = 0; i < r->n_params; i++) {
        if (!slice_is(r->params[i].name, "node-meta")) {
            continue;
        }
        struct slice key = r->params[i].value;
        struct slice value = {NULL, 0};
        const char *colon = key.len == 0 ? NULL : memchr(key.p, ':', key.len);
        if (colon != NULL) {
            value = slice_of(colon + 1, key.len - (size_t)(colon + 1 - key.p));
            key.len = (size_t)(colon - key.p);
        }
        struct rd it = reg_list_iter(meta);
        struct slice k;
        struct slice v;
        bool found = false;
        while (!found && reg_list_next(&it, &k) && reg_list_next(&it, &v)) {
            found = slice_eq(k, key) && slice_eq(v, value);
        }
        if (!found) {
            return false;
        }
    }
    return true;
}

bool handler_node_passes(struct api_req *r, struct slice name)
{
    struct slice any;
    struct reg_node n;
    if (!api_param(r, "node-meta", &any)) {
        return true;
    }
    return reg_node_find(r->reader, name, &n) && handler_node_meta(r, n.meta);
}

bool handler_tags(const struct api_req *r, struct reg_list tags)
{
    for (unsigned i = 0; i < r->n_params; i++) {
        if (!slice_is(r->params[i].name, "tag")) {
            continue;
        }
        struct rd it = reg_list_iter(tags);
        struct slice tag;
        bool found = false;
        while (!found && reg_list_next(&it, &tag)) {
            found = slice_ieq(tag, r->params[i].value);
        }
        if (!found) {
            return false;
        }
    }
    return true;
}

struct slice handler_datacenter(const struct api_req *r)
{
    return slice_str(r->server->datacenter);
}

struct slice handler_node(const struct api_req *r)
{
    return slice_str(r->server->node);
}

bool handler_bool(struct slice s, bool *out)
{
    static const char *const words[2][6] = {{"0", "f", "F", "false", "FALSE", "False"},
                                            {"1", "t", "T", "true", "TRUE", "True"}};
    for (int v = 0; v < 2; v++) {
        for (int i = 0; i < 6; i++) {
            if (slice_is(s, words[v][i])) {
                *out = v == 1;
                return true;
            }
        }
    }
    return false;
}

const struct filter *handler_filter(struct api_req *r,
                                    const struct filter_type *type,
                                    const char **error)
{
    struct slice text;
    *error = NULL;
    if (r->user != NULL || !api_param(r, "filter", &text) || text.len == 0) {
        return r->user;
    }
    struct errmsg e;
    struct decode_memory m = handler_memory(r);
    r->user = filter_parse(&m, text, type, &e);
    if (r->user == NULL) {
        struct buf *b = api_buf(r);
        buf_add_str(b, HANDLER_FILTER_PREFIX);
        buf_add_str(b, e.text);
        buf_add_char(b, '\0');
        *error = buf_ok(b) ? b->p : HANDLER_FILTER_PREFIX;
    }
    return r->user;
}

bool handler_filter_ok(struct api_req *r, struct api_resource *res, const struct filter_type *type)
{
    const char *error;
    (void)handler_filter(r, type, &error);
    if (error != NULL) {
        res->status = 500;
        res->error = error;
    }
    return error == NULL;
}
