/* A header is 512 bytes of fixed fields, numbers in octal text:
 *
 *     0 name 100 | 100 mode 8 | 108 uid 8 | 116 gid 8 | 124 size 12 | 136 mtime 12 | 148 checksum 8
 *     156 type 1 | 157 link 100 | 257 "ustar" 6 | 263 "00" | ... zeros
 *
 * The checksum is the sum of all bytes with its own field read as spaces. */
#include "registry/tar.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"

enum {
    MODE_AT = 100,
    UID_AT = 108,
    GID_AT = 116,
    SIZE_AT = 124,
    MTIME_AT = 136,
    SUM_AT = 148,
    TYPE_AT = 156,
    MAGIC_AT = 257,
    SUM_LEN = 8
};

static unsigned checksum(const char block[TAR_BLOCK])
{
    unsigned sum = SUM_LEN * ' ';
    for (unsigned i = 0; i < TAR_BLOCK; i++) {
        sum += i < SUM_AT || i >= SUM_AT + SUM_LEN ? (unsigned char)block[i] : 0;
    }
    return sum;
}

/* @digits octal digits and a NUL. */
static void put_octal(char *at, unsigned digits, uint64_t v)
{
    for (unsigned i = digits; i > 0; i--) {
        at[i - 1] = (char)('0' + (v & 7));
        v >>= 3;
    }
    at[digits] = '\0';
}

void tar_header(char block[TAR_BLOCK], const char *name, uint64_t size, int64_t mtime_s)
{
    assert(strlen(name) <= TAR_NAME_MAX);
    assert(size <= TAR_SIZE_MAX);
    memset(block, 0, TAR_BLOCK);
    memcpy(block, name, strlen(name));
    put_octal(block + MODE_AT, 7, 0600);
    put_octal(block + UID_AT, 7, 0);
    put_octal(block + GID_AT, 7, 0);
    put_octal(block + SIZE_AT, 11, size);
    put_octal(block + MTIME_AT, 11, mtime_s < 0 ? 0 : (uint64_t)mtime_s);
    block[TYPE_AT] = '0';
    memcpy(block + MAGIC_AT, "ustar\00000", 8);
    put_octal(block + SUM_AT, 6, checksum(block));
    block[SUM_AT + 7] = ' ';
}

/* Digits up to a NUL or a space, the whole field at most. */
static bool get_octal(const char *at, unsigned len, uint64_t *v)
{
    unsigned i = 0;
    *v = 0;
    for (; i < len && at[i] >= '0' && at[i] <= '7'; i++) {
        *v = *v << 3 | (uint64_t)(at[i] - '0');
    }
    return i > 0 && (i == len || at[i] == '\0' || at[i] == ' ');
}

int tar_parse(const char block[TAR_BLOCK], struct tar_entry *out)
{
    static const char zeros[TAR_BLOCK];
    uint64_t sum;
    memset(out, 0, sizeof *out);
    if (memcmp(block, zeros, TAR_BLOCK) == 0) {
        out->end = true;
        return 0;
    }
    bool plain = block[TYPE_AT] == '0' || block[TYPE_AT] == '\0';
    if (!get_octal(block + SUM_AT, SUM_LEN, &sum) || sum != checksum(block) || !plain ||
        memcmp(block + MAGIC_AT, "ustar", 5) != 0 || block[TAR_NAME_MAX] != '\0' ||
        !get_octal(block + SIZE_AT, 12, &out->size) || out->size > TAR_SIZE_MAX) {
        return E_CORRUPT;
    }
    memcpy(out->name, block, TAR_NAME_MAX);
    return 0;
}
