/* The bytes of the log's files: segment header, record, term slot, snapshot file. Pure; any thread.
 *
 * All numbers are little endian. A segment file is a header followed by records, each on a multiple
 * of 8:
 *
 *     header   "RLCSEG01" | u32 crc of the rest | u32 0 | u64 salt | u64 first index |
 *              u64 server id | u64 incarnation
 *     record   u32 magic | u32 crc | u32 length | u16 type | u16 0 | u64 index | u64 term |
 *              u64 group | payload | zeros to a multiple of 8
 *
 * A record's CRC-32C covers everything behind it, and begins with the segment's random salt and the
 * record's offset. So a record is valid at one place of one file only: bytes that a client made to
 * look like a record, or that a disk put elsewhere, never are one.
 *
 * A *group* is what reaches the disk between two fdatasyncs; its name is the index of its first
 * entry. A group is only begun when the one before it is synced (see segment.h for why that
 * matters). The *incarnation* of a log grows when a received snapshot replaces the whole log, so
 * that what is left of an older log is told from the present one. */
#ifndef RAFT_RECORD_H_
#define RAFT_RECORD_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

enum {
    RECORD_HEADER = 40,
    RECORD_ALIGN = 8,
    RECORD_PAYLOAD_MAX = 256 * 1024 * 1024, /* what a length field may claim */
    SEGMENT_HEADER = 48,
    TERM_SLOT = 40
};

struct record {
    uint64_t index;
    uint64_t term;
    uint64_t group; /* index of the first entry of its group */
    uint16_t type;
    uint32_t length; /* of the payload */
};

/* Bytes that a payload of @length takes in a segment, header and padding included. */
static inline uint64_t record_size(uint64_t length)
{
    return (RECORD_HEADER + length + RECORD_ALIGN - 1) / RECORD_ALIGN * RECORD_ALIGN;
}

/* Write the header of @r, whose payload is the r->length bytes at @payload, as it will stand at
 * @offset of the segment with @salt. */
void record_encode(char out[RECORD_HEADER],
                   const struct record *r,
                   const void *payload,
                   uint64_t salt,
                   uint64_t offset);

/* Read the record at the start of @in, which lies at @offset of the segment with @salt. Returns 0
 * and its payload, which points into @in; E_AGAIN when @in is too short for it (*@need: how many
 * bytes it claims); E_CORRUPT when there is none. */
int record_decode(struct slice in,
                  uint64_t salt,
                  uint64_t offset,
                  struct record *r,
                  struct slice *payload,
                  uint64_t *need);

struct segment_header {
    uint64_t salt;
    uint64_t first_index;
    uint64_t server_id;
    uint64_t incarnation;
};
void segment_header_encode(char out[SEGMENT_HEADER], const struct segment_header *h);
int segment_header_decode(struct slice in, struct segment_header *h); /* 0 or E_CORRUPT */

/* The vote, in a slot: "RLCTERM1" | u32 crc of the rest | u32 0 | u64 term | u64 voted_for |
 * u64 server id. */
struct term_slot {
    uint64_t term;
    uint64_t voted_for; /* 0: nobody */
    uint64_t server_id;
};
void term_slot_encode(char out[TERM_SLOT], const struct term_slot *t);
int term_slot_decode(struct slice in, struct term_slot *t); /* 0 or E_CORRUPT */

/* One server of a configuration. */
struct snapshot_server {
    uint64_t id;
    uint8_t role;
    struct slice address;
};
/* What the log in front of @first was replaced by. The state itself is the store's checkpoint; the
 * token says which one will do. */
struct snapshot_meta {
    uint64_t index;
    uint64_t term;
    uint64_t first; /* the first index that the log still needs; entries before it may linger */
    uint64_t incarnation; /* segments of an earlier one are left-overs */
    uint64_t configuration_index;
    const struct snapshot_server *servers;
    unsigned n_servers;
    struct slice token;
};
enum { SNAPSHOT_SERVERS_MAX = 64, SNAPSHOT_FILE_MAX = 64 * 1024 };
/* Check buf_ok(@out). */
void snapshot_meta_encode(struct buf *out, const struct snapshot_meta *m);
/* 0 or E_CORRUPT. The slices point into @in; the servers go to @servers. */
int snapshot_meta_decode(struct slice in,
                         struct snapshot_meta *m,
                         struct snapshot_server servers[SNAPSHOT_SERVERS_MAX]);

/* The token: which entry the store must have applied at least. */
struct snapshot_token {
    uint64_t index; /* the last command, not the last entry */
    uint64_t term;
};
enum { SNAPSHOT_TOKEN = 24 };
void snapshot_token_encode(char out[SNAPSHOT_TOKEN], const struct snapshot_token *t);
int snapshot_token_decode(struct slice in, struct snapshot_token *t); /* 0 or E_CORRUPT */

#endif
