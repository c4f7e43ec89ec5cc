/* wal_inspect: reads a log that no node is using, changes nothing, and tells a visitor what is
 * there. Unlike wal_open it does not stop at damage: it says so and goes on with the next segment.
 *
 * Blocks. For tools, and for tests; one call at a time. */
#pragma once

#include "base/disk_io.h"
#include "consensus/wal_scan.h"

enum wal_inspect_state {
    WAL_INSPECT_WHOLE, /* every batch is intact, a segment follows */
    WAL_INSPECT_LAST,  /* the same, and the log ends here */
    WAL_INSPECT_TORN, /* the last one, with an unfinished write at its end: cut at the next start */
    WAL_INSPECT_UNUSED, /* prepared, not begun */
    WAL_INSPECT_BAD,    /* corruption; `fault` says what */
};

struct wal_inspect_segment {
    char name[DISK_PATH_SIZE_MAX];
    enum wal_inspect_state state;
    struct wal_header header; /* zero when it could not be read */
    uint64_t size;            /* of the file */
    uint64_t used_size;       /* header and whole batches */
    uint64_t torn_size;
    uint64_t entry_count, batch_count;
    struct wal_position last; /* index 0: none known */
    struct fault fault;       /* for TORN and BAD */
};

struct wal_inspect_sum {
    uint64_t segment_count, bad_count, entry_count, batch_count, torn_size;
    uint64_t first_index, last_index; /* of the entries that are intact; 0: none */
};

struct wal_inspect {
    struct disk_io *io;
    const uint64_t *salt; /* of the superblock, or NULL: any, but one for all segments */
    void (*segment)(void *self, const struct wal_inspect_segment *segment); /* in order */
    void (*entry)(void *self,
                  const struct log_record *record); /* before its segment; may be NULL */
    void *self;
};

/* wal_inspect_state_name: "whole", "last", "torn", "unused", "BAD". */
const char *wal_inspect_state_name(enum wal_inspect_state state);

/* wal_inspect_run reads all segments. Returns 0: the log is in order (an unfinished last write is
 * in order); ERR_CORRUPT: sum->bad_count segments are not, or one is missing; ERR_NOTFOUND: there
 * is no log; ERR_IO, ERR_NOMEM, ERR_LIMIT. */
MUST_USE int wal_inspect_run(const struct wal_inspect *inspect, struct wal_inspect_sum *sum,
                             struct fault *fault);
