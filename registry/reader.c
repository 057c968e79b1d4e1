/* An inbox holds up to INBOX_MAX change sets. A reader that does not look for longer than that is
 * told once that everything may have changed: it loses its cache, never a change. */
#include "registry/reader.h"

#include <assert.h>
#include <stdlib.h>

enum { INBOX_MAX = 512 };

int reg_reader_open(struct reg *r, void (*wake)(void *), void *wake_arg, struct reg_reader **out)
{
    struct reg_reader *rd = calloc(1, sizeof *rd);
    if (rd == NULL) {
        return E_NOMEM;
    }
    rd->inbox = calloc(INBOX_MAX, sizeof(struct reg_changes *));
    rd->watch = reg_watch_new();
    rd->tx = tx_read_new(r->tables);
    if (rd->inbox == NULL || rd->watch == NULL || rd->tx == NULL) {
        int rc = rd->inbox == NULL || rd->watch == NULL ? E_NOMEM : E_FULL;
        tx_read_free(rd->tx);
        reg_watch_free(rd->watch);
        free(rd->inbox);
        free(rd);
        return rc;
    }
    rd->reg = r;
    rd->wake = wake;
    rd->wake_arg = wake_arg;
    pthread_mutex_init(&rd->lock, NULL);
    pthread_mutex_lock(&r->readers_lock);
    list_push(&r->readers, &rd->link);
    rd->seen = atomic_load(&r->published);
    pthread_mutex_unlock(&r->readers_lock);
    *out = rd;
    return 0;
}

void reg_reader_close(struct reg_reader *rd)
{
    if (rd == NULL) {
        return;
    }
    assert(!rd->reading);
    pthread_mutex_lock(&rd->reg->readers_lock);
    list_remove(&rd->link);
    pthread_mutex_unlock(&rd->reg->readers_lock);
    for (unsigned i = 0; i < rd->n_inbox; i++) {
        reg_changes_unref(rd->inbox[i]);
    }
    pthread_mutex_destroy(&rd->lock);
    tx_read_free(rd->tx);
    reg_watch_free(rd->watch);
    free(rd->inbox);
    free(rd);
}

struct reg_watch *reg_reader_watch(struct reg_reader *rd)
{
    return rd->watch;
}

static void deliver(struct reg_reader *rd, struct reg_changes *c)
{
    pthread_mutex_lock(&rd->lock);
    if (rd->n_inbox < INBOX_MAX) {
        atomic_fetch_add(&c->refs, 1);
        rd->inbox[rd->n_inbox++] = c;
    } else {
        rd->overflow = true;
    }
    rd->inbox_index = c->index;
    pthread_mutex_unlock(&rd->lock);
}

void readers_announce(struct reg *r, struct reg_changes *c)
{
    pthread_mutex_lock(&r->readers_lock);
    for (struct list *l = r->readers.next; l != &r->readers; l = l->next) {
        deliver(container_of(l, struct reg_reader, link), c);
    }
    atomic_store(&r->published, c->index);
    for (struct list *l = r->readers.next; l != &r->readers; l = l->next) {
        struct reg_reader *rd = container_of(l, struct reg_reader, link);
        if (rd->wake != NULL && reg_watch_wants(rd->watch, c)) {
            rd->wake(rd->wake_arg);
        }
    }
    pthread_mutex_unlock(&r->readers_lock);
}

void reg_reader_sync(struct reg_reader *rd)
{
    assert(!rd->reading);
    struct reg_changes *batch[64];
    bool more = true;
    while (more) {
        pthread_mutex_lock(&rd->lock);
        bool overflow = rd->overflow;
        unsigned n = rd->n_inbox;
        unsigned take = n < 64 ? n : 64;
        for (unsigned i = 0; i < take; i++) {
            batch[i] = rd->inbox[i];
        }
        for (unsigned i = take; i < n; i++) {
            rd->inbox[i - take] = rd->inbox[i];
        }
        rd->n_inbox = n - take;
        more = rd->n_inbox > 0;
        uint64_t upto = rd->inbox_index;
        if (!more) {
            rd->overflow = false;
        }
        pthread_mutex_unlock(&rd->lock);
        for (unsigned i = 0; i < take; i++) {
            rd->seen = batch[i]->index;
            reg_watch_fire(rd->watch, batch[i]);
            reg_changes_unref(batch[i]);
        }
        if (!more && overflow) {
            const struct reg_changes everything = {.all = true};
            rd->seen = upto;
            reg_watch_fire(rd->watch, &everything);
        }
    }
}

uint64_t reg_reader_seen(const struct reg_reader *rd)
{
    return rd->seen;
}

void reg_read_begin(struct reg_reader *rd)
{
    assert(!rd->reading);
    rd->reading = true;
    tx_read_begin(rd->tx);
    struct slice v;
    if (tx_get(rd->tx, T_META, state_key, &v)) {
        stored_must(state_decode(v, &rd->state), "state row");
    } else {
        rd->state = (struct state){.index = 1};
    }
}

void reg_read_end(struct reg_reader *rd)
{
    assert(rd->reading);
    rd->reading = false;
    tx_read_end(rd->tx);
}
