/* The small commands: info, keygen, leave, version. */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/rand.h"
#include "cli/answer.h"
#include "cli/command.h"
#include "cli/version.h"

static int print(const char *text)
{
    struct buf out = BUF_INIT;
    buf_add_str(&out, text);
    int rc = cli_print(&out);
    buf_fini(&out);
    return rc;
}

static int no_arguments(const struct cli_call *call)
{
    return call->n_args == 0 ? 0
                             : cli_error("Too many arguments (expected 0, got %d)", call->n_args);
}

static int info_run(struct cli_call *call)
{
    struct errmsg e;
    json_t *root = NULL;
    if (no_arguments(call) != 0) {
        return 1;
    }
    if (answer_get(&call->client, "/v1/agent/self", &root, &e) != 0) {
        return cli_error("Error querying agent: %s", e.text);
    }
    struct buf out = BUF_INIT;
    const json_t *stats = json_object_get(root, "Stats");
    size_t n;
    const char **sections = answer_sorted(stats, &n);
    for (size_t i = 0; i < n; i++) {
        const json_t *section = json_object_get(stats, sections[i]);
        size_t m;
        const char **keys = answer_sorted(section, &m);
        buf_printf(&out, "%s:\n", sections[i]);
        for (size_t j = 0; j < m; j++) {
            buf_printf(&out, "\t%s = %s\n", keys[j], answer_str(section, keys[j]));
        }
        free(keys);
    }
    free(sections);
    int status = cli_print(&out);
    buf_fini(&out);
    json_decref(root);
    return status;
}

const struct cli_command cli_info = {
    .name = "info",
    .args = "[options]",
    .synopsis = "Provides debugging information for operators.",
    .help = "Prints the agent's figures, section by section.",
    .http = true,
    .run = info_run,
};

static int keygen_run(struct cli_call *call)
{
    unsigned char key[32];
    unsigned char text[48];
    if (no_arguments(call) != 0) {
        return 1;
    }
    rand_bytes(key, sizeof key);
    int n = EVP_EncodeBlock(text, key, sizeof key);
    struct buf out = BUF_INIT;
    buf_add(&out, text, (size_t)n);
    buf_add_char(&out, '\n');
    int status = cli_print(&out);
    buf_fini(&out);
    return status;
}

const struct cli_command cli_keygen = {
    .name = "keygen",
    .args = "",
    .synopsis = "Generates a new encryption key",
    .help = "Prints a new random key of 32 bytes in base64, for the setting `encrypt`.",
    .run = keygen_run,
};

static int leave_run(struct cli_call *call)
{
    struct http_answer a;
    struct errmsg e;
    if (no_arguments(call) != 0) {
        return 1;
    }
    if (http_call_ok(&call->client, "PUT", "/v1/agent/leave", slice_str(""), &a, &e) != 0) {
        return cli_error("Error leaving: %s", e.text);
    }
    buf_fini(&a.body);
    return print("Graceful leave complete\n");
}

const struct cli_command cli_leave = {
    .name = "leave",
    .args = "[options]",
    .synopsis = "Gracefully leaves the cluster and shuts down",
    .help = "Ends the agent in an orderly way.",
    .http = true,
    .run = leave_run,
};

struct version_values {
    const char *format;
};

static const struct flag version_flags[] = {
    {"format", FLAG_STRING, offsetof(struct version_values, format), "pretty|json",
     "How to print it."},
    {NULL, FLAG_BOOL, 0, NULL, NULL},
};

static int version_run(struct cli_call *call)
{
    const struct version_values *v = call->values;
    const char *format = v->format == NULL ? "pretty" : v->format;
    if (no_arguments(call) != 0) {
        return 1;
    }
    if (strcmp(format, "json") == 0) {
        return print("{\n    \"Version\": \"" CONSUL_VERSION
                     "\",\n    \"Revision\": \"" ROLLCALL_REVISION
                     "\",\n    \"Prerelease\": \"\",\n    \"BuildDate\": \"" ROLLCALL_BUILD_DATE
                     "\",\n    \"RPC\": {\n        \"Default\": 2,\n        \"Min\": 2,\n"
                     "        \"Max\": 3\n    },\n    \"Rollcall\": \"" ROLLCALL_VERSION "\"\n}\n");
    }
    if (strcmp(format, "pretty") != 0) {
        return cli_error("Unknown format: %s (use pretty or json)", format);
    }
    /* Scripts that call a binary named consul read its version from the first line. */
    bool consul = strcmp(call->program, "consul") == 0;
    return print(consul ? "Consul v" CONSUL_VERSION "\nRollcall v" ROLLCALL_VERSION
                          "\nRevision " ROLLCALL_REVISION "\nBuild Date " ROLLCALL_BUILD_DATE "\n"
                        : "Rollcall v" ROLLCALL_VERSION "\nRevision " ROLLCALL_REVISION
                          "\nBuild Date " ROLLCALL_BUILD_DATE
                          "\nSpeaks the HTTP API and DNS of Consul v" CONSUL_VERSION "\n");
}

const struct cli_command cli_version = {
    .name = "version",
    .args = "[options]",
    .synopsis = "Prints the version",
    .help = "Prints which version this is, and which version of Consul it speaks for.",
    .flags = version_flags,
    .values_size = sizeof(struct version_values),
    .run = version_run,
};
