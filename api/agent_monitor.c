/* GET agent/monitor: log lines as they come, until the client hangs up.
 *
 * A line may come from any thread: the watcher then pushes the monitor's reply to the loop's queue,
 * unless it is there already, and the loop sends what has gathered. While a chunk is on its way
 * nothing is taken, so that the watcher's buffer, which is bounded, is all that a slow client
 * holds.
 */
#include <stdatomic.h>

#include "api/handlers.h"
#include "base/err.h"
#include "base/log_watch.h"

struct monitor {
    struct api_req *r;
    struct log_watch *watch; /* NULL: the client is gone */
    struct reg_reply news;
    atomic_bool told; /* @news is in the queue */
};

static void send_lines(struct monitor *m)
{
    struct buf lines = BUF_INIT;
    if (m->watch != NULL && api_stream_ready(m->r)) {
        log_watch_take(m->watch, &lines);
        api_stream_send(m->r, buf_slice(&lines));
    }
    buf_fini(&lines);
}

static void on_news(struct reg_reply *reply)
{
    struct monitor *m = container_of(reply, struct monitor, news);
    atomic_store(&m->told, false);
    if (m->watch == NULL) {
        api_stream_end(m->r); /* frees @m */
    } else {
        send_lines(m);
    }
}

static void wake(void *arg)
{
    struct monitor *m = arg;
    if (!atomic_exchange(&m->told, true)) {
        (void)queue_push_reply(m->news.to, &m->news.link); /* drained until the loop is gone */
    }
}

static void on_sent(struct api_req *r)
{
    send_lines(r->user);
}

/* What is in the queue must come out of it before the request may go. */
static void on_closed(struct api_req *r)
{
    struct monitor *m = r->user;
    log_watch_stop(m->watch);
    m->watch = NULL;
    if (!atomic_load(&m->told)) {
        api_stream_end(r);
    }
}

void agent_monitor(struct api_req *r)
{
    struct slice word = {NULL, 0};
    enum log_level level = LOG_LEVEL_INFO;
    if (api_param(r, "loglevel", &word) && word.len > 0 && log_level_parse(word, &level) != 0) {
        api_reply_error(r, 400, "Unknown log level: %.*s", (int)word.len, word.p);
        return;
    }
    struct monitor *m = api_alloc(r, sizeof *m);
    m->r = r;
    m->news.to = api_reply_queue(r);
    m->news.done = on_news;
    list_init(&m->news.link);
    atomic_init(&m->told, false);
    int rc = log_watch_start(&m->watch, level, api_flag(r, "logjson"), wake, m);
    if (rc != 0) {
        api_reply_error(r, rc == E_FULL ? 429 : 503, "Too many monitors: %s", err_text(rc));
        return;
    }
    r->user = m;
    api_stream_begin(r, "text/plain; charset=utf-8", on_sent, on_closed);
}
