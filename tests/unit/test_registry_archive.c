/* registry/: archives of the state: written, read, damaged, restored. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "registry/snapshot.h"
#include "registry/tar.h"
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

static int to_buf(void *arg, struct slice bytes)
{
    buf_add_slice(arg, bytes);
    return 0;
}

static void save(struct buf *archive)
{
    const struct archive_sink sink = {to_buf, archive};
    const struct reg_snapshot_by by = {"id", "127.0.0.1:8300", (int64_t)1700000000 * 1000000000};
    uint64_t index = 0;
    struct errmsg e;
    assert_int_equal(reg_snapshot_write(S.reg, &sink, &by, &index, &e), 0);
    assert_int_equal(index, reg_published_index(S.reg));
    assert_true(buf_ok(archive));
}

/* What a reader found: the header, and the rows as the log would carry them. */
struct found {
    struct state_header header;
    struct buf body;
    struct buf rows;
};

static int on_header(void *arg, const struct state_header *h, struct slice body)
{
    struct found *f = arg;
    f->header = *h;
    buf_add_slice(&f->body, body);
    return reg_snapshot_check_header(h, NULL);
}

static int on_row(void *arg, unsigned table, struct slice key, struct slice value)
{
    struct found *f = arg;
    state_row_encode(&f->rows, table, key, value);
    return reg_snapshot_check_row(f->header.tables[table - 1], key, value);
}

/* Read @archive in pieces of @step bytes. */
static int load(struct slice archive,
                size_t step,
                struct found *f,
                struct archive_meta *meta,
                uint64_t *rows,
                struct errmsg *e)
{
    *f = (struct found){.body = BUF_INIT};
    const struct state_visitor visitor = {on_header, on_row, f};
    struct archive_reader *r = archive_reader_new(&visitor, 64 * 1024 * 1024);
    assert_non_null(r);
    int rc = 0;
    for (size_t at = 0; rc == 0 && at < archive.len; at += step) {
        size_t n = archive.len - at < step ? archive.len - at : step;
        rc = archive_reader_feed(r, slice_of(archive.p + at, n), e);
    }
    if (rc == 0) {
        rc = archive_reader_end(r, meta, rows, e);
    }
    archive_reader_free(r);
    return rc;
}

static void found_fini(struct found *f)
{
    buf_fini(&f->body);
    buf_fini(&f->rows);
}

static struct reg_result command(enum reg_command_type type,
                                 uint64_t id,
                                 uint64_t count,
                                 struct slice bytes)
{
    struct buf cmd = BUF_INIT;
    reg_command_restore(&cmd, type, &(struct reg_restore){id, count, bytes});
    struct reg_result r = test_store_apply(&S, &cmd, 0);
    buf_fini(&cmd);
    return r;
}

/* Restore with the rows in one piece. */
static struct reg_result restore(const struct buf *archive, uint64_t id)
{
    struct found f;
    struct archive_meta meta;
    uint64_t rows;
    struct errmsg e = {""};
    assert_int_equal(load(buf_slice(archive), 4096, &f, &meta, &rows, &e), 0);
    assert_int_equal(command(REG_CMD_RESTORE_BEGIN, id, rows, buf_slice(&f.body)).status, 0);
    assert_int_equal(command(REG_CMD_RESTORE_ROWS, id, 0, buf_slice(&f.rows)).status, 0);
    struct reg_result r = command(REG_CMD_RESTORE_END, id, rows, slice_of(NULL, 0));
    found_fini(&f);
    return r;
}

static void fill(void)
{
    test_node(&S, "n1", "10.0.0.1");
    test_service(&S, "n1", "web1", "web", "10.0.0.2", 80, "blue", "passing");
    test_service(&S, "n1", "db1", "db", "", 5432, NULL, "critical");
    test_put(&S, "a", "before");
    test_put(&S, "b/c", "x");
    test_put(&S, "gone", "x");
    struct buf cmd = BUF_INIT;
    reg_command_kv(&cmd, &(struct reg_kv_op){.verb = REG_KV_DELETE, .key = SLICE_LIT("gone")});
    (void)test_store_apply(&S, &cmd, 0); /* leaves a tombstone */
    buf_fini(&cmd);
}

static void change_everything(void)
{
    test_put(&S, "a", "after");
    test_put(&S, "new", "x");
    test_deregister(&S, "n1", "", "");
    test_node(&S, "n2", "10.0.0.9");
    test_service(&S, "n2", "api1", "api", "", 1, "red", "warning");
}

/* state.bin of the store, without the header, which holds the registry index. */
static void rows_of(struct buf *out)
{
    struct buf archive = BUF_INIT;
    struct found f;
    struct archive_meta meta;
    uint64_t rows;
    struct errmsg e;
    save(&archive);
    assert_int_equal(load(buf_slice(&archive), 65536, &f, &meta, &rows, &e), 0);
    buf_add_slice(out, buf_slice(&f.rows));
    found_fini(&f);
    buf_fini(&archive);
}

static void restored_rows_equal_the_saved_ones_byte_for_byte(void **state)
{
    (void)state;
    struct buf archive = BUF_INIT;
    struct buf before = BUF_INIT;
    struct buf after = BUF_INIT;
    fill();
    save(&archive);
    rows_of(&before);
    change_everything();
    rows_of(&after);
    assert_false(slice_eq(buf_slice(&before), buf_slice(&after)));
    uint64_t index = reg_published_index(S.reg);
    struct reg_result r = restore(&archive, 1);
    assert_int_equal(r.status, 0);
    assert_true(r.changed);
    assert_true(r.index > index);
    buf_reset(&after);
    rows_of(&after);
    assert_true(slice_eq(buf_slice(&before), buf_slice(&after)));
    test_store_reopen(&S, true);
    buf_reset(&after);
    rows_of(&after);
    assert_true(slice_eq(buf_slice(&before), buf_slice(&after)));
    assert_int_equal(reg_published_index(S.reg), r.index);
    buf_fini(&archive);
    buf_fini(&before);
    buf_fini(&after);
}

static void the_index_goes_on_above_the_archive_in_an_empty_store(void **state)
{
    (void)state;
    struct buf archive = BUF_INIT;
    fill();
    for (int i = 0; i < 20; i++) {
        test_put(&S, "counter", i % 2 == 0 ? "even" : "odd");
    }
    uint64_t saved = reg_published_index(S.reg);
    save(&archive);
    test_store_close(&S);
    test_store_open(&S);
    struct reg_result r = restore(&archive, 1);
    assert_int_equal(r.index, saved + 1);
    reg_read_begin(S.rd);
    struct reg_kv kv;
    assert_true(reg_kv_find(S.rd, SLICE_LIT("counter"), &kv));
    assert_int_equal(kv.modify_index, saved);
    assert_int_equal(reg_index(S.rd, REG_W_KEY, SLICE_LIT("counter")), saved);
    assert_int_equal(reg_restored_index(S.rd), r.index);
    reg_read_end(S.rd);
    assert_int_equal(test_put(&S, "next", "x").index, saved + 2);
    buf_fini(&archive);
}

static unsigned touched;
static void on_touched(struct reg_sub *sub)
{
    (void)sub;
    touched++;
}

static void a_restore_wakes_everybody(void **state)
{
    (void)state;
    struct buf archive = BUF_INIT;
    struct reg_sub sub = {.touched = on_touched};
    fill();
    save(&archive);
    reg_reader_sync(S.rd);
    list_init(&sub.link);
    assert_int_equal(
        reg_watch_add(reg_reader_watch(S.rd), &sub, REG_W_SERVICE, SLICE_LIT("unheard-of")), 0);
    touched = 0;
    assert_int_equal(restore(&archive, 1).status, 0);
    reg_reader_sync(S.rd);
    assert_int_equal(touched, 1);
    reg_watch_remove(reg_reader_watch(S.rd), &sub);
    buf_fini(&archive);
}

static void an_archive_is_read_in_pieces_of_any_size(void **state)
{
    (void)state;
    struct buf archive = BUF_INIT;
    fill();
    save(&archive);
    for (size_t step = 1; step < 2000; step = step * 3 + 1) {
        struct found f;
        struct archive_meta meta;
        uint64_t rows = 0;
        struct errmsg e = {""};
        assert_int_equal(load(buf_slice(&archive), step, &f, &meta, &rows, &e), 0);
        assert_int_equal(meta.index, S.raft_index);
        assert_int_equal(meta.term, 1);
        char id[64];
        (void)snprintf(id, sizeof id, "1-%llu-1700000000000", (unsigned long long)S.raft_index);
        assert_string_equal(meta.id, id);
        assert_true(rows > 10);
        found_fini(&f);
    }
    buf_fini(&archive);
}

/* Some bits carry nothing: the time in gzip's header, the distance of a match within a run. */
static void a_flipped_bit_anywhere_is_refused_or_changes_nothing(void **state)
{
    (void)state;
    struct buf archive = BUF_INIT;
    struct found whole;
    struct archive_meta meta;
    uint64_t rows;
    unsigned passed = 0;
    struct errmsg e = {""};
    fill();
    save(&archive);
    assert_int_equal(load(buf_slice(&archive), 65536, &whole, &meta, &rows, &e), 0);
    for (size_t at = 0; at < archive.len; at++) {
        char bit = (char)(1 << at % 8);
        struct found f;
        archive.p[at] = (char)(archive.p[at] ^ bit);
        if (load(buf_slice(&archive), 65536, &f, &meta, &rows, &e) == 0) {
            assert_true(slice_eq(buf_slice(&f.rows), buf_slice(&whole.rows)));
            assert_true(slice_eq(buf_slice(&f.body), buf_slice(&whole.body)));
            passed++;
        } else {
            assert_int_equal(strncmp(e.text, "failed to ", 10), 0);
        }
        found_fini(&f);
        archive.p[at] = (char)(archive.p[at] ^ bit);
    }
    assert_true(passed < archive.len / 20);
    found_fini(&whole);
    buf_fini(&archive);
}

static void an_archive_that_ends_early_or_late_is_refused(void **state)
{
    (void)state;
    struct buf archive = BUF_INIT;
    struct found f;
    struct archive_meta meta;
    uint64_t rows;
    struct errmsg e = {""};
    fill();
    save(&archive);
    for (size_t len = 0; len < archive.len; len++) {
        assert_int_equal(load(slice_of(archive.p, len), 65536, &f, &meta, &rows, &e), E_CORRUPT);
        assert_string_equal(e.text, len == 0 ? "failed to decompress snapshot: EOF"
                                             : "failed to decompress snapshot: unexpected EOF");
        found_fini(&f);
    }
    buf_add_char(&archive, 'x');
    assert_int_equal(load(buf_slice(&archive), 65536, &f, &meta, &rows, &e), E_CORRUPT);
    found_fini(&f);
    buf_fini(&archive);
}

static void what_is_no_archive_is_refused_in_the_words_of_go(void **state)
{
    (void)state;
    static const struct {
        const char *input, *text;
    } rows_[] = {
        {"", "failed to decompress snapshot: EOF"},
        {"garbage", "failed to decompress snapshot: unexpected EOF"},
        {"garbage and more of it", "failed to decompress snapshot: gzip: invalid header"},
    };
    for (size_t i = 0; i < sizeof rows_ / sizeof rows_[0]; i++) {
        struct found f;
        struct archive_meta meta;
        uint64_t rows;
        struct errmsg e = {""};
        assert_int_equal(load(slice_str(rows_[i].input), 5, &f, &meta, &rows, &e), E_CORRUPT);
        assert_string_equal(e.text, rows_[i].text);
        found_fini(&f);
    }
}

static void an_unfinished_restore_changes_nothing_and_a_later_one_takes_its_place(void **state)
{
    (void)state;
    struct buf archive = BUF_INIT;
    struct buf before = BUF_INIT;
    struct buf after = BUF_INIT;
    struct found f;
    struct archive_meta meta;
    uint64_t rows;
    struct errmsg e;
    fill();
    save(&archive);
    rows_of(&before);
    assert_int_equal(load(buf_slice(&archive), 4096, &f, &meta, &rows, &e), 0);
    assert_int_equal(command(REG_CMD_RESTORE_BEGIN, 7, rows, buf_slice(&f.body)).status, 0);
    assert_int_equal(command(REG_CMD_RESTORE_ROWS, 7, 0, buf_slice(&f.rows)).status, 0);
    rows_of(&after);
    assert_true(slice_eq(buf_slice(&before), buf_slice(&after)));
    assert_int_equal(restore(&archive, 8).status, 0);
    assert_int_equal(command(REG_CMD_RESTORE_ROWS, 7, 1, buf_slice(&f.rows)).status, E_CANCELED);
    assert_int_equal(command(REG_CMD_RESTORE_END, 7, rows, slice_of(NULL, 0)).status, E_CANCELED);
    assert_int_equal(command(REG_CMD_RESTORE_END, 8, rows, slice_of(NULL, 0)).status, E_CANCELED);
    buf_reset(&after);
    rows_of(&after);
    assert_true(slice_eq(buf_slice(&before), buf_slice(&after)));
    found_fini(&f);
    buf_fini(&archive);
    buf_fini(&before);
    buf_fini(&after);
}

static void writes_during_a_restore_are_gone_after_it(void **state)
{
    (void)state;
    struct buf archive = BUF_INIT;
    struct found f;
    struct archive_meta meta;
    uint64_t rows;
    struct errmsg e;
    struct reg_kv kv;
    fill();
    save(&archive);
    assert_int_equal(load(buf_slice(&archive), 4096, &f, &meta, &rows, &e), 0);
    command(REG_CMD_RESTORE_BEGIN, 1, rows, buf_slice(&f.body));
    assert_true(test_put(&S, "a", "meanwhile").ok);
    command(REG_CMD_RESTORE_ROWS, 1, 0, buf_slice(&f.rows));
    assert_true(test_put(&S, "new", "meanwhile").ok);
    assert_int_equal(command(REG_CMD_RESTORE_END, 1, rows, slice_of(NULL, 0)).status, 0);
    reg_read_begin(S.rd);
    assert_true(reg_kv_find(S.rd, SLICE_LIT("a"), &kv));
    assert_true(slice_is(kv.value, "before"));
    assert_false(reg_kv_find(S.rd, SLICE_LIT("new"), &kv));
    reg_read_end(S.rd);
    found_fini(&f);
    buf_fini(&archive);
}

static void pieces_that_are_missing_or_damaged_are_refused(void **state)
{
    (void)state;
    struct buf archive = BUF_INIT;
    struct buf before = BUF_INIT;
    struct buf after = BUF_INIT;
    struct found f;
    struct archive_meta meta;
    uint64_t rows;
    struct errmsg e;
    fill();
    save(&archive);
    rows_of(&before);
    assert_int_equal(load(buf_slice(&archive), 4096, &f, &meta, &rows, &e), 0);
    command(REG_CMD_RESTORE_BEGIN, 1, rows, buf_slice(&f.body));
    assert_int_equal(command(REG_CMD_RESTORE_ROWS, 1, 1, buf_slice(&f.rows)).status, E_CANCELED);
    assert_int_equal(command(REG_CMD_RESTORE_END, 1, rows, slice_of(NULL, 0)).status, E_CORRUPT);
    command(REG_CMD_RESTORE_BEGIN, 2, rows, buf_slice(&f.body));
    command(REG_CMD_RESTORE_ROWS, 2, 0, slice_of(f.rows.p, f.rows.len - 1));
    assert_int_equal(command(REG_CMD_RESTORE_END, 2, rows, slice_of(NULL, 0)).status, E_CORRUPT);
    assert_int_equal(command(REG_CMD_RESTORE_BEGIN, 3, 0, SLICE_LIT("no header")).status,
                     E_UNSUPPORTED);
    rows_of(&after);
    assert_true(slice_eq(buf_slice(&before), buf_slice(&after)));
    found_fini(&f);
    buf_fini(&archive);
    buf_fini(&before);
    buf_fini(&after);
}

static void index_rows_that_lead_nowhere_are_dropped(void **state)
{
    (void)state;
    struct buf body = BUF_INIT;
    struct buf rows = BUF_INIT;
    struct state_header h = {.index = 5, .n_tables = 2, .tables = {"by_name", "by_state"}};
    state_header_encode(&body, &h);
    state_row_encode(&rows, 1, SLICE_LIT("web\0n\0id"), SLICE_LIT("n\0id"));
    state_row_encode(&rows, 2, SLICE_LIT("passing\0n\0c"), SLICE_LIT("n\0c"));
    fill();
    command(REG_CMD_RESTORE_BEGIN, 1, 2, buf_slice(&body));
    command(REG_CMD_RESTORE_ROWS, 1, 0, buf_slice(&rows));
    assert_int_equal(command(REG_CMD_RESTORE_END, 1, 2, slice_of(NULL, 0)).status, 0);
    struct reg_iter it;
    struct reg_service s;
    reg_read_begin(S.rd);
    reg_instances(S.rd, &it, SLICE_LIT("web"));
    assert_false(reg_instances_next(&it, &s));
    reg_iter_end(&it);
    reg_read_end(S.rd);
    buf_fini(&body);
    buf_fini(&rows);
}

static void a_tar_header_reads_back(void **state)
{
    (void)state;
    char block[TAR_BLOCK];
    struct tar_entry entry;
    tar_header(block, "state.bin", 1234567, 1700000000);
    assert_int_equal(tar_parse(block, &entry), 0);
    assert_string_equal(entry.name, "state.bin");
    assert_int_equal(entry.size, 1234567);
    assert_false(entry.end);
    block[0] = 'S';
    assert_int_equal(tar_parse(block, &entry), E_CORRUPT);
    memset(block, 0, sizeof block);
    assert_int_equal(tar_parse(block, &entry), 0);
    assert_true(entry.end);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(restored_rows_equal_the_saved_ones_byte_for_byte),
        T(the_index_goes_on_above_the_archive_in_an_empty_store),
        T(a_restore_wakes_everybody),
        T(an_archive_is_read_in_pieces_of_any_size),
        T(a_flipped_bit_anywhere_is_refused_or_changes_nothing),
        T(an_archive_that_ends_early_or_late_is_refused),
        T(what_is_no_archive_is_refused_in_the_words_of_go),
        T(an_unfinished_restore_changes_nothing_and_a_later_one_takes_its_place),
        T(writes_during_a_restore_are_gone_after_it),
        T(pieces_that_are_missing_or_damaged_are_refused),
        T(index_rows_that_lead_nowhere_are_dropped),
        cmocka_unit_test(a_tar_header_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
