/* What the core remembers of each entry in the log: its size and its term.
 *
 * Needed to steer snapshots by bytes and to tell the term of an entry that is applied; the library
 * shows neither in a way that lasts between its versions. Pure; core thread only.
 *
 * Bounded by the log itself: 4 bytes an entry, 16 bytes a change of term. */
#ifndef RAFT_ENTRYMAP_H_
#define RAFT_ENTRYMAP_H_

#include <stddef.h>
#include <stdint.h>

struct entrymap_term {
    uint64_t first;
    uint64_t term;
};

struct entrymap {
    uint64_t first; /* index of the oldest entry known */
    uint64_t next;
    /* Private: sizes is a ring of cap (a power of two) numbers, that of `first` at head. */
    uint32_t *sizes;
    size_t cap;
    size_t head;
    struct entrymap_term *terms;
    size_t n_terms;
    size_t cap_terms;
};

/* Empty; the first entry will be @first. */
void entrymap_init(struct entrymap *m, uint64_t first);
void entrymap_fini(struct entrymap *m);

/* The entry m->next. Returns 0 or E_NOMEM. */
int entrymap_add(struct entrymap *m, uint64_t term, uint64_t size);
/* Forget @index and what follows. */
void entrymap_truncate(struct entrymap *m, uint64_t index);
/* Forget what is before @first. */
void entrymap_trim(struct entrymap *m, uint64_t first);

/* The term of @index; 0 when it is not known. */
uint64_t entrymap_term(const struct entrymap *m, uint64_t index);
/* The size of @index; 0 when it is not known. */
uint64_t entrymap_size(const struct entrymap *m, uint64_t index);
/* How many entries up to and including @index take at most @bytes together. */
uint64_t entrymap_fit(const struct entrymap *m, uint64_t index, uint64_t bytes);

#endif
