/* One client connection: look-up, connect, TLS if wanted, bytes both ways, one deadline over all.
 *
 * Owns its socket and TLS session. Tries the addresses of a name in turn. Errors come as text in
 * Go's words, since they become the output of checks. One thread. Used inside this folder only.
 *
 * Invariants: after hc_conn_start() come at most one on_open, any number of on_data between it and
 * the end, and at most one on_end; after on_end or hc_conn_close() none of them. */
#ifndef HEALTHCHECK_CONN_UV_H_
#define HEALTHCHECK_CONN_UV_H_

#include <stdbool.h>
#include <uv.h>

#include "base/buf.h"
#include "base/err.h"
#include "healthcheck/loop_uv.h"
#include "healthcheck/resolve_ares.h"
#include "healthcheck/tls_ssl.h"

enum {
    HC_CONN_OUT_MAX = 8 * 1024 * 1024, /* bytes that may wait to be sent */
    HC_CONN_KEEP = 64 * 1024           /* a buffer above this is not kept for the next connection */
};

struct hc_conn_options {
    struct slice host; /* name or address; at most HC_HOST_MAX; borrowed until it is closed */
    uint16_t port;
    bool use_tls;
    struct hc_tls_options tls; /* its name is borrowed until the connection is closed */
    uint64_t deadline_ns;      /* on hc_loop_now()'s clock */
};

struct hc_conn {
    /* The caller's: set them before hc_conn_start(). Each may close the connection. */
    void (*on_open)(struct hc_conn *c);
    void (*on_data)(struct hc_conn *c, struct slice data);
    /* It is over by itself: E_EOF (the peer closed), E_TIMEOUT, E_CONN, E_NOTFOUND (name),
     * E_PROTO or E_DENIED (TLS), E_NOMEM, E_FULL. `error` says why. Still to be closed. */
    void (*on_end)(struct hc_conn *c, int status);
    struct errmsg error;
    /* Private. */
    struct hc_loop *loop;
    enum hc_conn_state {
        HC_CONN_CLOSED,
        HC_CONN_RESOLVING,
        HC_CONN_CONNECTING,
        HC_CONN_RETRYING, /* the socket closes before the next address */
        HC_CONN_HANDSHAKE,
        HC_CONN_OPEN,
        HC_CONN_ENDED, /* on_end was called, or is about to be */
        HC_CONN_CLOSING
    } state;
    uv_tcp_t tcp;
    bool live; /* tcp is initialised and not yet closed */
    struct slice host;
    bool use_tls;
    bool writing;
    int pending; /* the end to report when the timer fires; 0 = the timer is a deadline */
    uint64_t deadline_ns;
    struct hc_timer timer;
    struct hc_lookup lookup;
    struct hc_addrs addrs;
    unsigned next_addr;
    struct hc_tls_options tls_options;
    struct hc_tls tls;
    uv_connect_t connect;
    uv_write_t write;
    struct buf out;     /* not yet handed to the socket */
    struct buf sending; /* handed to it */
    void (*closed)(struct hc_conn *c);
};

/* Prepare the memory, once. */
void hc_conn_init(struct hc_conn *c, struct hc_loop *l);
/* Free what is kept between connections. The connection must be closed. */
void hc_conn_fini(struct hc_conn *c);

/* Begin. Every failure comes through on_end, later. The connection must be closed. */
void hc_conn_start(struct hc_conn *c, const struct hc_conn_options *o);
/* Send @s (copied). Only when open; failures come through on_end. */
void hc_conn_write(struct hc_conn *c, struct slice s);
/* Close in any state; @closed follows later, never inside this call. While closing already, @closed
 * replaces the callback given before. */
void hc_conn_close(struct hc_conn *c, void (*closed)(struct hc_conn *c));
/* True when TLS is on and the peer chose HTTP/2. */
bool hc_conn_is_h2(const struct hc_conn *c);

/* Go's words for a libuv error into @out: "connection refused". */
void hc_conn_errno_text(char *out, size_t size, int uv_error);

#endif
