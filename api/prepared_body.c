/* Fields of newer versions that need a mesh or several datacenters (SamenessGroup, Peer, Targets)
 * are taken and dropped. */
#include "api/prepared_body.h"

#include "api/render.h"
#include "base/duration.h"
#include "registry/prepared_run.h"

struct template_part {
    struct slice type;
    struct slice regexp;
    bool remove_empty_tags;
};
struct failover_part {
    int32_t nearest;
    struct reg_list datacenters;
};
struct service_part {
    struct slice service;
    struct failover_part *failover;
    bool only_passing;
    struct reg_list ignore_checks;
    struct slice near;
    struct reg_list tags;
    struct reg_list node_meta;
    struct reg_list service_meta;
    bool connect;
};
struct dns_part {
    struct slice ttl;
};
struct prepared_body {
    struct slice id;
    struct slice name;
    struct slice session;
    struct slice token;
    struct template_part *template;
    struct service_part *service;
    struct dns_part *dns;
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct decode_field template_fields[] = {
    DECODE_FIELD("Type", STR, struct template_part, type),
    DECODE_FIELD("Regexp", STR, struct template_part, regexp),
    DECODE_FIELD("RemoveEmptyTags", BOOL, struct template_part, remove_empty_tags),
};
static const struct decode_object template_object = {"QueryTemplateOptions",
                                                     sizeof(struct template_part),
                                                     template_fields,
                                                     COUNT(template_fields),
                                                     false,
                                                     false};

static const struct decode_field failover_fields[] = {
    DECODE_FIELD("NearestN", INT, struct failover_part, nearest),
    DECODE_FIELD("Datacenters", STRS, struct failover_part, datacenters),
    DECODE_SKIP("Targets"),
};
static const struct decode_object failover_object = {"QueryFailoverOptions",
                                                     sizeof(struct failover_part),
                                                     failover_fields,
                                                     COUNT(failover_fields),
                                                     false,
                                                     false};

static const struct decode_field service_fields[] = {
    DECODE_FIELD("Service", STR, struct service_part, service),
    DECODE_SUB("Failover", OBJECT, struct service_part, failover, &failover_object),
    DECODE_FIELD("OnlyPassing", BOOL, struct service_part, only_passing),
    DECODE_FIELD("IgnoreCheckIDs", STRS, struct service_part, ignore_checks),
    DECODE_FIELD("Near", STR, struct service_part, near),
    DECODE_FIELD("Tags", STRS, struct service_part, tags),
    DECODE_FIELD("NodeMeta", MAP, struct service_part, node_meta),
    DECODE_FIELD("ServiceMeta", MAP, struct service_part, service_meta),
    DECODE_FIELD("Connect", BOOL, struct service_part, connect),
    DECODE_SKIP("SamenessGroup"),
    DECODE_SKIP("Peer"),
};
static const struct decode_object service_object = {"ServiceQuery", sizeof(struct service_part),
                                                    service_fields, COUNT(service_fields),
                                                    false,          false};

static const struct decode_field dns_fields[] = {
    DECODE_FIELD("TTL", STR, struct dns_part, ttl),
};
static const struct decode_object dns_object = {
    "QueryDNSOptions", sizeof(struct dns_part), dns_fields, COUNT(dns_fields), false, false};

static const struct decode_field body_fields[] = {
    DECODE_FIELD("ID", STR, struct prepared_body, id),
    DECODE_FIELD("Name", STR, struct prepared_body, name),
    DECODE_FIELD("Session", STR, struct prepared_body, session),
    DECODE_FIELD("Token", STR, struct prepared_body, token),
    DECODE_SUB("Template", OBJECT, struct prepared_body, template, &template_object),
    DECODE_SUB("Service", OBJECT, struct prepared_body, service, &service_object),
    DECODE_SUB("DNS", OBJECT, struct prepared_body, dns, &dns_object),
    DECODE_SKIP("CreateIndex"),
    DECODE_SKIP("ModifyIndex"),
};
const struct decode_object prepared_body = {
    "PreparedQuery", sizeof(struct prepared_body), body_fields, COUNT(body_fields), false, false};

size_t prepared_body_size(void)
{
    return sizeof(struct prepared_body);
}

void prepared_from_body(const void *body, struct reg_prepared *q)
{
    const struct prepared_body *b = body;
    *q = (struct reg_prepared){
        .id = b->id, .name = b->name, .session = b->session, .token = b->token};
    if (b->template != NULL) {
        q->template_type = b->template->type;
        q->template_regexp = b->template->regexp;
        q->remove_empty_tags = b->template->remove_empty_tags;
    }
    if (b->dns != NULL) {
        q->ttl = b->dns->ttl;
    }
    const struct service_part *s = b->service;
    if (s == NULL) {
        return;
    }
    q->service = s->service;
    q->only_passing = s->only_passing;
    q->ignore_checks = s->ignore_checks;
    q->near = s->near;
    q->tags = s->tags;
    q->node_meta = s->node_meta;
    q->service_meta = s->service_meta;
    q->connect = s->connect;
    if (s->failover != NULL) {
        q->failover_nearest = s->failover->nearest;
        q->failover_dcs = s->failover->datacenters;
    }
}

#define INVALID "Invalid prepared query: "

static int check_ttl(const struct reg_prepared *q, struct errmsg *e)
{
    int64_t ns = 0;
    int shown = q->ttl.len > 64 ? 64 : (int)q->ttl.len;
    if (q->ttl.len == 0) {
        return 0;
    }
    if (duration_parse(q->ttl, &ns) != 0) {
        return err_set(e, E_INVAL, INVALID "Bad DNS TTL '%.*s': time: invalid duration \"%.*s\"",
                       shown, q->ttl.p, shown, q->ttl.p);
    }
    return ns >= 0 ? 0 : err_set(e, E_INVAL, INVALID "DNS TTL '%lld', must be >=0", (long long)ns);
}

int prepared_check(const struct reg_prepared *q, struct errmsg *e)
{
    if (q->session.len > 0 && q->session.len != 36) {
        return err_set(e, E_INVAL,
                       "raft apply failed: invalid session: index error: UUID must be 36 "
                       "characters");
    }
    if (q->name.len == 0 && q->template_type.len == 0 && q->session.len == 0) {
        return err_set(e, E_INVAL, INVALID "Must be bound to a session");
    }
    if (slice_is(q->token, "<hidden>")) {
        return err_set(e, E_INVAL,
                       INVALID
                       "Bad Token '<hidden>', it looks like a query definition with a "
                       "redacted token was submitted");
    }
    if (q->name.len > REG_PREPARED_NAME_MAX) {
        return err_set(e, E_INVAL, INVALID "Name is too long, at most %d bytes",
                       REG_PREPARED_NAME_MAX);
    }
    if (q->service.len == 0) {
        return err_set(e, E_INVAL, INVALID "Must provide a Service name to query");
    }
    if (q->failover_nearest < 0) {
        return err_set(e, E_INVAL, INVALID "Bad NearestN '%d', must be >= 0",
                       (int)q->failover_nearest);
    }
    int rc = check_ttl(q, e);
    if (rc == 0 && (rc = reg_prepared_check(q, e)) != 0) {
        err_prefix(e, "raft apply failed");
    }
    return rc;
}

/* ---- showing ---- */

static void str(struct json *j, const char *key, struct slice s)
{
    json_key(j, key);
    json_str(j, s);
}

static void boolean(struct json *j, const char *key, bool v)
{
    json_key(j, key);
    json_bool(j, v);
}

static void strings(struct json *j, const char *key, struct reg_list l)
{
    json_key(j, key);
    if (reg_list_absent(l)) {
        json_nil(j);
    } else {
        render_strings(j, l);
    }
}

static void map(struct json *j, const char *key, struct reg_list l)
{
    json_key(j, key);
    render_map_or_null(j, l);
}

static void render_service(struct json *j, const struct reg_prepared *q)
{
    json_obj(j);
    str(j, "Service", q->service);
    json_key(j, "Failover");
    json_obj(j);
    json_key(j, "NearestN");
    json_i64(j, q->failover_nearest);
    strings(j, "Datacenters", q->failover_dcs);
    json_obj_end(j);
    boolean(j, "OnlyPassing", q->only_passing);
    strings(j, "IgnoreCheckIDs", q->ignore_checks);
    str(j, "Near", q->near);
    strings(j, "Tags", q->tags);
    map(j, "NodeMeta", q->node_meta);
    map(j, "ServiceMeta", q->service_meta);
    boolean(j, "Connect", q->connect);
    json_obj_end(j);
}

void prepared_render(struct json *j, const struct reg_prepared *q)
{
    json_obj(j);
    str(j, "ID", q->id);
    str(j, "Name", q->name);
    str(j, "Session", q->session);
    str(j, "Token", q->token.len > 0 ? SLICE_LIT("<hidden>") : q->token);
    json_key(j, "Template");
    json_obj(j);
    str(j, "Type", q->template_type);
    str(j, "Regexp", q->template_regexp);
    boolean(j, "RemoveEmptyTags", q->remove_empty_tags);
    json_obj_end(j);
    json_key(j, "Service");
    render_service(j, q);
    json_key(j, "DNS");
    json_obj(j);
    str(j, "TTL", q->ttl);
    json_obj_end(j);
    json_key(j, "CreateIndex");
    json_u64(j, q->create_index);
    json_key(j, "ModifyIndex");
    json_u64(j, q->modify_index);
    json_obj_end(j);
}
