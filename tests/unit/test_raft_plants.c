/* Goal: test_raft_cluster finds each planted bug of the Raft core (tests/plants.md), so its silence
 * means something. Method: raft is compiled here with the choice of the bug at run time; for each
 * bug hostile seeds are run in a child process, as a CHECK may end it, until one fails.
 *
 * TAKT_PLANT_WINDOWS=N prints the median number of seeds over N starting points. */
#include "base/plant.h"
#include "tests/unit/raft_cluster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define PLANTS_SEED_MAX 60000u
#define PLANTS_WINDOW   100000u

int takt_plant;

static struct cluster cluster;

/* Written by the child: how far it came. */
struct plants_page {
    uint64_t tried;
    char failure[512];
};

struct plants_bug {
    int number;
    const char *name;
};

static const struct plants_bug bugs[] = {
    {1, "an old term's entry committed by counting"},
    {2, "a vote told before it is durable"},
    {3, "a restart forgets its vote"},
    {4, "a read answered without asking a quorum"},
    {5, "the new membership decides alone"},
    {6, "a removed member disturbs"},
    {7, "entries acknowledged before they are durable"},
    {8, "a hole behind a snapshot"},
    {9, "a restart rolls its term back"},
    {10, "a commit beyond the matched prefix"},
    {12, "a truncated write counts as durable"},
    {13, "a read before the term's first commit"},
    {14, "learners counted in a quorum"},
    {15, "a removed member that is still needed does not campaign"},
    {16, "a vote for whoever asks"},
};

/* Runs seeds from `first` in a child until one fails. Returns how many it took, 0 = none of
 * PLANTS_SEED_MAX did. */
static uint64_t plants_hunt(int plant, uint64_t first, struct plants_page *page)
{
    memset(page, 0, sizeof(*page));
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        (void)!freopen("/dev/null", "w", stderr);
        takt_plant = plant;
        for (uint64_t seed = first; seed < first + PLANTS_SEED_MAX; seed++) {
            page->tried++;
            strcpy(page->failure, "stopped by a CHECK");
            if (!cluster_seed(&cluster, seed)) {
                memcpy(page->failure, cluster.failure, sizeof(page->failure));
                _exit(1);
            }
        }
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : page->tried;
}

static int plants_order(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static uint32_t plants_windows(void)
{
    const char *windows = getenv("TAKT_PLANT_WINDOWS");
    uint32_t n = windows ? (uint32_t)strtoul(windows, NULL, 10) : 1;

    return n >= 1 && n <= 99 ? n : 1;
}

static void test_each_planted_bug_is_found(void **state)
{
    struct plants_page *page =
        mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    uint32_t windows = plants_windows(), missed = 0;
    uint64_t took[99];

    assert_true(page != MAP_FAILED);
    for (uint32_t i = 0; i < sizeof(bugs) / sizeof(bugs[0]); i++) {
        for (uint32_t w = 0; w < windows; w++) {
            took[w] = plants_hunt(bugs[i].number, 1 + (uint64_t)w * PLANTS_WINDOW, page);
            missed += took[w] == 0;
        }
        qsort(took, windows, sizeof(took[0]), plants_order);
        print_message("# plant %d (%s): median %llu seeds, most %llu; last: %s\n", bugs[i].number,
                      bugs[i].name, (unsigned long long)took[windows / 2],
                      (unsigned long long)took[windows - 1], page->failure);
    }
    munmap(page, sizeof(*page));
    assert_int_equal(missed, 0);
}

static void test_without_a_bug_nothing_is_found(void **state)
{
    takt_plant = 0;
    for (uint64_t seed = 1; seed <= 300; seed++)
        assert_true(cluster_seed(&cluster, seed));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_a_bug_nothing_is_found),
        cmocka_unit_test(test_each_planted_bug_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
