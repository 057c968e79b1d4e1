/* Log entries from a damaged disk or a hostile peer: decoding reads nothing outside of them, and
 * what decodes encodes to the same bytes again. */
#include <assert.h>
#include <stdlib.h>

#include "base/err.h"
#include "registry/command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CHECKS = 16 };

static void walk(struct reg_list l)
{
    struct rd it = reg_list_iter(l);
    struct slice s;
    size_t sum = 0;
    while (reg_list_next(&it, &s)) {
        for (size_t i = 0; i < s.len; i++) {
            sum += (unsigned char)s.p[i];
        }
    }
    (void)reg_list_valid(l);
    (void)sum;
}

static void try_register(struct slice body, struct buf *again)
{
    struct reg_register c;
    struct reg_check checks[CHECKS];
    if (reg_register_decode(body, &c, checks, CHECKS) != 0) {
        return;
    }
    walk(c.node.meta);
    walk(c.node.tagged);
    for (unsigned i = 0; i < c.n_checks; i++) {
        walk(checks[i].service_tags);
        walk(checks[i].probe.header);
    }
    if ((c.flags & REG_REG_SERVICE) != 0) {
        walk(c.service.tags);
    }
    reg_command_register(again, &c);
}

static void try_one(uint8_t type, struct slice body)
{
    struct buf again = BUF_INIT;
    struct reg_deregister dereg;
    struct reg_check_status status;
    struct reg_kv_op kv;
    struct reg_session_op session;
    struct reg_restore restore;
    switch (type) {
        case REG_CMD_REGISTER:
            try_register(body, &again);
            break;
        case REG_CMD_DEREGISTER:
            if (reg_deregister_decode(body, &dereg) == 0) {
                reg_command_deregister(&again, &dereg);
            }
            break;
        case REG_CMD_CHECK_STATUS:
            if (reg_check_status_decode(body, &status) == 0) {
                reg_command_check_status(&again, &status);
            }
            break;
        case REG_CMD_KV:
            if (reg_kv_op_decode(body, &kv) == 0) {
                reg_command_kv(&again, &kv);
            }
            break;
        case REG_CMD_SESSION:
            if (reg_session_op_decode(body, &session) == 0) {
                walk(session.session.node_checks);
                walk(session.session.service_checks);
                reg_command_session(&again, &session);
            }
            break;
        case REG_CMD_RESTORE_BEGIN:
        case REG_CMD_RESTORE_ROWS:
        case REG_CMD_RESTORE_END:
            if (reg_restore_decode(body, &restore) == 0) {
                reg_command_restore(&again, (enum reg_command_type)type, &restore);
            }
            break;
        case REG_CMD_TXN: {
            struct reg_kv_op ops[REG_TXN_OPS_MAX];
            struct reg_txn txn;
            if (reg_txn_decode(body, &txn, ops) == 0) {
                reg_command_txn(&again, &txn);
            }
            break;
        }
        default:
            break;
    }
    /* 4 bytes of length and 1 of type come before the body; booleans are normalised, so only the
     * size must agree */
    assert(again.len == 0 || !buf_ok(&again) || again.len == body.len + 5);
    buf_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reg_batch batch;
    uint8_t type;
    struct slice body;
    if (reg_batch_open(slice_of((const char *)data, size), &batch) == 0) {
        while (reg_batch_next(&batch, &type, &body) == 0) {
            try_one(type, body);
        }
    }
    return 0;
}
