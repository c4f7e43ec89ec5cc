/* A bare TCP echo, to measure what the path itself costs: fixed-size requests, fixed-size replies.
 *
 *   echo serve PORT REQUEST REPLY          answers each REQUEST bytes with REPLY bytes, until
 * killed echo ask   PORT REQUEST REPLY SECONDS  one connection, one request outstanding; prints one
 * line: samples p50_ns p99_ns p999_ns mean_ns
 *
 * Both sides sleep in epoll between messages, as a server with many connections does. Loopback
 * only. */
#include "base/clock.h"
#include "base/hist.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define ECHO_SIZE_MAX 65536

struct echo {
    struct sockaddr_in at;
    size_t request_size, reply_size;
    uint8_t room[ECHO_SIZE_MAX];
};

static int echo_fail(const char *what)
{
    fprintf(stderr, "echo: %s: %s\n", what, strerror(errno));
    return 1;
}

/* Waits in epoll and reads until size bytes are there. False when the peer is gone. */
static bool echo_take(int epoll_fd, int fd, uint8_t *into, size_t size)
{
    struct epoll_event event;
    for (size_t to = 0; to < size;) {
        if (epoll_wait(epoll_fd, &event, 1, -1) < 0 && errno != EINTR)
            return false;
        ssize_t n = recv(fd, into + to, size - to, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
            return false;
        to += n > 0 ? (size_t)n : 0;
    }
    return true;
}

static int echo_epoll(int fd)
{
    struct epoll_event event = {.events = EPOLLIN};
    int one = 1, epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (epoll_fd >= 0 && epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        close(epoll_fd);
        return -1;
    }
    return epoll_fd;
}

static int echo_serve(struct echo *echo)
{
    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(listener, (struct sockaddr *)&echo->at, sizeof(echo->at)) != 0 ||
        listen(listener, 16) != 0)
        return echo_fail("cannot listen");
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0)
            continue;
        int epoll_fd = echo_epoll(fd);
        while (epoll_fd >= 0 && echo_take(epoll_fd, fd, echo->room, echo->request_size))
            if (send(fd, echo->room, echo->reply_size, MSG_NOSIGNAL) != (ssize_t)echo->reply_size)
                break;
        close(fd);
        if (epoll_fd >= 0)
            close(epoll_fd);
    }
}

static int echo_ask(struct echo *echo, double seconds)
{
    struct hist *hist = malloc(sizeof(*hist));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (hist == NULL || connect(fd, (struct sockaddr *)&echo->at, sizeof(echo->at)) != 0)
        return echo_fail("cannot connect");
    int epoll_fd = echo_epoll(fd);
    uint64_t now_ns = clock_now().mono_ns, start_ns = now_ns + NS_PER_S / 5;
    uint64_t end_ns = start_ns + (uint64_t)(seconds * 1e9);
    hist_init(hist);
    while (now_ns < end_ns) {
        uint64_t from_ns = now_ns;
        if (send(fd, echo->room, echo->request_size, MSG_NOSIGNAL) != (ssize_t)echo->request_size ||
            !echo_take(epoll_fd, fd, echo->room, echo->reply_size))
            return echo_fail("the server went away");
        now_ns = clock_now().mono_ns;
        if (from_ns >= start_ns)
            hist_record(hist, now_ns - from_ns);
    }
    printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %.0f\n", hist->count,
           hist_percentile(hist, 50), hist_percentile(hist, 99), hist_percentile(hist, 99.9),
           hist->count ? hist->sum_ns / (double)hist->count : 0.0);
    free(hist);
    close(epoll_fd);
    close(fd);
    return 0;
}

int main(int argc, char **argv)
{
    static struct echo echo;
    bool asks = argc == 6 && strcmp(argv[1], "ask") == 0;
    if (!asks && !(argc == 5 && strcmp(argv[1], "serve") == 0)) {
        fputs("usage: echo serve PORT REQUEST REPLY | echo ask PORT REQUEST REPLY SECONDS\n",
              stderr);
        return 2;
    }
    echo.at.sin_family = AF_INET;
    echo.at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    echo.at.sin_port = htons((uint16_t)atoi(argv[2]));
    echo.request_size = strtoul(argv[3], NULL, 10);
    echo.reply_size = strtoul(argv[4], NULL, 10);
    if (echo.request_size < 1 || echo.request_size > ECHO_SIZE_MAX || echo.reply_size < 1 ||
        echo.reply_size > ECHO_SIZE_MAX) {
        fputs("echo: sizes are in [1, 65536]\n", stderr);
        return 2;
    }
    return asks ? echo_ask(&echo, strtod(argv[5], NULL)) : echo_serve(&echo);
}
