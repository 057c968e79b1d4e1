/* One pass over the sections. Records are written whole or not at all: each write is followed by a
 * check and, if it did not fit, by a rewind.
 *
 * Compression needs no table: a name is the question's, the target of the record before, or labels
 * in front of a shared suffix; for each of these the offset of its first occurrence is kept.
 *
 *     header | question | lead, units' answers | authority | units' addresses, texts, extra | OPT
 *
 * The choice of units is a Fisher-Yates shuffle of the plan's `order`, stopped when the message is
 * full: any start permutation gives a uniform choice, so the array is never reset. */
#include "dns/answer.h"

#include <assert.h>

enum {
    UDP_PLAIN_MAX = 512,  /* what every asker takes, RFC 1035 4.2.1 */
    UDP_RESERVE = 8,      /* Consul leaves this much of the asker's size unused */
    UDP_SIZE_MAX = 65475, /* with the reserve taken off: 65467 */
    TCP_SIZE_MAX = 65523,
    UDP_PLAIN_ANSWERS_MAX = 8,
    TCP_SRV_MAX = 1024,
    MISFITS_MAX = 8 /* units that may fail to fit before the message counts as full */
};

struct answer {
    struct dns_renderer *r;
    const struct dns_query *q;
    struct dns_plan *plan;
    struct dns_out out;
    uint32_t now;
    bool compress;
    bool cut;                             /* answers were left out for want of room */
    uint16_t suffix_at[DNS_SUFFIX_COUNT]; /* offset of the first occurrence, 0: none yet */
    unsigned answers_max;
    unsigned n_answers;
    unsigned n_authority;
    unsigned n_additional;
    uint32_t chosen; /* units in the message: the first ones of the plan's order */
};

/* ---- names ---- */

static uint16_t here(const struct answer *a)
{
    return (uint16_t)(a->out.len < DNS_POINTER_MAX ? a->out.len : 0);
}

static void pointer_put(struct answer *a, uint16_t at)
{
    dns_out_u16(&a->out, (uint16_t)(0xc000 | at));
}

static void suffix_put(struct answer *a, uint8_t id)
{
    while (id != DNS_SUFFIX_ROOT) {
        assert(id < DNS_SUFFIX_COUNT);
        if (a->compress && a->suffix_at[id] != 0) {
            pointer_put(a, a->suffix_at[id]);
            return;
        }
        const struct dns_suffix *s = &a->r->zone->suffix[id];
        uint16_t at = here(a);
        dns_out_bytes(&a->out, s->labels, s->len);
        a->suffix_at[id] = at;
        id = s->parent;
    }
    dns_out_bytes(&a->out, "", 1);
}

static void ref_put(struct answer *a, const struct dns_ref *ref)
{
    if (ref->suffix == DNS_REF_QUESTION) {
        if (a->compress) {
            pointer_put(a, DNS_HEADER_SIZE);
        } else {
            dns_out_bytes(&a->out, a->q->name, a->q->name_len);
        }
        return;
    }
    dns_out_bytes(&a->out, a->plan->text + ref->at, ref->len);
    suffix_put(a, ref->suffix);
}

/* The target of the record before: where it stands (0: out of a pointer's reach), and what it is.
 */
struct target {
    uint16_t at;
    struct dns_ref ref;
};

static void owner_put(struct answer *a, const struct dns_ref *owner, const struct target *t)
{
    if (owner->suffix != DNS_REF_TARGET) {
        ref_put(a, owner);
    } else if (a->compress && t->at != 0) {
        pointer_put(a, t->at);
    } else {
        ref_put(a, &t->ref);
    }
}

static void target_put(struct answer *a, const struct dns_ref *ref, struct target *t)
{
    t->at = here(a);
    t->ref = *ref;
    ref_put(a, ref);
}

/* ---- records ---- */

static void soa_put(struct answer *a)
{
    const struct dns_options *o = &a->r->zone->o;
    dns_out_bytes(&a->out, "\2ns", 3);
    suffix_put(a, DNS_SUFFIX_ZONE);
    dns_out_bytes(&a->out, "\12hostmaster", 11);
    suffix_put(a, DNS_SUFFIX_ZONE);
    dns_out_u32(&a->out, a->now);
    dns_out_u32(&a->out, o->soa_refresh);
    dns_out_u32(&a->out, o->soa_retry);
    dns_out_u32(&a->out, o->soa_expire);
    dns_out_u32(&a->out, o->soa_min_ttl);
}

static void rdata_put(struct answer *a, const struct dns_rr *rr, struct target *t)
{
    switch ((enum dns_type)rr->type) {
        case DNS_TYPE_A:
            dns_out_bytes(&a->out, rr->u.ip, 4);
            break;
        case DNS_TYPE_AAAA:
            dns_out_bytes(&a->out, rr->u.ip, 16);
            break;
        case DNS_TYPE_SRV:
            dns_out_u16(&a->out, 1); /* the priority, the same for all */
            dns_out_u16(&a->out, rr->u.srv.weight);
            dns_out_u16(&a->out, rr->u.srv.port);
            target_put(a, &rr->u.srv.target, t);
            break;
        case DNS_TYPE_CNAME:
        case DNS_TYPE_NS:
        case DNS_TYPE_PTR:
            target_put(a, &rr->u.target, t);
            break;
        case DNS_TYPE_TXT:
            dns_out_bytes(&a->out, a->plan->text + rr->u.txt.at, rr->u.txt.len);
            break;
        case DNS_TYPE_SOA:
            soa_put(a);
            break;
        case DNS_TYPE_OPT:
        case DNS_TYPE_IXFR:
        case DNS_TYPE_AXFR:
        case DNS_TYPE_ANY:
            assert(false); /* a plan holds no such record */
    }
}

/* Write one record, or nothing. @t goes from the record before to this one. */
static bool rr_put(struct answer *a, const struct dns_rr *rr, struct target *t)
{
    size_t mark = a->out.len;
    uint16_t suffix_at[DNS_SUFFIX_COUNT];
    memcpy(suffix_at, a->suffix_at, sizeof(suffix_at));
    owner_put(a, &rr->owner, t);
    dns_out_u16(&a->out, rr->type);
    dns_out_u16(&a->out, DNS_CLASS_IN);
    dns_out_u32(&a->out, rr->ttl);
    size_t size_at = a->out.len;
    dns_out_u16(&a->out, 0);
    rdata_put(a, rr, t);
    if (a->out.full) {
        dns_out_rewind(&a->out, mark);
        memcpy(a->suffix_at, suffix_at, sizeof(suffix_at));
        return false;
    }
    dns_poke_u16(a->out.p + size_at, (uint16_t)(a->out.len - size_at - 2));
    return true;
}

/* ---- sections ---- */

static const struct dns_unit *unit_at(const struct answer *a, uint32_t i)
{
    return &a->plan->units[a->plan->order[i]];
}

/* The target of a unit's last answer is what its additional records hang on. */
static struct target unit_target(const struct answer *a, uint32_t i)
{
    const struct dns_unit *u = unit_at(a, i);
    const struct dns_rr *last = &a->plan->rrs[u->first + u->n[DNS_PART_ANSWER] - 1u];
    struct target t = {.at = a->r->target_at[i]};
    if (last->type == DNS_TYPE_SRV) {
        t.ref = last->u.srv.target;
    } else if (last->type == DNS_TYPE_NS) {
        t.ref = last->u.target;
    }
    return t;
}

/* May one more record go where the units go? The limit is about answers, not name servers. */
static bool answer_room(const struct answer *a)
{
    return a->plan->units_in_authority || a->n_answers < a->answers_max;
}

/* Write the answers of the unit at place @i. At least the first must fit; an alias may lose some of
 * the records that it leads to. */
static bool unit_put(struct answer *a, uint32_t i, unsigned *count)
{
    const struct dns_unit *u = unit_at(a, i);
    struct target t = {.at = 0};
    for (unsigned k = 0; k < u->n[DNS_PART_ANSWER]; k++) {
        if (!answer_room(a) || !rr_put(a, &a->plan->rrs[u->first + k], &t)) {
            a->cut = true;
            return k != 0;
        }
        (*count)++;
        a->r->target_at[i] = t.at;
    }
    return true;
}

static void order_swap(uint16_t *order, uint32_t i, uint32_t k)
{
    uint16_t kept = order[i];
    order[i] = order[k];
    order[k] = kept;
}

/* How many units are wanted at all; leaving out others is no lack of room. */
static uint32_t units_limit(const struct answer *a)
{
    const struct dns_plan *plan = a->plan;
    uint32_t limit = plan->units_limit != 0 ? plan->units_limit : DNS_ANSWERS_MAX;
    uint32_t a_limit = a->r->zone->o.a_record_limit;
    if (a_limit != 0 && a_limit < limit && plan->n_units != 0) {
        uint16_t type = plan->rrs[plan->units[0].first].type;
        limit = type == DNS_TYPE_A || type == DNS_TYPE_AAAA ? a_limit : limit;
    }
    assert(limit <= DNS_ANSWERS_MAX); /* target_at has a place for each */
    return limit;
}

static void units_put(struct answer *a, unsigned *count)
{
    struct dns_plan *plan = a->plan;
    uint32_t end = plan->n_units;
    uint32_t limit = units_limit(a);
    uint32_t i = 0;
    for (unsigned misfits = 0; i < end && i < limit && misfits < MISFITS_MAX;) {
        if (!answer_room(a)) {
            a->cut = true;
            break;
        }
        if (plan->shuffle) {
            order_swap(plan->order, i, i + (uint32_t)rng_below(&a->r->rng, end - i));
        }
        if (unit_put(a, i, count)) {
            i++;
        } else if (plan->shuffle) {
            misfits++;
            order_swap(plan->order, i, --end);
        } else {
            break;
        }
    }
    a->chosen = i;
}

/* Write the records of a run that fit; false if not all did. */
static bool run_put(struct answer *a, enum dns_run_id id, unsigned *count)
{
    const struct dns_run *run = &a->plan->run[id];
    struct target none = {.at = 0};
    for (uint32_t i = 0; i < run->n; i++) {
        if (!rr_put(a, &a->plan->rrs[run->first + i], &none)) {
            return false;
        }
        (*count)++;
    }
    return true;
}

/* Additional records of the chosen units: the addresses of all come before the first text. */
static void units_more_put(struct answer *a, enum dns_part part)
{
    for (uint32_t i = 0; i < a->chosen; i++) {
        const struct dns_unit *u = unit_at(a, i);
        if (u->n[part] == 0) {
            continue;
        }
        uint32_t first = u->first + u->n[DNS_PART_ANSWER] +
                         (part == DNS_PART_TEXT ? u->n[DNS_PART_ADDRESS] : 0u);
        struct target t = unit_target(a, i);
        for (uint32_t k = 0; k < u->n[part]; k++) {
            if (!rr_put(a, &a->plan->rrs[first + k], &t)) {
                return;
            }
            a->n_additional++;
        }
    }
}

/* ---- the message ---- */

static size_t opt_size(const struct dns_query *q)
{
    return !q->edns ? 0u : DNS_OPT_SIZE + (q->ecs_len == 0 ? 0u : 4u + q->ecs_len);
}

/* RFC 6891 6.1.2. The size is echoed as in Consul. */
static void opt_put(struct answer *a)
{
    const struct dns_query *q = a->q;
    dns_out_bytes(&a->out, "", 1);
    dns_out_u16(&a->out, DNS_TYPE_OPT);
    dns_out_u16(&a->out, q->edns_size);
    dns_out_u32(&a->out, 0);
    dns_out_u16(&a->out, (uint16_t)(opt_size(q) - DNS_OPT_SIZE));
    if (q->ecs_len != 0) {
        dns_out_u16(&a->out, DNS_OPTION_ECS);
        dns_out_u16(&a->out, q->ecs_len);
        uint8_t ecs[DNS_ECS_MAX];
        memcpy(ecs, q->ecs, q->ecs_len);
        if (a->plan != NULL && a->plan->for_subnet) {
            ecs[3] = ecs[2]; /* scope: the source's prefix */
        }
        dns_out_bytes(&a->out, ecs, q->ecs_len);
    }
    a->n_additional++;
}

static unsigned min_of(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Room and number of answers for this asker. */
static void limits_set(struct answer *a, enum dns_transport transport)
{
    const struct dns_options *o = &a->r->zone->o;
    a->answers_max = DNS_ANSWERS_MAX;
    if (transport == DNS_TCP) {
        a->out.max = TCP_SIZE_MAX;
        if (a->q->type == DNS_TYPE_SRV) {
            a->answers_max = TCP_SRV_MAX;
        }
    } else if (a->q->edns && a->q->edns_size > UDP_PLAIN_MAX) {
        a->out.max = min_of(a->q->edns_size, UDP_SIZE_MAX) - UDP_RESERVE;
    } else {
        a->out.max = UDP_PLAIN_MAX - UDP_RESERVE;
        a->answers_max = UDP_PLAIN_ANSWERS_MAX;
        if (o->udp_answer_limit != 0) {
            a->answers_max = min_of(a->answers_max, o->udp_answer_limit);
        }
    }
    a->out.max -= opt_size(a->q);
}

static void question_put(struct answer *a)
{
    const struct dns_query *q = a->q;
    const struct dns_zone *z = a->r->zone;
    dns_out_bytes(&a->out, q->name, q->name_len);
    dns_out_u16(&a->out, q->type);
    dns_out_u16(&a->out, q->class);
    /* Other names may point into the question's domain, but only where it is spelled as they are:
     * a target must not change its case with the asker. */
    size_t n = z->domain_len;
    size_t at = 0;
    while (q->name_len - at > n) {
        at += 1u + q->name[at];
    }
    if (q->name_len - at == n && memcmp(q->name + at, z->domain, n) == 0) {
        a->suffix_at[DNS_SUFFIX_ZONE] = (uint16_t)(DNS_HEADER_SIZE + at);
    }
}

static void header_poke(const struct answer *a, uint16_t flags)
{
    dns_poke_u16(a->out.p, a->q->id);
    dns_poke_u16(a->out.p + 2, flags);
    dns_poke_u16(a->out.p + 4, 1);
    dns_poke_u16(a->out.p + 6, (uint16_t)a->n_answers);
    dns_poke_u16(a->out.p + 8, (uint16_t)a->n_authority);
    dns_poke_u16(a->out.p + 10, (uint16_t)a->n_additional);
}

/* What of the asker's flags comes back: RD always; CD as RFC 4035 3.2.2 wants it. */
static uint16_t flags_of(const struct dns_query *q, enum dns_rcode rcode)
{
    return (uint16_t)(DNS_FLAG_QR | (q->flags & (DNS_FLAG_OPCODE | DNS_FLAG_RD | DNS_FLAG_CD)) |
                      rcode);
}

static void sections_put(struct answer *a)
{
    bool lead_fits = run_put(a, DNS_RUN_LEAD, &a->n_answers);
    if (!a->plan->units_in_authority) {
        units_put(a, &a->n_answers);
    }
    (void)run_put(a, DNS_RUN_AUTHORITY, &a->n_authority); /* may go for want of room */
    if (a->plan->units_in_authority) {
        units_put(a, &a->n_authority);
        a->cut = !lead_fits; /* an authority record left out cuts no answer */
    }
    units_more_put(a, DNS_PART_ADDRESS);
    units_more_put(a, DNS_PART_TEXT);
    (void)run_put(a, DNS_RUN_EXTRA, &a->n_additional);
}

size_t dns_answer_render(struct dns_renderer *r,
                         const struct dns_query *q,
                         enum dns_transport transport,
                         struct dns_plan *plan,
                         uint32_t now,
                         uint8_t *out)
{
    const struct dns_options *o = &r->zone->o;
    struct answer a = {
        .r = r, .q = q, .plan = plan, .now = now, .compress = !o->disable_compression};
    a.out.p = out;
    limits_set(&a, transport);
    size_t room = a.out.max;
    a.out.len = DNS_HEADER_SIZE;
    question_put(&a);
    sections_put(&a);
    uint16_t flags = flags_of(q, (enum dns_rcode)plan->rcode);
    flags |= (uint16_t)(plan->rcode != DNS_RCODE_REFUSED ? DNS_FLAG_AA : 0);
    flags |= (uint16_t)(o->recursors ? DNS_FLAG_RA : 0);
    bool nothing_fits = a.n_answers == 0 && a.cut;
    if (nothing_fits || (a.cut && o->enable_truncate)) {
        flags |= DNS_FLAG_TC;
    }
    if (q->edns) {
        a.out.max = room + opt_size(q);
        opt_put(&a);
    }
    assert(!a.out.full);
    header_poke(&a, flags);
    return a.out.len;
}

size_t dns_answer_refuse(const struct dns_query *q,
                         enum dns_rcode rcode,
                         bool with_question,
                         uint8_t *out)
{
    memset(out, 0, DNS_HEADER_SIZE);
    dns_poke_u16(out, q->id);
    uint16_t flags = flags_of(q, rcode);
    dns_poke_u16(out + 2, (uint16_t)(with_question ? flags : flags & ~DNS_FLAG_CD));
    if (!with_question) {
        return DNS_HEADER_SIZE;
    }
    dns_poke_u16(out + 4, 1);
    memcpy(out + DNS_HEADER_SIZE, q->name, q->name_len);
    uint8_t *at = out + DNS_HEADER_SIZE + q->name_len;
    dns_poke_u16(at, q->type);
    dns_poke_u16(at + 2, q->class);
    return DNS_HEADER_SIZE + q->name_len + 4;
}
