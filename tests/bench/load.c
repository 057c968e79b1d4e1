/* The load generator of `make bench`.
 *
 *     bench-load http  -a PORT -u TARGET [-m METHOD] [-b BODY] [-s STATUS] [-e BODY] [-l LENGTH]
 *     bench-load dns   -a PORT -q NAME [-y QTYPE] [-s RCODE] [-l ANSWERS] [-W WINDOW]
 *     bench-load watch -a PORT -u TARGET -U TRIGGER-TARGET -b TRIGGER-BODY [-r ROUNDS]
 *     bench-load hold  -a PORT -u TARGET     watch until the input ends
 *     bench-load serve -a PORT               answer 200 until the input ends
 *     bench-load disk  DIR                   fdatasync after appends of 4 KiB
 *
 * and for all: -c CONNECTIONS, -t THREADS, -w WARM-UP and -d DURATION in seconds, -n COUNT (instead
 * of a duration), -p PID of the server. Texts are templates (load.h); a body "@FILE" is read from
 * there. One line of JSON goes to the output; the exit status tells whether there is one. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/load.h"

enum { THREADS_MAX = 16 };

void load_print(const struct tally *t, double seconds, double cpu_s, const char *more)
{
    struct rusage own = {0};
    (void)getrusage(RUSAGE_SELF, &own);
    double own_s = (double)(own.ru_utime.tv_sec + own.ru_stime.tv_sec) +
                   (double)(own.ru_utime.tv_usec + own.ru_stime.tv_usec) / 1e6;
    double ops = t->ops > 0 ? (double)t->ops : 1;
    (void)printf(
        "{\"ops\":%llu,\"seconds\":%.3f,\"rate\":%.1f,\"p50_us\":%.1f,\"p99_us\":%.1f,"
        "\"max_us\":%.1f,\"cpu_us\":%.2f,\"own_cpu_s\":%.2f,\"errors\":%llu,"
        "\"error\":\"%s\"%s}\n",
        (unsigned long long)t->ops, seconds, seconds > 0 ? (double)t->ops / seconds : 0,
        (double)histogram_at(&t->latency, 0.50) / 1e3,
        (double)histogram_at(&t->latency, 0.99) / 1e3, (double)t->latency.max / 1e3,
        cpu_s < 0 ? -1 : cpu_s * 1e6 / ops, own_s, (unsigned long long)t->errors, t->error, more);
}

static void sleep_until(uint64_t ns)
{
    const struct timespec at = {.tv_sec = (time_t)(ns / 1000000000U),
                                .tv_nsec = (long)(ns % 1000000000U)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) != 0) {
    }
}

struct crew {
    pthread_t thread;
    void (*work)(struct worker *);
    struct worker worker;
};

static void *crew_run(void *arg)
{
    struct crew *c = arg;
    c->work(&c->worker);
    return NULL;
}

/* Run the workers and read the server's CPU time at both ends of the measured window. */
static int run(const struct load_options *o, void (*work)(struct worker *))
{
    struct crew *crew = calloc(o->threads, sizeof *crew);
    struct tally *sum = calloc(1, sizeof *sum);
    uint64_t next = 0;
    uint64_t begin = load_now_ns() + (o->count > 0 ? 0 : (uint64_t)(o->warm_s * 1e9));
    uint64_t end = o->count > 0 ? UINT64_MAX : begin + (uint64_t)(o->seconds * 1e9);
    if (crew == NULL || sum == NULL) {
        abort();
    }
    double cpu = load_cpu_s(o->server);
    for (unsigned i = 0; i < o->threads; i++) {
        struct crew *c = &crew[i];
        c->work = work;
        c->worker = (struct worker){.options = o,
                                    .connections = (o->connections + i) / o->threads,
                                    .begin_ns = begin,
                                    .end_ns = end,
                                    .next = &next};
        if (pthread_create(&c->thread, NULL, crew_run, c) != 0) {
            abort();
        }
    }
    if (o->count == 0) {
        sleep_until(begin);
        cpu = load_cpu_s(o->server);
        sleep_until(end);
        cpu = load_cpu_s(o->server) - cpu;
    }
    for (unsigned i = 0; i < o->threads; i++) {
        (void)pthread_join(crew[i].thread, NULL);
        histogram_merge(&sum->latency, &crew[i].worker.tally.latency);
        sum->ops += crew[i].worker.tally.ops;
        if (sum->errors == 0) {
            memcpy(sum->error, crew[i].worker.tally.error, sizeof sum->error);
        }
        sum->errors += crew[i].worker.tally.errors;
    }
    if (o->count > 0) {
        end = load_now_ns();
        cpu = load_cpu_s(o->server) - cpu;
    }
    load_print(sum, (double)(end - begin) / 1e9, o->server > 0 ? cpu : -1, "");
    free(crew);
    free(sum);
    return 0;
}

/* The text itself, or the content of the file that "@FILE" names. Lives until the end. */
static const char *text_or_file(const char *arg)
{
    if (arg[0] != '@') {
        return arg;
    }
    FILE *f = fopen(arg + 1, "re");
    char *text = NULL;
    size_t room = 0;
    if (f == NULL || getdelim(&text, &room, '\0', f) < 0) {
        (void)fprintf(stderr, "load: cannot read %s\n", arg + 1);
        exit(2);
    }
    (void)fclose(f);
    return text;
}

static bool option(struct load_options *o, int letter, const char *arg)
{
    unsigned number = (unsigned)strtoul(arg, NULL, 10);
    switch (letter) {
        case 'a':
            o->port = (uint16_t)number;
            return true;
        case 'b':
            o->body = o->trigger_body = text_or_file(arg);
            return true;
        case 'c':
            o->connections = number;
            return number > 0;
        case 'd':
            o->seconds = strtod(arg, NULL);
            return o->seconds > 0;
        case 'e':
            o->want = arg;
            return true;
        case 'l':
            o->length = strtol(arg, NULL, 10);
            return true;
        case 'm':
            o->method = arg;
            return true;
        case 'n':
            o->count = strtoull(arg, NULL, 10);
            return o->count > 0;
        case 'p':
            o->server = (pid_t)number;
            return true;
        case 'q':
            o->name = arg;
            return true;
        case 'r':
            o->rounds = number;
            return number > 0;
        case 's':
            o->status = (int)number;
            return true;
        case 't':
            o->threads = number;
            return number > 0 && number <= THREADS_MAX;
        case 'u':
            o->target = arg;
            return true;
        case 'U':
            o->trigger_target = arg;
            return true;
        case 'w':
            o->warm_s = strtod(arg, NULL);
            return true;
        case 'W':
            o->window = number;
            return number > 0 && number <= LOAD_WINDOW_MAX;
        case 'y':
            o->qtype = number;
            return number > 0 && number < 256;
        default:
            return false;
    }
}

static int usage(void)
{
    (void)fprintf(stderr, "usage: bench-load http|dns|watch|hold|serve|disk ... (see load.c)\n");
    return 2;
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "";
    struct load_options o = {.connections = 1,
                             .threads = 1,
                             .window = 16,
                             .warm_s = 1,
                             .seconds = 5,
                             .status = strcmp(mode, "dns") == 0 ? 0 : 200,
                             .length = -1,
                             .method = "GET",
                             .rounds = 5,
                             .qtype = 1};
    int letter;
    optind = 2;
    while (argc > 2 &&
           (letter = getopt(argc, argv, "a:b:c:d:e:l:m:n:p:q:r:s:t:u:U:w:W:y:")) != -1) {
        if (letter == '?' || !option(&o, letter, optarg)) {
            return usage();
        }
    }
    if (strcmp(mode, "http") == 0 && o.target != NULL) {
        return run(&o, load_http_work);
    }
    if (strcmp(mode, "dns") == 0 && o.name != NULL) {
        return run(&o, load_dns_work);
    }
    if (strcmp(mode, "watch") == 0 && o.target != NULL && o.trigger_target != NULL) {
        return load_watch(&o);
    }
    if (strcmp(mode, "hold") == 0 && o.target != NULL) {
        return load_hold(&o);
    }
    if (strcmp(mode, "serve") == 0) {
        return load_serve(&o);
    }
    if (strcmp(mode, "disk") == 0 && optind < argc) {
        return load_disk(argv[optind], o.seconds);
    }
    return usage();
}
