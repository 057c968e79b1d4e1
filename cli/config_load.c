/* Files and flags into struct config, steered by the table in config_keys.c.
 *
 * jansson parses; place() walks the objects and looks each key up under its dotted path. An object
 * given as a list of objects counts as those objects in turn, as in Consul. */
#include "cli/config_load.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/duration.h"
#include "cli/flags.h"
#include "cli/hcl.h"
#include "cli/suggest.h"

enum { PATH_MAX_LEN = 192, DEPTH_MAX = 16 };

static const char *type_name(const json_t *v)
{
    switch (json_typeof(v)) {
        case JSON_OBJECT:
            return "an object";
        case JSON_ARRAY:
            return "a list";
        case JSON_STRING:
            return "a string";
        case JSON_INTEGER:
        case JSON_REAL:
            return "a number";
        case JSON_TRUE:
        case JSON_FALSE:
            return "a boolean";
        case JSON_NULL:
            return "null";
    }
    return "unknown";
}

int place_refuse(const struct place *p, const char *path, const char *fmt, ...)
{
    char what[512];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(what, sizeof what, fmt, ap); /* cut when it does not fit */
    va_end(ap);
    unsigned line = p->text.len == 0 ? 0 : hcl_line_of(p->text, path);
    return line == 0 ? err_set(p->e, E_INVAL, "%s: %s", p->origin, what)
                     : err_set(p->e, E_INVAL, "%s: line %u: %s", p->origin, line, what);
}

int place_wrong_type(const struct place *p, const char *path, const char *wanted, const json_t *v)
{
    return place_refuse(p, path, "%s: expected %s, got %s", path, wanted, type_name(v));
}

int place_unknown_key(const struct place *p, const char *path, const char *best)
{
    return best == NULL
               ? place_refuse(p, path, "invalid config key %s", path)
               : place_refuse(p, path, "invalid config key %s (did you mean %s?)", path, best);
}

static int too_many(const struct place *p, const char *path, int rc)
{
    return rc == 0 ? 0
                   : err_set(p->e, rc, "%s: %s: more than %d items", p->origin, path,
                             (int)CONFIG_ITEMS_MAX);
}

static int read_duration(const struct place *p, const char *path, const json_t *v, int64_t *ns)
{
    if (!json_is_string(v)) {
        return place_wrong_type(p, path, "a duration such as \"10s\"", v);
    }
    if (duration_parse(slice_str(json_string_value(v)), ns) != 0) {
        return place_refuse(p, path, "%s: invalid duration \"%.64s\" (write for example \"10s\")",
                            path, json_string_value(v));
    }
    return 0;
}

/* A number of seconds, or a duration that is cut to seconds. */
static int read_seconds(const struct place *p, const char *path, const json_t *v, int64_t *out)
{
    if (json_is_integer(v)) {
        *out = json_integer_value(v);
        return 0;
    }
    int64_t ns = 0;
    int rc = read_duration(p, path, v, &ns);
    *out = rc == 0 ? ns / 1000000000 : *out;
    return rc;
}

static int read_strings(const struct place *p,
                        const char *path,
                        const json_t *v,
                        struct config_list *to)
{
    if (json_is_string(v)) {
        return too_many(p, path, config_list_add(p->c, to, json_string_value(v)));
    }
    if (!json_is_array(v)) {
        return place_wrong_type(p, path, "a list of strings", v);
    }
    for (size_t i = 0; i < json_array_size(v); i++) {
        const json_t *item = json_array_get(v, i);
        if (!json_is_string(item)) {
            return place_wrong_type(p, path, "a list of strings", item);
        }
        int rc = too_many(p, path, config_list_add(p->c, to, json_string_value(item)));
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

static bool is_repeated(const json_t *v)
{
    return json_is_array(v) && json_array_size(v) > 0 && json_is_object(json_array_get(v, 0));
}

static int read_map(const struct place *p, const char *path, json_t *v, struct config_map *to)
{
    int all = 0;
    for (size_t i = 0; is_repeated(v) && all == 0 && i < json_array_size(v); i++) {
        all = read_map(p, path, json_array_get(v, i), to);
    }
    if (is_repeated(v)) {
        return all;
    }
    const char *key;
    json_t *item;
    if (!json_is_object(v)) {
        return place_wrong_type(p, path, "an object of strings", v);
    }
    json_object_foreach(v, key, item)
    {
        if (!json_is_string(item)) {
            return place_wrong_type(p, path, "an object of strings", item);
        }
        int rc = too_many(p, path, config_map_set(p->c, to, key, json_string_value(item)));
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

static int read_ttls(const struct place *p, const char *path, json_t *v, struct config_ttls *to)
{
    int all = 0;
    for (size_t i = 0; is_repeated(v) && all == 0 && i < json_array_size(v); i++) {
        all = read_ttls(p, path, json_array_get(v, i), to);
    }
    if (is_repeated(v)) {
        return all;
    }
    const char *key;
    json_t *item;
    if (!json_is_object(v)) {
        return place_wrong_type(p, path, "an object of durations", v);
    }
    json_object_foreach(v, key, item)
    {
        int64_t ns = 0;
        int rc = read_duration(p, path, item, &ns);
        rc = rc == 0 ? too_many(p, path, config_ttl_set(p->c, to, key, ns)) : rc;
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

/* Is it set to something other than "off"? */
static bool is_set(const json_t *v)
{
    switch (json_typeof(v)) {
        case JSON_OBJECT:
            return json_object_size(v) > 0 && !json_is_false(json_object_get(v, "enabled"));
        case JSON_ARRAY:
            return json_array_size(v) > 0;
        case JSON_STRING:
            return json_string_length(v) > 0;
        case JSON_INTEGER:
            return json_integer_value(v) != 0;
        case JSON_REAL:
        case JSON_TRUE:
            return true;
        case JSON_FALSE:
        case JSON_NULL:
            return false;
    }
    return false;
}

/* Check the type of @v, and keep it when @at is not NULL. */
static int read_value(const struct place *p, const struct config_key *k, json_t *v, void *at)
{
    struct {
        const char *text;
        bool truth;
        int64_t number;
        struct config_list list;
        struct config_map map;
        struct config_ttls ttls;
    } unused = {0};
    switch (k->type) {
        case CONFIG_STRING:
            if (!json_is_string(v)) {
                return place_wrong_type(p, k->path, "a string", v);
            }
            *(const char **)(at != NULL ? at : &unused.text) =
                config_strdup(p->c, json_string_value(v));
            return 0;
        case CONFIG_BOOL:
            if (!json_is_boolean(v)) {
                return place_wrong_type(p, k->path, "a boolean", v);
            }
            *(bool *)(at != NULL ? at : &unused.truth) = json_is_true(v);
            return 0;
        case CONFIG_INT:
            if (!json_is_integer(v)) {
                return place_wrong_type(p, k->path, "a whole number", v);
            }
            *(int64_t *)(at != NULL ? at : &unused.number) = json_integer_value(v);
            return 0;
        case CONFIG_DURATION:
            return read_duration(p, k->path, v, at != NULL ? at : &unused.number);
        case CONFIG_SECONDS:
            return read_seconds(p, k->path, v, at != NULL ? at : &unused.number);
        case CONFIG_STRINGS:
            return read_strings(p, k->path, v, at != NULL ? at : &unused.list);
        case CONFIG_MAP:
            return read_map(p, k->path, v, at != NULL ? at : &unused.map);
        case CONFIG_TTLS:
            return read_ttls(p, k->path, v, at != NULL ? at : &unused.ttls);
        case CONFIG_SERVICES: /* see place_value() */
        case CONFIG_CHECKS:
        case CONFIG_OBJECT:
        case CONFIG_ANY:
            return 0;
    }
    return 0;
}

static int unknown_key(const struct place *p, const char *path)
{
    struct suggest s = suggest_for(path);
    for (size_t i = 0; i < config_keys_count; i++) {
        suggest_try(&s, config_keys[i].path);
    }
    return place_unknown_key(p, path, s.best);
}

static int place_object(const struct place *p, const char *prefix, json_t *object, unsigned depth);

/* An object, or a list of objects. */
static int place_objects(const struct place *p, const char *path, json_t *v, unsigned depth)
{
    if (json_is_object(v)) {
        return place_object(p, path, v, depth + 1);
    }
    if (!json_is_array(v)) {
        return place_wrong_type(p, path, "an object", v);
    }
    for (size_t i = 0; i < json_array_size(v); i++) {
        json_t *item = json_array_get(v, i);
        if (!json_is_object(item)) {
            return place_wrong_type(p, path, "an object", item);
        }
        int rc = place_object(p, path, item, depth + 1);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

static int place_value(const struct place *p, const char *path, json_t *v, unsigned depth)
{
    const struct config_key *k = config_key_find(path);
    if (k == NULL) {
        return unknown_key(p, path);
    }
    if (json_is_null(v)) {
        return 0;
    }
    if (k->type == CONFIG_OBJECT) {
        return place_objects(p, k->path, v, depth);
    }
    if (k->effect == CONFIG_REFUSED) {
        return is_set(v) ? err_set(p->e, E_UNSUPPORTED, "%s: %s: %s", p->origin, k->path, k->text)
                         : 0;
    }
    if (k->effect == CONFIG_LATER && is_set(v)) {
        int rc = too_many(p, k->path, config_list_add(p->c, &p->c->notes, k->path));
        if (rc != 0) {
            return rc;
        }
    }
    if (k->type == CONFIG_SERVICES || k->type == CONFIG_CHECKS) {
        return definitions_add(p, k->path, v, k->type == CONFIG_SERVICES);
    }
    void *at = k->effect == CONFIG_USED ? (char *)p->c + k->at : NULL;
    return read_value(p, k, v, at);
}

static int place_object(const struct place *p, const char *prefix, json_t *object, unsigned depth)
{
    const char *key;
    json_t *v;
    if (depth > DEPTH_MAX) {
        return err_set(p->e, E_INVAL, "%s: %s: nested too deeply", p->origin, prefix);
    }
    json_object_foreach(object, key, v)
    {
        char path[PATH_MAX_LEN];
        int n = snprintf(path, sizeof path, "%s%s%s", prefix, prefix[0] == '\0' ? "" : ".", key);
        if (n < 0 || (size_t)n >= sizeof path) {
            return err_set(p->e, E_INVAL, "%s: invalid config key %.100s...", p->origin, key);
        }
        int rc = place_value(p, path, v, depth);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

static int place_root(struct config *c,
                      json_t *root,
                      const char *origin,
                      struct slice text,
                      struct errmsg *e)
{
    const struct place p = {c, origin, text, e};
    int rc = json_is_object(root)
                 ? place_object(&p, "", root, 0)
                 : err_set(e, E_INVAL, "%s: expected an object, got %s", origin, type_name(root));
    json_decref(root);
    return rc;
}

int config_load_text(struct config *c,
                     const char *text,
                     size_t len,
                     const char *origin,
                     struct errmsg *e)
{
    json_error_t why;
    json_t *root = json_loadb(text, len, 0, &why);
    if (root == NULL) {
        return err_set(e, E_INVAL, "%s: line %d, column %d: %s", origin, why.line, why.column,
                       why.text);
    }
    return place_root(c, root, origin, slice_of(text, len), e);
}

int config_load_hcl(struct config *c, struct slice text, const char *origin, struct errmsg *e)
{
    json_t *root;
    size_t at = 0;
    while (at < text.len && strchr(" \t\r\n", text.p[at]) != NULL && text.p[at] != '\0') {
        at++;
    }
    if (at < text.len && text.p[at] == '{') { /* HCL takes JSON too, and tells it by its brace */
        return config_load_text(c, text.p, text.len, origin, e);
    }
    int rc = hcl_parse(text, origin, &root, e);
    return rc == 0 ? place_root(c, root, origin, text, e) : rc;
}

int config_set_text(struct config *c,
                    const char *key,
                    const char *text,
                    const char *origin,
                    struct errmsg *e)
{
    const struct config_key *k = config_key_find(key);
    const struct place p = {c, origin, {NULL, 0}, e};
    if (k == NULL) {
        return unknown_key(&p, key);
    }
    json_t *v = NULL;
    bool truth = false;
    char *end;
    const char *colon;
    switch (k->type) {
        case CONFIG_BOOL:
            if (flags_parse_bool(text, &truth) != 0) {
                return err_set(e, E_INVAL, "%s: invalid boolean value \"%s\"", origin, text);
            }
            v = json_boolean(truth);
            break;
        case CONFIG_INT:
            errno = 0;
            v = json_integer(strtoll(text, &end, 10));
            if (*text == '\0' || *end != '\0' || errno != 0) {
                json_decref(v);
                return err_set(e, E_INVAL, "%s: invalid number \"%s\"", origin, text);
            }
            break;
        case CONFIG_MAP: /* key:value, as in -node-meta; no colon means an empty value */
            colon = strchr(text, ':');
            colon = colon == NULL ? text + strlen(text) : colon;
            v = json_object();
            (void)json_object_setn_new(v, text, (size_t)(colon - text), /* NULL is caught below */
                                       json_string(*colon == ':' ? colon + 1 : ""));
            break;
        default:
            v = json_string(text);
            break;
    }
    if (v == NULL || (k->type == CONFIG_MAP && json_object_size(v) == 0)) {
        json_decref(v);
        return err_set(e, E_INVAL, "%s: \"%s\" is not valid UTF-8", origin, text);
    }
    int rc = place_value(&p, k->path, v, 0);
    json_decref(v);
    return rc;
}

static bool has_suffix(const char *path, const char *suffix)
{
    size_t n = strlen(path);
    size_t m = strlen(suffix);
    return n >= m && strcasecmp(path + n - m, suffix) == 0;
}

/* The whole file in @out. */
static int read_file(const char *path, struct buf *out, struct errmsg *e)
{
    FILE *f = fopen(path, "rbe");
    if (f == NULL) {
        return err_set(e, err_from_errno(errno), "cannot read %s: %s", path, strerror(errno));
    }
    int rc = 0;
    out->max = CONFIG_FILE_MAX;
    for (;;) {
        char *at = buf_reserve(out, 65536);
        if (at == NULL) {
            rc = err_set(e, E_TOOBIG, "%s: larger than %d bytes", path, (int)CONFIG_FILE_MAX);
            break;
        }
        size_t n = fread(at, 1, 65536, f);
        out->len += n;
        if (n == 0) {
            break;
        }
    }
    if (rc == 0 && ferror(f)) {
        rc = err_set(e, E_IO, "cannot read %s: %s", path, strerror(errno));
    }
    (void)fclose(f); /* only read from */
    return rc;
}

int config_load_file(struct config *c, const char *path, const char *format, struct errmsg *e)
{
    bool hcl = format[0] == '\0' ? has_suffix(path, ".hcl") : strcmp(format, "hcl") == 0;
    if (!hcl && format[0] == '\0' && !has_suffix(path, ".json")) {
        return err_set(e, E_INVAL,
                       "%s: missing or invalid file extension: must be .hcl or .json (or use "
                       "-config-format)",
                       path);
    }
    struct buf text = BUF_INIT;
    int rc = read_file(path, &text, e);
    if (rc == 0) {
        rc = hcl ? config_load_hcl(c, buf_slice(&text), path, e)
                 : config_load_text(c, text.p, text.len, path, e);
    }
    buf_fini(&text);
    return rc;
}

static int wanted(const struct dirent *d)
{
    return has_suffix(d->d_name, ".json") || has_suffix(d->d_name, ".hcl");
}

int config_load_path(struct config *c, const char *path, const char *format, struct errmsg *e)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        return err_set(e, err_from_errno(errno), "cannot read %s: %s", path, strerror(errno));
    }
    if (!S_ISDIR(st.st_mode)) {
        return config_load_file(c, path, format, e);
    }
    struct dirent **names;
    int n = scandir(path, &names, wanted, alphasort);
    if (n < 0) {
        return err_set(e, err_from_errno(errno), "cannot read %s: %s", path, strerror(errno));
    }
    int rc = 0;
    for (int i = 0; i < n; i++) {
        char file[PATH_MAX];
        int len = snprintf(file, sizeof file, "%s/%s", path, names[i]->d_name);
        if (rc == 0 && (len < 0 || (size_t)len >= sizeof file)) {
            rc = err_set(e, E_INVAL, "%s: path too long", path);
        }
        if (rc == 0 && stat(file, &st) == 0 && S_ISREG(st.st_mode)) {
            rc = config_load_file(c, file, format, e);
        }
        free(names[i]);
    }
    free(names);
    return rc;
}
