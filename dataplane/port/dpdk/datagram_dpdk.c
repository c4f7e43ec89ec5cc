#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_udp.h>
#undef NS_PER_S /* rte_cycles.h has one in double; base/clock.h's is meant */

#include "dataplane/port/dpdk/datagram_dpdk.h"

#include "dataplane/port/dpdk/device_flow.h"
#include "dataplane/port/dpdk/port_dpdk_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DPDK_PRIORITY_MAX 7
#define DPDK_LINK_DEPTH 4096              /* bytes: 256 frames of a queue wait at most */
#define DPDK_HOPS       32                /* neighbours known; more than there are members */
#define DPDK_ASK_NS     (100 * NS_PER_MS) /* between two ARP requests for one */
#define DPDK_SURE_NS    (1 * NS_PER_S)    /* after it was heard, its address is not asked for */

struct dpdk_headers_4 {
    struct rte_ether_hdr ether;
    struct rte_ipv4_hdr ip;
    struct rte_udp_hdr udp;
};
struct dpdk_headers_6 {
    struct rte_ether_hdr ether;
    struct rte_ipv6_hdr ip;
    struct rte_udp_hdr udp;
};
static_assert(sizeof(struct dpdk_headers_4) == 42 && sizeof(struct dpdk_headers_6) == 62,
              "the headers of a datagram on Ethernet");

struct dpdk_hop {
    struct address ip; /* zero: free; its port is 0 */
    struct rte_ether_addr mac;
    bool known;
    uint64_t sure_ns; /* when it was heard or found last */
    uint64_t asked_ns;
};

struct datagram_dpdk {
    struct datagram_port base;
    struct port_dpdk_device *device;
    uint32_t net_index; /* whose burst and neighbours it shares */
    rte_be16_t number;  /* UDP port */
    bool is_v4;
    uint8_t priority;
    struct rte_flow *rule; /* that steers to here; NULL: none */
    uint32_t headers; /* bytes in front of a datagram */
    uint64_t now_ns;
    struct link rx[PORT_DPDK_NETS_MAX]; /* of struct rte_mbuf *, from NET i */
    uint32_t rx_next;                   /* whose turn it is */
    struct rte_mbuf *room;
    struct dpdk_hop hops[DPDK_HOPS];
    uint32_t hop_next; /* the one to give up when all are used */
    _Alignas(8) uint8_t bytes[DATAGRAM_SIZE_MAX];
};

/* What a frame says of itself. */
struct dpdk_seen {
    struct address from;
    const uint8_t *payload;
    uint32_t size;
};

static struct datagram_dpdk *dpdk_of(struct datagram_port *port)
{
    return (struct datagram_dpdk *)port;
}

/* ---- receive: NET's side ---- */

/* The UDP port that a frame is for; 0: it is no datagram, or not for this address. */
static rte_be16_t dpdk_number(const struct port_dpdk_device *device, const struct rte_mbuf *frame)
{
    const struct dpdk_headers_4 *four = rte_pktmbuf_mtod(frame, const struct dpdk_headers_4 *);
    const struct dpdk_headers_6 *six = rte_pktmbuf_mtod(frame, const struct dpdk_headers_6 *);
    const uint8_t *own = device->setup.ip.ip;
    if (frame->nb_segs != 1 || frame->data_len < sizeof(*four))
        return 0;
    if (four->ether.ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV4) && four->ip.version_ihl == 0x45 &&
        four->ip.next_proto_id == IPPROTO_UDP && memcmp(&four->ip.dst_addr, own + 12, 4) == 0 &&
        port_dpdk_is_v4(&device->setup.ip))
        return four->udp.dst_port;
    if (frame->data_len >= sizeof(*six) &&
        six->ether.ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV6) && six->ip.proto == IPPROTO_UDP &&
        memcmp(six->ip.dst_addr, own, 16) == 0)
        return six->udp.dst_port;
    return 0;
}

static struct datagram_dpdk *dpdk_owner(const struct port_dpdk *port, rte_be16_t number)
{
    struct datagram_dpdk *owner = NULL;
    for (uint32_t i = 0; i < port->device->datagram_count; i++) {
        struct datagram_dpdk *datagrams = port->device->datagrams[i];
        if (datagrams->number == number && (!owner || datagrams->net_index == port->queue))
            owner = datagrams;
    }
    return owner;
}

bool datagram_dpdk_take(struct port_dpdk *port, struct rte_mbuf *frame)
{
    rte_be16_t number = dpdk_number(port->device, frame);
    struct datagram_dpdk *datagrams = number ? dpdk_owner(port, number) : NULL;
    if (!datagrams)
        return false;
    struct link *link = &datagrams->rx[port->queue];
    struct rte_mbuf **room = NULL;
    if (port_dpdk_sum_bad(port, DEVICE_RX_UDP_SUM, frame->ol_flags))
        port_count(&port->counters.rx_bad, 1);
    else
        room = link_reserve(link, sizeof(frame));
    if (room) {
        *room = frame;
        link_publish(link);
    } else { /* wrong; or the role is behind: as a socket's buffer that is full */
        rte_pktmbuf_free(frame);
    }
    return true;
}

/* ---- receive: the role's side ---- */

static struct dpdk_hop *dpdk_hop_find(struct datagram_dpdk *port, const struct address *ip)
{
    for (uint32_t i = 0; i < DPDK_HOPS; i++) {
        if (memcmp(port->hops[i].ip.ip, ip->ip, 16) == 0)
            return &port->hops[i];
    }
    return NULL;
}

/* Who sends to us takes what is for it there: itself, or the router on its way. */
static void dpdk_learn(struct datagram_dpdk *port, const struct address *from,
                       const struct rte_ether_hdr *ether)
{
    struct dpdk_hop *hop = dpdk_hop_find(port, from);
    if (!hop)
        return; /* nothing is sent to it */
    hop->mac = ether->src_addr;
    hop->known = true;
    hop->sure_ns = port->now_ns;
}

/* Reads what dpdk_number let through. False: a fragment, or its sizes do not agree. */
static bool dpdk_see(const struct datagram_dpdk *port, const struct rte_mbuf *frame,
                     struct dpdk_seen *seen)
{
    const uint8_t *bytes = rte_pktmbuf_mtod(frame, const uint8_t *);
    const struct rte_udp_hdr *udp =
        (const struct rte_udp_hdr *)(bytes + port->headers - sizeof(*udp));
    uint32_t udp_size = rte_be_to_cpu_16(udp->dgram_len), ip_payload;
    *seen = (struct dpdk_seen){.from = {.ip = {[10] = 0xff, [11] = 0xff},
                                        .port = rte_be_to_cpu_16(udp->src_port)},
                               .payload = (const uint8_t *)(udp + 1)};
    if (port->is_v4) {
        const struct rte_ipv4_hdr *ip = &((const struct dpdk_headers_4 *)bytes)->ip;
        uint32_t ip_size = rte_be_to_cpu_16(ip->total_length);
        if (ip->fragment_offset & RTE_BE16(0x3fff) || ip_size < sizeof(*ip))
            return false;
        ip_payload = ip_size - (uint32_t)sizeof(*ip);
        memcpy(seen->from.ip + 12, &ip->src_addr, 4);
    } else {
        const struct rte_ipv6_hdr *ip = &((const struct dpdk_headers_6 *)bytes)->ip;
        ip_payload = rte_be_to_cpu_16(ip->payload_len);
        memcpy(seen->from.ip, ip->src_addr, 16);
    }
    if (ip_payload + port->headers - sizeof(*udp) > frame->data_len || udp_size < sizeof(*udp) ||
        udp_size > ip_payload || udp_size - sizeof(*udp) > DATAGRAM_SIZE_MAX)
        return false;
    seen->size = udp_size - (uint32_t)sizeof(*udp);
    return true;
}

static void dpdk_deliver(struct datagram_dpdk *port, const struct rte_mbuf *frame)
{
    struct dpdk_seen seen;
    if (!dpdk_see(port, frame, &seen)) {
        datagram_count(&port->base.counters.rx_truncated, 1);
        return;
    }
    memcpy(port->bytes, seen.payload, seen.size); /* on 8 bytes; the frame's are not */
    dpdk_learn(port, &seen.from, rte_pktmbuf_mtod(frame, const struct rte_ether_hdr *));
    datagram_count(&port->base.counters.rx, 1);
    datagram_count(&port->base.counters.rx_bytes, seen.size);
    port->base.events->received(port->base.role, &seen.from, port->bytes, seen.size);
}

static uint32_t dpdk_drain(struct datagram_dpdk *port, struct link *link, uint32_t max)
{
    uint32_t count = 0, size;
    struct rte_mbuf *const *record;
    if (!link_empty(link))
        port->base.received_ns = clock_now().mono_ns; /* behind the look at what is there */
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

/* The port of the NET whose role this is: its burst, and its neighbours. */
static struct port_dpdk *dpdk_net(struct datagram_dpdk *port)
{
    return port->device->ports[port->net_index];
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
        /* So that what follows the headers lies on 8 bytes. */
        port->room->data_off =
            (uint16_t)(RTE_ALIGN(RTE_PKTMBUF_HEADROOM + port->headers, 8) - port->headers);
    }
    return rte_pktmbuf_mtod_offset(port->room, uint8_t *, port->headers);
}

/* The Ethernet address for an IP address; NULL: asked for. */
static const struct rte_ether_addr *dpdk_resolve(struct datagram_dpdk *port,
                                                 const struct address *to)
{
    struct dpdk_hop *hop = dpdk_hop_find(port, to);
    const struct stack_ops *stack = dpdk_net(port)->stack;
    if (!hop) {
        hop = &port->hops[port->hop_next++ % DPDK_HOPS];
        memset(hop, 0, sizeof(*hop));
        memcpy(hop->ip.ip, to->ip, 16);
    }
    if (hop->known && port->now_ns - hop->sure_ns < DPDK_SURE_NS)
        return &hop->mac;
    bool ask = hop->asked_ns == 0 || port->now_ns - hop->asked_ns >= DPDK_ASK_NS;
    if (stack->neighbour(to, hop->mac.addr_bytes, ask)) {
        hop->known = true;
        hop->sure_ns = port->now_ns;
    } else if (ask) {
        hop->asked_ns = port->now_ns;
    }
    return hop->known ? &hop->mac : NULL;
}

static struct rte_udp_hdr dpdk_udp(const struct datagram_dpdk *port, const struct address *to,
                                   uint32_t size)
{
    return (struct rte_udp_hdr){
        .src_port = port->number,
        .dst_port = rte_cpu_to_be_16(to->port),
        .dgram_len = rte_cpu_to_be_16((uint16_t)(sizeof(struct rte_udp_hdr) + size)),
    };
}

static void dpdk_write_4(const struct datagram_dpdk *port, struct dpdk_headers_4 *head,
                         const struct address *to, uint32_t size)
{
    head->ether.ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4);
    head->ip = (struct rte_ipv4_hdr){
        .version_ihl = 0x45,
        .total_length = rte_cpu_to_be_16((uint16_t)(sizeof(head->ip) + sizeof(head->udp) + size)),
        .fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG),
        .time_to_live = 64,
        .next_proto_id = IPPROTO_UDP,
    };
    memcpy(&head->ip.src_addr, port->device->setup.ip.ip + 12, 4);
    memcpy(&head->ip.dst_addr, to->ip + 12, 4);
    head->ip.hdr_checksum = rte_ipv4_cksum(&head->ip);
    head->udp = dpdk_udp(port, to, size);
}

/* With a checksum, which IPv6 asks for (RFC 8200 8.1); the device's, which starts from the
 * pseudo-header's sum, where it does that. */
static void dpdk_write_6(const struct datagram_dpdk *port, struct rte_mbuf *frame,
                         const struct address *to, uint32_t size)
{
    struct dpdk_headers_6 *head = rte_pktmbuf_mtod(frame, struct dpdk_headers_6 *);
    head->ether.ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV6);
    head->ip = (struct rte_ipv6_hdr){
        .vtc_flow = RTE_BE32(6u << 28),
        .payload_len = rte_cpu_to_be_16((uint16_t)(sizeof(head->udp) + size)),
        .proto = IPPROTO_UDP,
        .hop_limits = 64,
    };
    memcpy(head->ip.src_addr, port->device->setup.ip.ip, 16);
    memcpy(head->ip.dst_addr, to->ip, 16);
    head->udp = dpdk_udp(port, to, size);
    if (!device_uses(&port->device->device.facts, DEVICE_TX_UDP_SUM)) {
        head->udp.dgram_cksum = rte_ipv6_udptcp_cksum(&head->ip, &head->udp);
        return;
    }
    frame->l2_len = sizeof(head->ether);
    frame->l3_len = sizeof(head->ip);
    frame->ol_flags |= RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_UDP_CKSUM;
    head->udp.dgram_cksum = rte_ipv6_phdr_cksum(&head->ip, frame->ol_flags);
}

static uint32_t dpdk_size_max(struct datagram_port *base, const struct address *to)
{
    const struct datagram_dpdk *port = dpdk_of(base);
    uint32_t most = port->device->device.mtu + (uint32_t)sizeof(struct rte_ether_hdr) -
                    port->headers;
    (void)to;
    return most < DATAGRAM_SIZE_MAX ? most : DATAGRAM_SIZE_MAX;
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
        port_dpdk_is_v4(to) == port->is_v4 && dpdk_net(port) ? dpdk_resolve(port, to) : NULL;
    if (!mac) {
        datagram_count(&base->counters.tx_failed, 1);
        return;
    }
    port->room = NULL;
    char *head = rte_pktmbuf_append(frame, (uint16_t)(port->headers + size));
    CHECK(head != NULL);
    if (port->is_v4)
        dpdk_write_4(port, (struct dpdk_headers_4 *)head, to, size);
    else
        dpdk_write_6(port, frame, to, size);
    struct rte_ether_hdr *ether = (struct rte_ether_hdr *)head;
    memcpy(ether->src_addr.addr_bytes, port->device->device.mac, 6);
    ether->dst_addr = *mac;
    port_dpdk_queue(dpdk_net(port), frame, port->priority);
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
    return UINT64_MAX; /* its NET looks after the device */
}

static int dpdk_park_fds(struct datagram_port *base, int *fds, int max)
{
    (void)base;
    (void)fds;
    (void)max;
    return 0; /* its NET waits for the device */
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
    struct port_dpdk_device *device = port->device;
    device_flow_drop(&device_flow_rte, device->device.id, port->rule);
    for (uint32_t i = 0; i < device->datagram_count; i++) {
        if (device->datagrams[i] == port)
            device->datagrams[i] = device->datagrams[--device->datagram_count];
    }
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

static int dpdk_check(const struct port_dpdk_device *device,
                      const struct datagram_dpdk_setup *setup, struct fault *fault)
{
    const struct address *listen = &setup->listen;
    static const struct address any, any_v4 = {.ip = {[10] = 0xff, [11] = 0xff}};
    if (memcmp(listen->ip, device->setup.ip.ip, 16) != 0 && memcmp(listen->ip, any.ip, 16) != 0 &&
        memcmp(listen->ip, any_v4.ip, 16) != 0)
        return fault_set(fault, ERR_CONFIG,
                         "datagrams are expected at another address than the dpdk port's: peers "
                         "(this node's own line in the list of servers) and controllers "
                         "(beat.listen) must reach it under that of --ip");
    for (uint32_t i = 0; i < device->datagram_count; i++) {
        const struct datagram_dpdk *other = device->datagrams[i];
        if (other->base.local.port == listen->port && other->net_index == setup->net_index)
            return fault_set(fault, ERR_BUSY, "UDP port %u of the dpdk port is used already",
                             listen->port);
    }
    if (setup->priority > DPDK_PRIORITY_MAX)
        return fault_set(fault, ERR_CONFIG, "%u is no 802.1Q priority: 0 to %u", setup->priority,
                         DPDK_PRIORITY_MAX);
    if (device->datagram_count == DPDK_DATAGRAMS_MAX)
        return fault_set(fault, ERR_BUSY, "the dpdk port's datagrams are all in use");
    return 0;
}

/* Shown with the device; of several with one UDP port once. NULL: no room, or shown already. */
static struct device_flow *dpdk_flow(struct device_facts *facts,
                                     const struct datagram_dpdk_setup *setup)
{
    struct device_flow *flow = facts->flows;
    for (uint32_t i = 0; i < facts->flow_count; i++, flow++)
        if (flow->number == setup->listen.port)
            return NULL;
    if (facts->flow_count == DEVICE_FLOWS_MAX)
        return NULL;
    facts->flow_count++;
    *flow = (struct device_flow){.number = setup->listen.port, .priority = setup->priority};
    snprintf(flow->name, sizeof(flow->name), "%s", setup->name);
    return flow;
}

static void dpdk_steer(struct datagram_dpdk *port, const struct datagram_dpdk_setup *setup)
{
    struct device *device = &port->device->device;
    struct device_flow unseen, *flow = dpdk_flow(&device->facts, setup);
    const struct device_flow_want want = {.device = device->id,
                                          .to = port->base.local,
                                          .vlan = port->device->setup.vlan,
                                          .queue = (uint16_t)setup->net_index};
    if (!flow)
        flow = &unseen;
    if (device->queue_count == 1)
        flow->steer = DEVICE_STEER_ONE;
    else if (!setup->sole)
        flow->steer = DEVICE_STEER_EACH;
    else
        port->rule = device_flow_steer(&device_flow_rte, &want, flow);
}

int datagram_dpdk_open(struct port_dpdk_device *device, const struct datagram_dpdk_setup *setup,
                       struct datagram_port **out, struct fault *fault)
{
    int err = dpdk_check(device, setup, fault);
    if (err)
        return err;
    struct datagram_dpdk *port =
        aligned_alloc(LINK_CACHE_LINE, RTE_ALIGN(sizeof(*port), LINK_CACHE_LINE));
    if (!port)
        return fault_set(fault, ERR_NOMEM, "no memory for datagrams");
    memset(port, 0, sizeof(*port));
    for (uint32_t i = 0; i < device->setup.net_count; i++) {
        if (link_init(&port->rx[i], "net_datagram", DPDK_LINK_DEPTH)) {
            while (i)
                link_fini(&port->rx[--i]);
            free(port);
            return fault_set(fault, ERR_NOMEM, "no memory for datagrams");
        }
    }
    port->base.ops = &dpdk_ops;
    port->base.local = device->setup.ip;
    port->base.local.port = setup->listen.port;
    port->device = device;
    port->net_index = setup->net_index;
    port->priority = setup->priority;
    port->number = rte_cpu_to_be_16(setup->listen.port);
    port->is_v4 = port_dpdk_is_v4(&device->setup.ip);
    port->headers = port->is_v4 ? sizeof(struct dpdk_headers_4) : sizeof(struct dpdk_headers_6);
    device->datagrams[device->datagram_count++] = port;
    dpdk_steer(port, setup);
    *out = &port->base;
    return 0;
}
