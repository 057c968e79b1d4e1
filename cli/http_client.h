/* A small blocking HTTP/1.1 client for the commands: one request, one connection, one answer.
 *
 * Speaks plain HTTP to the agent named by -http-addr or the environment. Not for servers: it waits
 * (10 s to connect, 120 s without progress). Answers are kept whole, up to HTTP_ANSWER_MAX. */
#ifndef CLI_HTTP_CLIENT_H_
#define CLI_HTTP_CLIENT_H_

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "cli/flags.h"

enum { HTTP_ANSWER_MAX = 512 * 1024 * 1024 };

/* The flags that every command of the API takes; see http_flags and http_query_flags. */
struct http_flag_values {
    const char *address;
    const char *token;
    const char *token_file;
    const char *datacenter;
    bool stale;
};
extern const struct flag http_client_flags[]; /* where the agent is, and the token */
extern const struct flag http_query_flags[];  /* -datacenter, -stale */

struct http_client {
    char host[256];
    char port[8];
    char *token;            /* owned; NULL = none */
    const char *datacenter; /* borrowed; NULL = the agent's */
    bool stale;
};

struct http_answer {
    int status;
    struct buf body;
    bool complete; /* private, as the next two */
    void (*each)(void *arg, struct slice piece);
    void *arg;
};

/* Flags go before the environment (ROLLCALL_HTTP_ADDR, CONSUL_HTTP_ADDR, .._TOKEN, .._TOKEN_FILE),
 * that before 127.0.0.1:8500. E_INVAL, E_UNSUPPORTED (https, unix): @e says why. */
int http_client_init(struct http_client *c, const struct http_flag_values *v, struct errmsg *e);
void http_client_fini(struct http_client *c);

/* Send @method @path (starts with "/", already escaped; -datacenter and -stale are added) with
 * @body, and wait for the answer into @a, whose body the caller frees with buf_fini().
 * E_CONN and others: nothing or not all came back; @e reads like Go's client ("dial tcp ...:
 * connect: connection refused"). Any HTTP status is a success here. */
int http_call(const struct http_client *c,
              const char *method,
              const char *path,
              struct slice body,
              struct http_answer *a,
              struct errmsg *e);

/* As http_call(), but every status other than 200 is E_INVAL with Consul's text
 * "Unexpected response code: 500 (body)". */
int http_call_ok(const struct http_client *c,
                 const char *method,
                 const char *path,
                 struct slice body,
                 struct http_answer *a,
                 struct errmsg *e);

/* GET @path and hand on each piece of a 200 answer's body as it comes, for as long as it takes.
 * Returns 0 when the answer ends; errors as http_call_ok(). */
int http_stream(const struct http_client *c,
                const char *path,
                void (*each)(void *arg, struct slice piece),
                void *arg,
                struct errmsg *e);

/* Append @s escaped for a URL: as a path (slashes stay) or as one query value. */
void http_escape_path(struct buf *b, struct slice s);
void http_escape_query(struct buf *b, struct slice s);

#endif
