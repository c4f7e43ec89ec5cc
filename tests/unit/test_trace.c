/* Goal: stamps of one request become one way; nothing torn or overwritten is ever taken for whole.
 * Method: ways by hand with a clock by hand; a writer and a reader at full speed. */
#include "base/trace.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct seen {
    uint32_t count;
    struct trace_way last;
};

static uint64_t clock_ns;

static uint64_t test_clock(void)
{
    return clock_ns;
}

static void test_seen(void *self, const struct trace_way *way)
{
    struct seen *seen = self;
    seen->count++;
    seen->last = *way;
}

static struct trace_ring *ring_new(void)
{
    struct trace_ring *ring = aligned_alloc(64, sizeof(*ring));
    assert_non_null(ring);
    memset(ring, 0, sizeof(*ring));
    ring->clock = test_clock;
    return ring;
}

static struct trace_join *join_new(void)
{
    struct trace_join *join = malloc(sizeof(*join));
    assert_non_null(join);
    trace_join_init(join);
    return join;
}

/* The stamps of a write lie in three rings, and become one way with all its steps. */
static void test_way(void **state)
{
    struct trace_ring *net = ring_new(), *core = ring_new(), *apply = ring_new();
    struct trace_join *join = join_new();
    struct seen seen = {0};
    uint64_t at[3] = {0}, lost = 0, ns;

    trace_stamp_at(net, 7, TRACE_RX, 100, 5);
    clock_ns = 110;
    trace_stamp(net, 7, TRACE_DECODE, 0);
    clock_ns = 130;
    trace_stamp(core, 7, TRACE_PROPOSE, 42);
    clock_ns = 170;
    trace_stamp(core, 7, TRACE_DURABLE, 42);
    clock_ns = 175;
    trace_stamp(core, 7, TRACE_COMMIT, 42);
    clock_ns = 200;
    trace_stamp(apply, 7, TRACE_APPLY, 42);
    clock_ns = 260;
    trace_stamp(net, 7, TRACE_REPLY, 0);
    clock_ns = 300;
    trace_stamp(net, 7, TRACE_TX, 0);
    trace_collect(join, core, &at[0], trace_head(core), &lost, test_seen, &seen);
    trace_collect(join, apply, &at[1], trace_head(apply), &lost, test_seen, &seen);
    assert_int_equal(seen.count, 0);
    trace_collect(join, net, &at[2], trace_head(net), &lost, test_seen, &seen);
    assert_int_equal(seen.count, 1);
    assert_int_equal(lost, 0);
    assert_int_equal(seen.last.id, 7);
    assert_int_equal(seen.last.op, 5);
    assert_int_equal(seen.last.index, 42);
    static const uint64_t wanted[TRACE_STEPS] = {
        [TRACE_STEP_WRITE] = 200,  [TRACE_STEP_DECODE] = 10, [TRACE_STEP_PROPOSE] = 20,
        [TRACE_STEP_DURABLE] = 40, [TRACE_STEP_COMMIT] = 45, [TRACE_STEP_APPLY] = 25,
        [TRACE_STEP_REPLY] = 60,   [TRACE_STEP_TX] = 40};
    for (int i = 0; i < TRACE_STEPS; i++) {
        bool has = trace_step_ns(&seen.last, (enum trace_step)i, &ns);
        assert_int_equal(has, i != TRACE_STEP_READ);
        if (has)
            assert_int_equal(ns, wanted[i]);
    }
    /* what was collected is not collected again */
    trace_collect(join, net, &at[2], trace_head(net), &lost, test_seen, &seen);
    assert_int_equal(seen.count, 1);
    free(net);
    free(core);
    free(apply);
    free(join);
}

static void test_read(void **state)
{
    struct trace_ring *net = ring_new();
    struct trace_join *join = join_new();
    struct seen seen = {0};
    uint64_t at = 0, lost = 0, ns = 0;

    trace_stamp_at(net, 9, TRACE_RX, 10, 4);
    trace_stamp_at(net, 9, TRACE_REPLY, 30, 0);
    trace_stamp_at(net, 9, TRACE_TX, 50, 0);
    trace_collect(join, net, &at, trace_head(net), &lost, test_seen, &seen);
    assert_int_equal(seen.count, 1);
    assert_true(trace_step_ns(&seen.last, TRACE_STEP_READ, &ns));
    assert_int_equal(ns, 40);
    assert_false(trace_step_ns(&seen.last, TRACE_STEP_WRITE, &ns));
    assert_false(trace_step_ns(&seen.last, TRACE_STEP_DURABLE, &ns));
    free(net);
    free(join);
}

/* A reader that comes late skips what was overwritten, and says how much. */
static void test_overwritten(void **state)
{
    struct trace_ring *net = ring_new();
    struct trace_join *join = join_new();
    struct seen seen = {0};
    uint64_t at = 0, lost = 0;

    for (uint32_t i = 1; i <= TRACE_RING_DEPTH + 100; i++)
        trace_stamp_at(net, i, TRACE_TX, i, 0);
    trace_collect(join, net, &at, trace_head(net), &lost, test_seen, &seen);
    assert_int_equal(lost, 100);
    assert_int_equal(seen.count, TRACE_RING_DEPTH);
    assert_int_equal(at, TRACE_RING_DEPTH + 100);
    assert_int_equal(seen.last.id, TRACE_RING_DEPTH + 100);
    /* a stamp that is being written over the oldest one that would be read */
    at = 100;
    seen.count = 0;
    lost = 0;
    atomic_store(&net->begun, TRACE_RING_DEPTH + 101);
    trace_collect(join, net, &at, trace_head(net), &lost, test_seen, &seen);
    assert_int_equal(lost, 1);
    assert_int_equal(seen.count, TRACE_RING_DEPTH - 1);
    free(net);
    free(join);
}

/* APPLY stamps once what CORE stamps three times: its ring reaches back to ways whose places are
 * taken by later ones, which keep them. */
static void test_older_ways_give_way(void **state)
{
    struct trace_ring *net = ring_new(), *core = ring_new(), *apply = ring_new();
    struct trace_join *join = join_new();
    struct seen seen = {0};
    uint64_t at[3] = {0}, lost = 0;
    uint32_t id = TRACE_WAYS + 5;

    trace_stamp_at(core, id, TRACE_PROPOSE, 20, 9);
    trace_stamp_at(apply, id - TRACE_WAYS, TRACE_APPLY, 10, 0);
    trace_stamp_at(apply, id, TRACE_APPLY, 30, 0);
    trace_stamp_at(net, id, TRACE_TX, 40, 0);
    trace_collect(join, core, &at[0], trace_head(core), &lost, test_seen, &seen);
    trace_collect(join, apply, &at[1], trace_head(apply), &lost, test_seen, &seen);
    trace_collect(join, net, &at[2], trace_head(net), &lost, test_seen, &seen);
    assert_int_equal(seen.count, 1);
    assert_true(trace_way_has(&seen.last, TRACE_PROPOSE));
    assert_int_equal(seen.last.ns[TRACE_APPLY], 30);
    free(net);
    free(core);
    free(apply);
    free(join);
}

/* A page that somebody damaged, or of a crash in the middle of a stamp. */
static void test_nonsense(void **state)
{
    struct trace_ring *net = ring_new();
    struct trace_join *join = join_new();
    struct seen seen = {0};
    uint64_t at = 0, lost = 0;

    atomic_store(&net->words[0][0], (uint64_t)5 << 32 | 99); /* no such stage */
    atomic_store(&net->words[1][0], TRACE_TX);               /* no id */
    atomic_store(&net->head, 2);
    trace_collect(join, net, &at, trace_head(net), &lost, test_seen, &seen);
    assert_int_equal(seen.count, 0);
    free(net);
    free(join);
}

static void test_sampler(void **state)
{
    struct trace_sampler sampler;
    uint32_t ids = 0, last = 0;

    trace_sampler_init(&sampler, 10, 3);
    for (int i = 1; i <= 100; i++) {
        uint32_t id = trace_sample(&sampler);
        if (!id)
            continue;
        assert_int_equal(i % 10, 0);
        assert_int_equal(id >> 20, 3);
        assert_int_not_equal(id, last);
        last = id;
        ids++;
    }
    assert_int_equal(ids, 10);
    trace_sampler_init(&sampler, 0, 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(trace_sample(&sampler), 0);
    trace_sampler_init(&sampler, 1, 0);
    assert_int_not_equal(trace_sample(&sampler), 0);
    assert_int_not_equal(trace_sample(&sampler), 0);
    /* ids begin again, never with 0, which means "not traced" */
    sampler.next = (1u << 20) - 1;
    assert_int_equal(trace_sample(&sampler), (1u << 20) - 1);
    assert_int_equal(trace_sample(&sampler), 1);
}

/* One writes as fast as it can, another one reads: no torn stamp is taken for a whole one. */
struct racer {
    struct trace_ring *ring;
    _Atomic bool stop;
};

static void *test_race_write(void *self)
{
    struct racer *racer = self;
    for (uint32_t i = 1; !atomic_load_explicit(&racer->stop, memory_order_relaxed); i++)
        trace_stamp_at(racer->ring, i & 0x0fffffffu ? i & 0x0fffffffu : 1, TRACE_TX,
                       i & 0x0fffffffu ? i & 0x0fffffffu : 1, 0);
    return NULL;
}

static void test_race_seen(void *self, const struct trace_way *way)
{
    uint64_t *count = self;
    assert_int_equal(way->ns[TRACE_TX], way->id);
    ++*count;
}

static void test_race(void **state)
{
    struct racer racer = {.ring = ring_new()};
    struct trace_join *join = join_new();
    uint64_t at = 0, lost = 0, count = 0;
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, test_race_write, &racer), 0);
    for (int i = 0; i < 3000 || count == 0; i++)
        trace_collect(join, racer.ring, &at, trace_head(racer.ring), &lost, test_race_seen, &count);
    atomic_store(&racer.stop, true);
    pthread_join(thread, NULL);
    assert_true(count > 0);
    free(racer.ring);
    free(join);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_way),
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_overwritten),
        cmocka_unit_test(test_nonsense),
        cmocka_unit_test(test_older_ways_give_way),
        cmocka_unit_test(test_sampler),
        cmocka_unit_test(test_race),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
