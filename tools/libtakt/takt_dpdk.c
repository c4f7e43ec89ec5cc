#include "tools/libtakt/takt_dpdk.h"

#include "dataplane/beat/beat_wire.h"
#include "dataplane/port/dpdk/datagram_dpdk.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DPDK_SLAB_SIZE (1ull << 20) /* of the port of streams, which has none */
#define DPDK_LOOK      16u /* polls between two looks at the clock: the port's timers take 10 ms */

struct takt_dpdk {
    struct port_dpdk_device *device;
    struct port *port; /* feeds datagrams, and lwIP, which answers for our address */
    struct datagram_port *datagrams;
    struct slab slab;
    struct now now;
    uint32_t polls;
    uint32_t node_count;
    struct address nodes[TAKT_NODES_MAX];
    /* what transport.receive was given to fill, and what it has got */
    struct takt_datagram *out;
    uint32_t out_count, out_max;
    /* what a poll brought above that, at most a burst: the next receives have it */
    uint32_t kept_next, kept_count, kept_size[DATAGRAM_BURST], kept_node[DATAGRAM_BURST];
    uint8_t kept[DATAGRAM_BURST][BEAT_WIRE_DATAGRAM_MAX + 1];
};

/* ---- the port of streams: it has none ---- */

static bool dpdk_opened(void *self, struct stream *stream)
{
    return false;
}

static void dpdk_stream(void *self, struct stream *stream)
{
}

static const struct port_events dpdk_port_events = {dpdk_opened, dpdk_stream, dpdk_stream,
                                                    dpdk_stream};

/* ---- the transport ---- */

static void dpdk_give(struct takt_dpdk *dpdk, uint32_t node, const uint8_t *bytes, uint32_t size)
{
    struct takt_datagram *to = &dpdk->out[dpdk->out_count++];
    to->node = node;
    to->size = size < to->size ? size : to->size;
    memcpy(to->bytes, bytes, to->size);
}

static void dpdk_received(void *self, const struct address *from, const uint8_t *bytes,
                          uint32_t size)
{
    struct takt_dpdk *dpdk = self;
    uint32_t node = 0;
    while (node < dpdk->node_count && (dpdk->nodes[node].port != from->port ||
                                        memcmp(dpdk->nodes[node].ip, from->ip, 16) != 0))
        node++;
    if (node == dpdk->node_count)
        return; /* a stranger's */
    if (dpdk->out_count < dpdk->out_max) {
        dpdk_give(dpdk, node, bytes, size);
    } else if (dpdk->kept_count < DATAGRAM_BURST) {
        uint32_t room = sizeof(dpdk->kept[0]);
        dpdk->kept_node[dpdk->kept_count] = node;
        dpdk->kept_size[dpdk->kept_count] = size < room ? size : room;
        memcpy(dpdk->kept[dpdk->kept_count], bytes, size < room ? size : room);
        dpdk->kept_count++;
    }
}

static const struct datagram_events dpdk_datagram_events = {dpdk_received};

static uint32_t dpdk_receive(void *context, struct takt_datagram *datagrams, uint32_t count)
{
    struct takt_dpdk *dpdk = context;
    dpdk->out = datagrams;
    dpdk->out_count = 0;
    dpdk->out_max = count;
    for (; dpdk->kept_next < dpdk->kept_count && dpdk->out_count < count; dpdk->kept_next++)
        dpdk_give(dpdk, dpdk->kept_node[dpdk->kept_next], dpdk->kept[dpdk->kept_next],
                  dpdk->kept_size[dpdk->kept_next]);
    if (dpdk->kept_next < dpdk->kept_count)
        return dpdk->out_count;
    dpdk->kept_next = dpdk->kept_count = 0;
    if (dpdk->polls++ % DPDK_LOOK == 0)
        dpdk->now.mono_ns = takt_now_ns();
    port_poll(dpdk->port, dpdk->now);
    datagram_poll(dpdk->datagrams, dpdk->now);
    return dpdk->out_count;
}

static uint32_t dpdk_send(void *context, const struct takt_datagram *datagrams, uint32_t count)
{
    struct takt_dpdk *dpdk = context;
    uint32_t sent = 0;
    for (; sent < count; sent++) {
        uint8_t *room = datagram_room(dpdk->datagrams);
        if (!room)
            break;
        memcpy(room, datagrams[sent].bytes, datagrams[sent].size);
        datagram_send(dpdk->datagrams, &dpdk->nodes[datagrams[sent].node], datagrams[sent].size);
    }
    datagram_flush(dpdk->datagrams);
    return sent;
}

static uint64_t dpdk_now_ns(void *context)
{
    return takt_now_ns();
}

static void dpdk_wait(void *context, uint64_t until_ns)
{
    struct takt_dpdk *dpdk = context;
    struct now now = {.mono_ns = takt_now_ns()};
    dpdk->polls = 0; /* time passes here */
    uint64_t next_ns = port_deadline_ns(dpdk->port, now);
    int fds[16], count = port_park_fds(dpdk->port, fds, 16);
    struct pollfd at[16];
    if (next_ns < until_ns)
        until_ns = next_ns;
    if (until_ns <= now.mono_ns || dpdk->kept_count || !port_idle(dpdk->port))
        return;
    count = count < 0 ? 0 : count < 16 ? count : 16;
    for (int i = 0; i < count; i++)
        at[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
    uint64_t left_ns = until_ns - now.mono_ns < NS_PER_S ? until_ns - now.mono_ns : NS_PER_S;
    struct timespec left = {(time_t)(left_ns / NS_PER_S), (long)(left_ns % NS_PER_S)};
    (void)ppoll(at, (nfds_t)count, &left, NULL);
}

static void dpdk_close(void *context)
{
    struct takt_dpdk *dpdk = context;
    if (dpdk->datagrams)
        datagram_fini(dpdk->datagrams);
    if (dpdk->port)
        port_fini(dpdk->port);
    if (dpdk->device)
        port_dpdk_stop(dpdk->device);
    slab_fini(&dpdk->slab);
    free(dpdk);
}

/* ---- opening ---- */

/* "192.168.7.2", "fd00::2" or "[fd00::2]" in [at, at + size). */
static int dpdk_ip(const char *at, size_t size, struct address *address, struct fault *fault)
{
    char text[64];
    if (size >= 2 && at[0] == '[' && at[size - 1] == ']') {
        at++;
        size -= 2;
    }
    if (size < sizeof(text)) {
        memcpy(text, at, size);
        text[size] = 0;
        memset(address->ip, 0, sizeof(address->ip));
        if (inet_pton(AF_INET6, text, address->ip) == 1)
            return 0;
        address->ip[10] = address->ip[11] = 0xff;
        if (inet_pton(AF_INET, text, address->ip + 12) == 1)
            return 0;
    }
    return fault_set(fault, ERR_CONFIG, "%.*s is not an address in numbers", (int)size, at);
}

static int dpdk_number(const char *text, uint32_t most, uint32_t *number)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || (*end && *end != ',') || value > most)
        return ERR_CONFIG;
    *number = (uint32_t)value;
    return 0;
}

/* One "IP", "IP:PORT" or "[IP]:PORT". A bare IPv6 address has no port behind it. */
static int dpdk_node(struct takt_dpdk *dpdk, const char *at, size_t size, struct fault *fault)
{
    const char *colon = memrchr(at, ':', size), *bracket = memrchr(at, ']', size);
    uint32_t number = 2182;
    if (dpdk->node_count == TAKT_NODES_MAX)
        return fault_set(fault, ERR_CONFIG, "more than %d nodes", TAKT_NODES_MAX);
    if (colon && (bracket ? colon < bracket : memchr(at, ':', size) != colon))
        colon = NULL;
    if (colon && (dpdk_number(colon + 1, 65535, &number) || number == 0))
        return fault_set(fault, ERR_CONFIG, "%.*s has no port", (int)size, at);
    struct address *node = &dpdk->nodes[dpdk->node_count++];
    memset(node, 0, sizeof(*node));
    node->port = (uint16_t)number;
    return dpdk_ip(at, colon ? (size_t)(colon - at) : size, node, fault);
}

static int dpdk_nodes(struct takt_dpdk *dpdk, const char *nodes, struct fault *fault)
{
    for (int err = 0;; nodes++) {
        size_t size = strcspn(nodes, ",");
        err = dpdk_node(dpdk, nodes, size, fault);
        nodes += size;
        if (err || *nodes == 0)
            return err;
    }
}

static int dpdk_setup(const struct takt_dpdk_config *config, struct port_dpdk_setup *setup,
                      struct fault *fault)
{
    const char *slash = strchr(config->address, '/');
    *setup = (struct port_dpdk_setup){.eal = config->eal, .net_count = 1, .vlan = config->vlan};
    if (!slash || dpdk_number(slash + 1, 128, &setup->prefix_size))
        return fault_set(fault, ERR_CONFIG, "%s: an address and its network are wanted, such as "
                         "192.168.7.9/24", config->address);
    int err = dpdk_ip(config->address, (size_t)(slash - config->address), &setup->ip, fault);
    if (!err && config->gateway)
        err = dpdk_ip(config->gateway, strlen(config->gateway), &setup->gateway, fault);
    setup->ip.port = config->port ? config->port : 2183;
    setup->seed = takt_now_ns();
    return err;
}

static int dpdk_start(struct takt_dpdk *dpdk, const struct takt_dpdk_config *config,
                      struct fault *fault)
{
    struct port_dpdk_setup setup;
    int err = dpdk_nodes(dpdk, config->nodes, fault);
    if (!err)
        err = dpdk_setup(config, &setup, fault);
    if (!err && slab_init(&dpdk->slab, DPDK_SLAB_SIZE))
        err = fault_set(fault, ERR_NOMEM, "no memory for a port");
    if (!err)
        err = port_dpdk_start(&setup, &dpdk->device, fault);
    if (err)
        return err;
    const struct port_setup port = {.events = &dpdk_port_events,
                                    .slab = &dpdk->slab,
                                    .rx_limit = STREAM_PIECE_SIZE_MIN,
                                    .tx_limit = STREAM_PIECE_SIZE_MIN};
    err = port_dpdk_open(dpdk->device, 0, &port, &dpdk->port, fault);
    if (!err)
        err = datagram_dpdk_open(dpdk->device,
                                 &(struct datagram_dpdk_setup){.name = "takt",
                                                               .listen = setup.ip,
                                                               .priority = config->priority},
                                 &dpdk->datagrams, fault);
    if (!err)
        datagram_start(dpdk->datagrams, &dpdk_datagram_events, dpdk);
    return err;
}

int takt_dpdk_open(const struct takt_dpdk_config *config, struct takt_transport *transport,
                   char *why, uint32_t size)
{
    struct fault fault = {{0}};
    struct takt_dpdk *dpdk = calloc(1, sizeof(*dpdk));
    int err = dpdk ? dpdk_start(dpdk, config, &fault)
                   : fault_set(&fault, ERR_NOMEM, "no memory for a transport");
    if (err) {
        snprintf(why, size, "%s", fault.text);
        if (dpdk)
            dpdk_close(dpdk);
        return err == ERR_CONFIG  ? TAKT_ERROR_ARGUMENT
               : err == ERR_NOMEM ? TAKT_ERROR_MEMORY
                                  : TAKT_ERROR_SOCKET;
    }
    *transport = (struct takt_transport){.context = dpdk,
                                         .node_count = dpdk->node_count,
                                         .send = dpdk_send,
                                         .receive = dpdk_receive,
                                         .now_ns = dpdk_now_ns,
                                         .wait = dpdk_wait,
                                         .close = dpdk_close};
    return 0;
}
