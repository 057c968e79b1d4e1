/* completion bash, completion zsh: scripts made from the tables of commands and flags. */
#include <string.h>

#include "cli/command.h"

/* The flags of a command, each as " -name". */
static void add_flags(struct buf *out, const struct flag *flags)
{
    for (const struct flag *f = flags; f != NULL && f->name != NULL; f++) {
        buf_printf(out, " -%s", f->name);
    }
}

static void add_all_flags(struct buf *out, const struct cli_command *cmd)
{
    buf_add_str(out, "-help");
    add_flags(out, cmd->flags);
    add_flags(out, cmd->http ? http_client_flags : NULL);
    add_flags(out, cmd->query ? http_query_flags : NULL);
}

/* The words that may follow @group ("" for the top). */
static void add_words(struct buf *out, const char *group)
{
    size_t n = strlen(group);
    for (size_t i = 0; i < cli_commands_count; i++) {
        const char *name = cli_commands[i]->name;
        if (n == 0 && strchr(name, ' ') == NULL) {
            buf_printf(out, " %s", name);
        } else if (n > 0 && strncmp(name, group, n) == 0 && name[n] == ' ') {
            buf_printf(out, " %s", name + n + 1);
        }
    }
    for (size_t i = 0; n == 0 && i < cli_groups_count; i++) {
        buf_printf(out, " %s", cli_groups[i].name);
    }
}

/* The function that bash calls; zsh runs it too, through bashcompinit. */
static void add_script(struct buf *out)
{
    buf_add_str(out,
                "_rollcall() {\n"
                "    local cur=\"${COMP_WORDS[COMP_CWORD]}\" words=\"\" path=\"\" i\n"
                "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
                "        case \"${COMP_WORDS[i]}\" in\n"
                "        -*) break ;;\n"
                "        *) path=\"$path ${COMP_WORDS[i]}\" ;;\n"
                "        esac\n"
                "    done\n"
                "    case \"$path\" in\n"
                "    '') words=\"");
    add_words(out, "");
    buf_add_str(out, "\" ;;\n");
    for (size_t i = 0; i < cli_groups_count; i++) {
        buf_printf(out, "    ' %s') words=\"", cli_groups[i].name);
        add_words(out, cli_groups[i].name);
        buf_add_str(out, "\" ;;\n");
    }
    for (size_t i = 0; i < cli_commands_count; i++) {
        buf_printf(out, "    ' %s'*) words=\"", cli_commands[i]->name);
        add_all_flags(out, cli_commands[i]);
        buf_add_str(out, "\" ;;\n");
    }
    buf_add_str(out,
                "    esac\n"
                "    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
                "    if [[ -z \"$words\" || ${#COMPREPLY[@]} -eq 0 ]]; then\n"
                "        COMPREPLY=($(compgen -f -- \"$cur\"))\n"
                "    fi\n"
                "}\n");
}

static int print_script(const char *head, const char *tail)
{
    struct buf out = BUF_INIT;
    buf_add_str(&out, head);
    add_script(&out);
    buf_add_str(&out, tail);
    int rc = cli_print(&out);
    buf_fini(&out);
    return rc;
}

static int bash_run(struct cli_call *call)
{
    (void)call;
    return print_script("# Completion for bash: source <(rollcall completion bash)\n",
                        "complete -F _rollcall rollcall\n");
}

const struct cli_command cli_completion_bash = {
    .name = "completion bash",
    .args = "",
    .synopsis = "Print the script for bash",
    .help = "Prints a completion script: source <(rollcall completion bash)",
    .run = bash_run,
};

static int zsh_run(struct cli_call *call)
{
    (void)call;
    return print_script(
        "# Completion for zsh: source <(rollcall completion zsh)\n"
        "autoload -U +X bashcompinit && bashcompinit\n",
        "complete -F _rollcall rollcall\n");
}

const struct cli_command cli_completion_zsh = {
    .name = "completion zsh",
    .args = "",
    .synopsis = "Print the script for zsh",
    .help = "Prints a completion script: source <(rollcall completion zsh)",
    .run = zsh_run,
};
