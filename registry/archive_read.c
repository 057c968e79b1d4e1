/* How: three layers, each pushed by the one before it:
 *
 *     bytes ─► inflate ─► tar: HEADER ─► DATA ─► PADDING ─┐ ─► meta.json, SHA256SUMS: kept
 *                          ▲                              │    state.bin: to the state reader
 *                          └──────────────────────────────┘    (all hashed)
 *                          └─► END (zeros only)
 *
 * Texts of errors are Consul's where it has one, and Go's gzip's for the first layer. */
#include <jansson.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <zlib.h>

#include "registry/archive.h"
#include "registry/tar.h"

enum { OUT_SIZE = 64 * 1024, LEAD = 10 }; /* a gzip header is at least 10 bytes */

enum where { HEADER, DATA, PADDING, END };
enum file { META, STATE, SUMS, FILES };
static const char *const names[FILES] = {"meta.json", "state.bin", "SHA256SUMS"};

struct archive_reader {
    struct state_reader state;
    z_stream z;
    char lead[LEAD];
    unsigned n_lead;
    bool inflated_all;
    enum where where;
    char block[TAR_BLOCK];
    unsigned n_block;
    enum file file;
    uint64_t left; /* of the file */
    unsigned padding;
    bool seen[FILES];
    struct buf text[FILES]; /* meta.json, SHA256SUMS */
    uint64_t state_size;
    uint64_t state_max;
    EVP_MD_CTX *hash;
    unsigned char digest[FILES][SHA256_DIGEST_LENGTH];
    unsigned char out[OUT_SIZE];
};

struct archive_reader *archive_reader_new(const struct state_visitor *visitor, uint64_t state_max)
{
    struct archive_reader *r = calloc(1, sizeof *r);
    if (r == NULL) {
        return NULL;
    }
    r->hash = EVP_MD_CTX_new();
    if (r->hash == NULL || inflateInit2(&r->z, 15 + 16) != Z_OK) { /* gzip only */
        EVP_MD_CTX_free(r->hash);
        free(r);
        return NULL;
    }
    r->state_max = state_max;
    state_reader_init(&r->state, visitor);
    return r;
}

void archive_reader_free(struct archive_reader *r)
{
    if (r == NULL) {
        return;
    }
    (void)inflateEnd(&r->z); /* fails only for a state that never was */
    EVP_MD_CTX_free(r->hash);
    state_reader_fini(&r->state);
    for (int i = 0; i < FILES; i++) {
        buf_fini(&r->text[i]);
    }
    free(r);
}

/* ---- tar ---- */

static int file_begin(struct archive_reader *r, struct errmsg *e)
{
    struct tar_entry entry;
    if (tar_parse(r->block, &entry) != 0) {
        return err_set(e, E_CORRUPT, "failed to read snapshot file: archive/tar: invalid header");
    }
    if (entry.end) {
        r->where = END;
        return 0;
    }
    unsigned f = 0;
    while (f < FILES && strcmp(entry.name, names[f]) != 0) {
        f++;
    }
    if (f == FILES || r->seen[f]) {
        return err_set(e, E_CORRUPT,
                       "failed to read snapshot file: unexpected file \"%s\" in snapshot",
                       entry.name);
    }
    uint64_t max = f == META ? ARCHIVE_META_MAX : f == SUMS ? ARCHIVE_SUMS_MAX : r->state_max;
    if (entry.size > max) {
        return err_set(e, E_TOOBIG, "failed to read snapshot file: %s is larger than %llu bytes",
                       names[f], (unsigned long long)max);
    }
    r->file = (enum file)f;
    r->seen[f] = true;
    r->left = entry.size;
    r->padding = tar_padding(entry.size);
    r->state_size = f == STATE ? entry.size : r->state_size;
    r->where = DATA;
    return EVP_DigestInit_ex(r->hash, EVP_sha256(), NULL) == 1
               ? 0
               : err_set(e, E_NOMEM, "%s", err_text(E_NOMEM));
}

static int file_data(struct archive_reader *r, struct slice in, struct errmsg *e)
{
    int rc = 0;
    bool hashed = EVP_DigestUpdate(r->hash, in.p, in.len) == 1;
    if (r->file != STATE) {
        buf_add_slice(&r->text[r->file], in);
        rc = buf_ok(&r->text[r->file]) ? 0 : E_NOMEM;
    } else {
        rc = state_reader_feed(&r->state, in);
    }
    r->left -= in.len;
    rc = rc == 0 && !hashed ? E_NOMEM : rc;
    return rc == 0 ? 0
                   : err_set(e, rc, "failed to read snapshot file: %s: %s", names[r->file],
                             rc == E_UNSUPPORTED ? "of another program or version" : err_text(rc));
}

/* What is left of the file being read is zero; end it. */
static void file_end(struct archive_reader *r)
{
    unsigned n = 0;
    memset(r->digest[r->file], 0, SHA256_DIGEST_LENGTH);
    (void)EVP_DigestFinal_ex(r->hash, r->digest[r->file], &n); /* a failure shows as a wrong sum */
    r->where = r->padding > 0 ? PADDING : HEADER;
}

static bool all_zero(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] != '\0') {
            return false;
        }
    }
    return true;
}

/* Use the front of @in; *@used says how much. */
static int tar_step(struct archive_reader *r, struct slice in, size_t *used, struct errmsg *e)
{
    int rc = 0;
    size_t n = in.len;
    switch (r->where) {
        case HEADER:
            n = n < TAR_BLOCK - r->n_block ? n : TAR_BLOCK - r->n_block;
            memcpy(r->block + r->n_block, in.p, n);
            r->n_block += (unsigned)n;
            if (r->n_block == TAR_BLOCK) {
                r->n_block = 0;
                rc = file_begin(r, e);
            }
            break;
        case DATA:
            n = n < r->left ? n : (size_t)r->left;
            rc = file_data(r, slice_of(in.p, n), e);
            break;
        case PADDING:
            n = n < r->padding ? n : r->padding;
            r->padding -= (unsigned)n;
            r->where = r->padding > 0 ? PADDING : HEADER;
            break;
        case END:
            if (!all_zero(in)) {
                rc = err_set(e, E_CORRUPT, "failed to read snapshot file: data behind its end");
            }
            break;
    }
    if (rc == 0 && r->where == DATA && r->left == 0) {
        file_end(r);
    }
    *used = n;
    return rc;
}

static int tar_feed(struct archive_reader *r, struct slice in, struct errmsg *e)
{
    int rc = 0;
    while (rc == 0 && in.len > 0) {
        size_t used = 0;
        rc = tar_step(r, in, &used, e);
        in = slice_of(in.p + used, in.len - used);
    }
    return rc;
}

/* ---- gzip ---- */

static int inflate_failed(struct archive_reader *r, int rv, struct errmsg *e)
{
    if (rv == Z_MEM_ERROR) {
        return err_set(e, E_NOMEM, "failed to decompress snapshot: %s", err_text(E_NOMEM));
    }
    bool sum = r->z.msg != NULL && (strcmp(r->z.msg, "incorrect data check") == 0 ||
                                    strcmp(r->z.msg, "incorrect length check") == 0);
    return err_set(e, E_CORRUPT, "failed to decompress snapshot: %s",
                   sum ? "gzip: invalid checksum" : "flate: corrupt input");
}

static int inflate_feed(struct archive_reader *r, struct slice in, struct errmsg *e)
{
    while (in.len > 0) {
        if (r->inflated_all) {
            return err_set(e, E_CORRUPT, "failed to decompress snapshot: gzip: invalid header");
        }
        size_t piece = in.len < INT32_MAX ? in.len : INT32_MAX;
        r->z.next_in = (z_const Bytef *)(uintptr_t)in.p;
        r->z.avail_in = (uInt)piece;
        bool more = true;
        while (more) { /* until the input is used and no output waits in the library */
            r->z.next_out = r->out;
            r->z.avail_out = OUT_SIZE;
            int rv = inflate(&r->z, Z_NO_FLUSH);
            if (rv != Z_OK && rv != Z_STREAM_END && rv != Z_BUF_ERROR) {
                return inflate_failed(r, rv, e);
            }
            size_t made = OUT_SIZE - r->z.avail_out;
            int rc = tar_feed(r, slice_of((const char *)r->out, made), e);
            if (rc != 0) {
                return rc;
            }
            r->inflated_all = rv == Z_STREAM_END;
            more = rv == Z_OK && (r->z.avail_in > 0 || r->z.avail_out == 0);
        }
        size_t used = piece - r->z.avail_in;
        if (used == 0) {
            return inflate_failed(r, Z_DATA_ERROR, e); /* it would never get on */
        }
        in = slice_of(in.p + used, in.len - used);
    }
    return 0;
}

int archive_reader_feed(struct archive_reader *r, struct slice in, struct errmsg *e)
{
    size_t n = 0;
    if (r->n_lead < LEAD) {
        n = in.len < LEAD - r->n_lead ? in.len : LEAD - r->n_lead;
        memcpy(r->lead + r->n_lead, in.p, n);
        r->n_lead += (unsigned)n;
        if (r->n_lead < LEAD) {
            return 0;
        }
        if (memcmp(r->lead, "\x1f\x8b\x08", 3) != 0) {
            return err_set(e, E_CORRUPT, "failed to decompress snapshot: gzip: invalid header");
        }
        int rc = inflate_feed(r, slice_of(r->lead, LEAD), e);
        if (rc != 0) {
            return rc;
        }
    }
    return inflate_feed(r, slice_of(in.p + n, in.len - n), e);
}

/* ---- the end ---- */

/* A line of SHA256SUMS: 64 hexadecimal digits, two spaces, a name. Its file's place, or FILES. */
static unsigned sum_of(const struct archive_reader *r, struct slice line)
{
    char hex[2 * SHA256_DIGEST_LENGTH + 3];
    for (unsigned f = 0; f < SUMS; f++) {
        for (unsigned i = 0; i < SHA256_DIGEST_LENGTH; i++) {
            static const char digits[] = "0123456789abcdef";
            hex[2 * i] = digits[r->digest[f][i] >> 4];
            hex[2 * i + 1] = digits[r->digest[f][i] & 15];
        }
        hex[64] = hex[65] = ' ';
        if (slice_starts(line, slice_of(hex, 66)) &&
            slice_is(slice_of(line.p + 66, line.len - 66), names[f])) {
            return f;
        }
    }
    return FILES;
}

static int check_sums(const struct archive_reader *r, struct errmsg *e)
{
    bool good[FILES] = {false};
    struct slice rest = buf_slice(&r->text[SUMS]);
    while (rest.len > 0) {
        const char *nl = memchr(rest.p, '\n', rest.len);
        size_t n = nl == NULL ? rest.len : (size_t)(nl - rest.p);
        unsigned f = sum_of(r, slice_of(rest.p, n));
        if (f == FILES) {
            return err_set(e, E_CORRUPT,
                           "failed to read snapshot file: failed checking integrity of snapshot: "
                           "hash check failed for \"%.*s\"",
                           (int)(n > 66 ? (n < 166 ? n - 66 : 100) : 0), n > 66 ? rest.p + 66 : "");
        }
        good[f] = true;
        n += nl != NULL;
        rest = slice_of(rest.p + n, rest.len - n);
    }
    for (unsigned f = 0; f < SUMS; f++) {
        if (!good[f]) {
            return err_set(e, E_CORRUPT,
                           "failed to read snapshot file: failed checking integrity of snapshot: "
                           "list missing hash for \"%s\"",
                           names[f]);
        }
    }
    return 0;
}

/* 0 for anything else than a whole number from 0. */
static uint64_t number_of(const json_t *root, const char *key)
{
    json_int_t v = json_integer_value(json_object_get(root, key));
    return v < 0 ? 0 : (uint64_t)v;
}

static int read_meta(const struct archive_reader *r, struct archive_meta *meta, struct errmsg *e)
{
    json_t *root = json_loadb(r->text[META].p, r->text[META].len, 0, NULL);
    const char *id = json_string_value(json_object_get(root, "ID"));
    memset(meta, 0, sizeof *meta);
    meta->index = number_of(root, "Index");
    meta->term = number_of(root, "Term");
    meta->size = number_of(root, "Size");
    bool good = number_of(root, "Version") == 1 && meta->size == r->state_size && id != NULL &&
                strlen(id) <= ARCHIVE_ID_MAX;
    if (good) {
        memcpy(meta->id, id, strlen(id));
    }
    json_decref(root);
    return good ? 0
                : err_set(e, E_CORRUPT,
                          "failed to read snapshot file: failed to decode snapshot metadata");
}

int archive_reader_end(struct archive_reader *r,
                       struct archive_meta *meta,
                       uint64_t *rows,
                       struct errmsg *e)
{
    if (!r->inflated_all) {
        return err_set(e, E_CORRUPT, "failed to decompress snapshot: %s",
                       r->n_lead == 0 ? "EOF" : "unexpected EOF");
    }
    for (unsigned f = 0; f < FILES; f++) {
        if (!r->seen[f]) {
            return err_set(e, E_CORRUPT, "failed to read snapshot file: file missing for \"%s\"",
                           names[f]);
        }
    }
    if (r->where != END || !state_reader_complete(&r->state)) {
        return err_set(e, E_CORRUPT, "failed to read snapshot file: unexpected EOF");
    }
    int rc = check_sums(r, e);
    *rows = r->state.rows;
    return rc == 0 ? read_meta(r, meta, e) : rc;
}
