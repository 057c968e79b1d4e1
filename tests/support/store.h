/* A store in a temporary directory, for tests: commands in, look-ups out. Removes itself. */
#ifndef TESTS_SUPPORT_STORE_H_
#define TESTS_SUPPORT_STORE_H_

#include "registry/query.h"

struct test_store {
    struct reg *reg;
    struct reg_reader *rd;
    char dir[64];
    uint64_t raft_index;
};

/* Open in a new directory below $TMPDIR or /tmp; a failure ends the test. */
void test_store_open(struct test_store *s);
void test_store_close(struct test_store *s);
/* Close and open the same directory again; @clean as for reg_close(). */
void test_store_reopen(struct test_store *s, bool clean);

/* Apply the one command in @cmd as the next log entry at @wall_ns, commit it, empty @cmd. */
struct reg_result test_store_apply(struct test_store *s, struct buf *cmd, int64_t wall_ns);

/* Shorthands for common commands, all at time 0. */
struct reg_result test_put(struct test_store *s, const char *key, const char *value);
struct reg_result test_node(struct test_store *s, const char *node, const char *address);
/* A service instance on @node, with one tag (NULL: none) and one check of @status (NULL: none). */
struct reg_result test_service(struct test_store *s,
                               const char *node,
                               const char *id,
                               const char *name,
                               const char *address,
                               int port,
                               const char *tag,
                               const char *status);
struct reg_result test_deregister(struct test_store *s,
                                  const char *node,
                                  const char *service_id,
                                  const char *check_id);

#endif
