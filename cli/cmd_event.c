/* event: fire a user event. */
#include <jansson.h>
#include <string.h>

#include "cli/answer.h"
#include "cli/command.h"

struct event_values {
    const char *name, *node, *service, *tag;
};

static const struct flag event_flags[] = {
    {"name", FLAG_STRING, offsetof(struct event_values, name), "name",
     "Name of the event; required."},
    {"node", FLAG_STRING, offsetof(struct event_values, node), "regexp",
     "Only for agents whose node name matches."},
    {"service", FLAG_STRING, offsetof(struct event_values, service), "regexp",
     "Only for agents with a service whose name matches."},
    {"tag", FLAG_STRING, offsetof(struct event_values, tag), "regexp",
     "... and with a tag that matches; needs -service."},
    {NULL, FLAG_BOOL, 0, NULL, NULL},
};

static void add_param(struct buf *path, const char *name, const char *value)
{
    if (value != NULL) {
        buf_printf(path, "%s=", name);
        http_escape_query(path, slice_str(value));
        buf_add_char(path, '&');
    }
}

static int event_run(struct cli_call *call)
{
    const struct event_values *v = call->values;
    struct errmsg e;
    struct http_answer a;
    if (v->name == NULL || v->name[0] == '\0') {
        return cli_error("Event name not specified");
    }
    if (call->n_args > 1) {
        return cli_error("Too many command line arguments.");
    }
    struct buf path = BUF_INIT;
    buf_add_str(&path, "/v1/event/fire/");
    http_escape_path(&path, slice_str(v->name));
    buf_add_char(&path, '?');
    add_param(&path, "node", v->node);
    add_param(&path, "service", v->service);
    add_param(&path, "tag", v->tag);
    buf_add_char(&path, '\0');
    struct slice payload = slice_str(call->n_args == 1 ? call->args[0] : "");
    int rc = http_call_ok(&call->client, "PUT", buf_ok(&path) ? path.p : "/", payload, &a, &e);
    buf_fini(&path);
    if (rc != 0) {
        return cli_error("Error firing event: %s", e.text);
    }
    json_t *root = json_loadb(a.body.p == NULL ? "" : a.body.p, a.body.len, 0, NULL);
    buf_fini(&a.body);
    struct buf out = BUF_INIT;
    buf_printf(&out, "Event ID: %s\n", answer_str(root, "ID"));
    int status = cli_print(&out);
    buf_fini(&out);
    json_decref(root);
    return status;
}

const struct cli_command cli_event = {
    .name = "event",
    .args = "[options] [PAYLOAD]",
    .synopsis = "Fire a new event",
    .help = "Fires a user event that agents and watchers list with /v1/event/list.",
    .flags = event_flags,
    .values_size = sizeof(struct event_values),
    .http = true,
    .query = true,
    .run = event_run,
};
