/* Goal: a whole node in steady state asks the allocator for nothing when it reads, and when it
 * writes only for the lists of replaced versions, a page for some 200 of them, which come back.
 * Method: a node in memory, all its roles on this thread, a client of ZooKeeper's protocol and a
 * controller; jemalloc's count of the thread's bytes around thousands of requests of each. */
#include "perf/bench_client.h"
#include "perf/bench_node.h"

#include "base/zk.h"

#include <jemalloc/jemalloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define ROUNDS 5000u
#define BURST  8u
#define LIST_SIZE     4096u /* struct tree_batch */
#define LISTS_WAITING 16u   /* that wait until no reader can hold what is on them */

static struct bench_node node;
static struct bench_client controller;
static struct now now = {.mono_ns = NS_PER_S, .wall_ms = 1700000000000};

/* What the thread has asked for, and what it has given back, ever. */
struct heap_use {
    uint64_t allocated, freed;
};

static struct heap_use heap_use(void)
{
    struct heap_use use;
    size_t size = sizeof(uint64_t);
    assert_int_equal(mallctl("thread.allocated", &use.allocated, &size, NULL, 0), 0);
    assert_int_equal(mallctl("thread.deallocated", &use.freed, &size, NULL, 0), 0);
    return use;
}

static void turn(void)
{
    now.mono_ns += 1000;
    bench_node_turn(&node, now);
}

static void stream_until(uint64_t bytes)
{
    uint64_t got = 0;
    for (uint32_t i = 0; got < bytes && i < 1000; i++) {
        turn();
        got += bench_node_took(&node);
    }
    assert_int_equal(got, bytes);
}

static struct beat_frame answered(uint32_t count)
{
    struct beat_frame answer = {0};
    uint32_t got = 0;
    for (uint32_t i = 0; got < count && i < 1000; i++) {
        turn();
        got += bench_client_took(&node, count - got, &answer);
    }
    assert_int_equal(got, count);
    return answer;
}

static int start(void **state)
{
    bench_node_init(&node);
    bench_node_beat(&node);
    bench_node_open(&node, now);
    bench_node_connect(&node);
    bench_node_greet(&node);
    bench_node_send(&node);
    stream_until(4 + 37);
    bench_node_clear(&node);
    bench_node_put(&node, ZK_OP_CREATE, 1);
    bench_node_send(&node);
    stream_until(BENCH_NODE_REPLY_CREATE);
    bench_client_init(&controller, &node, 0);
    bench_client_open(&controller);
    struct beat_frame opened = answered(1);
    assert_true(bench_client_opened(&controller, &opened));
    uint8_t body[BENCH_CLIENT_BODY_MAX];
    for (uint32_t i = 0; i < BEAT_CREDITS; i++) {
        bench_client_ask(&controller, ZK_OP_CREATE, body,
                         bench_client_body(body, ZK_OP_CREATE, i));
        assert_int_equal(answered(1).code, 0);
    }
    return 0;
}

static int end(void **state)
{
    bench_node_close(&node);
    return 0;
}

/* What was allocated and freed while each of two clients makes ROUNDS bursts of `op`, behind as
 * many that bring every buffer to its size. */
static struct heap_use use_of_requests(int32_t op, uint32_t reply)
{
    uint8_t body[BENCH_CLIENT_BODY_MAX];
    uint32_t size = bench_client_body(body, op, 1);
    struct heap_use begin = {0};

    bench_node_clear(&node);
    for (uint32_t i = 0; i < BURST; i++)
        bench_node_put(&node, op, 1);
    for (uint32_t i = 0; i < 2 * ROUNDS; i++) {
        if (i == ROUNDS)
            begin = heap_use();
        bench_node_send(&node);
        stream_until(BURST * reply);
        for (uint32_t k = 0; k < BURST; k++)
            bench_client_ask(&controller, op, body, size);
        struct beat_frame answer = answered(BURST);
        assert_true(answer.kind == BEAT_REPLY && answer.code == 0);
    }
    struct heap_use now_used = heap_use();
    return (struct heap_use){now_used.allocated - begin.allocated, now_used.freed - begin.freed};
}

static void test_reads_allocate_nothing(void **state)
{
    struct heap_use use = use_of_requests(ZK_OP_GET_DATA, BENCH_NODE_REPLY_GET);
    assert_int_equal(use.allocated, 0);
    assert_int_equal(use.freed, 0);
}

static void test_writes_allocate_lists_alone(void **state)
{
    struct heap_use use = use_of_requests(ZK_OP_SET_DATA, BENCH_NODE_REPLY_SET);
    uint64_t writes = 2ull * BURST * ROUNDS;
    assert_true(use.allocated <= writes / 200 * LIST_SIZE);
    assert_true(use.allocated <= use.freed + LISTS_WAITING * LIST_SIZE);
}

static void test_the_counter_counts(void **state)
{
    struct heap_use before = heap_use();
    void *volatile proof = malloc(100);
    assert_true(heap_use().allocated - before.allocated >= 100);
    free(proof);
    assert_true(heap_use().freed - before.freed >= 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_counter_counts),
        cmocka_unit_test_setup_teardown(test_reads_allocate_nothing, start, end),
        cmocka_unit_test_setup_teardown(test_writes_allocate_lists_alone, start, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
