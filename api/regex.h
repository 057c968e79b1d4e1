/* Regular expressions for ?filter= with `matches`, by PCRE2 within limits.
 *
 * Consul uses RE2, whose time is linear in the text. PCRE2 backtracks, so a search ends after a
 * bounded number of steps; one that reaches the bound counts as no match. Back references and
 * look-around, which RE2 refuses, are accepted. */
#ifndef API_REGEX_H_
#define API_REGEX_H_

#include "api/decode.h"

struct regex;

enum { REGEX_PATTERN_MAX = 4096 }; /* bytes */

/* Compile @pattern into the memory of @m. NULL: @e says why. */
struct regex *regex_compile(const struct decode_memory *m, struct slice pattern, struct errmsg *e);
/* True when @text holds a match anywhere. */
bool regex_search(const struct regex *re, struct slice text);

#endif
