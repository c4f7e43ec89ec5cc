/* Goal: a look-up finds every path that is in the table, while the table is being split and its
 * overflow buckets come and go. Method: small tables, where a split and a look-up meet often, grown
 * over and over by one thread while others look up what was inserted before.
 * TAKT_TORTURE_SECONDS (default 1) says for how long. */
#include "base/clock.h"
#include "base/rand.h"
#include "store/tree_hash.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define NODE_COUNT   1200
#define READER_COUNT 2

static struct tree_hash hash;
static struct znode *nodes[NODE_COUNT];
static uint64_t values[NODE_COUNT];
static _Atomic uint64_t inserted;              /* nodes [0, inserted) are in the table */
static _Atomic uint64_t round_number;          /* odd: the table is being replaced */
static _Atomic uint64_t resting[READER_COUNT]; /* the round that the reader has left */
static _Atomic uint64_t got;
static _Atomic bool stop;

static struct bytes path_of(const struct znode *node)
{
    return bytes_of(znode_path_at(node), znode_path_size(node));
}

static void *reader(void *arg)
{
    int self = (int)(intptr_t)arg;
    struct rand r;
    rand_seed(&r, 5 + (uint64_t)self);
    while (!atomic_load(&stop)) {
        uint64_t round = atomic_load(&round_number);
        if (round & 1) {
            atomic_store(&resting[self], round);
            sched_yield();
            continue;
        }
        uint64_t count = atomic_load_explicit(&inserted, memory_order_acquire);
        for (int i = 0; i < 64 && count > 0; i++) {
            uint64_t at = rand_below(&r, count);
            CHECK(tree_hash_get(&hash, path_of(nodes[at]), values[at]) == nodes[at]);
            atomic_fetch_add_explicit(&got, 1, memory_order_relaxed);
        }
    }
    atomic_store(&resting[self], UINT64_MAX);
    return NULL;
}

static void grow(void)
{
    CHECK(tree_hash_init(&hash, NODE_COUNT, 3) == 0);
    atomic_store(&round_number, atomic_load(&round_number) + 1);
    for (int i = 0; i < NODE_COUNT; i++) {
        values[i] = tree_hash_of(&hash, path_of(nodes[i]));
        tree_hash_insert(&hash, nodes[i], values[i]);
        atomic_store_explicit(&inserted, (uint64_t)i + 1, memory_order_release);
        if (i % 128 == 0)
            sched_yield(); /* where cores are few, the readers run too */
    }
    uint64_t round = atomic_load(&round_number) + 1;
    atomic_store(&round_number, round);
    for (int i = 0; i < READER_COUNT; i++)
        while (atomic_load(&resting[i]) < round)
            sched_yield();
    atomic_store(&inserted, 0);
    tree_hash_fini(&hash);
}

static void test_every_look_up_finds_its_path(void **state)
{
    const char *seconds = getenv("TAKT_TORTURE_SECONDS");
    pthread_t threads[READER_COUNT];
    struct heap heap;
    uint64_t tables = 0;
    char path[32];
    assert_int_equal(heap_init(&heap), 0);
    for (int i = 0; i < NODE_COUNT; i++) {
        int size = snprintf(path, sizeof(path), "/node-%d", i);
        struct znode_recipe recipe = {.path = bytes_of(path, (size_t)size), .data = {NULL, -1}};
        nodes[i] = znode_make(&heap, &recipe);
        assert_non_null(nodes[i]);
    }
    atomic_store(&round_number, 1);
    for (int i = 0; i < READER_COUNT; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, reader, (void *)(intptr_t)i), 0);
    uint64_t end = clock_now().mono_ns + (seconds ? strtoull(seconds, NULL, 10) : 1) * NS_PER_S;
    for (; clock_now().mono_ns < end; tables++)
        grow();
    atomic_store(&stop, true);
    for (int i = 0; i < READER_COUNT; i++)
        pthread_join(threads[i], NULL);
    print_message("# %llu tables, %llu look-ups\n", (unsigned long long)tables,
                  (unsigned long long)atomic_load(&got));
    assert_true(tables > 0 && atomic_load(&got) > 0);
    for (int i = 0; i < NODE_COUNT; i++)
        znode_free(&heap, nodes[i]);
    heap_fini(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_look_up_finds_its_path)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
