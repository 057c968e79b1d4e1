/* Regular expressions, by PCRE2 within limits.
 *
 * Consul uses RE2, whose time is linear in the text. PCRE2 backtracks, so a search ends after a
 * bounded number of steps; one that reaches the bound counts as no match. Back references and
 * look-around, which RE2 refuses, are accepted. */
#ifndef BASE_REGEX_H_
#define BASE_REGEX_H_

#include "base/err.h"
#include "base/slice.h"

struct regex;

enum { REGEX_PATTERN_MAX = 4096 /* bytes */, REGEX_GROUPS_MAX = 10 };

/* Where an expression lives: @alloc returns zeroed memory that goes as a whole; NULL when there is
 * none. */
struct regex_memory {
    void *(*alloc)(void *arg, size_t n);
    void *arg;
};

/* Compile @pattern into the memory of @m, which is copied. NULL: @e says why. */
struct regex *regex_new(const struct regex_memory *m, struct slice pattern, struct errmsg *e);
/* True when @text holds a match anywhere. */
bool regex_search(const struct regex *re, struct slice text);
/* As above; @groups gets the match and its groups, views into @text, those without part in it
 * empty. Returns how many, 0 when there is no match. */
unsigned regex_groups(const struct regex *re,
                      struct slice text,
                      struct slice groups[REGEX_GROUPS_MAX]);

#endif
