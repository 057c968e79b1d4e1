/* raft/: the guard between the real library and a disk and network made of memory. Each test is one
 * defect of libraft 0.15 (the numbers are those of guard.h), provoked by hand-made messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/wait.h>
#include <unistd.h>

#include "base/list.h"
#include "raft/guard.h"

enum { SELF = 1, SENDS_MAX = 64, APPENDS_MAX = 16, ELECTION = 1000 };

/* ---- a server whose disk and network are at our command ---- */

static struct {
    struct raft_io io;
    struct raft raft;
    struct raft_fsm fsm;
    struct guard guard;
    raft_io_tick_cb tick;
    raft_io_recv_cb recv;
    raft_io_close_cb closed;
    raft_time now;
    raft_term term;
    raft_id vote;
    raft_term entry_terms[8]; /* of the log at start, ended by 0; the first is the configuration */
    struct raft_message sent[SENDS_MAX];
    struct raft_io_send *sends[SENDS_MAX];
    unsigned n_sent;
    unsigned n_done;
    struct raft_io_append *appends[APPENDS_MAX];
    unsigned n_appends;
    unsigned applied;
} t;

static int mem_init(struct raft_io *io, raft_id id, const char *address)
{
    (void)io;
    (void)id;
    (void)address;
    return 0;
}

static void mem_close(struct raft_io *io, raft_io_close_cb cb)
{
    cb(io);
}

static struct raft_buffer configuration(void)
{
    struct raft_configuration c;
    struct raft_buffer buf;
    raft_configuration_init(&c);
    assert_int_equal(raft_configuration_add(&c, 1, "a:1", RAFT_VOTER), 0);
    assert_int_equal(raft_configuration_add(&c, 2, "a:2", RAFT_VOTER), 0);
    assert_int_equal(raft_configuration_add(&c, 3, "a:3", RAFT_VOTER), 0);
    assert_int_equal(raft_configuration_encode(&c, &buf), 0);
    raft_configuration_close(&c);
    return buf;
}

static struct raft_buffer eight_bytes(void)
{
    return (struct raft_buffer){raft_calloc(1, 8), 8};
}

static int mem_load(struct raft_io *io,
                    raft_term *term,
                    raft_id *voted_for,
                    struct raft_snapshot **snapshot,
                    raft_index *start_index,
                    struct raft_entry *entries[],
                    size_t *n_entries)
{
    (void)io;
    *term = t.term;
    *voted_for = t.vote;
    *snapshot = NULL;
    *start_index = 1;
    *n_entries = 0;
    *entries = raft_calloc(8, sizeof **entries);
    for (; t.entry_terms[*n_entries] != 0; (*n_entries)++) {
        struct raft_entry *e = &(*entries)[*n_entries];
        e->term = t.entry_terms[*n_entries];
        e->type = *n_entries == 0 ? RAFT_CHANGE : RAFT_COMMAND;
        e->buf = *n_entries == 0 ? configuration() : eight_bytes();
    }
    return 0;
}

static int mem_start(struct raft_io *io, unsigned msecs, raft_io_tick_cb tick, raft_io_recv_cb recv)
{
    (void)io;
    (void)msecs;
    t.tick = tick;
    t.recv = recv;
    return 0;
}

static int mem_set_term(struct raft_io *io, raft_term term)
{
    (void)io;
    t.term = term;
    t.vote = 0;
    return 0;
}

static int mem_set_vote(struct raft_io *io, raft_id id)
{
    (void)io;
    t.vote = id;
    return 0;
}

static int mem_send(struct raft_io *io,
                    struct raft_io_send *req,
                    const struct raft_message *m,
                    raft_io_send_cb cb)
{
    (void)io;
    assert_true(t.n_sent < SENDS_MAX);
    req->cb = cb;
    t.sends[t.n_sent] = req;
    t.sent[t.n_sent++] = *m;
    return 0;
}

static int mem_append(struct raft_io *io,
                      struct raft_io_append *req,
                      const struct raft_entry entries[],
                      unsigned n,
                      raft_io_append_cb cb)
{
    (void)io;
    (void)entries;
    (void)n;
    assert_true(t.n_appends < APPENDS_MAX);
    req->cb = cb;
    t.appends[t.n_appends++] = req;
    return 0;
}

static int mem_truncate(struct raft_io *io, raft_index index)
{
    (void)io;
    (void)index;
    return 0;
}

static raft_time mem_time(struct raft_io *io)
{
    (void)io;
    return t.now;
}

static int mem_random(struct raft_io *io, int min, int max)
{
    (void)io;
    (void)max;
    return min;
}

static int fsm_apply(struct raft_fsm *fsm, const struct raft_buffer *buf, void **result)
{
    (void)fsm;
    (void)buf;
    *result = NULL;
    t.applied++;
    return 0;
}

static void on_stepped(void *arg)
{
    (void)arg;
}

/* The sends that were made are reported as failed or done, one turn later. */
static void settle(void)
{
    while (t.n_done < t.n_sent) {
        struct raft_io_send *req = t.sends[t.n_done++];
        req->cb(req, 0);
    }
}

/* The oldest write completes. */
static void written(int status)
{
    assert_true(t.n_appends > 0);
    struct raft_io_append *req = t.appends[0];
    t.n_appends--;
    memmove(t.appends, t.appends + 1, t.n_appends * sizeof t.appends[0]);
    req->cb(req, status);
    settle();
}

static void tick(unsigned ms)
{
    t.now += ms;
    t.tick(&t.io);
    settle();
}

static void receive(struct raft_message *m, raft_id from)
{
    m->server_id = from;
    m->server_address = from == 2 ? "a:2" : "a:3";
    t.recv(&t.io, m);
    settle();
}

/* Begin in @term with @vote given and a log of these entries' terms. */
static void begin(raft_term term, raft_id vote, const raft_term *terms, size_t n)
{
    memset(&t, 0, sizeof t);
    t.term = term;
    t.vote = vote;
    t.now = 1000;
    memcpy(t.entry_terms, terms, n * sizeof *terms);
    t.io = (struct raft_io){.version = 1,
                            .init = mem_init,
                            .close = mem_close,
                            .load = mem_load,
                            .start = mem_start,
                            .set_term = mem_set_term,
                            .set_vote = mem_set_vote,
                            .send = mem_send,
                            .append = mem_append,
                            .truncate = mem_truncate,
                            .time = mem_time,
                            .random = mem_random};
    t.fsm = (struct raft_fsm){.version = 1, .apply = fsm_apply};
    guard_init(&t.guard, &t.raft, &t.io, on_stepped, NULL);
    assert_int_equal(raft_init(&t.raft, &t.guard.io, &t.fsm, SELF, "a:1"), 0);
    raft_set_election_timeout(&t.raft, ELECTION);
    assert_int_equal(raft_start(&t.raft), 0);
    guard_step(&t.guard);
}

static void end(void)
{
    while (t.n_appends > 0) {
        written(0);
    }
    settle();
    guard_close(&t.guard);
    raft_close(&t.raft, NULL);
}

static struct raft_message heartbeat(raft_term term, raft_index prev, raft_term prev_term)
{
    return (struct raft_message){
        .type = RAFT_IO_APPEND_ENTRIES,
        .append_entries = {.term = term, .prev_log_index = prev, .prev_log_term = prev_term}};
}

/* One entry of @term behind @prev. */
static struct raft_message entry(raft_term term, raft_index prev, raft_term prev_term)
{
    struct raft_message m = heartbeat(term, prev, prev_term);
    struct raft_entry *e = raft_calloc(1, sizeof *e);
    e->term = term;
    e->type = RAFT_COMMAND;
    e->buf = eight_bytes();
    e->batch = e->buf.base;
    m.append_entries.entries = e;
    m.append_entries.n_entries = 1;
    return m;
}

static struct raft_message stored(raft_term term, raft_index last)
{
    return (struct raft_message){.type = RAFT_IO_APPEND_ENTRIES_RESULT,
                                 .append_entries_result = {.term = term, .last_log_index = last}};
}

static const struct raft_message *last_sent(unsigned type)
{
    for (unsigned i = t.n_sent; i > 0; i--) {
        if (t.sent[i - 1].type == type) {
            return &t.sent[i - 1];
        }
    }
    return NULL;
}

/* Win the election of the next term with the vote of server 2. */
static void win(void)
{
    tick(2 * ELECTION);
    assert_int_equal(raft_state(&t.raft), RAFT_CANDIDATE);
    struct raft_message yes = {
        .type = RAFT_IO_REQUEST_VOTE_RESULT,
        .request_vote_result = {
            .term = t.raft.current_term, .vote_granted = true, .pre_vote = raft_tribool_false}};
    receive(&yes, 2);
    assert_int_equal(raft_state(&t.raft), RAFT_LEADER);
}

/* ---- the defects ---- */

static void s1_old_entries_commit_only_behind_an_entry_of_the_new_term(void **state)
{
    (void)state;
    begin(1, 0, (raft_term[]){1, 1}, 2);
    win();
    assert_int_equal(t.raft.current_term, 2);
    assert_int_equal(t.n_appends, 1); /* the barrier, entry 3 */
    struct raft_message m = stored(2, 2);
    receive(&m, 2); /* a majority has entry 2, which is of term 1 */
    assert_int_equal(t.raft.commit_index, 1);
    assert_int_equal(t.applied, 0);
    written(0);
    assert_int_equal(t.raft.commit_index, 1);
    assert_false(t.guard.ready);
    m = stored(2, 3);
    receive(&m, 2);
    assert_int_equal(t.raft.commit_index, 3);
    assert_int_equal(t.applied, 1);
    assert_true(t.guard.ready);
    end();
}

static void s1_answers_that_came_too_early_count_once_the_barrier_is_stored(void **state)
{
    (void)state;
    begin(1, 0, (raft_term[]){1, 1}, 2);
    win();
    struct raft_message m = stored(2, 2);
    receive(&m, 2);
    m = stored(2, 3);
    receive(&m, 2); /* the newer one takes its place */
    assert_int_equal(t.raft.commit_index, 1);
    written(0);
    assert_int_equal(t.raft.commit_index, 3);
    assert_true(t.guard.ready);
    end();
}

static void s2_a_follower_reports_only_what_its_leader_compared(void **state)
{
    (void)state;
    /* Entry 3 is of a leader that is gone; the new one has not looked at it. */
    begin(1, 0, (raft_term[]){1, 1, 1}, 3);
    struct raft_message m = heartbeat(2, 2, 1);
    receive(&m, 2);
    const struct raft_message *sent = last_sent(RAFT_IO_APPEND_ENTRIES_RESULT);
    assert_non_null(sent);
    assert_int_equal(sent->append_entries_result.rejected, 0);
    assert_int_equal(sent->append_entries_result.last_log_index, 2);
    m = entry(2, 2, 1); /* replaces entry 3 */
    receive(&m, 2);
    written(0);
    sent = last_sent(RAFT_IO_APPEND_ENTRIES_RESULT);
    assert_int_equal(sent->append_entries_result.last_log_index, 3);
    end();
}

static void s3_a_failed_write_ends_the_process(void **state)
{
    (void)state;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)close(2); /* the last words are expected */
        begin(1, 0, (raft_term[]){1}, 1);
        struct raft_message m = entry(1, 1, 1);
        receive(&m, 2);
        written(RAFT_NOSPACE);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 70);
}

static void s4_no_election_while_entries_are_on_their_way_to_the_disk(void **state)
{
    (void)state;
    begin(1, 0, (raft_term[]){1}, 1);
    struct raft_message m = entry(1, 1, 1);
    receive(&m, 2);
    assert_int_equal(t.n_appends, 1);
    tick(3 * ELECTION);
    assert_int_equal(raft_state(&t.raft), RAFT_FOLLOWER);
    struct raft_message now = {.type = RAFT_IO_TIMEOUT_NOW,
                               .timeout_now = {.term = 1, .last_log_index = 2, .last_log_term = 1}};
    receive(&now, 2);
    assert_int_equal(raft_state(&t.raft), RAFT_FOLLOWER);
    written(0);
    tick(3 * ELECTION);
    assert_int_equal(raft_state(&t.raft), RAFT_CANDIDATE);
    end();
}

static void s5_a_vote_is_given_once_in_a_term(void **state)
{
    (void)state;
    begin(5, 2, (raft_term[]){1}, 1);
    struct raft_message m = {.type = RAFT_IO_REQUEST_VOTE,
                             .request_vote = {.term = 5,
                                              .candidate_id = 3,
                                              .last_log_index = 9,
                                              .last_log_term = 4,
                                              .disrupt_leader = true}};
    receive(&m, 3);
    assert_int_equal(t.vote, 2);
    assert_null(last_sent(RAFT_IO_REQUEST_VOTE_RESULT)); /* the library never saw the request */
    end();
}

static void s6_nothing_is_reported_to_a_leader_that_sent_something_else(void **state)
{
    (void)state;
    begin(1, 0, (raft_term[]){1}, 1);
    struct raft_message m = entry(1, 1, 1); /* from the leader of term 1 */
    receive(&m, 2);
    m = heartbeat(2, 1, 1); /* the leader of term 2 knows of no entry 2 */
    receive(&m, 3);
    unsigned before = t.n_sent;
    written(0);
    for (unsigned i = before; i < t.n_sent; i++) {
        if (t.sent[i].type == RAFT_IO_APPEND_ENTRIES_RESULT &&
            t.sent[i].append_entries_result.rejected == 0) {
            assert_true(t.sent[i].append_entries_result.last_log_index <= 1);
        }
    }
    end();
}

static void l5_a_message_carries_a_bounded_number_of_bytes(void **state)
{
    (void)state;
    begin(1, 0, (raft_term[]){1}, 1);
    win();
    written(0);
    struct raft_message m = stored(2, 2);
    receive(&m, 2);
    /* A command larger than a message, between small ones; server 3 lacks them all. */
    static struct raft_apply reqs[3];
    for (unsigned i = 0; i < 3; i++) {
        struct raft_buffer buf = {NULL, i == 1 ? GUARD_SEND_BYTES + 8 : 8};
        buf.base = raft_calloc(1, buf.len);
        assert_int_equal(raft_apply(&t.raft, &reqs[i], &buf, 1, NULL), 0);
    }
    t.n_sent = 0;
    t.n_done = 0;
    tick(ELECTION / 2);
    for (unsigned i = 0; i < t.n_sent; i++) {
        const struct raft_append_entries *ae = &t.sent[i].append_entries;
        if (t.sent[i].server_id == 3) {
            assert_int_equal(ae->prev_log_index, 1);
            assert_int_equal(ae->n_entries, 2); /* the barrier and the first command */
            assert_true(ae->leader_commit <= 3);
            end();
            return;
        }
    }
    fail_msg("nothing was sent to server 3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(s1_old_entries_commit_only_behind_an_entry_of_the_new_term),
        cmocka_unit_test(s1_answers_that_came_too_early_count_once_the_barrier_is_stored),
        cmocka_unit_test(s2_a_follower_reports_only_what_its_leader_compared),
        cmocka_unit_test(s3_a_failed_write_ends_the_process),
        cmocka_unit_test(s4_no_election_while_entries_are_on_their_way_to_the_disk),
        cmocka_unit_test(s5_a_vote_is_given_once_in_a_term),
        cmocka_unit_test(s6_nothing_is_reported_to_a_leader_that_sent_something_else),
        cmocka_unit_test(l5_a_message_carries_a_bounded_number_of_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
