/* Which selectors each object has. Names are Go's field names, which differ from the JSON names
 * only where Consul's structs do. Not selectable, as in Consul: indexes, Definition, Locality; not
 * yet: what lies inside Proxy and Connect, which are kept as text. */
#include "api/filter_types.h"

#define STR(name, t, m)                        \
    {                                          \
        name, FILTER_STR, offsetof(t, m), NULL \
    }
#define INT(name, t, m)                        \
    {                                          \
        name, FILTER_INT, offsetof(t, m), NULL \
    }
#define BOOL(name, t, m)                        \
    {                                           \
        name, FILTER_BOOL, offsetof(t, m), NULL \
    }
#define STRS(name, t, m)                        \
    {                                           \
        name, FILTER_STRS, offsetof(t, m), NULL \
    }
#define MAP(name, t, m)                        \
    {                                          \
        name, FILTER_MAP, offsetof(t, m), NULL \
    }
#define ADDRS(name, t, m)                        \
    {                                            \
        name, FILTER_ADDRS, offsetof(t, m), NULL \
    }
#define OBJECT(name, at, type)        \
    {                                 \
        name, FILTER_OBJECT, at, type \
    }
#define OBJECTS(name, t, m, type)                  \
    {                                              \
        name, FILTER_OBJECTS, offsetof(t, m), type \
    }
#define TYPE(fields, t)                                       \
    {                                                         \
        fields, sizeof(fields) / sizeof(fields)[0], sizeof(t) \
    }

/* Fields of struct @t, whose node part is @n. */
#define NODE_FIELDS(t, n)                                                     \
    STR("ID", t, n.id), STR("Node", t, n.name), STR("Address", t, n.address), \
        STR("Datacenter", t, datacenter), MAP("TaggedAddresses", t, n.tagged)

static const struct filter_field weights_fields[] = {
    INT("Passing", struct reg_service, weight_passing),
    INT("Warning", struct reg_service, weight_warning),
};
static const struct filter_type weights = TYPE(weights_fields, struct reg_service);

static const struct filter_field node_fields[] = {
    NODE_FIELDS(struct filter_node, node),
    MAP("Meta", struct filter_node, node.meta),
};
const struct filter_type filter_type_node = TYPE(node_fields, struct filter_node);

static const struct filter_field service_node_fields[] = {
    NODE_FIELDS(struct filter_service_node, node),
    MAP("NodeMeta", struct filter_service_node, node.meta),
    STR("ServiceKind", struct filter_service_node, service.kind),
    STR("ServiceID", struct filter_service_node, service.id),
    STR("ServiceName", struct filter_service_node, service.name),
    STRS("ServiceTags", struct filter_service_node, service.tags),
    STR("ServiceAddress", struct filter_service_node, service.address),
    ADDRS("ServiceTaggedAddresses", struct filter_service_node, service.tagged),
    OBJECT("ServiceWeights", offsetof(struct filter_service_node, service), &weights),
    MAP("ServiceMeta", struct filter_service_node, service.meta),
    INT("ServicePort", struct filter_service_node, service.port),
    STR("ServiceSocketPath", struct filter_service_node, service.socket_path),
    BOOL("ServiceEnableTagOverride", struct filter_service_node, service.enable_tag_override),
};
const struct filter_type filter_type_service_node =
    TYPE(service_node_fields, struct filter_service_node);

static const struct filter_field service_fields[] = {
    STR("Kind", struct reg_service, kind),
    STR("ID", struct reg_service, id),
    STR("Service", struct reg_service, name),
    STRS("Tags", struct reg_service, tags),
    STR("Address", struct reg_service, address),
    ADDRS("TaggedAddresses", struct reg_service, tagged),
    MAP("Meta", struct reg_service, meta),
    INT("Port", struct reg_service, port),
    STR("SocketPath", struct reg_service, socket_path),
    OBJECT("Weights", 0, &weights),
    BOOL("EnableTagOverride", struct reg_service, enable_tag_override),
};
const struct filter_type filter_type_service = TYPE(service_fields, struct reg_service);

static const struct filter_field check_fields[] = {
    STR("Node", struct reg_check, node),
    STR("CheckID", struct reg_check, check_id),
    STR("Name", struct reg_check, name),
    STR("Status", struct reg_check, status),
    STR("Notes", struct reg_check, notes),
    STR("Output", struct reg_check, output),
    STR("ServiceID", struct reg_check, service_id),
    STR("ServiceName", struct reg_check, service_name),
    STRS("ServiceTags", struct reg_check, service_tags),
    STR("Type", struct reg_check, type),
    STR("Interval", struct reg_check, interval),
    STR("Timeout", struct reg_check, timeout),
    INT("ExposedPort", struct reg_check, exposed_port),
};
const struct filter_type filter_type_check = TYPE(check_fields, struct reg_check);

static const struct filter_field health_fields[] = {
    OBJECT("Node", offsetof(struct filter_health, node), &filter_type_node),
    OBJECT("Service", offsetof(struct filter_health, service), &filter_type_service),
    OBJECTS("Checks", struct filter_health, checks, &filter_type_check),
};
const struct filter_type filter_type_health = TYPE(health_fields, struct filter_health);
