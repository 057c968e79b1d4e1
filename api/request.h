/* For api/ only: one request from its head to its answer: memory, routing, refusals, calls.
 *
 * Lives from the head to the answer, longer if the client hangs up while a proposal or a probe
 * request is outstanding: those are embedded here and come back through the loop's reply queue. */
#ifndef API_REQUEST_H_
#define API_REQUEST_H_

#include "api/loop.h"

struct conn;

enum { REQUEST_BLOCK = 2048 };

struct request {
    struct api_req pub;
    struct list link; /* loop->requests */
    struct api_loop *loop;
    struct conn *conn; /* NULL: the client is gone, or a parked query is looked at */
    struct slice raw_path;
    struct slice raw_query;
    const struct http_field *fields;
    unsigned n_fields;
    int params_error; /* target_params() */
    bool add_slash;
    bool options_star;
    uint64_t body_max;
    struct buf body;
    struct buf extra;     /* header lines set by the handler */
    struct block *blocks; /* the arena beyond `first` */
    size_t first_used;
    struct list bufs;
    unsigned pending; /* replies outstanding: 0 or 1 */
    bool in_call;     /* the handler is on the stack */
    bool answered;
    struct reg_proposal proposal;
    uint64_t proposed_ns; /* when it was handed over */
    void (*proposed)(struct api_req *r, int status, const struct reg_result *result);
    struct request_job {
        struct reg_reply reply;
        pthread_t thread;
        void (*work)(void *arg);
        void *arg;
        void (*done)(struct api_req *r, void *arg);
    } job;
    struct reg_probe_req probe;
    void (*probed)(struct api_req *r, struct reg_probe_req *q);
    api_call_fn stream_sent; /* streams only: api/api.h */
    api_call_fn stream_closed;
    max_align_t align;
    char first[REQUEST_BLOCK];
};

static inline struct request *request_of(const struct api_req *r)
{
    return container_of((struct api_req *)(uintptr_t)r, struct request, pub);
}

/* NULL without memory. @conn may be NULL. */
struct request *request_new(struct api_loop *a, struct conn *conn);
/* The client is gone: nobody will see the answer. Frees @r unless a reply is outstanding. */
void request_detach(struct request *r);

/* Take in the head: method, target, parameters, route, limit of the body; what is kept is copied.
 * E_PROTO: the target is malformed: 400. */
int request_open(struct request *r, const struct http_head *head);
/* As request_open() for a query that was parked under @target; it is not copied. */
void request_reopen(struct request *r, struct slice target);
/* The body is complete: answer, now or later. May free @r. */
void request_run(struct request *r);
/* The body cannot be read: answer @status with @text and end the connection. Frees @r. */
void request_abort(struct request *r, int status, const char *text);
/* The body goes to a file (API_SPOOL). */
bool request_spools(const struct request *r);
/* Move what has come of the body to its file. False: it is too long or cannot be written; it is
 * answered then, and @r is gone. */
bool request_spool(struct request *r);
/* A reply has come: run @after, which answers or asks again; free @r if it did not ask. */
void request_go_on(struct request *r, void (*after)(struct request *r));
/* 503 and the time after which to try again. */
void request_busy(struct api_req *r);
/* True when @length bytes of body are too many; it is answered then, and @r is gone. */
bool request_too_long(struct request *r, uint64_t length);

/* An answer with the headers of a wrapped route; never NULL (the process ends without memory for
 * some 300 bytes). */
struct answer *request_answer_new(int status, const char *content_type);
/* Text of an error. */
struct answer *request_answer_text(int status, const char *text);
/* Text of a 500 of @r's route, with the index headers that Consul sends along on some routes. */
struct answer *request_answer_failure(const struct request *r, const char *text);
/* Append @json to the answer's body, indented as the request and the server want it. */
void request_add_json(const struct request *r, struct answer *a, struct slice json);
/* Send @answer (this reference is taken over) and free @r if nothing is outstanding. */
void request_finish(struct request *r, struct answer *answer, bool linger);
/* 200 application/json and the like without a route's headers, as net/http itself answers. */
struct answer *answer_plain(int status, const char *text);

/* The tail of an answer that went out: none outstanding any more. */
void request_free(struct request *r);

/* The process cannot go on without a few hundred bytes. */
void *must(void *p);

#endif
