#include "dataplane/port/dpdk/device_flow.h"

#include <rte_byteorder.h>
#include <rte_errno.h>
#include <rte_flow.h>

#include <stdio.h>
#include <string.h>

#define VLAN_ID 0x0fff

const struct device_flow_ops device_flow_rte = {rte_flow_validate, rte_flow_create,
                                                rte_flow_destroy};

/* What the items of a rule point to. */
struct flow_rule {
    struct rte_flow_item_vlan vlan, vlan_mask;
    struct rte_flow_item_ipv4 v4, v4_mask;
    struct rte_flow_item_ipv6 v6, v6_mask;
    struct rte_flow_item_udp udp, udp_mask;
    struct rte_flow_item items[5]; /* Ethernet, VLAN, IP, UDP, end */
    struct rte_flow_action_queue queue;
    struct rte_flow_action actions[2];
};

static void flow_ip(struct flow_rule *rule, const uint8_t ip[16], bool with_address,
                    struct rte_flow_item *item)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (memcmp(ip, mapped, sizeof(mapped)) == 0) {
        memcpy(&rule->v4.hdr.dst_addr, ip + 12, 4);
        rule->v4_mask.hdr.dst_addr = UINT32_MAX;
        *item = (struct rte_flow_item){.type = RTE_FLOW_ITEM_TYPE_IPV4};
        item->spec = with_address ? &rule->v4 : NULL;
        item->mask = with_address ? &rule->v4_mask : NULL;
    } else {
        memcpy(rule->v6.hdr.dst_addr, ip, 16);
        memset(rule->v6_mask.hdr.dst_addr, 0xff, 16);
        *item = (struct rte_flow_item){.type = RTE_FLOW_ITEM_TYPE_IPV6};
        item->spec = with_address ? &rule->v6 : NULL;
        item->mask = with_address ? &rule->v6_mask : NULL;
    }
}

static void flow_make(struct flow_rule *rule, const struct device_flow_want *want, bool with_vlan,
                      bool with_address)
{
    struct rte_flow_item *item = rule->items;
    memset(rule, 0, sizeof(*rule));
    *item++ = (struct rte_flow_item){.type = RTE_FLOW_ITEM_TYPE_ETH};
    if (with_vlan) {
        rule->vlan.tci = rte_cpu_to_be_16(want->vlan);
        rule->vlan_mask.tci = RTE_BE16(VLAN_ID);
        *item++ = (struct rte_flow_item){
            .type = RTE_FLOW_ITEM_TYPE_VLAN, .spec = &rule->vlan, .mask = &rule->vlan_mask};
    }
    flow_ip(rule, want->to.ip, with_address, item++);
    rule->udp.hdr.dst_port = rte_cpu_to_be_16(want->to.port);
    rule->udp_mask.hdr.dst_port = UINT16_MAX;
    *item++ = (struct rte_flow_item){
        .type = RTE_FLOW_ITEM_TYPE_UDP, .spec = &rule->udp, .mask = &rule->udp_mask};
    *item = (struct rte_flow_item){.type = RTE_FLOW_ITEM_TYPE_END};
    rule->queue.index = want->queue;
    rule->actions[0] =
        (struct rte_flow_action){.type = RTE_FLOW_ACTION_TYPE_QUEUE, .conf = &rule->queue};
    rule->actions[1] = (struct rte_flow_action){.type = RTE_FLOW_ACTION_TYPE_END};
}

/* Validates, and makes. NULL: flow->why says why not. */
static struct rte_flow *flow_try(const struct device_flow_ops *ops,
                                 const struct device_flow_want *want, bool with_vlan,
                                 bool with_address, struct device_flow *flow)
{
    const struct rte_flow_attr ingress = {.ingress = 1};
    struct rte_flow_error error = {0};
    struct flow_rule rule;
    struct rte_flow *made = NULL;
    flow_make(&rule, want, with_vlan, with_address);
    int code = ops->validate(want->device, &ingress, rule.items, rule.actions, &error);
    if (code == 0) {
        made = ops->create(want->device, &ingress, rule.items, rule.actions, &error);
        code = -rte_errno;
    }
    const char *why = error.message ? error.message : rte_strerror(-code);
    snprintf(flow->why, sizeof(flow->why), "%s", made ? "" : why);
    return made;
}

struct rte_flow *device_flow_steer(const struct device_flow_ops *ops,
                                   const struct device_flow_want *want, struct device_flow *flow)
{
    struct rte_flow *made = want->vlan ? flow_try(ops, want, true, true, flow) : NULL;
    if (!made)
        made = flow_try(ops, want, false, true, flow);
    if (!made)
        made = flow_try(ops, want, false, false, flow);
    flow->queue = want->queue;
    flow->steer = made ? DEVICE_STEER_DEVICE : DEVICE_STEER_SOFTWARE;
    return made;
}

void device_flow_drop(const struct device_flow_ops *ops, uint16_t device, struct rte_flow *rule)
{
    struct rte_flow_error ignored = {0};
    if (rule)
        (void)ops->destroy(device, rule, &ignored);
}
