/* How: gzip at the fastest level with one deflate state per loop that is reset, not remade. */
#include "api/answer.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

struct gzipper {
    z_stream z;
};

struct answer *answer_new(void)
{
    struct answer *a = calloc(1, sizeof *a);
    if (a != NULL) {
        a->refs = 1;
        a->status = 200;
        a->file = -1;
    }
    return a;
}

void answer_unref(struct answer *a)
{
    if (a == NULL || --a->refs > 0) {
        return;
    }
    buf_fini(&a->head);
    buf_fini(&a->body);
    buf_fini(&a->gzip);
    if (a->file >= 0) {
        (void)close(a->file); /* only read from */
    }
    free(a);
}

size_t answer_size(const struct answer *a)
{
    return sizeof *a + a->head.cap + a->body.cap + a->gzip.cap;
}

struct gzipper *gzipper_new(void)
{
    struct gzipper *g = calloc(1, sizeof *g);
    /* 15 + 16: the largest window, with a gzip header instead of zlib's. */
    if (g != NULL &&
        deflateInit2(&g->z, Z_BEST_SPEED, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        free(g);
        g = NULL;
    }
    return g;
}

void gzipper_free(struct gzipper *z)
{
    if (z != NULL) {
        (void)deflateEnd(&z->z); /* fails only for a state in use */
        free(z);
    }
}

/* Bodies are rendered in memory under a limit far below zlib's 32-bit counts; a longer one goes
 * plain. */
static void compress_body(struct gzipper *g, struct slice in, struct buf *out)
{
    if (in.len > INT32_MAX || deflateReset(&g->z) != Z_OK) {
        return;
    }
    size_t bound = deflateBound(&g->z, in.len);
    char *p = buf_reserve(out, bound);
    if (p == NULL) {
        return;
    }
    g->z.next_in = (z_const Bytef *)(uintptr_t)in.p;
    g->z.avail_in = (uInt)in.len;
    g->z.next_out = (Bytef *)p;
    g->z.avail_out = (uInt)bound;
    if (deflate(&g->z, Z_FINISH) == Z_STREAM_END) {
        out->len += bound - g->z.avail_out;
    }
}

struct slice answer_body(struct answer *a, struct gzipper *z, bool accepts_gzip, bool *packed)
{
    *packed = false;
    if (!accepts_gzip || z == NULL || a->body.len <= ANSWER_GZIP_MIN) {
        return buf_slice(&a->body);
    }
    if (!a->gzip_tried) {
        a->gzip_tried = true;
        compress_body(z, buf_slice(&a->body), &a->gzip);
        if (a->gzip.len == 0 || a->gzip.len >= a->body.len) {
            buf_fini(&a->gzip);
        }
    }
    *packed = a->gzip.len > 0;
    return *packed ? buf_slice(&a->gzip) : buf_slice(&a->body);
}

const char *http_reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } rows[] = {{100, "Continue"},
                {200, "OK"},
                {301, "Moved Permanently"},
                {307, "Temporary Redirect"},
                {400, "Bad Request"},
                {401, "Unauthorized"},
                {403, "Forbidden"},
                {404, "Not Found"},
                {405, "Method Not Allowed"},
                {408, "Request Timeout"},
                {409, "Conflict"},
                {413, "Request Entity Too Large"},
                {415, "Unsupported Media Type"},
                {429, "Too Many Requests"},
                {431, "Request Header Fields Too Large"},
                {500, "Internal Server Error"},
                {501, "Not Implemented"},
                {503, "Service Unavailable"},
                {505, "HTTP Version Not Supported"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].status == status) {
            return rows[i].reason;
        }
    }
    return "status code";
}

void answer_status_line(struct buf *out, unsigned minor, int status)
{
    assert(status >= 100 && status <= 999);
    char line[64];
    int n = snprintf(line, sizeof line, "HTTP/1.%u %d %s\r\n", minor, status, http_reason(status));
    buf_add(out, line, (size_t)n);
}

void answer_header(struct buf *out, const char *name, struct slice value)
{
    buf_add_str(out, name);
    buf_add_str(out, ": ");
    buf_add_slice(out, value);
    buf_add_str(out, "\r\n");
}
