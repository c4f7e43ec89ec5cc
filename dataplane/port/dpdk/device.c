#include "dataplane/port/dpdk/device.h"

#include "dataplane/port/dpdk/device_mtu.h"
#include "dataplane/port/dpdk/device_offload.h"

#include <rte_dev.h>
#include <rte_devargs.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEVICE_RX_DESCS    2048 /* a thousand requests at once must fit: af_xdp lost some at 1024 */
#define DEVICE_TX_DESCS    1024
#define DEVICE_POOL_CACHE  256
#define DEVICE_SPARE       4096 /* frames that lwIP may hold back, out of order */

#ifndef AF_XDP
#define AF_XDP 44
#endif

/* Calls see(fd, self) for each open descriptor below 1024. */
static void each_fd(void (*see)(int fd, void *self), void *self)
{
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        int fd = atoi(entry->d_name);
        if (entry->d_name[0] != '.' && fd != dirfd(dir) && fd < 1024)
            see(fd, self);
    }
    if (dir)
        closedir(dir);
}

static void fds_note(int fd, void *self)
{
    struct device_fds *fds = self;
    fds->open[fd / 64] |= 1ull << (fd % 64);
}

void device_fds_look(struct device_fds *fds)
{
    memset(fds, 0, sizeof(*fds));
    each_fd(fds_note, fds);
}

/* Virtual devices bring no RX interrupt, but a socket or a tap descriptor that can be waited on. */
static bool fd_has_frames(int fd)
{
    int domain = 0;
    socklen_t size = sizeof(domain);
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0)
        return domain == AF_PACKET || domain == AF_XDP;
    char link[32], target[64] = "";
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    return readlink(link, target, sizeof(target) - 1) > 0 && strcmp(target, "/dev/net/tun") == 0;
}

struct fds_search {
    const struct device_fds *before;
    struct device *device;
};

static void fds_collect(int fd, void *self)
{
    struct fds_search *search = self;
    struct device *device = search->device;
    bool old = search->before->open[fd / 64] >> (fd % 64) & 1;
    if (!old && device->fd_count < DEVICE_FDS_MAX && fd_has_frames(fd))
        device->fds[device->fd_count++] = fd;
}

static int compare_int(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

/* ---- start ---- */

static int queues_set_up(struct device *device, const struct rte_eth_dev_info *info,
                         uint16_t rx_descs, uint16_t tx_descs)
{
    int socket = rte_eth_dev_socket_id(device->id);
    for (uint16_t q = 0; q < device->queue_count; q++) {
        int code = rte_eth_rx_queue_setup(device->id, q, rx_descs, (unsigned)socket, NULL,
                                          device->pool);
        if (code == 0)
            code = rte_eth_tx_queue_setup(device->id, q, tx_descs, (unsigned)socket, NULL);
        if (code)
            return code;
    }
    return 0;
}

/* What the driver says of itself, for messages and for the page. */
static void describe(struct device *device, const struct rte_eth_dev_info *info)
{
    struct device_facts *facts = &device->facts;
    struct rte_ether_addr mac;
    char name[RTE_ETH_NAME_MAX_LEN] = "";
    (void)rte_eth_dev_get_name_by_port(device->id, name);
    snprintf(facts->driver, sizeof(facts->driver), "%s", info->driver_name);
    snprintf(facts->name, sizeof(facts->name), "%.*s", (int)sizeof(facts->name) - 1, name);
    facts->queue_count = device->queue_count;
    facts->queues_max = info->max_rx_queues < info->max_tx_queues ? info->max_rx_queues
                                                                  : info->max_tx_queues;
    facts->mtu_min = info->min_mtu;
    if (rte_eth_macaddr_get(device->id, &mac) == 0)
        memcpy(device->mac, mac.addr_bytes, 6);
    rte_ether_format_addr(facts->mac, sizeof(facts->mac),
                          (const struct rte_ether_addr *)device->mac);
}

/* Of the kernel's interface under a virtual device; 0: there is none. */
static uint32_t interface_mtu(const struct rte_eth_dev_info *info)
{
    struct ifreq request = {0};
    int fd = info->if_index ? socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;
    bool found = fd >= 0 && if_indextoname(info->if_index, request.ifr_name) &&
                 ioctl(fd, SIOCGIFMTU, &request) == 0;
    if (fd >= 0)
        close(fd);
    return found ? (uint32_t)request.ifr_mtu : 0;
}

static int plan_mtu(const struct rte_eth_dev_info *info, uint16_t wanted, struct device_mtu *plan,
                    struct fault *fault)
{
    const struct rte_devargs *args = info->device ? rte_dev_devargs(info->device) : NULL;
    return device_mtu_plan(info, args ? args->args : NULL, interface_mtu(info), wanted, plan,
                           fault);
}

/* Behind rte_eth_dev_configure. */
static int set_mtu(struct device *device, const struct device_mtu *plan, struct fault *fault)
{
    int code = plan->by_driver ? rte_eth_dev_set_mtu(device->id, plan->mtu) : 0;
    uint16_t now = 0;
    if (code == -ENOTSUP)
        code = 0; /* it keeps what rte_eth_dev_configure was told */
    if (!code && rte_eth_dev_get_mtu(device->id, &now) == 0 && plan->by_driver && now < plan->mtu)
        code = -EINVAL;
    if (code)
        return fault_set(fault, ERR_UNSUPPORTED, "port.mtu is %u, and the device (%s) refuses it: "
                         "%s", plan->mtu, device->facts.driver, rte_strerror(-code));
    bool plain = plan->mtu == DEVICE_MTU_PLAIN;
    device->mtu = plain && now && now < plan->mtu ? now : plan->mtu;
    device->facts.mtu = device->mtu;
    device->facts.mtu_max = plan->mtu_max;
    return 0;
}

static int make_pool(struct device *device, const struct device_setup *setup, uint32_t mbuf_count,
                     uint32_t frame_size, struct fault *fault)
{
    uint32_t room = RTE_PKTMBUF_HEADROOM + frame_size;
    if (room <= UINT16_MAX)
        device->pool = rte_pktmbuf_pool_create("takt", mbuf_count, DEVICE_POOL_CACHE,
                                               setup->private_size, (uint16_t)room,
                                               rte_eth_dev_socket_id(device->id));
    else
        rte_errno = EINVAL;
    if (!device->pool)
        return fault_set(fault, ERR_NOMEM, "no memory for %u frames of %u bytes (%s); give EAL "
                         "more: -m or --socket-mem, or hugepages", mbuf_count, room,
                         rte_strerror(rte_errno));
    return 0;
}

static int set_up(struct device *device, const struct device_setup *setup,
                  const struct rte_eth_dev_info *info, const struct device_mtu *plan,
                  struct fault *fault)
{
    uint16_t rx_descs = DEVICE_RX_DESCS, tx_descs = DEVICE_TX_DESCS;
    int code = rte_eth_dev_adjust_nb_rx_tx_desc(device->id, &rx_descs, &tx_descs);
    uint32_t mbuf_count = setup->mbuf_count;
    if (mbuf_count == 0)
        mbuf_count = device->queue_count * (uint32_t)(rx_descs + tx_descs + DEVICE_POOL_CACHE) +
                     DEVICE_SPARE;
    int err = set_mtu(device, plan, fault);
    if (!err)
        err = make_pool(device, setup, mbuf_count, plan->frame_size, fault);
    if (err)
        return err;
    if (code == 0)
        code = queues_set_up(device, info, rx_descs, tx_descs);
    if (code)
        return fault_set(fault, ERR_IO, "the queues of the device (%s) cannot be set up: %s",
                         device->facts.driver, rte_strerror(-code));
    return 0;
}

static int configure(struct device *device, const struct device_setup *setup, struct fault *fault)
{
    const char *driver = device->facts.driver;
    struct rte_eth_dev_info info;
    struct rte_eth_conf conf = {0};
    struct device_mtu plan;
    int code = rte_eth_dev_info_get(device->id, &info);
    if (code)
        return fault_set(fault, ERR_IO, "DPDK says nothing about its device %u: %s", device->id,
                         rte_strerror(-code));
    describe(device, &info);
    if (device->queue_count > device->facts.queues_max)
        return fault_set(fault, ERR_UNSUPPORTED,
                         "%u NETs need as many queues, and the device (%s) has "
                         "%u; set fewer NETs, or give it more queues (net_af_packet: qpairs=%u)",
                         device->queue_count, driver, device->facts.queues_max,
                         device->queue_count);
    int err = plan_mtu(&info, setup->mtu, &plan, fault);
    if (err)
        return err;
    conf.rxmode.mtu = plan.by_driver ? plan.mtu : 0;
    device_negotiate(&info, setup->plain, &device->facts, &conf);
    code = rte_eth_dev_configure(device->id, device->queue_count, device->queue_count, &conf);
    if (code)
        return fault_set(fault, ERR_IO, "the device (%s) cannot be configured: %s", driver,
                         rte_strerror(-code));
    return set_up(device, setup, &info, &plan, fault);
}

int device_start(struct device *device, const struct device_setup *setup,
                 const struct device_fds *before, struct fault *fault)
{
    struct fds_search search = {before, device};
    memset(device, 0, sizeof(*device));
    device->id = (uint16_t)rte_eth_find_next(0);
    device->queue_count = setup->queue_count;
    if (device->id >= RTE_MAX_ETHPORTS)
        return fault_set(fault, ERR_NOTFOUND, "DPDK found no device; name one in the EAL options: "
                         "--vdev net_af_packet0,iface=eth1, or -a 0000:03:00.0 for a NIC bound to "
                         "vfio-pci");
    int err = configure(device, setup, fault);
    if (err)
        return err;
    int code = rte_eth_dev_start(device->id);
    if (code)
        return fault_set(fault, ERR_IO, "the device (%s) does not start: %s; does the process have "
                         "the privileges it needs? See dataplane/port/README.md",
                         device->facts.driver, rte_strerror(-code));
    (void)rte_eth_allmulticast_enable(device->id); /* neighbour discovery; some take it anyway */
    each_fd(fds_collect, &search);
    qsort(device->fds, device->fd_count, sizeof(device->fds[0]), compare_int);
    return 0;
}

void device_stop(struct device *device)
{
    rte_eth_dev_stop(device->id);
    rte_eth_dev_close(device->id);
    rte_mempool_free(device->pool);
}
