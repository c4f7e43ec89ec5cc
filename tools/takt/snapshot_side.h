/* snapshot_side: one of two snapshots that are compared: read once, and of each znode only a mark
 * is kept, because znodes come in no order and a snapshot may be larger than the memory.
 *
 *   file ──read, every byte checked──▶ machine (sessions, lanes, settings, members)
 *                                  ├─▶ ACLs, by id
 *                                  └─▶ marks, sorted by path: 32 bytes a znode
 *
 * One thread. */
#pragma once

#include "store/machine.h"
#include "store/snapshot.h"

struct snapshot_mark {
    uint64_t path, parent; /* hashes of the path and of its parent's */
    uint64_t content;      /* hash of data, Stat and ACL */
    int64_t stamp;         /* the largest zxid in the Stat */
};

struct snapshot_side_acl {
    uint32_t id;
    struct bytes packed; /* owned */
};

struct snapshot_side {
    const struct disk_io *io; /* borrowed */
    char name[DISK_PATH_SIZE_MAX];
    struct snapshot_info info;
    struct tree *tree; /* empty: the machine wants one */
    struct machine *machine;
    struct snapshot_mark *marks;
    uint64_t mark_count, mark_room;
    struct snapshot_side_acl *acls; /* sorted by id once the znodes begin */
    uint32_t acl_count, acl_room;
    bool acls_sorted;
};

/* snapshot_side_read fills a side of which io and name are set and the rest is zero. Returns 0 or
 * what snapshot_read does; snapshot_side_fini is called in every case. */
MUST_USE int snapshot_side_read(struct snapshot_side *side, struct fault *fault);
void snapshot_side_fini(struct snapshot_side *side);

/* snapshot_side_mark finds a mark by its path's hash, or gives NULL. */
const struct snapshot_mark *snapshot_side_mark(const struct snapshot_side *side, uint64_t path);

/* snapshot_side_acl gives the packed ACL of an id; null when the snapshot has none. */
struct bytes snapshot_side_acl(struct snapshot_side *side, uint32_t id);

uint64_t snapshot_side_hash(struct bytes path);
