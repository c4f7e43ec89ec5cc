#!/usr/bin/env bash
# Counts instructions per iteration of a benchmark with valgrind, for machines whose counters a process
# may not read: the difference of two runs that differ only in the number of iterations.
#
# usage: perf/instructions.sh BENCH FILTER [ARG_MAX] [ITERATIONS]
#   perf/instructions.sh tree '^tree_get/1000/' 1000 20000
set -euo pipefail
cd "$(dirname "$0")/.."

case ${1:-} in
'' | -h | --help) sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 0 ;;
esac
bench=build/perf/bench_$1 filter=$2 arg_max=${3:-1000} iterations=${4:-10000}

count() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$bench" \
        --benchmark_filter="$filter" --arg-max="$arg_max" --iterations="$1" 2>&1 |
        sed -n 's/.*Collected : \([0-9]*\).*/\1/p'
}

few=$(count "$iterations") many=$(count $((iterations * 2)))
echo "$filter: $(((many - few) / iterations)) instructions per iteration"
