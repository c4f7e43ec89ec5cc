/* datagram_kernel: datagrams on a UDP socket of the kernel. recvmmsg and sendmmsg on memory taken
 * at open; one socket, IPv4, or IPv6 (which speaks IPv4 too when bound to "::").
 *
 * Don't-fragment is set on everything (path MTU discovery, RFC 1191, RFC 8201): IP neither splits
 * nor joins, and a datagram that is too large for a hop is reported and dropped. One role. */
#pragma once

#include "base/say.h"
#include "dataplane/port/datagram.h"

struct datagram_kernel_setup {
    struct address listen; /* an IPv4 address is IPv4-mapped; port 0: any free one */
    uint32_t size_limit;   /* no datagram above it, whatever the route says; 0: none */
    bool shared;           /* with others at this address: each sender's come to one of them */
    bool first;            /* of those that share: refused when somebody else listens there */
    uint8_t priority;      /* SO_PRIORITY of what is sent: in [0, 7] */
    uint32_t buffer_size;  /* of the socket, each way, as far as the system allows; 0: 4 MiB */
};

/* datagram_kernel_open binds a socket. Copies setup. Returns 0, ERR_RANGE (size_limit below
 * DATAGRAM_SIZE_MIN), ERR_NOMEM, ERR_BUSY (address in use), ERR_NOTFOUND (no such address on this
 * machine), ERR_UNSUPPORTED (address family, or no permission for the port or priority), ERR_LIMIT
 * (descriptors), ERR_IO; fault says which address and what to do. */
MUST_USE int datagram_kernel_open(const struct datagram_kernel_setup *setup,
                                  struct datagram_port **port, struct fault *fault);

/* The socket's receive buffer in bytes as the kernel granted it: half of it or less is payload. */
uint32_t datagram_kernel_buffer_size(const struct datagram_port *port);
