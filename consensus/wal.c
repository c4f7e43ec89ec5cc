#include "consensus/wal.h"

#include "base/check.h"
#include "consensus/wal_parts.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { TOKEN_HEADER = 1, TOKEN_BATCH, TOKEN_FILL, TOKEN_SPARE, TOKEN_TRIM };

/* ---- append ---- */

static int batch_submit(struct wal *wal, struct fault *fault)
{
    CHECK(wal->offset + wal->batch.size <= wal->size);
    wal->state = WAL_BATCH;
    return wal->io->submit_write(wal->io->ctx, wal->file, wal->offset, wal->memory, wal->batch.size,
                                 TOKEN_BATCH, fault);
}

/* Notes that the batch goes back before entries that are on disk. */
static void note_back(struct wal *wal, bool fits)
{
    uint64_t first = wal->batch.first_index;
    CHECK(first > wal->commit);
    for (uint64_t s = wal->sequence; s >= wal->first_sequence; s--) {
        if (wal->first_index[s % WAL_SEGMENTS_MAX] > first)
            wal->bridged[s % WAL_SEGMENTS_MAX] = true;
    }
    wal_note_back(wal, &(struct wal_back){fits ? wal->sequence : wal->sequence + 1,
                                          fits ? wal->offset : wal->io->block_size, first});
}

void wal_note_back(struct wal *wal, const struct wal_back *back)
{
    if (wal->back_count ==
        WAL_BACKS_MAX) { /* what lies before the oldest cannot be read any more */
        if (wal->backs[0].sequence >= wal->read_sequence)
            wal->read_sequence = wal->backs[0].sequence + 1;
        memmove(wal->backs, wal->backs + 1, (WAL_BACKS_MAX - 1) * sizeof(wal->backs[0]));
        wal->back_count--;
    }
    wal->backs[wal->back_count++] = *back;
    wal->back_total++;
}

/* The spare becomes the active segment; the batch follows when its header is durable. */
static int roll(struct wal *wal, struct fault *fault)
{
    CHECK(wal->spare == WAL_SPARE_READY);
    CHECK(wal_segment_count(wal) < WAL_SEGMENTS_MAX);
    wal->io->close(wal->io->ctx, wal->file);
    wal->file = wal->spare_file;
    wal->sequence++;
    wal->spare = WAL_SPARE_NONE;
    wal->spare_filled = 0;
    wal->size = wal->config.segment_size;
    wal->offset = wal->io->block_size;
    wal->first_index[wal->sequence % WAL_SEGMENTS_MAX] = wal->batch.first_index;
    wal->bridged[wal->sequence % WAL_SEGMENTS_MAX] = false;

    struct wal_header header = {
        .sequence = wal->sequence,
        .first_index = wal->batch.first_index,
        .salt = wal->config.salt,
        .term_before = wal->batch.term_before,
        .chain_before = wal->batch.chain_before,
        .batch_before = wal->number,
        .segment_size = wal->size,
        .block_size = wal->io->block_size,
    };
    wal_segment_seal(&header);
    memset(wal->header_block, 0, wal->io->block_size);
    memcpy(wal->header_block, &header, sizeof(header));
    wal->state = WAL_HEADER;
    return wal->io->submit_write(wal->io->ctx, wal->file, 0, wal->header_block, wal->io->block_size,
                                 TOKEN_HEADER, fault);
}

int wal_append(struct wal *wal, const struct core_disk *batch, const uint8_t *memory,
               struct fault *fault)
{
    const struct log_record *first = (const struct log_record *)memory;
    CHECK(wal->state == WAL_IDLE);
    CHECK(batch->size > 0 && batch->size % wal->io->block_size == 0);
    CHECK(batch->size <= wal->config.segment_size - wal->io->block_size);
    CHECK(batch->first_index <= wal->last.index + 1 && batch->last_index >= batch->first_index);
    CHECK(first->magic == LOG_RECORD_MAGIC && first->index == batch->first_index &&
          first->batch == wal->number + 1 && batch->number == wal->number + 1);
    bool back = batch->first_index <= wal->last.index;
    CHECK(back || (batch->term_before == wal->last.term && batch->chain_before == wal->last.chain));
    CHECK(batch->chain != 0);

    bool fits = wal->offset + batch->size <= wal->size;
    if (!fits && wal->spare != WAL_SPARE_READY)
        return fault_set(fault, ERR_NOSPACE, "the next log segment is not prepared yet%s%s",
                         wal->no_space ? ": " : "", wal->no_space ? wal->space.text : "");
    wal->batch = *batch;
    wal->memory = memory;
    wal->elapsed_ns = 0;
    if (back)
        note_back(wal, fits);
    return fits ? batch_submit(wal, fault) : roll(wal, fault);
}

static void batch_done(struct wal *wal, const struct disk_done *done, struct wal_event *event)
{
    const struct log_record *first = (const struct log_record *)wal->memory;
    CHECK(wal->state == WAL_BATCH);
    CHECK(first->index == wal->batch.first_index); /* the lent memory was left alone */
    wal->last = (struct wal_position){wal->batch.last_index, wal->batch.term, wal->batch.chain};
    wal->number = wal->batch.number;
    wal->commit = first->commit > wal->commit ? first->commit : wal->commit;
    wal->offset += wal->batch.size;
    wal->state = WAL_IDLE;
    event->durable_index = wal->batch.last_index;
    event->elapsed_ns = wal->elapsed_ns + done->elapsed_ns;
    event->size = wal->batch.size;
}

/* The spare may be used when it is full of zeros and its name is durable. */
static void spare_check(struct wal *wal)
{
    if (wal->spare == WAL_SPARE_FILLING && !wal->spare_syncing &&
        wal->spare_filled == wal->config.segment_size)
        wal->spare = WAL_SPARE_READY;
}

static void fill_done(struct wal *wal)
{
    CHECK(wal->filling && wal->spare == WAL_SPARE_FILLING);
    wal->filling = false;
    wal->spare_filled += wal->fill_size;
    spare_check(wal);
}

/* A slice of zeros that found the disk full (the file system could not reserve): the spare goes. */
static int fill_failed(struct wal *wal, struct now now, int err, const struct fault *fault)
{
    wal->filling = false;
    if (err != ERR_NOSPACE)
        return err;
    wal->no_space = true;
    wal->space = *fault;
    wal->retry_ns = now.mono_ns + WAL_RETRY_NS;
    wal_spare_drop(wal);
    return 0;
}

static void trim_done(struct wal *wal, int err, struct wal_event *event)
{
    CHECK(wal->trimming);
    wal->trimming = false;
    event->trim_failed = err && err != ERR_NOTFOUND;
    if (event->trim_failed) {
        wal->trim_sequence = 0;
        return;
    }
    wal->first_sequence++;
    wal->retry_ns = 0; /* there may be room now */
}

static int one_done(struct wal *wal, struct now now, const struct disk_done *done,
                    struct wal_event *event, struct fault *fault)
{
    if (done->token == TOKEN_TRIM) {
        trim_done(wal, done->err, event);
        return 0;
    }
    if (done->token == TOKEN_FILL && done->err)
        return fill_failed(wal, now, done->err, fault);
    if (done->err)
        return done->err;
    switch (done->token) {
    case TOKEN_FILL: fill_done(wal); return 0;
    case TOKEN_SPARE:
        wal->spare_syncing = false;
        spare_check(wal);
        return 0;
    case TOKEN_HEADER:
        CHECK(wal->state == WAL_HEADER);
        wal->elapsed_ns = done->elapsed_ns;
        return batch_submit(wal, fault);
    }
    CHECK(done->token == TOKEN_BATCH);
    batch_done(wal, done, event);
    return 0;
}

int wal_poll(struct wal *wal, struct now now, struct wal_event *event, struct fault *fault)
{
    struct disk_done done[DISK_WRITES_MAX];
    memset(event, 0, sizeof(*event));
    uint32_t n = wal->io->poll(wal->io->ctx, done, DISK_WRITES_MAX, fault);
    for (uint32_t i = 0; i < n; i++) {
        event->work++;
        int err = one_done(wal, now, &done[i], event, fault);
        if (err)
            return err;
    }
    return 0;
}

/* ---- the next segment ---- */

void wal_spare_drop(struct wal *wal)
{
    char name[DISK_PATH_SIZE_MAX];
    CHECK(!wal->filling);
    wal_segment_name(name, wal->sequence + 1);
    wal->io->close(wal->io->ctx, wal->spare_file);
    (void)!wal->io->unlink(wal->io->ctx, name, NULL); /* an unused segment may also stay */
    wal->spare = WAL_SPARE_NONE;
    wal->spare_filled = 0;
}

static int spare_create(struct wal *wal, struct now now, struct fault *fault)
{
    char name[DISK_PATH_SIZE_MAX];
    struct fault why;
    int err = wal_segment_create(wal->io, wal->sequence + 1, wal->config.segment_size,
                                 &wal->spare_file, &why);
    if (err == ERR_EXISTS) { /* one that could not be dropped: it holds nothing */
        wal_segment_name(name, wal->sequence + 1);
        err = wal->io->unlink(wal->io->ctx, name, &why);
        wal->retry_ns = err ? now.mono_ns + WAL_RETRY_NS : 0;
    } else if (!err) {
        wal->spare = WAL_SPARE_FILLING;
        wal->spare_filled = 0;
        wal->no_space = false;
        wal->spare_syncing = true;
        err = wal->io->submit_sync_dir(wal->io->ctx, TOKEN_SPARE, &why);
    } else if (err == ERR_NOSPACE) {
        wal->retry_ns = now.mono_ns + WAL_RETRY_NS;
        wal->no_space = true;
        wal->space = why;
        err = 0;
    }
    if (err && fault)
        *fault = why;
    return err;
}

/* Bytes of the spare that must be filled by now: twice the share that the active one has used, so
 * that it is ready when half of that is left. */
static uint64_t fill_due(const struct wal *wal)
{
    uint64_t due = wal->size == wal->config.segment_size ? 2 * wal->offset : UINT64_MAX;
    return due < wal->config.segment_size ? due : wal->config.segment_size;
}

static int fill_slice(struct wal *wal, bool hurry, uint32_t *work, struct fault *fault)
{
    uint64_t left = wal->config.segment_size - wal->spare_filled, due = fill_due(wal);
    uint64_t behind = due > wal->spare_filled ? due - wal->spare_filled : 0;
    if (!hurry && behind < WAL_SEGMENT_SLICE && behind < left)
        return 0;
    uint64_t size = behind >= WAL_FILL_SIZE_MAX ? WAL_FILL_SIZE_MAX : WAL_SEGMENT_SLICE;
    wal->fill_size = (uint32_t)(size < left ? size : left);
    int err = wal->io->submit_write(wal->io->ctx, wal->spare_file, wal->spare_filled, wal->zeros,
                                    wal->fill_size, TOKEN_FILL, fault);
    if (err)
        return err;
    wal->filling = true;
    *work = 1;
    return 0;
}

bool wal_prepare_wanted(const struct wal *wal, struct now now)
{
    /* Only the last file may be unused: not before the active one's header is durable. */
    if (wal->spare == WAL_SPARE_NONE)
        return wal->state != WAL_HEADER && !wal->spare_syncing && now.mono_ns >= wal->retry_ns &&
               wal_segment_count(wal) < WAL_SEGMENTS_MAX;
    return wal->spare == WAL_SPARE_FILLING && !wal->filling &&
           wal->spare_filled < wal->config.segment_size;
}

uint64_t wal_prepare_ns(const struct wal *wal)
{
    bool later = wal->spare == WAL_SPARE_NONE && wal->state != WAL_HEADER && !wal->spare_syncing;
    return later && wal_segment_count(wal) < WAL_SEGMENTS_MAX ? wal->retry_ns : UINT64_MAX;
}

int wal_prepare(struct wal *wal, struct now now, bool hurry, uint32_t *work, struct fault *fault)
{
    *work = 0;
    if (!wal_prepare_wanted(wal, now))
        return 0;
    if (wal->spare == WAL_SPARE_FILLING)
        return fill_slice(wal, hurry, work, fault);
    *work = 1;
    return spare_create(wal, now, fault);
}

uint64_t wal_room(const struct wal *wal)
{
    uint64_t spare = wal->config.segment_size - wal->io->block_size;
    uint64_t room = wal->size - wal->offset + (wal->spare == WAL_SPARE_NONE ? 0 : spare);
    if (wal->state != WAL_IDLE)
        room -= wal->batch.size;
    return room;
}

/* ---- the oldest segments ---- */

void wal_trim(struct wal *wal, uint64_t below_index)
{
    uint64_t most = wal->last.index + 1;
    uint64_t below = below_index < most ? below_index : most, s = wal->sequence;
    CHECK(wal->first_sequence <= wal->sequence);
    /* Whoever reads on from there must be able to begin with the first segment that stays. */
    while (s > wal->first_sequence &&
           (wal->bridged[s % WAL_SEGMENTS_MAX] || wal->first_index[s % WAL_SEGMENTS_MAX] > below))
        s--;
    wal->trim_sequence = s > wal->trim_sequence ? s : wal->trim_sequence;
}

bool wal_trim_wanted(const struct wal *wal)
{
    return !wal->trimming && wal->first_sequence < wal->trim_sequence;
}

int wal_trim_step(struct wal *wal, uint32_t *work, struct fault *fault)
{
    char name[DISK_PATH_SIZE_MAX];
    *work = 0;
    if (!wal_trim_wanted(wal))
        return 0;
    wal_segment_name(name, wal->first_sequence);
    /* Not synced: a file that comes back after a crash holds old entries only, and goes again. */
    int err = wal->io->submit_unlink(wal->io->ctx, name, TOKEN_TRIM, fault);
    wal->trimming = !err;
    *work = !err;
    return err;
}

void wal_close(struct wal *wal)
{
    if (wal->io && wal->file >= 0)
        wal->io->close(wal->io->ctx, wal->file);
    if (wal->io && wal->spare != WAL_SPARE_NONE)
        wal->io->close(wal->io->ctx, wal->spare_file);
    free(wal->header_block);
    free(wal->zeros);
    memset(wal, 0, sizeof(*wal));
    wal->file = -1;
}

void wal_recovery_fini(struct wal_recovery *recovery)
{
    free(recovery->suffix);
    recovery->suffix = NULL;
    recovery->suffix_size = 0;
}
