/* device_mtu: the size of frames: what is asked for against what the device takes, and how large
 * its buffers must be. A frame lies in one buffer. Control path. */
#pragma once

#include "base/err.h"
#include "base/say.h"

#include <stdbool.h>
#include <stdint.h>

struct rte_eth_dev_info;

#define DEVICE_MTU_PLAIN 1500u
#define DEVICE_MTU_MAX   9000u

struct device_mtu {
    uint16_t mtu;        /* of IP */
    uint16_t mtu_max;    /* that the device would take as it is set up now */
    bool by_driver;      /* the driver is told; else it goes by its interface (net_af_packet) */
    uint32_t frame_size; /* room for a frame with its tag, bytes: a buffer behind its headroom */
};

/* device_mtu_plan: wanted in [DEVICE_MTU_PLAIN, DEVICE_MTU_MAX], or 0: at most DEVICE_MTU_PLAIN.
 * args are the device's ("iface=eth1,framesz=2048"); interface_mtu is that of the kernel's
 * interface under it, 0: none. Returns 0 or ERR_UNSUPPORTED: the device does not take such frames;
 * fault says what to change. Pure. */
MUST_USE int device_mtu_plan(const struct rte_eth_dev_info *info, const char *args,
                             uint32_t interface_mtu, uint16_t wanted, struct device_mtu *plan,
                             struct fault *fault);
