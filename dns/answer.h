/* Answers: from a plan to the bytes that go out, within what the asker can take.
 *
 * The rules of size (consul-surface.md 5.3), of flags, the random choice and order of instances,
 * and name compression. Answers are filled in before anything else: additional records (addresses,
 * then texts) take what room is left. Draws random numbers from the generator it is given; makes no
 * system call and allocates nothing. */
#ifndef DNS_ANSWER_H_
#define DNS_ANSWER_H_

#include "base/rand.h"
#include "dns/plan.h"

enum dns_transport { DNS_UDP, DNS_TCP };

enum { DNS_ANSWERS_MAX = 4096 }; /* answer records in one message; 1024 for SRV */

/* What rendering needs beside the plan; one per thread. */
struct dns_renderer {
    const struct dns_zone *zone;
    struct rng rng;
    /* Private: where in the message the target of each chosen unit stands, 0 if nowhere. */
    uint16_t target_at[DNS_ANSWERS_MAX];
};

/* Write the answer to @q into @out, which has room for DNS_MESSAGE_MAX bytes, and return its
 * length.
 * @now: unix time, the SOA's serial. Never longer than the asker accepts. When the plan has answers
 * but not even one of them fits, the message is empty with TC set, whatever enable_truncate says.
 */
size_t dns_answer_render(struct dns_renderer *r,
                         const struct dns_query *q,
                         enum dns_transport transport,
                         struct dns_plan *plan,
                         uint32_t now,
                         uint8_t *out);

/* An answer without records: header and, unless @with_question is false, the question. @q needs
 * only id and flags in the latter case. Not authoritative. */
size_t dns_answer_refuse(const struct dns_query *q,
                         enum dns_rcode rcode,
                         bool with_question,
                         uint8_t *out);

#endif
