/* device_flow: has the device give the datagrams of one UDP port to one queue (rte_flow), where it
 * can. Where it cannot, they come to any queue, and are handed over by links (datagram_dpdk.h).
 * Control path. */
#pragma once

#include "base/device_facts.h"
#include "base/messages.h"

struct rte_flow;
struct rte_flow_action;
struct rte_flow_attr;
struct rte_flow_error;
struct rte_flow_item;

/* rte_flow's calls; those of a device that is made up, in a test. */
struct device_flow_ops {
    int (*validate)(uint16_t port, const struct rte_flow_attr *attr,
                    const struct rte_flow_item *items, const struct rte_flow_action *actions,
                    struct rte_flow_error *error);
    struct rte_flow *(*create)(uint16_t port, const struct rte_flow_attr *attr,
                               const struct rte_flow_item *items,
                               const struct rte_flow_action *actions, struct rte_flow_error *error);
    int (*destroy)(uint16_t port, struct rte_flow *rule, struct rte_flow_error *error);
};
extern const struct device_flow_ops device_flow_rte;

struct device_flow_want {
    uint16_t device;   /* DPDK's port id */
    struct address to; /* the device's IP address, and the UDP port */
    uint16_t vlan;     /* 802.1Q id of its frames; 0: none */
    uint16_t queue;
};

/* device_flow_steer asks for the narrowest rule first: address, UDP port, and VLAN; then without
 * the VLAN, without the address. Sets flow->steer to DEVICE_STEER_DEVICE, or to
 * DEVICE_STEER_SOFTWARE with the driver's reason in flow->why. Returns the rule, for
 * device_flow_drop; NULL: none. The device runs. */
struct rte_flow *device_flow_steer(const struct device_flow_ops *ops,
                                   const struct device_flow_want *want, struct device_flow *flow);
void device_flow_drop(const struct device_flow_ops *ops, uint16_t device, struct rte_flow *rule);
