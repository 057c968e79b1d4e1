/* Error codes: one list for the whole program, and the message a person reads.
 *
 * Functions return 0 or one of these negative codes. Adapters turn a library's codes into ours
 * (base/err.h knows errno only); tables at the border turn ours into HTTP statuses (api/) and
 * RCODEs (dns/). Where a person must read the cause, a `struct errmsg *` goes last and may be
 * NULL; each level that passes an error on prefixes it with what it was doing. */
#ifndef BASE_ERR_H_
#define BASE_ERR_H_

/* code, text for a person. A new code needs a row here and nothing else. */
#define ERR_LIST(X)                                    \
    X(E_NOMEM, 1, "out of memory")                     \
    X(E_INVAL, 2, "invalid argument")                  \
    X(E_NOTFOUND, 3, "not found")                      \
    X(E_EXISTS, 4, "already exists")                   \
    X(E_FULL, 5, "queue is full")                      \
    X(E_IO, 6, "input/output error")                   \
    X(E_NOSPACE, 7, "no space left on device")         \
    X(E_CORRUPT, 8, "stored data is corrupt")          \
    X(E_TOOBIG, 9, "too large")                        \
    X(E_PROTO, 10, "malformed message")                \
    X(E_BUSY, 11, "busy")                              \
    X(E_CANCELED, 12, "canceled")                      \
    X(E_NOTLEADER, 13, "not the leader")               \
    X(E_UNKNOWN, 14, "outcome unknown")                \
    X(E_TIMEOUT, 15, "timed out")                      \
    X(E_DENIED, 16, "permission denied")               \
    X(E_AGAIN, 17, "incomplete, more input is needed") \
    X(E_UNSUPPORTED, 18, "not supported")              \
    X(E_ADDRINUSE, 19, "address already in use")       \
    X(E_CONN, 20, "connection failed")                 \
    X(E_EOF, 21, "end of input")

enum err_code {
#define X(name, value, text) name = -(value),
    ERR_LIST(X)
#undef X
};

enum { ERRMSG_SIZE = 512 };

/* A sentence for a person; always NUL-terminated, cut at ERRMSG_SIZE - 1. */
struct errmsg {
    char text[ERRMSG_SIZE];
};

/* The text of @code, never NULL; "unknown error" for a number that is not ours. */
const char *err_text(int code);

/* The name of @code as spelled in the source ("E_NOMEM"), for logs. */
const char *err_name(int code);

/* The code for errno value @sys (positive); E_IO where nothing fits better. */
int err_from_errno(int sys);

/* Write a message into @e (may be NULL) and return @code, so that `return err_set(e, E_INVAL, ...)`
 * reads as one thought. */
int err_set(struct errmsg *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Put "<prefix>: " before what @e (may be NULL) holds. */
void err_prefix(struct errmsg *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
