/* UDP: send a small datagram and wait. Any answer, and silence too, is passing; only a refusal
 * (ICMP, seen as an error on the connected socket) or a failed send is critical. After Consul's
 * CheckUDP. */
#include <stdio.h>

#include "base/list.h"
#include "healthcheck/probe.h"

/* Not const only because uv_buf_t has a plain pointer; nobody writes to it. */
static char greeting[] = "hello from health check";

static void fail(struct hc_probe *p, const char *op, int uv_error)
{
    char why[128];
    char where[HC_ADDR_TEXT];
    char text[320];
    hc_addr_text(&p->udp.to, where);
    hc_conn_errno_text(why, sizeof why, uv_error);
    (void)snprintf(text, sizeof text, "%s udp %s: %s: %s", op, where, op, why);
    hc_probe_fail(p, text);
}

static void success(struct hc_probe *p)
{
    buf_add_str(&p->output, "UDP connect ");
    buf_add_slice(&p->output, p->def->target);
    buf_add_str(&p->output, ": Success");
    hc_probe_finish(p, REG_PASSING);
}

static void on_silence(struct hc_timer *t, uint64_t now_ns)
{
    (void)now_ns;
    struct hc_probe *p = container_of(t, struct hc_probe, timer);
    if (!p->udp.live) { /* the name is not even known yet */
        char text[HC_HOST_MAX + 64];
        (void)snprintf(text, sizeof text, "dial udp: lookup %.*s: i/o timeout",
                       (int)(p->def->target.len < HC_HOST_MAX ? p->def->target.len : HC_HOST_MAX),
                       p->def->target.p);
        hc_probe_fail(p, text);
        return;
    }
    success(p);
}

static void on_recv(uv_udp_t *h,
                    ssize_t n,
                    const uv_buf_t *b,
                    const struct sockaddr *from,
                    unsigned flags)
{
    (void)b;
    (void)flags;
    struct hc_probe *p = container_of(h, struct hc_probe, udp.handle);
    if (n < 0) {
        fail(p, "read", (int)n);
    } else if (n > 0 || from != NULL) { /* else libuv only says that nothing more waits */
        success(p);
    }
}

static void on_sent(uv_udp_send_t *req, int status)
{
    struct hc_probe *p = container_of(req, struct hc_probe, udp.send);
    if (status != 0 && status != UV_ECANCELED) {
        fail(p, "write", status);
    }
}

static void begin(struct hc_probe *p)
{
    struct hc_udp *u = &p->udp;
    uv_buf_t b = uv_buf_init(greeting, sizeof greeting - 1);
    (void)uv_udp_init(&p->loop->uv, &u->handle); /* opens no socket yet: cannot fail */
    u->live = true;
    int rc = uv_udp_connect(&u->handle, &u->to.any);
    if (rc != 0) {
        fail(p, "dial", rc);
        return;
    }
    rc = uv_udp_recv_start(&u->handle, hc_loop_alloc, on_recv);
    if (rc == 0) {
        rc = uv_udp_send(&u->send, &u->handle, &b, 1, NULL, on_sent);
    }
    if (rc != 0) {
        fail(p, "write", rc);
    }
}

static void on_lookup(struct hc_lookup *q, int status)
{
    struct hc_probe *p = container_of(q, struct hc_probe, udp.lookup);
    if (status != 0) {
        err_prefix(&q->error, "dial udp");
        hc_probe_fail(p, q->error.text);
        return;
    }
    p->udp.to = q->addrs.a[0];
    begin(p);
}

static void start(struct hc_probe *p)
{
    struct hc_udp *u = &p->udp;
    struct errmsg e;
    struct slice host;
    uint16_t port;
    u->live = false;
    u->lookup.job = NULL;
    if (hc_hostport_split(p->def->target, &host, &port, &e) != 0) {
        err_prefix(&e, "dial udp");
        hc_probe_fail(p, e.text);
        return;
    }
    hc_timer_init(&p->timer, on_silence);
    hc_schedule_set(&p->loop->schedule, &p->timer, p->deadline_ns);
    struct hc_addrs a;
    if (hc_addr_literal(host, port, &a)) {
        u->to = a.a[0];
        begin(p);
        return;
    }
    u->lookup.done = on_lookup;
    int rc = hc_lookup_start(p->loop->resolver, &u->lookup, host, port);
    if (rc != 0) {
        hc_probe_fail(p, err_text(rc));
    }
}

static void on_closed(uv_handle_t *h)
{
    struct hc_probe *p = container_of(h, struct hc_probe, udp.handle);
    p->udp.live = false;
    hc_probe_stopped(p);
}

static void on_nothing_to_close(struct hc_timer *t, uint64_t now_ns)
{
    (void)now_ns;
    hc_probe_stopped(container_of(t, struct hc_probe, timer));
}

static void stop(struct hc_probe *p)
{
    hc_lookup_cancel(&p->udp.lookup);
    if (p->udp.live) {
        uv_close((uv_handle_t *)&p->udp.handle, on_closed);
    } else {
        hc_timer_init(&p->timer, on_nothing_to_close);
        hc_schedule_set(&p->loop->schedule, &p->timer, 0);
    }
}

const struct hc_probe_kind hc_probe_udp = {.start = start, .stop = stop};
