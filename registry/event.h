/* User events: small messages that whoever watches the list of events gets to see.
 *
 * The newest REG_EVENTS_MAX are kept, in the order in which they were fired; an older one goes when
 * a newer comes. They are replicated state, so every loop and every server lists the same ones.
 * Which of them concern a node (their filters) is for whoever lists them to decide. */
#ifndef REGISTRY_EVENT_H_
#define REGISTRY_EVENT_H_

#include "registry/query.h"

enum { REG_EVENTS_MAX = 256 };

struct reg_event {
    struct slice id; /* uuid, lower case */
    struct slice name;
    struct slice payload;
    struct slice node_filter; /* regular expressions; empty: all */
    struct slice service_filter;
    struct slice tag_filter;
    uint64_t ltime; /* the registry index of its firing; ignored in a command */
};

/* The stored form, which is a command's body too. Decoding: 0 or E_CORRUPT, views into @s. */
void reg_event_encode(struct buf *b, const struct reg_event *e);
int reg_event_decode(struct slice s, struct reg_event *e);
/* Append the command that fires @e. */
void reg_command_event(struct buf *b, const struct reg_event *e);

/* All events, the oldest first. */
void reg_events(struct reg_reader *rd, struct reg_iter *it);
bool reg_events_next(struct reg_iter *it, struct reg_event *out);

#endif
