/* clock: the one place that asks the machine for the time. A role's turn reads it once and passes
 * the value down; everything pure receives `struct now` as an argument. */
#pragma once

#include <stdint.h>

struct now {
    uint64_t mono_ns; /* monotonic nanoseconds: deadlines and durations */
    int64_t wall_ms;  /* milliseconds since the Unix epoch: ctime, mtime and people */
};

#define NS_PER_MS 1000000ull
#define NS_PER_S  1000000000ull

/* clock_now reads CLOCK_MONOTONIC, and CLOCK_REALTIME when this thread has not for a millisecond: a
 * step of the wall clock is seen so much later. Any role. */
struct now clock_now(void);

/* clock_mono_ns reads CLOCK_MONOTONIC alone: for what measures, not for what decides. Any role. */
uint64_t clock_mono_ns(void);
