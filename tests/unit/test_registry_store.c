/* registry/: what commands do to the tables, to the indexes and to whoever watches. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/rand.h"
#include "tests/support/store.h"

static struct test_store S;

static int setup(void **state)
{
    (void)state;
    test_store_open(&S);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    test_store_close(&S);
    return 0;
}

static struct reg_result kv(uint8_t verb, const char *key, const char *value, uint64_t index)
{
    struct buf cmd = BUF_INIT;
    reg_command_kv(
        &cmd, &(struct reg_kv_op){
                  .verb = verb, .key = slice_str(key), .value = slice_str(value), .index = index});
    struct reg_result r = test_store_apply(&S, &cmd, 0);
    buf_fini(&cmd);
    return r;
}

static uint64_t index_of(enum reg_watch_kind kind, const char *name)
{
    reg_read_begin(S.rd);
    uint64_t index = reg_index(S.rd, kind, slice_str(name));
    reg_read_end(S.rd);
    return index;
}

static bool has_value(const char *key, const char *value)
{
    struct reg_kv e;
    reg_read_begin(S.rd);
    bool found = reg_kv_find(S.rd, slice_str(key), &e);
    bool same = found && value != NULL && slice_is(e.value, value);
    reg_read_end(S.rd);
    return value == NULL ? found : same;
}

/* ---- keys ---- */

static void an_empty_store_has_index_one_everywhere(void **state)
{
    (void)state;
    for (int kind = REG_W_NODES; kind <= REG_W_SESSIONS; kind++) {
        assert_int_equal(index_of((enum reg_watch_kind)kind, "x"), 1);
    }
    assert_int_equal(reg_published_index(S.reg), 1);
}

static void each_command_takes_the_next_index(void **state)
{
    (void)state;
    assert_int_equal(test_put(&S, "a", "1").index, 2);
    assert_int_equal(test_put(&S, "b", "1").index, 3);
    assert_int_equal(index_of(REG_W_KEY, "a"), 2);
    assert_int_equal(index_of(REG_W_KEY, "b"), 3);
    assert_int_equal(index_of(REG_W_KVS, ""), 3);
}

static void commands_of_one_entry_have_different_indexes(void **state)
{
    (void)state;
    struct buf entry = BUF_INIT;
    struct reg_result results[2];
    unsigned n;
    reg_batch_begin(&entry, 0);
    for (int i = 0; i < 2; i++) {
        reg_command_kv(&entry, &(struct reg_kv_op){.verb = REG_KV_SET,
                                                   .key = SLICE_LIT("k"),
                                                   .value = slice_str(i == 0 ? "1" : "2")});
    }
    reg_batch_end(&entry, 2);
    reg_apply(S.reg, ++S.raft_index, 1, buf_slice(&entry), results, 2, &n);
    reg_commit(S.reg);
    buf_fini(&entry);
    assert_int_equal(n, 2);
    assert_int_equal(results[0].index + 1, results[1].index);
    assert_false(kv(REG_KV_CAS, "k", "lost", results[0].index).ok);
    assert_true(kv(REG_KV_CAS, "k", "won", results[1].index).ok);
}

static void a_put_that_changes_nothing_moves_no_index(void **state)
{
    (void)state;
    test_put(&S, "a", "1");
    uint64_t before = index_of(REG_W_KEY, "a");
    struct reg_result again = test_put(&S, "a", "1");
    assert_true(again.ok);
    assert_false(again.changed);
    assert_true(test_put(&S, "b", "1").changed);
    assert_int_equal(index_of(REG_W_KEY, "a"), before);
    assert_int_equal(index_of(REG_W_KVS, ""), before + 2);
}

static void compare_and_set_follows_the_index(void **state)
{
    (void)state;
    assert_true(kv(REG_KV_CAS, "a", "1", 0).ok);  /* absent: created */
    assert_false(kv(REG_KV_CAS, "a", "2", 0).ok); /* present */
    uint64_t at = index_of(REG_W_KEY, "a");
    assert_false(kv(REG_KV_CAS, "a", "2", at + 1).ok);
    assert_true(kv(REG_KV_CAS, "a", "2", at).ok);
    assert_false(kv(REG_KV_CAS, "nope", "2", 5).ok);
    assert_true(kv(REG_KV_DELETE_CAS, "nope", "", 5).ok);
    assert_false(kv(REG_KV_DELETE_CAS, "a", "", at).ok);
    assert_true(has_value("a", "2"));
    assert_true(kv(REG_KV_DELETE_CAS, "a", "", index_of(REG_W_KEY, "a")).ok);
    assert_false(has_value("a", NULL));
}

static void deleting_never_lowers_the_index_of_a_prefix(void **state)
{
    (void)state;
    test_put(&S, "p/a", "1");
    test_put(&S, "p/b", "1");
    uint64_t before = index_of(REG_W_PREFIX, "p/");
    assert_true(kv(REG_KV_DELETE, "p/b", "", 0).ok);
    uint64_t after = index_of(REG_W_PREFIX, "p/");
    assert_true(after > before);
    test_put(&S, "unrelated", "x");
    assert_int_equal(index_of(REG_W_PREFIX, "p/"), after);
    assert_true(kv(REG_KV_DELETE, "p/b", "", 0).ok); /* deleting nothing changes nothing */
    assert_int_equal(index_of(REG_W_PREFIX, "p/"), after);
}

static void deleting_a_tree_takes_all_below_the_prefix_and_nothing_else(void **state)
{
    (void)state;
    char key[64];
    for (int i = 0; i < 2500; i++) { /* more than one chunk */
        (void)snprintf(key, sizeof key, "t/%d", i);
        test_put(&S, key, "x");
    }
    test_put(&S, "t", "kept");
    test_put(&S, "u/1", "kept");
    assert_true(kv(REG_KV_DELETE_TREE, "t/", "", 0).ok);
    struct reg_counts c;
    reg_read_begin(S.rd);
    reg_count(S.rd, &c);
    reg_read_end(S.rd);
    assert_int_equal(c.kvs, 2);
    assert_true(has_value("t", "kept"));
}

static void tombstones_are_forgotten_after_fifteen_minutes(void **state)
{
    (void)state;
    struct buf cmd = BUF_INIT;
    const int64_t minute = (int64_t)60 * 1000000000;
    test_put(&S, "p/a", "1");
    test_put(&S, "p/b", "1");
    uint64_t a = index_of(REG_W_KEY, "p/a");
    kv(REG_KV_DELETE, "p/b", "", 0);
    uint64_t deleted = index_of(REG_W_PREFIX, "p/");
    const struct reg_kv_op op = {.verb = REG_KV_SET, .key = SLICE_LIT("x")};
    reg_command_kv(&cmd, &op);
    test_store_apply(&S, &cmd, 14 * minute);
    assert_int_equal(index_of(REG_W_PREFIX, "p/"), deleted);
    reg_command_kv(&cmd, &op);
    test_store_apply(&S, &cmd, 16 * minute);
    assert_int_equal(index_of(REG_W_PREFIX, "p/"), a);
    buf_fini(&cmd);
}

/* Keys of all lengths around the limit of stored keys, with equal first 440 bytes. */
static void long_keys_are_found_listed_in_order_and_resumed(void **state)
{
    (void)state;
    static const size_t lengths[] = {1, 439, 440, 441, 442, 500, 511, 512, 600, 2000};
    enum { N = sizeof lengths / sizeof lengths[0] };
    char *keys[N];
    for (size_t i = 0; i < N; i++) {
        keys[i] = malloc(lengths[i] + 1);
        assert_non_null(keys[i]);
        memset(keys[i], 'k', lengths[i]);
        keys[i][lengths[i]] = '\0';
        test_put(&S, keys[i], "v");
    }
    for (size_t i = 0; i < N; i++) {
        assert_true(has_value(keys[i], "v"));
    }
    reg_read_begin(S.rd);
    for (size_t p = 0; p < N; p++) { /* every key as a prefix: itself and all longer ones */
        struct reg_iter it;
        struct reg_kv e;
        size_t i = p;
        reg_kvs(S.rd, &it, slice_str(keys[p]), slice_of(NULL, 0));
        while (reg_kvs_next(&it, &e)) {
            assert_true(i < N);
            assert_int_equal(e.key.len, lengths[i]);
            i++;
        }
        reg_iter_end(&it);
        assert_int_equal(i, N);
        i = p + 1; /* every key as the place to resume from */
        reg_kvs(S.rd, &it, slice_str("k"), slice_str(keys[p]));
        while (reg_kvs_next(&it, &e)) {
            assert_int_equal(e.key.len, lengths[i]);
            i++;
        }
        reg_iter_end(&it);
        assert_int_equal(i, N);
    }
    reg_read_end(S.rd);
    assert_true(kv(REG_KV_DELETE_TREE, keys[8], "", 0).ok);
    assert_false(has_value(keys[9], NULL));
    assert_true(has_value(keys[7], "v"));
    for (size_t i = 0; i < N; i++) {
        free(keys[i]);
    }
}

/* ---- catalog ---- */

static unsigned instances(const char *name)
{
    struct reg_iter it;
    struct reg_service s;
    unsigned n = 0;
    reg_read_begin(S.rd);
    reg_instances(S.rd, &it, slice_str(name));
    while (reg_instances_next(&it, &s)) {
        n++;
    }
    reg_iter_end(&it);
    reg_read_end(S.rd);
    return n;
}

static unsigned checks_in(const char *status)
{
    struct reg_iter it;
    struct reg_check c;
    unsigned n = 0;
    reg_read_begin(S.rd);
    reg_state_checks(S.rd, &it, slice_str(status));
    while (reg_checks_next(&it, &c)) {
        assert_true(slice_is(c.status, status));
        n++;
    }
    reg_iter_end(&it);
    reg_read_end(S.rd);
    return n;
}

static void services_need_a_node_and_checks_need_their_service(void **state)
{
    (void)state;
    struct reg_result r = test_service(&S, "n1", "w1", "web", "", 80, NULL, NULL);
    assert_int_equal(r.status, E_NOTFOUND);
    assert_string_equal(r.text, "Missing node registration");
    test_node(&S, "n1", "10.0.0.1");
    assert_int_equal(test_service(&S, "n1", "w1", "web", "", 80, NULL, "passing").status, 0);
    assert_int_equal(instances("web"), 1);
    assert_int_equal(instances("WEB"), 1); /* names fold case */
    struct buf cmd = BUF_INIT;
    struct reg_check c = {.check_id = SLICE_LIT("c"), .service_id = SLICE_LIT("nope")};
    reg_command_register(&cmd, &(struct reg_register){.flags = REG_REG_CHECK_SERVICE,
                                                      .node = {.name = SLICE_LIT("n1")},
                                                      .checks = &c,
                                                      .n_checks = 1});
    r = test_store_apply(&S, &cmd, 0);
    assert_string_equal(r.text, "ServiceID \"nope\" does not exist");
    buf_fini(&cmd);
}

static void indexes_move_for_their_own_resource_only(void **state)
{
    (void)state;
    test_node(&S, "a", "10.0.0.1");
    test_node(&S, "b", "10.0.0.2");
    test_service(&S, "a", "w1", "web", "", 80, NULL, "passing");
    test_service(&S, "b", "o1", "other", "", 80, NULL, "passing");
    uint64_t web = index_of(REG_W_SERVICE, "web");
    uint64_t map = index_of(REG_W_SERVICES, "");
    uint64_t node_a = index_of(REG_W_NODE, "a");
    uint64_t passing = index_of(REG_W_STATE_CHECKS, "passing");
    test_service(&S, "b", "o1", "other", "", 80, NULL, "warning");
    assert_int_equal(index_of(REG_W_SERVICE, "web"), web);
    assert_int_equal(index_of(REG_W_SERVICES, ""), map); /* a check does not change the map */
    assert_int_equal(index_of(REG_W_NODE, "a"), node_a);
    assert_true(index_of(REG_W_STATE_CHECKS, "passing") > passing);
    assert_int_equal(index_of(REG_W_STATE_CHECKS, "passing"),
                     index_of(REG_W_STATE_CHECKS, "warning"));
    assert_int_equal(checks_in("passing"), 1);
    assert_int_equal(checks_in("warning"), 1);
    uint64_t other = index_of(REG_W_SERVICE, "other");
    test_service(&S, "b", "o1", "other", "", 80, NULL, "warning"); /* the same again */
    assert_int_equal(index_of(REG_W_SERVICE, "other"), other);
    test_service(&S, "b", "o2", "other", "", 81, NULL, NULL); /* same name, no tags */
    assert_int_equal(index_of(REG_W_SERVICES, ""), map);
    test_service(&S, "b", "o2", "other", "", 81, "v2", NULL);
    assert_true(index_of(REG_W_SERVICES, "") > map);
}

static void a_vanished_service_keeps_a_higher_index(void **state)
{
    (void)state;
    test_node(&S, "a", "10.0.0.1");
    test_service(&S, "a", "w1", "web", "", 80, "t", "passing");
    uint64_t before = index_of(REG_W_SERVICE, "web");
    assert_true(test_deregister(&S, "a", "w1", "").ok);
    uint64_t gone = index_of(REG_W_SERVICE, "web");
    assert_true(gone > before);
    assert_int_equal(instances("web"), 0);
    assert_int_equal(checks_in("passing"), 0);
    assert_false(test_deregister(&S, "a", "w1", "").ok);
    assert_int_equal(index_of(REG_W_SERVICE, "web"), gone);
    test_service(&S, "a", "w1", "web", "", 80, "t", "passing");
    assert_true(index_of(REG_W_SERVICE, "web") > gone);
}

static void deregistering_a_node_takes_all_it_carried(void **state)
{
    (void)state;
    struct reg_counts c;
    test_node(&S, "a", "10.0.0.1");
    test_node(&S, "ab", "10.0.0.2"); /* a name that has the other as a prefix */
    test_service(&S, "a", "w1", "web", "", 80, NULL, "passing");
    test_service(&S, "a", "w2", "web", "", 81, NULL, "critical");
    test_service(&S, "ab", "w1", "web", "", 80, NULL, "passing");
    assert_true(test_deregister(&S, "a", "", "").ok);
    reg_read_begin(S.rd);
    reg_count(S.rd, &c);
    reg_read_end(S.rd);
    assert_int_equal(c.nodes, 1);
    assert_int_equal(c.instances, 1);
    assert_int_equal(c.checks, 1);
    assert_int_equal(c.services, 1);
    assert_int_equal(checks_in("critical"), 0);
}

static struct reg_result node_with_id(const char *name, const char *id, const char *address)
{
    struct buf cmd = BUF_INIT;
    reg_command_register(&cmd, &(struct reg_register){.flags = REG_REG_NODE,
                                                      .node = {.name = slice_str(name),
                                                               .id = slice_str(id),
                                                               .address = slice_str(address)}});
    struct reg_result r = test_store_apply(&S, &cmd, 0);
    buf_fini(&cmd);
    return r;
}

static void a_known_id_under_a_new_name_renames_the_node(void **state)
{
    (void)state;
    static const char id[] = "6f0bdf20-3c1b-4d2e-9a5e-0d1c2b3a4f5e";
    struct reg_node n;
    node_with_id("old", id, "10.0.0.1");
    test_service(&S, "old", "w1", "web", "", 80, NULL, NULL);
    node_with_id("new", id, "10.0.0.1");
    reg_read_begin(S.rd);
    assert_false(reg_node_find(S.rd, SLICE_LIT("old"), &n));
    assert_true(reg_node_find_id(S.rd, slice_str(id), &n));
    assert_true(slice_is(n.name, "new"));
    assert_int_equal(n.create_index, 2);
    reg_read_end(S.rd);
    assert_int_equal(instances("web"), 0);
}

static void a_living_nodes_name_cannot_be_taken(void **state)
{
    (void)state;
    struct buf cmd = BUF_INIT;
    struct reg_check health = {.check_id = SLICE_LIT("serfHealth"), .status = SLICE_LIT("passing")};
    node_with_id("n", "00000000-0000-0000-0000-00000000000a", "10.0.0.1");
    const struct reg_register c = {
        .node = {.name = SLICE_LIT("n")}, .checks = &health, .n_checks = 1};
    reg_command_register(&cmd, &c);
    test_store_apply(&S, &cmd, 0);
    struct reg_result r = node_with_id("n", "00000000-0000-0000-0000-00000000000b", "10.0.0.2");
    assert_int_equal(r.status, E_EXISTS);
    assert_non_null(strstr(r.text, "is reserved by node 00000000-0000-0000-0000-00000000000a"));
    health.status = SLICE_LIT("critical");
    reg_command_register(&cmd, &c);
    test_store_apply(&S, &cmd, 0);
    r = node_with_id("n", "00000000-0000-0000-0000-00000000000b", "10.0.0.2");
    assert_int_equal(r.status, 0);
    buf_fini(&cmd);
}

static void an_agents_check_keeps_its_status_when_registered_again(void **state)
{
    (void)state;
    struct buf cmd = BUF_INIT;
    struct reg_check c = {.check_id = SLICE_LIT("mem"), .status = SLICE_LIT("passing")};
    struct reg_register reg = {.flags = REG_REG_KEEP_STATUS,
                               .node = {.name = SLICE_LIT("n")},
                               .checks = &c,
                               .n_checks = 1};
    test_node(&S, "n", "10.0.0.1");
    reg_command_register(&cmd, &reg);
    test_store_apply(&S, &cmd, 0);
    c.status = SLICE_LIT("critical");
    reg_command_register(&cmd, &reg);
    test_store_apply(&S, &cmd, 0);
    assert_int_equal(checks_in("passing"), 1);
    reg.flags = 0;
    reg_command_register(&cmd, &reg);
    test_store_apply(&S, &cmd, 0);
    assert_int_equal(checks_in("critical"), 1);
    assert_int_equal(checks_in("passing"), 0);
    buf_fini(&cmd);
}

static void a_late_result_does_not_hit_a_namesake(void **state)
{
    (void)state;
    struct buf cmd = BUF_INIT;
    test_node(&S, "n", "10.0.0.1");
    test_service(&S, "n", "w", "web", "", 80, NULL, "critical");
    reg_command_check_status(&cmd, &(struct reg_check_status){.node = SLICE_LIT("n"),
                                                              .check_id = SLICE_LIT("service:w"),
                                                              .status = SLICE_LIT("passing"),
                                                              .create_index = 99});
    assert_int_equal(test_store_apply(&S, &cmd, 0).status, E_NOTFOUND);
    assert_int_equal(checks_in("critical"), 1);
    reg_command_check_status(&cmd, &(struct reg_check_status){.node = SLICE_LIT("n"),
                                                              .check_id = SLICE_LIT("service:w"),
                                                              .status = SLICE_LIT("passing"),
                                                              .create_index = 3});
    assert_int_equal(test_store_apply(&S, &cmd, 0).status, 0);
    assert_int_equal(checks_in("passing"), 1);
    buf_fini(&cmd);
}

static void names_of_any_length_and_bytes_are_stored_and_found(void **state)
{
    (void)state;
    struct slice names[4];
    char big[3][4000];
    memset(big[0], 'x', sizeof big[0]);
    memset(big[1], 'x', sizeof big[1]);
    big[1][3999] = 'y';
    memset(big[2], 0xff, sizeof big[2]);
    names[0] = slice_of(big[0], sizeof big[0]);
    names[1] = slice_of(big[1], sizeof big[1]);
    names[2] = slice_of(big[2], sizeof big[2]);
    names[3] = slice_of("a\0b", 3);
    struct buf cmd = BUF_INIT;
    test_node(&S, "n", "10.0.0.1");
    for (size_t i = 0; i < 4; i++) {
        reg_command_register(&cmd,
                             &(struct reg_register){.flags = REG_REG_SERVICE,
                                                    .node = {.name = SLICE_LIT("n")},
                                                    .service = {.id = names[i], .name = names[i]}});
        assert_int_equal(test_store_apply(&S, &cmd, 0).status, 0);
    }
    reg_read_begin(S.rd);
    for (size_t i = 0; i < 4; i++) {
        struct reg_service s;
        struct reg_iter it;
        assert_true(reg_service_find(S.rd, SLICE_LIT("N"), names[i], &s));
        assert_true(slice_eq(s.name, names[i]));
        reg_instances(S.rd, &it, names[i]);
        assert_true(reg_instances_next(&it, &s));
        assert_false(reg_instances_next(&it, &s));
        reg_iter_end(&it);
    }
    reg_read_end(S.rd);
    buf_fini(&cmd);
}

/* ---- watching ---- */

struct counter {
    struct reg_sub sub;
    int n;
};

static void count(struct reg_sub *sub)
{
    container_of(sub, struct counter, sub)->n++;
}

static void watch(struct counter *c, enum reg_watch_kind kind, const char *name, bool lazy)
{
    *c = (struct counter){.sub = {.touched = count, .lazy = lazy}};
    list_init(&c->sub.link);
    assert_int_equal(reg_watch_add(reg_reader_watch(S.rd), &c->sub, kind, slice_str(name)), 0);
}

static void unwatch(struct counter *c)
{
    reg_watch_remove(reg_reader_watch(S.rd), &c->sub);
}

static void watchers_wake_for_their_own_resource_only(void **state)
{
    (void)state;
    struct counter key;
    struct counter prefix;
    struct counter everything;
    struct counter service;
    watch(&key, REG_W_KEY, "a/b", false);
    watch(&prefix, REG_W_PREFIX, "a/", false);
    watch(&everything, REG_W_PREFIX, "", false);
    watch(&service, REG_W_SERVICE, "Web", true);
    test_put(&S, "a/b", "1");
    test_put(&S, "a/c", "1");
    test_put(&S, "a", "1");
    test_put(&S, "a/b", "1");   /* nothing changed */
    assert_int_equal(key.n, 0); /* not before the reader looks */
    reg_reader_sync(S.rd);
    assert_int_equal(key.n, 1);
    assert_int_equal(prefix.n, 2);
    assert_int_equal(everything.n, 3);
    assert_int_equal(service.n, 0);
    assert_true(reg_reader_seen(S.rd) == reg_published_index(S.reg));
    test_node(&S, "n", "10.0.0.1");
    test_service(&S, "n", "w", "web", "", 80, NULL, NULL);
    reg_reader_sync(S.rd);
    assert_int_equal(service.n, 1);
    unwatch(&key);
    unwatch(&prefix);
    unwatch(&everything);
    unwatch(&service);
}

static void a_reader_that_never_looks_is_told_that_all_may_have_changed(void **state)
{
    (void)state;
    struct counter quiet;
    watch(&quiet, REG_W_KEY, "quiet", true);
    for (int i = 0; i < 600; i++) {
        test_put(&S, "busy", i % 2 == 0 ? "a" : "b");
    }
    reg_reader_sync(S.rd);
    assert_int_equal(quiet.n, 1);
    assert_true(reg_reader_seen(S.rd) == reg_published_index(S.reg));
    unwatch(&quiet);
}

static struct counter victim;

static void remove_victim(struct reg_sub *sub)
{
    count(sub);
    unwatch(&victim);
    reg_watch_remove(reg_reader_watch(S.rd), sub);
}

static void a_callback_may_remove_itself_and_others(void **state)
{
    (void)state;
    struct counter killer;
    watch(&killer, REG_W_KEY, "k", false);
    killer.sub.touched = remove_victim;
    watch(&victim, REG_W_KEY, "k", false);
    test_put(&S, "k", "1");
    reg_reader_sync(S.rd);
    assert_int_equal(killer.n, 1);
    assert_int_equal(victim.n, 0);
    assert_int_equal(reg_watch_count(reg_reader_watch(S.rd)), 0);
}

static void only_urgent_subscribers_want_to_be_woken(void **state)
{
    (void)state;
    struct counter lazy;
    struct counter urgent;
    const uint64_t hash = reg_watch_key(REG_W_SERVICE, SLICE_LIT("web"));
    const struct reg_changes c = {.n_hashes = 1, .hashes = &hash};
    struct reg_watch *w = reg_reader_watch(S.rd);
    watch(&lazy, REG_W_SERVICE, "web", true);
    assert_false(reg_watch_wants(w, &c));
    watch(&urgent, REG_W_SERVICE, "web", false);
    assert_true(reg_watch_wants(w, &c));
    unwatch(&urgent);
    assert_false(reg_watch_wants(w, &c));
    unwatch(&lazy);
}

/* ---- files ---- */

static void a_restart_finds_everything_and_the_same_index(void **state)
{
    (void)state;
    test_put(&S, "a", "1");
    uint64_t index = reg_published_index(S.reg);
    test_store_reopen(&S, false);
    assert_true(has_value("a", "1"));
    assert_int_equal(reg_published_index(S.reg), index);
    assert_int_equal(S.raft_index, 1);
    struct buf entry = BUF_INIT; /* an entry that is applied already is skipped */
    unsigned n;
    reg_batch_begin(&entry, 0);
    reg_command_kv(&entry, &(struct reg_kv_op){.verb = REG_KV_DELETE, .key = SLICE_LIT("a")});
    reg_batch_end(&entry, 1);
    reg_apply(S.reg, 1, 1, buf_slice(&entry), NULL, 0, &n);
    reg_commit(S.reg);
    assert_int_equal(n, 0);
    assert_true(has_value("a", "1"));
    buf_fini(&entry);
}

static void overwrite(const char *name, const char *text)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", S.dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void after_another_boot_the_state_is_that_of_the_checkpoint(void **state)
{
    (void)state;
    struct errmsg e;
    uint64_t at;
    uint64_t term;
    test_put(&S, "before", "1");
    assert_int_equal(reg_checkpoint(S.reg, &at, &term, &e), 0);
    assert_int_equal(at, 1);
    test_put(&S, "after", "1");
    overwrite("live/boot", "another boot");
    test_store_reopen(&S, false);
    assert_true(has_value("before", "1"));
    assert_false(has_value("after", NULL)); /* the log brings it back */
    assert_int_equal(S.raft_index, 1);
    test_put(&S, "after", "2");
    assert_int_equal(reg_checkpoint(S.reg, &at, &term, &e), 0);
    assert_int_equal(at, 2);
    char path[128];
    (void)snprintf(path, sizeof path, "%s/checkpoint-1.mdb", S.dir);
    assert_int_not_equal(access(path, F_OK), 0); /* replaced */
}

static void a_damaged_state_is_rebuilt_from_the_checkpoint(void **state)
{
    (void)state;
    struct errmsg e;
    uint64_t at;
    uint64_t term;
    test_put(&S, "before", "1");
    assert_int_equal(reg_checkpoint(S.reg, &at, &term, &e), 0);
    reg_reader_close(S.rd);
    reg_close(S.reg, false);
    overwrite("live/data.mdb", "this is not a database, but it is where one was");
    const struct reg_options o = {.dir = S.dir, .map_size = 1 << 30};
    assert_int_equal(reg_open(&S.reg, &o, &e), 0);
    assert_int_equal(reg_reader_open(S.reg, NULL, NULL, &S.rd), 0);
    assert_true(has_value("before", "1"));
}

static void a_clean_close_is_trusted_after_another_boot(void **state)
{
    (void)state;
    test_put(&S, "a", "1");
    reg_reader_close(S.rd);
    reg_close(S.reg, true);
    overwrite("live/boot", "another boot");
    const struct reg_options o = {.dir = S.dir, .map_size = 1 << 30};
    assert_int_equal(reg_open(&S.reg, &o, NULL), 0);
    assert_int_equal(reg_reader_open(S.reg, NULL, NULL, &S.rd), 0);
    assert_true(has_value("a", "1"));
    test_store_reopen(&S, false); /* but only once */
    overwrite("live/boot", "yet another");
    test_store_reopen(&S, false);
    assert_false(has_value("a", NULL));
}

/* ---- against a model ---- */

enum { MODEL_KEYS = 24, MODEL_STEPS = 3000 };

/* Random puts, compares and deletes, beside an array that does the same. */
static void random_writes_agree_with_a_model(void **state)
{
    (void)state;
    struct {
        bool set;
        int value;
        uint64_t index;
    } model[MODEL_KEYS] = {0};
    struct rng rng;
    rng_seed(&rng, 20260101);
    for (int i = 0; i < MODEL_STEPS; i++) {
        size_t k = (size_t)rng_below(&rng, MODEL_KEYS);
        int value = (int)rng_below(&rng, 3);
        char key[16];
        char text[16];
        (void)snprintf(key, sizeof key, "m/%zu/%zu", k % 4, k);
        (void)snprintf(text, sizeof text, "%d", value);
        uint64_t cas = rng_below(&rng, 2) == 0 ? model[k].index : rng_below(&rng, 50);
        uint8_t verb = (uint8_t)(REG_KV_SET + rng_below(&rng, 4));
        struct reg_result r = kv(verb, key, text, cas);
        bool was = model[k].set;
        bool hit = was ? cas == model[k].index : verb == REG_KV_CAS ? cas == 0 : true;
        bool done = verb == REG_KV_SET || verb == REG_KV_DELETE || hit;
        assert_int_equal(r.ok, done);
        if (done && (verb == REG_KV_SET || verb == REG_KV_CAS)) {
            if (!was || model[k].value != value) {
                model[k].index = r.index;
            }
            model[k].set = true;
            model[k].value = value;
        } else if (done) {
            model[k].set = false;
            model[k].index = 0;
        }
        assert_int_equal(has_value(key, NULL), model[k].set);
        assert_int_equal(model[k].set ? index_of(REG_W_KEY, key) : 0, model[k].index);
    }
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_empty_store_has_index_one_everywhere),
        T(each_command_takes_the_next_index),
        T(commands_of_one_entry_have_different_indexes),
        T(a_put_that_changes_nothing_moves_no_index),
        T(compare_and_set_follows_the_index),
        T(deleting_never_lowers_the_index_of_a_prefix),
        T(deleting_a_tree_takes_all_below_the_prefix_and_nothing_else),
        T(tombstones_are_forgotten_after_fifteen_minutes),
        T(long_keys_are_found_listed_in_order_and_resumed),
        T(services_need_a_node_and_checks_need_their_service),
        T(indexes_move_for_their_own_resource_only),
        T(a_vanished_service_keeps_a_higher_index),
        T(deregistering_a_node_takes_all_it_carried),
        T(a_known_id_under_a_new_name_renames_the_node),
        T(a_living_nodes_name_cannot_be_taken),
        T(an_agents_check_keeps_its_status_when_registered_again),
        T(a_late_result_does_not_hit_a_namesake),
        T(names_of_any_length_and_bytes_are_stored_and_found),
        T(watchers_wake_for_their_own_resource_only),
        T(a_reader_that_never_looks_is_told_that_all_may_have_changed),
        T(a_callback_may_remove_itself_and_others),
        T(only_urgent_subscribers_want_to_be_woken),
        T(a_restart_finds_everything_and_the_same_index),
        T(after_another_boot_the_state_is_that_of_the_checkpoint),
        T(a_damaged_state_is_rebuilt_from_the_checkpoint),
        T(a_clean_close_is_trusted_after_another_boot),
        T(random_writes_agree_with_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
