/* Goal: what one replicated write costs in CPU, all three nodes together, without a network and
 * without a device: frame in, log, datagrams, the followers' logs, commit, apply three times, frame
 * out. Method: three whole nodes in memory (bench_node) driven by turns in one thread, their
 * datagrams carried from one to the other; a client at the leader, or at a follower, keeps `arg`
 * writes in flight. A node is turned when one that parks would run, and as often: idle turns are a
 * price of spinning, not of a write. Time is only counted: a round of turns is a microsecond.
 *
 * ensemble_beat_memory is the same for controllers: datagrams of beat, durability.mode memory.
 *
 *   client ─▶ node 1 ⇄ datagrams ⇄ node 2, node 3        one round: a turn of each, then carry */
#include "perf/bench.h"
#include "perf/bench_client.h"

#include "base/check.h"
#include "base/zk.h"
#include "dataplane/port/datagram_sim.h"

#include <stdio.h>

#define NODES 3u
#define ROUNDS_MAX                                                                                 \
    20000000u /* 20 s of the nodes' time: an election, or an answer, has come by then */

#define CONTROLLERS_MAX 4u

static struct bench_node nodes[NODES];
static struct now now;
static uint64_t turns;
static bool in_memory; /* durability.mode memory */
static uint64_t round_ns; /* longer until somebody leads: nothing but time is to pass */

/* Node i + 1 has the address 10.0.0.(i + 1). */
static struct bench_node *node_at(const struct address *at)
{
    uint32_t last = at->ip[15];
    CHECK(last >= 1 && last <= NODES);
    return &nodes[last - 1];
}

static void carry(struct bench_node *from)
{
    struct datagram_sim_sent sent;
    while (datagram_sim_take(from->datagrams, &sent)) {
        struct bench_node *to = node_at(&sent.to);
        to->given = true;
        (void)datagram_sim_put(to->datagrams, &from->datagrams->local, sent.bytes,
                               sent.size); /* a full queue loses it, as a network does */
    }
}

static void one_round(void)
{
    if ((now.mono_ns + round_ns) / NS_PER_MS != now.mono_ns / NS_PER_MS)
        now.wall_ms++;
    now.mono_ns += round_ns;
    for (uint32_t i = 0; i < NODES; i++)
        if (bench_node_wakes(&nodes[i], now)) {
            bench_node_turn_and_park(&nodes[i], now);
            turns++;
        }
    for (uint32_t i = 0; i < NODES; i++)
        carry(&nodes[i]);
}

static void rounds_until(struct bench_node *n, uint64_t bytes)
{
    uint64_t got = 0;

    for (uint32_t i = 0; got < bytes; i++) {
        CHECK(i < ROUNDS_MAX);
        one_round();
        got += bench_node_took(n);
    }
    CHECK(got == bytes);
}

/* The same for controllers: until `count` answers have come; gives the last one. */
static struct beat_frame rounds_until_answered(struct bench_node *n, uint32_t count)
{
    struct beat_frame answer = {0};
    uint32_t got = 0;

    for (uint32_t i = 0; got < count; i++) {
        CHECK(i < ROUNDS_MAX);
        one_round();
        got += bench_client_took(n, count - got, &answer);
    }
    CHECK(got == count);
    return answer;
}

static void member_start(uint32_t i)
{
    struct fault fault = {.text = ""};
    char key[32], value[96], id[8];

    bench_node_init(&nodes[i]);
    snprintf(id, sizeof(id), "%u", i + 1);
    CHECK(config_set(&nodes[i].config, "node.id", id, CONFIG_FROM_SET, 0, &fault) == 0);
    for (uint32_t k = 1; k <= NODES; k++) {
        snprintf(key, sizeof(key), "server.%u", k);
        snprintf(value, sizeof(value), "10.0.0.%u:2888:3888:participant;10.0.0.%u:2181", k, k);
        CHECK(config_set(&nodes[i].config, key, value, CONFIG_FROM_SET, 0, &fault) == 0);
    }
    CHECK(config_set(&nodes[i].config, "data.dir", "memory", CONFIG_FROM_SET, 0, &fault) == 0);
    if (in_memory)
        CHECK(config_set(&nodes[i].config, "durability.mode", "memory", CONFIG_FROM_SET, 0,
                         &fault) == 0);
    bench_node_beat(&nodes[i]);
    if (config_check(&nodes[i].config, &fault) != 0) {
        fprintf(stderr, "%s\n", fault.text);
        CHECK(false);
    }
    bench_node_open(&nodes[i], now);
}

/* Gives `n` a client with a session; tries again as long as nobody leads. */
static void client_start(struct bench_node *n)
{
    bench_node_connect(n);
    bench_node_greet(n);
    bench_node_send(n);
    uint64_t got = 0;
    for (uint32_t i = 0; got < 4 + 37; i++) {
        CHECK(i < ROUNDS_MAX);
        one_round();
        got += bench_node_took(n);
        if (bench_node_closed(n)) {
            bench_node_connect(n);
            bench_node_send(n);
            got = 0;
        }
    }
}

static bool node_leads(const struct node *node)
{
    return atomic_load_explicit(&node_standing(node)->role, memory_order_relaxed) ==
           CORE_ROLE_LEADER;
}

static struct bench_node *find(bool leader)
{
    for (uint32_t i = 0; i < NODES; i++)
        if (node_leads(nodes[i].node) == leader)
            return &nodes[i];
    return NULL;
}

static void ensemble_start(void)
{
    now = (struct now){.mono_ns = NS_PER_S, .wall_ms = 1700000000000};
    for (uint32_t i = 0; i < NODES; i++)
        member_start(i);
    round_ns = 100000;
    for (uint32_t i = 0; find(true) == NULL; i++) {
        CHECK(i < ROUNDS_MAX);
        one_round();
    }
    round_ns = 1000;
}

/* Between ensemble_begin and ensemble_end lies what is measured, of node n. */
static uint64_t begin_ns, begin_turns;

static void ensemble_begin(void)
{
    begin_ns = now.mono_ns;
    begin_turns = turns;
}

static void ensemble_end(struct bench *bench, const struct bench_node *n, bool at_leader,
                         uint32_t window, uint64_t iterations)
{
    bench_counter(bench, "items", window);
    bench_counter(bench, "rounds", (double)(now.mono_ns - begin_ns) / 1000 / (double)iterations);
    bench_counter(bench, "turns", (double)(turns - begin_turns) / (double)iterations);
    CHECK(node_leads(n->node) == at_leader); /* no election came between */
    for (uint32_t i = 0; i < NODES; i++)
        bench_node_close(&nodes[i]);
}

static void ensemble_run(struct bench *bench, bool at_leader, uint32_t window)
{
    uint64_t iterations = 0;

    ensemble_start();
    struct bench_node *n = find(at_leader);
    client_start(n);
    for (uint32_t key = 0; key < BENCH_NODE_KEYS; key++) {
        bench_node_clear(n);
        bench_node_put(n, ZK_OP_CREATE, key);
        bench_node_send(n);
        rounds_until(n, BENCH_NODE_REPLY_CREATE);
    }
    bench_node_clear(n);
    for (uint32_t i = 0; i < window; i++)
        bench_node_put(n, ZK_OP_SET_DATA, i * 37 % BENCH_NODE_KEYS);
    ensemble_begin();
    while (bench_next(bench)) {
        bench_node_send(n);
        rounds_until(n, window * BENCH_NODE_REPLY_SET);
        iterations++;
    }
    ensemble_end(bench, n, at_leader, window, iterations);
}

/* A controller for every BEAT_CREDITS writes in flight; each with a session, at the leader. */
static void controllers_start(struct bench_client *clients, uint32_t count, struct bench_node *n)
{
    for (uint32_t i = 0; i < count; i++) {
        struct beat_frame answer;
        bench_client_init(&clients[i], n, (uint16_t)i);
        do {
            bench_client_open(&clients[i]);
            answer = rounds_until_answered(n, 1);
        } while (!bench_client_opened(&clients[i], &answer));
    }
}

static void bench_beat_memory(struct bench *bench, int64_t arg)
{
    static struct bench_client clients[CONTROLLERS_MAX];
    static uint8_t bodies[CONTROLLERS_MAX * BEAT_CREDITS][BENCH_CLIENT_BODY_MAX];
    uint32_t window = (uint32_t)arg, size = 0;
    uint32_t count = window < BEAT_CREDITS ? 1 : window / BEAT_CREDITS;
    uint64_t iterations = 0;

    CHECK(count <= CONTROLLERS_MAX);
    in_memory = true;
    ensemble_start();
    struct bench_node *n = find(true);
    controllers_start(clients, count, n);
    for (uint32_t key = 0; key < BENCH_NODE_KEYS || key % BEAT_CREDITS; key++) {
        size = bench_client_body(bodies[0], ZK_OP_CREATE, key);
        bench_client_ask(&clients[0], ZK_OP_CREATE, bodies[0], size);
        rounds_until_answered(n, 1);
    }
    for (uint32_t i = 0; i < window; i++)
        size = bench_client_body(bodies[i], ZK_OP_SET_DATA, i * 37 % BENCH_NODE_KEYS);
    ensemble_begin();
    while (bench_next(bench)) {
        for (uint32_t i = 0; i < window; i++)
            bench_client_ask(&clients[i / BEAT_CREDITS], ZK_OP_SET_DATA, bodies[i], size);
        struct beat_frame answer = rounds_until_answered(n, window);
        CHECK(answer.kind == BEAT_REPLY && answer.code == 0);
        iterations++;
    }
    ensemble_end(bench, n, true, window, iterations);
    in_memory = false;
}

static void bench_leader(struct bench *bench, int64_t window)
{
    ensemble_run(bench, true, (uint32_t)window);
}

static void bench_follower(struct bench *bench, int64_t window)
{
    ensemble_run(bench, false, (uint32_t)window);
}

static void bench_memory(struct bench *bench, int64_t window)
{
    in_memory = true;
    ensemble_run(bench, true, (uint32_t)window);
    in_memory = false;
}

int main(int argc, char **argv)
{
    static const int64_t windows[] = {1, 8, 64};

    bench_add("ensemble_set_leader", bench_leader, windows, 3);
    bench_add("ensemble_set_follower", bench_follower, windows, 3);
    bench_add("ensemble_set_memory", bench_memory, windows, 3);
    bench_add("ensemble_beat_memory", bench_beat_memory, windows, 3);
    return bench_main(argc, argv);
}
