/* The table of commands, and the way from argv to one of them. */
#include "cli/command.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/suggest.h"

enum { STATUS_UNKNOWN = 127 }; /* what Consul exits with when there is no such command */

const struct cli_command *const cli_commands[] = {
    &cli_agent,
    &cli_catalog_datacenters,
    &cli_catalog_nodes,
    &cli_catalog_services,
    &cli_completion_bash,
    &cli_completion_zsh,
    &cli_event,
    &cli_info,
    &cli_join,
    &cli_keygen,
    &cli_kv_delete,
    &cli_kv_get,
    &cli_kv_put,
    &cli_leave,
    &cli_members,
    &cli_monitor,
    &cli_operator_autopilot_get_config,
    &cli_operator_autopilot_set_config,
    &cli_operator_autopilot_state,
    &cli_operator_raft_list_peers,
    &cli_reload,
    &cli_rtt,
    &cli_services_deregister,
    &cli_services_register,
    &cli_snapshot_inspect,
    &cli_snapshot_restore,
    &cli_snapshot_save,
    &cli_validate,
    &cli_version,
};
const size_t cli_commands_count = sizeof cli_commands / sizeof cli_commands[0];

const struct cli_group cli_groups[] = {
    {"catalog", "Interact with the catalog"},
    {"completion", "Print a completion script for a shell"},
    {"kv", "Interact with the key-value store"},
    {"operator", "Provides cluster-level tools for operators"},
    {"services", "Interact with services"},
    {"snapshot", "Saves, restores and inspects snapshots of Consul server state"},
};
const size_t cli_groups_count = sizeof cli_groups / sizeof cli_groups[0];

int cli_print(const struct buf *out)
{
    if (!buf_ok(out)) {
        return cli_error("%s", err_text(E_NOMEM));
    }
    bool ok = fwrite(out->p, 1, out->len, stdout) == out->len;
    ok = fflush(stdout) == 0 && ok;
    return ok ? 0 : cli_error("cannot write to standard output");
}

int cli_error(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)vfprintf(stderr, fmt, ap); /* nowhere is left to report a failure */
    va_end(ap);
    (void)fputc('\n', stderr);
    return 1;
}

static bool is_help(const char *word)
{
    return strcmp(word, "-h") == 0 || strcmp(word, "-help") == 0 || strcmp(word, "--help") == 0 ||
           strcmp(word, "help") == 0;
}

static bool is_version(const char *word)
{
    return strcmp(word, "-v") == 0 || strcmp(word, "-version") == 0 ||
           strcmp(word, "--version") == 0;
}

/* Usage text to standard error, without its last newline, which cli_error() adds. */
static void print_usage_error(const struct buf *out)
{
    size_t n = out->len > 0 && out->p[out->len - 1] == '\n' ? out->len - 1 : out->len;
    (void)cli_error("%.*s", (int)n, out->p); /* the caller's status says more */
}

/* How many words of argv the command's name takes; 0 when it is another command. */
static int match(const char *name, int argc, char **argv)
{
    int words = 0;
    for (;; words++) {
        size_t n = strcspn(name, " ");
        if (words == argc || strlen(argv[words]) != n || memcmp(argv[words], name, n) != 0) {
            return 0;
        }
        if (name[n] == '\0') {
            return words + 1;
        }
        name += n + 1;
    }
}

static const struct cli_group *find_group(const char *word)
{
    for (size_t i = 0; i < cli_groups_count; i++) {
        if (strcmp(cli_groups[i].name, word) == 0) {
            return &cli_groups[i];
        }
    }
    return NULL;
}

static void add_row(struct buf *out, const char *name, const char *synopsis)
{
    buf_printf(out, "    %-14s %s\n", name, synopsis);
}

static void top_usage(struct buf *out, const char *program)
{
    buf_printf(out,
               "Usage: %s [--version] [--help] <command> [<args>]\n\nAvailable commands are:\n",
               program);
    const struct cli_group *last = NULL;
    for (size_t i = 0; i < cli_commands_count; i++) {
        const struct cli_command *cmd = cli_commands[i];
        const char *space = strchr(cmd->name, ' ');
        if (space == NULL) {
            add_row(out, cmd->name, cmd->synopsis);
            continue;
        }
        char word[32];
        (void)snprintf(word, sizeof word, "%.*s", (int)(space - cmd->name), cmd->name);
        const struct cli_group *group = find_group(word);
        if (group != NULL && group != last) {
            add_row(out, group->name, group->synopsis);
            last = group;
        }
    }
    buf_printf(out, "\nRun `%s <command> --help` to see what a command does and takes.\n", program);
}

static void group_usage(struct buf *out, const char *program, const struct cli_group *group)
{
    size_t n = strlen(group->name);
    buf_printf(out, "Usage: %s %s <subcommand> [options] [args]\n\n  %s.\n\nSubcommands:\n",
               program, group->name, group->synopsis);
    for (size_t i = 0; i < cli_commands_count; i++) {
        const struct cli_command *cmd = cli_commands[i];
        if (strncmp(cmd->name, group->name, n) == 0 && cmd->name[n] == ' ') {
            add_row(out, cmd->name + n + 1, cmd->synopsis);
        }
    }
}

/* The flag groups of a command; returns how many of the three there are. */
static size_t flag_groups(const struct cli_command *cmd,
                          void *values,
                          struct http_flag_values *http,
                          struct flag_group out[3])
{
    size_t n = 0;
    if (cmd->flags != NULL) {
        out[n++] = (struct flag_group){"Command Options", cmd->flags, values};
    }
    if (cmd->http) {
        out[n++] = (struct flag_group){"HTTP API Options", http_client_flags, http};
    }
    if (cmd->query) {
        out[n++] = (struct flag_group){"Query Options", http_query_flags, http};
    }
    return n;
}

void cli_command_usage(struct buf *out, const char *program, const struct cli_command *cmd)
{
    struct flag_group groups[3];
    size_t n = flag_groups(cmd, NULL, NULL, groups);
    buf_printf(out, "Usage: %s %s %s\n\n", program, cmd->name, cmd->args);
    flags_wrap(out, cmd->help, 2);
    flags_usage(out, groups, n);
}

static int unknown_command(const char *program, int argc, char **argv)
{
    struct buf out = BUF_INIT;
    const struct cli_group *group = find_group(argv[0]);
    struct suggest s = suggest_for(group != NULL && argc > 1 ? argv[1] : argv[0]);
    size_t skip = group == NULL ? 0 : strlen(group->name) + 1;
    for (size_t i = 0; i < cli_commands_count; i++) {
        const char *name = cli_commands[i]->name;
        if (group == NULL || (strncmp(name, group->name, skip - 1) == 0 && name[skip - 1] == ' ')) {
            suggest_try(&s, name + skip);
        }
    }
    for (size_t i = 0; group == NULL && i < cli_groups_count; i++) {
        suggest_try(&s, cli_groups[i].name);
    }
    if (group == NULL) {
        buf_printf(&out, "Unknown command: %s\n", argv[0]);
        if (s.best == NULL) {
            top_usage(&out, program);
        } else {
            buf_printf(&out, "Did you mean `%s %s`?\n", program, s.best);
        }
    } else if (s.best != NULL && argc > 1) {
        buf_printf(&out, "Unknown command: %s %s\nDid you mean `%s %s %s`?\n", argv[0], argv[1],
                   program, argv[0], s.best);
    } else {
        group_usage(&out, program, group);
    }
    print_usage_error(&out);
    buf_fini(&out);
    return group == NULL ? STATUS_UNKNOWN : 1;
}

static int show_help(const char *program, int argc, char **argv)
{
    struct buf out = BUF_INIT;
    const struct cli_group *group = argc > 0 ? find_group(argv[0]) : NULL;
    if (group != NULL) {
        group_usage(&out, program, group);
    } else {
        top_usage(&out, program);
    }
    int rc = cli_print(&out);
    buf_fini(&out);
    return rc;
}

static int run_command(const char *program, const struct cli_command *cmd, int argc, char **argv)
{
    struct http_flag_values http = {0};
    struct cli_call call = {.command = cmd, .program = program};
    struct flag_group groups[3];
    struct errmsg e = {""};
    call.values = calloc(1, cmd->values_size + 1);
    if (call.values == NULL) {
        return cli_error("%s", err_text(E_NOMEM));
    }
    size_t n = flag_groups(cmd, call.values, &http, groups);
    int rest = 0;
    int rc = flags_parse(groups, n, argc, argv, &rest, &e);
    int status = 1;
    if (rc == FLAGS_HELP) {
        struct buf out = BUF_INIT;
        cli_command_usage(&out, program, cmd);
        status = cli_print(&out);
        buf_fini(&out);
    } else if (rc != 0) {
        (void)cli_error("%s\nRun `%s %s --help` for its flags.", e.text, program, cmd->name);
    } else if (cmd->http && http_client_init(&call.client, &http, &e) != 0) {
        (void)cli_error("Error connecting to the agent: %s", e.text);
    } else {
        call.args = argv + rest;
        call.n_args = argc - rest;
        status = cmd->run(&call);
        http_client_fini(&call.client);
    }
    flags_fini(groups, n);
    free(call.values);
    return status;
}

int cli_run(int argc, char **argv)
{
    const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
    const char *program = argc == 0 ? "rollcall" : slash == NULL ? argv[0] : slash + 1;
    argc -= argc > 0 ? 1 : 0;
    argv++;
    if (argc == 0) {
        struct buf out = BUF_INIT;
        top_usage(&out, program);
        print_usage_error(&out);
        buf_fini(&out);
        return STATUS_UNKNOWN;
    }
    if (is_version(argv[0])) {
        return run_command(program, &cli_version, 0, argv);
    }
    if (is_help(argv[0]) && argc == 1) {
        return show_help(program, 0, NULL);
    }
    bool help_first = is_help(argv[0]); /* help kv get = kv get --help */
    argc -= help_first ? 1 : 0;
    argv += help_first ? 1 : 0;
    for (size_t i = 0; i < cli_commands_count; i++) {
        int words = match(cli_commands[i]->name, argc, argv);
        if (words > 0) {
            char ask[] = "-help";
            char *help[] = {ask, NULL};
            return help_first ? run_command(program, cli_commands[i], 1, help)
                              : run_command(program, cli_commands[i], argc - words, argv + words);
        }
    }
    if (help_first || (argc == 2 && is_help(argv[1]) && find_group(argv[0]) != NULL)) {
        return show_help(program, argc, argv);
    }
    return unknown_command(program, argc, argv);
}
