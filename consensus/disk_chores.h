/* disk_chores: what CORE asks of DISK besides batches, each done at once: the superblock, the log
 * begun anew, old entries, and the chunks of snapshot files. role_disk.h says when.
 *
 *   WRITE_SNAPSHOT, in order of offset ─▶ file "received" ──INSTALL──▶ synced, checked
 *       ─▶ superblock: installed (index, term, chain)     a crash here: the snapshot is not there,
 *       ─▶ renamed to snapshot.<index>, directory synced                 and the old log goes on
 *       ─▶ wal_reset                                      a crash here: recovery does it again
 *
 * The superblock is first, because a snapshot that the log does not reach is believed only when the
 * superblock knows that it came from a peer. */
#pragma once

#include "consensus/role_disk.h"

#define DISK_CHORES_RECEIVED "received" /* the snapshot that is on its way; not a snapshot's name */

/* disk_chores_waits: must the record wait until nothing is in flight? */
bool disk_chores_waits(uint32_t kind);

/* disk_chores_do does what the record of `size` bytes asks, and fills the answer. Assumes a kind
 * that is neither BATCH nor TRIM. Returns 0, or the ERR_* that ends the role. Blocks. Role: DISK.
 */
MUST_USE int disk_chores_do(struct role_disk *disk, const struct core_disk *ask, uint32_t size,
                            struct disk_core *answer);
