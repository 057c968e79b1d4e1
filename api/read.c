/* How: the name under which a read is kept or parked is its target without index and wait. A read
 * asks, in this order: the cache; a clean parked group of the same name (then it parks without
 * touching the store); the store.
 *
 *   look: begin ─ find ─ (index above what is known?) ─ render ─ end ─► answer ─► cache
 *
 * Lost wake-ups: a group subscribes after its look, then the inbox is emptied once more, so a
 * commit between the two makes it dirty and it is looked at again. */
#include "api/read.h"

#include <assert.h>
#include <stdio.h>

#include "api/conn_uv.h"
#include "api/target.h"
#include "base/duration.h"
#include "base/err.h"
#include "registry/snapshot.h"

enum { RENDER_MAX = 256 * 1024 * 1024, WAIT_JITTER = 16 };

struct options {
    uint64_t index;
    int64_t wait_ns;
    bool stale;
    bool consistent;
};

/* ---- options ---- */

/* Go's strconv.ParseUint(s, 10, 64). */
static bool parse_index(struct slice s, uint64_t *index)
{
    uint64_t v = 0;
    for (size_t i = 0; i < s.len; i++) {
        unsigned digit = (unsigned)(unsigned char)s.p[i] - '0';
        if (digit > 9 || __builtin_mul_overflow(v, 10u, &v) ||
            __builtin_add_overflow(v, digit, &v)) {
            return false;
        }
    }
    *index = v;
    return true;
}

/* "max-age" and "stale-if-error" must be whole seconds; everything else passes. */
static bool cache_control_good(struct slice raw)
{
    size_t at = 0;
    while (at < raw.len) {
        const char *comma = memchr(raw.p + at, ',', raw.len - at);
        size_t end = comma == NULL ? raw.len : (size_t)(comma - raw.p);
        while (at < end && raw.p[at] == ' ') {
            at++;
        }
        struct slice part = slice_of(raw.p + at, end - at);
        static const char *const names[] = {"max-age=", "stale-if-error="};
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
            struct slice name = slice_str(names[i]);
            uint64_t seconds;
            if (part.len >= name.len && slice_ieq(slice_of(part.p, name.len), name) &&
                (part.len == name.len ||
                 !parse_index(slice_of(part.p + name.len, part.len - name.len), &seconds))) {
                return false;
            }
        }
        at = end + 1;
    }
    return true;
}

static const char *parse_consistency(struct request *r, struct options *o)
{
    struct slice max_stale = {NULL, 0};
    int64_t ns = 0;
    o->stale = api_flag(&r->pub, "stale");
    o->consistent = api_flag(&r->pub, "consistent");
    if (api_param(&r->pub, "max_stale", &max_stale) && max_stale.len > 0) {
        if (duration_parse(max_stale, &ns) != 0) {
            struct buf *text = api_buf(&r->pub);
            buf_add_str(text, "Invalid max_stale value \"");
            buf_add_slice(text, max_stale);
            buf_add_str(text, "\"");
            buf_add_char(text, '\0');
            return text->p;
        }
        o->stale = o->stale || ns > 0;
    }
    if (o->stale && o->consistent) {
        return "Cannot specify ?stale with ?consistent, conflicting semantics.";
    }
    if (o->consistent && api_flag(&r->pub, "cached")) {
        return "Cannot specify ?cached with ?consistent, conflicting semantics.";
    }
    return cache_control_good(api_header(&r->pub, "Cache-Control"))
               ? NULL
               : "Invalid Cache-Control header.";
}

/* Returns NULL, or the text of a 400. */
static const char *parse_options(struct request *r, struct options *o)
{
    struct slice s = {NULL, 0};
    *o = (struct options){.index = 0};
    if ((r->pub.route->flags & (API_META | API_UNORDERED)) == 0) {
        return NULL;
    }
    const char *error = (r->pub.route->flags & API_META) == 0 ? NULL : parse_consistency(r, o);
    if (error != NULL) {
        return error;
    }
    if (api_param(&r->pub, "wait", &s) && s.len > 0 && duration_parse(s, &o->wait_ns) != 0) {
        return "Invalid wait time";
    }
    s = slice_of(NULL, 0);
    if (api_param(&r->pub, "index", &s) && !parse_index(s, &o->index)) {
        return "Invalid index";
    }
    return NULL;
}

/* ---- looking ---- */

/* Has a client that has seen @above something to learn from @index? */
static bool moved(const struct request *r, uint64_t index, uint64_t above)
{
    return (r->pub.route->flags & API_UNORDERED) != 0 ? index != above : index > above;
}

static void add_read_headers(const struct request *r, struct answer *a, const struct options *o)
{
    const struct api_route *route = r->pub.route;
    if ((route->flags & API_UNORDERED) != 0) {
        buf_add_str(&a->head, "X-Consul-Index: ");
        buf_add_u64(&a->head, a->index);
        buf_add_str(&a->head, "\r\n");
    }
    if ((route->flags & API_META) == 0) {
        return;
    }
    a->meta = true;
    buf_add_str(&a->head, "X-Consul-Index: ");
    buf_add_u64(&a->head, a->index);
    buf_add_str(&a->head, "\r\nX-Consul-Query-Backend: blocking-query\r\n");
    if ((route->flags & API_CONSISTENCY) != 0) {
        const char *level = o->consistent ? "consistent" : o->stale ? "stale" : "leader";
        answer_header(&a->head, "X-Consul-Effective-Consistency", slice_str(level));
    }
}

/* The routes that Consul serves from its agent cache when asked with ?cached. */
static bool served_from_cache(const struct request *r)
{
    static const char *const patterns[] = {"/v1/health/service/",  "/v1/health/connect/",
                                           "/v1/health/ingress/",  "/v1/catalog/service/",
                                           "/v1/catalog/connect/", "/v1/catalog/services"};
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        if (strcmp(r->pub.route->pattern, patterns[i]) == 0) {
            return api_flag(&r->pub, "cached");
        }
    }
    return false;
}

/* The answer to a resource found by @res; the body is rendered inside the caller's bracket. */
static struct answer *make_answer(struct request *r,
                                  const struct api_resource *res,
                                  const struct options *o)
{
    if (res->status == 500 && !res->bare) {
        return request_answer_failure(r, res->error);
    }
    if (res->status != 200) {
        struct answer *a = request_answer_text(res->status, res->error);
        a->index = res->index;
        if (res->index > 0 && !res->bare) {
            add_read_headers(r, a, o); /* a refusal that did look at the resource, or a 404 */
        }
        return a;
    }
    const char *type = res->content_type != NULL ? res->content_type
                       : res->raw                ? "text/plain"
                                                 : "application/json";
    struct answer *a = request_answer_new(200, type);
    a->index = res->index;
    a->stale = o->stale;
    a->tells_cache = served_from_cache(r);
    add_read_headers(r, a, o);
    if (res->raw) {
        buf_add_str(&a->head,
                    "Content-Security-Policy: sandbox\r\n"
                    "X-Content-Type-Options: nosniff\r\n");
    }
    a->body.max = RENDER_MAX;
    bool pretty = r->loop->server->pretty_always || api_flag(&r->pub, "pretty");
    if (res->raw || res->content_type != NULL || !pretty) {
        r->pub.route->render(&r->pub, &a->body);
    } else {
        struct buf *compact = api_buf(&r->pub);
        r->pub.route->render(&r->pub, compact);
        request_add_json(r, a, buf_slice(compact));
        a->body.failed = a->body.failed || !buf_ok(compact);
    }
    buf_add_slice(&a->head, buf_slice(&r->extra));
    buf_reset(&r->extra);
    if (!buf_ok(&a->body)) {
        answer_unref(a);
        return request_answer_text(500, "The answer is too large");
    }
    return a;
}

/* One look at the store. Returns a reference to the answer when the index is above @above or the
 * resource is in error, else NULL; *@res is filled in either way. */
static struct answer *look(struct request *r,
                           struct slice key,
                           const struct options *o,
                           uint64_t above,
                           struct api_resource *res)
{
    struct api_loop *a = r->loop;
    *res = (struct api_resource){.status = 200};
    struct answer *answer = NULL;
    reg_read_begin(a->reader);
    r->pub.route->find(&r->pub, res);
    assert(res->n_watch <= API_WATCH_MAX);
    bool error = res->status != 200 && res->status != 404;
    if (res->index == 0 && !error) {
        res->index = 1; /* 0 would make a client poll without waiting */
    }
    /* An index that is too high: of a time that a restore has undone, or yet to come. */
    bool undone = res->index < above && above < reg_restored_index(a->reader);
    if (error || above == 0 || res->at_once || moved(r, res->index, above) || undone) {
        answer = make_answer(r, res, o);
    }
    reg_read_end(a->reader);
    /* Without a watch key nothing would ever drop it. */
    if (answer != NULL && answer->status == 200 && !res->private_body && res->n_watch > 0) {
        answer->metric = measure_request(a->measure, r->pub.route, API_GET);
        cache_put(a->cache, key, answer, res);
    }
    return answer;
}

struct answer *read_cached(struct api_loop *a, struct slice target)
{
    loop_sync(a);
    struct answer *answer = cache_find(a->cache, target);
    if (answer != NULL && !answer->stale && !loop_moment(a)->known_leader) {
        return NULL;
    }
    return answer;
}

static struct slice shared_name(struct request *r)
{
    struct buf *key = api_buf(&r->pub);
    buf_add_slice(key, r->raw_path);
    target_shared_query(r->raw_query, key);
    return buf_slice(key);
}

/* ---- parking ---- */

static uint64_t deadline_of(struct api_loop *a, int64_t wait_ns)
{
    const struct api_server *s = a->server;
    int64_t ns = wait_ns <= 0 ? s->wait_default_ns : wait_ns;
    ns = ns > s->wait_max_ns ? s->wait_max_ns : ns;
    ns += (int64_t)rng_below(&a->rng, (uint64_t)ns / WAIT_JITTER + 1);
    return uv_now(a->uv) + (uint64_t)ns / 1000000;
}

/* Park @r's connection in @g and free @r; without memory answer 503 instead. */
static void park(struct request *r, struct group *g, const struct options *o)
{
    struct conn *c = r->conn;
    assert(c != NULL);
    if (conn_park(c, g, o->index, deadline_of(r->loop, o->wait_ns)) != 0) {
        request_finish(r, request_answer_text(503, "Too many blocking queries"), false);
        return;
    }
    r->conn = NULL;
    request_free(r);
}

/* The store has nothing new: make or join the group and wait. */
static void park_after_look(struct request *r,
                            struct slice key,
                            const struct options *o,
                            const struct api_resource *res)
{
    struct api_loop *a = r->loop;
    struct group *g = group_get(a->blocking, key);
    if (g == NULL) {
        request_finish(r, request_answer_text(503, "Too many blocking queries"), false);
        return;
    }
    if (group_index(g) == 0) {
        group_subscribe(g, res);
        group_set(g, res->index, NULL, false);
    }
    park(r, g, o);
    loop_sync(a);
    group_unpin(g);
    loop_schedule(a);
}

void read_run(struct request *r)
{
    struct api_loop *a = r->loop;
    struct options o;
    const char *error = parse_options(r, &o);
    if (error != NULL) {
        request_finish(r, request_answer_text(400, error), false);
        return;
    }
    if ((r->pub.route->flags & API_META) != 0 && !o.stale && !loop_moment(a)->known_leader) {
        request_finish(r, request_answer_failure(r, "No cluster leader"), false);
        return;
    }
    struct slice key = shared_name(r);
    loop_sync(a);
    struct answer *kept = cache_find(a->cache, key);
    if (kept != NULL && (o.index == 0 || moved(r, kept->index, o.index))) {
        request_finish(r, answer_ref(kept), false);
        return;
    }
    struct group *g = o.index > 0 ? group_find(a->blocking, key) : NULL;
    if (g != NULL && !group_dirty(g) && group_index(g) == o.index) {
        park(r, g, &o);
        loop_schedule(a);
        return;
    }
    struct api_resource res;
    struct answer *answer = look(r, key, &o, o.index, &res);
    if (answer != NULL) {
        request_finish(r, answer, false);
    } else {
        park_after_look(r, key, &o, &res);
    }
}

/* ---- waking ---- */

/* A request made up from the name of a parked query. NULL without memory. */
static struct request *reopen(struct api_loop *a, const struct group *g, struct options *o)
{
    struct request *r = request_new(a, NULL);
    if (r != NULL) {
        request_reopen(r, group_key(g));
        const char *error = parse_options(r, o);
        assert(error == NULL); /* it was good when it was parked */
    }
    return r;
}

/* Look at a touched group again. */
static void look_at_group(struct api_loop *a, struct group *g)
{
    struct options o;
    struct request *r = reopen(a, g, &o);
    if (r == NULL) {
        return; /* its waiters run out of time at worst */
    }
    struct api_resource res;
    uint64_t before = group_index(g);
    struct answer *answer = look(r, group_key(g), &o, before, &res);
    bool back = res.index < before; /* a restore: everybody must know */
    if (back && answer == NULL) {
        answer = look(r, group_key(g), &o, 0, &res);
    }
    bool error = res.status != 200 && res.status != 404;
    group_subscribe(g, &res);
    bool unordered = (r->pub.route->flags & API_UNORDERED) != 0;
    group_set(g, res.index, answer, error || back || unordered);
    answer_unref(answer);
    request_free(r);
}

/* Answer a parked query whose time is up, with what there is now. */
static void answer_overdue(struct api_loop *a, struct waiter *w)
{
    struct conn *c = container_of(w, struct conn, waiter);
    struct options o;
    struct group *g = w->group;
    struct answer *answer = cache_find(a->cache, group_key(g));
    struct request *r = NULL;
    struct api_resource res;
    if (answer != NULL) {
        answer_ref(answer);
    } else if ((r = reopen(a, g, &o)) != NULL) {
        answer = !o.stale && !loop_moment(a)->known_leader
                     ? request_answer_failure(r, "No cluster leader")
                     : look(r, group_key(g), &o, 0, &res);
        request_free(r);
    } else {
        answer = request_answer_text(503, "Out of memory");
    }
    waiter_unpark(w);
    conn_answer(c, answer, false);
    answer_unref(answer);
}

void read_turn(struct api_loop *a)
{
    loop_sync(a);
    struct group *g;
    for (int i = 0; i < LOOP_LOOKS_PER_TURN && (g = blocking_take_dirty(a->blocking)) != NULL;
         i++) {
        look_at_group(a, g);
        group_unpin(g);
    }
    loop_sync(a);
    uint64_t now_ms = uv_now(a->uv);
    for (int i = 0; i < LOOP_WAKES_PER_TURN; i++) {
        struct answer *answer;
        struct waiter *w = blocking_take_woken(a->blocking, &answer);
        if (w != NULL) {
            conn_answer(container_of(w, struct conn, waiter), answer, false);
            answer_unref(answer);
        } else if ((w = blocking_due(a->blocking, now_ms)) != NULL) {
            answer_overdue(a, w);
        } else {
            break;
        }
    }
    loop_schedule(a);
}

void read_wake_all(struct api_loop *a)
{
    struct waiter *w;
    while ((w = blocking_due(a->blocking, UINT64_MAX)) != NULL) {
        answer_overdue(a, w);
    }
}
