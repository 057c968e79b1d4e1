/* For api/ only: what the parts of one serving loop share.
 *
 * The parts, from the wire inwards: conn_uv.c (connections) → request.c (one request, its memory
 * and its fate) → read.c (find, render, park, wake) with router, target, cache, blocking and answer
 * below them. server_uv.c makes and ends it all. One loop, one thread: nothing here is locked. */
#ifndef API_LOOP_H_
#define API_LOOP_H_

#include <uv.h>

#include "api/answer.h"
#include "api/blocking.h"
#include "api/cache.h"
#include "api/http_seam.h"
#include "api/measure.h"
#include "api/router.h"
#include "api/server.h"
#include "base/queue.h"
#include "base/rand.h"

enum {
    LOOP_READ_SIZE = 64 * 1024, /* one read, shared by all connections */
    LOOP_WAKES_PER_TURN = 512,  /* parked queries answered before sockets are looked at again */
    LOOP_LOOKS_PER_TURN = 64,   /* dirty groups looked at likewise */
    LOOP_ACCEPTS_PER_TURN = 64,
    LOOP_REQUESTS_KEPT = 64, /* freed requests kept for reuse */
    LOOP_WHEEL_SIZE = 256    /* seconds; a power of two */
};

/* What header lines say about now; refreshed at most once a millisecond. */
struct loop_moment {
    uint64_t at_ms; /* uv_now(); UINT64_MAX: never looked */
    int64_t wall_s;
    bool known_leader;
    uint64_t last_contact_ms;
    char date[48]; /* "Date: ...\r\n" */
    size_t date_len;
    char meta[128]; /* X-Consul-Knownleader and -Lastcontact lines */
    size_t meta_len;
};

struct api_loop {
    uv_loop_t *uv;
    const struct api_server *server;
    struct reg_reader *reader;
    struct queue *replies;
    struct api_listen opts; /* defaults filled in */
    uint16_t port;
    struct router *router;
    struct blocking *blocking;
    struct cache *cache;
    struct measure *measure;
    struct gzipper *gzip; /* NULL until first needed */
    struct rng rng;
    struct loop_moment moment;
    struct http_head head; /* of the request being parsed */
    struct buf out;        /* what the connection being served is to send; empty between turns */
    char *read_buf;
    struct list conns;
    struct list requests; /* alive: being answered, or waiting for a reply */
    struct list requests_free;
    unsigned n_requests_free;
    struct list wheel[LOOP_WHEEL_SIZE]; /* connections by the second to look at them */
    uint64_t tick_s;                    /* the last second looked at */
    struct api_stats stats;
    bool accept_paused; /* accepting failed; the next tick tries again */
    bool stopping;
    void (*stopped)(void *arg);
    void *stopped_arg;
    /* Handles; five of them, so that the last one closed ends the loop's life. */
    unsigned n_handles;
    int listen_fd;
    uv_poll_t listener;
    uv_timer_t tick;
    uv_timer_t deadline; /* of the parked query that is due next */
    uint64_t deadline_ms;
    uv_check_t check;
    uv_idle_t idle; /* keeps the loop turning while woken queries remain */
};

/* Fresh enough for an answer. */
const struct loop_moment *loop_moment(struct api_loop *a);
/* Bring the subscriptions up to what is published, so that caches and groups are current. */
void loop_sync(struct api_loop *a);
/* After parking or touching: see to it that woken queries and the next deadline are served. */
void loop_schedule(struct api_loop *a);
/* A connection or request is gone: if the loop is stopping and empty, end it. */
void loop_check_stopped(struct api_loop *a);

#endif
