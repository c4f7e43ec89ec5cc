#include "tools/takt/address.h"

#include "tools/takt/opts.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int address_split(const char *text, char host[256], uint16_t *port, struct fault *fault)
{
    const char *colon = strrchr(text, ':'), *end = colon ? colon : text + strlen(text);
    if (strchr(text, ',') != NULL)
        return fault_set(fault, ERR_MALFORMED, "\"%s\" is a list; one HOST:PORT is wanted here",
                         text);
    if (text[0] == '[') {
        const char *bracket = strchr(text, ']');
        if (bracket == NULL || (bracket[1] != '\0' && bracket[1] != ':'))
            return fault_set(fault, ERR_MALFORMED, "\"%s\" is no address; write [IPv6]:PORT", text);
        colon = bracket[1] == ':' ? bracket + 1 : NULL;
        text++;
        end = bracket;
    } else if (colon != NULL && strchr(text, ':') != colon) {
        return fault_set(fault, ERR_MALFORMED, "write an IPv6 address as [%s]:2181", text);
    }
    uint64_t value = 2181;
    if (colon != NULL && opts_number(colon + 1, 1, 65535, &value) != 0)
        return fault_set(fault, ERR_MALFORMED, "\"%s\" is no port: 1 to 65535", colon + 1);
    size_t size = (size_t)(end - text);
    if (size > 255)
        return fault_set(fault, ERR_MALFORMED, "a host name has at most 255 bytes");
    memcpy(host, text, size);
    host[size] = '\0';
    if (size == 0)
        strcpy(host, "127.0.0.1");
    *port = (uint16_t)value;
    return 0;
}

int address_check(const char *list, struct fault *fault)
{
    char one[512], host[256];
    uint16_t port;
    int err = *list ? 0 : fault_set(fault, ERR_MALFORMED, "no server is named");

    for (const char *at = list; !err && *at != '\0';) {
        size_t size = strcspn(at, ",");
        if (size >= sizeof(one))
            return fault_set(fault, ERR_MALFORMED, "a server's name is too long");
        snprintf(one, sizeof(one), "%.*s", (int)size, at);
        if (size > 0)
            err = address_split(one, host, &port, fault);
        at += size + (at[size] == ',');
    }
    return err;
}

int address_resolve(const char *text, struct address_tcp *address, struct fault *fault)
{
    char host[256], service[8];
    uint16_t port;
    int err = address_split(text, host, &port, fault);
    if (err != 0)
        return err;
    snprintf(service, sizeof(service), "%u", port);
    struct addrinfo want = {.ai_socktype = SOCK_STREAM}, *found;
    int code = getaddrinfo(host, service, &want, &found);
    if (code != 0)
        return fault_set(fault, ERR_NOTFOUND, "cannot find the host \"%s\": %s", host,
                         gai_strerror(code));
    memcpy(&address->at, found->ai_addr, found->ai_addrlen);
    address->size = found->ai_addrlen;
    freeaddrinfo(found);
    return 0;
}

/* Waits for the outcome of a connect in progress. Returns 0 or an errno. */
static int address_await(int fd, uint32_t timeout_ms)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
    int code = 0;
    socklen_t size = sizeof(code);
    int n = poll(&poll_fd, 1, (int)timeout_ms);
    if (n == 0)
        return ETIMEDOUT;
    if (n < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &size) != 0)
        return errno;
    return code;
}

int address_connect(const struct address_tcp *address, uint32_t timeout_ms, int *fd,
                    struct fault *fault)
{
    int one = 1, code = 0;
    int s = socket(address->at.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s < 0)
        return fault_set(fault, ERR_IO, "no socket: %s", strerror(errno));
    if (connect(s, (const struct sockaddr *)&address->at, address->size) != 0)
        code = errno == EINPROGRESS ? address_await(s, timeout_ms) : errno;
    if (code != 0) {
        close(s);
        return fault_set(fault, ERR_IO, "cannot connect: %s", strerror(code));
    }
    (void)setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    (void)fcntl(s, F_SETFL, fcntl(s, F_GETFL) & ~O_NONBLOCK);
    *fd = s;
    return 0;
}
