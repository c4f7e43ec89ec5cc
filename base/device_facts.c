#include "base/device_facts.h"

#include "base/check.h"

static const struct device_offload_text texts[DEVICE_OFFLOAD_COUNT] = {
    [DEVICE_RX_IP_SUM] = {"rx_ip_sum", "IPv4 checksum, received", "lwIP checks it"},
    [DEVICE_RX_TCP_SUM] = {"rx_tcp_sum", "TCP checksum, received", "lwIP checks it"},
    [DEVICE_RX_UDP_SUM] = {"rx_udp_sum", "UDP checksum, received", "the datagram's CRC32C"},
    [DEVICE_TX_IP_SUM] = {"tx_ip_sum", "IPv4 checksum, sent", "takt computes it"},
    [DEVICE_TX_TCP_SUM] = {"tx_tcp_sum", "TCP checksum, sent", "lwIP computes it"},
    [DEVICE_TX_UDP_SUM] = {"tx_udp_sum", "UDP checksum, sent",
                           "takt computes IPv6's, IPv4 has none"},
    [DEVICE_RSS] = {"rss", "spreads flows (RSS)", "as the driver spreads them over its queues"},
    [DEVICE_VLAN_STRIP] = {"vlan_strip", "802.1Q tag, taken off", "takt takes it off"},
    [DEVICE_VLAN_INSERT] = {"vlan_insert", "802.1Q tag, put in", "takt puts it in"},
    [DEVICE_FAST_FREE] = {"fast_free", "sent frames freed together", "one by one"},
    [DEVICE_RX_STAMP] = {"rx_stamp", "time stamp, received", "the clock, read once a turn"},
};

const struct device_offload_text *device_offload_text(enum device_offload offload)
{
    CHECK(offload < DEVICE_OFFLOAD_COUNT);
    return &texts[offload];
}
