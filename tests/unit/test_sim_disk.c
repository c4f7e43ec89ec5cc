/* Goal: the simulated disk keeps what it must, loses what it may, and fails as it is told. Method:
 * one file, each kind of fault, what is read afterwards. */
#include "tests/sim/sim_disk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECTOR 512u

static struct sim_disk *disk;
static struct disk_io *io;
static uint8_t *block; /* SECTOR bytes, aligned */
static struct fault fault;

static int setup(void **state)
{
    disk = sim_disk_create(1, 1 << 20);
    io = sim_disk_io(disk);
    block = aligned_alloc(SECTOR, SECTOR);
    return 0;
}

static int teardown(void **state)
{
    free(block);
    sim_disk_destroy(disk);
    return 0;
}

/* Eight sectors, each filled with its number + 1. */
static int file_make(const char *name)
{
    int file = -1;
    assert_int_equal(io->open(io->ctx, name, DISK_OPEN_CREATE | DISK_OPEN_DURABLE, &file, &fault),
                     0);
    for (uint32_t i = 0; i < 8; i++) {
        memset(block, (int)i + 1, SECTOR);
        assert_int_equal(io->pwrite(io->ctx, file, i * SECTOR, block, SECTOR, &fault), 0);
    }
    assert_int_equal(io->sync_dir(io->ctx, &fault), 0);
    return file;
}

/* How many bytes differ from what file_make wrote. */
static uint32_t file_differs(const char *name)
{
    uint32_t bad = 0, got = 0;
    int file = -1;
    assert_int_equal(io->open(io->ctx, name, DISK_OPEN_READ, &file, &fault), 0);
    for (uint32_t i = 0; i < 8; i++) {
        assert_int_equal(io->pread(io->ctx, file, i * SECTOR, block, SECTOR, &got, &fault), 0);
        assert_int_equal(got, SECTOR);
        for (uint32_t k = 0; k < SECTOR; k++)
            bad += block[k] != i + 1;
    }
    io->close(io->ctx, file);
    return bad;
}

static void test_damage(void **state)
{
    io->close(io->ctx, file_make("log.1"));
    assert_false(sim_disk_damage(disk, "superblock.", SIM_DISK_FLIPPED)); /* no such file */
    assert_int_equal(file_differs("log.1"), 0);
    assert_true(sim_disk_damage(disk, "log.", SIM_DISK_FLIPPED));
    assert_int_equal(file_differs("log.1"), 1);
    sim_disk_wipe(disk);
    int file = -1;
    assert_int_equal(io->open(io->ctx, "log.1", DISK_OPEN_READ, &file, &fault), ERR_NOTFOUND);
    io->close(io->ctx, file_make("log.1"));
    assert_true(sim_disk_damage(disk, "log.", SIM_DISK_STALE));
    assert_int_equal(file_differs("log.1"), SECTOR);
    sim_disk_wipe(disk);
    io->close(io->ctx, file_make("log.1"));
    while (!sim_disk_damage(disk, "log.", SIM_DISK_MISDIRECTED))
        ;
    assert_int_equal(file_differs("log.1"), SECTOR);
    sim_disk_crash(disk, SIM_DISK_POWER); /* the damage is on the medium */
    assert_int_equal(file_differs("log.1"), SECTOR);
}

static void test_failing_calls(void **state)
{
    uint32_t got;
    int file = file_make("log.1");

    sim_disk_fail(disk, SIM_DISK_WRITE, 2);
    assert_int_equal(io->pwrite(io->ctx, file, 0, block, SECTOR, &fault), 0);
    assert_int_equal(io->pwrite(io->ctx, file, 0, block, SECTOR, &fault), ERR_IO);
    assert_int_equal(io->pwrite(io->ctx, file, 0, block, SECTOR, &fault), 0); /* once */
    sim_disk_fail(disk, SIM_DISK_READ, 1);
    assert_int_equal(io->pread(io->ctx, file, 0, block, SECTOR, &got, &fault), ERR_IO);
    sim_disk_fail(disk, SIM_DISK_SYNC, 1);
    assert_int_equal(io->sync(io->ctx, file, &fault), ERR_IO);
    sim_disk_fail(disk, SIM_DISK_SYNC, 1);
    sim_disk_fail(disk, SIM_DISK_SYNC, 0); /* takes it back */
    assert_int_equal(io->sync(io->ctx, file, &fault), 0);
    sim_disk_fail(disk, SIM_DISK_SYNC, 1);
    sim_disk_crash(disk, SIM_DISK_KILL); /* so does this */
    assert_int_equal(io->open(io->ctx, "log.1", DISK_OPEN_WRITE, &file, &fault), 0);
    assert_int_equal(io->sync(io->ctx, file, &fault), 0);
}

/* Power fails between two operations of the process: what is before is as it would be, nothing more
 * happens, and everything says so. */
static void test_power_within_a_turn(void **state)
{
    int file = file_make("log.1"), other;
    uint32_t got;
    struct disk_done done;

    memset(block, 9, SECTOR);
    sim_disk_power(disk, 2, false);
    assert_int_equal(io->pwrite(io->ctx, file, 0, block, SECTOR, &fault), 0);
    assert_false(sim_disk_powerless(disk));
    assert_int_equal(io->pwrite(io->ctx, file, SECTOR, block, SECTOR, &fault), ERR_IO);
    assert_true(sim_disk_powerless(disk));
    assert_int_equal(io->sync(io->ctx, file, &fault), ERR_IO);
    assert_int_equal(io->sync_dir(io->ctx, &fault), ERR_IO);
    assert_int_equal(io->rename(io->ctx, "log.1", "log.2", &fault), ERR_IO);
    assert_int_equal(io->unlink(io->ctx, "log.1", &fault), ERR_IO);
    assert_int_equal(io->open(io->ctx, "log.3", DISK_OPEN_CREATE, &other, &fault), ERR_IO);
    assert_int_equal(io->submit_write(io->ctx, file, 0, block, SECTOR, 1, &fault), 0);
    assert_int_equal(io->poll(io->ctx, &done, 1, &fault), 0); /* it never ends */
    assert_int_equal(io->pread(io->ctx, file, SECTOR, block, SECTOR, &got, &fault), 0);
    sim_disk_crash(disk, SIM_DISK_POWER);
    assert_false(sim_disk_powerless(disk));
    /* the first sector is the new one, the others are as they were */
    assert_int_equal(file_differs("log.1"), SECTOR);
    sim_disk_power(disk, 1, true); /* counts behind the next rename only */
    assert_int_equal(io->sync_dir(io->ctx, &fault), 0);
    assert_int_equal(io->rename(io->ctx, "log.1", "log.2", &fault), 0);
    assert_int_equal(io->sync_dir(io->ctx, &fault), ERR_IO);
    sim_disk_crash(disk, SIM_DISK_KILL);
    assert_int_equal(io->sync_dir(io->ctx, &fault), 0);
}

static void test_hang(void **state)
{
    struct disk_done done;
    int file = file_make("log.1");

    sim_disk_time(disk, 1000);
    assert_int_equal(io->submit_write(io->ctx, file, 0, block, SECTOR, 7, &fault), 0);
    sim_disk_hang(disk, 5000);
    assert_int_equal(io->poll(io->ctx, &done, 1, &fault), 0);
    assert_true(sim_disk_next_ns(disk) == 5000);
    sim_disk_time(disk, 5000);
    assert_int_equal(io->poll(io->ctx, &done, 1, &fault), 1);
    assert_true(done.token == 7 && done.err == 0);
}

static void test_full_sparse_and_copied(void **state)
{
    int file = file_make("log.1");
    uint64_t room = 0;

    assert_int_equal(io->preallocate(io->ctx, file, 1 << 19, &fault), 0);
    assert_true(sim_disk_used(disk) == 1 << 19);
    assert_int_equal(io->room(io->ctx, &room, &fault), 0);
    assert_true(room == 1 << 19);
    sim_disk_capacity(disk, 1 << 19);
    memset(block, 9, SECTOR);
    assert_int_equal(io->pwrite(io->ctx, file, 1 << 19, block, SECTOR, &fault), ERR_NOSPACE);
    struct sim_disk *copy = sim_disk_copy(disk, 2);
    sim_disk_destroy(disk);
    disk = copy;
    io = sim_disk_io(disk);
    assert_int_equal(file_differs("log.1"), 0);
}

/* Behind a power loss a sector is old or new, and sometimes each happens. */
static void test_power(void **state)
{
    uint32_t kept = 0, gone = 0;

    for (uint64_t seed = 1; seed < 40; seed++) {
        uint8_t byte = 0;
        uint32_t got;
        int file = -1;
        struct sim_disk *other = sim_disk_create(seed, 1 << 20);
        struct disk_io *o = sim_disk_io(other);
        assert_int_equal(o->open(o->ctx, "f", DISK_OPEN_CREATE, &file, &fault), 0);
        assert_int_equal(o->pwrite(o->ctx, file, 0, "a", 1, &fault), 0);
        assert_int_equal(o->sync(o->ctx, file, &fault), 0);
        assert_int_equal(o->sync_dir(o->ctx, &fault), 0);
        assert_int_equal(o->pwrite(o->ctx, file, 0, "b", 1, &fault), 0);
        sim_disk_crash(other, SIM_DISK_POWER);
        assert_int_equal(o->open(o->ctx, "f", DISK_OPEN_READ, &file, &fault), 0);
        assert_int_equal(o->pread(o->ctx, file, 0, &byte, 1, &got, &fault), 0);
        assert_true(byte == 'a' || byte == 'b');
        kept += byte == 'b';
        gone += byte == 'a';
        sim_disk_destroy(other);
    }
    assert_true(kept > 5 && gone > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_damage, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failing_calls, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hang, setup, teardown),
        cmocka_unit_test_setup_teardown(test_power_within_a_turn, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_sparse_and_copied, setup, teardown),
        cmocka_unit_test(test_power),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
