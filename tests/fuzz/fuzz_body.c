/* Request bodies and filters: whatever the bytes, decoding ends, stays in bounds, and what it
 * accepts can be turned into commands that decode again. The first byte picks what the rest is. */
#include <assert.h>
#include <stdint.h>

#include "api/define.h"
#include "api/filter_types.h"
#include "registry/command.h"
#include "tests/unit/api_memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Encode and decode again: the command reader must take what the definitions let through. */
static void round_trip(const struct reg_register *c)
{
    static struct reg_check checks[1024];
    struct buf batch = BUF_INIT;
    struct reg_batch b;
    struct reg_register back;
    uint8_t type;
    struct slice body;
    reg_batch_begin(&batch, 1);
    reg_command_register(&batch, c);
    reg_batch_end(&batch, 1);
    assert(buf_ok(&batch));
    int rc = reg_batch_open(buf_slice(&batch), &b);
    assert(rc == 0);
    rc = reg_batch_next(&b, &type, &body);
    assert(rc == 0 && type == REG_CMD_REGISTER);
    rc = reg_register_decode(body, &back, checks, 1024);
    assert(rc == 0 && back.n_checks == c->n_checks);
    buf_fini(&batch);
}

static void agent_service(const struct decode_memory *m, struct slice body)
{
    struct define_service *d = m->alloc(m->arg, sizeof *d);
    struct define_rules rules = {.scripts = true};
    struct define_error e;
    struct reg_check *checks = NULL;
    struct reg_register c = {.flags = REG_REG_SERVICE, .node.name = SLICE_LIT("n")};
    if (decode_body(m, body, &define_service_body, d, &e.text) == 0 &&
        define_agent_service(m, &rules, d, &c.service, &checks, &c.n_checks, &e) == 0) {
        c.checks = checks;
        round_trip(&c);
    }
}

static void agent_check(const struct decode_memory *m, struct slice body)
{
    struct define_check *d = m->alloc(m->arg, sizeof *d);
    struct define_rules rules = {.scripts = true};
    struct define_error e;
    struct reg_check check;
    if (decode_body(m, body, &define_check_body, d, &e.text) == 0 &&
        define_agent_check(m, &rules, d, &check, &e) == 0) {
        round_trip(
            &(struct reg_register){.node.name = SLICE_LIT("n"), .checks = &check, .n_checks = 1});
    }
}

static void catalog(const struct decode_memory *m, struct slice body)
{
    struct define_register *d = m->alloc(m->arg, sizeof *d);
    struct define_error e;
    struct reg_check check;
    struct reg_register c = {.flags = REG_REG_NODE};
    if (decode_body(m, body, &define_register_body, d, &e.text) != 0 ||
        define_catalog_node(d, &c.node, &e) != 0) {
        return;
    }
    if (d->service != NULL && define_catalog_service(m, d->service, d->node, &c.service, &e) == 0) {
        c.flags |= REG_REG_SERVICE;
    }
    if (d->check != NULL && define_catalog_check(m, d->check, d->node, &check, &e) == 0) {
        c.checks = &check;
        c.n_checks = 1;
    }
    round_trip(&c);
}

static void filter(const struct decode_memory *m, struct slice text)
{
    static const struct filter_type *const types[] = {&filter_type_node, &filter_type_service_node,
                                                      &filter_type_check, &filter_type_health};
    static const union {
        struct filter_node node;
        struct filter_service_node service_node;
        struct reg_check check;
        struct filter_health health;
    } zero;
    for (size_t i = 0; i < 4; i++) {
        struct errmsg e;
        const struct filter *f = filter_parse(m, text, types[i], &e);
        if (f != NULL) {
            (void)filter_match(f, &zero); /* every object may be all empty */
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct test_memory t = {NULL};
    struct decode_memory m = test_memory(&t);
    if (size == 0) {
        return 0;
    }
    struct slice rest = slice_of((const char *)data + 1, size - 1);
    switch (data[0] % 4) {
        case 0:
            agent_service(&m, rest);
            break;
        case 1:
            agent_check(&m, rest);
            break;
        case 2:
            catalog(&m, rest);
            break;
        default:
            filter(&m, rest);
            break;
    }
    test_memory_fini(&t);
    return 0;
}
