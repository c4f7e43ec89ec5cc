/* bench: Google Benchmark from C, in five calls. The shim (bench_shim.cc) is the only C++ here.
 *
 *     static void bench_lookup(struct bench *bench, int64_t node_count)
 *     {
 *         struct tree *tree = ...;                      set-up is not measured
 *         while (bench_next(bench))
 *             lookup(tree);                             this is
 *         bench_counter(bench, "bytes_per_node", ...);
 *     }
 *     int main(int argc, char **argv)
 *     {
 *         static const int64_t sizes[] = {1000, 1000000};
 *         bench_add("lookup", bench_lookup, sizes, 2);
 *         return bench_main(argc, argv);
 *     }
 *
 * Options: those of Google Benchmark (--benchmark_filter=..., --benchmark_format=json, ...), and
 *   --smoke            each benchmark at its smallest argument, a few iterations: tests run this
 *   --iterations=N     exactly N iterations each, for counting instructions (perf/instructions.sh)
 *   --arg-max=N        leaves out arguments above N
 * Where the machine lets a process count them, `instructions` per iteration are reported too. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct bench;

/* bench_add registers run(bench, arg) for each of `count` arguments, smallest first; count 0: once,
 * with 0. name and args live as long as the program. */
void bench_add(const char *name, void (*run)(struct bench *bench, int64_t arg), const int64_t *args,
               int count);

/* bench_next is true while one more iteration is to be made. */
bool bench_next(struct bench *bench);

/* bench_pause stops the clock, or lets it go on; inside of an iteration. Costs some 100 ns. */
void bench_pause(struct bench *bench, bool paused);

/* bench_counter reports a number beside the times. After the last iteration. "items" is special:
 * how many things one iteration does; reported as a rate. */
void bench_counter(struct bench *bench, const char *name, double value);

/* bench_main runs what was added. Returns the exit code. */
int bench_main(int argc, char **argv);

#ifdef __cplusplus
}
#endif
