/* Two memory BIOs. The error queue of OpenSSL belongs to the thread, so it is cleared before each
 * call and read right behind it. */
#include "healthcheck/tls_ssl.h"

#include <arpa/inet.h>
#include <assert.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "healthcheck/url.h"

static bool is_ip(const char *s)
{
    unsigned char a[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, s, a) == 1 || inet_pton(AF_INET6, s, a) == 1;
}

/* Whose certificate it must be, and SNI (which RFC 6066 forbids for addresses). */
static bool set_name(SSL *ssl, struct slice name)
{
    char text[HC_HOST_MAX + 1];
    if (name.len == 0) {
        return true;
    }
    memcpy(text, name.p, name.len);
    text[name.len] = '\0';
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    if (is_ip(text)) {
        return X509_VERIFY_PARAM_set1_ip_asc(param, text) == 1;
    }
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return X509_VERIFY_PARAM_set1_host(param, text, name.len) == 1 &&
           SSL_set_tlsext_host_name(ssl, text) == 1;
}

int hc_tls_init(struct hc_tls *t, SSL_CTX *ctx, const struct hc_tls_options *o)
{
    static const unsigned char h2[] = {2, 'h', '2'};
    *t = (struct hc_tls){.verify = !o->skip_verify, .name = o->name};
    if (o->name.len > HC_HOST_MAX) {
        return E_INVAL;
    }
    ERR_clear_error();
    t->ssl = SSL_new(ctx);
    t->in = BIO_new(BIO_s_mem());
    t->out = BIO_new(BIO_s_mem());
    if (t->ssl == NULL || t->in == NULL || t->out == NULL) {
        BIO_free(t->in);
        BIO_free(t->out);
        SSL_free(t->ssl);
        t->ssl = NULL;
        return E_NOMEM;
    }
    (void)BIO_set_mem_eof_return(t->in, -1); /* an empty BIO means "later", not "the end" */
    (void)BIO_set_mem_eof_return(t->out, -1);
    SSL_set_bio(t->ssl, t->in, t->out);
    SSL_set_connect_state(t->ssl);
    SSL_set_verify(t->ssl, o->skip_verify ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    bool ok = set_name(t->ssl, o->name);
    if (ok && o->h2) {
        ok = SSL_set_alpn_protos(t->ssl, h2, sizeof h2) == 0; /* 0 is this function's success */
    }
    if (!ok) {
        hc_tls_fini(t);
        return E_NOMEM;
    }
    return 0;
}

void hc_tls_fini(struct hc_tls *t)
{
    SSL_free(t->ssl);
    t->ssl = NULL;
}

int hc_tls_feed(struct hc_tls *t, struct slice cipher)
{
    assert(cipher.len <= INT_MAX);
    if (cipher.len == 0) {
        return 0;
    }
    return BIO_write(t->in, cipher.p, (int)cipher.len) == (int)cipher.len ? 0 : E_NOMEM;
}

/* Go's words for why a certificate was refused. */
static int set_verify_error(struct hc_tls *t, long why, struct errmsg *e)
{
    const char *intro = "tls: failed to verify certificate: x509:";
    switch (why) {
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
        case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
            return err_set(e, E_DENIED, "%s certificate signed by unknown authority", intro);
        case X509_V_ERR_CERT_HAS_EXPIRED:
        case X509_V_ERR_CERT_NOT_YET_VALID:
            return err_set(e, E_DENIED, "%s certificate has expired or is not yet valid", intro);
        case X509_V_ERR_HOSTNAME_MISMATCH:
        case X509_V_ERR_IP_ADDRESS_MISMATCH:
            return err_set(e, E_DENIED, "%s certificate is not valid for %.*s", intro,
                           (int)t->name.len, t->name.p);
        default:
            return err_set(e, E_DENIED, "%s %s", intro, X509_verify_cert_error_string(why));
    }
}

static int set_error(struct hc_tls *t, struct errmsg *e)
{
    unsigned long code = ERR_peek_error();
    long why = SSL_get_verify_result(t->ssl);
    if (ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED && why != X509_V_OK) {
        return set_verify_error(t, why, e);
    }
    if (ERR_GET_REASON(code) == SSL_R_WRONG_VERSION_NUMBER) {
        return err_set(e, E_PROTO, "tls: first record does not look like a TLS handshake");
    }
    const char *reason = ERR_reason_error_string(code);
    return err_set(e, E_PROTO, "tls: %s", reason != NULL ? reason : "protocol error");
}

int hc_tls_handshake(struct hc_tls *t, struct errmsg *e)
{
    ERR_clear_error();
    int rc = SSL_do_handshake(t->ssl);
    if (rc == 1) {
        return 0;
    }
    int why = SSL_get_error(t->ssl, rc);
    return why == SSL_ERROR_WANT_READ ? E_AGAIN : set_error(t, e);
}

int hc_tls_read(struct hc_tls *t, char *p, int size, struct errmsg *e)
{
    ERR_clear_error();
    int n = SSL_read(t->ssl, p, size);
    if (n > 0) {
        return n;
    }
    switch (SSL_get_error(t->ssl, n)) {
        case SSL_ERROR_WANT_READ:
            return E_AGAIN;
        case SSL_ERROR_ZERO_RETURN:
            return E_EOF;
        default:
            return set_error(t, e);
    }
}

int hc_tls_write(struct hc_tls *t, struct slice s)
{
    while (s.len > 0) {
        int want = s.len < INT_MAX ? (int)s.len : INT_MAX;
        ERR_clear_error();
        int n = SSL_write(t->ssl, s.p, want);
        if (n <= 0) {
            return E_PROTO; /* the out BIO has no end, so this is no "try again" */
        }
        s = slice_of(s.p + n, s.len - (size_t)n);
    }
    return 0;
}

void hc_tls_flush(struct hc_tls *t, struct buf *out)
{
    size_t n = BIO_ctrl_pending(t->out);
    char *to = n == 0 ? NULL : buf_reserve(out, n);
    if (to != NULL && BIO_read(t->out, to, (int)n) == (int)n) {
        out->len += n;
    }
}

bool hc_tls_is_h2(const struct hc_tls *t)
{
    const unsigned char *p = NULL;
    unsigned n = 0;
    SSL_get0_alpn_selected(t->ssl, &p, &n);
    return n == 2 && memcmp(p, "h2", 2) == 0;
}
