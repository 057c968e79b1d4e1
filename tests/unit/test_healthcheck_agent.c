/* healthcheck/: the whole of it against the real store. A thread of the test plays the log: it
 * applies each proposal at once, or fails it when told to. Tests wait for what must come, never for
 * time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <ftw.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/list.h"
#include "healthcheck/hc.h"
#include "registry/query.h"

#define NODE SLICE_LIT("node1")
#define MS ((int64_t)1000000)

/* ---- the log ---- */

struct world {
    char dir[64];
    struct reg *reg;
    struct hc *hc;
    struct hc_options options;
    struct reg_proposer proposer;
    struct queue log;
    /* Replies to the test's own thread. It outlives each request: who pushes a reply still looks at
     * the queue after the reply can be taken from it. */
    struct queue replies;
    pthread_t writer;
    uint64_t raft_index;
    pthread_mutex_t lock;
    pthread_cond_t applied;
    unsigned n_applied;  /* commands, of anybody */
    unsigned n_statuses; /* of them: REG_CMD_CHECK_STATUS */
    unsigned failures;   /* proposals to fail with E_NOTLEADER */
    unsigned refusals;   /* proposals to refuse with E_FULL */
    struct reg_reader *reader;
};
static struct world w;

static void apply_one(struct reg_proposal *p)
{
    struct buf entry = BUF_INIT;
    struct reg_batch batch;
    struct slice body;
    uint8_t type;
    unsigned n;
    reg_batch_begin(&entry, 1);
    buf_add_slice(&entry, buf_slice(&p->cmd));
    reg_batch_end(&entry, 1);
    assert_true(buf_ok(&entry));
    reg_apply(w.reg, ++w.raft_index, 1, buf_slice(&entry), &p->result, 1, &n);
    reg_commit(w.reg);
    assert_int_equal(n, 1);
    assert_int_equal(reg_batch_open(buf_slice(&entry), &batch), 0);
    assert_int_equal(reg_batch_next(&batch, &type, &body), 0);
    buf_fini(&entry);
    pthread_mutex_lock(&w.lock);
    w.n_applied++;
    w.n_statuses += type == REG_CMD_CHECK_STATUS;
    pthread_mutex_unlock(&w.lock);
}

static void *write_log(void *arg)
{
    (void)arg;
    struct list got;
    list_init(&got);
    while (queue_wait(&w.log, &got) > 0) {
        struct list *l;
        while ((l = list_pop(&got)) != NULL) {
            struct reg_proposal *p = container_of(l, struct reg_proposal, reply.link);
            pthread_mutex_lock(&w.lock);
            bool fail = w.failures > 0;
            w.failures -= fail;
            pthread_mutex_unlock(&w.lock);
            p->status = fail ? E_NOTLEADER : 0;
            if (!fail) {
                apply_one(p);
            }
            (void)queue_push_reply(p->reply.to, &p->reply.link);
            pthread_mutex_lock(&w.lock);
            pthread_cond_broadcast(&w.applied);
            pthread_mutex_unlock(&w.lock);
        }
    }
    return NULL;
}

static int propose(struct reg_proposer *self, struct reg_proposal *p)
{
    (void)self;
    pthread_mutex_lock(&w.lock);
    bool refuse = w.refusals > 0;
    w.refusals -= refuse;
    pthread_mutex_unlock(&w.lock);
    return refuse ? E_FULL : queue_push(&w.log, &p->reply.link);
}

static void nothing(struct reg_reply *reply)
{
    (void)reply;
}

/* Apply one command and wait for it. */
static int apply(struct buf *cmd)
{
    struct list got;
    list_init(&got);
    struct reg_proposal p = {.cmd = *cmd, .reply = {.to = &w.replies, .done = nothing}};
    assert_int_equal(queue_push(&w.log, &p.reply.link), 0);
    (void)queue_wait(&w.replies, &got);
    buf_fini(cmd);
    return p.status != 0 ? p.status : p.result.status;
}

/* ---- set-up ---- */

static int open_world(void **state)
{
    (void)state;
    struct errmsg e;
    w = (struct world){.proposer = {.propose = propose}};
    (void)snprintf(w.dir, sizeof w.dir, "/tmp/test_hc.XXXXXX");
    assert_non_null(mkdtemp(w.dir));
    const struct reg_options o = {.dir = w.dir, .map_size = 64 * 1024 * 1024};
    if (reg_open(&w.reg, &o, &e) != 0) {
        fail_msg("%s", e.text);
    }
    pthread_mutex_init(&w.lock, NULL);
    pthread_cond_init(&w.applied, NULL);
    queue_init(&w.log, 1024, NULL, NULL);
    queue_init(&w.replies, 1024, NULL, NULL);
    assert_int_equal(pthread_create(&w.writer, NULL, write_log, NULL), 0);
    assert_int_equal(reg_reader_open(w.reg, NULL, NULL, &w.reader), 0);
    w.options = (struct hc_options){
        .store = w.reg,
        .proposer = &w.proposer,
        .node = "node1",
        .update_interval_ns = -1,
        .interval_min_ns = 1 * MS,
        .deregister_min_ns = 1 * MS,
        .reap_interval_ns = 5 * MS,
        .seed = 1,
    };
    return 0;
}

static void start(void)
{
    struct errmsg e;
    if (hc_start(&w.hc, &w.options, &e) != 0) {
        fail_msg("%s", e.text);
    }
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static int close_world(void **state)
{
    (void)state;
    hc_stop(w.hc);
    queue_close(&w.log);
    pthread_join(w.writer, NULL);
    queue_fini(&w.log);
    queue_fini(&w.replies);
    reg_reader_close(w.reader);
    reg_close(w.reg, false);
    pthread_mutex_destroy(&w.lock);
    pthread_cond_destroy(&w.applied);
    return nftw(w.dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* ---- what tests do ---- */

/* Register @service (NULL: none) and one check with @probe on node1. */
static void add_check(const char *service,
                      const char *id,
                      const struct reg_probe *probe,
                      const char *status)
{
    struct buf cmd = BUF_INIT;
    const struct reg_check c = {
        .node = NODE,
        .check_id = slice_str(id),
        .name = slice_str(id),
        .status = slice_str(status),
        .service_id = slice_str(service),
        .service_name = slice_str(service),
        .probe = *probe,
        .origin = REG_ORIGIN_AGENT,
    };
    struct reg_register r = {
        .flags = REG_REG_NODE | REG_REG_KEEP_STATUS,
        .node = {.name = NODE, .address = SLICE_LIT("127.0.0.1")},
        .checks = &c,
        .n_checks = 1,
    };
    if (service != NULL) {
        r.flags |= REG_REG_SERVICE;
        r.service = (struct reg_service){.id = slice_str(service),
                                         .name = slice_str(service),
                                         .weight_passing = 1,
                                         .weight_warning = 1,
                                         .origin = REG_ORIGIN_AGENT};
    }
    reg_command_register(&cmd, &r);
    assert_int_equal(apply(&cmd), 0);
}

static void add_ttl(const char *service, const char *id, int64_t ttl_ns, int64_t deregister_ns)
{
    const struct reg_probe p = {
        .kind = REG_PROBE_TTL, .ttl_ns = ttl_ns, .deregister_after_ns = deregister_ns};
    add_check(service, id, &p, "critical");
}

static void remove_service(const char *id)
{
    struct buf cmd = BUF_INIT;
    const struct reg_deregister d = {.node = NODE, .service_id = slice_str(id)};
    reg_command_deregister(&cmd, &d);
    assert_int_equal(apply(&cmd), 0);
}

static int ask(struct reg_probe_req *req)
{
    struct list got;
    list_init(&got);
    req->reply = (struct reg_reply){.to = &w.replies, .done = nothing};
    struct reg_prober *prober = hc_prober(w.hc);
    assert_int_equal(prober->submit(prober, req), 0);
    (void)queue_wait(&w.replies, &got);
    return req->code;
}

static int ttl(const char *id, const char *status, const char *output)
{
    struct reg_probe_req req = {.op = REG_PROBE_REQ_TTL,
                                .check_id = slice_str(id),
                                .status = slice_str(status),
                                .output = slice_str(output)};
    return ask(&req);
}

/* "status: output" of a check as the store has it; "" when it has none. */
static const char *stored(const char *id)
{
    static char text[1024];
    struct reg_check c;
    text[0] = '\0';
    reg_read_begin(w.reader);
    if (reg_check_find(w.reader, NODE, slice_str(id), &c)) {
        (void)snprintf(text, sizeof text, "%.*s: %.*s", (int)c.status.len, c.status.p,
                       (int)c.output.len, c.output.p);
    }
    reg_read_end(w.reader);
    return text;
}

/* The same from the prober's own view. */
static const char *live(const char *id)
{
    static char text[1024];
    struct reg_probe_req req = {.op = REG_PROBE_REQ_LIVE, .text = BUF_INIT};
    assert_int_equal(ask(&req), 0);
    text[0] = '\0';
    for (size_t i = 0; i < req.n_live; i++) {
        const struct reg_live_check *l = &req.live[i];
        if (slice_is(l->check_id, id)) {
            (void)snprintf(text, sizeof text, "%.*s: %.*s", (int)l->status.len, l->status.p,
                           (int)l->output.len, l->output.p);
        }
    }
    free(req.live);
    buf_fini(&req.text);
    return text;
}

/* Wait until the store has the check so; each change of the store is looked at. */
static void wait_stored(const char *id, const char *want)
{
    pthread_mutex_lock(&w.lock);
    for (;;) {
        if (strcmp(stored(id), want) == 0) {
            break;
        }
        pthread_cond_wait(&w.applied, &w.lock);
    }
    pthread_mutex_unlock(&w.lock);
}

static unsigned statuses(void)
{
    pthread_mutex_lock(&w.lock);
    unsigned n = w.n_statuses;
    pthread_mutex_unlock(&w.lock);
    return n;
}

/* A listening socket on loopback that the kernel answers for; its port. */
static int listen_on(unsigned *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t n = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, 64), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    *port = ntohs(a.sin_port);
    return fd;
}

/* ---- TTL ---- */

static void a_ttl_update_is_stored_when_it_returns(void **state)
{
    (void)state;
    start();
    add_ttl(NULL, "mem", 3600000 * MS, 0);
    assert_int_equal(ttl("mem", "passing", "fine"), 0);
    assert_string_equal(stored("mem"), "passing: fine");
    assert_int_equal(ttl("mem", "warning", "low"), 0);
    assert_string_equal(stored("mem"), "warning: low");
    assert_int_equal(ttl("mem", "critical", ""), 0);
    assert_string_equal(stored("mem"), "critical: ");
}

static void an_output_alone_stays_in_memory(void **state)
{
    (void)state;
    start();
    add_ttl(NULL, "mem", 3600000 * MS, 0);
    assert_int_equal(ttl("mem", "passing", "one"), 0);
    unsigned n = statuses();
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(ttl("mem", "passing", i % 2 ? "two" : "three"), 0);
    }
    assert_int_equal(statuses(), n);
    assert_string_equal(stored("mem"), "passing: one");
    assert_string_equal(live("mem"), "passing: two");
    assert_int_equal(ttl("mem", "warning", "four"), 0); /* a new status takes it along */
    assert_string_equal(stored("mem"), "warning: four");
}

static void an_output_alone_is_stored_after_the_update_interval(void **state)
{
    (void)state;
    w.options.update_interval_ns = 20 * MS;
    start();
    add_ttl(NULL, "mem", 3600000 * MS, 0);
    assert_int_equal(ttl("mem", "passing", "one"), 0);
    assert_int_equal(ttl("mem", "passing", "two"), 0);
    wait_stored("mem", "passing: two");
}

static void without_an_update_interval_outputs_are_stored_at_once(void **state)
{
    (void)state;
    w.options.update_interval_ns = 0;
    start();
    add_ttl(NULL, "mem", 3600000 * MS, 0);
    assert_int_equal(ttl("mem", "passing", "one"), 0);
    assert_int_equal(ttl("mem", "passing", "two"), 0);
    assert_string_equal(stored("mem"), "passing: two");
}

static void a_ttl_update_finds_a_check_registered_just_before(void **state)
{
    (void)state;
    start();
    char id[32];
    for (unsigned i = 0; i < 200; i++) {
        (void)snprintf(id, sizeof id, "c%u", i);
        add_ttl("web", id, 3600000 * MS, 0);
        assert_int_equal(ttl(id, "passing", ""), 0);
    }
    remove_service("web");
    assert_int_equal(ttl("c0", "passing", ""), E_NOTFOUND);
    assert_string_equal(live("c7"), "");
}

static void only_ttl_checks_take_updates(void **state)
{
    (void)state;
    start();
    const struct reg_probe tcp = {
        .kind = REG_PROBE_TCP, .target = SLICE_LIT("127.0.0.1:1"), .interval_ns = 3600000 * MS};
    const struct reg_probe none = {.kind = REG_PROBE_NONE};
    add_check(NULL, "tcp", &tcp, "critical");
    add_check(NULL, "none", &none, "critical");
    assert_int_equal(ttl("tcp", "passing", ""), E_INVAL);
    assert_int_equal(ttl("none", "passing", ""), E_INVAL);
    assert_int_equal(ttl("unknown", "passing", ""), E_NOTFOUND);
    add_ttl(NULL, "ttl", 3600000 * MS, 0);
    assert_int_equal(ttl("ttl", "good", ""), E_INVAL);
}

static void a_ttl_that_passes_makes_the_check_critical(void **state)
{
    (void)state;
    w.options.update_interval_ns = 0;
    start();
    add_ttl(NULL, "short", 30 * MS, 0);
    wait_stored("short", "critical: TTL expired");
    assert_int_equal(ttl("short", "passing", "back"), 0);
    wait_stored("short", "critical: TTL expired (last output before timeout follows): back");
}

static void a_failed_write_is_reported_and_tried_again(void **state)
{
    (void)state;
    start();
    add_ttl(NULL, "mem", 3600000 * MS, 0);
    pthread_mutex_lock(&w.lock);
    w.failures = 1;
    pthread_mutex_unlock(&w.lock);
    assert_int_equal(ttl("mem", "passing", "one"), E_NOTLEADER);
    wait_stored("mem", "passing: one");
}

static void a_full_log_only_delays_an_update(void **state)
{
    (void)state;
    start();
    add_ttl(NULL, "mem", 3600000 * MS, 0);
    pthread_mutex_lock(&w.lock);
    w.refusals = 2;
    pthread_mutex_unlock(&w.lock);
    assert_int_equal(ttl("mem", "passing", "one"), 0);
    assert_string_equal(stored("mem"), "passing: one");
}

/* ---- probes ---- */

static void a_probe_turns_the_stored_status(void **state)
{
    (void)state;
    unsigned port;
    int fd = listen_on(&port);
    char target[64];
    char want[128];
    (void)snprintf(target, sizeof target, "127.0.0.1:%u", port);
    start();
    const struct reg_probe p = {
        .kind = REG_PROBE_TCP, .target = slice_str(target), .interval_ns = 5 * MS};
    add_check("web", "up", &p, "critical");
    (void)snprintf(want, sizeof want, "passing: TCP connect %s: Success", target);
    wait_stored("up", want);
    close(fd);
    (void)snprintf(want, sizeof want, "critical: dial tcp %s: connect: connection refused", target);
    wait_stored("up", want);
}

static void a_new_definition_replaces_the_old_one_and_keeps_the_status(void **state)
{
    (void)state;
    start();
    add_ttl(NULL, "c", 3600000 * MS, 0);
    assert_int_equal(ttl("c", "passing", "fine"), 0);
    const struct reg_probe p = {
        .kind = REG_PROBE_TCP, .target = SLICE_LIT("127.0.0.1"), .interval_ns = 3600000 * MS};
    add_check(NULL, "c", &p, "critical");
    assert_string_equal(live("c"), "passing: fine");
    assert_int_equal(ttl("c", "passing", ""), E_INVAL);
    struct reg_probe soon = p;
    soon.interval_ns = 1 * MS;
    add_check(NULL, "c", &soon, "critical");
    wait_stored("c", "critical: dial tcp: address 127.0.0.1: missing port in address");
}

static void many_checks_run_at_once(void **state)
{
    (void)state;
    unsigned port;
    int fd = listen_on(&port);
    char target[64];
    char want[128];
    char id[16];
    (void)snprintf(target, sizeof target, "127.0.0.1:%u", port);
    (void)snprintf(want, sizeof want, "passing: TCP connect %s: Success", target);
    const struct reg_probe p = {.kind = REG_PROBE_TCP,
                                .target = slice_str(target),
                                .interval_ns = 100 * MS,
                                .timeout_ns = 5000 * MS};
    start();
    for (unsigned i = 0; i < 50; i++) { /* no more than the kernel keeps waiting for accept */
        (void)snprintf(id, sizeof id, "c%u", i);
        add_check(NULL, id, &p, "critical");
    }
    for (unsigned i = 0; i < 20; i++) {
        (void)snprintf(id, sizeof id, "c%u", i);
        wait_stored(id, want);
    }
    close(fd);
}

static void kinds_that_cannot_run_say_so(void **state)
{
    (void)state;
    w.options.update_interval_ns = 0;
    start();
    const struct reg_probe p = {.kind = REG_PROBE_SCRIPT, .interval_ns = 1 * MS};
    add_check(NULL, "s", &p, "critical");
    wait_stored("s", "critical: Checks of type \"script\" are not supported by this agent");
}

/* ---- alias ---- */

static void an_alias_follows_another_service(void **state)
{
    (void)state;
    w.options.update_interval_ns = 0;
    start();
    add_ttl("main", "m", 3600000 * MS, 0);
    assert_int_equal(ttl("m", "passing", ""), 0);
    const struct reg_probe p = {.kind = REG_PROBE_ALIAS, .target = SLICE_LIT("main")};
    add_check("side", "follow", &p, "critical");
    wait_stored("follow", "passing: All checks passing.");
    assert_int_equal(ttl("m", "warning", ""), 0);
    wait_stored("follow", "warning: Aliased check \"m\" failing: ");
    assert_int_equal(ttl("m", "critical", "broken"), 0);
    wait_stored("follow", "critical: Aliased check \"m\" failing: broken");
    assert_int_equal(ttl("m", "passing", ""), 0);
    wait_stored("follow", "passing: All checks passing.");
    assert_int_equal(ttl("follow", "passing", ""), E_INVAL);
    remove_service("main");
    wait_stored("follow", "critical: Service main could not be found on node ");
}

static void an_alias_of_another_node_follows_that_node(void **state)
{
    (void)state;
    w.options.update_interval_ns = 0;
    start();
    const struct reg_probe p = {.kind = REG_PROBE_ALIAS, .alias_node = SLICE_LIT("other")};
    add_check("side", "follow", &p, "critical");
    wait_stored("follow", "passing: No checks found.");
    struct buf cmd = BUF_INIT;
    const struct reg_check c = {.node = SLICE_LIT("other"),
                                .check_id = SLICE_LIT("disk"),
                                .name = SLICE_LIT("Disk"),
                                .status = SLICE_LIT("warning"),
                                .output = SLICE_LIT("90 %")};
    const struct reg_register r = {
        .flags = REG_REG_NODE,
        .node = {.name = SLICE_LIT("other"), .address = SLICE_LIT("10.0.0.2")},
        .checks = &c,
        .n_checks = 1,
    };
    reg_command_register(&cmd, &r);
    assert_int_equal(apply(&cmd), 0);
    wait_stored("follow", "warning: Aliased check \"Disk\" failing: 90 %");
}

/* ---- reaping ---- */

static void a_service_critical_for_too_long_is_deregistered(void **state)
{
    (void)state;
    start();
    add_ttl("brief", "b", 5 * MS, 10 * MS);
    add_ttl("stays", "s", 3600000 * MS, 10 * MS);
    add_ttl(NULL, "node-check", 5 * MS, 10 * MS);
    assert_int_equal(ttl("s", "passing", ""), 0);
    wait_stored("b", "");
    assert_string_equal(stored("s"), "passing: ");
    assert_string_not_equal(stored("node-check"), "");
}

/* ---- start and stop ---- */

static void a_restart_goes_on_from_the_store(void **state)
{
    (void)state;
    start();
    add_ttl(NULL, "mem", 3600000 * MS, 0);
    assert_int_equal(ttl("mem", "passing", "one"), 0);
    hc_stop(w.hc);
    start();
    assert_string_equal(live("mem"), "passing: one");
    assert_int_equal(ttl("mem", "warning", "two"), 0);
    assert_string_equal(stored("mem"), "warning: two");
}

static void stopping_answers_what_waits(void **state)
{
    (void)state;
    start();
    add_ttl(NULL, "mem", 3600000 * MS, 0);
    pthread_mutex_lock(&w.lock);
    w.refusals = 1000000; /* the update waits for the log for ever */
    pthread_mutex_unlock(&w.lock);
    struct list got;
    list_init(&got);
    struct reg_probe_req req = {.op = REG_PROBE_REQ_TTL,
                                .check_id = SLICE_LIT("mem"),
                                .status = SLICE_LIT("passing"),
                                .reply = {.to = &w.replies, .done = nothing}};
    struct reg_prober *prober = hc_prober(w.hc);
    assert_int_equal(prober->submit(prober, &req), 0);
    hc_stop(w.hc);
    w.hc = NULL;
    (void)queue_wait(&w.replies, &got);
    assert_int_equal(req.code, E_CANCELED);
}

#define T(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_ttl_update_is_stored_when_it_returns),
        T(an_output_alone_stays_in_memory),
        T(an_output_alone_is_stored_after_the_update_interval),
        T(without_an_update_interval_outputs_are_stored_at_once),
        T(a_ttl_update_finds_a_check_registered_just_before),
        T(only_ttl_checks_take_updates),
        T(a_ttl_that_passes_makes_the_check_critical),
        T(a_failed_write_is_reported_and_tried_again),
        T(a_full_log_only_delays_an_update),
        T(a_probe_turns_the_stored_status),
        T(a_new_definition_replaces_the_old_one_and_keeps_the_status),
        T(many_checks_run_at_once),
        T(kinds_that_cannot_run_say_so),
        T(an_alias_follows_another_service),
        T(an_alias_of_another_node_follows_that_node),
        T(a_service_critical_for_too_long_is_deregistered),
        T(a_restart_goes_on_from_the_store),
        T(stopping_answers_what_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
