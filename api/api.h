/* What a handler sees: the contract between the HTTP machinery and the handlers.
 *
 * A route is one row of a table (api/routes.c). Its handlers are of two shapes:
 *
 * - A *read* is two pure functions over the loop's reader. `find` tells which resource is asked
 *   for: its index and the watch keys that announce its change. `render` writes the body. The
 *   machinery parks blocking queries on those keys, shares one evaluation among equal queries,
 * keeps rendered bodies while the keys are untouched, and writes the headers. Handlers know none of
 * it.
 * - A *call* does anything else: it parses, proposes a command or asks the prober, and answers now
 *   or later, exactly once, by api_reply_*().
 *
 * A request, its arena and its slices live until its answer. All on one serving loop. */
#ifndef API_API_H_
#define API_API_H_

#include <stdbool.h>
#include <stdint.h>

#include "api/access.h"
#include "base/buf.h"
#include "registry/port.h"
#include "registry/query.h"

enum api_method {
    API_GET = 1,
    API_PUT = 2,
    API_POST = 4,
    API_DELETE = 8,
    API_OPTIONS = 16,
    API_HEAD = 32,
    API_OTHER = 64
};

struct api_param {
    struct slice name; /* decoded */
    struct slice value;
};

enum { API_PARAMS_MAX = 64, API_HEADERS_MAX = 128 };

/* Where this server stands in its cluster. */
struct api_raft {
    bool leader;
    uint64_t term;
    uint64_t last_index;
    int64_t stable_since_ns; /* wall clock: when it began to lead, or ceased to */
};

/* Identity and settings of this server, immutable; shared by all loops. */
struct api_server {
    const char *node; /* node name */
    const char *node_id;
    const char *datacenter;
    const char *address;  /* advertised IP */
    uint16_t server_port; /* 8300 */
    uint16_t serf_lan_port;
    uint16_t serf_wan_port;
    uint16_t dns_port;
    uint16_t http_port;
    const char *version; /* Consul version we speak for: "1.21.4" */
    const char *revision;
    const char *build_date; /* RFC 3339 */
    const char *domain;
    const char *alt_domain; /* may be NULL */
    bool pretty_always;     /* -dev */
    bool scripts_local, scripts_remote;
    uint64_t kv_value_max;           /* 524288 */
    uint64_t body_max;               /* other bodies: 1 MiB and more */
    uint64_t snapshot_max;           /* bytes of an archive to restore */
    uint64_t txn_body_max;           /* 524288 */
    int64_t wait_default_ns;         /* 300 s */
    int64_t wait_max_ns;             /* 600 s */
    int32_t output_max;              /* 4096 */
    int64_t session_ttl_min_ns;      /* 10 s */
    const struct api_access *access; /* NULL: everybody may ask everything */
    struct reg *store;
    struct reg_proposer *proposer;
    struct reg_prober *prober; /* may be NULL in tests */
    /* Where replication stands; any thread. */
    void (*leadership)(void *arg, bool *known, char address[128], uint64_t *last_contact_ms);
    void (*raft)(void *arg, struct api_raft *out); /* any thread */
    /* Statistics as "section.key" = "value" pairs for agent/self and info; any thread. */
    void (*stats)(void *arg,
                  void (*each)(void *to, const char *section, const char *key, const char *value),
                  void *to);
    /* Set the gauges that are only worked out when somebody reads them; @reader is not in a
     * bracket. Any thread; may be NULL. */
    void (*gauges)(void *arg, struct reg_reader *reader);
    void (*leave)(void *arg);  /* PUT agent/leave: end the process in an orderly way */
    void (*reload)(void *arg); /* read the configuration again, soon; returns at once */
    void *arg;
};

struct api_loop; /* one serving loop; private to the machinery */
struct api_route;

struct api_req {
    const struct api_server *server;
    struct reg_reader *reader;
    const struct api_route *route;
    enum api_method method;
    struct slice method_text;
    struct slice path; /* decoded */
    struct slice tail; /* what follows the route's prefix, decoded: key, name or id; may be "" */
    struct api_param params[API_PARAMS_MAX];
    unsigned n_params;
    struct slice body;
    int body_fd;        /* API_SPOOL: the body, in a file from its start; -1 when it is empty */
    uint64_t body_len;  /* API_SPOOL: its bytes */
    bool has_length;    /* Content-Length was given and above 0 */
    struct slice token; /* by Consul's order of precedence; may be empty */
    void *user;         /* the handler's own, from the arena */
};

/* ---- for every handler ---- */

/* Zeroed memory that lives as long as the request; never NULL (the process ends without memory for
 * it: at most a few KiB are asked for beyond the body's size). */
void *api_alloc(struct api_req *r, size_t n);
struct slice api_copy(struct api_req *r, struct slice s);
/* A buffer freed with the request. */
struct buf *api_buf(struct api_req *r);
/* First value of a parameter; false when absent. A bare flag has the empty value. */
bool api_param(const struct api_req *r, const char *name, struct slice *value);
bool api_flag(const struct api_req *r, const char *name); /* by presence */
/* The request header @name (any case); empty slice when absent. */
struct slice api_header(const struct api_req *r, const char *name);

/* ---- reads ---- */

enum { API_WATCH_MAX = 4 };

/* What `find` fills in. */
struct api_resource {
    int status;        /* 200 unless set; 404 with an empty body for an absent key ... */
    const char *error; /* text/plain body for a status that is not 200; NULL = empty */
    uint64_t index;    /* X-Consul-Index */
    unsigned n_watch;
    struct {
        enum reg_watch_kind kind;
        struct slice name;
    } watch[API_WATCH_MAX];   /* any of these touched: look again */
    bool bare;                /* what is not 200 goes without index headers */
    bool at_once;             /* ?index= does not block */
    bool private_body;        /* not to be kept (depends on more than the watch keys) */
    const char *content_type; /* NULL = application/json */
    bool raw;                 /* KV ?raw: body as is, nosniff and CSP headers, no pretty printing */
};

/* Both run inside reg_read_begin/end. @res is zeroed but for status 200. Must not block; a body is
 * rendered in one go. `find` may answer an error by status and text. */
typedef void (*api_find_fn)(struct api_req *r, struct api_resource *res);
typedef void (*api_render_fn)(struct api_req *r, struct buf *out);
typedef void (*api_call_fn)(struct api_req *r);

/* ---- calls ---- */

/* 200 with a JSON body (compact; the machinery indents when asked). Copies nothing: @body is the
 * request's own buffer or static. */
void api_reply_json(struct api_req *r, struct slice body);
/* 200, zero-length body. */
void api_reply_empty(struct api_req *r);
/* text/plain error. */
void api_reply_error(struct api_req *r, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Any status, type (NULL = none) and body. */
void api_reply(struct api_req *r, int status, const char *content_type, struct slice body);
/* 200 with the @len bytes of the file @fd, which is taken over, and the headers of a read at
 * @index. */
void api_reply_file(struct api_req *r,
                    const char *content_type,
                    int fd,
                    uint64_t len,
                    uint64_t index);
/* Add a header to the answer to come; both are copied. Before api_reply*(). */
void api_set_header(struct api_req *r, const char *name, struct slice value);

/* Propose the one command in @cmd (a buffer of the request). @done runs on this loop, even if the
 * client has hung up meanwhile; with @status not 0 it may hand on to api_reply_proposal_error().
 * If the queue is full the request is answered 503 with Retry-After and @done never runs. */
void api_propose(struct api_req *r,
                 struct buf *cmd,
                 void (*done)(struct api_req *r, int status, const struct reg_result *result));
/* The usual answer for a failed proposal: 500 "No cluster leader", 500 outcome unknown, or
 * result->text with 500. */
void api_reply_proposal_error(struct api_req *r, int status, const struct reg_result *result);

/* Ask the prober. @q is zeroed but for op and its arguments; freed by the machinery after @done. */
void api_probe(struct api_req *r,
               const struct reg_probe_req *q,
               void (*done)(struct api_req *r, struct reg_probe_req *q));

/* ---- streams: a call whose answer has no end of its own ---- */

/* Answer 200 with a body that goes on until the client hangs up or the server stops. @sent runs
 * when what was sent has left; @closed, once, when nobody listens any more: the handler then calls
 * api_stream_end(), at once or, if it still waits for something, later. */
void api_stream_begin(struct api_req *r,
                      const char *content_type,
                      api_call_fn sent,
                      api_call_fn closed);
/* False while bytes wait to be sent. */
bool api_stream_ready(const struct api_req *r);
/* Send @bytes; only when it is ready. May call @closed. */
void api_stream_send(struct api_req *r, struct slice bytes);
/* After @closed: the request goes, and its memory with it. */
void api_stream_end(struct api_req *r);
/* The loop's queue, for a reply of the handler's own (registry/port.h). */
struct queue *api_reply_queue(const struct api_req *r);

/* Run @work on a thread of its own, then @done on this loop, even if the client has hung up
 * meanwhile. @work may wait; it must not touch @r: what it needs is behind @arg, which lives until
 * @done (api_alloc). If too many are at it (API_WORKERS_MAX in the process) the request is answered
 * 503 with Retry-After and neither runs. */
enum { API_WORKERS_MAX = 4 };
void api_work(struct api_req *r,
              void (*work)(void *arg),
              void *arg,
              void (*done)(struct api_req *r, void *arg));

/* ---- the table ---- */

enum api_route_flags {
    API_META = 1,        /* X-Consul-Index, -Knownleader, -Lastcontact, -Query-Backend; blocking */
    API_CONSISTENCY = 2, /* also X-Consul-Effective-Consistency */
    API_TAIL = 4,        /* the pattern ends with "/" and takes the rest of the path */
    API_NO_BODY_LIMIT = 8, /* KV: its own limit applies */
    API_DC = 16,           /* refuses ?dc= of another datacenter */
    /* X-Consul-Index alone, of a resource whose indexes have no order: blocks while it is equal to
     * ?index=, and is answered by any server. */
    API_UNORDERED = 32,
    API_SPOOL = 4096 /* the body of a PUT goes to a file (body_fd), up to snapshot_max */
};

struct api_route {
    const char *pattern; /* "/v1/kv/" */
    unsigned flags;
    const char
        *missing;     /* 400 text when API_TAIL and the tail is empty; NULL = the handler decides */
    api_find_fn find; /* GET as a read, with render ... */
    api_render_fn render;
    api_call_fn get; /* ... or as a call */
    api_call_fn put, post, del;
    /* The methods at this tail, where that matters; such a route answers OPTIONS with {}, and its
     * 405 does not offer OPTIONS. */
    unsigned (*methods)(const struct api_req *r);
};

extern const struct api_route api_routes[];
extern const unsigned api_routes_count;

#endif
