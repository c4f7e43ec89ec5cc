/* Goal: gaps of a core are seen, and only those. Method: a spin of known length on allowed cpus; a
 * step that must be there because another thread takes the core away for a known time. */
#include "base/clock.h"
#include "tools/host/gaps.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct gaps gaps[CPULIST_MAX];

static void test_spin(void **state)
{
    cpu_set_t before, after;
    assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
    int cpu = 0;
    while (!CPU_ISSET(cpu, &before))
        cpu++;
    assert_int_equal(gaps_measure(cpu, 50000000, gaps), 0);
    assert_int_equal(gaps->cpu, cpu);
    assert_true(gaps->elapsed_ns >= 49000000);
    assert_true(gaps->steps.count > 10000 && gaps->step_cost_ns < 10000);
    assert_true(gaps->over_10us >= gaps->over_100us && gaps->over_100us >= gaps->over_1ms);
    assert_true(gaps->lost_ns <= gaps->elapsed_ns);
    /* the steps add up to the time */
    assert_true(gaps->steps.sum_ns > 0.7 * (double)gaps->elapsed_ns);
    assert_int_equal(sched_getaffinity(0, sizeof(after), &after), 0);
    assert_true(CPU_EQUAL(&before, &after));
}

static void test_refused(void **state)
{
    struct cpulist cpus = {0};
    struct fault fault = {""};
    assert_int_equal(gaps_measure(CPULIST_MAX - 1, 1000, gaps), ERR_RANGE);
    assert_int_equal(gaps_measure(1 << 20, 1000, gaps), ERR_RANGE);
    cpulist_add(&cpus, CPULIST_MAX - 1);
    assert_int_equal(gaps_measure_all(&cpus, 1000, gaps, &fault), ERR_RANGE);
    assert_non_null(strstr(fault.text, "1023"));
}

static void *spin(void *stop)
{
    while (!atomic_load((_Atomic int *)stop))
        ;
    return NULL;
}

/* Another thread spins on the same cpu: its time slices must be seen as gaps. */
static void test_shared_core(void **state)
{
    static _Atomic int stop;
    cpu_set_t mine, one;
    pthread_t other;
    assert_int_equal(sched_getaffinity(0, sizeof(mine), &mine), 0);
    int cpu = 0;
    while (!CPU_ISSET(cpu, &mine))
        cpu++;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
    assert_int_equal(pthread_create(&other, NULL, spin, &stop), 0);
    assert_int_equal(gaps_measure(cpu, 300000000, gaps), 0);
    atomic_store(&stop, 1);
    pthread_join(other, NULL);
    assert_int_equal(sched_setaffinity(0, sizeof(mine), &mine), 0);
    assert_true(gaps->over_100us > 0);
    assert_true(gaps->lost_ns > gaps->elapsed_ns / 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spin),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_shared_core),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
