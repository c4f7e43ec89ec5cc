/* timers: when each session expires, on two wheels (expiry.h): those of controllers want 100 us,
 * and the others a tick of the configuration, because a tick is how exactly ZooKeeper's expire and
 * how often a parked leader is woken for them.
 *
 *     timeout < 2 ticks ─▶ fine, TIMERS_FINE_NS          timeout >= 2 ticks ─▶ coarse, tick_ms
 *
 * 2 ticks are the least that a ZooKeeper client is given by default. Pure; fixed memory. Role:
 * CORE. */
#pragma once

#include "consensus/expiry.h"

#define TIMERS_FINE_NS 100000ull

struct timers {
    struct expiry coarse, fine;
};

/* As in expiry.h; timers_init: the same ranges, tick_ms in [1, 3600000]. */
MUST_USE int timers_init(struct timers *timers, uint32_t session_max, uint32_t tick_ms);
void timers_fini(struct timers *timers);
MUST_USE int timers_set(struct timers *timers, int64_t id, uint32_t timeout_ms, uint64_t now_ns);
void timers_touch(struct timers *timers, int64_t id, uint64_t now_ns);
void timers_remove(struct timers *timers, int64_t id);
void timers_restart(struct timers *timers, uint64_t now_ns);
int64_t timers_next(struct timers *timers, uint64_t now_ns);
uint64_t timers_deadline_ns(const struct timers *timers);
uint32_t timers_count(const struct timers *timers);
