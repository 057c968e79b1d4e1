/* jansson builds a tree of the body; the tables walk it in the body's order, so that the first
 * fault in the text is the one reported, as in Go. Its recursion is bounded by jansson's nesting
 * limit (2048) and by the tables, which do not nest in circles.
 *
 * Two of Go's habits that jansson does not share: a body in bad UTF-8 is mended (U+FFFD) and parsed
 * again, and syntax errors are worded by json_syntax.c. */
#include "api/decode.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/json_syntax.h"
#include "api/utf8.h"
#include "base/duration.h"

/* Where in the body we are, for error texts; a chain on the stack. */
struct where {
    const struct where *up;
    const struct decode_object *object;
    const char *field;
};

struct decoder {
    const struct decode_memory *mem;
    struct buf scratch; /* lists are built here, then moved to their place */
    struct errmsg *e;
};

static int decode_object(struct decoder *d,
                         const struct where *up,
                         const json_t *v,
                         const struct decode_object *o,
                         char *out);

/* ---- errors ---- */

static void add_path(struct buf *b, const struct where *w)
{
    if (w->up != NULL && !w->object->own_path) {
        add_path(b, w->up);
        buf_add_char(b, '.');
    }
    buf_add_str(b, w->field);
}

/* The JSON type of @v as Go names it; with the number itself if @number wants it. */
static void add_type(struct buf *b, const json_t *v, bool number)
{
    switch (json_typeof(v)) {
        case JSON_OBJECT:
            buf_add_str(b, "object");
            return;
        case JSON_ARRAY:
            buf_add_str(b, "array");
            return;
        case JSON_STRING:
            buf_add_str(b, "string");
            return;
        case JSON_INTEGER:
            buf_add_str(b, "number");
            if (number) {
                buf_printf(b, " %" JSON_INTEGER_FORMAT, json_integer_value(v));
            }
            return;
        case JSON_REAL:
            buf_add_str(b, "number");
            if (number) {
                double x = json_real_value(v);
                buf_printf(b, x == floor(x) && fabs(x) < 1e15 ? " %.1f" : " %.15g", x);
            }
            return;
        case JSON_TRUE:
        case JSON_FALSE:
            buf_add_str(b, "bool");
            return;
        case JSON_NULL:
            buf_add_str(b, "null");
            return;
    }
}

static int wrong_type(struct decoder *d, const struct where *w, const json_t *v, const char *wanted)
{
    struct buf b = BUF_INIT;
    bool number = strcmp(wanted, "int") == 0 || strcmp(wanted, "uint64") == 0;
    buf_add_str(&b, "json: cannot unmarshal ");
    add_type(&b, v, number);
    if (w == NULL) {
        buf_printf(&b, " into Go value of type %s", wanted);
    } else {
        buf_printf(&b, " into Go struct field %s.", w->object->go_name);
        add_path(&b, w);
        buf_printf(&b, " of type %s", wanted);
    }
    int rc = err_set(d->e, buf_ok(&b) ? E_INVAL : E_NOMEM, "%.*s", (int)b.len, b.p);
    buf_fini(&b);
    return rc;
}

static int unknown_field(struct decoder *d, const char *key)
{
    const char *hint = "";
    if (strcmp(key, "Namespace") == 0) {
        hint = " - Namespaces are a Consul Enterprise feature";
    } else if (strcmp(key, "Partition") == 0) {
        hint = " - Partitions are a Consul Enterprise feature";
    }
    return err_set(d->e, E_INVAL, "json: unknown field \"%.256s\"%s", key, hint);
}

/* ---- leaves ---- */

static struct slice keep(struct decoder *d, const char *p, size_t len)
{
    if (len == 0) {
        return slice_of(NULL, 0);
    }
    char *q = d->mem->alloc(d->mem->arg, len);
    memcpy(q, p, len);
    return slice_of(q, len);
}

static int decode_string(struct decoder *d,
                         const struct where *w,
                         const json_t *v,
                         bool nul,
                         struct slice *out)
{
    if (!json_is_string(v)) {
        return wrong_type(d, w, v, "string");
    }
    const char *p = json_string_value(v);
    size_t len = json_string_length(v);
    if (!nul && memchr(p, '\0', len) != NULL) {
        return err_set(d->e, E_INVAL, "field \"%s\" must not contain a NUL character", w->field);
    }
    *out = keep(d, p, len);
    return 0;
}

static int decode_bool(struct decoder *d, const struct where *w, const json_t *v, bool *out)
{
    if (!json_is_boolean(v)) {
        return wrong_type(d, w, v, "bool");
    }
    *out = json_is_true(v);
    return 0;
}

static int decode_int(struct decoder *d, const struct where *w, const json_t *v, int32_t *out)
{
    json_int_t n = json_is_integer(v) ? json_integer_value(v) : INT64_MAX;
    if (n < INT32_MIN || n > INT32_MAX) {
        return wrong_type(d, w, v, "int");
    }
    *out = (int32_t)n;
    return 0;
}

static int decode_u64(struct decoder *d, const struct where *w, const json_t *v, uint64_t *out)
{
    if (!json_is_integer(v) || json_integer_value(v) < 0) {
        return wrong_type(d, w, v, "uint64");
    }
    *out = (uint64_t)json_integer_value(v);
    return 0;
}

static int decode_f64(struct decoder *d, const struct where *w, const json_t *v, double *out)
{
    if (!json_is_number(v)) {
        return wrong_type(d, w, v, "float64");
    }
    *out = json_number_value(v);
    return 0;
}

static int decode_f64s(struct decoder *d,
                       const struct where *w,
                       const json_t *v,
                       struct decode_array *out)
{
    size_t n = json_array_size(v);
    if (!json_is_array(v)) {
        return wrong_type(d, w, v, "[]float64");
    }
    if (n > DECODE_OBJECTS_MAX) {
        return err_set(d->e, E_INVAL, "a list has too many elements");
    }
    double *items = d->mem->alloc(d->mem->arg, (n + 1) * sizeof *items);
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_array_get(v, i);
        if (!json_is_null(item) && decode_f64(d, w, item, &items[i]) != 0) {
            return E_INVAL;
        }
    }
    *out = (struct decode_array){items, (unsigned)n};
    return 0;
}

/* Why Go's time.ParseDuration refuses @s: no unit, an unknown unit, or no number at all. */
static int bad_duration(struct errmsg *e, struct slice s)
{
    size_t i = s.len > 0 && (s.p[0] == '-' || s.p[0] == '+') ? 1 : 0;
    size_t digits = i;
    while (i < s.len && ((s.p[i] >= '0' && s.p[i] <= '9') || s.p[i] == '.')) {
        i++;
    }
    size_t unit = i;
    while (i < s.len && s.p[i] != '.' && !(s.p[i] >= '0' && s.p[i] <= '9')) {
        i++;
    }
    int len = s.len > 128 ? 128 : (int)s.len;
    if (unit > digits && unit == s.len) {
        return err_set(e, E_INVAL, "time: missing unit in duration \"%.*s\"", len, s.p);
    }
    struct slice name = slice_of(s.p + unit, i - unit);
    static const char *const units[] = {"ns", "us", "\xc2\xb5s", "\xce\xbcs", "ms", "s", "m", "h"};
    bool known = unit == digits;
    for (size_t u = 0; u < sizeof units / sizeof units[0]; u++) {
        known = known || slice_is(name, units[u]);
    }
    if (!known) {
        return err_set(e, E_INVAL, "time: unknown unit \"%.*s\" in duration \"%.*s\"",
                       name.len > 64 ? 64 : (int)name.len, name.p, len, s.p);
    }
    return err_set(e, E_INVAL, "time: invalid duration \"%.*s\"", len, len == 0 ? "" : s.p);
}

int decode_duration_text(struct slice s, int64_t *ns, struct errmsg *e)
{
    return duration_parse(s, ns) == 0 ? 0 : bad_duration(e, s);
}

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* The standard alphabet, padded; line ends are skipped, as Go does. Returns the offset of the first
 * fault, or SIZE_MAX. */
static size_t base64_decode(struct slice s, char *out, size_t *n)
{
    uint32_t bits = 0;
    unsigned have = 0;
    unsigned pad = 0;
    *n = 0;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];
        if (c == '\r' || c == '\n') {
            continue;
        }
        int v = base64_value(c);
        bool is_pad = c == '=' && have + pad >= 2 && have + pad < 4 && have >= 2;
        if (is_pad ? false : v < 0 || pad > 0) {
            return i;
        }
        pad += is_pad;
        have += !is_pad;
        bits = bits << 6 | (uint32_t)(is_pad ? 0 : v);
        if (have + pad == 4) {
            for (unsigned k = 0; k < 3 - pad; k++) {
                out[(*n)++] = (char)(bits >> (16 - 8 * k));
            }
            bits = 0;
            have = pad == 0 ? 0 : 4; /* nothing may follow the padding */
            pad = pad == 0 ? 0 : 4;
        }
    }
    return have == 0 || have + pad == 8 ? SIZE_MAX : s.len;
}

static int decode_base64(struct decoder *d,
                         const struct where *w,
                         const json_t *v,
                         struct slice *out)
{
    if (!json_is_string(v)) {
        return wrong_type(d, w, v, "[]uint8");
    }
    struct slice s = slice_of(json_string_value(v), json_string_length(v));
    char *to = d->mem->alloc(d->mem->arg, s.len + 1);
    size_t n;
    size_t bad = base64_decode(s, to, &n);
    if (bad != SIZE_MAX) {
        return err_set(d->e, E_INVAL, "illegal base64 data at input byte %zu", bad);
    }
    *out = slice_of(to, n);
    return 0;
}

static int decode_duration(struct decoder *d, const json_t *v, int64_t *out)
{
    if (json_is_integer(v)) {
        *out = json_integer_value(v);
    } else if (json_is_real(v)) {
        double x = json_real_value(v);
        if (!(x > -9e18 && x < 9e18)) {
            return err_set(d->e, E_INVAL, "time: invalid duration \"%g\"", x);
        }
        *out = (int64_t)x;
    } else if (json_is_string(v)) {
        struct slice s = slice_of(json_string_value(v), json_string_length(v));
        return decode_duration_text(s, out, d->e);
    }
    return 0;
}

static int decode_json(struct decoder *d, const json_t *v, struct slice *out)
{
    char *text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
    if (text == NULL) {
        return err_set(d->e, E_NOMEM, "%s", err_text(E_NOMEM));
    }
    *out = keep(d, text, strlen(text));
    free(text);
    return 0;
}

/* ---- lists and maps ---- */

/* Move the list just built in the scratch buffer to the caller's memory. */
static int keep_list(struct decoder *d, struct reg_list_builder *lb, struct reg_list *out)
{
    struct reg_list l = reg_list_end(lb);
    if (!buf_ok(&d->scratch)) {
        return err_set(d->e, E_INVAL, "a list has too many elements");
    }
    out->raw = keep(d, l.raw.p, l.raw.len);
    return 0;
}

static int decode_strings(struct decoder *d,
                          const struct where *w,
                          const json_t *v,
                          struct reg_list *out)
{
    if (!json_is_array(v)) {
        return wrong_type(d, w, v, "[]string");
    }
    buf_reset(&d->scratch);
    struct reg_list_builder lb;
    reg_list_begin(&lb, &d->scratch);
    size_t i;
    json_t *item;
    json_array_foreach(v, i, item)
    {
        if (!json_is_string(item) && !json_is_null(item)) {
            return wrong_type(d, w, item, "string");
        }
        reg_list_add(&lb, slice_of(json_string_value(item), json_string_length(item)));
    }
    return keep_list(d, &lb, out);
}

struct pair {
    struct slice key;
    const json_t *value;
};

static int pair_cmp(const void *a, const void *b)
{
    const struct pair *x = a;
    const struct pair *y = b;
    return slice_cmp(x->key, y->key);
}

/* The members of @v by key, in memory of the caller's. */
static struct pair *sorted_pairs(struct decoder *d, json_t *v, size_t *n)
{
    *n = json_object_size(v);
    struct pair *pairs = d->mem->alloc(d->mem->arg, (*n + 1) * sizeof *pairs);
    size_t i = 0;
    const char *key;
    size_t key_len;
    json_t *item;
    json_object_keylen_foreach(v, key, key_len, item)
    {
        pairs[i++] = (struct pair){slice_of(key, key_len), item};
    }
    qsort(pairs, *n, sizeof *pairs, pair_cmp);
    return pairs;
}

static int add_headers(struct decoder *d,
                       const struct where *w,
                       struct reg_list_builder *lb,
                       const struct pair *p)
{
    if (json_is_null(p->value)) {
        return 0;
    }
    if (!json_is_array(p->value)) {
        return wrong_type(d, w, p->value, "[]string");
    }
    size_t i;
    json_t *item;
    json_array_foreach(p->value, i, item)
    {
        if (!json_is_string(item)) {
            return wrong_type(d, w, item, "string");
        }
        reg_list_add(lb, p->key);
        reg_list_add(lb, slice_of(json_string_value(item), json_string_length(item)));
    }
    return 0;
}

struct address {
    struct slice address;
    int32_t port;
};
static const struct decode_field address_fields[] = {
    DECODE_FIELD("Address", STR, struct address, address),
    DECODE_FIELD("Port", INT, struct address, port),
};
static const struct decode_object address_object = {
    "ServiceAddress", sizeof(struct address), address_fields, 2, false, false};

static int add_address(struct decoder *d,
                       const struct where *w,
                       struct reg_list_builder *lb,
                       const struct pair *p)
{
    struct address a = {{NULL, 0}, 0};
    if (!json_is_null(p->value) &&
        decode_object(d, w, p->value, &address_object, (char *)&a) != 0) {
        return E_INVAL;
    }
    struct buf joined = BUF_INIT;
    decode_addr_join(&joined, a.address, a.port);
    reg_list_add(lb, p->key);
    reg_list_add(lb, buf_slice(&joined));
    bool ok = buf_ok(&joined);
    buf_fini(&joined);
    return ok ? 0 : err_set(d->e, E_NOMEM, "%s", err_text(E_NOMEM));
}

static int add_string(struct decoder *d,
                      const struct where *w,
                      struct reg_list_builder *lb,
                      const struct pair *p)
{
    if (!json_is_string(p->value) && !json_is_null(p->value)) {
        return wrong_type(d, w, p->value, "string");
    }
    reg_list_add(lb, p->key);
    reg_list_add(lb, slice_of(json_string_value(p->value), json_string_length(p->value)));
    return 0;
}

static int decode_map(struct decoder *d,
                      const struct where *w,
                      json_t *v,
                      enum decode_kind kind,
                      struct reg_list *out)
{
    if (!json_is_object(v)) {
        return wrong_type(d, w, v,
                          kind == DECODE_MAP       ? "map[string]string"
                          : kind == DECODE_HEADERS ? "map[string][]string"
                                                   : "map[string]structs.ServiceAddress");
    }
    size_t n;
    struct pair *pairs = sorted_pairs(d, v, &n);
    buf_reset(&d->scratch);
    struct reg_list_builder lb;
    reg_list_begin(&lb, &d->scratch);
    for (size_t i = 0; i < n; i++) {
        int rc = kind == DECODE_MAP       ? add_string(d, w, &lb, &pairs[i])
                 : kind == DECODE_HEADERS ? add_headers(d, w, &lb, &pairs[i])
                                          : add_address(d, w, &lb, &pairs[i]);
        if (rc != 0) {
            return rc;
        }
    }
    return keep_list(d, &lb, out);
}

/* ---- objects ---- */

static int decode_objects(struct decoder *d,
                          const struct where *w,
                          const json_t *v,
                          const struct decode_object *o,
                          struct decode_array *out)
{
    if (!json_is_array(v)) {
        char wanted[64];
        (void)snprintf(wanted, sizeof wanted, "[]*structs.%s", o->go_name);
        return wrong_type(d, w, v, wanted);
    }
    size_t n = json_array_size(v);
    if (n > DECODE_OBJECTS_MAX) {
        return err_set(d->e, E_INVAL, "field \"%s\" has more than %d elements", w->field,
                       DECODE_OBJECTS_MAX);
    }
    char *items = d->mem->alloc(d->mem->arg, n * o->size + 1);
    out->items = items;
    out->n = 0;
    size_t i;
    json_t *item;
    json_array_foreach(v, i, item)
    {
        if (json_is_null(item)) {
            continue;
        }
        if (decode_object(d, w, item, o, items + out->n * o->size) != 0) {
            return E_INVAL;
        }
        out->n++;
    }
    return 0;
}

static int decode_field(struct decoder *d,
                        const struct where *w,
                        const struct decode_field *f,
                        json_t *v,
                        char *out)
{
    void *to = out + f->offset;
    if (json_is_null(v)) {
        return 0;
    }
    switch (f->kind) {
        case DECODE_STR:
        case DECODE_TEXT:
            return decode_string(d, w, v, f->kind == DECODE_TEXT, to);
        case DECODE_BASE64:
            return decode_base64(d, w, v, to);
        case DECODE_BOOL:
            return decode_bool(d, w, v, to);
        case DECODE_TRISTATE: {
            bool flag = false;
            int rc = decode_bool(d, w, v, &flag);
            *(int8_t *)to = flag ? 1 : -1;
            return rc;
        }
        case DECODE_INT:
            return decode_int(d, w, v, to);
        case DECODE_U64:
            return decode_u64(d, w, v, to);
        case DECODE_DURATION:
            return decode_duration(d, v, to);
        case DECODE_STRS:
            return decode_strings(d, w, v, to);
        case DECODE_MAP:
        case DECODE_HEADERS:
        case DECODE_ADDRS:
            return decode_map(d, w, v, f->kind, to);
        case DECODE_OBJECT: {
            char *object = d->mem->alloc(d->mem->arg, f->object->size);
            memcpy(to, &object, sizeof object);
            return decode_object(d, w, v, f->object, object);
        }
        case DECODE_OBJECTS:
            return decode_objects(d, w, v, f->object, to);
        case DECODE_F64:
            return decode_f64(d, w, v, to);
        case DECODE_F64S:
            return decode_f64s(d, w, v, to);
        case DECODE_JSON:
            return decode_json(d, v, to);
        case DECODE_IGNORE:
            return 0;
    }
    return 0;
}

/* Go prefers a field of exactly this spelling and else takes one that differs in case. */
static const struct decode_field *find_field(const struct decode_object *o, struct slice key)
{
    const struct decode_field *folded = NULL;
    for (unsigned i = 0; i < o->n_fields; i++) {
        const struct decode_field *f = &o->fields[i];
        struct slice name = slice_of(f->name, f->name_len);
        if (slice_eq(name, key)) {
            return f;
        }
        if (folded == NULL && slice_ieq(name, key)) {
            folded = f;
        }
    }
    return folded;
}

static int decode_object(struct decoder *d,
                         const struct where *up,
                         const json_t *v,
                         const struct decode_object *o,
                         char *out)
{
    if (!json_is_object(v)) {
        char wanted[64];
        (void)snprintf(wanted, sizeof wanted, "structs.%s", o->go_name);
        return wrong_type(d, up, v, wanted);
    }
    /* jansson's iteration macros want a non-const object and do not change it. */
    union {
        const json_t *in;
        json_t *it;
    } object = {v};
    const char *key;
    size_t key_len;
    json_t *item;
    json_object_keylen_foreach(object.it, key, key_len, item)
    {
        const struct decode_field *f = find_field(o, slice_of(key, key_len));
        if (f == NULL && o->tolerant) {
            continue;
        }
        if (f == NULL) {
            return unknown_field(d, key);
        }
        struct where w = {up, o, f->name};
        int rc = decode_field(d, &w, f, item, out);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

/* ---- the body ---- */

static int load(struct slice body, json_t **root, struct errmsg *e)
{
    enum { FLAGS = JSON_DECODE_ANY | JSON_DISABLE_EOF_CHECK | JSON_ALLOW_NUL };
    json_error_t error;
    *root = json_loadb(body.len == 0 ? "" : body.p, body.len, FLAGS, &error);
    if (*root == NULL && json_error_code(&error) == json_error_invalid_utf8) {
        struct buf mended = BUF_INIT;
        utf8_mend(&mended, body);
        if (buf_ok(&mended)) {
            *root = json_loadb(mended.p, mended.len, FLAGS, &error);
        }
        buf_fini(&mended);
    }
    if (*root != NULL) {
        return 0;
    }
    if (json_syntax_check(body, e) == 0) {
        /* What Go takes and jansson does not: half a surrogate pair, a number beyond 64 bits. */
        (void)err_set(e, E_INVAL, "%s", error.text);
    }
    return E_INVAL;
}

int decode_body(const struct decode_memory *m,
                struct slice body,
                const struct decode_object *o,
                void *out,
                struct errmsg *e)
{
    json_t *root = NULL;
    int rc = load(body, &root, e);
    if (rc != 0) {
        return rc;
    }
    struct decoder d = {.mem = m, .scratch = BUF_INIT, .e = e};
    rc = json_is_null(root) ? 0 : decode_object(&d, NULL, root, o, out);
    buf_fini(&d.scratch);
    json_decref(root);
    return rc == 0 ? 0 : E_INVAL;
}

static int decode_items(struct decoder *d,
                        const json_t *root,
                        const struct decode_object *o,
                        const char *go_item,
                        struct decode_array *out)
{
    size_t n = json_array_size(root);
    char *items = d->mem->alloc(d->mem->arg, n * o->size + 1);
    *out = (struct decode_array){.items = items, .n = (unsigned)n};
    size_t i;
    json_t *item;
    json_array_foreach(root, i, item)
    {
        if (json_is_null(item)) {
            continue;
        }
        int rc = json_is_object(item) ? decode_object(d, NULL, item, o, items + i * o->size)
                                      : wrong_type(d, NULL, item, go_item);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

int decode_array_body(const struct decode_memory *m,
                      struct slice body,
                      const struct decode_object *o,
                      const char *go_array,
                      const char *go_item,
                      struct decode_array *out,
                      struct errmsg *e)
{
    json_t *root = NULL;
    int rc = load(body, &root, e);
    *out = (struct decode_array){.n = 0};
    if (rc != 0) {
        return rc;
    }
    struct decoder d = {.mem = m, .scratch = BUF_INIT, .e = e};
    if (json_is_array(root)) {
        rc = decode_items(&d, root, o, go_item, out);
    } else if (!json_is_null(root)) {
        rc = wrong_type(&d, NULL, root, go_array);
    }
    buf_fini(&d.scratch);
    json_decref(root);
    return rc == 0 ? 0 : E_INVAL;
}

bool decode_addr_split(struct slice packed, struct slice *address, int32_t *port)
{
    const char *nul = packed.len == 0 ? NULL : memchr(packed.p, '\0', packed.len);
    if (nul == NULL) {
        return false;
    }
    *address = slice_of(packed.p, (size_t)(nul - packed.p));
    const char *p = nul + 1;
    const char *end = packed.p + packed.len;
    bool negative = p < end && *p == '-';
    int64_t v = 0;
    for (p += negative ? 1 : 0; p < end; p++) {
        if (*p < '0' || *p > '9' || v > INT32_MAX) {
            return false;
        }
        v = v * 10 + (*p - '0');
    }
    *port = (int32_t)(negative ? -v : v);
    return v <= INT32_MAX;
}

void decode_addr_join(struct buf *b, struct slice address, int32_t port)
{
    buf_add_slice(b, address);
    buf_add_char(b, '\0');
    buf_add_i64(b, port);
}
