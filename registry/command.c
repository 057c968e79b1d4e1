/* Commands are encoded with the record codec of model.c, so a field added to a record is carried by
 * the log without further ado. */
#include "registry/command.h"

#include <assert.h>
#include <string.h>

#include "base/err.h"

enum { BATCH_VERSION = 1, CHECKS_MAX = 1024, BATCH_COUNT_AT = 4 };

/* A command's length is known only at its end: the first leaves room, the second fills it in. */
size_t reg_command_begin(struct buf *b, enum reg_command_type type)
{
    size_t at = b->len;
    buf_put_u32(b, 0);
    buf_put_u8(b, (uint8_t)type);
    return at;
}

static void put_u32_at(struct buf *b, size_t at, uint32_t v)
{
    if (!buf_ok(b)) {
        return;
    }
    for (size_t i = 0; i < 4; i++) {
        b->p[at + i] = (char)(v >> (8 * i));
    }
}

void reg_command_end(struct buf *b, size_t at)
{
    size_t len = b->len - at - 4;
    if (len > REG_COMMAND_SIZE_MAX) {
        b->failed = true;
    }
    put_u32_at(b, at, (uint32_t)len);
}

void reg_command_register(struct buf *b, const struct reg_register *c)
{
    assert(c->n_checks <= CHECKS_MAX);
    size_t at = reg_command_begin(b, REG_CMD_REGISTER);
    buf_put_u32(b, c->flags);
    /* each record behind its length */
    size_t mark = b->len;
    buf_put_u32(b, 0);
    reg_node_encode(b, &c->node);
    put_u32_at(b, mark, (uint32_t)(b->len - mark - 4));
    if ((c->flags & REG_REG_SERVICE) != 0) {
        mark = b->len;
        buf_put_u32(b, 0);
        reg_service_encode(b, &c->service);
        put_u32_at(b, mark, (uint32_t)(b->len - mark - 4));
    }
    buf_put_u16(b, (uint16_t)c->n_checks);
    for (unsigned i = 0; i < c->n_checks; i++) {
        mark = b->len;
        buf_put_u32(b, 0);
        reg_check_encode(b, &c->checks[i]);
        put_u32_at(b, mark, (uint32_t)(b->len - mark - 4));
    }
    reg_command_end(b, at);
}

void reg_command_deregister(struct buf *b, const struct reg_deregister *c)
{
    size_t at = reg_command_begin(b, REG_CMD_DEREGISTER);
    buf_put_bytes(b, c->node);
    buf_put_bytes(b, c->service_id);
    buf_put_bytes(b, c->check_id);
    reg_command_end(b, at);
}

void reg_command_check_status(struct buf *b, const struct reg_check_status *c)
{
    size_t at = reg_command_begin(b, REG_CMD_CHECK_STATUS);
    buf_put_bytes(b, c->node);
    buf_put_bytes(b, c->check_id);
    buf_put_bytes(b, c->status);
    buf_put_bytes(b, c->output);
    buf_put_u64(b, c->create_index);
    reg_command_end(b, at);
}

static bool has_session(const struct reg_kv_op *c)
{
    return c->verb == REG_KV_LOCK || c->verb == REG_KV_UNLOCK || c->verb == REG_KV_CHECK_SESSION;
}

static void put_kv_op(struct buf *b, const struct reg_kv_op *c)
{
    buf_put_u8(b, c->verb);
    buf_put_bytes(b, c->key);
    buf_put_u64(b, c->flags);
    buf_put_u64(b, c->index);
    buf_put_bytes(b, c->value);
    if (has_session(c)) { /* older verbs have no such field */
        buf_put_bytes(b, c->session);
    }
}

void reg_command_kv(struct buf *b, const struct reg_kv_op *c)
{
    size_t at = reg_command_begin(b, REG_CMD_KV);
    put_kv_op(b, c);
    reg_command_end(b, at);
}

void reg_command_txn(struct buf *b, const struct reg_txn *c)
{
    assert(c->n <= REG_TXN_OPS_MAX);
    size_t at = reg_command_begin(b, REG_CMD_TXN);
    buf_put_u16(b, (uint16_t)c->n);
    for (unsigned i = 0; i < c->n; i++) {
        put_kv_op(b, &c->ops[i]);
    }
    reg_command_end(b, at);
}

void reg_command_session(struct buf *b, const struct reg_session_op *c)
{
    size_t at = reg_command_begin(b, REG_CMD_SESSION);
    buf_put_u8(b, c->verb);
    size_t mark = b->len;
    buf_put_u32(b, 0);
    reg_session_encode(b, &c->session);
    put_u32_at(b, mark, (uint32_t)(b->len - mark - 4));
    reg_command_end(b, at);
}

void reg_command_body(struct buf *b, enum reg_command_type type, const struct buf *body)
{
    size_t at = reg_command_begin(b, type);
    buf_add_slice(b, buf_slice(body));
    b->failed = b->failed || !buf_ok(body);
    reg_command_end(b, at);
}

void reg_command_restore(struct buf *b, enum reg_command_type type, const struct reg_restore *c)
{
    size_t at = reg_command_begin(b, type);
    buf_put_u64(b, c->id);
    buf_put_u64(b, c->count);
    buf_put_bytes(b, c->bytes);
    reg_command_end(b, at);
}

void reg_batch_begin(struct buf *b, int64_t wall_ns)
{
    assert(b->len == 0);
    buf_put_u8(b, BATCH_VERSION);
    buf_put_u8(b, 0);
    buf_put_u16(b, 0);
    buf_put_u32(b, 0); /* the count, see reg_batch_end() */
    buf_put_u64(b, (uint64_t)wall_ns);
}

void reg_batch_end(struct buf *b, uint32_t count)
{
    put_u32_at(b, BATCH_COUNT_AT, count);
    while (buf_ok(b) && b->len % 8 != 0) {
        buf_put_u8(b, 0);
    }
}

int reg_batch_open(struct slice entry, struct reg_batch *batch)
{
    struct rd r = rd_of(entry);
    uint8_t version = rd_u8(&r);
    (void)rd_u8(&r);
    (void)rd_u16(&r);
    batch->count = rd_u32(&r);
    batch->wall_ns = (int64_t)rd_u64(&r);
    batch->rest = r;
    return rd_ok(&r) && version == BATCH_VERSION && batch->count <= REG_BATCH_COMMANDS_MAX
               ? 0
               : E_CORRUPT;
}

int reg_batch_next(struct reg_batch *batch, uint8_t *type, struct slice *body)
{
    if (batch->count == 0) {
        return rd_left(&batch->rest) < 8 ? E_EOF : E_CORRUPT;
    }
    uint32_t len = rd_u32(&batch->rest);
    if (len < 1 || len > REG_COMMAND_SIZE_MAX) {
        return E_CORRUPT;
    }
    *type = rd_u8(&batch->rest);
    *body = rd_raw(&batch->rest, len - 1);
    if (!rd_ok(&batch->rest)) {
        return E_CORRUPT;
    }
    batch->count--;
    return 0;
}

int reg_register_decode(struct slice body,
                        struct reg_register *c,
                        struct reg_check *checks,
                        unsigned checks_max)
{
    struct rd r = rd_of(body);
    memset(c, 0, sizeof *c);
    c->flags = rd_u32(&r);
    if (reg_node_decode(rd_bytes(&r), &c->node) != 0) {
        return E_CORRUPT;
    }
    if ((c->flags & REG_REG_SERVICE) != 0 && reg_service_decode(rd_bytes(&r), &c->service) != 0) {
        return E_CORRUPT;
    }
    c->n_checks = rd_u16(&r);
    if (c->n_checks > checks_max) {
        return E_CORRUPT;
    }
    for (unsigned i = 0; i < c->n_checks; i++) {
        if (reg_check_decode(rd_bytes(&r), &checks[i]) != 0) {
            return E_CORRUPT;
        }
    }
    c->checks = checks;
    return rd_done(&r) ? 0 : E_CORRUPT;
}

int reg_deregister_decode(struct slice body, struct reg_deregister *c)
{
    struct rd r = rd_of(body);
    c->node = rd_bytes(&r);
    c->service_id = rd_bytes(&r);
    c->check_id = rd_bytes(&r);
    return rd_done(&r) ? 0 : E_CORRUPT;
}

int reg_check_status_decode(struct slice body, struct reg_check_status *c)
{
    struct rd r = rd_of(body);
    c->node = rd_bytes(&r);
    c->check_id = rd_bytes(&r);
    c->status = rd_bytes(&r);
    c->output = rd_bytes(&r);
    c->create_index = rd_u64(&r);
    return rd_done(&r) ? 0 : E_CORRUPT;
}

static void get_kv_op(struct rd *r, struct reg_kv_op *c)
{
    c->verb = rd_u8(r);
    c->key = rd_bytes(r);
    c->flags = rd_u64(r);
    c->index = rd_u64(r);
    c->value = rd_bytes(r);
    c->session = has_session(c) ? rd_bytes(r) : slice_of(NULL, 0);
}

int reg_kv_op_decode(struct slice body, struct reg_kv_op *c)
{
    struct rd r = rd_of(body);
    get_kv_op(&r, c);
    return rd_done(&r) ? 0 : E_CORRUPT;
}

int reg_txn_decode(struct slice body, struct reg_txn *c, struct reg_kv_op *ops)
{
    struct rd r = rd_of(body);
    c->ops = ops;
    c->n = rd_u16(&r);
    if (c->n > REG_TXN_OPS_MAX) {
        return E_CORRUPT;
    }
    for (unsigned i = 0; i < c->n; i++) {
        get_kv_op(&r, &ops[i]);
    }
    return rd_done(&r) ? 0 : E_CORRUPT;
}

int reg_session_op_decode(struct slice body, struct reg_session_op *c)
{
    struct rd r = rd_of(body);
    c->verb = rd_u8(&r);
    if (reg_session_decode(rd_bytes(&r), &c->session) != 0 ||
        !reg_list_valid(c->session.node_checks) || !reg_list_valid(c->session.service_checks)) {
        return E_CORRUPT;
    }
    return rd_done(&r) ? 0 : E_CORRUPT;
}

int reg_restore_decode(struct slice body, struct reg_restore *c)
{
    struct rd r = rd_of(body);
    c->id = rd_u64(&r);
    c->count = rd_u64(&r);
    c->bytes = rd_bytes(&r);
    return rd_done(&r) ? 0 : E_CORRUPT;
}
