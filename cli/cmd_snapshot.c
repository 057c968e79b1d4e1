/* snapshot save, inspect, restore. Texts are Consul's (consul-surface.md section 6).
 *
 * A file is verified before it gets its name, so that what bears a snapshot's name is one. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/table.h"
#include "registry/archive.h"

enum { READ_SIZE = 64 * 1024 };
#define STATE_MAX ((uint64_t)8 << 30) /* what tar can name */

/* What of the rows is counted together, under Consul's name for it. */
struct type {
    const char *name;
    uint64_t count;
    uint64_t sum; /* bytes */
};

struct contents {
    struct archive_meta meta;
    struct state_header header;
    struct type types[STATE_TABLES_MAX];
    unsigned n_types;
    unsigned type_of[STATE_TABLES_MAX]; /* by table */
    uint64_t rows;
    uint64_t sum;
};

/* Consul's name for what the table holds; its own name where Consul has none. */
static const char *type_name(const char *table)
{
    static const struct {
        const char *table, *type;
    } rows[] = {
        {"nodes", "Register"},        {"services", "Register"},
        {"checks", "Register"},       {"kv", "KVS"},
        {"tombs", "Tombstone"},       {"tomb_order", "Tombstone"},
        {"index", "Index"},           {"service_index", "Index"},
        {"sessions", "Session"},      {"coords", "CoordinateBatchUpdate"},
        {"queries", "PreparedQuery"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(table, rows[i].table) == 0) {
            return rows[i].type;
        }
    }
    return table;
}

static int on_header(void *arg, const struct state_header *h, struct slice body)
{
    struct contents *c = arg;
    (void)body;
    c->header = *h;
    for (unsigned t = 0; t < h->n_tables; t++) {
        const char *name = type_name(c->header.tables[t]);
        unsigned i = 0;
        while (i < c->n_types && strcmp(c->types[i].name, name) != 0) {
            i++;
        }
        c->n_types = i == c->n_types ? i + 1 : c->n_types;
        c->types[i].name = name;
        c->type_of[t] = i;
    }
    return 0;
}

static int on_row(void *arg, unsigned table, struct slice key, struct slice value)
{
    struct contents *c = arg;
    struct type *t = &c->types[c->type_of[table - 1]];
    uint64_t size = state_row_size(key, value);
    t->count++;
    t->sum += size;
    c->sum += size;
    return 0;
}

/* Read a whole archive from @f; @c points into itself, so it stays where it is. */
static int read_contents(FILE *f, struct contents *c, struct errmsg *e)
{
    *c = (struct contents){.n_types = 0};
    const struct state_visitor visitor = {on_header, on_row, c};
    struct archive_reader *r = archive_reader_new(&visitor, STATE_MAX);
    int rc = r == NULL ? err_set(e, E_NOMEM, "%s", err_text(E_NOMEM)) : 0;
    char bytes[READ_SIZE];
    size_t n;
    while (rc == 0 && (n = fread(bytes, 1, sizeof bytes, f)) > 0) {
        rc = archive_reader_feed(r, slice_of(bytes, n), e);
    }
    if (rc == 0 && ferror(f)) {
        rc = err_set(e, E_IO, "%s", strerror(errno));
    }
    if (rc == 0) {
        rc = archive_reader_end(r, &c->meta, &c->rows, e);
    }
    archive_reader_free(r);
    return rc;
}

/* The one argument, FILE; NULL: it was complained about. */
static const char *file_argument(const struct cli_call *call)
{
    if (call->n_args == 0) {
        (void)cli_error("Missing FILE argument");
        return NULL;
    }
    if (call->n_args > 1) {
        (void)cli_error("Too many arguments (expected 1, got %d)", call->n_args);
        return NULL;
    }
    return call->args[0];
}

static int print_line(const char *text)
{
    struct buf out = BUF_INIT;
    buf_add_str(&out, text);
    buf_add_char(&out, '\n');
    int status = cli_print(&out);
    buf_fini(&out);
    return status;
}

/* ---- save ---- */

static int write_file(const char *path, struct slice s, struct errmsg *e)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return err_set(e, err_from_errno(errno), "Error creating snapshot file: %s: %s", path,
                       strerror(errno));
    }
    errno = ENOSPC; /* what a write of nothing means */
    while (s.len > 0) {
        ssize_t n = write(fd, s.p, s.len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            break;
        }
        s = slice_of(s.p + n, s.len - (size_t)n);
    }
    bool good = s.len == 0 && fsync(fd) == 0;
    int sys = errno;
    good = close(fd) == 0 && good;
    return good ? 0
                : err_set(e, err_from_errno(sys), "Error writing snapshot file: %s: %s", path,
                          strerror(sys));
}

static int verify_file(const char *path, struct contents *c, struct errmsg *e)
{
    FILE *f = fopen(path, "rbe");
    int rc = f == NULL ? err_set(e, err_from_errno(errno), "open %s: %s", path, strerror(errno))
                       : read_contents(f, c, e);
    if (f != NULL) {
        (void)fclose(f); /* only read from */
    }
    return rc;
}

/* Write @bytes beside @path, verify what was written, and rename. */
static int keep(const char *path, struct slice bytes, struct contents *c, struct errmsg *e)
{
    struct buf name = BUF_INIT;
    buf_printf(&name, "%s.unverified", path);
    buf_add_char(&name, '\0');
    if (!buf_ok(&name)) {
        return err_set(e, E_NOMEM, "%s", err_text(E_NOMEM));
    }
    int rc = write_file(name.p, bytes, e);
    if (rc == 0 && (rc = verify_file(name.p, c, e)) != 0) {
        err_prefix(e, "Error verifying snapshot file");
    }
    if (rc == 0 && rename(name.p, path) != 0) {
        rc = err_set(e, err_from_errno(errno), "Error renaming \"%s\" to \"%s\": %s", name.p, path,
                     strerror(errno));
    }
    if (rc != 0) {
        (void)unlink(name.p); /* it is of no use */
    }
    buf_fini(&name);
    return rc;
}

static int save_run(struct cli_call *call)
{
    const char *path = file_argument(call);
    struct http_answer a;
    struct errmsg e = {""};
    if (path == NULL) {
        return 1;
    }
    if (http_call_ok(&call->client, "GET", "/v1/snapshot", slice_str(""), &a, &e) != 0) {
        return cli_error("Error saving snapshot: %s", e.text);
    }
    struct contents *c = malloc(sizeof *c);
    int rc = c == NULL ? err_set(&e, E_NOMEM, "%s", err_text(E_NOMEM))
                       : keep(path, buf_slice(&a.body), c, &e);
    char text[64] = "";
    if (rc == 0) {
        (void)snprintf(text, sizeof text, "Saved and verified snapshot to index %" PRIu64,
                       c->meta.index); /* a number fits */
    }
    int status = rc != 0 ? cli_error("%s", e.text) : print_line(text);
    free(c);
    buf_fini(&a.body);
    return status;
}

const struct cli_command cli_snapshot_save = {
    .name = "snapshot save",
    .args = "[options] FILE",
    .synopsis = "Saves snapshot of Consul server state",
    .help =
        "Writes an archive of the whole state to FILE, and verifies it before it gets that name.",
    .http = true,
    .query = true,
    .run = save_run,
};

/* ---- inspect ---- */

struct inspect_values {
    const char *format;
};

static const struct flag inspect_flags[] = {
    {"format", FLAG_STRING, offsetof(struct inspect_values, format), "pretty|json",
     "How to print it."},
    {NULL, FLAG_BOOL, 0, NULL, NULL},
};

/* As Consul's ByteSize: a unit, one digit behind the point unless it is 0. */
static void byte_size(uint64_t bytes, char out[32])
{
    static const char *const units[] = {"B", "KB", "MB", "GB", "TB"};
    unsigned u = 0;
    double v = (double)bytes;
    while (v >= 1024 && u < 4) {
        v /= 1024;
        u++;
    }
    (void)snprintf(out, 32, "%.1f", v); /* a number below 2^64 / 1024^4 fits */
    size_t n = strlen(out);
    n -= strcmp(out + n - 2, ".0") == 0 ? 2 : 0;
    (void)snprintf(out + n, 32 - n, "%s", bytes == 0 ? "" : units[u]);
}

static int by_size(const void *a, const void *b)
{
    const struct type *x = a;
    const struct type *y = b;
    return x->sum != y->sum ? (x->sum < y->sum) - (x->sum > y->sum) : strcmp(x->name, y->name);
}

static void add_row(struct table *t, const char *name, const char *count, const char *size)
{
    table_add_str(t, name);
    table_add_str(t, count);
    table_add_str(t, size);
}

static void add_meta(struct table *t, const char *name, uint64_t v)
{
    char number[32];
    (void)snprintf(number, sizeof number, "%" PRIu64, v); /* 20 digits at most */
    table_add_str(t, name);
    table_add_str(t, number);
}

static void print_pretty(const struct contents *c, struct buf *out)
{
    struct table t;
    char name[STATE_NAME_MAX + 2];
    char count[32];
    char size[32];
    table_init(&t, 2, 6);
    table_add_str(&t, " ID");
    table_add_str(&t, c->meta.id);
    add_meta(&t, " Size", c->meta.size);
    add_meta(&t, " Index", c->meta.index);
    add_meta(&t, " Term", c->meta.term);
    add_meta(&t, " Version", 1);
    table_print(&t, out);
    table_fini(&t);
    buf_add_char(out, '\n');
    table_init(&t, 3, 6);
    add_row(&t, " Type", "Count", "Size");
    add_row(&t, " ----", "----", "----");
    for (unsigned i = 0; i < c->n_types && c->types[i].count > 0; i++) {
        (void)snprintf(name, sizeof name, " %s", c->types[i].name); /* names are short */
        (void)snprintf(count, sizeof count, "%" PRIu64, c->types[i].count);
        byte_size(c->types[i].sum, size);
        add_row(&t, name, count, size);
    }
    add_row(&t, " ----", "----", "----");
    byte_size(c->sum, size);
    add_row(&t, " Total", "", size);
    table_print(&t, out);
    table_fini(&t);
}

static void print_json(const struct contents *c, struct buf *out)
{
    json_t *stats = json_array();
    for (unsigned i = 0; i < c->n_types && c->types[i].count > 0; i++) {
        (void)json_array_append_new(
            stats, json_pack("{s:s, s:I, s:I}", "Name", c->types[i].name, "Sum",
                             (json_int_t)c->types[i].sum, "Count", (json_int_t)c->types[i].count));
    }
    json_t *root = json_pack("{s:{s:s, s:I, s:I, s:I, s:i}, s:o, s:I}", "Meta", "ID", c->meta.id,
                             "Size", (json_int_t)c->meta.size, "Index", (json_int_t)c->meta.index,
                             "Term", (json_int_t)c->meta.term, "Version", 1, "Stats", stats,
                             "TotalSize", (json_int_t)c->sum);
    char *text = root == NULL ? NULL : json_dumps(root, JSON_INDENT(4));
    buf_add_str(out, text == NULL ? "" : text);
    buf_add_char(out, '\n');
    out->failed = out->failed || text == NULL;
    free(text);
    json_decref(root);
}

static int inspect_run(struct cli_call *call)
{
    const struct inspect_values *v = call->values;
    const char *path = file_argument(call);
    bool json = v->format != NULL && strcmp(v->format, "json") == 0;
    struct errmsg e = {""};
    if (path == NULL) {
        return 1;
    }
    if (!json && v->format != NULL && strcmp(v->format, "pretty") != 0) {
        return cli_error("Unknown format: %s (use pretty or json)", v->format);
    }
    FILE *f = fopen(path, "rbe");
    if (f == NULL) {
        return cli_error("Error opening snapshot file: open %s: %s", path, strerror(errno));
    }
    struct contents *c = malloc(sizeof *c);
    int rc = c == NULL ? err_set(&e, E_NOMEM, "%s", err_text(E_NOMEM)) : read_contents(f, c, &e);
    (void)fclose(f); /* only read from */
    struct buf out = BUF_INIT;
    if (rc == 0) {
        qsort(c->types, c->n_types, sizeof c->types[0], by_size);
        (json ? print_json : print_pretty)(c, &out);
    }
    int status = rc == 0 ? cli_print(&out) : cli_error("Error reading snapshot: %s", e.text);
    buf_fini(&out);
    free(c);
    return status;
}

const struct cli_command cli_snapshot_inspect = {
    .name = "snapshot inspect",
    .args = "[options] FILE",
    .synopsis = "Displays information about a Consul snapshot file",
    .help =
        "Reads the archive FILE to its end, checks it, and prints what it holds. Needs no agent.",
    .flags = inspect_flags,
    .values_size = sizeof(struct inspect_values),
    .run = inspect_run,
};

/* ---- restore ---- */

static int read_file(const char *path, struct buf *out, struct errmsg *e)
{
    FILE *f = fopen(path, "rbe");
    if (f == NULL) {
        return err_set(e, err_from_errno(errno), "Error opening snapshot file: open %s: %s", path,
                       strerror(errno));
    }
    size_t n = 1;
    out->max = HTTP_ANSWER_MAX;
    while (n > 0 && buf_ok(out)) {
        char *at = buf_reserve(out, READ_SIZE);
        n = at == NULL ? 0 : fread(at, 1, READ_SIZE, f);
        out->len += n;
    }
    int rc = ferror(f) ? err_set(e, E_IO, "Error reading snapshot file: %s", strerror(errno))
             : buf_ok(out)
                 ? 0
                 : err_set(e, E_TOOBIG, "Error reading snapshot file: larger than %d bytes",
                           (int)HTTP_ANSWER_MAX);
    (void)fclose(f); /* only read from */
    return rc;
}

static int restore_run(struct cli_call *call)
{
    const char *path = file_argument(call);
    struct buf archive = BUF_INIT;
    struct http_answer a;
    struct errmsg e = {""};
    if (path == NULL) {
        return 1;
    }
    int rc = read_file(path, &archive, &e);
    if (rc == 0) {
        rc = http_call_ok(&call->client, "PUT", "/v1/snapshot", buf_slice(&archive), &a, &e);
        if (rc == 0) {
            buf_fini(&a.body);
        } else {
            err_prefix(&e, "Error restoring snapshot");
        }
    }
    buf_fini(&archive);
    return rc == 0 ? print_line("Restored snapshot") : cli_error("%s", e.text);
}

const struct cli_command cli_snapshot_restore = {
    .name = "snapshot restore",
    .args = "[options] FILE",
    .synopsis = "Restores snapshot of Consul server state",
    .help = "Puts the content of the archive FILE in the place of everything that there is.",
    .http = true,
    .query = true,
    .run = restore_run,
};
