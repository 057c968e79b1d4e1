/* Why a text is not JSON, in the words of Go's encoding/json, which Consul's clients and their
 * tests know. Used only after the real parser refused a body. Pure. */
#ifndef API_JSON_SYNTAX_H_
#define API_JSON_SYNTAX_H_

#include "base/err.h"
#include "base/slice.h"

/* Describe the first syntax error of the value that @text begins with; what follows the value does
 * not count. Returns E_INVAL with @e set, or 0 when Go would see nothing wrong. */
int json_syntax_check(struct slice text, struct errmsg *e);

#endif
