/* Objects as Consul shows them: field order, which empty list is [], {} or null, what is left out
 * (consul-surface.md 1.1). Each call writes one JSON value. Pure. */
#ifndef API_RENDER_H_
#define API_RENDER_H_

#include "api/json.h"
#include "registry/model.h"

/* Lists: [] and {} also when absent; a map of addresses as {name: {Address, Port}}. */
void render_strings(struct json *j, struct reg_list l);
void render_map(struct json *j, struct reg_list l);
/* null when absent. */
void render_map_or_null(struct json *j, struct reg_list l);
void render_addresses(struct json *j, struct reg_list l);

/* catalog/nodes, and the Node of health/service. */
void render_node(struct json *j, struct slice datacenter, const struct reg_node *n);
/* The Service of health/service, catalog/node and catalog/node-services. */
void render_node_service(struct json *j, const struct reg_service *s);
/* catalog/service: an instance with its node's fields. */
void render_service_node(struct json *j,
                         struct slice datacenter,
                         const struct reg_node *n,
                         const struct reg_service *s);
/* health/... and agent/checks; @agent: indexes are 0 and the Definition is empty. */
void render_check(struct json *j, const struct reg_check *c, bool agent);
/* agent/services; with @hash (may be empty) as ContentHash. */
void render_agent_service(struct json *j,
                          struct slice datacenter,
                          const struct reg_service *s,
                          struct slice hash);
/* A check as agent/health/service shows it: the Go client's own spelling. */
void render_agent_health_check(struct json *j, const struct reg_check *c);
/* One entry of kv/. */
void render_kv(struct json *j, const struct reg_kv *e);
/* One entry of session/. */
void render_session(struct json *j, const struct reg_session *s);

#endif
