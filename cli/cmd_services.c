/* services register, deregister: from flags or from the service definitions of a file.
 *
 * Definitions are spelled as in configuration files (snake_case). The API takes names in any case,
 * so dropping the underscores is all the translation that most need; keys that belong to the user
 * (metadata, headers) are left alone. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli/answer.h"
#include "cli/command.h"

enum { DEFINITION_DEPTH_MAX = 16 };

struct service_values {
    const char *id, *name, *address, *kind, *socket;
    uint64_t port;
    struct flag_list meta, tag, tagged_address;
};

static const struct flag register_flags[] = {
    {"id", FLAG_STRING, offsetof(struct service_values, id), "value",
     "ID of the service; the default is its name."},
    {"name", FLAG_STRING, offsetof(struct service_values, name), "value", "Name of the service."},
    {"address", FLAG_STRING, offsetof(struct service_values, address), "value",
     "Address of the service; the default is the node's."},
    {"port", FLAG_U64, offsetof(struct service_values, port), "number", "Port of the service."},
    {"socket", FLAG_STRING, offsetof(struct service_values, socket), "path",
     "Path of the Unix domain socket that the service listens on."},
    {"meta", FLAG_LIST, offsetof(struct service_values, meta), "key=value",
     "Metadata; may be repeated."},
    {"tag", FLAG_LIST, offsetof(struct service_values, tag), "value", "A tag; may be repeated."},
    {"tagged-address", FLAG_LIST, offsetof(struct service_values, tagged_address),
     "name=address:port", "A tagged address; may be repeated."},
    {"kind", FLAG_STRING, offsetof(struct service_values, kind), "value",
     "Kind of the service, such as connect-proxy."},
    {NULL, FLAG_BOOL, 0, NULL, NULL},
};

static const struct flag deregister_flags[] = {
    {"id", FLAG_STRING, offsetof(struct service_values, id), "value", "ID of the service."},
    {NULL, FLAG_BOOL, 0, NULL, NULL},
};

static json_t *api_form(const json_t *v, unsigned depth);

/* Does the content of @key carry names of the user's own? */
static bool is_opaque(const char *key)
{
    return strcasecmp(key, "meta") == 0 || strcasecmp(key, "header") == 0 ||
           strcasecmp(key, "config") == 0 || strcasecmp(key, "tagged_addresses") == 0 ||
           strcasecmp(key, "taggedaddresses") == 0;
}

static json_t *api_object(const json_t *v, unsigned depth)
{
    json_t *out = json_object();
    const char *key;
    json_t *item;
    json_object_foreach((json_t *)(uintptr_t)v, key, item)
    {
        char name[128];
        size_t n = 0;
        for (const char *p = key; *p != '\0' && n < sizeof name - 1; p++) {
            if (*p != '_') {
                name[n++] = *p;
            }
        }
        name[n] = '\0';
        json_t *value = is_opaque(key) ? json_incref(item) : api_form(item, depth + 1);
        if (json_object_set_new(out, name, value) != 0) {
            json_decref(out);
            return NULL;
        }
    }
    return out;
}

/* A copy of @v with the names of the API; NULL without memory or when it is nested too deeply. */
static json_t *api_form(const json_t *v, unsigned depth)
{
    if (depth > DEFINITION_DEPTH_MAX) {
        return NULL;
    }
    if (json_is_object(v)) {
        return api_object(v, depth);
    }
    if (!json_is_array(v)) {
        return json_incref((json_t *)(uintptr_t)v);
    }
    json_t *out = json_array();
    for (size_t i = 0; i < json_array_size(v); i++) {
        if (json_array_append_new(out, api_form(json_array_get(v, i), depth + 1)) != 0) {
            json_decref(out);
            return NULL;
        }
    }
    return out;
}

/* Inside a service, the API calls a check's id CheckID. */
static void rename_check_id(json_t *check)
{
    const char *key;
    json_t *v;
    void *next;
    json_object_foreach_safe(check, next, key, v)
    {
        if (strcasecmp(key, "id") == 0) {
            (void)json_object_set(check, "CheckID", v); /* else the agent names the unknown field */
            (void)json_object_del(check, key);
        }
    }
}

static void rename_check_ids(json_t *service)
{
    const char *key;
    json_t *v;
    json_object_foreach(service, key, v)
    {
        if (strcasecmp(key, "check") == 0) {
            rename_check_id(v);
        } else if (strcasecmp(key, "checks") == 0) {
            for (size_t i = 0; i < json_array_size(v); i++) {
                rename_check_id(json_array_get(v, i));
            }
        }
    }
}

/* The service definitions of a file, appended to @list. */
static int add_file(json_t *list, const char *path, struct errmsg *e)
{
    json_error_t why;
    size_t n = strlen(path);
    if (n > 4 && strcasecmp(path + n - 4, ".hcl") == 0) {
        return err_set(e, E_UNSUPPORTED, "%s: HCL is not supported yet; write it as JSON", path);
    }
    json_t *root =
        strcmp(path, "-") == 0 ? json_loadf(stdin, 0, &why) : json_load_file(path, 0, &why);
    if (root == NULL) {
        return err_set(e, E_INVAL, "%s: line %d: %s", path, why.line, why.text);
    }
    json_t *one = json_object_get(root, "service");
    json_t *many = json_object_get(root, "services");
    int rc = one == NULL && many == NULL
                 ? err_set(e, E_INVAL, "%s: neither \"service\" nor \"services\" in it", path)
                 : 0;
    if (json_is_object(one) && json_array_append(list, one) != 0) {
        rc = err_set(e, E_NOMEM, "%s: %s", path, err_text(E_NOMEM));
    }
    if (json_is_array(many) && json_array_extend(list, many) != 0) {
        rc = err_set(e, E_NOMEM, "%s: %s", path, err_text(E_NOMEM));
    }
    json_decref(root);
    return rc;
}

/* "name=address:port" -> {"address": ..., "port": ...}; NULL when it has another form. */
static json_t *tagged_address(const char *text, char name[64])
{
    const char *eq = strchr(text, '=');
    const char *colon = eq == NULL ? NULL : strrchr(eq, ':');
    if (eq == NULL || eq == text || (size_t)(eq - text) >= 64) {
        return NULL;
    }
    memcpy(name, text, (size_t)(eq - text));
    name[eq - text] = '\0';
    bool bare = colon == NULL || strchr(eq, ':') != colon; /* no port, or a bare IPv6 address */
    bare = bare && eq[1] != '[';
    const char *start = eq[1] == '[' ? eq + 2 : eq + 1;
    const char *end = bare ? eq + strlen(eq) : eq[1] == '[' ? strchr(eq, ']') : colon;
    if (end == NULL || end < start) {
        return NULL;
    }
    return json_pack("{s:s%, s:i}", "Address", start, (size_t)(end - start), "Port",
                     bare || colon < end ? 0 : atoi(colon + 1));
}

static int put_pairs(json_t *to, const struct flag_list *l, struct errmsg *e)
{
    for (size_t i = 0; i < l->n; i++) {
        const char *eq = strchr(l->items[i], '=');
        size_t n = eq == NULL ? strlen(l->items[i]) : (size_t)(eq - l->items[i]);
        if (json_object_setn_new(to, l->items[i], n, json_string(eq == NULL ? "" : eq + 1)) != 0) {
            return err_set(e, E_INVAL, "-meta %s: not valid UTF-8", l->items[i]);
        }
    }
    return 0;
}

static void put_text(json_t *to, const char *key, const char *value)
{
    if (value != NULL) {
        (void)json_object_set_new(to, key, json_string(value)); /* the agent reports what lacks */
    }
}

/* A definition from the flags. */
static int add_from_flags(json_t *list, const struct service_values *v, struct errmsg *e)
{
    json_t *s = json_object();
    json_t *meta = json_object();
    json_t *tags = json_array();
    json_t *tagged = json_object();
    put_text(s, "ID", v->id);
    put_text(s, "Name", v->name);
    put_text(s, "Address", v->address);
    put_text(s, "Kind", v->kind);
    put_text(s, "SocketPath", v->socket);
    int rc = v->port > 65535 ? err_set(e, E_INVAL, "-port: must be at most 65535") : 0;
    if (v->port > 0) {
        (void)json_object_set_new(s, "Port", json_integer((json_int_t)v->port)); /* as above */
    }
    rc = rc == 0 ? put_pairs(meta, &v->meta, e) : rc;
    for (size_t i = 0; rc == 0 && i < v->tag.n; i++) {
        if (json_array_append_new(tags, json_string(v->tag.items[i])) != 0) {
            rc = err_set(e, E_INVAL, "-tag %s: not valid UTF-8", v->tag.items[i]);
        }
    }
    for (size_t i = 0; rc == 0 && i < v->tagged_address.n; i++) {
        char name[64];
        json_t *a = tagged_address(v->tagged_address.items[i], name);
        if (a == NULL || json_object_set_new(tagged, name, a) != 0) {
            rc = err_set(e, E_INVAL, "-tagged-address %s: not of the form name=address:port",
                         v->tagged_address.items[i]);
        }
    }
    (void)json_object_set_new(s, "Meta", meta); /* as above */
    (void)json_object_set_new(s, "Tags", tags);
    (void)json_object_set_new(s, "TaggedAddresses", tagged);
    if (json_array_append_new(list, s) != 0 && rc == 0) {
        rc = err_set(e, E_NOMEM, "%s", err_text(E_NOMEM));
    }
    return rc;
}

/* What to work on: the files given, else the flags. */
static int definitions(const struct cli_call *call, json_t *list, struct errmsg *e)
{
    const struct service_values *v = call->values;
    if (call->n_args == 0) {
        return add_from_flags(list, v, e);
    }
    if (v->id != NULL || v->name != NULL) {
        return err_set(e, E_INVAL, "Service definition files cannot be combined with flags");
    }
    int rc = 0;
    for (int i = 0; rc == 0 && i < call->n_args; i++) {
        rc = add_file(list, call->args[i], e);
    }
    return rc;
}

/* The member @name of @o in any case, as text. */
static const char *text_of(const json_t *o, const char *name)
{
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)(uintptr_t)o, key, v)
    {
        if (strcasecmp(key, name) == 0 && json_is_string(v)) {
            return json_string_value(v);
        }
    }
    return "";
}

static int register_one(const struct cli_call *call, const json_t *definition)
{
    struct http_answer a;
    struct errmsg e;
    json_t *service = api_form(definition, 0);
    rename_check_ids(service);
    char *body = json_dumps(service, JSON_COMPACT);
    int rc = body == NULL ? err_set(&e, E_NOMEM, "%s", err_text(E_NOMEM))
                          : http_call_ok(&call->client, "PUT", "/v1/agent/service/register",
                                         slice_str(body), &a, &e);
    const char *name = text_of(service, "name");
    int status = 0;
    if (rc != 0) {
        status = cli_error("Error registering service \"%s\": %s", name, e.text);
    } else {
        struct buf out = BUF_INIT;
        buf_fini(&a.body);
        buf_printf(&out, "Registered service: %s\n", name);
        status = cli_print(&out);
        buf_fini(&out);
    }
    free(body);
    json_decref(service);
    return status;
}

static int register_run(struct cli_call *call)
{
    const struct service_values *v = call->values;
    if (call->n_args == 0 && v->name == NULL) {
        return cli_error("Service registration requires at least one argument or flags.");
    }
    struct errmsg e;
    json_t *list = json_array();
    int status = definitions(call, list, &e) == 0 ? 0 : cli_error("Error: %s", e.text);
    for (size_t i = 0; status == 0 && i < json_array_size(list); i++) {
        status = register_one(call, json_array_get(list, i));
    }
    json_decref(list);
    return status;
}

const struct cli_command cli_services_register = {
    .name = "services register",
    .args = "[options] [FILE...]",
    .synopsis = "Register services with the local agent",
    .help =
        "Registers a service described by flags, or the services defined in JSON files "
        "({\"service\": {...}} or {\"services\": [...]}; - is standard input).",
    .flags = register_flags,
    .values_size = sizeof(struct service_values),
    .http = true,
    .run = register_run,
};

static int deregister_one(const struct cli_call *call, const json_t *definition)
{
    const char *id = text_of(definition, "id");
    id = id[0] == '\0' ? text_of(definition, "name") : id;
    struct buf path = BUF_INIT;
    buf_add_str(&path, "/v1/agent/service/deregister/");
    http_escape_path(&path, slice_str(id));
    buf_add_char(&path, '\0');
    struct http_answer a;
    struct errmsg e;
    int rc =
        http_call_ok(&call->client, "PUT", buf_ok(&path) ? path.p : "/", slice_str(""), &a, &e);
    buf_fini(&path);
    if (rc != 0) {
        return cli_error("Error deregistering service \"%s\": %s", id, e.text);
    }
    buf_fini(&a.body);
    struct buf out = BUF_INIT;
    buf_printf(&out, "Deregistered service: %s\n", id);
    int status = cli_print(&out);
    buf_fini(&out);
    return status;
}

static int deregister_run(struct cli_call *call)
{
    const struct service_values *v = call->values;
    if (call->n_args == 0 && v->id == NULL) {
        return cli_error("Service deregistration requires at least one argument or flags.");
    }
    struct errmsg e;
    json_t *list = json_array();
    int status = definitions(call, list, &e) == 0 ? 0 : cli_error("Error: %s", e.text);
    for (size_t i = 0; status == 0 && i < json_array_size(list); i++) {
        status = deregister_one(call, json_array_get(list, i));
    }
    json_decref(list);
    return status;
}

const struct cli_command cli_services_deregister = {
    .name = "services deregister",
    .args = "[options] [FILE...]",
    .synopsis = "Deregister services with the local agent",
    .help = "Deregisters the service with the given ID, or the services defined in JSON files.",
    .flags = deregister_flags,
    .values_size = sizeof(struct service_values),
    .http = true,
    .run = deregister_run,
};
