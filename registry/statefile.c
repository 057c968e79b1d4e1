/* How: what cannot be used yet waits in a buffer; each turn takes one header, row or end from its
 * front. Order is checked on the way: no key comes twice, and no table again after another. */
#include "registry/statefile.h"

#include <string.h>

#include "base/hash.h"

static const char magic[] = "RCSTATE";
enum { MAGIC_LEN = 8, VERSION = '1', FRAME = 7, CRC = 4, END_SIZE = 1 + 8 + CRC };

void state_header_encode(struct buf *b, const struct state_header *h)
{
    buf_put_u64(b, h->index);
    buf_put_u8(b, (uint8_t)h->n_kinds);
    for (unsigned i = 0; i < h->n_kinds; i++) {
        buf_put_u64(b, h->wide[i]);
        buf_put_u64(b, h->gone[i]);
    }
    buf_put_u8(b, (uint8_t)h->n_tables);
    for (unsigned i = 0; i < h->n_tables; i++) {
        buf_put_u8(b, (uint8_t)strlen(h->tables[i]));
        buf_add_str(b, h->tables[i]);
    }
}

int state_header_decode(struct slice body, struct state_header *h)
{
    struct rd r = rd_of(body);
    memset(h, 0, sizeof *h);
    h->index = rd_u64(&r);
    h->n_kinds = rd_u8(&r);
    if (h->n_kinds > STATE_KINDS_MAX) {
        return E_CORRUPT;
    }
    for (unsigned i = 0; i < h->n_kinds; i++) {
        h->wide[i] = rd_u64(&r);
        h->gone[i] = rd_u64(&r);
    }
    h->n_tables = rd_u8(&r);
    if (h->n_tables == 0 || h->n_tables > STATE_TABLES_MAX) {
        return E_CORRUPT;
    }
    for (unsigned i = 0; i < h->n_tables; i++) {
        struct slice name = rd_raw(&r, rd_u8(&r));
        if (!rd_ok(&r) || name.len == 0 || name.len > STATE_NAME_MAX ||
            memchr(name.p, '\0', name.len) != NULL) {
            return E_CORRUPT;
        }
        memcpy(h->tables[i], name.p, name.len);
        for (unsigned k = 0; k < i; k++) {
            if (strcmp(h->tables[k], h->tables[i]) == 0) {
                return E_CORRUPT;
            }
        }
    }
    return rd_done(&r) ? 0 : E_CORRUPT;
}

void state_row_encode(struct buf *b, unsigned table, struct slice key, struct slice value)
{
    buf_put_u8(b, (uint8_t)table);
    buf_put_u16(b, (uint16_t)key.len);
    buf_put_u32(b, (uint32_t)value.len);
    buf_add_slice(b, key);
    buf_add_slice(b, value);
}

int state_row_next(struct rd *r, unsigned *table, struct slice *key, struct slice *value)
{
    if (rd_ok(r) && rd_left(r) == 0) {
        return E_EOF;
    }
    *table = rd_u8(r);
    size_t key_len = rd_u16(r);
    size_t value_len = rd_u32(r);
    *key = rd_raw(r, key_len);
    *value = rd_raw(r, value_len);
    bool good = rd_ok(r) && *table > 0 && key_len > 0 && key_len <= STATE_KEY_MAX &&
                key_len + value_len <= STATE_ROW_MAX;
    return good ? 0 : E_CORRUPT;
}

/* The checksum of what was appended since @from. */
static void put_crc(struct buf *b, size_t from)
{
    if (buf_ok(b)) {
        buf_put_u32(b, crc32c(0, b->p + from, b->len - from));
    }
}

void state_put_header(struct buf *b, const struct state_header *h)
{
    struct buf body = BUF_INIT;
    size_t from = b->len;
    state_header_encode(&body, h);
    buf_add(b, magic, MAGIC_LEN - 1);
    buf_add_char(b, VERSION);
    buf_put_bytes(b, buf_slice(&body));
    put_crc(b, from);
    b->failed = b->failed || !buf_ok(&body);
    buf_fini(&body);
}

void state_put_row(struct buf *b, unsigned table, struct slice key, struct slice value)
{
    size_t from = b->len;
    state_row_encode(b, table, key, value);
    put_crc(b, from);
}

void state_put_end(struct buf *b, uint64_t rows)
{
    size_t from = b->len;
    buf_put_u8(b, 0);
    buf_put_u64(b, rows);
    put_crc(b, from);
}

uint64_t state_row_size(struct slice key, struct slice value)
{
    return (uint64_t)FRAME + key.len + value.len + CRC;
}

/* ---- reading ---- */

void state_reader_init(struct state_reader *r, const struct state_visitor *visitor)
{
    *r = (struct state_reader){.visitor = *visitor};
}

void state_reader_fini(struct state_reader *r)
{
    buf_fini(&r->pending);
    buf_fini(&r->last_key);
}

static bool crc_good(struct slice s)
{
    struct rd r = rd_of(slice_of(s.p + s.len - CRC, CRC));
    return rd_u32(&r) == crc32c(0, s.p, s.len - CRC);
}

/* Each step: how many bytes it used; E_AGAIN: more must come; or an error. */
static int64_t step_header(struct state_reader *r, struct slice in)
{
    size_t known = in.len < MAGIC_LEN - 1 ? in.len : MAGIC_LEN - 1;
    if (memcmp(in.p, magic, known) != 0) {
        return E_CORRUPT;
    }
    if (in.len < MAGIC_LEN + 4) {
        return E_AGAIN;
    }
    if (in.p[MAGIC_LEN - 1] != VERSION) {
        return E_UNSUPPORTED;
    }
    struct rd rd = rd_of(slice_of(in.p + MAGIC_LEN, 4));
    size_t len = rd_u32(&rd);
    if (len > STATE_HEADER_MAX) {
        return E_CORRUPT;
    }
    size_t total = MAGIC_LEN + 4 + len + CRC;
    if (in.len < total) {
        return E_AGAIN;
    }
    struct state_header h;
    struct slice body = slice_of(in.p + MAGIC_LEN + 4, len);
    if (!crc_good(slice_of(in.p, total)) || state_header_decode(body, &h) != 0) {
        return E_CORRUPT;
    }
    r->n_tables = h.n_tables;
    int rc = r->visitor.header(r->visitor.arg, &h, body);
    return rc != 0 ? rc : (int64_t)total;
}

static int64_t step_end(struct state_reader *r, struct slice in)
{
    if (in.len < END_SIZE) {
        return E_AGAIN;
    }
    struct rd rd = rd_of(slice_of(in.p + 1, 8));
    if (!crc_good(slice_of(in.p, END_SIZE)) || rd_u64(&rd) != r->rows) {
        return E_CORRUPT;
    }
    r->ended = true;
    return END_SIZE;
}

static int64_t step_row(struct state_reader *r, struct slice in)
{
    if (in.len < FRAME) {
        return E_AGAIN;
    }
    struct rd rd = rd_of(slice_of(in.p + 1, FRAME - 1));
    size_t len = rd_u16(&rd);
    len += rd_u32(&rd);
    if (len > STATE_ROW_MAX) {
        return E_CORRUPT;
    }
    size_t total = FRAME + len + CRC;
    if (in.len < total) {
        return E_AGAIN;
    }
    unsigned table;
    struct slice key;
    struct slice value;
    rd = rd_of(slice_of(in.p, total - CRC));
    if (!crc_good(slice_of(in.p, total)) || state_row_next(&rd, &table, &key, &value) != 0 ||
        table > r->n_tables || table < r->last_table ||
        (table == r->last_table && slice_cmp(key, buf_slice(&r->last_key)) <= 0)) {
        return E_CORRUPT;
    }
    r->last_table = table;
    buf_reset(&r->last_key);
    buf_add_slice(&r->last_key, key);
    r->rows++;
    int rc = buf_ok(&r->last_key) ? r->visitor.row(r->visitor.arg, table, key, value) : E_NOMEM;
    return rc != 0 ? rc : (int64_t)total;
}

static int64_t step(struct state_reader *r, struct slice in)
{
    if (r->ended) {
        return E_CORRUPT; /* nothing follows the end */
    }
    if (r->n_tables == 0) {
        return step_header(r, in);
    }
    return in.p[0] == 0 ? step_end(r, in) : step_row(r, in);
}

int state_reader_feed(struct state_reader *r, struct slice in)
{
    buf_add_slice(&r->pending, in);
    if (!buf_ok(&r->pending)) {
        return E_NOMEM;
    }
    size_t used = 0;
    int64_t n = 0;
    while (used < r->pending.len && n >= 0) {
        n = step(r, slice_of(r->pending.p + used, r->pending.len - used));
        used += n > 0 ? (size_t)n : 0;
    }
    if (n < 0 && n != E_AGAIN) {
        return (int)n;
    }
    if (used > 0) {
        memmove(r->pending.p, r->pending.p + used, r->pending.len - used);
        r->pending.len -= used;
    }
    return 0;
}

bool state_reader_complete(const struct state_reader *r)
{
    return r->ended && r->pending.len == 0;
}
