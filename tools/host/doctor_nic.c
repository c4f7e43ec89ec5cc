/* The network card and its way to memory. */
#include "tools/host/doctor.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NIC "/sys/class/net/%s"

static enum doctor_state doctor_nic_none(char *text)
{
    return doctor_is(text, DOCTOR_NONE, "no network card was named or found");
}

static enum doctor_state doctor_nic_driver(const struct doctor_subject *s, char *text)
{
    static const char *const fine[] = {"mlx5_core", "ice",    "i40e",    "ixgbe", "igb",
                                       "igc",       "e1000e", "bnxt_en", "ena",   "sfc",
                                       "enic",      "nfp",    "vfio-pci"};
    char driver[64];

    if (!*s->nic)
        return doctor_nic_none(text);
    if (!sysroot_target(&s->host->root, driver, sizeof(driver), NIC "/device/driver", s->nic))
        return doctor_is(text, DOCTOR_FAIL, "%s is no device: a bridge, veth or the like", s->nic);
    for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++)
        if (strcmp(driver, fine[i]) == 0)
            return doctor_is(text, DOCTOR_OK, "%s is driven by %s", s->nic, driver);
    bool guest = strncmp(driver, "virtio", 6) == 0 || strcmp(driver, "vmxnet3") == 0;
    return doctor_is(text, guest ? DOCTOR_FAIL : DOCTOR_WARN, "%s is driven by %s%s", s->nic,
                     driver, guest ? ": the host switches its frames" : ", of unknown worth");
}

static enum doctor_state doctor_nic_node(const struct doctor_subject *s, char *text)
{
    int64_t node;
    uint32_t cpu = cpulist_next(&s->hot, 0);

    if (!*s->nic)
        return doctor_nic_none(text);
    if (!sysroot_number(&s->host->root, &node, NIC "/device/numa_node", s->nic) || node < 0 ||
        s->host->node_count < 2 || cpu == CPULIST_MAX)
        return doctor_is(text, DOCTOR_NONE, "one NUMA node, or none that the card belongs to");
    bool same = s->host->cpus[cpu].node == (int32_t)node;
    return doctor_is(text, same ? DOCTOR_OK : DOCTOR_FAIL, "%s is on node %d, the hot cpus on %d",
                     s->nic, (int)node, s->host->cpus[cpu].node);
}

static enum doctor_state doctor_nic_pcie(const struct doctor_subject *s, char *text)
{
    char speed[48], speed_max[48];
    int64_t width, width_max;
    const struct sysroot *root = &s->host->root;

    if (!*s->nic)
        return doctor_nic_none(text);
    if (!sysroot_text(root, speed, sizeof(speed), NIC "/device/current_link_speed", s->nic) ||
        !sysroot_text(root, speed_max, sizeof(speed_max), NIC "/device/max_link_speed", s->nic) ||
        !sysroot_number(root, &width, NIC "/device/current_link_width", s->nic) ||
        !sysroot_number(root, &width_max, NIC "/device/max_link_width", s->nic))
        return doctor_is(text, DOCTOR_NONE, "%s is not on PCI Express", s->nic);
    bool full = width >= width_max && strcmp(speed, speed_max) == 0;
    return doctor_is(text, full ? DOCTOR_OK : DOCTOR_WARN, "x%d at %s, of x%d at %s", (int)width,
                     speed, (int)width_max, speed_max);
}

static enum doctor_state doctor_nic_queues(const struct doctor_subject *s, char *text)
{
    char names[256][SYSROOT_NAME_SIZE];
    uint32_t rx = 0;

    if (!*s->nic)
        return doctor_nic_none(text);
    uint32_t count = sysroot_names(&s->host->root, names, 256, NIC "/queues", s->nic);
    for (uint32_t i = 0; i < count; i++)
        rx += strncmp(names[i], "rx-", 3) == 0;
    return doctor_is(text, rx >= s->net_count ? DOCTOR_OK : DOCTOR_WARN,
                     "%u receive queues for %u NET roles", rx, s->net_count);
}

static enum doctor_state doctor_nic_link(const struct doctor_subject *s, char *text)
{
    char state[32];
    int64_t speed = 0;

    if (!*s->nic)
        return doctor_nic_none(text);
    if (!sysroot_text(&s->host->root, state, sizeof(state), NIC "/operstate", s->nic))
        return doctor_is(text, DOCTOR_FAIL, "there is no interface %s", s->nic);
    if (strcmp(state, "down") == 0)
        return doctor_is(text, DOCTOR_FAIL, "%s is down", s->nic);
    if (!sysroot_number(&s->host->root, &speed, NIC "/speed", s->nic) || speed <= 0)
        return doctor_is(text, DOCTOR_UNKNOWN, "%s is %s, its speed is not told", s->nic, state);
    return doctor_is(text, speed >= 10000 ? DOCTOR_OK : DOCTOR_WARN, "%s is %s at %d Mbit/s",
                     s->nic, state, (int)speed);
}

static enum doctor_state doctor_nic_duplex(const struct doctor_subject *s, char *text)
{
    char duplex[32];
    if (!*s->nic)
        return doctor_nic_none(text);
    if (!sysroot_text(&s->host->root, duplex, sizeof(duplex), NIC "/duplex", s->nic) ||
        strcmp(duplex, "unknown") == 0)
        return doctor_is(text, DOCTOR_UNKNOWN, "the duplex of %s is not told", s->nic);
    return doctor_is(text, strcmp(duplex, "full") == 0 ? DOCTOR_OK : DOCTOR_FAIL, "%s is %s duplex",
                     s->nic, duplex);
}

static enum doctor_state doctor_nic_mtu(const struct doctor_subject *s, char *text)
{
    int64_t mtu;
    if (!*s->nic)
        return doctor_nic_none(text);
    if (!sysroot_number(&s->host->root, &mtu, NIC "/mtu", s->nic))
        return doctor_is(text, DOCTOR_UNKNOWN, "the MTU of %s is not told", s->nic);
    return doctor_is(text, mtu >= 1500 ? DOCTOR_OK : DOCTOR_WARN, "MTU %d", (int)mtu);
}

static enum doctor_state doctor_nic_stamps(const struct doctor_subject *s, char *text)
{
    char names[8][SYSROOT_NAME_SIZE];
    if (!*s->nic)
        return doctor_nic_none(text);
    uint32_t count = sysroot_names(&s->host->root, names, 8, NIC "/device/ptp", s->nic);
    return doctor_is(text, count ? DOCTOR_OK : DOCTOR_WARN, "%s has %s clock", s->nic,
                     count ? "a PTP" : "no PTP");
}

static enum doctor_state doctor_nic_flaps(const struct doctor_subject *s, char *text)
{
    int64_t changes;
    if (!*s->nic)
        return doctor_nic_none(text);
    if (!sysroot_number(&s->host->root, &changes, NIC "/carrier_changes", s->nic))
        return doctor_is(text, DOCTOR_UNKNOWN, "not told");
    return doctor_is(text, changes <= 10 ? DOCTOR_OK : DOCTOR_WARN,
                     "the carrier came or went %d times", (int)changes);
}

static enum doctor_state doctor_nic_errors(const struct doctor_subject *s, char *text)
{
    static const char *const names[] = {"rx_errors",  "tx_errors",        "rx_crc_errors",
                                        "rx_dropped", "rx_missed_errors", "rx_over_errors"};
    char which[DOCTOR_TEXT_SIZE] = "";
    uint64_t sum = 0;

    if (!*s->nic)
        return doctor_nic_none(text);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        int64_t n = 0;
        size_t used = strlen(which);
        if (sysroot_number(&s->host->root, &n, NIC "/statistics/%s", s->nic, names[i]) && n > 0) {
            sum += (uint64_t)n;
            snprintf(which + used, sizeof(which) - used, " %s %" PRId64, names[i], n);
        }
    }
    return doctor_is(text, sum ? DOCTOR_WARN : DOCTOR_OK, "%s",
                     sum ? which + 1 : "no frame was lost or damaged");
}

static enum doctor_state doctor_nic_iommu(const struct doctor_subject *s, char *text)
{
    char groups[8][SYSROOT_NAME_SIZE];
    uint32_t count = sysroot_names(&s->host->root, groups, 8, "/sys/kernel/iommu_groups");
    bool vfio = sysroot_exists(&s->host->root, "/dev/vfio/vfio") ||
                sysroot_exists(&s->host->root, "/sys/module/vfio_pci");

    if (count && vfio)
        return doctor_is(text, DOCTOR_OK, "an IOMMU, and vfio-pci to hand a card over with");
    return doctor_is(text, DOCTOR_WARN, "%s%s%s", count ? "" : "no IOMMU groups",
                     count || vfio ? "" : ", ", vfio ? "" : "no vfio-pci");
}

const struct doctor_check doctor_nic_table[] = {
    {"nic-driver", "network card",
     "Frames of a virtual card pass a software switch: 20 us and "
     "jitter each way.",
     "takt nic list   # and choose one with --nic", DOCTOR_B, doctor_nic_driver},
    {"nic-node", "card's socket", "Each descriptor and packet would cross sockets.",
     "takt cores plan --nic {nic}", DOCTOR_B, doctor_nic_node},
    {"nic-pcie", "PCI Express link", "A narrower or slower link adds to every transfer.",
     "lspci -vv -s <address> | grep Lnk, then another slot", DOCTOR_A, doctor_nic_pcie},
    {"nic-queues", "queues", "Each NET role has a pair of its own, or a lock would be needed.",
     "ethtool -L {nic} combined N", DOCTOR_A, doctor_nic_queues},
    {"nic-link", "link", "A full frame ahead of yours costs 12 us at 1, 1.2 us at 10 Gbit/s.",
     "ip link set {nic} up; ethtool {nic}", DOCTOR_B, doctor_nic_link},
    {"nic-duplex", "duplex", "Half duplex collides and waits.",
     "ethtool -s {nic} duplex full autoneg on", DOCTOR_B, doctor_nic_duplex},
    {"nic-mtu", "MTU", "Below 1500 bytes batches between members break into more packets.",
     "ip link set {nic} mtu 1500   # where the network carries that", DOCTOR_A, doctor_nic_mtu},
    {"nic-timestamps", "time stamps", "They tell a late switch from a late host.",
     "ethtool -T {nic}", DOCTOR_A, doctor_nic_stamps},
    {"nic-flaps", "carrier", "Each loss of the link is an election.",
     "ethtool -S {nic}; change the cable or the transceiver", DOCTOR_A, doctor_nic_flaps},
    {"nic-errors", "errors", "A lost frame costs a resend: 60 ms for TCP.",
     "ethtool -S {nic}; ethtool -G {nic} rx 4096; ethtool -A {nic} rx off tx off", DOCTOR_A,
     doctor_nic_errors},
    {"nic-iommu", "IOMMU and vfio", "A card that takt drives itself is handed over by vfio-pci.",
     "intel_iommu=on iommu=pt (or amd_iommu=on) on the boot line; modprobe vfio-pci", DOCTOR_A,
     doctor_nic_iommu},
    {0},
};
