/* Fixed layouts, written through byte-wise puts so that neither alignment nor host order matter. */
#include "raft/record.h"

#include <assert.h>
#include <string.h>

#include "base/err.h"
#include "base/hash.h"

enum { RECORD_CRC_FROM = 8, FRAME_CRC_FROM = 12, FRAME_MIN = 16, RECORD_MAGIC = 0x31524c52 };

static void put_u16(char *p, uint16_t v)
{
    p[0] = (char)(v & 0xff);
    p[1] = (char)(v >> 8);
}

static void put_u32(char *p, uint32_t v)
{
    for (int i = 0; i < 4; i++) {
        p[i] = (char)((v >> (8 * i)) & 0xff);
    }
}

static void put_u64(char *p, uint64_t v)
{
    put_u32(p, (uint32_t)v);
    put_u32(p + 4, (uint32_t)(v >> 32));
}

/* The CRC of nothing yet, bound to a place. */
static uint32_t crc_begin(uint64_t salt, uint64_t offset)
{
    char place[16];
    put_u64(place, salt);
    put_u64(place + 8, offset);
    return crc32c(0, place, sizeof place);
}

void record_encode(char out[RECORD_HEADER],
                   const struct record *r,
                   const void *payload,
                   uint64_t salt,
                   uint64_t offset)
{
    assert(r->length <= RECORD_PAYLOAD_MAX);
    put_u32(out, RECORD_MAGIC);
    put_u32(out + 8, r->length);
    put_u16(out + 12, r->type);
    put_u16(out + 14, 0);
    put_u64(out + 16, r->index);
    put_u64(out + 24, r->term);
    put_u64(out + 32, r->group);
    uint32_t crc =
        crc32c(crc_begin(salt, offset), out + RECORD_CRC_FROM, RECORD_HEADER - RECORD_CRC_FROM);
    put_u32(out + 4, r->length == 0 ? crc : crc32c(crc, payload, r->length));
}

int record_decode(struct slice in,
                  uint64_t salt,
                  uint64_t offset,
                  struct record *r,
                  struct slice *payload,
                  uint64_t *need)
{
    *need = RECORD_HEADER;
    if (in.len < RECORD_HEADER) {
        return E_AGAIN;
    }
    struct rd rd = rd_of(in);
    uint32_t magic = rd_u32(&rd);
    uint32_t crc = rd_u32(&rd);
    r->length = rd_u32(&rd);
    r->type = rd_u16(&rd);
    uint16_t zero = rd_u16(&rd);
    r->index = rd_u64(&rd);
    r->term = rd_u64(&rd);
    r->group = rd_u64(&rd);
    if (magic != RECORD_MAGIC || zero != 0 || r->length > RECORD_PAYLOAD_MAX) {
        return E_CORRUPT;
    }
    *need = record_size(r->length);
    if (in.len < *need) {
        return E_AGAIN;
    }
    uint32_t found = crc32c(crc_begin(salt, offset), in.p + RECORD_CRC_FROM,
                            RECORD_HEADER - RECORD_CRC_FROM + r->length);
    if (found != crc || r->group == 0 || r->index < r->group) {
        return E_CORRUPT;
    }
    for (uint64_t i = RECORD_HEADER + (uint64_t)r->length; i < *need; i++) {
        if (in.p[i] != 0) {
            return E_CORRUPT;
        }
    }
    *payload = slice_of(in.p + RECORD_HEADER, r->length);
    return 0;
}

/* The frame that all but records share: 8 bytes of magic, the CRC of the rest, four zeros. */
static void frame_close(char *p, size_t n, const char magic[8])
{
    memcpy(p, magic, 8);
    put_u32(p + 12, 0);
    put_u32(p + 8, crc32c(0, p + FRAME_CRC_FROM, n - FRAME_CRC_FROM));
}

static bool frame_open(struct slice in, size_t n, const char magic[8], struct rd *rd)
{
    if (in.len < n || n < FRAME_MIN || memcmp(in.p, magic, 8) != 0) {
        return false;
    }
    *rd = rd_of(slice_of(in.p + 8, n - 8));
    uint32_t crc = rd_u32(rd);
    uint32_t zero = rd_u32(rd);
    return zero == 0 && crc == crc32c(0, in.p + FRAME_CRC_FROM, n - FRAME_CRC_FROM);
}

void segment_header_encode(char out[SEGMENT_HEADER], const struct segment_header *h)
{
    put_u64(out + 16, h->salt);
    put_u64(out + 24, h->first_index);
    put_u64(out + 32, h->server_id);
    put_u64(out + 40, h->incarnation);
    frame_close(out, SEGMENT_HEADER, "RLCSEG01");
}

int segment_header_decode(struct slice in, struct segment_header *h)
{
    struct rd rd;
    if (!frame_open(in, SEGMENT_HEADER, "RLCSEG01", &rd)) {
        return E_CORRUPT;
    }
    h->salt = rd_u64(&rd);
    h->first_index = rd_u64(&rd);
    h->server_id = rd_u64(&rd);
    h->incarnation = rd_u64(&rd);
    return h->first_index == 0 ? E_CORRUPT : 0;
}

void term_slot_encode(char out[TERM_SLOT], const struct term_slot *t)
{
    put_u64(out + 16, t->term);
    put_u64(out + 24, t->voted_for);
    put_u64(out + 32, t->server_id);
    frame_close(out, TERM_SLOT, "RLCTERM1");
}

int term_slot_decode(struct slice in, struct term_slot *t)
{
    struct rd rd;
    if (!frame_open(in, TERM_SLOT, "RLCTERM1", &rd)) {
        return E_CORRUPT;
    }
    t->term = rd_u64(&rd);
    t->voted_for = rd_u64(&rd);
    t->server_id = rd_u64(&rd);
    return 0;
}

/* "RLCSNAP1" | u32 crc | u32 0 | u64 index, term, first, incarnation, configuration
 * index | u32 servers |
 * servers x (u64 id | u8 role | u32 length, address) | u32 length, token */
void snapshot_meta_encode(struct buf *out, const struct snapshot_meta *m)
{
    assert(m->n_servers <= SNAPSHOT_SERVERS_MAX);
    size_t from = out->len;
    buf_put_u64(out, 0);
    buf_put_u64(out, 0);
    buf_put_u64(out, m->index);
    buf_put_u64(out, m->term);
    buf_put_u64(out, m->first);
    buf_put_u64(out, m->incarnation);
    buf_put_u64(out, m->configuration_index);
    buf_put_u32(out, m->n_servers);
    for (unsigned i = 0; i < m->n_servers; i++) {
        buf_put_u64(out, m->servers[i].id);
        buf_put_u8(out, m->servers[i].role);
        buf_put_bytes(out, m->servers[i].address);
    }
    buf_put_bytes(out, m->token);
    if (buf_ok(out)) {
        frame_close(out->p + from, out->len - from, "RLCSNAP1");
    }
}

int snapshot_meta_decode(struct slice in,
                         struct snapshot_meta *m,
                         struct snapshot_server servers[SNAPSHOT_SERVERS_MAX])
{
    struct rd rd;
    if (!frame_open(in, in.len, "RLCSNAP1", &rd)) {
        return E_CORRUPT;
    }
    m->index = rd_u64(&rd);
    m->term = rd_u64(&rd);
    m->first = rd_u64(&rd);
    m->incarnation = rd_u64(&rd);
    m->configuration_index = rd_u64(&rd);
    m->n_servers = rd_u32(&rd);
    if (m->n_servers > SNAPSHOT_SERVERS_MAX) {
        return E_CORRUPT;
    }
    for (unsigned i = 0; i < m->n_servers; i++) {
        servers[i].id = rd_u64(&rd);
        servers[i].role = rd_u8(&rd);
        servers[i].address = rd_bytes(&rd);
    }
    m->servers = servers;
    m->token = rd_bytes(&rd);
    bool sane = m->index > 0 && m->first > 0 && m->first <= m->index + 1;
    return rd_done(&rd) && sane ? 0 : E_CORRUPT;
}

/* u32 version (1) | u32 crc of the rest | u64 index | u64 term */
void snapshot_token_encode(char out[SNAPSHOT_TOKEN], const struct snapshot_token *t)
{
    put_u32(out, 1);
    put_u64(out + 8, t->index);
    put_u64(out + 16, t->term);
    put_u32(out + 4, crc32c(0, out + 8, SNAPSHOT_TOKEN - 8));
}

int snapshot_token_decode(struct slice in, struct snapshot_token *t)
{
    struct rd rd = rd_of(in);
    uint32_t version = rd_u32(&rd);
    uint32_t crc = rd_u32(&rd);
    if (in.len != SNAPSHOT_TOKEN || version != 1 || crc != crc32c(0, in.p + 8, in.len - 8)) {
        return E_CORRUPT;
    }
    t->index = rd_u64(&rd);
    t->term = rd_u64(&rd);
    return 0;
}
