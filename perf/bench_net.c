/* What NET costs, alone: getData through the sim port (frame in, decode, look-up, encode, frame
 * out) in bursts of 1 and 64 on a connection, with 1 and 64 connections; and one change told to
 * 1000 watchers, each its own connection. No CORE, no APPLY: sessions are attached by the
 * benchmark. */
#include "perf/bench.h"

#include "base/check.h"
#include "base/zk.h"
#include "dataplane/net.h"
#include "dataplane/port/port_sim.h"

#include <stdlib.h>

#define NODES      10000
#define BURST_MAX  64
#define CONNS_MAX  1000
#define FRAME_SIZE 39

static struct {
    struct net net;
    struct link net_core, apply_net;
    struct tree *tree;
    struct acl_table *acls;
    struct counters page;
    struct counters_book book;
    struct now now;
    struct port_sim_peer *peers[CONNS_MAX];
    uint8_t requests[CONNS_MAX][BURST_MAX * FRAME_SIZE];
    int64_t zxid;
} rig;

static struct bytes path_of(uint8_t *room, uint32_t i)
{
    memcpy(room, "/p000001/n000000000000", 22);
    for (int at = 21; i; at--, i /= 10)
        room[at] = (uint8_t)('0' + i % 10);
    return bytes_of(room, 22);
}

static void make_tree(void)
{
    struct tree_config config = {.memory_limit = 64 << 20, .nodes_max = 1 << 16};
    static const uint8_t value[100];
    uint8_t room[32];
    CHECK(tree_create(&rig.tree, &config) == 0);
    CHECK(acl_table_create(&rig.acls, 16, false) == 0);
    for (int i = -1; i < NODES; i++) {
        struct bytes path = i < 0 ? bytes_of_string("/p000001") : path_of(room, (uint32_t)i);
        tree_begin(rig.tree, ++rig.zxid, 1);
        CHECK(tree_add(rig.tree, path, bytes_of(value, sizeof(value)), ACL_ID_OPEN, 0) == 0);
        tree_commit(rig.tree);
    }
    tree_publish(rig.tree, rig.zxid);
}

static void turn(void)
{
    rig.now.mono_ns += 1000;
    net_poll(&rig.net, rig.now);
}

static void make_net(void)
{
    struct net_config config;
    struct port_setup setup;
    struct port *port;
    if (rig.tree)
        return;
    make_tree();
    net_config_default(&config);
    config.conns_per_address = 0;
    CHECK(link_init(&rig.net_core, "net_core", 8 << 20) == 0);
    CHECK(link_init(&rig.apply_net, "apply_net", 8 << 20) == 0);
    counters_init(&rig.page, "net", 0);
    counters_book_add(&rig.book, &rig.page);
    struct net_parts parts = {&rig.net_core, &rig.apply_net, rig.tree,
                              rig.acls,      &rig.page,      &rig.book};
    CHECK(net_init(&rig.net, &config, &parts) == 0);
    net_port_setup(&rig.net, &setup);
    CHECK(port_sim_open(&setup, 1 << 20, &port) == 0);
    net_start(&rig.net, port);
    rig.now.mono_ns = NS_PER_S;
}

/* Session of connection i, from the other end of the links. */
static void attach(uint32_t i)
{
    static const uint8_t hello[] = {0, 0,  0,  29, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                                    0, 39, 16, 0,  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    struct address from = {.ip = {[10] = 0xff, [11] = 0xff, 10, 0, 0, 1}, .port = 1};
    uint32_t size;
    rig.peers[i] = port_sim_connect(rig.net.port, &from);
    turn();
    port_sim_lend(rig.peers[i], (uint8_t *)(uintptr_t)hello, sizeof(hello));
    turn();
    const struct command *c;
    while ((c = link_peek(&rig.net_core, &size)) && c->kind == COMMAND_TOUCH)
        link_pop(&rig.net_core); /* of the sessions before */
    CHECK(c && c->kind == COMMAND_OPEN);
    struct apply_reply *r = link_reserve(&rig.apply_net, sizeof(*r));
    *r = (struct apply_reply){.head = {APPLY_NET_REPLY, 0, rig.zxid},
                              .conn = c->conn,
                              .session = (int64_t)i + 1,
                              .attach = 1,
                              .timeout_ms = 1000000,
                              .command_kind = COMMAND_OPEN};
    link_pop(&rig.net_core);
    link_release(&rig.net_core);
    link_publish(&rig.apply_net);
    turn();
    port_sim_arrived(rig.peers[i], &size);
    CHECK(size == 41);
    port_sim_take(rig.peers[i], size);
}

static void attach_upto(uint32_t count)
{
    make_net();
    for (uint32_t i = 0; i < count; i++) {
        if (!rig.peers[i])
            attach(i);
    }
}

static uint32_t put_get(uint8_t *at, uint32_t node, uint8_t watch)
{
    uint8_t room[32];
    struct jute_out out = jute_out(at, FRAME_SIZE);
    jute_put_int(&out, FRAME_SIZE - 4);
    jute_put_int(&out, 1);
    jute_put_int(&out, ZK_OP_GET_DATA);
    jute_put_bytes(&out, path_of(room, node));
    jute_put_byte(&out, watch);
    CHECK(!out.bad);
    return FRAME_SIZE;
}

/* Sends one burst on each of `conns` connections and takes the answers. */
static void burst(uint32_t conns, uint32_t frames)
{
    uint32_t size;
    for (uint32_t i = 0; i < conns; i++)
        port_sim_lend(rig.peers[i], rig.requests[i], frames * FRAME_SIZE);
    turn();
    for (uint32_t i = 0; i < conns; i++) {
        port_sim_arrived(rig.peers[i], &size);
        CHECK(size == frames * (20 + 104 + ZK_STAT_SIZE));
        port_sim_take(rig.peers[i], size);
    }
    uint32_t left;
    while (link_peek(&rig.net_core, &left)) { /* touches */
        link_pop(&rig.net_core);
        link_release(&rig.net_core);
    }
}

static void run_get(struct bench *bench, uint32_t conns, uint32_t frames)
{
    attach_upto(conns);
    for (uint32_t i = 0; i < conns; i++)
        for (uint32_t f = 0; f < frames; f++)
            put_get(rig.requests[i] + f * FRAME_SIZE, (i * 7919 + f * 104729) % NODES, 0);
    while (bench_next(bench))
        burst(conns, frames);
    bench_counter(bench, "items", (double)conns * frames);
}

static void bench_get(struct bench *bench, int64_t frames)
{
    run_get(bench, 1, (uint32_t)frames);
}

static void bench_get_conns(struct bench *bench, int64_t frames)
{
    run_get(bench, 64, (uint32_t)frames);
}

/* 1000 getData with a watch are served outside of the clock; then one change is told to all. */
static void bench_watchers(struct bench *bench, int64_t unused)
{
    static const uint8_t value[100];
    uint8_t room[32];
    uint32_t size;
    struct bytes path = path_of(room, 1);
    attach_upto(CONNS_MAX);
    while (bench_next(bench)) {
        bench_pause(bench, true);
        for (uint32_t i = 0; i < CONNS_MAX; i++)
            put_get(rig.requests[i], 1, 1);
        for (uint32_t i = 0; i < CONNS_MAX; i++)
            port_sim_lend(rig.peers[i], rig.requests[i], FRAME_SIZE);
        for (int i = 0; i < 8; i++)
            turn();
        for (uint32_t i = 0; i < CONNS_MAX; i++) {
            port_sim_arrived(rig.peers[i], &size);
            port_sim_take(rig.peers[i], size);
        }
        for (int i = 0; i < 8; i++)
            turn();
        CHECK(rig.net.watches.count == CONNS_MAX);
        tree_begin(rig.tree, ++rig.zxid, 1);
        CHECK(tree_set(rig.tree, path, bytes_of(value, sizeof(value))) == 0);
        tree_commit(rig.tree);
        struct apply_change *c = link_reserve(&rig.apply_net, sizeof(*c) + 22);
        *c = (struct apply_change){
            {APPLY_NET_CHANGE, 22, rig.zxid}, ZK_EVENT_DATA_CHANGED, 22, 0, 0};
        memcpy(c + 1, path.at, 22);
        link_publish(&rig.apply_net);
        tree_publish(rig.tree, rig.zxid);
        bench_pause(bench, false);
        turn();
        CHECK(rig.net.watches.count == 0);
        bench_pause(bench, true);
        for (struct tree_batch *batch; (batch = tree_retired(rig.tree)) != NULL;)
            tree_reclaim(rig.tree, batch);
        for (uint32_t i = 0; i < CONNS_MAX; i++) {
            port_sim_arrived(rig.peers[i], &size);
            CHECK(size == 32 + 22);
            port_sim_take(rig.peers[i], size);
        }
        for (const void *touch; (touch = link_peek(&rig.net_core, &size));) {
            link_pop(&rig.net_core);
            link_release(&rig.net_core);
        }
        bench_pause(bench, false);
    }
    bench_counter(bench, "items", CONNS_MAX);
}

int main(int argc, char **argv)
{
    static const int64_t bursts[] = {1, 64};
    bench_add("net_get", bench_get, bursts, 2);
    bench_add("net_get_64_connections", bench_get_conns, bursts, 2);
    bench_add("net_tell_1000_watchers", bench_watchers, NULL, 0);
    return bench_main(argc, argv);
}
