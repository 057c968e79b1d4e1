/* How: bytes go through one deflate state into a buffer of 64 KiB, and from there to the sink. Each
 * file is hashed on its way; the sums are the last file, since they are known then. */
#include <assert.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <zlib.h>

#include "registry/archive.h"
#include "registry/tar.h"

enum { OUT_SIZE = 64 * 1024, END_BLOCKS = 2 };

struct archive_writer {
    struct archive_sink sink;
    z_stream z;
    EVP_MD_CTX *hash; /* of the file being written */
    struct buf sums;
    uint64_t state_size;
    uint64_t state_left;
    int64_t mtime_s;
    int status; /* sticky */
    unsigned char out[OUT_SIZE];
};

struct archive_writer *archive_writer_new(const struct archive_sink *sink, int64_t mtime_s)
{
    struct archive_writer *w = calloc(1, sizeof *w);
    if (w == NULL) {
        return NULL;
    }
    w->sink = *sink;
    w->mtime_s = mtime_s;
    w->hash = EVP_MD_CTX_new();
    /* 15 + 16: the largest window, with a gzip header. */
    if (w->hash == NULL ||
        deflateInit2(&w->z, Z_BEST_SPEED, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        EVP_MD_CTX_free(w->hash);
        free(w);
        return NULL;
    }
    return w;
}

void archive_writer_free(struct archive_writer *w)
{
    if (w != NULL) {
        (void)deflateEnd(&w->z); /* complains of an unfinished stream, which is how errors end */
        EVP_MD_CTX_free(w->hash);
        buf_fini(&w->sums);
        free(w);
    }
}

/* Compress @in; with Z_FINISH, to the end of the stream. */
static void press(struct archive_writer *w, struct slice in, int flush)
{
    int rv = Z_OK;
    while (w->status == 0 && (in.len > 0 || flush == Z_FINISH) && rv != Z_STREAM_END) {
        size_t piece = in.len < INT32_MAX ? in.len : INT32_MAX;
        w->z.next_in = (z_const Bytef *)(uintptr_t)in.p;
        w->z.avail_in = (uInt)piece;
        w->z.next_out = w->out;
        w->z.avail_out = OUT_SIZE;
        rv = deflate(&w->z, flush);
        assert(rv == Z_OK || rv == Z_STREAM_END); /* there was room, and input or the end */
        size_t used = piece - w->z.avail_in;
        in = slice_of(used == 0 ? in.p : in.p + used, in.len - used);
        size_t made = OUT_SIZE - w->z.avail_out;
        if (made > 0) {
            w->status = w->sink.write(w->sink.arg, slice_of((const char *)w->out, made));
        }
    }
}

static void file_begin(struct archive_writer *w, const char *name, uint64_t size)
{
    char block[TAR_BLOCK];
    if (size > TAR_SIZE_MAX) {
        w->status = w->status != 0 ? w->status : E_TOOBIG;
        return;
    }
    tar_header(block, name, size, w->mtime_s);
    press(w, slice_of(block, TAR_BLOCK), Z_NO_FLUSH);
    if (EVP_DigestInit_ex(w->hash, EVP_sha256(), NULL) != 1 && w->status == 0) {
        w->status = E_NOMEM;
    }
}

static void file_add(struct archive_writer *w, struct slice bytes)
{
    (void)EVP_DigestUpdate(w->hash, bytes.p, bytes.len); /* a bad state shows at the end */
    press(w, bytes, Z_NO_FLUSH);
}

static void file_end(struct archive_writer *w, const char *name, uint64_t size)
{
    static const char zeros[TAR_BLOCK];
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    press(w, slice_of(zeros, tar_padding(size)), Z_NO_FLUSH);
    if (EVP_DigestFinal_ex(w->hash, digest, &n) != 1 && w->status == 0) {
        w->status = E_NOMEM;
    }
    for (unsigned i = 0; i < n; i++) {
        buf_printf(&w->sums, "%02x", digest[i]);
    }
    buf_printf(&w->sums, "  %s\n", name);
}

static void whole_file(struct archive_writer *w, const char *name, struct slice text)
{
    file_begin(w, name, text.len);
    file_add(w, text);
    file_end(w, name, text.len);
}

void archive_writer_meta(struct archive_writer *w,
                         const struct archive_meta *meta,
                         const char *server_id,
                         const char *server_address)
{
    json_t *root =
        json_pack("{s:i, s:s, s:I, s:I, s:n, s:{s:[{s:i, s:s, s:s}]}, s:i, s:I}", "Version", 1,
                  "ID", meta->id, "Index", (json_int_t)meta->index, "Term", (json_int_t)meta->term,
                  "Peers", "Configuration", "Servers", "Suffrage", 0, "ID", server_id, "Address",
                  server_address, "ConfigurationIndex", 1, "Size", (json_int_t)meta->size);
    char *text = root == NULL ? NULL : json_dumps(root, JSON_COMPACT);
    json_decref(root);
    if (text == NULL) {
        w->status = E_NOMEM;
        return;
    }
    whole_file(w, "meta.json", slice_str(text));
    free(text);
    w->state_size = w->state_left = meta->size;
    file_begin(w, "state.bin", meta->size);
}

void archive_writer_state(struct archive_writer *w, struct slice bytes)
{
    if (bytes.len > w->state_left) {
        w->status = w->status != 0 ? w->status : E_INVAL;
        return;
    }
    w->state_left -= bytes.len;
    file_add(w, bytes);
}

int archive_writer_end(struct archive_writer *w)
{
    static const char zeros[TAR_BLOCK];
    if (w->state_left > 0 && w->status == 0) {
        w->status = E_INVAL;
    }
    file_end(w, "state.bin", w->state_size);
    if (!buf_ok(&w->sums) && w->status == 0) {
        w->status = E_NOMEM;
    }
    struct buf sums = w->sums; /* the sums do not hold their own */
    w->sums = (struct buf)BUF_INIT;
    whole_file(w, "SHA256SUMS", buf_slice(&sums));
    buf_fini(&sums);
    for (int i = 0; i < END_BLOCKS; i++) {
        press(w, slice_of(zeros, TAR_BLOCK), Z_NO_FLUSH);
    }
    press(w, slice_of(NULL, 0), Z_FINISH);
    return w->status;
}
