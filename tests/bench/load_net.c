/* Connections, the clock, and HTTP responses.
 *
 * A response whose header arrives in one piece, which is nearly every one, is parsed where it lies;
 * only a header that came in pieces is copied together first. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/load.h"

uint64_t load_now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

double load_cpu_s(pid_t pid)
{
    char path[32];
    char line[1024];
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = pid > 0 ? fopen(path, "re") : NULL;
    if (f == NULL) {
        return 0;
    }
    const char *p = fgets(line, sizeof line, f);
    (void)fclose(f);
    p = p != NULL ? strrchr(p, ')') : NULL; /* the name before it may hold anything */
    unsigned long user;
    unsigned long sys;
    if (p == NULL ||
        sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &sys) != 2) {
        return 0;
    }
    return (double)(user + sys) / (double)sysconf(_SC_CLK_TCK);
}

int load_connect(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons(port),
                                   .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    int one = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(fd, (const struct sockaddr *)&to, sizeof to) != 0 ||
        fcntl(fd, F_SETFL, O_NONBLOCK) != 0) {
        int saved = errno;
        (void)close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

bool load_send(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t k = send(fd, p, n, MSG_NOSIGNAL);
        if (k < 0) {
            struct pollfd wait = {.fd = fd, .events = POLLOUT};
            if (errno != EAGAIN || poll(&wait, 1, LOAD_STUCK_MS) != 1) {
                return false;
            }
            continue;
        }
        p += k;
        n -= (size_t)k;
    }
    return true;
}

void response_reset(struct response *r)
{
    r->head_len = 0;
    r->in_body = r->closes = r->chunked = false;
    r->chunk = CHUNK_SIZE;
    r->left = 0;
    r->status = 0;
    r->index = r->length = r->got = 0;
}

/* The value of the header line [@p, @end) if its name is @name, else NULL. */
static const char *value_of(const char *p, const char *end, const char *name)
{
    size_t n = strlen(name);
    if ((size_t)(end - p) <= n || strncasecmp(p, name, n) != 0 || p[n] != ':') {
        return NULL;
    }
    p += n + 1;
    while (p < end && *p == ' ') {
        p++;
    }
    return p;
}

/* A whole header, up to and with its empty line. */
static int parse_head(struct response *r, const char *p, const char *end)
{
    if (end - p < 13 || memcmp(p, "HTTP/1.", 7) != 0) {
        return -1;
    }
    r->status = atoi(p + 9);
    bool sized = r->status == 204 || r->status == 304;
    const char *line = memchr(p, '\n', (size_t)(end - p));
    while (line != NULL && ++line < end) {
        const char *next = memchr(line, '\n', (size_t)(end - line));
        const char *v;
        if ((v = value_of(line, end, "Content-Length")) != NULL) {
            r->length = strtoull(v, NULL, 10);
            sized = true;
        } else if ((v = value_of(line, end, "Transfer-Encoding")) != NULL) {
            r->chunked = sized = strncasecmp(v, "chunked", 7) == 0;
        } else if ((v = value_of(line, end, "X-Consul-Index")) != NULL) {
            r->index = strtoull(v, NULL, 10);
        } else if ((v = value_of(line, end, "Connection")) != NULL) {
            r->closes = strncasecmp(v, "close", 5) == 0;
        }
        line = next;
    }
    r->in_body = true;
    return sized ? 0 : -1;
}

/* Find the end of the header in @p, or in what was kept of it and @p. Returns 1 when it is parsed.
 */
static int feed_head(struct response *r, const char *p, size_t n, size_t *used)
{
    if (r->head_len == 0) {
        const char *end = memmem(p, n, "\r\n\r\n", 4);
        if (end != NULL) {
            *used = (size_t)(end + 4 - p);
            return parse_head(r, p, end + 4) == 0 ? 1 : -1;
        }
    }
    size_t before = r->head_len;
    size_t room = sizeof r->head - before;
    size_t take = n < room ? n : room;
    memcpy(r->head + before, p, take);
    r->head_len += take;
    const char *end = memmem(r->head, r->head_len, "\r\n\r\n", 4);
    if (end == NULL) {
        *used = n;
        return take < n ? -1 : 0;
    }
    size_t head = (size_t)(end + 4 - r->head);
    *used = head - before;
    return parse_head(r, r->head, end + 4) == 0 ? 1 : -1;
}

static void take_body(struct response *r, const char *p, uint64_t n)
{
    for (uint64_t i = 0; i < n && r->got + i < sizeof r->start; i++) {
        r->start[r->got + i] = p[i];
    }
    r->got += n;
}

static int hex_of(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* One byte of a chunk's framing. Returns as response_feed(). */
static int feed_frame(struct response *r, char c)
{
    switch (r->chunk) {
        case CHUNK_SIZE:
            if (c == '\n') {
                r->chunk = r->left > 0 ? CHUNK_DATA : CHUNK_LAST;
            } else if (c != '\r') {
                if (hex_of(c) < 0) {
                    return -1;
                }
                r->left = r->left * 16 + (uint64_t)hex_of(c);
            }
            return 0;
        case CHUNK_END:
            r->chunk = c == '\n' ? CHUNK_SIZE : CHUNK_END;
            return c == '\r' || c == '\n' ? 0 : -1;
        case CHUNK_LAST: /* no trailers are expected */
            r->length = r->got;
            return c == '\n' ? 1 : c == '\r' ? 0 : -1;
        case CHUNK_DATA:
            break;
    }
    return -1;
}

static int feed_chunked(struct response *r, const char *p, size_t n, size_t *used)
{
    while (*used < n) {
        if (r->chunk == CHUNK_DATA) {
            uint64_t take = n - *used < r->left ? n - *used : r->left;
            take_body(r, p + *used, take);
            *used += (size_t)take;
            r->left -= take;
            r->chunk = r->left == 0 ? CHUNK_END : CHUNK_DATA;
            continue;
        }
        int rc = feed_frame(r, p[(*used)++]);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

int response_feed(struct response *r, const char *p, size_t n, size_t *used)
{
    *used = 0;
    if (!r->in_body) {
        int rc = feed_head(r, p, n, used);
        if (rc <= 0) {
            return rc;
        }
    }
    if (r->chunked) {
        return feed_chunked(r, p, n, used);
    }
    uint64_t take = n - *used;
    if (take > r->length - r->got) {
        take = r->length - r->got;
    }
    take_body(r, p + *used, take);
    *used += (size_t)take;
    return r->got == r->length;
}
