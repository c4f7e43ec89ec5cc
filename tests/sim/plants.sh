#!/usr/bin/env bash
# How many seeds does the simulator need for each planted bug of tests/plants.md? Builds the
# simulator once per bug (as -Dplant=N does), runs seeds of three nodes, and prints a row per bug: the
# seeds that fail, and the median distance from one to the next. By hand; takes minutes a bug.
#
#   tests/sim/plants.sh [--seeds COUNT] [--finds COUNT] [--tap] [--nodes 3] [--set knob=value]... [N ...]
#
# The last column of a bug's line, if any, is how the simulator is run for it, before --nodes and --set of here.
# It stops at COUNT seeds (400), or behind the twenty in which the COUNTth one (8) finds the bug.
# --tap prints a TAP line a bug in place of a row. Without numbers: all bugs. Exit code 1: a bug was not found.
set -euo pipefail
cd "$(dirname "$0")/../.."

count=400
finds=8
step=20
tap=0
run_args=()
plants=()
while [ $# -gt 0 ]; do
    case $1 in
    --seeds) count=$2; shift 2 ;;
    --finds) finds=$2; shift 2 ;;
    --tap) tap=1; shift ;;
    --nodes) run_args+=(--nodes "$2"); shift 2 ;;
    --set) run_args+=(--set "$2"); shift 2 ;;
    *) plants+=("$1"); shift ;;
    esac
done
if [ ${#plants[@]} -eq 0 ]; then
    mapfile -t plants < <(sed -nE 's/^\|? *([0-9]+) *\|.*/\1/p' tests/plants.md)
fi

build=build-plant
if [ ! -d "$build" ]; then
    command -v ccache >/dev/null && export CC="ccache ${CC:-gcc}"
    meson setup "$build" -Dperf=false -Dfuzz=false -Ddpdk=disabled -Dwhole_program=false >/dev/null
fi
ninja -C "$build" tests/sim/run >/dev/null
commands=$(ninja -C "$build" -t commands tests/sim/run)

# plant N: compiles anew only the files that know bug N, and links. The objects stand in thin
# archives, so that nothing else must be made; `plant 0` of the same files takes the bug out again.
plant() {
    local number=$1 file
    shift
    for file in "$@"; do
        (cd "$build" && eval "$(grep -F -- "-c ../$file" <<<"$commands" | head -n 1)" \
                             "-UTAKT_PLANT -DTAKT_PLANT=$number")
    done
    (cd "$build" && eval "$(tail -n 1 <<<"$commands")")
}

# median NUMBERS...: the middle one
median() {
    printf '%s\n' "$@" | sort -n | awk '{ at[NR] = $1 } END { print at[int((NR + 1) / 2)] }'
}

missed=0
row() { [ "$tap" = 1 ] || echo "$1"; }
verdict() { [ "$tap" = 0 ] || echo "$1"; }
row "| n | bug | seeds that find it | median seeds needed | first words |"
row "|---|---|---|---|---|"
for plant in "${plants[@]}"; do
    name=$(sed -nE "s/^\|? *$plant *\| *([^|]*[^| ]) *\|.*/\1/p" tests/plants.md | head -n 1)
    read -ra own_args < <(sed -nE "s/^\|? *$plant *\|[^|]*\|[^|]*\|[^|]*\| *(--[^|]*).*/\1/p" tests/plants.md) || true
    mapfile -t files < <(git grep -lE "TAKT_PLANT [=!]= $plant($|[^0-9])|PLANT(ED)?\\($plant\\)" -- '*.c' '*.h')
    if [ ${#files[@]} -eq 0 ]; then
        row "| $plant | $name | no such bug in the sources | | |"
        verdict "not ok - planted bug $plant: it is not in the sources"
        missed=1
        continue
    fi
    plant "$plant" "${files[@]}"
    log=$(mktemp)
    found=()
    for ((tried = 0; tried < count && ${#found[@]} < finds; tried += step)); do
        "$build/tests/sim/run" --nodes 3 "${own_args[@]}" "${run_args[@]}" -j2 \
                               --seeds "$((tried + 1))..$((tried + step))" >>"$log" 2>&1 || true
        mapfile -t found < <(sed -nE 's/^not ok - seed ([0-9]+).*/\1/p' "$log" | sort -n)
    done
    words=$(grep -vE '^(#|ok|not ok|1\.\.|seed |  node|  client|    member|[0-9]{4}-)' "$log" | sort | cut -c1-60 |
            sed -E 's/[0-9a-f]{6,}|[0-9]+/N/g' | sort | uniq -c | sort -rn | head -n 1 |
            sed -E 's/^ *[0-9]+ //; s/\|/ /g' || true)
    rm -f "$log"
    plant 0 "${files[@]}"
    gaps=()
    last=0
    for seed in "${found[@]}"; do
        gaps+=($((seed - last)))
        last=$seed
    done
    if [ ${#found[@]} -eq 0 ]; then
        verdict "not ok - planted bug $plant ($name): not found in $tried seeds"
        row "| $plant | $name | 0 of $tried | > $tried | - |"
        missed=1
    else
        verdict "ok - planted bug $plant ($name): seed ${found[0]}"
        row "| $plant | $name | ${#found[@]} of $tried | $(median "${gaps[@]}") | $words |"
    fi
done
exit $missed
