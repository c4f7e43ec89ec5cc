#include "store/tree_state.h"

struct tree_walk tree_walk_begin(struct tree *tree, int64_t zxid)
{
    return (struct tree_walk){.tree = tree, .zxid = zxid};
}

uint32_t tree_walk_next(struct tree_walk *walk, const struct znode **nodes, uint32_t max)
{
    struct tree_hash_cursor cursor = {walk->at.bucket_index, walk->at.bucket, walk->at.slot};
    struct znode *some[64];
    uint32_t n = 0, scanned;
    CHECK(max > 0);
    do {
        uint32_t want = max < 64 ? max : 64;
        scanned = tree_hash_scan(&walk->tree->hash, &cursor, some, want);
        for (uint32_t i = 0; i < scanned; i++)
            __builtin_prefetch(some[i]);
        for (uint32_t i = 0; i < scanned; i++) {
            struct znode *node = znode_version_at(some[i], walk->zxid);
            if (node && !znode_is(node, ZNODE_TOMBSTONE))
                nodes[n++] = node;
        }
    } while (n == 0 && scanned > 0);
    walk->at.bucket_index = cursor.bucket_index;
    walk->at.bucket = cursor.bucket;
    walk->at.slot = cursor.slot;
    return n;
}
