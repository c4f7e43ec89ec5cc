/* superblock: who this node is, and what it promised: cluster, node id, term and vote, whether it
 * may vote at all, and the newest snapshot. Two checksummed copies, in files of their own.
 *
 *   superblock.0  ┌ magic, version, crc ┬ sequence ┬ node, salt ┬ term, vote ┬ flags ┬ snapshot┐ 4K
 *   superblock.1  └─────────────────────┴──────────┴────────────┴────────────┴───────┴─────────┘
 *
 * A save writes and syncs one copy, then the other, each in place. A crash damages at most the one
 * that was being written, and then the other is whole: it is the old state when copy 0 was being
 * written (the save never ended, nobody acted on it), the new one when copy 1 was. Afterwards both
 * are the same again: should the disk lose one copy later, the other does not lead back to an older
 * term, and the node cannot vote twice. Opening mends a copy that is damaged, missing or behind,
 * and says so.
 *
 * A copy with the number of another version counts as damaged, too, while the other copy is whole:
 * a save of another build would have written both, or did not end. Only where none is whole, or
 * copy 1 is of a later save than copy 0, another build has written here, and this one refuses to.
 * The version and the sequence stay where they are in all versions to come.
 *
 * Two whole copies that contradict each other (the disk brought an old block back) are resolved by
 * this rule, and reported: the newer save counts, but nothing that was promised is taken back. The
 * higher term counts with its vote; two votes in one term count as a vote for somebody unknown
 * (SUPERBLOCK_VOTE_UNKNOWN: for nobody any more in this term); formed, catching_up,
 * unflushed, disk_lacks and forget stay set.
 *
 * Blocks. Role: start-up, then one role at a time. */
#pragma once

#include "base/disk_io.h"
#include "base/messages.h"

#include <stdbool.h>

#define SUPERBLOCK_SIZE         4096u
#define SUPERBLOCK_VERSION      2u /* 1: takt before ensembles, 512 bytes; not read any more */
#define SUPERBLOCK_VOTE_UNKNOWN 255

struct superblock_state {
    uint8_t cluster_id[16]; /* may change until `formed` */
    uint8_t node_id;        /* in [1, 254] */
    uint8_t vote;           /* whom this node voted for in `term`; 0 = nobody */
    bool formed;            /* the node belongs to an ensemble (or is one by itself) */
    bool catching_up;       /* it must not vote or campaign: what it promised may be lost */
    /* It acknowledges what is in memory only (durability.mode memory): saved as catching_up too, so
     * that this is what the next start finds unless a clean stop takes it away again. Counts once
     * the node is `formed`; before that it has promised nothing. */
    bool unflushed;
    /* While catching_up: its disk lacks something too (wiped, damaged, set back, forgotten), so
     * that what it promised is not on it, and --recover-from-disk gives it no vote. */
    bool disk_lacks;
    /* Log and snapshots belong to a history that was given up (core_forget.c): the next start puts
     * them aside. Saved with catching_up. */
    bool forget;
    uint64_t salt;        /* of the log, random, never changes */
    uint64_t incarnation; /* grows with each start */
    uint64_t term;
    uint64_t snapshot_index; /* newest snapshot known; 0 = none */
    uint64_t snapshot_term;
    /* the last snapshot that came from a peer: the log may end before it, and then begins anew */
    uint64_t installed_index, installed_term, installed_chain;
};

struct superblock {
    struct disk_io *io;
    uint64_t sequence; /* of the last save */
    struct superblock_state state;
};

/* What opening came across. */
struct superblock_report {
    bool created;
    bool mended;       /* a copy was rewritten; `fault` says which and why */
    bool contradicted; /* both were whole and disagreed: resolved by the rule above */
    struct fault fault;
};

/* superblock_open reads the newest valid copy. When there is none at all, and no log and no
 * snapshot either, it makes them from `fresh` (whose cluster id and salt were drawn just now). io
 * outlives the superblock. Returns 0; ERR_CORRUPT: both copies are damaged, they disagree on whose
 * they are (node, salt), or they are missing where a log or a snapshot exists; ERR_CONFIG: the
 * directory belongs to another node id than fresh->node_id; ERR_VERSION; ERR_NOSPACE; ERR_IO;
 * ERR_RANGE (fresh->node_id). */
MUST_USE int superblock_open(struct superblock *superblock, struct disk_io *io,
                             const struct superblock_state *fresh, struct superblock_report *report,
                             struct fault *fault);

/* superblock_save makes a new state durable; when it returns 0, it may be acted upon. Assumes the
 * same node and salt, the same cluster once it is formed, and a term that does not go down.
 * Returns 0, ERR_NOSPACE or ERR_IO: then stop. */
MUST_USE int superblock_save(struct superblock *superblock, const struct superblock_state *state,
                             struct fault *fault);

/* superblock_read is superblock_open without making or mending anything, for tools. Returns as it
 * does; ERR_NOTFOUND when neither file exists. */
MUST_USE int superblock_read(struct superblock *superblock, struct disk_io *io,
                             struct superblock_report *report, struct fault *fault);
