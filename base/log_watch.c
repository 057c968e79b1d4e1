/* One lock for all watchers. The log knows of them by one tap, which is there while somebody
 * watches, at the lowest level that any of them asks for. */
#include "base/log_watch.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/list.h"

struct log_watch {
    struct list link;
    enum log_level lowest;
    bool json;
    void (*wake)(void *arg);
    void *arg;
    struct buf lines;
    unsigned long long dropped;
};

static struct {
    pthread_mutex_t lock;
    struct list watches;
    unsigned n;
} all = {.lock = PTHREAD_MUTEX_INITIALIZER, .watches = {&all.watches, &all.watches}};

/* Under the lock. False: no room. */
static bool add_line(struct log_watch *w, enum log_level level, const char *area, struct slice text)
{
    char line[LOG_LINE_MAX];
    size_t n = log_format(line, level, area, text, w->json);
    if (w->lines.len + n > LOG_WATCH_BYTES) {
        return false;
    }
    buf_add(&w->lines, line, n);
    return buf_ok(&w->lines);
}

/* Say how many lines are missing, once there is room for that. */
static bool tell_dropped(struct log_watch *w)
{
    char text[80];
    int n = snprintf(text, sizeof text, "Log lines were dropped: count=%llu", w->dropped);
    return add_line(w, LOG_LEVEL_WARN, "monitor", slice_of(text, (size_t)n));
}

static void on_line(enum log_level level, const char *area, struct slice text)
{
    pthread_mutex_lock(&all.lock);
    for (struct list *l = all.watches.next; l != &all.watches; l = l->next) {
        struct log_watch *w = container_of(l, struct log_watch, link);
        if (level < w->lowest) {
            continue;
        }
        bool was_empty = w->lines.len == 0;
        if (w->dropped > 0 && tell_dropped(w)) {
            w->dropped = 0;
        }
        if (w->dropped > 0 || !add_line(w, level, area, text)) {
            w->dropped++;
        }
        if (was_empty && w->lines.len > 0) {
            w->wake(w->arg);
        }
    }
    pthread_mutex_unlock(&all.lock);
}

/* Under the lock. */
static void set_tap(void)
{
    enum log_level lowest = LOG_LEVEL_ERROR;
    for (struct list *l = all.watches.next; l != &all.watches; l = l->next) {
        const struct log_watch *w = container_of(l, struct log_watch, link);
        lowest = w->lowest < lowest ? w->lowest : lowest;
    }
    log_set_tap(all.n > 0 ? on_line : NULL, lowest);
}

int log_watch_start(struct log_watch **out,
                    enum log_level lowest,
                    bool json,
                    void (*wake)(void *arg),
                    void *arg)
{
    struct log_watch *w = calloc(1, sizeof *w);
    if (w == NULL) {
        return E_NOMEM;
    }
    w->lowest = lowest;
    w->json = json;
    w->wake = wake;
    w->arg = arg;
    pthread_mutex_lock(&all.lock);
    bool full = all.n == LOG_WATCH_MAX;
    if (!full) {
        list_push(&all.watches, &w->link);
        all.n++;
        set_tap();
    }
    pthread_mutex_unlock(&all.lock);
    if (full) {
        free(w);
        return E_FULL;
    }
    *out = w;
    return 0;
}

void log_watch_stop(struct log_watch *w)
{
    if (w == NULL) {
        return;
    }
    pthread_mutex_lock(&all.lock);
    list_remove(&w->link);
    all.n--;
    set_tap();
    pthread_mutex_unlock(&all.lock);
    buf_fini(&w->lines);
    free(w);
}

void log_watch_take(struct log_watch *w, struct buf *out)
{
    pthread_mutex_lock(&all.lock);
    buf_add_slice(out, buf_slice(&w->lines));
    buf_reset(&w->lines);
    if (w->dropped > 0 && tell_dropped(w)) {
        w->dropped = 0;
        buf_add_slice(out, buf_slice(&w->lines));
        buf_reset(&w->lines);
    }
    pthread_mutex_unlock(&all.lock);
}
