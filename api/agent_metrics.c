/* GET agent/metrics: every series, as Consul's JSON of the last interval or as Prometheus text
 * (consul-surface.md 1.2 and 8). Prometheus sums and counts run since the start; quantiles are
 * those of the last complete interval. */
#include <math.h>
#include <stdio.h>
#include <time.h>

#include "api/handlers.h"
#include "api/json.h"
#include "base/clock.h"
#include "base/metrics.h"

static const char *const kind_text[] = {"counter", "gauge", "summary"};

/* ---- Prometheus ---- */

struct text {
    struct buf *out;
    const char *family; /* the name written last, or NULL */
};

static void add_name(struct buf *out, const char *name)
{
    for (const char *p = name; *p != '\0'; p++) {
        buf_add_char(out, *p == '.' || *p == '-' ? '_' : *p);
    }
}

static void add_escaped(struct buf *out, const char *s)
{
    for (; *s != '\0'; s++) {
        if (*s == '"' || *s == '\\' || *s == '\n') {
            buf_add_char(out, '\\');
        }
        buf_add_char(out, *s == '\n' ? 'n' : *s);
    }
}

static void add_number(struct buf *out, double v)
{
    if (isnan(v)) {
        buf_add_str(out, "NaN");
    } else {
        buf_printf(out, "%.15g", v);
    }
}

/* One line; @quantile NULL: without one. */
static void add_line(struct buf *out,
                     const struct metric_spec *spec,
                     const char *suffix,
                     const char *quantile,
                     double value)
{
    char open = '{';
    add_name(out, spec->name);
    buf_add_str(out, suffix);
    for (int i = 0; i < METRICS_LABELS && spec->labels[i].key != NULL; i++) {
        buf_add_char(out, open);
        buf_add_str(out, spec->labels[i].key);
        buf_add_str(out, "=\"");
        add_escaped(out, spec->labels[i].value);
        buf_add_char(out, '"');
        open = ',';
    }
    if (quantile != NULL) {
        buf_printf(out, "%cquantile=\"%s\"", open, quantile);
        open = ',';
    }
    buf_add_str(out, open == ',' ? "} " : " ");
    add_number(out, value);
    buf_add_char(out, '\n');
}

static void add_prometheus(void *to, const struct metric_point *p)
{
    static const char *const quantiles[] = {"0.5", "0.9", "0.99"};
    struct text *t = to;
    if (t->family == NULL || strcmp(t->family, p->spec->name) != 0) {
        t->family = p->spec->name;
        buf_add_str(t->out, "# HELP ");
        add_name(t->out, p->spec->name);
        buf_printf(t->out, " %s\n# TYPE ", p->spec->help);
        add_name(t->out, p->spec->name);
        buf_printf(t->out, " %s\n", kind_text[p->spec->kind]);
    }
    switch (p->spec->kind) {
        case METRIC_GAUGE:
            add_line(t->out, p->spec, "", NULL, p->value);
            break;
        case METRIC_COUNTER:
            add_line(t->out, p->spec, "", NULL, p->total_sum);
            break;
        case METRIC_SUMMARY:
            for (int i = 0; i < 3; i++) {
                add_line(t->out, p->spec, "", quantiles[i], p->quantiles[i]);
            }
            add_line(t->out, p->spec, "_sum", NULL, p->total_sum);
            add_line(t->out, p->spec, "_count", NULL, (double)p->total);
            break;
    }
}

/* ---- JSON ---- */

/* The three lists grow side by side. */
struct lists {
    struct json j[3];
    const struct metrics_interval *interval; /* filled in before the first point */
};

static void add_member(struct json *j, const char *key, double v)
{
    char text[40];
    (void)snprintf(text, sizeof text, "%.15g", v); /* 22 characters at most */
    json_key(j, key);
    json_raw(j, slice_str(text));
}

static void add_labels(struct json *j, const struct metric_spec *spec)
{
    json_key(j, "Labels");
    json_obj(j);
    for (int i = 0; i < METRICS_LABELS && spec->labels[i].key != NULL; i++) {
        json_key(j, spec->labels[i].key);
        json_cstr(j, spec->labels[i].value);
    }
    json_obj_end(j);
}

static void add_json(void *to, const struct metric_point *p)
{
    struct lists *l = to;
    struct json *j = &l->j[p->spec->kind];
    json_obj(j);
    json_key(j, "Name");
    json_cstr(j, p->spec->name);
    if (p->spec->kind == METRIC_GAUGE) {
        add_member(j, "Value", p->value);
    } else {
        json_key(j, "Count");
        json_u64(j, p->count);
        add_member(j, "Rate", p->sum / l->interval->seconds);
        add_member(j, "Sum", p->sum);
        add_member(j, "Min", p->least);
        add_member(j, "Max", p->greatest);
        add_member(j, "Mean", p->mean);
        add_member(j, "Stddev", p->deviation);
    }
    add_labels(j, p->spec);
    json_obj_end(j);
}

static void add_timestamp(struct json *j, int64_t wall_ns)
{
    time_t s = (time_t)(wall_ns / 1000000000);
    char text[64] = "";
    struct tm tm;
    if (gmtime_r(&s, &tm) != NULL) {
        (void)strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S +0000 UTC", &tm);
    }
    json_key(j, "Timestamp");
    json_cstr(j, text);
}

static void reply_json(struct api_req *r)
{
    static const char *const keys[] = {
        [METRIC_GAUGE] = "Gauges", [METRIC_COUNTER] = "Counters", [METRIC_SUMMARY] = "Samples"};
    static const enum metric_kind order[] = {METRIC_GAUGE, METRIC_COUNTER, METRIC_SUMMARY};
    struct metrics_interval interval;
    struct lists l = {.interval = &interval};
    for (int i = 0; i < 3; i++) {
        l.j[i] = json_to(api_buf(r));
        json_arr(&l.j[i]);
    }
    metrics_read(clock_mono_ms(), clock_wall_ns(), &interval, add_json, &l);
    struct json j = json_to(api_buf(r));
    json_obj(&j);
    add_timestamp(&j, interval.start_ns);
    for (int i = 0; i < 3; i++) {
        struct json *list = &l.j[order[i]];
        json_arr_end(list);
        json_key(&j, keys[order[i]]);
        json_raw(&j, buf_slice(list->b));
        if (i == 0) {
            json_key(&j, "Points");
            json_raw(&j, SLICE_LIT("[]"));
        }
    }
    json_obj_end(&j);
    api_reply_json(r, buf_slice(j.b));
}

/* What a Prometheus server sends among others: application/openmetrics-text. */
static bool wants_text(struct api_req *r)
{
    static const char type[] = "application/openmetrics-text";
    struct slice format = {NULL, 0};
    struct slice accept = api_header(r, "Accept");
    return (api_param(r, "format", &format) && slice_is(format, "prometheus")) ||
           (accept.len > 0 && memmem(accept.p, accept.len, type, sizeof type - 1) != NULL);
}

void agent_metrics(struct api_req *r)
{
    if (r->server->gauges != NULL) {
        r->server->gauges(r->server->arg, r->reader);
    }
    if (!wants_text(r)) {
        reply_json(r);
        return;
    }
    struct metrics_interval interval;
    struct text t = {.out = api_buf(r)};
    metrics_read(clock_mono_ms(), clock_wall_ns(), &interval, add_prometheus, &t);
    api_reply(r, 200, "text/plain; version=0.0.4; charset=utf-8", buf_slice(t.out));
}
