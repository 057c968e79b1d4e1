/* Hashing goes through OpenSSL's one-shot SHA-256; it is rare (long names only). */
#include "registry/keys.h"

#include <assert.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

enum { PART_PLAIN_MAX = 140, PART_HEAD = 72, HASH_HEX = 64 };
#define KV_LONG ((size_t)KV_PLAIN_MAX + 2 + SHA256_DIGEST_LENGTH)

static_assert(3 * PART_PLAIN_MAX + 3 <= KEY_SIZE, "three components fit");
static_assert(PART_HEAD + 1 + HASH_HEX <= PART_PLAIN_MAX, "a hashed component is no longer");
static_assert(KV_LONG <= (size_t)KEY_SIZE, "a hashed KV key fits");

void key_reset(struct key *k)
{
    k->len = 0;
    k->parts = 0;
}

void key_separator(struct key *k)
{
    assert(k->len < sizeof k->p);
    k->p[k->len++] = '\0';
}

static bool is_plain(struct slice s)
{
    return s.len <= PART_PLAIN_MAX &&
           (s.len == 0 || (memchr(s.p, 0, s.len) == NULL && memchr(s.p, 0xff, s.len) == NULL));
}

static void append(struct key *k, struct slice s, bool fold)
{
    assert(k->len + s.len <= sizeof k->p);
    for (size_t i = 0; i < s.len; i++) {
        k->p[k->len++] = fold ? slice_lower(s.p[i]) : s.p[i];
    }
}

static void append_hashed(struct key *k, struct slice s, bool fold)
{
    static const char hex[] = "0123456789abcdef";
    unsigned char digest[SHA256_DIGEST_LENGTH];
    unsigned char *whole = malloc(s.len + 1);
    if (whole == NULL) {
        log_fatal("registry", "Out of memory for a name: bytes=%zu", s.len);
    }
    for (size_t i = 0; i < s.len; i++) {
        whole[i] = (unsigned char)(fold ? slice_lower(s.p[i]) : s.p[i]);
    }
    SHA256(whole, s.len, digest);
    free(whole);
    struct slice head = slice_of(s.p, s.len < PART_HEAD ? s.len : PART_HEAD);
    for (size_t i = 0; i < head.len; i++) {
        if (head.p[i] == '\0' || head.p[i] == '\xff') {
            head.len = i;
        }
    }
    append(k, head, fold);
    char tail[1 + HASH_HEX];
    tail[0] = '\xff';
    for (size_t i = 0; i < sizeof digest; i++) {
        tail[1 + 2 * i] = hex[digest[i] >> 4];
        tail[2 + 2 * i] = hex[digest[i] & 15];
    }
    append(k, slice_of(tail, sizeof tail), false);
}

static void component(struct key *k, struct slice s, bool fold)
{
    if (k->parts > 0) {
        key_separator(k);
    }
    k->parts++;
    if (is_plain(s)) {
        append(k, s, fold);
    } else {
        append_hashed(k, s, fold);
    }
}

void key_name(struct key *k, struct slice name)
{
    component(k, name, true);
}

void key_id(struct key *k, struct slice id)
{
    component(k, id, false);
}

void key_kv(struct key *k, struct slice kv_key)
{
    key_reset(k);
    if (kv_key.len <= KV_PLAIN_MAX) {
        append(k, kv_key, false);
        return;
    }
    append(k, slice_of(kv_key.p, KV_PLAIN_MAX), false);
    k->p[k->len++] = '\xff';
    k->p[k->len++] = 'H';
    SHA256((const unsigned char *)kv_key.p, kv_key.len, (unsigned char *)k->p + k->len);
    k->len += SHA256_DIGEST_LENGTH;
}

bool key_kv_is_long(struct slice stored)
{
    return stored.len == KV_LONG;
}
