/* For api/ only: regular expressions (base/regex.h) in a decoder's memory. */
#ifndef API_REGEX_H_
#define API_REGEX_H_

#include "api/decode.h"
#include "base/regex.h"

/* Compile @pattern into the memory of @m. NULL: @e says why. */
static inline struct regex *regex_compile(const struct decode_memory *m,
                                          struct slice pattern,
                                          struct errmsg *e)
{
    struct regex_memory memory = {m->alloc, m->arg};
    return regex_new(&memory, pattern, e);
}

#endif
