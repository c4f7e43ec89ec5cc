/* znode: the layout of one version of one node: everything in one allocation.
 *
 *   leaf       ┌───────────────┬──────┬──────────────────┐
 *              │ struct znode  │ path │ data, when small │
 *              │ 92 B          │      │                  │
 *              └───────────────┴──────┴──────────────────┘
 *   others     ┌─────────────────┬──────────────────────┬────────────────────┬──────┬──────┐
 *              │ struct znode    │ struct znode_parent  │ struct znode_blob *│ path │ data │
 *              │ 92 B, 4 unused  │ 24 B, once it had a  │ 8 B, large data    │      │      │
 *              └─────────────────┴─── child ────────────┴────────────────────┴──────┴──────┘
 *
 * A leaf with a path of up to 32 bytes and 100 B of data fits jemalloc's class of 224. Data above
 * ZNODE_INLINE_MAX lies in a blob that versions share, so a new child below a node of 1 MB does not
 * copy the megabyte.
 *
 * Everything is written before the version is published and never after, but for `older`, `next`
 * and `first_child` (atomic; written by APPLY, read by all) and `prev` and the blob's count (APPLY
 * only). The public accessors are in store/tree.h. */
#pragma once

#include "base/check.h"
#include "base/jute.h"
#include "base/limits.h"
#include "store/heap.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define ZNODE_INLINE_MAX    512              /* bytes of data kept in the version itself */
#define ZNODE_PATH_SIZE_MAX ((1u << 22) - 1) /* inclusive; a packet is smaller */
#define ZNODE_NAME_SIZE_MAX 126u           /* inclusive; longer names are looked for in the path */
#define ZNODE_PREV_REPLACED ((uintptr_t)1) /* `prev` of a version that is not current any more */

static_assert(LIMIT_PACKET_SIZE_MAX <= ZNODE_PATH_SIZE_MAX, "every path that can arrive fits");

/* path_bits: the path's size in bits [0, 22), these, and the last component's size above them. */
enum znode_flag {
    ZNODE_PARENT = 1u << 22,    /* has a struct znode_parent */
    ZNODE_BLOB = 1u << 23,      /* data lies in a blob */
    ZNODE_TOMBSTONE = 1u << 24, /* this version says: deleted */
};
#define ZNODE_NAME_SHIFT 25

struct znode {
    _Atomic(struct znode *) older; /* the version before; followed only while stamp > view */
    int64_t stamp;                 /* zxid of the change that made this version */
    int64_t czxid, mzxid, ctime_ms, mtime_ms;
    int64_t owner;                /* as stored, with the marks for containers and TTL */
    _Atomic(struct znode *) next; /* next sibling; frozen when this version is replaced */
    uintptr_t prev;               /* previous sibling or 0 = first; ZNODE_PREV_REPLACED */
    int32_t version, aversion;
    uint32_t acl;
    int32_t data_size;  /* -1 = null */
    uint32_t path_bits; /* sizes of path and name, enum znode_flag above */
};
/* What is stored of it: a leaf's path begins where the padding would be. */
#define ZNODE_HEAD_SIZE (offsetof(struct znode, path_bits) + sizeof(uint32_t))
static_assert(ZNODE_HEAD_SIZE == 92, "32 bytes of path and 100 B of data fit the 224-byte class");

struct znode_parent {
    int64_t pzxid;
    _Atomic(struct znode *) first_child; /* frozen when this version is replaced */
    int32_t creations;
    uint32_t child_count;
};
static_assert(sizeof(struct znode_parent) == 24, "part of the memory budget");

struct znode_blob {
    uint64_t ref_count; /* versions that share it; APPLY only */
    uint64_t size;
    uint8_t at[];
};

static inline uint32_t znode_path_size(const struct znode *node)
{
    return node->path_bits & ZNODE_PATH_SIZE_MAX;
}

static inline bool znode_is(const struct znode *node, enum znode_flag flag)
{
    return (node->path_bits & (uint32_t)flag) != 0;
}

static inline struct znode_parent *znode_parent(const struct znode *node)
{
    return znode_is(node, ZNODE_PARENT) ? (struct znode_parent *)(uintptr_t)(node + 1) : NULL;
}

/* Where what follows the head begins; aligned when a struct or a pointer comes first.
 */
static inline uint8_t *znode_tail(const struct znode *node)
{
    if (!(node->path_bits & (ZNODE_PARENT | ZNODE_BLOB)))
        return (uint8_t *)(uintptr_t)node + ZNODE_HEAD_SIZE;
    return (uint8_t *)(uintptr_t)(node + 1) +
           (znode_is(node, ZNODE_PARENT) ? sizeof(struct znode_parent) : 0);
}

static inline const uint8_t *znode_path_at(const struct znode *node)
{
    return znode_tail(node) + (znode_is(node, ZNODE_BLOB) ? sizeof(struct znode_blob *) : 0);
}

static inline bool znode_path_is(const struct znode *node, struct bytes path)
{
    return znode_path_size(node) == (uint32_t)path.size &&
           bytes_same(znode_path_at(node), path.at, (size_t)path.size);
}

/* The newest version whose stamp is <= zxid, or NULL; a tombstone counts as a
 * version. */
static inline struct znode *znode_version_at(struct znode *node, int64_t zxid)
{
    while (node && node->stamp > zxid)
        node = atomic_load_explicit(&node->older, memory_order_acquire);
    return node;
}

/* What a new version is made of. `from` gives every field that is not asked to
 * change. */
struct znode_recipe {
    const struct znode *from; /* the version before, or NULL for a first version */
    struct bytes path;
    struct bytes data;
    bool data_kept; /* take data from `from` (a blob is shared), `data` is not looked
                       at */
    bool parent;    /* make room for a struct znode_parent */
};

/* znode_make allocates a version; its links are zero, its fields those of `from` or
 * zero, its znode_parent that of `from` or {pzxid = czxid, no children}. Returns NULL
 * when the machine has no memory. Role: APPLY. */
struct znode *znode_make(struct heap *heap, const struct znode_recipe *recipe);

/* znode_free frees a version and its share of a blob. Role: APPLY. */
void znode_free(struct heap *heap, struct znode *node);

/* znode_footprint is the bytes that this version alone keeps from the heap (a blob
 * counts whole).
 */
uint64_t znode_footprint(const struct znode *node);
