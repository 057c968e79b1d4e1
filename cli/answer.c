/* jansson behind the few questions that the commands ask. */
#include "cli/answer.h"

#include <stdlib.h>
#include <string.h>

int answer_get(const struct http_client *c, const char *path, json_t **root, struct errmsg *e)
{
    struct http_answer a;
    int rc = http_call_ok(c, "GET", path, slice_str(""), &a, e);
    if (rc != 0) {
        return rc;
    }
    *root = json_loadb(a.body.p == NULL ? "" : a.body.p, a.body.len,
                       JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    buf_fini(&a.body);
    return *root == NULL ? err_set(e, E_PROTO, "the agent's answer is not JSON") : 0;
}

const char *answer_str(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s == NULL ? "" : s;
}

long long answer_int(const json_t *o, const char *key)
{
    return (long long)json_integer_value(json_object_get(o, key));
}

static int by_bytes(const void *a, const void *b)
{
    const char *const *x = a;
    const char *const *y = b;
    return strcmp(*x, *y);
}

const char **answer_sorted(const json_t *v, size_t *n)
{
    size_t max = json_is_object(v) ? json_object_size(v) : json_array_size(v);
    *n = 0;
    const char **list = max == 0 ? NULL : calloc(max, sizeof *list);
    if (list == NULL) {
        return NULL;
    }
    if (json_is_object(v)) {
        for (void *it = json_object_iter((json_t *)(uintptr_t)v); it != NULL;
             it = json_object_iter_next((json_t *)(uintptr_t)v, it)) {
            list[(*n)++] = json_object_iter_key(it);
        }
    }
    for (size_t i = 0; i < json_array_size(v); i++) {
        const char *s = json_string_value(json_array_get(v, i));
        list[*n] = s;
        *n += s != NULL;
    }
    qsort(list, *n, sizeof *list, by_bytes);
    return list;
}

void answer_add_map(struct buf *out, const json_t *o, const char *separator)
{
    size_t n;
    const char **keys = answer_sorted(o, &n);
    for (size_t i = 0; i < n; i++) {
        buf_printf(out, "%s%s=%s", i == 0 ? "" : separator, keys[i], answer_str(o, keys[i]));
    }
    free(keys);
}
