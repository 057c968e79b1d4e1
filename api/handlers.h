/* For api/ only: the handlers that the table in routes.c names, and what they share. */
#ifndef API_HANDLERS_H_
#define API_HANDLERS_H_

#include "api/api.h"
#include "api/decode.h"
#include "api/define.h"
#include "api/filter.h"

/* ---- shared (handler.c) ---- */

/* The request's arena as the decoders want it. */
struct decode_memory handler_memory(struct api_req *r);
/* Decode the body into @out (zeroed). False: the request was answered 400. */
bool handler_decode(struct api_req *r, const struct decode_object *o, void *out);
void handler_refuse(struct api_req *r, const struct define_error *e);
/* The usual end of a proposal whose answer is an empty 200, or `true`. */
void handler_on_empty(struct api_req *r, int status, const struct reg_result *result);
void handler_on_true(struct api_req *r, int status, const struct reg_result *result);
/* As handler_on_empty(); if the command changed anything, logs what handler_log() was given. */
void handler_on_synced(struct api_req *r, int status, const struct reg_result *result);
/* @sentence and @key are literals ("Synced service", "service"); @id lives as long as @r. */
void handler_log(struct api_req *r, const char *sentence, const char *key, struct slice id);
/* Propose the registration or deregistration; @done as for api_propose(). */
void handler_register(struct api_req *r,
                      const struct reg_register *c,
                      void (*done)(struct api_req *r, int status, const struct reg_result *result));
void handler_deregister(struct api_req *r,
                        const struct reg_deregister *c,
                        void (*done)(struct api_req *r,
                                     int status,
                                     const struct reg_result *result));

void handler_watch(struct api_resource *res, enum reg_watch_kind kind, struct slice name);
/* The resource is (@kind, @name): its index and its key; with ?node-meta= also the nodes' key, with
 * ?near= also the coordinates'. */
void handler_resource(struct api_req *r,
                      struct api_resource *res,
                      enum reg_watch_kind kind,
                      struct slice name);
/* Every ?node-meta=key:value is in @meta. */
bool handler_node_meta(const struct api_req *r, struct reg_list meta);
/* The node @name passes ?node-meta=; looks it up only when that is asked. */
bool handler_node_passes(struct api_req *r, struct slice name);
/* Every ?tag= is among @tags, in any case. */
bool handler_tags(const struct api_req *r, struct reg_list tags);
struct slice handler_datacenter(const struct api_req *r);
struct slice handler_node(const struct api_req *r);
/* Go's strconv.ParseBool. False when @s is none of its words. */
bool handler_bool(struct slice s, bool *out);

/* How the text of a bad filter begins. */
#define HANDLER_FILTER_PREFIX "Failed to create boolean expression evaluator: "

/* The parsed ?filter=, or NULL without one; parsed at most once a request. On a bad one *@error is
 * its text (else NULL), to be answered with 500. */
const struct filter *handler_filter(struct api_req *r,
                                    const struct filter_type *type,
                                    const char **error);
/* For find: false when the filter is bad, and @res says so. */
bool handler_filter_ok(struct api_req *r, struct api_resource *res, const struct filter_type *type);

/* ---- live checks (agent_live.c) ---- */

/* Ask the prober for the newest outputs, then call @done, which begins with live_sort(). Without a
 * prober @done is called at once with an empty list. */
void live_ask(struct api_req *r, void (*done)(struct api_req *r, struct reg_probe_req *live));
void live_sort(struct reg_probe_req *live);
/* Put what is newer into @c; the slices live as long as @live. */
void live_apply(const struct reg_probe_req *live, struct reg_check *c);

/* ---- handlers: what a route does is in routes.c ---- */

/* GET status/leader */
void status_leader(struct api_req *r);
/* GET status/peers */
void status_peers(struct api_req *r);

/* GET agent/self */
void agent_self(struct api_req *r);
/* GET agent/members */
void agent_members(struct api_req *r);
/* GET agent/version */
void agent_version(struct api_req *r);
/* GET agent/host */
void agent_host(struct api_req *r);
/* GET agent/monitor */
void agent_monitor(struct api_req *r);
/* GET agent/metrics */
void agent_metrics(struct api_req *r);
/* PUT agent/leave */
void agent_leave(struct api_req *r);
/* PUT agent/join/ */
void agent_join(struct api_req *r);
/* PUT agent/reload */
void agent_reload(struct api_req *r);
/* PUT agent/force-leave/ */
void agent_force_leave(struct api_req *r);

/* GET agent/services */
void agent_services_find(struct api_req *r, struct api_resource *res);
void agent_services_render(struct api_req *r, struct buf *out);
/* GET agent/service/ */
void agent_service_get(struct api_req *r);
/* PUT agent/service/register */
void agent_service_register(struct api_req *r);
/* PUT agent/service/deregister/ */
void agent_service_deregister(struct api_req *r);

/* GET agent/checks */
void agent_checks_get(struct api_req *r);
/* PUT agent/check/register */
void agent_check_register(struct api_req *r);
/* PUT agent/check/deregister/ */
void agent_check_deregister(struct api_req *r);
/* PUT agent/check/pass/ */
void agent_check_pass(struct api_req *r);
/* PUT agent/check/warn/ */
void agent_check_warn(struct api_req *r);
/* PUT agent/check/fail/ */
void agent_check_fail(struct api_req *r);
/* PUT agent/check/update/ */
void agent_check_update(struct api_req *r);

/* PUT agent/maintenance */
void agent_node_maintenance(struct api_req *r);
/* PUT agent/service/maintenance/ */
void agent_service_maintenance(struct api_req *r);

/* GET agent/health/service/id/ */
void agent_health_by_id(struct api_req *r);
/* GET agent/health/service/name/ */
void agent_health_by_name(struct api_req *r);

/* PUT catalog/register */
void catalog_register(struct api_req *r);
/* PUT catalog/deregister */
void catalog_deregister(struct api_req *r);
/* GET catalog/datacenters */
void catalog_datacenters(struct api_req *r);
/* GET catalog/nodes */
void catalog_nodes_find(struct api_req *r, struct api_resource *res);
void catalog_nodes_render(struct api_req *r, struct buf *out);
/* GET catalog/services */
void catalog_services_find(struct api_req *r, struct api_resource *res);
void catalog_services_render(struct api_req *r, struct buf *out);
/* GET catalog/service/ */
void catalog_service_find(struct api_req *r, struct api_resource *res);
void catalog_service_render(struct api_req *r, struct buf *out);
/* GET catalog/node/, GET catalog/node-services/ */
void catalog_node_find(struct api_req *r, struct api_resource *res);
/* GET catalog/node/ */
void catalog_node_render(struct api_req *r, struct buf *out);
/* GET catalog/node-services/ */
void catalog_node_services_render(struct api_req *r, struct buf *out);

/* GET health/node/ */
void health_node_find(struct api_req *r, struct api_resource *res);
void health_node_render(struct api_req *r, struct buf *out);
/* GET health/checks/ */
void health_checks_find(struct api_req *r, struct api_resource *res);
void health_checks_render(struct api_req *r, struct buf *out);
/* GET health/state/ */
void health_state_find(struct api_req *r, struct api_resource *res);
void health_state_render(struct api_req *r, struct buf *out);
/* GET health/service/ */
void health_service_find(struct api_req *r, struct api_resource *res);
void health_service_render(struct api_req *r, struct buf *out);

/* What a server without a mesh has to say about one. */
void mesh_find(struct api_req *r, struct api_resource *res);
void mesh_render_list(struct api_req *r, struct buf *out);
void mesh_render_null(struct api_req *r, struct buf *out);

/* GET kv/ */
void kv_find(struct api_req *r, struct api_resource *res);
void kv_render(struct api_req *r, struct buf *out);
/* PUT kv/ */
void kv_put(struct api_req *r);
/* DELETE kv/ */
void kv_delete(struct api_req *r);

/* GET session/list, GET session/node/ */
void session_list_find(struct api_req *r, struct api_resource *res);
/* GET session/list */
void session_list_render(struct api_req *r, struct buf *out);
/* GET session/node/ */
void session_node_render(struct api_req *r, struct buf *out);
/* GET session/info/ */
void session_info_find(struct api_req *r, struct api_resource *res);
void session_info_render(struct api_req *r, struct buf *out);
/* PUT session/create */
void session_create(struct api_req *r);
/* PUT session/destroy/ */
void session_destroy(struct api_req *r);
/* PUT session/renew/ */
void session_renew(struct api_req *r);

/* GET coordinate/datacenters */
void coordinate_datacenters(struct api_req *r);
/* GET coordinate/nodes */
void coordinate_nodes_find(struct api_req *r, struct api_resource *res);
void coordinate_nodes_render(struct api_req *r, struct buf *out);
/* GET coordinate/node/ */
void coordinate_node_find(struct api_req *r, struct api_resource *res);
void coordinate_node_render(struct api_req *r, struct buf *out);
/* PUT coordinate/update */
void coordinate_update(struct api_req *r);

/* PUT event/fire/ */
void event_fire(struct api_req *r);
/* GET event/list */
void event_list_find(struct api_req *r, struct api_resource *res);
void event_list_render(struct api_req *r, struct buf *out);

/* GET operator/raft/configuration */
void operator_raft_configuration(struct api_req *r);
/* DELETE operator/raft/peer */
void operator_raft_peer_delete(struct api_req *r);
/* GET operator/autopilot/configuration */
void operator_autopilot_get(struct api_req *r);
/* PUT operator/autopilot/configuration */
void operator_autopilot_put(struct api_req *r);
/* GET operator/autopilot/health */
void operator_autopilot_health(struct api_req *r);
/* GET operator/autopilot/state */
void operator_autopilot_state(struct api_req *r);
/* GET operator/keyring */
void operator_keyring_get(struct api_req *r);
/* POST, PUT, DELETE operator/keyring */
void operator_keyring_change(struct api_req *r);

/* GET snapshot */
void snapshot_get(struct api_req *r);
/* PUT snapshot */
void snapshot_put(struct api_req *r);

/* PUT txn */
void txn_put(struct api_req *r);

/* GET query, POST query */
void prepared_list_find(struct api_req *r, struct api_resource *res);
void prepared_list_render(struct api_req *r, struct buf *out);
void prepared_create(struct api_req *r);
/* query/: GET of a query, its execute and explain; PUT, DELETE */
unsigned prepared_methods(const struct api_req *r);
void prepared_find(struct api_req *r, struct api_resource *res);
void prepared_get_render(struct api_req *r, struct buf *out);
void prepared_put(struct api_req *r);
void prepared_delete(struct api_req *r);

/* Everything below acl/: 401, since ACLs are off. */
void acl_disabled(struct api_req *r);

#endif
