/* Columns for people: rows of cells, printed with each column as wide as its widest cell. Pure. */
#ifndef CLI_TABLE_H_
#define CLI_TABLE_H_

#include <stddef.h>

#include "base/buf.h"

enum { TABLE_COLUMNS_MAX = 16 };

struct table {
    unsigned columns; /* 1..TABLE_COLUMNS_MAX */
    unsigned gap;     /* spaces between columns */
    /* Private. */
    struct buf cells; /* each cell ends with a NUL */
    size_t n;         /* cells so far */
    size_t width[TABLE_COLUMNS_MAX];
};

void table_init(struct table *t, unsigned columns, unsigned gap);
void table_fini(struct table *t);
/* Add the next cell, from left to right and from top to bottom. Bytes are counted as columns but
 * for UTF-8 continuation bytes; control characters become spaces. */
void table_add(struct table *t, struct slice cell);
void table_add_str(struct table *t, const char *cell);
/* Append the rows to @out; a row's last column is not padded, nor are empty cells at its end. */
void table_print(const struct table *t, struct buf *out);

#endif
