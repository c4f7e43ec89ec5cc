/* kernel_listener: one listening TCP socket of the kernel port.
 *
 * With several NETs each has a listener of its own on the same address (SO_REUSEPORT; the kernel
 * spreads connections over them). NET 0 binds before it sets that option, so that an address in use
 * by another process, takt or not, is still reported. Before the roles start; accept: the NET. */
#pragma once

#include "base/err.h"
#include "base/messages.h"
#include "base/say.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct kernel_listener {
    int fd;
    struct address address; /* as bound: the port is the real one when 0 was asked for */
};

struct kernel_listener_setup {
    struct address address; /* IPv4-mapped: an IPv4 socket; "::": both families unless only_v6 */
    bool only_v6;
    bool shared;     /* other NETs of this process listen on the address too */
    bool first;      /* this one is the first of them */
    int backlog;     /* connections that the kernel holds until they are accepted; 0: 4096 */
};

/* kernel_listener_open binds and listens. Returns 0, ERR_BUSY (address in use), ERR_NOTFOUND (no
 * such address on this machine), ERR_UNSUPPORTED (no IPv6 here, or no permission for the port),
 * ERR_LIMIT (descriptors), ERR_IO; fault says which address and what to do. */
MUST_USE int kernel_listener_open(struct kernel_listener *listener,
                                  const struct kernel_listener_setup *setup, struct fault *fault);
void kernel_listener_close(struct kernel_listener *listener);

/* kernel_listener_accept takes one connection, non-blocking and without Nagle's delay. Returns the
 * descriptor and the peer, or -1 with errno. */
int kernel_listener_accept(const struct kernel_listener *listener, struct address *peer);

/* kernel_listener_address converts a socket address (IPv4 and IPv6; else all zero). Pure. */
struct address kernel_listener_address(const struct sockaddr_storage *from);

/* kernel_listener_sockaddr converts the other way; returns the size. Pure. */
socklen_t kernel_listener_sockaddr(const struct address *address, struct sockaddr_storage *to);

/* kernel_listener_fault turns errno `code` of a bind into an ERR_* of kernel_listener_open and its
 * sentence. */
int kernel_listener_fault(int code, const struct address *address, struct fault *fault);

/* kernel_listener_text writes "1.2.3.4:2181" or "[::1]:2181". size at least 56. Returns text. */
const char *kernel_listener_text(const struct address *address, char *text, uint32_t size);
