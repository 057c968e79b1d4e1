/* The things the registry keeps, as flat views, and their stored form.
 *
 * A view is a struct of slices and numbers: on the way in the slices point into a request, on the
 * way out into the memory map. Nothing here owns memory. Encoding is versioned (the first byte) and
 * deterministic; decoding checks every length, so a view that decodes is safe to use.
 *
 * Names follow Consul's API objects (consul-surface.md 1.1). Pure; any thread. */
#ifndef REGISTRY_MODEL_H_
#define REGISTRY_MODEL_H_

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

/* A packed list of strings: `u16 n, n x (u32 len, bytes)`. An absent one (JSON null) has raw.len 0;
 * an empty one ([] or {}) has n 0. Maps are lists of key, value, key, value with n strings in all,
 * sorted by key. */
struct reg_list {
    struct slice raw;
};

/* Builds a reg_list in @b, appending; what was in @b before stays. */
struct reg_list_builder {
    struct buf *b;
    size_t start;
    unsigned n;
};
void reg_list_begin(struct reg_list_builder *lb, struct buf *b);
void reg_list_add(struct reg_list_builder *lb, struct slice s);
/* The finished list. It points into @b, so it is valid until @b grows; fetch lists last, or keep
 * (start, len) and re-slice. Fails @b above 65535 strings. */
struct reg_list reg_list_end(struct reg_list_builder *lb);

unsigned reg_list_count(struct reg_list l);
static inline bool reg_list_absent(struct reg_list l)
{
    return l.raw.len == 0;
}
/* Iterate: `struct rd it = reg_list_iter(l); while (reg_list_next(&it, &s)) ...` */
struct rd reg_list_iter(struct reg_list l);
bool reg_list_next(struct rd *it, struct slice *s);
/* Value of @key in a map; false when it is not there. */
bool reg_map_get(struct reg_list l, const char *key, struct slice *value);
/* True when every length inside is sound. */
bool reg_list_valid(struct reg_list l);

/* A node: a machine, or any address that carries services. Keyed by name, case-insensitively. */
struct reg_node {
    struct slice id;   /* uuid or empty */
    struct slice name; /* as first written */
    struct slice address;
    struct reg_list tagged; /* map name -> address, or absent */
    struct reg_list meta;   /* map, or absent */
    struct slice locality;  /* JSON text, or empty */
    uint64_t create_index;
    uint64_t modify_index;
};

/* Who keeps a service or check alive. */
enum reg_origin {
    REG_ORIGIN_CATALOG, /* written by catalog/register or txn: nobody probes it (issue: esm) */
    REG_ORIGIN_AGENT,   /* through /v1/agent/...: the node that hosts it runs its checks */
    REG_ORIGIN_SYSTEM,  /* made by the server itself: service "consul", check serfHealth */
    REG_ORIGIN_FILE     /* as AGENT, from configuration files; goes when it vanishes from them */
};

/* True for what the node that hosts it keeps alive, whether by API or by file. */
static inline bool reg_origin_is_agent(uint8_t origin)
{
    return origin == REG_ORIGIN_AGENT || origin == REG_ORIGIN_FILE;
}

/* A service instance. Keyed by (node, id). */
struct reg_service {
    struct slice node;
    struct slice id;
    struct slice name;
    struct slice kind;
    struct reg_list tags; /* never sorted; duplicates kept */
    struct slice address;
    struct reg_list tagged; /* map name -> "address\0port in decimal", or absent */
    struct reg_list meta;   /* map, or absent */
    int32_t port;
    struct slice socket_path;
    int32_t weight_passing;
    int32_t weight_warning;
    bool enable_tag_override;
    struct slice proxy;    /* JSON object text as Consul echoes it, or empty */
    struct slice connect;  /* JSON object text, or empty */
    struct slice locality; /* JSON text, or empty */
    struct slice token;    /* the registration's token; never rendered, never logged */
    uint8_t origin;        /* enum reg_origin */
    uint64_t create_index;
    uint64_t modify_index;
};

enum reg_status { REG_PASSING, REG_WARNING, REG_CRITICAL, REG_STATUS_OTHER };

/* How a check is probed; see consul-surface.md 3.3. */
enum reg_probe_kind {
    REG_PROBE_NONE, /* not probed: catalog checks, serfHealth, maintenance */
    REG_PROBE_TTL,
    REG_PROBE_HTTP,
    REG_PROBE_TCP,
    REG_PROBE_UDP,
    REG_PROBE_GRPC,
    REG_PROBE_H2PING,
    REG_PROBE_SCRIPT,
    REG_PROBE_ALIAS,
    REG_PROBE_DOCKER,
    REG_PROBE_OS_SERVICE
};

/* The definition a prober works from. Durations in nanoseconds; 0 means "default". */
struct reg_probe {
    uint8_t kind;           /* enum reg_probe_kind */
    struct slice target;    /* URL, host:port, host:port/service, systemd unit, alias service id */
    struct slice method;    /* HTTP */
    struct slice body;      /* HTTP */
    struct reg_list header; /* HTTP: name, value, name, value; a name may repeat */
    struct slice tls_server_name;
    struct reg_list args; /* script: argv */
    struct slice alias_node;
    struct slice shell;
    struct slice docker_id;
    int64_t interval_ns;
    int64_t timeout_ns;
    int64_t ttl_ns;
    int64_t deregister_after_ns; /* DeregisterCriticalServiceAfter; 0 = never */
    int32_t success_before_passing;
    int32_t failures_before_warning;
    int32_t failures_before_critical;
    int32_t output_max; /* bytes; 0 = default 4096 */
    bool tls_skip_verify;
    bool use_tls; /* TCPUseTLS, GRPCUseTLS, H2PingUseTLS */
    bool disable_redirects;
};

/* A check. Keyed by (node, check id). */
struct reg_check {
    struct slice node;
    struct slice check_id;
    struct slice name;
    struct slice status; /* text: "passing", "warning", "critical", or what the catalog wrote */
    struct slice notes;
    struct slice output;
    struct slice service_id; /* empty: a check of the node */
    struct slice service_name;
    struct reg_list service_tags;
    struct slice type;     /* "http", "ttl", ...; empty for catalog checks */
    struct slice interval; /* text as shown ("10s"), or empty */
    struct slice timeout;
    int32_t exposed_port;
    struct slice definition; /* JSON object text as shown, or empty for {} */
    struct reg_probe probe;
    uint8_t origin; /* enum reg_origin */
    uint64_t create_index;
    uint64_t modify_index;
};

struct reg_kv {
    struct slice key;
    struct slice value;
    uint64_t flags;
    struct slice session; /* uuid or empty */
    uint64_t lock_index;
    uint64_t create_index;
    uint64_t modify_index;
};

/* What becomes of the keys that a session holds when it ends. */
enum reg_session_behavior { REG_SESSION_RELEASE, REG_SESSION_DELETE };

/* A session: what locks hang on. Keyed by id; lives as long as its node and checks. */
struct reg_session {
    struct slice id; /* uuid */
    struct slice name;
    struct slice node;
    uint8_t behavior;      /* enum reg_session_behavior */
    int64_t lock_delay_ns; /* as asked for; at most REG_LOCK_DELAY_MAX_NS of it count */
    struct slice ttl;      /* as asked for ("15.0s"), or empty */
    int64_t ttl_ns;        /* 0: it does not expire */
    struct reg_list node_checks;
    struct reg_list service_checks; /* id, namespace, id, namespace ..., or absent */
    uint64_t create_index;
    uint64_t modify_index;
};
#define REG_LOCK_DELAY_MAX_NS ((int64_t)60 * 1000000000)

enum reg_status reg_status_of(struct slice text);

/* Append the stored form to @b. */
void reg_node_encode(struct buf *b, const struct reg_node *n);
void reg_service_encode(struct buf *b, const struct reg_service *s);
void reg_check_encode(struct buf *b, const struct reg_check *c);
void reg_kv_encode(struct buf *b, const struct reg_kv *e);
void reg_session_encode(struct buf *b, const struct reg_session *s);
/* Decode from @s, all of it. Return 0 or E_CORRUPT; the view points into @s. */
int reg_node_decode(struct slice s, struct reg_node *n);
int reg_service_decode(struct slice s, struct reg_service *out);
int reg_check_decode(struct slice s, struct reg_check *c);
int reg_kv_decode(struct slice s, struct reg_kv *e);
int reg_session_decode(struct slice s, struct reg_session *out);

/* True when the two differ in nothing but their indexes (Consul's IsSame: such a write does not
 * move an index). */
bool reg_node_same(const struct reg_node *a, const struct reg_node *b);
bool reg_service_same(const struct reg_service *a, const struct reg_service *b);
bool reg_check_same(const struct reg_check *a, const struct reg_check *b);

#endif
