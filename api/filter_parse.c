/* A recursive descent parser over go-bexpr's grammar makes a tree in the caller's memory:
 *
 *     or    = and { "or" and }            keywords are lower case and stand between blanks
 *     and   = not { "and" not }
 *     not   = "not" not | "(" or ")" | match
 *     match = selector ( "==" | "!=" ) value | selector [ "not" ] ( "contains" | "matches" ) value
 *           | selector "is" [ "not" ] "empty" | value [ "not" ] "in" selector
 *
 * Each selector is resolved against the type while parsing, into steps from object to sub-object
 * and a leaf. filter.c walks them. */
#include "api/filter_tree.h"

#include <stdio.h>

struct parser {
    const struct decode_memory *m;
    const struct filter_type *type;
    struct slice text;
    size_t at;
    unsigned depth;
    struct errmsg *e;
};

/* ---- lexing ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static char peek(const struct parser *p)
{
    return p->at < p->text.len ? p->text.p[p->at] : '\0';
}

static struct filter *syntax(struct parser *p, const char *expected)
{
    (void)err_set(p->e, E_INVAL, "1:%zu (%zu): %s", p->at + 1, p->at, expected);
    return NULL;
}

/* Returns whether there was a blank. */
static bool skip_blanks(struct parser *p)
{
    size_t from = p->at;
    while (p->at < p->text.len && is_blank(p->text.p[p->at])) {
        p->at++;
    }
    return p->at > from;
}

/* Take @word if it comes next and ends there. */
static bool take_word(struct parser *p, const char *word)
{
    struct slice rest = slice_of(p->text.p + p->at, p->text.len - p->at);
    struct slice w = slice_str(word);
    if (!slice_starts(rest, w)) {
        return false;
    }
    char next = rest.len > w.len ? rest.p[w.len] : ' ';
    if (is_letter(next) || is_digit(next) || next == '_' || next == '.' || next == '[') {
        return false;
    }
    p->at += w.len;
    return true;
}

/* A blank and then @word; takes neither when that is not what comes. */
static bool take_keyword(struct parser *p, const char *word)
{
    size_t from = p->at;
    if (skip_blanks(p) && take_word(p, word)) {
        return true;
    }
    p->at = from;
    return false;
}

/* A word of the text: a quoted or raw string, a number, or a selector, which may also be a value.
 */
struct word {
    enum { WORD_STRING, WORD_NUMBER, WORD_SELECTOR } kind;
    struct slice text; /* without quotes */
};

static int hex_value(char c)
{
    return is_digit(c)            ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Append the escape at @s (behind the backslash) to @out. Returns its length, 0 if it is none. */
static size_t unquote_escape(struct slice s, char *out, size_t *n)
{
    static const char names[] = "abfnrtv\\\"";
    static const char chars[] = "\a\b\f\n\r\t\v\\\"";
    const char *at = s.len == 0 || s.p[0] == '\0' ? NULL : strchr(names, s.p[0]);
    if (at != NULL) {
        out[(*n)++] = chars[at - names];
        return 1;
    }
    if (s.len >= 3 && s.p[0] == 'x' && hex_value(s.p[1]) >= 0 && hex_value(s.p[2]) >= 0) {
        out[(*n)++] = (char)(hex_value(s.p[1]) * 16 + hex_value(s.p[2]));
        return 3;
    }
    return 0;
}

static bool read_quoted(struct parser *p, struct slice *out)
{
    size_t start = p->at++;
    char *text = p->m->alloc(p->m->arg, p->text.len - start);
    size_t n = 0;
    while (p->at < p->text.len && peek(p) != '"') {
        char c = p->text.p[p->at++];
        if (c == '\\') {
            struct slice rest = slice_of(p->text.p + p->at, p->text.len - p->at);
            size_t len = unquote_escape(rest, text, &n);
            if (len == 0) {
                (void)syntax(p, "rule \"string\": invalid syntax");
                return false;
            }
            p->at += len;
        } else {
            text[n++] = c;
        }
    }
    if (p->at == p->text.len) {
        (void)syntax(p, "rule \"string\": Unterminated string literal");
        return false;
    }
    p->at++;
    *out = slice_of(text, n);
    return true;
}

static bool read_raw(struct parser *p, struct slice *out)
{
    size_t start = ++p->at;
    while (p->at < p->text.len && peek(p) != '`') {
        p->at++;
    }
    if (p->at == p->text.len) {
        (void)syntax(p, "rule \"string\": Unterminated string literal");
        return false;
    }
    *out = slice_of(p->text.p + start, p->at - start);
    p->at++;
    return true;
}

static bool read_number(struct parser *p, struct slice *out)
{
    size_t start = p->at;
    p->at += peek(p) == '-' ? 1 : 0;
    bool zero = peek(p) == '0';
    while (is_digit(peek(p)) && !(zero && p->at > start && p->text.p[p->at - 1] == '0')) {
        p->at++;
    }
    if (peek(p) == '.') {
        p->at++;
        while (is_digit(peek(p))) {
            p->at++;
        }
    }
    char next = peek(p);
    if (next != '\0' && !is_blank(next) && next != ')') {
        (void)syntax(p, "rule \"number\": Invalid number literal");
        return false;
    }
    *out = slice_of(p->text.p + start, p->at - start);
    return true;
}

static void read_name(struct parser *p)
{
    while (is_letter(peek(p)) || is_digit(peek(p)) || peek(p) == '_') {
        p->at++;
    }
}

/* ident { "." ident | "[" string "]" }; the text as written. */
static bool read_selector(struct parser *p, struct slice *out)
{
    size_t start = p->at;
    struct slice key;
    read_name(p);
    while (peek(p) == '.' || peek(p) == '[') {
        bool dot = p->text.p[p->at++] == '.';
        if (dot && !is_letter(peek(p))) {
            (void)syntax(p, "no match found, expected: [a-zA-Z]");
            return false;
        }
        if (dot) {
            read_name(p);
            continue;
        }
        bool quoted = peek(p) == '"';
        if (!quoted && peek(p) != '`') {
            (void)syntax(p, "rule \"index\": Invalid index");
            return false;
        }
        if (!(quoted ? read_quoted(p, &key) : read_raw(p, &key))) {
            return false;
        }
        if (peek(p) != ']') {
            (void)syntax(p, "rule \"index\": Unclosed index expression");
            return false;
        }
        p->at++;
    }
    *out = slice_of(p->text.p + start, p->at - start);
    return true;
}

static bool read_word(struct parser *p, struct word *w)
{
    char c = peek(p);
    if (c == '"' || c == '`') {
        w->kind = WORD_STRING;
        return c == '"' ? read_quoted(p, &w->text) : read_raw(p, &w->text);
    }
    if (c == '-' || is_digit(c)) {
        w->kind = WORD_NUMBER;
        return read_number(p, &w->text);
    }
    if (is_letter(c)) {
        w->kind = WORD_SELECTOR;
        return read_selector(p, &w->text);
    }
    (void)syntax(p,
                 "no match found, expected: \"(\", \"-\", \"0\", \"\\\"\", \"`\", \"not\", "
                 "[ \\t\\r\\n], [1-9] or [a-zA-Z]");
    return false;
}

/* ---- selectors ---- */

/* The next part of a selector: an identifier or a key. The text is known to be well formed. */
static bool next_part(struct parser *sel, struct slice *part)
{
    if (sel->at == sel->text.len) {
        return false;
    }
    if (peek(sel) == '[') {
        sel->at++;
        bool good = peek(sel) == '"' ? read_quoted(sel, part) : read_raw(sel, part);
        sel->at++;
        return good;
    }
    sel->at += peek(sel) == '.' ? 1 : 0;
    size_t start = sel->at;
    read_name(sel);
    *part = slice_of(sel->text.p + start, sel->at - start);
    return true;
}

static const struct filter_field *find_field(const struct filter_type *t, struct slice name)
{
    for (unsigned i = 0; i < t->n_fields; i++) {
        if (slice_is(name, t->fields[i].name)) {
            return &t->fields[i];
        }
    }
    return NULL;
}

/* What follows the name of a map: a key, and for addresses a field. */
static bool resolve_entry(struct parser *sel, const struct filter_field *f, struct filter_test *m)
{
    struct slice part;
    if (!next_part(sel, &m->key)) {
        return true;
    }
    m->part = FILTER_PART_VALUE;
    if (f->kind == FILTER_ADDRS) {
        if (!next_part(sel, &part)) {
            return false;
        }
        m->part = slice_is(part, "Address") ? FILTER_PART_ADDRESS
                  : slice_is(part, "Port")  ? FILTER_PART_PORT
                                            : FILTER_PART_NONE;
    }
    return m->part != FILTER_PART_NONE && sel->at == sel->text.len;
}

static bool resolve(struct parser *p, struct slice text, struct filter_test *m)
{
    struct parser sel = *p;
    sel.text = text;
    sel.at = 0;
    const struct filter_type *t = p->type;
    struct slice part;
    while (t != NULL && next_part(&sel, &part)) {
        const struct filter_field *f = find_field(t, part);
        if (f == NULL || m->n_steps == FILTER_STEPS_MAX) {
            return false;
        }
        m->steps[m->n_steps++] = f;
        if (f->kind == FILTER_MAP || f->kind == FILTER_ADDRS) {
            return resolve_entry(&sel, f, m);
        }
        t = f->type;
    }
    return m->n_steps > 0 && sel.at == text.len && m->steps[m->n_steps - 1]->kind != FILTER_OBJECT;
}

/* The kind of value the match looks at. */
static enum filter_kind leaf_kind(const struct filter_test *m)
{
    return m->part == FILTER_PART_PORT   ? FILTER_INT
           : m->part != FILTER_PART_NONE ? FILTER_STR
                                         : m->steps[m->n_steps - 1]->kind;
}

static bool op_fits(enum filter_op op, enum filter_kind kind)
{
    switch (kind) {
        case FILTER_STR:
            return op != FILTER_EMPTY;
        case FILTER_INT:
        case FILTER_BOOL:
            return op == FILTER_EQUAL;
        case FILTER_STRS:
        case FILTER_MAP:
        case FILTER_ADDRS:
            return op == FILTER_IN || op == FILTER_EMPTY;
        case FILTER_OBJECTS:
            return op == FILTER_EMPTY;
        case FILTER_OBJECT:
            return false;
    }
    return false;
}

static bool parse_int(struct slice s, int64_t *out)
{
    size_t i = s.len > 0 && (s.p[0] == '-' || s.p[0] == '+') ? 1 : 0;
    int64_t v = 0;
    for (size_t k = i; k < s.len; k++) {
        if (!is_digit(s.p[k]) || v > INT64_MAX / 10 - 1) {
            return false;
        }
        v = v * 10 + (s.p[k] - '0');
    }
    *out = s.len > 0 && s.p[0] == '-' ? -v : v;
    return s.len > i;
}

static bool parse_bool(struct slice s, int64_t *out)
{
    static const char *const words[2][6] = {{"0", "f", "F", "false", "FALSE", "False"},
                                            {"1", "t", "T", "true", "TRUE", "True"}};
    for (int k = 0; k < 12; k++) {
        if (slice_is(s, words[k / 6][k % 6])) {
            *out = k / 6;
            return true;
        }
    }
    return false;
}

/* The value in the type of the selector. */
static bool coerce(struct parser *p, struct slice selector, struct filter_test *m)
{
    enum filter_kind kind = leaf_kind(m);
    int len = m->value.len > 128 ? 128 : (int)m->value.len;
    const char *value = m->value.len == 0 ? "" : m->value.p;
    if (m->op == FILTER_MATCHES) {
        struct errmsg why;
        m->regex = regex_compile(p->m, m->value, &why);
        if (m->regex == NULL) {
            (void)err_set(p->e, E_INVAL, "Failed to compile regular expression \"%.*s\": %s", len,
                          value, why.text);
        }
        return m->regex != NULL;
    }
    bool good = kind == FILTER_INT    ? parse_int(m->value, &m->number)
                : kind == FILTER_BOOL ? parse_bool(m->value, &m->number)
                                      : true;
    if (!good) {
        (void)err_set(p->e, E_INVAL,
                      "Failed to coerce value \"%.*s\" for selector \"%.*s\": strconv.Parse%s: "
                      "parsing \"%.*s\": invalid syntax",
                      len, value, selector.len > 128 ? 128 : (int)selector.len, selector.p,
                      kind == FILTER_INT ? "Int" : "Bool", len, value);
    }
    return good;
}

/* ---- parsing ---- */

static struct filter *parse_or(struct parser *p);

static struct filter *make(struct parser *p, const struct filter *a, const struct filter *b)
{
    struct filter *f = p->m->alloc(p->m->arg, sizeof *f);
    f->a = a;
    f->b = b;
    return f;
}

static struct filter *finish_match(struct parser *p, struct slice selector, struct filter_test *m)
{
    static const char *const names[4][2] = {{"Equal", "Not Equal"},
                                            {"In", "Not In"},
                                            {"Is Empty", "Is Not Empty"},
                                            {"Matches", "Not Matches"}};
    int len = selector.len > 256 ? 256 : (int)selector.len;
    if (!resolve(p, selector, m)) {
        (void)err_set(p->e, E_INVAL, "Selector \"%.*s\" is not valid", len, selector.p);
        return NULL;
    }
    if (!op_fits(m->op, leaf_kind(m))) {
        (void)err_set(p->e, E_INVAL, "Invalid match operator \"%s\" for selector \"%.*s\"",
                      names[m->op][m->negated], len, selector.p);
        return NULL;
    }
    if (!coerce(p, selector, m)) {
        return NULL;
    }
    struct filter *f = make(p, NULL, NULL);
    f->kind = FILTER_NODE_MATCH;
    f->match = *m;
    return f;
}

/* "in" was read: the word before is the value. */
static struct filter *match_in(struct parser *p, const struct word *w, struct filter_test *m)
{
    struct word selector;
    m->op = FILTER_IN;
    m->value = w->text;
    if (!skip_blanks(p) || !is_letter(peek(p))) {
        return syntax(p, "rule \"match\": Invalid selector");
    }
    return read_word(p, &selector) ? finish_match(p, selector.text, m) : NULL;
}

static struct filter *match_value(struct parser *p,
                                  const struct word *w,
                                  enum filter_op op,
                                  struct filter_test *m)
{
    struct word value;
    m->op = op;
    if (!read_word(p, &value)) {
        return NULL;
    }
    m->value = value.text;
    return finish_match(p, w->text, m);
}

static struct filter *match_is(struct parser *p, const struct word *w, struct filter_test *m)
{
    m->op = FILTER_EMPTY;
    m->negated = take_keyword(p, "not");
    if (!take_keyword(p, "empty")) {
        return syntax(p, "no match found, expected: \"empty\" or \"not\"");
    }
    return finish_match(p, w->text, m);
}

static struct filter *parse_match(struct parser *p)
{
    struct word w;
    struct filter_test m = {.n_steps = 0};
    if (!read_word(p, &w)) {
        return NULL;
    }
    size_t behind = p->at;
    bool blank = skip_blanks(p);
    if (w.kind == WORD_SELECTOR && p->text.len - p->at >= 2 && p->text.p[p->at + 1] == '=' &&
        (peek(p) == '=' || peek(p) == '!')) {
        m.negated = peek(p) == '!';
        p->at += 2;
        (void)skip_blanks(p);
        return match_value(p, &w, FILTER_EQUAL, &m);
    }
    p->at = behind;
    if (w.kind == WORD_SELECTOR && take_keyword(p, "is")) {
        return match_is(p, &w, &m);
    }
    m.negated = take_keyword(p, "not");
    if (take_keyword(p, "in")) {
        return match_in(p, &w, &m);
    }
    if (w.kind == WORD_SELECTOR && take_keyword(p, "contains")) {
        (void)skip_blanks(p);
        return match_value(p, &w, FILTER_IN, &m);
    }
    if (w.kind == WORD_SELECTOR && take_keyword(p, "matches")) {
        (void)skip_blanks(p);
        return match_value(p, &w, FILTER_MATCHES, &m);
    }
    (void)skip_blanks(p);
    return syntax(p, blank ? "no match found, expected: \"!=\", \"==\", \"contains\", \"in\", "
                             "\"is\", \"matches\", \"not\" or [ \\t\\r\\n]"
                           : "no match found, expected: \"!=\", \".\", \"==\", \"[\", "
                             "[ \\t\\r\\n] or [a-zA-Z0-9_]");
}

static struct filter *parse_group(struct parser *p)
{
    p->at++;
    (void)skip_blanks(p);
    struct filter *f = parse_or(p);
    if (f == NULL) {
        return NULL;
    }
    (void)skip_blanks(p);
    if (peek(p) != ')') {
        return syntax(p, "rule \"grouping\": Unmatched parentheses");
    }
    p->at++;
    return f;
}

/* "not" before a blank or a parenthesis, unless it begins a match on a value spelled so. */
static bool take_not(struct parser *p)
{
    size_t from = p->at;
    if (take_word(p, "not") && (skip_blanks(p) || peek(p) == '(')) {
        return true;
    }
    p->at = from;
    return false;
}

static struct filter *parse_not(struct parser *p)
{
    struct filter *f;
    if (++p->depth > FILTER_DEPTH_MAX) {
        return syntax(p, "the expression nests too deeply");
    }
    if (take_not(p)) {
        const struct filter *inner = parse_not(p);
        f = inner == NULL ? NULL : make(p, inner, NULL);
        if (f != NULL) {
            f->kind = FILTER_NODE_NOT;
        }
    } else {
        f = peek(p) == '(' ? parse_group(p) : parse_match(p);
    }
    p->depth--;
    return f;
}

/* Chains lean to the left: matching recurses once a link, which FILTER_TEXT_MAX bounds. */
static struct filter *parse_chain(struct parser *p,
                                  const char *keyword,
                                  bool is_or,
                                  struct filter *(*operand)(struct parser *p))
{
    struct filter *f = operand(p);
    while (f != NULL && take_keyword(p, keyword)) {
        if (!skip_blanks(p)) {
            return syntax(p, "no match found, expected: [ \\t\\r\\n]");
        }
        const struct filter *right = operand(p);
        if (right == NULL) {
            return NULL;
        }
        f = make(p, f, right);
        f->kind = is_or ? FILTER_NODE_OR : FILTER_NODE_AND;
    }
    return f;
}

static struct filter *parse_and(struct parser *p)
{
    return parse_chain(p, "and", false, parse_not);
}

static struct filter *parse_or(struct parser *p)
{
    return parse_chain(p, "or", true, parse_and);
}

struct filter *filter_parse(const struct decode_memory *m,
                            struct slice text,
                            const struct filter_type *type,
                            struct errmsg *e)
{
    struct parser p = {.m = m, .type = type, .text = text, .e = e};
    if (text.len > FILTER_TEXT_MAX) {
        (void)err_set(e, E_TOOBIG, "the expression is longer than %d bytes", FILTER_TEXT_MAX);
        return NULL;
    }
    (void)skip_blanks(&p);
    struct filter *f = parse_or(&p);
    if (f != NULL) {
        (void)skip_blanks(&p);
        if (p.at < text.len) {
            return syntax(&p, "no match found, expected: \"and\", \"or\", [ \\t\\r\\n] or EOF");
        }
    }
    return f;
}
