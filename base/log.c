/* A line is built on the stack and written with one call, so lines of several threads never mix. */
#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"

enum { EX_SOFTWARE_STATUS = 70 };

static int out_fd = 2;
static bool out_json;
static atomic_int out_lowest = LOG_LEVEL_INFO;
static atomic_int any_lowest = LOG_LEVEL_INFO; /* of the output and the tap */
static _Atomic(log_tap_fn) tap_fn;
static atomic_int tap_lowest;

static const char *const level_text[] = {"[TRACE]", "[DEBUG]", "[INFO] ", "[WARN] ", "[ERROR]"};
static const char *const level_word[] = {"trace", "debug", "info", "warn", "error"};

/* Two threads that set a level at once may both miss the other's; the next one to set it mends
 * that. In practice only the main thread sets levels, and taps come and go under a lock. */
static void set_any(void)
{
    int lowest = atomic_load(&out_lowest);
    if (atomic_load(&tap_fn) != NULL && atomic_load(&tap_lowest) < lowest) {
        lowest = atomic_load(&tap_lowest);
    }
    atomic_store(&any_lowest, lowest);
}

void log_setup(int fd, enum log_level lowest, bool json)
{
    out_fd = fd;
    out_json = json;
    log_set_level(lowest);
}

void log_set_level(enum log_level lowest)
{
    atomic_store(&out_lowest, (int)lowest);
    set_any();
}

void log_set_tap(log_tap_fn tap, enum log_level lowest)
{
    atomic_store(&tap_lowest, (int)lowest);
    atomic_store(&tap_fn, tap);
    set_any();
}

bool log_enabled(enum log_level level)
{
    return (int)level >= atomic_load_explicit(&any_lowest, memory_order_relaxed);
}

int log_level_parse(struct slice s, enum log_level *out)
{
    for (int i = LOG_LEVEL_TRACE; i <= LOG_LEVEL_ERROR; i++) {
        if (slice_ieq(s, slice_str(level_word[i]))) {
            *out = (enum log_level)i;
            return 0;
        }
    }
    if (slice_ieq(s, slice_str("err"))) {
        *out = LOG_LEVEL_ERROR;
        return 0;
    }
    return E_INVAL;
}

/* A line under construction; silently full at its end. */
struct line {
    char *p; /* LOG_LINE_MAX bytes */
    size_t len;
};

static void put(struct line *l, char c)
{
    if (l->len < LOG_LINE_MAX - 1) { /* one byte stays for the newline */
        l->p[l->len++] = c;
    }
}

static void put_str(struct line *l, const char *s)
{
    while (*s != '\0') {
        put(l, *s++);
    }
}

/* Bytes with control characters (and for JSON quotes and backslashes) escaped. */
static void put_escaped(struct line *l, struct slice s, bool json)
{
    static const char hex[] = "0123456789abcdef";
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == '\n') {
            put_str(l, "\\n");
        } else if (c < 0x20 || c == 0x7f) {
            put_str(l, json ? "\\u00" : "\\x");
            put(l, hex[c >> 4]);
            put(l, hex[c & 15]);
        } else {
            if (json && (c == '"' || c == '\\')) {
                put(l, '\\');
            }
            put(l, (char)c);
        }
    }
}

static void put_time(struct line *l)
{
    int64_t ns = clock_wall_ns();
    time_t s = (time_t)(ns / 1000000000);
    struct tm tm;
    char text[40];
    if (gmtime_r(&s, &tm) == NULL) {
        return;
    }
    size_t n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    (void)snprintf(text + n, sizeof text - n, ".%03dZ", (int)(ns / 1000000 % 1000));
    put_str(l, text);
}

static void put_json_field(struct line *l, struct slice key, struct slice value)
{
    put_str(l, ",\"");
    put_escaped(l, key, true);
    put_str(l, "\":\"");
    put_escaped(l, value, true);
    put(l, '"');
}

static bool is_key(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] != '_' && (s.p[i] < 'a' || s.p[i] > 'z')) {
            return false;
        }
    }
    return s.len > 0;
}

/* The sentence, and each `key=value` behind its first ": " as a field. */
static void put_json_message(struct line *l, struct slice text)
{
    size_t cut = 0;
    while (cut + 1 < text.len && !(text.p[cut] == ':' && text.p[cut + 1] == ' ')) {
        cut++;
    }
    const char *eq = cut + 1 < text.len ? memchr(text.p + cut, '=', text.len - cut) : NULL;
    bool pairs = eq != NULL && is_key(slice_of(text.p + cut + 2, (size_t)(eq - text.p) - cut - 2));
    put_json_field(l, SLICE_LIT("@message"), slice_of(text.p, pairs ? cut : text.len));
    const char *p = text.p + cut + 2;
    const char *end = text.p + text.len;
    while (pairs && p < end) {
        eq = memchr(p, '=', (size_t)(end - p));
        if (eq == NULL) {
            break;
        }
        const char *stop = eq + 1; /* the value ends before the next " key=" */
        while (stop < end) {
            const char *next = *stop == ' ' ? memchr(stop, '=', (size_t)(end - stop)) : NULL;
            if (next != NULL && is_key(slice_of(stop + 1, (size_t)(next - stop) - 1))) {
                break;
            }
            stop++;
        }
        put_json_field(l, slice_of(p, (size_t)(eq - p)), slice_of(eq + 1, (size_t)(stop - eq) - 1));
        p = stop + 1;
    }
}

size_t log_format(char line[LOG_LINE_MAX],
                  enum log_level level,
                  const char *area,
                  struct slice text,
                  bool json)
{
    struct line l = {line, 0};
    if (json) {
        put_str(&l, "{\"@timestamp\":\"");
        put_time(&l);
        put_str(&l, "\",\"@level\":\"");
        put_str(&l, level_word[level]);
        put(&l, '"');
        put_json_field(&l, SLICE_LIT("@module"), slice_str(area));
        put_json_message(&l, text);
        if (l.len > LOG_LINE_MAX - 3) { /* cut: still close the object */
            l.len = LOG_LINE_MAX - 3;
            put(&l, '"');
        }
        put(&l, '}');
    } else {
        put_time(&l);
        put(&l, ' ');
        put_str(&l, level_text[level]);
        put(&l, ' ');
        put_str(&l, area);
        put_str(&l, ": ");
        put_escaped(&l, text, false);
    }
    l.p[l.len++] = '\n';
    return l.len;
}

static void write_line(enum log_level level, const char *area, struct slice text)
{
    char line[LOG_LINE_MAX];
    log_tap_fn tap = atomic_load(&tap_fn);
    if ((int)level >= atomic_load(&out_lowest)) {
        size_t len = log_format(line, level, area, text, out_json);
        ssize_t n = write(out_fd, line, len);
        (void)n; /* nowhere is left to report that the log cannot be written */
    }
    if (tap != NULL && (int)level >= atomic_load(&tap_lowest)) {
        tap(level, area, text);
    }
}

__attribute__((format(printf, 3, 0))) static void write_va(enum log_level level,
                                                           const char *area,
                                                           const char *fmt,
                                                           va_list ap)
{
    char text[LOG_LINE_MAX];
    int n = vsnprintf(text, sizeof text, fmt, ap);
    if (n >= 0) {
        size_t len = (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
        write_line(level, area, slice_of(text, len));
    }
}

void log_write(enum log_level level, const char *area, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    write_va(level, area, fmt, ap);
    va_end(ap);
}

void log_fatal(const char *area, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    write_va(LOG_LEVEL_ERROR, area, fmt, ap);
    va_end(ap);
    _exit(EX_SOFTWARE_STATUS);
}
