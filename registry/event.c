/* Row of T_EVENTS: the registry index at which it was fired, big endian, so that the oldest comes
 * first. One more than is kept never stays: each apply removes what is too much. */
#include "registry/event.h"

#include "registry/scan.h"
#include "registry/state.h"

static const struct slice none = {NULL, 0};

void reg_event_encode(struct buf *b, const struct reg_event *e)
{
    buf_put_u8(b, 1);
    buf_put_bytes(b, e->id);
    buf_put_bytes(b, e->name);
    buf_put_bytes(b, e->payload);
    buf_put_bytes(b, e->node_filter);
    buf_put_bytes(b, e->service_filter);
    buf_put_bytes(b, e->tag_filter);
    buf_put_u64(b, e->ltime);
}

int reg_event_decode(struct slice s, struct reg_event *e)
{
    struct rd r = rd_of(s);
    bool known = rd_u8(&r) == 1;
    e->id = rd_bytes(&r);
    e->name = rd_bytes(&r);
    e->payload = rd_bytes(&r);
    e->node_filter = rd_bytes(&r);
    e->service_filter = rd_bytes(&r);
    e->tag_filter = rd_bytes(&r);
    e->ltime = rd_u64(&r);
    return known && rd_done(&r) ? 0 : E_CORRUPT;
}

void reg_command_event(struct buf *b, const struct reg_event *e)
{
    struct buf body = BUF_INIT;
    reg_event_encode(&body, e);
    reg_command_body(b, REG_CMD_EVENT, &body);
    buf_fini(&body);
}

/* Remove the oldest events until @room more fit. */
static void make_room(struct reg *r, uint64_t room)
{
    while (tx_count(r->tx, T_EVENTS) + room > REG_EVENTS_MAX) {
        struct slice k;
        struct slice v;
        char oldest[8];
        void *c = tx_cursor(r->tx, T_EVENTS);
        bool any = tx_seek(c, none, &k, &v);
        tx_cursor_free(c);
        stored_must(any && k.len == sizeof oldest ? 0 : E_CORRUPT, "event");
        memcpy(oldest, k.p, sizeof oldest);
        (void)tx_del(r->tx, T_EVENTS, slice_of(oldest, sizeof oldest));
    }
}

void apply_event(struct reg *r, const struct reg_event *c, struct reg_result *out)
{
    (void)out; /* an event is never refused */
    struct reg_event e = *c;
    char key[8];
    for (int i = 0; i < 8; i++) {
        key[i] = (char)(r->state.index >> (56 - 8 * i));
    }
    make_room(r, 1);
    e.ltime = r->state.index;
    buf_reset(&r->scratch);
    reg_event_encode(&r->scratch, &e);
    stored_must(buf_ok(&r->scratch) ? 0 : E_NOMEM, "record");
    tx_put(r->tx, T_EVENTS, slice_of(key, sizeof key), buf_slice(&r->scratch));
    index_bump(r, REG_W_EVENTS, none);
}

void reg_events(struct reg_reader *rd, struct reg_iter *it)
{
    scan_begin(rd, it, T_EVENTS, NULL, 0);
}

bool reg_events_next(struct reg_iter *it, struct reg_event *out)
{
    struct slice v;
    if (!scan_next(it, &v)) {
        return false;
    }
    stored_must(reg_event_decode(v, out), "event");
    return true;
}
