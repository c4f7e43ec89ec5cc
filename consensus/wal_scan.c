#include "consensus/wal_scan.h"

#include "base/check.h"

#include <inttypes.h>
#include <string.h>

#define HEADER ((uint64_t)sizeof(struct log_record))

/* One batch, as far as it has been followed. */
struct walk {
    uint64_t begin; /* offset of its first record */
    uint64_t at;    /* offset of the next one */
    uint64_t batch; /* its number */
    struct wal_position last;
    uint64_t first;  /* index of its first record */
    uint64_t commit; /* the highest hint in it */
    uint64_t entry_count;
    bool trust; /* a tool's: the entry before the first is not known */
};

enum walk_state { WALK_ON, WALK_END };

static const struct log_record *record_at(const struct wal_scan *scan, uint64_t offset)
{
    DCHECK(offset % 8 == 0 && offset + HEADER <= scan->size);
    return (const struct log_record *)(scan->data + offset);
}

/* The end of the batch whose padding record begins at `offset`. */
static uint64_t pad_end(const struct wal_scan *scan, uint64_t offset)
{
    uint64_t block = scan->block_size;
    return (offset + HEADER + block - 1) / block * block;
}

static bool sector_is_zero(const struct wal_scan *scan, uint64_t offset)
{
    return wal_segment_is_zero(scan->data + offset / WAL_SECTOR_SIZE * WAL_SECTOR_SIZE,
                               WAL_SECTOR_SIZE);
}

/* "<file> at offset N: expected entry X, found <what>", ending in what to do. */
static int scan_fault(const struct wal_scan *scan, uint64_t offset, uint64_t expected, int err,
                      struct fault *fault, const char *found)
{
    return fault_set(fault, err,
                     "segment %s at offset %" PRIu64 ": expected entry %" PRIu64
                     ", found %s; see `takt log verify %s`",
                     scan->name, offset, expected, found, scan->where);
}

/* ---- following records that are intact ---- */

int wal_scan_snapshot(struct wal_scan *scan, const struct wal_position *at, struct fault *fault)
{
    const struct wal_position *snapshot = &scan->snapshot;
    if (snapshot->index == 0 || at->index != snapshot->index)
        return 0;
    if (at->term == snapshot->term && (snapshot->chain == 0 || at->chain == snapshot->chain))
        return 0;
    scan->other_history = true;
    return fault_set(fault, ERR_CORRUPT,
                     "segment %s: entry %" PRIu64 " has term %" PRIu64 " and chain %016" PRIx64
                     ", the snapshot there says %" PRIu64 " and %016" PRIx64
                     ": they are not of one history; see `takt log verify %s`",
                     scan->name, at->index, at->term, at->chain, snapshot->term, snapshot->chain,
                     scan->where);
}

/* An intact record whose place in the log is wrong cannot come from an unfinished write. */
static int entry_fits(const struct wal_scan *scan, const struct walk *walk,
                      const struct log_record *record, struct fault *fault)
{
    uint64_t expected = walk->last.index + 1;
    const char *found = NULL;
    if (record->index != expected)
        found = "an intact entry of another index";
    else if (record->batch != walk->batch)
        found = "it in another batch";
    else if (record->term < walk->last.term)
        found = "it with an older term than the entry before";
    else if (!(walk->trust && walk->entry_count == 0) &&
             record->chain != log_record_chain(record, walk->last.chain))
        found = "it with a chain value that does not follow from the entries before";
    return found ? scan_fault(scan, walk->at, expected, ERR_CORRUPT, fault, found) : 0;
}

static bool pad_fits(const struct wal_scan *scan, const struct walk *walk,
                     const struct log_record *record)
{
    return record->index == walk->last.index && record->batch == walk->batch &&
           record->chain == walk->last.chain && walk->at > walk->begin &&
           walk->at + HEADER + record->size == pad_end(scan, walk->at);
}

/* One step. Returns 0 and the state, ERR_TORN when what stands here is not intact (the caller finds
 * out what that means), or ERR_CORRUPT. */
static int walk_step(const struct wal_scan *scan, struct walk *walk, enum walk_state *state,
                     struct fault *fault)
{
    uint64_t expected = walk->last.index + 1;
    *state = WALK_END;
    if (walk->at + HEADER > scan->size)
        return scan_fault(scan, walk->at, expected, ERR_TORN, fault, "too little room");
    const struct log_record *record = record_at(scan, walk->at);
    int err = log_record_intact(record, scan->size - walk->at, scan->seed);
    if (err)
        return scan_fault(scan, walk->at, expected, ERR_TORN, fault,
                          err == ERR_CORRUPT   ? "a record with a wrong checksum"
                          : err == ERR_SHORT   ? "a record longer than the segment"
                          : record->magic == 0 ? "no record"
                                               : "bytes that are no record");
    if (record->kind == LOG_RECORD_PAD) {
        if (!pad_fits(scan, walk, record))
            return scan_fault(scan, walk->at, expected, ERR_CORRUPT, fault,
                              "padding that belongs elsewhere");
        walk->commit = record->commit > walk->commit ? record->commit : walk->commit;
        walk->at = pad_end(scan, walk->at);
        return 0;
    }
    err = entry_fits(scan, walk, record, fault);
    if (err)
        return err;
    walk->last = (struct wal_position){record->index, record->term, record->chain};
    walk->at += log_record_span(record->size);
    walk->commit = record->commit > walk->commit ? record->commit : walk->commit;
    walk->entry_count++;
    *state = WALK_ON;
    return walk->at <= scan->size ? 0
                                  : scan_fault(scan, walk->at, expected, ERR_CORRUPT, fault,
                                               "an entry beyond the segment's end");
}

/* A batch that goes back follows another entry than the last one. */
static int walk_back(struct wal_scan *scan, struct walk *walk, struct fault *fault)
{
    if (walk->at + HEADER > scan->size)
        return 0;
    const struct log_record *record = record_at(scan, walk->at);
    if (log_record_intact(record, scan->size - walk->at, scan->seed) != 0 ||
        record->kind != LOG_RECORD_ENTRY || record->batch != walk->batch ||
        record->index > scan->at.index || record->index == 0)
        return 0; /* it does not; or walk_step finds what is wrong */
    uint64_t first = record->index;
    if (first <= scan->commit)
        return scan_fault(scan, walk->at, scan->at.index + 1, ERR_CORRUPT, fault,
                          "an entry in the place of one that was committed");
    walk->first = first;
    if (!scan->pending) {
        walk->last = (struct wal_position){first - 1, 0, 0};
        walk->trust = true;
        return 0;
    }
    if (first <= scan->pending->settled.index) {
        scan->below = true;
        return scan_fault(scan, walk->at, scan->at.index + 1, ERR_NOTFOUND, fault,
                          "an entry that is older than this segment");
    }
    walk->last = wal_pending_at(scan->pending, first - 1);
    return 0;
}

static int walk_batch(struct wal_scan *scan, struct walk *walk, struct fault *fault)
{
    enum walk_state state = WALK_ON;
    int err = walk_back(scan, walk, fault);
    while (!err && state == WALK_ON)
        err = walk_step(scan, walk, &state, fault);
    if (!err)
        CHECK(walk->entry_count > 0 && walk->at % scan->block_size == 0);
    return err;
}

/* ---- what a damaged batch means ---- */

/* True when every sector that holds a byte of [from, to) was written. */
static bool sectors_written(const struct wal_scan *scan, uint64_t from, uint64_t to)
{
    for (uint64_t at = from / WAL_SECTOR_SIZE * WAL_SECTOR_SIZE; at < to; at += WAL_SECTOR_SIZE) {
        if (at >= scan->size || sector_is_zero(scan, at))
            return false;
    }
    return true;
}

/* The end of the last sector from `from` on that is not zero; `from` when there is none. */
static uint64_t written_end(const struct wal_scan *scan, uint64_t from)
{
    uint64_t end = scan->size;
    while (end > from && sector_is_zero(scan, end - WAL_SECTOR_SIZE))
        end -= WAL_SECTOR_SIZE;
    return end;
}

/* Rule 1: the offset of an intact first record of a later batch, or 0. */
static uint64_t later_batch(const struct wal_scan *scan, const struct walk *walk, uint64_t end)
{
    uint64_t from = walk->at - walk->at % scan->block_size;
    for (uint64_t at = from; at + HEADER <= end; at += scan->block_size) {
        const struct log_record *record = record_at(scan, at);
        if (at > walk->begin && record->magic == LOG_RECORD_MAGIC &&
            record->kind == LOG_RECORD_ENTRY && record->batch > walk->batch &&
            log_record_intact(record, scan->size - at, scan->seed) == 0)
            return at;
    }
    return 0;
}

/* Rule 2, seen from the damaged record: all of it was written, and still it is wrong. */
static bool record_was_written(const struct wal_scan *scan, uint64_t at)
{
    if (at + HEADER > scan->size || !sectors_written(scan, at, at + HEADER))
        return false;
    const struct log_record *record = record_at(scan, at);
    if (log_record_intact(record, scan->size - at, scan->seed) != ERR_CORRUPT)
        return true; /* its header is there and makes no sense */
    uint64_t size = record->kind == LOG_RECORD_PAD ? 0 : record->size;
    return sectors_written(scan, at, at + HEADER + size);
}

/* Rule 2, seen from the end: the batch's padding is intact and every sector up to it was written.
 */
static bool batch_was_written(const struct wal_scan *scan, const struct walk *walk, uint64_t end)
{
    uint64_t block = (end - 1) / scan->block_size * scan->block_size;
    uint64_t from = block > walk->begin ? block + 8 - HEADER : block; /* it may begin in front */
    for (uint64_t at = from; at + HEADER <= block + scan->block_size; at += 8) {
        const struct log_record *record = record_at(scan, at);
        if (record->magic == LOG_RECORD_MAGIC && record->kind == LOG_RECORD_PAD &&
            record->batch == walk->batch && at + HEADER + record->size == pad_end(scan, at) &&
            log_record_intact(record, scan->size - at, scan->seed) == 0)
            return sectors_written(scan, walk->begin, at + HEADER);
    }
    return false;
}

/* Keeps the damage's description and adds why it is corruption. */
static int corrupt(struct fault *fault, const char *why, uint64_t offset)
{
    return offset ? fault_wrap(fault, ERR_CORRUPT, "corrupt log (%s, at offset %" PRIu64 ")", why,
                               offset)
                  : fault_wrap(fault, ERR_CORRUPT, "corrupt log (%s)", why);
}

static int judge(struct wal_scan *scan, const struct walk *walk, struct fault *fault)
{
    uint64_t end = written_end(scan, walk->begin);
#if TAKT_PLANT == 20
    if (scan->last) {
        scan->torn_size = end - scan->end;
        return ERR_TORN;
    }
#endif
    uint64_t later = later_batch(scan, walk, end);
    if (later)
        return corrupt(fault, "a later batch is intact", later);
    if (!scan->last)
        return corrupt(fault, "a later segment is in use", 0);
    if (record_was_written(scan, walk->at) || batch_was_written(scan, walk, end))
        return corrupt(fault, "all of it had been written", 0);
    scan->torn_size = end - scan->end;
    return ERR_TORN;
}

/* ---- the whole segment ---- */

void wal_scan_enter(struct wal_scan *scan, const struct wal_header *header, bool joined)
{
    scan->size = header->segment_size;
    scan->block_size = header->block_size;
    scan->seed = log_record_seed(header->salt);
    scan->batch = header->batch_before;
    scan->at =
        (struct wal_position){header->first_index - 1, header->term_before, header->chain_before};
    if (scan->pending && joined)
        wal_pending_cut(scan->pending, header->first_index);
    else if (scan->pending)
        wal_pending_begin(scan->pending, scan->at);
}

/* The place that a header's first entry would follow. */
static bool header_follows(const struct wal_scan *scan, const struct wal_header *header)
{
    if (header->first_index > scan->at.index + 1 || header->first_index <= scan->commit ||
        header->batch_before != scan->batch)
        return false;
    if (header->first_index <= scan->at.index && !scan->pending)
        return true; /* a tool, which does not keep what may be superseded */
    if (scan->pending && header->first_index <= scan->pending->settled.index)
        return false;
    struct wal_position before = header->first_index == scan->at.index + 1
                                     ? scan->at
                                     : wal_pending_at(scan->pending, header->first_index - 1);
    return header->chain_before == before.chain && header->term_before == before.term;
}

int wal_scan_joins(const struct wal_scan *scan, const struct wal_header *header,
                   struct fault *fault)
{
    if (header_follows(scan, header))
        return 0;
    return fault_set(fault, ERR_CORRUPT,
                     "segment log.%016" PRIx64 " at offset 0: expected to follow entry %" PRIu64
                     " with chain %016" PRIx64 ", found entry %" PRIu64 " and chain %016" PRIx64
                     "; see `takt log verify %s`",
                     header->sequence, scan->at.index, scan->at.chain, header->first_index - 1,
                     header->chain_before, scan->where);
}

static int visit_one(struct wal_scan *scan, const struct log_record *record, struct fault *fault)
{
    const struct wal_position at = {record->index, record->term, record->chain};
    int err = wal_scan_snapshot(scan, &at, fault);
    if (!err && scan->visit && record->index > scan->visit_above)
        err = scan->visit(scan->self, record, fault);
    return err;
}

int wal_scan_settle(struct wal_scan *scan, uint64_t index, struct fault *fault)
{
    const struct log_record *record;
    int err = 0;
    CHECK(scan->pending);
    if (index > scan->pending->settled.index) /* where reading began, known to be committed now */
        err = wal_scan_snapshot(scan, &scan->pending->settled, fault);
    while (!err && (record = wal_pending_front(scan->pending)) && record->index <= index) {
        err = visit_one(scan, record, fault);
        if (!err)
            wal_pending_pop(scan->pending);
    }
    return err;
}

/* Takes a batch that is whole. */
static int take_batch(struct wal_scan *scan, const struct walk *walk, struct fault *fault)
{
    uint64_t at = walk->begin;
    if (scan->pending)
        wal_pending_cut(scan->pending, walk->first);
    for (uint64_t i = 0; i < walk->entry_count; i++) {
        const struct log_record *record = record_at(scan, at);
        CHECK(record->kind == LOG_RECORD_ENTRY);
        at += log_record_span(record->size);
        int err = scan->pending ? wal_pending_push(scan->pending, record, fault)
                                : visit_one(scan, record, fault);
        if (err)
            return err;
    }
    if (scan->back && walk->first <= scan->at.index)
        scan->back(scan->back_self, walk->begin, walk->first);
    scan->at = walk->last;
    scan->batch = walk->batch;
    scan->low_index = walk->first < scan->low_index ? walk->first : scan->low_index;
    if (walk->commit > scan->commit)
        scan->commit = walk->commit < scan->at.index ? walk->commit : scan->at.index;
    return scan->pending ? wal_scan_settle(scan, scan->commit, fault) : 0;
}

int wal_scan_segment(struct wal_scan *scan, struct fault *fault)
{
    CHECK(scan->block_size >= DISK_BLOCK_SIZE_MIN && scan->size % scan->block_size == 0);
    CHECK(((uintptr_t)scan->data & 7) == 0);
    scan->end = scan->block_size;
    scan->torn_size = scan->entry_count = scan->batch_count = 0;
    scan->below = false;
    scan->low_index = UINT64_MAX;
    while (scan->end < scan->size) {
        struct walk walk = {.begin = scan->end,
                            .at = scan->end,
                            .last = scan->at,
                            .first = scan->at.index + 1,
                            .batch = scan->batch + 1};
        int err = walk_batch(scan, &walk, fault);
        if (err == ERR_TORN && written_end(scan, scan->end) == scan->end)
            break; /* nothing but zeros: the log ends here */
        if (err == ERR_TORN)
            return judge(scan, &walk, fault);
        if (!err)
            err = take_batch(scan, &walk, fault);
        if (err)
            return err;
        scan->end = walk.at;
        scan->entry_count += walk.entry_count;
        scan->batch_count++;
    }
    return 0;
}
