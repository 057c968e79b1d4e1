/* The field tables of the bodies. Aliases are rows of their own; ServiceID within a service's check
 * is accepted and ignored, as are the indexes that clients echo (consul-surface.md 2.6). */
#include "api/define.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

/* What both spellings of a check share. */
#define CHECK_FIELDS                                                                              \
    DECODE_FIELD("Name", STR, struct define_check, name),                                         \
        DECODE_FIELD("Status", STR, struct define_check, status),                                 \
        DECODE_FIELD("Notes", TEXT, struct define_check, notes),                                  \
        DECODE_FIELD("ScriptArgs", STRS, struct define_check, args),                              \
        DECODE_FIELD("Args", STRS, struct define_check, args),                                    \
        DECODE_FIELD("script_args", STRS, struct define_check, args),                             \
        DECODE_FIELD("HTTP", STR, struct define_check, http),                                     \
        DECODE_FIELD("Header", HEADERS, struct define_check, header),                             \
        DECODE_FIELD("Method", STR, struct define_check, method),                                 \
        DECODE_FIELD("Body", TEXT, struct define_check, body),                                    \
        DECODE_FIELD("DisableRedirects", BOOL, struct define_check, disable_redirects),           \
        DECODE_FIELD("disable_redirects", BOOL, struct define_check, disable_redirects),          \
        DECODE_FIELD("TCP", STR, struct define_check, tcp),                                       \
        DECODE_FIELD("TCPUseTLS", BOOL, struct define_check, tcp_use_tls),                        \
        DECODE_FIELD("tcp_use_tls", BOOL, struct define_check, tcp_use_tls),                      \
        DECODE_FIELD("UDP", STR, struct define_check, udp),                                       \
        DECODE_FIELD("GRPC", STR, struct define_check, grpc),                                     \
        DECODE_FIELD("GRPCUseTLS", BOOL, struct define_check, grpc_use_tls),                      \
        DECODE_FIELD("grpc_use_tls", BOOL, struct define_check, grpc_use_tls),                    \
        DECODE_FIELD("H2PING", STR, struct define_check, h2ping),                                 \
        DECODE_FIELD("H2PingUseTLS", TRISTATE, struct define_check, h2ping_use_tls),              \
        DECODE_FIELD("h2ping_use_tls", TRISTATE, struct define_check, h2ping_use_tls),            \
        DECODE_FIELD("OSService", STR, struct define_check, os_service),                          \
        DECODE_FIELD("DockerContainerID", STR, struct define_check, docker_id),                   \
        DECODE_FIELD("docker_container_id", STR, struct define_check, docker_id),                 \
        DECODE_FIELD("Shell", STR, struct define_check, shell),                                   \
        DECODE_FIELD("AliasNode", STR, struct define_check, alias_node),                          \
        DECODE_FIELD("AliasService", STR, struct define_check, alias_service),                    \
        DECODE_FIELD("TLSServerName", STR, struct define_check, tls_server_name),                 \
        DECODE_FIELD("tls_server_name", STR, struct define_check, tls_server_name),               \
        DECODE_FIELD("TLSSkipVerify", BOOL, struct define_check, tls_skip_verify),                \
        DECODE_FIELD("tls_skip_verify", BOOL, struct define_check, tls_skip_verify),              \
        DECODE_FIELD("Interval", DURATION, struct define_check, interval_ns),                     \
        DECODE_FIELD("Timeout", DURATION, struct define_check, timeout_ns),                       \
        DECODE_FIELD("TTL", DURATION, struct define_check, ttl_ns),                               \
        DECODE_FIELD("SuccessBeforePassing", INT, struct define_check, success_before_passing),   \
        DECODE_FIELD("FailuresBeforeWarning", INT, struct define_check, failures_before_warning), \
        DECODE_FIELD("FailuresBeforeCritical", INT, struct define_check,                          \
                     failures_before_critical),                                                   \
        DECODE_FIELD("DeregisterCriticalServiceAfter", DURATION, struct define_check,             \
                     deregister_after_ns),                                                        \
        DECODE_FIELD("deregister_critical_service_after", DURATION, struct define_check,          \
                     deregister_after_ns),                                                        \
        DECODE_FIELD("OutputMaxSize", INT, struct define_check, output_max)

static const struct decode_field service_check_fields[] = {
    DECODE_FIELD("CheckID", STR, struct define_check, id),
    CHECK_FIELDS,
    DECODE_SKIP("ServiceID"),
    DECODE_SKIP("service_id"),
    DECODE_SKIP("ProxyHTTP"),
    DECODE_SKIP("ProxyGRPC"),
};
static const struct decode_object service_check = {
    "",   sizeof(struct define_check), service_check_fields, COUNT(service_check_fields), true,
    false};

static const struct decode_field check_fields[] = {
    DECODE_FIELD("ID", STR, struct define_check, id),
    CHECK_FIELDS,
    DECODE_FIELD("ServiceID", STR, struct define_check, service_id),
    DECODE_FIELD("service_id", STR, struct define_check, service_id),
    DECODE_FIELD("Token", STR, struct define_check, token),
};
const struct decode_object define_check_body = {
    "", sizeof(struct define_check), check_fields, COUNT(check_fields), true, false};

static const struct decode_field weights_fields[] = {
    DECODE_FIELD("Passing", INT, struct define_weights, passing),
    DECODE_FIELD("Warning", INT, struct define_weights, warning),
};
static const struct decode_object weights = {
    "Weights", sizeof(struct define_weights), weights_fields, COUNT(weights_fields), false, false};

#define SERVICE_FIELDS                                                                       \
    DECODE_FIELD("Kind", STR, struct define_service, kind),                                  \
        DECODE_FIELD("ID", STR, struct define_service, id),                                  \
        DECODE_FIELD("Tags", STRS, struct define_service, tags),                             \
        DECODE_FIELD("Address", STR, struct define_service, address),                        \
        DECODE_FIELD("TaggedAddresses", ADDRS, struct define_service, tagged),               \
        DECODE_FIELD("Meta", MAP, struct define_service, meta),                              \
        DECODE_FIELD("Port", INT, struct define_service, port),                              \
        DECODE_FIELD("SocketPath", STR, struct define_service, socket_path),                 \
        DECODE_SUB("Weights", OBJECT, struct define_service, weights, &weights),             \
        DECODE_FIELD("EnableTagOverride", BOOL, struct define_service, enable_tag_override), \
        DECODE_FIELD("Proxy", JSON, struct define_service, proxy),                           \
        DECODE_FIELD("Connect", JSON, struct define_service, connect),                       \
        DECODE_FIELD("Locality", JSON, struct define_service, locality)

static const struct decode_field service_fields[] = {
    SERVICE_FIELDS,
    DECODE_FIELD("Name", STR, struct define_service, name),
    DECODE_FIELD("Token", STR, struct define_service, token),
    DECODE_FIELD("enable_tag_override", BOOL, struct define_service, enable_tag_override),
    DECODE_FIELD("tagged_addresses", ADDRS, struct define_service, tagged),
    DECODE_SUB("Check", OBJECT, struct define_service, check, &service_check),
    DECODE_SUB("Checks", OBJECTS, struct define_service, checks, &service_check),
};
const struct decode_object define_service_body = {
    "", sizeof(struct define_service), service_fields, COUNT(service_fields), true, false};

static const struct decode_field node_service_fields[] = {
    SERVICE_FIELDS,
    DECODE_FIELD("Service", STR, struct define_service, name),
    DECODE_SKIP("PeerName"),
    DECODE_SKIP("CreateIndex"),
    DECODE_SKIP("ModifyIndex"),
};
static const struct decode_object node_service = {"NodeService",
                                                  sizeof(struct define_service),
                                                  node_service_fields,
                                                  COUNT(node_service_fields),
                                                  false,
                                                  false};

static const struct decode_field probe_fields[] = {
    DECODE_FIELD("Interval", DURATION, struct define_catalog_probe, interval_ns),
    DECODE_FIELD("Timeout", DURATION, struct define_catalog_probe, timeout_ns),
    DECODE_FIELD("DeregisterCriticalServiceAfter",
                 DURATION,
                 struct define_catalog_probe,
                 deregister_after_ns),
    DECODE_FIELD("TTL", DURATION, struct define_catalog_probe, ttl_ns),
    DECODE_FIELD("HTTP", STR, struct define_catalog_probe, http),
    DECODE_FIELD("TLSServerName", STR, struct define_catalog_probe, tls_server_name),
    DECODE_FIELD("TLSSkipVerify", BOOL, struct define_catalog_probe, tls_skip_verify),
    DECODE_FIELD("Header", HEADERS, struct define_catalog_probe, header),
    DECODE_FIELD("Method", STR, struct define_catalog_probe, method),
    DECODE_FIELD("Body", TEXT, struct define_catalog_probe, body),
    DECODE_FIELD("DisableRedirects", BOOL, struct define_catalog_probe, disable_redirects),
    DECODE_FIELD("TCP", STR, struct define_catalog_probe, tcp),
    DECODE_FIELD("TCPUseTLS", BOOL, struct define_catalog_probe, tcp_use_tls),
    DECODE_FIELD("UDP", STR, struct define_catalog_probe, udp),
    DECODE_FIELD("H2PING", STR, struct define_catalog_probe, h2ping),
    DECODE_FIELD("H2PingUseTLS", TRISTATE, struct define_catalog_probe, h2ping_use_tls),
    DECODE_FIELD("OSService", STR, struct define_catalog_probe, os_service),
    DECODE_FIELD("OutputMaxSize", INT, struct define_catalog_probe, output_max),
    DECODE_FIELD("ScriptArgs", STRS, struct define_catalog_probe, args),
    DECODE_FIELD("DockerContainerID", STR, struct define_catalog_probe, docker_id),
    DECODE_FIELD("Shell", STR, struct define_catalog_probe, shell),
    DECODE_FIELD("GRPC", STR, struct define_catalog_probe, grpc),
    DECODE_FIELD("GRPCUseTLS", TRISTATE, struct define_catalog_probe, grpc_use_tls),
    DECODE_FIELD("AliasNode", STR, struct define_catalog_probe, alias_node),
    DECODE_FIELD("AliasService", STR, struct define_catalog_probe, alias_service),
    DECODE_FIELD("SessionName", STR, struct define_catalog_probe, session_name),
};
static const struct decode_object catalog_probe = {
    "", sizeof(struct define_catalog_probe), probe_fields, COUNT(probe_fields), true, true};

static const struct decode_field catalog_check_fields[] = {
    DECODE_FIELD("Node", STR, struct define_catalog_check, node),
    DECODE_FIELD("CheckID", STR, struct define_catalog_check, check_id),
    DECODE_FIELD("Name", STR, struct define_catalog_check, name),
    DECODE_FIELD("Status", STR, struct define_catalog_check, status),
    DECODE_FIELD("Notes", TEXT, struct define_catalog_check, notes),
    DECODE_FIELD("Output", TEXT, struct define_catalog_check, output),
    DECODE_FIELD("ServiceID", STR, struct define_catalog_check, service_id),
    DECODE_FIELD("ServiceName", STR, struct define_catalog_check, service_name),
    DECODE_FIELD("ServiceTags", STRS, struct define_catalog_check, service_tags),
    DECODE_FIELD("Type", STR, struct define_catalog_check, type),
    DECODE_FIELD("Interval", STR, struct define_catalog_check, interval),
    DECODE_FIELD("Timeout", STR, struct define_catalog_check, timeout),
    DECODE_FIELD("ExposedPort", INT, struct define_catalog_check, exposed_port),
    DECODE_SUB("Definition", OBJECT, struct define_catalog_check, definition, &catalog_probe),
    DECODE_SKIP("PeerName"),
    DECODE_SKIP("CreateIndex"),
    DECODE_SKIP("ModifyIndex"),
};
static const struct decode_object catalog_check = {"HealthCheck",
                                                   sizeof(struct define_catalog_check),
                                                   catalog_check_fields,
                                                   COUNT(catalog_check_fields),
                                                   false,
                                                   false};

static const struct decode_field register_fields[] = {
    DECODE_FIELD("Datacenter", STR, struct define_register, datacenter),
    DECODE_FIELD("ID", STR, struct define_register, id),
    DECODE_FIELD("Node", STR, struct define_register, node),
    DECODE_FIELD("Address", STR, struct define_register, address),
    DECODE_FIELD("TaggedAddresses", MAP, struct define_register, tagged),
    DECODE_FIELD("NodeMeta", MAP, struct define_register, meta),
    DECODE_SUB("Service", OBJECT, struct define_register, service, &node_service),
    DECODE_SUB("Check", OBJECT, struct define_register, check, &catalog_check),
    DECODE_SUB("Checks", OBJECTS, struct define_register, checks, &catalog_check),
    DECODE_FIELD("SkipNodeUpdate", BOOL, struct define_register, skip_node_update),
    DECODE_FIELD("Locality", JSON, struct define_register, locality),
    DECODE_SKIP("PeerName"),
    DECODE_SKIP("Token"),
    DECODE_SKIP("CreateIndex"),
    DECODE_SKIP("ModifyIndex"),
};
const struct decode_object define_register_body = {"RegisterRequest",
                                                   sizeof(struct define_register),
                                                   register_fields,
                                                   COUNT(register_fields),
                                                   false,
                                                   false};

static const struct decode_field deregister_fields[] = {
    DECODE_FIELD("Datacenter", STR, struct define_deregister, datacenter),
    DECODE_FIELD("Node", STR, struct define_deregister, node),
    DECODE_FIELD("ServiceID", STR, struct define_deregister, service_id),
    DECODE_FIELD("CheckID", STR, struct define_deregister, check_id),
    DECODE_SKIP("Address"),
    DECODE_SKIP("PeerName"),
    DECODE_SKIP("Token"),
};
const struct decode_object define_deregister_body = {"DeregisterRequest",
                                                     sizeof(struct define_deregister),
                                                     deregister_fields,
                                                     COUNT(deregister_fields),
                                                     false,
                                                     false};

static const struct decode_field check_update_fields[] = {
    DECODE_FIELD("Status", STR, struct define_check_update, status),
    DECODE_FIELD("Output", TEXT, struct define_check_update, output),
};
const struct decode_object define_check_update_body = {"checkUpdate",
                                                       sizeof(struct define_check_update),
                                                       check_update_fields,
                                                       COUNT(check_update_fields),
                                                       false,
                                                       false};
