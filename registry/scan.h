/* A walk through a whole table, in key order. Header for registry/ only.
 *
 * Between reg_read_begin() and reg_read_end(); ends with reg_iter_end(), as every iterator. */
#ifndef REGISTRY_SCAN_H_
#define REGISTRY_SCAN_H_

#include "registry/query.h"
#include "registry/tables.h"

/* Begin at the first row of @t whose key starts with the @prefix_len bytes at @prefix. */
void scan_begin(struct reg_reader *rd,
                struct reg_iter *it,
                enum table t,
                const void *prefix,
                size_t prefix_len);
/* The next row's value; false at the end of the prefix. */
bool scan_next(struct reg_iter *it, struct slice *value);

#endif
