#!/usr/bin/env bash
# Compares instructions per request with what was accepted: a get, a set, a get with a watch and
# its event, a get with two NETs, a write through three nodes. They are counted by valgrind, so other work on the machine does not show; the
# count of one request is the difference of two runs that differ only in their iterations.
#
# usage: perf/regress.sh [--accept] [--build DIR] [--below PERCENT] [NAME...]
#   --accept   takes what is counted now into perf/results/instructions.txt
#   --build    counts the benchmarks of another build directory than build/
#   --below    fails unless each is so much below what was accepted (tools/pgo.sh --check)
#   NAME       only these of its rows
#
# Prints TAP. Fails above 3 %; far below says so, that it may be accepted. Another compiler than the
# accepted figures' gives other counts: then each is a SKIP. Takes half a minute.
set -euo pipefail
cd "$(dirname "$0")/.."

accepted=perf/results/instructions.txt limit_percent=3 accept=0 build=build only=
while [ $# -gt 0 ]; do
    case $1 in
    --accept) accept=1 ;;
    --build) build=${2:?--build needs a directory}; shift ;;
    --below) : "${2:?--below needs a number}"; limit_percent=-$2; shift ;;
    -*) sed -n '2,15s/^# \{0,1\}//p' "$0"; [ "$1" = --help ] && exit 0; exit 2 ;;
    *) only="$only $1" ;;
    esac
    shift
done
if [ "$accept" = 1 ] && [ "$build$only" != build ]; then
    echo "perf/regress.sh: --accept takes all rows, of build/" >&2
    exit 2
fi

# name, benchmark, filter, iterations of the shorter run, requests in an iteration
cases='
get-1          pipeline ^pipeline_get/1/           2000 1
get-64         pipeline ^pipeline_get/64/          100  64
set-1          pipeline ^pipeline_set/1/           500  1
set-64         pipeline ^pipeline_set/64/          50   64
beat-get-64    beat     ^beat_get/64/              100  64
beat-renew-64  beat     ^beat_renew/64/            100  64
beat-set-64    beat     ^beat_set/64/              50   64
watched-event  net      ^net_tell_1000_watchers    16   1000
nets-1         nets     ^nets_get/1/               10   6400
nets-2         nets     ^nets_get/2/               10   12800
replicated-1   ensemble ^ensemble_set_leader/1/    500  1
replicated-64  ensemble ^ensemble_set_leader/64/   50   64
memory-1       ensemble ^ensemble_set_memory/1/    500  1
memory-64      ensemble ^ensemble_set_memory/64/   50   64
beat-memory-1  ensemble ^ensemble_beat_memory/1/   500  1
beat-memory-64 ensemble ^ensemble_beat_memory/64/  50   64
'

compiler=$(gcc --version | head -n 1)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# count NAME BENCH FILTER ITERATIONS: the instructions of a whole run, into a file.
count() {
    if timeout 120 valgrind --tool=callgrind --callgrind-out-file=/dev/null "$build/perf/bench_$2" \
        --benchmark_filter="$3" --iterations="$4" >"$work/log.$4" 2>&1; then
        sed -n 's/.*Collected : \([0-9]*\).*/\1/p' "$work/log.$4" >"$work/$1.$4"
    else
        : >"$work/$1.$4" # no figure: it is reported
    fi
}

# measure NAME BENCH FILTER ITERATIONS REQUESTS: instructions of one request, to a tenth.
measure() {
    count "$1" "$2" "$3" "$4" &
    count "$1" "$2" "$3" $((2 * $4)) &
    wait
    awk -v few="$(cat "$work/$1.$4")" -v many="$(cat "$work/$1.$((2 * $4))")" \
        -v requests=$(($4 * $5)) 'BEGIN {
            if (few == "" || many == "" || many - few < requests) exit 1
            printf "%.1f\n", (many - few) / requests }'
}

if ! command -v valgrind >/dev/null; then
    echo "ok - instructions per request # SKIP valgrind is not installed"
    exit 0
fi
if [ "$accept" = 0 ] && ! grep -qxF "# $compiler" "$accepted"; then
    echo "ok - instructions per request # SKIP accepted with another compiler than $compiler"
    exit 0
fi

new=$work/accepted
printf '# Instructions per request, by perf/regress.sh --accept on %s\n# %s\n' "$(date -u +%F)" \
    "$compiler" >"$new"
while read -r name bench filter iterations requests; do
    [ -n "$name" ] || continue
    [ -z "$only" ] || [[ "$only " == *" $name "* ]] || continue
    if ! now=$(measure "$name" "$bench" "$filter" "$iterations" "$requests"); then
        echo "not ok - instructions of $name: the benchmark could not be counted"
        accept=0
        continue
    fi
    printf '%-14s %s\n' "$name" "$now" >>"$new"
    [ "$accept" = 0 ] || { echo "ok - $name: $now"; continue; }
    was=$(awk -v name="$name" '$1 == name { print $2 }' "$accepted")
    awk -v now="$now" -v was="$was" -v name="$name" -v limit="$limit_percent" 'BEGIN {
        change = was ? (now / was - 1) * 100 : 1000
        printf "%sok - %s: %s instructions, accepted %s (%+.1f %%)\n",
            (change > limit ? "not " : ""), name, now, was ? was : "never", change
        if (change < -3 && limit > 0) print "# perf/regress.sh --accept keeps that" }'
done <<<"$cases"
[ -z "$only" ] || exit 0
# A second NET, on a thread of its own, must not make a read dearer.
awk '$1 == "nets-1" { one = $2 } $1 == "nets-2" { two = $2 }
    END { change = one ? (two / one - 1) * 100 : 1000
          printf "%sok - a read with 2 NETs costs each %+.1f %% of one with 1 (at most 10 %%)\n",
              (change > 10 ? "not " : ""), change }' "$new"
[ "$accept" = 0 ] || cp "$new" "$accepted"
