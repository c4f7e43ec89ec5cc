/* wal_parts: the inside of the log, for wal.c and wal_*.c only.
 *
 *   wal_open   ── survey of the files ─▶ scan ─▶ settle ─▶ the active segment
 *   wal_mend   damage: what may be lost, the good prefix, files put aside       (at start)
 *   wal_reset  the log begins anew behind a snapshot                          (at start, and later)
 *   wal_read   old entries
 */
#pragma once

#include "consensus/wal.h"

/* What is known of the files before their entries are read. */
struct wal_survey {
    uint64_t count; /* segments in use: files named like segments, without the unused one */
    uint64_t sequences[WAL_SEGMENTS_MAX + 1];
    bool overflow;
    struct wal_header *headers; /* of the segments in use; count of them */
    bool unused;                /* one more file follows them, prepared and never used */
    uint64_t file_count;        /* all of sequences, also behind damage */
    uint8_t *data;              /* room for the largest segment */
    uint64_t data_size;
    /* damage that was met while looking: segments from `count` on are of no use */
    bool damaged;
    struct fault fault;
    bool begun;    /* entries were read */
    bool unjoined; /* the segment that was to be read last does not follow the one before */
};

/* wal_open_load reads all of segment i (an index of sequences) into survey->data. */
MUST_USE int wal_open_load(struct wal_survey *survey, struct disk_io *io, uint64_t i,
                             uint64_t size, struct fault *fault);

/* wal_mend_unfinished ends or undoes what a mend began that a crash cut short. Before the survey.
 */
MUST_USE int wal_mend_unfinished(struct disk_io *io, struct fault *fault);

#define WAL_MEND_NOTHING UINT64_MAX

/* wal_mend puts what is of no use aside, after config.damaged was told. keep < survey->count: of
 * that segment (an index of sequences) [0, scan->end) stays, and the ones before it; keep ==
 * survey->count: those all stay; WAL_MEND_NOTHING: none. Afterwards survey->count says what is
 * left. Assumes that `fault` says what is wrong. Returns 0, ERR_IO, ERR_NOSPACE, ERR_NOMEM or what
 * config.damaged returned. */
MUST_USE int wal_mend(struct wal *wal, struct wal_survey *survey, const struct wal_scan *scan,
                      uint64_t keep, struct wal_recovery *recovery, struct fault *fault);

/* wal_reset_begin makes segment `sequence` (of the file `spare`, unless that is -1), zeroed and
 * durable, whose header says that the log goes on behind `at`; flags as in the header. It becomes
 * the active one. Returns 0, ERR_NOSPACE (the file is gone again) or ERR_IO. */
MUST_USE int wal_reset_begin(struct wal *wal, uint64_t sequence, int spare, struct wal_position at,
                             uint32_t flags, struct fault *fault);

void wal_note_back(struct wal *wal, const struct wal_back *back);

/* wal_spare_drop closes the spare and removes it. */
void wal_spare_drop(struct wal *wal);
