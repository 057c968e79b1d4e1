/* The leases of the sessions follow the table of sessions; what runs out is ended by a command. The
 * store decides whether a session exists, so a renewal that arrives before the next reading of the
 * table looks there. */
#include "healthcheck/core.h"

#include "base/log.h"

static void on_expired(struct hc_leases *set, struct slice id)
{
    struct hc *hc = container_of(set, struct hc, leases);
    if (!hc->stopping) {
        log_debug("agent", "Session TTL expired: session=%.*s", (int)id.len, id.p);
        hc_end_session(hc, id);
    }
}

void hc_sessions_init(struct hc *hc)
{
    hc_leases_init(&hc->leases, &hc->loop.schedule, on_expired);
}

/* 0, or why the lease of @s cannot be kept; logged. Sessions without a TTL have none. */
static int keep(struct hc *hc, const struct reg_session *s, uint64_t now_ns)
{
    int rc = s->ttl_ns > 0 ? hc_leases_keep(&hc->leases, s->id, s->ttl_ns, now_ns) : 0;
    if (rc != 0) {
        log_error("agent", "No lease for a session: session=%.*s error=%s", (int)s->id.len, s->id.p,
                  err_text(rc));
    }
    return rc;
}

void hc_sessions_read(struct hc *hc)
{
    struct reg_iter it;
    struct reg_session s;
    uint64_t now_ns = hc_loop_now();
    hc_leases_begin(&hc->leases);
    reg_read_begin(hc->reader);
    reg_sessions(hc->reader, &it);
    while (reg_sessions_next(&it, &s)) {
        (void)keep(hc, &s, now_ns); /* logged; tried again at the next change */
    }
    reg_iter_end(&it);
    reg_read_end(hc->reader);
    hc_leases_end(&hc->leases);
}

int hc_session_renew(struct hc *hc, struct slice id)
{
    struct reg_session s;
    uint64_t now_ns = hc_loop_now();
    reg_reader_sync(hc->reader); /* may touch */
    reg_read_begin(hc->reader);
    bool found = reg_session_find(hc->reader, id, &s);
    bool leased = found && s.ttl_ns > 0;
    int rc = found ? keep(hc, &s, now_ns) : E_NOTFOUND;
    reg_read_end(hc->reader);
    return rc == 0 && leased ? hc_leases_renew(&hc->leases, id, now_ns) : rc;
}
