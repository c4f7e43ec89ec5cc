#include "dataplane/port/kernel_listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define KERNEL_LISTENER_BACKLOG 4096

static const uint8_t v4_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static bool address_is_v4(const struct address *address)
{
    return memcmp(address->ip, v4_prefix, sizeof(v4_prefix)) == 0;
}

struct address kernel_listener_address(const struct sockaddr_storage *from)
{
    struct address address = {0};
    if (from->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)from;
        memcpy(address.ip, v4_prefix, sizeof(v4_prefix));
        memcpy(address.ip + 12, &v4->sin_addr, 4);
        address.port = ntohs(v4->sin_port);
    } else if (from->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)from;
        memcpy(address.ip, &v6->sin6_addr, 16);
        address.port = ntohs(v6->sin6_port);
    }
    return address;
}

socklen_t kernel_listener_sockaddr(const struct address *address, struct sockaddr_storage *to)
{
    memset(to, 0, sizeof(*to));
    if (address_is_v4(address)) {
        struct sockaddr_in *v4 = (struct sockaddr_in *)to;
        v4->sin_family = AF_INET;
        v4->sin_port = htons(address->port);
        memcpy(&v4->sin_addr, address->ip + 12, 4);
        return sizeof(*v4);
    }
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)to;
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(address->port);
    memcpy(&v6->sin6_addr, address->ip, 16);
    return sizeof(*v6);
}

const char *kernel_listener_text(const struct address *address, char *text, uint32_t size)
{
    char ip[INET6_ADDRSTRLEN];
    if (address_is_v4(address)) {
        inet_ntop(AF_INET, address->ip + 12, ip, sizeof(ip));
        snprintf(text, size, "%s:%u", ip, address->port);
    } else {
        inet_ntop(AF_INET6, address->ip, ip, sizeof(ip));
        snprintf(text, size, "[%s]:%u", ip, address->port);
    }
    return text;
}

int kernel_listener_fault(int code, const struct address *address, struct fault *fault)
{
    char text[64];
    kernel_listener_text(address, text, sizeof(text));
    switch (code) {
    case EADDRINUSE:
        return fault_set(fault, ERR_BUSY, "cannot listen on %s: another process does; stop it, or "
                         "choose another port", text);
    case EADDRNOTAVAIL:
        return fault_set(fault, ERR_NOTFOUND, "cannot listen on %s: this machine has no such "
                         "address; see `ip addr`", text);
    case EACCES:
        return fault_set(fault, ERR_UNSUPPORTED, "cannot listen on %s: ports below 1024 need "
                         "CAP_NET_BIND_SERVICE; choose a higher port", text);
    case EAFNOSUPPORT:
        return fault_set(fault, ERR_UNSUPPORTED, "cannot listen on %s: this kernel has no such "
                         "address family", text);
    case EMFILE:
    case ENFILE:
        return fault_set(fault, ERR_LIMIT, "cannot listen on %s: no file descriptor is left; raise "
                         "`ulimit -n`", text);
    default:
        return fault_set(fault, ERR_IO, "cannot listen on %s: %s", text, strerror(code));
    }
}

static int option(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof(value));
}

static int listener_bind(int fd, const struct kernel_listener_setup *setup)
{
    struct sockaddr_storage at;
    socklen_t size = kernel_listener_sockaddr(&setup->address, &at);
    if (option(fd, SOL_SOCKET, SO_REUSEADDR, 1))
        return -1;
    if (at.ss_family == AF_INET6 && option(fd, IPPROTO_IPV6, IPV6_V6ONLY, setup->only_v6))
        return -1;
    if (setup->shared && !setup->first && option(fd, SOL_SOCKET, SO_REUSEPORT, 1))
        return -1;
    if (bind(fd, (struct sockaddr *)&at, size))
        return -1;
    if (setup->shared && setup->first && option(fd, SOL_SOCKET, SO_REUSEPORT, 1))
        return -1;
    /* Accepted sockets inherit this: no system call per connection. */
    if (option(fd, IPPROTO_TCP, TCP_NODELAY, 1))
        return -1;
    return listen(fd, setup->backlog ? setup->backlog : KERNEL_LISTENER_BACKLOG);
}

int kernel_listener_open(struct kernel_listener *listener,
                         const struct kernel_listener_setup *setup, struct fault *fault)
{
    int family = address_is_v4(&setup->address) ? AF_INET : AF_INET6;
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
    if (fd < 0)
        return kernel_listener_fault(errno, &setup->address, fault);
    struct sockaddr_storage bound;
    socklen_t size = sizeof(bound);
    if (listener_bind(fd, setup) || getsockname(fd, (struct sockaddr *)&bound, &size)) {
        int code = errno;
        close(fd);
        return kernel_listener_fault(code, &setup->address, fault);
    }
    listener->fd = fd;
    listener->address = kernel_listener_address(&bound);
    return 0;
}

void kernel_listener_close(struct kernel_listener *listener)
{
    if (listener->fd >= 0)
        close(listener->fd);
    listener->fd = -1;
}

int kernel_listener_accept(const struct kernel_listener *listener, struct address *peer)
{
    struct sockaddr_storage from;
    socklen_t size = sizeof(from);
    int fd = accept4(listener->fd, (struct sockaddr *)&from, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0)
        *peer = kernel_listener_address(&from);
    return fd;
}
