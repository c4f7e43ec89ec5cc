/* device: one Ethernet device of DPDK with its queues and its pool of frames. Control path only;
 * the burst calls are port_dpdk's. */
#pragma once

#include "base/err.h"
#include "base/say.h"

#include <stdbool.h>
#include <stdint.h>

#define DEVICE_FDS_MAX 64

struct rte_mempool;

struct device {
    uint16_t id; /* DPDK's port id */
    uint16_t queue_count;
    uint16_t mtu;
    uint8_t mac[6];
    const char *driver;
    bool rx_ip, rx_tcp; /* the device says of each frame whether its checksums are right */
    bool tx_ip, tx_tcp; /* the device fills checksums in */
    bool rss;
    struct rte_mempool *pool;
    int fds[DEVICE_FDS_MAX]; /* that the driver opened and that become readable with frames */
    uint32_t fd_count;
};

/* The descriptors open now; taken before EAL starts, so that the driver's own are known after. */
struct device_fds {
    uint64_t open[1024 / 64];
};
void device_fds_look(struct device_fds *fds);

/* device_start configures and starts the first device, with `queues` queue pairs and a pool of
 * mbuf_count frames (0: chosen) whose private room is private_size bytes. Returns 0 or as
 * port_dpdk_start. */
MUST_USE int device_start(struct device *device, uint16_t queues, uint32_t mbuf_count,
                          uint16_t private_size, const struct device_fds *before,
                          struct fault *fault);
void device_stop(struct device *device);
