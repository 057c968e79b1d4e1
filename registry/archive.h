/* The archive that a snapshot travels in, as Consul lays it out (consul-surface.md 4.5): a gzipped
 * tar of
 *
 *     meta.json    what it is of: index, term, size (struct archive_meta)
 *     state.bin    the rows (statefile.h)
 *     SHA256SUMS   of the two, in the form of sha256sum
 *
 * Both directions stream in bounded memory: some 300 KiB, and one row. The reader trusts nothing:
 * an archive is good when archive_reader_end() said so, not before. No system calls. */
#ifndef REGISTRY_ARCHIVE_H_
#define REGISTRY_ARCHIVE_H_

#include "base/err.h"
#include "registry/statefile.h"

enum { ARCHIVE_META_MAX = 64 * 1024, ARCHIVE_SUMS_MAX = 4096, ARCHIVE_ID_MAX = 127 };

struct archive_meta {
    char id[ARCHIVE_ID_MAX + 1]; /* "term-index-ms" */
    uint64_t index;              /* of Raft */
    uint64_t term;
    uint64_t size; /* of state.bin */
};

/* ---- writing ---- */

/* Where the bytes go; returns 0 or an error, which ends the writing. */
struct archive_sink {
    int (*write)(void *arg, struct slice bytes);
    void *arg;
};

struct archive_writer;
/* Files get the time @mtime_s. NULL without memory. */
struct archive_writer *archive_writer_new(const struct archive_sink *sink, int64_t mtime_s);
void archive_writer_free(struct archive_writer *w);
/* Sticky: call in this order, look at the result of the last. First meta.json, with one server,
 * @server_id at @server_address; then the bytes of state.bin, meta->size in all; then the end.
 * E_INVAL: other bytes than announced; E_NOMEM; or what the sink returned. */
void archive_writer_meta(struct archive_writer *w,
                         const struct archive_meta *meta,
                         const char *server_id,
                         const char *server_address);
void archive_writer_state(struct archive_writer *w, struct slice bytes);
int archive_writer_end(struct archive_writer *w);

/* ---- reading ---- */

struct archive_reader;
/* @visitor may be called before the archive is known to be good. More than @state_max bytes of
 * state.bin are refused. NULL without memory. */
struct archive_reader *archive_reader_new(const struct state_visitor *visitor, uint64_t state_max);
void archive_reader_free(struct archive_reader *r);
/* The next bytes of the archive. Any error is final; @e is worded as Consul's
 * ("failed to decompress snapshot: ..."). E_CORRUPT, E_TOOBIG, E_UNSUPPORTED, E_NOMEM, or what the
 * visitor returned. */
int archive_reader_feed(struct archive_reader *r, struct slice in, struct errmsg *e);
/* All bytes were fed: is everything there, and are the sums right? *@meta and *@rows are what it
 * holds. Errors as above. */
int archive_reader_end(struct archive_reader *r,
                       struct archive_meta *meta,
                       uint64_t *rows,
                       struct errmsg *e);

#endif
