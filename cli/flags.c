/* Follows Go's package flag: names, error texts and where parsing stops. */
#include "cli/flags.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/suggest.h"

int flags_parse_bool(const char *text, bool *out)
{
    static const char *const yes[] = {"1", "t", "T", "true", "TRUE", "True"};
    static const char *const no[] = {"0", "f", "F", "false", "FALSE", "False"};
    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++) {
        if (strcmp(text, yes[i]) == 0) {
            *out = true;
            return 0;
        }
        if (strcmp(text, no[i]) == 0) {
            *out = false;
            return 0;
        }
    }
    return E_INVAL;
}

static const struct flag *find(const struct flag_group *groups,
                               size_t n_groups,
                               struct slice name,
                               void **values)
{
    for (size_t g = 0; g < n_groups; g++) {
        for (const struct flag *f = groups[g].flags; f->name != NULL; f++) {
            if (slice_is(name, f->name)) {
                *values = groups[g].values;
                return f;
            }
        }
    }
    return NULL;
}

static int unknown(const struct flag_group *groups,
                   size_t n_groups,
                   struct slice name,
                   struct errmsg *e)
{
    char word[64];
    if (name.len < sizeof word) {
        memcpy(word, name.p, name.len);
        word[name.len] = '\0';
        struct suggest s = suggest_for(word);
        for (size_t g = 0; g < n_groups; g++) {
            for (const struct flag *f = groups[g].flags; f->name != NULL; f++) {
                suggest_try(&s, f->name);
            }
        }
        if (s.best != NULL) {
            return err_set(e, E_INVAL, "flag provided but not defined: -%s (did you mean -%s?)",
                           word, s.best);
        }
    }
    return err_set(e, E_INVAL, "flag provided but not defined: -%.*s", (int)name.len, name.p);
}

/* Room for one more item of @size in a list that holds @n; doubles at powers of two. */
static void *grown(void *items, size_t n, size_t size)
{
    bool power = (n & (n - 1)) == 0;
    return power ? realloc(items, (n == 0 ? 1 : 2 * n) * size) : items;
}

static int add_list(struct flag_list *l, const char *value)
{
    const char **items = grown(l->items, l->n, sizeof *items);
    if (items == NULL) {
        return E_NOMEM;
    }
    l->items = items;
    l->items[l->n++] = value;
    return 0;
}

static int add_note(struct flag_notes *l, const char *flag, const char *value)
{
    struct flag_note *items = grown(l->items, l->n, sizeof *items);
    if (items == NULL) {
        return E_NOMEM;
    }
    l->items = items;
    l->items[l->n++] = (struct flag_note){flag, value};
    return 0;
}

static int set_u64(const struct flag *f, uint64_t *to, const char *value, struct errmsg *e)
{
    char *end;
    errno = 0;
    unsigned long long v = strtoull(value, &end, 0);
    if (value[0] < '0' || value[0] > '9' || *end != '\0' || errno != 0) {
        return err_set(e, E_INVAL, "invalid value \"%s\" for flag -%s: %s", value, f->name,
                       errno == ERANGE ? "value out of range" : "parse error");
    }
    *to = v;
    return 0;
}

static int set(const struct flag *f, void *values, const char *value, struct errmsg *e)
{
    void *at = (char *)values + f->at;
    size_t used = f->kind == FLAG_LIST ? ((struct flag_list *)at)->n : 0;
    bool noted = f->kind == FLAG_NOTE || f->kind == FLAG_NOTE_BOOL;
    used = noted ? ((struct flag_notes *)at)->n : used;
    if (used >= FLAG_REPEAT_MAX) {
        return err_set(e, E_INVAL, "flag -%s is given more than %d times", f->name,
                       (int)FLAG_REPEAT_MAX);
    }
    bool truth = false;
    if (flag_is_bool(f) && flags_parse_bool(value, &truth) != 0) {
        return err_set(e, E_INVAL, "invalid boolean value \"%s\" for -%s: parse error", value,
                       f->name);
    }
    int rc = 0;
    switch (f->kind) {
        case FLAG_BOOL:
            *(bool *)at = truth;
            break;
        case FLAG_STRING:
            *(const char **)at = value;
            break;
        case FLAG_LIST:
            rc = add_list(at, value);
            break;
        case FLAG_U64:
            return set_u64(f, at, value, e);
        case FLAG_NOTE:
            rc = add_note(at, f->name, value);
            break;
        case FLAG_NOTE_BOOL:
            rc = add_note(at, f->name, truth ? "true" : "false");
            break;
    }
    return rc == 0 ? 0 : err_set(e, rc, "flag -%s: %s", f->name, err_text(rc));
}

int flags_parse(const struct flag_group *groups,
                size_t n_groups,
                int argc,
                char **argv,
                int *rest,
                struct errmsg *e)
{
    int i = 0;
    for (; i < argc; i++) {
        const char *word = argv[i];
        if (word[0] != '-' || word[1] == '\0') {
            break;
        }
        if (strcmp(word, "--") == 0) {
            i++;
            break;
        }
        const char *name = word + (word[1] == '-' ? 2 : 1);
        const char *eq = strchr(name, '=');
        struct slice key = eq == NULL ? slice_str(name) : slice_of(name, (size_t)(eq - name));
        if (key.len == 0 || key.p[0] == '-') {
            return err_set(e, E_INVAL, "bad flag syntax: %s", word);
        }
        void *values = NULL;
        const struct flag *f = find(groups, n_groups, key, &values);
        if (f == NULL) {
            bool help = slice_is(key, "h") || slice_is(key, "help");
            return help ? (int)FLAGS_HELP : unknown(groups, n_groups, key, e);
        }
        const char *value = eq != NULL ? eq + 1 : "true";
        if (eq == NULL && !flag_is_bool(f)) {
            if (++i == argc) {
                return err_set(e, E_INVAL, "flag needs an argument: -%s", f->name);
            }
            value = argv[i];
        }
        int rc = set(f, values, value, e);
        if (rc != 0) {
            return rc;
        }
    }
    *rest = i;
    return 0;
}

void flags_fini(const struct flag_group *groups, size_t n_groups)
{
    for (size_t g = 0; g < n_groups; g++) {
        for (const struct flag *f = groups[g].flags; f->name != NULL; f++) {
            void *at = (char *)groups[g].values + f->at;
            if (f->kind == FLAG_LIST) {
                struct flag_list *l = at;
                free(l->items);
                *l = (struct flag_list){NULL, 0}; /* rows may share a field */
            } else if (f->kind == FLAG_NOTE || f->kind == FLAG_NOTE_BOOL) {
                struct flag_notes *l = at;
                free(l->items);
                *l = (struct flag_notes){NULL, 0};
            }
        }
    }
}

void flags_wrap(struct buf *out, const char *text, unsigned indent)
{
    enum { WIDTH = 78 };
    size_t column = 0;
    while (*text != '\0') {
        size_t n = strcspn(text, " \n");
        if (column > 0 && column + 1 + n > WIDTH) {
            buf_add_char(out, '\n');
            column = 0;
        }
        if (column == 0) {
            buf_printf(out, "%*s", (int)indent, "");
            column = indent;
        } else {
            buf_add_char(out, ' ');
            column++;
        }
        buf_add(out, text, n);
        column += n;
        text += n;
        if (*text == '\n') {
            buf_add_char(out, '\n');
            column = 0;
        }
        text += *text == '\0' ? 0 : 1;
    }
    buf_add_char(out, '\n');
}

void flags_usage(struct buf *out, const struct flag_group *groups, size_t n_groups)
{
    for (size_t g = 0; g < n_groups; g++) {
        if (groups[g].flags->name == NULL) {
            continue;
        }
        buf_printf(out, "\n%s\n", groups[g].title);
        for (const struct flag *f = groups[g].flags; f->name != NULL; f++) {
            buf_printf(out, "\n  -%s", f->name);
            if (f->value != NULL) {
                buf_printf(out, "=<%s>", f->value);
            }
            buf_add_char(out, '\n');
            flags_wrap(out, f->help, 5);
        }
    }
}
