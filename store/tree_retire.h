/* tree_retire: versions and tombstones that wait until no reader can meet them.
 *
 *   commit ─▶ queue, in stamp order ─tree_retired─▶ batch ··grace period·· ─tree_reclaim─▶ freed
 *               ▲                                                                │  │
 *               ├── second round: unlinked tombstones, versions cut from a chain ┘  ▼
 *               └── once the hold is over, some at a time ◀────────────────── held aside
 *
 *   REPLACED   not current since the change `stamp`. No view >= stamp stands on it.
 *   TOMBSTONE  the deletion of `stamp`. After a grace period it is taken out of the hash and the
 *              list of siblings and becomes LOOSE, unless the node was created again meanwhile.
 *   LOOSE      nothing that is current leads to it: freed after the grace period.
 *
 * A hold at H keeps REPLACED versions with version stamp <= H < stamp. Versions made and replaced
 * after H are not kept: they are cut out of their chain of versions, because an older one behind
 * them stays, and freed a grace period later. Tombstones after H stay where they are.
 *
 * All of it belongs to APPLY. */
#pragma once

#include "store/znode.h"

#include <stdbool.h>

struct tree;

enum tree_retire_kind {
    TREE_RETIRE_REPLACED = 0,
    TREE_RETIRE_TOMBSTONE = 1,
    TREE_RETIRE_LOOSE = 2
};

#define TREE_RETIRE_KIND_MASK  ((uintptr_t)3)
#define TREE_BATCH_ENTRY_COUNT 254 /* a chunk is 4080 bytes */
#define TREE_BATCH_CHUNK_MAX   16  /* chunks of one batch: bounds the turn that reclaims it */

struct tree_retire_entry {
    uintptr_t node_kind;
    int64_t stamp;
};

/* One chunk; a batch is a chain of them. */
struct tree_batch {
    struct tree_batch *next;
    uint32_t count;
    uint32_t sequence; /* of the batch, in its first chunk */
    struct tree_retire_entry entries[TREE_BATCH_ENTRY_COUNT];
};

struct tree_retire_list {
    struct tree_batch *first, *last;
};

struct tree_retire {
    struct tree_retire_list queue, held; /* held may outlive the hold: tree_retired empties it */
    uint64_t queue_count, held_count;
    uint32_t sequence_out, sequence_in;
    bool hold; /* a snapshot needs what is visible at hold_zxid */
    int64_t hold_zxid;
    uint64_t hold_size_limit, hold_size;
    _Atomic bool hold_broken; /* read by the holder */
};

/* tree_retire_add puts one entry at the queue's end; stamps never decrease. */
void tree_retire_add(struct tree *tree, struct znode *node, enum tree_retire_kind kind,
                     int64_t stamp);

/* tree_retire_reclaim is tree_reclaim. */
void tree_retire_reclaim(struct tree *tree, struct tree_batch *batch);

/* tree_retire_drop frees everything that waits; the tree is being destroyed. */
void tree_retire_drop(struct tree *tree);
