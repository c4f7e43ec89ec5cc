#include "tools/takt/bench_stats.h"

#include <string.h>

void bench_stats_init(struct bench_stats *stats)
{
    memset(stats, 0, sizeof(*stats));
    for (uint32_t i = 0; i < BENCHMIX_OP_COUNT; i++)
        hist_init(&stats->latency[i]);
}

static void bench_stats_errors(struct bench_stats *stats, int32_t code, uint64_t count)
{
    uint32_t i = 0;
    while (i < BENCH_STATS_ERROR_COUNT - 1 && stats->errors[i].count != 0 &&
           stats->errors[i].code != code)
        i++;
    stats->errors[i].code = code;
    stats->errors[i].count += count;
}

void bench_stats_error(struct bench_stats *stats, int32_t code)
{
    bench_stats_errors(stats, code, 1);
}

void bench_stats_merge(struct bench_stats *into, const struct bench_stats *from)
{
    for (uint32_t i = 0; i < BENCHMIX_OP_COUNT; i++) {
        hist_merge(&into->latency[i], &from->latency[i]);
        into->done[i] += from->done[i];
    }
    for (uint32_t i = 0; i < BENCH_STATS_ERROR_COUNT; i++)
        if (from->errors[i].count != 0)
            bench_stats_errors(into, from->errors[i].code, from->errors[i].count);
    into->unanswered += from->unanswered;
    into->answered += from->answered;
    if (from->lag_ns_max > into->lag_ns_max)
        into->lag_ns_max = from->lag_ns_max;
}

uint64_t bench_stats_done(const struct bench_stats *stats)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < BENCHMIX_OP_COUNT; i++)
        sum += stats->done[i];
    return sum;
}
