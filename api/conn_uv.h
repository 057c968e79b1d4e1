/* For api/ only: connections. Reads bytes, feeds the seam, hands whole requests on, sends answers.
 *
 * One request at a time per connection; pipelined ones wait in order. All answers of one read leave
 * in one write. A connection costs some 500 bytes while it is idle or parked. What a client may
 * make it hold is bounded: a head by header_max, unread pipelined bytes by 64 KiB, a body by its
 * route's limit, one unsent answer.
 *
 * A connection frees itself; whoever holds one across a callback is told by request_detach() or
 * waiter_unpark(). */
#ifndef API_CONN_UV_H_
#define API_CONN_UV_H_

#include "api/loop.h"

/*    ┌─────────────────────────── answered ──────────────────────────┐
 *    ▼                                                               │
 *   HEAD ──► BODY ──► BUSY ──► PARKED ──┬─► (HEAD)   ── unsent ──► SENDING
 *    │         │        │               │                            │
 *    └─────────┴────────┴───────────────┴──► LINGER ──► CLOSED ◄─────┘ */
enum conn_state {
    CONN_HEAD,    /* idle, or a head is on its way */
    CONN_BODY,    /* a request's body is on its way */
    CONN_BUSY,    /* a request is being answered */
    CONN_PARKED,  /* a blocking query waits */
    CONN_SENDING, /* the socket is full: a write is outstanding */
    CONN_LINGER,  /* all is said; reading what the client still sends, so that it sees the answer */
    CONN_CLOSED
};

struct request;

struct conn {
    uv_tcp_t tcp;
    struct api_loop *loop;
    struct list link; /* loop->conns */
    struct list wheel_link;
    uint64_t wheel_s; /* when the wheel looks at it */
    uint64_t deadline_s;
    struct http_seam seam;
    struct buf in;           /* bytes not used yet; no memory when there are none */
    struct request *request; /* BODY, BUSY */
    struct waiter waiter;
    uint64_t began_ns; /* when the head of the current request was read */
    unsigned metric;   /* the series that it counts in; 0: none */
    unsigned n_writes; /* outstanding; no further request begins before they are done */
    uint8_t state;     /* enum conn_state */
    uint8_t minor;     /* of the current request, as the next four */
    bool keep_alive;
    bool accepts_gzip;
    bool no_body;     /* HEAD */
    bool consuming;   /* inside conn_consume(): answers only append */
    bool paused;      /* not reading: enough bytes wait */
    bool streaming;   /* BUSY with an answer that has no end */
    bool close_after; /* when all is sent */
    bool linger;      /* ... but read on for a while first */
};

/* A freshly accepted socket; owns @fd also on failure (E_NOMEM, E_CONN: it is closed). */
int conn_new(struct api_loop *a, int fd);
/* Answer the request in progress. With @linger the rest of what the client sends is not parsed but
 * thrown away and the connection ends. Borrowed: @answer. */
void conn_answer(struct conn *c, struct answer *answer, bool linger);
/* Its query is parked in @g. E_NOMEM: it is not. */
int conn_park(struct conn *c, struct group *g, uint64_t index, uint64_t deadline_ms);
/* Begin to answer the request in progress with a stream: @head is its status line and fields. */
void conn_stream(struct conn *c, struct slice head);
/* A piece of the stream's body; only while nothing is outstanding. May close the connection. */
void conn_stream_send(struct conn *c, struct slice bytes);
/* The client takes what is sent to it: give it time for more. */
void conn_progress(struct conn *c);
/* Send "100 Continue". */
void conn_continue(struct conn *c);
void conn_close(struct conn *c);
/* The client's address, an IPv4 one as ::ffff:a.b.c.d. False: it has gone. */
bool conn_peer(const struct conn *c, unsigned char address[ACCESS_ADDRESS]);
/* Once a second: look at the connections whose time may be up. */
void conn_tick(struct api_loop *a, uint64_t now_s);
/* End as soon as what it is doing is answered; at once when idle. */
void conn_stop(struct conn *c);

#endif
