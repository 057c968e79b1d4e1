/* Watching the log: a second reader of its lines, at a level of its own.
 *
 * Each watcher has a buffer of at most LOG_WATCH_BYTES; lines that find no room in it are dropped
 * and counted, and a line says so as soon as there is room. Logging never waits for a watcher. At
 * most LOG_WATCH_MAX watchers at a time. */
#ifndef BASE_LOG_WATCH_H_
#define BASE_LOG_WATCH_H_

#include "base/buf.h"
#include "base/log.h"

enum { LOG_WATCH_MAX = 32, LOG_WATCH_BYTES = 256 * 1024 };

struct log_watch;

/* Begin: lines from @lowest up, as text or JSON. @wake runs on the thread that logs, under a lock,
 * when the buffer turns non-empty; it must not block or log. E_FULL, E_NOMEM. */
int log_watch_start(struct log_watch **out,
                    enum log_level lowest,
                    bool json,
                    void (*wake)(void *arg),
                    void *arg);
/* End; @wake does not run any more when this returns. NULL is fine. */
void log_watch_stop(struct log_watch *w);
/* Append the lines there are to @out and forget them. */
void log_watch_take(struct log_watch *w, struct buf *out);

#endif
