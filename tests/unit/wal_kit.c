#include "tests/unit/wal_kit.h"

#include "base/check.h"
#include "base/crc32c.h"

#include <stdlib.h>
#include <string.h>

static uint64_t payload_hash(const void *at, uint32_t size)
{
    return (uint64_t)crc32c(7, at, size) << 32 | crc32c(99, at, size);
}

struct wal_kit *kit_create(struct disk_io *io, uint64_t segment_size, uint64_t seed)
{
    struct wal_kit *kit = calloc(1, sizeof(*kit));
    CHECK(kit);
    kit->io = io;
    kit->config.salt = KIT_SALT;
    kit->config.segment_size = segment_size;
    kit->now = (struct now){1, 1};
    kit->term = 1;
    rand_seed(&kit->rand, seed);
    return kit;
}

void kit_destroy(struct wal_kit *kit)
{
    if (kit->open)
        kit_close(kit);
    free(kit);
}

void kit_close(struct wal_kit *kit)
{
    CHECK(kit->open);
    log_tail_fini(&kit->tail);
    kit->wal.io = NULL; /* its files are gone or not worth a word */
    wal_close(&kit->wal);
    kit->open = kit->writing = kit->waiting = false;
}

static int kit_visit(void *self, const struct log_record *record, struct fault *fault)
{
    struct wal_kit *kit = self;
    uint64_t expected = (kit->visited ? kit->visited : kit->config.snapshot.index) + 1;
    const struct kit_entry *entry = &kit->entries[record->index];
    if (record->index != expected || record->index > kit->proposed || entry->size != record->size ||
        entry->term != record->term || entry->hash != payload_hash(record + 1, record->size))
        kit->mismatches++;
    kit->visited = record->index;
    return 0;
}

int kit_open(struct wal_kit *kit)
{
    CHECK(!kit->open);
    kit->visited = kit->mismatches = 0;
    kit->config.visit = kit_visit;
    kit->config.self = kit;
    int err = wal_open(&kit->wal, kit->io, &kit->config, &kit->recovery, &kit->fault);
    if (err)
        return err;
    const struct wal_position *last = &kit->recovery.last;
    struct log_tail_config tail = {.size = 1 << 20,
                                   .batch_size_max = 1 << 18,
                                   .block_size = kit->io->block_size,
                                   .salt = KIT_SALT,
                                   .last_index = last->index,
                                   .last_term = last->term,
                                   .chain = last->chain,
                                   .batch = kit->recovery.batch};
    CHECK(log_tail_init(&kit->tail, &tail) == 0);
    kit->open = true;
    kit->proposed = kit->durable = last->index;
    return 0;
}

int kit_append(struct wal_kit *kit, const uint32_t *sizes, uint32_t count, bool zero)
{
    CHECK(!kit->writing);
    log_tail_written(&kit->tail, kit->tail.batch_start);
    log_tail_applied(&kit->tail, kit->tail.appended); /* the tail's room is not what is tested */
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *payload = log_tail_append(&kit->tail, kit->term, sizes[i]);
        CHECK(payload);
        for (uint32_t b = 0; b < sizes[i]; b++)
            payload[b] = zero ? 0 : (uint8_t)(rand_next(&kit->rand) >> 32 | 1);
        uint64_t hash = payload_hash(payload, sizes[i]);
        uint64_t index = log_tail_seal(&kit->tail, payload);
        CHECK(index < KIT_ENTRIES_MAX);
        kit->entries[index] = (struct kit_entry){kit->term, hash, kit->tail.chain, sizes[i]};
        kit->proposed = index;
    }
    CHECK(log_tail_close_batch(&kit->tail, &kit->batch));
    kit->writing = true;
    int err = wal_append(&kit->wal, &kit->batch, log_tail_at(&kit->tail, kit->batch.offset),
                         &kit->fault);
    kit->waiting = err == ERR_NOSPACE;
    return err;
}

int kit_pump(struct wal_kit *kit, bool hurry)
{
    struct wal_event event;
    uint32_t work;
    kit->now.mono_ns += 1000000;
    int err = wal_poll(&kit->wal, kit->now, &event, &kit->fault);
    if (err)
        return err;
    kit->trim_failures += event.trim_failed;
    if (event.durable_index) {
        CHECK(event.durable_index == kit->batch.last_index);
        kit->durable = event.durable_index;
        kit->writing = false;
    }
    err = wal_prepare(&kit->wal, kit->now, hurry, &work, &kit->fault);
    if (err || !kit->waiting)
        return err;
    err = wal_append(&kit->wal, &kit->batch, log_tail_at(&kit->tail, kit->batch.offset),
                     &kit->fault);
    kit->waiting = err == ERR_NOSPACE;
    return kit->waiting ? 0 : err;
}

int kit_settle(struct wal_kit *kit)
{
    int err = 0;
    while (!err && ((kit->writing && !kit->waiting) || kit->wal.filling ||
                    (kit->wal.spare != WAL_SPARE_READY && !kit->wal.no_space)))
        err = kit_pump(kit, true);
    return err;
}

int kit_write(struct wal_kit *kit, uint32_t size)
{
    int err = kit_append(kit, &size, 1, false);
    if (err == ERR_NOSPACE)
        err = 0;
    while (!err && kit->writing)
        err = kit_pump(kit, true);
    return err;
}

void kit_snapshot(struct wal_kit *kit, uint64_t index)
{
    const struct kit_entry *entry = &kit->entries[index];
    kit->config.snapshot = (struct wal_position){index, entry->term, entry->chain};
}
