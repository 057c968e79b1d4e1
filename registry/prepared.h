/* Prepared queries: named questions for the healthy instances of a service.
 *
 * Keyed by an id (a uuid) and, unless anonymous, by a name that is unique in any case of letters. A
 * template answers for every name that begins with its own. Running one is prepared_run.h's
 * business; sessions that queries are bound to are not looked at yet. */
#ifndef REGISTRY_PREPARED_H_
#define REGISTRY_PREPARED_H_

#include "registry/query.h"

enum { REG_PREPARED_NAME_MAX = 1024 /* bytes */ };

struct reg_prepared {
    struct slice id;
    struct slice name;
    struct slice session;
    struct slice token;
    struct slice template_type; /* empty: no template */
    struct slice template_regexp;
    bool remove_empty_tags;
    struct slice service;
    int32_t failover_nearest;
    struct reg_list failover_dcs;
    bool only_passing;
    struct reg_list ignore_checks;
    struct slice near;
    struct reg_list tags; /* "!tag": must not have it */
    struct reg_list node_meta;
    struct reg_list service_meta;
    bool connect;
    struct slice ttl; /* text; empty: none */
    uint64_t create_index;
    uint64_t modify_index;
};

enum reg_prepared_verb { REG_PREPARED_CREATE = 1, REG_PREPARED_UPDATE, REG_PREPARED_DELETE };

struct reg_prepared_op {
    uint8_t verb; /* enum reg_prepared_verb; DELETE needs only the id */
    struct reg_prepared q;
};

/* Append the command; decode its body: 0 or E_CORRUPT. */
void reg_command_prepared(struct buf *b, const struct reg_prepared_op *c);
int reg_prepared_op_decode(struct slice body, struct reg_prepared_op *c);
/* The stored form. Decoding: 0 or E_CORRUPT, views into @s. */
void reg_prepared_encode(struct buf *b, const struct reg_prepared *q);
int reg_prepared_decode(struct slice s, struct reg_prepared *q);

bool reg_prepared_find(struct reg_reader *rd, struct slice id, struct reg_prepared *out);
bool reg_prepared_find_name(struct reg_reader *rd, struct slice name, struct reg_prepared *out);
/* The template with the longest name that @name begins with. */
bool reg_prepared_find_template(struct reg_reader *rd, struct slice name, struct reg_prepared *out);
/* All queries, by id. */
void reg_prepareds(struct reg_reader *rd, struct reg_iter *it);
bool reg_prepareds_next(struct reg_iter *it, struct reg_prepared *out);

#endif
