/* Names to addresses without blocking the loop: c-ares, which also reads /etc/hosts.
 *
 * Owns the c-ares channel and its sockets. One thread. Used inside this folder only. */
#ifndef HEALTHCHECK_RESOLVE_ARES_H_
#define HEALTHCHECK_RESOLVE_ARES_H_

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/slice.h"

struct hc_loop;
struct hc_resolver;

enum {
    HC_ADDRS_MAX = 8,        /* addresses kept of one name; further ones are dropped */
    HC_LOOKUPS_MAX = 4096,   /* look-ups under way, given-up ones included */
    HC_LOOKUP_TRY_MS = 2000, /* c-ares' wait for one server */
    HC_LOOKUP_TRIES = 3
};

union hc_addr {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

struct hc_addrs {
    unsigned n;
    union hc_addr a[HC_ADDRS_MAX];
};

enum { HC_ADDR_TEXT = 64 };
/* "1.2.3.4:80", "[::1]:80" into @out. */
void hc_addr_text(const union hc_addr *a, char out[HC_ADDR_TEXT]);

/* True when @host is an IP address (or empty: this machine); it is then the only one in @out. */
bool hc_addr_literal(struct slice host, uint16_t port, struct hc_addrs *out);

struct hc_lookup_job;
/* One look-up; embed it. */
struct hc_lookup {
    /* 0: addrs holds at least one. E_NOTFOUND, E_TIMEOUT, E_IO: error says why in Go's words
     * ("lookup x: no such host"). Our last touch of the request. */
    void (*done)(struct hc_lookup *q, int status);
    struct hc_addrs addrs;
    struct errmsg error;
    struct hc_lookup_job *job; /* private */
};

/* E_NOMEM, E_IO. */
int hc_resolver_new(struct hc_resolver **out, struct hc_loop *l, struct errmsg *e);
/* No look-up may be under way (given-up ones may). NULL is fine. Handles close with the loop. */
void hc_resolver_free(struct hc_resolver *r);

/* Look @host up; done() follows later, never inside this call. E_NOMEM, E_FULL: it will not. */
int hc_lookup_start(struct hc_resolver *r, struct hc_lookup *q, struct slice host, uint16_t port);
/* Give up: done() will not be called. Harmless when nothing is under way. */
void hc_lookup_cancel(struct hc_lookup *q);

#endif
