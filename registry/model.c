/* The stored form of every record follows from a table of its fields: encoding, decoding and
 * comparing walk the same rows, so they cannot disagree. A new field goes to the end of its table
 * with a new record version, and decoding accepts the older version.
 *
 *     record  u8 version (1) | field, field, ...   integers little endian, strings u32 + bytes */
#include "registry/model.h"

#include <assert.h>
#include <stddef.h>

#include "base/err.h"

enum { RECORD_VERSION = 1, LIST_MAX = 65535 };

enum field_type { F_SLICE, F_LIST, F_U8, F_BOOL, F_I32, F_I64, F_U64, F_INDEX };

struct field {
    uint16_t offset;
    uint8_t type; /* F_INDEX: an u64 that "same" ignores */
};

#define ROW(type, st, member)             \
    {                                     \
        offsetof(struct st, member), type \
    }
#define ROWS(table) (table), sizeof(table) / sizeof((table)[0])

static const struct field node_fields[] = {
    ROW(F_SLICE, reg_node, id),           ROW(F_SLICE, reg_node, name),
    ROW(F_SLICE, reg_node, address),      ROW(F_LIST, reg_node, tagged),
    ROW(F_LIST, reg_node, meta),          ROW(F_SLICE, reg_node, locality),
    ROW(F_INDEX, reg_node, create_index), ROW(F_INDEX, reg_node, modify_index),
};

static const struct field service_fields[] = {
    ROW(F_SLICE, reg_service, node),
    ROW(F_SLICE, reg_service, id),
    ROW(F_SLICE, reg_service, name),
    ROW(F_SLICE, reg_service, kind),
    ROW(F_LIST, reg_service, tags),
    ROW(F_SLICE, reg_service, address),
    ROW(F_LIST, reg_service, tagged),
    ROW(F_LIST, reg_service, meta),
    ROW(F_I32, reg_service, port),
    ROW(F_SLICE, reg_service, socket_path),
    ROW(F_I32, reg_service, weight_passing),
    ROW(F_I32, reg_service, weight_warning),
    ROW(F_BOOL, reg_service, enable_tag_override),
    ROW(F_SLICE, reg_service, proxy),
    ROW(F_SLICE, reg_service, connect),
    ROW(F_SLICE, reg_service, locality),
    ROW(F_SLICE, reg_service, token),
    ROW(F_U8, reg_service, origin),
    ROW(F_INDEX, reg_service, create_index),
    ROW(F_INDEX, reg_service, modify_index),
};

static const struct field check_fields[] = {
    ROW(F_SLICE, reg_check, node),
    ROW(F_SLICE, reg_check, check_id),
    ROW(F_SLICE, reg_check, name),
    ROW(F_SLICE, reg_check, status),
    ROW(F_SLICE, reg_check, notes),
    ROW(F_SLICE, reg_check, output),
    ROW(F_SLICE, reg_check, service_id),
    ROW(F_SLICE, reg_check, service_name),
    ROW(F_LIST, reg_check, service_tags),
    ROW(F_SLICE, reg_check, type),
    ROW(F_SLICE, reg_check, interval),
    ROW(F_SLICE, reg_check, timeout),
    ROW(F_I32, reg_check, exposed_port),
    ROW(F_SLICE, reg_check, definition),
    ROW(F_U8, reg_check, probe.kind),
    ROW(F_SLICE, reg_check, probe.target),
    ROW(F_SLICE, reg_check, probe.method),
    ROW(F_SLICE, reg_check, probe.body),
    ROW(F_LIST, reg_check, probe.header),
    ROW(F_SLICE, reg_check, probe.tls_server_name),
    ROW(F_LIST, reg_check, probe.args),
    ROW(F_SLICE, reg_check, probe.alias_node),
    ROW(F_SLICE, reg_check, probe.shell),
    ROW(F_SLICE, reg_check, probe.docker_id),
    ROW(F_I64, reg_check, probe.interval_ns),
    ROW(F_I64, reg_check, probe.timeout_ns),
    ROW(F_I64, reg_check, probe.ttl_ns),
    ROW(F_I64, reg_check, probe.deregister_after_ns),
    ROW(F_I32, reg_check, probe.success_before_passing),
    ROW(F_I32, reg_check, probe.failures_before_warning),
    ROW(F_I32, reg_check, probe.failures_before_critical),
    ROW(F_I32, reg_check, probe.output_max),
    ROW(F_BOOL, reg_check, probe.tls_skip_verify),
    ROW(F_BOOL, reg_check, probe.use_tls),
    ROW(F_BOOL, reg_check, probe.disable_redirects),
    ROW(F_U8, reg_check, origin),
    ROW(F_INDEX, reg_check, create_index),
    ROW(F_INDEX, reg_check, modify_index),
};

static const struct field kv_fields[] = {
    ROW(F_SLICE, reg_kv, key),          ROW(F_U64, reg_kv, flags),
    ROW(F_SLICE, reg_kv, session),      ROW(F_U64, reg_kv, lock_index),
    ROW(F_INDEX, reg_kv, create_index), ROW(F_INDEX, reg_kv, modify_index),
    ROW(F_SLICE, reg_kv, value),
};

static const struct field session_fields[] = {
    ROW(F_SLICE, reg_session, id),
    ROW(F_SLICE, reg_session, name),
    ROW(F_SLICE, reg_session, node),
    ROW(F_U8, reg_session, behavior),
    ROW(F_I64, reg_session, lock_delay_ns),
    ROW(F_SLICE, reg_session, ttl),
    ROW(F_I64, reg_session, ttl_ns),
    ROW(F_LIST, reg_session, node_checks),
    ROW(F_LIST, reg_session, service_checks),
    ROW(F_INDEX, reg_session, create_index),
    ROW(F_INDEX, reg_session, modify_index),
};

/* Typed access to a field of a record; the tables above guarantee type and offset. */
#define AT(type, record, f) ((type *)(void *)((char *)(record) + (f)->offset))
#define CAT(type, record, f) ((const type *)(const void *)((const char *)(record) + (f)->offset))

static void encode(struct buf *b, const void *record, const struct field *fields, size_t n)
{
    buf_put_u8(b, RECORD_VERSION);
    for (const struct field *f = fields; f < fields + n; f++) {
        switch ((enum field_type)f->type) {
            case F_SLICE:
                buf_put_bytes(b, *CAT(struct slice, record, f));
                break;
            case F_LIST:
                buf_put_bytes(b, CAT(struct reg_list, record, f)->raw);
                break;
            case F_U8:
                buf_put_u8(b, *CAT(uint8_t, record, f));
                break;
            case F_BOOL:
                buf_put_u8(b, *CAT(bool, record, f));
                break;
            case F_I32:
                buf_put_u32(b, (uint32_t)*CAT(int32_t, record, f));
                break;
            case F_I64:
                buf_put_u64(b, (uint64_t)*CAT(int64_t, record, f));
                break;
            case F_U64:
            case F_INDEX:
                buf_put_u64(b, *CAT(uint64_t, record, f));
                break;
        }
    }
}

static int decode(struct slice s, void *record, const struct field *fields, size_t n)
{
    struct rd r = rd_of(s);
    if (rd_u8(&r) != RECORD_VERSION) {
        return E_CORRUPT;
    }
    for (const struct field *f = fields; f < fields + n; f++) {
        switch ((enum field_type)f->type) {
            case F_SLICE:
                *AT(struct slice, record, f) = rd_bytes(&r);
                break;
            case F_LIST:
                AT(struct reg_list, record, f)->raw = rd_bytes(&r);
                break;
            case F_U8:
                *AT(uint8_t, record, f) = rd_u8(&r);
                break;
            case F_BOOL:
                *AT(bool, record, f) = rd_u8(&r) != 0;
                break;
            case F_I32:
                *AT(int32_t, record, f) = (int32_t)rd_u32(&r);
                break;
            case F_I64:
                *AT(int64_t, record, f) = (int64_t)rd_u64(&r);
                break;
            case F_U64:
            case F_INDEX:
                *AT(uint64_t, record, f) = rd_u64(&r);
                break;
        }
    }
    return rd_done(&r) ? 0 : E_CORRUPT;
}

static bool field_same(const void *a, const void *b, const struct field *f)
{
    switch ((enum field_type)f->type) {
        case F_SLICE:
            return slice_eq(*CAT(struct slice, a, f), *CAT(struct slice, b, f));
        case F_LIST:
            return slice_eq(CAT(struct reg_list, a, f)->raw, CAT(struct reg_list, b, f)->raw);
        case F_U8:
            return *CAT(uint8_t, a, f) == *CAT(uint8_t, b, f);
        case F_BOOL:
            return *CAT(bool, a, f) == *CAT(bool, b, f);
        case F_I32:
            return *CAT(int32_t, a, f) == *CAT(int32_t, b, f);
        case F_I64:
            return *CAT(int64_t, a, f) == *CAT(int64_t, b, f);
        case F_U64:
            return *CAT(uint64_t, a, f) == *CAT(uint64_t, b, f);
        case F_INDEX:
            return true;
    }
    return false;
}

static bool same(const void *a, const void *b, const struct field *fields, size_t n)
{
    for (const struct field *f = fields; f < fields + n; f++) {
        if (!field_same(a, b, f)) {
            return false;
        }
    }
    return true;
}

void reg_node_encode(struct buf *b, const struct reg_node *n)
{
    encode(b, n, ROWS(node_fields));
}

void reg_service_encode(struct buf *b, const struct reg_service *s)
{
    encode(b, s, ROWS(service_fields));
}

void reg_check_encode(struct buf *b, const struct reg_check *c)
{
    encode(b, c, ROWS(check_fields));
}

void reg_kv_encode(struct buf *b, const struct reg_kv *e)
{
    encode(b, e, ROWS(kv_fields));
}

void reg_session_encode(struct buf *b, const struct reg_session *s)
{
    encode(b, s, ROWS(session_fields));
}

int reg_node_decode(struct slice s, struct reg_node *n)
{
    return decode(s, n, ROWS(node_fields));
}

int reg_service_decode(struct slice s, struct reg_service *out)
{
    return decode(s, out, ROWS(service_fields));
}

int reg_check_decode(struct slice s, struct reg_check *c)
{
    return decode(s, c, ROWS(check_fields));
}

int reg_kv_decode(struct slice s, struct reg_kv *e)
{
    return decode(s, e, ROWS(kv_fields));
}

int reg_session_decode(struct slice s, struct reg_session *out)
{
    return decode(s, out, ROWS(session_fields));
}

bool reg_node_same(const struct reg_node *a, const struct reg_node *b)
{
    return same(a, b, ROWS(node_fields));
}

bool reg_service_same(const struct reg_service *a, const struct reg_service *b)
{
    return same(a, b, ROWS(service_fields));
}

bool reg_check_same(const struct reg_check *a, const struct reg_check *b)
{
    return same(a, b, ROWS(check_fields));
}

enum reg_status reg_status_of(struct slice text)
{
    if (slice_is(text, "passing")) {
        return REG_PASSING;
    }
    if (slice_is(text, "warning")) {
        return REG_WARNING;
    }
    return slice_is(text, "critical") ? REG_CRITICAL : REG_STATUS_OTHER;
}

void reg_list_begin(struct reg_list_builder *lb, struct buf *b)
{
    lb->b = b;
    lb->start = b->len;
    lb->n = 0;
    buf_put_u16(b, 0); /* the count, known at the end */
}

void reg_list_add(struct reg_list_builder *lb, struct slice s)
{
    buf_put_bytes(lb->b, s);
    lb->n++;
}

struct reg_list reg_list_end(struct reg_list_builder *lb)
{
    if (lb->n > LIST_MAX) {
        lb->b->failed = true;
    }
    if (!buf_ok(lb->b)) {
        return (struct reg_list){{NULL, 0}};
    }
    char *p = lb->b->p + lb->start;
    p[0] = (char)(lb->n & 0xff);
    p[1] = (char)(lb->n >> 8);
    return (struct reg_list){slice_of(p, lb->b->len - lb->start)};
}

unsigned reg_list_count(struct reg_list l)
{
    struct rd r = rd_of(l.raw);
    return rd_u16(&r);
}

struct rd reg_list_iter(struct reg_list l)
{
    struct rd r = rd_of(l.raw);
    (void)rd_u16(&r); /* an absent list fails here, so the iteration is empty */
    return r;
}

bool reg_list_next(struct rd *it, struct slice *s)
{
    if (rd_left(it) == 0) {
        return false;
    }
    *s = rd_bytes(it);
    return rd_ok(it);
}

bool reg_map_get(struct reg_list l, const char *key, struct slice *value)
{
    struct rd it = reg_list_iter(l);
    struct slice k;
    struct slice v;
    while (reg_list_next(&it, &k) && reg_list_next(&it, &v)) {
        if (slice_is(k, key)) {
            *value = v;
            return true;
        }
    }
    return false;
}

bool reg_list_valid(struct reg_list l)
{
    if (reg_list_absent(l)) {
        return true;
    }
    struct rd it = reg_list_iter(l);
    struct slice s;
    unsigned n = 0;
    while (reg_list_next(&it, &s)) {
        n++;
    }
    return rd_done(&it) && n == reg_list_count(l);
}
