#include "consensus/wal.h"

#include "base/check.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* What is known of the files before their entries are read. */
struct survey {
    uint64_t count; /* files that are named like segments */
    uint64_t sequences[WAL_SEGMENTS_MAX + 1];
    bool overflow;
    struct wal_header *headers; /* of the segments in use; count of them */
    bool unused;                /* one more file follows them, prepared and never used */
    uint8_t *data;              /* room for the largest segment */
    uint64_t data_size;
};

static void survey_name(void *self, const char *name)
{
    struct survey *survey = self;
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

static int survey_files(struct survey *survey, struct disk_io *io, struct fault *fault)
{
    char name[DISK_PATH_SIZE_MAX];
    int err = io->list(io->ctx, survey_name, survey, fault);
    if (err)
        return err;
    if (survey->overflow)
        return fault_set(fault, ERR_LIMIT, "data directory %s: more than %u log segments",
                         io->where, WAL_SEGMENTS_MAX);
    qsort(survey->sequences, survey->count, sizeof(uint64_t), by_value);
    for (uint64_t i = 1; i < survey->count; i++) {
        if (survey->sequences[i] == survey->sequences[i - 1] + 1)
            continue;
        wal_segment_name(name, survey->sequences[i - 1] + 1);
        return fault_set(fault, ERR_CORRUPT,
                         "segment %s is missing: there are older and newer ones; see "
                         "`takt log verify %s`",
                         name, io->where);
    }
    survey->headers = calloc(survey->count + 1, sizeof(struct wal_header));
    return survey->headers ? 0
                           : fault_set(fault, ERR_NOMEM, "log: no memory for %" PRIu64 " headers",
                                       survey->count);
}

/* Opens segment i and loads all of it into survey->data. */
static int survey_load(struct survey *survey, struct disk_io *io, uint64_t i, uint64_t size,
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
static int survey_unused(struct survey *survey, struct disk_io *io, uint64_t i, uint64_t size,
                         struct fault *fault)
{
    if (i + 1 != survey->count)
        return fault_wrap(fault, ERR_CORRUPT, "corrupt log (a later segment exists)");
    if (size > WAL_SEGMENT_SIZE_MAX)
        return fault_wrap(fault, ERR_CORRUPT, "corrupt log (%" PRIu64 " bytes long)", size);
    struct fault found = *fault;
    uint64_t room = (size + DISK_BLOCK_SIZE_MAX) & ~(uint64_t)(DISK_BLOCK_SIZE_MAX - 1);
    int err = survey_load(survey, io, i, room, fault);
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

static int survey_header(struct survey *survey, struct disk_io *io, uint64_t i,
                         const uint8_t *cluster_id, struct fault *fault)
{
    char name[DISK_PATH_SIZE_MAX];
    struct wal_header *header = &survey->headers[i];
    int file;
    uint64_t size = 0;
    wal_segment_name(name, survey->sequences[i]);
    int err = io->open(io->ctx, name, DISK_OPEN_READ, &file, fault);
    if (err)
        return err;
    err = io->size(io->ctx, file, &size, fault);
    if (!err)
        err = wal_segment_read_header(io, file, header, fault);
    io->close(io->ctx, file);
    if (!err)
        err = wal_segment_check(header, survey->sequences[i], cluster_id, fault);
    if (err == ERR_NOTFOUND)
        return survey_unused(survey, io, i, size, fault);
    if (!err && size != header->segment_size)
        return fault_set(fault, ERR_CORRUPT,
                         "segment %s is %" PRIu64 " bytes long, expected %" PRIu64, name, size,
                         header->segment_size);
    if (!err && i > 0 && header->first_index < survey->headers[i - 1].first_index)
        return fault_set(fault, ERR_CORRUPT,
                         "segment %s begins at entry %" PRIu64 ", before the one in front of it",
                         name, header->first_index);
    return err;
}

/* The segment to begin reading with: the last one that begins at or before `index`. */
static int survey_start(const struct survey *survey, const struct disk_io *io, uint64_t index,
                        uint64_t *start, struct fault *fault)
{
    if (survey->headers[0].first_index > index)
        return fault_set(
            fault, ERR_CORRUPT,
            "the log begins at entry %" PRIu64 " and the state in the snapshot ends at "
            "%" PRIu64 ": segments before log.%016" PRIx64 " are missing from %s",
            survey->headers[0].first_index, index - 1, survey->sequences[0], io->where);
    uint64_t i = survey->count - 1;
    while (survey->headers[i].first_index > index)
        i--;
    *start = i;
    return 0;
}

/* Reads the entries of all segments from `start` on. */
static int entries_read(struct survey *survey, struct disk_io *io, struct wal_scan *scan,
                        uint64_t start, struct wal_recovery *recovery, struct fault *fault)
{
    char name[DISK_PATH_SIZE_MAX];
    for (uint64_t i = start; i < survey->count; i++) {
        const struct wal_header *header = &survey->headers[i];
        int err = i > start ? wal_scan_joins(scan, header, fault) : 0;
        if (!err)
            err = survey_load(survey, io, i, header->segment_size, fault);
        if (err)
            return err;
        wal_segment_name(name, header->sequence);
        scan->name = name;
        scan->data = survey->data;
        scan->last = i + 1 == survey->count;
        wal_scan_enter(scan, header, i > start);
        if (i == start)
            err = wal_scan_snapshot(scan, false, fault);
        if (!err)
            err = wal_scan_segment(scan, fault);
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
static int active_enter(struct wal *wal, const struct survey *survey, const struct wal_scan *scan,
                        struct wal_recovery *recovery, struct fault *fault)
{
    const struct wal_header *header = &survey->headers[survey->count - 1];
    char name[DISK_PATH_SIZE_MAX];
    wal_segment_name(name, header->sequence);
    int err = tail_settle(wal->io, name, scan->end, recovery->torn_size, wal->zeros, fault);
    if (!err)
        err = wal->io->open(wal->io->ctx, name, DISK_OPEN_WRITE | DISK_OPEN_DURABLE, &wal->file,
                            fault);
    if (err)
        return err;
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
static int spare_enter(struct wal *wal, const struct survey *survey, struct fault *fault)
{
    char name[DISK_PATH_SIZE_MAX];
    if (!survey->unused)
        return 0;
    wal_segment_name(name, survey->sequences[survey->count]);
    uint64_t size;
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

/* The first segment of a new log. */
static int log_begin(struct wal *wal, struct fault *fault)
{
    struct wal_header header = {.sequence = 1,
                                .first_index = 1,
                                .segment_size = wal->config.segment_size,
                                .block_size = wal->io->block_size};
    memcpy(header.cluster_id, wal->config.cluster_id, sizeof(header.cluster_id));
    int err = wal_segment_create(wal->io, 1, header.segment_size, &wal->file, fault);
    if (err) {
        wal->file = -1;
        return err;
    }
    err = wal->io->sync_dir(wal->io->ctx, fault);
    for (uint64_t at = 0; !err && at < header.segment_size;) {
        uint64_t left = header.segment_size - at;
        uint32_t n = left < WAL_FILL_SIZE_MAX ? (uint32_t)left : WAL_FILL_SIZE_MAX;
        err = wal->io->pwrite(wal->io->ctx, wal->file, at, wal->zeros, n, fault);
        at += n;
    }
    wal_segment_seal(&header);
    memset(wal->header_block, 0, wal->io->block_size);
    memcpy(wal->header_block, &header, sizeof(header));
    if (!err)
        err = wal->io->pwrite(wal->io->ctx, wal->file, 0, wal->header_block, wal->io->block_size,
                              fault);
    wal->sequence = wal->first_sequence = 1;
    wal->first_index[1] = 1;
    wal->size = header.segment_size;
    wal->offset = wal->io->block_size;
    return err;
}

static int log_recover(struct wal *wal, struct survey *survey, struct wal_recovery *recovery,
                       struct fault *fault)
{
    const struct wal_config *config = &wal->config;
    struct wal_scan scan = {.where = wal->io->where,
                            .visit = config->visit,
                            .self = config->self,
                            .visit_above = config->snapshot.index,
                            .snapshot = config->snapshot};
    uint64_t start = 0;
    int err = survey_start(survey, wal->io, config->snapshot.index + 1, &start, fault);
    if (err)
        return err;
    wal_scan_enter(&scan, &survey->headers[start], false);
    err = entries_read(survey, wal->io, &scan, start, recovery, fault);
    if (err)
        return err;
    if (scan.at.index < config->snapshot.index)
        return fault_set(fault, ERR_CORRUPT,
                         "the log in %s ends at entry %" PRIu64 ", the snapshot is of %" PRIu64
                         ": its newest segments are missing",
                         wal->io->where, scan.at.index, config->snapshot.index);
    wal->last = recovery->last = scan.at;
    /* A file that is seen need not be durable yet: its maker may have ended before it synced. */
    err = wal->io->sync_dir(wal->io->ctx, fault);
    if (!err)
        err = active_enter(wal, survey, &scan, recovery, fault);
    return err ? err : spare_enter(wal, survey, fault);
}

static int log_new(struct wal *wal, const struct survey *survey, struct fault *fault)
{
    char name[DISK_PATH_SIZE_MAX];
    if (wal->config.snapshot.index != 0)
        return fault_set(fault, ERR_CORRUPT,
                         "data directory %s has a snapshot of entry %" PRIu64 " and no log",
                         wal->io->where, wal->config.snapshot.index);
    if (wal->config.term != 0) /* its first segment is durable before the first term is promised */
        return fault_set(fault, ERR_CORRUPT,
                         "data directory %s has no log, but its superblock promises term %" PRIu64
                         ": a log was here, and what it held was acknowledged; bring the files "
                         "log.* back, or use an empty directory",
                         wal->io->where, wal->config.term);
    if (survey->unused) { /* the first start ended before the log had begun */
        wal_segment_name(name, survey->sequences[0]);
        int err = wal->io->unlink(wal->io->ctx, name, fault);
        if (err)
            return err;
    }
    return log_begin(wal, fault);
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
    struct survey *survey = calloc(1, sizeof(*survey));
    if (!survey)
        return fault_set(fault, ERR_NOMEM, "log: no memory to look at its files");
    int err = buffers_init(wal, fault);
    if (!err)
        err = survey_files(survey, io, fault);
    for (uint64_t i = 0; !err && i < survey->count; i++)
        err = survey_header(survey, io, i, config->cluster_id, fault);
    if (!err)
        err =
            survey->count ? log_recover(wal, survey, recovery, fault) : log_new(wal, survey, fault);
    free(survey->headers);
    free(survey->data);
    free(survey);
    if (err) {
        wal_close(wal);
        return err;
    }
    recovery->first_index = wal_first_index(wal);
    recovery->segment_count = wal_segment_count(wal);
    return 0;
}
