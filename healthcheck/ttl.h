/* TTL checks: the deadline that each update pushes back, and the texts around it.
 *
 * Keeps the last note, because the text of an expiry repeats it. Pure: the caller brings the time
 * and keeps the timer. Used inside this folder only. */
#ifndef HEALTHCHECK_TTL_H_
#define HEALTHCHECK_TTL_H_

#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

struct hc_ttl {
    uint64_t ttl_ns;
    uint64_t due_ns; /* when it expires; HC_NEVER once it has, until the next update */
    char *last;      /* the last note, or NULL */
    size_t last_len;
};

/* Begin to count at @now_ns. */
void hc_ttl_init(struct hc_ttl *t, int64_t ttl_ns, uint64_t now_ns);
void hc_ttl_fini(struct hc_ttl *t);

/* An update with the note @output arrived: the deadline moves to @now_ns + TTL. The note as it is
 * to be shown, cut after @output_max bytes with a tail that says so, is appended to @out. Returns
 * 0; E_NOMEM: nothing changed. */
int hc_ttl_update(struct hc_ttl *t,
                  struct slice output,
                  size_t output_max,
                  uint64_t now_ns,
                  struct buf *out);

/* The deadline has passed: append the text of the expiry to @out. It will not come again before the
 * next update. */
void hc_ttl_expire(struct hc_ttl *t, struct buf *out);

#endif
