/* Request targets: split, percent-decoded, cleaned; after Go's net/url and path.Clean. Pure. */
#ifndef API_TARGET_H_
#define API_TARGET_H_

#include <stdbool.h>

#include "api/api.h"

/* The parts of a target as sent; "http://host" before the path is dropped. */
struct target {
    struct slice path;
    struct slice query; /* without "?" */
};

/* E_PROTO: neither a path nor an http URL. */
int target_split(struct slice text, struct target *t);

/* Decode %XX into @room (at least in.len bytes), or let *@out point into @in when nothing is
 * escaped. @plus also turns "+" into a blank. E_PROTO: a bad escape. */
int target_decode(struct slice in, bool plus, char *room, struct slice *out);

/* Parse a query string; decoded text goes to @room (at least query.len bytes). E_PROTO: a bad
 * escape or a ";". E_TOOBIG: more than API_PARAMS_MAX parameters. */
int target_params(struct slice query,
                  char *room,
                  struct api_param params[API_PARAMS_MAX],
                  unsigned *n);

/* True when Go's mux would serve @path as it is; else the cleaned path ("//", "/./", "/../"
 * resolved) is appended to @out. */
bool target_is_clean(struct slice path);
void target_clean(struct slice path, struct buf *out);

/* False when the decoded path holds a character that is not printable (control characters and
 * the white space and format characters of Unicode). */
bool target_printable(struct slice path);

/* Append @query but for its "index" and "wait" pairs to @out, "?" in front if anything is left: the
 * name that equal blocking queries share. */
void target_shared_query(struct slice query, struct buf *out);

#endif
