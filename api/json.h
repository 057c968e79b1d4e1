/* Writing JSON: appends compact JSON to a buffer, the way Go's encoder spells it. Pure.
 *
 * Strings are escaped as encoding/json does (also <, >, & and U+2028/9 as \uXXXX; invalid UTF-8 as
 * \ufffd). The writer only tracks commas; the caller keeps brackets balanced. */
#ifndef API_JSON_H_
#define API_JSON_H_

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct json {
    struct buf *b;
    bool comma; /* the next element needs a comma before it */
};

static inline struct json json_to(struct buf *b)
{
    return (struct json){b, false};
}

void json_obj(struct json *j);
void json_obj_end(struct json *j);
void json_arr(struct json *j);
void json_arr_end(struct json *j);
/* @key needs no escaping (a literal). */
void json_key(struct json *j, const char *key);
void json_key_slice(struct json *j, struct slice key);
void json_str(struct json *j, struct slice s);
void json_cstr(struct json *j, const char *s);
void json_base64(struct json *j, struct slice bytes); /* standard alphabet, padded, quoted */
void json_u64(struct json *j, uint64_t v);
void json_i64(struct json *j, int64_t v);
void json_f64(struct json *j, double v); /* Go's spelling; @v is finite */
void json_bool(struct json *j, bool v);
void json_nil(struct json *j); /* null; not json_null(), a symbol that jansson exports and calls */
void json_raw(struct json *j, struct slice text); /* one JSON value, already encoded */
void json_duration(struct json *j, int64_t ns);   /* Go's spelling, quoted */

/* Re-indent compact JSON by 4 spaces, as json.MarshalIndent does; appends to @out. */
void json_pretty(struct buf *out, struct slice compact);

#endif
