/* One mutex; the critical sections are a few instructions, the splice of a list, or the wake-up:
 * that stays inside, so that a consumer that has taken an item may free the queue. */
#include "base/queue.h"

#include <assert.h>

#include "base/err.h"

void queue_init(struct queue *q, size_t max, void (*wake)(void *), void *wake_arg)
{
    q->wake = wake;
    q->wake_arg = wake_arg;
    int rc = pthread_mutex_init(&q->lock, NULL);
    assert(rc == 0);
    rc = pthread_cond_init(&q->more, NULL);
    assert(rc == 0);
    (void)rc;
    list_init(&q->items);
    q->count = 0;
    q->max = max;
    q->closed = false;
}

void queue_fini(struct queue *q)
{
    assert(list_empty(&q->items));
    pthread_mutex_destroy(&q->lock);
    pthread_cond_destroy(&q->more);
}

static int push(struct queue *q, struct list *item, size_t max)
{
    pthread_mutex_lock(&q->lock);
    if (q->closed || q->count >= max) {
        int rc = q->closed ? E_CANCELED : E_FULL;
        pthread_mutex_unlock(&q->lock);
        return rc;
    }
    bool was_empty = q->count == 0;
    list_push(&q->items, item);
    q->count++;
    if (was_empty) {
        pthread_cond_signal(&q->more);
        if (q->wake != NULL) {
            q->wake(q->wake_arg);
        }
    }
    pthread_mutex_unlock(&q->lock); /* the last touch: the consumer may free the queue now */
    return 0;
}

int queue_push(struct queue *q, struct list *item)
{
    return push(q, item, q->max);
}

bool queue_push_reply(struct queue *q, struct list *item)
{
    return push(q, item, (size_t)-1) == 0;
}

size_t queue_take(struct queue *q, struct list *out)
{
    pthread_mutex_lock(&q->lock);
    size_t n = q->count;
    list_splice(out, &q->items);
    q->count = 0;
    pthread_mutex_unlock(&q->lock);
    return n;
}

size_t queue_wait(struct queue *q, struct list *out)
{
    pthread_mutex_lock(&q->lock);
    while (q->count == 0 && !q->closed) {
        pthread_cond_wait(&q->more, &q->lock);
    }
    size_t n = q->count;
    list_splice(out, &q->items);
    q->count = 0;
    pthread_mutex_unlock(&q->lock);
    return n;
}

void queue_close(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->closed = true;
    pthread_cond_broadcast(&q->more);
    if (q->wake != NULL) {
        q->wake(q->wake_arg);
    }
    pthread_mutex_unlock(&q->lock);
}

size_t queue_count(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    size_t n = q->count;
    pthread_mutex_unlock(&q->lock);
    return n;
}
