/* Row of T_COORDS: node, segment. Numbers travel as the bits of a double, so that what apply does
 * is the same everywhere. Distances are serf's (coordinate/coordinate.go). */
#include "registry/coord.h"

#include <math.h>
#include <string.h>

#include "registry/rows.h"
#include "registry/scan.h"

static const struct slice none = {NULL, 0};

/* ---- geometry ---- */

void reg_coord_origin(struct reg_coord *c)
{
    *c = (struct reg_coord){.error = 1.5, .height = 1e-5};
}

bool reg_coord_valid(const struct reg_coord *c)
{
    for (int i = 0; i < REG_COORD_DIMENSIONS; i++) {
        if (!isfinite(c->vec[i])) {
            return false;
        }
    }
    return isfinite(c->error) && isfinite(c->adjustment) && isfinite(c->height);
}

double reg_coord_distance(const struct reg_coord *a, const struct reg_coord *b)
{
    double sum = 0;
    for (int i = 0; i < REG_COORD_DIMENSIONS; i++) {
        double d = a->vec[i] - b->vec[i];
        sum += d * d;
    }
    double raw = sqrt(sum) + a->height + b->height;
    double adjusted = raw + a->adjustment + b->adjustment;
    return adjusted > 0 ? adjusted : raw;
}

/* ---- records ---- */

static void put_double(struct buf *b, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    buf_put_u64(b, bits);
}

static double get_double(struct rd *r)
{
    uint64_t bits = rd_u64(r);
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

void reg_coord_encode(struct buf *b, const struct reg_coord *c)
{
    buf_put_u8(b, 1);
    buf_put_bytes(b, c->node);
    buf_put_bytes(b, c->segment);
    for (int i = 0; i < REG_COORD_DIMENSIONS; i++) {
        put_double(b, c->vec[i]);
    }
    put_double(b, c->error);
    put_double(b, c->adjustment);
    put_double(b, c->height);
}

int reg_coord_decode(struct slice s, struct reg_coord *c)
{
    struct rd r = rd_of(s);
    bool known = rd_u8(&r) == 1;
    c->node = rd_bytes(&r);
    c->segment = rd_bytes(&r);
    for (int i = 0; i < REG_COORD_DIMENSIONS; i++) {
        c->vec[i] = get_double(&r);
    }
    c->error = get_double(&r);
    c->adjustment = get_double(&r);
    c->height = get_double(&r);
    return known && rd_done(&r) ? 0 : E_CORRUPT;
}

void reg_command_coord(struct buf *b, const struct reg_coord *c)
{
    struct buf body = BUF_INIT;
    reg_coord_encode(&body, c);
    reg_command_body(b, REG_CMD_COORD, &body);
    buf_fini(&body);
}

/* ---- applying ---- */

static void node_prefix(struct key *k, struct slice node)
{
    key_reset(k);
    key_name(k, node);
    key_separator(k);
}

/* How many rows start with @prefix; counts no further than a node may have. */
static unsigned count_rows(struct reg *r, struct slice prefix)
{
    struct slice k;
    struct slice v;
    unsigned n = 0;
    void *c = tx_cursor(r->tx, T_COORDS);
    for (bool more = tx_seek(c, prefix, &k, &v);
         more && n < REG_COORD_SEGMENTS_MAX && slice_starts(k, prefix); more = tx_next(c, &k, &v)) {
        n++;
    }
    tx_cursor_free(c);
    return n;
}

void apply_coord(struct reg *r, const struct reg_coord *c, struct reg_result *out)
{
    struct reg_node node;
    struct reg_coord now = *c;
    struct key k;
    struct key prefix;
    struct slice was;
    out->ok = rows_find_node(r, c->node, &node);
    if (!out->ok) {
        return;
    }
    now.node = node.name;
    node_prefix(&prefix, c->node);
    key_reset(&k);
    key_name(&k, c->node);
    key_id(&k, c->segment);
    bool had = tx_get(r->tx, T_COORDS, key_slice(&k), &was);
    buf_reset(&r->scratch);
    reg_coord_encode(&r->scratch, &now);
    stored_must(buf_ok(&r->scratch) ? 0 : E_NOMEM, "record");
    if ((had && slice_eq(was, buf_slice(&r->scratch))) ||
        (!had && count_rows(r, key_slice(&prefix)) == REG_COORD_SEGMENTS_MAX)) {
        return;
    }
    tx_put(r->tx, T_COORDS, key_slice(&k), buf_slice(&r->scratch));
    index_bump(r, REG_W_COORDS, none);
}

void coords_drop(struct reg *r, struct slice node)
{
    struct key prefix;
    node_prefix(&prefix, node);
    for (int i = 0; i < REG_COORD_SEGMENTS_MAX; i++) {
        struct key row = {.len = 0};
        struct slice k;
        struct slice v;
        void *c = tx_cursor(r->tx, T_COORDS);
        if (tx_seek(c, key_slice(&prefix), &k, &v) && slice_starts(k, key_slice(&prefix))) {
            row.len = k.len;
            memcpy(row.p, k.p, k.len);
        }
        tx_cursor_free(c);
        if (row.len == 0) {
            return;
        }
        (void)tx_del(r->tx, T_COORDS, key_slice(&row));
        index_bump(r, REG_W_COORDS, none);
    }
}

/* ---- reading ---- */

void reg_coords(struct reg_reader *rd, struct reg_iter *it)
{
    scan_begin(rd, it, T_COORDS, NULL, 0);
}

void reg_node_coords(struct reg_reader *rd, struct reg_iter *it, struct slice node)
{
    struct key prefix;
    node_prefix(&prefix, node);
    scan_begin(rd, it, T_COORDS, prefix.p, prefix.len);
}

bool reg_coords_next(struct reg_iter *it, struct reg_coord *out)
{
    struct slice v;
    if (!scan_next(it, &v)) {
        return false;
    }
    stored_must(reg_coord_decode(v, out), "coordinate");
    return true;
}

void reg_coord_set_read(struct reg_reader *rd, struct slice node, struct reg_coord_set *out)
{
    struct reg_iter it;
    out->n = 0;
    reg_node_coords(rd, &it, node);
    while (out->n < REG_COORD_SEGMENTS_MAX && reg_coords_next(&it, &out->coords[out->n])) {
        out->n++;
    }
    reg_iter_end(&it);
}

static const struct reg_coord *in_segment(const struct reg_coord_set *s, struct slice segment)
{
    for (unsigned i = 0; i < s->n; i++) {
        if (slice_eq(s->coords[i].segment, segment)) {
            return &s->coords[i];
        }
    }
    return NULL;
}

/* Consul: who is in one segment only says which; the other's word counts more. */
double reg_coord_set_distance(const struct reg_coord_set *a, const struct reg_coord_set *b)
{
    struct slice segment = none;
    if (a->n == 1) {
        segment = a->coords[0].segment;
    }
    if (b->n == 1) {
        segment = b->coords[0].segment;
    }
    const struct reg_coord *from = in_segment(a, segment);
    const struct reg_coord *to = in_segment(b, segment);
    return from == NULL || to == NULL ? HUGE_VAL : reg_coord_distance(from, to);
}
