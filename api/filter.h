/* ?filter=: go-bexpr expressions over the objects that a read shows (consul-surface.md 2.5).
 *
 * A type says which selectors an object has and where their values are in a C struct. Parsing
 * checks selectors, operators and values against the type, so that a bad filter is refused whatever
 * the data; matching cannot fail. Bounds: FILTER_TEXT_MAX bytes, FILTER_DEPTH_MAX nested operators.
 * Pure. */
#ifndef API_FILTER_H_
#define API_FILTER_H_

#include "api/decode.h"

enum { FILTER_TEXT_MAX = 16384, FILTER_DEPTH_MAX = 64 };

enum filter_kind {
    FILTER_STR,    /* struct slice */
    FILTER_INT,    /* int32_t */
    FILTER_BOOL,   /* bool */
    FILTER_STRS,   /* struct reg_list */
    FILTER_MAP,    /* struct reg_list, string to string */
    FILTER_ADDRS,  /* struct reg_list, string to "address\0port" */
    FILTER_OBJECT, /* the fields of a sub-object that lies at the offset */
    FILTER_OBJECTS /* struct decode_array of sub-objects: true when any of them matches */
};

struct filter_type;
struct filter_field {
    const char *name;
    enum filter_kind kind;
    size_t offset;
    const struct filter_type *type; /* OBJECT, OBJECTS */
};

struct filter_type {
    const struct filter_field *fields;
    unsigned n_fields;
    size_t size; /* of the C struct, for arrays of it */
};

struct filter;

/* Parse @text for objects of @type into the memory of @m. NULL: @e holds Consul's text. The filter
 * points into @text. */
struct filter *filter_parse(const struct decode_memory *m,
                            struct slice text,
                            const struct filter_type *type,
                            struct errmsg *e);
bool filter_match(const struct filter *f, const void *object);

#endif
