/* Sizes in a ring, terms as the list of their first entries: terms change once an election. */
#include "raft/entrymap.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

void entrymap_init(struct entrymap *m, uint64_t first)
{
    memset(m, 0, sizeof *m);
    m->first = first;
    m->next = first;
}

void entrymap_fini(struct entrymap *m)
{
    free(m->sizes);
    free(m->terms);
    entrymap_init(m, 1);
}

static uint32_t *slot(const struct entrymap *m, uint64_t index)
{
    return &m->sizes[(m->head + (size_t)(index - m->first)) & (m->cap - 1)];
}

static int grow_sizes(struct entrymap *m)
{
    size_t cap = m->cap == 0 ? 1024 : m->cap * 2;
    uint32_t *sizes = malloc(cap * sizeof *sizes);
    if (sizes == NULL) {
        return E_NOMEM;
    }
    for (uint64_t i = m->first; i < m->next; i++) {
        sizes[i - m->first] = *slot(m, i);
    }
    free(m->sizes);
    m->sizes = sizes;
    m->cap = cap;
    m->head = 0;
    return 0;
}

static int add_term(struct entrymap *m, uint64_t term)
{
    if (m->n_terms > 0 && m->terms[m->n_terms - 1].term == term) {
        return 0;
    }
    if (m->n_terms == m->cap_terms) {
        size_t cap = m->cap_terms == 0 ? 16 : m->cap_terms * 2;
        struct entrymap_term *terms = realloc(m->terms, cap * sizeof *terms);
        if (terms == NULL) {
            return E_NOMEM;
        }
        m->terms = terms;
        m->cap_terms = cap;
    }
    m->terms[m->n_terms++] = (struct entrymap_term){m->next, term};
    return 0;
}

int entrymap_add(struct entrymap *m, uint64_t term, uint64_t size)
{
    assert(size <= UINT32_MAX);
    if (m->next - m->first == m->cap && grow_sizes(m) != 0) {
        return E_NOMEM;
    }
    int rc = add_term(m, term);
    if (rc != 0) {
        return rc;
    }
    m->next++;
    *slot(m, m->next - 1) = (uint32_t)size;
    return 0;
}

void entrymap_truncate(struct entrymap *m, uint64_t index)
{
    assert(index >= m->first && index <= m->next);
    m->next = index;
    while (m->n_terms > 0 && m->terms[m->n_terms - 1].first >= index) {
        m->n_terms--;
    }
}

void entrymap_trim(struct entrymap *m, uint64_t first)
{
    if (first <= m->first) {
        return;
    }
    if (first > m->next) { /* the whole log was replaced */
        m->next = first;
    }
    m->head = m->cap == 0 ? 0 : (m->head + (size_t)(first - m->first)) & (m->cap - 1);
    m->first = first;
    size_t gone = 0;
    while (gone + 1 < m->n_terms && m->terms[gone + 1].first <= first) {
        gone++;
    }
    m->n_terms -= gone;
    if (gone > 0) {
        memmove(m->terms, m->terms + gone, m->n_terms * sizeof *m->terms);
    }
}

uint64_t entrymap_term(const struct entrymap *m, uint64_t index)
{
    if (index < m->first || index >= m->next) {
        return 0;
    }
    for (size_t i = m->n_terms; i > 0; i--) {
        if (m->terms[i - 1].first <= index) {
            return m->terms[i - 1].term;
        }
    }
    return 0;
}

uint64_t entrymap_size(const struct entrymap *m, uint64_t index)
{
    return index < m->first || index >= m->next ? 0 : *slot(m, index);
}

uint64_t entrymap_fit(const struct entrymap *m, uint64_t index, uint64_t bytes)
{
    uint64_t n = 0;
    uint64_t sum = 0;
    for (uint64_t i = index; i >= m->first && i < m->next; i--) {
        sum += *slot(m, i);
        if (sum > bytes) {
            break;
        }
        n++;
    }
    return n;
}
