/* How: an open-addressing table from pattern to route. One pass over a path yields the hash of each
 * of its prefixes that ends in a slash; they are looked up from the longest down. */
#include "api/router.h"

#include <assert.h>
#include <stdlib.h>

#include "base/hash.h"

enum { SLASHES_MAX = 16 }; /* no pattern has more; later slashes belong to the tail */

struct router {
    uint64_t mask;
    struct slot {
        uint64_t hash;
        struct slice pattern;
        const struct api_route *route;
    } slots[];
};

static uint64_t hash_of(struct slice s)
{
    uint64_t h = HASH64_INIT;
    for (size_t i = 0; i < s.len; i++) {
        h = hash64_step(h, (unsigned char)s.p[i]);
    }
    return h;
}

static const struct api_route *look_up(const struct router *r, uint64_t hash, struct slice pattern)
{
    for (uint64_t i = hash64_mix(hash) & r->mask; r->slots[i].route != NULL;
         i = (i + 1) & r->mask) {
        if (r->slots[i].hash == hash && slice_eq(r->slots[i].pattern, pattern)) {
            return r->slots[i].route;
        }
    }
    return NULL;
}

static void insert(struct router *r, const struct api_route *route)
{
    struct slice pattern = slice_str(route->pattern);
    uint64_t hash = hash_of(pattern);
    assert(look_up(r, hash, pattern) == NULL);
    uint64_t i = hash64_mix(hash) & r->mask;
    while (r->slots[i].route != NULL) {
        i = (i + 1) & r->mask;
    }
    r->slots[i] = (struct slot){hash, pattern, route};
}

struct router *router_new(const struct api_route *routes, unsigned n)
{
    uint64_t size = 16;
    while (size < 2 * (uint64_t)n) { /* at most half full */
        size *= 2;
    }
    struct router *r = calloc(1, sizeof *r + size * sizeof r->slots[0]);
    if (r == NULL) {
        return NULL;
    }
    r->mask = size - 1;
    for (unsigned i = 0; i < n; i++) {
        assert(routes[i].pattern[0] == '/');
        assert((routes[i].find == NULL) == (routes[i].render == NULL));
        insert(r, &routes[i]);
    }
    return r;
}

void router_free(struct router *r)
{
    free(r);
}

const struct api_route *router_find(const struct router *r, struct slice path, bool *add_slash)
{
    struct {
        uint64_t hash;
        size_t len;
    } prefix[SLASHES_MAX];
    unsigned n = 0;
    uint64_t h = HASH64_INIT;
    for (size_t i = 0; i < path.len; i++) {
        h = hash64_step(h, (unsigned char)path.p[i]);
        if (path.p[i] == '/' && n < SLASHES_MAX) {
            prefix[n].hash = h;
            prefix[n++].len = i + 1;
        }
    }
    *add_slash = false;
    const struct api_route *route = look_up(r, h, path);
    if (route != NULL) {
        return route;
    }
    /* "path/" is sought without building it: the hash one byte on, compared piecewise. */
    h = hash64_step(h, '/');
    for (uint64_t i = hash64_mix(h) & r->mask; r->slots[i].route != NULL; i = (i + 1) & r->mask) {
        struct slice p = r->slots[i].pattern;
        if (r->slots[i].hash == h && p.len == path.len + 1 && slice_starts(p, path)) {
            *add_slash = true;
            return NULL;
        }
    }
    while (n > 0 && route == NULL) {
        n--;
        route = look_up(r, prefix[n].hash, slice_of(path.p, prefix[n].len));
    }
    return route;
}

enum api_method api_method_of(struct slice text)
{
    static const struct {
        const char *text;
        enum api_method method;
    } rows[] = {{"GET", API_GET},       {"PUT", API_PUT},         {"POST", API_POST},
                {"DELETE", API_DELETE}, {"OPTIONS", API_OPTIONS}, {"HEAD", API_HEAD}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (slice_is(text, rows[i].text)) {
            return rows[i].method;
        }
    }
    return API_OTHER;
}

unsigned route_methods(const struct api_route *route)
{
    return (route->get != NULL || route->find != NULL ? (unsigned)API_GET : 0) |
           (route->post != NULL ? (unsigned)API_POST : 0) |
           (route->put != NULL ? (unsigned)API_PUT : 0) |
           (route->del != NULL ? (unsigned)API_DELETE : 0);
}

api_call_fn route_call(const struct api_route *route, enum api_method method)
{
    switch (method) {
        case API_GET:
            return route->get;
        case API_PUT:
            return route->put;
        case API_POST:
            return route->post;
        case API_DELETE:
            return route->del;
        case API_OPTIONS:
        case API_HEAD:
        case API_OTHER:
            break;
    }
    return NULL;
}

void route_allow(unsigned methods, bool options, struct buf *out)
{
    size_t start = out->len;
    static const struct {
        enum api_method method;
        const char *name;
    } rows[] = {{API_OPTIONS, "OPTIONS"},
                {API_GET, "GET"},
                {API_POST, "POST"},
                {API_PUT, "PUT"},
                {API_DELETE, "DELETE"}};
    methods |= options ? (unsigned)API_OPTIONS : 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if ((methods & rows[i].method) != 0) {
            buf_add_str(out, out->len > start ? "," : "");
            buf_add_str(out, rows[i].name);
        }
    }
}
