/* tree_hash: from a path to the newest version of its node. Linear hashing: the table grows by one
 * bucket at a time, so an insert costs the same at ten nodes and at ten million, and no reader ever
 * meets a table that is being rebuilt.
 *
 *   buckets (reserved address space, touched as it grows)              overflow buckets (pool)
 *   ┌─────────────── 64 B ───────────────┬─────────┬─ ... ─┐
 *   │ slot 0 │ slot 1 │ ... │ 6 │ slot 7 ─┼─────────┼───────┼──▶ slot 0 │ ... │ slot 7 ──▶ ...
 *   └────────────────────────────────────┴─────────┴─ ... ─┘
 *   slot: 16 bits of the hash above a 48-bit pointer to the version; slot 7 of a full bucket is a
 *   link to an overflow bucket instead (low bit set).
 *
 * Readers take no lock and write nothing. The argument that a reader finds each path that is in the
 * table for the whole of its look-up:
 *   - An entry changes place only in a split: (1) copied to its new slot; (2) bucket count stored,
 *     then generation + 1 stored, both release; (3) the old slot cleared, release.
 *   - A reader loads generation, then the bucket count (acquire), probes with acquire loads, and on
 *     a miss loads generation again; if it changed, it starts over. If a reader missed an entry
 *     because it found the old slot cleared by (3), that acquire load makes (2) visible, so the
 *     second load of generation sees the change. If instead it saw the new generation at first, it
 *     also sees the new count and the copy (1).
 *   - When a bucket overflows, the entry of slot 7 is copied to the overflow bucket before the
 *     single store that turns slot 7 into the link: either way the reader meets the entry.
 *   - A pooled overflow bucket may be reused while a reader is on it. Its memory stays a bucket,
 *     paths are compared, and taking it off a chain changed the generation: a miss is retried.
 * A look-up that misses is repeated at most once for each split that ran during it; a hit never.
 *
 *               find insert remove freeze     get, scan
 *   find ...     X     X      X      X            -        X: role APPLY, one call at a time
 *   get, scan    -     -      -      -            -        -: safe at the same time, any role  */
#pragma once

#include "store/znode.h"

#include <stdbool.h>

#define TREE_HASH_SLOT_COUNT   8
#define TREE_HASH_LOAD_EIGHTHS 45 /* split when nodes * 8 > buckets * this: 5.6 nodes a bucket */
#define TREE_HASH_BUCKET_MIN   16

typedef _Atomic uint64_t tree_hash_slot;

struct tree_hash_bucket {
    _Alignas(64) tree_hash_slot slots[TREE_HASH_SLOT_COUNT];
};

struct tree_hash {
    /* written by APPLY, read by all */
    _Alignas(64) _Atomic uint64_t bucket_count;
    _Atomic uint64_t generation;
    struct tree_hash_bucket *buckets;
    uint64_t seed;
    _Atomic uint64_t memory_size; /* bytes of buckets in use */
    /* APPLY's own */
    _Alignas(64) uint64_t entry_count;
    uint64_t bucket_max;
    struct tree_hash_bucket *pool; /* overflow buckets: the pool's reserved region */
    uint64_t pool_used, pool_max;
    struct tree_hash_bucket *pool_free; /* chained by slot 7 */
    uint64_t pool_free_count;
    bool frozen; /* a walk is under way: no splits */
};

/* A place in a walk over all buckets; see tree_hash_scan. */
struct tree_hash_cursor {
    uint64_t bucket_index;
    struct tree_hash_bucket *bucket; /* NULL: begin at bucket_index */
    uint32_t slot;
};

/* tree_hash_init reserves room for node_max nodes. seed makes the places unpredictable to clients
 * (hash flooding). Returns 0 or ERR_NOMEM. */
MUST_USE int tree_hash_init(struct tree_hash *hash, uint64_t node_max, uint64_t seed);
void tree_hash_fini(struct tree_hash *hash);

/* tree_hash_presize gives an empty table as many buckets as `count` nodes want. APPLY. */
void tree_hash_presize(struct tree_hash *hash, uint64_t count);

/* tree_hash_of is the hash of a path, size >= 1. Any role. */
uint64_t tree_hash_of(const struct tree_hash *hash, struct bytes path);

/* tree_hash_prefetch touches the bucket where this hash lies. Any role. */
void tree_hash_prefetch(const struct tree_hash *hash, uint64_t value);

/* tree_hash_get gives the newest version of path (a tombstone too) or NULL. value =
 * tree_hash_of(path). Role: any reader. */
struct znode *tree_hash_get(const struct tree_hash *hash, struct bytes path, uint64_t value);

/* tree_hash_find gives the slot that holds the newest version of path, or NULL. Role: APPLY. */
tree_hash_slot *tree_hash_find(struct tree_hash *hash, struct bytes path, uint64_t value);

/* tree_hash_at is what a slot from tree_hash_find points to. */
struct znode *tree_hash_at(const tree_hash_slot *slot);

/* tree_hash_put makes the slot's new version visible to readers (release). Role: APPLY. */
void tree_hash_put(tree_hash_slot *slot, struct znode *node);

/* tree_hash_insert adds a path that is not there, and splits at most two buckets. Role: APPLY. */
void tree_hash_insert(struct tree_hash *hash, struct znode *node, uint64_t value);

/* tree_hash_remove takes the slot's path out. Role: APPLY. */
void tree_hash_remove(struct tree_hash *hash, tree_hash_slot *slot);

/* tree_hash_freeze(true) keeps every entry in its bucket until tree_hash_freeze(false). APPLY. */
void tree_hash_freeze(struct tree_hash *hash, bool frozen);

/* tree_hash_scan copies up to `max` newest versions to `nodes` from the cursor on ({0} to begin).
 * While the table is frozen, every path that is in it from begin to end is seen exactly once.
 * Returns how many; 0 at the end. Role: any reader. */
uint32_t tree_hash_scan(const struct tree_hash *hash, struct tree_hash_cursor *cursor,
                        struct znode **nodes, uint32_t max);
