/* A bounded queue from many threads to one: how threads hand work to each other.
 *
 * Holds intrusive links; never allocates. The consumer takes everything at once. The producer that
 * makes an empty queue non-empty calls the wake function (typically uv_async_send), so a burst
 * costs one wake-up. Once the consumer has taken an item, its producer touches the queue no more:
 * a queue on the stack of a thread that waits for one answer is fine. Items pushed before
 * queue_close() are still taken. */
#ifndef BASE_QUEUE_H_
#define BASE_QUEUE_H_

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/list.h"

struct queue {
    void (*wake)(void *arg);
    void *wake_arg;
    /* Private. */
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct list items;
    size_t count;
    size_t max;
    bool closed;
};

/* At most @max items. @wake may be NULL (a consumer that uses queue_wait()); it runs on the
 * producer's thread, under the queue's lock, and must not block. */
void queue_init(struct queue *q, size_t max, void (*wake)(void *), void *wake_arg);
/* The queue must be empty, and no other thread may use it any more. */
void queue_fini(struct queue *q);

/* Any thread. 0: the consumer owns @item. E_FULL: @max items wait. E_CANCELED: closed. On an error
 * the caller keeps @item. */
int queue_push(struct queue *q, struct list *item);
/* As queue_push() but never refuses for being full: for answers, whose number is bounded by the
 * requests they answer. Returns false only when the queue is closed. */
bool queue_push_reply(struct queue *q, struct list *item);

/* Consumer only: move all items to @out (initialised by the caller). Returns how many. */
size_t queue_take(struct queue *q, struct list *out);
/* Consumer only: as queue_take(), but sleeps until there is an item or the queue is closed.
 * Returns 0 only when closed and empty. */
size_t queue_wait(struct queue *q, struct list *out);

/* Any thread: refuse further items and wake the consumer. */
void queue_close(struct queue *q);
/* Any thread: a snapshot of the number of items. */
size_t queue_count(struct queue *q);

#endif
