/* For api/ only: reads by find and render: options, cache, parking, waking. */
#ifndef API_READ_H_
#define API_READ_H_

#include "api/request.h"

/* Answer the read @r now, or park its connection; @r is gone afterwards. */
void read_run(struct request *r);

/* The body kept under exactly this target, if it may go out now; NULL otherwise. Borrowed, until
 * anything else is done with the loop. */
struct answer *read_cached(struct api_loop *a, struct slice target);

/* Look again at groups that were touched and answer woken and overdue queries, a bounded number. */
void read_turn(struct api_loop *a);
/* Answer every parked query, for the loop ends. */
void read_wake_all(struct api_loop *a);

#endif
