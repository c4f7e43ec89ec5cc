/* role_disk: the loop body of DISK, the only one that touches the log's files.
 *
 *   core_disk ─▶ BATCH ─▶ wal_append (memory of the log tail) ─▶ device ─▶ wal_poll ─▶ disk_core
 *            ├─▶ TRIM  ─▶ wal_trim_step, one file a turn, when nothing else is to be done
 *            └─▶ SAVE, READ, READ_SNAPSHOT, WRITE_SNAPSHOT, INSTALL: done within the turn
 *   spare segment: a slice of zeros when one is due, or when DISK has been quiet for a while
 *
 * Records are taken in the order in which CORE sent them, and a batch is submitted before the next
 * record is looked at. Which of their answers comes first:
 *
 *   SAVE            done at once, also while a batch is in flight: SAVED may come before DURABLE
 *                   of an earlier batch, and comes before that of every later one
 *   READ, *_SNAPSHOT  the same
 *   INSTALL         waits until the batch in flight is answered for
 *
 * Full-policies: CORE has at most one BATCH, one TRIM, one SAVE, one INSTALL, and
 * ROLE_DISK_READS_MAX of the others in flight. A buffer is lent from the request to its answer.
 * After an INSTALL nothing but the answer is told any more: the node starts anew. An error of READ
 * or READ_SNAPSHOT (ERR_NOTFOUND: no longer or not yet there; ERR_CORRUPT) is the asker's matter;
 * one of anything that writes ends the role.
 *
 * ROOM is told when it changes: when a batch is taken (what is in flight is not room), and when
 * more was found; never later than the DURABLE of the batch it counts. A failed write ends the
 * role: `failed` is called once with the reason, and nothing is answered any more, so that no
 * client is told of a write that may be lost. Full-policy of core_disk: it cannot be full; of
 * disk_core: HOLD. */
#pragma once

#include "base/counters.h"
#include "base/lines.h"
#include "base/link.h"
#include "consensus/log_tail.h"
#include "consensus/superblock.h"
#include "consensus/wal.h"

#define ROLE_DISK_READS_MAX 4
#define ROLE_DISK_QUIET_NS (2 * NS_PER_MS) /* without a batch for so long: time for the spare */

struct role_disk_config {
    const struct log_tail *tail;
    struct link *core_disk, *disk_core;
    struct counters *page; /* disk_* metrics and the sync times; may be NULL */
    /* Stops the node; called from poll, once. The fault is lent for the call. */
    void (*failed)(void *self, const struct fault *fault);
    void *failed_self;
    struct superblock *superblock; /* DISK's from now on; NULL: never SAVE or INSTALL */
    /* The name of a snapshot's file; and whether `file` is a whole snapshot of this place in the
     * log: 0 or an ERR_* with the reason. For *_SNAPSHOT and INSTALL; may be NULL without peers. */
    void (*snapshot_name)(char *name, uint64_t index);
    int (*snapshot_check)(void *self, const char *file, struct wal_position at,
                          struct fault *fault);
    void *snapshot_self;
};

struct role_disk {
    _Alignas(LINES_SIZE) struct role_disk_config config;
    struct wal *wal;
    struct core_disk batch; /* popped and not yet given to the wal; size 0: none */
    struct disk_core durable; /* of the last batch, not told yet; kind 0: told */
    uint64_t room_told;
    int32_t short_told; /* 0 or ERR_NOSPACE */
    uint64_t quiet_ns; /* when the last batch ended */
    uint64_t worst_ns;
    uint64_t sequence_seen; /* of the active segment */
    uint32_t trim_credit;   /* old segments that may go although DISK is busy */
    bool installed; /* the log is another one now: what CORE still sends for the old one is dropped,
                     * and the node starts anew from the snapshot */
    bool waits; /* an INSTALL waits until nothing is in flight: nothing new is begun */
    bool stopped, no_space_said;
    struct fault fault;
};

/* role_disk_init takes an opened wal, borrowed for the role's life. Returns 0 or ERR_RANGE (the
 * wal's segments are smaller than four of the tail's largest batches: CORE, which keeps two back,
 * would never see enough room). Before the roles start. */
MUST_USE int role_disk_init(struct role_disk *disk, const struct role_disk_config *config,
                            struct wal *wal);

/* struct role of dataplane/worker.h. */
uint32_t role_disk_poll(void *self, struct now now);
uint32_t role_disk_finish(void *self, struct now now); /* starts the batch of this turn */
bool role_disk_idle(void *self);
uint64_t role_disk_deadline_ns(void *self, struct now now);
int role_disk_park_fds(void *self, int *fds, int max);

/* role_disk_drain blocks until nothing is in flight, for a clean stop. After the role's last turn.
 * Returns 0 or the ERR_* that stopped the role. */
MUST_USE int role_disk_drain(struct role_disk *disk);
