/* What the log costs: sealing one entry, a batch's way through the wal without a device, the same
 * with one (a file in the current directory), and reading it all back. Entries carry 172 bytes: a
 * setData of 100 bytes. */
#include "perf/bench.h"

#include "base/check.h"
#include "consensus/disk_uring.h"
#include "consensus/log_tail.h"
#include "consensus/wal.h"
#include "tests/sim/sim_disk.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAYLOAD 172
#define SEGMENT (16u << 20)

static struct wal wal;
static struct log_tail tail;
static struct fault fault;

static void entries(int64_t count)
{
    log_tail_written(&tail, tail.batch_start);
    log_tail_applied(&tail, tail.batch_start);
    for (int64_t i = 0; i < count; i++) {
        uint8_t *payload = log_tail_append(&tail, 1, PAYLOAD);
        CHECK(payload);
        memset(payload, 7, PAYLOAD);
        log_tail_seal(&tail, payload);
    }
}

static void tail_begin(uint32_t block_size)
{
    struct log_tail_config config = {
        .size = 32u << 20, .batch_size_max = LOG_TAIL_BATCH_SIZE_MAX, .block_size = block_size};
    CHECK(log_tail_init(&tail, &config) == 0);
}

static void log_begin(struct disk_io *io)
{
    struct wal_config config = {.segment_size = SEGMENT};
    struct wal_recovery recovery;
    int err = wal_open(&wal, io, &config, &recovery, &fault);
    if (err)
        fprintf(stderr, "%s\n", fault.text);
    CHECK(err == 0);
    tail_begin(io->block_size);
}

static void log_end(void)
{
    struct wal_event event;
    while (wal_busy(&wal))
        CHECK(wal_poll(&wal, clock_now(), &event, &fault) == 0);
    wal_close(&wal);
    log_tail_fini(&tail);
}

/* One batch, from the call until it is durable; as DISK does it, old segments going behind it. */
static void write_batch(struct disk_io *io, int64_t count)
{
    struct core_disk batch;
    struct wal_event event = {0};
    uint32_t work;
    bool sent = false;
    entries(count);
    CHECK(log_tail_close_batch(&tail, &batch));
    while (event.durable_index != batch.last_index) {
        struct now now = clock_now();
        if (!sent)
            sent = wal_append(&wal, &batch, log_tail_at(&tail, batch.offset), &fault) == 0;
        CHECK(wal_prepare(&wal, now, !sent, &work, &fault) == 0);
        CHECK(wal_poll(&wal, now, &event, &fault) == 0);
        struct pollfd fd = {io->park_fd, POLLIN, 0};
        if (!event.work && io->park_fd >= 0)
            poll(&fd, 1, 1);
    }
    wal_trim(&wal, batch.first_index);
    CHECK(wal_trim_step(&wal, &work, &fault) == 0);
}

static void bench_seal(struct bench *bench, int64_t unused)
{
    tail_begin(512);
    struct core_disk batch;
    while (bench_next(bench)) {
        entries(64);
        CHECK(log_tail_close_batch(&tail, &batch));
    }
    bench_counter(bench, "items", 64);
    log_tail_fini(&tail);
}

static void bench_batch_sim(struct bench *bench, int64_t count)
{
    struct sim_disk *disk = sim_disk_create(1, 1ull << 40);
    log_begin(sim_disk_io(disk));
    while (bench_next(bench))
        write_batch(sim_disk_io(disk), count);
    bench_counter(bench, "items", (double)count);
    log_end();
    sim_disk_destroy(disk);
}

static void remove_one(void *self, const char *name)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", (const char *)self, name);
    unlink(path);
}

static void bench_batch_real(struct bench *bench, int64_t count, bool uring)
{
    static struct disk_posix posix;
    struct disk_uring *ring = NULL;
    struct disk_io io;
    char dir[] = "bench-wal-XXXXXX";
    CHECK(mkdtemp(dir));
    if (!uring || disk_uring_create(&ring, &io, dir, &fault) != 0)
        CHECK(disk_posix_init(&posix, &io, dir, false, &fault) == 0);
    log_begin(&io);
    while (bench_next(bench))
        write_batch(&io, count);
    bench_counter(bench, "items", (double)count);
    log_end();
    CHECK(io.list(io.ctx, remove_one, dir, NULL) == 0);
    if (ring)
        disk_uring_destroy(ring);
    else
        disk_posix_fini(&posix);
    CHECK(rmdir(dir) == 0);
}

static void bench_batch_uring(struct bench *bench, int64_t count)
{
    bench_batch_real(bench, count, true);
}

static void bench_batch_posix(struct bench *bench, int64_t count)
{
    bench_batch_real(bench, count, false);
}

/* Recovery of a full segment, from memory: checksums, chain, order. */
static void bench_scan(struct bench *bench, int64_t unused)
{
    struct sim_disk *disk = sim_disk_create(1, 1ull << 40);
    struct disk_io *io = sim_disk_io(disk);
    struct wal_header header;
    uint8_t *data = aligned_alloc(4096, SEGMENT);
    int file;
    log_begin(io);
    while (wal.size - wal.offset > (1u << 20))
        write_batch(io, 256);
    CHECK(io->open(io->ctx, "log.0000000000000001", DISK_OPEN_READ, &file, NULL) == 0);
    CHECK(wal_segment_load(io, file, data, SEGMENT, NULL) == 0);
    memcpy(&header, data, sizeof(header));
    struct wal_scan scan = {.data = data, .name = "bench", .where = "bench", .last = true};
    while (bench_next(bench)) {
        wal_scan_enter(&scan, &header, false);
        CHECK(wal_scan_segment(&scan, &fault) == 0);
    }
    bench_counter(bench, "items", (double)scan.entry_count);
    io->close(io->ctx, file);
    free(data);
    log_end();
    sim_disk_destroy(disk);
}

int main(int argc, char **argv)
{
    static const int64_t counts[] = {1, 64, 1024};
    bench_add("seal_64_entries", bench_seal, NULL, 0);
    bench_add("batch_without_a_device", bench_batch_sim, counts, 3);
    bench_add("batch_durable_io_uring", bench_batch_uring, counts, 3);
    bench_add("batch_durable_plain", bench_batch_posix, counts, 3);
    bench_add("recover_a_segment", bench_scan, NULL, 0);
    return bench_main(argc, argv);
}
