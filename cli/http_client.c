/* Sockets in blocking mode with time-outs; libhttp_parser reads the answer as it comes. The request
 * asks for "Connection: close", so the end of the stream also ends an answer without length. */
#include "cli/http_client.h"

#include <errno.h>
#include <fcntl.h>
#include <http_parser.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECT_MS = 10000, PROGRESS_S = 120, TOKEN_MAX = 4096 };

const struct flag http_client_flags[] = {
    {"http-addr", FLAG_STRING, offsetof(struct http_flag_values, address), "address",
     "Address and port of the agent's HTTP API, as host:port or http://host:port. The default is "
     "http://127.0.0.1:8500; ROLLCALL_HTTP_ADDR or CONSUL_HTTP_ADDR in the environment also set "
     "it."},
    {"token", FLAG_STRING, offsetof(struct http_flag_values, token), "value",
     "Token to send with the request; also ROLLCALL_HTTP_TOKEN or CONSUL_HTTP_TOKEN."},
    {"token-file", FLAG_STRING, offsetof(struct http_flag_values, token_file), "path",
     "File that holds the token; also ROLLCALL_HTTP_TOKEN_FILE or CONSUL_HTTP_TOKEN_FILE."},
    {NULL, FLAG_BOOL, 0, NULL, NULL},
};

const struct flag http_query_flags[] = {
    {"datacenter", FLAG_STRING, offsetof(struct http_flag_values, datacenter), "name",
     "Name of the datacenter to ask; the agent's own unless given."},
    {"stale", FLAG_BOOL, offsetof(struct http_flag_values, stale), NULL,
     "Let any server answer, not only the leader."},
    {NULL, FLAG_BOOL, 0, NULL, NULL},
};

/* ROLLCALL_<name>, else CONSUL_<name>, else NULL; empty counts as unset. */
static const char *environment(const char *name)
{
    static const char *const prefixes[] = {"ROLLCALL_", "CONSUL_"};
    for (size_t i = 0; i < 2; i++) {
        char key[64];
        (void)snprintf(key, sizeof key, "%s%s", prefixes[i], name); /* names are short literals */
        const char *v = getenv(key);
        if (v != NULL && v[0] != '\0') {
            return v;
        }
    }
    return NULL;
}

/* "host", "host:port", "[v6]:port", with or without http:// and a path behind. */
static int split_address(struct http_client *c, const char *address, struct errmsg *e)
{
    const char *p = address;
    if (strncasecmp(p, "https://", 8) == 0 || strncasecmp(p, "unix://", 7) == 0) {
        return err_set(e, E_UNSUPPORTED, "address %s: only http:// is supported yet", address);
    }
    p += strncasecmp(p, "http://", 7) == 0 ? 7 : 0;
    size_t n = strcspn(p, "/?#");
    const char *host = p;
    size_t host_len = n;
    const char *rest = p + n;
    if (*p == '[') {
        const char *close = memchr(p, ']', n);
        if (close == NULL) {
            return err_set(e, E_INVAL, "address %s: missing ']'", address);
        }
        host = p + 1;
        host_len = (size_t)(close - host);
        rest = close + 1;
    } else {
        const char *colon = memchr(p, ':', n);
        host_len = colon == NULL ? n : (size_t)(colon - p);
        rest = p + host_len;
    }
    const char *port = rest < p + n && *rest == ':' ? rest + 1 : "8500";
    size_t port_len = *rest == ':' ? (size_t)(p + n - port) : strlen(port);
    if (host_len == 0 || host_len >= sizeof c->host || port_len == 0 ||
        port_len >= sizeof c->port || strspn(port, "0123456789") < port_len) {
        return err_set(e, E_INVAL, "address %s: not of the form host:port", address);
    }
    memcpy(c->host, host, host_len);
    c->host[host_len] = '\0';
    memcpy(c->port, port, port_len);
    c->port[port_len] = '\0';
    return 0;
}

static int read_token(struct http_client *c, const char *path, struct errmsg *e)
{
    char text[TOKEN_MAX];
    FILE *f = fopen(path, "re");
    if (f == NULL) {
        return err_set(e, err_from_errno(errno), "Error loading token file '%s': %s", path,
                       strerror(errno));
    }
    size_t n = fread(text, 1, sizeof text - 1, f);
    (void)fclose(f); /* only read from */
    text[n] = '\0';
    const char *start = text + strspn(text, " \t\r\n");
    n = strcspn(start, " \t\r\n");
    c->token = n == 0 ? NULL : strndup(start, n);
    return n > 0 && c->token == NULL ? err_set(e, E_NOMEM, "%s", err_text(E_NOMEM)) : 0;
}

int http_client_init(struct http_client *c, const struct http_flag_values *v, struct errmsg *e)
{
    *c = (struct http_client){.datacenter = v->datacenter, .stale = v->stale};
    const char *address = v->address != NULL ? v->address : environment("HTTP_ADDR");
    int rc = split_address(c, address != NULL ? address : "127.0.0.1:8500", e);
    if (rc != 0) {
        return rc;
    }
    const char *token = v->token;
    const char *file = v->token_file;
    if (token == NULL && file == NULL) {
        token = environment("HTTP_TOKEN");
        file = token == NULL ? environment("HTTP_TOKEN_FILE") : NULL;
    }
    if (token != NULL) {
        c->token = strdup(token);
        rc = c->token == NULL ? err_set(e, E_NOMEM, "%s", err_text(E_NOMEM)) : 0;
    } else if (file != NULL) {
        rc = read_token(c, file, e);
    }
    if (rc == 0 && c->token != NULL && strpbrk(c->token, "\r\n") != NULL) {
        rc = err_set(e, E_INVAL, "the token contains a line break");
    }
    if (rc != 0) {
        http_client_fini(c);
    }
    return rc;
}

void http_client_fini(struct http_client *c)
{
    free(c->token);
    c->token = NULL;
}

static void escape(struct buf *b, struct slice s, const char *also)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < s.len; i++) {
        unsigned char ch = (unsigned char)s.p[i];
        bool plain = (ch >= '0' && ch <= '9') || (ch >= 'A' && ch <= 'Z') ||
                     (ch >= 'a' && ch <= 'z') || (ch != 0 && strchr("-_.~", ch) != NULL) ||
                     (ch != 0 && strchr(also, ch) != NULL);
        if (plain) {
            buf_add_char(b, (char)ch);
        } else {
            buf_add_char(b, '%');
            buf_add_char(b, hex[ch >> 4]);
            buf_add_char(b, hex[ch & 15]);
        }
    }
}

void http_escape_path(struct buf *b, struct slice s)
{
    escape(b, s, "/:@$&+,=");
}

void http_escape_query(struct buf *b, struct slice s)
{
    escape(b, s, "");
}

/* Connect within CONNECT_MS. Returns 0 or the errno value of the failure. */
static int connect_in_time(int fd, const struct addrinfo *a)
{
    if (connect(fd, a->ai_addr, a->ai_addrlen) == 0) {
        return 0;
    }
    if (errno != EINPROGRESS) {
        return errno;
    }
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    int n;
    do {
        n = poll(&p, 1, CONNECT_MS);
    } while (n < 0 && errno == EINTR);
    if (n <= 0) {
        return n == 0 ? ETIMEDOUT : errno;
    }
    int why = 0;
    socklen_t len = sizeof why;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &len) == 0 ? why : errno;
}

static int dial_one(const struct addrinfo *a, int *out)
{
    int fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol);
    if (fd < 0) {
        return errno;
    }
    int why = connect_in_time(fd, a);
    int flags = fcntl(fd, F_GETFL);
    if (why == 0 && (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) != 0)) {
        why = errno;
    }
    const struct timeval t = {.tv_sec = PROGRESS_S};
    if (why == 0 && (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t) != 0 ||
                     setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t) != 0)) {
        why = errno;
    }
    if (why != 0) {
        (void)close(fd); /* never used */
        return why;
    }
    *out = fd;
    return 0;
}

/* Go's spelling of the usual failures, which scripts look for. */
static const char *dial_text(int why)
{
    switch (why) {
        case ECONNREFUSED:
            return "connect: connection refused";
        case ETIMEDOUT:
            return "i/o timeout";
        case EHOSTUNREACH:
            return "connect: no route to host";
        case ENETUNREACH:
            return "connect: network is unreachable";
        default:
            return strerror(why);
    }
}

static int dial(const struct http_client *c, int *fd, struct errmsg *e)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    int rc = getaddrinfo(c->host, c->port, &hints, &list);
    if (rc != 0) {
        return err_set(e, E_CONN, "dial tcp: lookup %s: %s", c->host,
                       rc == EAI_NONAME ? "no such host" : gai_strerror(rc));
    }
    int why = ECONNREFUSED;
    for (const struct addrinfo *a = list; a != NULL; a = a->ai_next) {
        why = dial_one(a, fd);
        if (why == 0) {
            break;
        }
    }
    freeaddrinfo(list);
    if (why == 0) {
        return 0;
    }
    return strchr(c->host, ':') != NULL
               ? err_set(e, E_CONN, "dial tcp [%s]:%s: %s", c->host, c->port, dial_text(why))
               : err_set(e, E_CONN, "dial tcp %s:%s: %s", c->host, c->port, dial_text(why));
}

static int send_all(int fd, struct slice s, struct errmsg *e)
{
    while (s.len > 0) {
        ssize_t n = send(fd, s.p, s.len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return err_set(e, E_CONN, "write tcp: %s", strerror(errno));
        }
        s.p += n;
        s.len -= (size_t)n;
    }
    return 0;
}

static int on_body(http_parser *p, const char *at, size_t n)
{
    struct http_answer *a = p->data;
    if (a->each != NULL && p->status_code == 200) {
        a->each(a->arg, slice_of(at, n));
        return 0;
    }
    buf_add(&a->body, at, n);
    return buf_ok(&a->body) ? 0 : 1;
}

static int on_complete(http_parser *p)
{
    struct http_answer *a = p->data;
    a->complete = true;
    a->status = (int)p->status_code;
    return 0;
}

static int receive(int fd, struct http_answer *a, struct errmsg *e)
{
    http_parser parser;
    http_parser_settings settings;
    http_parser_init(&parser, HTTP_RESPONSE);
    http_parser_settings_init(&settings);
    settings.on_body = on_body;
    settings.on_message_complete = on_complete;
    parser.data = a;
    while (!a->complete) {
        char chunk[65536];
        ssize_t n = recv(fd, chunk, sizeof chunk, 0);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            bool slow = errno == EAGAIN || errno == EWOULDBLOCK;
            return err_set(e, E_CONN, "read tcp: %s", slow ? "i/o timeout" : strerror(errno));
        }
        size_t used = http_parser_execute(&parser, &settings, chunk, (size_t)n);
        if (n > 0 && used != (size_t)n && !a->complete) {
            return buf_ok(&a->body)
                       ? err_set(e, E_PROTO, "malformed HTTP response: %s",
                                 http_errno_description(HTTP_PARSER_ERRNO(&parser)))
                       : err_set(e, E_TOOBIG, "answer larger than %d bytes", (int)HTTP_ANSWER_MAX);
        }
        if (n == 0 && !a->complete) {
            return err_set(e, E_EOF, "EOF");
        }
    }
    return 0;
}

/* Where the request goes, with the parameters that the flags add. */
static void add_target(struct buf *b, const struct http_client *c, const char *path)
{
    buf_add_str(b, path);
    char sep = strchr(path, '?') == NULL ? '?' : '&';
    if (c->datacenter != NULL && c->datacenter[0] != '\0') {
        buf_add_char(b, sep);
        buf_add_str(b, "dc=");
        http_escape_query(b, slice_str(c->datacenter));
        sep = '&';
    }
    if (c->stale) {
        buf_add_char(b, sep);
        buf_add_str(b, "stale=");
    }
}

static void add_request(struct buf *b,
                        const struct http_client *c,
                        const char *method,
                        const char *path,
                        struct slice body)
{
    bool v6 = strchr(c->host, ':') != NULL;
    buf_printf(b, "%s ", method);
    add_target(b, c, path);
    buf_printf(b, " HTTP/1.1\r\nHost: %s%s%s:%s\r\nUser-Agent: rollcall\r\nConnection: close\r\n",
               v6 ? "[" : "", c->host, v6 ? "]" : "", c->port);
    if (c->token != NULL) {
        buf_printf(b, "X-Consul-Token: %s\r\n", c->token);
    }
    if (body.len > 0 || strcmp(method, "PUT") == 0) {
        buf_printf(b, "Content-Length: %zu\r\n", body.len);
    }
    buf_add_str(b, "\r\n");
    buf_add_slice(b, body);
}

static void prefix_with_target(const struct http_client *c,
                               const char *method,
                               const char *path,
                               struct errmsg *e)
{
    struct buf b = BUF_INIT;
    add_target(&b, c, path);
    bool v6 = strchr(c->host, ':') != NULL;
    char verb[16] = ""; /* "Get", as Go writes it */
    for (size_t i = 0; method[i] != '\0' && i < sizeof verb - 1; i++) {
        verb[i] = i == 0 ? method[0] : slice_lower(method[i]);
    }
    err_prefix(e, "%s \"http://%s%s%s:%s%.*s\"", verb, v6 ? "[" : "", c->host, v6 ? "]" : "",
               c->port, (int)b.len, b.p);
    buf_fini(&b);
}

int http_call(const struct http_client *c,
              const char *method,
              const char *path,
              struct slice body,
              struct http_answer *a,
              struct errmsg *e)
{
    *a = (struct http_answer){.body = BUF_INIT};
    a->body.max = HTTP_ANSWER_MAX;
    struct buf request = BUF_INIT;
    add_request(&request, c, method, path, body);
    int fd = -1;
    int rc = buf_ok(&request) ? dial(c, &fd, e) : err_set(e, E_NOMEM, "%s", err_text(E_NOMEM));
    if (rc == 0) {
        /* A server may answer and close before it has read everything (413); then the answer
         * counts, not the broken pipe. */
        struct errmsg sending = {""};
        int sent = send_all(fd, buf_slice(&request), &sending);
        rc = receive(fd, a, e);
        if (rc != 0 && sent != 0) {
            rc = err_set(e, sent, "%s", sending.text);
        }
        (void)close(fd); /* all is read or given up */
    }
    buf_fini(&request);
    if (rc != 0) {
        prefix_with_target(c, method, path, e);
        buf_fini(&a->body);
    }
    return rc;
}

/* 0 for 200; else the error that says what came instead, and the body is gone. */
static int must_be_ok(struct http_answer *a, struct errmsg *e)
{
    if (a->status == 200) {
        return 0;
    }
    while (a->body.len > 0 && strchr(" \r\n", a->body.p[a->body.len - 1]) != NULL) {
        a->body.len--;
    }
    int rc = err_set(e, E_INVAL, "Unexpected response code: %d (%.*s)", a->status,
                     (int)(a->body.len < ERRMSG_SIZE ? a->body.len : ERRMSG_SIZE), a->body.p);
    buf_fini(&a->body);
    return rc;
}

int http_call_ok(const struct http_client *c,
                 const char *method,
                 const char *path,
                 struct slice body,
                 struct http_answer *a,
                 struct errmsg *e)
{
    int rc = http_call(c, method, path, body, a, e);
    return rc == 0 ? must_be_ok(a, e) : rc;
}

int http_stream(const struct http_client *c,
                const char *path,
                void (*each)(void *arg, struct slice piece),
                void *arg,
                struct errmsg *e)
{
    struct http_answer a = {.body = BUF_INIT, .each = each, .arg = arg};
    struct buf request = BUF_INIT;
    const struct timeval forever = {.tv_sec = 0};
    int fd = -1;
    a.body.max = HTTP_ANSWER_MAX;
    add_request(&request, c, "GET", path, slice_of(NULL, 0));
    int rc = buf_ok(&request) ? dial(c, &fd, e) : err_set(e, E_NOMEM, "%s", err_text(E_NOMEM));
    if (rc == 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &forever, sizeof forever) != 0) {
        rc = err_set(e, E_IO, "setsockopt: %s", strerror(errno));
    }
    rc = rc == 0 ? send_all(fd, buf_slice(&request), e) : rc;
    rc = rc == 0 ? receive(fd, &a, e) : rc;
    if (fd >= 0) {
        (void)close(fd); /* all is read or given up */
    }
    buf_fini(&request);
    if (rc != 0) {
        prefix_with_target(c, "GET", path, e);
    } else {
        rc = must_be_ok(&a, e);
    }
    buf_fini(&a.body);
    return rc;
}
