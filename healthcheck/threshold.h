/* Thresholds: how many results in a row it takes until a check's status turns.
 *
 * After Consul's StatusHandler (consul-surface.md 3.2). Counts only; pure. Used inside this folder
 * only. */
#ifndef HEALTHCHECK_THRESHOLD_H_
#define HEALTHCHECK_THRESHOLD_H_

#include <stdbool.h>
#include <stdint.h>

#include "registry/model.h"

struct hc_threshold {
    int64_t successes;
    int64_t failures;
    int32_t success_before_passing;
    int32_t failures_before_warning;
    int32_t failures_before_critical;
};

/* Take the limits of @p. The counters start full, so the first result applies at once. */
void hc_threshold_init(struct hc_threshold *t, const struct reg_probe *p);

/* Count the result @in (REG_PASSING, REG_WARNING, REG_CRITICAL). True: publish *@out with the
 * result's output. False: not enough in a row yet; the old status and output stay. */
bool hc_threshold_step(struct hc_threshold *t, enum reg_status in, enum reg_status *out);

#endif
