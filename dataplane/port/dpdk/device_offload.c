#include "dataplane/port/dpdk/device_offload.h"

#include <rte_ethdev.h>

/* What takt has a use for. A received time stamp is shown only: no role reads one, and many drivers
 * leave their vector path for it. */
static const struct {
    uint64_t flag;
    enum device_offload offload;
    bool wanted;
} rx_flags[] = {
    {RTE_ETH_RX_OFFLOAD_IPV4_CKSUM, DEVICE_RX_IP_SUM, true},
    {RTE_ETH_RX_OFFLOAD_TCP_CKSUM, DEVICE_RX_TCP_SUM, true},
    {RTE_ETH_RX_OFFLOAD_UDP_CKSUM, DEVICE_RX_UDP_SUM, true},
    {RTE_ETH_RX_OFFLOAD_VLAN_STRIP, DEVICE_VLAN_STRIP, true},
    {RTE_ETH_RX_OFFLOAD_TIMESTAMP, DEVICE_RX_STAMP, false},
}, tx_flags[] = {
    {RTE_ETH_TX_OFFLOAD_IPV4_CKSUM, DEVICE_TX_IP_SUM, true},
    {RTE_ETH_TX_OFFLOAD_TCP_CKSUM, DEVICE_TX_TCP_SUM, true},
    {RTE_ETH_TX_OFFLOAD_UDP_CKSUM, DEVICE_TX_UDP_SUM, true},
    {RTE_ETH_TX_OFFLOAD_VLAN_INSERT, DEVICE_VLAN_INSERT, true},
    {RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE, DEVICE_FAST_FREE, true},
};

#define RX_FLAG_COUNT (sizeof(rx_flags) / sizeof(rx_flags[0]))
#define TX_FLAG_COUNT (sizeof(tx_flags) / sizeof(tx_flags[0]))

/* By addresses and ports where the device can, else by addresses: a flow stays on one queue. */
#define RSS_HASHES                                                                                 \
    (RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV4_UDP |              \
     RTE_ETH_RSS_IPV6 | RTE_ETH_RSS_NONFRAG_IPV6_TCP | RTE_ETH_RSS_NONFRAG_IPV6_UDP)

void device_negotiate(const struct rte_eth_dev_info *info, bool plain, struct device_facts *facts,
                      struct rte_eth_conf *conf)
{
    const uint32_t sums = DEVICE_BIT(DEVICE_TX_TCP_SUM) | DEVICE_BIT(DEVICE_TX_UDP_SUM);
    const uint64_t hashes = info->flow_type_rss_offloads & RSS_HASHES;
    uint32_t wanted = 0;

    facts->can = hashes ? DEVICE_BIT(DEVICE_RSS) : 0;
    for (size_t i = 0; i < RX_FLAG_COUNT; i++) {
        const uint32_t bit = DEVICE_BIT(rx_flags[i].offload);
        facts->can |= info->rx_offload_capa & rx_flags[i].flag ? bit : 0;
        wanted |= rx_flags[i].wanted ? bit : 0;
    }
    for (size_t i = 0; i < TX_FLAG_COUNT; i++) {
        const uint32_t bit = DEVICE_BIT(tx_flags[i].offload);
        facts->can |= info->tx_offload_capa & tx_flags[i].flag ? bit : 0;
        wanted |= tx_flags[i].wanted ? bit : 0;
    }
    facts->used = plain ? 0 : facts->can & wanted;
    /* The driver takes the pseudo-header's sum and IPv4's own together. */
    if (!device_uses(facts, DEVICE_TX_IP_SUM))
        facts->used &= ~sums;
    for (size_t i = 0; i < RX_FLAG_COUNT; i++)
        if (device_uses(facts, rx_flags[i].offload))
            conf->rxmode.offloads |= rx_flags[i].flag;
    for (size_t i = 0; i < TX_FLAG_COUNT; i++)
        if (device_uses(facts, tx_flags[i].offload))
            conf->txmode.offloads |= tx_flags[i].flag;
    if (facts->queue_count > 1 && hashes) {
        facts->used |= DEVICE_BIT(DEVICE_RSS);
        conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
        conf->rx_adv_conf.rss_conf.rss_hf = hashes;
    }
}
