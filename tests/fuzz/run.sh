#!/usr/bin/env bash
# Searches for inputs that break a fuzz target, with libFuzzer, ASan and UBSan.
#
# usage: tests/fuzz/run.sh [--keep] TARGET [SECONDS]      TARGET: a line of tests/fuzz/meson.build
#   --keep   adds what it found to tests/fuzz/corpus/TARGET (minimised); without it the tree is
#            not changed. An input that breaks the target is left as build-fuzz/TARGET-crash-*.
set -euo pipefail
cd "$(dirname "$0")/../.."

keep=0
[ "${1:-}" = --keep ] && { keep=1; shift; }
case ${1:-} in
'' | -*) sed -n '2,7s/^# \{0,1\}//p' "$0"; [ "${1:-}" = --help ] || exit 2; exit 0 ;;
esac
target=$1 seconds=${2:-60} corpus=tests/fuzz/corpus/$1
[ -d "$corpus" ] || { echo "no corpus $corpus; see tests/fuzz/meson.build" >&2; exit 2; }

if [ ! -f build-fuzz/build.ninja ]; then
    cc=clang
    command -v ccache >/dev/null && cc='ccache clang'
    CC=$cc meson setup build-fuzz -Dfuzz=true -Dperf=false -Ddpdk=disabled \
        -Db_sanitize=address,undefined -Db_lundef=false >/dev/null
fi
ninja -C build-fuzz "tests/fuzz/fuzz_$target"
found=build-fuzz/found-$target
mkdir -p "$found"
build-fuzz/tests/fuzz/fuzz_"$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=4096 \
    -artifact_prefix="build-fuzz/$target-" "$found" "$corpus"
if [ "$keep" = 1 ]; then
    build-fuzz/tests/fuzz/fuzz_"$target" -merge=1 "$corpus" "$found"
fi
