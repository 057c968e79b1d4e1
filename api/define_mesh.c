/* Mesh fields: no mesh runs here, but what a client writes must read back as from Consul, which
 * shows the members Mode, MeshGateway and Expose of a Proxy always, and drops SidecarService from
 * Connect once the registration is taken. */
#include <jansson.h>
#include <stdlib.h>

#include "api/define_parts.h"

static struct slice dump(const struct decode_memory *m, const json_t *v)
{
    struct slice out = {NULL, 0};
    char *text = json_dumps(v, JSON_COMPACT);
    if (text != NULL) {
        out = define_printf(m, "%s", text);
        free(text);
    }
    return out;
}

struct slice define_proxy(const struct decode_memory *m, struct slice text)
{
    if (text.len == 0) {
        return text;
    }
    json_t *v = json_loadb(text.p, text.len, JSON_ALLOW_NUL, NULL);
    if (!json_is_object(v)) {
        json_decref(v);
        return slice_of(NULL, 0);
    }
    static const char *const objects[] = {"MeshGateway", "Expose"};
    if (json_object_get(v, "Mode") == NULL) {
        (void)json_object_set_new(v, "Mode", json_string("")); /* without memory it stays absent */
    }
    for (size_t i = 0; i < 2; i++) {
        if (!json_is_object(json_object_get(v, objects[i]))) {
            (void)json_object_set_new(v, objects[i], json_object());
        }
    }
    struct slice out = dump(m, v);
    json_decref(v);
    return out;
}

struct slice define_connect(const struct decode_memory *m, struct slice text)
{
    json_t *v = text.len == 0 ? NULL : json_loadb(text.p, text.len, JSON_ALLOW_NUL, NULL);
    struct slice out = {NULL, 0};
    if (json_is_object(v)) {
        (void)json_object_del(v, "SidecarService");
        if (json_is_false(json_object_get(v, "Native"))) {
            (void)json_object_del(v, "Native");
        }
        if (json_object_size(v) > 0) {
            out = dump(m, v);
        }
    }
    json_decref(v);
    return out;
}
