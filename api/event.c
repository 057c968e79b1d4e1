/* User events (consul-surface.md 1.3). The list shows what concerns this agent: an event's filters
 * are regular expressions over the agent's node name, and over the services registered with it.
 *
 * The list's index is no counter but the exclusive or of the two halves of the last event's id, as
 * in Consul: clients compute it too. */
#include "registry/event.h"
#include "api/handlers.h"
#include "api/json.h"
#include "api/regex.h"
#include "base/rand.h"

/* What Consul's gossip can carry: an event's name, and its form on the wire. */
enum { EVENT_SIZE_MAX = 512, EVENT_WIRE_FIXED = 13 + 1 + 3 + 39 + 2 + 2 + 2 + 2 };

/* ---- firing ---- */

/* The filter @param as given, if it compiles. False: the request was answered. */
static bool take_filter(struct api_req *r, const char *param, struct slice *filter)
{
    struct errmsg e;
    struct decode_memory m = handler_memory(r);
    *filter = slice_of(NULL, 0);
    if (!api_param(r, param, filter) || filter->len == 0 ||
        regex_compile(&m, *filter, &e) != NULL) {
        return true;
    }
    api_reply_error(r, 500, "Invalid %s filter: %s", param, e.text);
    return false;
}

static bool too_big(const struct reg_event *e)
{
    size_t filters = e->node_filter.len + e->service_filter.len + e->tag_filter.len;
    return EVENT_WIRE_FIXED + 2 * e->name.len + e->payload.len + filters > EVENT_SIZE_MAX;
}

static void render_event(struct json *j, const struct reg_event *e, uint64_t ltime)
{
    const struct {
        const char *key;
        struct slice value;
    } filters[] = {{"NodeFilter", e->node_filter},
                   {"ServiceFilter", e->service_filter},
                   {"TagFilter", e->tag_filter}};
    json_obj(j);
    json_key(j, "ID");
    json_str(j, e->id);
    json_key(j, "Name");
    json_str(j, e->name);
    json_key(j, "Payload");
    if (e->payload.len == 0) {
        json_nil(j);
    } else {
        json_base64(j, e->payload);
    }
    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++) {
        json_key(j, filters[i].key);
        json_str(j, filters[i].value);
    }
    json_key(j, "Version");
    json_u64(j, 1);
    json_key(j, "LTime");
    json_u64(j, ltime);
    json_obj_end(j);
}

static void on_fired(struct api_req *r, int status, const struct reg_result *result)
{
    if (status != 0 || result->status != 0) {
        api_reply_proposal_error(r, status, result);
        return;
    }
    struct buf *body = api_buf(r);
    struct json j = json_to(body);
    render_event(&j, r->user, 0);
    api_reply_json(r, buf_slice(body));
}

void event_fire(struct api_req *r)
{
    struct reg_event *e = api_alloc(r, sizeof *e);
    char uuid[UUID_LEN + 1];
    struct slice any = {NULL, 0};
    e->name = r->tail;
    if (api_param(r, "tag", &any) && any.len > 0 &&
        (!api_param(r, "service", &any) || any.len == 0)) {
        api_reply_error(r, 500, "Cannot provide tag filter without service filter");
        return;
    }
    if (!take_filter(r, "node", &e->node_filter) ||
        !take_filter(r, "service", &e->service_filter) || !take_filter(r, "tag", &e->tag_filter)) {
        return;
    }
    if (r->has_length) { /* Consul does not read a chunked body here */
        e->payload = r->body;
    }
    if (too_big(e)) {
        api_reply_error(r, 500,
                        "1 error occurred:\n\t* error broadcasting event to segment \"\": user "
                        "event exceeds configured limit of %d bytes before encoding\n\n",
                        EVENT_SIZE_MAX);
        return;
    }
    uuid_make(uuid);
    e->id = api_copy(r, slice_of(uuid, UUID_LEN));
    r->user = e;
    struct buf *cmd = api_buf(r);
    reg_command_event(cmd, e);
    api_propose(r, cmd, on_fired);
}

/* ---- listing ---- */

/* A filter that is empty, or finds something in @text. One that does not compile was not ours to
 * refuse, and finds nothing. */
static bool finds(struct api_req *r, struct slice filter, struct slice text)
{
    struct errmsg e;
    struct decode_memory m = handler_memory(r);
    if (filter.len == 0) {
        return true;
    }
    const struct regex *re = regex_compile(&m, filter, &e);
    return re != NULL && regex_search(re, text);
}

static bool finds_tag(const struct regex *re, struct reg_list tags)
{
    struct rd it = reg_list_iter(tags);
    struct slice tag;
    while (reg_list_next(&it, &tag)) {
        if (regex_search(re, tag)) {
            return true;
        }
    }
    return false;
}

/* Some service registered with this agent has the event's service name and tag. */
static bool finds_service(struct api_req *r, const struct reg_event *e)
{
    struct errmsg error;
    struct decode_memory m = handler_memory(r);
    const struct regex *name = regex_compile(&m, e->service_filter, &error);
    const struct regex *tag = NULL;
    bool found = false;
    if (name == NULL ||
        (e->tag_filter.len > 0 && (tag = regex_compile(&m, e->tag_filter, &error)) == NULL)) {
        return false;
    }
    struct reg_iter it;
    struct reg_service s;
    reg_node_services(r->reader, &it, handler_node(r));
    while (!found && reg_node_services_next(&it, &s)) {
        found = reg_origin_is_agent(s.origin) && regex_search(name, s.name) &&
                (tag == NULL || finds_tag(tag, s.tags));
    }
    reg_iter_end(&it);
    return found;
}

/* What is to be shown, in the order of firing; views into the map. */
struct listed {
    struct reg_event events[REG_EVENTS_MAX];
    unsigned n;
};

static struct listed *list_events(struct api_req *r)
{
    struct listed *l = api_alloc(r, sizeof *l);
    struct slice name = {NULL, 0};
    struct reg_iter it;
    struct reg_event e;
    (void)api_param(r, "name", &name); /* empty: all */
    reg_events(r->reader, &it);
    while (l->n < REG_EVENTS_MAX && reg_events_next(&it, &e)) {
        if ((name.len == 0 || slice_eq(name, e.name)) && finds(r, e.node_filter, handler_node(r)) &&
            (e.service_filter.len == 0 || finds_service(r, &e))) {
            l->events[l->n++] = e;
        }
    }
    reg_iter_end(&it);
    return l;
}

static uint64_t id_index(struct slice uuid)
{
    uint64_t half[2] = {0, 0};
    unsigned digits = 0;
    for (size_t i = 0; i < uuid.len && digits < 32; i++) {
        char c = slice_lower(uuid.p[i]);
        bool letter = c >= 'a' && c <= 'f';
        if (letter || (c >= '0' && c <= '9')) {
            uint64_t *h = &half[digits++ / 16];
            *h = *h << 4 | (uint64_t)(letter ? c - 'a' + 10 : c - '0');
        }
    }
    return half[0] ^ half[1];
}

void event_list_find(struct api_req *r, struct api_resource *res)
{
    struct listed *l = list_events(r);
    r->user = l; /* rendering follows in the same bracket */
    res->index = l->n == 0 ? 1 : id_index(l->events[l->n - 1].id);
    handler_watch(res, REG_W_EVENTS, slice_of(NULL, 0));
    handler_watch(res, REG_W_NODE, handler_node(r));
}

void event_list_render(struct api_req *r, struct buf *out)
{
    const struct listed *l = r->user;
    struct json j = json_to(out);
    json_arr(&j);
    for (unsigned i = 0; i < l->n; i++) {
        render_event(&j, &l->events[i], l->events[i].ltime);
    }
    json_arr_end(&j);
}
