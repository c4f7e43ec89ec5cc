/* Goal: the wall clock that clock_now gives is the machine's, though it is not read each time.
 * Method: both are read side by side for some milliseconds. */
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

static int64_t wall_ms(void)
{
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    return (int64_t)at.tv_sec * 1000 + at.tv_nsec / 1000000;
}

static void test_the_wall_clock_is_the_machines(void **state)
{
    uint64_t end_ns = clock_mono_ns() + 20 * NS_PER_MS, before_ns = 0;
    while (clock_mono_ns() < end_ns) {
        int64_t least = wall_ms();
        struct now now = clock_now();
        int64_t most = wall_ms();
        assert_true(now.mono_ns >= before_ns);
        assert_true(now.wall_ms >= least - 1 && now.wall_ms <= most + 1);
        before_ns = now.mono_ns;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_the_wall_clock_is_the_machines)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
