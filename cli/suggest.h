/* "Did you mean ...?": the known word nearest to a mistyped one. Pure. */
#ifndef CLI_SUGGEST_H_
#define CLI_SUGGEST_H_

#include <stddef.h>

/* The best candidate seen so far; feed it every known word, then read `best`. */
struct suggest {
    const char *word; /* what was typed */
    const char *best; /* NULL: nothing is near enough */
    size_t distance;
};

static inline struct suggest suggest_for(const char *word)
{
    return (struct suggest){word, NULL, (size_t)-1};
}

/* Consider @candidate (borrowed; it must outlive @s). Words above 63 bytes are never near. */
void suggest_try(struct suggest *s, const char *candidate);

#endif
