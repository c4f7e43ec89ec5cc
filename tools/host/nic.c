#include "tools/host/nic.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NIC_PCI "/sys/bus/pci/devices/%s"
#define NIC_NET "/sys/class/net/%s"

/* ---- looking ----------------------------------------------------------------------------------
 */

/* A row of the kernel's routing tables whose destination is everything. */
static bool nic_routes(const struct sysroot *root, const char *name)
{
    char *text = sysroot_all(root, "/proc/net/route"), *next = NULL, to[40], who[40], prefix[8];
    bool found = false;

    for (char *row = text ? strtok_r(text, "\n", &next) : NULL; row && !found;
         row = strtok_r(NULL, "\n", &next))
        found = sscanf(row, "%39s %39s", who, to) == 2 && strcmp(who, name) == 0 &&
                strcmp(to, "00000000") == 0;
    free(text);
    text = sysroot_all(root, "/proc/net/ipv6_route");
    next = NULL;
    for (char *row = text ? strtok_r(text, "\n", &next) : NULL; row && !found;
         row = strtok_r(NULL, "\n", &next))
        found = sscanf(row, "%39s %7s %*s %*s %*s %*s %*s %*s %*s %39s", to, prefix, who) == 3 &&
                strcmp(who, name) == 0 && strcmp(prefix, "00") == 0 &&
                strcmp(to, "00000000000000000000000000000000") == 0;
    free(text);
    return found;
}

static uint32_t nic_queues(const struct sysroot *root, const char *name, const char *kind)
{
    char names[256][SYSROOT_NAME_SIZE];
    uint32_t count = sysroot_names(root, names, 256, NIC_NET "/queues", name), found = 0;

    for (uint32_t i = 0; i < count; i++)
        found += strncmp(names[i], kind, 3) == 0;
    return found;
}

static void nic_read_net(const struct sysroot *root, struct nic *nic)
{
    int64_t value;
    char master[32];

    sysroot_text(root, nic->mac, sizeof(nic->mac), NIC_NET "/address", nic->name);
    sysroot_text(root, nic->state, sizeof(nic->state), NIC_NET "/operstate", nic->name);
    sysroot_text(root, nic->duplex, sizeof(nic->duplex), NIC_NET "/duplex", nic->name);
    if (sysroot_number(root, &value, NIC_NET "/speed", nic->name) && value > 0)
        nic->speed = (int32_t)value;
    if (sysroot_number(root, &value, NIC_NET "/mtu", nic->name))
        nic->mtu = (uint32_t)value;
    if (*nic->driver == '\0')
        sysroot_target(root, nic->driver, sizeof(nic->driver), NIC_NET "/device/driver", nic->name);
    nic->rx_queues = nic_queues(root, nic->name, "rx-");
    nic->tx_queues = nic_queues(root, nic->name, "tx-");
    nic->has_stamps = sysroot_exists(root, NIC_NET "/device/ptp", nic->name);
    nic->is_default = nic_routes(root, nic->name);
    /* a port of a bridge or a bond carries what its master carries */
    if (sysroot_target(root, master, sizeof(master), NIC_NET "/master", nic->name))
        nic->is_default = nic->is_default || nic_routes(root, master);
}

static void nic_read_link(const struct sysroot *root, const char *pci, const char *which, char *out,
                          size_t size)
{
    char speed[24];
    int64_t width;

    if (sysroot_text(root, speed, sizeof(speed), NIC_PCI "/%s_link_speed", pci, which) &&
        sysroot_number(root, &width, NIC_PCI "/%s_link_width", pci, which))
        snprintf(out, size, "x%d at %s", (int)width, speed);
}

/* The interface of a PCI device: in its net/, or in that of the virtio device below it. */
static void nic_read_name(const struct sysroot *root, struct nic *nic)
{
    char names[32][SYSROOT_NAME_SIZE], found[1][SYSROOT_NAME_SIZE];

    if (sysroot_names(root, found, 1, NIC_PCI "/net", nic->pci) == 1) {
        snprintf(nic->name, sizeof(nic->name), "%.15s", found[0]);
        return;
    }
    uint32_t count = sysroot_names(root, names, 32, NIC_PCI, nic->pci);
    for (uint32_t i = 0; i < count; i++)
        if (strncmp(names[i], "virtio", 6) == 0 &&
            sysroot_names(root, found, 1, NIC_PCI "/%s/net", nic->pci, names[i]) == 1)
            snprintf(nic->name, sizeof(nic->name), "%.15s", found[0]);
}

static void nic_read_pci(const struct sysroot *root, struct nic *nic)
{
    int64_t node;

    sysroot_text(root, nic->vendor, sizeof(nic->vendor), NIC_PCI "/vendor", nic->pci);
    sysroot_text(root, nic->device, sizeof(nic->device), NIC_PCI "/device", nic->pci);
    sysroot_target(root, nic->driver, sizeof(nic->driver), NIC_PCI "/driver", nic->pci);
    sysroot_target(root, nic->iommu_group, sizeof(nic->iommu_group), NIC_PCI "/iommu_group",
                   nic->pci);
    if (sysroot_number(root, &node, NIC_PCI "/numa_node", nic->pci))
        nic->node = (int32_t)node;
    nic_read_link(root, nic->pci, "current", nic->link_now, sizeof(nic->link_now));
    nic_read_link(root, nic->pci, "max", nic->link_max, sizeof(nic->link_max));
    nic_read_name(root, nic);
}

static bool nic_is_listed(const struct nic *nics, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(nics[i].name, name) == 0)
            return true;
    return false;
}

uint32_t nic_list(const struct sysroot *root, struct nic *nics, uint32_t max)
{
    static char names[1024][SYSROOT_NAME_SIZE];
    uint32_t found = sysroot_names(root, names, 1024, "/sys/bus/pci/devices"), count = 0;
    char class[16];

    for (uint32_t i = 0; i < found && count < max; i++) {
        if (!sysroot_text(root, class, sizeof(class), NIC_PCI "/class", names[i]) ||
            strncmp(class, "0x02", 4) != 0)
            continue;
        struct nic *nic = &nics[count++];
        *nic = (struct nic){.node = -1, .speed = -1};
        snprintf(nic->pci, sizeof(nic->pci), "%.31s", names[i]);
        nic_read_pci(root, nic);
        if (*nic->name)
            nic_read_net(root, nic);
    }
    found = sysroot_names(root, names, 1024, "/sys/class/net");
    for (uint32_t i = 0; i < found && count < max; i++) {
        if (strcmp(names[i], "lo") == 0 || nic_is_listed(nics, count, names[i]) ||
            strlen(names[i]) >= sizeof(nics->name) ||
            !sysroot_exists(root, NIC_NET "/operstate", names[i]))
            continue;
        struct nic *nic = &nics[count++];
        *nic = (struct nic){.node = -1, .speed = -1};
        snprintf(nic->name, sizeof(nic->name), "%.15s", names[i]);
        nic_read_net(root, nic);
    }
    return count;
}

int nic_find(const struct sysroot *root, const char *which, struct nic *nic, struct fault *fault)
{
    static struct nic nics[NIC_MAX];
    uint32_t count = nic_list(root, nics, NIC_MAX);

    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(nics[i].name, which) != 0 && strcmp(nics[i].pci, which) != 0)
            continue;
        *nic = nics[i];
        return 0;
    }
    return fault_set(fault, ERR_NOTFOUND,
                     "there is no network card \"%s\"; takt nic list shows "
                     "what is here",
                     which);
}

/* ---- handing over ------------------------------------------------------------------------------
 */

static int nic_write(const struct sysroot *root, const char *text, const char *file,
                     struct fault *fault)
{
    char path[SYSROOT_PATH_SIZE];
    int fd = open(sysroot_path(root, path, "%s", file),
                  O_WRONLY | O_CLOEXEC | (*root->path ? O_TRUNC : 0));
    bool fine = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    int os_error = errno;

    if (fd >= 0)
        close(fd);
    return fine ? 0
                : fault_set(fault, ERR_IO, "%s: %s%s", file, strerror(os_error),
                            os_error == EACCES || os_error == EPERM ? " (as root?)" : "");
}

static int nic_is_free(const struct nic *nic, struct fault *fault)
{
    if (*nic->pci == '\0')
        return fault_set(
            fault, ERR_UNSUPPORTED,
            "%s is no PCI device, so there is no driver to change; the dpdk port takes "
            "it as it is: --vdev net_af_packet0,iface=%s",
            nic->name, nic->name);
    if (nic->is_default)
        return fault_set(fault, ERR_BUSY,
                         "%s (%s) carries this machine's default route: without it nobody could "
                         "log in any more. Move the route to another card first",
                         nic->name, nic->pci);
    return 0;
}

int nic_may_bind(const struct sysroot *root, const struct nic *nic, const char *driver,
                 struct fault *fault)
{
    char unsafe[8] = "";
    const char *noiommu = "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode";
    int err = nic_is_free(nic, fault);

    if (err)
        return err;
    if (strchr(driver, '/') || strlen(driver) > 31)
        return fault_set(fault, ERR_UNSUPPORTED, "\"%s\" is no driver's name", driver);
    if (strcmp(nic->driver, driver) == 0)
        return fault_set(fault, ERR_EXISTS, "%s has %s already", driver, nic->pci);
    if (!sysroot_exists(root, "/sys/bus/pci/drivers/%s", driver))
        return fault_set(fault, ERR_UNSUPPORTED, "the driver %s is not loaded: modprobe %s", driver,
                         driver);
    sysroot_text(root, unsafe, sizeof(unsafe), "%s", noiommu);
    if (strcmp(driver, "vfio-pci") == 0 && *nic->iommu_group == '\0' && *unsafe != 'Y')
        return fault_set(
            fault, ERR_UNSUPPORTED,
            "%s is in no IOMMU group: vfio-pci lets a program drive a card only behind "
            "an IOMMU, which keeps it from writing to memory that is not the "
            "program's. Boot with intel_iommu=on iommu=pt (or amd_iommu=on), or accept "
            "the risk: %s%s",
            nic->pci, *unsafe ? "echo Y >" : "modprobe uio_pci_generic, and --driver ",
            *unsafe ? noiommu : "uio_pci_generic (this kernel's vfio has no mode without one)");
    return 0;
}

/* From the driver that has it now to the one that driver_override, or its id, leads to. */
static int nic_reprobe(const struct sysroot *root, const struct nic *nic, const char *override,
                       struct fault *fault)
{
    char path[128];

    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%.31s/driver_override", nic->pci);
    int err = nic_write(root, override, path, fault);
    snprintf(path, sizeof(path), "/sys/bus/pci/drivers/%.31s/unbind", nic->driver);
    if (!err && *nic->driver)
        err = nic_write(root, nic->pci, path, fault);
    return err ? err : nic_write(root, nic->pci, "/sys/bus/pci/drivers_probe", fault);
}

void nic_driver(const struct sysroot *root, const char *pci, char *out, size_t size)
{
    *out = '\0';
    sysroot_target(root, out, size, NIC_PCI "/driver", pci);
}

int nic_bind(const struct sysroot *root, const struct nic *nic, const char *driver,
             struct fault *fault)
{
    char now[32];
    int err = nic_may_bind(root, nic, driver, fault);

    if (!err)
        err = nic_reprobe(root, nic, driver, fault);
    if (err || *root->path)
        return err;
    nic_driver(root, nic->pci, now, sizeof(now));
    return strcmp(now, driver) == 0
               ? 0
               : fault_set(fault, ERR_IO,
                           "%s did not take %s; %s has it (dmesg may say why). takt nic unbind %s "
                           "gives it back",
                           driver, nic->pci, *now ? now : "no driver", nic->pci);
}

int nic_unbind(const struct sysroot *root, const struct nic *nic, struct fault *fault)
{
    int err = nic_is_free(nic, fault);
    return err ? err : nic_reprobe(root, nic, "\n", fault);
}
