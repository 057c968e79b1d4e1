/* The fields of a reg_iter that ranges over KV keys need stay untouched. */
#include "registry/scan.h"

#include <assert.h>
#include <string.h>

#include "registry/reader.h"

void scan_begin(struct reg_reader *rd,
                struct reg_iter *it,
                enum table t,
                const void *prefix,
                size_t prefix_len)
{
    assert(rd->reading);
    assert(prefix_len <= sizeof it->prefix);
    memset(it, 0, sizeof *it);
    it->rd = rd;
    it->table = (int)t;
    it->prefix_len = prefix_len;
    if (prefix_len > 0) {
        memcpy(it->prefix, prefix, prefix_len);
    }
    it->cursor = tx_cursor(rd->tx, t);
}

bool scan_next(struct reg_iter *it, struct slice *value)
{
    struct slice prefix = slice_of(it->prefix, it->prefix_len);
    struct slice key;
    if (it->cursor == NULL) {
        return false;
    }
    bool more =
        it->started ? tx_next(it->cursor, &key, value) : tx_seek(it->cursor, prefix, &key, value);
    it->started = true;
    return more && slice_starts(key, prefix);
}
