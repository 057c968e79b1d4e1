/* Cells are kept as one run of NUL-terminated strings; widths grow as cells come. */
#include "cli/table.h"

#include <assert.h>
#include <string.h>

void table_init(struct table *t, unsigned columns, unsigned gap)
{
    assert(columns > 0 && columns <= TABLE_COLUMNS_MAX);
    *t = (struct table){.columns = columns, .gap = gap, .cells = BUF_INIT};
}

void table_fini(struct table *t)
{
    buf_fini(&t->cells);
}

static size_t width_of(const char *cell)
{
    size_t n = 0;
    for (; *cell != '\0'; cell++) {
        n += ((unsigned char)*cell & 0xc0) != 0x80;
    }
    return n;
}

void table_add(struct table *t, struct slice cell)
{
    size_t start = t->cells.len;
    for (size_t i = 0; i < cell.len; i++) {
        unsigned char c = (unsigned char)cell.p[i];
        buf_add_char(&t->cells, c < 0x20 || c == 0x7f ? ' ' : cell.p[i]);
    }
    buf_add_char(&t->cells, '\0');
    if (!buf_ok(&t->cells)) {
        return;
    }
    size_t w = width_of(t->cells.p + start);
    unsigned column = (unsigned)(t->n % t->columns);
    if (w > t->width[column]) {
        t->width[column] = w;
    }
    t->n++;
}

void table_add_str(struct table *t, const char *cell)
{
    table_add(t, slice_str(cell));
}

void table_print(const struct table *t, struct buf *out)
{
    const char *p = t->cells.p;
    size_t blanks = 0; /* owed before the next text, so that none end a line */
    for (size_t i = 0; i < t->n; i++) {
        unsigned column = (unsigned)(i % t->columns);
        if (*p != '\0') {
            for (; blanks > 0; blanks--) {
                buf_add_char(out, ' ');
            }
            buf_add_str(out, p);
        }
        blanks += t->width[column] - width_of(p) + t->gap;
        p += strlen(p) + 1;
        if (column == t->columns - 1) {
            buf_add_char(out, '\n');
            blanks = 0;
        }
    }
}
