/* The other ends: an HTTP server that answers every request with 200 "ok" (the target of health
 * checks, and a reference for the generator itself), and the speed of the disk. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/load.h"

enum { EVENTS = 64, BLOCK = 4096, DISK_FILE = 64 << 20 };

static int listen_on(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int one = 1;
    const struct sockaddr_in at = {.sin_family = AF_INET,
                                   .sin_port = htons(port),
                                   .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(fd, (const struct sockaddr *)&at, sizeof at) != 0 || listen(fd, 4096) != 0) {
        (void)fprintf(stderr, "load: port %u: %s\n", port, strerror(errno));
        return -1;
    }
    return fd;
}

static void on_accept(int epoll, int listener)
{
    for (int i = 0; i < EVENTS; i++) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            return;
        }
        int one = 1;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
        (void)epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e);
    }
}

/* Answer what has come. Requests have no body and come whole: both ends are ours. */
static unsigned on_request(int fd)
{
    static const char keep[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n";
    static const char once[] =
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n";
    char in[BLOCK + 1];
    ssize_t n = recv(fd, in, BLOCK, 0);
    if (n < 0 && errno == EAGAIN) {
        return 0;
    }
    if (n <= 0) {
        (void)close(fd);
        return 0;
    }
    in[n] = '\0';
    bool closes = strcasestr(in, "\r\nConnection: close") != NULL;
    bool sent =
        closes ? load_send(fd, once, sizeof once - 1) : load_send(fd, keep, sizeof keep - 1);
    if (closes || !sent) {
        (void)close(fd);
    }
    return sent;
}

/* Each line on the input prints the number of requests so far; its end ends the server. */
int load_serve(const struct load_options *o)
{
    uint64_t requests = 0;
    int listener = listen_on(o->port);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event e = {.events = EPOLLIN, .data.fd = listener};
    struct epoll_event input = {.events = EPOLLIN, .data.fd = STDIN_FILENO};
    if (listener < 0 || epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &e) != 0 ||
        epoll_ctl(epoll, EPOLL_CTL_ADD, STDIN_FILENO, &input) != 0) {
        return 1;
    }
    for (;;) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            char line[64];
            if (fd == listener) {
                on_accept(epoll, listener);
            } else if (fd != STDIN_FILENO) {
                requests += on_request(fd);
            } else if (read(fd, line, sizeof line) > 0) {
                (void)printf("%llu\n", (unsigned long long)requests);
                (void)fflush(stdout);
            } else {
                return 0;
            }
        }
    }
}

int load_disk(const char *dir, double seconds)
{
    static const char block[BLOCK] = "x";
    struct tally t = {0};
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/disk-speed", dir);
    int fd = open(path, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0) {
        (void)fprintf(stderr, "load: %s: %s\n", path, strerror(errno));
        return 1;
    }
    (void)fallocate(fd, 0, 0, DISK_FILE); /* as the server's log does; slower without, not wrong */
    uint64_t begin = load_now_ns();
    uint64_t now = begin;
    for (off_t at = 0; (double)(now - begin) < seconds * 1e9; at = (at + BLOCK) % DISK_FILE) {
        if (pwrite(fd, block, BLOCK, at) != BLOCK || fdatasync(fd) != 0) {
            tally_fail(&t, "%s: %s", path, strerror(errno));
            break;
        }
        uint64_t then = now;
        now = load_now_ns();
        histogram_add(&t.latency, now - then);
        t.ops++;
    }
    load_print(&t, (double)(now - begin) / 1e9, -1, "");
    (void)close(fd);
    (void)unlink(path);
    return 0;
}
