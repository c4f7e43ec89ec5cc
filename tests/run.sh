#!/usr/bin/env bash
# Runs every test of takt: installs what is missing, builds, runs the suites of tests/suites.
#
# usage: tests/run.sh [--quick] [--suite NAME]... [--list] [--ci] [--help]
#   --quick        the suites marked quick, and shorter forms of the long ones
#   --suite NAME   only this suite (may be given several times); also those run by hand only
#   --list         prints the suites and leaves
#   --ci           for CI: prints the log of a suite that failed, not only where it lies
#
# One line a suite with its counts and time; logs are kept in build/test-logs/NAME.log. The last line
# is always `N passed, N failed, N skipped`, and the exit code is 1 if any test failed.
set -uo pipefail
cd "$(dirname "$0")/.."

quick=0 ci=0 list=0
wanted=()
while [ $# -gt 0 ]; do
    case $1 in
    --quick) quick=1 ;;
    --ci) ci=1 ;;
    --list) list=1 ;;
    --suite) [ $# -gt 1 ] || { echo "--suite needs a name" >&2; exit 2; }; wanted+=("$2"); shift ;;
    --suite=*) wanted+=("${1#*=}") ;;
    -h | --help) sed -n '2,11s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "unknown option $1; see tests/run.sh --help" >&2; exit 2 ;;
    esac
    shift
done
export TAKT_TEST_QUICK=$quick

logs=build/test-logs
passed=0 failed=0 skipped=0
suite_time_s=900   # no suite may take longer; the whole run is meant to stay under 20 minutes

# Last words of every path out of here: exactly one line, alone at the end.
finish() {
    echo "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" = 0 ] && exit 0
    exit 1
}

# step TITLE COMMAND...: one set-up step; its output goes to a log and is shown when it fails.
step() {
    local title=$1 log begin
    shift
    log=$logs/setup-${title// /-}.log begin=$SECONDS
    if "$@" >"$log" 2>&1; then
        printf '%-16s done%38s\n' "$title" "$((SECONDS - begin)) s"
    else
        echo "$title failed; the end of $log:"
        tail -n 40 "$log"
        failed=$((failed + 1))
        finish
    fi
}

# built DIR OPTIONS...: configures DIR once and builds it. Talk goes to stderr; TAP has stdout.
built() {
    local dir=$1 cc=${CC:-gcc}
    shift
    [[ $cc != *ccache* ]] && command -v ccache >/dev/null && cc="ccache $cc"
    if [ ! -f "$dir/build.ninja" ]; then
        CC=$cc meson setup "$dir" --werror "$@" >&2 || return 1
    elif [ -n "$(find subprojects/packagefiles -name '*.tar' -newer "$dir/build.ninja")" ]; then
        meson setup --reconfigure "$dir" >&2 || return 1 # lwIP came, and with it the dpdk port
    fi
    ninja -C "$dir" >&2
}

meson_suite() { python3 tests/meson_tap.py "$@"; }

# count LOG EXIT_CODE: the TAP lines of one suite, added to the totals. Sets p, f and s.
count() {
    local tap
    tap=$(grep -aE '^(not )?ok([[:space:]]|$)|^Bail out!' "$1")
    s=$(grep -aciE '^ok.*#[[:space:]]*SKIP' <<<"$tap")
    p=$(($(grep -acE '^ok' <<<"$tap") - s))
    f=$(grep -acE '^(not ok|Bail out!)' <<<"$tap")
    why=
    if [ "$f" = 0 ] && [ "$2" != 0 ]; then
        f=1 why="the command ended with code $2"
        [ "$2" = 124 ] && why="stopped after $suite_time_s s"
    elif [ $((p + f + s)) = 0 ]; then
        f=1 why="no test ran"
    fi
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

run_suite() {
    local name=$1 command=$2 log=$logs/$1.log begin=$SECONDS code p f s why
    [ -t 1 ] && printf '%-16s running ...\r' "$name"
    timeout --kill-after=20 "$suite_time_s" bash -c "$command" >"$log" 2>"$log.err" </dev/null
    code=$?
    count "$log" "$code"
    printf '%-16s %5d passed, %3d failed, %3d skipped %9s\n' "$name" "$p" "$f" "$s" \
        "$((SECONDS - begin)) s"
    [ "$s" = 0 ] || grep -aiE '^ok.*#[[:space:]]*SKIP' "$log" | sed 's/^/    /' | head -n 20
    [ "$f" = 0 ] && return
    [ -n "$why" ] && echo "    $why"
    grep -aE '^(not ok|Bail out!)' "$log" | sed 's/^/    /' | head -n 40
    echo "    log: $log and $log.err"
    [ "$ci" = 1 ] && { tail -n 120 "$log"; tail -n 80 "$log.err"; }
}

table() { grep -vE '^[[:space:]]*(#|$)' tests/suites; }
trim() { sed 's/^[[:space:]]*//; s/[[:space:]]*$//' <<<"$1"; }

if [ "$list" = 1 ]; then
    table
    exit 0
fi
for name in "${wanted[@]+"${wanted[@]}"}"; do
    table | cut -d'|' -f1 | grep -qw -- "$name" || { echo "no suite '$name'; see --list" >&2; exit 2; }
done

mkdir -p "$logs"
step packages tools/packages.sh install build test
[ -x tools/fetch-lwip.sh ] && step lwip tools/fetch-lwip.sh
step build built build
export suite_time_s logs
export -f built meson_suite

while IFS='|' read -r name when command <&3; do
    name=$(trim "$name") when=$(trim "$when") command=$(trim "$command")
    if [ "${#wanted[@]}" -gt 0 ]; then
        [[ " ${wanted[*]} " == *" $name "* ]] || continue
    elif [ "$when" = hand ] || { [ "$quick" = 1 ] && [ "$when" != quick ]; }; then
        continue
    fi
    run_suite "$name" "$command"
done 3< <(table)
finish
