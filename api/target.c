/* How: everything works on borrowed slices; text is copied only where an escape makes it differ. */
#include "api/target.h"

#include "base/err.h"

int target_split(struct slice text, struct target *t)
{
    if (slice_starts(text, SLICE_LIT("http://")) || slice_starts(text, SLICE_LIT("https://"))) {
        const char *authority = text.p + (text.p[4] == 's' ? 8 : 7);
        size_t rest = text.len - (size_t)(authority - text.p);
        size_t n = 0;
        while (n < rest && authority[n] != '/' && authority[n] != '?') {
            n++;
        }
        text = slice_of(authority + n, rest - n);
        if (text.len == 0 || text.p[0] != '/') {
            t->path = SLICE_LIT("/");
            t->query = text.len == 0 ? text : slice_of(text.p + 1, text.len - 1);
            return 0;
        }
    }
    if (text.len == 0 || text.p[0] != '/') {
        return E_PROTO;
    }
    const char *mark = memchr(text.p, '?', text.len);
    size_t n = mark == NULL ? text.len : (size_t)(mark - text.p);
    t->path = slice_of(text.p, n);
    t->query = mark == NULL ? slice_of(NULL, 0) : slice_of(mark + 1, text.len - n - 1);
    return 0;
}

static int hex_value(char c)
{
    char lower = slice_lower(c);
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

int target_decode(struct slice in, bool plus, char *room, struct slice *out)
{
    size_t i = 0;
    while (i < in.len && in.p[i] != '%' && !(plus && in.p[i] == '+')) {
        i++;
    }
    if (i == in.len) {
        *out = in;
        return 0;
    }
    memcpy(room, in.p, i);
    size_t n = i;
    for (; i < in.len; i++) {
        char c = in.p[i];
        if (c == '%') {
            int high = i + 2 < in.len ? hex_value(in.p[i + 1]) : -1;
            int low = i + 2 < in.len ? hex_value(in.p[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return E_PROTO;
            }
            c = (char)(high << 4 | low);
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        room[n++] = c;
    }
    *out = slice_of(room, n);
    return 0;
}

/* Take the part of *@rest up to the next "&". False at the end. */
static bool next_pair(struct slice *rest, struct slice *pair)
{
    if (rest->len == 0) {
        return false;
    }
    const char *amp = memchr(rest->p, '&', rest->len);
    size_t n = amp == NULL ? rest->len : (size_t)(amp - rest->p);
    *pair = slice_of(rest->p, n);
    size_t skip = amp == NULL ? n : n + 1;
    *rest = slice_of(rest->p + skip, rest->len - skip);
    return true;
}

int target_params(struct slice query,
                  char *room,
                  struct api_param params[API_PARAMS_MAX],
                  unsigned *n)
{
    *n = 0;
    struct slice pair;
    while (next_pair(&query, &pair)) {
        if (pair.len == 0) {
            continue;
        }
        if (memchr(pair.p, ';', pair.len) != NULL) {
            return E_PROTO;
        }
        if (*n == API_PARAMS_MAX) {
            return E_TOOBIG;
        }
        const char *eq = memchr(pair.p, '=', pair.len);
        size_t name_len = eq == NULL ? pair.len : (size_t)(eq - pair.p);
        struct slice name = slice_of(pair.p, name_len);
        struct slice value =
            eq == NULL ? slice_of(pair.p + pair.len, 0) : slice_of(eq + 1, pair.len - name_len - 1);
        struct api_param *param = &params[(*n)++];
        if (target_decode(name, true, room, &param->name) != 0 ||
            target_decode(value, true, room + name.len, &param->value) != 0) {
            return E_PROTO;
        }
        room += pair.len;
    }
    return 0;
}

/* "." or "..": what a path must not have between its slashes. */
static size_t dots(const char *p, size_t n)
{
    return (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.') ? n : 0;
}

/* The segment at @at (behind a slash): its length. */
static size_t segment(struct slice path, size_t at)
{
    const char *slash = at < path.len ? memchr(path.p + at, '/', path.len - at) : NULL;
    return slash == NULL ? path.len - at : (size_t)(slash - path.p) - at;
}

bool target_is_clean(struct slice path)
{
    size_t at = 1;
    while (at < path.len) {
        size_t n = segment(path, at);
        bool last = at + n == path.len;
        if (dots(path.p + at, n) > 0 || (n == 0 && !last)) {
            return false;
        }
        at += n + 1;
    }
    return true;
}

void target_clean(struct slice path, struct buf *out)
{
    size_t start = out->len;
    size_t at = 1;
    while (at < path.len && buf_ok(out)) {
        size_t n = segment(path, at);
        size_t dot = dots(path.p + at, n);
        if (n > 0 && dot == 0) {
            buf_add_char(out, '/');
            buf_add(out, path.p + at, n);
        }
        if (dot == 2) {
            while (out->len > start && out->p[--out->len] != '/') {
            }
        }
        at += n + 1;
    }
    if (out->len == start || path.p[path.len - 1] == '/') {
        buf_add_char(out, '/');
    }
}

/* Unicode ranges that are not printable and that text may well hold; sorted. */
static bool code_printable(unsigned code)
{
    static const struct {
        unsigned first, last;
    } hidden[] = {{0x0, 0x1f},      {0x7f, 0xa0},     {0xad, 0xad},     {0x1680, 0x1680},
                  {0x180e, 0x180e}, {0x2000, 0x200f}, {0x2028, 0x202f}, {0x205f, 0x206f},
                  {0x3000, 0x3000}, {0xe000, 0xf8ff}, {0xfeff, 0xfeff}};
    for (size_t i = 0; i < sizeof hidden / sizeof hidden[0]; i++) {
        if (code >= hidden[i].first && code <= hidden[i].last) {
            return false;
        }
    }
    return true;
}

bool target_printable(struct slice path)
{
    for (size_t i = 0; i < path.len; i++) {
        unsigned char c = (unsigned char)path.p[i];
        unsigned code = c;
        if (c >= 0xe0 && c < 0xf0 && i + 2 < path.len) {
            code = (c & 15u) << 12 | ((unsigned)path.p[i + 1] & 63u) << 6 |
                   ((unsigned)path.p[i + 2] & 63u);
            i += 2;
        } else if (c >= 0xc2 && c < 0xe0 && i + 1 < path.len) {
            code = (c & 31u) << 6 | ((unsigned)path.p[i + 1] & 63u);
            i += 1;
        } else if (c >= 0x80) {
            continue; /* longer sequences and broken ones count as printable, as U+FFFD is */
        }
        if (!code_printable(code)) {
            return false;
        }
    }
    return true;
}

void target_shared_query(struct slice query, struct buf *out)
{
    char sep = '?';
    struct slice pair;
    while (next_pair(&query, &pair)) {
        bool own =
            slice_starts(pair, SLICE_LIT("index=")) || slice_starts(pair, SLICE_LIT("wait="));
        if (own || pair.len == 0) {
            continue;
        }
        buf_add_char(out, sep);
        buf_add_slice(out, pair);
        sep = '&';
    }
}
