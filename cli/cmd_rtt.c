/* rtt: the estimated round-trip time between two nodes. */
#include <jansson.h>
#include <string.h>

#include "cli/answer.h"
#include "cli/command.h"
#include "registry/coord.h"

struct rtt_values {
    bool wan;
};

static const struct flag rtt_flags[] = {
    {"wan", FLAG_BOOL, offsetof(struct rtt_values, wan), NULL,
     "Use the coordinates of servers; nodes are named NODE.DATACENTER."},
    {NULL, FLAG_BOOL, 0, NULL, NULL},
};

/* Take in what the API shows; what it leaves out is 0. */
static void read_coordinate(const json_t *entry, struct reg_coord *c)
{
    const json_t *coord = json_object_get(entry, "Coord");
    const json_t *vec = json_object_get(coord, "Vec");
    *c = (struct reg_coord){
        .error = json_number_value(json_object_get(coord, "Error")),
        .adjustment = json_number_value(json_object_get(coord, "Adjustment")),
        .height = json_number_value(json_object_get(coord, "Height")),
    };
    for (size_t i = 0; i < REG_COORD_DIMENSIONS; i++) {
        c->vec[i] = json_number_value(json_array_get(vec, i));
    }
}

static bool find_in(const json_t *list, const char *node, struct reg_coord *c)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i);
        if (strcmp(answer_str(entry, "Node"), node) == 0) {
            read_coordinate(entry, c);
            return true;
        }
    }
    return false;
}

/* @root: what coordinate/nodes or, with @wan, coordinate/datacenters answers. */
static bool find_node(const json_t *root, bool wan, const char *node, struct reg_coord *c)
{
    if (!wan) {
        return find_in(root, node, c);
    }
    for (size_t i = 0; i < json_array_size(root); i++) {
        const json_t *dc = json_array_get(root, i);
        if (strcmp(answer_str(dc, "AreaID"), "wan") == 0 &&
            find_in(json_object_get(dc, "Coordinates"), node, c)) {
            return true;
        }
    }
    return false;
}

static int print_estimate(const json_t *root, bool wan, const char *a, const char *b)
{
    struct reg_coord from;
    struct reg_coord to;
    if (!find_node(root, wan, a, &from)) {
        return cli_error("Could not find a coordinate for node \"%s\"", a);
    }
    if (!find_node(root, wan, b, &to)) {
        return cli_error("Could not find a coordinate for node \"%s\"", b);
    }
    struct buf out = BUF_INIT;
    buf_printf(&out, "Estimated %s <-> %s rtt: %.3f ms (using %s coordinates)\n", a, b,
               reg_coord_distance(&from, &to) * 1000, wan ? "WAN" : "LAN");
    int status = cli_print(&out);
    buf_fini(&out);
    return status;
}

static int rtt_run(struct cli_call *call)
{
    const struct rtt_values *v = call->values;
    struct errmsg e;
    json_t *self = NULL;
    json_t *root = NULL;
    if (call->n_args != 1 && call->n_args != 2) {
        return cli_error("One or two node names must be specified");
    }
    struct buf second = BUF_INIT; /* the agent's own node when it is not given */
    if (call->n_args == 2) {
        buf_add_str(&second, call->args[1]);
    } else if (answer_get(&call->client, "/v1/agent/self", &self, &e) == 0) {
        const json_t *config = json_object_get(self, "Config");
        buf_add_str(&second, answer_str(config, "NodeName"));
        if (v->wan) {
            buf_printf(&second, ".%s", answer_str(config, "Datacenter"));
        }
    } else {
        return cli_error("Unable to look up agent info: %s", e.text);
    }
    buf_add_char(&second, '\0');
    int status = 1;
    const char *path = v->wan ? "/v1/coordinate/datacenters" : "/v1/coordinate/nodes";
    if (!buf_ok(&second)) {
        (void)cli_error("%s", err_text(E_NOMEM));
    } else if (answer_get(&call->client, path, &root, &e) != 0) {
        (void)cli_error("Error getting coordinates: %s", e.text);
    } else {
        status = print_estimate(root, v->wan, call->args[0], second.p);
    }
    buf_fini(&second);
    json_decref(self);
    json_decref(root);
    return status;
}

const struct cli_command cli_rtt = {
    .name = "rtt",
    .args = "[options] NODE1 [NODE2]",
    .synopsis = "Estimates network round trip time between nodes",
    .help =
        "Estimates the round-trip time between two nodes from their coordinates; the second\n"
        "is the agent's own node if it is left out.",
    .flags = rtt_flags,
    .values_size = sizeof(struct rtt_values),
    .http = true,
    .run = rtt_run,
};
