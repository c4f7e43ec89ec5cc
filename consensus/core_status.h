/* core_status: shows raft on the page of base/core_status.h. */
#pragma once

#include "base/core_status.h"
#include "consensus/raft.h"

/* core_status_init zeroes the page. Before the roles start. */
void core_status_init(struct core_status *status);

/* core_status_tell writes what raft says at now_ns (monotonic), and what this node is to others: at
 * once when leader, state or term changed, else at most every 10 ms, so that it may be called each
 * turn. Role: CORE. */
void core_status_tell(struct core_status *status, const struct raft *raft,
                      enum core_status_member member, uint64_t now_ns);
