#!/usr/bin/env bash
# takt top, takt trace and takt latency at a node that runs, that was killed, and that ended. TAP.
#
# usage: tests/system/test_page_cli.sh     needs build/tools/taktd and build/tools/takt
set -uo pipefail
cd "$(dirname "$0")/../.."
case ${1:-} in -*) sed -n '2,4s/^# \{0,1\}//p' "$0"; exit 0 ;; esac
takt=build/tools/takt number=0 failed=0 taktd_pid=
work=$(realpath "$(mktemp -d)")
export NO_COLOR=1
stop() {
    [ -z "$taktd_pid" ] || { kill "${1:--TERM}" "$taktd_pid"; wait "$taktd_pid"; } 2>/dev/null
    taktd_pid=
}
cleanup() {
    stop
    [ -z "${page:-}" ] || rm -f "$page" "$page.crashed"
    rm -rf "$work"
}
trap cleanup EXIT

# By a relative directory: who looks at its page stands somewhere else.
start() {
    local try taktd=$PWD/build/tools/taktd
    for try in 1 2 3 4 5; do
        server=127.0.0.1:$((20000 + RANDOM % 10000))
        (cd "$work" && exec "$taktd" --dev --listen "$server" --data data \
            --set page.trace_every=2 "$@") >"$work/taktd.log" 2>&1 &
        taktd_pid=$!
        timeout 20 "$takt" ready -s "$server" --timeout 5 2>/dev/null &&
            kill -0 $taktd_pid 2>/dev/null && return
    done
    sed 's/^/# /' "$work/taktd.log"
}

# check NAME CODE REGEX COMMAND...: the exit code, and what it says (lines joined by |).
check() {
    local name=$1 wanted=$2 regex=$3 got code
    shift 3
    got=$(timeout 30 "$takt" "$@" 2>&1 | tr '\n' '|'; exit "${PIPESTATUS[0]}")
    code=$?
    number=$((number + 1))
    if [ "$code" = "$wanted" ] && [[ $got =~ $regex ]]; then
        echo "ok $number - $name"
    else
        failed=$((failed + 1))
        echo "not ok $number - $name"
        echo "#   code $code, wanted $wanted; wanted /$regex/ in: $got"
    fi
}
json() { # json NAME PYTHON-EXPRESSION-OF-v COMMAND...
    local name=$1 expression=$2
    shift 2
    number=$((number + 1))
    if timeout 30 "$takt" "$@" 2>"$work/err" >"$work/out" && /usr/bin/python3 -c \
        "import json, sys; v = json.load(open(sys.argv[1])); assert $expression, v" "$work/out" 2>>"$work/err"; then
        echo "ok $number - $name"
    else
        failed=$((failed + 1))
        echo "not ok $number - $name"
        tail -n 3 "$work/err" | cut -c1-400 | sed 's/^/#   /'
    fi
}

start
node=(--data "$work/data")
"$takt" bench -s "$server" --ops get=1,set=1 -n 4 -w 2 -d 1.5 >/dev/null 2>&1
sleep 1.2 # CTL looks once a second
"$takt" bench -s "$server" --ops get=1,set=1 -n 4 -w 2 -d 4 >/dev/null 2>&1 &
load=$!
check "top: roles, links and steps" 0 "runs, pid $taktd_pid.*the last [0-9.]+ s.*of [0-9.]+ s, one request in 2.*write .*role .*apply.*link.*net_core" \
    top "${node[@]}" --once --interval 2.2
wait $load
json "top -o json: what is counted" \
    'v["state"] == "runs" and v["counters"]["net_writes_total"] > 10 and len(v["roles"]) >= 6 and len(v["links"]) >= 8' \
    top "${node[@]}" -o json --interval 0.2
check "trace: a write passes every stage in order" 0 \
    '[a-zA-Z]+, request [0-9a-f]+, entry [0-9]+: [^|]*\|  rx [^|]*\|  decode [^|]*\|  propose [^|]*\|  durable [^|]*\|  commit [^|]*\|  apply [^|]*\|  reply [^|]*\|  tx ' \
    trace "${node[@]}" --writes --count 3
json "trace -o json: times grow along the way" \
    'len(v) == 20 and all(sorted(w["ns"].values()) == list(w["ns"].values()) for w in v)' \
    trace "${node[@]}" --count 20 -o json
json "trace --slowest: the slowest first" \
    'len(v) == 20 and all(a["ns"]["tx"] >= b["ns"]["tx"] for a, b in zip(v, v[1:]))' \
    trace "${node[@]}" --slowest --count 20 -o json
json "latency: the parts of a write are shorter than the whole" \
    '(s := {x["step"]: x for x in v["steps"]}) and s["write"]["samples"] > 5 and s["durable"]["p50_ns"] < s["write"]["max_ns"] and s["read"]["samples"] > 5' \
    latency "${node[@]}" -o json
check "latency --plot draws" 0 'write: [0-9]+ samples\|.*50.0 %.*█' latency "${node[@]}" --step write --plot
check "latency --svg writes a file" 0 'is written' latency "${node[@]}" --svg "$work/l.svg"
number=$((number + 1))
if /usr/bin/python3 -c 'import sys, xml.dom.minidom as m; d = m.parse(sys.argv[1]); assert len(d.getElementsByTagName("polyline")) >= 8' "$work/l.svg" 2>"$work/err"; then
    echo "ok $number - the SVG is well-formed and has a curve for each step"
else
    echo "not ok $number - the SVG is well-formed and has a curve for each step"
    failed=$((failed + 1))
fi
number=$((number + 1))
if exec 3<>"/dev/tcp/${server%:*}/${server#*:}" && printf mntr >&3 && timeout 5 cat <&3 | grep -q "zk_takt_step_durable_ns_p99"; then
    echo "ok $number - mntr has the steps' percentiles"
else
    echo "not ok $number - mntr has the steps' percentiles"
    failed=$((failed + 1))
fi
page=$(ls -t /dev/shm/takt-"$(id -u)"-???????????????? | while read -r f; do
    timeout 5 "$takt" top --page "$f" --once -o json --interval 0.05 2>/dev/null | grep -q "\"$work/data\"" && echo "$f"; done)
check "an option that makes no sense" 2 'there is no step|one of' latency "${node[@]}" --step nonsense
check "a directory without a node" 1 'does not run' top --data "$work" --once
check "an empty file is no page" 1 'not a node.s page' top --page /dev/null --once
check "a file that is not a page" 1 'not a node.s page|another build' top --page /bin/true --once
stop -KILL
check "top: a killed node's page is still there" 0 'crashed or was killed.*nothing moves any more.*its whole life, [0-9.]+ s.*write .*net_core' \
    top "${node[@]}" --once
check "trace: and its last requests" 0 'durable' trace "${node[@]}" --writes
start
check "the next start keeps the crashed one's page" 0 'crashed or was killed' top --page "$page.crashed" --once
rm -f "$page.crashed"
stop
number=$((number + 1))
if [ -e "$page" ]; then
    echo "not ok $number - a node that ends in order takes its page away"
    failed=$((failed + 1))
else
    echo "ok $number - a node that ends in order takes its page away"
fi
start --set page.trace_every=100000
check "latency: nothing was stamped yet" 1 'no request was stamped so far; one in 100000 is' latency "${node[@]}"
stop
start --set page.shown=false
check "page.shown=false: nothing is shown" 1 'page.shown' top "${node[@]}" --once
echo "1..$number"
[ "$failed" = 0 ]
