/* Request bodies: JSON into C structs, after the rules of Go's encoding/json as Consul uses it.
 *
 * A table says which fields an object has and where they go. Names match in any case, null counts
 * as absent, an unknown field or a wrong type is an error in Go's words, what follows the value is
 * ignored (consul-surface.md 2.6). Strings that name things must not hold NUL.
 *
 * What is decoded lives in the caller's memory (the request's arena); nothing needs freeing. Pure
 * but for that. */
#ifndef API_DECODE_H_
#define API_DECODE_H_

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "registry/model.h"

enum decode_kind {
    DECODE_STR,      /* struct slice; NUL is refused */
    DECODE_TEXT,     /* struct slice; any content */
    DECODE_BASE64,   /* struct slice; the bytes that the text stands for */
    DECODE_BOOL,     /* bool */
    DECODE_TRISTATE, /* int8_t: 0 absent, 1 true, -1 false */
    DECODE_INT,      /* int32_t */
    DECODE_U64,      /* uint64_t */
    DECODE_DURATION, /* int64_t ns, from Go's spelling or a number; other types count as absent */
    DECODE_STRS,     /* struct reg_list */
    DECODE_MAP,      /* struct reg_list, sorted by key */
    DECODE_HEADERS,  /* struct reg_list name, value, ..., from {name: [value]}, sorted by name */
    DECODE_ADDRS,    /* struct reg_list name -> "address\0port", from {name: {Address, Port}} */
    DECODE_OBJECT,   /* pointer to the object; NULL when absent */
    DECODE_OBJECTS,  /* struct decode_array; null elements are left out */
    DECODE_F64,      /* double */
    DECODE_F64S,     /* struct decode_array of double */
    DECODE_JSON,     /* struct slice: the compact text of any value; empty for null */
    DECODE_IGNORE    /* accepted and dropped */
};

struct decode_array {
    void *items; /* n objects side by side */
    unsigned n;
};

struct decode_object;
struct decode_field {
    const char *name;
    size_t name_len;
    enum decode_kind kind;
    size_t offset;
    const struct decode_object *object; /* OBJECT, OBJECTS */
};

/* Rows of a field table: for member @m of struct @t. An alias is one more row with the same member.
 */
#define DECODE_FIELD(name, kind, t, m)                              \
    {                                                               \
        name, sizeof(name) - 1, DECODE_##kind, offsetof(t, m), NULL \
    }
#define DECODE_SUB(name, kind, t, m, sub)                          \
    {                                                              \
        name, sizeof(name) - 1, DECODE_##kind, offsetof(t, m), sub \
    }
#define DECODE_SKIP(name)                              \
    {                                                  \
        name, sizeof(name) - 1, DECODE_IGNORE, 0, NULL \
    }

struct decode_object {
    const char *go_name; /* the struct's name in Go's error texts; "" for an anonymous one */
    size_t size;         /* of the C struct; all zero is its empty state */
    const struct decode_field *fields;
    unsigned n_fields;
    bool own_path; /* in Consul it decodes itself, so that error paths begin anew */
    bool tolerant; /* unknown fields are skipped */
};

/* At most this many elements in one array of objects. */
enum { DECODE_OBJECTS_MAX = 1024 };

/* Where decoded things live: @alloc returns zeroed memory and never fails. */
struct decode_memory {
    void *(*alloc)(void *arg, size_t n);
    void *arg;
};

/* Decode @body into @out, a zeroed struct of @o. `null` leaves it so. Returns 0, or E_INVAL with @e
 * set to the text that follows "Request decode failed: "; @out is then partly filled. */
int decode_body(const struct decode_memory *m,
                struct slice body,
                const struct decode_object *o,
                void *out,
                struct errmsg *e);

/* As decode_body(), for a body that is an array of @o. In Go the array is of the type @go_array,
 * its elements of @go_item. Every element counts: null is an empty object. */
int decode_array_body(const struct decode_memory *m,
                      struct slice body,
                      const struct decode_object *o,
                      const char *go_array,
                      const char *go_item,
                      struct decode_array *out,
                      struct errmsg *e);
/* A duration in Go's spelling to *@ns. Returns 0, or E_INVAL with @e in Go's words. */
int decode_duration_text(struct slice s, int64_t *ns, struct errmsg *e);
/* As DECODE_ADDRS packs it: an address and a port. False when @packed is malformed. */
bool decode_addr_split(struct slice packed, struct slice *address, int32_t *port);
/* Append in that form. */
void decode_addr_join(struct buf *b, struct slice address, int32_t port);

#endif
