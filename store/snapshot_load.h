/* snapshot_load: a snapshot file into a fresh state machine. Before the roles start. */
#pragma once

#include "store/machine.h"
#include "store/snapshot.h"

/* snapshot_load reads the file into a tree nobody has changed and the machine over it, and makes
 * its zxid the published one. Returns 0; what snapshot_read returns; ERR_CORRUPT also for contents
 * that contradict each other (a child without parent, an owner without session, a state hash that
 * is not the header's); ERR_LIMIT or ERR_NOMEM when the configuration or the machine is too small
 * for it. The fault names file and offset. After a failure machine and tree may only be destroyed.
 */
MUST_USE int snapshot_load(const struct disk_io *io, const char *name, struct tree *tree,
                           struct machine *machine, struct snapshot_info *info,
                           struct fault *fault);
