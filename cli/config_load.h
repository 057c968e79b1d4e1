/* Writing values into a configuration; for config*.c only. */
#ifndef CLI_CONFIG_LOAD_H_
#define CLI_CONFIG_LOAD_H_

#include "cli/config.h"
#include "cli/config_keys.h"

/* Zeroed memory that lives as long as @c; the process ends without memory. */
void *config_alloc(struct config *c, size_t n);

/* Append a copy of @value. E_TOOBIG above CONFIG_ITEMS_MAX. */
int config_list_add(struct config *c, struct config_list *l, const char *value);
/* Set @key to a copy of @value. E_TOOBIG above CONFIG_ITEMS_MAX. */
int config_map_set(struct config *c, struct config_map *m, const char *key, const char *value);
/* Set @name to @ns. E_TOOBIG above CONFIG_ITEMS_MAX. */
int config_ttl_set(struct config *c, struct config_ttls *t, const char *name, int64_t ns);

#endif
