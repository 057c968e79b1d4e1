/* Whatever is in the log's files: decoding stays inside the input, and what decodes encodes to the
 * same bytes. The first byte of the input picks the decoder. A wrong CRC would end every try, so
 * the input's CRC is made right first where the layout has one place for it. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "raft/record.h"
#include "raft/segment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SALT = 42, OFFSET = 4096, CRC_AT = 4, FRAME_CRC_AT = 8, FRAME_CRC_FROM = 12 };

static void put_crc(char *p, uint32_t crc)
{
    for (int i = 0; i < 4; i++) {
        p[i] = (char)((crc >> (8 * i)) & 0xff);
    }
}

/* A frame with its CRC mended. */
static void mend_frame(char *p, size_t n)
{
    if (n > FRAME_CRC_FROM) {
        put_crc(p + FRAME_CRC_AT, crc32c(0, p + FRAME_CRC_FROM, n - FRAME_CRC_FROM));
    }
}

/* Encoding what the header claims over the bytes that follow yields the CRC that would be right. */
static void try_record(char *p, size_t n)
{
    struct record r;
    struct slice payload;
    uint64_t need;
    int rc = record_decode(slice_of(p, n), SALT, OFFSET, &r, &payload, &need);
    if (n >= RECORD_HEADER && r.length <= RECORD_PAYLOAD_MAX && record_size(r.length) <= n) {
        char header[RECORD_HEADER];
        record_encode(header, &r, p + RECORD_HEADER, SALT, OFFSET);
        memcpy(p + CRC_AT, header + CRC_AT, 4);
        rc = record_decode(slice_of(p, n), SALT, OFFSET, &r, &payload, &need);
    }
    if (rc != 0) {
        return;
    }
    assert(payload.len == r.length && need <= n);
    char header[RECORD_HEADER];
    record_encode(header, &r, payload.p, SALT, OFFSET);
    assert(memcmp(header, p, RECORD_HEADER) == 0);
    /* It is a record nowhere else. */
    assert(record_decode(slice_of(p, n), SALT, OFFSET + RECORD_ALIGN, &r, &payload, &need) != 0);
}

static void try_snapshot(char *p, size_t n)
{
    mend_frame(p, n);
    struct snapshot_meta m;
    struct snapshot_server servers[SNAPSHOT_SERVERS_MAX];
    if (snapshot_meta_decode(slice_of(p, n), &m, servers) != 0) {
        return;
    }
    struct snapshot_token token;
    (void)snapshot_token_decode(m.token, &token);
    struct buf again = BUF_INIT;
    snapshot_meta_encode(&again, &m);
    assert(buf_ok(&again) && again.len == n && memcmp(again.p, p, n) == 0);
    buf_fini(&again);
}

static void try_fixed(char *p, size_t n)
{
    struct segment_header h;
    struct term_slot t;
    uint64_t first;
    mend_frame(p, n < SEGMENT_HEADER ? n : SEGMENT_HEADER);
    if (segment_header_decode(slice_of(p, n), &h) == 0) {
        char again[SEGMENT_HEADER];
        segment_header_encode(again, &h);
        assert(memcmp(again, p, sizeof again) == 0);
    }
    mend_frame(p, n < TERM_SLOT ? n : TERM_SLOT);
    if (term_slot_decode(slice_of(p, n), &t) == 0) {
        char again[TERM_SLOT];
        term_slot_encode(again, &t);
        assert(memcmp(again, p, sizeof again) == 0);
    }
    if (segment_name_parse(p, &first)) { /* the copy ends with a zero */
        char again[SEGMENT_NAME];
        segment_name(again, first);
        assert(strcmp(again, p) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    size_t n = size - 1;
    char *copy = malloc(n + 1); /* exact, so that reading past it is seen */
    if (copy == NULL) {
        return 0;
    }
    memcpy(copy, data + 1, n);
    copy[n] = 0;
    switch (data[0] % 3) {
        case 0:
            try_record(copy, n);
            break;
        case 1:
            try_snapshot(copy, n);
            break;
        default:
            try_fixed(copy, n);
    }
    free(copy);
    return 0;
}
