/* Log recovery from any bytes. Must hold: no bad access; what is visited is in order and hangs
 * together; a log that opens can be appended to, and opens again with all of that in it. One input
 * in four is opened as a member's log: whatever is damaged is told of, and it opens all the same.
 *
 * The input is a row of files: one byte says which of the first four segments comes (bits 0-1), and
 * whether it is a whole copy of a valid log's segment that the bytes then change (bit 7). Then, in
 * that case, patches {u16 offset, u8 count, bytes}, after which (bit 6) checksums are made to fit;
 * else the file's bytes, up to the next one. */
#include "base/crc32c.h"
#include "consensus/log_tail.h"
#include "consensus/wal.h"
#include "tests/sim/sim_disk.h"

#include <stdlib.h>
#include <string.h>

#define SEGMENT       16384u
#define SEED_SEGMENTS 3u
#define SALT          0x7a6c74ull

struct chain {
    uint64_t index, term;
};

static int chain_visit(void *self, const struct log_record *record, struct fault *fault)
{
    struct chain *chain = self;
    CHECK(record->index == chain->index + 1);
    CHECK(record->term >= chain->term);
    CHECK(record->kind == LOG_RECORD_ENTRY);
    uint8_t sum = 0; /* so that each byte is read */
    for (uint32_t i = 0; i < record->size; i++)
        sum ^= ((const uint8_t *)(record + 1))[i];
    __asm__ volatile("" : : "r"(sum));
    *chain = (struct chain){record->index, record->term};
    return 0;
}

/* Writes one batch of `count` entries through the wal. */
static void append(struct wal *wal, struct log_tail *tail, uint32_t count, uint32_t size)
{
    struct core_disk batch;
    struct wal_event event = {0};
    struct fault fault;
    uint32_t work;
    struct now now = {1, 1};
    log_tail_written(tail, tail->batch_start);
    log_tail_applied(tail, tail->batch_start);
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *payload = log_tail_append(tail, wal->last.term + 1, size);
        CHECK(payload);
        memset(payload, 'p', size);
        log_tail_seal(tail, payload);
    }
    CHECK(log_tail_close_batch(tail, &batch));
    int err;
    while ((err = wal_append(wal, &batch, log_tail_at(tail, batch.offset), &fault)) != 0) {
        CHECK(err == ERR_NOSPACE);
        CHECK(wal_prepare(wal, now, true, &work, &fault) == 0);
        CHECK(wal_poll(wal, now, &event, &fault) == 0);
    }
    do
        CHECK(wal_poll(wal, now, &event, &fault) == 0);
    while (event.durable_index != batch.last_index);
}

static void tail_begin(struct log_tail *tail, const struct wal_recovery *recovery)
{
    struct log_tail_config config = {.size = 1 << 20,
                                     .batch_size_max = 1 << 18,
                                     .block_size = 512,
                                     .salt = SALT,
                                     .last_index = recovery->last.index,
                                     .last_term = recovery->last.term,
                                     .chain = recovery->last.chain,
                                     .batch = recovery->batch};
    CHECK(log_tail_init(tail, &config) == 0);
}

static int damage_told(void *self, const struct wal_damage *damage, struct fault *fault)
{
    CHECK(damage->fault.text[0] && damage->promised_index + 1 >= damage->first_index);
    return 0;
}

static int log_open(struct wal *wal, struct sim_disk *disk, struct chain *chain,
                    struct wal_recovery *recovery, bool ensemble)
{
    struct fault fault;
    struct wal_config config = {.salt = SALT,
                                .segment_size = SEGMENT,
                                .visit = chain_visit,
                                .self = chain,
                                .ensemble = ensemble,
                                .damaged = damage_told};
    *chain = (struct chain){0, 0};
    fault.text[0] = 0;
    int err = wal_open(wal, sim_disk_io(disk), &config, recovery, &fault);
    CHECK(err == 0 || fault.text[0] != 0);
    return err;
}

/* The valid log that inputs may refer to; the same in every run. */
static uint8_t *seed_log(void)
{
    static uint8_t *data;
    struct sim_disk *disk = sim_disk_create(1, 1 << 20);
    struct disk_io *io = sim_disk_io(disk);
    struct wal wal;
    struct wal_recovery recovery;
    struct chain chain;
    struct log_tail tail;
    if (data) {
        sim_disk_destroy(disk);
        return data;
    }
    data = calloc(SEED_SEGMENTS + 1, SEGMENT);
    CHECK(data && log_open(&wal, disk, &chain, &recovery, false) == 0);
    tail_begin(&tail, &recovery);
    for (uint32_t i = 0; wal.sequence < SEED_SEGMENTS || wal.offset < SEGMENT / 2; i++)
        append(&wal, &tail, 1 + i % 3, 100 + 300 * (i % 5));
    wal_close(&wal);
    log_tail_fini(&tail);
    for (uint64_t s = 0; s < SEED_SEGMENTS; s++) {
        char name[DISK_PATH_SIZE_MAX];
        int file;
        wal_segment_name(name, s + 1);
        CHECK(io->open(io->ctx, name, DISK_OPEN_READ, &file, NULL) == 0);
        CHECK(wal_segment_load(io, file, data + s * SEGMENT, SEGMENT, NULL) == 0);
        io->close(io->ctx, file);
    }
    sim_disk_destroy(disk);
    return data;
}

/* Applies patches to `to`; returns how many input bytes they took. */
static size_t patch(uint8_t *to, const uint8_t *in, size_t size)
{
    size_t at = 0;
    while (size - at >= 3 && in[at + 2] != 0xff) {
        uint32_t offset = (uint32_t)(in[at] | in[at + 1] << 8) % SEGMENT, count = in[at + 2];
        at += 3;
        for (uint32_t i = 0; i < count && at < size; i++, at++) {
            if (offset + i < SEGMENT)
                to[offset + i] = in[at];
        }
    }
    return size - at >= 3 ? at + 3 : size;
}

/* Makes checksums fit what was patched, so that the checks behind them are reached. */
static void reseal(uint8_t *segment)
{
    wal_segment_seal((struct wal_header *)segment);
    for (uint64_t at = 512; at + sizeof(struct log_record) <= SEGMENT;) {
        struct log_record *record = (struct log_record *)(segment + at);
        uint64_t room = SEGMENT - at - sizeof(*record);
        if (record->magic != LOG_RECORD_MAGIC || record->size > room) {
            at = (at / 512 + 1) * 512;
            continue;
        }
        bool entry = record->kind == LOG_RECORD_ENTRY;
        record->crc = crc32c(log_record_seed(SALT), &record->size,
                             sizeof(*record) - 8 + (entry ? record->size : 0));
        at += log_record_span(record->size);
    }
}

static void disk_fill(struct sim_disk *disk, const uint8_t *in, size_t size)
{
    struct disk_io *io = sim_disk_io(disk);
    uint8_t *room = malloc(SEGMENT);
    CHECK(room);
    for (int n = 0; size > 0 && n < 8; n++) {
        uint64_t sequence = (in[0] & 3) + 1ull;
        bool copied = in[0] & 0x80, resealed = in[0] & 0x40;
        char name[DISK_PATH_SIZE_MAX];
        int file;
        in++;
        size--;
        size_t taken = size < SEGMENT ? size : SEGMENT, length = copied ? SEGMENT : taken;
        memset(room, 0, SEGMENT);
        if (copied) {
            memcpy(room, seed_log() + (sequence - 1) * SEGMENT, SEGMENT);
            taken = patch(room, in, size);
            struct wal_header *header = (struct wal_header *)room;
            if (resealed && header->sequence && header->first_index)
                reseal(room);
        } else {
            memcpy(room, in, taken);
        }
        in += taken;
        size -= taken;
        wal_segment_name(name, sequence);
        if (io->open(io->ctx, name, DISK_OPEN_CREATE, &file, NULL) != 0)
            continue;
        if (length)
            CHECK(io->pwrite(io->ctx, file, 0, room, (uint32_t)length, NULL) == 0);
        CHECK(io->sync(io->ctx, file, NULL) == 0);
        io->close(io->ctx, file);
    }
    CHECK(io->sync_dir(io->ctx, NULL) == 0);
    free(room);
}

/* As a member: only what a hint covers is visited, the rest is handed back. */
static void open_as_member(struct sim_disk *disk)
{
    static struct wal wal;
    struct wal_recovery recovery, again;
    struct chain chain;
    int err = log_open(&wal, disk, &chain, &recovery, true);
    CHECK(err == 0 || err == ERR_VERSION);
    if (err)
        return;
    CHECK(chain.index == recovery.committed.index);
    uint64_t count = 0;
    for (uint64_t at = 0; at < recovery.suffix_size; count++) {
        const struct log_record *record = (const struct log_record *)(recovery.suffix + at);
        CHECK(record->index == recovery.committed.index + count + 1);
        at += log_record_span(record->size);
    }
    CHECK(recovery.last.index == recovery.committed.index + count);
    wal_recovery_fini(&recovery);
    wal_close(&wal);
    CHECK(log_open(&wal, disk, &chain, &again, true) == 0);
    CHECK(!again.damaged && again.torn_size == 0 && again.last.index == recovery.last.index);
    wal_recovery_fini(&again);
    wal_close(&wal);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct wal wal;
    struct sim_disk *disk = sim_disk_create(1, 1 << 20);
    struct wal_recovery recovery, again;
    struct chain chain;
    struct log_tail tail;
    disk_fill(disk, data, size);
    if (size && data[size - 1] % 4 == 0)
        open_as_member(disk);
    else if (log_open(&wal, disk, &chain, &recovery, false) == 0) {
        CHECK(chain.index == recovery.last.index);
        if (recovery.last.index < UINT64_MAX - 10 && recovery.last.term < UINT64_MAX &&
            recovery.batch < UINT64_MAX - 10) {
            tail_begin(&tail, &recovery);
            append(&wal, &tail, 3, 200);
            log_tail_fini(&tail);
        }
        uint64_t expected = wal.last.index;
        wal_close(&wal);
        CHECK(log_open(&wal, disk, &chain, &again, false) == 0);
        CHECK(again.last.index == expected && again.torn_size == 0);
        wal_close(&wal);
    }
    sim_disk_destroy(disk);
    return 0;
}
