/* Rows: T_QUERIES has the record by its id, T_QUERY_NAMES the id by "n" and the name, so that the
 * template without a name has a row as well. */
#include "registry/prepared.h"

#include "base/rand.h"
#include "registry/reader.h"
#include "registry/scan.h"

static const struct slice none = {NULL, 0};

/* ---- records ---- */

static void put_list(struct buf *b, struct reg_list l)
{
    buf_put_bytes(b, l.raw);
}

static struct reg_list get_list(struct rd *r)
{
    struct reg_list l = {rd_bytes(r)};
    r->failed = r->failed || !reg_list_valid(l);
    return l;
}

void reg_prepared_encode(struct buf *b, const struct reg_prepared *q)
{
    buf_put_u8(b, 1);
    buf_put_bytes(b, q->id);
    buf_put_bytes(b, q->name);
    buf_put_bytes(b, q->session);
    buf_put_bytes(b, q->token);
    buf_put_bytes(b, q->template_type);
    buf_put_bytes(b, q->template_regexp);
    buf_put_u8(b, q->remove_empty_tags);
    buf_put_bytes(b, q->service);
    buf_put_u32(b, (uint32_t)q->failover_nearest);
    put_list(b, q->failover_dcs);
    buf_put_u8(b, q->only_passing);
    put_list(b, q->ignore_checks);
    buf_put_bytes(b, q->near);
    put_list(b, q->tags);
    put_list(b, q->node_meta);
    put_list(b, q->service_meta);
    buf_put_u8(b, q->connect);
    buf_put_bytes(b, q->ttl);
    buf_put_u64(b, q->create_index);
    buf_put_u64(b, q->modify_index);
}

int reg_prepared_decode(struct slice s, struct reg_prepared *q)
{
    struct rd r = rd_of(s);
    bool known = rd_u8(&r) == 1;
    q->id = rd_bytes(&r);
    q->name = rd_bytes(&r);
    q->session = rd_bytes(&r);
    q->token = rd_bytes(&r);
    q->template_type = rd_bytes(&r);
    q->template_regexp = rd_bytes(&r);
    q->remove_empty_tags = rd_u8(&r) != 0;
    q->service = rd_bytes(&r);
    q->failover_nearest = (int32_t)rd_u32(&r);
    q->failover_dcs = get_list(&r);
    q->only_passing = rd_u8(&r) != 0;
    q->ignore_checks = get_list(&r);
    q->near = rd_bytes(&r);
    q->tags = get_list(&r);
    q->node_meta = get_list(&r);
    q->service_meta = get_list(&r);
    q->connect = rd_u8(&r) != 0;
    q->ttl = rd_bytes(&r);
    q->create_index = rd_u64(&r);
    q->modify_index = rd_u64(&r);
    return known && rd_done(&r) ? 0 : E_CORRUPT;
}

void reg_command_prepared(struct buf *b, const struct reg_prepared_op *c)
{
    struct buf body = BUF_INIT;
    buf_put_u8(&body, c->verb);
    reg_prepared_encode(&body, &c->q);
    reg_command_body(b, REG_CMD_PREPARED, &body);
    buf_fini(&body);
}

int reg_prepared_op_decode(struct slice body, struct reg_prepared_op *c)
{
    if (body.len == 0) {
        return E_CORRUPT;
    }
    c->verb = (uint8_t)body.p[0];
    return reg_prepared_decode(slice_of(body.p + 1, body.len - 1), &c->q);
}

/* ---- look-ups, in the writer's transaction or a reader's ---- */

static void id_key(struct key *k, struct slice id)
{
    key_reset(k);
    key_name(k, id);
}

static void name_key(struct key *k, struct slice name)
{
    key_reset(k);
    key_id(k, SLICE_LIT("n"));
    key_name(k, name);
}

static bool find(struct tx *tx, struct slice id, struct reg_prepared *out)
{
    struct key k;
    struct slice v;
    id_key(&k, id);
    if (id.len == 0 || !tx_get(tx, T_QUERIES, key_slice(&k), &v)) {
        return false;
    }
    stored_must(reg_prepared_decode(v, out), "prepared query");
    return true;
}

static bool find_name(struct tx *tx, struct slice name, struct reg_prepared *out)
{
    struct key k;
    struct slice id;
    name_key(&k, name);
    return tx_get(tx, T_QUERY_NAMES, key_slice(&k), &id) && find(tx, id, out);
}

bool reg_prepared_find(struct reg_reader *rd, struct slice id, struct reg_prepared *out)
{
    return find(rd->tx, id, out);
}

bool reg_prepared_find_name(struct reg_reader *rd, struct slice name, struct reg_prepared *out)
{
    return name.len > 0 && find_name(rd->tx, name, out);
}

bool reg_prepared_find_template(struct reg_reader *rd, struct slice name, struct reg_prepared *out)
{
    size_t len = name.len > REG_PREPARED_NAME_MAX ? REG_PREPARED_NAME_MAX : name.len;
    for (size_t n = len + 1; n-- > 0;) {
        if (find_name(rd->tx, slice_of(name.p, n), out) && out->template_type.len > 0) {
            return true;
        }
    }
    return false;
}

void reg_prepareds(struct reg_reader *rd, struct reg_iter *it)
{
    scan_begin(rd, it, T_QUERIES, NULL, 0);
}

bool reg_prepareds_next(struct reg_iter *it, struct reg_prepared *out)
{
    struct slice v;
    if (!scan_next(it, &v)) {
        return false;
    }
    stored_must(reg_prepared_decode(v, out), "prepared query");
    return true;
}

/* ---- applying ---- */

static bool is_named(const struct reg_prepared *q)
{
    return q->name.len > 0 || q->template_type.len > 0;
}

static bool name_allowed(struct reg *r, const struct reg_prepared *q, struct reg_result *out)
{
    struct reg_prepared other;
    if (is_named(q) && find_name(r->tx, q->name, &other) && !slice_ieq(other.id, q->id)) {
        if (q->name.len == 0) {
            result_fail(out, E_EXISTS,
                        "raft apply failed: a query template with an empty name already exists");
        } else {
            result_fail(out, E_EXISTS,
                        "raft apply failed: name '%.*s' aliases an existing query name",
                        (int)q->name.len, q->name.p);
        }
        return false;
    }
    if (uuid_valid(q->name) && find(r->tx, q->name, &other)) {
        result_fail(out, E_EXISTS, "raft apply failed: name '%.*s' aliases an existing query ID",
                    (int)q->name.len, q->name.p);
        return false;
    }
    return true;
}

/* Forget the name of @was, which may point into the map: it is not used afterwards. */
static void drop_name(struct reg *r, const struct reg_prepared *was)
{
    struct key k;
    if (is_named(was)) {
        name_key(&k, was->name);
        (void)tx_del(r->tx, T_QUERY_NAMES, key_slice(&k));
    }
}

static void write_query(struct reg *r, const struct reg_prepared *asked, const uint64_t *created)
{
    struct reg_prepared q = *asked;
    struct key k;
    q.create_index = created != NULL ? *created : r->state.index;
    q.modify_index = r->state.index;
    buf_reset(&r->scratch);
    reg_prepared_encode(&r->scratch, &q);
    stored_must(buf_ok(&r->scratch) ? 0 : E_NOMEM, "record");
    id_key(&k, q.id);
    tx_put(r->tx, T_QUERIES, key_slice(&k), buf_slice(&r->scratch));
    if (is_named(&q)) {
        name_key(&k, q.name);
        tx_put(r->tx, T_QUERY_NAMES, key_slice(&k), q.id);
    }
    index_bump(r, REG_W_QUERIES, none);
}

void apply_prepared(struct reg *r, const struct reg_prepared_op *c, struct reg_result *out)
{
    struct reg_prepared was;
    bool had = find(r->tx, c->q.id, &was);
    uint64_t created = had ? was.create_index : 0;
    if (c->verb != REG_PREPARED_CREATE && !had) {
        result_fail(out, E_NOTFOUND, "Cannot modify non-existent prepared query: '%.*s'",
                    (int)c->q.id.len, c->q.id.p);
        return;
    }
    if (c->verb == REG_PREPARED_DELETE) {
        struct key k;
        drop_name(r, &was);
        id_key(&k, c->q.id);
        (void)tx_del(r->tx, T_QUERIES, key_slice(&k));
        index_bump(r, REG_W_QUERIES, none);
    } else if (name_allowed(r, &c->q, out)) {
        if (had) {
            drop_name(r, &was);
        }
        write_query(r, &c->q, had ? &created : NULL);
    }
}
