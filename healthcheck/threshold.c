/* Passing and warning both count as success; only critical counts as failure. */
#include "healthcheck/threshold.h"

void hc_threshold_init(struct hc_threshold *t, const struct reg_probe *p)
{
    *t = (struct hc_threshold){
        .successes = p->success_before_passing,
        .failures = p->failures_before_critical,
        .success_before_passing = p->success_before_passing,
        /* Absent means "no warning stage": the same as the critical limit. */
        .failures_before_warning = p->failures_before_warning != 0 ? p->failures_before_warning
                                                                   : p->failures_before_critical,
        .failures_before_critical = p->failures_before_critical,
    };
}

bool hc_threshold_step(struct hc_threshold *t, enum reg_status in, enum reg_status *out)
{
    if (in == REG_PASSING || in == REG_WARNING) {
        t->successes++;
        t->failures = 0;
        *out = in;
        return t->successes >= t->success_before_passing;
    }
    t->failures++;
    t->successes = 0;
    if (t->failures >= t->failures_before_critical) {
        *out = REG_CRITICAL;
        return true;
    }
    *out = REG_WARNING;
    return t->failures >= t->failures_before_warning;
}
