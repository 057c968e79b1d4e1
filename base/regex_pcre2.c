/* Everything PCRE2 allocates comes from the owner's memory and goes with it. The limits: 10,000
 * steps a search (well below a millisecond), 64 KiB of backtracking memory, patterns of 4 KiB. */
#include "base/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>

enum { STEPS_MAX = 10000, HEAP_MAX_KIB = 64, NEST_MAX = 50 };

struct regex {
    pcre2_code *code;
    pcre2_match_data *data;
    pcre2_match_context *context;
};

static void *arena_alloc(size_t n, void *arg)
{
    const struct regex_memory *m = arg;
    return m->alloc(m->arg, n);
}

static void arena_free(void *p, void *arg)
{
    (void)p; /* the arena is freed as a whole */
    (void)arg;
}

static const char out_of_memory[] = "out of memory";

/* Say why @pattern does not compile, as Go does where the fault is one that Go knows by the same
 * name. */
static void explain(struct errmsg *e, int code, size_t at, struct slice pattern)
{
    int shown = pattern.len > 128 ? 128 : (int)pattern.len;
    if (code == PCRE2_ERROR_QUANTIFIER_INVALID && at <= pattern.len && pattern.len > 0) {
        at -= at > 0 && (at == pattern.len || strchr("*+?", pattern.p[at]) == NULL) ? 1 : 0;
        (void)err_set(e, E_INVAL,
                      "error parsing regexp: missing argument to repetition operator: `%c`",
                      pattern.p[at]);
    } else if (code == PCRE2_ERROR_MISSING_CLOSING_PARENTHESIS) {
        (void)err_set(e, E_INVAL, "error parsing regexp: missing closing ): `%.*s`", shown,
                      pattern.p);
    } else if (code == PCRE2_ERROR_UNMATCHED_CLOSING_PARENTHESIS) {
        (void)err_set(e, E_INVAL, "error parsing regexp: unexpected ): `%.*s`", shown, pattern.p);
    } else {
        PCRE2_UCHAR why[256];
        (void)pcre2_get_error_message(code, why, sizeof why);
        (void)err_set(e, E_INVAL, "error parsing regexp: %s at offset %zu", (const char *)why, at);
    }
}

static pcre2_code *compile(pcre2_general_context *general, struct slice pattern, struct errmsg *e)
{
    int code;
    PCRE2_SIZE at;
    pcre2_compile_context *cc = pcre2_compile_context_create(general);
    if (cc == NULL) {
        (void)err_set(e, E_NOMEM, out_of_memory);
        return NULL;
    }
    (void)pcre2_set_parens_nest_limit(cc, NEST_MAX);
    (void)pcre2_set_max_pattern_length(cc, REGEX_PATTERN_MAX);
    pcre2_code *re = pcre2_compile((PCRE2_SPTR)pattern.p, pattern.len,
                                   PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C,
                                   &code, &at, cc);
    if (re == NULL) {
        explain(e, code, at, pattern);
    }
    return re;
}

struct regex *regex_new(const struct regex_memory *m, struct slice pattern, struct errmsg *e)
{
    struct regex_memory *arena = m->alloc(m->arg, sizeof *arena);
    struct regex *re = m->alloc(m->arg, sizeof *re);
    if (arena == NULL || re == NULL) {
        (void)err_set(e, E_NOMEM, out_of_memory);
        return NULL;
    }
    *arena = *m; /* outlives the call, as what is allocated through it does */
    pcre2_general_context *general = pcre2_general_context_create(arena_alloc, arena_free, arena);
    re->code = general == NULL ? NULL : compile(general, pattern, e);
    if (re->code == NULL) {
        return NULL;
    }
    re->data = pcre2_match_data_create(REGEX_GROUPS_MAX, general);
    re->context = pcre2_match_context_create(general);
    if (re->data == NULL || re->context == NULL) {
        (void)err_set(e, E_NOMEM, out_of_memory);
        return NULL;
    }
    (void)pcre2_set_match_limit(re->context, STEPS_MAX);
    (void)pcre2_set_heap_limit(re->context, HEAP_MAX_KIB);
    return re;
}

static int match(const struct regex *re, struct slice text)
{
    PCRE2_SPTR p = text.len > 0 ? (PCRE2_SPTR)text.p : (PCRE2_SPTR) "";
    return pcre2_match(re->code, p, text.len, 0, 0, re->data, re->context);
}

bool regex_search(const struct regex *re, struct slice text)
{
    return match(re, text) >= 0; /* 0 is a match with more groups than there is room for */
}

unsigned regex_groups(const struct regex *re,
                      struct slice text,
                      struct slice groups[REGEX_GROUPS_MAX])
{
    int n = match(re, text);
    if (n < 0) {
        return 0;
    }
    n = n == 0 ? REGEX_GROUPS_MAX : n;
    const PCRE2_SIZE *at = pcre2_get_ovector_pointer(re->data);
    for (int i = 0; i < n; i++) {
        bool took_part = at[2 * i] != PCRE2_UNSET && at[2 * i + 1] >= at[2 * i];
        groups[i] =
            took_part ? slice_of(text.p + at[2 * i], at[2 * i + 1] - at[2 * i]) : slice_of(NULL, 0);
    }
    return (unsigned)n;
}
