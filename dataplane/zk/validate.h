/* validate: does a write's record decode? NET asks before it passes a write on, and answers -5
 * itself when not, so that nothing undecodable is ever logged (zk_protocol.md sections 6, 9). What
 * the fields mean (paths, flags, ACLs, versions) is decided by the state machine alone. Pure. */
#pragma once

#include "base/jute.h"

/* validate_record tells whether body decodes as op's request record; trailing bytes are allowed. A
 * multi always passes: a malformed one consumes a zxid, so the state machine answers it.
 * op: a write, sync or getEphemerals. */
bool validate_record(int32_t op, struct bytes body);
