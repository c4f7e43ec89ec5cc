/* Stands in for datagram_dpdk.c where takt is built without DPDK or lwIP. */
#include "dataplane/port/dpdk/datagram_dpdk.h"

int datagram_dpdk_open(struct port_dpdk_device *device, const struct address *listen,
                       uint32_t net_index, struct datagram_port **port, struct fault *fault)
{
    (void)device;
    (void)listen;
    (void)net_index;
    (void)port;
    return fault_set(fault, ERR_UNSUPPORTED, "this takt was built without the dpdk port");
}
