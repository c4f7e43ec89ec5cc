/* superblock: who this node is, and what it promised: cluster, node id, term and vote, and the
 * newest snapshot it knows of. Two checksummed copies, in files of their own.
 *
 *   superblock.0  ┌ magic, version, crc ┬ sequence ┬ cluster, node ┬ term, vote ┬ snapshot ┐ 512 B
 *   superblock.1  └─────────────────────┴──────────┴───────────────┴────────────┴──────────┘
 *
 * A save writes and syncs one copy, then the other, each in place. A crash damages at most the one
 * that was being written, and then the other is whole: it is the old state when copy 0 was being
 * written (the save never ended, nobody acted on it), the new one when copy 1 was. Afterwards both
 * are the same again: should the disk lose one copy later, the other does not lead back to an older
 * term, and the node cannot vote twice. Opening mends a copy that is damaged, missing or behind,
 * and says so.
 *
 * Blocks. Role: start-up, then one role at a time. */
#pragma once

#include "base/disk_io.h"

#include <stdbool.h>

#define SUPERBLOCK_SIZE    512u
#define SUPERBLOCK_VERSION 1u

struct superblock_state {
    uint8_t cluster_id[16];
    uint8_t node_id; /* in [1, 254] */
    uint8_t vote;    /* whom this node voted for in `term`; 0 = nobody */
    uint64_t term;
    uint64_t snapshot_index; /* newest snapshot known; 0 = none */
    uint64_t snapshot_term;
};

struct superblock {
    struct disk_io *io;
    uint64_t sequence; /* of the last save */
    struct superblock_state state;
};

/* What opening came across. */
struct superblock_report {
    bool created;
    bool mended; /* a copy was rewritten; `fault` says which and why */
    struct fault fault;
};

/* superblock_open reads the newest valid copy. When there is none at all, and no log and no
 * snapshot either, it makes them from `fresh` (whose cluster id was drawn just now). io outlives
 * the superblock. Returns 0; ERR_CORRUPT: both copies are damaged, they disagree on who the node
 * is, or they are missing where a log or a snapshot exists; ERR_CONFIG: the directory belongs to
 * another node id than fresh->node_id; ERR_VERSION; ERR_NOSPACE; ERR_IO; ERR_RANGE
 * (fresh->node_id). */
MUST_USE int superblock_open(struct superblock *superblock, struct disk_io *io,
                             const struct superblock_state *fresh, struct superblock_report *report,
                             struct fault *fault);

/* superblock_save makes a new state durable; when it returns 0, it may be acted upon. Assumes the
 * same cluster and node, and a term that does not go down. Returns 0, ERR_NOSPACE or ERR_IO: then
 * stop. */
MUST_USE int superblock_save(struct superblock *superblock, const struct superblock_state *state,
                             struct fault *fault);

/* superblock_read is superblock_open without making or mending anything, for tools. Returns as it
 * does; ERR_NOTFOUND when neither file exists. */
MUST_USE int superblock_read(struct superblock *superblock, struct disk_io *io,
                             struct superblock_report *report, struct fault *fault);
