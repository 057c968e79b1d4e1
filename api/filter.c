/* Matching walks the tree, and for each test the steps from the object to the value. Lists of
 * sub-objects match when any element does. */
#include "api/filter_tree.h"

static bool contains(struct slice text, struct slice part)
{
    return part.len == 0 ||
           (text.len >= part.len && memmem(text.p, text.len, part.p, part.len) != NULL);
}

static bool match_string(const struct filter_test *m, struct slice s)
{
    switch (m->op) {
        case FILTER_EQUAL:
            return slice_eq(s, m->value) != m->negated;
        case FILTER_IN:
            return contains(s, m->value) != m->negated;
        case FILTER_MATCHES:
            return regex_search(m->regex, s) != m->negated;
        case FILTER_EMPTY:
            return false;
    }
    return false;
}

static bool match_list(const struct filter_test *m, struct reg_list l, bool map)
{
    if (m->op == FILTER_EMPTY) {
        return (reg_list_count(l) == 0) != m->negated;
    }
    struct rd it = reg_list_iter(l);
    struct slice s;
    struct slice skipped;
    bool found = false;
    while (!found && reg_list_next(&it, &s)) {
        found = slice_eq(s, m->value);
        if (map) {
            (void)reg_list_next(&it, &skipped); /* maps come in pairs */
        }
    }
    return found != m->negated;
}

/* An entry that is not there: what asks for something fails, what asks for its absence and what
 * matches a pattern does not (go-bexpr 0.1.2). */
static bool match_entry(const struct filter_test *m, struct reg_list l)
{
    struct rd it = reg_list_iter(l);
    struct slice key;
    struct slice value;
    while (reg_list_next(&it, &key) && reg_list_next(&it, &value)) {
        if (!slice_eq(key, m->key)) {
            continue;
        }
        struct slice address = value;
        int32_t port = 0;
        if (m->part != FILTER_PART_VALUE) {
            (void)decode_addr_split(value, &address, &port); /* our own writing: always whole */
        }
        return m->part == FILTER_PART_PORT ? (port == m->number) != m->negated
                                           : match_string(m, address);
    }
    return m->negated || m->op == FILTER_MATCHES;
}

static bool match_leaf(const struct filter_test *m, const struct filter_field *f, const char *at)
{
    switch (f->kind) {
        case FILTER_STR:
            return match_string(m, *(const struct slice *)(const void *)at);
        case FILTER_INT:
            return (*(const int32_t *)(const void *)at == m->number) != m->negated;
        case FILTER_BOOL:
            return ((*(const bool *)at ? 1 : 0) == m->number) != m->negated;
        case FILTER_STRS:
            return match_list(m, *(const struct reg_list *)(const void *)at, false);
        case FILTER_MAP:
        case FILTER_ADDRS: {
            struct reg_list l = *(const struct reg_list *)(const void *)at;
            return m->part == FILTER_PART_NONE ? match_list(m, l, true) : match_entry(m, l);
        }
        case FILTER_OBJECTS:
            return (((const struct decode_array *)(const void *)at)->n == 0) != m->negated;
        case FILTER_OBJECT:
            return false;
    }
    return false;
}

static bool match_from(const struct filter_test *m, unsigned step, const char *object)
{
    const struct filter_field *f = m->steps[step];
    const char *at = object + f->offset;
    if (step + 1 == m->n_steps) {
        return match_leaf(m, f, at);
    }
    if (f->kind == FILTER_OBJECT) {
        return match_from(m, step + 1, at);
    }
    const struct decode_array *items = (const void *)at;
    for (unsigned i = 0; i < items->n; i++) {
        if (match_from(m, step + 1, (const char *)items->items + i * f->type->size)) {
            return true;
        }
    }
    return false;
}

bool filter_match(const struct filter *f, const void *object)
{
    switch (f->kind) {
        case FILTER_NODE_OR:
            return filter_match(f->a, object) || filter_match(f->b, object);
        case FILTER_NODE_AND:
            return filter_match(f->a, object) && filter_match(f->b, object);
        case FILTER_NODE_NOT:
            return !filter_match(f->a, object);
        case FILTER_NODE_MATCH:
            return match_from(&f->match, 0, object);
    }
    return false;
}
