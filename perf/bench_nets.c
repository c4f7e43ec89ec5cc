/* Goal: what a read costs for each core when there are more NETs: whether they get into each
 * other's way. Method: arg NETs over one tree, each on a thread of its own with a sim port, a
 * connection and 64 getData in flight; all make the same number of rounds between two barriers.
 * Reported is one NET's share: the clock's time (on so many cores of its own), and by callgrind,
 * which counts all threads, the instructions (perf/regress.sh: nets-2 against nets-1). That no line
 * is written by two of them is tests/unit/test_net_shared.c. */
#include "perf/bench.h"

#include "base/check.h"
#include "base/zk.h"
#include "dataplane/net.h"
#include "dataplane/port/port_sim.h"
#include "dataplane/qsbr.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define NETS_MAX   2
#define NODES      10000
#define FRAMES     64 /* in flight */
#define FRAME_SIZE 39
#define ROUNDS     100 /* between two barriers */

struct core {
    struct net net;
    struct link net_core, apply_net;
    struct counters page;
    struct now now;
    struct port_sim_peer *peer;
    uint8_t requests[FRAMES * FRAME_SIZE];
    pthread_t thread;
};

static struct core *cores[NETS_MAX];
static struct tree *tree;
static struct acl_table *acls;
static struct counters_book book;
static int64_t zxid;
static pthread_barrier_t begin, end;
static bool over; /* written before `begin` */

static struct bytes path_of(char *room, uint32_t i)
{
    snprintf(room, 32, "/p000001/n%012u", i);
    return bytes_of_string(room);
}

static void make_tree(void)
{
    struct tree_config config = {.memory_limit = 64 << 20, .nodes_max = 1 << 16};
    static const uint8_t value[100];
    char room[32];
    CHECK(tree_create(&tree, &config) == 0);
    CHECK(acl_table_create(&acls, 16, false) == 0);
    for (int i = -1; i < NODES; i++) {
        struct bytes path = i < 0 ? bytes_of_string("/p000001") : path_of(room, (uint32_t)i);
        tree_begin(tree, ++zxid, 1);
        CHECK(tree_add(tree, path, bytes_of(value, sizeof(value)), ACL_ID_OPEN, 0) == 0);
        tree_commit(tree);
    }
    tree_publish(tree, zxid);
}

static void turn(struct core *core)
{
    core->now.mono_ns += 1000;
    net_poll(&core->net, core->now);
}

static void take(struct core *core, uint32_t expected)
{
    uint32_t size;
    port_sim_arrived(core->peer, &size);
    CHECK(size == expected);
    port_sim_take(core->peer, size);
}

/* A session, from the other end of the links. */
static void attach(struct core *core, int64_t session)
{
    static const uint8_t hello[] = {0, 0,  0,  29, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                                    0, 39, 16, 0,  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    struct address from = {.ip = {[10] = 0xff, [11] = 0xff, 10, 0, 0, 1}, .port = 1};
    uint32_t size;
    core->peer = port_sim_connect(core->net.port, &from);
    turn(core);
    port_sim_lend(core->peer, (uint8_t *)(uintptr_t)hello, sizeof(hello));
    turn(core);
    const struct command *c = link_peek(&core->net_core, &size);
    CHECK(c && c->kind == COMMAND_OPEN);
    struct apply_reply *r = link_reserve(&core->apply_net, sizeof(*r));
    *r = (struct apply_reply){.head = {APPLY_NET_REPLY, 0, zxid},
                              .conn = c->conn,
                              .session = session,
                              .attach = 1,
                              .timeout_ms = 1000000,
                              .command_kind = COMMAND_OPEN};
    link_pop(&core->net_core);
    link_release(&core->net_core);
    link_publish(&core->apply_net);
    turn(core);
    take(core, 41);
}

static void put_gets(struct core *core, uint32_t index)
{
    for (uint32_t f = 0; f < FRAMES; f++) {
        char room[32];
        struct jute_out out = jute_out(core->requests + f * FRAME_SIZE, FRAME_SIZE);
        jute_put_int(&out, FRAME_SIZE - 4);
        jute_put_int(&out, 1);
        jute_put_int(&out, ZK_OP_GET_DATA);
        jute_put_bytes(&out, path_of(room, (index * 7919 + f * 104729) % NODES));
        jute_put_byte(&out, 0);
        CHECK(!out.bad && out.at == out.end);
    }
}

static struct core *core_make(uint32_t index)
{
    struct core *core = aligned_alloc(64, sizeof(*core));
    struct net_config config;
    struct port_setup setup;
    struct port *port;
    CHECK(core);
    memset((void *)core, 0, sizeof(*core));
    net_config_default(&config);
    config.index = (uint8_t)index;
    CHECK(link_init(&core->net_core, "net_core", 8 << 20) == 0);
    CHECK(link_init(&core->apply_net, "apply_net", 8 << 20) == 0);
    counters_init(&core->page, "net", index);
    counters_book_add(&book, &core->page);
    struct net_parts parts = {&core->net_core, &core->apply_net, tree, acls, &core->page, &book};
    CHECK(net_init(&core->net, &config, &parts) == 0);
    net_port_setup(&core->net, &setup);
    CHECK(port_sim_open(&setup, 1 << 20, &port) == 0);
    net_start(&core->net, port);
    core->now.mono_ns = NS_PER_S;
    attach(core, index + 1);
    put_gets(core, index);
    return core;
}

static void rounds(struct core *core)
{
    for (uint32_t i = 0; i < ROUNDS; i++) {
        uint32_t left;
        port_sim_lend(core->peer, core->requests, sizeof(core->requests));
        turn(core);
        take(core, FRAMES * (20 + 104 + ZK_STAT_SIZE));
        while (link_peek(&core->net_core, &left)) { /* touches */
            link_pop(&core->net_core);
            link_release(&core->net_core);
        }
    }
}

static void *other_core(void *self)
{
    struct core *core = self;
    qsbr_online();
    while (pthread_barrier_wait(&begin), !over) {
        rounds(core);
        pthread_barrier_wait(&end);
    }
    qsbr_offline();
    qsbr_leave();
    return NULL;
}

static void bench_nets(struct bench *bench, int64_t count)
{
    if (!tree)
        make_tree();
    qsbr_online();
    for (uint32_t i = 0; i < count; i++)
        if (!cores[i])
            cores[i] = core_make(i);
    over = false;
    CHECK(pthread_barrier_init(&begin, NULL, (unsigned)count) == 0);
    CHECK(pthread_barrier_init(&end, NULL, (unsigned)count) == 0);
    for (uint32_t i = 1; i < count; i++)
        CHECK(pthread_create(&cores[i]->thread, NULL, other_core, cores[i]) == 0);
    while (bench_next(bench)) {
        pthread_barrier_wait(&begin);
        rounds(cores[0]);
        pthread_barrier_wait(&end);
    }
    over = true;
    pthread_barrier_wait(&begin);
    for (uint32_t i = 1; i < count; i++)
        CHECK(pthread_join(cores[i]->thread, NULL) == 0);
    pthread_barrier_destroy(&begin);
    pthread_barrier_destroy(&end);
    qsbr_offline();
    bench_counter(bench, "items", ROUNDS * FRAMES); /* of one NET */
}

int main(int argc, char **argv)
{
    static const int64_t counts[] = {1, 2};
    bench_add("nets_get", bench_nets, counts, NETS_MAX);
    return bench_main(argc, argv);
}
