/* Plans: answers before they are bytes.
 *
 * A plan holds everything that may go into an answer: records in a compact form, grouped into
 * *units*, one for each instance (or name server). Rendering (dns/answer.h) picks units at random
 * within the asker's size, so one plan serves every transport, size and spelling of the same
 * question, and stays good until the registry changes. A plan is one block of memory, built with a
 * `struct dns_plan_builder`, whose scratch buffers are reused from one plan to the next.
 *
 * Invariants: every reference lies inside the plan's text; every name fits into DNS_NAME_MAX. */
#ifndef DNS_PLAN_H_
#define DNS_PLAN_H_

#include "base/buf.h"
#include "dns/name.h"

enum {
    DNS_PLAN_UNITS_MAX = 65535,           /* instances in one answer; the rest is left out */
    DNS_PLAN_TEXT_SOFT_MAX = 1024 * 1024, /* above it no further node meta is taken in */
    DNS_TXT_MAX = 4096                    /* bytes of one TXT record, lengths included */
};

/* A name: @len bytes of labels at @at in the plan's text, then a suffix. */
struct dns_ref {
    uint32_t at;
    uint8_t len;
    uint8_t suffix; /* enum dns_suffix_id, or one of the two below */
};
enum {
    DNS_REF_QUESTION = 100, /* the question's name, as the asker spelled it */
    DNS_REF_TARGET          /* the name to which the record before in the same unit points */
};

/* A record. Which member of @u counts follows from the type; SOA has none: it is the zone's. */
struct dns_rr {
    uint16_t type;
    uint32_t ttl;
    struct dns_ref owner;
    union {
        uint8_t ip[16]; /* A: the first 4 */
        struct {
            uint16_t weight;
            uint16_t port;
            struct dns_ref target;
        } srv;
        struct dns_ref target; /* CNAME, NS, PTR */
        struct {
            uint32_t at; /* the character strings, in the plan's text */
            uint32_t len;
        } txt;
    } u;
};

/* Records that go together, one after the other: the unit's answers (at least one), the addresses
 * they need, and texts about them. The latter two belong to the additional section. */
enum dns_part { DNS_PART_ANSWER, DNS_PART_ADDRESS, DNS_PART_TEXT, DNS_PART_COUNT };
struct dns_unit {
    uint32_t first;
    uint16_t n[DNS_PART_COUNT];
};

/* Records outside of the units. */
enum dns_run_id {
    DNS_RUN_LEAD,      /* answers, before the units */
    DNS_RUN_AUTHORITY, /* authority */
    DNS_RUN_EXTRA,     /* additional, after the units' */
    DNS_RUN_COUNT
};
struct dns_run {
    uint32_t first;
    uint32_t n;
};

struct dns_plan {
    uint8_t rcode;
    bool shuffle;            /* the units' order is free */
    bool for_subnet;         /* the answer is for the asker's subnet only (ECS scope) */
    bool units_in_authority; /* the units' answers belong there (name servers of a SOA) */
    uint32_t units_limit;    /* at most so many units in one answer; 0 = no limit */
    uint32_t n_units;
    struct dns_run run[DNS_RUN_COUNT];
    const struct dns_rr *rrs;
    const struct dns_unit *units;
    uint16_t *order; /* a permutation of the units; rendering stirs it */
    const uint8_t *text;
    size_t size; /* of the whole block */
};

/* Free with free(). */

struct dns_plan_builder {
    struct dns_plan head; /* rcode, shuffle, ... : set directly */
    /* Private. */
    struct buf rrs;
    struct buf units;
    struct buf text;
    bool in_unit;
};

void dns_plan_builder_init(struct dns_plan_builder *b);
void dns_plan_builder_fini(struct dns_plan_builder *b);

/* Begin a new plan, forgetting any other. */
void dns_plan_begin(struct dns_plan_builder *b, enum dns_rcode rcode);

/* Copy @len bytes of labels, without a root's zero; @len + the suffix within DNS_NAME_MAX is the
 * caller's duty. */
struct dns_ref dns_plan_ref(struct dns_plan_builder *b,
                            const uint8_t *labels,
                            size_t len,
                            uint8_t suffix);
/* Copy the text @s of a TXT record, cut into strings of 255 bytes; beyond DNS_TXT_MAX it is cut
 * off. */
void dns_plan_txt(struct dns_plan_builder *b, struct dns_rr *rr, struct slice s);

/* Add a record to a run. The records of one run are added without others in between. */
void dns_plan_run_add(struct dns_plan_builder *b, enum dns_run_id run, const struct dns_rr *rr);

/* Add a unit with its first answer; further records go to the last unit, the parts in order. False
 * when there are DNS_PLAN_UNITS_MAX already. */
bool dns_plan_unit_add(struct dns_plan_builder *b, const struct dns_rr *answer);
void dns_plan_unit_more(struct dns_plan_builder *b, enum dns_part part, const struct dns_rr *rr);

uint32_t dns_plan_units(const struct dns_plan_builder *b);
size_t dns_plan_text_len(const struct dns_plan_builder *b);
/* A record that was added: the @i-th of all. Valid until the next is added. */
const struct dns_rr *dns_plan_rr_at(const struct dns_plan_builder *b, uint32_t i);
uint32_t dns_plan_rrs(const struct dns_plan_builder *b);

/* Drop units that repeat another's address. Every unit so far is one A or AAAA record. */
void dns_plan_unique_addresses(struct dns_plan_builder *b);

/* Finish: the plan in a block of its own, or NULL without memory. */
struct dns_plan *dns_plan_end(struct dns_plan_builder *b);

#endif
