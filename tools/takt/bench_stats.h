/* bench_stats: what one thread of a benchmark counted. One writer; merged when it has ended. */
#pragma once

#include "base/hist.h"
#include "tools/takt/benchmix.h"

#include <stdint.h>

#define BENCH_STATS_ERROR_COUNT 32

struct bench_stats {
    struct hist latency[BENCHMIX_OP_COUNT]; /* of requests meant for the measured window */
    uint64_t done[BENCHMIX_OP_COUNT];       /* answers that arrived within the window */
    struct {
        int32_t code;
        uint64_t count;
    } errors[BENCH_STATS_ERROR_COUNT]; /* by the server's code; the last one takes the overflow */
    uint64_t
        unanswered; /* meant for the window, no answer when the drain ended; their age counts */
    uint64_t lag_ns_max; /* open loop: most that this program itself sent late */
    uint64_t answered;   /* since the beginning, for the progress line */
};

void bench_stats_init(struct bench_stats *stats);
void bench_stats_error(struct bench_stats *stats, int32_t code);
void bench_stats_merge(struct bench_stats *into, const struct bench_stats *from);
uint64_t bench_stats_done(const struct bench_stats *stats);
