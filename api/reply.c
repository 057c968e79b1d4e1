/* What a call answers and whom it asks: the contract of api/api.h for calls.
 *
 * A proposal or a probe request is embedded in the request; at most one is out at a time. When it
 * comes back the handler goes on; if it asks again, the request stays, else it was answered and
 * goes. */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/conn_uv.h"
#include "api/json.h"
#include "api/request.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/metrics.h"

void request_add_json(const struct request *r, struct answer *a, struct slice json)
{
    bool asked = api_flag(&r->pub, "pretty");
    if (!asked && !r->loop->server->pretty_always) {
        buf_add_slice(&a->body, json);
        return;
    }
    json_pretty(&a->body, json);
    if (asked) {
        buf_add_char(&a->body, '\n');
    }
}

void api_reply_json(struct api_req *pub, struct slice body)
{
    struct request *r = request_of(pub);
    struct answer *a = request_answer_new(200, "application/json");
    request_add_json(r, a, body);
    request_finish(r, a, false);
}

void api_reply_empty(struct api_req *r)
{
    request_finish(request_of(r), request_answer_text(200, NULL), false);
}

void api_reply_error(struct api_req *r, int status, const char *fmt, ...)
{
    char text[2048]; /* longer texts are cut: they quote what the client sent */
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    request_finish(request_of(r), request_answer_text(status, text), false);
}

void api_reply(struct api_req *r, int status, const char *content_type, struct slice body)
{
    struct answer *a = request_answer_new(status, content_type);
    buf_add_slice(&a->body, body);
    request_finish(request_of(r), a, false);
}

void api_reply_file(struct api_req *pub,
                    const char *content_type,
                    int fd,
                    uint64_t len,
                    uint64_t index)
{
    struct request *r = request_of(pub);
    struct answer *a = request_answer_new(200, content_type);
    a->meta = true;
    a->file = fd;
    a->file_len = len;
    a->index = index;
    buf_add_str(&a->head, "X-Consul-Index: ");
    buf_add_u64(&a->head, index);
    buf_add_str(&a->head, "\r\nX-Consul-Query-Backend: blocking-query\r\n");
    request_finish(r, a, false);
}

void api_set_header(struct api_req *pub, const char *name, struct slice value)
{
    struct request *r = request_of(pub);
    for (size_t i = 0; i < value.len; i++) {
        if ((unsigned char)value.p[i] < ' ') {
            return; /* a value that would break the head is not sent */
        }
    }
    answer_header(&r->extra, name, value);
}

void request_go_on(struct request *r, void (*after)(struct request *r))
{
    assert(r->pending == 1);
    r->pending = 0;
    r->in_call = true;
    after(r);
    r->in_call = false;
    assert(r->answered || r->pending > 0 || r->conn == NULL);
    if (r->pending == 0) {
        request_free(r);
    }
}

static void proposed(struct request *r)
{
    struct reg_proposal *p = &r->proposal;
    if (p->status == 0) {
        metrics_observe_ns(measure_command(r->loop->measure, buf_slice(&p->cmd)),
                           clock_mono_ns() - r->proposed_ns);
    }
    buf_fini(&p->cmd);
    int status = p->status;
    struct reg_result result = p->result; /* the handler may propose again */
    r->proposed(&r->pub, status, &result);
    free(result.payload);
}

static void on_proposed(struct reg_reply *reply)
{
    struct reg_proposal *p = container_of(reply, struct reg_proposal, reply);
    request_go_on(container_of(p, struct request, proposal), proposed);
}

void request_busy(struct api_req *r)
{
    api_set_header(r, "Retry-After", SLICE_LIT("1"));
    api_reply_error(r, 503, "rate limit exceeded, try again later or against a different server");
}

void api_propose(struct api_req *pub,
                 struct buf *cmd,
                 void (*done)(struct api_req *r, int status, const struct reg_result *result))
{
    struct request *r = request_of(pub);
    assert(r->pending == 0 && r->in_call);
    if (!buf_ok(cmd)) {
        api_reply_error(pub, 413, "Request body too large");
        return;
    }
    r->proposal = (struct reg_proposal){
        .reply = {.to = r->loop->replies, .done = on_proposed},
        .cmd = *cmd,
    };
    list_init(&r->proposal.reply.link);
    *cmd = (struct buf)BUF_INIT;
    r->proposed = done;
    r->proposed_ns = clock_mono_ns();
    r->pending = 1;
    struct reg_proposer *proposer = r->loop->server->proposer;
    int rv = proposer->propose(proposer, &r->proposal);
    if (rv == 0) {
        return;
    }
    r->pending = 0;
    buf_fini(&r->proposal.cmd);
    if (rv == E_TOOBIG) {
        api_reply_error(pub, 413, "Request body too large");
    } else {
        request_busy(pub);
    }
}

void api_reply_proposal_error(struct api_req *r, int status, const struct reg_result *result)
{
    if (status == 0) {
        api_reply_error(r, 500, "%s", result->text);
    } else if (status == E_UNKNOWN) {
        api_reply_error(r, 500, "leadership lost while committing log");
    } else if (status == E_CANCELED) {
        api_reply_error(r, 500, "raft is already shutdown");
    } else {
        api_reply_error(r, 500, "No cluster leader");
    }
}

static void probed(struct request *r)
{
    struct reg_probe_req q = r->probe; /* the handler may ask again */
    r->probed(&r->pub, &q);
    free(q.live);
    buf_fini(&q.text);
}

static void on_probed(struct reg_reply *reply)
{
    struct reg_probe_req *q = container_of(reply, struct reg_probe_req, reply);
    request_go_on(container_of(q, struct request, probe), probed);
}

void api_probe(struct api_req *pub,
               const struct reg_probe_req *q,
               void (*done)(struct api_req *r, struct reg_probe_req *q))
{
    struct request *r = request_of(pub);
    struct reg_prober *prober = r->loop->server->prober;
    assert(r->pending == 0 && r->in_call);
    r->probe = *q;
    r->probe.reply = (struct reg_reply){.to = r->loop->replies, .done = on_probed};
    list_init(&r->probe.reply.link);
    r->probed = done;
    if (prober == NULL) {
        api_reply_error(pub, 500, "health checks are not running on this agent");
        return;
    }
    r->pending = 1;
    if (prober->submit(prober, &r->probe) != 0) {
        r->pending = 0;
        request_busy(pub);
    }
}

void api_stream_begin(struct api_req *pub,
                      const char *content_type,
                      api_call_fn sent,
                      api_call_fn closed)
{
    struct request *r = request_of(pub);
    assert(r->in_call && r->pending == 0 && !r->answered && r->conn != NULL);
    struct answer *a = request_answer_new(200, content_type);
    r->answered = true;
    r->pending = 1; /* until api_stream_end() */
    r->stream_sent = sent;
    r->stream_closed = closed;
    conn_stream(r->conn, buf_slice(&a->head));
    answer_unref(a);
}

bool api_stream_ready(const struct api_req *pub)
{
    const struct request *r = request_of(pub);
    return r->conn != NULL && r->conn->n_writes == 0;
}

void api_stream_send(struct api_req *pub, struct slice bytes)
{
    conn_stream_send(request_of(pub)->conn, bytes);
}

void api_stream_end(struct api_req *pub)
{
    struct request *r = request_of(pub);
    assert(r->conn == NULL && r->pending == 1);
    r->pending = 0;
    request_free(r);
}

struct queue *api_reply_queue(const struct api_req *pub)
{
    return request_of(pub)->loop->replies;
}
