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
    gives "doctor: no list of cpus" 2 "$takt" doctor --cpus x -- 'no list of cpus'
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

test_cores() {
    gives "cores show: a server" 0 "$takt" cores show --root "$work/server" -- \
        '2 sockets, 2 NUMA nodes, 32 cores, 64 cpus, two threads a core' 'card ens1' ' 18,50 '
    json "cores show: JSON" 'len(a["cpus"]) == 64 and a["cpus"][50]["node"] == 1' \
        "$takt" cores show --root "$work/server" -o json
    gives "cores show: this machine" 0 "$takt" cores show -- 'online'
    gives "cores plan: beside the card, a core each, with reasons" 0 \
        "$takt" cores plan --root "$work/server" --nic ens1 --net 2 -- 'layout spread: 5 hot threads' \
        'net0 +16 .*on the node 1 of ens1' 'hot cpus +16-20' 'left empty +48-52' 'nohz_full=16-20'
    gives "cores plan: by PCI address" 0 \
        "$takt" cores plan --root "$work/server" --nic 0000:af:00.0 -- 'node 1 of 0000:af:00.0'
    gives "cores plan: two cpus run everything together" 0 "$takt" cores plan --root "$work/vm" -- \
        'layout together' 'net0 core disk apply +1 '
    gives "cores plan: more threads than cores are refused" 1 \
        "$takt" cores plan --root "$work/vm" --layout spread -- '4 hot threads, and this machine has 1'
    gives "cores plan: no such card" 1 "$takt" cores plan --root "$work/vm" --nic x -- 'no network card'
    json "cores plan: JSON" 'a["idle"] == "spin" and a["hot"] == "18-23" and
        all(w["why"] for w in a["workers"])' \
        "$takt" cores plan --root "$work/tuned" --net 3 -o json
    local at=(--root "$work/server" --nic ens1 --net 2 --config "$work/node.yaml")
    printf '# mine\ndata:\n  dir: /tmp/x\nroles:\n  idle: park # calm\n' >"$work/node.yaml"
    cp "$work/node.yaml" "$work/node.was"
    cp -a "$work/server" "$work/server.was"
    gives "cores check: not as planned" 1 "$takt" cores check "${at[@]}" --system -- \
        'roles.layout +together -> spread' 'not as planned'
    gives "cores apply --dry-run changes nothing" 0 "$takt" cores apply "${at[@]}" --system --dry-run -- \
        'would write /proc/irq/25/smp_affinity_list: 0-63 -> 0-15,21-63'
    cmp -s "$work/node.yaml" "$work/node.was" && diff -r "$work/server" "$work/server.was" >/dev/null &&
        ok "cores apply --dry-run: nothing differs" || not_ok "cores apply --dry-run: nothing differs"
    gives "cores apply: the configuration and the system, each stage with its why" 0 \
        "$takt" cores apply "${at[@]}" --system -- 'cpuset isolated cgroup partition' 'why: ' \
        'wrote /sys/fs/cgroup/takt/cpuset.cpus.partition: member -> isolated' 'boot line' 'takt cores undo'
    gives "cores check: as planned now" 0 "$takt" cores check "${at[@]}" --system -- 'as planned'
    json "cores check: JSON" 'a["as_planned"] and not a["system"]' \
        "$takt" cores check "${at[@]}" --system -o json
    if grep -q '^# mine$' "$work/node.yaml" && grep -q 'net: \[16, 17\]' "$work/node.yaml"; then
        ok "cores apply keeps the file's own lines"
    else
        not_ok "cores apply keeps the file's own lines" "$(cat "$work/node.yaml")"
    fi
    gives "cores undo: the system" 0 "$takt" cores undo "${at[@]}" -- \
        'undid /proc/irq/25/smp_affinity_list: 0-63' 'as it was before apply'
    # The journal's values have no newline at their ends, as the kernel does not care for one.
    cmp -s "$work/node.yaml" "$work/node.was" && diff -rZB "$work/server" "$work/server.was" >"$work/out" 2>&1
    grep -vE 'subtree_control|^\\ No newline|^[<>-]|^[0-9,]*[acd][0-9]' "$work/out" >"$work/out2"
    [ -s "$work/out2" ] && not_ok "cores undo: everything is as before" "$(cat "$work/out2")" ||
        ok "cores undo: everything is as before"
    gives "cores undo: nothing to undo" 1 "$takt" cores undo "${at[@]}" -- 'nothing to undo'
    printf 'roles: {nets: 1}\n' >"$work/braces.yaml"
    gives "cores apply: braces are left to people" 1 "$takt" cores apply --root "$work/server" \
        --config "$work/braces.yaml" -- 'lines of their own'
    printf 'tickTime=2000\ndataDir=/tmp/x\nclientPort=2181\n' >"$work/zoo.cfg"
    gives "cores apply: a zoo.cfg has no such settings" 1 "$takt" cores apply --root "$work/server" \
        --config "$work/zoo.cfg" -- 'zoo.cfg'
    gives "cores apply: to what?" 2 "$takt" cores apply --root "$work/server" -- 'apply to what'
    gives "cores: no such word" 2 "$takt" cores dance -- 'no "takt cores dance"'
    gives "cores: no word" 2 "$takt" cores -- 'what about the cores'
}

# A running node, its roles moved to and fro under load: no request may fail or stay unanswered.
test_move() {
    local data=$work/move-data server try pid= code
    if [ "$(nproc)" -lt 2 ]; then
        number=$((number + 1)); echo "ok $number - cores move # SKIP one cpu"
        return
    fi
    for try in 1 2 3 4 5; do
        server=127.0.0.1:$((20000 + RANDOM % 10000))
        "$build/tools/taktd" --dev --listen "$server" --data "$data" --set roles.layout=spread \
            --set roles.nets=2 --set roles.idles=disk-park >"$work/taktd.log" 2>&1 &
        pid=$!
        timeout 20 "$takt" ready -s "$server" --timeout 10 2>/dev/null && kill -0 $pid && break
    done
    gives "cores workers: a running node's threads" 0 "$takt" cores workers --data "$data" -- \
        'net0 +any +hybrid' 'disk +any +park' 'snap reclaim'
    [ "$(stat -c %a "$data/control.sock")" = 600 ] && ok "cores: the socket is its user's alone" ||
        not_ok "cores: the socket is its user's alone"
    timeout 60 "$takt" bench -s "$server" --duration 4 --warmup 0 --connections 8 -o json \
        >"$work/bench" 2>"$work/bench.err" &
    local bench=$! moves=0 bad=0 role
    while kill -0 $bench 2>/dev/null; do
        for role in net0 net1 core disk apply snap; do
            "$takt" cores move $role $((moves % 2)) --data "$data" >/dev/null 2>"$work/move.err" ||
                { bad=$((bad + 1)); cp "$work/move.err" "$work/move.bad"; }
            moves=$((moves + 1))
        done
    done
    wait $bench
    code=$?
    if [ $code = 0 ] && [ $bad = 0 ] && [ $moves -gt 10 ] && /usr/bin/python3 -c 'import json, sys
a = json.load(open(sys.argv[1]))
sys.exit(a["errors"] != {} or a.get("unanswered", 0) != 0 or a["total"]["done"] < 100)' "$work/bench"; then
        ok "cores move: $moves moves under load, and no request failed"
    else
        not_ok "cores move: $moves moves under load, and no request failed" "code $code, $bad refused" \
            "$(cat "$work/move.bad" 2>/dev/null)" "$(cat "$work/bench" "$work/bench.err")"
    fi
    gives "cores move: a thread is where it was sent" 0 "$takt" cores move core 1 --data "$data" -- \
        'core +1 +hybrid'
    local tid
    tid=$(grep -lx core /proc/$pid/task/*/comm | head -n 1)
    grep -q '^Cpus_allowed_list:[[:space:]]*1$' "${tid%comm}status" &&
        ok "cores move: the kernel says so too" || not_ok "cores move: the kernel says so too"
    json "cores move any: JSON" 'a == [{"roles": "core", "cpu": -1, "idle": "hybrid"}]' \
        "$takt" cores move core any --data "$data" -o json
    gives "cores move: no such role" 1 "$takt" cores move cook 1 --data "$data" -- "no role 'cook'"
    gives "cores move: no such cpu" 1 "$takt" cores move core 1000 --data "$data" -- 'not there'
    gives "cores move: no number" 2 "$takt" cores move core x --data "$data" -- 'no cpu'
    gives "cores move: a word is missing" 2 "$takt" cores move core -- 'ROLE CPU'
    # callers that say nothing, or nonsense, or too much, do no harm
    /usr/bin/python3 - "$data/control.sock" <<'PYTHON' >"$work/out" 2>&1
import socket, sys, time
def say(what):
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    s.sendall(what)
    s.settimeout(5)
    got = s.recv(4096)
    s.close()
    return got
silent = socket.socket(socket.AF_UNIX)
silent.connect(sys.argv[1])
assert say(b'dance\n').startswith(b'error'), 'nonsense'
assert say(b'move core 1 2\n').startswith(b'error'), 'a word too many'
assert say(b'move core -7\n').startswith(b'error'), 'below any'
try:
    assert say(b'x' * 500) == b'', 'too long'
except ConnectionError:
    pass
assert say(b'workers\n').startswith(b'ok\n'), 'after all that'
PYTHON
    [ $? = 0 ] && ok "cores: bad callers of the socket are answered or dropped" ||
        not_ok "cores: bad callers of the socket are answered or dropped" "$(cat "$work/out")"
    kill $pid
    wait $pid
    code=$?
    [ $code = 0 ] && [ ! -e "$data/control.sock" ] && ok "cores: a stopped node takes its socket along" ||
        not_ok "cores: a stopped node takes its socket along" "code $code" "$(tail -n 5 "$work/taktd.log")"
    gives "cores workers: whose, is looked up" 1 "$takt" cores workers --config tools/etc/takt.yaml -- \
        'which node\? --data DIR; --config has no data.dir: no node with a page runs here|[0-9]+ nodes run here'
    gives "cores workers: no node there" 1 "$takt" cores workers --data "$data" -- 'no node runs there'
    gives "roles.idles: more spinning threads than cores are refused" 2 "$build/tools/taktd" --dev \
        --data "$data" --set roles.layout=spread --set roles.nets=16 --set roles.idles=net-spin -- \
        '16 workers would spin on [0-9]+ cores'
    gives "roles.idles: two that spin on one cpu are refused" 2 "$build/tools/taktd" --dev \
        --data "$data" --set roles.layout=spread --set roles.idles=core-spin,disk-pause \
        --set roles.cpus.core=1 --set roles.cpus.disk=1 -- 'both spin on cpu 1'
    gives "roles.idles: no such role" 2 "$build/tools/taktd" --dev --data "$data" \
        --set roles.idles=cook-spin -- "'cook-spin' is not a role"
    gives "roles.idles: one thread has one policy" 2 "$build/tools/taktd" --dev --data "$data" \
        --set roles.idles=core-spin,disk-park -- 'are for one thread'
}

test_nic() {
    gives "nic list: a server" 0 "$takt" nic list --root "$work/tuned" -- \
        'ens1 +0000:5e:00.0 +mlx5_core +up +25000 +1 .*default route' 'ens2 +0000:af:00.0 +ice'
    gives "nic list: this machine" 0 "$takt" nic list -- 'interface'
    json "nic show: JSON" 'a["pci"] == "0000:5e:00.0" and a["default_route"] and a["node"] == 1' \
        "$takt" nic show ens1 --root "$work/tuned" -o json
    gives "nic show: what stands in the way" 0 "$takt" nic show ens2 --root "$work/tuned" -- \
        'x16 at 8.0 GT/s' 'IOMMU group +none' 'in no IOMMU group'
    gives "nic bind: the default route stays" 1 "$takt" nic bind ens1 --root "$work/tuned" -- \
        "carries this machine's default route"
    gives "nic bind: another driver" 0 "$takt" nic bind ens2 --driver mlx5_core --root "$work/tuned" -- \
        '0000:af:00.0 went from ice to mlx5_core' 'takt nic unbind 0000:af:00.0'
    gives "nic unbind" 0 "$takt" nic unbind ens2 --root "$work/tuned" -- 'given back'
    if "$build/tools/taktd" --version | grep -q dpdk; then
        gives "nic show: a device that DPDK starts" 0 "$takt" nic show \
            --eal '--no-pci --no-huge -m 64 --no-shconf --vdev net_ring0' -- \
            'driver +net_ring' '802.1Q tag, put in +no +no +takt puts it in'
        gives "nic show: no such device" 1 "$takt" nic show --eal '--no-pci --no-huge -m 64 --no-shconf' -- \
            'DPDK found no device'
    fi
    gives "nic show: a device that nobody named" 1 "$takt" nic show --eal '' -- 'port.eal'
    gives "nic show: a card and a device" 2 "$takt" nic show ens1 --eal x -- 'without a card'
    gives "nic show: no such card" 1 "$takt" nic show ens7 --root "$work/tuned" -- 'no network card'
    gives "nic: no word" 2 "$takt" nic -- 'list; or show'
    gives "nic: no card" 2 "$takt" nic bind -- 'list; or show'
}

# A member's view of the others: two that run, one that is killed, one that says not where it is.
test_peers() {
    local base=$((30000 + RANDOM % 200 * 10)) id pids=() doctor
    for id in 1 2 3; do
        mkdir "$work/peer$id"
        echo $id >"$work/peer$id/myid"
        {
            echo "dataDir=$work/peer$id"
            for n in 1 2 3; do echo "server.$n=127.0.0.1:$((base + n)):$((base + 3 + n));127.0.0.1:$((base + 6 + n))"; done
        } >"$work/peer$id.cfg"
    done
    for id in 2 3; do
        "$build/tools/taktd" --config "$work/peer$id.cfg" >"$work/peer$id.log" 2>&1 &
        pids[id]=$!
    done
    timeout 40 "$takt" ready -s "127.0.0.1:$((base + 8))" --timeout 30 2>"$work/out"
    doctor=("$takt" doctor --measure --seconds 0.1 --all --need C --config)
    gives "doctor --measure: round trips to the members that run" 0 "${doctor[@]}" "$work/peer1.cfg" -- \
        'ok +measure-peers +round trips: 2: [0-9]+ us with a connect; 3: [0-9]+ us with a connect\|'
    json "doctor --measure: a round trip is in the bounds" 'a["bounds"]["rtt_ns"] > 1000 and
        any(f["id"] == "measure-peers" and f["state"] == "ok" for f in a["findings"])' \
        "${doctor[@]}" "$work/peer1.cfg" -o json
    sed '/^server.2/s/;.*//' "$work/peer1.cfg" >"$work/peer4.cfg"
    gives "doctor --measure: a member whose line has no client port" 0 "${doctor[@]}" "$work/peer4.cfg" -- \
        'unknown +measure-peers +round trips: 2: no client port in its line; 3: [0-9]+ us'
    kill -9 "${pids[3]}"
    wait "${pids[3]}" 2>/dev/null
    gives "doctor --measure: a member that is gone" 0 "${doctor[@]}" "$work/peer1.cfg" -- \
        'fail +measure-peers +round trips: 2: [0-9]+ us with a connect; 3: no answer'
    kill "${pids[2]}"
    wait "${pids[2]}" 2>/dev/null
}

test_doctor
test_peers
test_jitter
test_cores
test_move
test_nic
echo "1..$number"
exit $((failed > 0))
