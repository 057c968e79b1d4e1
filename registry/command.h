/* Commands: what the Raft log carries. One log entry is a batch of commands.
 *
 *     batch    u8 version (1) | u8 0 | u16 0 | u32 count | i64 wall_ns | count x command | zero pad
 *     command  u32 length | u8 type | body
 *
 * A command brings every time stamp and identifier it needs; applying it consults no clock, no
 * random source and no floating point number (DESIGN.md decision 9). Encoders append one command,
 * length included, to a buffer; the proposer joins them with reg_batch_*(). Decoding checks every
 * length: a malformed entry is E_CORRUPT and changes nothing. Pure; any thread. */
#ifndef REGISTRY_COMMAND_H_
#define REGISTRY_COMMAND_H_

#include "registry/model.h"

enum {
    REG_BATCH_HEADER = 16,           /* bytes before the first command */
    REG_BATCH_COMMANDS_MAX = 512,    /* commands in one entry */
    REG_BATCH_SIZE_MAX = 256 * 1024, /* bytes in one entry, but one larger command goes alone */
    REG_COMMAND_SIZE_MAX = 4 * 1024 * 1024
};

enum reg_command_type {
    REG_CMD_REGISTER = 1, /* node, service and checks, each optional but the node's name */
    REG_CMD_DEREGISTER,   /* a node, a service instance or a check */
    REG_CMD_CHECK_STATUS, /* what a prober found */
    REG_CMD_KV,
    REG_CMD_EVENT,   /* a user event: registry/event.h */
    REG_CMD_COORD,   /* a node's coordinate: registry/coord.h */
    REG_CMD_PREPARED /* a prepared query: registry/prepared.h */
};

/* REG_CMD_REGISTER flags. */
enum {
    REG_REG_NODE = 1,           /* @node is to be written (else it must exist) */
    REG_REG_SERVICE = 2,        /* @service is to be written */
    REG_REG_KEEP_STATUS = 4,    /* a check that exists keeps status and output (agent routes) */
    REG_REG_REPLACE_CHECKS = 8, /* checks of this service that are not named go away */
    REG_REG_CHECK_SERVICE = 16  /* refuse a check whose service_id is not on the node */
};

struct reg_register {
    uint32_t flags;
    struct reg_node node;       /* .name is always needed */
    struct reg_service service; /* .node is ignored: it is node.name */
    const struct reg_check *checks;
    unsigned n_checks; /* at most 1024 */
};

struct reg_deregister {
    struct slice node;
    struct slice service_id; /* not empty: this instance and its checks */
    struct slice check_id;   /* not empty (and service_id empty): this check */
};

struct reg_check_status {
    struct slice node;
    struct slice check_id;
    struct slice status;
    struct slice output;
    /* What the check must have been registered as (its create_index), so that a late result never
     * hits a namesake; 0 = any. */
    uint64_t create_index;
};

enum reg_kv_verb {
    REG_KV_SET = 1,
    REG_KV_CAS, /* @index: the expected ModifyIndex; 0 = only if absent */
    REG_KV_DELETE,
    REG_KV_DELETE_CAS,
    REG_KV_DELETE_TREE /* @key is the prefix */
};

struct reg_kv_op {
    uint8_t verb; /* enum reg_kv_verb */
    struct slice key;
    struct slice value;
    uint64_t flags;
    uint64_t index;
};

void reg_command_register(struct buf *b, const struct reg_register *c);
void reg_command_deregister(struct buf *b, const struct reg_deregister *c);
void reg_command_check_status(struct buf *b, const struct reg_check_status *c);
void reg_command_kv(struct buf *b, const struct reg_kv_op *c);

/* Append a command whose @body is encoded already, by the header that owns it; fails @b if @body
 * failed. */
void reg_command_body(struct buf *b, enum reg_command_type type, const struct buf *body);

/* Begin a batch in the empty buffer @b; append commands behind it; then close it, which writes the
 * count and pads with zeros to a multiple of 8 (engine.md D1). */
void reg_batch_begin(struct buf *b, int64_t wall_ns);
void reg_batch_end(struct buf *b, uint32_t count);

/* A cursor over a batch. */
struct reg_batch {
    uint32_t count;
    int64_t wall_ns;
    struct rd rest;
};
/* Returns 0 or E_CORRUPT. */
int reg_batch_open(struct slice entry, struct reg_batch *batch);
/* The next command's type and body. 0, E_EOF after the last, E_CORRUPT. */
int reg_batch_next(struct reg_batch *batch, uint8_t *type, struct slice *body);

/* Decode a body. Returns 0 or E_CORRUPT. Up to 1024 checks go to @checks. */
int reg_register_decode(struct slice body,
                        struct reg_register *c,
                        struct reg_check *checks,
                        unsigned checks_max);
int reg_deregister_decode(struct slice body, struct reg_deregister *c);
int reg_check_status_decode(struct slice body, struct reg_check_status *c);
int reg_kv_op_decode(struct slice body, struct reg_kv_op *c);

/* What applying one command gave. */
struct reg_result {
    int status;     /* 0, or E_*: then nothing was changed and @text says why, in Consul's words */
    bool ok;        /* KV: what Consul answers, true or false */
    bool changed;   /* false: all was so already, and no index moved */
    uint64_t index; /* the registry index after the command */
    char text[256];
};

#endif
