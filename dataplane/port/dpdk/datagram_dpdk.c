#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_udp.h>
#undef NS_PER_S /* rte_cycles.h has one in double; base/clock.h's is meant */

#include "dataplane/port/dpdk/datagram_dpdk.h"

#include "dataplane/port/dpdk/port_dpdk_parts.h"

#include <stdlib.h>
#include <string.h>

#define DPDK_HEADERS    (sizeof(struct dpdk_headers))
#define DPDK_HEADERS_IP (DPDK_HEADERS - sizeof(struct rte_ether_hdr))
#define DPDK_LINK_DEPTH 4096              /* bytes: 256 frames of a queue wait for PEER at most */
#define DPDK_HOPS       32                /* neighbours known; more than there are members */
#define DPDK_ASK_NS     (100 * NS_PER_MS) /* between two ARP requests for one */
#define DPDK_SURE_NS    (1 * NS_PER_S)    /* after it was heard, its address is not asked for */
/* So that what follows the headers lies on 8 bytes. */
#define DPDK_SHIFT ((8 - (RTE_PKTMBUF_HEADROOM + DPDK_HEADERS) % 8) % 8)

struct dpdk_headers {
    struct rte_ether_hdr ether;
    struct rte_ipv4_hdr ip;
    struct rte_udp_hdr udp;
};
static_assert(sizeof(struct dpdk_headers) == 42, "the headers of a datagram on Ethernet");

struct dpdk_hop {
    uint8_t ip[4]; /* zero: free */
    struct rte_ether_addr mac;
    bool known;
    uint64_t sure_ns; /* when it was heard or found last */
    uint64_t asked_ns;
};

struct datagram_dpdk {
    struct datagram_port base;
    struct port_dpdk_device *device;
    rte_be16_t number; /* UDP port */
    rte_be32_t ip;
    uint64_t now_ns;
    struct link rx[PORT_DPDK_NETS_MAX]; /* of struct rte_mbuf *, from NET i */
    uint32_t rx_next;                   /* whose turn it is */
    struct rte_mbuf *room;
    struct dpdk_hop hops[DPDK_HOPS];
    uint32_t hop_next; /* the one to give up when all are used */
    _Alignas(8) uint8_t bytes[DATAGRAM_SIZE_MAX];
};

static struct datagram_dpdk *dpdk_of(struct datagram_port *port)
{
    return (struct datagram_dpdk *)port;
}

/* ---- receive: NET's side ---- */

bool datagram_dpdk_take(struct port_dpdk *port, struct rte_mbuf *frame)
{
    struct datagram_dpdk *datagrams = port->device->datagrams;
    const struct dpdk_headers *head = rte_pktmbuf_mtod(frame, const struct dpdk_headers *);
    if (frame->nb_segs != 1 || frame->pkt_len < DPDK_HEADERS ||
        head->ether.ether_type != RTE_BE16(RTE_ETHER_TYPE_IPV4) || head->ip.version_ihl != 0x45 ||
        head->ip.next_proto_id != IPPROTO_UDP || head->udp.dst_port != datagrams->number ||
        head->ip.dst_addr != datagrams->ip)
        return false;
    struct link *link = &datagrams->rx[port->queue];
    struct rte_mbuf **room = link_reserve(link, sizeof(frame));
    if (room) {
        *room = frame;
        link_publish(link);
    } else { /* PEER is behind: as a socket's buffer that is full */
        rte_pktmbuf_free(frame);
    }
    return true;
}

/* ---- receive: PEER's side ---- */

static struct dpdk_hop *dpdk_hop_find(struct datagram_dpdk *port, const uint8_t ip[4])
{
    for (uint32_t i = 0; i < DPDK_HOPS; i++) {
        if (memcmp(port->hops[i].ip, ip, 4) == 0)
            return &port->hops[i];
    }
    return NULL;
}

/* Who sends to us takes what is for it there: itself, or the router on its way. */
static void dpdk_learn(struct datagram_dpdk *port, const struct dpdk_headers *head)
{
    struct dpdk_hop *hop = dpdk_hop_find(port, (const uint8_t *)&head->ip.src_addr);
    if (!hop)
        return; /* nothing is sent to it */
    hop->mac = head->ether.src_addr;
    hop->known = true;
    hop->sure_ns = port->now_ns;
}

static void dpdk_deliver(struct datagram_dpdk *port, const struct rte_mbuf *frame)
{
    const struct dpdk_headers *head = rte_pktmbuf_mtod(frame, const struct dpdk_headers *);
    uint32_t ip_size = rte_be_to_cpu_16(head->ip.total_length);
    uint32_t udp_size = rte_be_to_cpu_16(head->udp.dgram_len);
    struct address from = {.ip = {[10] = 0xff, [11] = 0xff},
                           .port = rte_be_to_cpu_16(head->udp.src_port)};
    bool fragment = head->ip.fragment_offset & RTE_BE16(0x3fff);
    if (fragment || ip_size > frame->pkt_len - sizeof(head->ether) ||
        udp_size < sizeof(head->udp) || udp_size > ip_size - sizeof(head->ip) ||
        ip_size < DPDK_HEADERS_IP || udp_size > DATAGRAM_SIZE_MAX) {
        datagram_count(&port->base.counters.rx_truncated, 1);
        return;
    }
    uint32_t size = udp_size - (uint32_t)sizeof(head->udp);
    memcpy(from.ip + 12, &head->ip.src_addr, 4);
    memcpy(port->bytes, head + 1, size); /* on 8 bytes; the frame's are not */
    dpdk_learn(port, head);
    datagram_count(&port->base.counters.rx, 1);
    datagram_count(&port->base.counters.rx_bytes, size);
    port->base.events->received(port->base.role, &from, port->bytes, size);
}

static uint32_t dpdk_drain(struct datagram_dpdk *port, struct link *link, uint32_t max)
{
    uint32_t count = 0, size;
    struct rte_mbuf *const *record;
    while (count < max && (record = link_peek(link, &size))) {
        struct rte_mbuf *frame = *record;
        link_pop(link);
        dpdk_deliver(port, frame);
        rte_pktmbuf_free(frame);
        count++;
    }
    if (count)
        link_release(link);
    return count;
}

static uint32_t dpdk_poll(struct datagram_port *base, struct now now)
{
    struct datagram_dpdk *port = dpdk_of(base);
    uint32_t count = 0, links = port->device->setup.net_count;
    port->now_ns = now.mono_ns;
    for (uint32_t i = 0; i < links && count < DATAGRAM_BURST; i++)
        count += dpdk_drain(port, &port->rx[(port->rx_next + i) % links], DATAGRAM_BURST - count);
    port->rx_next = (port->rx_next + 1) % links;
    if (count)
        datagram_count(&base->counters.reads, 1);
    return count;
}

/* ---- send ---- */

/* The port of NET 0: its burst and its ARP table. */
static struct port_dpdk *dpdk_net(struct datagram_dpdk *port)
{
    return port->device->ports[0];
}

static uint8_t *dpdk_room(struct datagram_port *base)
{
    struct datagram_dpdk *port = dpdk_of(base);
    if (!port->room) {
        port->room = rte_pktmbuf_alloc(port->device->device.pool);
        if (!port->room) {
            datagram_count(&base->counters.tx_full, 1);
            return NULL;
        }
        port->room->data_off = RTE_PKTMBUF_HEADROOM + DPDK_SHIFT;
    }
    return rte_pktmbuf_mtod_offset(port->room, uint8_t *, DPDK_HEADERS);
}

/* The Ethernet address for an IP address; NULL: asked for. */
static const struct rte_ether_addr *dpdk_resolve(struct datagram_dpdk *port, const uint8_t ip[4])
{
    struct dpdk_hop *hop = dpdk_hop_find(port, ip);
    const struct stack_ops *stack = dpdk_net(port)->stack;
    if (!hop) {
        hop = &port->hops[port->hop_next++ % DPDK_HOPS];
        memset(hop, 0, sizeof(*hop));
        memcpy(hop->ip, ip, 4);
    }
    if (hop->known && port->now_ns - hop->sure_ns < DPDK_SURE_NS)
        return &hop->mac;
    bool ask = hop->asked_ns == 0 || port->now_ns - hop->asked_ns >= DPDK_ASK_NS;
    if (stack->neighbour(ip, hop->mac.addr_bytes, ask)) {
        hop->known = true;
        hop->sure_ns = port->now_ns;
    } else if (ask) {
        hop->asked_ns = port->now_ns;
    }
    return hop->known ? &hop->mac : NULL;
}

static void dpdk_headers_write(struct datagram_dpdk *port, struct dpdk_headers *head,
                               const struct address *to, uint32_t size)
{
    memcpy(head->ether.src_addr.addr_bytes, port->device->device.mac, 6);
    head->ether.ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4);
    head->ip = (struct rte_ipv4_hdr){
        .version_ihl = 0x45,
        .total_length = rte_cpu_to_be_16((uint16_t)(DPDK_HEADERS_IP + size)),
        .fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG),
        .time_to_live = 64,
        .next_proto_id = IPPROTO_UDP,
        .src_addr = port->ip,
    };
    memcpy(&head->ip.dst_addr, to->ip + 12, 4);
    head->ip.hdr_checksum = rte_ipv4_cksum(&head->ip);
    head->udp = (struct rte_udp_hdr){
        .src_port = port->number,
        .dst_port = rte_cpu_to_be_16(to->port),
        .dgram_len = rte_cpu_to_be_16((uint16_t)(sizeof(head->udp) + size)),
    };
}

static bool dpdk_is_v4(const struct address *address)
{
    static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};
    return memcmp(address->ip, prefix, sizeof(prefix)) == 0;
}

static uint32_t dpdk_size_max(struct datagram_port *base, const struct address *to)
{
    (void)to;
    return dpdk_of(base)->device->device.mtu - (uint32_t)DPDK_HEADERS_IP;
}

static void dpdk_send(struct datagram_port *base, const struct address *to, uint32_t size)
{
    struct datagram_dpdk *port = dpdk_of(base);
    struct rte_mbuf *frame = port->room;
    CHECK(frame != NULL && size >= 1);
    if (size > dpdk_size_max(base, to)) {
        datagram_count(&base->counters.tx_too_large, 1);
        return; /* the room is used again */
    }
    const struct rte_ether_addr *mac =
        dpdk_is_v4(to) && dpdk_net(port) ? dpdk_resolve(port, to->ip + 12) : NULL;
    if (!mac) {
        datagram_count(&base->counters.tx_failed, 1);
        return;
    }
    port->room = NULL;
    struct dpdk_headers *head =
        (struct dpdk_headers *)rte_pktmbuf_append(frame, (uint16_t)(DPDK_HEADERS + size));
    CHECK(head != NULL);
    dpdk_headers_write(port, head, to, size);
    head->ether.dst_addr = *mac;
    port_dpdk_queue(dpdk_net(port), frame);
    datagram_count(&base->counters.tx, 1);
    datagram_count(&base->counters.tx_bytes, size);
}

static void dpdk_flush(struct datagram_port *base)
{
    struct port_dpdk *net = dpdk_net(dpdk_of(base));
    if (!net || !net->tx_count)
        return;
    datagram_count(&base->counters.writes, 1);
    port_dpdk_transmit(net);
}

/* ---- the rest of the interface ---- */

static bool dpdk_idle(struct datagram_port *base)
{
    struct datagram_dpdk *port = dpdk_of(base);
    for (uint32_t i = 0; i < port->device->setup.net_count; i++) {
        if (!link_empty(&port->rx[i]))
            return false;
    }
    return true;
}

static uint64_t dpdk_deadline_ns(struct datagram_port *base, struct now now)
{
    (void)base;
    (void)now;
    return UINT64_MAX; /* NET 0 looks after the device */
}

static int dpdk_park_fds(struct datagram_port *base, int *fds, int max)
{
    (void)base;
    (void)fds;
    (void)max;
    return 0; /* NET 0 waits for the device */
}

static const _Atomic uint64_t *dpdk_published(const struct datagram_port *base, uint32_t net_index)
{
    return &((const struct datagram_dpdk *)base)->rx[net_index].head;
}

static void dpdk_fini(struct datagram_port *base)
{
    struct datagram_dpdk *port = dpdk_of(base);
    struct rte_mbuf *const *record;
    uint32_t size;
    port->device->datagrams = NULL;
    for (uint32_t i = 0; i < port->device->setup.net_count; i++) {
        for (; (record = link_peek(&port->rx[i], &size)); link_pop(&port->rx[i]))
            rte_pktmbuf_free(*record);
        link_fini(&port->rx[i]);
    }
    rte_pktmbuf_free(port->room);
    free(port);
}

static const struct datagram_ops dpdk_ops = {
    .poll = dpdk_poll,
    .room = dpdk_room,
    .send = dpdk_send,
    .flush = dpdk_flush,
    .size_max = dpdk_size_max,
    .idle = dpdk_idle,
    .deadline_ns = dpdk_deadline_ns,
    .park_fds = dpdk_park_fds,
    .published = dpdk_published,
    .fini = dpdk_fini,
};

int datagram_dpdk_open(struct port_dpdk_device *device, const struct address *listen,
                       struct datagram_port **out, struct fault *fault)
{
    static const struct address any, any_v4 = {.ip = {[10] = 0xff, [11] = 0xff}};
    if (memcmp(listen->ip, device->setup.ip.ip, 16) != 0 && memcmp(listen->ip, any.ip, 16) != 0 &&
        memcmp(listen->ip, any_v4.ip, 16) != 0)
        return fault_set(fault, ERR_CONFIG,
                         "this node's own line in the list of servers has "
                         "another address than the dpdk port: peers must reach it under that of "
                         "--ip");
    if (device->datagrams)
        return fault_set(fault, ERR_BUSY, "the device's datagrams are in use");
    struct datagram_dpdk *port =
        aligned_alloc(LINK_CACHE_LINE, RTE_ALIGN(sizeof(*port), LINK_CACHE_LINE));
    if (!port)
        return fault_set(fault, ERR_NOMEM, "no memory for the peers' datagrams");
    memset(port, 0, sizeof(*port));
    for (uint32_t i = 0; i < device->setup.net_count; i++) {
        if (link_init(&port->rx[i], "net_peer", DPDK_LINK_DEPTH)) {
            while (i)
                link_fini(&port->rx[--i]);
            free(port);
            return fault_set(fault, ERR_NOMEM, "no memory for the peers' datagrams");
        }
    }
    port->base.ops = &dpdk_ops;
    port->base.local = device->setup.ip;
    port->base.local.port = listen->port;
    port->device = device;
    port->number = rte_cpu_to_be_16(listen->port);
    memcpy(&port->ip, device->setup.ip.ip + 12, 4);
    device->datagrams = port;
    *out = &port->base;
    return 0;
}
