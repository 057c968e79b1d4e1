/* Work that takes long, on a thread of its own: one thread for each, joined when its reply arrives.
 * A few at a time are enough, since only an operator's requests need one. */
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>

#include "api/request.h"

static atomic_uint working; /* of all loops */

static void *run(void *arg)
{
    struct request *r = arg;
    r->job.work(r->job.arg);
    /* The loop drains its queue before it closes it, and frees @r from then on. */
    (void)queue_push_reply(r->job.reply.to, &r->job.reply.link);
    return NULL;
}

static void worked(struct request *r)
{
    r->job.done(&r->pub, r->job.arg);
}

static void on_worked(struct reg_reply *reply)
{
    struct request_job *job = container_of(reply, struct request_job, reply);
    int rc = pthread_join(job->thread, NULL); /* pushing was its last act */
    assert(rc == 0);
    (void)rc;
    atomic_fetch_sub(&working, 1);
    request_go_on(container_of(job, struct request, job), worked);
}

void api_work(struct api_req *pub,
              void (*work)(void *arg),
              void *arg,
              void (*done)(struct api_req *r, void *arg))
{
    struct request *r = request_of(pub);
    assert(r->pending == 0 && r->in_call);
    r->job = (struct request_job){.reply = {.to = r->loop->replies, .done = on_worked},
                                  .work = work,
                                  .arg = arg,
                                  .done = done};
    list_init(&r->job.reply.link);
    r->pending = 1;
    if (atomic_fetch_add(&working, 1) < API_WORKERS_MAX &&
        pthread_create(&r->job.thread, NULL, run, r) == 0) {
        return;
    }
    atomic_fetch_sub(&working, 1);
    r->pending = 0;
    request_busy(pub);
}
