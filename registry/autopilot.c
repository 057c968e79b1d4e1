/* One row of T_META:
 *
 *     u8 version (1) | u8 cleanup | u8 disable migration | u64 contact ns | u64 stabilization ns |
 *     u64 trailing logs | u64 quorum | bytes zone tag | bytes version tag | u64 create | u64 modify
 *
 * A command's body is u8 cas | u64 index | the same record, whose indexes are ignored. */
#include "registry/autopilot.h"

#include "registry/reader.h"

enum { VERSION = 1 };

static const struct slice row_key = {"autopilot", 9};

static void encode(struct buf *b, const struct reg_autopilot *a)
{
    buf_put_u8(b, VERSION);
    buf_put_u8(b, a->cleanup_dead_servers ? 1 : 0);
    buf_put_u8(b, a->disable_upgrade_migration ? 1 : 0);
    buf_put_u64(b, (uint64_t)a->last_contact_threshold_ns);
    buf_put_u64(b, (uint64_t)a->server_stabilization_ns);
    buf_put_u64(b, a->max_trailing_logs);
    buf_put_u64(b, a->min_quorum);
    buf_put_bytes(b, a->redundancy_zone_tag);
    buf_put_bytes(b, a->upgrade_version_tag);
    buf_put_u64(b, a->create_index);
    buf_put_u64(b, a->modify_index);
}

/* Returns 0 or E_CORRUPT. */
static int decode(struct rd *r, struct reg_autopilot *a)
{
    if (rd_u8(r) != VERSION) {
        return E_CORRUPT;
    }
    a->cleanup_dead_servers = rd_u8(r) != 0;
    a->disable_upgrade_migration = rd_u8(r) != 0;
    a->last_contact_threshold_ns = (int64_t)rd_u64(r);
    a->server_stabilization_ns = (int64_t)rd_u64(r);
    a->max_trailing_logs = rd_u64(r);
    a->min_quorum = rd_u64(r);
    a->redundancy_zone_tag = rd_bytes(r);
    a->upgrade_version_tag = rd_bytes(r);
    a->create_index = rd_u64(r);
    a->modify_index = rd_u64(r);
    return rd_done(r) ? 0 : E_CORRUPT;
}

/* What is stored. False: nothing, and @a holds the defaults. */
static bool load(struct tx *tx, struct reg_autopilot *a)
{
    struct slice v;
    if (!tx_get(tx, T_META, row_key, &v)) {
        *a = (struct reg_autopilot){
            .cleanup_dead_servers = true,
            .last_contact_threshold_ns = 200000000,
            .server_stabilization_ns = 10000000000,
            .max_trailing_logs = 250,
            .create_index = 1,
            .modify_index = 1,
        };
        return false;
    }
    struct rd r = rd_of(v);
    stored_must(decode(&r, a), "autopilot configuration");
    return true;
}

void reg_command_autopilot(struct buf *b, const struct reg_autopilot *a, bool cas, uint64_t index)
{
    size_t at = reg_command_begin(b, REG_CMD_AUTOPILOT);
    buf_put_u8(b, cas ? 1 : 0);
    buf_put_u64(b, index);
    encode(b, a);
    reg_command_end(b, at);
}

void reg_autopilot_get(struct reg_reader *rd, struct reg_autopilot *out)
{
    (void)load(rd->tx, out); /* the defaults will do as well */
}

int apply_autopilot(struct reg *r, struct slice body, struct reg_result *out)
{
    struct rd in = rd_of(body);
    struct reg_autopilot was;
    struct reg_autopilot a;
    bool cas = rd_u8(&in) != 0;
    uint64_t index = rd_u64(&in);
    int rc = decode(&in, &a);
    if (rc != 0) {
        return rc;
    }
    bool had = load(r->tx, &was);
    if (cas && was.modify_index != index) {
        out->ok = false;
        return 0;
    }
    a.create_index = had ? was.create_index : r->state.index;
    a.modify_index = r->state.index;
    buf_reset(&r->scratch);
    encode(&r->scratch, &a);
    stored_must(buf_ok(&r->scratch) ? 0 : E_NOMEM, "autopilot configuration");
    tx_put(r->tx, T_META, row_key, buf_slice(&r->scratch));
    return 0;
}
