/* Definitions: what bodies of the register routes say, checked as Consul checks it and turned into
 * the registry's records (consul-surface.md 2.6, 2.9, 3.1, 3.4).
 *
 * The records' slices point into the body's decoded form, that is into the request's arena. A
 * refusal names its HTTP status and Consul's text. Pure: whether a service or node exists is the
 * handlers' business. */
#ifndef API_DEFINE_H_
#define API_DEFINE_H_

#include "api/decode.h"

/* Why a definition is refused. */
struct define_error {
    int status; /* HTTP */
    struct errmsg text;
};

/* A check's definition; the union of Consul's CheckType and CheckDefinition. Zero = not given. */
struct define_check {
    struct slice id; /* "ID" in check/register, "CheckID" within a service */
    struct slice name;
    struct slice notes;
    struct slice service_id; /* check/register only */
    struct slice token;      /* check/register only */
    struct slice status;
    struct slice http, method, body;
    struct slice tcp, udp, grpc, h2ping, os_service;
    struct slice docker_id, shell;
    struct slice alias_node, alias_service;
    struct slice tls_server_name;
    struct reg_list header;
    struct reg_list args;
    int64_t interval_ns, timeout_ns, ttl_ns, deregister_after_ns;
    int32_t output_max;
    int32_t success_before_passing, failures_before_warning, failures_before_critical;
    int8_t h2ping_use_tls; /* tristate: TLS unless switched off */
    bool tls_skip_verify, tcp_use_tls, grpc_use_tls, disable_redirects;
};

struct define_weights {
    int32_t passing, warning;
};

/* ServiceDefinition (agent/service/register) and NodeService (catalog/register). */
struct define_service {
    struct slice kind, id, name, address, socket_path, token;
    struct reg_list tags, meta, tagged;
    int32_t port;
    bool enable_tag_override;
    const struct define_weights *weights;
    struct slice proxy, connect, locality; /* JSON */
    const struct define_check *check;
    struct decode_array checks; /* of struct define_check */
};

/* The Definition of a check in the catalog; its durations and fields are echoed, not run. */
struct define_catalog_probe {
    int64_t interval_ns, timeout_ns, deregister_after_ns, ttl_ns;
    struct slice http, tls_server_name, method, body, tcp, udp, h2ping, os_service, docker_id,
        shell, grpc, alias_node, alias_service, session_name;
    struct reg_list header, args;
    int32_t output_max;
    int8_t h2ping_use_tls, grpc_use_tls;
    bool tls_skip_verify, disable_redirects, tcp_use_tls;
};

struct define_catalog_check {
    struct slice node, check_id, name, status, notes, output, service_id, service_name, type;
    struct slice interval, timeout;
    struct reg_list service_tags;
    int32_t exposed_port;
    const struct define_catalog_probe *definition;
};

/* RegisterRequest. */
struct define_register {
    struct slice datacenter, id, node, address, locality;
    struct reg_list tagged, meta;
    const struct define_service *service;
    const struct define_catalog_check *check;
    struct decode_array checks; /* of struct define_catalog_check */
    bool skip_node_update;
};

/* DeregisterRequest. */
struct define_deregister {
    struct slice datacenter, node, service_id, check_id;
};

/* What a TTL update says. */
struct define_check_update {
    struct slice status, output;
};

extern const struct decode_object define_service_body;      /* struct define_service */
extern const struct decode_object define_check_body;        /* struct define_check */
extern const struct decode_object define_register_body;     /* struct define_register */
extern const struct decode_object define_deregister_body;   /* struct define_deregister */
extern const struct decode_object define_check_update_body; /* struct define_check_update */

/* What this agent permits. */
struct define_rules {
    bool scripts; /* script checks by HTTP */
};

/* An agent's service with its checks: *@checks is an array of *@n_checks from @m. @s->node and the
 * checks' node are left empty for the caller. Returns 0, or E_INVAL with @e set. */
int define_agent_service(const struct decode_memory *m,
                         const struct define_rules *rules,
                         const struct define_service *d,
                         struct reg_service *s,
                         struct reg_check **checks,
                         unsigned *n_checks,
                         struct define_error *e);

/* A check of its own (agent/check/register). With a service_id the caller fills in the service's
 * name and tags. Returns 0, or E_INVAL with @e set. */
int define_agent_check(const struct decode_memory *m,
                       const struct define_rules *rules,
                       const struct define_check *d,
                       struct reg_check *c,
                       struct define_error *e);

/* The service of a catalog registration. Returns 0, or E_INVAL with @e set. */
int define_catalog_service(const struct decode_memory *m,
                           const struct define_service *d,
                           struct slice node,
                           struct reg_service *s,
                           struct define_error *e);

/* One check of a catalog registration on @node. Returns 0, or E_INVAL with @e set. */
int define_catalog_check(const struct decode_memory *m,
                         const struct define_catalog_check *d,
                         struct slice node,
                         struct reg_check *c,
                         struct define_error *e);

/* The node of a catalog registration; what is said about it may be empty with SkipNodeUpdate.
 * Returns 0, or E_INVAL with @e set. */
int define_catalog_node(const struct define_register *d,
                        struct reg_node *n,
                        struct define_error *e);

/* True for "0.0.0.0", "::" and "[::]", which no client can connect to. */
bool define_address_is_any(struct slice address);
/* 4 or 6 for an IP literal of that family, else 0. */
int define_address_family(struct slice address);

#endif
