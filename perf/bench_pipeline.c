/* Goal: what one request costs through the whole node: frame in, decode, look-up or order, log,
 * apply, encode, frame out. Method: a whole node in memory (bench_node), driven by turns in one
 * thread; a client's frames are lent to the port and its replies dropped unread. arg = requests in
 * flight. */
#include "perf/bench.h"
#include "perf/bench_node.h"

#include "base/check.h"
#include "base/zk.h"

static struct now now;

/* Turns until `bytes` of replies have come back. */
static void turn_until(struct bench_node *n, uint64_t bytes)
{
    uint64_t got = 0;

    while (got < bytes) {
        now.mono_ns += 1000;
        bench_node_turn(n, now);
        got += bench_node_took(n);
    }
    CHECK(got == bytes);
}

static void pipeline_start(struct bench_node *n)
{
    now = (struct now){.mono_ns = NS_PER_S, .wall_ms = 1700000000000};
    bench_node_init(n);
    bench_node_open(n, now);
    bench_node_connect(n);
    bench_node_greet(n);
    bench_node_send(n);
    turn_until(n, 4 + 37);
    for (uint32_t key = 0; key < BENCH_NODE_KEYS; key++) {
        bench_node_clear(n);
        bench_node_put(n, ZK_OP_CREATE, key);
        bench_node_send(n);
        turn_until(n, BENCH_NODE_REPLY_CREATE);
    }
}

static void pipeline_run(struct bench *bench, int32_t op, uint32_t window, uint64_t reply_size)
{
    static struct bench_node node;

    pipeline_start(&node);
    bench_node_clear(&node);
    for (uint32_t i = 0; i < window; i++)
        bench_node_put(&node, op, i * 37 % BENCH_NODE_KEYS);
    while (bench_next(bench)) {
        bench_node_send(&node);
        turn_until(&node, window * reply_size);
    }
    bench_counter(bench, "items", window);
    bench_node_close(&node);
}

static void bench_get(struct bench *bench, int64_t window)
{
    pipeline_run(bench, ZK_OP_GET_DATA, (uint32_t)window, BENCH_NODE_REPLY_GET);
}

static void bench_set(struct bench *bench, int64_t window)
{
    pipeline_run(bench, ZK_OP_SET_DATA, (uint32_t)window, BENCH_NODE_REPLY_SET);
}

int main(int argc, char **argv)
{
    static const int64_t windows[] = {1, 16, 64, 256};

    bench_add("pipeline_get", bench_get, windows, 4);
    bench_add("pipeline_set", bench_set, windows, 4);
    return bench_main(argc, argv);
}
