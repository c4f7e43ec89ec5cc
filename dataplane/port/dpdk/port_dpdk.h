/* port_dpdk: the port on a DPDK device: a poll-mode NIC by its PCI address, or a virtual device.
 * TCP is lwIP's (lwip/stack.h).
 *
 *   device ──queue 0──▶ port 0: lwIP copy 0 ──▶ NET 0      a flow stays on one queue (RSS, fanout)
 *          ──queue 1──▶ port 1: lwIP copy 1 ──▶ NET 1
 *                          └──── who is where is told to the others: ARP, ND ────┘
 *
 * Whoever gets an ARP request or an ICMP echo request answers it. Checksums are the device's where
 * it reports that it can, per frame on the way in; else software's.
 *
 * With a VLAN id every frame of the port carries it, and only frames that do are taken. Without,
 * frames are taken that have no tag, or one of priority alone (id 0). Tags are put in and taken off
 * by the device, or in software. A datagram port may have a priority of its own.
 *
 * Parking: the sockets and descriptors that the device's driver opened (af_packet, af_xdp, tap) are
 * waited on; a device without any is polled every PORT_DPDK_BLIND_NS by a worker that parks: give
 * such a worker spin, pause or yield.
 *
 * start, stop: one thread, before the workers start and after they have ended. Each port: one
 * role. */
#pragma once

#include "base/device_facts.h"
#include "base/say.h"
#include "dataplane/port/port.h"

#define PORT_DPDK_NETS_MAX 16
#define PORT_DPDK_BLIND_NS 100000ull

struct port_dpdk_setup {
    const char *eal;         /* EAL's command line: at least a --vdev or a -a */
    struct address ip;       /* IPv4 (mapped) or IPv6; the port: TCP's, that is listened on */
    uint32_t prefix_size;    /* of ip: in [0, 32], or 64 */
    struct address gateway;  /* zeros: none */
    uint32_t net_count;      /* queues, one for each NET; in [1, port_dpdk_nets_max()] */
    uint32_t mbuf_count;     /* frames in the device's pool; 0: enough for full rings and a burst */
    uint64_t memory_limit;   /* bytes of each lwIP; 0: 256 MiB */
    uint64_t seed;           /* secret */
    bool plain;              /* no offload is used, but RSS */
    uint16_t mtu;            /* of IP, in [1500, 9000]; 0: the device's, at most 1500 */
    uint16_t vlan;           /* 802.1Q id of all frames, in [1, 4094]; 0: they have none */
};

/* Frames, of one port. Written by its role, read by CTL: relaxed. */
struct port_dpdk_counters {
    _Atomic uint64_t rx_frames, tx_frames;
    _Atomic uint64_t rx_bad; /* a checksum was wrong by the device's word, or the frame is odd */
    _Atomic uint64_t rx_other_vlan; /* dropped: of another VLAN, or not tagged with ours */
    _Atomic uint64_t tx_dropped;  /* the device's ring was full, or the pool empty */
};

struct port_dpdk_device;

/* Most NETs on this port: the copies of lwIP in this program; 0 when it was built without DPDK. */
uint32_t port_dpdk_nets_max(void);

/* port_dpdk_start starts EAL and the first device that it finds. Once in a process. Returns 0,
 * ERR_UNSUPPORTED (built without DPDK; more queues than the device has), ERR_CONFIG, ERR_NOTFOUND
 * (no device), ERR_NOMEM, ERR_IO, ERR_BUSY; fault says what to do. Copies setup. */
MUST_USE int port_dpdk_start(const struct port_dpdk_setup *setup,
                             struct port_dpdk_device **device, struct fault *fault);
void port_dpdk_stop(struct port_dpdk_device *device);

/* port_dpdk_look starts EAL and the device, with one queue, looks what it can, and stops both. Once
 * in a process. Returns as port_dpdk_start. */
MUST_USE int port_dpdk_look(const char *eal, bool plain, struct device_facts *facts,
                            struct fault *fault);

/* port_dpdk_open gives the port of NET `net_index`. Returns 0, ERR_RANGE, ERR_NOMEM, ERR_BUSY. The
 * ports are finished (port_fini) before port_dpdk_stop. */
MUST_USE int port_dpdk_open(struct port_dpdk_device *device, uint32_t net_index,
                            const struct port_setup *setup, struct port **port,
                            struct fault *fault);

/* "net_af_packet, 02:..:01, 1 queue, parks; checksums: software": for the start-up line. */
const char *port_dpdk_text(const struct port_dpdk_device *device, char *text, uint32_t size);

/* What it can do and what is used; nothing (driver "") where takt is built without DPDK. Lent for
 * the device's life. */
const struct device_facts *port_dpdk_facts(const struct port_dpdk_device *device);

const struct port_dpdk_counters *port_dpdk_counters(const struct port *port);
