/* Stands in for port_dpdk.c where takt is built without DPDK or lwIP. */
#include "dataplane/port/dpdk/port_dpdk.h"

uint32_t port_dpdk_nets_max(void)
{
    return 0;
}

int port_dpdk_start(const struct port_dpdk_setup *setup, struct port_dpdk_device **device,
                    struct fault *fault)
{
    (void)setup;
    (void)device;
    return fault_set(fault, ERR_UNSUPPORTED, "this takt was built without the dpdk port; install "
                     "libdpdk-dev, run tools/fetch-lwip.sh, and build with -Ddpdk=enabled");
}

int port_dpdk_look(const char *eal, bool plain, struct device_facts *facts, struct fault *fault)
{
    (void)eal;
    (void)plain;
    (void)facts;
    return fault_set(fault, ERR_UNSUPPORTED, "this taktd was built without the dpdk port");
}

void port_dpdk_stop(struct port_dpdk_device *device)
{
    (void)device;
}

int port_dpdk_open(struct port_dpdk_device *device, uint32_t net_index,
                   const struct port_setup *setup, struct port **port, struct fault *fault)
{
    (void)device;
    (void)net_index;
    (void)setup;
    (void)port;
    return fault_set(fault, ERR_UNSUPPORTED, "this takt was built without the dpdk port");
}

const char *port_dpdk_text(const struct port_dpdk_device *device, char *text, uint32_t size)
{
    (void)device;
    (void)size;
    return text;
}

const struct device_facts *port_dpdk_facts(const struct port_dpdk_device *device)
{
    static const struct device_facts none;
    (void)device;
    return &none;
}

const struct port_dpdk_counters *port_dpdk_counters(const struct port *port)
{
    (void)port;
    return NULL;
}
