/* The kernel's transport: one non-blocking UDP socket, recvmmsg and sendmmsg. */
#include "tools/libtakt/takt_client.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct takt_socket {
    int fd;
    uint32_t node_count;
    struct sockaddr_in6 nodes[TAKT_NODES_MAX]; /* IPv4 as ::ffff:a.b.c.d */
    struct mmsghdr heads[TAKT_BURST];
    struct iovec parts[TAKT_BURST];
    struct sockaddr_in6 names[TAKT_BURST];
};

static void socket_heads(struct takt_socket *s, const struct takt_datagram *datagrams,
                         uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        s->parts[i] = (struct iovec){datagrams[i].bytes, datagrams[i].size};
        s->heads[i].msg_hdr = (struct msghdr){.msg_name = &s->names[i],
                                              .msg_namelen = sizeof(s->names[i]),
                                              .msg_iov = &s->parts[i],
                                              .msg_iovlen = 1};
    }
}

static uint32_t socket_send(void *context, const struct takt_datagram *datagrams, uint32_t count)
{
    struct takt_socket *s = context;
    count = count < TAKT_BURST ? count : TAKT_BURST;
    socket_heads(s, datagrams, count);
    for (uint32_t i = 0; i < count; i++)
        s->heads[i].msg_hdr.msg_name = &s->nodes[datagrams[i].node];
    int n = sendmmsg(s->fd, s->heads, count, MSG_DONTWAIT | MSG_NOSIGNAL);
    return n < 0 ? 0 : (uint32_t)n;
}

static uint32_t socket_receive(void *context, struct takt_datagram *datagrams, uint32_t count)
{
    struct takt_socket *s = context;
    uint32_t kept = 0;
    count = count < TAKT_BURST ? count : TAKT_BURST;
    socket_heads(s, datagrams, count);
    int n = recvmmsg(s->fd, s->heads, count, MSG_DONTWAIT, NULL);
    for (int i = 0; i < n; i++) {
        uint32_t node = 0;
        while (node < s->node_count &&
               (s->names[i].sin6_port != s->nodes[node].sin6_port ||
                memcmp(&s->names[i].sin6_addr, &s->nodes[node].sin6_addr, 16)))
            node++;
        if (node == s->node_count)
            continue; /* a stranger's */
        struct takt_datagram found = {node, s->heads[i].msg_len, datagrams[i].bytes};
        datagrams[i].bytes = datagrams[kept].bytes;
        datagrams[kept++] = found;
    }
    /* A burst of strangers only: what is behind it comes with the next poll. */
    return kept;
}

static uint64_t socket_now(void *context)
{
    return takt_now_ns();
}

static void socket_wait(void *context, uint64_t until_ns)
{
    struct takt_socket *s = context;
    struct pollfd at = {.fd = s->fd, .events = POLLIN};
    uint64_t now_ns = takt_now_ns();
    if (until_ns <= now_ns)
        return;
    uint64_t left_ns = until_ns - now_ns < 1000000000 ? until_ns - now_ns : 1000000000;
    struct timespec left = {(time_t)(left_ns / 1000000000), (long)(left_ns % 1000000000)};
    (void)ppoll(&at, 1, &left, NULL);
}

static void socket_close(void *context)
{
    struct takt_socket *s = context;
    if (s->fd >= 0)
        close(s->fd);
    free(s);
}

/* "host:port", "host", "[v6]:port" in [at, end) becomes the next address. */
static int socket_name(struct takt_socket *s, const char *at, size_t size)
{
    char host[256], *port = NULL;
    struct addrinfo wish = {
        .ai_family = AF_INET6, .ai_flags = AI_V4MAPPED, .ai_socktype = SOCK_DGRAM};
    struct addrinfo *found = NULL;
    if (size == 0 || size >= sizeof(host) || s->node_count == TAKT_NODES_MAX)
        return TAKT_ERROR_ARGUMENT;
    memcpy(host, at, size);
    host[size] = 0;
    char *name = host, *close_at = strchr(host, ']');
    if (*name == '[' && close_at) {
        name++;
        *close_at = 0;
        port = close_at[1] == ':' ? close_at + 2 : NULL;
    } else if ((port = strrchr(host, ':'))) {
        *port++ = 0;
    }
    if (getaddrinfo(name, port ? port : "2182", &wish, &found) || !found)
        return TAKT_ERROR_SOCKET;
    memcpy(&s->nodes[s->node_count++], found->ai_addr, sizeof(s->nodes[0]));
    freeaddrinfo(found);
    return 0;
}

int takt_socket_open(const char *nodes, struct takt_transport *transport)
{
    struct takt_socket *s = calloc(1, sizeof(*s));
    if (!s)
        return TAKT_ERROR_MEMORY;
    s->fd = -1;
    int err = 0, off = 0;
    while (!err) {
        size_t size = strcspn(nodes, ",");
        err = socket_name(s, nodes, size);
        if (nodes[size] == 0)
            break;
        nodes += size + 1;
    }
    if (!err) {
        s->fd = socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (s->fd < 0 || setsockopt(s->fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)))
            err = TAKT_ERROR_SOCKET;
    }
    if (err) {
        socket_close(s);
        return err;
    }
    *transport = (struct takt_transport){s,          s->node_count, socket_send, socket_receive,
                                         socket_now, socket_wait,   socket_close};
    return 0;
}
