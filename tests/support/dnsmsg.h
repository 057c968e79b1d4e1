/* DNS messages for tests: queries to ask, answers as text.
 *
 * Reads messages by rules of its own, not those of dns/, and refuses what a strict client would:
 * pointers that do not go back, lengths that do not add up, bytes left over. */
#ifndef TESTS_SUPPORT_DNSMSG_H_
#define TESTS_SUPPORT_DNSMSG_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct dnsmsg_query {
    const char *name; /* dotted; "" is the root */
    uint16_t type;
    uint16_t class; /* 0: IN */
    uint16_t flags;
    int edns;        /* 0: no OPT record; else the size, -1 for a size of 0 */
    const char *ecs; /* hexadecimal content of a client subnet option, or NULL */
};
/* Encode into @out (at least 512 bytes); returns the length. The id is 0x1234. */
size_t dnsmsg_query_encode(const struct dnsmsg_query *q, uint8_t *out);

struct dnsmsg_counts {
    uint16_t flags;
    unsigned rcode, answers, authority, additional;
};
/* Append the message as text to @text (may be NULL), one record a line, sorted in each section:
 *
 *     NOERROR qr aa
 *     ? web.service.consul. IN A
 *     = web.service.consul. 0 A 10.0.0.1      (answer; "!" authority, "+" additional)
 *
 * An SOA's serial is shown as "#". Returns false, with a reason in @text, for a message that is not
 * sound. */
bool dnsmsg_show(const uint8_t *p, size_t n, struct buf *text, struct dnsmsg_counts *counts);

#endif
