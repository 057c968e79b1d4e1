/* Answers: what goes out for a request, rendered once and shared by whoever gets the same.
 *
 * An answer holds its header lines (but for those that depend on the moment or on the connection)
 * and its body, plain and, once somebody asked, compressed. Reference counted; immutable but for
 * the compressed form, which is made at most once. One loop only. */
#ifndef API_ANSWER_H_
#define API_ANSWER_H_

#include "base/buf.h"

enum { ANSWER_GZIP_MIN = 1400 }; /* shorter bodies go plain, as Consul does */

struct answer {
    unsigned refs;
    int status;
    bool meta;        /* X-Consul-Knownleader and -Lastcontact belong to it */
    bool stale;       /* good even without a leader */
    bool tells_cache; /* X-Cache and Age: ?cached on a route where Consul says so */
    bool routed;      /* a route's, not net/http's own */
    bool sent;        /* at least once: the next time is a hit */
    uint64_t index;
    unsigned metric; /* a kept answer: the series that requests for it count in */
    struct buf head;
    struct buf body;
    struct buf gzip;
    bool gzip_tried;
    int file; /* not -1: the body is this file's first file_len bytes; closed with the answer */
    uint64_t file_len;
};

/* Empty, one reference, status 200; NULL without memory. */
struct answer *answer_new(void);
static inline struct answer *answer_ref(struct answer *a)
{
    a->refs++;
    return a;
}
void answer_unref(struct answer *a); /* NULL is fine */
/* Bytes it takes. */
size_t answer_size(const struct answer *a);

/* A compressor, made on first use and kept: a deflate state is some 260 KiB. One loop only. */
struct gzipper;
/* NULL without memory. */
struct gzipper *gzipper_new(void);
void gzipper_free(struct gzipper *z);

/* The body to send to a client that accepts gzip or not; *@packed says which it is. Falls back to
 * the plain body when it is short, would not shrink, or memory is short. */
struct slice answer_body(struct answer *a, struct gzipper *z, bool accepts_gzip, bool *packed);

/* The reason phrase of @status, as Go's net/http has it. */
const char *http_reason(int status);
/* "HTTP/1.1 200 OK\r\n" */
void answer_status_line(struct buf *out, unsigned minor, int status);
void answer_header(struct buf *out, const char *name, struct slice value);

#endif
