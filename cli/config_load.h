/* Writing values into a configuration; for config*.c only. */
#ifndef CLI_CONFIG_LOAD_H_
#define CLI_CONFIG_LOAD_H_

#include <jansson.h>

#include "cli/config.h"
#include "cli/config_keys.h"

/* Where the value being placed comes from, for messages. */
struct place {
    struct config *c;
    const char *origin; /* file or flag */
    struct slice text;  /* the file's, to find lines in; empty for flags */
    struct errmsg *e;
};

/* E_INVAL with "file: line 3: " before the message, the line being that of the member @path. */
int place_refuse(const struct place *p, const char *path, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* E_INVAL: there is no key @path; names @best, if it is not NULL, as the one that was meant. */
int place_unknown_key(const struct place *p, const char *path, const char *best);
/* E_INVAL: @path should hold what @wanted says, but holds @v. */
int place_wrong_type(const struct place *p, const char *path, const char *wanted, const json_t *v);

/* Zeroed memory that lives as long as @c; the process ends without memory. */
void *config_alloc(struct config *c, size_t n);

/* Room for one more item of @size bytes behind the @n at @items, which only this function ever
 * made; the items may move. */
void *config_grown(struct config *c, void *items, size_t n, size_t size);

/* Append a copy of @value. E_TOOBIG above CONFIG_ITEMS_MAX. */
int config_list_add(struct config *c, struct config_list *l, const char *value);
/* Set @key to a copy of @value. E_TOOBIG above CONFIG_ITEMS_MAX. */
int config_map_set(struct config *c, struct config_map *m, const char *key, const char *value);
/* Set @name to @ns. E_TOOBIG above CONFIG_ITEMS_MAX. */
int config_ttl_set(struct config *c, struct config_ttls *t, const char *name, int64_t ns);

#endif
