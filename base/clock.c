#include "base/clock.h"

#include <stdbool.h>
#include <time.h>

#define CLOCK_PAIR_NS 100000ull /* two clocks read further apart belong to two moments */

/* The wall clock is the monotonic one and what it was ahead of that, looked at anew each
 * millisecond: a turn reads one clock, not two. */
static _Thread_local int64_t clock_ahead_ns;
static _Thread_local uint64_t clock_ahead_until_ns;

static uint64_t clock_read_ns(clockid_t clock)
{
    struct timespec at;

    clock_gettime(clock, &at);
    return (uint64_t)at.tv_sec * NS_PER_S + (uint64_t)at.tv_nsec;
}

uint64_t clock_mono_ns(void)
{
    return clock_read_ns(CLOCK_MONOTONIC);
}

struct now clock_now(void)
{
    uint64_t mono_ns = clock_read_ns(CLOCK_MONOTONIC);

    if (mono_ns >= clock_ahead_until_ns) {
        clock_ahead_ns = (int64_t)(clock_read_ns(CLOCK_REALTIME) - mono_ns);
        bool torn = clock_read_ns(CLOCK_MONOTONIC) - mono_ns > CLOCK_PAIR_NS;
        clock_ahead_until_ns = torn ? 0 : mono_ns + NS_PER_MS;
    }
    return (struct now){
        .mono_ns = mono_ns,
        .wall_ms = ((int64_t)mono_ns + clock_ahead_ns) / (int64_t)NS_PER_MS,
    };
}
