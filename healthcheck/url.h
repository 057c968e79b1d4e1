/* URLs of HTTP checks: parsing, redirect targets, host:port pairs. After Go's net/url as far as a
 * probe shows it. Used inside this folder only. Pure. */
#ifndef HEALTHCHECK_URL_H_
#define HEALTHCHECK_URL_H_

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

enum {
    HC_URL_MAX = 8192, /* bytes of a URL; longer ones are refused */
    HC_HOST_MAX = 255  /* bytes of a host name */
};

/* All slices point into the text that was parsed. */
struct hc_url {
    bool tls;              /* https */
    struct slice userinfo; /* without '@'; still escaped */
    struct slice host;     /* without brackets */
    bool ipv6;             /* the host was bracketed */
    uint16_t port;         /* the default where none was given */
    struct slice hostport; /* as written: what a Host header says */
    struct slice path;     /* from "/" on, query included, fragment removed; may be empty */
};

/* Parse an absolute http or https URL. Returns 0, or E_INVAL (E_TOOBIG) with Go's words in @e. */
int hc_url_parse(struct slice s, struct hc_url *u, struct errmsg *e);

/* True when @ref names a host of its own: "http://x/", "//x/". */
bool hc_url_has_host(struct slice ref);

/* Append the absolute URL that @ref, the value of a Location header, means relative to @base
 * (RFC 3986 5.2). It is not yet parsed. */
void hc_url_resolve(struct buf *out, const struct hc_url *base, struct slice ref);

/* Append the request target of @u: its path and query, "/" when empty, with the bytes that may not
 * stand in a request line percent-encoded. */
void hc_url_target(struct buf *out, const struct hc_url *u);

/* Append @s, a URL, as Go shows it in errors: a password becomes ***. */
void hc_url_show(struct buf *out, struct slice s);

/* Split "host:port", "[v6]:port" or ":port". Names of ports other than numbers are refused.
 * Returns 0, or E_INVAL with Go's words in @e ("address x: missing port in address"). */
int hc_hostport_split(struct slice s, struct slice *host, uint16_t *port, struct errmsg *e);

#endif
