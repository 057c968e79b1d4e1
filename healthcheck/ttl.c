/* Texts after Consul's CheckTTL (agent/checks/check.go). */
#include "healthcheck/ttl.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "healthcheck/schedule.h"

void hc_ttl_init(struct hc_ttl *t, int64_t ttl_ns, uint64_t now_ns)
{
    *t = (struct hc_ttl){.ttl_ns = ttl_ns > 0 ? (uint64_t)ttl_ns : 0};
    t->due_ns = now_ns + t->ttl_ns;
}

void hc_ttl_fini(struct hc_ttl *t)
{
    free(t->last);
    t->last = NULL;
    t->last_len = 0;
}

int hc_ttl_update(struct hc_ttl *t,
                  struct slice output,
                  size_t output_max,
                  uint64_t now_ns,
                  struct buf *out)
{
    size_t start = out->len;
    if (output.len > output_max) {
        buf_add(out, output.p, output_max);
        buf_printf(out, " ... (captured %zu of %zu bytes)", output_max, output.len);
    } else {
        buf_add_slice(out, output);
    }
    if (!buf_ok(out)) {
        return E_NOMEM;
    }
    size_t len = out->len - start;
    char *last = len == 0 ? NULL : malloc(len);
    if (len > 0) {
        if (last == NULL) {
            out->len = start;
            return E_NOMEM;
        }
        memcpy(last, out->p + start, len);
    }
    free(t->last);
    t->last = last;
    t->last_len = len;
    t->due_ns = now_ns + t->ttl_ns;
    return 0;
}

void hc_ttl_expire(struct hc_ttl *t, struct buf *out)
{
    buf_add_str(out, "TTL expired");
    if (t->last_len > 0) {
        buf_add_str(out, " (last output before timeout follows): ");
        buf_add(out, t->last, t->last_len);
    }
    t->due_ns = HC_NEVER;
}
