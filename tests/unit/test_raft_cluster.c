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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hostile_seeds),
    };
    signal(SIGABRT, on_abort);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
