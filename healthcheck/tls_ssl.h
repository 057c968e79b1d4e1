/* One TLS client session over memory: bytes in, bytes out, no socket.
 *
 * Owns the OpenSSL session. Keeps at most what one feed brought. One thread. Used inside this
 * folder only. */
#ifndef HEALTHCHECK_TLS_SSL_H_
#define HEALTHCHECK_TLS_SSL_H_

#include <openssl/ssl.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

struct hc_tls {
    SSL *ssl; /* private */
    BIO *in;  /* what the peer sent; owned by ssl */
    BIO *out; /* what is to be sent; owned by ssl */
    bool verify;
    struct slice name; /* what the certificate must be for; borrowed while the session lives */
};

struct hc_tls_options {
    struct slice name; /* host name or IP address to verify, and for SNI; at most HC_HOST_MAX */
    bool skip_verify;
    bool h2; /* offer HTTP/2 by ALPN */
};

/* E_NOMEM; E_INVAL: the name is too long. After an error nothing is kept. */
int hc_tls_init(struct hc_tls *t, SSL_CTX *ctx, const struct hc_tls_options *o);
/* Also right for a zeroed struct. */
void hc_tls_fini(struct hc_tls *t);

/* Take in bytes from the peer. E_NOMEM. */
int hc_tls_feed(struct hc_tls *t, struct slice cipher);
/* Go on with the handshake. 0: done. E_AGAIN: the peer must speak first. E_PROTO, E_DENIED (the
 * certificate): @e says why in Go's words. */
int hc_tls_handshake(struct hc_tls *t, struct errmsg *e);
/* Decrypt into @p. >0: bytes. E_AGAIN: nothing more yet. E_EOF: the peer has closed. E_PROTO. */
int hc_tls_read(struct hc_tls *t, char *p, int size, struct errmsg *e);
/* Encrypt all of @s. 0; E_NOMEM, E_PROTO. */
int hc_tls_write(struct hc_tls *t, struct slice s);
/* Append what is to be sent to @out; call it after each of the above, failed ones too (alerts). */
void hc_tls_flush(struct hc_tls *t, struct buf *out);
/* True when the peer chose HTTP/2. */
bool hc_tls_is_h2(const struct hc_tls *t);

#endif
