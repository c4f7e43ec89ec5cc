#!/usr/bin/env bash
# The verbs about the machine (doctor, jitter, cores, nic): on trees of files that look like machines,
# and on this one. TAP. Needs no root and changes nothing of the machine.
#
# usage: tests/system/test_host_cli.sh [BUILD_DIR]
set -uo pipefail
cd "$(dirname "$0")/../.."
case ${1:-} in -*) sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 0 ;; esac
build=${1:-build}
takt=$build/tools/takt
number=0 failed=0
work=$(mktemp -d)
export NO_COLOR=1
trap 'rm -rf "$work"' EXIT

for machine in vm server tuned; do
    "$build/tests/system/host_fixture" $machine "$work/$machine" ||
        { echo "Bail out! no fixture $machine"; exit 1; }
done

ok() { number=$((number + 1)); echo "ok $number - $1"; }
not_ok() {
    number=$((number + 1)) failed=$((failed + 1))
    echo "not ok $number - $1"
    printf '%s\n' "${@:2}" | cut -c1-400 | head -n 30 | sed 's/^/#   /'
}

# gives NAME CODE COMMAND... -- REGEX...: the exit code, and the output (both streams, lines joined
# by |) matches each.
gives() {
    local name=$1 wanted=$2 got code command=()
    shift 2
    while [ "$1" != -- ]; do command+=("$1"); shift; done
    shift
    got=$(timeout 60 "${command[@]}" 2>&1)
    code=$?
    local joined=${got//$'\n'/|} regex
    [ "$code" = "$wanted" ] || { not_ok "$name" "code $code, wanted $wanted" "$got"; return; }
    for regex in "$@"; do
        [[ $joined =~ $regex ]] || { not_ok "$name" "wanted: $regex" "$got"; return; }
    done
    ok "$name"
}

# json NAME EXPRESSION COMMAND...: stdout is one JSON value `a` for which the expression is true.
json() {
    local name=$1 expression=$2 got
    shift 2
    got=$(timeout 60 "$@" 2>"$work/stderr")
    if /usr/bin/python3 -c 'import json, sys
a = json.load(sys.stdin)
sys.exit(not eval("(" + sys.argv[1] + ")"))' "$expression" <<<"$got" 2>"$work/python"; then
        ok "$name"
    else
        not_ok "$name" "$expression" "$(tail -n 1 "$work/python")" "$got"
    fi
}

test_doctor() {
    local begin_ms end_ms
    gives "doctor: a tuned machine is B until it is measured" 0 \
        "$takt" doctor --root "$work/tuned" --cpus 18-23 --data /data -- 'class B' '\-\-measure'
    gives "doctor: class B is not enough where A is needed" 1 \
        "$takt" doctor --root "$work/tuned" --cpus 18-23 --need A -- 'class B'
    gives "doctor: a server out of the box" 0 \
        "$takt" doctor --root "$work/server" --cpus 18-23 --data /data -- \
        'fail +iso-cores ' 'fail +mem-thp ' 'nohz_full=18-23' 'irqbalance runs'
    gives "doctor: a guest is C, with reasons" 1 "$takt" doctor --root "$work/vm" -- \
        'class C' 'platform unqualified' 'because of cpu-real' 'because of cpu-steal' 'not to promise'
    gives "doctor: hot cpus are the plan's" 1 "$takt" doctor --root "$work/vm" -- 'hot cpus 1;'
    printf 'data:\n  dir: /tmp\nroles:\n  cpus:\n    net: [20]\n' >"$work/takt.yaml"
    gives "doctor: hot cpus of a configuration" 0 \
        "$takt" doctor --root "$work/tuned" --config "$work/takt.yaml" -- 'hot cpus 20;'
    gives "doctor: --all shows what is fine" 0 \
        "$takt" doctor --all --root "$work/tuned" --cpus 18-23 -- 'ok +cpu-crc32 '
    json "doctor: JSON, more than 40 checks, each with its why" \
        'a["class"] == "C" and len(a["findings"]) >= 40 and
         all(f["why"] and f["found"] and f["what"] for f in a["findings"]) and
         not a["bounds"]["promised"]' "$takt" doctor -o json --root "$work/vm"
    gives "doctor explain: one check" 0 "$takt" doctor explain mem-thp -- 'madvise' 'class B at best'
    gives "doctor explain: no such check" 1 "$takt" doctor explain nonsense -- 'no check "nonsense"'
    gives "doctor: a cpu that is not there" 1 "$takt" doctor --cpus 900 -- 'no cpu 900 here'
    gives "doctor: no list of cpus" 1 "$takt" doctor --cpus x -- 'no list of cpus'
    gives "doctor: no machine" 1 "$takt" doctor --root "$work/nothing" -- 'cannot be read'
    gives "doctor: fixtures are not measured" 1 "$takt" doctor --root "$work/vm" --measure -- \
        'does not go with --root'
    gives "doctor: a word too many" 2 "$takt" doctor now -- 'one word too many'
    begin_ms=$(date +%s%3N)
    "$takt" doctor --need C >"$work/out" 2>&1
    local code=$?
    end_ms=$(date +%s%3N)
    if [ $code = 0 ] && grep -q '^class [BC]' "$work/out" && [ $((end_ms - begin_ms)) -lt 3000 ]; then
        ok "doctor: this machine, within 3 s"
    else
        not_ok "doctor: this machine, within 3 s" "code $code, $((end_ms - begin_ms)) ms" \
            "$(cat "$work/out")"
    fi
    if grep -qw hypervisor /proc/cpuinfo; then
        gives "doctor --measure: gaps, clock, disk of this guest; class C" 1 \
            "$takt" doctor --measure --seconds 0.3 --data "$work" --all -- 'class C' \
            'measure-gaps +gaps of hot cores: cpu [0-9]+ was away' 'a read costs [0-9]+ ns' \
            'O_DSYNC p50 [0-9]+ p99.9 [0-9]+ us, fdatasync'
    fi
    [ -z "$(find "$work" -name '.takt-doctor*')" ] && ok "doctor --measure leaves no file" ||
        not_ok "doctor --measure leaves no file"
}

test_jitter() {
    gives "jitter: a table and bars for this machine's cpus" 0 "$takt" jitter --seconds 0.2 \
        --svg "$work/gaps.svg" --hdr "$work/gaps" -- 'cpu +p50 ns' 'cpu 0: steps' '█'
    json "jitter: JSON" 'len(a["cpus"]) == 1 and a["cpus"][0]["samples"] > 1000 and
        a["cpus"][0]["p50_ns"] <= a["cpus"][0]["max_ns"] and a["cpus"][0]["elapsed_ns"] > 9e7' \
        "$takt" jitter --seconds 0.1 --cpus 0 -o json
    gives "jitter: a gap over the limit is a failure" 1 "$takt" jitter --seconds 0.2 --cpus 0 \
        --limit 0.001 -- 'cpu 0'
    gives "jitter: a cpu that is not there" 1 "$takt" jitter --cpus 900 -- 'no cpu 900'
    if /usr/bin/python3 -c 'import sys, xml.dom.minidom as x
curves = [p for p in x.parse(sys.argv[1]).getElementsByTagName("path") if p.getAttribute("class") == "c"]
assert curves and all(c.getAttribute("d").startswith("M") for c in curves)' "$work/gaps.svg" &&
        head -n 1 "$work/gaps.cpu0" | grep -q 'Value .*Percentile .*TotalCount' &&
        grep -q '^#\[Max ' "$work/gaps.cpu0"; then
        ok "jitter: the SVG and the HDR file are what they should be"
    else
        not_ok "jitter: the SVG and the HDR file are what they should be"
    fi
}

test_doctor
test_jitter
echo "1..$number"
exit $((failed > 0))
