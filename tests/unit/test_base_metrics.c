/* base/metrics: what series say. Each test has series of its own, since they live as long as the
 * process; time is brought by the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/metrics.h"

static uint64_t now_ms = 1000000;

static unsigned declare(enum metric_kind kind, const char *name, const char *label)
{
    return metrics_declare(&(struct metric_spec){
        .kind = kind, .name = name, .help = "Help.", .labels = {{label, label}}});
}

struct wanted {
    const char *name;
    const char *label;
    struct metric_point p;
    unsigned n;
};

static void on_point(void *to, const struct metric_point *p)
{
    struct wanted *w = to;
    bool same_label = w->label == NULL ? p->spec->labels[0].key == NULL
                                       : p->spec->labels[0].key != NULL &&
                                             strcmp(p->spec->labels[0].key, w->label) == 0;
    if (strcmp(p->spec->name, w->name) == 0 && same_label) {
        w->p = *p;
        w->n++;
    }
}

static struct metric_point point(const char *name, const char *label)
{
    struct wanted w = {.name = name, .label = label};
    struct metrics_interval interval;
    metrics_read(now_ms, 0, &interval, on_point, &w);
    assert_int_equal(w.n, 1);
    return w.p;
}

/* Ends the interval. */
static void roll(void)
{
    metrics_roll(now_ms, 0); /* sets the clock, the first time */
    now_ms += METRICS_ROLL_MS;
    metrics_roll(now_ms, 0);
}

static void near(double got, double want)
{
    if (fabs(got - want) > want * 0.0625) {
        fail_msg("%g is not within 6 %% of %g", got, want);
    }
}

static void a_series_exists_with_zeros_once_it_is_declared(void **state)
{
    (void)state;
    unsigned id = declare(METRIC_SUMMARY, "t.zero", NULL);
    struct metric_point p = point("t.zero", NULL);
    assert_int_not_equal(id, 0);
    assert_int_equal(p.total, 0);
    assert_true(isnan(p.quantiles[0]));
    assert_int_equal(declare(METRIC_SUMMARY, "t.zero", NULL), id);
    assert_int_not_equal(declare(METRIC_SUMMARY, "t.zero", "other"), id);
}

static void a_counter_tells_its_total_and_that_of_the_last_interval(void **state)
{
    (void)state;
    unsigned id = declare(METRIC_COUNTER, "t.counter", NULL);
    metrics_count(id, 5);
    roll();
    metrics_count(id, 2);
    roll();
    struct metric_point p = point("t.counter", NULL);
    assert_int_equal(p.total, 7);
    assert_int_equal(p.count, 2);
    metrics_count(id, 1); /* the interval is not over */
    assert_int_equal(point("t.counter", NULL).count, 2);
    assert_int_equal(point("t.counter", NULL).total, 8);
}

static void a_summary_knows_the_quantiles_of_its_last_interval(void **state)
{
    (void)state;
    unsigned id = declare(METRIC_SUMMARY, "t.summary", NULL);
    metrics_observe_ns(id, 60000000000); /* of an interval before */
    roll();
    for (uint64_t ms = 1; ms <= 100; ms++) {
        metrics_observe_ns(id, ms * 1000000);
    }
    roll();
    struct metric_point p = point("t.summary", NULL);
    assert_int_equal(p.total, 101);
    assert_int_equal(p.count, 100);
    near(p.sum, 5050);
    near(p.mean, 50.5);
    near(p.least, 1);
    near(p.greatest, 100);
    near(p.deviation, 29);
    near(p.quantiles[0], 50);
    near(p.quantiles[1], 90);
    near(p.quantiles[2], 99);
}

static void durations_beyond_the_buckets_count_in_the_outermost(void **state)
{
    (void)state;
    unsigned id = declare(METRIC_SUMMARY, "t.extremes", NULL);
    roll();
    metrics_observe_ns(id, 0);
    metrics_observe_ns(id, UINT64_MAX / 4);
    roll();
    struct metric_point p = point("t.extremes", NULL);
    assert_int_equal(p.count, 2);
    assert_true(p.least < 0.000256);
    assert_true(p.greatest > 1000000); /* some 18 minutes */
}

static void a_gauge_is_what_was_set_plus_what_was_added(void **state)
{
    (void)state;
    unsigned id = declare(METRIC_GAUGE, "t.gauge", NULL);
    metrics_gauge_set(id, 10);
    metrics_gauge_add(id, 5);
    metrics_gauge_add(id, -7);
    assert_true(point("t.gauge", NULL).value == 8);
    metrics_gauge_set(id, 1);
    assert_true(point("t.gauge", NULL).value == -1);
}

static void *record(void *arg)
{
    unsigned id = *(unsigned *)arg;
    for (int i = 0; i < 1000; i++) {
        metrics_observe_ns(id, 1000000);
    }
    return NULL;
}

static void threads_add_up_and_leave_their_figures_behind(void **state)
{
    (void)state;
    unsigned id = declare(METRIC_SUMMARY, "t.threads", NULL);
    roll();
    for (int round = 0; round < METRICS_THREADS_MAX; round++) {
        pthread_t t[2];
        for (int i = 0; i < 2; i++) {
            assert_int_equal(pthread_create(&t[i], NULL, record, &id), 0);
        }
        for (int i = 0; i < 2; i++) {
            assert_int_equal(pthread_join(t[i], NULL), 0);
        }
    }
    roll();
    assert_int_equal(point("t.threads", NULL).count, 2000 * METRICS_THREADS_MAX);
}

static void the_series_id_0_records_nothing(void **state)
{
    (void)state;
    metrics_count(0, 1);
    metrics_observe_ns(0, 1);
    metrics_gauge_set(0, 1);
}

/* Last: it leaves no room. */
static void beyond_the_greatest_number_of_series_a_declaration_gives_0(void **state)
{
    (void)state;
    unsigned id = 1;
    for (int i = 0; id != 0 && i < METRICS_MAX; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "t.many.%d", i);
        id = declare(METRIC_COUNTER, name, NULL);
    }
    assert_int_equal(id, 0);
    assert_int_not_equal(declare(METRIC_COUNTER, "t.many.0", NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_series_exists_with_zeros_once_it_is_declared),
        cmocka_unit_test(a_counter_tells_its_total_and_that_of_the_last_interval),
        cmocka_unit_test(a_summary_knows_the_quantiles_of_its_last_interval),
        cmocka_unit_test(durations_beyond_the_buckets_count_in_the_outermost),
        cmocka_unit_test(a_gauge_is_what_was_set_plus_what_was_added),
        cmocka_unit_test(threads_add_up_and_leave_their_figures_behind),
        cmocka_unit_test(the_series_id_0_records_nothing),
        cmocka_unit_test(beyond_the_greatest_number_of_series_a_declaration_gives_0),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
