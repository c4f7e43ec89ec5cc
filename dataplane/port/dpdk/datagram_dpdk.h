/* datagram_dpdk: datagrams between members on the dpdk port's device, without lwIP.
 *
 *   device ─▶ queue k ─▶ port k (NET k) ─ for our UDP port? ─▶ link k ─▶ poll: received ─▶ PEER
 *   device ◀─ queue 0 ◀─ port 0's burst ◀─ Ethernet, IPv4, UDP in front ◀─ send ◀────────── PEER
 *
 * PEER runs on NET 0's worker, as port 0's burst is shared. A device with several queues gives a
 * peer's datagrams to any of them, so each has a link to here; whoever wires the workers wakes NET
 * 0's for datagram_published. Who has which Ethernet address is learnt from what peers send,
 * and asked of lwIP's ARP table before that: a datagram to a neighbour not known yet is lost, and
 * the request leaves in its place. UDP's checksum is left out on the way out and not looked at on
 * the way in: what travels has a CRC of its own (peer_frame). IPv4 only. */
#pragma once

#include "dataplane/port/datagram.h"
#include "dataplane/port/dpdk/port_dpdk.h"

/* datagram_dpdk_open gives the device's datagrams for UDP port listen->port (not 0); the IP address
 * is the device's, and listen's must be the same or zero. Before the workers start; finished before
 * port_dpdk_stop. Returns 0, ERR_CONFIG (another address), ERR_BUSY (opened already), ERR_NOMEM,
 * ERR_UNSUPPORTED (built without DPDK). */
MUST_USE int datagram_dpdk_open(struct port_dpdk_device *device, const struct address *listen,
                                struct datagram_port **port, struct fault *fault);
