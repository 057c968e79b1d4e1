/* Metrics: counters, gauges and summaries of what the process does.
 *
 * Owns every series and its figures. A series is declared once, while its folder starts, and then
 * exists, with zeros, until the process ends. Recording is cheap: each thread writes to figures of
 * its own, without lock or system call; they are added up when somebody reads. Figures only grow; a
 * summary's interval is the difference of two sums, taken by metrics_roll() every 10 seconds.
 *
 * A summary sorts durations into buckets an eighth of a power of two wide, from 256 ns to 18
 * minutes: quantiles, least, greatest and deviation are good to 6 %, mean, sum and count exact.
 * At most METRICS_MAX series and METRICS_THREADS_MAX threads; what is beyond records nothing. */
#ifndef BASE_METRICS_H_
#define BASE_METRICS_H_

#include <stdbool.h>
#include <stdint.h>

enum { METRICS_MAX = 1024, METRICS_THREADS_MAX = 256, METRICS_LABELS = 2, METRICS_ROLL_MS = 10000 };

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_SUMMARY };

struct metric_label {
    const char *key; /* NULL: no further label */
    const char *value;
};

struct metric_spec {
    enum metric_kind kind;
    const char *name; /* "consul.raft.apply" */
    const char *help; /* one line */
    struct metric_label labels[METRICS_LABELS];
};

/* Make the series known; a second declaration of the same name and labels is the same series.
 * Everything in @spec is copied. Any thread. Returns its id; 0, which records nothing, when there
 * are too many or memory is short. */
unsigned metrics_declare(const struct metric_spec *spec);

/* Any thread; @id 0 is ignored. */
void metrics_count(unsigned id, uint64_t n);
void metrics_observe_ns(unsigned id, uint64_t ns);
/* A gauge is what was last set plus all that was added, by whatever thread. */
void metrics_gauge_set(unsigned id, double value);
void metrics_gauge_add(unsigned id, int64_t delta);

/* End the current interval if METRICS_ROLL_MS have passed since the last one ended; to be called
 * about once a second. @mono_ms: clock_mono_ms(); @wall_ns: clock_wall_ns(). Any thread. */
void metrics_roll(uint64_t mono_ms, int64_t wall_ns);

/* One series as it is read. Durations are in milliseconds. */
struct metric_point {
    const struct metric_spec *spec; /* valid for ever */
    double value;                   /* gauge */
    uint64_t total;                 /* since the start: events or durations */
    double total_sum;               /* of a counter: the same as total */
    uint64_t count;                 /* in the last complete interval, as all below */
    double sum, mean, least, greatest, deviation;
    double quantiles[3]; /* 0.5, 0.9, 0.99; NaN without any */
};

struct metrics_interval {
    int64_t start_ns; /* wall clock */
    double seconds;
};

/* Call @each for every series, by name, then labels. Until a first interval is complete, what has
 * been counted so far stands for it. Any thread. */
void metrics_read(uint64_t mono_ms,
                  int64_t wall_ns,
                  struct metrics_interval *interval,
                  void (*each)(void *to, const struct metric_point *p),
                  void *to);

#endif
