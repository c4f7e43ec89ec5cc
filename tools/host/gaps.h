/* gaps: how long a core is away while a thread does nothing but look at the clock. A polling role
 * never sleeps, so what hurts it is not how late a timer fires but these gaps: interrupts, the
 * scheduler, the host below a virtual machine, firmware.
 *
 *     clock  |·|·|·|·|·|···············|·|·|·|        every step between two reads is recorded
 *                       └─ the gap ────┘
 *
 * gaps_measure runs one cpu, gaps_measure_all several at the same time, a thread each. */
#pragma once

#include "base/hist.h"
#include "base/say.h"
#include "tools/host/cpulist.h"

#include <stdbool.h>

struct gaps {
    uint32_t cpu;
    struct hist steps; /* ns between two reads of the clock */
    uint64_t elapsed_ns;
    uint64_t lost_ns; /* in steps of more than 1 us */
    uint64_t over_10us, over_100us, over_1ms;
    double step_cost_ns; /* the usual one: what reading costs */
};

/* gaps_measure pins the calling thread to cpu (-1: leaves it where it is), spins for duration_ns,
 * and puts its mask back. Returns 0, or ERR_RANGE: that cpu is not allowed to this process. */
MUST_USE int gaps_measure(int cpu, uint64_t duration_ns, struct gaps *gaps);

/* gaps_measure_all does so on every cpu of the set at once. `gaps` has room for its count, in
 * order. Returns 0, ERR_RANGE or ERR_LIMIT (no thread), with a sentence. */
MUST_USE int gaps_measure_all(const struct cpulist *cpus, uint64_t duration_ns, struct gaps *gaps,
                              struct fault *fault);
