/* TCP: connect, with TCPUseTLS also the handshake, close. After Consul's CheckTCP. And the answer
 * for the kinds that this program cannot run: critical, saying so. */
#include "base/list.h"
#include "healthcheck/probe.h"

static void on_open(struct hc_conn *c)
{
    struct hc_probe *p = container_of(c, struct hc_probe, conn);
    buf_add_str(&p->output, "TCP connect ");
    buf_add_slice(&p->output, p->def->target);
    buf_add_str(&p->output, ": Success");
    hc_probe_finish(p, REG_PASSING);
}

static void on_data(struct hc_conn *c, struct slice data)
{
    (void)c; /* cannot come: on_open closes */
    (void)data;
}

static void on_end(struct hc_conn *c, int status)
{
    (void)status; /* the text says it */
    hc_probe_fail(container_of(c, struct hc_probe, conn), c->error.text);
}

static void start(struct hc_probe *p)
{
    struct hc_conn_options o = {
        .use_tls = p->def->use_tls,
        .tls = {.skip_verify = p->def->tls_skip_verify, .name = p->def->tls_server_name},
        .deadline_ns = p->deadline_ns,
    };
    struct errmsg e;
    if (hc_hostport_split(p->def->target, &o.host, &o.port, &e) != 0) {
        err_prefix(&e, "dial tcp");
        hc_probe_fail(p, e.text);
        return;
    }
    if (o.tls.name.len == 0) {
        o.tls.name = o.host;
    }
    p->conn.on_open = on_open;
    p->conn.on_data = on_data;
    p->conn.on_end = on_end;
    hc_conn_start(&p->conn, &o);
}

const struct hc_probe_kind hc_probe_tcp = {.start = start};

static void unsupported_start(struct hc_probe *p)
{
    const char *name = p->def->kind == REG_PROBE_SCRIPT   ? "script"
                       : p->def->kind == REG_PROBE_DOCKER ? "docker"
                                                          : "os_service";
    buf_printf(&p->output, "Checks of type \"%s\" are not supported by this agent", name);
    hc_probe_finish(p, REG_CRITICAL);
}

const struct hc_probe_kind hc_probe_unsupported = {.start = unsupported_start};
