/* role_snap: the loop body of SNAP, which writes snapshots beside the running node.
 *
 *   APPLY: role_snap_request, between two commands          APPLY: role_snap_collect, each turn
 *     hold of the tree, pin of the ACLs, image of the          gives hold and pin back, yields the
 *     machine: bounded work, no copy of the tree               result: tell CORE that the log may
 * go │                                                        ▲ ▼ │ REQUESTED ──▶ SNAP: ACLs ──▶
 * nodes, a slice a turn ──▶ finish, purge ──▶ DONE
 *
 * One snapshot at a time. `state` is the mailbox: who stores it gives the other fields away
 * (release; acquire by the other). SNAP is a QSBR reader that is quiescent after each turn; it
 * blocks on the disk in its turn, so it wants a worker of its own.
 *
 *                    request collect   poll         X : role APPLY, one call at a time
 *   request, collect    X       X        -          - : safe at the same time */
#pragma once

#include "base/clock.h"
#include "base/lines.h"
#include "store/machine.h"
#include "store/snapshot.h"

#include <stdatomic.h>
#include <stdbool.h>

#define ROLE_SNAP_SLICE_NODES 1024 /* nodes written in one turn */

enum role_snap_state { ROLE_SNAP_IDLE, ROLE_SNAP_REQUESTED, ROLE_SNAP_RUNNING, ROLE_SNAP_DONE };

struct role_snap_config {
    const struct disk_io *io;
    struct tree *tree;
    struct machine *machine;
    uint8_t cluster_id[16];
    uint32_t kept_count; /* snapshots kept, in [1, SNAPSHOT_KEPT_COUNT_MAX] */
    uint64_t
        hold_size_limit; /* bytes of replaced versions kept for a snapshot before it gives up */
};

/* How a snapshot ended. */
struct role_snap_result {
    int err; /* 0; ERR_IO, ERR_NOSPACE, ERR_NOMEM; ERR_LIMIT: the tree changed too much meanwhile */
    uint64_t index, node_count, file_size;
    uint64_t begin_ns;  /* mono_ns of the turn in which it began */
    struct fault fault; /* of err; or, when err is 0, of a purge that failed; empty = none */
};

struct role_snap {
    _Alignas(LINES_SIZE) struct role_snap_config config;
    _Atomic uint64_t state; /* enum role_snap_state; a change of it wakes the other side's worker */
    /* the job: APPLY's until REQUESTED, then SNAP's until DONE */
    struct snapshot_info info;
    int64_t hold_zxid;
    uint8_t *image;
    uint64_t image_size;
    struct snapshot_write *write;
    struct tree_walk walk;
    uint32_t acl_next;
    struct role_snap_result result;
};

/* role_snap_init: before the roles start. Returns 0 or ERR_RANGE (kept_count). */
MUST_USE int role_snap_init(struct role_snap *snap, const struct role_snap_config *config);
/* role_snap_fini drops a snapshot under way. After the roles stopped; before tree and machine go.
 */
void role_snap_fini(struct role_snap *snap);

/* role_snap_request begins a snapshot of the machine's present state; chain is the log's hash chain
 * at its index. Returns 0, ERR_BUSY (one is under way) or ERR_NOMEM. Role: APPLY, between commands.
 */
MUST_USE int role_snap_request(struct role_snap *snap, uint64_t chain);

/* role_snap_collect gives the result of a snapshot that ended, once; false when there is none.
 * One acquire load when there is nothing. Role: APPLY, between commands. */
bool role_snap_collect(struct role_snap *snap, struct role_snap_result *result);

/* struct role of dataplane/worker.h. Assumes a thread that is a registered, online QSBR reader. */
uint32_t role_snap_poll(void *self, struct now now);
bool role_snap_idle(void *self);
