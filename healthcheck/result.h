/* What a probe found, in words: the tail of a body, and Consul's texts around it.
 *
 * Used inside this folder only. Pure. */
#ifndef HEALTHCHECK_RESULT_H_
#define HEALTHCHECK_RESULT_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

/* The last `max` bytes of a stream: a ring that grows as needed, never beyond `max`. */
struct hc_tail {
    char *p;
    size_t cap;
    size_t max;
    size_t len;
    size_t at; /* where the next byte goes once the ring is full */
    bool failed;
};

/* Start over with room for @max bytes; keeps the memory. A zeroed struct is a fine start. */
void hc_tail_reset(struct hc_tail *t, size_t max);
/* Free the memory; the tail is then as new. */
void hc_tail_fini(struct hc_tail *t);
/* Take in @s. Without memory the tail stays as short as it is (the newest bytes win). */
void hc_tail_add(struct hc_tail *t, struct slice s);
/* Append the content, oldest byte first. */
void hc_tail_write(const struct hc_tail *t, struct buf *out);

/* Append Go's %q of @s: quoted, with ", \ and control characters escaped. */
void hc_text_quote(struct buf *b, struct slice s);
/* Append @s with %XX undone (user names in URLs, grpc-message). A broken escape stays as it is. */
void hc_text_unescape(struct buf *b, struct slice s);
#endif
