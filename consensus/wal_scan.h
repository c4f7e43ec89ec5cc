/* wal_scan: reads one segment's batches in order, and says how it ends. Pure.
 *
 *   header │ batch │ batch │ batch │ 0 0 0 ...        clean: 0
 *   header │ batch │ batch │ 0 0 x x 0 x │ 0 0 ...    the last write did not finish: ERR_TORN
 *   header │ batch │ x x x │ batch │ 0 0 ...          something that was durable is not:
 * ERR_CORRUPT
 *
 * Why the two can be told apart. CORE closes a batch only when no write is in flight, and DISK
 * answers for a batch only when the device has; so
 *   1. when batch k+1 is on the disk, in whole or in part, batch k was durable before. A damaged
 *      batch with a record of a later batch behind it was durable once: corruption. So is one in a
 *      segment that has a successor, whose header is written only after it. Later means: of a
 *      higher batch number. It is the batches that are written one behind the other and counted,
 *      not the entries, so this holds as well where a batch takes indexes back (below).
 *   2. the room of a batch is zero before it is written (segments are zero-filled, and a cut tail
 *      is zeroed and synced before anything is written there again), and a sector of 512 bytes is
 *      written as a whole or not at all. A batch cut short by a crash therefore has at least one
 *      sector that is still zero. A damaged last batch of which every sector is there was not cut
 *      short: corruption, although nothing lies behind it.
 *   3. what remains is a damaged last batch with a zero sector in it, or cut off at its end. It was
 *      answered to nobody if it is torn, and that is by far the likeliest; the whole batch is cut,
 *      at its first byte, which is a block boundary. The one case this rule gives away: the last
 *      batch was durable, holds a sector of zeros of its own, and the disk damaged it since.
 * A batch ends with its padding record and nowhere else: if it could end in front of a block that
 * reads as zeros, damage to the last batch but one could pass for a torn last one.
 *
 * Batches that go back. In an ensemble the entries behind the committed ones may lose against
 * another leader's. Nothing that was written is changed then: the next batch simply begins at a
 * lower index, and supersedes everything from there.
 *
 *   │ 7 8 9 │ 10 11 12 │ 11' 12' │ 13' │      the log is 7 8 9 10 11' 12' 13'
 *
 * A crash before 11' is whole leaves 10 11 12: what was the log before the batch, which nobody was
 * told is gone. What a batch supersedes was not committed when it was written. Each record says
 * what was known to be committed (`commit`), so an entry is used only when a hint covers it or the
 * log has ended (wal_pending), and a batch that would supersede an entry below the highest hint so
 * far is corruption, however intact it is. The chain of a batch's first record follows from the
 * entry before it, which is one that is pending, or the last settled one. Reading may begin at a
 * segment whose later batches go back before its own beginning: then `below` says so, nothing has
 * been used yet, and reading begins anew one segment earlier.
 * A segment whose header says that it begins at a lower index supersedes by that alone: its first
 * batch may be missing, and the next one follows the header.
 *
 * Payloads are not searched for records: candidates for rule 1 are looked for at block boundaries,
 * where batches begin, outside of the records that are intact. */
#pragma once

#include "base/say.h"
#include "consensus/log_format.h"
#include "consensus/wal_pending.h"
#include "consensus/wal_segment.h"

#include <stdbool.h>

#define WAL_SECTOR_SIZE 512u

/* Called for each entry in order; the payload lies behind the record and is lent for the call. An
 * ERR_* that it returns ends the reading and is passed on. */
typedef int wal_visit(void *self, const struct log_record *record, struct fault *fault);

struct wal_scan {
    /* set by the caller */
    const uint8_t *data; /* the whole segment, header included; 8-byte aligned */
    uint64_t size;       /* bytes, a multiple of block_size */
    uint32_t block_size;
    char name[DISK_PATH_SIZE_MAX]; /* the file's, for faults */
    const char *where; /* the data directory, for faults */
    bool last;         /* no segment in use follows */
    uint32_t seed;     /* log_record_seed of the log's salt */
    wal_visit *visit;  /* may be NULL */
    void *self;
    /* Where entries wait until they are settled. NULL, for tools: each is visited where it stands,
     * also those that are superseded later. */
    struct wal_pending *pending;
    uint64_t visit_above;         /* visit entries with a greater index */
    struct wal_position snapshot; /* checked against the entry of that index; index 0: none;
                                   * chain 0: not known, only the term is checked */
    /* Called for each batch that goes back; may be NULL. */
    void (*back)(void *self, uint64_t offset, uint64_t first_index);
    void *back_self;
    /* in: the record before the first; out: the last record of the last whole batch */
    struct wal_position at;
    uint64_t batch; /* number of the batch before; of the last whole one */
    uint64_t commit; /* the highest hint so far */
    /* out */
    bool other_history; /* ERR_CORRUPT: intact, but not of the snapshot's history */
    bool below;         /* ERR_NOTFOUND: a batch goes back before where reading began */
    uint64_t low_index; /* the lowest index at which a batch in it begins */
    uint64_t end;       /* where the next batch goes */
    uint64_t torn_size; /* bytes behind `end` that are not zero, up to the last such sector */
    uint64_t entry_count, batch_count;
};

/* wal_scan_enter sets size, block size, seed, position and batch from a segment's header. joined:
 * the segment before was read and wal_scan_joins; what the header supersedes is forgotten. Else
 * reading begins here, and nothing is pending. */
void wal_scan_enter(struct wal_scan *scan, const struct wal_header *header, bool joined);

/* wal_scan_joins: does the segment follow what was read last? Returns 0 or ERR_CORRUPT. */
MUST_USE int wal_scan_joins(const struct wal_scan *scan, const struct wal_header *header,
                            struct fault *fault);

/* wal_scan_segment reads all of it. Returns 0 (clean); ERR_TORN with the reason in `fault` (only
 * when `last`; the outputs are valid and [end, end + torn_size) is to be zeroed); ERR_CORRUPT with
 * a fault that names the file, the offset, what was expected and found; ERR_NOTFOUND with `below`;
 * ERR_NOMEM; or what visit returned. After an error, `at`, `batch` and `end` are those of the last
 * whole batch. */
MUST_USE int wal_scan_segment(struct wal_scan *scan, struct fault *fault);

/* wal_scan_settle takes the entries up to `index` as committed: they are visited, in order. Returns
 * 0, ERR_CORRUPT (the snapshot is of another history), or what visit returned. */
MUST_USE int wal_scan_settle(struct wal_scan *scan, uint64_t index, struct fault *fault);

/* wal_scan_snapshot compares a place in the log with the snapshot, if it is the snapshot's. Returns
 * 0 or ERR_CORRUPT. */
MUST_USE int wal_scan_snapshot(struct wal_scan *scan, const struct wal_position *at,
                               struct fault *fault);
