#include "tests/fault/fault_each.h"
#include "base/check.h"

static_assert(FAULT_DISK_HOW_COUNT == 4, "FAULT_EACH_TESTS names each way to fail");

void fault_each_test(void **state)
{
    const struct fault_each *each = *state;
    uint64_t n = 0;
    while (each->one(each->how, n))
        n++;
    if (n <= each->calls_min)
        fail_msg("the scenario made only %lu calls that can fail", (unsigned long)n);
}
