/* For api/filter*.c only: what a parsed filter is. */
#ifndef API_FILTER_TREE_H_
#define API_FILTER_TREE_H_

#include "api/filter.h"
#include "api/regex.h"

enum { FILTER_STEPS_MAX = 4 };

enum filter_op { FILTER_EQUAL, FILTER_IN, FILTER_EMPTY, FILTER_MATCHES };

/* What of a map's entry is meant. */
enum filter_part { FILTER_PART_NONE, FILTER_PART_VALUE, FILTER_PART_ADDRESS, FILTER_PART_PORT };

struct filter_test {
    const struct filter_field *steps[FILTER_STEPS_MAX]; /* sub-objects, then the leaf */
    unsigned n_steps;
    enum filter_part part;
    struct slice key; /* of the map's entry */
    enum filter_op op;
    bool negated;
    struct slice value;
    int64_t number; /* INT, and BOOL as 0 or 1 */
    const struct regex *regex;
};

struct filter {
    enum { FILTER_NODE_OR, FILTER_NODE_AND, FILTER_NODE_NOT, FILTER_NODE_MATCH } kind;
    const struct filter *a;
    const struct filter *b;
    struct filter_test match;
};

#endif
