/* Every key of Consul's configuration, with what this version makes of it. */
#include "cli/config_keys.h"

#include <strings.h>

#include "cli/config.h"

#define USED(path, type, field)                                                \
    {                                                                          \
        path, CONFIG_##type, CONFIG_USED, offsetof(struct config, field), NULL \
    }
#define OBJECT(path)                              \
    {                                             \
        path, CONFIG_OBJECT, CONFIG_USED, 0, NULL \
    }
#define QUIET(path, type)                          \
    {                                              \
        path, CONFIG_##type, CONFIG_QUIET, 0, NULL \
    }
#define LATER(path, type)                          \
    {                                              \
        path, CONFIG_##type, CONFIG_LATER, 0, NULL \
    }
#define REFUSED(path, text)                       \
    {                                             \
        path, CONFIG_ANY, CONFIG_REFUSED, 0, text \
    }

static const char no_tls[] =
    "TLS is not available yet; to serve plain HTTP knowingly, leave this key out";

const struct config_key config_keys[] = {
    /* Identity. */
    USED("node_name", STRING, node_name),
    USED("node_id", STRING, node_id),
    USED("node_meta", MAP, node_meta),
    USED("tagged_addresses", MAP, tagged_addresses),
    USED("datacenter", STRING, datacenter),
    QUIET("primary_datacenter", STRING),
    USED("data_dir", STRING, data_dir),
    USED("server", BOOL, server),
    USED("domain", STRING, domain),
    USED("alt_domain", STRING, alt_domain),
    USED("pid_file", STRING, pid_file),
    QUIET("disable_host_node_id", BOOL),
    QUIET("version", STRING),
    QUIET("locality", ANY),
    QUIET("partition", STRING),
    QUIET("experiments", ANY),

    /* Network. */
    USED("bind_addr", STRING, bind_addr),
    USED("advertise_addr", STRING, advertise_addr),
    USED("advertise_addr_ipv4", STRING, advertise_addr),
    LATER("advertise_addr_ipv6", STRING),
    LATER("advertise_addr_wan", STRING),
    LATER("advertise_addr_wan_ipv4", STRING),
    LATER("advertise_addr_wan_ipv6", STRING),
    USED("client_addr", STRING, client_addr),
    OBJECT("addresses"),
    USED("addresses.http", STRING, addresses_http),
    USED("addresses.dns", STRING, addresses_dns),
    LATER("addresses.https", STRING),
    LATER("addresses.grpc", STRING),
    LATER("addresses.grpc_tls", STRING),
    OBJECT("ports"),
    USED("ports.http", INT, port_http),
    USED("ports.dns", INT, port_dns),
    USED("ports.server", INT, port_server),
    USED("ports.serf_lan", INT, port_serf_lan),
    USED("ports.serf_wan", INT, port_serf_wan),
    USED("ports.https", INT, port_https),
    USED("ports.grpc", INT, port_grpc),
    USED("ports.grpc_tls", INT, port_grpc_tls),
    QUIET("ports.sidecar_min_port", INT),
    QUIET("ports.sidecar_max_port", INT),
    QUIET("ports.expose_min_port", INT),
    QUIET("ports.expose_max_port", INT),
    QUIET("ports.proxy_min_port", INT),
    QUIET("ports.proxy_max_port", INT),
    USED("translate_wan_addrs", BOOL, translate_wan_addrs),
    LATER("unix_sockets", ANY),
    QUIET("serf_lan", STRING),
    QUIET("serf_wan", STRING),
    QUIET("serf_lan_allowed_cidrs", STRINGS),
    QUIET("serf_wan_allowed_cidrs", STRINGS),

    /* Cluster. */
    USED("bootstrap", BOOL, bootstrap),
    USED("bootstrap_expect", INT, bootstrap_expect),
    USED("retry_join", STRINGS, retry_join),
    USED("start_join", STRINGS, start_join),
    QUIET("retry_interval", DURATION),
    QUIET("retry_max", INT),
    LATER("retry_join_wan", STRINGS),
    LATER("start_join_wan", STRINGS),
    QUIET("retry_interval_wan", DURATION),
    QUIET("retry_max_wan", INT),
    QUIET("rejoin_after_leave", BOOL),
    USED("encrypt", STRING, encrypt),
    QUIET("encrypt_verify_incoming", BOOL),
    QUIET("encrypt_verify_outgoing", BOOL),
    QUIET("disable_keyring_file", BOOL),
    QUIET("leave_on_terminate", BOOL),
    QUIET("skip_leave_on_interrupt", BOOL),
    QUIET("reconnect_timeout", DURATION),
    QUIET("reconnect_timeout_wan", DURATION),
    QUIET("advertise_reconnect_timeout", DURATION),
    QUIET("gossip_lan", ANY),
    QUIET("gossip_wan", ANY),
    LATER("non_voting_server", BOOL),
    LATER("read_replica", BOOL),
    QUIET("segments", ANY),
    QUIET("segment", STRING),
    LATER("primary_gateways", STRINGS),
    QUIET("primary_gateways_interval", DURATION),
    QUIET("protocol", INT),
    QUIET("autopilot", ANY),

    /* Raft and speed. */
    QUIET("raft_protocol", INT),
    USED("raft_snapshot_threshold", INT, raft_snapshot_threshold),
    LATER("raft_snapshot_interval", DURATION),
    LATER("raft_trailing_logs", INT),
    QUIET("raft_logstore", ANY),
    OBJECT("performance"),
    USED("performance.raft_multiplier", INT, raft_multiplier),
    QUIET("performance.leave_drain_time", DURATION),
    QUIET("performance.rpc_hold_timeout", DURATION),
    QUIET("performance.grpc_keepalive_interval", DURATION),
    QUIET("performance.grpc_keepalive_timeout", DURATION),
    USED("serving_threads", INT, serving_threads),

    /* HTTP. */
    OBJECT("http_config"),
    USED("http_config.block_endpoints", STRINGS, http_block_endpoints),
    USED("http_config.allow_write_http_from", STRINGS, http_allow_write_from),
    USED("allow_write_http_from", STRINGS, http_allow_write_from),
    USED("http_config.response_headers", MAP, http_response_headers),
    QUIET("http_config.use_cache", BOOL),
    USED("http_config.max_header_bytes", INT, http_header_max),
    USED("default_query_time", DURATION, default_query_time_ns),
    USED("max_query_time", DURATION, max_query_time_ns),
    QUIET("discovery_max_stale", DURATION),
    QUIET("use_streaming_backend", BOOL),
    QUIET("rpc", ANY),
    QUIET("cache", ANY),
    QUIET("disable_coordinates", BOOL),
    LATER("disable_http_unprintable_char_filter", BOOL),

    /* DNS. */
    OBJECT("dns_config"),
    QUIET("dns_config.allow_stale", BOOL),
    QUIET("dns_config.max_stale", DURATION),
    USED("dns_config.node_ttl", DURATION, dns_node_ttl_ns),
    USED("dns_config.service_ttl", TTLS, dns_service_ttl),
    USED("dns_config.enable_truncate", BOOL, dns_enable_truncate),
    USED("dns_config.only_passing", BOOL, dns_only_passing),
    QUIET("dns_config.recursor_timeout", DURATION),
    QUIET("dns_config.recursor_strategy", STRING),
    USED("dns_config.udp_answer_limit", INT, dns_udp_answer_limit),
    USED("dns_config.a_record_limit", INT, dns_a_record_limit),
    USED("dns_config.disable_compression", BOOL, dns_disable_compression),
    OBJECT("dns_config.soa"),
    USED("dns_config.soa.refresh", SECONDS, dns_soa_refresh),
    USED("dns_config.soa.retry", SECONDS, dns_soa_retry),
    USED("dns_config.soa.expire", SECONDS, dns_soa_expire),
    USED("dns_config.soa.min_ttl", SECONDS, dns_soa_min_ttl),
    QUIET("dns_config.use_cache", BOOL),
    QUIET("dns_config.cache_max_age", DURATION),
    QUIET("dns_config.prefer_namespace", BOOL),
    USED("dns_config.enable_additional_node_meta_txt", BOOL, dns_node_meta_txt),
    USED("recursors", STRINGS, recursors),
    QUIET("recursor", STRING),

    /* Checks. */
    USED("enable_script_checks", BOOL, enable_script_checks),
    USED("enable_local_script_checks", BOOL, enable_local_script_checks),
    USED("session_ttl_min", DURATION, session_ttl_min_ns),
    USED("check_update_interval", DURATION, check_update_interval_ns),
    USED("check_output_max_size", INT, check_output_max),
    USED("check_deregister_interval_min", DURATION, check_deregister_min_ns),
    LATER("enable_agent_tls_for_checks", BOOL),

    /* Limits. */
    OBJECT("limits"),
    LATER("limits.http_max_conns_per_client", INT),
    QUIET("limits.https_handshake_timeout", DURATION),
    QUIET("limits.rpc_handshake_timeout", DURATION),
    QUIET("limits.rpc_max_conns_per_client", INT),
    LATER("limits.rpc_rate", ANY),
    QUIET("limits.rpc_max_burst", INT),
    QUIET("limits.rpc_client_timeout", DURATION),
    USED("limits.kv_max_value_size", INT, kv_value_max),
    USED("limits.txn_max_req_len", INT, txn_body_max),
    USED("limits.snapshot_max_size", INT, snapshot_max),
    LATER("limits.request_limits", ANY),

    /* Access control and encryption: never half on. */
    OBJECT("acl"),
    USED("acl.enabled", BOOL, acl_enabled),
    QUIET("acl.default_policy", STRING),
    QUIET("acl.down_policy", STRING),
    QUIET("acl.token_ttl", DURATION),
    QUIET("acl.policy_ttl", DURATION),
    QUIET("acl.role_ttl", DURATION),
    QUIET("acl.enable_token_persistence", BOOL),
    QUIET("acl.enable_token_replication", BOOL),
    QUIET("acl.enable_key_list_policy", BOOL),
    QUIET("acl.disabled_ttl", DURATION),
    QUIET("acl.tokens", ANY),
    REFUSED("acl_datacenter", "ACLs are not available yet"),
    REFUSED("acl_master_token", "ACLs are not available yet"),
    QUIET("acl_default_policy", STRING),
    QUIET("acl_down_policy", STRING),
    QUIET("acl_agent_token", STRING),
    QUIET("acl_agent_master_token", STRING),
    QUIET("acl_replication_token", STRING),
    QUIET("acl_token", STRING),
    QUIET("acl_ttl", DURATION),
    QUIET("acl_enable_key_list_policy", BOOL),
    QUIET("enable_acl_replication", BOOL),
    REFUSED("tls", no_tls),
    REFUSED("ca_file", no_tls),
    REFUSED("ca_path", no_tls),
    REFUSED("cert_file", no_tls),
    REFUSED("key_file", no_tls),
    LATER("server_name", STRING),
    LATER("tls_min_version", STRING),
    LATER("tls_cipher_suites", STRING),
    QUIET("tls_prefer_server_cipher_suites", BOOL),
    REFUSED("verify_incoming", no_tls),
    REFUSED("verify_incoming_rpc", no_tls),
    REFUSED("verify_incoming_https", no_tls),
    REFUSED("verify_outgoing", no_tls),
    REFUSED("verify_server_hostname", no_tls),
    REFUSED("auto_encrypt", no_tls),
    LATER("auto_config", ANY),

    /* Logs, debugging, figures, console. */
    USED("log_level", STRING, log_level),
    USED("log_json", BOOL, log_json),
    USED("log_file", STRING, log_file),
    LATER("log_rotate_bytes", INT),
    LATER("log_rotate_duration", DURATION),
    LATER("log_rotate_max_files", INT),
    LATER("enable_syslog", BOOL),
    QUIET("syslog_facility", STRING),
    LATER("enable_debug", BOOL),
    LATER("ui", BOOL),
    LATER("ui_dir", STRING),
    QUIET("ui_content_path", STRING),
    LATER("ui_config", ANY),
    QUIET("disable_update_check", BOOL),
    QUIET("disable_anonymous_signature", BOOL),
    QUIET("disable_remote_exec", BOOL),
    OBJECT("telemetry"),
    QUIET("telemetry.prometheus_retention_time", DURATION),
    QUIET("telemetry.disable_hostname", BOOL),
    QUIET("telemetry.disable_compat_1.9", BOOL),
    LATER("telemetry.metrics_prefix", STRING),
    QUIET("telemetry.filter_default", BOOL),
    LATER("telemetry.prefix_filter", STRINGS),
    LATER("telemetry.statsite_address", STRING),
    LATER("telemetry.statsd_address", STRING),
    LATER("telemetry.dogstatsd_addr", STRING),
    LATER("telemetry.dogstatsd_tags", STRINGS),
    LATER("telemetry.enable_host_metrics", BOOL),
    QUIET("telemetry.retry_failed_connection", BOOL),
    QUIET("telemetry.circonus_api_app", STRING),
    LATER("telemetry.circonus_api_token", STRING),
    QUIET("telemetry.circonus_api_url", STRING),
    QUIET("telemetry.circonus_broker_id", STRING),
    QUIET("telemetry.circonus_broker_select_tag", STRING),
    QUIET("telemetry.circonus_check_display_name", STRING),
    QUIET("telemetry.circonus_check_force_metric_activation", STRING),
    QUIET("telemetry.circonus_check_id", STRING),
    QUIET("telemetry.circonus_check_instance_id", STRING),
    QUIET("telemetry.circonus_check_search_tag", STRING),
    QUIET("telemetry.circonus_check_tags", STRING),
    QUIET("telemetry.circonus_submission_interval", STRING),
    LATER("telemetry.circonus_submission_url", STRING),
    QUIET("audit", ANY),
    QUIET("license_path", STRING),
    LATER("auto_reload_config", BOOL),

    /* Definitions. */
    USED("service", SERVICES, definitions),
    USED("services", SERVICES, definitions),
    USED("check", CHECKS, definitions),
    USED("checks", CHECKS, definitions),
    REFUSED("watches", "watches in files are not supported yet"),
    REFUSED("watch", "watches in files are not supported yet"),

    /* Service mesh: out of scope, but its settings are in many files. */
    LATER("connect", ANY),
    LATER("config_entries", ANY),
    LATER("enable_central_service_config", BOOL),
    LATER("peering", ANY),
    QUIET("xds", ANY),
    QUIET("cloud", ANY),
};

const size_t config_keys_count = sizeof config_keys / sizeof config_keys[0];

const struct config_key *config_key_find(const char *path)
{
    for (size_t i = 0; i < config_keys_count; i++) {
        if (strcasecmp(config_keys[i].path, path) == 0) {
            return &config_keys[i];
        }
    }
    return NULL;
}
