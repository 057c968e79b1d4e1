/* Running prepared queries: which query a name means, and which instances it takes.
 *
 * What templates make up lives in the run's own memory; everything else points into the map. So a
 * run lasts no longer than the reader's bracket. */
#ifndef REGISTRY_PREPARED_RUN_H_
#define REGISTRY_PREPARED_RUN_H_

#include "registry/prepared.h"

struct run_block;

struct reg_prepared_run {
    struct reg_prepared q; /* as it is to be run: a template's fields are filled in */
    struct run_block *blocks;
};

/* Find what @id_or_name means: an id, a name, or the template with the longest name it begins with.
 * 0; E_NOTFOUND; E_INVAL, E_NOMEM with a text. Call reg_prepared_end() in any case. */
int reg_prepared_begin(struct reg_prepared_run *run,
                       struct reg_reader *rd,
                       struct slice id_or_name,
                       struct errmsg *e);
void reg_prepared_end(struct reg_prepared_run *run);

/* Could @q be run, if it is a template, for some name? 0, or E_INVAL with a text. */
int reg_prepared_check(const struct reg_prepared *q, struct errmsg *e);

/* Is the instance healthy enough and otherwise what @q asks for? @node is filled in then. */
bool reg_prepared_takes(struct reg_reader *rd,
                        const struct reg_prepared *q,
                        const struct reg_service *s,
                        struct reg_node *node);

#endif
