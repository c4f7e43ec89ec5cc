/* nic: the network cards of this machine, and handing one over from the kernel to a driver that
 * takt's dpdk port can use, by the kernel's own means: driver_override, unbind, drivers_probe.
 *
 *   kernel driver ── nic_bind ──▶ vfio-pci ── nic_unbind ──▶ kernel driver
 *
 * Nothing is written when a card is refused. Looking needs no root, binding does. */
#pragma once

#include "base/say.h"
#include "tools/host/sysroot.h"

#include <stdbool.h>
#include <stdint.h>

#define NIC_MAX 64

struct nic {
    char name[16]; /* its interface; "" while no kernel driver has it */
    char pci[32];  /* "0000:5e:00.0"; "" = not on PCI */
    char driver[32], vendor[16], device[16], mac[24], state[16], duplex[16];
    int32_t node;  /* NUMA; -1: none of its own */
    int32_t speed; /* Mbit/s; -1: not told */
    uint32_t mtu, rx_queues, tx_queues;
    char link_now[48], link_max[48]; /* PCI Express, "x16 at 8.0 GT/s PCIe"; "" = none */
    char iommu_group[16];            /* "" = none */
    bool is_default; /* carries the machine's default route, itself or by its master */
    bool has_stamps; /* a PTP clock */
};

/* nic_list fills nics[0, max) with all cards, PCI first. Returns the count. */
uint32_t nic_list(const struct sysroot *root, struct nic *nics, uint32_t max);

/* nic_find takes an interface's name or a PCI address. Returns 0 or ERR_NOTFOUND. */
MUST_USE int nic_find(const struct sysroot *root, const char *which, struct nic *nic,
                      struct fault *fault);

/* nic_may_bind says why a card cannot be handed to `driver`. Returns 0; ERR_BUSY: it carries the
 * default route; ERR_UNSUPPORTED: not on PCI, no such driver loaded, or vfio-pci without an IOMMU;
 * ERR_EXISTS: that driver has it; each with what to do. */
MUST_USE int nic_may_bind(const struct sysroot *root, const struct nic *nic, const char *driver,
                          struct fault *fault);

/* nic_bind hands it over after nic_may_bind has allowed it, and looks who has it then (on this
 * machine; a tree of files has no kernel that would change it). Returns that, or ERR_IO. */
MUST_USE int nic_bind(const struct sysroot *root, const struct nic *nic, const char *driver,
                      struct fault *fault);

/* nic_driver writes who has the card now, "" for nobody. */
void nic_driver(const struct sysroot *root, const char *pci, char *out, size_t size);

/* nic_unbind gives it back to the kernel's driver for it. Returns 0, ERR_UNSUPPORTED (not on PCI),
 * ERR_BUSY (default route) or ERR_IO. That nobody takes it, because that driver is not loaded, is
 * no error: nic_driver then gives "". */
MUST_USE int nic_unbind(const struct sysroot *root, const struct nic *nic, struct fault *fault);
