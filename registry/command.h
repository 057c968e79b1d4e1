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
    REG_CMD_SESSION,            /* a session begins or ends */
    REG_CMD_EVENT,              /* a user event: registry/event.h */
    REG_CMD_COORD,              /* a node's coordinate: registry/coord.h */
    REG_CMD_TXN,                /* several operations on keys: all or none */
    REG_CMD_PREPARED,           /* a prepared query: registry/prepared.h */
    REG_CMD_AUTOPILOT = 32,     /* registry/autopilot.h */
    REG_CMD_RESTORE_BEGIN = 48, /* a restore: what is to come ... */
    REG_CMD_RESTORE_ROWS,       /* ... some rows ... */
    REG_CMD_RESTORE_END         /* ... that was all: put them in the place of all there is */
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
    REG_KV_DELETE_TREE, /* @key is the prefix */
    REG_KV_LOCK,        /* @session takes the key, if nobody has it */
    REG_KV_UNLOCK,      /* @session, which holds the key, lets go of it */
    /* In transactions only. */
    REG_KV_GET,
    REG_KV_GET_OR_EMPTY,
    REG_KV_GET_TREE,
    REG_KV_CHECK_INDEX,
    REG_KV_CHECK_SESSION,
    REG_KV_CHECK_NOT_EXISTS
};

struct reg_kv_op {
    uint8_t verb; /* enum reg_kv_verb */
    struct slice key;
    struct slice value;
    uint64_t flags;
    uint64_t index;
    struct slice session; /* LOCK, UNLOCK, CHECK_SESSION */
};

enum reg_session_verb { REG_SESSION_CREATE = 1, REG_SESSION_DESTROY };

struct reg_session_op {
    uint8_t verb;               /* enum reg_session_verb */
    struct reg_session session; /* DESTROY: only its id */
};

/* For encoders in files of their own: what stands before and behind a body. */
size_t reg_command_begin(struct buf *b, enum reg_command_type type);
void reg_command_end(struct buf *b, size_t at);

/* The three commands of a restore share this; a later BEGIN ends one that was not finished. */
struct reg_restore {
    uint64_t id;        /* tells restores apart */
    uint64_t count;     /* BEGIN, END: rows in all; ROWS: the number of the piece, from 0 */
    struct slice bytes; /* BEGIN: a header, ROWS: rows, as in registry/statefile.h */
};

void reg_command_restore(struct buf *b, enum reg_command_type type, const struct reg_restore *c);
enum { REG_TXN_OPS_MAX = 128 };

/* A transaction. An operation of verb 0 always fails: its value is the verb that nobody knows. */
struct reg_txn {
    const struct reg_kv_op *ops;
    unsigned n; /* at most REG_TXN_OPS_MAX */
};

void reg_command_register(struct buf *b, const struct reg_register *c);
void reg_command_deregister(struct buf *b, const struct reg_deregister *c);
void reg_command_check_status(struct buf *b, const struct reg_check_status *c);
void reg_command_kv(struct buf *b, const struct reg_kv_op *c);
void reg_command_session(struct buf *b, const struct reg_session_op *c);
void reg_command_txn(struct buf *b, const struct reg_txn *c);

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
int reg_session_op_decode(struct slice body, struct reg_session_op *c);
/* Up to REG_TXN_OPS_MAX operations go to @ops. */
int reg_txn_decode(struct slice body, struct reg_txn *c, struct reg_kv_op *ops);

int reg_restore_decode(struct slice body, struct reg_restore *c);

/* What applying one command gave. */
struct reg_result {
    int status;     /* 0, or E_*: then nothing was changed and @text says why, in Consul's words */
    bool ok;        /* KV: what Consul answers, true or false */
    bool changed;   /* false: all was so already, and no index moved */
    uint64_t index; /* the registry index after the command */
    char text[256];
    /* TXN: with @ok a kv record for each result, else u32 operation and text for each error; all as
     * buf_put_bytes() writes them. From malloc(), owned by whoever has the result; else NULL. */
    char *payload;
    size_t payload_len;
};

/* True when @id can be a session's; else status and Consul's text are in @out. */
bool reg_session_id_ok(struct slice id, struct reg_result *out);

#endif
