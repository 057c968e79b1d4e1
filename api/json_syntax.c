/* A recursive descent over the text that mirrors the states of Go's scanner, since its messages
 * name them: "looking for beginning of value", "after object key", "in string escape code", ...
 * Nothing is built. Nesting is bounded as in the parser, which refuses deeper bodies. */
#include "api/json_syntax.h"

#include <stdio.h>

enum { DEPTH_MAX = 2048 };

struct scan {
    const char *p;
    const char *end;
    struct errmsg *e;
};

static int scan_value(struct scan *s, unsigned depth);

/* The error for the byte at the cursor, or for the end of the text. */
static int unexpected(struct scan *s, const char *context)
{
    if (s->p == s->end) {
        return err_set(s->e, E_INVAL, "unexpected EOF");
    }
    unsigned char c = (unsigned char)*s->p;
    char shown[8];
    if (c == '\'') {
        (void)snprintf(shown, sizeof shown, "\\'");
    } else if (c == '\\') {
        (void)snprintf(shown, sizeof shown, "\\\\");
    } else if (c == '\n' || c == '\t' || c == '\r') {
        (void)snprintf(shown, sizeof shown, "\\%c", c == '\n' ? 'n' : c == '\t' ? 't' : 'r');
    } else if (c < 0x20 || c >= 0x7f) {
        (void)snprintf(shown, sizeof shown, "\\x%02x", c);
    } else {
        (void)snprintf(shown, sizeof shown, "%c", c);
    }
    return err_set(s->e, E_INVAL, "invalid character '%s' %s", shown, context);
}

static void skip_space(struct scan *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\r' || *s->p == '\n')) {
        s->p++;
    }
}

static bool at(const struct scan *s, char c)
{
    return s->p < s->end && *s->p == c;
}

static bool at_digit(const struct scan *s)
{
    return s->p < s->end && *s->p >= '0' && *s->p <= '9';
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static int scan_escape(struct scan *s)
{
    s->p++;
    if (s->p < s->end && *s->p != '\0' && strchr("bfnrt\\/\"", *s->p) != NULL) {
        s->p++;
        return 0;
    }
    if (!at(s, 'u')) {
        return unexpected(s, "in string escape code");
    }
    s->p++;
    for (int i = 0; i < 4; i++, s->p++) {
        if (s->p == s->end || !is_hex(*s->p)) {
            return unexpected(s, "in \\u hexadecimal character escape");
        }
    }
    return 0;
}

static int scan_string(struct scan *s)
{
    s->p++;
    while (s->p < s->end && *s->p != '"') {
        if ((unsigned char)*s->p < 0x20) {
            return unexpected(s, "in string literal");
        }
        if (*s->p != '\\') {
            s->p++;
        } else if (scan_escape(s) != 0) {
            return E_INVAL;
        }
    }
    if (s->p == s->end) {
        return unexpected(s, "");
    }
    s->p++;
    return 0;
}

static int scan_number(struct scan *s)
{
    if (at(s, '-')) {
        s->p++;
    }
    if (!at_digit(s)) {
        return unexpected(s, "in numeric literal");
    }
    if (*s->p == '0') {
        s->p++;
    } else {
        while (at_digit(s)) {
            s->p++;
        }
    }
    if (at(s, '.')) {
        s->p++;
        if (!at_digit(s)) {
            return unexpected(s, "after decimal point in numeric literal");
        }
        while (at_digit(s)) {
            s->p++;
        }
    }
    if (at(s, 'e') || at(s, 'E')) {
        s->p++;
        if (at(s, '+') || at(s, '-')) {
            s->p++;
        }
        if (!at_digit(s)) {
            return unexpected(s, "in exponent of numeric literal");
        }
        while (at_digit(s)) {
            s->p++;
        }
    }
    return 0;
}

static int scan_literal(struct scan *s, const char *word)
{
    for (const char *w = word; *w != '\0'; w++, s->p++) {
        if (!at(s, *w)) {
            char context[48];
            (void)snprintf(context, sizeof context, "in literal %s (expecting '%c')", word, *w);
            return unexpected(s, context);
        }
    }
    return 0;
}

static int scan_object(struct scan *s, unsigned depth)
{
    s->p++;
    skip_space(s);
    if (at(s, '}')) {
        s->p++;
        return 0;
    }
    for (;;) {
        skip_space(s);
        if (!at(s, '"')) {
            return unexpected(s, "looking for beginning of object key string");
        }
        if (scan_string(s) != 0) {
            return E_INVAL;
        }
        skip_space(s);
        if (!at(s, ':')) {
            return unexpected(s, "after object key");
        }
        s->p++;
        if (scan_value(s, depth) != 0) {
            return E_INVAL;
        }
        skip_space(s);
        if (at(s, '}')) {
            s->p++;
            return 0;
        }
        if (!at(s, ',')) {
            return unexpected(s, "after object key:value pair");
        }
        s->p++;
    }
}

static int scan_array(struct scan *s, unsigned depth)
{
    s->p++;
    skip_space(s);
    if (at(s, ']')) {
        s->p++;
        return 0;
    }
    for (;;) {
        if (scan_value(s, depth) != 0) {
            return E_INVAL;
        }
        skip_space(s);
        if (at(s, ']')) {
            s->p++;
            return 0;
        }
        if (!at(s, ',')) {
            return unexpected(s, "after array element");
        }
        s->p++;
    }
}

static int scan_value(struct scan *s, unsigned depth)
{
    if (depth == DEPTH_MAX) {
        return err_set(s->e, E_INVAL, "exceeded max depth");
    }
    skip_space(s);
    char c = s->p < s->end ? *s->p : '\0';
    switch (c) {
        case '{':
            return scan_object(s, depth + 1);
        case '[':
            return scan_array(s, depth + 1);
        case '"':
            return scan_string(s);
        case 't':
            return scan_literal(s, "true");
        case 'f':
            return scan_literal(s, "false");
        case 'n':
            return scan_literal(s, "null");
        default:
            return c == '-' || at_digit(s) ? scan_number(s)
                                           : unexpected(s, "looking for beginning of value");
    }
}

int json_syntax_check(struct slice text, struct errmsg *e)
{
    struct scan s = {text.p, text.len == 0 ? text.p : text.p + text.len, e};
    skip_space(&s);
    if (s.p == s.end) {
        return err_set(e, E_INVAL, "EOF");
    }
    return scan_value(&s, 0);
}
