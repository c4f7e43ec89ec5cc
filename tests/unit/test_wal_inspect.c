/* Goal: what `takt log` says about a log is so, in order or damaged, and nothing is changed by
 * asking. Method: logs of the simulated disk, whole, torn, and with one kind of damage each. */
#include "consensus/wal_inspect.h"
#include "tests/unit/wal_kit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define SEGMENT 16384u

struct seen {
    struct wal_inspect_segment segments[32];
    uint32_t count;
    uint64_t entries;
    struct wal_inspect_sum sum;
    struct fault fault;
};

static void seen_segment(void *self, const struct wal_inspect_segment *segment)
{
    struct seen *seen = self;
    assert_true(seen->count < 32);
    seen->segments[seen->count++] = *segment;
}

static void seen_entry(void *self, const struct log_record *record)
{
    struct seen *seen = self;
    seen->entries++;
    assert_int_equal(record->kind, LOG_RECORD_ENTRY);
}

static int look(struct sim_disk *disk, struct seen *seen)
{
    struct wal_inspect inspect = {
        .io = sim_disk_io(disk), .segment = seen_segment, .entry = seen_entry, .self = seen};
    memset(seen, 0, sizeof(*seen));
    return wal_inspect_run(&inspect, &seen->sum, &seen->fault);
}

/* A log of 50 entries in four segments and a spare. */
static struct sim_disk *made(void)
{
    struct sim_disk *disk = sim_disk_create(1, 1ull << 40);
    struct wal_kit *kit = kit_create(sim_disk_io(disk), SEGMENT, 9);
    assert_int_equal(kit_open(kit), 0);
    for (uint32_t i = 0; i < 50; i++)
        assert_int_equal(kit_write(kit, 700 + i), 0);
    assert_int_equal(kit_settle(kit), 0);
    sim_disk_crash(disk, SIM_DISK_KILL);
    kit_destroy(kit);
    return disk;
}

static void test_in_order(void **state)
{
    struct seen seen;
    struct sim_disk *disk = made();
    for (int i = 0; i < 2; i++) { /* twice: the first look changed nothing */
        assert_int_equal(look(disk, &seen), 0);
        assert_int_equal(seen.sum.entry_count, 50);
        assert_int_equal(seen.entries, 50);
        assert_int_equal(seen.sum.first_index, 1);
        assert_int_equal(seen.sum.last_index, 50);
        assert_int_equal(seen.count, 5);
        for (uint32_t s = 0; s < 3; s++)
            assert_int_equal(seen.segments[s].state, WAL_INSPECT_WHOLE);
        assert_int_equal(seen.segments[3].state, WAL_INSPECT_LAST);
        assert_int_equal(seen.segments[4].state, WAL_INSPECT_UNUSED);
        assert_string_equal(wal_inspect_state_name(seen.segments[4].state), "unused");
    }
    sim_disk_destroy(disk);
}

static void test_damage_in_the_middle_does_not_hide_the_rest(void **state)
{
    struct seen seen;
    struct sim_disk *disk = made();
    sim_disk_flip(disk, "log.0000000000000002", 512 + 5 * 1024 + 100, 3);
    assert_int_equal(look(disk, &seen), ERR_CORRUPT);
    assert_int_equal(seen.sum.bad_count, 1);
    assert_int_equal(seen.segments[1].state, WAL_INSPECT_BAD);
    assert_non_null(strstr(seen.segments[1].fault.text, "at offset 5632"));
    assert_int_equal(seen.segments[1].entry_count, 5);
    assert_int_equal(seen.segments[2].state, WAL_INSPECT_WHOLE);
    assert_int_equal(seen.sum.last_index, 50);
    sim_disk_destroy(disk);
}

static void test_header_gap_and_length(void **state)
{
    struct seen seen;
    struct sim_disk *disk = made();
    struct disk_io *io = sim_disk_io(disk);
    sim_disk_flip(disk, "log.0000000000000001", 30, 0);
    assert_int_equal(look(disk, &seen), ERR_CORRUPT);
    assert_int_equal(seen.segments[0].state, WAL_INSPECT_BAD);
    assert_int_equal(seen.segments[1].state, WAL_INSPECT_WHOLE);
    sim_disk_flip(disk, "log.0000000000000001", 30, 0);
    assert_int_equal(io->unlink(io->ctx, "log.0000000000000002", NULL), 0);
    assert_int_equal(look(disk, &seen), ERR_CORRUPT);
    assert_int_equal(seen.sum.bad_count, 1);
    assert_string_equal(seen.segments[1].name, "log.0000000000000002");
    assert_non_null(strstr(seen.segments[1].fault.text, "missing"));
    sim_disk_destroy(disk);
}

static void test_torn_is_not_damage(void **state)
{
    struct seen seen;
    struct sim_disk *disk = made();
    struct disk_io *io = sim_disk_io(disk);
    uint8_t zeros[512] = {0};
    int file;
    assert_int_equal(look(disk, &seen), 0);
    uint64_t end = seen.segments[3].used_size;
    assert_int_equal(io->open(io->ctx, "log.0000000000000004", DISK_OPEN_WRITE, &file, NULL), 0);
    assert_int_equal(io->pwrite(io->ctx, file, end - 1024, zeros, 512, NULL), 0);
    io->close(io->ctx, file);
    assert_int_equal(look(disk, &seen), 0);
    assert_int_equal(seen.segments[3].state, WAL_INSPECT_TORN);
    assert_int_equal(seen.segments[3].torn_size, 1024);
    assert_int_equal(seen.sum.entry_count, 49);
    sim_disk_destroy(disk);
}

static void test_nothing_there(void **state)
{
    struct seen seen;
    struct sim_disk *disk = sim_disk_create(1, 1 << 20);
    assert_int_equal(look(disk, &seen), ERR_NOTFOUND);
    sim_disk_destroy(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_order),
        cmocka_unit_test(test_damage_in_the_middle_does_not_hide_the_rest),
        cmocka_unit_test(test_header_gap_and_length),
        cmocka_unit_test(test_torn_is_not_damage),
        cmocka_unit_test(test_nothing_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
