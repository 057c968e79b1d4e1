/* catalog datacenters, nodes, services. */
#include <stdlib.h>
#include <string.h>

#include "cli/answer.h"
#include "cli/command.h"
#include "cli/table.h"

static const char nodes_none[] = "No nodes match the given query - try expanding your search.\n";
static const char services_none[] =
    "No services match the given query - try expanding your search.\n";

static int print_text(const char *text)
{
    struct buf out = BUF_INIT;
    buf_add_str(&out, text);
    int rc = cli_print(&out);
    buf_fini(&out);
    return rc;
}

/* Append "node-meta=k:v&" for each "k=v" or "k:v" given. */
static void add_node_meta(struct buf *path, const struct flag_list *l)
{
    for (size_t i = 0; i < l->n; i++) {
        const char *pair = l->items[i];
        size_t n = strcspn(pair, "=:");
        buf_add_str(path, "node-meta=");
        http_escape_query(path, slice_of(pair, n));
        buf_add_str(path, "%3A");
        http_escape_query(path, slice_str(pair[n] == '\0' ? "" : pair + n + 1));
        buf_add_char(path, '&');
    }
}

static void add_param(struct buf *path, const char *name, const char *value)
{
    if (value != NULL) {
        buf_printf(path, "%s=", name);
        http_escape_query(path, slice_str(value));
        buf_add_char(path, '&');
    }
}

/* Ask and parse; an error is printed with what was being done. */
static int fetch(const struct cli_call *call, struct buf *path, const char *what, json_t **root)
{
    struct errmsg e;
    buf_add_char(path, '\0');
    int rc = answer_get(&call->client, buf_ok(path) ? path->p : "/", root, &e);
    buf_fini(path);
    return rc == 0 ? 0 : cli_error("Error listing %s: %s", what, e.text);
}

static int datacenters_run(struct cli_call *call)
{
    struct buf path = BUF_INIT;
    struct buf out = BUF_INIT;
    json_t *root = NULL;
    if (call->n_args > 0) {
        return cli_error("Too many arguments (expected 0, got %d)", call->n_args);
    }
    buf_add_str(&path, "/v1/catalog/datacenters");
    int rc = fetch(call, &path, "datacenters", &root);
    if (rc == 0) {
        for (size_t i = 0; i < json_array_size(root); i++) {
            const char *name = json_string_value(json_array_get(root, i));
            buf_printf(&out, "%s\n", name == NULL ? "" : name);
        }
        rc = cli_print(&out);
    }
    buf_fini(&out);
    json_decref(root);
    return rc;
}

const struct cli_command cli_catalog_datacenters = {
    .name = "catalog datacenters",
    .args = "[options]",
    .synopsis = "Lists all known datacenters",
    .help = "Lists the names of all known datacenters, one a line.",
    .http = true,
    .query = true,
    .run = datacenters_run,
};

struct nodes_values {
    bool detailed;
    const char *service, *filter, *near;
    struct flag_list node_meta;
};

static const struct flag nodes_flags[] = {
    {"detailed", FLAG_BOOL, offsetof(struct nodes_values, detailed), NULL,
     "Show full IDs, tagged addresses and metadata."},
    {"filter", FLAG_STRING, offsetof(struct nodes_values, filter), "expression",
     "Filter expression that the server applies."},
    {"near", FLAG_STRING, offsetof(struct nodes_values, near), "node",
     "Sort by distance from this node, or from _agent."},
    {"node-meta", FLAG_LIST, offsetof(struct nodes_values, node_meta), "key=value",
     "Show only nodes with this metadata; may be repeated."},
    {"service", FLAG_STRING, offsetof(struct nodes_values, service), "name",
     "Show only nodes that provide this service."},
    {NULL, FLAG_BOOL, 0, NULL, NULL},
};

static void add_map_cell(struct table *t, const json_t *map)
{
    struct buf b = BUF_INIT;
    answer_add_map(&b, map, ", ");
    table_add(t, buf_slice(&b));
    buf_fini(&b);
}

/* @meta_key: catalog/service spells a node's metadata differently. */
static void add_nodes(struct table *t, const json_t *root, bool detailed, const char *meta_key)
{
    static const char *const head[] = {"Node", "ID", "Address", "DC", "TaggedAddresses", "Meta"};
    for (size_t i = 0; i < (detailed ? 6 : 4); i++) {
        table_add_str(t, head[i]);
    }
    for (size_t i = 0; i < json_array_size(root); i++) {
        const json_t *n = json_array_get(root, i);
        const char *id = answer_str(n, "ID");
        table_add_str(t, answer_str(n, "Node"));
        table_add(t, slice_of(id, detailed || strlen(id) < 8 ? strlen(id) : 8));
        table_add_str(t, answer_str(n, "Address"));
        table_add_str(t, answer_str(n, "Datacenter"));
        if (detailed) {
            add_map_cell(t, json_object_get(n, "TaggedAddresses"));
            add_map_cell(t, json_object_get(n, meta_key));
        }
    }
}

static int nodes_run(struct cli_call *call)
{
    const struct nodes_values *v = call->values;
    if (call->n_args > 0) {
        return cli_error("Too many arguments (expected 0, got %d)", call->n_args);
    }
    struct buf path = BUF_INIT;
    buf_add_str(&path, "/v1/catalog/");
    buf_add_str(&path, v->service == NULL ? "nodes" : "service/");
    if (v->service != NULL) {
        http_escape_path(&path, slice_str(v->service));
    }
    buf_add_char(&path, '?');
    add_param(&path, "near", v->near);
    add_param(&path, "filter", v->filter);
    add_node_meta(&path, &v->node_meta);
    json_t *root = NULL;
    int rc = fetch(call, &path, "nodes", &root);
    if (rc == 0 && json_array_size(root) == 0) {
        rc = print_text(nodes_none);
    } else if (rc == 0) {
        struct table t;
        struct buf out = BUF_INIT;
        table_init(&t, v->detailed ? 6 : 4, 2);
        add_nodes(&t, root, v->detailed, v->service == NULL ? "Meta" : "NodeMeta");
        table_print(&t, &out);
        rc = cli_print(&out);
        buf_fini(&out);
        table_fini(&t);
    }
    json_decref(root);
    return rc;
}

const struct cli_command cli_catalog_nodes = {
    .name = "catalog nodes",
    .args = "[options]",
    .synopsis = "Lists all nodes in the given datacenter",
    .help = "Lists the nodes of the catalog, or those that provide one service.",
    .flags = nodes_flags,
    .values_size = sizeof(struct nodes_values),
    .http = true,
    .query = true,
    .run = nodes_run,
};

struct services_values {
    bool tags;
    const char *node;
    struct flag_list node_meta;
};

static const struct flag services_flags[] = {
    {"node", FLAG_STRING, offsetof(struct services_values, node), "name",
     "Show only the services of this node."},
    {"node-meta", FLAG_LIST, offsetof(struct services_values, node_meta), "key=value",
     "Show only services on nodes with this metadata; may be repeated."},
    {"tags", FLAG_BOOL, offsetof(struct services_values, tags), NULL,
     "Show each service's tags beside its name."},
    {NULL, FLAG_BOOL, 0, NULL, NULL},
};

/* {"name": [tags]} of a node, from what catalog/node answers; the caller releases it. */
static json_t *services_of_node(const json_t *root)
{
    json_t *all = json_object();
    json_t *services = json_object_get(root, "Services");
    const char *id;
    json_t *s;
    json_object_foreach(services, id, s)
    {
        const char *name = answer_str(s, "Service");
        json_t *tags = json_object_get(all, name);
        if (tags == NULL) {
            tags = json_array();
            if (json_object_set_new(all, name, tags) != 0) {
                continue; /* out of memory: leave the service out */
            }
        }
        if (json_is_array(json_object_get(s, "Tags"))) {
            (void)json_array_extend(tags, json_object_get(s, "Tags")); /* the same */
        }
    }
    return all;
}

static void add_services(struct buf *out, const json_t *services, bool with_tags)
{
    struct table t;
    size_t n;
    const char **names = answer_sorted(services, &n);
    table_init(&t, 2, 6);
    for (size_t i = 0; i < n; i++) {
        struct buf b = BUF_INIT;
        size_t n_tags = 0;
        const char **tags =
            with_tags ? answer_sorted(json_object_get(services, names[i]), &n_tags) : NULL;
        for (size_t j = 0; j < n_tags; j++) {
            buf_printf(&b, "%s%s", j == 0 ? "" : ",", tags[j]);
        }
        free(tags);
        table_add_str(&t, names[i]);
        table_add(&t, buf_slice(&b));
        buf_fini(&b);
    }
    table_print(&t, out);
    table_fini(&t);
    free(names);
}

static int services_run(struct cli_call *call)
{
    const struct services_values *v = call->values;
    if (call->n_args > 0) {
        return cli_error("Too many arguments (expected 0, got %d)", call->n_args);
    }
    struct buf path = BUF_INIT;
    buf_add_str(&path, "/v1/catalog/");
    buf_add_str(&path, v->node == NULL ? "services" : "node/");
    if (v->node != NULL) {
        http_escape_path(&path, slice_str(v->node));
    }
    buf_add_char(&path, '?');
    add_node_meta(&path, &v->node_meta);
    json_t *root = NULL;
    int rc = fetch(call, &path, "services", &root);
    if (rc != 0) {
        return rc;
    }
    json_t *services = v->node == NULL ? json_incref(root) : services_of_node(root);
    if (json_object_size(services) == 0) {
        rc = print_text(services_none);
    } else {
        struct buf out = BUF_INIT;
        add_services(&out, services, v->tags);
        rc = cli_print(&out);
        buf_fini(&out);
    }
    json_decref(services);
    json_decref(root);
    return rc;
}

const struct cli_command cli_catalog_services = {
    .name = "catalog services",
    .args = "[options]",
    .synopsis = "Lists all registered services in a datacenter",
    .help = "Lists the names of all services, or those of one node.",
    .flags = services_flags,
    .values_size = sizeof(struct services_values),
    .http = true,
    .query = true,
    .run = services_run,
};
