/* port_dpdk_parts: what the port of streams and the port of datagrams of one device share. For
 * dataplane/port/dpdk only. */
#pragma once

#include "base/lines.h"
#include "base/link.h"
#include "dataplane/port/dpdk/device.h"
#include "dataplane/port/dpdk/port_dpdk.h"
#include "dataplane/port/lwip/stack.h"

#include <rte_mbuf.h>
#include <string.h>

#define DPDK_BURST         32
#define DPDK_DATAGRAMS_MAX (PORT_DPDK_NETS_MAX + 1) /* a NET's each, and PEER's */

struct port_dpdk {
    _Alignas(LINES_SIZE) struct port base;
    struct port_dpdk_device *device;
    const struct stack_ops *stack;
    uint16_t queue;
    bool registered; /* the thread has an lcore id, so that the pool's cache works for it */
    bool rx_full;    /* the last burst was full: there may be more */
    uint16_t tx_count;
    struct rte_mbuf *tx_next; /* given out as room, not sent yet */
    struct rte_mbuf *tx[DPDK_BURST];
    int epoll_fd, wake_fd;
    struct port_dpdk_counters counters; /* the same NET writes them */
};
LINES_OWN(struct port_dpdk);

struct port_dpdk_device {
    struct device device;
    struct port_dpdk_setup setup;
    struct port_dpdk *ports[PORT_DPDK_NETS_MAX];
    /* [from][to]: who is where, as from has heard */
    struct link *neighbours[PORT_DPDK_NETS_MAX][PORT_DPDK_NETS_MAX];
    struct datagram_dpdk *datagrams[DPDK_DATAGRAMS_MAX]; /* set before the workers start */
    uint32_t datagram_count;
};

/* True for ::ffff:a.b.c.d, which is IPv4. */
static inline bool port_dpdk_is_v4(const struct address *address)
{
    static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};
    return memcmp(address->ip, prefix, sizeof(prefix)) == 0;
}

/* True when the device has found the frame's UDP or TCP checksum wrong, and is asked to look. */
static inline bool port_dpdk_sum_bad(const struct port_dpdk *port, enum device_offload which,
                                     uint64_t ol_flags)
{
    return device_uses(&port->device->device.facts, which) &&
           (ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_BAD;
}

/* port_dpdk_queue sends a frame with the port's next burst, tagged with the port's VLAN and the
 * priority, in [0, 7], unless both are 0; takes it. port_dpdk_transmit gives what is queued to the
 * device; what it does not take is dropped and counted. Role: the port's NET. */
void port_dpdk_queue(struct port_dpdk *port, struct rte_mbuf *frame, uint8_t priority);
void port_dpdk_transmit(struct port_dpdk *port);

/* datagram_dpdk_take takes a received frame when it is a datagram for one that is open: for the one
 * of this queue, where several have the number. Role: the port's NET. */
bool datagram_dpdk_take(struct port_dpdk *port, struct rte_mbuf *frame);
