/* Goal: each error that wal_open lists is found and named, and no damaged bit gets past it. Method:
 * a small log of several segments on the simulated disk; each kind of damage done to it by hand,
 * and each bit flipped; what is recovered is compared with the model of wal_kit. */
#include "base/crc32c.h"
#include "tests/unit/wal_kit.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SEGMENT 16384u
#define ROOMY   (1ull << 40)

struct bench {
    struct sim_disk *disk;
    struct wal_kit *kit;
};

static int setup(void **state)
{
    static struct bench bench;
    bench.disk = sim_disk_create(1, ROOMY);
    bench.kit = kit_create(sim_disk_io(bench.disk), SEGMENT, 42);
    *state = &bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    kit_destroy(bench->kit);
    sim_disk_destroy(bench->disk);
    return 0;
}

/* Writes `count` batches and ends the process. */
static void fill(struct bench *bench, uint32_t count)
{
    assert_int_equal(kit_open(bench->kit), 0);
    for (uint32_t i = 0; i < count; i++) {
        if (i % 10 == 9)
            bench->kit->term++;
        assert_int_equal(kit_write(bench->kit, 700 + i), 0);
    }
    assert_int_equal(kit_settle(bench->kit), 0);
    sim_disk_crash(bench->disk, SIM_DISK_KILL);
    kit_close(bench->kit);
}

static void expect(struct bench *bench, int err, const char *word)
{
    struct wal_kit *kit = bench->kit;
    kit->fault.text[0] = 0;
    assert_int_equal(kit_open(kit), err);
    if (!strstr(kit->fault.text, word))
        fail_msg("expected \"%s\" in: %s", word, kit->fault.text);
}

static void copy_file(struct bench *bench, const char *from, const char *to, uint64_t skip)
{
    struct disk_io *io = sim_disk_io(bench->disk);
    uint8_t *bytes = aligned_alloc(4096, SEGMENT);
    uint32_t got;
    int file;
    assert_int_equal(io->open(io->ctx, from, DISK_OPEN_READ, &file, NULL), 0);
    assert_int_equal(io->pread(io->ctx, file, 0, bytes, SEGMENT, &got, NULL), 0);
    io->close(io->ctx, file);
    (void)!io->unlink(io->ctx, to, NULL);
    assert_int_equal(io->open(io->ctx, to, DISK_OPEN_CREATE, &file, NULL), 0);
    assert_int_equal(io->pwrite(io->ctx, file, 0, bytes, got - (uint32_t)skip, NULL), 0);
    io->close(io->ctx, file);
    free(bytes);
}

static void remove_file(struct bench *bench, const char *name)
{
    struct disk_io *io = sim_disk_io(bench->disk);
    assert_int_equal(io->unlink(io->ctx, name, NULL), 0);
}

static const char *const seg1 = "log.0000000000000001", *const seg2 = "log.0000000000000002",
                         *const seg3 = "log.0000000000000003";

static void test_new_log_then_reopened(void **state)
{
    struct bench *bench = *state;
    struct wal_kit *kit = bench->kit;
    assert_int_equal(kit_open(kit), 0);
    assert_int_equal(kit->recovery.last.index, 0);
    assert_int_equal(kit->recovery.first_index, 1);
    assert_int_equal(wal_room(&kit->wal), SEGMENT - 512);
    sim_disk_crash(bench->disk, SIM_DISK_POWER);
    kit_close(kit);
    fill(bench, 50);
    assert_int_equal(kit_open(kit), 0);
    assert_int_equal(kit->recovery.last.index, 50);
    assert_int_equal(kit->recovery.entry_count, 50);
    assert_int_equal(kit->recovery.torn_size, 0);
    assert_int_equal(kit->mismatches, 0);
    assert_true(kit->recovery.segment_count >= 4);
    assert_int_equal(kit_write(kit, 10), 0);
}

static void test_only_entries_behind_the_snapshot_are_visited(void **state)
{
    struct bench *bench = *state;
    fill(bench, 50);
    for (uint64_t index = 1; index <= 50; index++) {
        kit_snapshot(bench->kit, index);
        assert_int_equal(kit_open(bench->kit), 0);
        assert_int_equal(bench->kit->mismatches, 0);
        assert_int_equal(bench->kit->visited, index < 50 ? 50 : 0);
        assert_int_equal(bench->kit->recovery.last.index, 50);
        sim_disk_crash(bench->disk, SIM_DISK_KILL);
        kit_close(bench->kit);
    }
}

static uint32_t trim_all(struct wal_kit *kit)
{
    uint32_t work = 1, removed = 0;
    for (; work; removed += work) {
        assert_int_equal(wal_trim_step(&kit->wal, &work, &kit->fault), 0);
        while (kit->wal.trimming)
            assert_int_equal(kit_pump(kit, false), 0);
    }
    return removed;
}

static void test_trim_keeps_what_the_snapshot_needs(void **state)
{
    struct bench *bench = *state;
    struct wal_kit *kit = bench->kit;
    fill(bench, 60);
    assert_int_equal(kit_open(kit), 0);
    kit_snapshot(kit, 45);
    wal_trim(&kit->wal, 45);
    assert_true(trim_all(kit) >= 2);
    assert_true(wal_first_index(&kit->wal) <= 45);
    wal_trim(&kit->wal, 61); /* everything: the active one stays */
    trim_all(kit);
    assert_int_equal(wal_segment_count(&kit->wal), 1);
    kit_snapshot(kit, 60);
    sim_disk_crash(bench->disk, SIM_DISK_KILL);
    kit_close(kit);
    assert_int_equal(kit_open(kit), 0);
    assert_int_equal(kit->recovery.last.index, 60);
    sim_disk_crash(bench->disk, SIM_DISK_KILL);
    kit_close(kit);
    kit_snapshot(kit, 0);
    expect(bench, ERR_CORRUPT, "are missing");
    kit_snapshot(kit, 20);
    expect(bench, ERR_CORRUPT, "the snapshot ends at 20");
}

static void test_missing_segments(void **state)
{
    struct bench *bench = *state;
    fill(bench, 60);
    struct sim_disk *whole = bench->disk;
    bench->disk = sim_disk_copy(whole, 2);
    bench->kit->io = sim_disk_io(bench->disk);
    remove_file(bench, seg2);
    expect(bench, ERR_CORRUPT, "log.0000000000000002 is missing");
    remove_file(bench, seg1);
    expect(bench, ERR_CORRUPT, "are missing");
    sim_disk_destroy(bench->disk);
    bench->disk = whole;
    bench->kit->io = sim_disk_io(whole);
    kit_snapshot(bench->kit, 60);
    for (uint64_t i = 20; i > 3; i--) {
        char name[DISK_PATH_SIZE_MAX];
        wal_segment_name(name, i);
        (void)!bench->kit->io->unlink(bench->kit->io->ctx, name, NULL);
    }
    expect(bench, ERR_CORRUPT, "newest segments are missing");
    remove_file(bench, seg1);
    remove_file(bench, seg2);
    remove_file(bench, seg3);
    expect(bench, ERR_CORRUPT, "and no log");
}

static void rewrite(struct bench *bench, const char *name, uint64_t offset, void *bytes,
                    uint32_t size, bool load)
{
    struct disk_io *io = sim_disk_io(bench->disk);
    uint32_t got;
    int file;
    assert_int_equal(io->open(io->ctx, name, DISK_OPEN_WRITE, &file, NULL), 0);
    if (load)
        assert_int_equal(io->pread(io->ctx, file, offset, bytes, size, &got, NULL), 0);
    else
        assert_int_equal(io->pwrite(io->ctx, file, offset, bytes, size, NULL), 0);
    io->close(io->ctx, file);
}

/* Makes the second segment's header one of another version: its checksum begins with that. */
static void other_version(struct bench *bench, uint32_t version)
{
    const uint32_t from = offsetof(struct wal_header, salt);
    struct wal_header header;
    rewrite(bench, seg2, 0, &header, sizeof(header), true);
    header.version = version;
    header.crc = crc32c(version, (uint8_t *)&header + from, sizeof(header) - from);
    rewrite(bench, seg2, 0, &header, sizeof(header), false);
}

static void test_files_in_the_wrong_place(void **state)
{
    struct bench *bench = *state;
    fill(bench, 60);
    struct sim_disk *whole = bench->disk;
    bench->disk = sim_disk_copy(whole, 2);
    bench->kit->io = sim_disk_io(bench->disk);
    copy_file(bench, seg2, seg3, 0);
    expect(bench, ERR_CORRUPT, "in another's place");
    sim_disk_destroy(bench->disk);
    bench->disk = whole;
    bench->kit->io = sim_disk_io(whole);
    bench->kit->config.salt ^= 1;
    expect(bench, ERR_CORRUPT, "belongs to the log 5a5a5a5a");
    bench->kit->config.salt ^= 1;
    sim_disk_flip(whole, seg2, 8, 3);
    expect(bench, ERR_CORRUPT, "header version expected 3, found 11"); /* damage, no other build */
    sim_disk_flip(whole, seg2, 8, 3);
    other_version(bench, 11);
    expect(bench, ERR_VERSION, "has format 11; this build reads 3: a newer takt");
    other_version(bench, 2);
    expect(bench, ERR_VERSION, "has format 2; this build reads 3: an older takt");
    other_version(bench, WAL_SEGMENT_VERSION);
    copy_file(bench, seg2, seg2, 512);
    expect(bench, ERR_CORRUPT, "bytes long");
}

static void test_the_snapshot_is_of_another_history(void **state)
{
    struct bench *bench = *state;
    fill(bench, 60);
    for (uint64_t index = 28; index <= 33; index++) { /* on both sides of a segment's beginning */
        kit_snapshot(bench->kit, index);
        bench->kit->config.snapshot.chain++;
        expect(bench, ERR_CORRUPT, "not of one history");
    }
    kit_snapshot(bench->kit, 33);
    bench->kit->config.snapshot.chain = 0; /* unknown: the term alone is compared */
    bench->kit->config.snapshot.term++;
    expect(bench, ERR_CORRUPT, "not of one history");
    bench->kit->config.snapshot.term--;
    assert_int_equal(kit_open(bench->kit), 0);
}

static void test_a_log_that_was_there_and_is_gone_is_not_begun_anew(void **state)
{
    struct bench *bench = *state;
    fill(bench, 3);
    remove_file(bench, seg1);
    bench->kit->config.expected = true;
    expect(bench, ERR_CORRUPT, "no log"); /* its spare is left */
    remove_file(bench, seg2);
    expect(bench, ERR_CORRUPT, "no log");
    bench->kit->config.expected = false;
    assert_int_equal(kit_open(bench->kit), 0);
}

static int refuse(void *self, const struct log_record *record, struct fault *fault)
{
    return record->index == 7 ? fault_set(fault, ERR_MALFORMED, "entry 7 cannot be applied") : 0;
}

static void test_what_the_visitor_says_is_passed_on(void **state)
{
    struct bench *bench = *state;
    struct wal wal;
    struct wal_recovery recovery;
    struct fault fault;
    fill(bench, 10);
    bench->kit->config.visit = refuse;
    assert_int_equal(wal_open(&wal, bench->kit->io, &bench->kit->config, &recovery, &fault),
                     ERR_MALFORMED);
    assert_non_null(strstr(fault.text, "entry 7"));
}

static void test_limits_of_the_configuration(void **state)
{
    struct bench *bench = *state;
    const uint64_t bad[] = {0, WAL_SEGMENT_SIZE_MIN - 4096, WAL_SEGMENT_SIZE_MIN + 512,
                            (uint64_t)WAL_SEGMENT_SIZE_MAX + 4096};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        bench->kit->config.segment_size = bad[i];
        expect(bench, ERR_RANGE, "segment size");
    }
    bench->kit->config.segment_size = SEGMENT;
    sim_disk_capacity(bench->disk, SEGMENT - 1);
    expect(bench, ERR_NOSPACE, "No space left");
}

static void test_other_block_and_segment_sizes_go_on_in_a_new_segment(void **state)
{
    struct bench *bench = *state;
    struct wal_kit *kit = bench->kit;
    fill(bench, 30);
    kit->io->block_size = 4096;
    kit->config.segment_size = 4 * SEGMENT;
    assert_int_equal(kit_open(kit), 0);
    uint64_t sequence = kit->wal.sequence;
    assert_int_equal(kit->mismatches, 0);
    assert_int_equal(kit_write(kit, 9000), 0);
    assert_int_equal(kit->wal.sequence, sequence + 1);
    assert_int_equal(kit_write(kit, 100), 0);
    sim_disk_crash(bench->disk, SIM_DISK_POWER);
    kit_close(kit);
    kit->io->block_size = 512;
    kit->config.segment_size = SEGMENT;
    assert_int_equal(kit_open(kit), 0);
    assert_int_equal(kit->mismatches, 0);
    assert_int_equal(kit->recovery.last.index, 32);
    assert_int_equal(kit_write(kit, 100), 0);
}

static void test_a_full_disk_refuses_and_resumes(void **state)
{
    struct bench *bench = *state;
    struct wal_kit *kit = bench->kit;
    uint32_t size = 2900;
    assert_int_equal(kit_open(kit), 0);
    sim_disk_capacity(bench->disk, SEGMENT + 100);
    assert_int_equal(kit_settle(kit), 0);
    assert_true(kit->wal.no_space);
    assert_non_null(strstr(kit->wal.space.text, "No space left"));
    int err = 0;
    uint64_t written = 0, room = wal_room(&kit->wal);
    for (; !err; written++) {
        err = kit_append(kit, &size, 1, false);
        for (int i = 0; !err && kit->writing && i < 10; i++)
            assert_int_equal(kit_pump(kit, true), 0);
    }
    assert_int_equal(err, ERR_NOSPACE);
    assert_int_equal(written - 1, room / 3072);
    for (int i = 0; i < 5000; i++) /* it waits, and nothing breaks */
        assert_int_equal(kit_pump(kit, true), 0);
    assert_true(kit->writing);
    sim_disk_capacity(bench->disk, ROOMY);
    for (int i = 0; i < 5000 && kit->writing; i++)
        assert_int_equal(kit_pump(kit, true), 0);
    assert_false(kit->writing);
    assert_false(kit->wal.no_space);
    assert_int_equal(kit->durable, written);
}

/* With a bit flipped: stopped, or nothing of what was answered for is missing or changed. */
static void flip_one(struct bench *bench, struct sim_disk *whole, const char *name, uint64_t offset,
                     uint32_t bit, uint64_t *stopped)
{
    struct wal_kit *kit = bench->kit;
    uint64_t answered = kit->durable;
    bench->disk = sim_disk_copy(whole, 3);
    kit->io = sim_disk_io(bench->disk);
    if (sim_disk_flip(bench->disk, name, offset, bit) == 0) {
        int err = kit_open(kit);
        *stopped += err != 0;
        if (err ? err != ERR_CORRUPT : kit->mismatches || kit->recovery.last.index != answered)
            fail_msg("%s byte %lu bit %u: %s, last entry %lu, %lu mismatches; %s", name,
                     (unsigned long)offset, bit, err_name(err),
                     (unsigned long)kit->recovery.last.index, (unsigned long)kit->mismatches,
                     kit->fault.text);
        if (err && !strstr(kit->fault.text, "log."))
            fail_msg("a fault that names no file: %s", kit->fault.text);
        if (!err) {
            sim_disk_crash(bench->disk, SIM_DISK_KILL);
            kit_close(kit);
        }
    }
    kit->durable = kit->proposed = answered;
    sim_disk_destroy(bench->disk);
    bench->disk = whole;
    kit->io = sim_disk_io(whole);
}

static void test_every_kind_of_bit_flipped(void **state)
{
    struct bench *bench = *state;
    struct rand rand;
    uint64_t stopped = 0, flips = 0;
    fill(bench, 45);
    assert_int_equal(kit_open(bench->kit), 0);
    uint64_t sequence = bench->kit->wal.sequence, end = bench->kit->wal.offset;
    sim_disk_crash(bench->disk, SIM_DISK_KILL);
    kit_close(bench->kit);
    char last[DISK_PATH_SIZE_MAX], name[DISK_PATH_SIZE_MAX];
    wal_segment_name(last, sequence);
    assert_true(end > 2048);
    struct sim_disk *whole = bench->disk;
    for (uint64_t bit = 0; bit < sizeof(struct wal_header) * 8; bit++, flips++)
        flip_one(bench, whole, seg2, bit / 8, bit % 8, &stopped);
    assert_int_equal(stopped, flips);
    /* the last batch, which was answered for and has nothing behind it */
    for (uint64_t byte = end - 1024; byte < end + 64; byte++, flips++)
        flip_one(bench, whole, last, byte, (uint32_t)(byte % 8), &stopped);
    for (uint32_t bit = 0; bit < sizeof(struct log_record) * 8; bit++, flips++)
        flip_one(bench, whole, last, end - 1024 + bit / 8, bit % 8, &stopped);
    rand_seed(&rand, 5);
    for (int i = 0; i < 3000; i++, flips++) {
        wal_segment_name(name, 1 + rand_below(&rand, sequence + 1));
        flip_one(bench, whole, name, rand_below(&rand, SEGMENT), (uint32_t)rand_below(&rand, 8),
                 &stopped);
    }
    assert_true(stopped > flips / 2);
}

/* A sector of a batch that was durable reads as zeros: like an unfinished write, but for what lies
 * behind it. In the last batch nothing tells the two apart, and it is cut. */
static void test_a_lost_sector(void **state)
{
    struct bench *bench = *state;
    uint8_t zeros[512] = {0};
    fill(bench, 10);
    rewrite(bench, seg1, 512 + 8 * 1024 + 512, zeros, 512, false);
    expect(bench, ERR_CORRUPT, "a later batch is intact, at offset 9728");
    assert_non_null(strstr(bench->kit->fault.text, "log.0000000000000001 at offset 8704"));
    assert_non_null(strstr(bench->kit->fault.text, "expected entry 9"));
    assert_non_null(strstr(bench->kit->fault.text, "takt log verify"));
}

/* As above, for each sector in front of the last batch, where records begin and end in every place:
 * the last batch is never taken for a torn one because of what lies in front of it. */
static void test_any_lost_sector_in_front_of_the_last_batch(void **state)
{
    const uint32_t header = sizeof(struct log_record);
    const uint32_t sizes[][2] = {{512 - header, 300},          {1024 - 2 * header, 0},
                                 {512 - header, 512 - header}, {512 - header, 400},
                                 {512 - header, 424},          {512 - header, 512 - 2 * header},
                                 {512 - header, 1500},         {10, 512 - header - 72}};
    struct bench *bench = *state;
    struct wal_kit *kit = bench->kit;
    uint8_t zeros[512] = {0};
    assert_int_equal(kit_open(kit), 0);
    uint64_t begin = kit->wal.offset, last = begin;
    for (uint32_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        last = kit->wal.offset;
        assert_int_equal(kit_append(kit, sizes[i], 2, false), 0);
        for (int tries = 0; kit->writing && tries < 10; tries++)
            assert_int_equal(kit_pump(kit, true), 0);
        assert_false(kit->writing);
    }
    sim_disk_crash(bench->disk, SIM_DISK_KILL);
    kit_close(kit);
    assert_true(last > begin + 10 * 512ull);
    struct sim_disk *whole = bench->disk;
    for (uint64_t at = begin; at < last; at += 512) {
        bench->disk = sim_disk_copy(whole, 3);
        kit->io = sim_disk_io(bench->disk);
        rewrite(bench, seg1, at, zeros, 512, false);
        expect(bench, ERR_CORRUPT, "a later batch is intact");
        sim_disk_destroy(bench->disk);
    }
    bench->disk = whole;
    kit->io = sim_disk_io(whole);
}

static void test_a_torn_last_batch_is_cut_and_zeroed(void **state)
{
    struct bench *bench = *state;
    uint8_t bytes[512] = {0};
    fill(bench, 10);
    rewrite(bench, seg1, 512 + 9 * 1024, bytes, 512, false); /* the first sector of two */
    assert_int_equal(kit_open(bench->kit), 0);
    assert_int_equal(bench->kit->recovery.last.index, 9);
    assert_int_equal(bench->kit->recovery.torn_size, 1024);
    assert_non_null(strstr(bench->kit->recovery.torn.text, "offset 9728"));
    rewrite(bench, seg1, 512 + 9 * 1024 + 512, bytes, 512, true);
    assert_true(wal_segment_is_zero(bytes, 512));
}

/* An entry whose checksum is right and whose history is not: as from another log, or a forger. */
static void test_an_entry_that_does_not_follow(void **state)
{
    struct bench *bench = *state;
    _Alignas(8) uint8_t bytes[1024];
    fill(bench, 10);
    rewrite(bench, seg1, 512 + 4 * 1024, bytes, 1024, true);
    struct log_record *record = (struct log_record *)bytes;
    assert_int_equal(record->index, 5);
    log_record_seal(record, 12345, log_record_seed(KIT_SALT));
    rewrite(bench, seg1, 512 + 4 * 1024, bytes, 1024, false);
    expect(bench, ERR_CORRUPT, "chain value that does not follow");
    record->index = 6;
    log_record_seal(record, 12345, log_record_seed(KIT_SALT));
    rewrite(bench, seg1, 512 + 4 * 1024, bytes, 1024, false);
    expect(bench, ERR_CORRUPT, "entry of another index");
    record->index = 5;
    record->term = 0;
    log_record_seal(record, 12345, log_record_seed(KIT_SALT));
    rewrite(bench, seg1, 512 + 4 * 1024, bytes, 1024, false);
    expect(bench, ERR_CORRUPT, "older term");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_new_log_then_reopened),
        TEST(test_only_entries_behind_the_snapshot_are_visited),
        TEST(test_trim_keeps_what_the_snapshot_needs),
        TEST(test_missing_segments),
        TEST(test_files_in_the_wrong_place),
        TEST(test_the_snapshot_is_of_another_history),
        TEST(test_a_log_that_was_there_and_is_gone_is_not_begun_anew),
        TEST(test_what_the_visitor_says_is_passed_on),
        TEST(test_limits_of_the_configuration),
        TEST(test_other_block_and_segment_sizes_go_on_in_a_new_segment),
        TEST(test_a_full_disk_refuses_and_resumes),
        TEST(test_every_kind_of_bit_flipped),
        TEST(test_a_lost_sector),
        TEST(test_any_lost_sector_in_front_of_the_last_batch),
        TEST(test_a_torn_last_batch_is_cut_and_zeroed),
        TEST(test_an_entry_that_does_not_follow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
