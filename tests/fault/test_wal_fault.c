/* Goal: whichever call to the disk fails, and however, what was answered for is still there, and
 * what is there can be opened. Method: fail call N for N = 0, 1, 2, ... until none is left to fail,
 * in each way; then the node is gone, power is lost, and a healthy disk is recovered from. */
#include "consensus/superblock.h"
#include "tests/fault/fault_each.h"
#include "tests/unit/wal_kit.h"

#include <string.h>

#define SEGMENT 32768

/* A log that rolls twice, is trimmed, and is opened again. Stops at the first error. */
static int scenario(struct wal_kit *kit)
{
    int err = kit_open(kit);
    for (int i = 0; !err && i < 60; i++) {
        err = kit_write(kit, 100 + 40 * (uint32_t)i);
        if (!err && i == 40) {
            wal_trim(&kit->wal, kit->durable);
            kit_snapshot(kit, kit->durable);
        }
        uint32_t work;
        if (!err && i > 40)
            (void)!wal_trim_step(&kit->wal, &work, &kit->fault); /* not fatal */
    }
    return err ? err : kit_settle(kit);
}

static bool log_survives(enum fault_disk_how how, uint64_t n)
{
    struct sim_disk *disk = sim_disk_create(n, 1ull << 40);
    struct fault_disk faulty;
    fault_disk_init(&faulty, sim_disk_io(disk), how, n);
    struct wal_kit *kit = kit_create(&faulty.io, SEGMENT, 7);
    int err = scenario(kit);
    uint64_t answered = kit->durable, proposed = kit->proposed;
    bool trim = faulty.failed &&
                (strcmp(faulty.failed_call, "unlink") == 0 ||
                 strcmp(faulty.failed_call, "submit_unlink") == 0 || kit->trim_failures > 0);
    bool fatal = faulty.failed && !trim && !(how == FAULT_DISK_FULL && kit->open);
    if (fatal && err == 0)
        fail_msg("%s in call %lu (%s): nobody noticed", fault_disk_how_name(how), (unsigned long)n,
                 faulty.failed_call);
    if (err && kit->fault.text[0] == 0)
        fail_msg("call %lu: an error without a word", (unsigned long)n);
    sim_disk_crash(disk, SIM_DISK_POWER);
    if (kit->open)
        kit_close(kit);
    kit->io = sim_disk_io(disk);
    err = kit_open(kit);
    if (err || kit->mismatches || kit->recovery.last.index < answered ||
        kit->recovery.last.index > proposed)
        fail_msg("%s in call %lu (%s): %s; %lu mismatches, last entry %lu, answered %lu",
                 fault_disk_how_name(how), (unsigned long)n, faulty.failed_call,
                 err ? kit->fault.text : "opened", (unsigned long)kit->mismatches,
                 (unsigned long)kit->recovery.last.index, (unsigned long)answered);
    assert_int_equal(kit_write(kit, 300), 0);
    sim_disk_crash(disk, SIM_DISK_KILL);
    kit_destroy(kit);
    sim_disk_destroy(disk);
    return faulty.failed;
}

/* Opens and saves three terms; *term is the last one that was answered for. */
static int superblock_scenario(struct disk_io *io, uint64_t *term, struct fault *fault)
{
    struct superblock superblock;
    struct superblock_report report;
    struct superblock_state state = {.node_id = 3};
    int err = superblock_open(&superblock, io, &state, &report, fault);
    for (uint64_t next = superblock.state.term + 1, i = 0; !err && i < 3; i++, next++) {
        state = superblock.state;
        state.term = next;
        err = superblock_save(&superblock, &state, fault);
        if (!err)
            *term = next;
    }
    return err;
}

static bool superblock_survives(enum fault_disk_how how, uint64_t n)
{
    struct sim_disk *disk = sim_disk_create(n, 1 << 20);
    struct fault_disk faulty;
    struct fault fault = {{0}};
    uint64_t answered = 0, later = 0;
    fault_disk_init(&faulty, sim_disk_io(disk), how, n);
    int err = superblock_scenario(&faulty.io, &answered, &fault);
    if (faulty.failed && err == 0)
        fail_msg("call %lu (%s): nobody noticed", (unsigned long)n, faulty.failed_call);
    sim_disk_crash(disk, SIM_DISK_POWER);
    err = superblock_scenario(sim_disk_io(disk), &later, &fault);
    if (err || later < answered + 3 || later > answered + 4)
        fail_msg("call %lu (%s): %s; answered for term %lu, then came to %lu", (unsigned long)n,
                 faulty.failed_call, fault.text, (unsigned long)answered, (unsigned long)later);
    sim_disk_destroy(disk);
    return faulty.failed;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FAULT_EACH_TESTS("test_log", log_survives, 150),
        FAULT_EACH_TESTS("test_superblock", superblock_survives, 10),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
