/* Error texts and the prefixing of messages. */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *err_text(int code)
{
    switch (code) {
        case 0:
            return "success";
#define X(name, value, text) \
    case name:               \
        return text;
            ERR_LIST(X)
#undef X
    }
    return "unknown error";
}

const char *err_name(int code)
{
    switch (code) {
        case 0:
            return "OK";
#define X(name, value, text) \
    case name:               \
        return #name;
            ERR_LIST(X)
#undef X
    }
    return "E_?";
}

int err_from_errno(int sys)
{
    switch (sys) {
        case ENOMEM:
            return E_NOMEM;
        case EINVAL:
            return E_INVAL;
        case ENOENT:
            return E_NOTFOUND;
        case EEXIST:
            return E_EXISTS;
        case ENOSPC:
        case EDQUOT:
            return E_NOSPACE;
        case EACCES:
        case EPERM:
        case EROFS:
            return E_DENIED;
        case EADDRINUSE:
            return E_ADDRINUSE;
        case ETIMEDOUT:
            return E_TIMEOUT;
        case ECONNREFUSED:
        case ECONNRESET:
        case EPIPE:
        case EHOSTUNREACH:
        case ENETUNREACH:
            return E_CONN;
        case EBUSY:
            return E_BUSY;
        case EAGAIN:
            return E_AGAIN;
        default:
            return E_IO;
    }
}

int err_set(struct errmsg *e, int code, const char *fmt, ...)
{
    if (e != NULL) {
        va_list ap;
        va_start(ap, fmt);
        (void)vsnprintf(e->text, sizeof e->text, fmt, ap); /* a cut message is still a message */
        va_end(ap);
    }
    return code;
}

void err_prefix(struct errmsg *e, const char *fmt, ...)
{
    if (e == NULL) {
        return;
    }
    struct errmsg was = *e;
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(e->text, sizeof e->text, fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof e->text) {
        return;
    }
    size_t left = sizeof e->text - (size_t)n;
    (void)snprintf(e->text + n, left, ": %.*s", (int)left, was.text); /* cutting is fine */
}
