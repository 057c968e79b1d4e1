/* Draining a reply queue: the one thing the two doors share. */
#include "registry/port.h"

size_t reg_replies_run(struct queue *q)
{
    struct list got;
    struct list *l;
    list_init(&got);
    size_t n = queue_take(q, &got);
    while ((l = list_pop(&got)) != NULL) {
        struct reg_reply *reply = container_of(l, struct reg_reply, link);
        reply->done(reply); /* the last touch: it may free the request */
    }
    return n;
}
