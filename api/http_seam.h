/* HTTP/1 on the way in: turns bytes into one request at a time.
 *
 * The only place that knows which parser library is used. It is stricter than the packaged library,
 * which is built without its strict mode: a line ends with CR LF, a header name is a token, a
 * header is not folded, Content-Length comes once and never beside Transfer-Encoding, and chunks
 * are framed exactly. (Consul accepts a bare LF; what two parsers may read differently is refused
 * here.) Any token passes as a method, so that an unknown one gets the router's 405.
 *
 * Owns no memory: a head must lie in one piece, and its slices point into the caller's bytes.
 * Upgrade headers are left unread. Pure; one thread per instance. */
#ifndef API_HTTP_SEAM_H_
#define API_HTTP_SEAM_H_

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

enum { HTTP_FIELDS_MAX = 128 };

struct http_field {
    struct slice name;
    struct slice value; /* without the white space around it */
};

struct http_head {
    struct slice method;
    struct slice target;
    uint8_t minor; /* HTTP/1.0 or HTTP/1.1 (and later) */
    bool keep_alive;
    bool expect_continue;
    bool chunked;
    uint64_t length; /* Content-Length, 0 without one */
    unsigned n_fields;
    struct http_field fields[HTTP_FIELDS_MAX];
};

struct http_seam {
    /* Private. */
    uint32_t head_max;
    uint32_t line;   /* where the line begins that is not complete yet */
    uint32_t looked; /* no line end before this offset */
    uint32_t extra;  /* bytes of chunk extensions and trailers so far */
    uint64_t left;   /* bytes of the body or chunk to come */
    uint8_t state;
    uint8_t digits;
    uint16_t status;
    const char *text;
};

void http_seam_init(struct http_seam *s, uint32_t head_max);

/* Read a request's head from the start of @in, which holds all bytes not yet used. 0: *@head is
 * filled in and *@used bytes are done with. E_AGAIN: call again with the same bytes and more.
 * E_PROTO: refused, see http_seam_refusal(). */
int http_seam_head(struct http_seam *s, struct slice in, size_t *used, struct http_head *head);

/* Read from @in what belongs to the body and append it, chunks joined, to @body; *@used bytes are
 * done with. 0: the request is complete and the next head may come. E_AGAIN: more is to come.
 * E_TOOBIG: @body is at its limit or memory is short. E_PROTO: refused. After a head without a body
 * it returns 0 at once. */
int http_seam_body(struct http_seam *s, struct slice in, size_t *used, struct buf *body);

/* After E_PROTO: the status to answer with, and the text (static). */
int http_seam_refusal(const struct http_seam *s, const char **text);

/* The value of the field @name (any case) among @n; an empty slice when it is absent. */
struct slice http_field_find(const struct http_field *fields, unsigned n, const char *name);

#endif
