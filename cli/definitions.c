/* A definition is copied with the names of the API's field tables, printed, and decoded like a
 * request body. Names match without regard to case and underscores: "check_id", "CheckID" and
 * "checkid" are one. What users name themselves (meta, headers, addresses) stays as it is. */
#include "cli/definitions.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/define.h"
#include "cli/config_load.h"
#include "cli/suggest.h"

enum { NAME_MAX_LEN = 64, PATH_LEN = 256 };

static json_t *renamed(const struct place *p,
                       const char *path,
                       json_t *from,
                       const struct decode_object *o);

/* ---- names ---- */

/* Equal but for case and underscores. */
static bool same_name(const char *a, const char *b)
{
    for (;;) {
        a += strspn(a, "_");
        b += strspn(b, "_");
        if (slice_lower(*a) != slice_lower(*b)) {
            return false;
        }
        if (*a == '\0') {
            return true;
        }
        a++;
        b++;
    }
}

static const struct decode_field *find_field(const struct decode_object *o, const char *name)
{
    for (unsigned i = 0; i < o->n_fields; i++) {
        if (same_name(o->fields[i].name, name)) {
            return &o->fields[i];
        }
    }
    return NULL;
}

/* A check's id is "id" or "check_id" in files; the API has one of them in each place. */
static const struct decode_field *field_of(const struct decode_object *o, const char *key)
{
    const struct decode_field *f = find_field(o, key);
    bool check = o != &define_service_body;
    if (f == NULL && check && same_name(key, "id")) {
        f = find_field(o, "CheckID");
    }
    if (f == NULL && check && same_name(key, "check_id")) {
        f = find_field(o, "ID");
    }
    return f;
}

/* "TLSServerName" as files spell it: "tls_server_name". */
static void snake(const char *name, char out[NAME_MAX_LEN])
{
    size_t n = 0;
    for (size_t i = 0; name[i] != '\0' && n + 2 < NAME_MAX_LEN; i++) {
        bool upper = isupper((unsigned char)name[i]) != 0;
        bool word = i > 0 && upper && name[i - 1] != '_' &&
                    (islower((unsigned char)name[i - 1]) ||
                     (isupper((unsigned char)name[i - 1]) && islower((unsigned char)name[i + 1])));
        if (word) {
            out[n++] = '_';
        }
        out[n++] = slice_lower(name[i]);
    }
    out[n] = '\0';
}

static int unknown_key(const struct place *p, const char *path, const struct decode_object *o)
{
    const char *dot = strrchr(path, '.');
    int above = dot == NULL ? 0 : (int)(dot + 1 - path);
    struct suggest s = suggest_for(path + above);
    char best[PATH_LEN + NAME_MAX_LEN] = "";
    for (unsigned i = 0; i < o->n_fields; i++) {
        char name[NAME_MAX_LEN];
        size_t before = s.distance;
        snake(o->fields[i].name, name);
        suggest_try(&s, name);
        if (s.distance < before) {
            (void)snprintf(best, sizeof best, "%.*s%s", above, path, name); /* it fits */
        }
    }
    return place_unknown_key(p, path, best[0] == '\0' ? NULL : best);
}

/* ---- values ---- */

/* Mesh objects, which are kept as text: "local_bind_port" becomes "LocalBindPort", at every depth
 * but in the free form "config". NULL without memory. */
static json_t *camel(json_t *v)
{
    const char *key;
    json_t *item;
    if (json_is_array(v)) {
        json_t *list = json_array();
        for (size_t i = 0; list != NULL && i < json_array_size(v); i++) {
            if (json_array_append_new(list, camel(json_array_get(v, i))) != 0) {
                json_decref(list);
                return NULL;
            }
        }
        return list;
    }
    if (!json_is_object(v)) {
        return json_incref(v);
    }
    json_t *out = json_object();
    json_object_foreach(v, key, item)
    {
        struct buf name = BUF_INIT;
        bool up = true;
        for (const char *k = key; *k != '\0'; k++) {
            if (*k != '_') {
                buf_add_char(&name, up && islower((unsigned char)*k) ? (char)(*k - 'a' + 'A') : *k);
            }
            up = *k == '_';
        }
        if (name.len >= 2 && memcmp(name.p + name.len - 2, "Id", 2) == 0) {
            name.p[name.len - 1] = 'D';
        }
        buf_add_char(&name, '\0');
        json_t *value = same_name(key, "config") ? json_incref(item) : camel(item);
        bool ok = buf_ok(&name) && json_object_set_new(out, name.p, value) == 0;
        buf_fini(&name);
        if (!ok) {
            json_decref(out);
            return NULL;
        }
    }
    return out;
}

/* A map; repeated blocks are one. A single value of a header is a list of one. */
static json_t *map_value(const struct place *p, const char *path, json_t *v, bool headers)
{
    const char *key;
    json_t *item;
    json_t *out = json_object();
    size_t n = json_is_array(v) ? json_array_size(v) : 1;
    for (size_t i = 0; out != NULL && i < n; i++) {
        json_t *part = json_is_array(v) ? json_array_get(v, i) : v;
        if (!json_is_object(part)) {
            (void)place_wrong_type(p, path, "an object", part);
            json_decref(out);
            return NULL;
        }
        json_object_foreach(part, key, item)
        {
            bool single = headers && json_is_string(item);
            json_t *value = single ? json_pack("[O]", item) : json_incref(item);
            if (json_object_set_new(out, key, value) != 0) {
                json_decref(out);
                return NULL;
            }
        }
    }
    return out;
}

/* A list of objects; one object counts as a list of one. */
static json_t *objects_value(const struct place *p,
                             const char *path,
                             json_t *v,
                             const struct decode_object *o)
{
    json_t *out = json_array();
    size_t n = json_is_array(v) ? json_array_size(v) : 1;
    for (size_t i = 0; out != NULL && i < n; i++) {
        json_t *item = renamed(p, path, json_is_array(v) ? json_array_get(v, i) : v, o);
        if (item == NULL || json_array_append_new(out, item) != 0) {
            json_decref(out);
            return NULL;
        }
    }
    return out;
}

static json_t *value_of(const struct place *p,
                        const char *path,
                        json_t *v,
                        const struct decode_field *f)
{
    bool single = json_is_array(v) && json_array_size(v) == 1;
    switch (f->kind) {
        case DECODE_MAP:
        case DECODE_ADDRS:
        case DECODE_HEADERS:
            return map_value(p, path, v, f->kind == DECODE_HEADERS);
        case DECODE_STRS:
            return json_is_string(v) ? json_pack("[O]", v) : json_incref(v);
        case DECODE_OBJECT:
            return renamed(p, path, single ? json_array_get(v, 0) : v, f->object);
        case DECODE_OBJECTS:
            return objects_value(p, path, v, f->object);
        case DECODE_JSON:
            return camel(single ? json_array_get(v, 0) : v);
        case DECODE_STR:
        case DECODE_TEXT:
        case DECODE_BOOL:
        case DECODE_TRISTATE:
        case DECODE_INT:
        case DECODE_U64:
        case DECODE_F64:
        case DECODE_F64S:
        case DECODE_BASE64:
        case DECODE_DURATION:
        case DECODE_IGNORE:
            return json_incref(v);
    }
    return NULL;
}

/* @from with the names of @o. NULL: p->e says why, or memory is short. */
static json_t *renamed(const struct place *p,
                       const char *path,
                       json_t *from,
                       const struct decode_object *o)
{
    const char *key;
    json_t *v;
    if (!json_is_object(from)) {
        (void)place_wrong_type(p, path, "an object", from);
        return NULL;
    }
    json_t *out = json_object();
    json_object_foreach(from, key, v)
    {
        char inner[PATH_LEN];
        const struct decode_field *f = field_of(o, key);
        (void)snprintf(inner, sizeof inner, "%s.%s", path, key); /* cut when it does not fit */
        json_t *value = NULL;
        if (f == NULL) {
            (void)unknown_key(p, inner, o);
        } else if (!json_is_null(v)) {
            value = value_of(p, inner, v, f);
        } else {
            continue;
        }
        if (value == NULL || json_object_set_new(out, f->name, value) != 0) {
            json_decref(out);
            return NULL;
        }
    }
    return out;
}

/* ---- one definition ---- */

static void *alloc_from_config(void *arg, size_t n)
{
    return config_alloc(arg, n);
}

static struct decode_memory memory_of(struct config *c)
{
    return (struct decode_memory){alloc_from_config, c};
}

/* "web.hcl: service". */
static const char *origin_of(const struct place *p, const char *key)
{
    char text[512];
    (void)snprintf(text, sizeof text, "%s: %s", p->origin, key); /* cut when it does not fit */
    return config_strdup(p->c, text);
}

static int add_one(const struct place *p, const char *key, json_t *v, bool service)
{
    struct config *c = p->c;
    struct definitions *all = &c->definitions;
    const struct decode_object *o = service ? &define_service_body : &define_check_body;
    struct errmsg why = {""};
    const struct place inner = {c, p->origin, p->text, &why};
    if (all->n >= CONFIG_ITEMS_MAX) {
        return err_set(p->e, E_TOOBIG, "%s: %s: more than %d definitions", p->origin, key,
                       (int)CONFIG_ITEMS_MAX);
    }
    json_t *named = renamed(&inner, key, v, o);
    char *text = named == NULL ? NULL : json_dumps(named, JSON_COMPACT);
    json_decref(named);
    if (text == NULL) {
        return why.text[0] != '\0' ? err_set(p->e, E_INVAL, "%s", why.text)
                                   : err_set(p->e, E_NOMEM, "%s", err_text(E_NOMEM));
    }
    const char *kept = config_strdup(c, text); /* what is decoded may point into it */
    free(text);
    void *body = config_alloc(c, o->size);
    struct decode_memory m = memory_of(c);
    if (decode_body(&m, slice_str(kept), o, body, &why) != 0) {
        return err_set(p->e, E_INVAL, "%s: %s: %s", p->origin, key, why.text);
    }
    all->items = config_grown(c, all->items, all->n, sizeof all->items[0]);
    all->items[all->n++] = (struct definition){.origin = origin_of(p, key),
                                               .service_body = service ? body : NULL,
                                               .check_body = service ? NULL : body};
    return 0;
}

int definitions_add(const struct place *p, const char *key, json_t *v, bool services)
{
    size_t n = json_is_array(v) ? json_array_size(v) : 1;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = add_one(p, key, json_is_array(v) ? json_array_get(v, i) : v, services);
    }
    return rc;
}

/* ---- rules ---- */

static bool has_scripts(const struct definition *d)
{
    if (d->check_body != NULL) {
        return reg_list_count(d->check_body->args) > 0;
    }
    const struct define_check *items = d->service_body->checks.items;
    const struct define_check *one = d->service_body->check;
    bool any = one != NULL && reg_list_count(one->args) > 0;
    for (unsigned i = 0; !any && i < d->service_body->checks.n; i++) {
        any = reg_list_count(items[i].args) > 0;
    }
    return any;
}

static int finish_one(struct config *c,
                      const struct define_rules *rules,
                      struct definition *d,
                      struct errmsg *e)
{
    struct decode_memory m = memory_of(c);
    struct define_error why = {.status = 0};
    bool service = d->service_body != NULL;
    struct slice name = service ? d->service_body->name : d->check_body->name;
    int rc;
    if (!rules->scripts && has_scripts(d)) {
        return err_set(e, E_INVAL,
                       "%s \"%.*s\": Scripts are disabled on this agent; to enable, configure "
                       "'enable_script_checks' or 'enable_local_script_checks' to true",
                       d->origin, name.len > 128 ? 128 : (int)name.len,
                       name.len == 0 ? "" : name.p);
    }
    if (service) {
        rc = define_agent_service(&m, rules, d->service_body, &d->service, &d->checks, &d->n_checks,
                                  &why);
        d->service.origin = REG_ORIGIN_FILE;
    } else {
        d->checks = config_alloc(c, sizeof d->checks[0]);
        d->n_checks = 1;
        rc = define_agent_check(&m, rules, d->check_body, &d->checks[0], &why);
        d->checks[0].type = slice_of(NULL, 0); /* as Consul: only checks of services show one */
    }
    if (rc != 0) {
        return err_set(e, E_INVAL, "%s \"%.*s\": %s", d->origin,
                       name.len > 128 ? 128 : (int)name.len, name.len == 0 ? "" : name.p,
                       why.text.text);
    }
    for (unsigned i = 0; i < d->n_checks; i++) {
        d->checks[i].origin = REG_ORIGIN_FILE;
    }
    return 0;
}

int definitions_finish(struct config *c, struct errmsg *e)
{
    const struct define_rules rules = {.scripts = c->enable_script_checks ||
                                                  c->enable_local_script_checks};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < c->definitions.n; i++) {
        rc = finish_one(c, &rules, &c->definitions.items[i], e);
    }
    return rc;
}
