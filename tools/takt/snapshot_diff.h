/* snapshot_diff: where two snapshots differ. Two passes over both files, in bounded memory:
 *
 *   1  marks of both sides (snapshot_side) ──merge by path──▶ paths that differ, as hashes
 *   2  both files again: of the paths found, the first `limit` by name, with their contents ──▶
 * line
 *
 * Snapshots of different log indexes are of different moments. A difference is *later* when the
 * zxids say that an entry between the two may have made it: what changed last behind the older one,
 * or is missing in the newer one below a parent that changed. A later one is counted, and shown
 * only when asked for. setACL leaves no zxid in a Stat, so it is never taken for later. One thread.
 */
#pragma once

#include "tools/takt/snapshot_side.h"

/* One difference. */
struct snapshot_diff_line {
    const char *kind;  /* "znode", or one of machine_diff's */
    const char *name;  /* the path, the session, ... */
    const char *field; /* of a znode in both: "data", "version", ...; else NULL */
    const char *a, *b; /* how it is there; NULL: it is not there */
};

struct snapshot_diff {
    struct snapshot_side side[2];
    uint32_t limit; /* znodes, and beside them as many other things, that are shown */
    bool later_too; /* show what is later, too */
    void (*line)(void *self, const struct snapshot_diff_line *line);
    void *self;
    /* results */
    uint64_t only[2], both; /* znodes, without later ones */
    uint64_t later;         /* znodes */
    uint64_t others;        /* sessions, lanes, ...; of different moments: not counted as later */
    uint64_t others_shown, znodes_shown;
    /* private */
    uint64_t *wanted; /* hashes of paths, sorted */
    uint64_t wanted_count, wanted_room;
    struct snapshot_diff_item *items; /* sorted by path */
    uint32_t item_count;
    uint32_t reading; /* the side that pass 2 reads */
};

/* snapshot_diff_run compares side[0] and side[1], of which io and name are set, and calls line for
 * what is to be shown. Returns 0, or what snapshot_side_read does. */
MUST_USE int snapshot_diff_run(struct snapshot_diff *diff, struct fault *fault);
void snapshot_diff_fini(struct snapshot_diff *diff);

/* Are they snapshots of one moment? And do they hold the same? After a run. */
bool snapshot_diff_one_moment(const struct snapshot_diff *diff);
bool snapshot_diff_same(const struct snapshot_diff *diff);
/* Or, of two moments, is there nothing but what the entries between them may explain? */
bool snapshot_diff_agree(const struct snapshot_diff *diff);
