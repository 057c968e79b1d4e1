/* A full protobuf library for one string and one enum would be more code than this. */
#include "healthcheck/grpc.h"

#include <stddef.h>

#include "base/err.h"

enum { FRAME_HEADER = 5, FIELD_1_BYTES = 0x0a };
enum wire_type { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

static unsigned varint_put(char *p, uint64_t v)
{
    unsigned n = 0;
    while (v >= 0x80) {
        p[n++] = (char)(v | 0x80);
        v >>= 7;
    }
    p[n++] = (char)v;
    return n;
}

/* At most ten bytes; more is malformed. */
static uint64_t varint_get(struct rd *r)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        uint8_t c = rd_u8(r);
        v |= shift < 64 ? (uint64_t)(c & 0x7f) << shift : 0;
        if ((c & 0x80) == 0) {
            return v;
        }
    }
    r->failed = true;
    return 0;
}

void hc_grpc_request(struct buf *b, struct slice service)
{
    char head[11] = {FIELD_1_BYTES};
    size_t n = service.len == 0 ? 0 : 1u + varint_put(head + 1, service.len);
    size_t len = n + service.len;
    buf_put_u8(b, 0);
    for (int shift = 24; shift >= 0; shift -= 8) {
        buf_put_u8(b, (uint8_t)(len >> shift));
    }
    buf_add(b, head, n);
    buf_add_slice(b, service);
}

int hc_grpc_response(struct slice s, int *status)
{
    struct rd r = rd_of(s);
    uint8_t compressed = rd_u8(&r);
    uint32_t len = 0;
    for (int i = 0; i < 4; i++) {
        len = len << 8 | rd_u8(&r);
    }
    if (!rd_ok(&r) || rd_left(&r) != len) {
        return E_PROTO;
    }
    if (compressed != 0) {
        return E_UNSUPPORTED;
    }
    *status = HC_SERVING_UNKNOWN;
    while (rd_ok(&r) && rd_left(&r) > 0) {
        uint64_t key = varint_get(&r);
        uint64_t value;
        switch (key & 7) {
            case WIRE_VARINT:
                value = varint_get(&r);
                if (key >> 3 == 1) {
                    *status = value <= INT32_MAX ? (int)value : -1;
                }
                break;
            case WIRE_64:
                (void)rd_raw(&r, 8); /* unknown fields are skipped */
                break;
            case WIRE_BYTES:
                value = varint_get(&r);
                (void)rd_raw(&r, value); /* as above */
                break;
            case WIRE_32:
                (void)rd_raw(&r, 4); /* as above */
                break;
            default:
                return E_PROTO;
        }
    }
    return rd_ok(&r) ? 0 : E_PROTO;
}

const char *hc_grpc_serving_text(int status)
{
    static const char *const names[] = {"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"};
    return status >= 0 && status < (int)(sizeof names / sizeof names[0]) ? names[status] : NULL;
}

const char *hc_grpc_code_text(int code)
{
    static const char *const names[] = {
        "OK",
        "Canceled",
        "Unknown",
        "InvalidArgument",
        "DeadlineExceeded",
        "NotFound",
        "AlreadyExists",
        "PermissionDenied",
        "ResourceExhausted",
        "FailedPrecondition",
        "Aborted",
        "OutOfRange",
        "Unimplemented",
        "Internal",
        "Unavailable",
        "DataLoss",
        "Unauthenticated",
    };
    return code >= 0 && code < (int)(sizeof names / sizeof names[0]) ? names[code] : NULL;
}
