/* A recursive descent without look-ahead; lines are collected, then sorted for each section. */
#include "tests/support/dnsmsg.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t name_encode(const char *name, uint8_t *out)
{
    size_t n = 0;
    while (*name != '\0') {
        size_t len = strcspn(name, ".");
        out[n++] = (uint8_t)len;
        memcpy(out + n, name, len);
        n += len;
        name += len + (name[len] == '.' ? 1 : 0);
    }
    out[n++] = 0;
    return n;
}

static size_t u16_put(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
    return 2;
}

static size_t opt_encode(const struct dnsmsg_query *q, uint8_t *out)
{
    size_t n = 0;
    out[n++] = 0;
    n += u16_put(out + n, 41);
    n += u16_put(out + n, q->edns < 0 ? 0 : (unsigned)q->edns);
    memset(out + n, 0, 4);
    n += 4;
    size_t len = q->ecs == NULL ? 0 : strlen(q->ecs) / 2;
    n += u16_put(out + n, q->ecs == NULL ? 0 : (unsigned)len + 4);
    if (q->ecs != NULL) {
        n += u16_put(out + n, 8);
        n += u16_put(out + n, (unsigned)len);
        for (size_t i = 0; i < len; i++) {
            unsigned v;
            (void)sscanf(q->ecs + 2 * i, "%2x", &v);
            out[n++] = (uint8_t)v;
        }
    }
    return n;
}

size_t dnsmsg_query_encode(const struct dnsmsg_query *q, uint8_t *out)
{
    memset(out, 0, 12);
    u16_put(out, 0x1234);
    u16_put(out + 2, q->flags);
    u16_put(out + 4, 1);
    u16_put(out + 10, q->edns != 0);
    size_t n = 12 + name_encode(q->name, out + 12);
    n += u16_put(out + n, q->type);
    n += u16_put(out + n, q->class == 0 ? 1 : q->class);
    return q->edns == 0 ? n : n + opt_encode(q, out + n);
}

struct reader {
    const uint8_t *p;
    size_t n;
    size_t at;
    const char *wrong; /* NULL: sound so far */
};

static void wrong(struct reader *r, const char *why)
{
    r->wrong = r->wrong == NULL ? why : r->wrong;
}

static const uint8_t *take(struct reader *r, size_t n)
{
    static const uint8_t zeros[65536];
    if (r->wrong != NULL || r->n - r->at < n) {
        wrong(r, "cut short");
        return zeros;
    }
    r->at += n;
    return r->p + r->at - n;
}

static unsigned u16_take(struct reader *r)
{
    const uint8_t *p = take(r, 2);
    return (unsigned)p[0] << 8 | p[1];
}

static unsigned u32_take(struct reader *r)
{
    unsigned high = u16_take(r);
    return high << 16 | u16_take(r);
}

static void name_show(struct reader *r, struct buf *b)
{
    size_t back = 0; /* where to go on after the first pointer */
    size_t total = 1;
    size_t lowest = r->at;
    while (r->wrong == NULL) {
        unsigned len = *take(r, 1);
        if (len >= 0xc0) {
            size_t to = (len & 0x3f) << 8 | *take(r, 1);
            back = back == 0 ? r->at : back;
            if (to >= lowest || to < 12) {
                wrong(r, "pointer does not go back");
            }
            lowest = to;
            r->at = to;
            continue;
        }
        if (len > 63 || (total += len + 1) > 256) {
            wrong(r, "name too long");
        }
        if (len == 0) {
            break;
        }
        buf_add(b, take(r, len), r->wrong == NULL ? len : 0);
        buf_add_char(b, '.');
    }
    if (total == 1 || total == 2) {
        buf_add_str(b, total == 2 ? "." : "");
    }
    r->at = back != 0 && r->wrong == NULL ? back : r->at;
}

static const char *type_name(unsigned type)
{
    static const struct {
        unsigned type;
        const char *name;
    } names[] = {{1, "A"},    {2, "NS"},    {5, "CNAME"}, {6, "SOA"},  {12, "PTR"},
                 {16, "TXT"}, {28, "AAAA"}, {33, "SRV"},  {255, "ANY"}};
    static char other[16];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i].type == type) {
            return names[i].name;
        }
    }
    (void)snprintf(other, sizeof(other), "TYPE%u", type);
    return other;
}

static void address_show(struct reader *r, int family, struct buf *b)
{
    char text[INET6_ADDRSTRLEN];
    inet_ntop(family, take(r, family == AF_INET ? 4 : 16), text, sizeof(text));
    buf_add_str(b, text);
}

static void rdata_show(struct reader *r, unsigned type, size_t len, struct buf *b)
{
    size_t end = r->at + len;
    if (type == 1 || type == 28) {
        address_show(r, type == 1 ? AF_INET : AF_INET6, b);
    } else if (type == 2 || type == 5 || type == 12) {
        name_show(r, b);
    } else if (type == 33) {
        for (int i = 0; i < 3; i++) {
            buf_printf(b, "%u ", u16_take(r));
        }
        name_show(r, b);
    } else if (type == 6) {
        name_show(r, b);
        buf_add_char(b, ' ');
        name_show(r, b);
        (void)u32_take(r);
        buf_add_str(b, " #");
        for (int i = 0; i < 4; i++) {
            buf_printf(b, " %u", u32_take(r));
        }
    } else if (type == 16) {
        while (r->at < end && r->wrong == NULL) {
            unsigned n = *take(r, 1);
            buf_add_char(b, '"');
            buf_add(b, take(r, n), r->wrong == NULL ? n : 0);
            buf_add_char(b, '"');
        }
    } else {
        for (const uint8_t *p = take(r, len); r->at <= end && r->wrong == NULL && len > 0; len--) {
            buf_printf(b, "%02x", *p++);
        }
    }
    if (r->wrong == NULL && r->at != end) {
        wrong(r, "record data has another length");
    }
}

static void record_show(struct reader *r, struct buf *b)
{
    struct buf name = BUF_INIT;
    name_show(r, &name);
    unsigned type = u16_take(r);
    unsigned class = u16_take(r);
    unsigned ttl = u32_take(r);
    size_t len = u16_take(r);
    if (type == 41) {
        buf_printf(b, "OPT %u", class);
        buf_add_str(b, len == 0 ? "" : " ");
    } else {
        buf_add_slice(b, buf_slice(&name));
        buf_printf(b, " %u %s ", ttl, type_name(type));
        if (class != 1) {
            wrong(r, "record of another class than IN");
        }
    }
    buf_fini(&name);
    rdata_show(r, type, len, b);
}

static int line_cmp(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void section_show(struct reader *r, unsigned n, char mark, struct buf *text)
{
    char **lines = calloc(n + 1, sizeof(*lines));
    unsigned got = 0;
    for (; got < n && r->wrong == NULL; got++) {
        struct buf b = BUF_INIT;
        size_t len;
        record_show(r, &b);
        buf_add_char(&b, '\0');
        lines[got] = buf_take(&b, &len);
    }
    qsort(lines, got, sizeof(*lines), line_cmp);
    for (unsigned i = 0; i < got; i++) {
        if (text != NULL) {
            buf_printf(text, "%c %s\n", mark, lines[i]);
        }
        free(lines[i]);
    }
    free(lines);
}

static void header_show(unsigned flags, struct buf *text)
{
    static const char *const rcodes[] = {"NOERROR",  "FORMERR", "SERVFAIL",
                                         "NXDOMAIN", "NOTIMP",  "REFUSED"};
    static const struct {
        unsigned bit;
        const char *name;
    } bits[] = {{0x8000, " qr"}, {0x400, " aa"}, {0x200, " tc"}, {0x100, " rd"},
                {0x80, " ra"},   {0x40, " z"},   {0x20, " ad"},  {0x10, " cd"}};
    buf_add_str(text, (flags & 15) < 6 ? rcodes[flags & 15] : "RCODE");
    for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
        buf_add_str(text, (flags & bits[i].bit) != 0 ? bits[i].name : "");
    }
    if ((flags & 0x7800) != 0) {
        buf_printf(text, " opcode=%u", flags >> 11 & 15);
    }
    buf_add_char(text, '\n');
}

static void question_show(struct reader *r, struct buf *text)
{
    struct buf name = BUF_INIT;
    name_show(r, &name);
    unsigned type = u16_take(r);
    unsigned class = u16_take(r);
    if (text != NULL) {
        buf_add_str(text, "? ");
        buf_add_slice(text, buf_slice(&name));
        if (class == 1) {
            buf_printf(text, " IN %s\n", type_name(type));
        } else {
            buf_printf(text, " CLASS%u %s\n", class, type_name(type));
        }
    }
    buf_fini(&name);
}

bool dnsmsg_show(const uint8_t *p, size_t n, struct buf *text, struct dnsmsg_counts *counts)
{
    struct reader r = {p, n, 0, NULL};
    (void)u16_take(&r);
    unsigned flags = u16_take(&r);
    unsigned questions = u16_take(&r);
    struct dnsmsg_counts c = {.flags = (uint16_t)flags, .rcode = flags & 15};
    c.answers = u16_take(&r);
    c.authority = u16_take(&r);
    c.additional = u16_take(&r);
    if (text != NULL) {
        header_show(flags, text);
    }
    for (unsigned i = 0; i < questions && r.wrong == NULL; i++) {
        question_show(&r, text);
    }
    section_show(&r, c.answers, '=', text);
    section_show(&r, c.authority, '!', text);
    section_show(&r, c.additional, '+', text);
    if (r.wrong == NULL && r.at != n) {
        wrong(&r, "bytes behind the last record");
    }
    if (r.wrong != NULL && text != NULL) {
        buf_printf(text, "broken message: %s\n", r.wrong);
    }
    if (counts != NULL) {
        *counts = c;
    }
    return r.wrong == NULL;
}
