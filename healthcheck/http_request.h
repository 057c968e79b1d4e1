/* The request of an HTTP check as bytes, after Go's http.Request.Write and Consul's CheckHTTP.
 * Used inside this folder only. Pure. */
#ifndef HEALTHCHECK_HTTP_REQUEST_H_
#define HEALTHCHECK_HTTP_REQUEST_H_

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "healthcheck/url.h"
#include "registry/model.h"

struct hc_http_request {
    struct slice method; /* not empty */
    const struct hc_url *url;
    const struct reg_probe *def; /* its header and body */
    bool with_body;
    bool own_host;  /* a Host header of the definition replaces that of the URL */
    bool same_site; /* false: leave out what identifies the user (redirected to elsewhere) */
};

/* Append the request to @out. E_INVAL: the method or a header cannot be sent, @e says which in Go's
 * words. E_NOMEM. */
int hc_http_request(struct buf *out, const struct hc_http_request *r, struct errmsg *e);

/* What a redirect with @status does to @method: the method of the next request, and whether the
 * body goes along. */
struct slice hc_http_redirect(int status, struct slice method, bool *with_body);

/* True for 301, 302, 303, 307 and 308. */
bool hc_http_is_redirect(unsigned status);

/* True when credentials for @a may go to @b too: the same host or a subdomain of it. */
bool hc_http_same_site(struct slice a, struct slice b);

/* Append Go's url.Error: `Get "url": cause`. */
void hc_http_error(struct buf *out, struct slice method, struct slice url, const char *cause);

#endif
