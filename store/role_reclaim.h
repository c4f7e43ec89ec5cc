/* role_reclaim: waits for grace periods, so that APPLY never does. The only role that may block in
 * its turn; it shares a worker with nothing hot (one with the readers themselves is fine: their
 * views do not outlive a turn).
 *
 *   apply_ctl ─▶ synchronize_rcu ─▶ ctl_apply */
#pragma once

#include "base/clock.h"
#include "base/lines.h"
#include "base/link.h"

struct role_reclaim {
    _Alignas(LINES_SIZE) struct link *apply_ctl, *ctl_apply;
};

uint32_t role_reclaim_poll(void *self, struct now now);
bool role_reclaim_idle(void *self);
