/* Services first, then checks, which may hang on them; then the services and at last the checks
 * that vanished are collected in one look at the store and deregistered. Nothing is proposed that
 * the store holds already, so that an ordinary restart writes nothing. */
#include "cli/definitions_sync.h"

#include <stdlib.h>
#include <string.h>

#include "cli/propose.h"
#include "registry/query.h"

struct sync {
    const struct definitions *all;
    struct slice node;
    struct reg_reader *reader;
    struct reg_proposer *proposer;
    struct errmsg *e;
};

/* ---- what files define ---- */

/* As it will be stored: a check that exists keeps status and output. */
static bool check_is_stored(const struct sync *s, const struct reg_check *c)
{
    struct reg_check was;
    struct reg_service service;
    struct reg_check now = *c;
    if (!reg_check_find(s->reader, s->node, c->check_id, &was)) {
        return false;
    }
    now.node = was.node;
    now.status = was.status;
    now.output = was.output;
    if (c->service_id.len > 0 && reg_service_find(s->reader, s->node, c->service_id, &service)) {
        now.service_name = service.name;
        now.service_tags = service.tags;
    }
    return reg_check_same(&now, &was);
}

static bool is_stored(const struct sync *s, const struct definition *d)
{
    bool same = true;
    reg_read_begin(s->reader);
    if (d->service_body != NULL) {
        struct reg_service was;
        struct reg_service now = d->service;
        same = reg_service_find(s->reader, s->node, d->service.id, &was);
        now.node = was.node;
        same = same && reg_service_same(&now, &was);
    }
    for (unsigned i = 0; same && i < d->n_checks; i++) {
        same = check_is_stored(s, &d->checks[i]);
    }
    reg_read_end(s->reader);
    return same;
}

static int put(const struct sync *s, const struct definition *d)
{
    bool service = d->service_body != NULL;
    struct slice id = service ? d->service.id : d->checks[0].check_id;
    struct buf cmd = BUF_INIT;
    const struct reg_register r = {
        .flags =
            REG_REG_KEEP_STATUS | (service ? (unsigned)REG_REG_SERVICE : REG_REG_CHECK_SERVICE),
        .node.name = s->node,
        .service = d->service,
        .checks = d->checks,
        .n_checks = d->n_checks,
    };
    reg_command_register(&cmd, &r);
    int rc = propose_and_wait(s->proposer, &cmd, NULL, s->e);
    buf_fini(&cmd);
    if (rc != 0) {
        err_prefix(s->e, "%s", d->origin);
        return rc;
    }
    log_info("agent", service ? "Synced service: service=%.*s" : "Synced check: check=%.*s",
             (int)id.len, id.p);
    return 0;
}

/* Does a later definition have the id of @items[@at]? */
static bool is_overridden(const struct definitions *all, size_t at)
{
    const struct definition *d = &all->items[at];
    for (size_t i = at + 1; i < all->n; i++) {
        const struct definition *o = &all->items[i];
        if (d->service_body != NULL && o->service_body != NULL &&
            slice_eq(d->service.id, o->service.id)) {
            return true;
        }
        if (d->check_body != NULL && o->check_body != NULL &&
            slice_eq(d->checks[0].check_id, o->checks[0].check_id)) {
            return true;
        }
    }
    return false;
}

static int put_all(const struct sync *s, bool services)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < s->all->n; i++) {
        const struct definition *d = &s->all->items[i];
        if ((d->service_body != NULL) == services && !is_overridden(s->all, i) &&
            !is_stored(s, d)) {
            rc = put(s, d);
        }
    }
    return rc;
}

/* ---- what they define no more ---- */

static bool defines_service(const struct definitions *all, struct slice id)
{
    for (size_t i = 0; i < all->n; i++) {
        if (all->items[i].service_body != NULL && slice_eq(all->items[i].service.id, id)) {
            return true;
        }
    }
    return false;
}

static bool defines_check(const struct definitions *all, struct slice id)
{
    for (size_t i = 0; i < all->n; i++) {
        const struct definition *d = &all->items[i];
        for (unsigned k = 0; k < d->n_checks; k++) {
            if (slice_eq(d->checks[k].check_id, id) && !is_overridden(all, i)) {
                return true;
            }
        }
    }
    return false;
}

/* The ids of records from files that no file defines, packed in @out. */
static void collect(const struct sync *s, bool services, struct buf *out)
{
    struct reg_iter it;
    struct reg_service service;
    struct reg_check check;
    reg_read_begin(s->reader);
    if (services) {
        reg_node_services(s->reader, &it, s->node);
        while (reg_node_services_next(&it, &service)) {
            if (service.origin == REG_ORIGIN_FILE && !defines_service(s->all, service.id)) {
                buf_put_bytes(out, service.id);
            }
        }
    } else {
        reg_node_checks(s->reader, &it, s->node);
        while (reg_checks_next(&it, &check)) {
            if (check.origin == REG_ORIGIN_FILE && !defines_check(s->all, check.check_id)) {
                buf_put_bytes(out, check.check_id);
            }
        }
    }
    reg_iter_end(&it);
    reg_read_end(s->reader);
}

static int drop_all(const struct sync *s, bool services)
{
    struct buf ids = BUF_INIT;
    collect(s, services, &ids);
    int rc = buf_ok(&ids) ? 0 : err_set(s->e, E_NOMEM, "%s", err_text(E_NOMEM));
    struct rd r = rd_of(buf_slice(&ids));
    while (rc == 0 && rd_left(&r) > 0) {
        struct slice id = rd_bytes(&r);
        struct buf cmd = BUF_INIT;
        const struct reg_deregister d = {
            .node = s->node,
            .service_id = services ? id : slice_of(NULL, 0),
            .check_id = services ? slice_of(NULL, 0) : id,
        };
        reg_command_deregister(&cmd, &d);
        rc = propose_and_wait(s->proposer, &cmd, NULL, s->e);
        buf_fini(&cmd);
        if (rc == 0) {
            log_info(
                "agent",
                services ? "Deregistered service: service=%.*s" : "Deregistered check: check=%.*s",
                (int)id.len, id.p);
        }
    }
    buf_fini(&ids);
    return rc;
}

int definitions_sync(const struct config *c,
                     const char *node,
                     struct reg *store,
                     struct reg_proposer *proposer,
                     struct errmsg *e)
{
    struct sync s = {.all = &c->definitions, .node = slice_str(node), .proposer = proposer, .e = e};
    int rc = reg_reader_open(store, NULL, NULL, &s.reader);
    if (rc != 0) {
        return err_set(e, rc, "cannot open a reader of the store: %s", err_text(rc));
    }
    rc = put_all(&s, true);
    rc = rc == 0 ? put_all(&s, false) : rc;
    rc = rc == 0 ? drop_all(&s, true) : rc;
    rc = rc == 0 ? drop_all(&s, false) : rc;
    reg_reader_close(s.reader);
    return rc;
}
