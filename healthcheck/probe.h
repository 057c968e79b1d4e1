/* One probe: one run of a check against its target, from start to answer.
 *
 * Owns sockets and buffers while it runs; the memory is kept between runs, so that a pool of them
 * serves many checks. Knows no thresholds and no store. A target can neither keep a probe beyond
 * its deadline nor make it take more memory than the limits below say.
 *
 * A new kind needs: a row in probe.c, its start function here, its kind in registry/model.h.
 * Used inside this folder only. */
#ifndef HEALTHCHECK_PROBE_H_
#define HEALTHCHECK_PROBE_H_

#include <http_parser.h>
#include <nghttp2/nghttp2.h>

#include "healthcheck/conn_uv.h"
#include "healthcheck/result.h"
#include "healthcheck/url.h"
#include "registry/model.h"

#define HC_TIMEOUT_DEFAULT_NS ((int64_t)10000000000)
/* A body is read to its end, since its tail is what counts, but no further than this. */
#define HC_HTTP_BODY_MAX ((uint64_t)16 * 1024 * 1024)

enum {
    HC_HTTP_REDIRECTS_MAX = 10,
    HC_HTTP_REASON_MAX = 256,   /* bytes kept of a reason phrase */
    HC_GRPC_RESPONSE_MAX = 4096 /* bytes of a health response; more is a protocol error */
};

#define HC_USER_AGENT "Consul Health Check"

struct hc_probe;

struct hc_probe_kind {
    /* Begin; ends with hc_probe_finish(), possibly inside this call. */
    void (*start)(struct hc_probe *p);
    /* Close sockets of its own, then hc_probe_stopped(), later. NULL: it has only `conn`. */
    void (*stop)(struct hc_probe *p);
    /* Free what one run allocated; all handles are closed. May be NULL. */
    void (*release)(struct hc_probe *p);
};

struct hc_http {
    http_parser parser;
    struct hc_url url; /* points into text_url */
    struct slice method;
    unsigned redirects;
    bool with_body;
    bool own_host;         /* the Host header of the definition applies */
    bool same_site;        /* credentials may be sent */
    bool name_is_location; /* the header whose value comes next */
    bool has_location;
    bool headers_done;
    bool complete;
    uint64_t body_bytes;
};

struct hc_h2 {
    nghttp2_session *session;
    struct slice authority;
    struct slice service;
    size_t sent; /* bytes of the request message already framed */
    int32_t stream;
    int http_status;
    int grpc_status; /* -1: none came */
    bool closed;     /* the stream ended */
    uint32_t reset_code;
    bool pong;
    bool ping_only;
};

struct hc_udp {
    uv_udp_t handle;
    uv_udp_send_t send;
    struct hc_lookup lookup;
    union hc_addr to;
    bool live;
};

struct hc_probe {
    struct hc_loop *loop;
    /* The run is over and all sockets are closed: status and output hold, or `canceled` is set.
     * May start the next run or free the probe. */
    void (*done)(struct hc_probe *p);
    enum reg_status status;
    struct buf output;
    bool canceled;
    /* Private. */
    const struct hc_probe_kind *kind;
    enum { HC_PROBE_IDLE, HC_PROBE_RUNNING, HC_PROBE_STOPPING } state;
    const struct reg_probe *def;
    size_t output_max;
    uint64_t deadline_ns;
    struct hc_conn conn;
    struct hc_timer timer; /* free for the kind while running; then reports the end */
    struct hc_tail tail;
    struct buf text_url; /* the URL in use */
    struct buf text;     /* Location; grpc-message */
    struct buf reason;   /* reason phrase; gRPC response */
    struct buf scratch;  /* what is being sent */
    struct hc_http http;
    struct hc_h2 h2;
    struct hc_udp udp;
};

/* Prepare the memory, once. @done is set here. */
void hc_probe_init(struct hc_probe *p, struct hc_loop *l, void (*done)(struct hc_probe *p));
/* Free what is kept between runs; it must be idle. */
void hc_probe_fini(struct hc_probe *p);

/* True for the kinds that are run by hc_probe_start(): all that go out to a target. */
bool hc_probe_runs(uint8_t kind);
/* Run @def (borrowed until done), whose kind hc_probe_runs(); output of a body is cut to
 * @output_max bytes (> 0). done() follows once, later. */
void hc_probe_start(struct hc_probe *p, const struct reg_probe *def, size_t output_max);
/* End a run early: done() follows with `canceled` set. Harmless when idle or stopping. */
void hc_probe_cancel(struct hc_probe *p);

/* ---- for the kinds ---- */

/* The answer is in p->output: stop and report it. Ignored when it is stopping already. */
void hc_probe_finish(struct hc_probe *p, enum reg_status status);
/* As hc_probe_finish() with critical and @text. */
void hc_probe_fail(struct hc_probe *p, const char *text);
/* The kind's own sockets are closed. */
void hc_probe_stopped(struct hc_probe *p);

extern const struct hc_probe_kind hc_probe_http;
extern const struct hc_probe_kind hc_probe_tcp;
extern const struct hc_probe_kind hc_probe_udp;
extern const struct hc_probe_kind hc_probe_grpc;
extern const struct hc_probe_kind hc_probe_h2ping;
extern const struct hc_probe_kind hc_probe_unsupported;

#endif
