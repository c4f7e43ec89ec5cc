/* hist: a histogram of durations in fixed memory, after HdrHistogram: 64 linear steps in each power
 * of two, so a value is kept to within 1.6 %. Values are nanoseconds in [0, 2^40), larger ones
 * count as 2^40 - 1. One writer; hist_merge and the readers want it at rest. */
#pragma once

#include <stdint.h>

#define HIST_STEP_LOG2   6
#define HIST_VALUE_LOG2  40
#define HIST_SLOT_COUNT  ((HIST_VALUE_LOG2 - HIST_STEP_LOG2 + 1) << HIST_STEP_LOG2)

struct hist {
    uint64_t count, max_ns, min_ns;
    double sum_ns;
    uint64_t slots[HIST_SLOT_COUNT];
};

void hist_init(struct hist *hist);
void hist_record(struct hist *hist, uint64_t value_ns);
void hist_merge(struct hist *into, const struct hist *from);

/* hist_percentile gives the upper edge of the slot that holds the value below which `percent` of
 * the samples lie; percent in (0, 100]. 0 when empty; never above max_ns. */
uint64_t hist_percentile(const struct hist *hist, double percent);

/* hist_slot_value is the upper edge of slot `index` in [0, HIST_SLOT_COUNT), in ns. For plots. */
uint64_t hist_slot_value(uint32_t index);
