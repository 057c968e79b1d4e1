/* The wire format of DNS messages (RFC 1035, 6891, 7871): queries in, bytes out.
 *
 * Owns nothing. dns_query_parse() reads untrusted bytes: every length is checked, the question's
 * name holds no compression pointer, and the results point into the message. `struct dns_out`
 * writes into the caller's memory and is sticky: past its limit it writes nothing more and says so.
 * Knows no zone and no registry. Pure. */
#ifndef DNS_WIRE_H_
#define DNS_WIRE_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/slice.h"

enum {
    DNS_HEADER_SIZE = 12,
    DNS_NAME_MAX = 255, /* wire form, the root's zero included */
    DNS_LABEL_MAX = 63,
    DNS_LABELS_MAX = 127,
    DNS_MESSAGE_MAX = 65535,
    DNS_OPT_SIZE = 11,       /* an OPT record without options */
    DNS_ECS_MAX = 4 + 16,    /* family, prefixes, address */
    DNS_POINTER_MAX = 0x4000 /* compression pointers reach offsets below this */
};

enum dns_type {
    DNS_TYPE_A = 1,
    DNS_TYPE_NS = 2,
    DNS_TYPE_CNAME = 5,
    DNS_TYPE_SOA = 6,
    DNS_TYPE_PTR = 12,
    DNS_TYPE_TXT = 16,
    DNS_TYPE_AAAA = 28,
    DNS_TYPE_SRV = 33,
    DNS_TYPE_OPT = 41,
    DNS_TYPE_IXFR = 251,
    DNS_TYPE_AXFR = 252,
    DNS_TYPE_ANY = 255
};

enum { DNS_CLASS_IN = 1, DNS_OPTION_ECS = 8 };

enum dns_rcode {
    DNS_RCODE_NOERROR = 0,
    DNS_RCODE_FORMERR = 1,
    DNS_RCODE_SERVFAIL = 2,
    DNS_RCODE_NXDOMAIN = 3,
    DNS_RCODE_NOTIMP = 4,
    DNS_RCODE_REFUSED = 5
};

/* Header flags, as bits of its second 16-bit word. */
enum {
    DNS_FLAG_QR = 0x8000,
    DNS_FLAG_OPCODE = 0x7800,
    DNS_FLAG_AA = 0x0400,
    DNS_FLAG_TC = 0x0200,
    DNS_FLAG_RD = 0x0100,
    DNS_FLAG_RA = 0x0080,
    DNS_FLAG_CD = 0x0010
};

struct dns_query {
    uint16_t id;
    uint16_t flags;      /* as received */
    const uint8_t *name; /* in the message, as spelled; ends with the root's zero */
    size_t name_len;
    uint16_t type;
    uint16_t class;
    bool edns;
    uint16_t edns_size;
    uint8_t ecs_len; /* 0: no client subnet option */
    uint8_t ecs[DNS_ECS_MAX];
};

/* What to do with a message. */
enum dns_verdict {
    DNS_VERDICT_ANSWER,  /* a question to answer */
    DNS_VERDICT_DROP,    /* no header, or itself an answer: stay silent */
    DNS_VERDICT_FORMERR, /* only id and flags of @q are set */
    DNS_VERDICT_NOTIMP   /* opcode other than QUERY; only id and flags are set */
};

/* Parse @n bytes at @p. Exactly one question; like Consul's library, at most one answer, one
 * authority and two additional records, which are skipped but for OPT. Bytes behind the last record
 * are ignored. */
enum dns_verdict dns_query_parse(const uint8_t *p, size_t n, struct dns_query *q);

/* Length of the wire name at @p, root included, within @max bytes; 0 when it is longer, cut, above
 * DNS_NAME_MAX or holds a pointer. */
size_t dns_name_len(const uint8_t *p, size_t max);

/* Write dotted @text (a dot at the end is fine) as labels, without the root's zero. Returns their
 * length, or 0 when @text is empty, has an empty label or one above DNS_LABEL_MAX, or does not fit
 * into @max bytes. */
size_t dns_labels_encode(struct slice text, uint8_t *out, size_t max);

/* ---- writing ---- */

struct dns_out {
    uint8_t *p;
    size_t len;
    size_t max;
    bool full; /* something did not fit: all later writes are ignored */
};

static inline uint8_t *dns_out_room(struct dns_out *o, size_t n)
{
    if (o->full || o->max - o->len < n) {
        o->full = true;
        return NULL;
    }
    uint8_t *at = o->p + o->len;
    o->len += n;
    return at;
}

static inline void dns_poke_u16(uint8_t *at, uint16_t v)
{
    at[0] = (uint8_t)(v >> 8);
    at[1] = (uint8_t)v;
}

static inline void dns_out_u16(struct dns_out *o, uint16_t v)
{
    uint8_t *at = dns_out_room(o, 2);
    if (at != NULL) {
        dns_poke_u16(at, v);
    }
}

static inline void dns_out_u32(struct dns_out *o, uint32_t v)
{
    uint8_t *at = dns_out_room(o, 4);
    if (at != NULL) {
        dns_poke_u16(at, (uint16_t)(v >> 16));
        dns_poke_u16(at + 2, (uint16_t)v);
    }
}

static inline void dns_out_bytes(struct dns_out *o, const void *p, size_t n)
{
    uint8_t *at = dns_out_room(o, n);
    if (at != NULL && n != 0) {
        memcpy(at, p, n);
    }
}

/* Go back to an earlier length, as if what came since had not been written. */
static inline void dns_out_rewind(struct dns_out *o, size_t len)
{
    o->len = len;
    o->full = false;
}

#endif
