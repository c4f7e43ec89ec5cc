#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#undef NS_PER_S /* rte_cycles.h has one in double; base/clock.h's is meant */

#include "dataplane/port/dpdk/port_dpdk.h"

#include "dataplane/port/dpdk/device_mtu.h"
#include "dataplane/port/dpdk/eal.h"
#include "dataplane/port/dpdk/memif_guard.h"
#include "dataplane/port/dpdk/port_dpdk_parts.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define DPDK_RX_BURSTS    4   /* in one poll */
#define DPDK_TX_TRIES     4   /* of a burst, before the rest is dropped (TCP sends it again) */
#define DPDK_MEMORY       (256ull << 20)
#define DPDK_ETHERTYPE_AT 12
#define DPDK_ARP_SIZE     42  /* Ethernet and ARP header for IPv4 */
#define DPDK_ND_SIZE_MIN   78  /* an advertisement without options */
#define DPDK_ND_NA         136 /* its type */
#define DPDK_NEIGHBOUR_MAX 128 /* larger frames tell nobody */
#define DPDK_NEIGHBOURS    4096
#define DPDK_VLAN_MAX       4094
#define DPDK_VLAN_MASK      0xfff
#define DPDK_PRIORITY_SHIFT 13

static struct port_dpdk *dpdk_of(struct port *port)
{
    return (struct port_dpdk *)port;
}

uint32_t port_dpdk_nets_max(void)
{
    return stack_copy_count < PORT_DPDK_NETS_MAX ? stack_copy_count : PORT_DPDK_NETS_MAX;
}

/* ---- transmit ---- */

static uint32_t dpdk_ethertype(const struct rte_mbuf *m)
{
    const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
    return (uint32_t)frame[DPDK_ETHERTYPE_AT] << 8 | frame[DPDK_ETHERTYPE_AT + 1];
}

static void dpdk_offload_6(const struct device *device, struct rte_mbuf *m)
{
    uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);
    const struct rte_ipv6_hdr *ip = (const struct rte_ipv6_hdr *)(frame + 14);
    if (!device_uses(&device->facts, DEVICE_TX_TCP_SUM) || m->pkt_len < 74 ||
        ip->proto != IPPROTO_TCP)
        return;
    uint16_t *sum = (uint16_t *)(frame + 14 + sizeof(*ip) + 16);
    m->l2_len = 14;
    m->l3_len = sizeof(*ip);
    m->l4_len = (uint64_t)(frame[14 + sizeof(*ip) + 12] >> 4) * 4;
    m->ol_flags |= RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_TCP_CKSUM;
    *sum = rte_ipv6_phdr_cksum(ip, m->ol_flags);
}

/* The device wants the sum of TCP's pseudo-header in the checksum's place, and the headers'
 * sizes. */
static void dpdk_offload(const struct device *device, struct rte_mbuf *m)
{
    uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);
    if (dpdk_ethertype(m) == RTE_ETHER_TYPE_IPV6)
        dpdk_offload_6(device, m);
    if (m->pkt_len < 34 || dpdk_ethertype(m) != RTE_ETHER_TYPE_IPV4)
        return;
    struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(frame + 14);
    m->l2_len = 14;
    m->l3_len = (uint64_t)(ip->version_ihl & 15) * 4;
    m->ol_flags |= RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM;
    ip->hdr_checksum = 0;
    if (device_uses(&device->facts, DEVICE_TX_TCP_SUM) && ip->next_proto_id == IPPROTO_TCP) {
        uint16_t *sum = (uint16_t *)(frame + 14 + m->l3_len + 16);
        m->l4_len = (uint64_t)(frame[14 + m->l3_len + 12] >> 4) * 4;
        m->ol_flags |= RTE_MBUF_F_TX_TCP_CKSUM;
        *sum = rte_ipv4_phdr_cksum(ip, m->ol_flags);
    }
}

static_assert(PORT_DPDK_NETS_MAX <= MEMIF_GUARD_QUEUES, "a guard for each queue");

void port_dpdk_transmit(struct port_dpdk *port)
{
    const struct device *device = &port->device->device;
    uint16_t sent = 0;
    for (int tries = 0; sent < port->tx_count && tries < DPDK_TX_TRIES; tries++) {
        memif_guard_enter(port->queue);
        sent += rte_eth_tx_burst(device->id, port->queue, port->tx + sent, port->tx_count - sent);
        memif_guard_leave(port->queue);
    }
    port_count(&port->counters.tx_frames, sent);
    if (sent < port->tx_count) {
        port_count(&port->counters.tx_dropped, port->tx_count - sent);
        rte_pktmbuf_free_bulk(port->tx + sent, port->tx_count - sent);
    }
    port->tx_count = 0;
}

static uint8_t *dpdk_link_room(void *link, uint32_t size)
{
    struct port_dpdk *port = link;
    CHECK(port->tx_next == NULL);
    struct rte_mbuf *m = rte_pktmbuf_alloc(port->device->device.pool);
    if (!m || size > rte_pktmbuf_tailroom(m)) {
        port_count(&port->counters.tx_dropped, 1);
        rte_pktmbuf_free(m);
        return NULL;
    }
    port->tx_next = m;
    return (uint8_t *)rte_pktmbuf_append(m, (uint16_t)size);
}

static void dpdk_link_send(void *link, uint8_t *frame, uint32_t size)
{
    struct port_dpdk *port = link;
    struct rte_mbuf *m = port->tx_next;
    CHECK(m != NULL && rte_pktmbuf_mtod(m, uint8_t *) == frame && m->pkt_len == size);
    port->tx_next = NULL;
    if (device_uses(&port->device->device.facts, DEVICE_TX_IP_SUM))
        dpdk_offload(&port->device->device, m);
    port_dpdk_queue(port, m, 0);
}

void port_dpdk_queue(struct port_dpdk *port, struct rte_mbuf *frame, uint8_t priority)
{
    uint16_t tag = (uint16_t)(priority << DPDK_PRIORITY_SHIFT | port->device->setup.vlan);
    if (tag) {
        frame->vlan_tci = tag;
        if (device_uses(&port->device->device.facts, DEVICE_VLAN_INSERT))
            frame->ol_flags |= RTE_MBUF_F_TX_VLAN;
        else
            CHECK(rte_vlan_insert(&frame) == 0); /* ours alone, with headroom */
    }
    port->tx[port->tx_count++] = frame;
    if (port->tx_count == DPDK_BURST)
        port_dpdk_transmit(port);
}

/* ---- receive ---- */

static_assert(sizeof(struct stack_frame) % RTE_MBUF_PRIV_ALIGN == 0,
              "the private room of a frame holds a stack_frame");

static void dpdk_frame_free(struct stack_frame *frame)
{
    rte_pktmbuf_free(RTE_PTR_SUB(frame, sizeof(struct rte_mbuf)));
}

/* How much of a frame tells who has which address, to be shared; 0: it does not. Of IPv6 that is an
 * advertisement: who solicits one hears it on a queue that may be another's. */
static uint32_t dpdk_tells(const struct rte_mbuf *m)
{
    const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
    uint32_t type = dpdk_ethertype(m);
    if (type == RTE_ETHER_TYPE_ARP && m->pkt_len >= DPDK_ARP_SIZE)
        return DPDK_ARP_SIZE;
    if (type == RTE_ETHER_TYPE_IPV6 && m->pkt_len >= DPDK_ND_SIZE_MIN &&
        m->pkt_len <= DPDK_NEIGHBOUR_MAX && frame[20] == IPPROTO_ICMPV6 && frame[54] == DPDK_ND_NA)
        return m->pkt_len;
    return 0;
}

/* Tells the other queues' stacks who is where. ARP as a reply, which they learn from and do not
 * answer. */
static void dpdk_share_neighbour(struct port_dpdk *port, const struct rte_mbuf *m)
{
    uint32_t size = dpdk_tells(m);
    for (uint32_t i = 0; size && i < port->device->setup.net_count; i++) {
        struct link *link = port->device->neighbours[port->queue][i];
        uint8_t *room = link ? link_reserve(link, size) : NULL;
        if (!room)
            continue; /* full: the next one will do */
        memcpy(room, rte_pktmbuf_mtod(m, uint8_t *), size);
        if (size == DPDK_ARP_SIZE) {
            room[20] = 0;
            room[21] = 2;
        }
        link_publish(link);
    }
}

static void dpdk_input(struct port_dpdk *port, struct rte_mbuf *m)
{
    const struct device_facts *facts = &port->device->device.facts;
    const bool rx_ip = device_uses(facts, DEVICE_RX_IP_SUM);
    const uint64_t ip = m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK;
    const uint64_t l4 = m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
    if ((rx_ip && ip == RTE_MBUF_F_RX_IP_CKSUM_BAD) ||
        port_dpdk_sum_bad(port, DEVICE_RX_TCP_SUM, m->ol_flags)) {
        port_count(&port->counters.rx_bad, 1);
        rte_pktmbuf_free(m);
        return;
    }
    struct stack_frame *frame = rte_mbuf_to_priv(m);
    frame->data = rte_pktmbuf_mtod(m, uint8_t *);
    frame->size = m->pkt_len;
    frame->checked_ip = rx_ip && ip == RTE_MBUF_F_RX_IP_CKSUM_GOOD;
    frame->checked_tcp = device_uses(facts, DEVICE_RX_TCP_SUM) && l4 == RTE_MBUF_F_RX_L4_CKSUM_GOOD;
    frame->free = dpdk_frame_free;
    port->stack->input(frame);
}

/* Takes a tag off, unless the device has. False: the frame is of another VLAN. */
static bool dpdk_untag(const struct port_dpdk *port, struct rte_mbuf *m)
{
    uint16_t vlan = 0;
    if (m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED || rte_vlan_strip(m) == 0)
        vlan = m->vlan_tci & DPDK_VLAN_MASK;
    return vlan == port->device->setup.vlan;
}

/* What is no frame for us, whatever is in it. True: it is freed. */
static bool dpdk_unfit(struct port_dpdk *port, struct rte_mbuf *m)
{
    const uint32_t least = sizeof(struct rte_ether_hdr) + sizeof(struct rte_vlan_hdr);
    bool odd = m->nb_segs != 1 || m->pkt_len < least;
    if (LIKELY(!odd && dpdk_untag(port, m)))
        return false;
    port_count(odd ? &port->counters.rx_bad : &port->counters.rx_other_vlan, 1);
    rte_pktmbuf_free(m);
    return true;
}

static uint32_t dpdk_receive(struct port_dpdk *port)
{
    struct rte_mbuf *burst[DPDK_BURST];
    uint32_t work = 0;
    port->rx_full = false;
    for (int i = 0; i < DPDK_RX_BURSTS; i++) {
        memif_guard_enter(port->queue);
        uint16_t n = rte_eth_rx_burst(port->device->device.id, port->queue, burst, DPDK_BURST);
        memif_guard_leave(port->queue);
        for (uint16_t k = 0; k < n; k++) {
            if (k + 1 < n)
                rte_prefetch0(rte_pktmbuf_mtod(burst[k + 1], void *));
            if (dpdk_unfit(port, burst[k]))
                continue;
            if (port->device->setup.net_count > 1)
                dpdk_share_neighbour(port, burst[k]);
            if (port->device->datagram_count && datagram_dpdk_take(port, burst[k]))
                continue;
            dpdk_input(port, burst[k]);
        }
        port_count(&port->counters.rx_frames, n);
        work += n;
        port->rx_full = n == DPDK_BURST;
        if (!port->rx_full)
            break;
    }
    return work;
}

static void dpdk_frame_of_link_free(struct stack_frame *frame)
{
    (void)frame; /* on the stack below: lwIP copies what it learns from such a frame */
}

static uint32_t dpdk_hear_neighbours(struct port_dpdk *port)
{
    uint32_t work = 0;
    for (uint32_t i = 0; i < port->device->setup.net_count; i++) {
        struct link *link = port->device->neighbours[i][port->queue];
        const void *record;
        uint32_t size;
        while (link && (record = link_peek(link, &size))) {
            uint8_t bytes[DPDK_NEIGHBOUR_MAX] = {0};
            CHECK(size <= sizeof(bytes));
            memcpy(bytes, record, size);
            memcpy(bytes, port->device->device.mac, 6); /* as if sent to us */
            struct stack_frame frame = {.data = bytes, .size = size,
                                        .free = dpdk_frame_of_link_free};
            port->stack->input(&frame);
            link_pop(link);
            work++;
        }
        if (link)
            link_release(link);
    }
    return work;
}

/* ---- the port's interface ---- */

/* At the end of a thread its lcore id, with the frames in the pool's cache for it, goes to the next
 * one: the device outlives the threads of a node's life. */
static void dpdk_thread_ends(void *registered)
{
    (void)registered;
    rte_thread_unregister();
}

static pthread_key_t dpdk_thread_key;

static void dpdk_thread_key_make(void)
{
    CHECK(pthread_key_create(&dpdk_thread_key, dpdk_thread_ends) == 0);
}

static void dpdk_register(struct port_dpdk *port)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, dpdk_thread_key_make);
    if (rte_lcore_id() == LCORE_ID_ANY && rte_thread_register() == 0)
        pthread_setspecific(dpdk_thread_key, &dpdk_thread_key);
    port->registered = true;
}

static uint32_t dpdk_poll(struct port *base, struct now now)
{
    struct port_dpdk *port = dpdk_of(base);
    if (UNLIKELY(!port->registered))
        dpdk_register(port);
    uint32_t work = port->stack->service(now);
    work += dpdk_receive(port);
    if (port->device->setup.net_count > 1)
        work += dpdk_hear_neighbours(port);
    /* What this burst made NET say leaves together: one segment where the bytes fit in one. */
    port_flush(base);
    if (port->tx_count)
        port_dpdk_transmit(port);
    return work;
}

static void dpdk_flush(struct port *base, struct stream *stream)
{
    dpdk_of(base)->stack->flush(stream);
}

static void dpdk_flushed(struct port *base)
{
    if (dpdk_of(base)->tx_count)
        port_dpdk_transmit(dpdk_of(base));
}

static void dpdk_close(struct port *base, struct stream *stream, bool flush_first)
{
    dpdk_of(base)->stack->close(stream, flush_first);
}

static void dpdk_resume(struct port *base, struct stream *stream)
{
    dpdk_of(base)->stack->resume(stream);
}

static bool dpdk_idle(struct port *base)
{
    struct port_dpdk *port = dpdk_of(base);
    return port->stack->idle() && !port->rx_full && !port->tx_count && !base->dirty;
}

/* The descriptors of this port's queue: one each when the driver has one a queue, else all. */
static int dpdk_park_fds(struct port *base, int *fds, int max)
{
    struct port_dpdk *port = dpdk_of(base);
    const struct device *device = &port->device->device;
    bool own = device->fd_count == device->queue_count;
    int count = 0;
    for (uint32_t i = 0; i < device->fd_count; i++) {
        if (own && i != port->queue)
            continue;
        if (count < max)
            fds[count] = device->fds[i];
        count++;
    }
    return count ? count : -1;
}

static uint64_t dpdk_deadline_ns(struct port *base, struct now now)
{
    struct port_dpdk *port = dpdk_of(base);
    uint64_t at_ns = port->stack->deadline_ns();
    uint64_t blind_ns = now.mono_ns + PORT_DPDK_BLIND_NS;
    return port->device->device.fd_count == 0 && blind_ns < at_ns ? blind_ns : at_ns;
}

static void dpdk_epoll_add(struct port_dpdk *port, int fd, uint32_t flags)
{
    struct epoll_event event = {.events = EPOLLIN | flags, .data.fd = fd};
    CHECK(epoll_ctl(port->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0);
}

static void dpdk_wait(struct port *base, int wake_fd, uint64_t wait_ns)
{
    struct port_dpdk *port = dpdk_of(base);
    struct epoll_event event;
    if (port->wake_fd < 0) {
        int fds[DEVICE_FDS_MAX];
        int count = dpdk_park_fds(base, fds, DEVICE_FDS_MAX);
        for (int i = 0; i < count; i++)
            dpdk_epoll_add(port, fds[i], 0);
        dpdk_epoll_add(port, wake_fd, EPOLLET);
        port->wake_fd = wake_fd;
    }
    struct timespec ts = {.tv_sec = (time_t)(wait_ns / NS_PER_S),
                          .tv_nsec = (long)(wait_ns % NS_PER_S)};
    int n = epoll_pwait2(port->epoll_fd, &event, 1, wait_ns == UINT64_MAX ? NULL : &ts, NULL);
    if (n < 0 && errno == ENOSYS) /* before Linux 5.11: a millisecond is the least */
        epoll_wait(port->epoll_fd, &event, 1,
                   wait_ns / NS_PER_MS >= 60000 ? 60000 : (int)(wait_ns / NS_PER_MS) + 1);
}

static void dpdk_fini(struct port *base)
{
    struct port_dpdk *port = dpdk_of(base);
    port->stack->fini();
    if (port->tx_count)
        port_dpdk_transmit(port);
    close(port->epoll_fd);
    port->device->ports[port->queue] = NULL;
    free(port);
}

static const struct port_ops dpdk_ops = {
    .poll = dpdk_poll,
    .flush = dpdk_flush,
    .flushed = dpdk_flushed,
    .close = dpdk_close,
    .resume = dpdk_resume,
    .idle = dpdk_idle,
    .deadline_ns = dpdk_deadline_ns,
    .park_fds = dpdk_park_fds,
    .wait = dpdk_wait,
    .fini = dpdk_fini,
};

/* ---- start ---- */

static int dpdk_check(const struct port_dpdk_setup *setup, struct fault *fault)
{
    static const struct address none;
    bool v4 = port_dpdk_is_v4(&setup->ip);
    if (v4 ? setup->prefix_size > 32 : setup->prefix_size != 64)
        return fault_set(fault, ERR_CONFIG, "the dpdk port needs an address of its own, of IPv4 as "
                         "--ip 192.168.1.10/24, or of IPv6 in a network of 64 bits as --ip "
                         "fd00::10/64");
    if (memcmp(&setup->gateway, &none, sizeof(none)) != 0 && port_dpdk_is_v4(&setup->gateway) != v4)
        return fault_set(fault, ERR_CONFIG, "the dpdk port's address and its gateway are not of "
                         "one kind, IPv4 or IPv6");
    if (setup->vlan > DPDK_VLAN_MAX)
        return fault_set(fault, ERR_CONFIG, "%u is no VLAN: 1 to %u, or 0 for none", setup->vlan,
                         DPDK_VLAN_MAX);
    if (setup->mtu && (setup->mtu < DEVICE_MTU_PLAIN || setup->mtu > DEVICE_MTU_MAX))
        return fault_set(fault, ERR_CONFIG, "an MTU of %u: %u to %u, or 0", setup->mtu,
                         DEVICE_MTU_PLAIN, DEVICE_MTU_MAX);
    if (setup->ip.port == 0)
        return fault_set(fault, ERR_CONFIG, "the dpdk port needs a TCP port to listen on");
    if (setup->net_count == 0 || setup->net_count > port_dpdk_nets_max())
        return fault_set(fault, ERR_UNSUPPORTED,
                         "the dpdk port was built for at most %u NETs (meson "
                         "-Dnets), not %u",
                         port_dpdk_nets_max(), setup->net_count);
    return 0;
}

static int dpdk_links(struct port_dpdk_device *device, struct fault *fault)
{
    uint32_t count = device->setup.net_count;
    for (uint32_t from = 0; from < count; from++)
        for (uint32_t to = 0; to < count; to++) {
            if (from == to)
                continue;
            struct link *link = aligned_alloc(LINK_CACHE_LINE, sizeof(*link));
            if (!link || link_init(link, "neighbours", DPDK_NEIGHBOURS)) {
                free(link);
                return fault_set(fault, ERR_NOMEM, "no memory for the links between queues");
            }
            device->neighbours[from][to] = link;
        }
    return 0;
}

static void dpdk_free(struct port_dpdk_device *device)
{
    for (uint32_t from = 0; from < PORT_DPDK_NETS_MAX; from++)
        for (uint32_t to = 0; to < PORT_DPDK_NETS_MAX; to++)
            if (device->neighbours[from][to]) {
                link_fini(device->neighbours[from][to]);
                free(device->neighbours[from][to]);
            }
    free(device);
}

int port_dpdk_start(const struct port_dpdk_setup *setup, struct port_dpdk_device **out,
                    struct fault *fault)
{
    struct device_fds before;
    int err = dpdk_check(setup, fault);
    if (err)
        return err;
    struct port_dpdk_device *device = calloc(1, sizeof(*device));
    if (!device)
        return fault_set(fault, ERR_NOMEM, "no memory for a device");
    device->setup = *setup;
    device_fds_look(&before);
    err = dpdk_links(device, fault);
    if (!err)
        err = eal_start(setup->eal, fault);
    if (!err)
        err = device_start(&device->device,
                           &(struct device_setup){.queue_count = (uint16_t)setup->net_count,
                                                  .private_size = sizeof(struct stack_frame),
                                                  .mbuf_count = setup->mbuf_count,
                                                  .plain = setup->plain,
                                                  .mtu = setup->mtu},
                           &before, fault);
    if (err) {
        dpdk_free(device);
        return err;
    }
    device->device.facts.vlan = setup->vlan;
    *out = device;
    return 0;
}

void port_dpdk_stop(struct port_dpdk_device *device)
{
    device_stop(&device->device);
    eal_stop();
    dpdk_free(device);
}

int port_dpdk_look(const char *eal, bool plain, struct device_facts *facts, struct fault *fault)
{
    static struct device device;
    const struct device_setup setup = {
        .queue_count = 1, .private_size = sizeof(struct stack_frame), .plain = plain};
    struct device_fds before;
    device_fds_look(&before);
    int err = eal_start(eal, fault);
    if (!err)
        err = device_start(&device, &setup, &before, fault);
    if (err)
        return err;
    *facts = device.facts;
    device_stop(&device);
    eal_stop();
    return 0;
}

int port_dpdk_open(struct port_dpdk_device *device, uint32_t net_index,
                   const struct port_setup *setup, struct port **out, struct fault *fault)
{
    if (net_index >= device->setup.net_count)
        return fault_set(fault, ERR_RANGE, "NET %u has no queue", net_index);
    struct port_dpdk *port = lines_calloc(1, sizeof(*port));
    if (!port)
        return fault_set(fault, ERR_NOMEM, "no memory for a port");
    int err = port_init(&port->base, &dpdk_ops, setup);
    if (err) {
        free(port);
        return fault_set(fault, err, "rx_limit %u or tx_limit %u is out of range", setup->rx_limit,
                         setup->tx_limit);
    }
    port->device = device;
    port->queue = (uint16_t)net_index;
    port->stack = stack_copy(net_index);
    port->wake_fd = -1;
    port->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct stack_setup stack = {
        .port = &port->base,
        .ip = device->setup.ip,
        .gateway = device->setup.gateway,
        .prefix_size = device->setup.prefix_size,
        .mtu = device->device.mtu,
        .listen_port = device->setup.ip.port,
        .offloads = {.tx_ip = device_uses(&device->device.facts, DEVICE_TX_IP_SUM),
                     .tx_tcp = device_uses(&device->device.facts, DEVICE_TX_TCP_SUM)},
        .memory_limit = device->setup.memory_limit ? device->setup.memory_limit : DPDK_MEMORY,
        .seed = device->setup.seed + net_index,
        .link = port,
        .link_room = dpdk_link_room,
        .link_send = dpdk_link_send,
    };
    memcpy(stack.mac, device->device.mac, 6);
    err = port->epoll_fd < 0 ? ERR_LIMIT : port->stack->init(&stack);
    if (err) {
        if (port->epoll_fd >= 0)
            close(port->epoll_fd);
        free(port);
        return fault_set(fault, err, "lwIP does not start: %s", err_name(err));
    }
    device->ports[net_index] = port;
    *out = &port->base;
    return 0;
}

const char *port_dpdk_text(const struct port_dpdk_device *device, char *text, uint32_t size)
{
    const struct device *d = &device->device;
    const struct device_facts *facts = &d->facts;
    bool rx = device_uses(facts, DEVICE_RX_TCP_SUM), tx = device_uses(facts, DEVICE_TX_TCP_SUM);
    snprintf(text, size, "%s, %s, %u queue%s, %s; checksums: %s", facts->driver, facts->mac,
             d->queue_count,
             d->queue_count == 1                 ? ""
             : device_uses(facts, DEVICE_RSS) ? "s (RSS)"
                                                 : "s",
             d->fd_count ? "can park" : "cannot park",
             rx && tx   ? "device"
             : rx || tx ? "half"
                        : "software");
    return text;
}

const struct device_facts *port_dpdk_facts(const struct port_dpdk_device *device)
{
    return &device->device.facts;
}

const struct port_dpdk_counters *port_dpdk_counters(const struct port *port)
{
    return &((const struct port_dpdk *)port)->counters;
}
