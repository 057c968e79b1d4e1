/* Transactions (consul-surface.md 4.4): all operations take place in a nested transaction of LMDB,
 * each seeing what those before it did. If one of them fails the others are still tried, so that
 * all errors are told; then everything is undone, announcements too. */
#include <stdlib.h>

#include "registry/state.h"

enum { RESULTS_MAX = 16 * 1024 * 1024 }; /* bytes of results; more is an error */

struct txn {
    struct reg *r;
    struct buf results;
    struct buf errors;
};

static void add_error(struct txn *t, unsigned op, const struct reg_result *fault)
{
    buf_put_u32(&t->errors, op);
    buf_put_bytes(&t->errors, slice_str(fault->text));
}

static void add_result(struct txn *t, const struct reg_kv *e, bool with_value)
{
    struct reg_kv shown = *e;
    if (!with_value) {
        shown.value = slice_of(NULL, 0);
    }
    struct buf *b = &t->r->scratch;
    buf_reset(b);
    reg_kv_encode(b, &shown);
    stored_must(buf_ok(b) ? 0 : E_NOMEM, "record");
    buf_put_bytes(&t->results, buf_slice(b));
}

/* Entries below @prefix, by stored key; keys above 440 bytes that share those are in no order. */
static void get_tree(struct txn *t, struct slice prefix)
{
    struct key from;
    struct slice k;
    struct slice v;
    key_kv(&from, slice_of(prefix.p, prefix.len > KV_PLAIN_MAX ? KV_PLAIN_MAX : prefix.len));
    void *c = tx_cursor(t->r->tx, T_KV);
    bool more = tx_seek(c, key_slice(&from), &k, &v);
    while (more && slice_starts(k, key_slice(&from)) && buf_ok(&t->results)) {
        struct reg_kv e;
        stored_must(reg_kv_decode(v, &e), "key");
        if (slice_starts(e.key, prefix)) {
            add_result(t, &e, true);
        }
        more = tx_next(c, &k, &v);
    }
    tx_cursor_free(c);
}

#define KEY_ARGS(c) (int)(c)->key.len, (c)->key.p

static void get(struct txn *t, const struct reg_kv_op *c, struct reg_result *out)
{
    struct reg_kv e = {.key = c->key};
    bool found = kv_find_entry(t->r, c->key, &e);
    if (found || c->verb == REG_KV_GET_OR_EMPTY) {
        add_result(t, &e, true);
    } else {
        result_fail(out, E_NOTFOUND, "key \"%.*s\" doesn't exist", KEY_ARGS(c));
    }
}

static void check_index(struct txn *t, const struct reg_kv_op *c, struct reg_result *out)
{
    struct reg_kv e;
    if (!kv_find_entry(t->r, c->key, &e)) {
        result_fail(out, E_NOTFOUND, "failed index check for key \"%.*s\", key doesn't exist",
                    KEY_ARGS(c));
    } else if (e.modify_index != c->index) {
        result_fail(out, E_INVAL,
                    "failed index check for key \"%.*s\", current modify index %llu != %llu",
                    KEY_ARGS(c), (unsigned long long)e.modify_index, (unsigned long long)c->index);
    } else {
        add_result(t, &e, false);
    }
}

static void check_session(struct txn *t, const struct reg_kv_op *c, struct reg_result *out)
{
    struct reg_kv e;
    if (!kv_find_entry(t->r, c->key, &e)) {
        result_fail(out, E_NOTFOUND, "failed session check for key \"%.*s\", key doesn't exist",
                    KEY_ARGS(c));
    } else if (!slice_ieq(e.session, c->session)) {
        result_fail(out, E_INVAL,
                    "failed session check for key \"%.*s\", current session \"%.*s\" != \"%.*s\"",
                    KEY_ARGS(c), (int)e.session.len, e.session.p, (int)c->session.len,
                    c->session.p);
    } else {
        add_result(t, &e, false);
    }
}

/* What it means that apply_kv() said false. */
static void refused(const struct reg_kv_op *c, struct reg_result *out)
{
    if (c->verb == REG_KV_LOCK) {
        result_fail(out, E_INVAL, "failed to lock key \"%.*s\", lock is already held", KEY_ARGS(c));
    } else if (c->verb == REG_KV_UNLOCK) {
        result_fail(out, E_INVAL,
                    "failed to unlock key \"%.*s\", lock isn't held, or is held by another session",
                    KEY_ARGS(c));
    } else {
        result_fail(out, E_INVAL, "failed to %s key \"%.*s\", index is stale",
                    c->verb == REG_KV_DELETE_CAS ? "delete" : "set", KEY_ARGS(c));
    }
}

static void change(struct txn *t, const struct reg_kv_op *c, struct reg_result *out)
{
    struct reg_kv e;
    apply_kv(t->r, c, out);
    if (out->status == 0 && !out->ok) {
        refused(c, out);
    }
    bool shows = c->verb == REG_KV_SET || c->verb == REG_KV_CAS || c->verb == REG_KV_LOCK ||
                 c->verb == REG_KV_UNLOCK;
    if (out->status == 0 && shows && kv_find_entry(t->r, c->key, &e)) {
        add_result(t, &e, false);
    }
}

static void run(struct txn *t, const struct reg_kv_op *c, struct reg_result *out)
{
    struct reg_kv e;
    switch (c->verb) {
        case 0:
            result_fail(out, E_PROTO, "unknown KV verb \"%.*s\"", (int)c->value.len,
                        c->value.len == 0 ? "" : c->value.p);
            return;
        case REG_KV_GET:
        case REG_KV_GET_OR_EMPTY:
            get(t, c, out);
            return;
        case REG_KV_GET_TREE:
            get_tree(t, c->key);
            return;
        case REG_KV_CHECK_INDEX:
            check_index(t, c, out);
            return;
        case REG_KV_CHECK_SESSION:
            check_session(t, c, out);
            return;
        case REG_KV_CHECK_NOT_EXISTS:
            if (kv_find_entry(t->r, c->key, &e)) {
                result_fail(out, E_EXISTS, "key \"%.*s\" exists", KEY_ARGS(c));
            }
            return;
        default: /* enum reg_kv_verb; apply_kv() refuses what is beyond it */
            change(t, c, out);
            return;
    }
}

/* Consul asks for lock delays before anything else. */
static void check_delays(struct txn *t, const struct reg_txn *c)
{
    for (unsigned i = 0; i < c->n; i++) {
        const struct reg_kv_op *op = &c->ops[i];
        if (op->verb == REG_KV_LOCK && lock_is_delayed(t->r, op->key)) {
            struct reg_result fault;
            result_fail(&fault, E_INVAL, "failed to lock key \"%.*s\" due to lock delay",
                        KEY_ARGS(op));
            add_error(t, i, &fault);
        }
    }
}

static void run_all(struct txn *t, const struct reg_txn *c)
{
    for (unsigned i = 0; i < c->n; i++) {
        struct reg_result one = {.ok = true};
        run(t, &c->ops[i], &one);
        if (one.status == 0 && !buf_ok(&t->results)) {
            result_fail(&one, E_TOOBIG, "the results of the transaction are too large");
        }
        if (one.status != 0) {
            add_error(t, i, &one);
        }
    }
}

void apply_txn(struct reg *r, const struct reg_txn *c, struct reg_result *out)
{
    struct txn t = {.r = r, .results = BUF_INIT, .errors = BUF_INIT};
    t.results.max = RESULTS_MAX;
    const struct state state = r->state;
    const size_t hashes = r->hashes.len;
    const size_t keys = r->keys.len;
    const uint64_t touches = r->touches;
    const bool all = r->all;
    check_delays(&t, c);
    tx_nest_begin(r->tx);
    if (t.errors.len == 0) {
        run_all(&t, c);
    }
    stored_must(buf_ok(&t.errors) ? 0 : E_NOMEM, "list of errors");
    out->ok = t.errors.len == 0;
    tx_nest_end(r->tx, out->ok);
    if (!out->ok) {
        r->state = state;
        r->hashes.len = hashes;
        r->keys.len = keys;
        r->touches = touches;
        r->all = all;
    }
    out->payload = buf_take(out->ok ? &t.results : &t.errors, &out->payload_len);
    buf_fini(&t.results);
    buf_fini(&t.errors);
}
