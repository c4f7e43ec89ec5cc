/* tree_state: what the files of the tree share. Nobody else includes this.
 *
 *   tree.c         writer calls, undo, readers' calls
 *   tree_retire.c  what is waiting for its grace period
 *   tree_hold.c    the hold of a snapshot on what is visible at one zxid
 *   tree_walk.c    the whole tree out
 *   tree_load.c    the whole tree in */
#pragma once

#include "store/tree.h"
#include "store/tree_hash.h"
#include "store/tree_retire.h"

/* Counters that a rollback puts back. */
struct tree_counts {
    uint64_t nodes;
    uint64_t data_size; /* sum of path and data sizes */
    uint64_t charge;    /* what the memory limit is measured by: see tree_charge */
};

struct tree {
    /* read by every reader, each turn */
    _Alignas(64) _Atomic int64_t published;
    /* read by CTL; written by APPLY at commit */
    _Alignas(64) _Atomic uint64_t nodes;
    _Atomic uint64_t data_size;
    _Atomic uint64_t charge_shown;
    struct tree_hash hash;
    struct heap heap;
    /* APPLY's own */
    struct tree_config config;
    int64_t zxid, time_ms; /* of the command that is open, or was last */
    bool in_command, loading;
    tree_hash_slot
        *slot_last; /* found last by the open command; NULL when entries may have moved */
    struct tree_counts counts, counts_before;
    struct znode **undo; /* versions made by the open command, in order */
    uint32_t undo_count, undo_room;
    uint64_t load_child_count; /* sum of what the loaded nodes count */
    struct tree_retire retire;
};

/* The charge of one node against the memory limit. Follows from the tree's contents alone, not
 * from garbage or the allocator: so every replica, and every replay, refuses the same commands. */
static inline uint64_t tree_charge(uint64_t path_size, int64_t data_size, bool parent)
{
    uint64_t size = sizeof(struct znode) + (parent ? sizeof(struct znode_parent) : 0) + path_size +
                    (data_size > 0 ? (uint64_t)data_size : 0);
    return ((size + 15) & ~15ull) + 16;
}

/* The path above a path that is not "/". */
static inline struct bytes tree_parent_path(struct bytes path)
{
    int32_t size = path.size;
    CHECK(size > 1);
    while (path.at[size - 1] != '/')
        size--;
    return bytes_of(path.at, size > 1 ? (size_t)size - 1 : 1);
}

/* tree_unlink takes a current version out of the list of its siblings. */
void tree_unlink(struct tree *tree, struct znode *node);

/* tree_show_counts makes the counters visible to the other roles. */
void tree_show_counts(struct tree *tree);
