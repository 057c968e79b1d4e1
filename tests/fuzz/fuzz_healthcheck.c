/* What healthcheck/ reads from targets and definitions: URLs, Location values, host:port pairs,
 * gRPC responses. The first byte chooses. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "healthcheck/grpc.h"
#include "healthcheck/result.h"
#include "healthcheck/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is parsed again must mean the same. */
static void resolve(struct slice ref)
{
    struct hc_url base;
    struct hc_url u;
    struct buf b = BUF_INIT;
    struct buf target = BUF_INIT;
    if (hc_url_parse(SLICE_LIT("http://u@a:1/b/c/d?q"), &base, NULL) != 0) {
        abort();
    }
    hc_url_resolve(&b, &base, ref);
    if (hc_url_parse(buf_slice(&b), &u, NULL) == 0) {
        hc_url_target(&target, &u);
        for (size_t i = 0; i < target.len; i++) {
            if ((unsigned char)target.p[i] <= ' ') { /* it would end the request line */
                abort();
            }
        }
        if (!hc_url_has_host(ref) && !slice_is(u.host, "a")) {
            abort();
        }
    }
    buf_reset(&target);
    hc_url_show(&target, buf_slice(&b));
    buf_fini(&target);
    buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct slice s = slice_of((const char *)data + 1, size - 1);
    struct slice host;
    uint16_t port;
    int status;
    struct errmsg e;
    struct buf b = BUF_INIT;
    switch (data[0] % 4) {
        case 0:
            resolve(s);
            break;
        case 1:
            if (hc_hostport_split(s, &host, &port, &e) == 0 && host.len > HC_HOST_MAX) {
                abort();
            }
            break;
        case 2:
            (void)hc_grpc_response(s, &status); /* any answer is fine, a crash is not */
            break;
        default:
            hc_text_unescape(&b, s);
            hc_text_quote(&b, s);
            break;
    }
    buf_fini(&b);
    return 0;
}
