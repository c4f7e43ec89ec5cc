/* port_kernel: the port on the kernel's TCP sockets and epoll. The default: any machine, no
 * privileges.
 *
 * open ────────── read 0 ─▶ ended ──┐
 *  │                                ├─ port_close(flush) ─▶ flushing ─▶ doomed ─▶ lingering ─▶ gone
 *  ├────────────────────────────────┘                         ▲  closed()
 *  └─ reset, error, port_close(now) ──────────────────────────┴────────────────────────────▶ gone
 *
 * System calls. Each socket is in the epoll set once, edge-triggered for both directions, so
 * nothing is ever re-armed: a stream is read until a read comes back short, and written once per
 * turn. One request alone costs epoll_wait, recv, send; a burst of them costs the same three
 * together. A flushing stream that makes no progress for 5 s is cut. A lingering one (its writing
 * side shut, to let the last bytes arrive although the peer still sends) is cut after 1 s.
 *
 * One role owns the port. */
#pragma once

#include "base/say.h"
#include "dataplane/port/port.h"

#define PORT_KERNEL_LISTEN_MAX 16

struct port_kernel_setup {
    struct port_setup port;
    const struct address *listen; /* an IPv4 address is IPv4-mapped; port 0: any free one */
    uint32_t listen_count;        /* in [1, PORT_KERNEL_LISTEN_MAX] */
    uint32_t net_index;           /* in [0, net_count); NET 0's port must be opened first */
    uint32_t net_count;           /* ports of this process that share the addresses */
    int backlog;                  /* 0: 4096 */
};

/* port_kernel_open listens, and gives a port. Copies setup; what setup.port points to must outlive
 * it. Returns 0, ERR_RANGE, ERR_NOMEM, or as kernel_listener_open, with the sentence in fault. */
MUST_USE int port_kernel_open(const struct port_kernel_setup *setup, struct port **port,
                              struct fault *fault);

/* port_kernel_address gives the address that listen[index] is bound to. */
struct address port_kernel_address(const struct port *port, uint32_t index);
