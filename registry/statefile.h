/* state.bin: the rows of the data tables as one stream of bytes, in our own versioned form.
 *
 *     header  "RCSTATE1" | u32 length | body | u32 crc          crc: CRC-32C of all before it
 *     body    u64 registry index | u8 n | n x (u64 wide, u64 gone) | u8 n | n x (u8 length, name)
 *     row     u8 table, from 1 in the order of the header | u16 key length | u32 value length |
 *             key | value | u32 crc                             of this row
 *     end     u8 0 | u64 number of rows | u32 crc
 *
 * Little endian. Tables go by name, so that an archive outlives the numbers of a version; rows lie
 * table by table in the order of the header, keys ascending. Indexes of kinds (state.h) go by
 * number. The reader takes pieces of any size and holds one row at most (STATE_ROW_MAX). Pure. */
#ifndef REGISTRY_STATEFILE_H_
#define REGISTRY_STATEFILE_H_

#include "base/buf.h"
#include "base/err.h"

enum {
    STATE_KINDS_MAX = 64,
    STATE_TABLES_MAX = 64,
    STATE_NAME_MAX = 31,
    STATE_KEY_MAX = 511,
    STATE_ROW_MAX = 4 * 1024 * 1024 - 4096, /* key and value; leaves room for a command's frame */
    STATE_HEADER_MAX = 4096
};

struct state_header {
    uint64_t index;
    unsigned n_kinds;
    uint64_t wide[STATE_KINDS_MAX];
    uint64_t gone[STATE_KINDS_MAX];
    unsigned n_tables;
    char tables[STATE_TABLES_MAX][STATE_NAME_MAX + 1];
};

/* Append the body of a header alone, and read it back. E_CORRUPT. */
void state_header_encode(struct buf *b, const struct state_header *h);
int state_header_decode(struct slice body, struct state_header *h);

/* A row without its checksum, as the log carries it too. @table counts from 1. */
void state_row_encode(struct buf *b, unsigned table, struct slice key, struct slice value);
/* The next row of @r. 0; E_EOF: none is left; E_CORRUPT. */
int state_row_next(struct rd *r, unsigned *table, struct slice *key, struct slice *value);

/* Append the parts of a stream. */
void state_put_header(struct buf *b, const struct state_header *h);
void state_put_row(struct buf *b, unsigned table, struct slice key, struct slice value);
void state_put_end(struct buf *b, uint64_t rows);
/* Bytes that state_put_row() appends. */
uint64_t state_row_size(struct slice key, struct slice value);

/* What a reader finds; each returns 0, or an error that ends the reading. Slices die on return. */
struct state_visitor {
    int (*header)(void *arg, const struct state_header *h, struct slice body);
    int (*row)(void *arg, unsigned table, struct slice key, struct slice value);
    void *arg;
};

struct state_reader {
    struct state_visitor visitor;
    uint64_t rows; /* so far */
    /* Private. */
    struct buf pending;
    struct buf last_key;
    unsigned last_table;
    unsigned n_tables; /* 0: the header is still to come */
    bool ended;
};

void state_reader_init(struct state_reader *r, const struct state_visitor *visitor);
void state_reader_fini(struct state_reader *r);
/* Read on. E_CORRUPT, E_UNSUPPORTED: another version; E_NOMEM; or what the visitor returned. */
int state_reader_feed(struct state_reader *r, struct slice in);
/* True when the end was read and nothing follows. */
bool state_reader_complete(const struct state_reader *r);

#endif
