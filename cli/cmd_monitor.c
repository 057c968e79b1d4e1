/* monitor: the agent's log as it comes. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/command.h"

struct monitor_values {
    const char *level;
    bool json;
};

static const struct flag monitor_flags[] = {
    {"log-level", FLAG_STRING, offsetof(struct monitor_values, level), "level",
     "trace, debug, info, warn or err; info unless given."},
    {"log-json", FLAG_BOOL, offsetof(struct monitor_values, json), NULL,
     "Log lines as JSON objects."},
    {NULL, FLAG_BOOL, 0, NULL, NULL},
};

static void print_piece(void *arg, struct slice piece)
{
    (void)arg;
    if (fwrite(piece.p, 1, piece.len, stdout) != piece.len || fflush(stdout) != 0) {
        exit(0); /* nobody reads on: `monitor | head` is done */
    }
}

static int monitor_run(struct cli_call *call)
{
    const struct monitor_values *v = call->values;
    struct buf path = BUF_INIT;
    struct errmsg e = {""};
    if (call->n_args > 0) {
        return cli_error("Too many arguments (expected 0, got %d)", call->n_args);
    }
    buf_add_str(&path, "/v1/agent/monitor?loglevel=");
    http_escape_query(&path, slice_str(v->level == NULL ? "info" : v->level));
    buf_add_str(&path, v->json ? "&logjson" : "");
    buf_add_char(&path, '\0');
    int rc = buf_ok(&path) ? http_stream(&call->client, path.p, print_piece, NULL, &e) : E_NOMEM;
    buf_fini(&path);
    if (rc == E_EOF) {
        return cli_error(
            "Remote side ended the monitor! This usually means that the\n"
            "remote side has exited or crashed.");
    }
    return rc == 0 ? 0
                   : cli_error("Error starting monitor: %s", rc == E_NOMEM ? err_text(rc) : e.text);
}

const struct cli_command cli_monitor = {
    .name = "monitor",
    .args = "[options]",
    .synopsis = "Stream logs from an agent",
    .help =
        "Prints the agent's log lines as they come, at a level of its own, until it is "
        "interrupted.",
    .flags = monitor_flags,
    .values_size = sizeof(struct monitor_values),
    .http = true,
    .run = monitor_run,
};
