/* base/log_watch: what a watcher of the log gets. The log itself goes to /dev/null. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/log_watch.h"

static void count_wake(void *arg)
{
    ++*(int *)arg;
}

static int quiet_log(void **state)
{
    (void)state;
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    log_setup(fd, LOG_LEVEL_WARN, false);
    return 0;
}

static char *take(struct log_watch *w)
{
    struct buf b = BUF_INIT;
    log_watch_take(w, &b);
    buf_add_char(&b, '\0');
    assert_true(buf_ok(&b));
    size_t len;
    return buf_take(&b, &len);
}

static void a_watcher_sees_lines_that_the_log_itself_leaves_out(void **state)
{
    (void)state;
    struct log_watch *w;
    int wakes = 0;
    assert_int_equal(log_watch_start(&w, LOG_LEVEL_DEBUG, false, count_wake, &wakes), 0);
    log_trace("area", "too low");
    log_debug("area", "first: a=%d", 1);
    log_error("area", "second");
    assert_int_equal(wakes, 1); /* it was told once, and has not looked yet */
    char *text = take(w);
    assert_non_null(strstr(text, "[DEBUG] area: first: a=1\n"));
    assert_non_null(strstr(text, "[ERROR] area: second\n"));
    assert_null(strstr(text, "too low"));
    free(text);
    log_info("area", "third");
    assert_int_equal(wakes, 2);
    log_watch_stop(w);
    assert_false(log_enabled(LOG_LEVEL_INFO));
    log_error("area", "nobody watches");
    assert_int_equal(wakes, 2);
}

static void watchers_have_levels_and_forms_of_their_own(void **state)
{
    (void)state;
    struct log_watch *text;
    struct log_watch *json;
    int wakes = 0;
    assert_int_equal(log_watch_start(&text, LOG_LEVEL_ERROR, false, count_wake, &wakes), 0);
    assert_int_equal(log_watch_start(&json, LOG_LEVEL_INFO, true, count_wake, &wakes), 0);
    log_info("area", "Sentence: key=value");
    char *a = take(text);
    char *b = take(json);
    assert_string_equal(a, "");
    assert_non_null(strstr(b, "\"@message\":\"Sentence\",\"key\":\"value\"}\n"));
    free(a);
    free(b);
    log_watch_stop(text);
    log_watch_stop(json);
}

static void lines_that_find_no_room_are_counted_and_told(void **state)
{
    (void)state;
    struct log_watch *w;
    int wakes = 0;
    char long_text[1001];
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    assert_int_equal(log_watch_start(&w, LOG_LEVEL_INFO, false, count_wake, &wakes), 0);
    unsigned lines = 2 * LOG_WATCH_BYTES / 1000;
    for (unsigned i = 0; i < lines; i++) {
        log_info("area", "%s", long_text);
    }
    char *text = take(w);
    assert_true(strlen(text) <= LOG_WATCH_BYTES + LOG_LINE_MAX);
    unsigned kept = 0;
    for (const char *p = text; (p = strstr(p, " area: ")) != NULL; p++) {
        kept++;
    }
    char told[80];
    (void)snprintf(told, sizeof told, "Log lines were dropped: count=%u\n", lines - kept);
    assert_non_null(strstr(text, told));
    free(text);
    text = take(w);
    assert_string_equal(text, "");
    free(text);
    log_watch_stop(w);
}

static void there_is_an_end_to_the_number_of_watchers(void **state)
{
    (void)state;
    struct log_watch *w[LOG_WATCH_MAX];
    struct log_watch *more;
    int wakes = 0;
    for (int i = 0; i < LOG_WATCH_MAX; i++) {
        assert_int_equal(log_watch_start(&w[i], LOG_LEVEL_INFO, false, count_wake, &wakes), 0);
    }
    assert_int_equal(log_watch_start(&more, LOG_LEVEL_INFO, false, count_wake, &wakes), E_FULL);
    for (int i = 0; i < LOG_WATCH_MAX; i++) {
        log_watch_stop(w[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_watcher_sees_lines_that_the_log_itself_leaves_out),
        cmocka_unit_test(watchers_have_levels_and_forms_of_their_own),
        cmocka_unit_test(lines_that_find_no_room_are_counted_and_told),
        cmocka_unit_test(there_is_an_end_to_the_number_of_watchers),
    };
    return cmocka_run_group_tests(tests, quiet_log, NULL);
}
