/* The router: which route a decoded path belongs to, after Go's ServeMux.
 *
 * Built once from the table and then immutable: any thread. A pattern without a slash at its end
 * matches exactly, one with it matches every path that begins so (the longest wins). */
#ifndef API_ROUTER_H_
#define API_ROUTER_H_

#include "api/api.h"

struct router;

/* @routes outlives the router. NULL without memory. */
struct router *router_new(const struct api_route *routes, unsigned n);
void router_free(struct router *r);

/* The route of @path, or NULL. With *@add_slash set, NULL and "path/" is what is registered: the
 * caller redirects there. */
const struct api_route *router_find(const struct router *r, struct slice path, bool *add_slash);

enum api_method api_method_of(struct slice text);
/* The methods @route has handlers for, by bits (without OPTIONS). */
unsigned route_methods(const struct api_route *route);
/* The handler for a method; NULL when there is none or it is a read (find and render). */
api_call_fn route_call(const struct api_route *route, enum api_method method);
/* Append the value of the Allow header for these methods, with @options also OPTIONS:
 * "OPTIONS,GET,PUT". */
void route_allow(unsigned methods, bool options, struct buf *out);

#endif
