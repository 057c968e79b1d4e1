/* Gauges that are worked out when somebody reads the metrics: what the store holds, where
 * replication stands, what the process takes. */
#ifndef CLI_GAUGES_H_
#define CLI_GAUGES_H_

#include "cli/stats.h"

/* Declare all of them, so that they exist from the start. */
void gauges_declare(const struct stats *s);
/* For struct api_server: @arg is a struct stats, @reader is not in a bracket. Any thread. */
void gauges_set(void *arg, struct reg_reader *reader);

#endif
