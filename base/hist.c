#include "base/hist.h"

#include "base/check.h"

#include <string.h>

static uint32_t hist_slot(uint64_t value)
{
    if (value < (1u << HIST_STEP_LOG2))
        return (uint32_t)value;
    uint32_t log2 = 63 - (uint32_t)__builtin_clzll(value);
    uint32_t shift = log2 - HIST_STEP_LOG2;
    return ((shift + 1) << HIST_STEP_LOG2) + (uint32_t)((value >> shift) - (1u << HIST_STEP_LOG2));
}

uint64_t hist_slot_value(uint32_t index)
{
    uint32_t block = index >> HIST_STEP_LOG2, step = index & ((1u << HIST_STEP_LOG2) - 1);
    if (block == 0)
        return step;
    uint32_t shift = block - 1;
    return ((((uint64_t)1 << HIST_STEP_LOG2) + step + 1) << shift) - 1;
}

void hist_init(struct hist *hist)
{
    memset(hist, 0, sizeof(*hist));
    hist->min_ns = UINT64_MAX;
}

void hist_record(struct hist *hist, uint64_t value_ns)
{
    if (value_ns >= (1ull << HIST_VALUE_LOG2))
        value_ns = (1ull << HIST_VALUE_LOG2) - 1;
    uint32_t slot = hist_slot(value_ns);
    DCHECK(slot < HIST_SLOT_COUNT);
    hist->slots[slot]++;
    hist->count++;
    hist->sum_ns += (double)value_ns;
    if (value_ns > hist->max_ns)
        hist->max_ns = value_ns;
    if (value_ns < hist->min_ns)
        hist->min_ns = value_ns;
}

void hist_merge(struct hist *into, const struct hist *from)
{
    for (uint32_t i = 0; i < HIST_SLOT_COUNT; i++)
        into->slots[i] += from->slots[i];
    into->count += from->count;
    into->sum_ns += from->sum_ns;
    if (from->max_ns > into->max_ns)
        into->max_ns = from->max_ns;
    if (from->min_ns < into->min_ns)
        into->min_ns = from->min_ns;
}

uint64_t hist_percentile(const struct hist *hist, double percent)
{
    uint64_t rank = (uint64_t)((double)hist->count * percent / 100.0 + 0.5), seen = 0;
    if (hist->count == 0)
        return 0;
    if (rank == 0)
        rank = 1;
    for (uint32_t i = 0; i < HIST_SLOT_COUNT; i++) {
        seen += hist->slots[i];
        if (seen >= rank) {
            uint64_t edge = hist_slot_value(i);
            return edge < hist->max_ns ? edge : hist->max_ns;
        }
    }
    return hist->max_ns;
}
