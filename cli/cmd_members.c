/* members: who belongs to the cluster. */
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/answer.h"
#include "cli/command.h"
#include "cli/table.h"

enum { STATUS_NOBODY = 2 }; /* what scripts test for when no member matches */

struct members_values {
    bool detailed, wan;
    const char *status;
    const char *filter;
};

static const struct flag members_flags[] = {
    {"detailed", FLAG_BOOL, offsetof(struct members_values, detailed), NULL,
     "Show the tags of each member instead of the usual columns."},
    {"status", FLAG_STRING, offsetof(struct members_values, status), "regexp",
     "Show only members whose status matches: alive, leaving, left, failed."},
    {"filter", FLAG_STRING, offsetof(struct members_values, filter), "expression",
     "Filter expression that the agent applies."},
    {"wan", FLAG_BOOL, offsetof(struct members_values, wan), NULL,
     "Show the servers of all datacenters."},
    {NULL, FLAG_BOOL, 0, NULL, NULL},
};

static const char *status_name(long long status)
{
    static const char *const names[] = {"none", "alive", "leaving", "left", "failed"};
    return status >= 0 && status < 5 ? names[status] : "unknown";
}

/* Order by name, then by address. */
static int by_name(const void *a, const void *b)
{
    const json_t *const *x = a;
    const json_t *const *y = b;
    int c = strcmp(answer_str(*x, "Name"), answer_str(*y, "Name"));
    return c != 0 ? c : strcmp(answer_str(*x, "Addr"), answer_str(*y, "Addr"));
}

static void add_member(struct table *t, const json_t *m, bool detailed)
{
    const json_t *tags = json_object_get(m, "Tags");
    const char *address = answer_str(m, "Addr");
    bool v6 = strchr(address, ':') != NULL;
    char where[160];
    (void)snprintf(where, sizeof where, v6 ? "[%s]:%lld" : "%s:%lld", address,
                   answer_int(m, "Port")); /* an address is at most 45 characters */
    table_add_str(t, answer_str(m, "Name"));
    table_add_str(t, where);
    table_add_str(t, status_name(answer_int(m, "Status")));
    if (detailed) {
        struct buf b = BUF_INIT;
        answer_add_map(&b, tags, ",");
        table_add(t, buf_slice(&b));
        buf_fini(&b);
        return;
    }
    bool server = strcmp(answer_str(tags, "role"), "consul") == 0;
    const char *build = answer_str(tags, "build");
    const char *partition = answer_str(tags, "ap");
    const char *segment = answer_str(tags, "segment");
    table_add_str(t, server ? "server" : "client");
    table_add(t, slice_of(build, strcspn(build, ":")));
    table_add_str(t, answer_str(tags, "vsn"));
    table_add_str(t, answer_str(tags, "dc"));
    table_add_str(t, partition[0] == '\0' ? "default" : partition);
    table_add_str(t, segment[0] != '\0' ? segment : server ? "<all>" : "<default>");
}

static void add_head(struct table *t, bool detailed)
{
    static const char *const head[] = {"Node",     "Address", "Status",    "Type",   "Build",
                                       "Protocol", "DC",      "Partition", "Segment"};
    for (size_t i = 0; i < (detailed ? 3u : sizeof head / sizeof head[0]); i++) {
        table_add_str(t, head[i]);
    }
    if (detailed) {
        table_add_str(t, "Tags");
    }
}

/* Print the members of @root whose status matches. */
static int print_members(const json_t *root, const struct members_values *v, const regex_t *status)
{
    size_t max = json_array_size(root);
    const json_t **list = calloc(max + 1, sizeof *list);
    if (list == NULL) {
        return cli_error("%s", err_text(E_NOMEM));
    }
    size_t n = 0;
    for (size_t i = 0; i < max; i++) {
        const json_t *m = json_array_get(root, i);
        if (regexec(status, status_name(answer_int(m, "Status")), 0, NULL, 0) == 0) {
            list[n++] = m;
        }
    }
    int rc = STATUS_NOBODY;
    if (n > 0) {
        struct table t;
        struct buf out = BUF_INIT;
        qsort(list, n, sizeof *list, by_name);
        table_init(&t, v->detailed ? 4 : 9, 2);
        add_head(&t, v->detailed);
        for (size_t i = 0; i < n; i++) {
            add_member(&t, list[i], v->detailed);
        }
        table_print(&t, &out);
        rc = cli_print(&out);
        buf_fini(&out);
        table_fini(&t);
    }
    free(list);
    return rc;
}

static int members_run(struct cli_call *call)
{
    const struct members_values *v = call->values;
    regex_t status;
    if (call->n_args > 0) {
        return cli_error("Too many arguments (expected 0, got %d)", call->n_args);
    }
    int rc = regcomp(&status, v->status == NULL ? ".*" : v->status, REG_EXTENDED | REG_NOSUB);
    if (rc != 0) {
        char why[128];
        (void)regerror(rc, &status, why, sizeof why);
        return cli_error("Failed to compile status regexp: %s", why);
    }
    struct buf path = BUF_INIT;
    buf_add_str(&path, v->wan ? "/v1/agent/members?wan=1" : "/v1/agent/members?segment=_all");
    if (v->filter != NULL) {
        buf_add_str(&path, "&filter=");
        http_escape_query(&path, slice_str(v->filter));
    }
    buf_add_char(&path, '\0');
    json_t *root = NULL;
    struct errmsg e;
    rc = answer_get(&call->client, buf_ok(&path) ? path.p : "/", &root, &e);
    rc = rc == 0 ? print_members(root, v, &status)
                 : cli_error("Error retrieving members: %s", e.text);
    json_decref(root);
    buf_fini(&path);
    regfree(&status);
    return rc;
}

const struct cli_command cli_members = {
    .name = "members",
    .args = "[options]",
    .synopsis = "Lists the members of the cluster",
    .help =
        "Lists the members that the agent knows, with their status. Exits with 2 when none "
        "matches.",
    .flags = members_flags,
    .values_size = sizeof(struct members_values),
    .http = true,
    .run = members_run,
};
