/* Ids stand in one array, METHODS for each route. A level is told as its difference to what was
 * told before, so that the loops' figures add up. */
#include "api/measure.h"

#include <stdio.h>
#include <stdlib.h>

#include "api/router.h"
#include "base/metrics.h"

enum { METHODS = 4, COMMAND_HEAD = 5, COMMAND_TYPES = REG_CMD_KV + 1 };

struct measure {
    const struct api_route *routes;
    unsigned commands[COMMAND_TYPES];
    unsigned blocking;
    unsigned connections;
    uint64_t told_blocking;
    uint64_t told_connections;
    unsigned ids[];
};

static const struct {
    enum api_method method;
    const char *text;
} methods[METHODS] = {{API_GET, "GET"},
                      {API_PUT, "PUT"},
                      {API_POST, "POST"},
                      {API_DELETE, "DELETE"}};

static unsigned declare_route(const struct api_route *route, const char *method)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s", route->pattern + 1); /* patterns are short literals */
    for (char *p = path; *p != '\0'; p++) {
        *p = *p == '/' ? '_' : *p;
    }
    return metrics_declare(&(struct metric_spec){
        .kind = METRIC_SUMMARY,
        .name = "consul.api.http",
        .help = "Milliseconds to answer HTTP requests, waiting for a change included.",
        .labels = {{"method", method}, {"path", path}},
    });
}

static unsigned declare(enum metric_kind kind, const char *name, const char *help)
{
    return metrics_declare(&(struct metric_spec){.kind = kind, .name = name, .help = help});
}

struct measure *measure_new(const struct api_route *routes, unsigned n)
{
    struct measure *m = calloc(1, sizeof *m + (size_t)n * METHODS * sizeof m->ids[0]);
    if (m == NULL) {
        return NULL;
    }
    m->routes = routes;
    for (unsigned i = 0; i < n; i++) {
        for (unsigned k = 0; k < METHODS; k++) {
            bool has = (route_methods(&routes[i]) & (unsigned)methods[k].method) != 0;
            m->ids[i * METHODS + k] = has ? declare_route(&routes[i], methods[k].text) : 0;
        }
    }
    m->commands[REG_CMD_REGISTER] =
        declare(METRIC_SUMMARY, "consul.catalog.register",
                "Milliseconds from proposing a registration to its being applied.");
    m->commands[REG_CMD_DEREGISTER] =
        declare(METRIC_SUMMARY, "consul.catalog.deregister",
                "Milliseconds from proposing a deregistration to its being applied.");
    m->commands[REG_CMD_KV] =
        declare(METRIC_SUMMARY, "consul.kvs.apply",
                "Milliseconds from proposing a KV write to its being applied.");
    m->blocking =
        declare(METRIC_GAUGE, "consul.rpc.queries_blocking", "Blocking queries that wait.");
    m->connections = declare(METRIC_GAUGE, "rollcall.http.connections", "Open HTTP connections.");
    return m;
}

void measure_free(struct measure *m)
{
    free(m);
}

unsigned measure_request(const struct measure *m,
                         const struct api_route *route,
                         enum api_method method)
{
    for (size_t k = 0; k < METHODS; k++) {
        if (methods[k].method == method) {
            return m->ids[(size_t)(route - m->routes) * METHODS + k];
        }
    }
    return 0;
}

unsigned measure_command(const struct measure *m, struct slice command)
{
    unsigned type = command.len < COMMAND_HEAD ? 0 : (unsigned char)command.p[COMMAND_HEAD - 1];
    return type < COMMAND_TYPES ? m->commands[type] : 0;
}

void measure_levels(struct measure *m, uint64_t parked, uint64_t connections)
{
    metrics_gauge_add(m->blocking, (int64_t)(parked - m->told_blocking));
    metrics_gauge_add(m->connections, (int64_t)(connections - m->told_connections));
    m->told_blocking = parked;
    m->told_connections = connections;
}
