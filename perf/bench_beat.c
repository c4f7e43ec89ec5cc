/* Goal: what a controller's request costs through the whole node on the sim port: datagram in,
 * checked, look-up or order, log, apply, datagram out. Method: a node in memory (bench_node),
 * driven by turns in one thread; the client's datagrams are put into its datagram port and the
 * answers taken. arg = requests in flight, 16 a session. beat_client_* is the client's own part of
 * an iteration, in the port's memory: to be taken off. */
#include "perf/bench.h"
#include "perf/bench_client.h"

#include "base/check.h"
#include "base/zk.h"
#include "dataplane/port/datagram_sim.h"

#define CLIENTS_MAX 16u

static struct bench_node node;
static struct bench_client clients[CLIENTS_MAX];
static uint32_t client_count;
static struct now now;

/* Turns until `count` answers have come; gives the last one. */
static struct beat_frame turn_until(uint32_t count)
{
    struct beat_frame got = {0};
    for (uint32_t n = 0, turns = 0; n < count; turns++) {
        CHECK(turns < 1000);
        now.mono_ns += 1000;
        bench_node_turn(&node, now);
        n += bench_client_took(&node, count - n, &got);
    }
    CHECK(got.kind & BEAT_ANSWER && got.code == 0);
    return got;
}

static void start(uint32_t window)
{
    uint8_t body[BENCH_CLIENT_BODY_MAX];
    now = (struct now){.mono_ns = NS_PER_S, .wall_ms = 1700000000000};
    bench_node_init(&node);
    bench_node_beat(&node);
    bench_node_open(&node, now);
    client_count = window < BEAT_CREDITS ? 1 : window / BEAT_CREDITS;
    CHECK(client_count <= CLIENTS_MAX);
    for (uint32_t i = 0; i < client_count; i++) {
        bench_client_init(&clients[i], &node, (uint16_t)i);
        bench_client_open(&clients[i]);
        struct beat_frame opened = turn_until(1);
        CHECK(bench_client_opened(&clients[i], &opened));
    }
    for (uint32_t key = 0; key < BENCH_NODE_KEYS; key++) {
        bench_client_ask(&clients[0], ZK_OP_CREATE, body,
                         bench_client_body(body, ZK_OP_CREATE, key));
        turn_until(1);
    }
    while (clients[0].sequence % BEAT_CREDITS) {
        bench_client_ask(&clients[0], ZK_OP_GET_DATA, body,
                         bench_client_body(body, ZK_OP_GET_DATA, 0));
        turn_until(1);
    }
}

/* One body of a request, and its size: nothing is made in the loop but the header. */
struct bodies {
    uint8_t bytes[CLIENTS_MAX * BEAT_CREDITS][BENCH_CLIENT_BODY_MAX];
    uint32_t size[CLIENTS_MAX * BEAT_CREDITS];
};
static struct bodies bodies;

static void put_all(int32_t op, uint32_t window)
{
    for (uint32_t i = 0; i < window; i++) {
        struct bench_client *client = &clients[i / BEAT_CREDITS];
        if (op)
            bench_client_ask(client, op, bodies.bytes[i], bodies.size[i]);
        else
            bench_client_renew(client);
    }
}

/* answered false: the client's part alone. */
static void run(struct bench *bench, int32_t op, uint32_t window, bool answered)
{
    start(window);
    for (uint32_t i = 0; i < window && op; i++)
        bodies.size[i] = bench_client_body(bodies.bytes[i], op, i * 37 % BENCH_NODE_KEYS);
    while (bench_next(bench)) {
        put_all(op, window);
        if (answered)
            turn_until(window);
        else
            datagram_sim_clear(node.beats);
    }
    bench_counter(bench, "items", window);
    bench_node_close(&node);
}

static void bench_get(struct bench *bench, int64_t window)
{
    run(bench, ZK_OP_GET_DATA, (uint32_t)window, true);
}

static void bench_set(struct bench *bench, int64_t window)
{
    run(bench, ZK_OP_SET_DATA, (uint32_t)window, true);
}

static void bench_renew(struct bench *bench, int64_t window)
{
    run(bench, 0, (uint32_t)window, true);
}

static void bench_put_get(struct bench *bench, int64_t window)
{
    run(bench, ZK_OP_GET_DATA, (uint32_t)window, false);
}

static void bench_put_renew(struct bench *bench, int64_t window)
{
    run(bench, 0, (uint32_t)window, false);
}

int main(int argc, char **argv)
{
    static const int64_t windows[] = {1, 16, 64};

    bench_add("beat_get", bench_get, windows, 3);
    bench_add("beat_renew", bench_renew, windows, 3);
    bench_add("beat_set", bench_set, windows, 3);
    bench_add("beat_client_get", bench_put_get, windows, 3);
    bench_add("beat_client_renew", bench_put_renew, windows, 3);
    return bench_main(argc, argv);
}
