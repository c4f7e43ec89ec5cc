/* device_facts: what the dpdk port's device can do, and what is used of it. Made when the device
 * starts, then only read: in the node's page, by `takt nic show`. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum device_offload {
    DEVICE_RX_IP_SUM,
    DEVICE_RX_TCP_SUM,
    DEVICE_RX_UDP_SUM,
    DEVICE_TX_IP_SUM,
    DEVICE_TX_TCP_SUM,
    DEVICE_TX_UDP_SUM,
    DEVICE_RSS,
    DEVICE_VLAN_STRIP,
    DEVICE_VLAN_INSERT,
    DEVICE_FAST_FREE,
    DEVICE_RX_STAMP,
    DEVICE_OFFLOAD_COUNT,
};

#define DEVICE_BIT(offload) (1u << (offload))

#define DEVICE_FLOWS_MAX 4

/* How datagrams come to the queue of the NET that has their role. */
enum device_steer {
    DEVICE_STEER_ONE,      /* there is one queue */
    DEVICE_STEER_EACH,     /* each queue has a role of its own for them */
    DEVICE_STEER_DEVICE,   /* the device gives them to it (rte_flow) */
    DEVICE_STEER_SOFTWARE, /* whoever gets them hands them over; why */
};

/* Datagrams of one UDP port: of members, of controllers. */
struct device_flow {
    char name[16];
    char why[64];     /* DEVICE_STEER_SOFTWARE: in the driver's words; else "" */
    uint16_t number;  /* UDP port */
    uint16_t queue;   /* of the role; the first of several */
    uint8_t priority; /* 802.1Q, of what is sent */
    uint8_t steer;    /* enum device_steer */
};

/* All of them are numbers and text without pointers: the page is read by another process. */
struct device_facts {
    char driver[32]; /* "net_ixgbe"; "": there is no device */
    char name[32];   /* "0000:03:00.0", "net_af_packet0" */
    char mac[18];
    uint16_t queue_count; /* pairs in use, one for each NET */
    uint16_t queues_max;
    uint16_t mtu, mtu_min, mtu_max; /* of IP; limits as the driver says them */
    uint16_t vlan;                  /* 802.1Q id of all frames; 0: none */
    uint32_t flow_count;
    struct device_flow flows[DEVICE_FLOWS_MAX];
    uint32_t can, used;             /* DEVICE_BIT of each offload; used is within can */
};

struct device_offload_text {
    const char *key;     /* "rx_ip_sum": in JSON */
    const char *name;    /* "IPv4 checksum, received" */
    const char *instead; /* what is done where the device does not */
};

/* device_offload_text gives the words for one. offload in [0, DEVICE_OFFLOAD_COUNT). */
const struct device_offload_text *device_offload_text(enum device_offload offload);

static inline bool device_can(const struct device_facts *facts, enum device_offload offload)
{
    return facts->can & DEVICE_BIT(offload);
}

static inline bool device_uses(const struct device_facts *facts, enum device_offload offload)
{
    return facts->used & DEVICE_BIT(offload);
}
