/* Histograms, tallies and templates: the parts without a socket.
 *
 * Bucket of a latency v: below 64 it is v itself; above, the position of the highest bit selects a
 * group and the next six bits the step within it. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/load.h"

static size_t bucket_of(uint64_t v)
{
    if (v < 64) {
        return (size_t)v;
    }
    unsigned shift = 63U - (unsigned)__builtin_clzll(v) - 6U;
    size_t i = ((size_t)shift + 1) * 64 + (size_t)((v >> shift) & 63);
    size_t last = sizeof((struct histogram *)0)->bucket / sizeof(uint64_t) - 1;
    return i < last ? i : last;
}

static uint64_t bucket_value(size_t i)
{
    if (i < 64) {
        return i;
    }
    size_t shift = i / 64 - 1;
    return (uint64_t)(64 + i % 64) << shift;
}

void histogram_add(struct histogram *h, uint64_t ns)
{
    h->bucket[bucket_of(ns)]++;
    h->n++;
    if (ns > h->max) {
        h->max = ns;
    }
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    for (size_t i = 0; i < sizeof into->bucket / sizeof into->bucket[0]; i++) {
        into->bucket[i] += from->bucket[i];
    }
    into->n += from->n;
    if (from->max > into->max) {
        into->max = from->max;
    }
}

uint64_t histogram_at(const struct histogram *h, double q)
{
    uint64_t rank = (uint64_t)(q * (double)h->n);
    uint64_t seen = 0;
    for (size_t i = 0; i < sizeof h->bucket / sizeof h->bucket[0]; i++) {
        seen += h->bucket[i];
        if (seen > rank) {
            return bucket_value(i);
        }
    }
    return h->max;
}

void tally_fail(struct tally *t, const char *fmt, ...)
{
    if (t->errors++ > 0) {
        return;
    }
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(t->error, sizeof t->error, fmt, ap);
    va_end(ap);
    for (char *p = t->error; *p != '\0'; p++) {
        if (*p < ' ' || *p > '~' || *p == '"' || *p == '\\') {
            *p = '\''; /* it goes into JSON as it is */
        }
    }
}

/* The counter that starts at @p, if one does; returns its length in the format, else 0. */
static size_t counter_parse(const char *p, struct counter *c)
{
    if (p[0] != '{' || p[1] != 'n') {
        return 0;
    }
    c->op = 0;
    c->k = 1;
    const char *end = p + 2;
    if (*end == '%' || *end == '/') {
        c->op = *end;
        char *after;
        c->k = strtoull(end + 1, &after, 10);
        end = after;
    }
    return *end == '}' && c->k > 0 ? (size_t)(end + 1 - p) : 0;
}

void template_init(struct template *t, const char *format)
{
    *t = (struct template){0};
    t->text = malloc(strlen(format) * TEMPLATE_DIGITS + 1); /* a counter has 3 bytes or more */
    if (t->text == NULL) {
        abort();
    }
    while (*format != '\0') {
        struct counter c = {.at = t->len};
        size_t skip = counter_parse(format, &c);
        if (skip == 0) {
            t->text[t->len++] = *format++;
            continue;
        }
        if (t->n_counters == sizeof t->counters / sizeof t->counters[0]) {
            (void)fprintf(stderr, "load: too many counters in a template\n");
            exit(2);
        }
        t->counters[t->n_counters++] = c;
        memset(t->text + t->len, '0', TEMPLATE_DIGITS);
        t->len += TEMPLATE_DIGITS;
        format += skip;
    }
    t->text[t->len] = '\0';
}

void template_fini(struct template *t)
{
    free(t->text);
    t->text = NULL;
}

void template_number(const struct template *t, char *copy, uint64_t n)
{
    for (size_t i = 0; i < t->n_counters; i++) {
        const struct counter *c = &t->counters[i];
        uint64_t v = c->op == '%' ? n % c->k : c->op == '/' ? n / c->k : n;
        for (size_t d = TEMPLATE_DIGITS; d-- > 0; v /= 10) {
            copy[c->at + d] = (char)('0' + v % 10);
        }
    }
}

void template_request(struct template *t, const char *method, const char *target, const char *body)
{
    struct template sized;
    template_init(&sized, body != NULL ? body : "");
    char *whole = NULL;
    int n =
        body != NULL
            ? asprintf(&whole, "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %zu\r\n\r\n%s",
                       method, target, sized.len, body)
            : asprintf(&whole, "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", method, target);
    if (n < 0) {
        abort();
    }
    template_init(t, whole);
    free(whole);
    template_fini(&sized);
}
