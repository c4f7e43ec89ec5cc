/* Stands in for datagram_dpdk.c where takt is built without DPDK or lwIP. */
#include "dataplane/port/dpdk/datagram_dpdk.h"

int datagram_dpdk_open(struct port_dpdk_device *device, const struct datagram_dpdk_setup *setup,
                       struct datagram_port **port, struct fault *fault)
{
    (void)device;
    (void)setup;
    (void)port;
    return fault_set(fault, ERR_UNSUPPORTED, "this takt was built without the dpdk port");
}
