/* datagram_dpdk: datagrams on the dpdk port's device, without lwIP: between members, and of
 * controllers.
 *
 *   device ─▶ queue k ─▶ port k (NET k) ─ a UDP port of ours? ─▶ link k ─▶ poll: received ─▶ role
 *   device ◀─ queue n ◀─ port n's burst ◀─ Ethernet, IP, UDP in front ◀─ send ◀───────────── role
 *
 * The role (PEER, or the front end of native sessions) runs on the worker of one NET, n, as that
 * port's burst is shared. A device with several queues gives a datagram to any of them, unless it
 * can be told which one (device_flow.h), so each has a link to here; whoever wires the workers
 * wakes NET n's for datagram_published. Who has which Ethernet address is learnt from what comes,
 * and asked of lwIP's tables before that: a datagram to a neighbour not known yet is lost, and the
 * request leaves in its place. UDP's checksum is left out on the way out (not of IPv6, which asks
 * for it) and looked at by the device at most on the way in: what travels has a CRC of its own
 * (peer_frame, beat_wire). */
#pragma once

#include "dataplane/port/datagram.h"
#include "dataplane/port/dpdk/port_dpdk.h"

struct datagram_dpdk_setup {
    const char *name;      /* whose datagrams they are: "peers"; copied */
    struct address listen; /* UDP port, not 0; the IP address is the device's, or zero */
    uint32_t net_index;    /* on whose worker the role is */
    uint8_t priority;      /* 802.1Q, of what is sent: in [0, 7]; 0: as the port's frames */
    bool sole;             /* nobody else will have this UDP port: the device may steer it here */
};

/* datagram_dpdk_open gives the device's datagrams for one UDP port to a role; of several with that
 * port each takes what comes to its NET's queue. Before the workers start; finished before
 * port_dpdk_stop. Returns 0, ERR_CONFIG (another address, no such priority), ERR_BUSY (opened
 * already, or too many), ERR_NOMEM, ERR_UNSUPPORTED (built without DPDK). */
MUST_USE int datagram_dpdk_open(struct port_dpdk_device *device,
                                const struct datagram_dpdk_setup *setup,
                                struct datagram_port **port, struct fault *fault);
