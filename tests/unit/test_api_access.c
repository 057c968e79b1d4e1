/* api/access: networks, blocked paths. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "api/access.h"

static void a_network_holds_its_own_addresses_only(void **state)
{
    (void)state;
    static const struct {
        const char *network;
        const char *address;
        bool in;
    } rows[] = {
        {"10.0.0.0/8", "::ffff:10.255.0.1", true},
        {"10.0.0.0/8", "::ffff:11.0.0.1", false},
        {"10.0.0.0/8", "a00::1", false},
        {"10.0.0.1/32", "::ffff:10.0.0.1", true},
        {"10.0.0.1/32", "::ffff:10.0.0.2", false},
        {"10.0.0.128/25", "::ffff:10.0.0.129", true},
        {"10.0.0.128/25", "::ffff:10.0.0.127", false},
        {"10.1.2.3/8", "::ffff:10.9.9.9", true},
        {"0.0.0.0/0", "::ffff:1.2.3.4", true},
        {"0.0.0.0/0", "::1", false},
        {"fd00::/7", "fc00::1", true},
        {"::1/128", "::1", true},
        {"::/0", "::ffff:1.2.3.4", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct access_network n;
        unsigned char address[ACCESS_ADDRESS];
        assert_true(access_network_parse(rows[i].network, &n));
        assert_int_equal(inet_pton(AF_INET6, rows[i].address, address), 1);
        const struct api_access a = {.writers = &n, .n_writers = 1};
        if (access_may_write(&a, address) != rows[i].in) {
            fail_msg("%s in %s", rows[i].address, rows[i].network);
        }
    }
}

static void what_is_no_network_is_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {"",          "10.0.0.1", "10.0.0.0/",    "10.0.0.0/33",
                                       "::/129",    "x/8",      "10.0.0.0/+8",  "10.0.0.0/8 ",
                                       "10.0.0/24", "/8",       "10.0.0.0/8/8", "::1/-1",
                                       "::1/ 1",    "::1/00128"};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct access_network n;
        if (access_network_parse(rows[i], &n)) {
            fail_msg("%s", rows[i]);
        }
    }
}

static void a_prefix_blocks_all_paths_below_it(void **state)
{
    (void)state;
    static const char *const blocked[] = {"/v1/agent/self", "/v1/event/"};
    const struct api_access a = {.blocked = blocked, .n_blocked = 2};
    assert_true(access_is_blocked(&a, SLICE_LIT("/v1/agent/self")));
    assert_true(access_is_blocked(&a, SLICE_LIT("/v1/event/list")));
    assert_false(access_is_blocked(&a, SLICE_LIT("/v1/agent/sel")));
    assert_false(access_is_blocked(&a, SLICE_LIT("/v1/event")));
}

static void without_networks_everybody_may_write(void **state)
{
    (void)state;
    static const struct api_access none;
    static const unsigned char address[ACCESS_ADDRESS];
    assert_true(access_may_write(&none, address));
    assert_false(access_is_blocked(&none, SLICE_LIT("/v1/kv/a")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_network_holds_its_own_addresses_only),
        cmocka_unit_test(what_is_no_network_is_refused),
        cmocka_unit_test(a_prefix_blocks_all_paths_below_it),
        cmocka_unit_test(without_networks_everybody_may_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
