/* The block: struct dns_plan | records | units | order | text. The builder keeps the four arrays in
 * growing buffers and copies them together at the end. */
#include "dns/plan.h"

#include <assert.h>
#include <stdlib.h>

enum { SCRATCH_KEEP = 1024 * 1024 }; /* a builder's buffers above this are given back */

static_assert(sizeof(struct dns_rr) <= 40, "plans of thousands of instances must stay small");
static_assert(sizeof(struct dns_plan) % 8 == 0, "records follow the head");

void dns_plan_builder_init(struct dns_plan_builder *b)
{
    *b = (struct dns_plan_builder){.rrs = BUF_INIT, .units = BUF_INIT, .text = BUF_INIT};
}

void dns_plan_builder_fini(struct dns_plan_builder *b)
{
    buf_fini(&b->rrs);
    buf_fini(&b->units);
    buf_fini(&b->text);
}

static void scratch_reset(struct buf *b)
{
    if (b->cap > SCRATCH_KEEP) {
        buf_fini(b);
    }
    buf_reset(b);
}

void dns_plan_begin(struct dns_plan_builder *b, enum dns_rcode rcode)
{
    b->head = (struct dns_plan){.rcode = (uint8_t)rcode};
    scratch_reset(&b->rrs);
    scratch_reset(&b->units);
    scratch_reset(&b->text);
    b->in_unit = false;
}

struct dns_ref dns_plan_ref(struct dns_plan_builder *b,
                            const uint8_t *labels,
                            size_t len,
                            uint8_t suffix)
{
    assert(len < DNS_NAME_MAX);
    struct dns_ref ref = {(uint32_t)b->text.len, (uint8_t)len, suffix};
    buf_add(&b->text, labels, len);
    return ref;
}

void dns_plan_txt(struct dns_plan_builder *b, struct dns_rr *rr, struct slice s)
{
    rr->u.txt.at = (uint32_t)b->text.len;
    rr->u.txt.len = 0;
    do {
        size_t n = s.len > 255 ? 255 : s.len;
        if (rr->u.txt.len + 1 + n > DNS_TXT_MAX) {
            return;
        }
        buf_put_u8(&b->text, (uint8_t)n);
        buf_add(&b->text, s.p, n);
        rr->u.txt.len += (uint32_t)(1 + n);
        s = slice_of(s.p + n, s.len - n);
    } while (s.len != 0);
}

void dns_plan_run_add(struct dns_plan_builder *b, enum dns_run_id run, const struct dns_rr *rr)
{
    struct dns_run *r = &b->head.run[run];
    uint32_t at = dns_plan_rrs(b);
    assert(r->n == 0 || r->first + r->n == at || !buf_ok(&b->rrs));
    r->first = r->n == 0 ? at : r->first;
    r->n++;
    buf_add(&b->rrs, rr, sizeof(*rr));
    b->in_unit = false;
}

bool dns_plan_unit_add(struct dns_plan_builder *b, const struct dns_rr *answer)
{
    if (dns_plan_units(b) == DNS_PLAN_UNITS_MAX) {
        return false;
    }
    struct dns_unit u = {.first = dns_plan_rrs(b), .n = {1, 0, 0}};
    buf_add(&b->units, &u, sizeof(u));
    buf_add(&b->rrs, answer, sizeof(*answer));
    b->in_unit = true;
    return true;
}

void dns_plan_unit_more(struct dns_plan_builder *b, enum dns_part part, const struct dns_rr *rr)
{
    assert(b->in_unit);
    if (!buf_ok(&b->units)) {
        return; /* dns_plan_end() will say so */
    }
    struct dns_unit u;
    char *at = b->units.p + b->units.len - sizeof(u);
    memcpy(&u, at, sizeof(u));
    for (int later = (int)part + 1; later < DNS_PART_COUNT; later++) {
        assert(u.n[later] == 0);
    }
    if (u.n[part] == UINT16_MAX) {
        return;
    }
    u.n[part]++;
    memcpy(at, &u, sizeof(u));
    buf_add(&b->rrs, rr, sizeof(*rr));
}

uint32_t dns_plan_units(const struct dns_plan_builder *b)
{
    return (uint32_t)(b->units.len / sizeof(struct dns_unit));
}

size_t dns_plan_text_len(const struct dns_plan_builder *b)
{
    return b->text.len;
}

uint32_t dns_plan_rrs(const struct dns_plan_builder *b)
{
    return (uint32_t)(b->rrs.len / sizeof(struct dns_rr));
}

const struct dns_rr *dns_plan_rr_at(const struct dns_plan_builder *b, uint32_t i)
{
    assert(i < dns_plan_rrs(b));
    return (const struct dns_rr *)(const void *)b->rrs.p + i;
}

static int address_cmp(const void *a, const void *b)
{
    const struct dns_rr *x = a;
    const struct dns_rr *y = b;
    if (x->type != y->type) {
        return x->type < y->type ? -1 : 1;
    }
    return memcmp(x->u.ip, y->u.ip, x->type == DNS_TYPE_A ? 4 : 16);
}

void dns_plan_unique_addresses(struct dns_plan_builder *b)
{
    uint32_t n = dns_plan_units(b);
    assert(n == dns_plan_rrs(b) || !buf_ok(&b->units) || !buf_ok(&b->rrs));
    if (n < 2 || !buf_ok(&b->units) || !buf_ok(&b->rrs)) {
        return;
    }
    struct dns_rr *rr = (struct dns_rr *)(void *)b->rrs.p;
    qsort(rr, n, sizeof(*rr), address_cmp);
    uint32_t kept = 1;
    for (uint32_t i = 1; i < n; i++) {
        if (address_cmp(&rr[i], &rr[kept - 1]) != 0) {
            rr[kept++] = rr[i];
        }
    }
    /* Each unit is the record of its own number, so the last ones can go. */
    b->rrs.len = kept * sizeof(struct dns_rr);
    b->units.len = kept * sizeof(struct dns_unit);
}

struct dns_plan *dns_plan_end(struct dns_plan_builder *b)
{
    if (!buf_ok(&b->rrs) || !buf_ok(&b->units) || !buf_ok(&b->text)) {
        return NULL;
    }
    uint32_t n_units = dns_plan_units(b);
    size_t order_size = n_units * sizeof(uint16_t);
    size_t size = sizeof(struct dns_plan) + b->rrs.len + b->units.len + order_size + b->text.len;
    char *p = malloc(size);
    if (p == NULL) {
        return NULL;
    }
    struct dns_plan *plan = (struct dns_plan *)(void *)p;
    *plan = b->head;
    plan->n_units = n_units;
    plan->size = size;
    p += sizeof(*plan);
    plan->rrs = (const struct dns_rr *)(const void *)p;
    memcpy(p, b->rrs.p == NULL ? "" : b->rrs.p, b->rrs.len);
    p += b->rrs.len;
    plan->units = (const struct dns_unit *)(const void *)p;
    memcpy(p, b->units.p == NULL ? "" : b->units.p, b->units.len);
    p += b->units.len;
    plan->order = (uint16_t *)(void *)p;
    for (uint32_t i = 0; i < n_units; i++) {
        plan->order[i] = (uint16_t)i;
    }
    p += order_size;
    plan->text = (const uint8_t *)p;
    memcpy(p, b->text.p == NULL ? "" : b->text.p, b->text.len);
    return plan;
}
