/* Group commit: the jobs that arrive while one fdatasync runs share the next. */
#include "raft/writer.h"

#include "base/err.h"
#include "base/log.h"

static int run_job(struct writer *w, struct writer_job *job, bool *unsynced, struct errmsg *e)
{
    switch (job->kind) {
        case WRITER_APPEND:
            *unsynced = true;
            return logstore_append(w->store, job->entries, job->n, e);
        case WRITER_TRUNCATE:
            *unsynced = false; /* cutting syncs what is in front of the cut */
            return logstore_truncate(w->store, job->index, e);
        case WRITER_SNAPSHOT:
            return logstore_snapshot(w->store, &job->meta, job->discard, e);
    }
    return err_set(e, E_INVAL, "unknown job");
}

/* Run @jobs, then make them durable. */
static int run_all(struct writer *w, struct list *jobs, struct errmsg *e)
{
    bool unsynced = false;
    for (struct list *at = jobs->next; at != jobs; at = at->next) {
        int rc = run_job(w, container_of(at, struct writer_job, link), &unsynced, e);
        if (rc != 0) {
            return rc;
        }
    }
    return unsynced ? logstore_sync(w->store, e) : 0;
}

static void *run(void *arg)
{
    struct writer *w = arg;
    struct list jobs;
    list_init(&jobs);
    while (queue_wait(&w->jobs, &jobs) > 0) {
        struct errmsg e = {""};
        if (run_all(w, &jobs, &e) != 0) {
            log_fatal("raft", "Cannot write the log, ending: error=\"%s\"", e.text);
        }
        struct list *link;
        while ((link = list_pop(&jobs)) != NULL) {
            (void)queue_push_reply(w->done, link); /* its owner closes it after writer_stop() */
        }
    }
    return NULL;
}

int writer_start(struct writer *w, struct logstore *store, struct queue *done)
{
    w->store = store;
    w->done = done;
    queue_init(&w->jobs, WRITER_JOBS_MAX, NULL, NULL);
    if (pthread_create(&w->thread, NULL, run, w) != 0) {
        queue_fini(&w->jobs);
        return E_NOMEM;
    }
    (void)pthread_setname_np(w->thread, "raft-writer"); /* for the eye only */
    return 0;
}

void writer_stop(struct writer *w)
{
    queue_close(&w->jobs);
    (void)pthread_join(w->thread, NULL); /* fails only for a thread that does not exist */
    queue_fini(&w->jobs);
}

void writer_push(struct writer *w, struct writer_job *job)
{
    int rc = queue_push(&w->jobs, &job->link);
    if (rc != 0) {
        log_fatal("raft", "The log writer does not keep up, ending: error=\"%s\" jobs=%d",
                  err_text(rc), WRITER_JOBS_MAX);
    }
}

size_t writer_jobs_run(struct queue *done)
{
    struct list jobs;
    list_init(&jobs);
    size_t n = queue_take(done, &jobs);
    struct list *link;
    while ((link = list_pop(&jobs)) != NULL) {
        struct writer_job *job = container_of(link, struct writer_job, link);
        job->done(job);
    }
    return n;
}
