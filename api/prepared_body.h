/* For api/ only: a prepared query as a body has it, its validation, and how it is shown. */
#ifndef API_PREPARED_BODY_H_
#define API_PREPARED_BODY_H_

#include "api/decode.h"
#include "api/json.h"
#include "registry/prepared.h"

extern const struct decode_object prepared_body;

/* The decoded body as a query; views into it. */
void prepared_from_body(const void *body, struct reg_prepared *q);
size_t prepared_body_size(void);
/* Consul's rules. 0, or E_INVAL with the text of the 500. */
int prepared_check(const struct reg_prepared *q, struct errmsg *e);
/* The query as query/:id shows it: the token is hidden from all but management, and there are no
 * tokens yet to tell who that is. */
void prepared_render(struct json *j, const struct reg_prepared *q);

#endif
