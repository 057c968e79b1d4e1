/* Headers of tar entries, as POSIX ustar has them: as much as an archive of three plain files
 * needs.
 *
 * Writes regular files with a short name; reads the same and refuses everything else (links,
 * directories, long names): what we did not write we do not guess at. Pure. */
#ifndef REGISTRY_TAR_H_
#define REGISTRY_TAR_H_

#include <stdbool.h>
#include <stdint.h>

enum { TAR_BLOCK = 512, TAR_NAME_MAX = 99 };
#define TAR_SIZE_MAX (((uint64_t)1 << 33) - 1) /* eleven octal digits */

struct tar_entry {
    char name[TAR_NAME_MAX + 1];
    uint64_t size;
    bool end; /* a block of zeros: no entry follows */
};

/* Write the header of a file of mode 0600. @name has at most TAR_NAME_MAX bytes, @size is at most
 * TAR_SIZE_MAX. */
void tar_header(char block[TAR_BLOCK], const char *name, uint64_t size, int64_t mtime_s);

/* Returns 0 or E_CORRUPT: the checksum is wrong, or it is no plain file. */
int tar_parse(const char block[TAR_BLOCK], struct tar_entry *out);

/* Bytes that fill the last block of a file of @size bytes. */
static inline unsigned tar_padding(uint64_t size)
{
    return (unsigned)(-size % TAR_BLOCK);
}

#endif
