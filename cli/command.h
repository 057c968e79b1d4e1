/* The commands: one static description each, from which dispatch, usage, completion come.
 *
 * A new command needs a description in a cmd_*.c file, a line below and a row in command.c. */
#ifndef CLI_COMMAND_H_
#define CLI_COMMAND_H_

#include <stdbool.h>
#include <stddef.h>

#include "cli/flags.h"
#include "cli/http_client.h"

struct cli_call;

struct cli_command {
    const char *name;         /* "kv get" */
    const char *args;         /* what follows the name in the usage line: "[options] KEY" */
    const char *synopsis;     /* one line for lists */
    const char *help;         /* paragraphs for its own page */
    const struct flag *flags; /* its own; NULL = none */
    size_t values_size;       /* of the struct that they fill */
    bool http;                /* takes the flags of the HTTP client; call->client is ready */
    bool query;               /* takes -datacenter and -stale too */
    int (*run)(struct cli_call *call); /* returns the exit status */
};

/* One run of a command. */
struct cli_call {
    const struct cli_command *command;
    const char *program; /* as it was invoked: "rollcall" or "consul" */
    void *values;        /* the flags' struct, zeroed before parsing */
    struct http_client client;
    char **args; /* what follows the flags */
    int n_args;
};

/* All commands, in the order of their names; a group such as "kv" is the words before the last. */
extern const struct cli_command *const cli_commands[];
extern const size_t cli_commands_count;

struct cli_group {
    const char *name;
    const char *synopsis;
};
extern const struct cli_group cli_groups[];
extern const size_t cli_groups_count;

/* Run the program: find the command, parse its flags, run it. Returns the exit status. */
int cli_run(int argc, char **argv);

/* Append a command's page. */
void cli_command_usage(struct buf *out, const char *program, const struct cli_command *cmd);

/* Write to standard output; returns 0, or 1 when it cannot be written. */
int cli_print(const struct buf *out);
/* Write one line to standard error; returns 1, the exit status of a failed command. */
int cli_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

extern const struct cli_command cli_agent;
extern const struct cli_command cli_catalog_datacenters;
extern const struct cli_command cli_catalog_nodes;
extern const struct cli_command cli_catalog_services;
extern const struct cli_command cli_completion_bash;
extern const struct cli_command cli_completion_zsh;
extern const struct cli_command cli_event;
extern const struct cli_command cli_info;
extern const struct cli_command cli_join;
extern const struct cli_command cli_keygen;
extern const struct cli_command cli_kv_delete;
extern const struct cli_command cli_kv_get;
extern const struct cli_command cli_kv_put;
extern const struct cli_command cli_leave;
extern const struct cli_command cli_members;
extern const struct cli_command cli_monitor;
extern const struct cli_command cli_operator_autopilot_get_config;
extern const struct cli_command cli_operator_autopilot_set_config;
extern const struct cli_command cli_operator_autopilot_state;
extern const struct cli_command cli_operator_raft_list_peers;
extern const struct cli_command cli_reload;
extern const struct cli_command cli_rtt;
extern const struct cli_command cli_services_deregister;
extern const struct cli_command cli_services_register;
extern const struct cli_command cli_snapshot_inspect;
extern const struct cli_command cli_snapshot_restore;
extern const struct cli_command cli_snapshot_save;
extern const struct cli_command cli_validate;
extern const struct cli_command cli_version;

#endif
