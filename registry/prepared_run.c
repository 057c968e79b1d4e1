/* Templates are texts with ${...} in them. Of the language that Consul uses there (HIL) these are
 * known: name.full, name.prefix, name.suffix, match(N), agent.segment. $${ stands for ${. */
#include "registry/prepared_run.h"

#include <stdlib.h>
#include <string.h>

#include "base/rand.h"
#include "base/regex.h"

enum { EXPANDED_MAX = 64 * 1024 }; /* bytes that one text may grow to */

struct run_block {
    struct run_block *next;
    max_align_t data[];
};

static void *run_alloc(void *arg, size_t n)
{
    struct reg_prepared_run *run = arg;
    struct run_block *b = calloc(1, sizeof *b + n);
    if (b == NULL) {
        return NULL;
    }
    b->next = run->blocks;
    run->blocks = b;
    return b->data;
}

void reg_prepared_end(struct reg_prepared_run *run)
{
    while (run->blocks != NULL) {
        struct run_block *next = run->blocks->next;
        free(run->blocks);
        run->blocks = next;
    }
}

/* ---- templates ---- */

/* What the names in ${...} stand for. */
struct scope {
    struct reg_prepared_run *run;
    struct slice full;
    size_t prefix_len;
    struct slice groups[REGEX_GROUPS_MAX];
    unsigned n_groups;
    struct errmsg *e;
};

static struct slice trim(struct slice s)
{
    while (s.len > 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
        s = slice_of(s.p + 1, s.len - 1);
    }
    while (s.len > 0 && (s.p[s.len - 1] == ' ' || s.p[s.len - 1] == '\t')) {
        s.len--;
    }
    return s;
}

/* match(N), N in decimal: a group that is not there is empty. False: it is no such call. */
static bool eval_match(const struct scope *sc, struct slice s, struct slice *out)
{
    if (!slice_starts(s, SLICE_LIT("match(")) || s.p[s.len - 1] != ')') {
        return false;
    }
    struct slice digits = trim(slice_of(s.p + 6, s.len - 7));
    unsigned n = 0;
    if (digits.len == 0 || digits.len > 4) {
        return false;
    }
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.p[i] < '0' || digits.p[i] > '9') {
            return false;
        }
        n = n * 10 + (unsigned)(digits.p[i] - '0');
    }
    *out = n < sc->n_groups ? sc->groups[n] : slice_of(NULL, 0);
    return true;
}

static bool eval(const struct scope *sc, struct slice s, struct slice *out)
{
    s = trim(s);
    *out = slice_of(NULL, 0);
    if (slice_is(s, "name.full")) {
        *out = sc->full;
    } else if (slice_is(s, "name.prefix")) {
        *out = slice_of(sc->full.p, sc->prefix_len);
    } else if (slice_is(s, "name.suffix")) {
        *out = slice_of(sc->full.p + sc->prefix_len, sc->full.len - sc->prefix_len);
    } else if (!slice_is(s, "agent.segment")) {
        return eval_match(sc, s, out);
    }
    return true;
}

/* Append @in to @b with each ${...} replaced. E_INVAL: there is one that means nothing. */
static int expand_into(const struct scope *sc, struct slice in, struct buf *b)
{
    for (size_t i = 0; i < in.len; i++) {
        struct slice rest = slice_of(in.p + i, in.len - i);
        if (slice_starts(rest, SLICE_LIT("$${"))) {
            buf_add_str(b, "${");
            i += 2;
        } else if (slice_starts(rest, SLICE_LIT("${"))) {
            const char *close = memchr(rest.p, '}', rest.len);
            struct slice value;
            if (close == NULL ||
                !eval(sc, slice_of(rest.p + 2, (size_t)(close - rest.p) - 2), &value)) {
                return err_set(sc->e, E_INVAL, "Bad format '%.*s' in Service",
                               in.len > 128 ? 128 : (int)in.len, in.p);
            }
            buf_add_slice(b, value);
            i += (size_t)(close - rest.p);
        } else {
            buf_add_char(b, in.p[i]);
        }
    }
    return 0;
}

/* Move what was built to the run's memory, and free @b. */
static int keep(const struct scope *sc, struct buf *b, struct slice *out)
{
    char *p = buf_ok(b) ? run_alloc(sc->run, b->len + 1) : NULL;
    if (p != NULL && b->len > 0) {
        memcpy(p, b->p, b->len);
    }
    *out = slice_of(p, p == NULL ? 0 : b->len);
    buf_fini(b);
    return p == NULL ? err_set(sc->e, E_NOMEM, "out of memory") : 0;
}

static int expand(const struct scope *sc, struct slice *s)
{
    struct buf b = {.max = EXPANDED_MAX};
    int rc = expand_into(sc, *s, &b);
    if (rc != 0) {
        buf_fini(&b);
        return rc;
    }
    return keep(sc, &b, s);
}

/* Each string of @l; @drop_empty leaves out those that become empty. */
static int expand_list(const struct scope *sc, struct reg_list *l, bool drop_empty)
{
    if (reg_list_absent(*l)) {
        return 0;
    }
    struct buf b = {.max = EXPANDED_MAX};
    struct reg_list_builder lb;
    struct rd it = reg_list_iter(*l);
    struct slice s;
    int rc = 0;
    reg_list_begin(&lb, &b);
    while (rc == 0 && reg_list_next(&it, &s)) {
        rc = expand(sc, &s);
        if (rc == 0 && (s.len > 0 || !drop_empty)) {
            reg_list_add(&lb, s);
        }
    }
    (void)reg_list_end(&lb); /* all of @b */
    if (rc != 0) {
        buf_fini(&b);
        return rc;
    }
    return keep(sc, &b, &l->raw);
}

/* Fill in the template run->q for the name @full. */
static int fill_in(struct reg_prepared_run *run, struct slice full, struct errmsg *e)
{
    struct reg_prepared *q = &run->q;
    struct scope sc = {.run = run, .full = full, .prefix_len = q->name.len, .e = e};
    if (!slice_is(q->template_type, "name_prefix_match")) {
        return err_set(e, E_INVAL, "Bad Template.Type '%.*s'",
                       q->template_type.len > 64 ? 64 : (int)q->template_type.len,
                       q->template_type.p);
    }
    if (q->template_regexp.len > 0) {
        struct errmsg why;
        struct regex_memory m = {run_alloc, run};
        struct regex *re = regex_new(&m, q->template_regexp, &why);
        if (re == NULL) {
            return err_set(e, E_INVAL, "Bad Regexp: %.400s", why.text);
        }
        sc.n_groups = regex_groups(re, full, sc.groups);
    }
    int rc = expand(&sc, &q->service);
    rc = rc != 0 ? rc : expand(&sc, &q->near);
    rc = rc != 0 ? rc : expand_list(&sc, &q->failover_dcs, false);
    rc = rc != 0 ? rc : expand_list(&sc, &q->ignore_checks, false);
    rc = rc != 0 ? rc : expand_list(&sc, &q->tags, q->remove_empty_tags);
    rc = rc != 0 ? rc : expand_list(&sc, &q->node_meta, false);
    return rc != 0 ? rc : expand_list(&sc, &q->service_meta, false);
}

int reg_prepared_check(const struct reg_prepared *q, struct errmsg *e)
{
    if (q->template_type.len == 0) {
        return 0;
    }
    struct reg_prepared_run run = {.q = *q};
    int rc = fill_in(&run, q->name, e);
    reg_prepared_end(&run);
    return rc;
}

int reg_prepared_begin(struct reg_prepared_run *run,
                       struct reg_reader *rd,
                       struct slice id_or_name,
                       struct errmsg *e)
{
    run->blocks = NULL;
    if (id_or_name.len == 0) {
        return E_NOTFOUND;
    }
    if (uuid_valid(id_or_name) && reg_prepared_find(rd, id_or_name, &run->q)) {
        return run->q.template_type.len == 0
                   ? 0
                   : err_set(e, E_INVAL,
                             "prepared query templates can only be resolved up by name, not by ID");
    }
    if (!reg_prepared_find_name(rd, id_or_name, &run->q) &&
        !reg_prepared_find_template(rd, id_or_name, &run->q)) {
        return E_NOTFOUND;
    }
    return run->q.template_type.len == 0 ? 0 : fill_in(run, id_or_name, e);
}

/* ---- instances ---- */

static bool has_tag(struct reg_list tags, struct slice tag)
{
    struct rd it = reg_list_iter(tags);
    struct slice t;
    while (reg_list_next(&it, &t)) {
        if (slice_ieq(t, tag)) {
            return true;
        }
    }
    return false;
}

static bool tags_pass(struct reg_list wanted, struct reg_list tags)
{
    struct rd it = reg_list_iter(wanted);
    struct slice w;
    while (reg_list_next(&it, &w)) {
        bool not_it = w.len > 0 && w.p[0] == '!';
        if (has_tag(tags, not_it ? slice_of(w.p + 1, w.len - 1) : w) == not_it) {
            return false;
        }
    }
    return true;
}

static bool meta_passes(struct reg_list wanted, struct reg_list meta)
{
    struct rd wants = reg_list_iter(wanted);
    struct slice key;
    struct slice value;
    while (reg_list_next(&wants, &key) && reg_list_next(&wants, &value)) {
        struct rd it = reg_list_iter(meta);
        struct slice k;
        struct slice v;
        bool found = false;
        while (!found && reg_list_next(&it, &k) && reg_list_next(&it, &v)) {
            found = slice_eq(k, key) && slice_eq(v, value);
        }
        if (!found) {
            return false;
        }
    }
    return true;
}

static bool is_ignored(struct reg_list ignored, struct slice check_id)
{
    struct rd it = reg_list_iter(ignored);
    struct slice id;
    while (reg_list_next(&it, &id)) {
        if (slice_eq(id, check_id)) {
            return true;
        }
    }
    return false;
}

static bool checks_pass(struct reg_reader *rd,
                        const struct reg_prepared *q,
                        struct slice node,
                        struct slice service_id)
{
    struct reg_iter it;
    struct reg_check c;
    bool pass = true;
    reg_instance_checks(rd, &it, node, service_id);
    while (pass && reg_checks_next(&it, &c)) {
        enum reg_status status = reg_status_of(c.status);
        bool bad = status == REG_CRITICAL || (q->only_passing && status != REG_PASSING);
        pass = !bad || is_ignored(q->ignore_checks, c.check_id);
    }
    reg_iter_end(&it);
    return pass;
}

bool reg_prepared_takes(struct reg_reader *rd,
                        const struct reg_prepared *q,
                        const struct reg_service *s,
                        struct reg_node *node)
{
    return !q->connect && /* there is no mesh to take part in */
           tags_pass(q->tags, s->tags) && meta_passes(q->service_meta, s->meta) &&
           reg_node_find(rd, s->node, node) && meta_passes(q->node_meta, node->meta) &&
           checks_pass(rd, q, s->node, slice_of(NULL, 0)) && checks_pass(rd, q, s->node, s->id);
}
