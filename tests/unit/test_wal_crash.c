/* Goal: whatever moment a crash picks, and whatever sectors of the unfinished writes it leaves, the
 * log comes back with everything that was answered for, nothing that was not proposed, and can be
 * written on; and it never takes a crash for corruption. Method: thousands of seeded histories of
 * appends, trims, full disks and crashes on a disk that forgets, against a model of the entries.
 * TAKT_SEED=N runs the history of that seed alone; TAKT_SEEDS=N how many. */
#include "tests/unit/wal_kit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define ROOMY (1ull << 40)

struct history {
    uint64_t seed, crashes, torn, refused, trims;
};

#define HOLDS(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            print_error("seed %lu (TAKT_SEED=%lu): %s; last fault: %s\n", (unsigned long)seed,     \
                        (unsigned long)seed, #condition, kit->fault.text);                         \
            fail();                                                                                \
        }                                                                                          \
    } while (0)

static uint32_t draw_size(struct rand *rand)
{
    switch (rand_below(rand, 6)) {
    case 0: return 0;
    case 1: return 512 - (uint32_t)sizeof(struct log_record);     /* ends with its sector */
    case 2: return 512 - 2 * (uint32_t)sizeof(struct log_record); /* padding just fits */
    case 3: return 512 - 88 + (uint32_t)rand_below(rand, 8);      /* it just does not */
    case 4: return (uint32_t)rand_below(rand, 3000);
    default: return (uint32_t)rand_below(rand, 200);
    }
}

static int draw_append(struct wal_kit *kit, struct rand *rand)
{
    uint32_t sizes[6], count = 1 + (uint32_t)rand_below(rand, 6);
    for (uint32_t i = 0; i < count; i++)
        sizes[i] = draw_size(rand);
    if (rand_below(rand, 20) == 0)
        kit->term++;
    return kit_append(kit, sizes, count, rand_below(rand, 10) == 0);
}

/* One life of the node, ended by a crash or by the history's end. */
static void live(struct wal_kit *kit, struct sim_disk *disk, struct rand *rand, uint64_t steps,
                 struct history *history)
{
    uint64_t seed = history->seed, snapshot = kit->config.snapshot.index;
    for (uint64_t i = 0; i < steps; i++) {
        int err = 0;
        uint64_t what = rand_below(rand, 100);
        sim_disk_time(disk, kit->now.mono_ns);
        if (what < 40 && !kit->writing && kit->proposed + 8 < KIT_ENTRIES_MAX) {
            err = draw_append(kit, rand);
            history->refused += err == ERR_NOSPACE;
            err = err == ERR_NOSPACE ? 0 : err;
        } else if (what == 41 && kit->durable > snapshot) {
            snapshot += 1 + rand_below(rand, kit->durable - snapshot);
            wal_trim(&kit->wal, snapshot);
            kit_snapshot(kit, snapshot);
        } else if (what == 42) {
            uint32_t work;
            err = wal_trim_step(&kit->wal, &work, &kit->fault);
            history->trims += work;
        } else if (what == 43) {
            sim_disk_capacity(disk, rand_below(rand, 2) ? 100000 : ROOMY);
        } else {
            err = kit_pump(kit, rand_below(rand, 4) == 0);
        }
        HOLDS(err == 0);
    }
}

static void run_history(struct history *history)
{
    uint64_t seed = history->seed;
    struct rand rand;
    rand_seed(&rand, seed * 2 + 1);
    struct sim_disk *disk = sim_disk_create(seed, ROOMY);
    struct disk_io *io = sim_disk_io(disk);
    if (rand_below(&rand, 4) == 0)
        io->block_size = 4096;
    uint64_t slow_ns = rand_below(&rand, 2) * 20000000;
    struct wal_kit *kit = kit_create(io, 32768 << rand_below(&rand, 3), seed);
    for (uint64_t life = 0; life < 6; life++) {
        uint64_t answered = kit->durable, proposed = kit->proposed;
        sim_disk_capacity(disk, ROOMY);
        int err = kit_open(kit);
        HOLDS(err == 0);
        HOLDS(kit->mismatches == 0);
        HOLDS(kit->recovery.last.index >= answered);
        HOLDS(kit->recovery.last.index <= proposed);
        history->torn += kit->recovery.torn_size > 0;
        sim_disk_latency(disk, 0, slow_ns);
        live(kit, disk, &rand, rand_below(&rand, 120), history);
        sim_disk_crash(disk, rand_below(&rand, 4) ? SIM_DISK_POWER : SIM_DISK_KILL);
        kit_close(kit);
        history->crashes++;
        if (rand_below(&rand, 3) == 0) { /* a crash inside of recovery, after some of its writes */
            uint64_t before = kit->proposed;
            sim_disk_latency(disk, 0, 0);
            HOLDS(kit_open(kit) == 0 && kit->mismatches == 0);
            kit->proposed = before;
            sim_disk_crash(disk, SIM_DISK_POWER);
            kit_close(kit);
        }
    }
    kit_destroy(kit);
    sim_disk_destroy(disk);
}

static void test_random_histories(void **state)
{
    const char *one = getenv("TAKT_SEED"), *many = getenv("TAKT_SEEDS");
    uint64_t from = one ? strtoull(one, NULL, 0) : 1;
    uint64_t count = one ? 1 : many ? strtoull(many, NULL, 0) : 500;
    struct history sum = {0};
    for (uint64_t seed = from; seed < from + count; seed++) {
        struct history history = {.seed = seed};
        run_history(&history);
        sum.crashes += history.crashes;
        sum.torn += history.torn;
        sum.refused += history.refused;
        sum.trims += history.trims;
    }
    print_message("# %lu histories, %lu crashes, %lu torn tails, %lu batches that waited for room, "
                  "%lu segments trimmed\n",
                  (unsigned long)count, (unsigned long)sum.crashes, (unsigned long)sum.torn,
                  (unsigned long)sum.refused, (unsigned long)sum.trims);
    if (!one) { /* the histories did reach what they are for */
        assert_true(sum.torn > count / 10);
        assert_true(sum.refused > count / 100);
        assert_true(sum.trims > count / 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_histories)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
