/* Stored keys: how names become LMDB keys of at most 511 bytes. Header for registry/ only.
 *
 * A composite key is its components joined by 0x00. Names of nodes and services are lower-cased;
 * ids are not. A component that is longer than 140 bytes, or holds 0x00 or 0xff, is stored as its
 * first bytes, 0xff and the hexadecimal SHA-256 of the whole: unique, and the record itself keeps
 * the text. KV keys (engine.md 5.5): up to 440 bytes as they are; longer ones as their first 440
 * bytes, 0xff, 'H' and the SHA-256 of the whole; those that share the 440 bytes form a bucket. */
#ifndef REGISTRY_KEYS_H_
#define REGISTRY_KEYS_H_

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"

enum { KEY_SIZE = 511, KV_PLAIN_MAX = 440 };

struct key {
    size_t len;
    unsigned parts;
    char p[KEY_SIZE];
};

static inline struct slice key_slice(const struct key *k)
{
    return slice_of(k->p, k->len);
}

void key_reset(struct key *k);
/* Append a component, with the separator when it is not the first. At most 3 components. */
void key_name(struct key *k, struct slice name); /* lower-cased */
void key_id(struct key *k, struct slice id);
/* Append the bare separator: what follows a complete component in a range's prefix. */
void key_separator(struct key *k);

void key_kv(struct key *k, struct slice kv_key);
/* True when @stored is the key of a bucket entry (a KV key above 440 bytes). */
bool key_kv_is_long(struct slice stored);

#endif
