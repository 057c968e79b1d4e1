/* cli/flags: parsed after Go's rules, and every error names the flag. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/flags.h"
#include "cli/suggest.h"

struct values {
    bool cas;
    const char *name;
    struct flag_list tags;
    uint64_t index;
    struct flag_notes notes;
};

static const struct flag flags[] = {
    {"cas", FLAG_BOOL, offsetof(struct values, cas), NULL, "Check and set."},
    {"name", FLAG_STRING, offsetof(struct values, name), "text", "A name."},
    {"tag", FLAG_LIST, offsetof(struct values, tags), "text", "A tag."},
    {"index", FLAG_U64, offsetof(struct values, index), "number", "An index."},
    {"bind", FLAG_NOTE, offsetof(struct values, notes), "address", "An address."},
    {"server", FLAG_NOTE_BOOL, offsetof(struct values, notes), NULL, "Serve."},
    {NULL, FLAG_BOOL, 0, NULL, NULL},
};

enum { WORDS_MAX = 8 };

/* Parse @words (NULL-terminated); returns what flags_parse() returns. */
static int parse(struct values *v, const char *const *words, int *rest, struct errmsg *e)
{
    static char copies[WORDS_MAX][64];
    static char *argv[WORDS_MAX + 1];
    int argc = 0;
    for (; words[argc] != NULL; argc++) {
        strcpy(copies[argc], words[argc]);
        argv[argc] = copies[argc];
    }
    argv[argc] = NULL;
    *v = (struct values){0};
    const struct flag_group group = {"Options", flags, v};
    return flags_parse(&group, 1, argc, argv, rest, e);
}

static void release(struct values *v)
{
    const struct flag_group group = {"Options", flags, v};
    flags_fini(&group, 1);
}

static void every_spelling_of_go_is_understood(void **state)
{
    (void)state;
    static const struct {
        const char *words[WORDS_MAX];
        int rest;
        bool cas;
        const char *name;
        uint64_t index;
    } rows[] = {
        {{NULL}, 0, false, NULL, 0},
        {{"-cas", NULL}, 1, true, NULL, 0},
        {{"--cas", "key", NULL}, 1, true, NULL, 0},
        {{"-cas=false", NULL}, 1, false, NULL, 0},
        {{"-cas=T", NULL}, 1, true, NULL, 0},
        {{"-name", "x", NULL}, 2, false, "x", 0},
        {{"-name=x=y", NULL}, 1, false, "x=y", 0},
        {{"--name=", NULL}, 1, false, "", 0},
        {{"-name", "-cas", NULL}, 2, false, "-cas", 0},
        {{"-index=0x10", NULL}, 1, false, NULL, 16},
        {{"-index", "18446744073709551615", NULL}, 2, false, NULL, UINT64_MAX},
        {{"key", "-cas", NULL}, 0, false, NULL, 0},
        {{"-", "-cas", NULL}, 0, false, NULL, 0},
        {{"-cas", "--", "-name", NULL}, 2, true, NULL, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct values v;
        struct errmsg e = {""};
        int rest = -1;
        int rc = parse(&v, rows[i].words, &rest, &e);
        bool named = (v.name == NULL) == (rows[i].name == NULL) &&
                     (v.name == NULL || strcmp(v.name, rows[i].name) == 0);
        if (rc != 0 || rest != rows[i].rest || v.cas != rows[i].cas || !named ||
            v.index != rows[i].index) {
            fail_msg("row %zu: rc %d, rest %d, error \"%s\"", i, rc, rest, e.text);
        }
    }
}

static void errors_name_the_flag(void **state)
{
    (void)state;
    static const struct {
        const char *words[WORDS_MAX];
        const char *text;
    } rows[] = {
        {{"-nmae=x", NULL}, "flag provided but not defined: -nmae (did you mean -name?)"},
        {{"-zzzzzzzzz", NULL}, "flag provided but not defined: -zzzzzzzzz"},
        {{"-name", NULL}, "flag needs an argument: -name"},
        {{"-cas=maybe", NULL}, "invalid boolean value \"maybe\" for -cas: parse error"},
        {{"-server=2", NULL}, "invalid boolean value \"2\" for -server: parse error"},
        {{"-index=-1", NULL}, "invalid value \"-1\" for flag -index: parse error"},
        {{"-index=1x", NULL}, "invalid value \"1x\" for flag -index: parse error"},
        {{"-index=99999999999999999999", NULL},
         "invalid value \"99999999999999999999\" for flag -index: value out of range"},
        {{"-=x", NULL}, "bad flag syntax: -=x"},
        {{"---cas", NULL}, "bad flag syntax: ---cas"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct values v;
        struct errmsg e = {""};
        int rest = -1;
        int rc = parse(&v, rows[i].words, &rest, &e);
        if (rc != E_INVAL || strcmp(e.text, rows[i].text) != 0) {
            fail_msg("row %zu: rc %d, error \"%s\"", i, rc, e.text);
        }
        release(&v);
    }
}

static void help_is_told_apart_from_an_unknown_flag(void **state)
{
    (void)state;
    static const char *const spellings[] = {"-h", "-help", "--help"};
    for (size_t i = 0; i < 3; i++) {
        const char *words[] = {"-cas", spellings[i], NULL};
        struct values v;
        struct errmsg e;
        int rest;
        assert_int_equal(parse(&v, words, &rest, &e), FLAGS_HELP);
    }
}

static void repeated_flags_keep_their_order(void **state)
{
    (void)state;
    static const char *const words[] = {"-tag=a",  "-tag",  "b", "-bind=1",
                                        "-server", "-bind", "2", NULL};
    struct values v;
    struct errmsg e;
    int rest;
    assert_int_equal(parse(&v, words, &rest, &e), 0);
    assert_int_equal(v.tags.n, 2);
    assert_string_equal(v.tags.items[0], "a");
    assert_string_equal(v.tags.items[1], "b");
    assert_int_equal(v.notes.n, 3);
    assert_string_equal(v.notes.items[0].flag, "bind");
    assert_string_equal(v.notes.items[0].value, "1");
    assert_string_equal(v.notes.items[1].flag, "server");
    assert_string_equal(v.notes.items[1].value, "true");
    assert_string_equal(v.notes.items[2].value, "2");
    release(&v);
}

static void usage_is_made_from_the_table(void **state)
{
    (void)state;
    static const struct flag two[] = {
        {"cas", FLAG_BOOL, 0, NULL, "Check and set."},
        {"name", FLAG_STRING, 0, "text",
         "A help text that is long enough to be broken into two lines, since the terminal is "
         "narrow."},
        {NULL, FLAG_BOOL, 0, NULL, NULL},
    };
    const struct flag_group group = {"Options", two, NULL};
    struct buf out = BUF_INIT;
    flags_usage(&out, &group, 1);
    buf_add_char(&out, '\0');
    assert_string_equal(
        out.p,
        "\nOptions\n\n  -cas\n     Check and set.\n\n  -name=<text>\n"
        "     A help text that is long enough to be broken into two lines, since the\n"
        "     terminal is narrow.\n");
    buf_fini(&out);
}

static void only_near_words_are_suggested(void **state)
{
    (void)state;
    static const struct {
        const char *typed;
        const char *best;
    } rows[] = {
        {"membrs", "members"}, {"memebrs", "members"}, {"kc", "kv"}, {"zebra", NULL}, {"", NULL},
        {"a", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct suggest s = suggest_for(rows[i].typed);
        suggest_try(&s, "members");
        suggest_try(&s, "kv");
        suggest_try(&s, "catalog");
        bool same = rows[i].best == NULL ? s.best == NULL
                                         : s.best != NULL && strcmp(s.best, rows[i].best) == 0;
        if (!same) {
            fail_msg("\"%s\": got %s", rows[i].typed, s.best == NULL ? "nothing" : s.best);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_spelling_of_go_is_understood),
        cmocka_unit_test(errors_name_the_flag),
        cmocka_unit_test(help_is_told_apart_from_an_unknown_flag),
        cmocka_unit_test(repeated_flags_keep_their_order),
        cmocka_unit_test(usage_is_made_from_the_table),
        cmocka_unit_test(only_near_words_are_suggested),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
