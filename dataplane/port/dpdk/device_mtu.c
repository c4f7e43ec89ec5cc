#include "dataplane/port/dpdk/device_mtu.h"

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <stdlib.h>
#include <string.h>

/* Ethernet header, tag and checksum, and what a datagram's alignment takes. */
#define FRAME_EXTRA   (RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN + RTE_ETHER_CRC_LEN + 8u)
#define FRAME_STEP    1024u
#define FRAME_PLAIN   (RTE_MBUF_DEFAULT_BUF_SIZE - RTE_PKTMBUF_HEADROOM)
#define PACKET_FRAME  2048u /* net_af_packet's frames, when framesz does not say */
#define PACKET_BEFORE 80u   /* in front of IP in such a frame: the kernel's words and Ethernet */

/* net_af_packet says 1518 of every interface; its frames are as large as the interface's are, and
 * as its ring has room for: what does not fit is cut off without a word. */
static bool mtu_by_interface(const struct rte_eth_dev_info *info)
{
    return strcmp(info->driver_name, "net_af_packet") == 0;
}

static uint32_t packet_frame_size(const char *args)
{
    const char *at = args ? strstr(args, "framesz=") : NULL;
    return at ? (uint32_t)strtoul(at + strlen("framesz="), NULL, 10) : PACKET_FRAME;
}

/* As rte_ethdev reckons: what of a frame is not IP's. */
static uint32_t mtu_of_driver(const struct rte_eth_dev_info *info)
{
    uint32_t extra = RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN;
    if (info->max_mtu != UINT16_MAX && info->max_rx_pktlen > info->max_mtu)
        extra = info->max_rx_pktlen - info->max_mtu;
    uint32_t most = info->max_rx_pktlen > extra ? info->max_rx_pktlen - extra : 0;
    return most < info->max_mtu ? most : info->max_mtu;
}

static int plan_by_interface(const char *args, uint32_t interface_mtu, uint16_t wanted,
                             struct device_mtu *plan, struct fault *fault)
{
    uint32_t size = packet_frame_size(args);
    uint32_t most = size > PACKET_BEFORE ? size - PACKET_BEFORE : 0;
    if (interface_mtu < wanted)
        return fault_set(fault, ERR_UNSUPPORTED, "port.mtu is %u, and that of the interface under "
                         "net_af_packet is %u: ip link set dev ... mtu %u, at both ends", wanted,
                         interface_mtu, wanted);
    if (most < wanted)
        return fault_set(fault, ERR_UNSUPPORTED, "port.mtu is %u, and net_af_packet's frames have "
                         "room for %u: what is longer would be cut; give it "
                         "framesz=9216,blocksz=73728 in the EAL options", wanted, most);
    plan->mtu_max = (uint16_t)(most < interface_mtu ? most : interface_mtu);
    return 0;
}

int device_mtu_plan(const struct rte_eth_dev_info *info, const char *args, uint32_t interface_mtu,
                    uint16_t wanted, struct device_mtu *plan, struct fault *fault)
{
    const uint16_t mtu = wanted ? wanted : DEVICE_MTU_PLAIN;
    const bool by_interface = mtu_by_interface(info);
    uint32_t most = mtu_of_driver(info);
    *plan = (struct device_mtu){.mtu = mtu,
                                .mtu_max = (uint16_t)(most < UINT16_MAX ? most : UINT16_MAX),
                                .by_driver = wanted > DEVICE_MTU_PLAIN && !by_interface};
    if (wanted > DEVICE_MTU_PLAIN && by_interface) {
        int err = plan_by_interface(args, interface_mtu, wanted, plan, fault);
        if (err)
            return err;
    } else if (wanted && (wanted > most || wanted < info->min_mtu)) {
        return fault_set(fault, ERR_UNSUPPORTED, "port.mtu is %u, and the device (%s) takes %u to "
                         "%u", wanted, info->driver_name, info->min_mtu, most);
    }
    plan->frame_size = RTE_ALIGN(mtu + FRAME_EXTRA, FRAME_STEP);
    if (plan->frame_size < FRAME_PLAIN)
        plan->frame_size = FRAME_PLAIN;
    /* The driver wants a buffer to hold a frame of its ring. */
    if (by_interface && plan->frame_size < packet_frame_size(args))
        plan->frame_size = packet_frame_size(args);
    return 0;
}
