/* Temporary directories are made by mkdtemp() and removed with all they hold. */
#include "tests/support/store.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void need(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "test store: %s\n", what);
        abort();
    }
}

static void open_store(struct test_store *s)
{
    struct errmsg e;
    const struct reg_options o = {.dir = s->dir, .map_size = (uint64_t)1 << 30};
    if (reg_open(&s->reg, &o, &e) != 0) {
        fprintf(stderr, "test store: %s\n", e.text);
        abort();
    }
    need(reg_reader_open(s->reg, NULL, NULL, &s->rd) == 0, "no reader");
    uint64_t term;
    reg_applied(s->reg, &s->raft_index, &term);
}

void test_store_open(struct test_store *s)
{
    const char *tmp = getenv("TMPDIR");
    (void)snprintf(s->dir, sizeof s->dir, "%s/rollcall-test-XXXXXX",
                   tmp != NULL && strlen(tmp) < 30 ? tmp : "/tmp");
    need(mkdtemp(s->dir) != NULL, "no temporary directory");
    open_store(s);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

void test_store_close(struct test_store *s)
{
    reg_reader_close(s->rd);
    reg_close(s->reg, false);
    (void)nftw(s->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS); /* what is left is in /tmp */
}

void test_store_reopen(struct test_store *s, bool clean)
{
    reg_reader_close(s->rd);
    reg_close(s->reg, clean);
    open_store(s);
}

struct reg_result test_store_apply(struct test_store *s, struct buf *cmd, int64_t wall_ns)
{
    struct buf entry = BUF_INIT;
    struct reg_result result;
    unsigned n;
    reg_batch_begin(&entry, wall_ns);
    buf_add_slice(&entry, buf_slice(cmd));
    reg_batch_end(&entry, 1);
    need(buf_ok(&entry) && buf_ok(cmd), "no memory");
    reg_apply(s->reg, ++s->raft_index, 1, buf_slice(&entry), &result, 1, &n);
    reg_commit(s->reg);
    need(n == 1, "one command gives one result");
    buf_fini(&entry);
    buf_reset(cmd);
    return result;
}

static struct reg_result apply_and_free(struct test_store *s, struct buf *cmd)
{
    struct reg_result r = test_store_apply(s, cmd, 0);
    buf_fini(cmd);
    return r;
}

struct reg_result test_put(struct test_store *s, const char *key, const char *value)
{
    struct buf cmd = BUF_INIT;
    reg_command_kv(&cmd, &(struct reg_kv_op){
                             .verb = REG_KV_SET, .key = slice_str(key), .value = slice_str(value)});
    return apply_and_free(s, &cmd);
}

struct reg_result test_node(struct test_store *s, const char *node, const char *address)
{
    struct buf cmd = BUF_INIT;
    reg_command_register(&cmd, &(struct reg_register){.flags = REG_REG_NODE,
                                                      .node = {.name = slice_str(node),
                                                               .address = slice_str(address)}});
    return apply_and_free(s, &cmd);
}

struct reg_result test_service(struct test_store *s,
                               const char *node,
                               const char *id,
                               const char *name,
                               const char *address,
                               int port,
                               const char *tag,
                               const char *status)
{
    struct buf cmd = BUF_INIT;
    struct buf tags = BUF_INIT;
    struct reg_list_builder lb;
    char check_id[128];
    (void)snprintf(check_id, sizeof check_id, "service:%s", id);
    reg_list_begin(&lb, &tags);
    if (tag != NULL) {
        reg_list_add(&lb, slice_str(tag));
    }
    struct reg_check check = {.check_id = slice_str(check_id),
                              .name = slice_str(check_id),
                              .status = slice_str(status),
                              .service_id = slice_str(id)};
    reg_command_register(&cmd, &(struct reg_register){.flags = REG_REG_SERVICE,
                                                      .node = {.name = slice_str(node)},
                                                      .service = {.id = slice_str(id),
                                                                  .name = slice_str(name),
                                                                  .address = slice_str(address),
                                                                  .port = port,
                                                                  .tags = reg_list_end(&lb),
                                                                  .weight_passing = 1,
                                                                  .weight_warning = 1},
                                                      .checks = &check,
                                                      .n_checks = status != NULL ? 1 : 0});
    buf_fini(&tags);
    return apply_and_free(s, &cmd);
}

struct reg_result test_deregister(struct test_store *s,
                                  const char *node,
                                  const char *service_id,
                                  const char *check_id)
{
    struct buf cmd = BUF_INIT;
    reg_command_deregister(&cmd, &(struct reg_deregister){.node = slice_str(node),
                                                          .service_id = slice_str(service_id),
                                                          .check_id = slice_str(check_id)});
    return apply_and_free(s, &cmd);
}
