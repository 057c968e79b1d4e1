/* What writing and restoring a snapshot share. Header for registry/ only. */
#ifndef REGISTRY_SNAPSHOT_PARTS_H_
#define REGISTRY_SNAPSHOT_PARTS_H_

#include "registry/snapshot.h"
#include "registry/tables.h"

/* The row of T_META that holds reg_restored_index(). */
extern const struct slice restored_key;

/* Is @t part of a snapshot? */
bool table_is_data(enum table t);
/* The data table of that name; false: there is none. */
bool table_of_name(const char *name, enum table *t);

#endif
