/* A cursor with sticky failure walks the message once: header, question, then the other records,
 * of which only OPT is looked into. */
#include "dns/wire.h"

struct in {
    const uint8_t *p;
    size_t at;
    size_t len;
    bool failed;
};

static const uint8_t *in_raw(struct in *in, size_t n)
{
    if (in->failed || in->len - in->at < n) {
        in->failed = true;
        return NULL;
    }
    const uint8_t *p = in->p + in->at;
    in->at += n;
    return p;
}

static uint16_t in_u16(struct in *in)
{
    const uint8_t *p = in_raw(in, 2);
    return (uint16_t)(p == NULL ? 0 : p[0] << 8 | p[1]);
}

size_t dns_name_len(const uint8_t *p, size_t max)
{
    size_t at = 0;
    while (at < max && at < DNS_NAME_MAX) {
        uint8_t n = p[at++];
        if (n == 0) {
            return at;
        }
        if (n > DNS_LABEL_MAX) {
            return 0;
        }
        at += n;
    }
    return 0;
}

size_t dns_labels_encode(struct slice text, uint8_t *out, size_t max)
{
    if (text.len != 0 && text.p[text.len - 1] == '.') {
        text.len--;
    }
    if (text.len == 0 || text.len + 1 > max) {
        return 0;
    }
    size_t start = 0; /* of the length byte of the label in progress */
    for (size_t i = 0; i <= text.len; i++) {
        if (i < text.len && text.p[i] != '.') {
            out[i + 1] = (uint8_t)text.p[i];
            continue;
        }
        size_t n = i - start;
        if (n == 0 || n > DNS_LABEL_MAX) {
            return 0;
        }
        out[start] = (uint8_t)n;
        start = i + 1;
    }
    return text.len + 1;
}

/* Step over a record's owner, which may end in a compression pointer. */
static void in_skip_name(struct in *in)
{
    for (size_t n = 0; n <= DNS_LABELS_MAX && !in->failed; n++) {
        const uint8_t *p = in_raw(in, 1);
        if (p == NULL || *p == 0) {
            return;
        }
        if (*p >= 0xc0) {
            (void)in_raw(in, 1); /* the pointer's low byte; failure is sticky */
            return;
        }
        if (*p > DNS_LABEL_MAX) {
            break;
        }
        (void)in_raw(in, *p);
    }
    in->failed = true;
}

/* RFC 7871 6: family, source prefix, scope prefix, then as many address bytes as the prefix needs.
 */
static bool ecs_parse(struct dns_query *q, const uint8_t *p, size_t n)
{
    if (n < 4 || n > DNS_ECS_MAX) {
        return false;
    }
    unsigned family = (unsigned)p[0] << 8 | p[1];
    unsigned bits_max = family == 1 ? 32 : family == 2 ? 128 : 0;
    /* Family 0 with no prefix is "no subnet, please"; dig sends it. */
    if (family > 2 || p[2] > bits_max || n != 4u + (p[2] + 7u) / 8u) {
        return false;
    }
    memcpy(q->ecs, p, n);
    q->ecs[3] = 0; /* the scope is ours to say: 0 unless the plan says otherwise */
    q->ecs_len = (uint8_t)n;
    return true;
}

static bool opt_parse(struct dns_query *q, const uint8_t *p, size_t n)
{
    struct in in = {p, 0, n, false};
    while (in.at < in.len && !in.failed) {
        uint16_t code = in_u16(&in);
        uint16_t len = in_u16(&in);
        const uint8_t *data = in_raw(&in, len);
        if (data == NULL) {
            return false;
        }
        if (code == DNS_OPTION_ECS && !ecs_parse(q, data, len)) {
            return false;
        }
    }
    return !in.failed;
}

/* One record behind the question. An OPT record is good in the additional section, once and at the
 * root (RFC 6891 6.1.1). */
static bool record_parse(struct in *in, bool additional, struct dns_query *q)
{
    size_t owner_at = in->at;
    in_skip_name(in);
    bool at_root = in->at == owner_at + 1;
    uint16_t type = in_u16(in);
    uint16_t class = in_u16(in);
    (void)in_raw(in, 4); /* the TTL: OPT's version and flags ask nothing that we do */
    uint16_t len = in_u16(in);
    const uint8_t *data = in_raw(in, len);
    if (in->failed) {
        return false;
    }
    if (type != DNS_TYPE_OPT) {
        return true;
    }
    if (!additional || !at_root || q->edns) {
        return false;
    }
    q->edns = true;
    q->edns_size = class;
    return opt_parse(q, data, len);
}

static bool question_parse(struct in *in, struct dns_query *q)
{
    q->name = in->p + in->at;
    q->name_len = dns_name_len(q->name, in->len - in->at);
    if (q->name_len == 0) {
        return false;
    }
    (void)in_raw(in, q->name_len);
    q->type = in_u16(in);
    q->class = in_u16(in);
    return !in->failed && q->type != DNS_TYPE_OPT;
}

enum dns_verdict dns_query_parse(const uint8_t *p, size_t n, struct dns_query *q)
{
    *q = (struct dns_query){.id = 0};
    if (n < DNS_HEADER_SIZE) {
        return DNS_VERDICT_DROP;
    }
    struct in in = {p, 0, n, false};
    q->id = in_u16(&in);
    q->flags = in_u16(&in);
    unsigned n_questions = in_u16(&in);
    unsigned n_answers = in_u16(&in);
    unsigned n_authority = in_u16(&in);
    unsigned n_additional = in_u16(&in);
    if ((q->flags & DNS_FLAG_QR) != 0) {
        return DNS_VERDICT_DROP; /* answering answers makes two servers talk for ever */
    }
    if ((q->flags & DNS_FLAG_OPCODE) != 0) {
        return DNS_VERDICT_NOTIMP;
    }
    if (n_questions != 1 || n_answers > 1 || n_authority > 1 || n_additional > 2 ||
        !question_parse(&in, q)) {
        return DNS_VERDICT_FORMERR;
    }
    unsigned before = n_answers + n_authority;
    for (unsigned i = 0; i < before + n_additional; i++) {
        if (!record_parse(&in, i >= before, q)) {
            return DNS_VERDICT_FORMERR;
        }
    }
    return DNS_VERDICT_ANSWER;
}
