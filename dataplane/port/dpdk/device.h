/* device: one Ethernet device of DPDK with its queues and its pool of frames. Control path only;
 * the burst calls are port_dpdk's. */
#pragma once

#include "base/device_facts.h"
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
    struct device_facts facts;
    struct rte_mempool *pool;
    int fds[DEVICE_FDS_MAX]; /* that the driver opened and that become readable with frames */
    uint32_t fd_count;
};

/* The descriptors open now; taken before EAL starts, so that the driver's own are known after. */
struct device_fds {
    uint64_t open[1024 / 64];
};
void device_fds_look(struct device_fds *fds);

struct device_setup {
    uint16_t queue_count;
    uint16_t private_size; /* bytes behind each frame's struct */
    uint32_t mbuf_count;   /* frames in the pool; 0: chosen */
    bool plain;            /* no offloads */
    uint16_t mtu;          /* as device_mtu_plan's wanted */
};

/* device_start configures and starts the first device. Returns 0 or as port_dpdk_start. */
MUST_USE int device_start(struct device *device, const struct device_setup *setup,
                          const struct device_fds *before, struct fault *fault);
void device_stop(struct device *device);
