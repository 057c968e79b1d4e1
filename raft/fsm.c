/* A lock of its own instead of base/queue.h, since three parties wait here for three things. */
#include "raft/fsm.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/metrics.h"

struct fsm_entry {
    struct list link;
    uint64_t index;
    uint64_t term;
    struct list proposals; /* one for each command, or empty */
    unsigned n_proposals;
    size_t len;
    char bytes[];
};

static struct fsm_entry *of(struct list *link)
{
    return container_of(link, struct fsm_entry, link);
}

/* Wait for entries and move to @out what goes into one transaction. False: nothing will come. */
static bool take(struct fsm *f, struct list *out)
{
    pthread_mutex_lock(&f->lock);
    while (list_empty(&f->entries) && !f->stopping) {
        pthread_cond_wait(&f->more, &f->lock);
    }
    size_t bytes = 0;
    while (!list_empty(&f->entries) && bytes < FSM_TXN_BYTES) {
        struct list *link = list_pop(&f->entries);
        bytes += of(link)->len;
        list_push(out, link);
    }
    pthread_mutex_unlock(&f->lock);
    return !list_empty(out);
}

static void apply(struct fsm *f, struct fsm_entry *en)
{
    unsigned n = 0;
    reg_apply(f->store, en->index, en->term, slice_of(en->bytes, en->len), f->results,
              en->n_proposals, &n);
    if (en->n_proposals == 0) {
        return;
    }
    assert(n == en->n_proposals);
    unsigned i = 0;
    for (struct list *at = en->proposals.next; at != &en->proposals; at = at->next) {
        struct reg_proposal *p = container_of(at, struct reg_proposal, reply.link);
        p->status = 0;
        p->result = f->results[i++];
    }
}

static void answer(struct fsm_entry *en)
{
    struct list *link;
    while ((link = list_pop(&en->proposals)) != NULL) {
        struct reg_proposal *p = container_of(link, struct reg_proposal, reply.link);
        (void)queue_push_reply(p->reply.to,
                               link); /* the asker drains its queue before closing it */
    }
}

/* Tell those who wait. */
static void committed(struct fsm *f, uint64_t index, size_t count, size_t bytes)
{
    pthread_mutex_lock(&f->lock);
    f->committed = index;
    f->count -= count;
    f->bytes -= bytes;
    bool room = f->was_full && f->count < FSM_SOFT;
    f->was_full = f->was_full && !room;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
    if (room) {
        f->room(f->room_arg);
    }
}

static void *run(void *arg)
{
    struct fsm *f = arg;
    struct list taken;
    list_init(&taken);
    while (take(f, &taken)) {
        size_t count = 0;
        size_t bytes = 0;
        uint64_t began_ns = clock_mono_ns();
        for (struct list *at = taken.next; at != &taken; at = at->next) {
            apply(f, of(at));
            count++;
            bytes += of(at)->len;
        }
        reg_commit(f->store);
        metrics_observe_ns(f->metric_apply, clock_mono_ns() - began_ns);
        /* Answers first: somebody waits for them, while room is only wanted when there is load. */
        uint64_t index = of(taken.prev)->index;
        struct list *link;
        while ((link = list_pop(&taken)) != NULL) {
            answer(of(link));
            free(of(link));
        }
        committed(f, index, count, bytes);
    }
    return NULL;
}

int fsm_start(struct fsm *f,
              struct reg *store,
              uint64_t committed_index,
              void (*room)(void *arg),
              void *room_arg)
{
    memset(f, 0, sizeof *f);
    f->store = store;
    f->room = room;
    f->room_arg = room_arg;
    f->committed = committed_index;
    list_init(&f->entries);
    f->metric_apply = metrics_declare(&(struct metric_spec){
        .kind = METRIC_SUMMARY,
        .name = "consul.raft.fsm.apply",
        .help = "Milliseconds to apply and commit what was ready, one or more log entries.",
    });
    f->results = calloc(REG_BATCH_COMMANDS_MAX, sizeof *f->results);
    if (f->results == NULL) {
        return E_NOMEM;
    }
    /* These fail only for attributes, and none are given. */
    (void)pthread_mutex_init(&f->lock, NULL);
    (void)pthread_cond_init(&f->more, NULL);
    (void)pthread_cond_init(&f->changed, NULL);
    if (pthread_create(&f->thread, NULL, run, f) != 0) {
        free(f->results);
        return E_NOMEM;
    }
    (void)pthread_setname_np(f->thread, "raft-fsm"); /* for the eye only */
    return 0;
}

void fsm_stop(struct fsm *f)
{
    pthread_mutex_lock(&f->lock);
    f->stopping = true;
    pthread_cond_signal(&f->more);
    pthread_mutex_unlock(&f->lock);
    (void)pthread_join(f->thread, NULL); /* fails only for a thread that does not exist */
    pthread_mutex_destroy(&f->lock);
    pthread_cond_destroy(&f->more);
    pthread_cond_destroy(&f->changed);
    free(f->results);
}

void fsm_push(struct fsm *f,
              uint64_t index,
              uint64_t term,
              struct slice entry,
              struct list *proposals,
              unsigned n)
{
    struct fsm_entry *en = malloc(sizeof *en + entry.len);
    if (en == NULL) {
        log_fatal("raft", "No memory to apply an entry, ending: index=%llu bytes=%zu",
                  (unsigned long long)index, entry.len);
    }
    list_init(&en->link);
    list_init(&en->proposals);
    en->index = index;
    en->term = term;
    en->n_proposals = n;
    en->len = entry.len;
    memcpy(en->bytes, entry.p, entry.len);
    if (proposals != NULL) {
        list_splice(&en->proposals, proposals);
    }
    pthread_mutex_lock(&f->lock);
    while (f->count > 0 && (f->count >= FSM_HARD || f->bytes + entry.len > FSM_HARD_BYTES)) {
        pthread_cond_wait(&f->changed, &f->lock);
    }
    assert(!f->stopping);
    bool was_empty = list_empty(&f->entries);
    list_push(&f->entries, &en->link);
    f->pushed = index;
    f->count++;
    f->bytes += entry.len;
    pthread_mutex_unlock(&f->lock);
    if (was_empty) {
        pthread_cond_signal(&f->more); /* outside, so that it does not wake up to a taken lock */
    }
}

bool fsm_full(struct fsm *f)
{
    pthread_mutex_lock(&f->lock);
    bool full = f->count >= FSM_SOFT;
    f->was_full = f->was_full || full;
    pthread_mutex_unlock(&f->lock);
    return full;
}

void fsm_wait(struct fsm *f, uint64_t index)
{
    pthread_mutex_lock(&f->lock);
    while (f->committed < index) {
        pthread_cond_wait(&f->changed, &f->lock);
    }
    pthread_mutex_unlock(&f->lock);
}

void fsm_drain(struct fsm *f)
{
    pthread_mutex_lock(&f->lock);
    uint64_t index = f->pushed;
    while (f->committed < index) {
        pthread_cond_wait(&f->changed, &f->lock);
    }
    pthread_mutex_unlock(&f->lock);
}

uint64_t fsm_committed(struct fsm *f)
{
    pthread_mutex_lock(&f->lock);
    uint64_t index = f->committed;
    pthread_mutex_unlock(&f->lock);
    return index;
}
