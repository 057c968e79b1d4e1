/* HCL version 1, as far as configuration files use it, into the JSON tree that a .json file gives.
 *
 *     key = value             a member; value: string, heredoc, number, bool, list or object
 *     key { ... }             the same as key = { ... }
 *     key "label" { ... }     an object in an object: key = { label = { ... } }
 *     # and // to the end of the line, between slash-star pairs
 *
 * A block that is repeated becomes a list of objects; of other repeated keys the last counts. There
 * are no variables: "${x}" is kept as it is written. Pure. */
#ifndef CLI_HCL_H_
#define CLI_HCL_H_

#include <jansson.h>

#include "base/err.h"
#include "base/slice.h"

enum {
    HCL_DEPTH_MAX = 32,     /* objects and lists in each other */
    HCL_VALUES_MAX = 262144 /* values in one text */
};

/* Parse @text into *@root, an object that the caller releases with json_decref(). @origin names the
 * text in messages. E_INVAL: @e names origin, line and what was expected; E_NOMEM. */
int hcl_parse(struct slice text, const char *origin, json_t **root, struct errmsg *e);

/* The line, from 1, on which the member with the dotted @path (any case) stands first in @text,
 * which is HCL or JSON; 0 when it is not found. */
unsigned hcl_line_of(struct slice text, const char *path);

#endif
