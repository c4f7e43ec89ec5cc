#include "tools/host/gaps.h"

#include "base/check.h"
#include "base/clock.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

#define GAPS_CALIBRATE_NS 10000000ull
#define GAPS_LOST_NS      1000u
#define GAPS_LOOK_STEPS   4096u /* steps between two looks at the end of the run */

static uint64_t gaps_mono_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

static inline uint64_t gaps_ticks(void)
{
#if defined(__x86_64__)
    return __rdtsc();
#else
    return gaps_mono_ns();
#endif
}

static double gaps_ns_per_tick(void)
{
    uint64_t begin_ns = gaps_mono_ns(), begin = gaps_ticks(), now_ns;
    while ((now_ns = gaps_mono_ns()) < begin_ns + GAPS_CALIBRATE_NS)
        ;
    return (double)(now_ns - begin_ns) / (double)(gaps_ticks() - begin);
}

static void gaps_note(struct gaps *gaps, uint64_t step_ns)
{
    hist_record(&gaps->steps, step_ns);
    if (step_ns <= GAPS_LOST_NS)
        return;
    gaps->lost_ns += step_ns;
    gaps->over_10us += step_ns > 10000;
    gaps->over_100us += step_ns > 100000;
    gaps->over_1ms += step_ns > 1000000;
}

static void gaps_spin(uint64_t duration_ns, struct gaps *gaps)
{
    double ns_per_tick = gaps_ns_per_tick();
    uint64_t begin = gaps_ticks(), last = begin;
    uint64_t end = begin + (uint64_t)((double)duration_ns / ns_per_tick);

    while (last < end) {
        for (uint32_t i = 0; i < GAPS_LOOK_STEPS && last < end; i++) {
            uint64_t now = gaps_ticks();
            gaps_note(gaps, (uint64_t)((double)(now - last) * ns_per_tick));
            last = now;
        }
    }
    gaps->elapsed_ns = (uint64_t)((double)(last - begin) * ns_per_tick);
    gaps->step_cost_ns = (double)hist_percentile(&gaps->steps, 50);
}

int gaps_measure(int cpu, uint64_t duration_ns, struct gaps *gaps)
{
    cpu_set_t before, set;

    memset(gaps, 0, sizeof(*gaps));
    hist_init(&gaps->steps);
    CHECK(sched_getaffinity(0, sizeof(before), &before) == 0);
    if (cpu >= 0) {
        CPU_ZERO(&set);
        if (cpu < CPU_SETSIZE)
            CPU_SET(cpu, &set);
        if (sched_setaffinity(0, sizeof(set), &set) != 0)
            return ERR_RANGE;
        gaps->cpu = (uint32_t)cpu;
    }
    gaps_spin(duration_ns, gaps);
    if (cpu >= 0)
        (void)!sched_setaffinity(0, sizeof(before), &before);
    return 0;
}

struct gaps_thread {
    pthread_t thread;
    int cpu;
    uint64_t duration_ns;
    struct gaps *gaps;
    int err;
};

static void *gaps_run(void *arg)
{
    struct gaps_thread *thread = arg;
    thread->err = gaps_measure(thread->cpu, thread->duration_ns, thread->gaps);
    return NULL;
}

int gaps_measure_all(const struct cpulist *cpus, uint64_t duration_ns, struct gaps *gaps,
                     struct fault *fault)
{
    uint32_t count = cpulist_count(cpus), started = 0;
    struct gaps_thread *threads = calloc(count ? count : 1, sizeof(*threads));
    int err = threads ? 0 : fault_set(fault, ERR_NOMEM, "no memory for %u threads", count);

    for (uint32_t cpu = cpulist_next(cpus, 0); !err && cpu < CPULIST_MAX;
         cpu = cpulist_next(cpus, cpu + 1)) {
        struct gaps_thread *thread = &threads[started];
        *thread = (struct gaps_thread){
            .cpu = (int)cpu, .duration_ns = duration_ns, .gaps = &gaps[started]};
        if (pthread_create(&thread->thread, NULL, gaps_run, thread) != 0)
            err = fault_set(fault, ERR_LIMIT, "no thread for cpu %u", cpu);
        else
            started++;
    }
    for (uint32_t i = 0; i < started; i++) {
        pthread_join(threads[i].thread, NULL);
        if (threads[i].err && !err)
            err = fault_set(fault, threads[i].err, "this process may not run on cpu %d",
                            threads[i].cpu);
    }
    free(threads);
    return err;
}
