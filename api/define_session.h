/* Session definitions: the body of session/create, checked as Consul checks it and turned into the
 * registry's record (consul-surface.md 4.3).
 *
 * The record's slices point into the body's decoded form and into @m. Whether node and checks exist
 * is decided when the command is applied. Pure. */
#ifndef API_DEFINE_SESSION_H_
#define API_DEFINE_SESSION_H_

#include "api/define.h"

/* What this server permits and adds. */
struct define_session_rules {
    struct slice node;  /* used when the body names none */
    int64_t ttl_min_ns; /* session_ttl_min */
};

/* Decode and check @body, which may be empty: all defaults. @s lacks its id. Returns 0, or E_INVAL
 * with @e set to status and text. */
int define_session(const struct decode_memory *m,
                   const struct define_session_rules *rules,
                   struct slice body,
                   struct reg_session *s,
                   struct define_error *e);

#endif
