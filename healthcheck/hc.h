/* Health checking: runs the checks that this node hosts and reports what changed.
 *
 * Owns the probe thread: one loop, thousands of probes at once, no blocking call. The set of checks
 * comes from the store (everything of origin REG_ORIGIN_AGENT on this node) and follows it; results
 * go back as REG_CMD_CHECK_STATUS commands, only when the status changed, or when the output alone
 * changed long ago (check_update_interval). So a restart needs nothing but the store.
 *
 * Behaviour follows Consul: consul-surface.md section 3. */
#ifndef HEALTHCHECK_HC_H_
#define HEALTHCHECK_HC_H_

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "registry/port.h"
#include "registry/store.h"

struct hc;

struct hc_options {
    struct reg *store;
    struct reg_proposer *proposer;
    const char *node;           /* whose checks to run */
    int64_t update_interval_ns; /* check_update_interval; 0 = write outputs at once, <0 = 5 min */
    int32_t output_max;         /* check_output_max_size; 0 = 4096 */
    int64_t interval_min_ns;    /* shortest interval; 0 = 1 s */
    int64_t deregister_min_ns;  /* floor of DeregisterCriticalServiceAfter; 0 = 1 min */
    int64_t reap_interval_ns;   /* how often that is looked at; 0 = 30 s */
    uint64_t seed;              /* spreads the first runs; 0 = from the kernel */
};

/* Start the thread. E_NOMEM, E_FULL (no reader left), E_IO (loop, resolver). */
int hc_start(struct hc **out, const struct hc_options *o, struct errmsg *e);
/* Cancel the probes, answer what waits with E_CANCELED, join the thread, free. Nobody may use
 * hc_prober() any more. Waits for the replies to its own proposals, so the proposer must still run,
 * or have answered them all. NULL is fine. */
void hc_stop(struct hc *hc);

/* The door for TTL updates and newest outputs; lives as long as @hc. */
struct reg_prober *hc_prober(struct hc *hc);

#endif
