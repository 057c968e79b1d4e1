/* Edit distance (insert, delete, replace) over two rows of the usual matrix; near enough is a third
 * of the typed word, so that short words need to be almost right. */
#include "cli/suggest.h"

#include <string.h>

enum { WORD_MAX = 63 };

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t m = a < b ? a : b;
    return m < c ? m : c;
}

static size_t distance(const char *a, size_t na, const char *b, size_t nb)
{
    size_t row[WORD_MAX + 1];
    for (size_t j = 0; j <= nb; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= na; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            size_t above = row[j];
            size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            row[j] = min3(above + 1, row[j - 1] + 1, replaced);
            diagonal = above;
        }
    }
    return row[nb];
}

void suggest_try(struct suggest *s, const char *candidate)
{
    size_t na = strlen(s->word);
    size_t nb = strlen(candidate);
    if (na == 0 || na > WORD_MAX || nb > WORD_MAX) {
        return;
    }
    size_t limit = na < 3 ? 1 : na / 3 + 1;
    size_t d = distance(s->word, na, candidate, nb);
    if (d <= limit && d < s->distance) {
        s->distance = d;
        s->best = candidate;
    }
}
