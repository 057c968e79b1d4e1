/* Log lines: one stable sentence, then key=value pairs.
 *
 *     log_info("agent", "Synced service: service=%s index=%llu", id, index);
 *
 * Each line is one write(2) to one descriptor, as text in Consul's layout
 * (`2026-01-02T03:04:05.678Z [INFO]  agent: Synced service: service=web index=7`) or as JSON, where
 * the pairs behind the first ": " become fields of their own. Control characters are escaped. The
 * caller keeps tokens and other secrets out. A line is cut at 4 KiB. Any thread. */
#ifndef BASE_LOG_H_
#define BASE_LOG_H_

#include <stdbool.h>

#include "base/slice.h"

enum log_level {
    LOG_LEVEL_TRACE,
    LOG_LEVEL_DEBUG,
    LOG_LEVEL_INFO,
    LOG_LEVEL_WARN,
    LOG_LEVEL_ERROR
};

/* Where and how to write from now on; call before other threads start. @fd is borrowed. Before
 * that, lines from "info" up go to standard error as text. */
void log_setup(int fd, enum log_level lowest, bool json);
/* May be called at any time (reload). */
void log_set_level(enum log_level lowest);
bool log_enabled(enum log_level level);
/* "trace" "debug" "info" "warn" "error" "err", any case. Returns 0; E_INVAL for other words. */
int log_level_parse(struct slice s, enum log_level *out);

void log_write(enum log_level level, const char *area, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

enum { LOG_LINE_MAX = 4096 };

/* Another taker of lines, from @lowest up, whatever log_set_level() says; NULL ends it. @tap runs
 * on the thread that logs and must not log. For base/log_watch.h. */
typedef void (*log_tap_fn)(enum log_level level, const char *area, struct slice text);
void log_set_tap(log_tap_fn tap, enum log_level lowest);
/* One line as it would be written now, newline included. Returns its length. */
size_t log_format(char line[LOG_LINE_MAX],
                  enum log_level level,
                  const char *area,
                  struct slice text,
                  bool json);

#define LOG_IF(level, ...)                 \
    do {                                   \
        if (log_enabled(level)) {          \
            log_write(level, __VA_ARGS__); \
        }                                  \
    } while (0)

#define log_trace(...) LOG_IF(LOG_LEVEL_TRACE, __VA_ARGS__) /* off unless asked for */
#define log_debug(...) LOG_IF(LOG_LEVEL_DEBUG, __VA_ARGS__) /* for whoever debugs */
#define log_info(...) LOG_IF(LOG_LEVEL_INFO, __VA_ARGS__)   /* a change of state */
#define log_warn(...) LOG_IF(LOG_LEVEL_WARN, __VA_ARGS__)   /* we coped */
#define log_error(...) LOG_IF(LOG_LEVEL_ERROR, __VA_ARGS__) /* a person must act */

/* Log at error level and end the process at once with status 70 (EX_SOFTWARE): for disk errors and
 * broken invariants after which nothing more may be acknowledged. Runs no exit handlers. */
void log_fatal(const char *area, const char *fmt, ...)
    __attribute__((format(printf, 2, 3), noreturn));

#endif
