/* Goal: when NET, CORE and APPLY share a thread a request crosses no ring; else it does. Method:
 * a whole node in memory and a client that writes; the bytes ever published on the three links of
 * the path, before and after, with the answers counted. */
#include "perf/bench_node.h"

#include "base/link.h"
#include "base/zk.h"
#include "tools/taktd/node_parts.h"
#include "tools/taktd/topology.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define WRITES 500u
#define BURST  8u
#define EVENT  (4u + 16u + 4u + 4u + 4u + 10u) /* bytes of a watch event, path of 10 */

static struct now now = {.mono_ns = NS_PER_S, .wall_ms = 1700000000000};

static void turn_until(struct bench_node *n, uint64_t bytes)
{
    uint64_t got = 0;

    for (uint32_t i = 0; got < bytes && i < 1000; i++) {
        now.mono_ns += 1000;
        bench_node_turn(n, now);
        got += bench_node_took(n);
    }
    assert_int_equal(got, bytes);
}

static void start(struct bench_node *n, enum config_layout layout)
{
    bench_node_init(n);
    n->config.layout = layout;
    bench_node_open(n, now);
    bench_node_connect(n);
    bench_node_greet(n);
    bench_node_send(n);
    turn_until(n, 4 + 37);
    bench_node_clear(n);
    bench_node_put(n, ZK_OP_CREATE, 1);
    bench_node_send(n);
    turn_until(n, BENCH_NODE_REPLY_CREATE);
    bench_node_clear(n);
}

/* The bytes that crossed the three rings while WRITES bursts of sets were answered. */
static void count(enum config_layout layout, uint64_t crossed[3])
{
    static const enum topology_link path[3] = {TOPOLOGY_NET_CORE, TOPOLOGY_CORE_APPLY,
                                               TOPOLOGY_APPLY_NET};
    struct bench_node n;

    start(&n, layout);
    for (uint32_t i = 0; i < BURST; i++)
        bench_node_put(&n, ZK_OP_SET_DATA, 1);
    for (int i = 0; i < 3; i++)
        crossed[i] = atomic_load(&node_link(n.node, path[i], 0)->head);
    for (uint32_t i = 0; i < WRITES; i++) {
        bench_node_send(&n);
        turn_until(&n, BURST * BENCH_NODE_REPLY_SET);
    }
    for (int i = 0; i < 3; i++)
        crossed[i] = atomic_load(&node_link(n.node, path[i], 0)->head) - crossed[i];
    bench_node_close(&n);
}

static void test_together(void **state)
{
    uint64_t crossed[3];

    count(CONFIG_LAYOUT_TOGETHER, crossed);
    for (int i = 0; i < 3; i++)
        assert_int_equal(crossed[i], 0);
}

static void test_spread(void **state)
{
    uint64_t crossed[3];

    count(CONFIG_LAYOUT_SPREAD, crossed);
    assert_true(crossed[0] >= WRITES * BURST * sizeof(struct command));
    assert_true(crossed[1] >= WRITES * sizeof(uint64_t));
    assert_true(crossed[2] >= WRITES * BURST * sizeof(uint64_t));
}

/* A change is told to whom watches it, once, though nobody did when the node began. */
static void test_watched(void **state)
{
    struct bench_node n;

    start(&n, CONFIG_LAYOUT_TOGETHER);
    for (uint32_t i = 0; i < 3; i++) {
        bench_node_clear(&n);
        bench_node_put(&n, ZK_OP_GET_DATA, 1);
        n.frames[n.frames_size - 1] = 1; /* with a watch */
        bench_node_put(&n, ZK_OP_SET_DATA, 1);
        bench_node_put(&n, ZK_OP_SET_DATA, 1);
        bench_node_send(&n);
        turn_until(&n, BENCH_NODE_REPLY_GET + EVENT + 2 * BENCH_NODE_REPLY_SET);
    }
    bench_node_close(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_together),
        cmocka_unit_test(test_spread),
        cmocka_unit_test(test_watched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
