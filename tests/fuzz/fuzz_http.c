/* The HTTP seam and request targets against arbitrary bytes: whatever comes, it reads the same in
 * one piece and in two, uses no more than it was given, and ends. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "api/http_seam.h"
#include "api/target.h"
#include "base/err.h"
#include "base/hash.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEAD_MAX = 8192, BODY_MAX = 4096 };

static uint64_t mix(uint64_t h, struct slice s)
{
    return hash64(h + s.len, s);
}

static void look_at_target(struct slice text)
{
    struct target t;
    if (target_split(text, &t) != 0) {
        return;
    }
    char *room = malloc(text.len + 1);
    assert(room != NULL);
    struct slice path;
    struct api_param params[API_PARAMS_MAX];
    unsigned n;
    struct buf clean = BUF_INIT;
    if (target_decode(t.path, false, room, &path) == 0) {
        (void)target_printable(path);
        target_clean(t.path, &clean);
        assert(target_is_clean(buf_slice(&clean)));
    }
    if (target_params(t.query, room, params, &n) == 0) {
        assert(n <= API_PARAMS_MAX);
    }
    buf_reset(&clean);
    target_shared_query(t.query, &clean);
    buf_fini(&clean);
    free(room);
}

/* Read all requests of @bytes, given first up to @cut; returns a hash of what was read. */
static uint64_t read_all(struct slice bytes, size_t cut)
{
    static struct http_head head;
    struct http_seam s;
    struct buf body = {.max = BODY_MAX};
    uint64_t h = 1;
    size_t at = 0;
    size_t given = cut;
    bool in_body = false;
    http_seam_init(&s, HEAD_MAX);
    for (;;) {
        size_t used = 0;
        struct slice in = slice_of(bytes.p + at, given - at);
        int rv =
            in_body ? http_seam_body(&s, in, &used, &body) : http_seam_head(&s, in, &used, &head);
        assert(used <= in.len);
        at += used;
        if (rv == E_AGAIN && given < bytes.len) {
            given = bytes.len;
            continue;
        }
        if (rv != 0) {
            h = rv == E_PROTO ? h + (uint64_t)http_seam_refusal(&s, &(const char *){NULL}) : h;
            break;
        }
        if (!in_body) {
            h = mix(mix(h, head.method), head.target);
            for (unsigned i = 0; i < head.n_fields; i++) {
                h = mix(mix(h, head.fields[i].name), head.fields[i].value);
            }
            look_at_target(head.target);
        } else {
            h = mix(h, buf_slice(&body));
            buf_reset(&body);
        }
        in_body = !in_body;
    }
    buf_fini(&body);
    return h;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > HEAD_MAX) {
        return 0; /* beyond the limit, when it is noticed depends on the cut */
    }
    struct slice bytes = slice_of((const char *)data + 1, size - 1);
    size_t cut = data[0] * bytes.len / 256;
    assert(read_all(bytes, bytes.len) == read_all(bytes, cut));
    return 0;
}
