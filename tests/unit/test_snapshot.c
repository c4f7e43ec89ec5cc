/* Goal: what is written is what is read; a file that is not whole, to the bit, is refused with its
 * name and an offset; a disk that fails at any call leaves no bad file under a final name. Method:
 * small snapshots over a disk in memory; every truncation, every byte flipped, every call failed.
 */
#include "store/snapshot.h"
#include "store/snapshot_format.h"
#include "tests/unit/mem_disk.h"

#include "base/rand.h"
#include "tests/sim/sim_disk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* What a reading saw, as text of bytes, so that two readings can be compared. */
struct seen {
    uint8_t *bytes;
    uint64_t size;
    uint64_t room;
    int fail_node; /* the node that is refused by the sink; -1 = none */
};

static void note(struct seen *seen, const void *at, size_t size)
{
    if (seen->size + size > seen->room) {
        seen->room = (seen->size + size) * 2;
        seen->bytes = realloc(seen->bytes, seen->room);
        assert_non_null(seen->bytes);
    }
    if (size > 0)
        memcpy(seen->bytes + seen->size, at, size);
    seen->size += size;
}

static int note_machine(void *self, struct bytes image, struct fault *fault)
{
    note(self, "M", 1);
    note(self, image.at, (size_t)image.size);
    return 0;
}

static int note_acl(void *self, uint32_t id, struct bytes packed, struct fault *fault)
{
    note(self, &id, sizeof(id));
    note(self, &packed.size, sizeof(packed.size));
    note(self, packed.at, (size_t)packed.size);
    return 0;
}

static int note_node(void *self, const struct tree_image *image, struct fault *fault)
{
    struct seen *seen = self;
    const int64_t longs[] = {image->czxid,    image->mzxid,    image->pzxid,
                             image->ctime_ms, image->mtime_ms, image->owner};
    const int64_t ints[] = {image->version, image->aversion,    image->creations,
                            image->acl,     image->child_count, image->data.size};
    if (seen->fail_node >= 0 && seen->fail_node-- == 0)
        return fault_set(fault, ERR_LIMIT, "the sink says no");
    note(seen, longs, sizeof(longs));
    note(seen, ints, sizeof(ints));
    note(seen, image->path.at, (size_t)image->path.size);
    note(seen, image->data.at, image->data.size > 0 ? (size_t)image->data.size : 0);
    return 0;
}

static struct snapshot_sink sink_of(struct seen *seen)
{
    memset(seen, 0, sizeof(*seen));
    seen->fail_node = -1;
    return (struct snapshot_sink){
        .self = seen, .machine = note_machine, .acl = note_acl, .node = note_node};
}

/* A snapshot's contents from a seed; what is in it is noted in `seen` too. */
static int write_some(const struct disk_io *io, uint64_t seed, uint64_t index, uint32_t node_count,
                      int32_t data_max, struct seen *seen, struct fault *fault)
{
    struct rand rand;
    struct snapshot_write *write;
    struct snapshot_sink sink = sink_of(seen);
    uint8_t *data = calloc(1, (size_t)data_max + 1);
    struct snapshot_info info = {.index = index,
                                 .term = 3,
                                 .zxid = 0x300000005,
                                 .chain = 99,
                                 .state_hash = 88,
                                 .time_ms = 77,
                                 .node_count = node_count,
                                 .session_count = 2};
    memcpy(info.cluster_id, "cluster-id-of-16", 16);
    rand_seed(&rand, seed);
    int err = snapshot_write_begin(&write, io, &info, fault);
    if (err)
        goto out;
    err = snapshot_write_machine(write, bytes_of_string("sessions"), fault);
    sink.machine(seen, bytes_of_string("sessions"), NULL);
    for (uint32_t id = 0; id < 3 && !err; id++) {
        err = snapshot_write_acl(write, id * 7, bytes_of("world:anyone", id * 6), fault);
        sink.acl(seen, id * 7, bytes_of("world:anyone", id * 6), NULL);
    }
    for (uint32_t i = 0; i < node_count && !err; i++) {
        char path[32];
        snprintf(path, sizeof(path), "/node-%u", i);
        int32_t size = (int32_t)rand_below(&rand, (uint64_t)data_max + 2) - 1;
        if (size > 0)
            data[rand_below(&rand, (uint64_t)size)] = (uint8_t)rand_next(&rand);
        struct tree_image image = {.path = bytes_of_string(path),
                                   .data = {size < 0 ? NULL : data, size},
                                   .czxid = (int64_t)rand_next(&rand),
                                   .mzxid = i,
                                   .pzxid = -1,
                                   .ctime_ms = 5,
                                   .mtime_ms = 6,
                                   .owner = ZK_OWNER_CONTAINER,
                                   .version = -1,
                                   .aversion = 2,
                                   .creations = 3,
                                   .acl = 4,
                                   .child_count = 5};
        err = snapshot_write_node(write, &image, fault);
        sink.node(seen, &image, NULL);
    }
    if (err)
        snapshot_write_abort(write);
    else
        err = snapshot_write_finish(write, fault);
out:
    free(data);
    return err;
}

static void check_round_trip(uint32_t node_count, int32_t data_max)
{
    struct mem_disk disk;
    struct seen wrote, read;
    struct snapshot_info info;
    struct fault fault = {""};
    mem_disk_init(&disk);
    assert_int_equal(write_some(&disk.io, 5, 0x1234, node_count, data_max, &wrote, &fault), 0);
    assert_null(mem_disk_file(&disk, "snapshot.0000000000001234.tmp"));
    struct snapshot_sink sink = sink_of(&read);
    assert_int_equal(snapshot_read(&disk.io, "snapshot.0000000000001234", &sink, &info, &fault), 0);
    assert_true(wrote.size == read.size);
    assert_memory_equal(wrote.bytes, read.bytes, wrote.size);
    assert_true(info.index == 0x1234 && info.term == 3 && info.zxid == 0x300000005);
    assert_true(info.chain == 99 && info.state_hash == 88 && info.time_ms == 77);
    assert_true(info.node_count == node_count && info.acl_count == 3 && info.session_count == 2);
    assert_memory_equal(info.cluster_id, "cluster-id-of-16", 16);
    assert_true(info.file_size == mem_disk_file(&disk, "snapshot.0000000000001234")->size);
    assert_int_equal(disk.open_count, 0);
    free(wrote.bytes);
    free(read.bytes);
    mem_disk_fini(&disk);
}

static void test_round_trip(void **state)
{
    check_round_trip(1, 0);
    check_round_trip(20, 100);
    check_round_trip(5000, 300);  /* several blocks */
    check_round_trip(3, 6 << 20); /* records above a block and above the reader's window */
}

static void test_record_above_the_limit(void **state)
{
    struct mem_disk disk;
    struct fault fault = {""};
    struct snapshot_write *write;
    struct snapshot_info info = {.index = 1, .node_count = 1};
    uint8_t *data = calloc(1, SNAPSHOT_RECORD_MAX);
    mem_disk_init(&disk);
    assert_int_equal(snapshot_write_begin(&write, &disk.io, &info, &fault), 0);
    struct tree_image image = {.path = bytes_of_string("/a"),
                               .data = bytes_of(data, SNAPSHOT_RECORD_MAX)};
    assert_int_equal(snapshot_write_node(write, &image, &fault), ERR_RANGE);
    snapshot_write_abort(write);
    assert_null(mem_disk_file(&disk, "snapshot.0000000000000001.tmp"));
    free(data);
    mem_disk_fini(&disk);
}

static int read_copy(const uint8_t *bytes, uint64_t size, struct fault *fault)
{
    struct mem_disk disk;
    struct snapshot_info info;
    struct seen seen;
    struct snapshot_sink sink = sink_of(&seen);
    mem_disk_init(&disk);
    mem_disk_put(&disk, "snapshot.0000000000000009", bytes, size);
    int err = snapshot_read(&disk.io, "snapshot.0000000000000009", &sink, &info, fault);
    assert_int_equal(disk.open_count, 0);
    free(seen.bytes);
    mem_disk_fini(&disk);
    return err;
}

static void test_every_truncation_and_every_flip(void **state)
{
    struct mem_disk disk;
    struct fault fault = {""};
    struct seen wrote;
    mem_disk_init(&disk);
    assert_int_equal(write_some(&disk.io, 5, 9, 12, 40, &wrote, &fault), 0);
    struct mem_disk_file *file = mem_disk_file(&disk, "snapshot.0000000000000009");
    assert_int_equal(read_copy(file->bytes, file->size, &fault), 0);
    for (uint64_t size = 0; size < file->size; size++) {
        assert_int_equal(read_copy(file->bytes, size, &fault), ERR_CORRUPT);
        assert_non_null(strstr(fault.text, "snapshot 'snapshot.0000000000000009', offset "));
    }
    for (uint64_t at = 0; at < file->size; at++)
        for (int bit = 0; bit < 8; bit++) {
            file->bytes[at] ^= (uint8_t)(1u << bit);
            assert_int_equal(read_copy(file->bytes, file->size, &fault), ERR_CORRUPT);
            file->bytes[at] ^= (uint8_t)(1u << bit);
        }
    uint8_t *longer = calloc(1, file->size + 1);
    memcpy(longer, file->bytes, file->size);
    assert_int_equal(read_copy(longer, file->size + 1, &fault), ERR_CORRUPT);
    free(longer);
    free(wrote.bytes);
    mem_disk_fini(&disk);
}

/* Blocks that are whole in themselves, but left out, doubled or swapped. */
static void test_blocks_out_of_place(void **state)
{
    struct mem_disk disk;
    struct fault fault = {""};
    struct seen wrote;
    uint64_t at[64], end[64];
    uint32_t n = 0;
    mem_disk_init(&disk);
    assert_int_equal(write_some(&disk.io, 5, 9, 4000, 300, &wrote, &fault), 0);
    struct mem_disk_file *file = mem_disk_file(&disk, "snapshot.0000000000000009");
    for (uint64_t offset = sizeof(struct snapshot_header); offset < file->size; n++) {
        struct snapshot_block block;
        memcpy(&block, file->bytes + offset, sizeof(block));
        at[n] = offset;
        offset += sizeof(block) + block.stored_size;
        end[n] = offset;
    }
    assert_true(n > 5);
    uint8_t *other = malloc(file->size * 2);
    for (uint32_t i = 0; i < n; i++) { /* without block i */
        memcpy(other, file->bytes, at[i]);
        memcpy(other + at[i], file->bytes + end[i], file->size - end[i]);
        uint64_t size = file->size - (end[i] - at[i]);
        assert_int_equal(read_copy(other, size, &fault), ERR_CORRUPT);
        memcpy(other, file->bytes, end[i]); /* block i twice */
        memcpy(other + end[i], file->bytes + at[i], file->size - at[i]);
        assert_int_equal(read_copy(other, file->size + end[i] - at[i], &fault), ERR_CORRUPT);
    }
    free(other);
    free(wrote.bytes);
    mem_disk_fini(&disk);
}

static void test_other_version(void **state)
{
    struct mem_disk disk;
    struct fault fault = {""};
    struct seen wrote;
    struct snapshot_header header;
    mem_disk_init(&disk);
    assert_int_equal(write_some(&disk.io, 5, 9, 1, 1, &wrote, &fault), 0);
    struct mem_disk_file *file = mem_disk_file(&disk, "snapshot.0000000000000009");
    memcpy(&header, file->bytes, sizeof(header));
    header.version = SNAPSHOT_VERSION + 1;
    header.crc = snapshot_header_crc(&header);
    memcpy(file->bytes, &header, sizeof(header));
    assert_int_equal(read_copy(file->bytes, file->size, &fault), ERR_VERSION);
    free(wrote.bytes);
    mem_disk_fini(&disk);
}

static void test_the_sinks_word_counts(void **state)
{
    struct mem_disk disk;
    struct fault fault = {""};
    struct seen wrote, read;
    struct snapshot_info info;
    mem_disk_init(&disk);
    assert_int_equal(write_some(&disk.io, 5, 9, 10, 10, &wrote, &fault), 0);
    struct snapshot_sink sink = sink_of(&read);
    read.fail_node = 4;
    assert_int_equal(snapshot_read(&disk.io, "snapshot.0000000000000009", &sink, &info, &fault),
                     ERR_LIMIT);
    assert_non_null(strstr(fault.text, "the sink says no"));
    assert_int_equal(snapshot_read(&disk.io, "snapshot.0000000000000008", &sink, &info, &fault),
                     ERR_NOTFOUND);
    free(wrote.bytes);
    free(read.bytes);
    mem_disk_fini(&disk);
}

/* Fails call N of the disk, for every N until none fails; the older snapshot stays, the new one is
 * there only if it is whole, nothing stays open, and the next attempt works. */
static void fail_every_call(int fail_err)
{
    struct fault fault = {""};
    struct seen wrote;
    bool failed = true;
    for (uint32_t n = 1; failed; n++) {
        struct mem_disk disk;
        mem_disk_init(&disk);
        assert_int_equal(write_some(&disk.io, 1, 5, 3, 10, &wrote, &fault), 0);
        free(wrote.bytes);
        disk.calls = 0;
        disk.fail_at = n;
        disk.fail_err = fail_err;
        int err = write_some(&disk.io, 2, 6, 4000, 300, &wrote, &fault);
        free(wrote.bytes);
        failed = disk.calls >= n;
        assert_int_equal(err, failed ? fail_err : 0);
        assert_int_equal(disk.open_count, 0);
        disk.fail_at = 0;
        struct snapshot_sink none = {0};
        struct snapshot_info info;
        uint64_t *indexes = NULL;
        uint32_t count;
        char name[DISK_PATH_SIZE_MAX];
        assert_int_equal(snapshot_list(&disk.io, &indexes, &count, &fault), 0);
        for (uint32_t i = 0; i < count; i++) {
            snapshot_name(name, indexes[i]);
            assert_int_equal(snapshot_read(&disk.io, name, &none, &info, &fault), 0);
        }
        assert_true(count >= 1 && indexes[count - 1] == 5);
        free(indexes);
        assert_int_equal(write_some(&disk.io, 2, 6, 40, 10, &wrote, &fault), 0);
        free(wrote.bytes);
        mem_disk_fini(&disk);
        assert_true(n < 1000);
    }
}

static void test_every_call_fails_once(void **state)
{
    fail_every_call(ERR_IO);
    fail_every_call(ERR_NOSPACE);
}

static void test_reading_fails_at_every_call(void **state)
{
    struct mem_disk disk;
    struct fault fault = {""};
    struct seen wrote;
    struct snapshot_info info;
    struct snapshot_sink none = {0};
    mem_disk_init(&disk);
    assert_int_equal(write_some(&disk.io, 1, 5, 3, 10, &wrote, &fault), 0);
    for (uint32_t n = 1;; n++) {
        disk.calls = 0;
        disk.fail_at = n;
        int err = snapshot_read(&disk.io, "snapshot.0000000000000005", &none, &info, &fault);
        assert_int_equal(disk.open_count, 0);
        if (disk.calls < n) {
            assert_int_equal(err, 0);
            break;
        }
        assert_int_equal(err, ERR_IO);
    }
    free(wrote.bytes);
    mem_disk_fini(&disk);
}

static void test_purge_keeps_the_newest(void **state)
{
    struct mem_disk disk;
    struct fault fault = {""};
    struct seen wrote;
    uint64_t *indexes;
    uint32_t count;
    mem_disk_init(&disk);
    for (uint64_t index = 1; index <= 5; index++) {
        assert_int_equal(write_some(&disk.io, 1, index * 0x1000, 1, 1, &wrote, &fault), 0);
        free(wrote.bytes);
    }
    mem_disk_put(&disk, "snapshot.0000000000000009.tmp", "x", 1);
    mem_disk_put(&disk, "snapshot.000000000000000g", "x", 1);
    mem_disk_put(&disk, "snapshot.00000000000000010", "x", 1);
    mem_disk_put(&disk, "log.0000000000000001", "x", 1);
    assert_int_equal(snapshot_list(&disk.io, &indexes, &count, &fault), 0);
    assert_int_equal(count, 5);
    assert_true(indexes[0] == 0x5000 && indexes[4] == 0x1000);
    free(indexes);
    assert_int_equal(snapshot_purge(&disk.io, 0, &fault), ERR_RANGE);
    assert_int_equal(snapshot_purge(&disk.io, SNAPSHOT_KEPT_COUNT_MAX + 1, &fault), ERR_RANGE);
    assert_int_equal(snapshot_purge(&disk.io, 2, &fault), 0);
    assert_int_equal(snapshot_list(&disk.io, &indexes, &count, &fault), 0);
    assert_int_equal(count, 2);
    assert_true(indexes[0] == 0x5000 && indexes[1] == 0x4000);
    free(indexes);
    assert_null(mem_disk_file(&disk, "snapshot.0000000000000009.tmp"));
    assert_non_null(mem_disk_file(&disk, "log.0000000000000001"));
    assert_non_null(mem_disk_file(&disk, "snapshot.000000000000000g"));
    disk.calls = 0;
    disk.fail_at = 1;
    assert_int_equal(snapshot_purge(&disk.io, 1, &fault), ERR_IO);
    mem_disk_fini(&disk);
}

static void gone_close(void *ctx, int file)
{
}

static int gone_unlink(void *ctx, const char *path, struct fault *fault)
{
    return ERR_IO;
}

/* Writes `count` nodes of a snapshot, finishes it when that is all of them; then the power fails.
 */
static void write_and_crash(struct sim_disk *disk, uint32_t node_count, uint32_t count)
{
    struct disk_io io = *sim_disk_io(disk);
    struct snapshot_write *write;
    struct fault fault = {""};
    struct snapshot_info info = {.index = 7, .node_count = node_count};
    uint64_t data[64];
    struct rand r;
    char path[32];
    rand_seed(&r, 3);
    assert_int_equal(snapshot_write_begin(&write, &io, &info, &fault), 0);
    assert_int_equal(snapshot_write_machine(write, bytes_of_string("m"), &fault), 0);
    for (uint32_t i = 0; i < count; i++) {
        for (int d = 0; d < 64; d++)
            data[d] = rand_next(&r);
        snprintf(path, sizeof(path), "/n%u", i);
        struct tree_image image = {.path = bytes_of_string(path), .data = bytes_of(data, 512)};
        assert_int_equal(snapshot_write_node(write, &image, &fault), 0);
    }
    bool finish = count == node_count;
    if (finish)
        assert_int_equal(snapshot_write_finish(write, &fault), 0);
    sim_disk_crash(disk, SIM_DISK_POWER);
    io.close = gone_close; /* the process is gone: the abort only frees its memory */
    io.unlink = gone_unlink;
    if (!finish)
        snapshot_write_abort(write);
}

/* The power fails at any time while a snapshot is written, or after it: every file with a final
 * name is whole, the older one stays, one that was finished is there, and a purge tidies up. */
static void test_power_fails(void **state)
{
    for (uint32_t seed = 1; seed <= 60; seed++) {
        struct sim_disk *disk = sim_disk_create(seed, 64 << 20);
        const struct disk_io *io = sim_disk_io(disk);
        struct fault fault = {""};
        struct seen wrote;
        struct snapshot_sink none = {0};
        struct snapshot_info info;
        uint64_t *indexes;
        uint32_t count, nodes = 3000;
        bool finish = seed % 4 == 0;
        char name[DISK_PATH_SIZE_MAX];
        assert_int_equal(write_some(io, seed, 5, 20, 100, &wrote, &fault), 0);
        free(wrote.bytes);
        write_and_crash(disk, nodes, finish ? nodes : seed * 37 % nodes);
        assert_int_equal(snapshot_list(io, &indexes, &count, &fault), 0);
        assert_int_equal(count, finish ? 2 : 1);
        for (uint32_t i = 0; i < count; i++) {
            snapshot_name(name, indexes[i]);
            assert_int_equal(snapshot_read(io, name, &none, &info, &fault), 0);
        }
        free(indexes);
        assert_int_equal(snapshot_purge(io, 2, &fault), 0);
        write_and_crash(disk, nodes, nodes);
        sim_disk_destroy(disk);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_record_above_the_limit),
        cmocka_unit_test(test_every_truncation_and_every_flip),
        cmocka_unit_test(test_blocks_out_of_place),
        cmocka_unit_test(test_other_version),
        cmocka_unit_test(test_the_sinks_word_counts),
        cmocka_unit_test(test_every_call_fails_once),
        cmocka_unit_test(test_reading_fails_at_every_call),
        cmocka_unit_test(test_power_fails),
        cmocka_unit_test(test_purge_keeps_the_newest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
