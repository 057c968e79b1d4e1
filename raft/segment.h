/* One file of the log: consecutive records behind a header. For raft/ only.
 *
 * Owns the file's layout, its growth and the judgement of what is found in it after a crash. Knows
 * nothing of other segments. One thread at a time.
 *
 * Torn or damaged? The writer never begins a group before the group in front of it is synced, so a
 * crash can leave only the last group in pieces. Hence, for a place where no valid record stands
 * although one should:
 *   - nothing valid behind it, or only records whose group began at or before it: the remains of a
 *     write that never completed, so never was acknowledged. *Torn*: cut, with a log line.
 *   - a valid record behind it whose group began later, or a segment behind it: this place had been
 *     synced. *Damaged*: E_CORRUPT, nothing is changed.
 * The last group of all cannot vouch for itself: damage to it looks torn. The store's applied index
 * is the witness for that case (repl_start).
 *
 * A segment's blocks are reserved at creation, and written once with zeros shortly before records
 * reach them, so that a sync changes no file metadata and costs one write. */
#ifndef RAFT_SEGMENT_H_
#define RAFT_SEGMENT_H_

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/list.h"
#include "base/slice.h"
#include "raft/file.h"
#include "raft/record.h"

enum {
    SEGMENT_NAME = 32,
    SEGMENT_ZERO_AHEAD = 512 * 1024, /* blocks are written with zeros up to multiples of this */
    SEGMENT_FILE_MAX = 1024 * 1024 * 1024, /* a larger file is not ours */
    SEGMENT_RECORDS_PER_WRITE = 256
};

struct segment {
    struct list link;
    char *path; /* owned */
    int fd;     /* open while it is the last one, else -1 */
    struct segment_header header;
    uint64_t next_index; /* of the record that would come next */
    uint64_t last_term;  /* 0 while empty */
    uint64_t end;        /* behind the last record */
    uint64_t zeroed;     /* bytes before this were written since the blocks were reserved */
    uint64_t size;       /* reserved */
};

/* What is written: index, place and group are the segment's business. Borrowed. */
struct segment_entry {
    uint64_t term;
    uint16_t type;
    uint32_t length;
    const void *payload;
};

/* Called for each record in order; an error (not 0) ends the load with it. */
typedef int (*segment_visit)(void *arg, const struct record *r, struct slice payload);

/* "00000000000000000042.log" */
void segment_name(char out[SEGMENT_NAME], uint64_t first_index);
/* The first index in @name; false if it is no segment's name. */
bool segment_name_parse(const char *name, uint64_t *first_index);

/* Make a new file of @size bytes in @dir, header written and everything synced, open it. E_NOSPACE,
 * E_IO, E_DENIED, E_NOMEM. */
int segment_create(const struct file_ops *ops,
                   const char *dir,
                   const struct segment_header *h,
                   uint64_t size,
                   struct segment **out,
                   struct errmsg *e);

/* Read the file of @dir that is named for @first_index. With @last a torn tail is cut; without it
 * any flaw is damage. *@out is NULL, and 0 returned, for a last file whose creation did not
 * complete: the caller removes it. E_CORRUPT, E_IO, E_NOMEM, E_DENIED, or what @visit returned. */
int segment_load(const struct file_ops *ops,
                 const char *dir,
                 uint64_t first_index,
                 bool last,
                 segment_visit visit,
                 void *arg,
                 struct segment **out,
                 struct errmsg *e);

/* Open a loaded segment for writing; makes what was read durable. */
int segment_open(const struct file_ops *ops, struct segment *s, struct errmsg *e);

/* Write @n entries (1 to SEGMENT_RECORDS_PER_WRITE, and they fit) behind the last record, as part
 * of @group; not synced. Any error leaves the file in an unknown state. */
int segment_append(const struct file_ops *ops,
                   struct segment *s,
                   const struct segment_entry *entries,
                   unsigned n,
                   uint64_t group,
                   bool zero_ahead,
                   struct errmsg *e);

/* Drop @index and what follows, durably. The segment is open. */
int segment_cut(const struct file_ops *ops, struct segment *s, uint64_t index, struct errmsg *e);

/* Close the file, if open, and free. NULL is fine. */
void segment_free(const struct file_ops *ops, struct segment *s);

#endif
