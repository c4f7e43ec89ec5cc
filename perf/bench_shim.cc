// The C++ side of bench.h.
#include "perf/bench.h"

#include <benchmark/benchmark.h>

#include <cstdlib>
#include <cstring>
#include <linux/perf_event.h>
#include <set>
#include <string>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <vector>

struct bench {
    benchmark::State *state;
    int counter_fd; // instructions of this thread in user mode; -1: the machine does not say
    bool counting;
};

namespace
{

struct entry {
    const char *name;
    void (*run)(struct bench *, int64_t);
    std::vector<int64_t> args;
};

std::vector<entry> entries;

int counter_open()
{
    struct perf_event_attr attr;
    memset(&attr, 0, sizeof(attr));
    attr.size = sizeof(attr);
    attr.type = PERF_TYPE_HARDWARE;
    attr.config = PERF_COUNT_HW_INSTRUCTIONS;
    attr.disabled = 1;
    attr.exclude_kernel = 1;
    return static_cast<int>(syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0));
}

void run_entry(benchmark::State &state, const entry &e, int64_t arg)
{
    struct bench bench = {&state, counter_open(), false};
    e.run(&bench, arg);
    if (bench.counter_fd >= 0) {
        uint64_t count = 0;
        if (read(bench.counter_fd, &count, sizeof(count)) == sizeof(count) && count > 0)
            state.counters["instructions"] =
                static_cast<double>(count) / static_cast<double>(state.iterations());
        close(bench.counter_fd);
    }
}

bool option(const char *arg, const char *name, int64_t *value)
{
    size_t size = strlen(name);
    if (strncmp(arg, name, size) != 0)
        return false;
    *value = strtoll(arg + size, nullptr, 10);
    return true;
}

} // namespace

extern "C" void bench_add(const char *name, void (*run)(struct bench *bench, int64_t arg),
                          const int64_t *args, int count)
{
    entries.push_back({name, run, std::vector<int64_t>(args, args + count)});
}

extern "C" bool bench_next(struct bench *bench)
{
    if (!bench->counting && bench->counter_fd >= 0)
        ioctl(bench->counter_fd, PERF_EVENT_IOC_ENABLE, 0);
    bench->counting = true;
    bool more = bench->state->KeepRunning();
    if (!more && bench->counter_fd >= 0)
        ioctl(bench->counter_fd, PERF_EVENT_IOC_DISABLE, 0);
    return more;
}

extern "C" void bench_pause(struct bench *bench, bool paused)
{
    if (bench->counter_fd >= 0)
        ioctl(bench->counter_fd, paused ? PERF_EVENT_IOC_DISABLE : PERF_EVENT_IOC_ENABLE, 0);
    if (paused)
        bench->state->PauseTiming();
    else
        bench->state->ResumeTiming();
}

extern "C" void bench_counter(struct bench *bench, const char *name, double value)
{
    if (strcmp(name, "items") == 0)
        bench->state->SetItemsProcessed(
            static_cast<int64_t>(value * static_cast<double>(bench->state->iterations())));
    else
        bench->state->counters[name] = value;
}

extern "C" int bench_main(int argc, char **argv)
{
    int64_t iterations = 0, arg_max = INT64_MAX;
    bool smoke = false;
    int kept = 1;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--smoke") == 0)
            smoke = true;
        else if (!option(argv[i], "--iterations=", &iterations) &&
                 !option(argv[i], "--arg-max=", &arg_max))
            argv[kept++] = argv[i];
    }
    argc = kept;
    if (smoke)
        iterations = 3;
    std::set<std::string> seen;
    for (const entry &e : entries) {
        std::vector<int64_t> args = e.args;
        if (!seen.insert(e.name).second && smoke)
            continue;
        if (args.empty())
            args.push_back(0);
        for (int64_t arg : args) {
            if (arg > arg_max || (smoke && arg != args[0]))
                continue;
            std::string name = e.name;
            if (!e.args.empty())
                name += "/" + std::to_string(arg);
            auto *registered = benchmark::RegisterBenchmark(
                name.c_str(), [&e, arg](benchmark::State &state) { run_entry(state, e, arg); });
            if (iterations > 0)
                registered->Iterations(iterations);
        }
    }
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv))
        return 2;
    return benchmark::RunSpecifiedBenchmarks() > 0 ? 0 : 1;
}
