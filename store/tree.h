/* tree: the znode tree. One writer (APPLY), any number of readers (NET) that never wait, never
 * retry over a write and see one state.
 *
 * Every change makes a new, immutable version of a node, stamped with the zxid that made it and
 * linked to the version before:
 *
 *     hash slot ──▶ version @57 ──older──▶ version @41 ──older──▶ version @12
 *                   (data, Stat, path, sibling links all in one allocation)
 *
 * A reader takes S = tree_published() once a turn, and of each node sees the newest version whose
 * stamp is <= S. So data and Stat agree, a list and its Stat agree, a multi is seen whole or not at
 * all, and any number of reads in one turn are one state. A deletion is a version too, a tombstone.
 * A version that was replaced at zxid Z may go once no reader can still hold a view < Z: one RCU
 * grace period (QSBR: a NET reports quiescence once a turn) after Z was published, and no snapshot
 * needs it.
 *
 *                  writer calls   reader calls (view)   tree_publish
 *   writer calls        X               -                    X          X: APPLY only, one at a
 * time reader calls        -               -                    -          -: safe at the same time
 */
#pragma once

#include "base/err.h"
#include "base/jute.h"
#include "base/say.h"
#include "base/zk.h"

#include <stdbool.h>
#include <stdint.h>

struct tree;
struct znode; /* one version of one node; immutable but for its links */

struct tree_config {
    /* Bytes charged for live nodes; tree_add and tree_set fail with ERR_NOMEM above it. The charge
     * follows from the contents alone (path, data, a fixed overhead), not from garbage or from the
     * allocator: every replica, and every replay, refuses the same commands. */
    uint64_t memory_limit;
    uint64_t nodes_max; /* most nodes, in [16, 2^32); address space is reserved for them */
    uint64_t hash_seed; /* keeps places in the hash unpredictable to clients */
};

/* tree_create makes a tree with "/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config" as
 * zk_protocol.md section 9 shows a fresh one. acl ids 0 = world:anyone:cdrwa, 1 = world:anyone:r.
 * Returns 0, ERR_NOMEM or ERR_RANGE. The caller's thread must be a registered QSBR reader later. */
MUST_USE int tree_create(struct tree **tree, const struct tree_config *config);
void tree_destroy(struct tree *tree);

/* ---- writer: role APPLY ------------------------------------------------------------------------
 * Changes of one command lie between tree_begin and tree_commit or tree_rollback; later changes of
 * the same command see earlier ones. Readers see none of it before tree_publish(zxid). */

/* tree_begin opens the command with this zxid (greater than any before) and time. */
void tree_begin(struct tree *tree, int64_t zxid, int64_t time_ms);
void tree_commit(struct tree *tree);
/* tree_rollback undoes every change since tree_begin, exactly. */
void tree_rollback(struct tree *tree);

/* tree_limit_set changes memory_limit; what is there already stays. Between commands. */
void tree_limit_set(struct tree *tree, uint64_t memory_limit);

/* tree_publish makes everything committed up to zxid visible: readers' views from now on are >= it.
 * What is committed behind it stays hidden until a later publish (APPLY on HOLD). Assumes the
 * changes were pushed to every apply_net link before (ARCHITECTURE.md, "watch before data"). */
void tree_publish(struct tree *tree, int64_t zxid);

/* tree_find gives the newest live version of the node at path (absolute, no trailing '/'), as the
 * writer sees it (uncommitted changes included), or NULL. Lends it until the next change of the
 * node. */
const struct znode *tree_find(struct tree *tree, struct bytes path);

/* tree_add creates a node below an existing parent: parent's child-creation count +1, pzxid.
 * owner: 0, a session id, ZK_OWNER_CONTAINER, or ZK_OWNER_TTL_TOP | ttl. data.size -1 = null data.
 * Assumes the path is valid, the parent lives and the node does not exist. Returns 0 or ERR_NOMEM
 * (limit; nothing changed). Borrows path and data. */
MUST_USE int tree_add(struct tree *tree, struct bytes path, struct bytes data, uint32_t acl_id,
                      int64_t owner);

/* tree_set replaces data: version +1, mzxid, mtime. Returns 0 or ERR_NOMEM (only when it grows the
 * node above the limit). Assumes the node lives. */
MUST_USE int tree_set(struct tree *tree, struct bytes path, struct bytes data);

/* tree_set_silent replaces data and nothing of the Stat but dataLength (quota usage nodes). */
MUST_USE int tree_set_silent(struct tree *tree, struct bytes path, struct bytes data);

/* tree_set_unversioned replaces data, mzxid and mtime; version is -1 from then on: that is how the
 * reference writes /zookeeper/config. Never refused at the limit: a few KiB; without memory for
 * them the node stops. */
void tree_set_unversioned(struct tree *tree, struct bytes path, struct bytes data);

/* tree_set_acl replaces the ACL id: aversion +1. Never fails for lack of memory (small reserve). */
void tree_set_acl(struct tree *tree, struct bytes path, uint32_t acl_id);

/* tree_remove deletes a childless node: parent's pzxid. Works at the memory limit (reserve). */
void tree_remove(struct tree *tree, struct bytes path);

/* ---- readers --------------------------------------------------------------------------------- */
struct tree_view {
    struct tree *tree;
    int64_t zxid; /* S: the one state this view shows */
};

/* tree_view opens a view at the published zxid. Assumes an online QSBR reader thread (or the APPLY
 * thread); valid until the thread's next quiescent state. A view costs two loads. */
struct tree_view tree_view(struct tree *tree);

/* tree_get gives the version of path in the view or NULL. "" is not "/". Lends it for the view. */
const struct znode *tree_get(const struct tree_view *view, struct bytes path);

/* tree_child_first/_next walk the children that live in the view, in an order fixed for the view
 * (unspecified otherwise). NULL at the end. parent: as returned by tree_get of this view. */
const struct znode *tree_child_first(const struct tree_view *view, const struct znode *parent);
const struct znode *tree_child_next(const struct tree_view *view, const struct znode *child);

/* tree_descendant_count counts all nodes below, recursively. Cost: one visit a node. */
uint64_t tree_descendant_count(const struct tree_view *view, const struct znode *top);

/* ---- a version's fields: any role that may hold the version ---------------------------------- */
struct bytes znode_path(const struct znode *node);
struct bytes znode_name(const struct znode *node); /* last component */
struct bytes znode_data(const struct znode *node); /* size -1 = null */
uint32_t znode_acl(const struct znode *node);
int64_t znode_owner(const struct znode *node); /* stored value, marks included */
uint32_t znode_child_count(const struct znode *node);
int32_t znode_creations(const struct znode *node); /* children ever created: the sequence counter */
/* znode_stat fills the Stat as the wire shows it: cversion = 2 * creations - children; owner 0 for
 * containers and TTL nodes. */
void znode_stat(const struct znode *node, struct zk_stat *stat);

/* znode_stat_put writes it, encoded, to the ZK_STAT_SIZE bytes at `at`: each field from the version
 * to its place. */
void znode_stat_put(const struct znode *node, uint8_t *at);

/* ---- memory ------------------------------------------------------------------------------------
 * tree_retired moves versions that may be freed after a grace period to the caller as one opaque
 * batch (NULL when there are none); after the grace period the batch is given to tree_reclaim.
 * In between: nothing may be assumed. Role: APPLY for both; only the waiting happens elsewhere. */
struct tree_batch;

/* A batch holds a bounded number of versions; call again, before or after its grace period, for the
 * rest. Batches come back in the order they went out, all of them before tree_destroy. */
struct tree_batch *tree_retired(struct tree *tree);
void tree_reclaim(struct tree *tree, struct tree_batch *batch);

/* tree_retired_count is how many versions wait to be handed out. Role: APPLY. */
uint64_t tree_retired_count(const struct tree *tree);

/* ---- the whole tree at one zxid: snapshots ----------------------------------------------------
 *   APPLY: tree_hold ──▶ SNAP: tree_walk_next, again and again, quiescent between calls
 *                                         ──▶ APPLY: tree_hold_release
 *
 * tree_hold keeps every version that is visible at the zxid last committed until tree_hold_release.
 * If more than size_limit bytes of replaced versions are kept for it, tree_hold_broken turns true:
 * the holder gives up and releases. One hold at a time. Returns the held zxid. Role: APPLY, between
 * commands. */
int64_t tree_hold(struct tree *tree, uint64_t size_limit);
void tree_hold_release(struct tree *tree);
bool tree_hold_broken(const struct tree *tree); /* any role */

struct tree_walk {
    struct tree *tree;
    int64_t zxid;
    struct {
        uint64_t bucket_index;
        void *bucket;
        uint32_t slot;
    } at;
};

/* tree_walk_begin starts a walk over all nodes that live at the held zxid, in no order. */
struct tree_walk tree_walk_begin(struct tree *tree, int64_t zxid);

/* tree_walk_next gives up to `max` (at least 1) nodes, each once; 0 = all were given. The walk
 * outlives quiescent states, the nodes given do not. Role: a QSBR reader that is online. */
uint32_t tree_walk_next(struct tree_walk *walk, const struct znode **nodes, uint32_t max);

/* A node with every stored field, as a snapshot has it. */
struct tree_image {
    struct bytes path, data;
    int64_t czxid, mzxid, pzxid, ctime_ms, mtime_ms, owner;
    int32_t version, aversion, creations;
    uint32_t acl, child_count;
};

/* znode_image describes a version; path and data borrow from it. */
struct tree_image znode_image(const struct znode *node);

/* A load replaces the built-in nodes of a tree nobody has changed yet: tree_load_begin (node_count
 * is a hint), tree_load_node for every node in any order, tree_load_end.
 * tree_load_node returns 0, ERR_CORRUPT (the path is not well-formed, or there already) or
 * ERR_NOMEM (nodes_max; the memory limit does not refuse what is there).
 * tree_load_end ties children to parents and makes zxid the published one; returns 0 or ERR_CORRUPT
 * (zxid < 0, no "/", a parent is missing, or a child count does not agree). `fault` names the path.
 * After a failure the tree may only be destroyed. Role: APPLY, before it runs. */
void tree_load_begin(struct tree *tree, uint64_t node_count);
MUST_USE int tree_load_node(struct tree *tree, const struct tree_image *image, struct fault *fault);
MUST_USE int tree_load_end(struct tree *tree, int64_t zxid, struct fault *fault);

/* Numbers for any role. memory: bytes now held, hash and garbage included. charge: what
 * memory_limit is measured by. node_count: live nodes as ZooKeeper counts them (with its internal
 * root one more: 5 in a fresh tree). data: sum of path and data sizes. */
uint64_t tree_memory_size(const struct tree *tree);
uint64_t tree_charge_size(const struct tree *tree);
uint64_t tree_node_count(const struct tree *tree);
uint64_t tree_data_size(const struct tree *tree);
int64_t tree_published(const struct tree *tree);
