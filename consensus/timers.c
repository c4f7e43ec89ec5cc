#include "consensus/timers.h"

#include "base/check.h"
#include "base/clock.h"

int timers_init(struct timers *timers, uint32_t session_max, uint32_t tick_ms)
{
    *timers = (struct timers){0};
    int err = tick_ms > 3600000 ? ERR_RANGE
                                : expiry_init(&timers->coarse, session_max, tick_ms * NS_PER_MS);
    return err ? err : expiry_init(&timers->fine, session_max, TIMERS_FINE_NS);
}

void timers_fini(struct timers *timers)
{
    expiry_fini(&timers->coarse);
    expiry_fini(&timers->fine);
}

int timers_set(struct timers *timers, int64_t id, uint32_t timeout_ms, uint64_t now_ns)
{
    bool fine = timeout_ms * NS_PER_MS < 2 * timers->coarse.tick_ns;
    CHECK(timeout_ms > 0);
    expiry_remove(fine ? &timers->coarse : &timers->fine, id); /* a new attach may change wheels */
    if (timers_count(timers) == timers->coarse.session_max &&
        !expiry_known(fine ? &timers->fine : &timers->coarse, id))
        return ERR_FULL;
    return expiry_set(fine ? &timers->fine : &timers->coarse, id, timeout_ms, now_ns);
}

void timers_touch(struct timers *timers, int64_t id, uint64_t now_ns)
{
    expiry_touch(&timers->coarse, id, now_ns);
    if (timers->fine.count)
        expiry_touch(&timers->fine, id, now_ns);
}

void timers_remove(struct timers *timers, int64_t id)
{
    expiry_remove(&timers->coarse, id);
    expiry_remove(&timers->fine, id);
}

void timers_restart(struct timers *timers, uint64_t now_ns)
{
    expiry_restart(&timers->coarse, now_ns);
    expiry_restart(&timers->fine, now_ns);
}

int64_t timers_next(struct timers *timers, uint64_t now_ns)
{
    int64_t id = expiry_next(&timers->fine, now_ns);
    return id ? id : expiry_next(&timers->coarse, now_ns);
}

uint64_t timers_deadline_ns(const struct timers *timers)
{
    uint64_t coarse = expiry_deadline_ns(&timers->coarse);
    uint64_t fine = expiry_deadline_ns(&timers->fine);
    return coarse < fine ? coarse : fine;
}

uint32_t timers_count(const struct timers *timers)
{
    return timers->coarse.count + timers->fine.count;
}
