/* One responder, and the two sockets that feed it. */
#include "dns/dns.h"

#include <stdlib.h>
#include <string.h>

#include "dns/tcp_uv.h"
#include "dns/udp_uv.h"

struct dns {
    struct dns_responder responder;
    struct dns_udp *udp;
    struct dns_tcp *tcp;
    uint16_t port;
    unsigned n_open; /* sockets not yet closed */
    void (*on_stopped)(void *arg);
    void *arg;
};

static void on_socket_stopped(void *arg)
{
    struct dns *d = arg;
    if (--d->n_open > 0) {
        return;
    }
    void (*cb)(void *) = d->on_stopped;
    void *cb_arg = d->arg;
    dns_responder_fini(&d->responder);
    free(d);
    if (cb != NULL) {
        cb(cb_arg);
    }
}

/* The sockets go over to the loop; on an error both are closed, and @d goes with the last one. */
static int sockets_start(struct dns *d, uv_loop_t *loop, const struct dns_sockets *s)
{
    int rc = dns_udp_start(&d->udp, loop, s, &d->responder);
    int rc_tcp = dns_tcp_start(&d->tcp, loop, s, &d->responder);
    if (rc == 0 && rc_tcp == 0) {
        d->n_open = 2;
        return 0;
    }
    d->n_open = 1; /* at most one runs */
    if (rc == 0) {
        dns_udp_stop(d->udp, on_socket_stopped, d);
    } else if (rc_tcp == 0) {
        dns_tcp_stop(d->tcp, on_socket_stopped, d);
    } else {
        on_socket_stopped(d);
    }
    return rc != 0 ? rc : rc_tcp;
}

int dns_start(struct dns **out,
              uv_loop_t *loop,
              struct reg_reader *reader,
              const struct dns_options *o,
              struct errmsg *e)
{
    struct dns *d = calloc(1, sizeof(*d));
    if (d == NULL) {
        return err_set(e, E_NOMEM, "dns: out of memory");
    }
    uint64_t seed;
    rand_bytes(&seed, sizeof(seed));
    int rc = dns_responder_init(&d->responder, reader, o, seed, e);
    if (rc != 0) {
        free(d);
        return rc;
    }
    struct dns_sockets s;
    rc = dns_sockets_open(&s, d->responder.zone.o.address, o->port, e);
    if (rc != 0) {
        dns_responder_fini(&d->responder);
        free(d);
        return rc;
    }
    d->port = s.port;
    rc = sockets_start(d, loop, &s);
    if (rc != 0) {
        return err_set(e, rc, "dns: cannot serve port %u: %s", (unsigned)s.port, err_text(rc));
    }
    *out = d;
    return 0;
}

uint16_t dns_port(const struct dns *d)
{
    return d->port;
}

void dns_stop(struct dns *d, void (*cb)(void *arg), void *arg)
{
    d->on_stopped = cb;
    d->arg = arg;
    dns_udp_stop(d->udp, on_socket_stopped, d);
    dns_tcp_stop(d->tcp, on_socket_stopped, d);
}

void dns_stats(const struct dns *d, struct dns_stats *out)
{
    *out = d->responder.stats;
}
