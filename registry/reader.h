/* Readers: a read transaction, an inbox of changes and a watch table for each reading thread.
 * Header for registry/ only; the public part is in store.h. */
#ifndef REGISTRY_READER_H_
#define REGISTRY_READER_H_

#include "registry/state.h"

struct reg_reader {
    struct reg *reg;
    struct tx *tx;
    struct state state; /* as of reg_read_begin() */
    bool reading;
    struct reg_watch *watch;
    void (*wake)(void *);
    void *wake_arg;
    uint64_t seen;
    struct list link; /* in reg.readers */
    /* The inbox: written by the writer, read by the owner. */
    pthread_mutex_t lock;
    struct reg_changes **inbox;
    unsigned n_inbox;
    bool overflow; /* changes were dropped: everything may have changed */
    uint64_t inbox_index;
};

/* Writer thread: put @c into every inbox, publish its index, wake who waits for it. */
void readers_announce(struct reg *r, struct reg_changes *c);

#endif
