#include "tests/sim/sim_network.h"

#include "base/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define OLD_MAX 32 /* datagrams kept of each link, for replays */

struct packet {
    uint64_t due_ns, order; /* order: equal times leave as they were sent */
    uint32_t from, to, size;
    uint8_t *bytes;
};

struct hop {
    uint32_t cuts, clogs;
    bool narrow_mtu;              /* the knob's MTU holds here */
    uint64_t rate, busy_until_ns; /* bandwidth: when the last byte so far has left */
    uint64_t last_due_ns;         /* without reordering nothing comes before this */
    uint32_t burst_left;          /* datagrams of this burst still to be lost */
    struct packet old[OLD_MAX];
    uint32_t old_next;
    struct packet *held; /* while clogged */
    uint32_t held_count, held_room;
};

struct sim_network {
    struct rand rand;
    const struct sim_knobs *knobs;
    struct hop hops[SIM_NETWORK_NODES_MAX][SIM_NETWORK_NODES_MAX];
    struct packet heap[SIM_NETWORK_QUEUE_MAX]; /* the least (due, order) at [0] */
    uint32_t count;
    uint64_t order;
    bool healed; /* it loses and changes nothing any more */
    struct sim_network_counters counters;
};

struct sim_network *sim_network_create(uint64_t seed, const struct sim_knobs *knobs)
{
    struct sim_network *network = calloc(1, sizeof(*network));
    CHECK(network);
    rand_seed(&network->rand, seed);
    network->knobs = knobs;
    for (uint32_t from = 0; from < SIM_NETWORK_NODES_MAX; from++)
        for (uint32_t to = 0; to < SIM_NETWORK_NODES_MAX; to++)
            network->hops[from][to].narrow_mtu = rand_below(&network->rand, 3) == 0;
    return network;
}

static void hop_forget(struct hop *hop)
{
    for (uint32_t i = 0; i < OLD_MAX; i++)
        free(hop->old[i].bytes);
    for (uint32_t i = 0; i < hop->held_count; i++)
        free(hop->held[i].bytes);
    free(hop->held);
    hop->held = NULL;
    hop->held_count = hop->held_room = 0;
    memset(hop->old, 0, sizeof(hop->old));
}

void sim_network_destroy(struct sim_network *network)
{
    for (uint32_t i = 0; i < SIM_NETWORK_NODES_MAX; i++)
        for (uint32_t k = 0; k < SIM_NETWORK_NODES_MAX; k++)
            hop_forget(&network->hops[i][k]);
    for (uint32_t i = 0; i < network->count; i++)
        free(network->heap[i].bytes);
    free(network);
}

/* ---- the queue ------------------------------------------------------------------------------- */

static bool packet_before(const struct packet *a, const struct packet *b)
{
    return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->order < b->order;
}

static void heap_push(struct sim_network *network, struct packet packet)
{
    if (network->count == SIM_NETWORK_QUEUE_MAX) {
        network->counters.lost_full++;
        free(packet.bytes);
        return;
    }
    packet.order = network->order++;
    uint32_t at = network->count++;
    while (at > 0 && packet_before(&packet, &network->heap[(at - 1) / 2])) {
        network->heap[at] = network->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    network->heap[at] = packet;
    if (network->count > network->counters.queue_high)
        network->counters.queue_high = network->count;
}

static struct packet heap_pop(struct sim_network *network)
{
    struct packet first = network->heap[0], last = network->heap[--network->count];
    uint32_t at = 0;

    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= network->count)
            break;
        if (child + 1 < network->count &&
            packet_before(&network->heap[child + 1], &network->heap[child]))
            child++;
        if (!packet_before(&network->heap[child], &last))
            break;
        network->heap[at] = network->heap[child];
        at = child;
    }
    network->heap[at] = last;
    return first;
}

/* ---- sending --------------------------------------------------------------------------------- */

static bool per_mille(struct sim_network *network, uint32_t rate)
{
    return rate && !network->healed && rand_below(&network->rand, 1000) < rate;
}

/* Lognormal around the median, sigma 0.5: twelve uniforms make a normal. */
static uint64_t delay_draw(struct sim_network *network)
{
    double normal = -6;
    double median = network->knobs->delay_us * 1000.0;

    for (int i = 0; i < 12; i++)
        normal += (double)rand_below(&network->rand, 1u << 20) / (1u << 20);
    double delay = median * exp(0.5 * normal);
    if (per_mille(network, network->knobs->tail_per_mille))
        delay *= (double)(10 + rand_below(&network->rand, 990));
    return delay > 5e9 ? 5000000000ull : (uint64_t)delay + 1000;
}

static bool packet_lost(struct sim_network *network, struct hop *hop)
{
    if (hop->burst_left) {
        hop->burst_left--;
        return true;
    }
    if (per_mille(network, network->knobs->burst_per_mille))
        hop->burst_left = 2 + (uint32_t)rand_below(&network->rand, 40);
    return per_mille(network, network->knobs->drop_per_mille);
}

/* A bit flips, or the end is missing. */
static void packet_bend(struct sim_network *network, struct packet *packet)
{
    if (packet->size && per_mille(network, network->knobs->flip_per_mille)) {
        packet->bytes[rand_below(&network->rand, packet->size)] ^=
            (uint8_t)(1u << rand_below(&network->rand, 8));
        network->counters.bent++;
    }
    if (packet->size && per_mille(network, network->knobs->truncate_per_mille)) {
        packet->size = (uint32_t)rand_below(&network->rand, packet->size);
        network->counters.bent++;
    }
}

static struct packet packet_copy(uint32_t from, uint32_t to, const void *bytes, uint32_t size)
{
    struct packet packet = {.from = from, .to = to, .size = size, .bytes = malloc(size + 1ull)};
    CHECK(packet.bytes);
    memcpy(packet.bytes, bytes, size);
    return packet;
}

/* One copy sets out at now_ns. Takes the packet. */
static void packet_start(struct sim_network *network, struct hop *hop, struct packet packet,
                         uint64_t now_ns)
{
    uint64_t leaves_ns = now_ns;

    if (hop->rate) {
        if (hop->busy_until_ns > leaves_ns)
            leaves_ns = hop->busy_until_ns;
        if (leaves_ns > now_ns + 200000000ull) { /* the queue before the narrow place is short */
            network->counters.lost_full++;
            free(packet.bytes);
            return;
        }
        leaves_ns += packet.size * 1000000000ull / hop->rate;
        hop->busy_until_ns = leaves_ns;
    }
    packet_bend(network, &packet);
    packet.due_ns = leaves_ns + delay_draw(network);
    bool overtakes = rand_below(&network->rand, 100) < network->knobs->reorder_percent;
    if (!overtakes && packet.due_ns < hop->last_due_ns)
        packet.due_ns = hop->last_due_ns;
    if (!overtakes)
        hop->last_due_ns = packet.due_ns;
    heap_push(network, packet);
}

static void hop_keep_old(struct hop *hop, uint32_t from, uint32_t to, const void *bytes,
                         uint32_t size)
{
    struct packet *old = &hop->old[hop->old_next++ % OLD_MAX];
    free(old->bytes);
    *old = packet_copy(from, to, bytes, size);
}

static void hop_replay(struct sim_network *network, struct hop *hop, uint64_t now_ns)
{
    const struct packet *old = &hop->old[rand_below(&network->rand, OLD_MAX)];
    if (!old->bytes)
        return;
    network->counters.replayed++;
    packet_start(network, hop, packet_copy(old->from, old->to, old->bytes, old->size), now_ns);
}

static void hop_hold(struct hop *hop, struct packet packet)
{
    if (hop->held_count == hop->held_room) {
        hop->held_room = hop->held_room ? 2 * hop->held_room : 64;
        hop->held = realloc(hop->held, hop->held_room * sizeof(*hop->held));
        CHECK(hop->held);
    }
    hop->held[hop->held_count++] = packet;
}

void sim_network_send(struct sim_network *network, uint32_t from, uint32_t to, const void *bytes,
                      uint32_t size, uint64_t now_ns)
{
    const struct sim_knobs *knobs = network->knobs;

    CHECK(from < SIM_NETWORK_NODES_MAX && to < SIM_NETWORK_NODES_MAX);
    struct hop *hop = &network->hops[from][to];
    network->counters.sent++;
    network->counters.bytes += size;
    if (hop->cuts) {
        network->counters.lost_cut++;
        return;
    }
    if (knobs->mtu && size > knobs->mtu && hop->narrow_mtu && !network->healed) {
        network->counters.lost_mtu++;
        return;
    }
    if (packet_lost(network, hop)) {
        network->counters.lost_drop++;
        return;
    }
    if (hop->clogs) {
        if (hop->held_count < SIM_NETWORK_QUEUE_MAX / 8)
            hop_hold(hop, packet_copy(from, to, bytes, size));
        else
            network->counters.lost_full++;
        return;
    }
    if (knobs->replay_per_mille || knobs->haunt)
        hop_keep_old(hop, from, to, bytes, size);
    if (per_mille(network, knobs->duplicate_per_mille)) {
        network->counters.doubled++;
        packet_start(network, hop, packet_copy(from, to, bytes, size), now_ns);
    }
    packet_start(network, hop, packet_copy(from, to, bytes, size), now_ns);
    if (per_mille(network, knobs->replay_per_mille))
        hop_replay(network, hop, now_ns);
}

uint64_t sim_network_next_ns(const struct sim_network *network)
{
    return network->count ? network->heap[0].due_ns : UINT64_MAX;
}

void sim_network_deliver(struct sim_network *network, uint64_t now_ns,
                         void (*each)(void *self, uint32_t from, uint32_t to, const uint8_t *bytes,
                                      uint32_t size),
                         void *self)
{
    while (network->count && network->heap[0].due_ns <= now_ns) {
        struct packet packet = heap_pop(network);
        if (network->hops[packet.from][packet.to].cuts) { /* cut while it was under way */
            network->counters.lost_cut++;
        } else {
            network->counters.delivered++;
            each(self, packet.from, packet.to, packet.bytes, packet.size);
        }
        free(packet.bytes);
    }
}

/* ---- what faults do to links ----------------------------------------------------------------- */

void sim_network_cut(struct sim_network *network, uint32_t from, uint32_t to, bool cut)
{
    struct hop *hop = &network->hops[from][to];
    CHECK(cut || hop->cuts > 0);
    hop->cuts += cut ? 1 : -1u;
}

void sim_network_clog(struct sim_network *network, uint32_t from, uint32_t to, bool clog,
                      uint64_t now_ns)
{
    struct hop *hop = &network->hops[from][to];

    CHECK(clog || hop->clogs > 0);
    hop->clogs += clog ? 1 : -1u;
    if (hop->clogs)
        return;
    for (uint32_t i = 0; i < hop->held_count; i++)
        packet_start(network, hop, hop->held[i], now_ns);
    hop->held_count = 0;
}

void sim_network_narrow(struct sim_network *network, uint32_t from, uint32_t to, uint64_t rate)
{
    network->hops[from][to].rate = rate;
    network->hops[from][to].busy_until_ns = 0;
}

void sim_network_heal(struct sim_network *network, uint64_t now_ns)
{
    network->healed = true;
    for (uint32_t from = 0; from < SIM_NETWORK_NODES_MAX; from++)
        for (uint32_t to = 0; to < SIM_NETWORK_NODES_MAX; to++) {
            struct hop *hop = &network->hops[from][to];
            hop->cuts = 0;
            hop->rate = 0;
            hop->burst_left = 0;
            hop->last_due_ns = 0; /* nothing waits behind one that takes seconds */
            while (hop->clogs)
                sim_network_clog(network, from, to, false, now_ns);
        }
}

static void hop_haunt(struct sim_network *network, const struct hop *hop, uint64_t now_ns)
{
    for (uint32_t i = 0; i < OLD_MAX; i++) {
        const struct packet *old = &hop->old[i];
        if (!old->bytes || rand_below(&network->rand, 4) != 0)
            continue;
        struct packet again = packet_copy(old->from, old->to, old->bytes, old->size);
        again.due_ns = now_ns + 1000 + rand_below(&network->rand, 300000000);
        network->counters.replayed++;
        heap_push(network, again);
    }
}

void sim_network_haunt(struct sim_network *network, uint32_t node, uint64_t now_ns)
{
    for (uint32_t i = 0; i < SIM_NETWORK_NODES_MAX && !network->healed; i++) {
        if (i == node)
            continue;
        hop_haunt(network, &network->hops[i][node], now_ns);
        hop_haunt(network, &network->hops[node][i], now_ns);
    }
}

const struct sim_network_counters *sim_network_counters(const struct sim_network *network)
{
    return &network->counters;
}
