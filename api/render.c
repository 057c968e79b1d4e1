/* One function per object; the order of the lines is the order of the fields. Where 1.10 and 1.21
 * differ in whether an empty field is shown, the choice is the one no studied client minds. */
#include "api/render.h"

#include "api/decode.h"

static void str(struct json *j, const char *key, struct slice s)
{
    json_key(j, key);
    json_str(j, s);
}

static void str_unless_empty(struct json *j, const char *key, struct slice s)
{
    if (s.len > 0) {
        str(j, key, s);
    }
}

static void number(struct json *j, const char *key, int64_t v)
{
    json_key(j, key);
    json_i64(j, v);
}

static void boolean(struct json *j, const char *key, bool v)
{
    json_key(j, key);
    json_bool(j, v);
}

/* @text is one JSON value or empty; then @otherwise stands for it. */
static void raw(struct json *j, const char *key, struct slice text, struct slice otherwise)
{
    json_key(j, key);
    json_raw(j, text.len > 0 ? text : otherwise);
}

static void indexes(struct json *j, uint64_t create, uint64_t modify)
{
    json_key(j, "CreateIndex");
    json_u64(j, create);
    json_key(j, "ModifyIndex");
    json_u64(j, modify);
}

static void weights(struct json *j, const char *key, const struct reg_service *s)
{
    json_key(j, key);
    json_obj(j);
    number(j, "Passing", s->weight_passing);
    number(j, "Warning", s->weight_warning);
    json_obj_end(j);
}

void render_strings(struct json *j, struct reg_list l)
{
    json_arr(j);
    struct rd it = reg_list_iter(l);
    struct slice s;
    while (reg_list_next(&it, &s)) {
        json_str(j, s);
    }
    json_arr_end(j);
}

void render_map(struct json *j, struct reg_list l)
{
    json_obj(j);
    struct rd it = reg_list_iter(l);
    struct slice key;
    struct slice value;
    while (reg_list_next(&it, &key) && reg_list_next(&it, &value)) {
        json_key_slice(j, key);
        json_str(j, value);
    }
    json_obj_end(j);
}

void render_map_or_null(struct json *j, struct reg_list l)
{
    if (reg_list_absent(l)) {
        json_nil(j);
    } else {
        render_map(j, l);
    }
}

void render_addresses(struct json *j, struct reg_list l)
{
    json_obj(j);
    struct rd it = reg_list_iter(l);
    struct slice key;
    struct slice packed;
    while (reg_list_next(&it, &key) && reg_list_next(&it, &packed)) {
        struct slice address = {NULL, 0};
        int32_t port = 0;
        (void)decode_addr_split(packed, &address, &port); /* our own writing: always whole */
        json_key_slice(j, key);
        json_obj(j);
        str(j, "Address", address);
        number(j, "Port", port);
        json_obj_end(j);
    }
    json_obj_end(j);
}

static void addresses_unless_empty(struct json *j, const char *key, struct reg_list l)
{
    if (reg_list_count(l) > 0) {
        json_key(j, key);
        render_addresses(j, l);
    }
}

static void map_or_null(struct json *j, const char *key, struct reg_list l)
{
    json_key(j, key);
    render_map_or_null(j, l);
}

static void strings(struct json *j, const char *key, struct reg_list l)
{
    json_key(j, key);
    render_strings(j, l);
}

void render_node(struct json *j, struct slice datacenter, const struct reg_node *n)
{
    json_obj(j);
    str(j, "ID", n->id);
    str(j, "Node", n->name);
    str(j, "Address", n->address);
    str(j, "Datacenter", datacenter);
    map_or_null(j, "TaggedAddresses", n->tagged);
    map_or_null(j, "Meta", n->meta);
    if (n->locality.len > 0) {
        raw(j, "Locality", n->locality, n->locality);
    }
    indexes(j, n->create_index, n->modify_index);
    json_obj_end(j);
}

#define EMPTY_PROXY SLICE_LIT("{\"Mode\":\"\",\"MeshGateway\":{},\"Expose\":{}}")
#define EMPTY_OBJECT SLICE_LIT("{}")

void render_node_service(struct json *j, const struct reg_service *s)
{
    json_obj(j);
    str_unless_empty(j, "Kind", s->kind);
    str(j, "ID", s->id);
    str(j, "Service", s->name);
    strings(j, "Tags", s->tags);
    str(j, "Address", s->address);
    addresses_unless_empty(j, "TaggedAddresses", s->tagged);
    map_or_null(j, "Meta", s->meta);
    if (s->port != 0) {
        number(j, "Port", s->port);
    }
    str_unless_empty(j, "SocketPath", s->socket_path);
    weights(j, "Weights", s);
    boolean(j, "EnableTagOverride", s->enable_tag_override);
    if (s->locality.len > 0) {
        raw(j, "Locality", s->locality, s->locality);
    }
    raw(j, "Proxy", s->proxy, EMPTY_PROXY);
    raw(j, "Connect", s->connect, EMPTY_OBJECT);
    str(j, "PeerName", slice_of(NULL, 0));
    indexes(j, s->create_index, s->modify_index);
    json_obj_end(j);
}

void render_service_node(struct json *j,
                         struct slice datacenter,
                         const struct reg_node *n,
                         const struct reg_service *s)
{
    json_obj(j);
    str(j, "ID", n->id);
    str(j, "Node", n->name);
    str(j, "Address", n->address);
    str(j, "Datacenter", datacenter);
    map_or_null(j, "TaggedAddresses", n->tagged);
    map_or_null(j, "NodeMeta", n->meta);
    str(j, "ServiceKind", s->kind);
    str(j, "ServiceID", s->id);
    str(j, "ServiceName", s->name);
    strings(j, "ServiceTags", s->tags);
    str(j, "ServiceAddress", s->address);
    addresses_unless_empty(j, "ServiceTaggedAddresses", s->tagged);
    weights(j, "ServiceWeights", s);
    json_key(j, "ServiceMeta");
    render_map(j, s->meta);
    number(j, "ServicePort", s->port);
    str(j, "ServiceSocketPath", s->socket_path);
    boolean(j, "ServiceEnableTagOverride", s->enable_tag_override);
    raw(j, "ServiceProxy", s->proxy, EMPTY_PROXY);
    raw(j, "ServiceConnect", s->connect, EMPTY_OBJECT);
    raw(j, "ServiceLocality", s->locality, SLICE_LIT("null"));
    indexes(j, s->create_index, s->modify_index);
    json_obj_end(j);
}

void render_check(struct json *j, const struct reg_check *c, bool agent)
{
    json_obj(j);
    str(j, "Node", c->node);
    str(j, "CheckID", c->check_id);
    str(j, "Name", c->name);
    str(j, "Status", c->status);
    str(j, "Notes", c->notes);
    str(j, "Output", c->output);
    str(j, "ServiceID", c->service_id);
    str(j, "ServiceName", c->service_name);
    strings(j, "ServiceTags", c->service_tags);
    str(j, "Type", c->type);
    str(j, "Interval", c->interval);
    str(j, "Timeout", c->timeout);
    number(j, "ExposedPort", c->exposed_port);
    raw(j, "Definition", agent ? slice_of(NULL, 0) : c->definition, EMPTY_OBJECT);
    indexes(j, agent ? 0 : c->create_index, agent ? 0 : c->modify_index);
    json_obj_end(j);
}

void render_agent_service(struct json *j,
                          struct slice datacenter,
                          const struct reg_service *s,
                          struct slice hash)
{
    json_obj(j);
    str_unless_empty(j, "Kind", s->kind);
    str(j, "ID", s->id);
    str(j, "Service", s->name);
    strings(j, "Tags", s->tags);
    json_key(j, "Meta");
    render_map(j, s->meta);
    number(j, "Port", s->port);
    str(j, "Address", s->address);
    str(j, "SocketPath", s->socket_path);
    addresses_unless_empty(j, "TaggedAddresses", s->tagged);
    weights(j, "Weights", s);
    boolean(j, "EnableTagOverride", s->enable_tag_override);
    str_unless_empty(j, "ContentHash", hash);
    if (s->proxy.len > 0) {
        raw(j, "Proxy", s->proxy, s->proxy);
    }
    if (s->connect.len > 0) {
        raw(j, "Connect", s->connect, s->connect);
    }
    str(j, "Datacenter", datacenter);
    if (s->locality.len > 0) {
        raw(j, "Locality", s->locality, s->locality);
    }
    json_obj_end(j);
}

void render_agent_health_check(struct json *j, const struct reg_check *c)
{
    json_obj(j);
    str(j, "Node", c->node);
    str(j, "CheckID", c->check_id);
    str(j, "Name", c->name);
    str(j, "Status", c->status);
    str(j, "Notes", c->notes);
    str(j, "Output", c->output);
    str(j, "ServiceID", c->service_id);
    str(j, "ServiceName", c->service_name);
    json_key(j, "ServiceTags");
    json_nil(j);
    str(j, "Type", slice_of(NULL, 0));
    json_key(j, "Definition");
    json_raw(j, SLICE_LIT("{\"Interval\":\"0s\",\"Timeout\":\"0s\","
                          "\"DeregisterCriticalServiceAfter\":\"0s\",\"HTTP\":\"\","
                          "\"Header\":null,\"Method\":\"\",\"Body\":\"\",\"TLSServerName\":\"\","
                          "\"TLSSkipVerify\":false,\"TCP\":\"\"}"));
    indexes(j, 0, 0);
    json_obj_end(j);
}

void render_kv(struct json *j, const struct reg_kv *e)
{
    json_obj(j);
    json_key(j, "LockIndex");
    json_u64(j, e->lock_index);
    str(j, "Key", e->key);
    json_key(j, "Flags");
    json_u64(j, e->flags);
    json_key(j, "Value");
    if (e->value.len == 0) {
        json_nil(j);
    } else {
        json_base64(j, e->value);
    }
    str_unless_empty(j, "Session", e->session);
    indexes(j, e->create_index, e->modify_index);
    json_obj_end(j);
}

static void render_service_checks(struct json *j, struct reg_list l)
{
    struct rd it = reg_list_iter(l);
    struct slice id;
    struct slice ns;
    if (reg_list_absent(l)) {
        json_nil(j);
        return;
    }
    json_arr(j);
    while (reg_list_next(&it, &id) && reg_list_next(&it, &ns)) {
        json_obj(j);
        str(j, "ID", id);
        str(j, "Namespace", ns);
        json_obj_end(j);
    }
    json_arr_end(j);
}

void render_session(struct json *j, const struct reg_session *s)
{
    json_obj(j);
    str(j, "ID", s->id);
    str(j, "Name", s->name);
    str(j, "Node", s->node);
    json_key(j, "LockDelay");
    json_i64(j, s->lock_delay_ns);
    json_key(j, "Behavior");
    json_cstr(j, s->behavior == REG_SESSION_DELETE ? "delete" : "release");
    str(j, "TTL", s->ttl);
    json_key(j, "NodeChecks");
    render_strings(j, s->node_checks);
    json_key(j, "ServiceChecks");
    render_service_checks(j, s->service_checks);
    indexes(j, s->create_index, s->modify_index);
    json_obj_end(j);
}
