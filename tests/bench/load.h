/* The load generator of `make bench`: what its files share. For tests/bench only.
 *
 * Owns nothing of the server and links nothing of it, so that a fault there cannot hide here. Each
 * mode (load.c lists them) is a closed loop: a connection or slot sends its next request when the
 * answer to the last one is complete and right. A wrong answer counts as an error, never as an
 * operation; the text of the first one is kept. */
#ifndef TESTS_BENCH_LOAD_H_
#define TESTS_BENCH_LOAD_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What the command line says; fields that a mode does not use stay at their defaults. */
struct load_options {
    uint16_t port;        /* on 127.0.0.1 */
    unsigned connections; /* HTTP connections, DNS sockets, watchers */
    unsigned threads;
    unsigned window;  /* DNS: queries in flight for each socket, 1..LOAD_WINDOW_MAX */
    double warm_s;    /* answers before this are checked, not counted */
    double seconds;   /* then this long is measured */
    uint64_t count;   /* not 0: stop after so many requests, and measure them all */
    pid_t server;     /* whose CPU time to read; 0: nobody's */
    int status;       /* the expected HTTP status, or DNS response code */
    const char *want; /* the expected body, NULL for any */
    long length;      /* the expected body length or DNS answer count, -1 for any */
    const char *method, *target, *body;        /* templates */
    const char *trigger_target, *trigger_body; /* watch: the PUT that wakes everybody */
    unsigned rounds;                           /* watch: how often */
    const char *name;                          /* DNS: template of the question */
    unsigned qtype;
};

enum {
    LOAD_WINDOW_MAX = 256,
    LOAD_ERRORS_MAX = 1000, /* a worker gives up here: something is wrong, not slow */
    LOAD_STUCK_MS = 10000,  /* nobody answers for so long: give up */
    LOAD_TEXT_MAX = 200,
};

/* Latencies in nanoseconds: 64 linear steps for each power of two, so a figure is at most 1.6 %
 * off. */
struct histogram {
    uint64_t bucket[64 * 60];
    uint64_t n;
    uint64_t max;
};

/* Count one latency. */
void histogram_add(struct histogram *h, uint64_t ns);
/* Add all that @from has counted to @into. */
void histogram_merge(struct histogram *into, const struct histogram *from);
/* The value below which the share @q (0..1) of all lies; 0 when there is none. */
uint64_t histogram_at(const struct histogram *h, double q);

/* What one worker found. */
struct tally {
    struct histogram latency;
    uint64_t ops;
    uint64_t errors;
    char error[LOAD_TEXT_MAX]; /* the first one */
};

/* Count an error; keeps the text of the first. */
void tally_fail(struct tally *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A text with counters in it: {n} the number of the request, {n%K} and {n/K}, each as 8 digits, so
 * that the length never changes and JSON strings, keys and DNS labels can hold them. */
struct template
{
    char *text; /* with zeros where the counters go */
    size_t len;
    struct counter {
        size_t at;
        char op; /* 0, '%' or '/' */
        uint64_t k;
    } counters[8];
    size_t n_counters;
};

enum { TEMPLATE_DIGITS = 8 };

/* Parse @format (borrowed). Ends the program when it has too many counters. template_fini() frees.
 */
void template_init(struct template *t, const char *format);
/* Free the text. */
void template_fini(struct template *t);
/* Write the counters of request @n into @copy, a copy of the text that starts at @copy[0]. */
void template_number(const struct template *t, char *copy, uint64_t n);
/* A whole HTTP request as a template. @body may be NULL. */
void template_request(struct template *t, const char *method, const char *target, const char *body);

/* One HTTP/1.1 response as it arrives. Understands Content-Length only, which is all that the
 * server sends; anything else is malformed. */
struct response {
    char head[2048]; /* of a header that came in pieces */
    size_t head_len;
    bool in_body;
    bool closes; /* Connection: close */
    int status;
    uint64_t index; /* X-Consul-Index, 0 when absent */
    bool chunked;
    enum { CHUNK_SIZE, CHUNK_DATA, CHUNK_END, CHUNK_LAST } chunk;
    uint64_t left;   /* of the chunk */
    uint64_t length; /* of the body; of a chunked one when it is complete */
    uint64_t got;
    char start[64]; /* of the body */
};

/* Forget the last response; before each request. */
void response_reset(struct response *r);
/* Take up to @n bytes; *@used says how many. Returns 1 when the response is complete, 0 when more
 * must come, -1 when it is malformed. */
int response_feed(struct response *r, const char *p, size_t n, size_t *used);

/* Steady time, for intervals. */
uint64_t load_now_ns(void);
/* CPU time of a process, user and system, in seconds; 0 when it is not there. Steps of 10 ms. */
double load_cpu_s(pid_t pid);
/* A TCP connection to 127.0.0.1, not blocking once it stands; -1 with errno. */
int load_connect(uint16_t port);
/* Send all of it, waiting for room at most LOAD_STUCK_MS. False with errno. */
bool load_send(int fd, const char *p, size_t n);

/* One worker's share of a run. Times are on the clock of load_now_ns(). */
struct worker {
    const struct load_options *options;
    unsigned connections;
    uint64_t begin_ns; /* measured from */
    uint64_t end_ns;   /* measured until; UINT64_MAX with a count */
    uint64_t *next;    /* the number of the next request, shared */
    struct tally tally;
};

/* Bodies of worker threads: they end when the time or the count is over, or after too many errors.
 */
void load_http_work(struct worker *w);
/* The same for queries over UDP. */
void load_dns_work(struct worker *w);

/* Whole modes; they print their result and return the exit status. */
/* "watch": wake all watchers, round after round. */
int load_watch(const struct load_options *o);
/* "hold": keep watchers parked until the input ends; prints "ready" when they are. */
int load_hold(const struct load_options *o);
/* "serve": answer 200; each line of input prints the number of requests so far. */
int load_serve(const struct load_options *o);
/* "disk": 4 KiB and fdatasync in turn, to a file in @dir that is removed in the end. */
int load_disk(const char *dir, double seconds);

/* Print the one line of JSON that the driver reads. @cpu_s < 0: not measured. */
void load_print(const struct tally *t, double seconds, double cpu_s, const char *more);

#endif
