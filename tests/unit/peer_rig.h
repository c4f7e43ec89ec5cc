/* peer_rig: PEER roles on simulated datagram ports, and the network between them in the test's
 * hands. Node i of the rig has id i + 1 and the address 10.0.0.<id>:2888. */
#pragma once

#include "base/rand.h"
#include "consensus/peer_message.h"
#include "dataplane/peer.h"
#include "dataplane/port/datagram_sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RIG_NODES_MAX 3
#define RIG_LINES_MAX 64

struct rig_node {
    struct peer peer;
    struct peer_config config;
    struct datagram_port *port;
    struct link core_peer, peer_core, ctl_peer;
    struct counters page;
    char lines[RIG_LINES_MAX][512]; /* what it said */
    uint32_t line_count;
};

/* A datagram that is held back, so that later ones pass it. */
struct rig_late {
    struct datagram_sim_sent sent;
    uint8_t bytes[DATAGRAM_SIZE_MAX];
    bool held;
};

struct rig {
    struct rig_late late[RIG_NODES_MAX];
    struct rig_node nodes[RIG_NODES_MAX];
    uint32_t count;
    struct now now;
    struct rand rand;
    uint32_t lose, repeat, delay; /* of 1000 datagrams */
    uint64_t passed, passed_bytes;
};

static struct rig rig;

static inline struct address rig_address(uint8_t id)
{
    return (struct address){.ip = {[10] = 0xff, [11] = 0xff, 10, 0, 0, id}, .port = 2888};
}

static inline void rig_line(void *self, const char *text)
{
    struct rig_node *node = self;
    CHECK(node->line_count < RIG_LINES_MAX);
    snprintf(node->lines[node->line_count++], sizeof(node->lines[0]), "%s", text);
}

static inline struct peer_member rig_member(uint8_t id)
{
    struct peer_member member = {.id = id, .address = rig_address(id)};
    snprintf(member.name, sizeof(member.name), "node%u", id);
    return member;
}

/* The configuration of node i; to be changed before rig_start. */
static inline void rig_prepare(uint32_t count)
{
    memset(&rig, 0, sizeof(rig));
    rig.count = count;
    rig.now = (struct now){.mono_ns = 1000 * NS_PER_S, .wall_ms = 1700000000000};
    rand_seed(&rig.rand, 1);
    for (uint32_t i = 0; i < count; i++) {
        struct rig_node *node = &rig.nodes[i];
        peer_config_default(&node->config);
        node->config.id = (uint8_t)(i + 1);
        memset(node->config.cluster, 0xc1, sizeof(node->config.cluster));
        node->config.incarnation = 100 + i;
        node->config.member_count = count;
        for (uint32_t k = 0; k < count; k++)
            node->config.members[k] = rig_member((uint8_t)(k + 1));
        node->config.line = rig_line;
        node->config.line_self = node;
    }
}

static inline void rig_node_start(uint32_t i)
{
    struct rig_node *node = &rig.nodes[i];
    struct datagram_sim_setup setup = {
        .local = rig_address((uint8_t)(i + 1)), .in_count = 8192, .out_count = 8192};
    CHECK(link_init(&node->core_peer, "core_peer", 64 << 20) == 0);
    CHECK(link_init(&node->peer_core, "peer_core", 16 << 20) == 0);
    CHECK(link_init(&node->ctl_peer, "ctl_peer", 64 << 10) == 0);
    CHECK(datagram_sim_open(&setup, &node->port) == 0);
    counters_init(&node->page, "peer", 0);
    struct peer_parts parts = {&node->core_peer, &node->peer_core, &node->ctl_peer, node->port,
                               &node->page};
    CHECK(peer_init(&node->peer, &node->config, &parts, NULL) == 0);
}

static inline void rig_node_stop(uint32_t i)
{
    struct rig_node *node = &rig.nodes[i];
    peer_fini(&node->peer);
    datagram_fini(node->port);
    link_fini(&node->core_peer);
    link_fini(&node->peer_core);
    link_fini(&node->ctl_peer);
}

static inline void rig_start(void)
{
    for (uint32_t i = 0; i < rig.count; i++)
        rig_node_start(i);
}

static inline void rig_stop(void)
{
    for (uint32_t i = 0; i < rig.count; i++)
        rig_node_stop(i);
}

/* Gives one datagram to whom it is addressed, or not. */
static inline void rig_pass(uint32_t from, const struct datagram_sim_sent *sent)
{
    uint32_t to = sent->to.ip[15] - 1u;
    rig.passed++;
    rig.passed_bytes += sent->size;
    if (to >= rig.count || rand_below(&rig.rand, 1000) < rig.lose)
        return;
    struct address address = rig_address((uint8_t)(from + 1));
    (void)datagram_sim_put(rig.nodes[to].port, &address, sent->bytes, sent->size);
    if (rand_below(&rig.rand, 1000) < rig.repeat)
        (void)datagram_sim_put(rig.nodes[to].port, &address, sent->bytes, sent->size);
}

static inline void rig_network(void)
{
    for (uint32_t i = 0; i < rig.count; i++) {
        struct datagram_sim_sent sent;
        while (datagram_sim_take(rig.nodes[i].port, &sent)) {
            if (!rig.late[i].held && rand_below(&rig.rand, 1000) < rig.delay) {
                rig.late[i].sent = sent;
                memcpy(rig.late[i].bytes, sent.bytes, sent.size);
                rig.late[i].sent.bytes = rig.late[i].bytes;
                rig.late[i].held = true;
                continue;
            }
            rig_pass(i, &sent);
        }
        if (rig.late[i].held && rand_below(&rig.rand, 3) == 0) {
            rig.late[i].held = false;
            rig_pass(i, &rig.late[i].sent);
        }
    }
}

static inline void rig_turn(uint64_t ns)
{
    rig.now.mono_ns += ns;
    for (uint32_t i = 0; i < rig.count; i++)
        peer_poll(&rig.nodes[i].peer, rig.now);
    rig_network();
}

/* Turns of 100 us. */
static inline void rig_turns(uint32_t count)
{
    while (count--)
        rig_turn(100000);
}

/* A message from CORE of node i (from 0), with a payload that rig_take can check. False: full. */
static inline bool rig_send(uint32_t i, uint8_t kind, uint8_t flags, uint8_t to, uint64_t number,
                            uint32_t payload_size)
{
    struct link *link = &rig.nodes[i].core_peer;
    struct peer_message *m = link_reserve(link, (uint32_t)sizeof(*m) + payload_size);
    if (!m)
        return false;
    *m = (struct peer_message){.kind = kind,
                               .from = (uint8_t)(i + 1),
                               .to = to,
                               .flags = flags,
                               .payload_size = payload_size,
                               .context = number};
    for (uint32_t k = 0; k < payload_size; k++)
        ((uint8_t *)(m + 1))[k] = (uint8_t)(number * 31 + k + (k >> 8));
    link_publish(link);
    return true;
}

/* The next message for CORE of node i, checked to the last byte; false: none. */
static inline bool rig_take(uint32_t i, struct peer_message *message)
{
    struct link *link = &rig.nodes[i].peer_core;
    uint32_t size;
    const struct peer_message *m = link_peek(link, &size);
    if (!m)
        return false;
    CHECK(size == sizeof(*m) + m->payload_size);
    for (uint32_t k = 0; k < m->payload_size; k++)
        CHECK(((const uint8_t *)(m + 1))[k] == (uint8_t)(m->context * 31 + k + (k >> 8)));
    *message = *m;
    link_pop(link);
    link_release(link);
    return true;
}

static inline uint32_t rig_take_all(uint32_t i)
{
    struct peer_message message;
    uint32_t count = 0;
    while (rig_take(i, &message))
        count++;
    return count;
}

static inline uint64_t rig_dropped(uint32_t i, uint8_t id, enum peer_drop drop)
{
    uint8_t index = rig.nodes[i].peer.index_of[id];
    CHECK(index != 0);
    return atomic_load(&peer_seen_of(&rig.nodes[i].peer, index - 1u)->dropped[drop]);
}
