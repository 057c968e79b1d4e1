/* Durations in Go's spelling ("1m30s", "300ms", "2.9755232334136963s"), as Consul's API and
 * configuration use them. Pure. */
#ifndef BASE_DURATION_H_
#define BASE_DURATION_H_

#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

/* Parse @s after Go's time.ParseDuration into nanoseconds: signs, fractions of any length, the
 * units ns us µs ms s m h, "0" without a unit. Returns 0; E_INVAL for anything else or beyond
 * 64 bits (then *@ns is untouched). */
int duration_parse(struct slice s, int64_t *ns);

/* Append @ns as Go's Duration.String() prints it: "1m0s", "1.5s", "200ms", "0s". */
void duration_format(struct buf *b, int64_t ns);

#endif
