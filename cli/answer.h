/* Answers of the agent as JSON, for the commands. */
#ifndef CLI_ANSWER_H_
#define CLI_ANSWER_H_

#include <jansson.h>

#include "cli/http_client.h"

/* GET @path and parse the body of a 200 answer into *@root, which the caller releases with
 * json_decref(). Errors as http_call_ok(), or E_PROTO: it is not JSON. */
int answer_get(const struct http_client *c, const char *path, json_t **root, struct errmsg *e);

/* The string at @key of object @o, or "" when it is absent or no string. */
const char *answer_str(const json_t *o, const char *key);
/* The integer at @key, or 0. */
long long answer_int(const json_t *o, const char *key);

/* Append an object of strings as "k=v", sorted by key and joined with @separator. */
void answer_add_map(struct buf *out, const json_t *o, const char *separator);

/* The members of an object, or the strings of a list, sorted; the caller frees the array with
 * free(). NULL when there is none. *@n tells how many. */
const char **answer_sorted(const json_t *v, size_t *n);

#endif
