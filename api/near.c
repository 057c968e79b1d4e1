/* The sort is stable, so nodes of the same distance (or of none, which come last) stay in the order
 * of the store. */
#include "api/near.h"

#include <stdlib.h>

#include "api/handlers.h"

struct near_row {
    double distance;
    size_t at; /* where it begins in the body, with the comma before it if it has one */
    size_t len;
};

void near_begin(struct near *n, struct api_req *r)
{
    struct slice node = {NULL, 0};
    *n = (struct near){.rd = r->reader};
    if (api_param(r, "near", &node) && node.len > 0) {
        node = slice_is(node, "_agent") ? handler_node(r) : node;
        reg_coord_set_read(n->rd, node, &n->from);
        n->active = n->from.n > 0;
    }
}

void near_row(struct near *n, const struct buf *out, struct slice node)
{
    if (!n->active) {
        return;
    }
    if (n->last_node.p == NULL || !slice_eq(n->last_node, node)) {
        struct reg_coord_set to;
        reg_coord_set_read(n->rd, node, &to);
        n->last_node = node;
        n->last_distance = reg_coord_set_distance(&n->from, &to);
    }
    struct near_row row = {.distance = n->last_distance, .at = out->len};
    buf_add(&n->rows, &row, sizeof row);
}

static int row_cmp(const void *a, const void *b)
{
    const struct near_row *x = a;
    const struct near_row *y = b;
    if (x->distance != y->distance) {
        return x->distance < y->distance ? -1 : 1;
    }
    return (x->at > y->at) - (x->at < y->at);
}

/* The rows [from, to) of @out in the order of @rows. */
static void reorder(struct buf *out, struct near_row *rows, size_t n)
{
    size_t from = rows[0].at;
    size_t len = out->len - from;
    for (size_t i = 0; i < n; i++) {
        rows[i].len = (i + 1 < n ? rows[i + 1].at : out->len) - rows[i].at;
        if (i > 0) { /* not the comma */
            rows[i].at++;
            rows[i].len--;
        }
    }
    char *copy = malloc(len);
    if (copy == NULL) {
        out->failed = true;
        return;
    }
    memcpy(copy, out->p + from, len);
    qsort(rows, n, sizeof *rows, row_cmp);
    out->len = from;
    for (size_t i = 0; i < n; i++) {
        if (i > 0) {
            buf_add_char(out, ',');
        }
        buf_add(out, copy + (rows[i].at - from), rows[i].len);
    }
    free(copy);
}

void near_end(struct near *n, struct buf *out)
{
    size_t rows = n->rows.len / sizeof(struct near_row);
    out->failed = out->failed || !buf_ok(&n->rows);
    if (rows > 1 && buf_ok(out)) {
        reorder(out, (struct near_row *)(void *)n->rows.p, rows);
    }
    buf_fini(&n->rows);
}
