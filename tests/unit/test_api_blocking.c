/* Parked queries and kept answers, driven by changes made up here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "api/blocking.h"
#include "api/cache.h"
#include "base/rand.h"

static void put_u32(char *p, uint32_t v)
{
    for (int i = 0; i < 4; i++) {
        p[i] = (char)(v >> (8 * i));
    }
}

/* A commit that touched the KV key @key. */
static void touch(struct reg_watch *w, const char *key)
{
    char keys[64];
    size_t n = strlen(key);
    put_u32(keys, (uint32_t)n);
    memcpy(keys + 4, key, n);
    uint64_t hashes[] = {reg_watch_key(REG_W_KEY, slice_str(key))};
    struct reg_changes c = {
        .index = 1, .keys = slice_of(keys, n + 4), .hashes = hashes, .n_hashes = 1};
    reg_watch_fire(w, &c);
}

static struct api_resource resource(const char *key, uint64_t index)
{
    struct api_resource res = {.status = 200, .index = index, .n_watch = 1};
    res.watch[0].kind = REG_W_KEY;
    res.watch[0].name = slice_str(key);
    return res;
}

static struct answer *answer_with(const char *body)
{
    struct answer *a = answer_new();
    assert_non_null(a);
    buf_add_str(&a->body, body);
    return a;
}

struct fixture {
    struct reg_watch *watch;
    struct blocking *b;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->watch = reg_watch_new();
    f->b = blocking_new(f->watch);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    blocking_free(f->b); /* asserts that nobody is parked and no group is left */
    reg_watch_free(f->watch);
    free(f);
    return 0;
}

static void park(struct fixture *f,
                 const char *key,
                 struct waiter *w,
                 uint64_t index,
                 uint64_t deadline_ms)
{
    struct group *g = group_get(f->b, slice_str(key));
    assert_non_null(g);
    if (group_index(g) == 0) {
        struct api_resource res = resource(key, index);
        group_subscribe(g, &res);
        group_set(g, index, NULL, false);
    }
    assert_int_equal(0, waiter_park(g, w, index, deadline_ms));
    group_unpin(g);
}

/* The store's look after a change: the resource is at @index now. */
static void look(struct fixture *f, const char *key, uint64_t index, bool moved)
{
    struct group *g = blocking_take_dirty(f->b);
    assert_non_null(g);
    assert_true(slice_is(group_key(g), key));
    struct api_resource res = resource(key, index);
    struct answer *a = moved ? answer_with(key) : NULL;
    group_subscribe(g, &res);
    group_set(g, index, a, false);
    answer_unref(a);
    group_unpin(g);
}

static void a_change_wakes_only_those_who_wait_for_it(void **state)
{
    struct fixture *f = *state;
    struct waiter w[3] = {{.index = 0}};
    struct answer *answer;
    park(f, "a", &w[0], 5, 100);
    park(f, "a", &w[1], 5, 200);
    park(f, "b", &w[2], 5, 300);
    assert_int_equal(2, reg_watch_count(f->watch)); /* one subscription for both at "a" */
    assert_false(blocking_has_work(f->b));

    touch(f->watch, "a");
    assert_true(blocking_has_work(f->b));
    look(f, "a", 6, true);
    assert_ptr_equal(&w[0], blocking_take_woken(f->b, &answer));
    answer_unref(answer);
    assert_ptr_equal(&w[1], blocking_take_woken(f->b, &answer));
    assert_true(slice_is(buf_slice(&answer->body), "a"));
    answer_unref(answer);
    assert_null(blocking_take_woken(f->b, &answer));
    assert_false(blocking_has_work(f->b));
    assert_int_equal(1, blocking_count(f->b));
    assert_int_equal(1, reg_watch_count(f->watch));
    waiter_unpark(&w[2]);
    assert_int_equal(0, reg_watch_count(f->watch));
}

static void a_touch_without_a_new_index_wakes_nobody(void **state)
{
    struct fixture *f = *state;
    struct waiter w = {.index = 0};
    struct answer *answer;
    park(f, "a", &w, 5, 100);
    touch(f->watch, "a");
    touch(f->watch, "a");
    look(f, "a", 5, false);
    assert_null(blocking_take_dirty(f->b)); /* two touches, one look */
    assert_null(blocking_take_woken(f->b, &answer));
    touch(f->watch, "a"); /* still subscribed */
    look(f, "a", 6, true);
    assert_ptr_equal(&w, blocking_take_woken(f->b, &answer));
    answer_unref(answer);
    assert_null(blocking_take_woken(f->b, &answer));
}

static void who_waits_for_a_later_index_goes_on_waiting(void **state)
{
    struct fixture *f = *state;
    struct waiter w[2] = {{.index = 0}};
    struct answer *answer;
    park(f, "a", &w[0], 5, 100);
    park(f, "a", &w[1], 9, 100);
    touch(f->watch, "a");
    look(f, "a", 6, true);
    assert_ptr_equal(&w[0], blocking_take_woken(f->b, &answer));
    answer_unref(answer);
    assert_null(blocking_take_woken(f->b, &answer));
    touch(f->watch, "a");
    look(f, "a", 10, true);
    assert_ptr_equal(&w[1], blocking_take_woken(f->b, &answer));
    answer_unref(answer);
    assert_null(blocking_take_woken(f->b, &answer));
}

static void a_change_during_the_waking_gives_the_rest_the_newer_answer(void **state)
{
    struct fixture *f = *state;
    struct waiter w[2] = {{.index = 0}};
    struct answer *first;
    struct answer *second;
    park(f, "a", &w[0], 5, 100);
    park(f, "a", &w[1], 5, 100);
    touch(f->watch, "a");
    look(f, "a", 6, true);
    assert_non_null(blocking_take_woken(f->b, &first));
    touch(f->watch, "a");
    look(f, "a", 7, true);
    assert_non_null(blocking_take_woken(f->b, &second));
    assert_ptr_not_equal(first, second);
    answer_unref(first);
    answer_unref(second);
    assert_null(blocking_take_woken(f->b, &first));
}

static void hanging_up_while_being_woken_is_harmless(void **state)
{
    struct fixture *f = *state;
    struct waiter w[2] = {{.index = 0}};
    struct answer *answer;
    park(f, "a", &w[0], 5, 100);
    park(f, "a", &w[1], 5, 100);
    touch(f->watch, "a");
    look(f, "a", 6, true);
    waiter_unpark(&w[0]);
    waiter_unpark(&w[0]);
    assert_ptr_equal(&w[1], blocking_take_woken(f->b, &answer));
    answer_unref(answer);
    assert_null(blocking_take_woken(f->b, &answer));
    assert_int_equal(0, blocking_count(f->b));
}

static void a_restore_wakes_all(void **state)
{
    struct fixture *f = *state;
    struct waiter w = {.index = 0};
    struct answer *answer;
    park(f, "a", &w, 50, 100);
    struct reg_changes all = {.index = 3, .all = true};
    reg_watch_fire(f->watch, &all);
    struct group *g = blocking_take_dirty(f->b);
    struct answer *a = answer_with("back");
    group_set(g, 3, a, true);
    answer_unref(a);
    group_unpin(g);
    assert_ptr_equal(&w, blocking_take_woken(f->b, &answer));
    answer_unref(answer);
    assert_null(blocking_take_woken(f->b, &answer));
}

static void time_runs_out_in_order_of_deadlines(void **state)
{
    struct fixture *f = *state;
    enum { N = 500 };
    static struct waiter w[N];
    struct rng r;
    rng_seed(&r, 3);
    for (int i = 0; i < N; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "k%d", i % 7);
        park(f, key, &w[i], 5, 1000 + rng_below(&r, 1000));
    }
    for (int i = 0; i < N; i += 3) {
        waiter_unpark(&w[i]);
    }
    assert_null(blocking_due(f->b, 999));
    uint64_t last_ms = 0;
    struct waiter *due;
    while ((due = blocking_due(f->b, UINT64_MAX)) != NULL) {
        assert_true(due->deadline_ms >= last_ms);
        assert_int_equal(due->deadline_ms, blocking_deadline(f->b));
        last_ms = due->deadline_ms;
        waiter_unpark(due);
    }
    assert_true(blocking_deadline(f->b) == UINT64_MAX);
}

static void a_kept_answer_goes_when_its_key_is_touched(void **state)
{
    struct fixture *f = *state;
    struct cache *c = cache_new(f->watch, 1 << 20);
    struct api_resource res = resource("a", 5);
    res.n_watch = 2;
    res.watch[1].kind = REG_W_PREFIX;
    res.watch[1].name = SLICE_LIT("dir/");
    struct answer *a = answer_with("body");
    cache_put(c, SLICE_LIT("/v1/kv/a"), a, &res);
    assert_ptr_equal(a, cache_find(c, SLICE_LIT("/v1/kv/a")));
    assert_null(cache_find(c, SLICE_LIT("/v1/kv/a?raw")));
    touch(f->watch, "b");
    assert_non_null(cache_find(c, SLICE_LIT("/v1/kv/a")));
    touch(f->watch, "dir/x");
    assert_null(cache_find(c, SLICE_LIT("/v1/kv/a")));
    assert_int_equal(0, cache_bytes(c));
    assert_int_equal(0, reg_watch_count(f->watch));
    cache_put(c, SLICE_LIT("/v1/kv/a"), a, &res);
    cache_put(c, SLICE_LIT("/v1/kv/a"), a, &res); /* replaces */
    touch(f->watch, "a");
    assert_null(cache_find(c, SLICE_LIT("/v1/kv/a")));
    answer_unref(a);
    cache_free(c);
}

static void the_cache_keeps_to_its_limit_and_drops_the_least_used(void **state)
{
    struct fixture *f = *state;
    struct cache *c = cache_new(f->watch, 20000);
    struct api_resource res = resource("a", 5);
    char key[32];
    for (int i = 0; i < 200; i++) {
        struct answer *a = answer_with("0123456789");
        (void)snprintf(key, sizeof key, "/v1/kv/%d", i);
        cache_put(c, slice_str(key), a, &res);
        answer_unref(a);
        assert_true(cache_bytes(c) <= 20000);
        assert_non_null(cache_find(c, SLICE_LIT("/v1/kv/0")));
    }
    assert_null(cache_find(c, SLICE_LIT("/v1/kv/1")));
    assert_non_null(cache_find(c, SLICE_LIT("/v1/kv/199")));
    struct answer *big = answer_new();
    for (int i = 0; i < 3000; i++) {
        buf_add_char(&big->body, 'x');
    }
    cache_put(c, SLICE_LIT("/v1/kv/big"), big, &res); /* would push out too much */
    assert_null(cache_find(c, SLICE_LIT("/v1/kv/big")));
    answer_unref(big);
    cache_free(c);
}

static void a_body_is_compressed_once_and_only_when_worth_it(void **state)
{
    (void)state;
    struct gzipper *z = gzipper_new();
    struct answer *a = answer_new();
    bool packed;
    for (int i = 0; i < ANSWER_GZIP_MIN; i++) {
        buf_add_char(&a->body, 'x');
    }
    (void)answer_body(a, z, true, &packed);
    assert_false(packed);
    buf_add_char(&a->body, 'x');
    assert_int_equal(ANSWER_GZIP_MIN + 1, answer_body(a, z, false, &packed).len);
    assert_false(packed);
    struct slice first = answer_body(a, z, true, &packed);
    assert_true(packed && first.len < 100);
    assert_ptr_equal(first.p, answer_body(a, z, true, &packed).p);
    answer_unref(a);

    struct answer *noise = answer_new();
    struct rng r;
    rng_seed(&r, 9);
    for (int i = 0; i < 4096; i++) {
        buf_add_char(&noise->body, (char)rng_next(&r));
    }
    assert_int_equal(4096, answer_body(noise, z, true, &packed).len);
    assert_false(packed);
    answer_unref(noise);
    gzipper_free(z);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        T(a_change_wakes_only_those_who_wait_for_it),
        T(a_touch_without_a_new_index_wakes_nobody),
        T(who_waits_for_a_later_index_goes_on_waiting),
        T(a_change_during_the_waking_gives_the_rest_the_newer_answer),
        T(hanging_up_while_being_woken_is_harmless),
        T(a_restore_wakes_all),
        T(time_runs_out_in_order_of_deadlines),
        T(a_kept_answer_goes_when_its_key_is_touched),
        T(the_cache_keeps_to_its_limit_and_drops_the_least_used),
        T(a_body_is_compressed_once_and_only_when_worth_it),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
