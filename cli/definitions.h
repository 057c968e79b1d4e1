/* Services and checks that configuration files define.
 *
 * Owns nothing: all is in the configuration's memory. Loading brings the keys of files (snake_case;
 * camel forms are taken too) to those of the HTTP API, so that one decoder and one set of rules
 * serve both; definitions_finish() checks them as a registration is checked. What becomes of them
 * is in definitions_sync.h. Keys: consul-surface.md 3.1 and 7. */
#ifndef CLI_DEFINITIONS_H_
#define CLI_DEFINITIONS_H_

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "registry/model.h"

struct config;
struct place;
struct define_check;
struct define_service;

struct definition {
    const char *origin; /* "web.hcl: service", for messages */
    const struct define_service *service_body;
    const struct define_check *check_body; /* exactly one of the two is not NULL */
    /* After definitions_finish(). The node is left empty. */
    struct reg_service service;
    struct reg_check *checks; /* of the service, or the one check */
    unsigned n_checks;
};

struct definitions {
    struct definition *items; /* at most CONFIG_ITEMS_MAX; of equal ids the later one counts */
    size_t n;
};

/* Take one definition, or a list of them, which stands under @key. Unknown keys and wrong types are
 * E_INVAL with file, line and key; E_TOOBIG: too many. For config_load.c only. */
int definitions_add(const struct place *p, const char *key, json_t *v, bool services);

/* Check all and fill in the records. E_INVAL: @e names file and definition. */
int definitions_finish(struct config *c, struct errmsg *e);

#endif
