/* Consul's leader writes these from its gossip membership; here each server writes its own at the
 * start. Texts, meta and tagged addresses: consul-surface.md 3.4. */
#include "cli/self.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/propose.h"
#include "cli/version.h"
#include "registry/query.h"

/* The entries, with the buffers that their lists point into. */
struct entries {
    struct buf node_tagged, node_meta, service_tags, service_meta;
    struct reg_node node;
    struct reg_service service;
    struct reg_check check;
};

struct pair {
    const char *key;
    const char *value;
};

static int by_key(const void *a, const void *b)
{
    const struct pair *x = a;
    const struct pair *y = b;
    return strcmp(x->key, y->key);
}

/* A map of @pairs, which are put in order first. */
static struct reg_list make_map(struct buf *b, struct pair *pairs, size_t n)
{
    struct reg_list_builder lb;
    qsort(pairs, n, sizeof *pairs, by_key);
    reg_list_begin(&lb, b);
    for (size_t i = 0; i < n; i++) {
        reg_list_add(&lb, slice_str(pairs[i].key));
        reg_list_add(&lb, slice_str(pairs[i].value));
    }
    return reg_list_end(&lb);
}

/* Add or replace. */
static void put(struct pair *pairs, size_t *n, const char *key, const char *value)
{
    for (size_t i = 0; i < *n; i++) {
        if (strcmp(pairs[i].key, key) == 0) {
            pairs[i].value = value;
            return;
        }
    }
    pairs[(*n)++] = (struct pair){key, value};
}

/* The configured addresses, then the four that agents publish, which win, as in Consul. */
static int fill_tagged(struct entries *x, const struct self *self)
{
    const struct config_map *own = &self->config->tagged_addresses;
    struct pair *pairs = calloc(own->n + 4, sizeof *pairs);
    if (pairs == NULL) {
        return E_NOMEM;
    }
    bool v6 = strchr(self->address, ':') != NULL;
    size_t n = 0;
    for (size_t i = 0; i < own->n; i++) {
        put(pairs, &n, own->items[i].key, own->items[i].value);
    }
    put(pairs, &n, "lan", self->address);
    put(pairs, &n, v6 ? "lan_ipv6" : "lan_ipv4", self->address);
    put(pairs, &n, "wan", self->address);
    put(pairs, &n, v6 ? "wan_ipv6" : "wan_ipv4", self->address);
    x->node.tagged = make_map(&x->node_tagged, pairs, n);
    free(pairs);
    return 0;
}

static int fill_meta(struct entries *x, const struct self *self)
{
    const struct config_map *own = &self->config->node_meta;
    struct pair *pairs = calloc(own->n + 2, sizeof *pairs);
    if (pairs == NULL) {
        return E_NOMEM;
    }
    size_t n = 0;
    put(pairs, &n, "consul-network-segment", "");
    put(pairs, &n, "consul-version", CONSUL_VERSION);
    for (size_t i = 0; i < own->n; i++) {
        put(pairs, &n, own->items[i].key, own->items[i].value);
    }
    x->node.meta = make_map(&x->node_meta, pairs, n);
    free(pairs);
    return 0;
}

static void fill_service(struct entries *x, const struct self *self)
{
    struct pair meta[] = {
        {"non_voter", "false"},         {"raft_version", "3"},      {"read_replica", "false"},
        {"serf_protocol_current", "2"}, {"serf_protocol_max", "5"}, {"serf_protocol_min", "1"},
        {"version", CONSUL_VERSION},
    };
    struct reg_list_builder lb;
    reg_list_begin(&lb, &x->service_tags);
    x->service = (struct reg_service){
        .node = slice_str(self->config->node_name),
        .id = SLICE_LIT("consul"),
        .name = SLICE_LIT("consul"),
        .tags = reg_list_end(&lb),
        .meta = make_map(&x->service_meta, meta, sizeof meta / sizeof meta[0]),
        .port = (int32_t)self->config->port_server,
        .weight_passing = 1,
        .weight_warning = 1,
        .origin = REG_ORIGIN_SYSTEM,
    };
}

static int fill(struct entries *x, const struct self *self)
{
    x->node = (struct reg_node){
        .id = slice_str(self->node_id),
        .name = slice_str(self->config->node_name),
        .address = slice_str(self->address),
    };
    int rc = fill_tagged(x, self);
    rc = rc == 0 ? fill_meta(x, self) : rc;
    fill_service(x, self);
    x->check = (struct reg_check){
        .node = slice_str(self->config->node_name),
        .check_id = SLICE_LIT("serfHealth"),
        .name = SLICE_LIT("Serf Health Status"),
        .status = SLICE_LIT("passing"),
        .output = SLICE_LIT("Agent alive and reachable"),
        .origin = REG_ORIGIN_SYSTEM,
    };
    bool ok = buf_ok(&x->node_tagged) && buf_ok(&x->node_meta) && buf_ok(&x->service_tags) &&
              buf_ok(&x->service_meta);
    return rc == 0 && !ok ? E_NOMEM : rc;
}

/* Does the store hold exactly these entries? */
static int is_stored(const struct entries *x, struct reg *store, bool *same)
{
    struct reg_reader *rd;
    struct reg_node n;
    struct reg_service s;
    struct reg_check c;
    int rc = reg_reader_open(store, NULL, NULL, &rd);
    if (rc != 0) {
        return rc;
    }
    reg_read_begin(rd);
    *same = reg_node_find(rd, x->node.name, &n) && reg_node_same(&n, &x->node) &&
            reg_service_find(rd, x->node.name, x->service.id, &s) &&
            reg_service_same(&s, &x->service) &&
            reg_check_find(rd, x->node.name, x->check.check_id, &c) &&
            reg_check_same(&c, &x->check);
    reg_read_end(rd);
    reg_reader_close(rd);
    return 0;
}

int self_register(const struct self *self,
                  struct reg *store,
                  struct reg_proposer *proposer,
                  struct errmsg *e)
{
    struct entries x = {
        .node_tagged = BUF_INIT,
        .node_meta = BUF_INIT,
        .service_tags = BUF_INIT,
        .service_meta = BUF_INIT,
    };
    struct buf cmd = BUF_INIT;
    bool same = false;
    int rc = fill(&x, self);
    rc = rc == 0 ? is_stored(&x, store, &same) : rc;
    if (rc != 0) {
        err_set(e, rc, "%s", err_text(rc));
    } else if (!same) {
        const struct reg_register r = {
            .flags = REG_REG_NODE | REG_REG_SERVICE,
            .node = x.node,
            .service = x.service,
            .checks = &x.check,
            .n_checks = 1,
        };
        reg_command_register(&cmd, &r);
        rc = propose_and_wait(proposer, &cmd, NULL, e);
    }
    if (rc != 0) {
        err_prefix(e, "cannot register this node");
    }
    buf_fini(&cmd);
    buf_fini(&x.node_tagged);
    buf_fini(&x.node_meta);
    buf_fini(&x.service_tags);
    buf_fini(&x.service_meta);
    return rc;
}
