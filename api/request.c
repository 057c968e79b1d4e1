/* How: a request brings its first 2 KiB of arena along and is reused, so that the usual request
 * costs no allocation. Text that a request keeps across a wait is copied from the read buffer when
 * its head is opened; a read that is answered at once copies nothing. */
#include "api/request.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/conn_uv.h"
#include "api/target.h"
#include "base/err.h"
#include "base/log.h"
#include "registry/snapshot.h"

/* An arena block beyond the first. */
struct block {
    struct block *next;
    size_t used;
    size_t size;
    max_align_t data[];
};

/* A buffer handed out by api_buf(). */
struct owned_buf {
    struct list link;
    struct buf buf;
};

enum {
    BODY_UNROUTED_MAX = 256 * 1024,    /* read before a refusal, so that the connection can go on */
    SPOOL_PIECE_MAX = 4 * 1024 * 1024, /* of a body that goes to a file: more than one read */
    RENDERED_MAX = 256 * 1024 * 1024
};

void *must(void *p)
{
    if (p == NULL) {
        log_fatal("agent.http", "Out of memory");
    }
    return p;
}

struct request *request_new(struct api_loop *a, struct conn *conn)
{
    struct list *l = list_pop(&a->requests_free);
    struct request *r;
    if (l != NULL) {
        a->n_requests_free--;
        r = container_of(l, struct request, link);
    } else {
        r = calloc(1, sizeof *r);
        if (r == NULL) {
            return NULL;
        }
        list_init(&r->link);
        list_init(&r->bufs);
    }
    r->loop = a;
    r->conn = conn;
    r->pub.server = a->server;
    r->pub.reader = a->reader;
    r->pub.body_fd = -1;
    r->pub.body_len = 0;
    list_push(&a->requests, &r->link);
    return r;
}

static void spool_close(struct request *r)
{
    if (r->pub.body_fd >= 0) {
        (void)close(r->pub.body_fd); /* nobody needs it any more */
        r->pub.body_fd = -1;
    }
}

bool request_spools(const struct request *r)
{
    const struct api_route *route = r->pub.route;
    return route != NULL && (route->flags & API_SPOOL) != 0 && r->pub.method == API_PUT;
}

bool request_spool(struct request *r)
{
    struct slice s = buf_slice(&r->body);
    struct errmsg e;
    uint64_t len = r->pub.body_len + s.len;
    if (request_too_long(r, len)) {
        return false;
    }
    if (s.len > 0 && r->pub.body_fd < 0 &&
        reg_spool_open(r->loop->server->store, &r->pub.body_fd, &e) != 0) {
        request_abort(r, 500, e.text);
        return false;
    }
    while (s.len > 0) { /* a local file takes all at once, or is full */
        ssize_t n = write(r->pub.body_fd, s.p, s.len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            request_abort(r, 500, n < 0 ? strerror(errno) : err_text(E_NOSPACE));
            return false;
        }
        s = slice_of(s.p + n, s.len - (size_t)n);
    }
    r->pub.body_len = len;
    buf_reset(&r->body);
    return true;
}

/* Back to how calloc() made it, but for what the next request sets anyway. */
static void reset(struct request *r)
{
    struct list *l;
    while ((l = list_pop(&r->bufs)) != NULL) {
        struct owned_buf *o = container_of(l, struct owned_buf, link);
        buf_fini(&o->buf);
        free(o);
    }
    while (r->blocks != NULL) {
        struct block *next = r->blocks->next;
        free(r->blocks);
        r->blocks = next;
    }
    buf_fini(&r->body);
    spool_close(r);
    buf_fini(&r->extra);
    r->first_used = 0;
    r->conn = NULL;
    r->fields = NULL;
    r->n_fields = 0;
    r->add_slash = r->options_star = r->answered = r->in_call = false;
    r->params_error = 0;
    r->pub.n_params = 0;
    r->pub.route = NULL;
    r->pub.user = NULL;
    r->pub.body = r->pub.token = r->pub.tail = r->pub.path = slice_of(NULL, 0);
    r->pub.has_length = false;
}

void request_free(struct request *r)
{
    struct api_loop *a = r->loop;
    assert(r->pending == 0);
    list_remove(&r->link);
    reset(r);
    if (a->n_requests_free < LOOP_REQUESTS_KEPT) {
        a->n_requests_free++;
        list_push(&a->requests_free, &r->link);
    } else {
        free(r);
    }
    loop_check_stopped(a);
}

void request_detach(struct request *r)
{
    r->conn = NULL;
    if (r->stream_closed != NULL) {
        r->stream_closed(&r->pub); /* may free @r */
    } else if (r->pending == 0 && !r->in_call) {
        request_free(r);
    }
}

void *api_alloc(struct api_req *pub, size_t n)
{
    struct request *r = request_of(pub);
    n = (n + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
    char *p;
    if (n <= sizeof r->first - r->first_used) {
        p = r->first + r->first_used;
        r->first_used += n;
    } else if (r->blocks != NULL && n <= r->blocks->size - r->blocks->used) {
        p = (char *)r->blocks->data + r->blocks->used;
        r->blocks->used += n;
    } else {
        size_t size = n > 4 * REQUEST_BLOCK ? n : 4 * REQUEST_BLOCK;
        struct block *b = must(malloc(sizeof *b + size));
        *b = (struct block){.next = r->blocks, .used = n, .size = size};
        r->blocks = b;
        p = (char *)b->data;
    }
    memset(p, 0, n);
    return p;
}

struct slice api_copy(struct api_req *r, struct slice s)
{
    if (s.len == 0) {
        return s;
    }
    char *p = api_alloc(r, s.len);
    memcpy(p, s.p, s.len);
    return slice_of(p, s.len);
}

struct buf *api_buf(struct api_req *pub)
{
    struct request *r = request_of(pub);
    struct owned_buf *o = must(calloc(1, sizeof *o));
    o->buf.max = RENDERED_MAX;
    list_push(&r->bufs, &o->link);
    return &o->buf;
}

bool api_param(const struct api_req *r, const char *name, struct slice *value)
{
    struct slice want = slice_str(name);
    for (unsigned i = 0; i < r->n_params; i++) {
        if (slice_eq(r->params[i].name, want)) {
            *value = r->params[i].value;
            return true;
        }
    }
    return false;
}

bool api_flag(const struct api_req *r, const char *name)
{
    struct slice value;
    return api_param(r, name, &value);
}

struct slice api_header(const struct api_req *pub, const char *name)
{
    const struct request *r = request_of(pub);
    return http_field_find(r->fields, r->n_fields, name);
}

/* ---- opening ---- */

static void copy_fields(struct request *r, const struct http_head *head)
{
    struct http_field *fields = api_alloc(&r->pub, head->n_fields * sizeof *fields);
    for (unsigned i = 0; i < head->n_fields; i++) {
        fields[i].name = api_copy(&r->pub, head->fields[i].name);
        fields[i].value = api_copy(&r->pub, head->fields[i].value);
    }
    r->fields = fields;
    r->n_fields = head->n_fields;
}

/* ?token= > X-Consul-Token > Authorization: Bearer (consul-surface.md 2.2). */
static struct slice find_token(const struct request *r)
{
    struct slice token;
    if (api_param(&r->pub, "token", &token) && token.len > 0) {
        return token;
    }
    token = api_header(&r->pub, "X-Consul-Token");
    if (token.len > 0) {
        return token;
    }
    struct slice bearer = api_header(&r->pub, "Authorization");
    struct slice scheme = slice_of(bearer.p, bearer.len < 7 ? bearer.len : 7);
    if (slice_ieq(scheme, SLICE_LIT("bearer "))) {
        return slice_of(bearer.p + 7, bearer.len - 7);
    }
    return slice_of(NULL, 0);
}

/* Decode the parts of the target and find the route. E_PROTO: a bad escape in the path. */
static int open_target(struct request *r, const struct target *t)
{
    char *room = api_alloc(&r->pub, t->path.len + t->query.len);
    r->raw_path = t->path;
    r->raw_query = t->query;
    if (target_decode(t->path, false, room, &r->pub.path) != 0) {
        return E_PROTO;
    }
    r->params_error = target_params(t->query, room + t->path.len, r->pub.params, &r->pub.n_params);
    const struct api_route *route = router_find(r->loop->router, r->pub.path, &r->add_slash);
    r->pub.route = route;
    if (route != NULL && (route->flags & API_TAIL) != 0) {
        size_t n = strlen(route->pattern);
        r->pub.tail = slice_of(r->pub.path.p + n, r->pub.path.len - n);
    }
    return 0;
}

static uint64_t body_limit(const struct request *r)
{
    const struct api_route *route = r->pub.route;
    const struct api_server *server = r->loop->server;
    if (route == NULL || (route_methods(route) & r->pub.method) == 0) {
        return BODY_UNROUTED_MAX;
    }
    if (request_spools(r)) {
        return server->snapshot_max;
    }
    return (route->flags & API_NO_BODY_LIMIT) != 0 ? server->kv_value_max : server->body_max;
}

int request_open(struct request *r, const struct http_head *head)
{
    struct target t;
    struct slice target = api_copy(&r->pub, head->target);
    r->pub.method = api_method_of(head->method);
    r->pub.method_text = api_copy(&r->pub, head->method);
    copy_fields(r, head);
    if (slice_is(target, "*") && r->pub.method == API_OPTIONS) {
        r->options_star = true;
        target = SLICE_LIT("/");
    }
    if (target_split(target, &t) != 0 || open_target(r, &t) != 0) {
        return E_PROTO;
    }
    r->pub.token = find_token(r);
    r->pub.has_length = head->length > 0;
    r->body_max = body_limit(r);
    r->body.max = request_spools(r) ? SPOOL_PIECE_MAX : (size_t)r->body_max;
    return 0;
}

void request_reopen(struct request *r, struct slice target)
{
    struct target t;
    r->pub.method = API_GET;
    r->pub.method_text = SLICE_LIT("GET");
    int rv = target_split(target, &t);
    rv = rv != 0 ? rv : open_target(r, &t);
    assert(rv == 0 && r->params_error == 0); /* it was good when it was parked */
    assert(r->pub.route != NULL && r->pub.route->find != NULL);
    r->pub.token = find_token(r);
}
