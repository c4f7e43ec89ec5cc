/* Goal: whatever network, disks and clocks do, there is one leader a term, one order, nothing that
 * was committed is lost, reads are not stale, and a healed cluster agrees soon. Method: thousands
 * of seeded hostile runs of raft_cluster, and one scene with known numbers.
 *
 * TAKT_SEEDS=A..B runs others; TAKT_SEED=N TAKT_TRACE=1 shows one step by step. */
#include "tests/unit/raft_cluster.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct cluster cluster;

/* A CHECK in the code under test ends the process: say which seed it was. */
static void on_abort(int number)
{
    char line[64];
    int n = snprintf(line, sizeof(line), "# seed %llu stopped by a CHECK\n",
                     (unsigned long long)cluster.seed);
    (void)!write(2, line, (size_t)n);
    (void)number;
}

static void seeds_of_environment(uint64_t *first, uint64_t *last)
{
    const char *range = getenv("TAKT_SEEDS"), *one = getenv("TAKT_SEED");

    *first = 1;
    *last = 2000;
    if (one)
        *first = *last = strtoull(one, NULL, 10);
    else if (range && strstr(range, ".."))
        *first = strtoull(range, NULL, 10), *last = strtoull(strstr(range, "..") + 2, NULL, 10);
}

static void test_hostile_seeds(void **state)
{
    uint64_t first, last, elections = 0, reads = 0, snapshots = 0, changes = 0, truncations = 0;

    seeds_of_environment(&first, &last);
    for (uint64_t seed = first; seed <= last; seed++) {
        cluster.trace = getenv("TAKT_TRACE") ? stderr : NULL;
        bool good = cluster_seed(&cluster, seed);
        if (!good)
            print_error("%s\n", cluster.failure);
        assert_true(good);
        elections += cluster.elections;
        reads += cluster.reads_done;
        snapshots += cluster.snapshots;
        changes += cluster.changes;
        truncations += cluster.truncations;
    }
    print_message("# %llu seeds: %llu elections, %llu reads, %llu snapshots, %llu changes, "
                  "%llu truncations\n",
                  (unsigned long long)(last - first + 1), (unsigned long long)elections,
                  (unsigned long long)reads, (unsigned long long)snapshots,
                  (unsigned long long)changes, (unsigned long long)truncations);
    if (last - first < 100)
        return;
    assert_true(elections > last - first); /* the runs are about something */
    assert_true(reads > last - first);
    assert_true(snapshots > 10);
    assert_true(changes > 10);
    assert_true(truncations > 10);
}

/* A member that lacks `missing` entries when it is heard again: how many it is sent until it has
 * them all, and how long that takes. Writes go on. */
static uint64_t entries_to_catch_up(uint64_t seed, uint64_t *missing, uint64_t *took_ms)
{
    cluster_init(&cluster, seed, 3, 3, 0);
    cluster.bulk_ms = 3;
    cluster.trace = getenv("TAKT_TRACE") ? stderr : NULL;
    assert_true(cluster_run(&cluster, 400));
    uint8_t leader = cluster_leader(&cluster), late = leader % 3 + 1;
    assert_true(leader != 0);
    cluster.write_rate = 1000;
    assert_true(cluster_run(&cluster, 20));
    cluster_isolate(&cluster, late, true);
    assert_true(cluster_run(&cluster, 300));
    uint64_t sent = cluster.entries_sent_to[late - 1];
    uint64_t goal = cluster.nodes[leader - 1].raft.last_index;
    *missing = goal - cluster.nodes[late - 1].raft.last_index;
    cluster_isolate(&cluster, late, false);
    for (*took_ms = 0; cluster.nodes[late - 1].raft.durable_index < goal; ++*took_ms)
        assert_true(*took_ms < 2000 && cluster_step(&cluster));
    assert_int_equal(cluster_leader(&cluster), leader);
    return cluster.entries_sent_to[late - 1] - sent;
}

/* Heartbeats overtake bulk, and must not be taken for its loss: what the late member lacks is sent
 * about once, message behind message. */
static void test_who_is_late_is_sent_what_it_lacks_once(void **state)
{
    for (uint64_t seed = 1; seed <= 50; seed++) {
        uint64_t missing, took_ms, sent = entries_to_catch_up(seed, &missing, &took_ms);
        assert_true(missing >= 250);
        assert_true(sent >= missing);
        assert_true(sent <= missing * 3 / 2 + 64); /* it is sent what is new as well */
        assert_true(took_ms <= 400); /* 3 ms for each 4 entries or so, and 40 to notice */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hostile_seeds),
        cmocka_unit_test(test_who_is_late_is_sent_what_it_lacks_once),
    };
    signal(SIGABRT, on_abort);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
