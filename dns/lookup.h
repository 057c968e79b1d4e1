/* Look-ups: from what a question asks to the plan of its answer, out of the registry.
 *
 * Which instances are healthy, which address of them counts, aliases and what they lead to, texts,
 * name servers, names of addresses: the rules of consul-surface.md 5.1 and 5.2. Also says which
 * watch keys the plan depends on. Reads through the caller's reader; makes no other system call. */
#ifndef DNS_LOOKUP_H_
#define DNS_LOOKUP_H_

#include "dns/plan.h"

enum { DNS_DEPS_MAX = 4 };

/* What must not change for a plan to stay good. */
struct dns_deps {
    unsigned n;
    bool any_change; /* no key tells: the plan holds for one state of the registry only */
    struct {
        enum reg_watch_kind kind;
        uint8_t len;
        char name[DNS_NAME_MAX];
    } dep[DNS_DEPS_MAX];
};

/* Plan the answer to @ask, which is parsed and not foreign. @rd is outside of any bracket. The
 * caller frees the plan with free(). NULL without memory. @deps is filled in either way. */
struct dns_plan *dns_lookup(const struct dns_zone *z,
                            struct reg_reader *rd,
                            struct dns_plan_builder *b,
                            const struct dns_ask *ask,
                            struct dns_deps *deps);

#endif
