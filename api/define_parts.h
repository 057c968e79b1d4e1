/* For api/define*.c only: what the halves of that work share. */
#ifndef API_DEFINE_PARTS_H_
#define API_DEFINE_PARTS_H_

#include "api/define.h"

/* Set @e and return E_INVAL. */
int define_refuse(struct define_error *e, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Take the content of @b, which is freed, into the caller's memory. */
struct slice define_keep(const struct decode_memory *m, struct buf *b);
struct slice define_printf(const struct decode_memory *m, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* What is wrong with @meta, behind @prefix. 0 or E_INVAL. */
int define_meta_check(struct reg_list meta, int status, const char *prefix, struct define_error *e);
/* What both kinds of registration take over as it is. */
void define_service_fill(const struct decode_memory *m,
                         const struct define_service *d,
                         struct reg_service *s);

/* Consul's CheckType.Validate: the fault's text, or NULL when @d makes sense. */
const char *define_check_fault(const struct define_check *d);
/* Refuses a script check where this agent does not run those of remote calls. */
int define_check_scripts(const struct define_rules *rules,
                         const struct define_check *d,
                         struct define_error *e);
bool define_status_valid(struct slice status);
/* All of @c but its id, name and service. */
void define_check_fill(const struct decode_memory *m,
                       const struct define_check *d,
                       struct reg_check *c);

/* A Proxy object with the members that Consul always shows; a Connect object without what Consul
 * does not keep (empty when nothing remains). @text is empty or one JSON value. */
struct slice define_proxy(const struct decode_memory *m, struct slice text);
struct slice define_connect(const struct decode_memory *m, struct slice text);

#endif
