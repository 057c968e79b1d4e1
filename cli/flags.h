/* Command line flags in Go's spelling: -x=v, -x v, --x; parsing stops at the first other word.
 *
 * A command describes its flags in a static table, from which parsing, usage text, completion and
 * the manual are made. Values land in a struct of the command, at the offset that the row names;
 * they are borrowed from argv. Pure. */
#ifndef CLI_FLAGS_H_
#define CLI_FLAGS_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum flag_kind {
    FLAG_BOOL,     /* bool; -x, -x=true, -x=0 ... */
    FLAG_STRING,   /* const char *; the last one given wins */
    FLAG_LIST,     /* struct flag_list; may be repeated */
    FLAG_U64,      /* uint64_t, decimal or 0x... */
    FLAG_NOTE,     /* struct flag_notes: flag and value are noted in order, for the configuration */
    FLAG_NOTE_BOOL /* the same for a boolean: the value is "true" or "false" */
};

/* One row; a table ends with a row whose name is NULL. */
struct flag {
    const char *name; /* without the dash */
    enum flag_kind kind;
    size_t at;         /* offsetof the field */
    const char *value; /* what the value is called in the usage text; NULL for booleans */
    const char *help;
};

enum { FLAG_REPEAT_MAX = 1024 }; /* times that one field may be given */

struct flag_list {
    const char **items;
    size_t n;
};

struct flag_note {
    const char *flag;
    const char *value;
};

struct flag_notes {
    struct flag_note *items;
    size_t n;
};

/* A table together with the struct that it fills. */
struct flag_group {
    const char *title; /* heading in the usage text */
    const struct flag *flags;
    void *values; /* zeroed or preset with defaults */
};

enum { FLAGS_HELP = 1 };

/* Parse argv[0..argc) until the first word that is no flag (or behind "--"); *@rest is its place.
 * Returns 0; FLAGS_HELP when -h, -help or --help was met; E_INVAL: @e names the flag and, where
 * there is one, the flag that was probably meant. */
int flags_parse(const struct flag_group *groups,
                size_t n_groups,
                int argc,
                char **argv,
                int *rest,
                struct errmsg *e);

/* Free the lists inside the values of @groups. */
void flags_fini(const struct flag_group *groups, size_t n_groups);

/* Append the usage text of @groups. */
void flags_usage(struct buf *out, const struct flag_group *groups, size_t n_groups);

/* Append @text, wrapped at 78 columns with @indent spaces before each line. */
void flags_wrap(struct buf *out, const char *text, unsigned indent);

/* Go's strconv.ParseBool. Returns 0 or E_INVAL. */
int flags_parse_bool(const char *text, bool *out);

static inline bool flag_is_bool(const struct flag *f)
{
    return f->kind == FLAG_BOOL || f->kind == FLAG_NOTE_BOOL;
}

#endif
