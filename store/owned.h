/* owned: which nodes belong to whom: the ephemerals of each session, the containers, the nodes with
 * a time to live. Derived from the tree (a node's owner says it), kept beside it because closing a
 * session and reaping must not walk the tree.
 *
 *   hash of paths ──▶ struct owned ◀──next/prev──▶ struct owned      in one owned_list: of a
 * session, of all containers, of all TTL nodes
 *
 * The hash grows by moving a few buckets at each insertion, so no call takes long.
 * One role (APPLY) owns it: no two calls at the same time. */
#pragma once

#include "base/err.h"
#include "base/jute.h"

#include <stdbool.h>
#include <stdint.h>

struct owned_list {
    struct owned *first, *last;
    uint64_t count;
};

struct owned {
    struct owned *chain;       /* next in the bucket */
    struct owned *next, *prev; /* in the list, in order of insertion */
    struct owned_list *list;
    uint64_t hash;
    int32_t size;
    uint8_t path[];
};

struct owned_table {
    struct owned **buckets;
    uint64_t bucket_count; /* a power of two */
};

struct owned_index {
    struct owned_table now, old; /* old: still being emptied into now; 0 buckets when it is not */
    uint64_t move_next;          /* buckets of old below this one are empty */
    uint64_t count;
};

/* owned_init makes an empty index. Returns 0 or ERR_NOMEM. owned_fini frees all that is left. */
MUST_USE int owned_init(struct owned_index *index);
void owned_fini(struct owned_index *index);

/* owned_add enters a path at the end of list. Assumes it is not in the index. Borrows path.
 * Returns 0 or ERR_NOMEM. */
MUST_USE int owned_add(struct owned_index *index, struct owned_list *list, struct bytes path);

/* owned_find gives the entry of a path, or NULL; owned_remove takes it out and frees it. */
struct owned *owned_find(struct owned_index *index, struct bytes path);
void owned_remove(struct owned_index *index, struct owned *owned);

static inline struct bytes owned_path(const struct owned *owned)
{
    return bytes_of(owned->path, (size_t)owned->size);
}
