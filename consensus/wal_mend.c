/* A member's log that is damaged: what may be lost is told, the good prefix stays, and the rest is
 * put aside. Protocol-aware recovery (Alagappan et al., "Protocol-Aware Recovery for
 * Consensus-Based Storage", FAST 2018): nothing that may be committed is cut on local evidence; the
 * node must not vote until it has from its peers what it may have promised.
 *
 *   log.2  log.3 (damaged at x)  log.4  log.5
 *     1  config.damaged: durable in the superblock
 *     2  log.5 ─▶ log.5.damaged, log.4 ─▶ log.4.damaged       from the end, so that no gap appears
 *     3  log.3.good = [0, x) of log.3, synced
 *     4  log.3 ─▶ log.3.damaged, log.3.good ─▶ log.3
 * A crash between the two renames of 4 leaves log.3.good alone: wal_mend_unfinished ends it. */
#include "base/check.h"
#include "consensus/wal_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GOOD        ".good"
#define ASIDE_MAX   100

static bool exists(struct disk_io *io, const char *name)
{
    int file;
    if (io->open(io->ctx, name, DISK_OPEN_READ, &file, NULL) != 0)
        return false;
    io->close(io->ctx, file);
    return true;
}

struct unfinished {
    uint64_t sequence; /* of a .good file; 0: none */
};

static void unfinished_name(void *self, const char *name)
{
    struct unfinished *unfinished = self;
    char segment[DISK_PATH_SIZE_MAX];
    size_t length = strlen(name), suffix = strlen(GOOD);
    if (length <= suffix || length >= sizeof(segment) || strcmp(name + length - suffix, GOOD) != 0)
        return;
    memcpy(segment, name, length - suffix);
    segment[length - suffix] = 0;
    if (wal_segment_sequence(segment))
        unfinished->sequence = wal_segment_sequence(segment);
}

static void good_name(char name[DISK_PATH_SIZE_MAX], uint64_t sequence)
{
    char segment[DISK_PATH_SIZE_MAX];
    wal_segment_name(segment, sequence);
    snprintf(name, DISK_PATH_SIZE_MAX, "%.40s" GOOD, segment);
}

int wal_mend_unfinished(struct disk_io *io, struct fault *fault)
{
    for (int i = 0; i < ASIDE_MAX; i++) {
        struct unfinished found = {0};
        char name[DISK_PATH_SIZE_MAX], good[DISK_PATH_SIZE_MAX];
        int err = io->list(io->ctx, unfinished_name, &found, fault);
        if (err || found.sequence == 0)
            return err;
        wal_segment_name(name, found.sequence);
        good_name(good, found.sequence);
        err = exists(io, name) ? io->unlink(io->ctx, good, fault)
                               : io->rename(io->ctx, good, name, fault);
        if (!err)
            err = io->sync_dir(io->ctx, fault);
        if (err)
            return err;
    }
    return 0;
}

/* ---- what may be lost ---- */

/* The highest index of an intact record in data from `from` on, but not below `least`. */
static uint64_t highest(const uint8_t *data, uint64_t from, uint64_t size, uint32_t seed,
                        uint64_t least)
{
    for (uint64_t block = from; block + sizeof(struct log_record) <= size;
         block += LOG_BLOCK_SIZE_MIN) {
        for (uint64_t at = block; at + sizeof(struct log_record) <= size;) {
            const struct log_record *record = (const struct log_record *)(data + at);
            if (log_record_intact(record, size - at, seed) != 0)
                break;
            least = record->index > least ? record->index : least;
            at += log_record_span(record->size);
        }
    }
    return least;
}

/* Looks at every file from the damage on: raises *least to the highest index found. */
static int promised(struct wal *wal, struct wal_survey *survey, uint64_t from, uint64_t end,
                    uint64_t *least, struct fault *fault)
{
    uint32_t seed = log_record_seed(wal->config.salt);
    for (uint64_t i = from; i < survey->file_count; i++) {
        const uint64_t size = wal->config.segment_size;
        int err = wal_open_load(survey, wal->io, i, size, fault);
        if (err)
            return err;
        *least = highest(survey->data, i == from ? end : 0, size, seed, *least);
    }
    return 0;
}

/* ---- files ---- */

static int put_aside(struct disk_io *io, uint64_t sequence, struct fault *fault)
{
    char name[DISK_PATH_SIZE_MAX], aside[DISK_PATH_SIZE_MAX];
    wal_segment_name(name, sequence);
    snprintf(aside, sizeof(aside), "%.40s.damaged", name);
    for (int i = 2; exists(io, aside) && i < ASIDE_MAX; i++)
        snprintf(aside, sizeof(aside), "%.40s.damaged%d", name, i);
    int err = io->rename(io->ctx, name, aside, fault);
    return err ? err : io->sync_dir(io->ctx, fault);
}

/* Makes log.N.good: the first `end` bytes of segment i, zeros behind. */
static int prefix_copy(struct wal *wal, struct wal_survey *survey, uint64_t i, uint64_t end,
                       struct fault *fault)
{
    char good[DISK_PATH_SIZE_MAX];
    struct disk_io *io = wal->io;
    uint64_t size = survey->headers[i].segment_size;
    int file, err = wal_open_load(survey, io, i, size, fault);
    if (err)
        return err;
    memset(survey->data + end, 0, size - end);
    good_name(good, survey->sequences[i]);
    err = io->unlink(io->ctx, good, fault);
    if (err && err != ERR_NOTFOUND)
        return err;
    err = io->open(io->ctx, good, DISK_OPEN_CREATE, &file, fault);
    if (err)
        return err;
    err = io->preallocate(io->ctx, file, size, fault);
    for (uint64_t at = 0; !err && at < size;) {
        uint64_t left = size - at;
        uint32_t n = left < WAL_FILL_SIZE_MAX ? (uint32_t)left : WAL_FILL_SIZE_MAX;
        err = io->pwrite(io->ctx, file, at, survey->data + at, n, fault);
        at += n;
    }
    if (!err)
        err = io->sync(io->ctx, file, fault);
    io->close(io->ctx, file);
    if (!err)
        err = io->sync_dir(io->ctx, fault);
    return err;
}

static int prefix_keep(struct wal *wal, struct wal_survey *survey, uint64_t i, uint64_t end,
                       struct fault *fault)
{
    char name[DISK_PATH_SIZE_MAX], good[DISK_PATH_SIZE_MAX];
    int err = prefix_copy(wal, survey, i, end, fault);
    if (!err)
        err = put_aside(wal->io, survey->sequences[i], fault);
    wal_segment_name(name, survey->sequences[i]);
    good_name(good, survey->sequences[i]);
    if (!err)
        err = wal->io->rename(wal->io->ctx, good, name, fault);
    return err ? err : wal->io->sync_dir(wal->io->ctx, fault);
}

int wal_mend(struct wal *wal, struct wal_survey *survey, const struct wal_scan *scan,
             uint64_t keep, struct wal_recovery *recovery, struct fault *fault)
{
    bool nothing = keep == WAL_MEND_NOTHING;
    uint64_t left = nothing ? 0 : keep < survey->count ? keep + 1 : survey->count;
    uint64_t last = nothing ? wal->config.snapshot.index : scan->at.index;
    struct wal_damage *damage = &recovery->damage;

    CHECK(wal->config.ensemble && wal->config.damaged);
    damage->fault = *fault;
    damage->first_index = last + 1;
    damage->promised_index = last;
    recovery->damaged = true;
    bool inside = !nothing && keep < survey->count; /* a part of segment `keep` is good */
    int err = promised(wal, survey, inside ? keep : left, inside ? scan->end : 0,
                       &damage->promised_index, fault);
    if (!err)
        err = wal->config.damaged(wal->config.self, damage, fault);
    for (uint64_t i = survey->file_count; !err && i > left; i--)
        err = put_aside(wal->io, survey->sequences[i - 1], fault);
    if (!err && inside)
        err = prefix_keep(wal, survey, keep, scan->end, fault);
    if (err)
        return err;
    survey->count = left;
    survey->file_count = nothing ? survey->file_count : left;
    survey->unused = false;
    return 0;
}
