/* kv get, put, delete. Texts and exit statuses are Consul's (consul-surface.md section 6). */
#include <errno.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/table.h"

/* A key of the command line: one leading slash is forgiven, since keys have none. */
static const char *key_of(const char *arg)
{
    return arg[0] == '/' ? arg + 1 : arg;
}

static void add_key_path(struct buf *b, const char *key)
{
    buf_add_str(b, "/v1/kv/");
    http_escape_path(b, slice_str(key));
    buf_add_char(b, '?');
}

static const char *path_text(struct buf *b)
{
    buf_add_char(b, '\0');
    return buf_ok(b) ? b->p : "/";
}

/* The decoded value of an entry, appended to @out. */
static int add_value(struct buf *out, const json_t *entry)
{
    const char *text = json_string_value(json_object_get(entry, "Value"));
    size_t n = text == NULL ? 0 : strlen(text);
    if (n == 0) {
        return 0;
    }
    char *at = n > INT32_MAX ? NULL : buf_reserve(out, n / 4 * 3 + 4);
    int got =
        at == NULL ? -1 : EVP_DecodeBlock((unsigned char *)at, (const unsigned char *)text, (int)n);
    if (got < 0) {
        return E_PROTO;
    }
    size_t pad = text[n - 1] != '=' ? 0 : text[n - 2] == '=' ? 2 : 1;
    out->len += (size_t)got - pad;
    return 0;
}

struct get_values {
    bool base64, detailed, keys, recurse;
    const char *separator;
};

static const struct flag get_flags[] = {
    {"base64", FLAG_BOOL, offsetof(struct get_values, base64), NULL,
     "Print the value in base64, as the API delivers it."},
    {"detailed", FLAG_BOOL, offsetof(struct get_values, detailed), NULL,
     "Print indexes, flags and session beside the value."},
    {"keys", FLAG_BOOL, offsetof(struct get_values, keys), NULL,
     "List the keys that start with KEY, without values."},
    {"recurse", FLAG_BOOL, offsetof(struct get_values, recurse), NULL,
     "Print every entry whose key starts with KEY."},
    {"separator", FLAG_STRING, offsetof(struct get_values, separator), "text",
     "With -keys: list keys only up to the first of these behind the prefix. The default is "
     "\"/\"."},
    {NULL, FLAG_BOOL, 0, NULL, NULL},
};

static void add_detail(struct table *t, const char *name, const json_t *v)
{
    char number[32];
    table_add_str(t, name);
    if (json_is_string(v) && json_string_length(v) > 0) {
        table_add_str(t, json_string_value(v));
    } else if (json_is_integer(v)) {
        (void)snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
        table_add_str(t, number);
    } else {
        table_add_str(t, "-");
    }
}

/* The value as the flags want it; -base64 leaves the API's text alone. */
static int add_shown(struct buf *out, const struct get_values *v, const json_t *entry)
{
    const char *raw = json_string_value(json_object_get(entry, "Value"));
    if (v->base64) {
        buf_add_str(out, raw == NULL ? "" : raw);
        return 0;
    }
    return add_value(out, entry);
}

static int add_entry(struct buf *out, const struct get_values *v, const json_t *entry)
{
    if (v->detailed) {
        static const char *const fields[] = {"CreateIndex", "Flags",       "Key",
                                             "LockIndex",   "ModifyIndex", "Session"};
        struct table t;
        table_init(&t, 2, 6);
        for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
            add_detail(&t, fields[i], json_object_get(entry, fields[i]));
        }
        table_print(&t, out);
        table_fini(&t);
        buf_add_str(out, "Value            "); /* as wide as ModifyIndex and its gap */
    } else if (v->recurse) {
        buf_add_str(out, json_string_value(json_object_get(entry, "Key")));
        buf_add_char(out, ':');
    }
    int rc = add_shown(out, v, entry);
    buf_add_char(out, '\n');
    return rc;
}

static int print_answer(const struct get_values *v, const json_t *root)
{
    struct buf out = BUF_INIT;
    int rc = json_is_array(root) ? 0 : E_PROTO;
    for (size_t i = 0; rc == 0 && i < json_array_size(root); i++) {
        const json_t *item = json_array_get(root, i);
        if (v->keys) {
            buf_add_str(&out, json_is_string(item) ? json_string_value(item) : "");
            buf_add_char(&out, '\n');
        } else if (json_is_string(json_object_get(item, "Key"))) {
            if (v->detailed && i > 0) {
                buf_add_char(&out, '\n');
            }
            rc = add_entry(&out, v, item);
        } else {
            rc = E_PROTO;
        }
    }
    int status =
        rc == 0 ? cli_print(&out) : cli_error("Error! The agent's answer could not be understood");
    buf_fini(&out);
    return status;
}

static int get_run(struct cli_call *call)
{
    const struct get_values *v = call->values;
    if (call->n_args > 1) {
        return cli_error("Too many arguments (expected 1, got %d)", call->n_args);
    }
    const char *key = call->n_args == 0 ? "" : key_of(call->args[0]);
    if (key[0] == '\0' && !v->recurse && !v->keys) {
        return cli_error("Error! Missing KEY argument");
    }
    struct buf path = BUF_INIT;
    add_key_path(&path, key);
    if (v->keys) {
        buf_add_str(&path, "keys=&separator=");
        http_escape_query(&path, slice_str(v->separator == NULL ? "/" : v->separator));
    } else if (v->recurse) {
        buf_add_str(&path, "recurse=");
    }
    struct http_answer a;
    struct errmsg e;
    int rc = http_call(&call->client, "GET", path_text(&path), slice_str(""), &a, &e);
    buf_fini(&path);
    if (rc != 0) {
        return cli_error("Error querying Consul agent: %s", e.text);
    }
    int status;
    json_t *root = NULL;
    if (a.status == 404) {
        /* A prefix without keys is an empty list, not an error. */
        status = v->keys || v->recurse ? 0 : cli_error("Error! No key exists at: %s", key);
    } else if (a.status != 200) {
        status = cli_error("Error querying Consul agent: Unexpected response code: %d (%.*s)",
                           a.status, (int)a.body.len, a.body.p);
    } else {
        root = json_loadb(a.body.p, a.body.len, JSON_ALLOW_NUL, NULL);
        status = print_answer(v, root);
    }
    json_decref(root);
    buf_fini(&a.body);
    return status;
}

const struct cli_command cli_kv_get = {
    .name = "kv get",
    .args = "[options] [KEY_OR_PREFIX]",
    .synopsis = "Retrieves or lists data from the KV store",
    .help =
        "Prints the value of a key, the entries below a prefix, or the names of keys. A key "
        "that is not there is an error (status 1).",
    .flags = get_flags,
    .values_size = sizeof(struct get_values),
    .http = true,
    .query = true,
    .run = get_run,
};

struct put_values {
    bool cas, base64, acquire, release;
    uint64_t modify_index, flags;
    const char *session;
};

static const struct flag put_flags[] = {
    {"cas", FLAG_BOOL, offsetof(struct put_values, cas), NULL,
     "Write only if the key's ModifyIndex is still -modify-index; 0 means: only if it is absent."},
    {"modify-index", FLAG_U64, offsetof(struct put_values, modify_index), "index",
     "The ModifyIndex that -cas expects."},
    {"flags", FLAG_U64, offsetof(struct put_values, flags), "number",
     "A number to keep beside the value; its meaning is up to you."},
    {"base64", FLAG_BOOL, offsetof(struct put_values, base64), NULL,
     "The data is base64 and is decoded before it is sent."},
    {"acquire", FLAG_BOOL, offsetof(struct put_values, acquire), NULL,
     "Take the lock on the key for -session; the write happens only if that succeeds."},
    {"release", FLAG_BOOL, offsetof(struct put_values, release), NULL,
     "Let go of the lock that -session has on the key; the write happens only if it has it."},
    {"session", FLAG_STRING, offsetof(struct put_values, session), "id",
     "The session for -acquire and -release."},
    {NULL, FLAG_BOOL, 0, NULL, NULL},
};

static int read_all(FILE *f, struct buf *out, struct errmsg *e)
{
    out->max = HTTP_ANSWER_MAX;
    for (;;) {
        char *at = buf_reserve(out, 65536);
        if (at == NULL) {
            return err_set(e, E_TOOBIG, "larger than %d bytes", (int)HTTP_ANSWER_MAX);
        }
        size_t n = fread(at, 1, 65536, f);
        out->len += n;
        if (n == 0) {
            return ferror(f) ? err_set(e, E_IO, "%s", strerror(errno)) : 0;
        }
    }
}

/* The DATA argument: text, @file, or - for standard input. */
static int read_data(const char *arg, struct buf *out, struct errmsg *e)
{
    if (strcmp(arg, "-") == 0) {
        int rc = read_all(stdin, out, e);
        if (rc != 0) {
            err_prefix(e, "Failed to read stdin");
        }
        return rc;
    }
    if (arg[0] != '@') {
        buf_add_str(out, arg);
        return 0;
    }
    FILE *f = fopen(arg + 1, "rbe");
    int rc =
        f == NULL ? err_set(e, err_from_errno(errno), "%s", strerror(errno)) : read_all(f, out, e);
    if (f != NULL) {
        (void)fclose(f); /* only read from */
    }
    if (rc != 0) {
        err_prefix(e, "Failed to read file: open %s", arg + 1);
    }
    return rc;
}

/* Decode base64 text in place. */
static int decode_base64(struct buf *b)
{
    while (b->len > 0 && strchr("\r\n ", b->p[b->len - 1]) != NULL) {
        b->len--;
    }
    size_t n = b->len;
    if (n == 0) {
        return 0;
    }
    if (n % 4 != 0 || n > INT32_MAX) {
        return E_INVAL;
    }
    unsigned char *p = (unsigned char *)b->p;
    size_t pad = b->p[n - 1] != '=' ? 0 : b->p[n - 2] == '=' ? 2 : 1;
    int got = EVP_DecodeBlock(p, p, (int)n); /* works from left to right, never ahead of itself */
    if (got < 0) {
        return E_INVAL;
    }
    b->len = (size_t)got - pad;
    return 0;
}

/* What is wrong with the combination of flags; NULL if nothing. */
static const char *put_conflict(const struct put_values *v)
{
    if (v->modify_index != 0 && !v->cas) {
        return "Error! Cannot specify -modify-index without -cas";
    }
    bool locks = v->acquire || v->release;
    if (locks && (v->session == NULL || v->session[0] == '\0')) {
        return "Error! Missing -session (required with -acquire and -release)";
    }
    if ((v->acquire && v->release) || (locks && v->cas)) {
        return "Error! Cannot specify more than one of -acquire, -release and -cas";
    }
    return NULL;
}

static void add_put_query(struct buf *path, const struct put_values *v)
{
    buf_printf(path, "flags=%llu", (unsigned long long)v->flags);
    if (v->cas) {
        buf_printf(path, "&cas=%llu", (unsigned long long)v->modify_index);
    } else if (v->acquire || v->release) {
        buf_add_str(path, v->acquire ? "&acquire=" : "&release=");
        http_escape_query(path, slice_str(v->session));
    }
}

/* Tell what became of the write of @key. */
static int report_put(const struct put_values *v, const char *key, bool written)
{
    if (!written && v->acquire) {
        return cli_error("Error! Did not acquire lock");
    }
    if (!written && v->release) {
        return cli_error("Error! Did not release lock");
    }
    if (!written) {
        return cli_error("Error! Did not write to %s: CAS failed", key);
    }
    struct buf out = BUF_INIT;
    buf_printf(&out, "Success! %s: %s\n",
               v->acquire   ? "Lock acquired on"
               : v->release ? "Lock released on"
                            : "Data written to",
               key);
    int status = cli_print(&out);
    buf_fini(&out);
    return status;
}

static int put_run(struct cli_call *call)
{
    const struct put_values *v = call->values;
    if (call->n_args == 0 || key_of(call->args[0])[0] == '\0') {
        return cli_error("Error! Missing KEY argument");
    }
    if (call->n_args > 2) {
        return cli_error("Error! Too many arguments (expected 1 or 2, got %d)", call->n_args);
    }
    const char *conflict = put_conflict(v);
    if (conflict != NULL) {
        return cli_error("%s", conflict);
    }
    const char *key = key_of(call->args[0]);
    struct buf data = BUF_INIT;
    struct errmsg e = {""};
    int rc = call->n_args == 2 ? read_data(call->args[1], &data, &e) : 0;
    if (rc == 0 && v->base64 && decode_base64(&data) != 0) {
        rc = err_set(&e, E_INVAL, "Cannot base 64 decode data");
    }
    if (rc != 0) {
        buf_fini(&data);
        return cli_error("Error! %s", e.text);
    }
    struct buf path = BUF_INIT;
    add_key_path(&path, key);
    add_put_query(&path, v);
    struct http_answer a;
    rc = http_call_ok(&call->client, "PUT", path_text(&path), buf_slice(&data), &a, &e);
    buf_fini(&path);
    buf_fini(&data);
    if (rc != 0) {
        return cli_error("Error! Failed writing data: %s", e.text);
    }
    bool written = a.body.len >= 4 && memcmp(a.body.p, "true", 4) == 0;
    buf_fini(&a.body);
    return report_put(v, key, written);
}

const struct cli_command cli_kv_put = {
    .name = "kv put",
    .args = "[options] KEY [DATA]",
    .synopsis = "Sets or updates data in the KV store",
    .help =
        "Writes DATA to KEY. DATA is text, @file for the content of a file, or - for standard "
        "input; without it the value is empty.",
    .flags = put_flags,
    .values_size = sizeof(struct put_values),
    .http = true,
    .query = true,
    .run = put_run,
};

struct delete_values {
    bool cas, recurse;
    uint64_t modify_index;
};

static const struct flag delete_flags[] = {
    {"cas", FLAG_BOOL, offsetof(struct delete_values, cas), NULL,
     "Delete only if the key's ModifyIndex is still -modify-index."},
    {"modify-index", FLAG_U64, offsetof(struct delete_values, modify_index), "index",
     "The ModifyIndex that -cas expects."},
    {"recurse", FLAG_BOOL, offsetof(struct delete_values, recurse), NULL,
     "Delete every key that starts with KEY."},
    {NULL, FLAG_BOOL, 0, NULL, NULL},
};

/* What is wrong with the combination of flags; NULL if nothing. */
static const char *delete_conflict(const struct delete_values *v, const char *key)
{
    if (key[0] == '\0' && !v->recurse) {
        return "Error! Missing KEY argument";
    }
    if (v->cas && v->modify_index == 0) {
        return "Must specify -modify-index with -cas!";
    }
    if (v->modify_index != 0 && !v->cas) {
        return "Cannot specify -modify-index without -cas!";
    }
    return v->recurse && v->cas ? "Cannot specify both -cas and -recurse!" : NULL;
}

static int delete_run(struct cli_call *call)
{
    const struct delete_values *v = call->values;
    if (call->n_args > 1) {
        return cli_error("Too many arguments (expected 1, got %d)", call->n_args);
    }
    const char *key = call->n_args == 0 ? "" : key_of(call->args[0]);
    const char *conflict = delete_conflict(v, key);
    if (conflict != NULL) {
        return cli_error("%s", conflict);
    }
    struct buf path = BUF_INIT;
    add_key_path(&path, key);
    if (v->recurse) {
        buf_add_str(&path, "recurse=");
    } else if (v->cas) {
        buf_printf(&path, "cas=%llu", (unsigned long long)v->modify_index);
    }
    struct http_answer a;
    struct errmsg e;
    int rc = http_call_ok(&call->client, "DELETE", path_text(&path), slice_str(""), &a, &e);
    buf_fini(&path);
    if (rc != 0) {
        return cli_error("Error! Failed deleting %s %s: %s", v->recurse ? "prefix" : "key", key,
                         e.text);
    }
    bool deleted = a.body.len >= 4 && memcmp(a.body.p, "true", 4) == 0;
    buf_fini(&a.body);
    if (!deleted) {
        return cli_error("Error! Did not delete key %s: CAS failed", key);
    }
    struct buf out = BUF_INIT;
    buf_printf(
        &out, v->recurse ? "Success! Deleted keys with prefix: %s\n" : "Success! Deleted key: %s\n",
        key);
    int status = cli_print(&out);
    buf_fini(&out);
    return status;
}

const struct cli_command cli_kv_delete = {
    .name = "kv delete",
    .args = "[options] KEY_OR_PREFIX",
    .synopsis = "Removes data from the KV store",
    .help = "Deletes a key, or with -recurse every key below a prefix (an empty prefix is all).",
    .flags = delete_flags,
    .values_size = sizeof(struct delete_values),
    .http = true,
    .query = true,
    .run = delete_run,
};
