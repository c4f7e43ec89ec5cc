#!/usr/bin/env bash
# Builds taktd, takt and libtakt for a server, guided by a profile: the benchmarks of whole nodes run once with
# counters in the code, and gcc lays out and inlines by what they counted. A write, or a ZooKeeper client's
# read, then costs 10 to 20 % fewer instructions (perf/README.md). Some three minutes on two cores.
#
# usage: tools/pgo.sh [--check] [DIR]
#   DIR       the build directory; default: build-pgo. Afterwards: meson install -C DIR --no-rebuild
#   --check   also builds the benchmarks again, compares their instructions with those of the plain build
#             (perf/results/instructions.txt) and lets a node of this build serve the wire tests; prints TAP
#
# Needs gcc and the packages of tools/packages.sh install build test. Make it anew when the source has changed.
set -euo pipefail
cd "$(dirname "$0")/.."

die() { echo "tools/pgo.sh: $*" >&2; exit 1; }

check=0 dir=build-pgo
for word; do
    case $word in
    -h | --help) sed -n '2,13s/^# \{0,1\}//p' "$0"; exit 0 ;;
    --check) check=1 ;;
    -*) echo "tools/pgo.sh: unknown option $word; see --help" >&2; exit 2 ;;
    *) dir=$word ;;
    esac
done
[ "$dir" != build ] || die "build/ is the plain build: name another directory"

[ -n "${CC:-}" ] || ! command -v ccache >/dev/null || export CC='ccache gcc'
say() { echo "pgo: $*" >&2; }

# train BENCH ITERATIONS: all that it has, so many times each.
train() {
    "$dir/perf/bench_$1" --iterations="$2" >"$dir/train.$1.log" 2>&1 || die "bench_$1 failed: $dir/train.$1.log"
}

benches='perf/bench_pipeline perf/bench_beat perf/bench_ensemble perf/bench_net'
if [ -f "$dir/build.ninja" ]; then
    find "$dir" -name '*.gcda' -delete
    meson configure "$dir" -Db_pgo=generate >/dev/null
else
    meson setup "$dir" -Db_pgo=generate >"$dir.log" 2>&1 || die "meson setup failed: $dir.log"
    mv "$dir.log" "$dir/setup.log"
fi
grep -q 'C compiler for the host machine: .*(gcc ' "$dir/meson-logs/meson-log.txt" ||
    die "it needs gcc: CC=gcc tools/pgo.sh"
say "1 of 3: the benchmarks, with counters in them"
# shellcheck disable=SC2086
ninja -C "$dir" $benches >"$dir/ninja.log" || die "they do not build: $dir/ninja.log"
say "2 of 3: they run"
train pipeline 500
train beat 500
train ensemble 500
train net 20
say "3 of 3: taktd, takt and libtakt"
meson configure "$dir" -Db_pgo=use >/dev/null
installed=$(meson introspect "$dir" --targets | python3 -c '
import json, os, sys
root = os.path.realpath(sys.argv[1])
print(*[os.path.relpath(name, root) for t in json.load(sys.stdin) if t["installed"] for name in t["filename"]])' "$dir")
# shellcheck disable=SC2086
ninja -C "$dir" $installed >"$dir/ninja.log" || die "they do not build: $dir/ninja.log"
say "done: $dir/tools/taktd; meson install -C $dir --no-rebuild installs it"
[ "$check" = 1 ] || exit 0

# shellcheck disable=SC2086
ninja -C "$dir" $benches >"$dir/ninja.log" || die "the benchmarks do not build: $dir/ninja.log"
perf/regress.sh --build "$dir" --below 5 get-64 replicated-64 beat-memory-1
tests/system/run.py --build "$dir" wire
