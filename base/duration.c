/* Follows Go's time package: ParseDuration and Duration.String. */
#include "base/duration.h"

#include <stdbool.h>

#include "base/err.h"

#define NS_MAX ((uint64_t)1 << 63)

__extension__ typedef unsigned __int128 u128;

static bool unit_of(struct slice s, uint64_t *ns)
{
    static const struct {
        const char *name;
        uint64_t ns;
    } units[] = {
        {"ns", 1},           {"us", 1000},      {"\xc2\xb5s", 1000}, /* U+00B5 micro sign */
        {"\xce\xbcs", 1000},                                         /* U+03BC Greek mu */
        {"ms", 1000000},     {"s", 1000000000}, {"m", 60000000000},  {"h", 3600000000000},
    };
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (slice_is(s, units[i].name)) {
            *ns = units[i].ns;
            return true;
        }
    }
    return false;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits before the point; false on overflow. */
static bool leading_int(struct slice *s, uint64_t *v, bool *any)
{
    *v = 0;
    *any = false;
    while (s->len > 0 && is_digit(s->p[0])) {
        if (*v > NS_MAX / 10) {
            return false;
        }
        *v = *v * 10 + (uint64_t)(s->p[0] - '0');
        if (*v > NS_MAX) {
            return false;
        }
        *any = true;
        s->p++;
        s->len--;
    }
    return true;
}

/* Digits behind the point as v / scale; those beyond what fits are dropped, as in Go. */
static void fraction(struct slice *s, uint64_t *v, uint64_t *scale, bool *any)
{
    *v = 0;
    *scale = 1;
    *any = false;
    while (s->len > 0 && is_digit(s->p[0])) {
        if (*scale <= 100000000000000000u) {
            *v = *v * 10 + (uint64_t)(s->p[0] - '0');
            *scale *= 10;
        }
        *any = true;
        s->p++;
        s->len--;
    }
}

/* One number with its unit, added to *@sum. */
static bool term(struct slice *s, uint64_t *sum)
{
    uint64_t v;
    uint64_t f = 0;
    uint64_t scale = 1;
    bool pre;
    bool post = false;
    if (!leading_int(s, &v, &pre)) {
        return false;
    }
    if (s->len > 0 && s->p[0] == '.') {
        s->p++;
        s->len--;
        fraction(s, &f, &scale, &post);
    }
    size_t n = 0;
    while (n < s->len && s->p[n] != '.' && !is_digit(s->p[n])) {
        n++;
    }
    uint64_t unit;
    if ((!pre && !post) || n == 0 || !unit_of(slice_of(s->p, n), &unit) || v > NS_MAX / unit) {
        return false;
    }
    s->p += n;
    s->len -= n;
    v *= unit;
    v += (uint64_t)((u128)f * unit / scale);
    *sum += v;
    return v <= NS_MAX && *sum <= NS_MAX;
}

int duration_parse(struct slice s, int64_t *ns)
{
    bool neg = false;
    if (s.len > 0 && (s.p[0] == '-' || s.p[0] == '+')) {
        neg = s.p[0] == '-';
        s.p++;
        s.len--;
    }
    if (slice_is(s, "0")) {
        *ns = 0;
        return 0;
    }
    if (s.len == 0) {
        return E_INVAL;
    }
    uint64_t sum = 0;
    while (s.len > 0) {
        if (!term(&s, &sum)) {
            return E_INVAL;
        }
    }
    if (sum == NS_MAX && !neg) {
        return E_INVAL;
    }
    *ns = neg ? (int64_t)(0 - sum) : (int64_t)sum;
    return 0;
}

/* Append v / 10^digits without trailing zeros. */
static void add_decimal(struct buf *b, uint64_t v, unsigned digits)
{
    uint64_t scale = 1;
    for (unsigned i = 0; i < digits; i++) {
        scale *= 10;
    }
    buf_add_u64(b, v / scale);
    uint64_t rest = v % scale;
    if (rest == 0) {
        return;
    }
    buf_add_char(b, '.');
    while (rest != 0) {
        scale /= 10;
        buf_add_char(b, (char)('0' + rest / scale));
        rest %= scale;
    }
}

void duration_format(struct buf *b, int64_t ns)
{
    if (ns == 0) {
        buf_add_str(b, "0s");
        return;
    }
    uint64_t u = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
    if (ns < 0) {
        buf_add_char(b, '-');
    }
    if (u < 1000) {
        buf_printf(b, "%lluns", (unsigned long long)u);
    } else if (u < 1000000) {
        add_decimal(b, u, 3);
        buf_add_str(b, "\xc2\xb5s");
    } else if (u < 1000000000) {
        add_decimal(b, u, 6);
        buf_add_str(b, "ms");
    } else {
        uint64_t minutes = u / 60000000000u;
        if (minutes >= 60) {
            buf_printf(b, "%lluh", (unsigned long long)(minutes / 60));
        }
        if (minutes > 0) {
            buf_printf(b, "%llum", (unsigned long long)(minutes % 60));
        }
        add_decimal(b, u % 60000000000u, 9);
        buf_add_char(b, 's');
    }
}
