/* Every route there is. What is not built has no row and answers 404: no route pretends. */
#include "api/handlers.h"

#define READ(find_, render_) .find = (find_), .render = (render_)

enum {
    CATALOG = API_META | API_CONSISTENCY | API_DC,
    KV = API_META | API_DC | API_TAIL | API_NO_BODY_LIMIT
};

#define NO_SERVICE "Missing service name"
#define NO_NODE "Missing node name"
#define NO_SESSION "Missing session"

/* Everything about ACLs says that they are off. @... are the methods that the route has. */
#define ACL(pattern_, ...)                 \
    {                                      \
        .pattern = (pattern_), __VA_ARGS__ \
    }
#define ACL_TAIL(pattern_, ...)                               \
    {                                                         \
        .pattern = (pattern_), .flags = API_TAIL, __VA_ARGS__ \
    }
#define ACL_GET .get = acl_disabled
#define ACL_PUT .put = acl_disabled
#define ACL_POST .post = acl_disabled
#define ACL_DELETE .del = acl_disabled

const struct api_route api_routes[] = {
    {.pattern = "/v1/status/leader", .flags = API_DC, .get = status_leader},
    {.pattern = "/v1/status/peers", .flags = API_DC, .get = status_peers},

    {.pattern = "/v1/agent/self", .get = agent_self},
    {.pattern = "/v1/agent/members", .get = agent_members},
    {.pattern = "/v1/agent/version", .get = agent_version},
    {.pattern = "/v1/agent/host", .get = agent_host},
    {.pattern = "/v1/agent/metrics", .get = agent_metrics},
    {.pattern = "/v1/agent/monitor", .get = agent_monitor},
    {.pattern = "/v1/agent/join/", .flags = API_TAIL, .put = agent_join},
    {.pattern = "/v1/agent/reload", .put = agent_reload},
    {.pattern = "/v1/agent/leave", .put = agent_leave},
    {.pattern = "/v1/agent/force-leave/", .flags = API_TAIL, .put = agent_force_leave},
    {.pattern = "/v1/agent/maintenance", .put = agent_node_maintenance},
    {.pattern = "/v1/agent/services", READ(agent_services_find, agent_services_render)},
    {.pattern = "/v1/agent/service/", .flags = API_TAIL, .get = agent_service_get},
    {.pattern = "/v1/agent/service/register", .put = agent_service_register},
    {.pattern = "/v1/agent/service/deregister/",
     .flags = API_TAIL,
     .put = agent_service_deregister},
    {.pattern = "/v1/agent/service/maintenance/",
     .flags = API_TAIL,
     .put = agent_service_maintenance},
    {.pattern = "/v1/agent/checks", .get = agent_checks_get},
    {.pattern = "/v1/agent/check/register", .put = agent_check_register},
    {.pattern = "/v1/agent/check/deregister/", .flags = API_TAIL, .put = agent_check_deregister},
    {.pattern = "/v1/agent/check/pass/", .flags = API_TAIL, .put = agent_check_pass},
    {.pattern = "/v1/agent/check/warn/", .flags = API_TAIL, .put = agent_check_warn},
    {.pattern = "/v1/agent/check/fail/", .flags = API_TAIL, .put = agent_check_fail},
    {.pattern = "/v1/agent/check/update/", .flags = API_TAIL, .put = agent_check_update},
    {.pattern = "/v1/agent/health/service/id/", .flags = API_TAIL, .get = agent_health_by_id},
    {.pattern = "/v1/agent/health/service/name/", .flags = API_TAIL, .get = agent_health_by_name},

    {.pattern = "/v1/catalog/register", .put = catalog_register},
    {.pattern = "/v1/catalog/deregister", .put = catalog_deregister},
    {.pattern = "/v1/catalog/datacenters", .get = catalog_datacenters},
    {.pattern = "/v1/catalog/nodes",
     .flags = CATALOG,
     READ(catalog_nodes_find, catalog_nodes_render)},
    {.pattern = "/v1/catalog/services",
     .flags = CATALOG,
     READ(catalog_services_find, catalog_services_render)},
    {.pattern = "/v1/catalog/service/",
     .flags = CATALOG | API_TAIL,
     .missing = NO_SERVICE,
     READ(catalog_service_find, catalog_service_render)},
    {.pattern = "/v1/catalog/node/",
     .flags = CATALOG | API_TAIL,
     .missing = NO_NODE,
     READ(catalog_node_find, catalog_node_render)},
    {.pattern = "/v1/catalog/node-services/",
     .flags = CATALOG | API_TAIL,
     .missing = NO_NODE,
     READ(catalog_node_find, catalog_node_services_render)},
    {.pattern = "/v1/catalog/connect/",
     .flags = CATALOG | API_TAIL,
     .missing = NO_SERVICE,
     READ(mesh_find, mesh_render_list)},
    {.pattern = "/v1/catalog/gateway-services/",
     .flags = CATALOG | API_TAIL,
     .missing = "Missing gateway name",
     READ(mesh_find, mesh_render_null)},

    {.pattern = "/v1/health/node/",
     .flags = CATALOG | API_TAIL,
     .missing = NO_NODE,
     READ(health_node_find, health_node_render)},
    {.pattern = "/v1/health/checks/",
     .flags = CATALOG | API_TAIL,
     .missing = NO_SERVICE,
     READ(health_checks_find, health_checks_render)},
    {.pattern = "/v1/health/state/",
     .flags = CATALOG | API_TAIL,
     .missing = "Missing check state",
     READ(health_state_find, health_state_render)},
    {.pattern = "/v1/health/service/",
     .flags = CATALOG | API_TAIL,
     .missing = NO_SERVICE,
     READ(health_service_find, health_service_render)},
    {.pattern = "/v1/health/connect/",
     .flags = CATALOG | API_TAIL,
     .missing = NO_SERVICE,
     READ(mesh_find, mesh_render_list)},
    {.pattern = "/v1/health/ingress/",
     .flags = CATALOG | API_TAIL,
     .missing = NO_SERVICE,
     READ(mesh_find, mesh_render_list)},

    {.pattern = "/v1/coordinate/datacenters", .get = coordinate_datacenters},
    {.pattern = "/v1/coordinate/nodes",
     .flags = API_META | API_DC,
     READ(coordinate_nodes_find, coordinate_nodes_render)},
    {.pattern = "/v1/coordinate/node/",
     .flags = API_META | API_DC | API_TAIL,
     READ(coordinate_node_find, coordinate_node_render)},
    {.pattern = "/v1/coordinate/update", .flags = API_DC, .put = coordinate_update},

    {.pattern = "/v1/event/fire/",
     .flags = API_DC | API_TAIL,
     .missing = "Missing name",
     .put = event_fire},
    {.pattern = "/v1/event/list", .flags = API_UNORDERED, READ(event_list_find, event_list_render)},

    {.pattern = "/v1/query",
     .flags = CATALOG,
     READ(prepared_list_find, prepared_list_render),
     .post = prepared_create},
    {.pattern = "/v1/query/",
     .flags = CATALOG | API_TAIL,
     READ(prepared_find, prepared_get_render),
     .put = prepared_put,
     .del = prepared_delete,
     .methods = prepared_methods},

    {.pattern = "/v1/kv/", .flags = KV, READ(kv_find, kv_render), .put = kv_put, .del = kv_delete},

    {.pattern = "/v1/txn", .flags = API_DC, .put = txn_put},

    {.pattern = "/v1/session/create", .flags = API_DC, .put = session_create},
    {.pattern = "/v1/session/destroy/",
     .flags = API_DC | API_TAIL,
     .missing = NO_SESSION,
     .put = session_destroy},
    {.pattern = "/v1/session/renew/",
     .flags = API_DC | API_TAIL,
     .missing = NO_SESSION,
     .put = session_renew},
    {.pattern = "/v1/session/info/",
     .flags = API_META | API_DC | API_TAIL,
     .missing = NO_SESSION,
     READ(session_info_find, session_info_render)},
    {.pattern = "/v1/session/node/",
     .flags = API_META | API_DC | API_TAIL,
     .missing = NO_NODE,
     READ(session_list_find, session_node_render)},
    {.pattern = "/v1/session/list",
     .flags = API_META | API_DC,
     READ(session_list_find, session_list_render)},

    {.pattern = "/v1/operator/raft/configuration",
     .flags = API_DC,
     .get = operator_raft_configuration},
    {.pattern = "/v1/operator/raft/peer", .flags = API_DC, .del = operator_raft_peer_delete},
    {.pattern = "/v1/operator/autopilot/configuration",
     .flags = API_DC,
     .get = operator_autopilot_get,
     .put = operator_autopilot_put},
    {.pattern = "/v1/operator/autopilot/health", .flags = API_DC, .get = operator_autopilot_health},
    {.pattern = "/v1/operator/autopilot/state", .flags = API_DC, .get = operator_autopilot_state},
    {.pattern = "/v1/operator/keyring",
     .get = operator_keyring_get,
     .put = operator_keyring_change,
     .post = operator_keyring_change,
     .del = operator_keyring_change},

    {.pattern = "/v1/snapshot",
     .flags = API_DC | API_SPOOL,
     .get = snapshot_get,
     .put = snapshot_put},

    ACL("/v1/acl/bootstrap", ACL_PUT),
    ACL("/v1/acl/login", ACL_POST),
    ACL("/v1/acl/logout", ACL_POST),
    ACL("/v1/acl/replication", ACL_GET),
    ACL("/v1/acl/tokens", ACL_GET),
    ACL("/v1/acl/token", ACL_PUT),
    ACL("/v1/acl/token/self", ACL_GET),
    ACL_TAIL("/v1/acl/token/", ACL_GET, ACL_PUT, ACL_DELETE),
    ACL("/v1/acl/policies", ACL_GET),
    ACL("/v1/acl/policy", ACL_PUT),
    ACL_TAIL("/v1/acl/policy/", ACL_GET, ACL_PUT, ACL_DELETE),
    ACL_TAIL("/v1/acl/policy/name/", ACL_GET),
    ACL("/v1/acl/roles", ACL_GET),
    ACL("/v1/acl/role", ACL_PUT),
    ACL_TAIL("/v1/acl/role/", ACL_GET, ACL_PUT, ACL_DELETE),
    ACL_TAIL("/v1/acl/role/name/", ACL_GET),
    ACL("/v1/acl/binding-rules", ACL_GET),
    ACL("/v1/acl/binding-rule", ACL_PUT),
    ACL_TAIL("/v1/acl/binding-rule/", ACL_GET, ACL_PUT, ACL_DELETE),
    ACL("/v1/acl/auth-methods", ACL_GET),
    ACL("/v1/acl/auth-method", ACL_PUT),
    ACL_TAIL("/v1/acl/auth-method/", ACL_GET, ACL_PUT, ACL_DELETE),
    ACL("/v1/acl/templated-policies", ACL_GET),
    ACL_TAIL("/v1/acl/templated-policy/name/", ACL_GET),
    ACL_TAIL("/v1/acl/templated-policy/preview/", ACL_POST),
    ACL_TAIL("/v1/agent/token/", ACL_PUT),
    ACL("/v1/internal/acl/authorize", ACL_POST),
};

const unsigned api_routes_count = sizeof api_routes / sizeof api_routes[0];
