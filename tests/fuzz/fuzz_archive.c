/* Archives from anybody: the first byte chooses whether the rest is the archive as uploaded, or
 * state.bin alone, so that the fuzzer need not guess checksums of gzip to get there. Reading them
 * in other pieces gives the same result, and what is read encodes to the same bytes again. */
#include <assert.h>
#include <stdlib.h>

#include "registry/snapshot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STATE_MAX = 1024 * 1024 };

struct found {
    struct state_header header;
    struct buf again; /* state.bin, made anew */
    uint64_t rows;
};

static int on_header(void *arg, const struct state_header *h, struct slice body)
{
    struct found *f = arg;
    f->header = *h;
    struct buf same = BUF_INIT;
    state_header_encode(&same, h);
    assert(slice_eq(buf_slice(&same), body));
    buf_fini(&same);
    state_put_header(&f->again, h);
    return reg_snapshot_check_header(h, NULL);
}

static int on_row(void *arg, unsigned table, struct slice key, struct slice value)
{
    struct found *f = arg;
    assert(table > 0 && table <= f->header.n_tables);
    state_put_row(&f->again, table, key, value);
    f->rows++;
    return reg_snapshot_check_row(f->header.tables[table - 1], key, value);
}

static void read_state(struct slice in, size_t step)
{
    struct found f = {.again = BUF_INIT};
    const struct state_visitor visitor = {on_header, on_row, &f};
    struct state_reader r;
    state_reader_init(&r, &visitor);
    int rc = 0;
    for (size_t at = 0; rc == 0 && at < in.len; at += step) {
        rc = state_reader_feed(&r, slice_of(in.p + at, in.len - at < step ? in.len - at : step));
    }
    if (rc == 0 && state_reader_complete(&r)) {
        state_put_end(&f.again, f.rows);
        assert(slice_eq(buf_slice(&f.again), in));
    }
    state_reader_fini(&r);
    buf_fini(&f.again);
}

static int read_archive(struct slice in, size_t step)
{
    struct found f = {.again = BUF_INIT};
    const struct state_visitor visitor = {on_header, on_row, &f};
    struct archive_reader *r = archive_reader_new(&visitor, STATE_MAX);
    struct archive_meta meta;
    struct errmsg e;
    uint64_t rows;
    int rc = 0;
    assert(r != NULL);
    for (size_t at = 0; rc == 0 && at < in.len; at += step) {
        size_t n = in.len - at < step ? in.len - at : step;
        rc = archive_reader_feed(r, slice_of(in.p + at, n), &e);
    }
    rc = rc == 0 ? archive_reader_end(r, &meta, &rows, &e) : rc;
    archive_reader_free(r);
    buf_fini(&f.again);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct slice in = slice_of((const char *)data + 1, size - 1);
    if (data[0] == 's') {
        read_state(in, 7);
        read_state(in, in.len + 1);
    } else {
        int rc = read_archive(in, 7);
        assert((rc == 0) == (read_archive(in, in.len + 1) == 0));
    }
    return 0;
}
