#include "base/clock.h"

#include <time.h>

struct now clock_now(void)
{
    struct timespec mono, wall;

    clock_gettime(CLOCK_MONOTONIC, &mono);
    clock_gettime(CLOCK_REALTIME, &wall);
    return (struct now){
        .mono_ns = (uint64_t)mono.tv_sec * NS_PER_S + (uint64_t)mono.tv_nsec,
        .wall_ms = (int64_t)wall.tv_sec * 1000 + wall.tv_nsec / 1000000,
    };
}

uint64_t clock_mono_ns(void)
{
    struct timespec mono;

    clock_gettime(CLOCK_MONOTONIC, &mono);
    return (uint64_t)mono.tv_sec * NS_PER_S + (uint64_t)mono.tv_nsec;
}
