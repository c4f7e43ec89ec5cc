/* takt_dpdk: a transport of libtakt over a device of DPDK, for control loops whose core drives a
 * port of its own: no system call from request to answer.
 *
 *   takt_poll ─▶ transport.send ────▶ datagrams ─▶ Ethernet, IP, UDP ─▶ device (queue 0)
 *             ◀─ transport.receive ◀─ datagrams ◀─ our UDP port ◀────── device
 *                                                     └─ ARP, neighbour discovery, echo: lwIP
 *
 * The address belongs to the transport: the kernel must not have it. One in a process, as DPDK
 * starts once in a process; used by the thread that uses the client. A library of its own
 * (libtakt_dpdk, static), so that libtakt needs no DPDK. */
#ifndef TAKT_DPDK_H
#define TAKT_DPDK_H

#include "tools/libtakt/takt.h"

#ifdef __cplusplus
extern "C" {
#endif

struct takt_dpdk_config {
    const char *eal;     /* EAL's command line: at least a --vdev or a -a */
    const char *address; /* own address and network: "192.168.7.9/24" */
    const char *gateway; /* to nodes of other networks; NULL: none */
    const char *nodes;   /* "192.168.7.2:2182,..."; numbers only; the port may be left out: 2182 */
    uint16_t port;       /* own UDP port; 0: 2183 */
    uint16_t vlan;       /* 802.1Q: id of all frames, in [1, 4094]; 0: none */
    uint8_t priority;    /* 802.1Q: of the requests, in [0, 7] */
};

/* takt_dpdk_open starts DPDK and its first device, and fills *transport in, which takt_open's
 * config.transport may point to. Takes memory; transport's functions do not. Returns 0, or with a
 * sentence in why[size]: TAKT_ERROR_ARGUMENT (a text means no address), TAKT_ERROR_MEMORY,
 * TAKT_ERROR_SOCKET (the device does not start, or this build has no DPDK). Borrows config for the
 * call. Ends with transport->close, which takt_free calls. */
int takt_dpdk_open(const struct takt_dpdk_config *config, struct takt_transport *transport,
                   char *why, uint32_t size);

#ifdef __cplusplus
}
#endif
#endif
