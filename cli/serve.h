/* The serving loops: threads that answer HTTP and DNS.
 *
 * Owns the threads, and for each its loop, its reader of the store and its reply queue. All loops
 * listen on the same addresses (SO_REUSEPORT). Opening binds every address, so that a port in use
 * is known before anything runs; starting begins to answer. */
#ifndef CLI_SERVE_H_
#define CLI_SERVE_H_

#include "api/server.h"
#include "cli/address.h"
#include "dns/dns.h"

struct serve;

struct serve_options {
    unsigned threads;                /* 1..64 */
    struct reg *store;               /* borrowed, as everything below, until serve_stop() */
    const struct api_server *server; /* complete by serve_start() */
    const struct addresses *http;    /* where to listen; n 0 = no HTTP */
    uint16_t http_port;
    unsigned http_header_max;
    const struct addresses *dns;    /* n 0 = no DNS */
    struct dns_options dns_options; /* address and port are filled in for each listener */
};

/* Refuse at once what serve_open() would refuse: an address that is not of this machine, or a port
 * that another process listens on (SO_REUSEPORT, which the loops need among themselves, would let
 * two agents share it without a word). Looks only at the addresses and ports of @o. */
int serve_probe(const struct serve_options *o, struct errmsg *e);

/* Bind everything. E_ADDRINUSE, E_DENIED, E_INVAL, E_NOMEM, E_FULL: @e names address and port;
 * nothing is left open then. */
int serve_open(struct serve **out, const struct serve_options *o, struct errmsg *e);
/* Start the threads. E_NOMEM: call serve_stop() all the same. */
int serve_start(struct serve *s, struct errmsg *e);
/* Stop listening, answer what waits, end the threads, free. NULL is fine. */
void serve_stop(struct serve *s);

#endif
