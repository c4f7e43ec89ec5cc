/* Goal: the ACL that a reader finds by a node's id is the node's, however often ids are reused
 * meanwhile. Method: a state machine replaces nodes, each time with another ACL and the ACL's
 * number as data, in one multi; the table is so small that ids come back all the time. Readers look
 * at both in one view. Time, not counts: TAKT_TORTURE_SECONDS (default 1). */
#include "base/check.h"
#include "base/clock.h"
#include "base/rand.h"
#include "tests/model/world.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SID          0x1001
#define NODE_COUNT   8
#define ACL_COUNT    200
#define READER_COUNT 2

static struct world w;
static _Atomic bool torture_stop;
static _Atomic uint64_t torture_turns[READER_COUNT]; /* each reader's own; release, acquire below */
static _Atomic uint64_t torture_reads, torture_hidden;

/* The data is "<number>"; the ACL of number n lets digest u<n>:h read, and nobody else. */
static void look(const struct znode *node)
{
    struct acl_table *acls = machine_acls(w.machine);
    struct bytes data = znode_data(node);
    uint8_t identity[64], other[64];
    char id[32];
    snprintf(id, sizeof id, "u%.*s:h", data.size, (const char *)data.at);
    int32_t size = acl_identities_one(identity, sizeof identity, bytes_of_string("digest"),
                                      bytes_of_string(id));
    int32_t other_size =
        acl_identities_one(other, sizeof other, bytes_of_string("digest"), bytes_of_string("u-:h"));
    CHECK(acl_allows(acls, znode_acl(node), ZK_PERM_READ, bytes_of(identity, (size_t)size)));
    CHECK(!acl_allows(acls, znode_acl(node), ZK_PERM_READ, bytes_of(other, (size_t)other_size)));
    atomic_fetch_add_explicit(&torture_reads, 1, memory_order_relaxed);
}

static void *reader(void *arg)
{
    struct rand r;
    _Atomic uint64_t *turns = arg;
    rand_seed(&r, (uint64_t)(uintptr_t)arg);
    while (!atomic_load(&torture_stop)) {
        struct tree_view view = tree_view(w.tree);
        for (int i = 0; i < 50; i++) {
            char path[8];
            int size = snprintf(path, sizeof path, "/n%d", (int)rand_below(&r, NODE_COUNT));
            const struct znode *node = tree_get(&view, bytes_of(path, (size_t)size));
            if (node)
                look(node);
            else
                atomic_fetch_add_explicit(&torture_hidden, 1, memory_order_relaxed);
        }
        atomic_fetch_add_explicit(turns, 1, memory_order_release);
        sched_yield();
    }
    return NULL;
}

/* Deletes the node, if it is there, and makes it anew with the n-th ACL. */
static void replace(int node, uint32_t n)
{
    char path[8], id[32], data[16];
    snprintf(path, sizeof path, "/n%d", node);
    snprintf(id, sizeof id, "u%u:h", n);
    snprintf(data, sizeof data, "%u", n);
    world_begin(&w);
    if (tree_find(w.tree, bytes_of_string(path)))
        world_put_delete(&w, path, -1);
    world_put_header(&w, ZK_OP_CREATE, false);
    world_put_string(&w, path);
    world_put_string(&w, data);
    world_put_acl(&w, ZK_PERM_READ, "digest", id);
    jute_put_int(&w.out, 0);
    world_put_header(&w, -1, true);
    CHECK(world_request(&w, SID, ZK_OP_MULTI) == ZK_OK);
    CHECK(w.change_count > 0);
}

/* Until every reader has begun a turn after now. */
static void grace_period(void)
{
    for (int i = 0; i < READER_COUNT; i++) {
        uint64_t before = atomic_load_explicit(&torture_turns[i], memory_order_seq_cst);
        while (atomic_load_explicit(&torture_turns[i], memory_order_acquire) == before &&
               !atomic_load(&torture_stop))
            sched_yield();
    }
}

static void reclaim(void)
{
    struct tree_batch *batch = tree_retired(w.tree);
    struct acl_batch *acls = acl_retired(machine_acls(w.machine));
    grace_period();
    if (batch)
        tree_reclaim(w.tree, batch);
    if (acls)
        acl_reclaim(machine_acls(w.machine), acls);
}

static void test_ids_are_not_reused_under_readers(void **state)
{
    const char *seconds = getenv("TAKT_TORTURE_SECONDS");
    uint64_t end = clock_now().mono_ns + (seconds ? strtoull(seconds, NULL, 10) : 1) * NS_PER_S;
    struct machine_config config = world_config_default();
    pthread_t threads[READER_COUNT];
    uint64_t writes = 0;
    struct rand r;
    (void)state;
    rand_seed(&r, 1);
    config.acl_count_max = 32;
    world_init(&w, &config, 0);
    assert_int_equal(world_open(&w, SID), ZK_OK);
    for (int i = 0; i < READER_COUNT; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, reader, &torture_turns[i]), 0);
    while (clock_now().mono_ns < end) {
        for (int i = 0; i < 16; i++, writes++)
            replace((int)rand_below(&r, NODE_COUNT), (uint32_t)rand_below(&r, ACL_COUNT));
        reclaim();
    }
    atomic_store(&torture_stop, true);
    for (int i = 0; i < READER_COUNT; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_true(acl_count(machine_acls(w.machine)) <= 64); /* far fewer than were made */
    assert_true(writes > ACL_COUNT && torture_reads > 0);
    print_message("# %llu replacements, %llu reads\n", (unsigned long long)writes,
                  (unsigned long long)torture_reads);
    reclaim();
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids_are_not_reused_under_readers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
