#include "base/check.h"
#include "consensus/wal_parts.h"

#include <inttypes.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

static void survey_name(void *self, const char *name)
{
    struct wal_survey *survey = self;
    uint64_t sequence = wal_segment_sequence(name);
    if (sequence == 0)
        return;
    if (survey->count > WAL_SEGMENTS_MAX) {
        survey->overflow = true;
        return;
    }
    survey->sequences[survey->count++] = sequence;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static int survey_files(struct wal_survey *survey, struct disk_io *io, struct fault *fault)
{
    int err = io->list(io->ctx, survey_name, survey, fault);
    if (err)
        return err;
    if (survey->overflow)
        return fault_set(fault, ERR_LIMIT, "data directory %s: more than %u log segments",
                         io->where, WAL_SEGMENTS_MAX);
    qsort(survey->sequences, survey->count, sizeof(uint64_t), by_value);
    survey->file_count = survey->count;
    survey->headers = calloc(survey->count + 1, sizeof(struct wal_header));
    return survey->headers ? 0
                           : fault_set(fault, ERR_NOMEM, "log: no memory for %" PRIu64 " headers",
                                       survey->count);
}

static int header_read(const struct wal_survey *survey, struct disk_io *io, uint64_t i,
                       struct wal_header *header, uint64_t *size, struct fault *fault)
{
    char name[DISK_PATH_SIZE_MAX];
    int file;
    wal_segment_name(name, survey->sequences[i]);
    int err = io->open(io->ctx, name, DISK_OPEN_READ, &file, fault);
    if (err)
        return err;
    err = io->size(io->ctx, file, size, fault);
    if (!err)
        err = wal_segment_read_header(io, file, header, fault);
    io->close(io->ctx, file);
    return err;
}

/* Where the log began anew, what lies before is of no account: a reset did not get to remove it. */
static int survey_reset(struct wal_survey *survey, struct disk_io *io, uint64_t salt,
                        struct fault *fault)
{
    struct wal_header header;
    char name[DISK_PATH_SIZE_MAX];
    uint64_t size, base = survey->count;
    while (base > 0) {
        int err = header_read(survey, io, base - 1, &header, &size, fault);
        if (err)
            return err;
        if (wal_segment_check(&header, survey->sequences[base - 1], &salt, fault) == 0 &&
            header.flags & WAL_HEADER_RESET)
            break;
        base--;
    }
    for (uint64_t i = 0; i + 1 < base; i++) {
        wal_segment_name(name, survey->sequences[i]);
        int err = io->unlink(io->ctx, name, fault);
        if (err && err != ERR_NOTFOUND)
            return err;
    }
    if (base < 2)
        return 0;
    survey->count = survey->file_count -= base - 1;
    memmove(survey->sequences, survey->sequences + base - 1, survey->count * sizeof(uint64_t));
    return io->sync_dir(io->ctx, fault);
}

/* The segments from i on are of no use: a member goes on without them, a single node stops. */
static int survey_damage(struct wal_survey *survey, const struct wal_config *config, uint64_t i,
                         int err, struct fault *fault)
{
    if (err != ERR_CORRUPT || !config->ensemble)
        return err;
    survey->damaged = true;
    survey->fault = *fault;
    survey->count = i;
    survey->unused = false;
    return 0;
}

static int survey_gaps(struct wal_survey *survey, const struct wal_config *config,
                       struct disk_io *io, struct fault *fault)
{
    char name[DISK_PATH_SIZE_MAX];
    for (uint64_t i = 1; i < survey->count; i++) {
        if (survey->sequences[i] == survey->sequences[i - 1] + 1)
            continue;
        wal_segment_name(name, survey->sequences[i - 1] + 1);
        int err = fault_set(fault, ERR_CORRUPT,
                            "segment %s is missing: there are older and newer ones; see "
                            "`takt log verify %s`",
                            name, io->where);
        return survey_damage(survey, config, i, err, fault);
    }
    return 0;
}

/* Opens segment i and loads all of it into survey->data. */
int wal_open_load(struct wal_survey *survey, struct disk_io *io, uint64_t i, uint64_t size,
                  struct fault *fault)
{
    char name[DISK_PATH_SIZE_MAX];
    int file;
    if (survey->data_size < size) {
        free(survey->data);
        uint64_t room = (size + DISK_BLOCK_SIZE_MAX - 1) & ~(uint64_t)(DISK_BLOCK_SIZE_MAX - 1);
        survey->data = aligned_alloc(DISK_BLOCK_SIZE_MAX, room);
        survey->data_size = survey->data ? room : 0;
        if (!survey->data)
            return fault_set(fault, ERR_NOMEM,
                             "log: no memory to read a segment of %" PRIu64 " bytes", size);
    }
    wal_segment_name(name, survey->sequences[i]);
    int err = io->open(io->ctx, name, DISK_OPEN_READ, &file, fault);
    if (err)
        return err;
    err = wal_segment_load(io, file, survey->data, size, fault);
    io->close(io->ctx, file);
    return err;
}

/* A header of zeros is believed only of the last file, and only if all else is zero too. */
static int survey_unused(struct wal_survey *survey, struct disk_io *io, uint64_t i, uint64_t size,
                         struct fault *fault)
{
    if (i + 1 != survey->file_count)
        return fault_wrap(fault, ERR_CORRUPT, "corrupt log (a later segment exists)");
    if (size > WAL_SEGMENT_SIZE_MAX)
        return fault_wrap(fault, ERR_CORRUPT, "corrupt log (%" PRIu64 " bytes long)", size);
    struct fault found = *fault;
    uint64_t room = (size + DISK_BLOCK_SIZE_MAX) & ~(uint64_t)(DISK_BLOCK_SIZE_MAX - 1);
    int err = wal_open_load(survey, io, i, room, fault);
    if (err)
        return err;
    *fault = found;
    if (!wal_segment_is_zero(survey->data, room)) {
        uint64_t at = 0;
        while (survey->data[at] == 0)
            at++;
        return fault_wrap(fault, ERR_CORRUPT,
                          "corrupt log (its header is zero, what lies at offset %" PRIu64
                          " is not; see `takt log verify %s`)",
                          at, io->where);
    }
    survey->unused = true;
    survey->count--;
    return 0;
}

static int survey_header(struct wal_survey *survey, struct disk_io *io, uint64_t i,
                         const uint64_t *salt, struct fault *fault)
{
    char name[DISK_PATH_SIZE_MAX];
    struct wal_header *header = &survey->headers[i];
    uint64_t size = 0;
    int err = header_read(survey, io, i, header, &size, fault);
    wal_segment_name(name, survey->sequences[i]);
    if (!err)
        err = wal_segment_check(header, survey->sequences[i], salt, fault);
    if (err == ERR_NOTFOUND)
        return survey_unused(survey, io, i, size, fault);
    if (!err && size != header->segment_size)
        return fault_set(fault, ERR_CORRUPT,
                         "segment %s is %" PRIu64 " bytes long, expected %" PRIu64, name, size,
                         header->segment_size);
    if (!err && i > 0 && header->batch_before < survey->headers[i - 1].batch_before)
        return fault_set(fault, ERR_CORRUPT,
                         "segment %s begins behind batch %" PRIu64
                         ", before the one in front of it",
                         name, header->batch_before);
    return err;
}

static int survey_headers(struct wal_survey *survey, const struct wal_config *config,
                          struct disk_io *io, struct fault *fault)
{
    int err = survey_gaps(survey, config, io, fault);
    for (uint64_t i = 0; !err && i < survey->count; i++) {
        err = survey_header(survey, io, i, &config->salt, fault);
        if (err)
            err = survey_damage(survey, config, i, err, fault);
    }
    return err;
}

/* The segment to begin reading with: the last one that begins at or before `index`. */
static int survey_start(const struct wal_survey *survey, const struct disk_io *io, uint64_t index,
                        uint64_t *start, struct fault *fault)
{
    uint64_t i = survey->count;
    while (i > 0 && survey->headers[i - 1].first_index > index)
        i--;
    if (i == 0)
        return fault_set(
            fault, ERR_CORRUPT,
            "the log begins at entry %" PRIu64 " and the state in the snapshot ends at "
            "%" PRIu64 ": segments before log.%016" PRIx64 " are missing from %s",
            survey->headers[0].first_index, index - 1, survey->sequences[0], io->where);
    *start = i - 1;
    return 0;
}

/* ---- entries ---- */

/* Notes where batches of segment i go back. */
static void note_backs(struct wal *wal, const struct wal_survey *survey, uint64_t start, uint64_t i,
                       uint64_t low)
{
    for (uint64_t s = start; s <= i; s++) {
        if (survey->headers[s].first_index > low)
            wal->bridged[survey->sequences[s] % WAL_SEGMENTS_MAX] = true;
    }
}

static void scan_back(void *self, uint64_t offset, uint64_t first_index)
{
    struct wal *wal = self;
    wal_note_back(wal, &(struct wal_back){wal->sequence, offset, first_index});
}

/* Reads the entries of all segments from `start` on. *at: the segment that is being read. */
static int entries_read(struct wal *wal, struct wal_survey *survey, struct wal_scan *scan,
                        uint64_t start, uint64_t *at, struct wal_recovery *recovery,
                        struct fault *fault)
{
    char name[DISK_PATH_SIZE_MAX];
    recovery->entry_count = 0;
    for (uint64_t i = start; i < survey->count; i++) {
        const struct wal_header *header = &survey->headers[i];
        int err = i > start ? wal_scan_joins(scan, header, fault) : 0;
        *at = i;
        survey->unjoined = err != 0;
        survey->begun = true;
        if (!err)
            err = wal_open_load(survey, wal->io, i, header->segment_size, fault);
        if (err)
            return err;
        wal_segment_name(name, header->sequence);
        snprintf(scan->name, sizeof(scan->name), "%s", name);
        scan->data = survey->data;
        scan->last = i + 1 == survey->count && !survey->damaged;
        if (i > start && header->first_index <= scan->at.index)
            wal_note_back(
                wal, &(struct wal_back){header->sequence, header->block_size, header->first_index});
        wal->sequence = header->sequence;
        wal_scan_enter(scan, header, i > start);
        note_backs(wal, survey, start, i, header->first_index);
        err = wal_scan_segment(scan, fault);
        note_backs(wal, survey, start, i, scan->low_index);
        if (err == ERR_TORN) {
            recovery->torn_size = scan->torn_size;
            recovery->torn = *fault;
        } else if (err) {
            return err;
        }
        recovery->entry_count += scan->entry_count;
    }
    return 0;
}

/* Reads from the segment where the snapshot ends, or from an earlier one if later batches go back
 * before it. */
static int entries_read_all(struct wal *wal, struct wal_survey *survey, struct wal_scan *scan,
                            uint64_t *at, struct wal_recovery *recovery, struct fault *fault)
{
    uint64_t start = 0;
    int err = survey_start(survey, wal->io, wal->config.snapshot.index + 1, &start, fault);
    *at = 0;
    while (!err) {
        scan->commit = 0;
        wal->read_sequence = survey->sequences[start];
        wal->back_count = 0;
        wal_scan_enter(scan, &survey->headers[start], false);
        err = entries_read(wal, survey, scan, start, at, recovery, fault);
        if (!scan->below || err != ERR_NOTFOUND)
            break;
        if (start == 0)
            return fault_wrap(fault, ERR_CORRUPT, "corrupt log (older segments are missing)");
        start--;
        err = 0;
    }
    return err;
}

/* Zeroes what an unfinished write left, through the page cache. Then syncs, also when there was
 * nothing to zero: an entry that was read may have reached the device and not yet its medium. */
static int tail_settle(struct disk_io *io, const char *name, uint64_t from, uint64_t size,
                       const uint8_t *zeros, struct fault *fault)
{
    int file;
    int err = io->open(io->ctx, name, DISK_OPEN_WRITE, &file, fault);
    if (err)
        return err;
    for (uint64_t end = from + size; !err && from < end;) {
        uint64_t n = end - from < WAL_FILL_SIZE_MAX ? end - from : WAL_FILL_SIZE_MAX;
        err = io->pwrite(io->ctx, file, from, zeros, (uint32_t)n, fault);
        from += n;
    }
    if (!err)
        err = io->sync(io->ctx, file, fault);
    io->close(io->ctx, file);
    return err;
}

/* The last segment becomes the active one. One of another geometry is left as it is: the first
 * batch goes to a new segment. */
static int active_enter(struct wal *wal, const struct wal_survey *survey,
                        const struct wal_scan *scan, struct wal_recovery *recovery,
                        struct fault *fault)
{
    const struct wal_header *header = &survey->headers[survey->count - 1];
    char name[DISK_PATH_SIZE_MAX];
    wal_segment_name(name, header->sequence);
    int err = tail_settle(wal->io, name, scan->end, recovery->torn_size, wal->zeros, fault);
    int file;
    if (!err)
        err = wal->io->open(wal->io->ctx, name, DISK_OPEN_WRITE | DISK_OPEN_DURABLE, &file, fault);
    if (err)
        return err;
    wal->file = file;
    wal->sequence = header->sequence;
    wal->size = header->segment_size;
    wal->offset = header->block_size == wal->io->block_size ? scan->end : wal->size;
    wal->first_sequence = survey->headers[0].sequence;
    for (uint64_t i = 0; i < survey->count; i++)
        wal->first_index[survey->headers[i].sequence % WAL_SEGMENTS_MAX] =
            survey->headers[i].first_index;
    return 0;
}

/* An unused file may serve as the spare if it is as a spare must be; else it goes. */
static int spare_enter(struct wal *wal, const struct wal_survey *survey, struct fault *fault)
{
    char name[DISK_PATH_SIZE_MAX];
    if (!survey->unused)
        return 0;
    wal_segment_name(name, survey->sequences[survey->count]);
    uint64_t size = 0;
    int err = wal->io->open(wal->io->ctx, name, DISK_OPEN_WRITE | DISK_OPEN_DURABLE,
                            &wal->spare_file, fault);
    if (err)
        return err;
    err = wal->io->size(wal->io->ctx, wal->spare_file, &size, fault);
    if (!err && size == wal->config.segment_size)
        err = wal->io->preallocate(wal->io->ctx, wal->spare_file, size, fault);
    else if (!err)
        err = ERR_NOSPACE;
    if (!err) {
        wal->spare = WAL_SPARE_FILLING; /* how far it was filled is not known: once more */
        return 0;
    }
    wal->io->close(wal->io->ctx, wal->spare_file);
    return err == ERR_NOSPACE ? wal->io->unlink(wal->io->ctx, name, fault) : err;
}

/* ---- what was found, and what it means ---- */

/* Why a log cannot be gone on with, or 0: entries end before the snapshot, or are of another
 * history. */
static int log_reaches(const struct wal *wal, const struct wal_scan *scan, struct fault *fault)
{
    if (scan->at.index >= wal->config.snapshot.index)
        return 0;
    return fault_set(fault, ERR_CORRUPT,
                     "the log in %s ends at entry %" PRIu64 ", the snapshot is of %" PRIu64
                     ": its newest segments are missing",
                     wal->io->where, scan->at.index, wal->config.snapshot.index);
}

/* Settles what is committed; the rest becomes recovery->suffix. */
static int log_settle(struct wal *wal, struct wal_scan *scan, struct wal_recovery *recovery,
                      struct fault *fault)
{
    const struct wal_pending *pending = scan->pending;
    uint64_t commit =
        scan->commit > wal->config.snapshot.index ? scan->commit : wal->config.snapshot.index;
    /* Alone, what is durable is held by a quorum. */
    bool all = !wal->config.ensemble;
#if TAKT_PLANT == 25
    all = true;
#endif
    int err = wal_scan_settle(scan, all ? scan->at.index : commit, fault);
    if (err)
        return err;
    wal->last = recovery->last = scan->at;
    wal->number = recovery->batch = scan->batch;
    wal->commit = wal->config.ensemble ? commit : scan->at.index;
    recovery->committed = pending->settled;
    CHECK(pending->settled.index + pending->count == scan->at.index);
    if (pending->count == 0)
        return 0;
    uint64_t from = pending->starts[pending->head];
    recovery->suffix_size = pending->size - from;
    recovery->suffix = malloc(recovery->suffix_size);
    if (!recovery->suffix)
        return fault_set(fault, ERR_NOMEM, "log: no memory for entries that are not committed");
    memcpy(recovery->suffix, pending->data + from, recovery->suffix_size);
    return 0;
}

/* The log begins anew behind the snapshot (or at the first entry, without one). */
static int log_anew(struct wal *wal, const struct wal_survey *survey, uint64_t batch,
                    struct wal_recovery *recovery, struct fault *fault)
{
    const struct wal_position at = wal->config.snapshot;
    char name[DISK_PATH_SIZE_MAX];
    uint64_t last = survey->file_count ? survey->sequences[survey->file_count - 1] : 0;
    bool first = last == 0 && at.index == 0;
    int err = 0;
    if (survey->unused) { /* no file may lie between the old log and the new one */
        wal_segment_name(name, last--);
        err = wal->io->unlink(wal->io->ctx, name, fault);
        if (!err)
            err = wal->io->sync_dir(wal->io->ctx, fault);
    }
    wal->number = batch;
    if (!err)
        err = wal_reset_begin(wal, last + 1, -1, at, first ? 0 : WAL_HEADER_RESET, fault);
    for (uint64_t i = 0; !err && !survey->damaged && i < survey->count; i++) {
        wal_segment_name(name, survey->sequences[i]);
        err = wal->io->unlink(wal->io->ctx, name, fault);
    }
    if (err)
        return err;
    recovery->reset = !first;
    recovery->last = recovery->committed = at;
    recovery->batch = batch;
    recovery->torn_size = 0;
    return 0;
}

/* The number of the last batch of a log that is not read any more: not below any that was used. */
static uint64_t survey_batch(const struct wal_survey *survey, const struct wal_scan *scan)
{
    uint64_t batch = scan ? scan->batch : 0;
    for (uint64_t i = 0; i < survey->count; i++)
        batch = survey->headers[i].batch_before > batch ? survey->headers[i].batch_before : batch;
    return batch;
}

static int log_go_on(struct wal *wal, struct wal_survey *survey, struct wal_scan *scan,
                     struct wal_recovery *recovery, struct fault *fault)
{
    int err = log_settle(wal, scan, recovery, fault);
    /* A file that is seen need not be durable yet: its maker may have ended before it synced. */
    if (!err)
        err = wal->io->sync_dir(wal->io->ctx, fault);
    if (!err)
        err = active_enter(wal, survey, scan, recovery, fault);
    return err ? err : spare_enter(wal, survey, fault);
}

/* A member's log is broken at segment `at` (or `whole` behind its last one). */
static int log_mend(struct wal *wal, struct wal_survey *survey, struct wal_scan *scan, uint64_t at,
                    struct wal_recovery *recovery, struct fault *fault)
{
    struct fault unreached;
    bool useless = survey->count == 0 || !survey->begun || log_reaches(wal, scan, &unreached);
    uint64_t batch = survey_batch(survey, scan);
    recovery->torn_size = 0;
    survey->damaged = true;
    if (survey->unjoined && at < survey->count)
        survey->count = at;
    int err = wal_mend(wal, survey, scan, useless ? WAL_MEND_NOTHING : at, recovery, fault);
    if (err)
        return err;
    return useless ? log_anew(wal, survey, batch, recovery, fault)
                   : log_go_on(wal, survey, scan, recovery, fault);
}

static int log_recover(struct wal *wal, struct wal_survey *survey, struct wal_scan *scan,
                       struct wal_recovery *recovery, struct fault *fault)
{
    const struct wal_config *config = &wal->config;
    uint64_t at = survey->count;
    int err = survey->count ? entries_read_all(wal, survey, scan, &at, recovery, fault) : 0;
    if (!err && survey->damaged) {
        *fault = survey->fault;
        return log_mend(wal, survey, scan, survey->count, recovery, fault);
    }
    bool all = !err; /* every segment was read */
    if (!err)
        err = log_reaches(wal, scan, fault);
    if (!err && config->snapshot.index > scan->pending->settled.index)
        err = wal_scan_settle(scan, config->snapshot.index, fault);
    else if (!err)
        err = wal_scan_snapshot(scan, &scan->pending->settled, fault);
    if (err == ERR_CORRUPT && config->installed && (all || scan->other_history))
        return log_anew(wal, survey, survey_batch(survey, scan), recovery, fault);
    if (err == ERR_CORRUPT && config->ensemble && !scan->other_history)
        return log_mend(wal, survey, scan, all ? survey->count : at, recovery, fault);
    return err ? err : log_go_on(wal, survey, scan, recovery, fault);
}

static int log_new(struct wal *wal, struct wal_survey *survey, struct wal_recovery *recovery,
                   struct fault *fault)
{
    const struct wal_config *config = &wal->config;
    int err = 0;
    if (config->snapshot.index != 0 && !config->installed)
        err = fault_set(fault, ERR_CORRUPT,
                        "data directory %s has a snapshot of entry %" PRIu64 " and no log",
                        wal->io->where, config->snapshot.index);
    else if (config->expected && !config->installed)
        err = fault_set(fault, ERR_CORRUPT,
                        "data directory %s has no log, but the superblock of a node that had one: "
                        "bring the files log.* back, or use an empty directory",
                        wal->io->where);
    if (err && !config->ensemble)
        return err;
    if (err) {
        struct wal_scan none = {.end = 0};
        survey->damaged = true;
        err = wal_mend(wal, survey, &none, WAL_MEND_NOTHING, recovery, fault);
        if (err)
            return err;
    }
    return log_anew(wal, survey, 0, recovery, fault);
}

static int buffers_init(struct wal *wal, struct fault *fault)
{
    wal->header_block = aligned_alloc(DISK_BLOCK_SIZE_MAX, DISK_BLOCK_SIZE_MAX);
    wal->zeros = aligned_alloc(DISK_BLOCK_SIZE_MAX, WAL_FILL_SIZE_MAX);
    if (!wal->header_block || !wal->zeros)
        return fault_set(fault, ERR_NOMEM, "log: no memory for its buffers");
    memset(wal->zeros, 0, WAL_FILL_SIZE_MAX);
    return 0;
}

int wal_open(struct wal *wal, struct disk_io *io, const struct wal_config *config,
             struct wal_recovery *recovery, struct fault *fault)
{
    memset(wal, 0, sizeof(*wal));
    memset(recovery, 0, sizeof(*recovery));
    wal->io = io;
    wal->config = *config;
    wal->file = -1;
    if (config->segment_size < WAL_SEGMENT_SIZE_MIN ||
        config->segment_size > WAL_SEGMENT_SIZE_MAX ||
        config->segment_size % DISK_BLOCK_SIZE_MAX != 0)
        return fault_set(fault, ERR_RANGE,
                         "log segment size %" PRIu64 ": a multiple of 4096 in [%u, %u] is needed",
                         config->segment_size, WAL_SEGMENT_SIZE_MIN, WAL_SEGMENT_SIZE_MAX);
    struct wal_survey *survey = calloc(1, sizeof(*survey));
    if (!survey)
        return fault_set(fault, ERR_NOMEM, "log: no memory to look at its files");
    struct wal_pending pending = {.data = NULL};
    struct wal_scan scan = {.where = io->where,
                            .visit = config->visit,
                            .self = config->self,
                            .pending = &pending,
                            .back = scan_back,
                            .back_self = wal,
                            .visit_above = config->snapshot.index,
                            .snapshot = config->snapshot};
    int err = buffers_init(wal, fault);
    if (!err)
        err = wal_mend_unfinished(io, fault);
    if (!err)
        err = survey_files(survey, io, fault);
    if (!err)
        err = survey_reset(survey, io, config->salt, fault);
    if (!err)
        err = survey_headers(survey, config, io, fault);
    if (!err)
        err = survey->count || survey->damaged ? log_recover(wal, survey, &scan, recovery, fault)
                                               : log_new(wal, survey, recovery, fault);
    wal_pending_fini(&pending);
    free(survey->headers);
    free(survey->data);
    free(survey);
    if (err) {
        wal_recovery_fini(recovery);
        wal_close(wal);
        return err;
    }
    recovery->first_index = wal_first_index(wal);
    recovery->segment_count = wal_segment_count(wal);
    return 0;
}
