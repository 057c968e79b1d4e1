/* For api/ only: the metrics of one serving loop: which series a request or a command counts in.
 *
 * Declares a summary for each method of each route ("consul.api.http", as in Consul, with the path
 * of the route written `v1_kv_`) and for the commands that Consul measures. One loop only. */
#ifndef API_MEASURE_H_
#define API_MEASURE_H_

#include "api/api.h"

struct measure;

/* NULL without memory. @routes outlives it. */
struct measure *measure_new(const struct api_route *routes, unsigned n);
void measure_free(struct measure *m); /* NULL is fine */

/* The series of a request; 0 for a method that the route does not have. */
unsigned measure_request(const struct measure *m,
                         const struct api_route *route,
                         enum api_method method);
/* The series of an encoded command (registry/command.h); 0 for one that nobody measures. */
unsigned measure_command(const struct measure *m, struct slice command);

/* About once a second: what the loop holds right now. */
void measure_levels(struct measure *m, uint64_t parked, uint64_t connections);

#endif
