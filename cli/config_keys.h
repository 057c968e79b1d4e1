/* The table of configuration keys; for config*.c and its tests only.
 *
 * A new key needs a row here and, when it is used, a field in struct config. */
#ifndef CLI_CONFIG_KEYS_H_
#define CLI_CONFIG_KEYS_H_

#include <stddef.h>

enum config_type {
    CONFIG_OBJECT, /* its own keys have rows "name.key" */
    CONFIG_STRING,
    CONFIG_BOOL,
    CONFIG_INT,
    CONFIG_DURATION, /* text as in "10s" */
    CONFIG_SECONDS,  /* the same or a number of seconds, kept in seconds */
    CONFIG_STRINGS,  /* a list, appended to; one string counts as a list of one */
    CONFIG_MAP,      /* string to string, merged */
    CONFIG_TTLS,     /* string to duration, merged */
    CONFIG_SERVICES, /* definitions: one, or a list */
    CONFIG_CHECKS,
    CONFIG_ANY /* whatever it holds is not looked at */
};

enum config_effect {
    CONFIG_USED,
    CONFIG_QUIET,  /* accepted: it changes nothing that a user could see in this version */
    CONFIG_LATER,  /* accepted with a note: it would change something, but not in this version */
    CONFIG_REFUSED /* stops the start: see the row's text */
};

struct config_key {
    const char *path;
    enum config_type type;
    enum config_effect effect;
    size_t at;        /* CONFIG_USED: offsetof in struct config */
    const char *text; /* CONFIG_REFUSED: why and what to do */
};

extern const struct config_key config_keys[];
extern const size_t config_keys_count;

/* The row of @path (any case), or NULL. */
const struct config_key *config_key_find(const char *path);

#endif
