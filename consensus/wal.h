/* wal: the log on disk: a row of segments (wal_segment), the last of which is written to, and one
 * more that is prepared ahead of need.
 *
 *   log.1            log.2            log.3                  log.4
 *   ┌──────────────┐ ┌──────────────┐ ┌────────┬───────────┐ ┌─────────────┬────────────┐
 *   │ whole        │ │ whole        │ │ written│ 0 0 0     │ │ 0 0 0 0 0   │ not yet    │
 *   └──────────────┘ └──────────────┘ └────────┴───────────┘ └─────────────┴────────────┘
 *     wal_trim removes these           active, at `offset`     spare, `spare_filled` bytes of zeros
 *
 *                       batch fits                     answered
 *   IDLE ──wal_append──────────────────▶ BATCH ──────────────────▶ IDLE
 *     └────────────────▶ HEADER ──answered──▶ BATCH      (does not fit: the spare becomes active)
 *
 * One batch is in flight at a time (the argument of wal_scan.h rests on it). Room is reserved from
 * the file system before it is promised, so a batch inside of wal_room never meets a full disk. A
 * failed write or sync is final: the caller stops the node. No allocation after wal_open.
 *
 * Role: DISK, one call at a time (wal_open and wal_close: before it starts, after it has ended). */
#pragma once

#include "base/clock.h"
#include "base/messages.h"
#include "consensus/wal_scan.h"
#include "consensus/wal_segment.h"

#define WAL_SEGMENT_SIZE_DEFAULT (64u << 20)
#define WAL_SEGMENTS_MAX         8192u      /* files; at this many no more room is promised */
#define WAL_FILL_SIZE_MAX        (1u << 20) /* bytes of zeros written at once when in a hurry */
#define WAL_RETRY_NS             NS_PER_S   /* a full disk is looked at again after this */

/* What recovery of a member found broken. It keeps the good prefix; the files behind it are renamed
 * to *.damaged (never deleted), and entries come from the peers again. */
struct wal_damage {
    uint64_t first_index;    /* the first entry that is lost, or may be */
    uint64_t promised_index; /* the highest one found behind the damage: this node may have told of
                              * it; at least first_index - 1 */
    struct fault fault;      /* where and what */
};

struct wal_config {
    uint64_t salt; /* of the superblock */
    /* Bytes in [WAL_SEGMENT_SIZE_MIN, _MAX], a multiple of 4096. A node needs at least four of its
     * largest batches (log_tail): CORE keeps two back. */
    uint64_t segment_size;
    struct wal_position snapshot; /* what the state was restored from; index 0: nothing */
    bool installed;   /* it came from a peer: the log may end before it, or be of another history,
                       * and then begins anew behind it */
    bool expected;    /* this node has had a log: that there is none is damage */
    bool ensemble; /* visit only what is known to be committed; report damage, do not refuse it */
    wal_visit *visit; /* called for each entry behind the snapshot, in order */
    /* Called when the log is damaged, before anything is changed: make durable that this node must
     * not vote (superblock: catching_up). `ensemble` only. An ERR_* ends wal_open. */
    int (*damaged)(void *self, const struct wal_damage *damage, struct fault *fault);
    void *self;
};

/* What recovery found. */
struct wal_recovery {
    struct wal_position last; /* the last entry, or the snapshot when there is none behind it */
    struct wal_position committed; /* the last one visited (or the snapshot): as `last`, but in an
                                    * ensemble */
    /* The entries in (committed, last], records back to back as in a batch: for
     * log_tail_append_record. NULL when there are none. wal_recovery_fini frees it. */
    uint8_t *suffix;
    uint64_t suffix_size;
    uint64_t first_index;     /* the oldest index that the log still holds */
    uint64_t batch;           /* number of the last batch on disk, for log_tail_init */
    uint64_t segment_count, entry_count;
    uint64_t torn_size; /* bytes of an unfinished write that were cut; 0: the log ended cleanly */
    struct fault torn;  /* where and why, when torn_size > 0 */
    bool damaged;       /* ensemble: see `damage` */
    bool reset;         /* the log began anew behind the snapshot */
    struct wal_damage damage;
};

/* Where a batch stands that supersedes everything from first_index on. */
#define WAL_BACKS_MAX 64
struct wal_back {
    uint64_t sequence, offset, first_index;
};

/* Where entry `index` is to be looked for; sequence 0: not known. */
#define WAL_MARKS_MAX 64u

struct wal_cursor {
    uint64_t sequence, offset, index, backs;
};

enum wal_state { WAL_IDLE, WAL_HEADER, WAL_BATCH };
enum wal_spare { WAL_SPARE_NONE, WAL_SPARE_FILLING, WAL_SPARE_READY };

struct wal {
    struct disk_io *io;
    struct wal_config config;
    /* the active segment */
    uint64_t sequence, offset, size; /* offset: where the next batch goes */
    int file;
    /* the spare, whose sequence is the next one */
    enum wal_spare spare;
    int spare_file;
    uint64_t spare_filled;
    bool filling;       /* a slice of zeros is in flight */
    bool spare_syncing; /* the sync of the directory that holds it is in flight */
    uint32_t fill_size; /* its size */
    bool no_space;      /* the last attempt to make a spare met a full disk; see `space` */
    struct fault space;
    uint64_t retry_ns; /* when to try again */
    /* the batch in flight */
    enum wal_state state;
    struct core_disk batch;
    const uint8_t *memory;
    uint64_t elapsed_ns;      /* of the header write, added to the batch's */
    struct wal_position last; /* durable */
    uint64_t commit;          /* the highest hint that was written; never superseded */
    uint64_t number;          /* of the last batch that is durable */
    /* all segments in use */
    uint64_t first_sequence;
    uint64_t trim_sequence;                 /* segments before this one may go */
    bool trimming;                          /* the removal of the oldest segment is in flight */
    uint64_t first_index[WAL_SEGMENTS_MAX]; /* by sequence modulo its length */
    bool bridged[WAL_SEGMENTS_MAX];         /* a later batch goes back before its beginning: reading
                                             * cannot begin with it */
    uint64_t read_sequence;                 /* reading may begin at this one or later */
    struct wal_back backs[WAL_BACKS_MAX];   /* the last batches that went back, oldest first */
    uint32_t back_count;
    uint64_t back_total;       /* all that were ever noted */
    struct wal_cursor cursor;  /* where the last wal_read ended */
    struct wal_cursor marks[WAL_MARKS_MAX]; /* where the last ones ended, for those that go back */
    uint32_t mark_total;
    uint8_t *header_block;                  /* DISK_BLOCK_SIZE_MAX bytes, aligned */
    uint8_t *zeros;                         /* WAL_FILL_SIZE_MAX bytes, aligned */
};

struct wal_event {
    uint64_t durable_index; /* 0: no batch ended */
    uint64_t elapsed_ns;    /* of that batch's write */
    uint32_t size;          /* of that batch */
    uint32_t work;          /* operations of any kind that ended */
    bool trim_failed;       /* an old segment could not be removed: fault says why; not fatal */
};

/* wal_open recovers the log, or begins it when there is none and no snapshot either: finds the
 * segments, checks that they follow each other, reads every entry behind the snapshot
 * (config.visit), cuts and zeroes an unfinished write, and makes all that durable. `io` must
 * outlive the wal. Returns 0; ERR_CORRUPT, with a fault that names file, offset, what was expected
 * and found, for: damage, a missing segment, a segment of another node or in another's place, a
 * chain that does not meet the snapshot's, a log that begins behind or ends before the snapshot;
 * ERR_VERSION; ERR_NOSPACE; ERR_IO; ERR_NOMEM; ERR_RANGE (segment_size); ERR_LIMIT (more than
 * WAL_SEGMENTS_MAX segments); or what visit or damaged returned. With config->ensemble, damage of
 * log files and a log that begins too late or ends too early are not errors: see struct
 * wal_damage. Blocks; may take as long as reading the log
 * takes. */
MUST_USE int wal_open(struct wal *wal, struct disk_io *io, const struct wal_config *config,
                      struct wal_recovery *recovery, struct fault *fault);

void wal_recovery_fini(struct wal_recovery *recovery);

/* wal_close closes the files. Assumes that no batch is in flight, or that the node is stopping. */
void wal_close(struct wal *wal);

/* wal_append starts to write a batch. Assumes state IDLE; first_index right behind the last entry,
 * or lower: then the batch supersedes what was written from there on, none of which is committed;
 * the next batch number; size a multiple of the block size and at most a segment without its
 * header, `memory` and it aligned to the block size. Returns 0: it is in flight and `memory` is
 * lent until wal_poll tells of it; ERR_NOSPACE: no segment has room yet, nothing was written, ask
 * again after wal_prepare did work; ERR_IO: stop. */
MUST_USE int wal_append(struct wal *wal, const struct core_disk *batch, const uint8_t *memory,
                        struct fault *fault);

/* wal_poll collects what the disk has finished; never waits. fault must not be NULL. Returns 0, or
 * the ERR_* of a failed write: stop. */
MUST_USE int wal_poll(struct wal *wal, struct now now, struct wal_event *event,
                      struct fault *fault);

/* wal_prepare does one bounded step towards the next segment: makes its file, or starts one slice
 * of zeros. A slice is due when less than twice the active segment's share has been filled; `hurry`
 * (DISK is idle, or a batch waits for it) starts one even when none is due. A full disk is not an
 * error: no_space is set, and it is tried again after WAL_RETRY_NS. Sets *work when it did
 * something. Returns 0, or ERR_IO: stop. */
MUST_USE int wal_prepare(struct wal *wal, struct now now, bool hurry, uint32_t *work,
                         struct fault *fault);

/* wal_prepare_ns is the next mono_ns at which wal_prepare may do something it would not do now;
 * UINT64_MAX: none. */
uint64_t wal_prepare_ns(const struct wal *wal);

/* True when wal_prepare could do work now if asked with hurry. */
bool wal_prepare_wanted(const struct wal *wal, struct now now);

/* wal_room is how many bytes of batches are sure to fit: in the active segment, and in the spare,
 * whose room has been reserved. A batch may leave up to its own size unused at a segment's end. */
uint64_t wal_room(const struct wal *wal);

/* wal_reset_room makes sure that wal_reset will find room: the next segment's file is made now, as
 * the spare. wal_reset is to follow, unless the node stops. Returns 0, ERR_NOSPACE or ERR_IO.
 * Assumes that nothing is in flight (wal_busy). Role: DISK. */
MUST_USE int wal_reset_room(struct wal *wal, struct fault *fault);

/* wal_reset lets the log begin anew behind `at` (a snapshot that was installed): a new segment with
 * a header that says so, then the older ones go. Assumes that nothing is in flight (wal_busy).
 * After a crash at any point either the old log is there or the new one. Blocks. Returns 0,
 * ERR_NOSPACE (nothing has changed) or ERR_IO: stop. */
MUST_USE int wal_reset(struct wal *wal, struct wal_position at, struct fault *fault);

/* wal_read copies entries [from, to] of the log on disk into `room`, records back to back, as many
 * as fit in size and in one segment; at least one, or an error. Assumes that `to` is committed and
 * durable. Sets count and used bytes. Returns 0; ERR_NOTFOUND: the log does not go back so far, or
 * not in a way that can be read; ERR_FULL: `room` is too small for entry `from`; ERR_CORRUPT;
 * ERR_IO. Blocks. */
MUST_USE int wal_read(struct wal *wal, uint64_t from, uint64_t to, uint8_t *room, uint64_t size,
                      uint64_t *used, uint32_t *count, struct fault *fault);

/* wal_trim allows entries before below_index to go. wal_trim_step starts to remove one segment that
 * holds only such entries, never the active one; sets *work when it did. wal_poll tells of a
 * removal that failed: the file stays, and goes at the next wal_trim. Returns 0 or ERR_IO (as
 * such). */
void wal_trim(struct wal *wal, uint64_t below_index);
bool wal_trim_wanted(const struct wal *wal); /* wal_trim_step would remove one */
MUST_USE int wal_trim_step(struct wal *wal, uint32_t *work, struct fault *fault);

/* True while the disk works for the wal: memory is lent, and wal_poll has something to wait for. */
static inline bool wal_busy(const struct wal *wal)
{
    return wal->state != WAL_IDLE || wal->filling || wal->spare_syncing || wal->trimming;
}

/* True when a batch that waits for room can be helped without waiting for the disk. */
static inline bool wal_may_advance(const struct wal *wal)
{
    return wal->spare == WAL_SPARE_READY || (wal->spare == WAL_SPARE_FILLING && !wal->filling &&
                                             wal->spare_filled < wal->config.segment_size);
}

/* How many segments are in use, and the oldest index they hold. */
static inline uint64_t wal_segment_count(const struct wal *wal)
{
    return wal->sequence - wal->first_sequence + 1;
}

static inline uint64_t wal_first_index(const struct wal *wal)
{
    return wal->first_index[wal->first_sequence % WAL_SEGMENTS_MAX];
}
