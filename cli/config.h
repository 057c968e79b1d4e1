/* The agent's configuration: defaults, then files in the order given, then flags.
 *
 * Owns every string in it. Loading checks names and types against the table in config_keys.c (an
 * unknown key or a wrong type stops the start and is named together with its file); config_finish()
 * then fills in what depends on other keys and checks that the whole makes sense. What a user asks
 * for and this version cannot do is refused when ignoring it would change what is safe or who is a
 * member; other such keys are listed as notes, one log line each. Reads files; opens no socket.
 *
 * Keys and texts: consul-surface.md section 7. */
#ifndef CLI_CONFIG_H_
#define CLI_CONFIG_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/access.h"
#include "base/err.h"
#include "base/log.h"
#include "base/slice.h"
#include "cli/definitions.h"

struct config_pair {
    const char *key;
    const char *value;
};

struct config_map {
    struct config_pair *items; /* sorted by key in config_finish() */
    size_t n;
};

struct config_list {
    const char **items;
    size_t n;
};

struct config_ttl {
    const char *name;
    int64_t ns;
};

struct config_ttls {
    struct config_ttl *items;
    size_t n;
};

enum { CONFIG_ITEMS_MAX = 4096, CONFIG_FILE_MAX = 16 * 1024 * 1024 };

struct config {
    bool dev;

    const char *node_name;
    const char *node_id; /* NULL: from the data directory */
    struct config_map node_meta;
    struct config_map tagged_addresses;
    const char *datacenter;
    const char *data_dir; /* NULL: only with dev */
    const char *domain;
    const char *alt_domain; /* NULL = none */
    bool server;
    bool bootstrap;
    int64_t bootstrap_expect;
    struct config_list retry_join;
    struct config_list start_join;

    const char *bind_addr;
    const char *advertise_addr;
    const char *client_addr;    /* one or several IP literals, separated by spaces */
    const char *addresses_http; /* NULL: client_addr */
    const char *addresses_dns;
    int64_t port_http, port_dns, port_server, port_serf_lan, port_serf_wan; /* <= 0: off */
    int64_t port_https, port_grpc, port_grpc_tls;

    const char *log_level;
    bool log_json;
    const char *log_file;
    const char *pid_file;

    int64_t raft_multiplier;         /* 0: our own defaults */
    int64_t raft_snapshot_threshold; /* log entries between checkpoints; 0: the default */
    int64_t serving_threads;         /* 0: one for each core */

    int64_t default_query_time_ns;
    int64_t max_query_time_ns;
    int64_t kv_value_max;
    int64_t txn_body_max;
    int64_t snapshot_max;
    int64_t http_header_max;
    struct config_list http_block_endpoints;
    struct config_list http_allow_write_from;
    struct config_map http_response_headers;
    struct api_access http_access; /* the three above, after config_finish() */
    bool translate_wan_addrs;

    bool enable_script_checks;
    bool enable_local_script_checks;
    int64_t session_ttl_min_ns;
    int64_t check_update_interval_ns;
    int64_t check_output_max;
    int64_t check_deregister_min_ns;

    int64_t dns_node_ttl_ns;
    struct config_ttls dns_service_ttl;
    bool dns_only_passing;
    bool dns_enable_truncate;
    int64_t dns_udp_answer_limit;
    int64_t dns_a_record_limit;
    bool dns_disable_compression;
    bool dns_node_meta_txt;
    int64_t dns_soa_refresh, dns_soa_retry, dns_soa_expire, dns_soa_min_ttl; /* seconds */
    struct config_list recursors;

    bool acl_enabled;
    const char *encrypt;

    struct definitions definitions; /* services and checks */

    /* What was set but does nothing yet: one entry for each key, for the log. */
    struct config_list notes;

    /* Private: every string and array above lives here. */
    struct config_block *blocks;
};

/* Consul's defaults, or those of -dev. */
void config_init(struct config *c, bool dev);
void config_fini(struct config *c);

/* Read one file. @format is "" (go by the suffix), "json" or "hcl".
 * E_INVAL, E_UNSUPPORTED, E_NOTFOUND and the like: @e names file, line and key. */
int config_load_file(struct config *c, const char *path, const char *format, struct errmsg *e);
/* Read the .json and .hcl files of a directory in the order of their names, or one file. */
int config_load_path(struct config *c, const char *path, const char *format, struct errmsg *e);
/* Take JSON text; @origin names it in messages. */
int config_load_text(struct config *c,
                     const char *text,
                     size_t len,
                     const char *origin,
                     struct errmsg *e);
/* Take HCL text, likewise. */
int config_load_hcl(struct config *c, struct slice text, const char *origin, struct errmsg *e);
/* Set the scalar, list or map item @key from a flag's text; @origin names the flag in messages. */
int config_set_text(struct config *c,
                    const char *key,
                    const char *text,
                    const char *origin,
                    struct errmsg *e);

/* Fill in what follows from other keys and check the whole. Call once, after all loads.
 * E_INVAL: the message is what to show; E_UNSUPPORTED: asked for and not built. */
int config_finish(struct config *c, struct errmsg *e);

/* The log level in c->log_level; E_INVAL. */
int config_log_level(const struct config *c, enum log_level *out, struct errmsg *e);

/* A copy of @s that lives as long as @c. Never NULL: without memory the process ends. */
const char *config_strdup(struct config *c, const char *s);

#endif
