/* Prepared queries: their names, their templates, and what they take. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "registry/prepared_run.h"
#include "tests/support/store.h"

#define ID1 "11111111-1111-4111-8111-111111111111"
#define ID2 "22222222-2222-4222-8222-222222222222"

static struct test_store S;

static int open_it(void **state)
{
    (void)state;
    test_store_open(&S);
    return 0;
}

static int close_it(void **state)
{
    (void)state;
    test_store_close(&S);
    return 0;
}

static struct reg_result apply(enum reg_prepared_verb verb, const struct reg_prepared *q)
{
    struct buf cmd = BUF_INIT;
    reg_command_prepared(&cmd, &(struct reg_prepared_op){.verb = (uint8_t)verb, .q = *q});
    struct reg_result r = test_store_apply(&S, &cmd, 0);
    buf_fini(&cmd);
    return r;
}

static struct reg_result create(const char *id, const char *name, const char *service)
{
    return apply(REG_PREPARED_CREATE,
                 &(struct reg_prepared){
                     .id = slice_str(id), .name = slice_str(name), .service = slice_str(service)});
}

/* The service that @name leads to, or "" when nothing does. */
static void assert_leads(const char *name, const char *service)
{
    struct reg_prepared_run run;
    reg_read_begin(S.rd);
    int rc = reg_prepared_begin(&run, S.rd, slice_str(name), NULL);
    if (service == NULL ? rc == 0 : rc != 0 || !slice_is(run.q.service, service)) {
        fail_msg("%s leads elsewhere", name);
    }
    reg_prepared_end(&run);
    reg_read_end(S.rd);
}

static void a_query_is_found_by_id_and_by_name_in_any_case(void **state)
{
    (void)state;
    assert_int_equal(create(ID1, "Web", "web").status, 0);
    assert_leads("wEB", "web");
    assert_leads(ID1, "web");
    assert_leads("we", NULL);
    assert_leads("", NULL);
}

static void a_name_is_given_once(void **state)
{
    (void)state;
    create(ID1, "web", "web");
    struct reg_result r = create(ID2, "WEB", "other");
    assert_int_not_equal(r.status, 0);
    assert_string_equal(r.text, "raft apply failed: name 'WEB' aliases an existing query name");
    r = create(ID2, ID1, "other");
    assert_string_equal(r.text, "raft apply failed: name '" ID1 "' aliases an existing query ID");
    assert_leads("web", "web");
}

static void an_update_frees_the_old_name_and_keeps_the_create_index(void **state)
{
    (void)state;
    uint64_t created = create(ID1, "old", "web").index;
    struct reg_prepared q = {
        .id = SLICE_LIT(ID1), .name = SLICE_LIT("new"), .service = SLICE_LIT("api")};
    uint64_t updated = apply(REG_PREPARED_UPDATE, &q).index;
    assert_leads("old", NULL);
    assert_leads("new", "api");
    reg_read_begin(S.rd);
    assert_true(reg_prepared_find(S.rd, SLICE_LIT(ID1), &q));
    assert_int_equal(q.create_index, created);
    assert_int_equal(q.modify_index, updated);
    assert_int_equal(reg_index(S.rd, REG_W_QUERIES, slice_of(NULL, 0)), updated);
    reg_read_end(S.rd);
}

static void what_does_not_exist_cannot_be_changed_or_deleted(void **state)
{
    (void)state;
    struct reg_prepared q = {.id = SLICE_LIT(ID1), .name = SLICE_LIT("web")};
    assert_string_equal(apply(REG_PREPARED_UPDATE, &q).text,
                        "Cannot modify non-existent prepared query: '" ID1 "'");
    create(ID1, "web", "web");
    assert_int_equal(apply(REG_PREPARED_DELETE, &q).status, 0);
    assert_leads("web", NULL);
    assert_leads(ID1, NULL);
    assert_int_not_equal(apply(REG_PREPARED_DELETE, &q).status, 0);
}

static void make_template(const char *id, const char *name, const char *regexp, const char *service)
{
    assert_int_equal(apply(REG_PREPARED_CREATE,
                           &(struct reg_prepared){.id = slice_str(id),
                                                  .name = slice_str(name),
                                                  .template_type = SLICE_LIT("name_prefix_match"),
                                                  .template_regexp = slice_str(regexp),
                                                  .service = slice_str(service)})
                         .status,
                     0);
}

static void the_template_with_the_longest_prefix_answers(void **state)
{
    (void)state;
    make_template(ID1, "", "", "any-${name.full}");
    make_template(ID2, "geo-", "^geo-(.*)-([^-]+)$",
                  "$${x} ${ name.suffix } ${name.prefix} ${match(2)} ${match(9)}${match( 1 )}");
    assert_leads("web", "any-web");
    assert_leads("geo-a-b-c", "${x} a-b-c geo- c a-b");
    assert_leads("geo-", "${x}  geo-  ");
}

static void a_template_that_means_nothing_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *type, *regexp, *service;
        int rc;
    } rows[] = {
        {"", "(", "${x", 0}, /* no template: taken as it is */
        {"name_prefix_match", "", "${name.suffix}", 0},
        {"name_prefix_match", "(", "web", E_INVAL},
        {"name_prefix_match", "", "${name.suffix", E_INVAL},
        {"name_prefix_match", "", "${match()}", E_INVAL},
        {"name_prefix_match", "", "${match(x)}", E_INVAL},
        {"name_prefix_match", "", "${match(}", E_INVAL},
        {"name_prefix_match", "", "${}", E_INVAL},
        {"other", "", "web", E_INVAL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct reg_prepared q = {.template_type = slice_str(rows[i].type),
                                 .template_regexp = slice_str(rows[i].regexp),
                                 .service = slice_str(rows[i].service)};
        struct errmsg e;
        if (reg_prepared_check(&q, &e) != rows[i].rc) {
            fail_msg("%s %s", rows[i].regexp, rows[i].service);
        }
    }
}

static unsigned count_taken(struct reg_prepared *q)
{
    struct reg_iter it;
    struct reg_service s;
    struct reg_node n;
    unsigned taken = 0;
    reg_read_begin(S.rd);
    reg_instances(S.rd, &it, SLICE_LIT("web"));
    while (reg_instances_next(&it, &s)) {
        taken += reg_prepared_takes(S.rd, q, &s, &n);
    }
    reg_iter_end(&it);
    reg_read_end(S.rd);
    return taken;
}

static struct reg_list one_string(struct buf *b, const char *s)
{
    struct reg_list_builder lb;
    buf_reset(b);
    reg_list_begin(&lb, b);
    reg_list_add(&lb, slice_str(s));
    return reg_list_end(&lb);
}

static void health_and_tags_decide_who_is_taken(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    test_node(&S, "n", "10.0.0.1");
    test_service(&S, "n", "w1", "web", "10.0.0.1", 80, "v1", "passing");
    test_service(&S, "n", "w2", "web", "10.0.0.1", 81, "v2", "warning");
    test_service(&S, "n", "w3", "web", "10.0.0.1", 82, "v1", "critical");
    assert_int_equal(count_taken(&(struct reg_prepared){.only_passing = false}), 2);
    assert_int_equal(count_taken(&(struct reg_prepared){.only_passing = true}), 1);
    assert_int_equal(count_taken(&(struct reg_prepared){.connect = true}), 0);
    assert_int_equal(count_taken(&(struct reg_prepared){.tags = one_string(&b, "V1")}), 1);
    assert_int_equal(count_taken(&(struct reg_prepared){.tags = one_string(&b, "!v1")}), 1);
    assert_int_equal(count_taken(&(struct reg_prepared){.tags = one_string(&b, "none")}), 0);
    buf_fini(&b);
}

static void a_record_that_is_cut_does_not_decode(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    struct buf list = BUF_INIT;
    struct reg_prepared q = {.id = SLICE_LIT(ID1), .tags = one_string(&list, "t")};
    reg_prepared_encode(&b, &q);
    assert_int_equal(reg_prepared_decode(buf_slice(&b), &q), 0);
    assert_int_equal(reg_list_count(q.tags), 1);
    for (size_t len = 0; len < b.len; len++) {
        assert_int_not_equal(reg_prepared_decode(slice_of(b.p, len), &q), 0);
    }
    buf_fini(&b);
    buf_fini(&list);
}

#define IN_A_STORE(test) cmocka_unit_test_setup_teardown(test, open_it, close_it)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_STORE(a_query_is_found_by_id_and_by_name_in_any_case),
        IN_A_STORE(a_name_is_given_once),
        IN_A_STORE(an_update_frees_the_old_name_and_keeps_the_create_index),
        IN_A_STORE(what_does_not_exist_cannot_be_changed_or_deleted),
        IN_A_STORE(the_template_with_the_longest_prefix_answers),
        cmocka_unit_test(a_template_that_means_nothing_is_refused),
        IN_A_STORE(health_and_tags_decide_who_is_taken),
        cmocka_unit_test(a_record_that_is_cut_does_not_decode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
