/* raft/: proposals end to end, from the queue through the log into the real store, over restarts,
 * kills, lost files and checkpoints. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <ftw.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "raft/repl.h"
#include "raft/segment.h"
#include "registry/query.h"
#include "registry/store.h"

enum { PATH = 512, SMALL = 64 * 1024 };

/* ---- a server without HTTP ---- */

static char dir[PATH];

struct server {
    struct reg *store;
    struct repl *repl;
    struct queue replies;
};

static const char *sub(const char *name)
{
    static char path[2 * PATH];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static int server_start(struct server *s, uint64_t id, uint64_t snapshot_bytes, struct errmsg *e)
{
    (void)mkdir(sub("store"), 0700);
    const struct reg_options so = {.dir = sub("store"), .map_size = 1 << 28};
    int rc = reg_open(&s->store, &so, e);
    assert_int_equal(rc, 0);
    queue_init(&s->replies, (size_t)-1, NULL, NULL);
    const struct repl_options o = {.dir = sub("raft"),
                                   .store = s->store,
                                   .id = id,
                                   .address = "127.0.0.1:8300",
                                   .bootstrap = true,
                                   .sync = true,
                                   .snapshot_bytes = snapshot_bytes,
                                   .trailing_bytes = snapshot_bytes / 4};
    rc = repl_start(&s->repl, &o, e);
    if (rc != 0) {
        reg_close(s->store, true);
    }
    return rc;
}

static void server_stop(struct server *s, bool clean)
{
    repl_stop(s->repl);
    reg_close(s->store, clean);
}

static void start(struct server *s, uint64_t snapshot_bytes)
{
    struct errmsg e = {""};
    int rc = server_start(s, 1, snapshot_bytes, &e);
    if (rc != 0) {
        fail_msg("%s: %s", err_name(rc), e.text);
    }
}

/* ---- proposals ---- */

static void on_done(struct reg_reply *reply)
{
    (void)reply;
}

static void set_key(struct reg_proposal *p, struct server *s, unsigned n)
{
    char key[32];
    char value[300];
    (void)snprintf(key, sizeof key, "k/%06u", n);
    memset(value, 'a' + (int)(n % 26), sizeof value);
    const struct reg_kv_op op = {
        .verb = REG_KV_SET, .key = slice_str(key), .value = slice_of(value, sizeof value)};
    *p = (struct reg_proposal){
        .reply = {.to = &s->replies, .done = on_done}, .cmd = BUF_INIT, .status = 1};
    reg_command_kv(&p->cmd, &op);
}

/* Set keys @from to @from + @n - 1, all in flight at once; returns how many were acknowledged. */
static unsigned set_keys(struct server *s, unsigned from, unsigned n)
{
    struct reg_proposal *all = calloc(n, sizeof *all);
    struct reg_proposer *door = repl_proposer(s->repl);
    unsigned open = 0;
    for (unsigned i = 0; i < n; i++) {
        set_key(&all[i], s, from + i);
        assert_int_equal(door->propose(door, &all[i]), 0);
        open++;
    }
    unsigned acked = 0;
    struct list got;
    list_init(&got);
    while (open > 0) {
        (void)queue_wait(&s->replies, &got);
        struct list *link;
        while ((link = list_pop(&got)) != NULL) {
            const struct reg_proposal *p = container_of(link, struct reg_proposal, reply.link);
            acked += p->status == 0 && p->result.status == 0 && p->result.ok ? 1 : 0;
            open--;
        }
    }
    for (unsigned i = 0; i < n; i++) {
        buf_fini(&all[i].cmd);
    }
    free(all);
    return acked;
}

/* Every key below @n is there, with its value. */
static void check_keys(struct server *s, unsigned n)
{
    struct reg_reader *rd;
    assert_int_equal(reg_reader_open(s->store, NULL, NULL, &rd), 0);
    reg_read_begin(rd);
    for (unsigned i = 0; i < n; i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "k/%06u", i);
        struct reg_kv kv;
        if (!reg_kv_find(rd, slice_str(key), &kv)) {
            fail_msg("%s is lost", key);
        }
        assert_int_equal(kv.value.len, 300);
        assert_int_equal(kv.value.p[299], 'a' + (int)(i % 26));
    }
    reg_read_end(rd);
    reg_reader_close(rd);
}

/* ---- files ---- */

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static void remove_tree(const char *path)
{
    (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static int fresh(void **state)
{
    (void)state;
    log_set_level(LOG_LEVEL_ERROR);
    (void)snprintf(dir, sizeof dir, "/tmp/test_raft_repl.XXXXXX");
    return mkdtemp(dir) == NULL ? -1 : 0;
}

static int gone(void **state)
{
    (void)state;
    remove_tree(dir);
    return 0;
}

/* The first index of the oldest log file; 0 when there is none. */
static uint64_t oldest_log(void)
{
    uint64_t oldest = 0;
    DIR *d = opendir(sub("raft"));
    const struct dirent *en;
    while ((en = readdir(d)) != NULL) {
        uint64_t first;
        if (segment_name_parse(en->d_name, &first) && (oldest == 0 || first < oldest)) {
            oldest = first;
        }
    }
    closedir(d);
    return oldest;
}

/* ---- what it promises ---- */

static void proposals_are_applied_and_survive_restarts(void **state)
{
    (void)state;
    uint64_t index = 0;
    for (unsigned round = 0; round < 4; round++) {
        struct server s;
        start(&s, 0);
        assert_true(reg_published_index(s.store) >= index);
        check_keys(&s, round * 500);
        assert_int_equal(set_keys(&s, round * 500, 500), 500);
        check_keys(&s, (round + 1) * 500);
        index = reg_published_index(s.store);
        struct repl_info info;
        repl_info(s.repl, &info);
        assert_true(info.leader);
        assert_int_equal(info.leader_id, 1);
        assert_string_equal(info.leader_address, "127.0.0.1:8300");
        assert_int_equal(info.peers, 1);
        assert_int_equal(info.commands, 500);
        assert_true(info.entries < 500); /* they shared log entries */
        assert_true(info.applied_index <= info.last_index);
        server_stop(&s, round % 2 == 0);
    }
}

static void one_command_alone_is_answered(void **state)
{
    (void)state;
    struct server s;
    start(&s, 0);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(set_keys(&s, i, 1), 1);
    }
    check_keys(&s, 20);
    server_stop(&s, true);
}

static void a_lost_store_is_rebuilt_from_checkpoint_and_log(void **state)
{
    (void)state;
    struct server s;
    for (unsigned round = 0; round < 3; round++) {
        start(&s, SMALL);
        check_keys(&s, round * 2000);
        for (unsigned i = 0; i < 20; i++) {
            assert_int_equal(set_keys(&s, round * 2000 + i * 100, 100), 100);
        }
        server_stop(&s, false);
        remove_tree(sub("store/live"));
        start(&s, SMALL);
        check_keys(&s, (round + 1) * 2000);
        struct repl_info info;
        repl_info(s.repl, &info);
        assert_true(info.snapshot_index > 1);
        server_stop(&s, true);
    }
}

static void snapshots_bound_the_log(void **state)
{
    (void)state;
    struct server s;
    start(&s, 256 * 1024);
    struct repl_info info;
    /* More than one segment's worth: 64 MiB and some. */
    for (unsigned i = 0; i < 400; i++) {
        assert_int_equal(set_keys(&s, 0, 600), 600);
    }
    repl_info(s.repl, &info);
    assert_true(info.snapshot_index > 100);
    server_stop(&s, true);
    assert_true(oldest_log() > 1);
    start(&s, 256 * 1024);
    check_keys(&s, 600);
    server_stop(&s, true);
}

static void a_log_that_lost_applied_entries_is_refused(void **state)
{
    (void)state;
    struct server s;
    start(&s, 0);
    assert_int_equal(set_keys(&s, 0, 300), 300);
    server_stop(&s, true);
    char path[2 * PATH];
    (void)snprintf(path, sizeof path, "%s/raft/00000000000000000001.log", dir);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(truncate(path, 200), 0);
    struct errmsg e = {""};
    assert_int_equal(server_start(&s, 1, 0, &e), E_CORRUPT);
    assert_non_null(strstr(e.text, "the store has applied entry"));
    remove_tree(sub("raft"));
    assert_int_equal(server_start(&s, 1, 0, &e), E_CORRUPT);
}

static void a_store_older_than_the_trimmed_log_is_refused(void **state)
{
    (void)state;
    struct server s;
    start(&s, SMALL);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(set_keys(&s, i * 100, 100), 100);
    }
    server_stop(&s, true);
    remove_tree(sub("store"));
    struct errmsg e = {""};
    assert_int_equal(server_start(&s, 1, SMALL, &e), E_CORRUPT);
    assert_non_null(strstr(e.text, "was cut at entry"));
}

static void another_server_id_is_refused(void **state)
{
    (void)state;
    struct server s;
    start(&s, 0);
    assert_int_equal(set_keys(&s, 0, 1), 1);
    server_stop(&s, true);
    struct errmsg e = {""};
    assert_int_equal(server_start(&s, 2, 0, &e), E_UNSUPPORTED);
}

static void a_directory_in_use_is_refused(void **state)
{
    (void)state;
    struct server s;
    start(&s, 0);
    const struct repl_options o = {.dir = sub("raft"),
                                   .store = s.store,
                                   .id = 1,
                                   .address = "127.0.0.1:8300",
                                   .bootstrap = true};
    struct repl *second;
    struct errmsg e = {""};
    assert_int_equal(repl_start(&second, &o, &e), E_BUSY);
    server_stop(&s, true);
}

static void an_oversized_command_is_refused_and_the_largest_is_not(void **state)
{
    (void)state;
    struct server s;
    start(&s, 0);
    struct reg_proposer *door = repl_proposer(s.repl);
    struct reg_proposal p;
    set_key(&p, &s, 0);
    char *big = calloc(1, REG_COMMAND_SIZE_MAX + 1);
    assert_non_null(big);
    buf_reset(&p.cmd);
    buf_add(&p.cmd, big, REG_COMMAND_SIZE_MAX + 1);
    assert_int_equal(door->propose(door, &p), E_TOOBIG);
    /* A value near the limit goes alone and comes back. */
    const struct reg_kv_op op = {.verb = REG_KV_SET,
                                 .key = SLICE_LIT("big"),
                                 .value = slice_of(big, REG_COMMAND_SIZE_MAX - 64 * 1024)};
    buf_reset(&p.cmd);
    reg_command_kv(&p.cmd, &op);
    assert_int_equal(door->propose(door, &p), 0);
    struct list got;
    list_init(&got);
    assert_int_equal(queue_wait(&s.replies, &got), 1);
    assert_int_equal(p.status, 0);
    buf_fini(&p.cmd);
    free(big);
    server_stop(&s, true);
    start(&s, 0);
    server_stop(&s, true);
}

static void stopping_answers_everything_once(void **state)
{
    (void)state;
    enum { MANY = 3000 };
    struct server s;
    start(&s, 0);
    struct reg_proposal *all = calloc(MANY, sizeof *all);
    struct reg_proposer *door = repl_proposer(s.repl);
    for (unsigned i = 0; i < MANY; i++) {
        set_key(&all[i], &s, i);
        assert_int_equal(door->propose(door, &all[i]), 0);
    }
    repl_stop(s.repl);
    struct list got;
    list_init(&got);
    assert_int_equal(queue_take(&s.replies, &got), MANY);
    unsigned acked = 0;
    for (unsigned i = 0; i < MANY; i++) {
        assert_true(all[i].status == 0 || all[i].status == E_CANCELED);
        acked += all[i].status == 0 ? 1 : 0;
    }
    reg_close(s.store, true);
    start(&s, 0);
    check_keys(&s, acked); /* they are answered in order */
    server_stop(&s, true);
    for (unsigned i = 0; i < MANY; i++) {
        buf_fini(&all[i].cmd);
    }
    free(all);
}

/* The child writes and tells the parent what is acknowledged, until the parent kills it. */
static void child(int out)
{
    struct server s;
    start(&s, SMALL);
    for (unsigned n = 0;; n += 7) {
        if (set_keys(&s, n, 7) != 7 || write(out, &n, sizeof n) != (ssize_t)sizeof n) {
            _exit(1);
        }
    }
}

static void a_killed_server_lost_nothing_acknowledged(void **state)
{
    (void)state;
    for (unsigned kills = 1; kills <= 6; kills++) {
        int p[2];
        assert_int_equal(pipe(p), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            close(p[0]);
            child(p[1]);
        }
        close(p[1]);
        unsigned n = 0;
        for (unsigned i = 0; i < 40 * kills; i++) {
            assert_int_equal(read(p[0], &n, sizeof n), (ssize_t)sizeof n);
        }
        assert_int_equal(kill(pid, SIGKILL), 0);
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        while (read(p[0], &n, sizeof n) == (ssize_t)sizeof n) {
        }
        close(p[0]);
        struct server s;
        start(&s, SMALL);
        check_keys(&s, n + 7);
        server_stop(&s, kills % 2 == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        /* First, while the process has no threads that a fork would lose. */
        cmocka_unit_test_setup_teardown(a_killed_server_lost_nothing_acknowledged, fresh, gone),
        cmocka_unit_test_setup_teardown(proposals_are_applied_and_survive_restarts, fresh, gone),
        cmocka_unit_test_setup_teardown(one_command_alone_is_answered, fresh, gone),
        cmocka_unit_test_setup_teardown(a_lost_store_is_rebuilt_from_checkpoint_and_log, fresh,
                                        gone),
        cmocka_unit_test_setup_teardown(snapshots_bound_the_log, fresh, gone),
        cmocka_unit_test_setup_teardown(a_log_that_lost_applied_entries_is_refused, fresh, gone),
        cmocka_unit_test_setup_teardown(a_store_older_than_the_trimmed_log_is_refused, fresh, gone),
        cmocka_unit_test_setup_teardown(another_server_id_is_refused, fresh, gone),
        cmocka_unit_test_setup_teardown(a_directory_in_use_is_refused, fresh, gone),
        cmocka_unit_test_setup_teardown(an_oversized_command_is_refused_and_the_largest_is_not,
                                        fresh, gone),
        cmocka_unit_test_setup_teardown(stopping_answers_everything_once, fresh, gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
