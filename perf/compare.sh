#!/usr/bin/env bash
# takt beside ZooKeeper 3.8 (Debian's): the same load, one after the other in one run, alternating;
# prints a table of ratios with the target of each line beside it, PASS or MISS.
#
# usage: perf/compare.sh [--quick] [--rounds R] [--seconds S] [--servers "zk takt"] [--only "NAMES"]
#                        [--dir DIR] [--accept]
#   --quick      smoke: one round, short, small; under 60 s; its figures mean nothing
#   --rounds R   rounds for each server (3); the table shows the median
#   --seconds S  measured seconds of each load (6)
#   --servers    which: zk, takt, or both
#   --only       of: get64 set64 get1 set1 open watch sessions load
#   --dir DIR    where data goes: the disk that is measured (build/perf-data)
#   --accept     also keep the result, with date and machine, under perf/results/
#
# Environment: TAKTD, TAKT (binaries), TAKTD_OPTIONS (more options for taktd), ZK_HEAP (1000m: what
# ZooKeeper's own scripts give it). Needs java, libzookeeper-java and python3. Raw results: build/perf/.
set -uo pipefail
cd "$(dirname "$0")/.."

quick=0 rounds=3 seconds=6 servers="zk takt" accept=0 data_dir=build/perf-data
only="get64 set64 get1 set1 open watch sessions load"
while [ $# -gt 0 ]; do
    case $1 in
    --quick) quick=1 ;;
    --rounds) rounds=$2; shift ;;
    --seconds) seconds=$2; shift ;;
    --servers) servers=$2; shift ;;
    --only) only=$2; shift ;;
    --dir) data_dir=$2; shift ;;
    --accept) accept=1 ;;
    -h | --help) sed -n '2,17s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "unknown option $1; see --help" >&2; exit 2 ;;
    esac
    shift
done
warmup=3 conns=64 window=64 watchers=1000 znodes=1000000 parents=1000 ready_s=60
if [ $quick = 1 ]; then
    rounds=1 seconds=0.5 warmup=0.4 watchers=100 znodes=20000 parents=20
fi
takt=${TAKT:-build/tools/takt} taktd=${TAKTD:-build/tools/taktd} heap=${ZK_HEAP:-1000m}
echo_bin=build/perf/perf_echo dsync_bin=build/perf/perf_dsync
jar=/usr/share/java/zookeeper.jar
out=build/perf/compare-$(date +%Y%m%d-%H%M%S)

complain() { echo "compare: $*" >&2; }
for need in "$takt" "$echo_bin" "$dsync_bin"; do
    [ -x "$need" ] || { complain "$need is not built; run: ninja -C build"; exit 2; }
done
case $servers in *takt*) [ -x "$taktd" ] || { complain "$taktd is not built"; exit 2; } ;; esac
case $servers in *zk*) [ -f $jar ] || { complain "no $jar: apt install zookeeper"; exit 2; } ;; esac
mkdir -p "$out" "$data_dir"
data_dir=$(cd "$data_dir" && pwd)
raw=$out/raw.jsonl
: >"$raw"

server_pid='' echo_pid='' port=0 failed=0
cleanup() {
    [ -n "$server_pid" ] && kill -KILL "$server_pid" 2>/dev/null
    [ -n "$echo_pid" ] && kill "$echo_pid" 2>/dev/null
    rm -rf "$data_dir"/compare-*
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# A port that nobody listens on, from the range that the kernel does not hand out by itself.
free_port() {
    local p
    for _ in $(seq 100); do
        p=$((20000 + RANDOM % 10000))
        (exec 3<>"/dev/tcp/127.0.0.1/$p") 2>/dev/null || { echo "$p"; return; }
    done
}

# launch KIND DIR: starts a server on $port without waiting; its data in DIR, which may hold some.
launch() {
    local dir=$2
    mkdir -p "$dir/data"
    if [ "$1" = zk ]; then
        printf '%s\n' tickTime=2000 "dataDir=$dir/data" "clientPort=$port" \
            clientPortAddress=127.0.0.1 maxClientCnxns=0 admin.enableServer=false \
            '4lw.commands.whitelist=*' >"$dir/zoo.cfg"
        java "-Xmx$heap" -cp $jar:/usr/share/java/slf4j-nop.jar \
            org.apache.zookeeper.server.quorum.QuorumPeerMain "$dir/zoo.cfg" >>"$out/$1.log" 2>&1 &
    else
        # shellcheck disable=SC2086
        "$taktd" --dev --listen "127.0.0.1:$port" --data "$dir/data" --set maxClientCnxns=0 \
            ${TAKTD_OPTIONS:-} >>"$out/$1.log" 2>&1 &
    fi
    server_pid=$!
}

# start KIND DIR: launches and waits until it gives out a session.
start() {
    port=$(free_port)
    launch "$1" "$2"
    "$takt" ready -s "127.0.0.1:$port" --timeout $ready_s && return 0
    complain "$1 did not start; the end of $out/$1.log:"
    tail -n 20 "$out/$1.log" >&2
    return 1
}

stop() {
    kill -TERM "$server_pid" 2>/dev/null
    for _ in $(seq 600); do
        kill -0 "$server_pid" 2>/dev/null || break
        sleep 0.1
    done
    kill -KILL "$server_pid" 2>/dev/null && complain "$1 did not stop within 60 s"
    wait "$server_pid" 2>/dev/null
    server_pid=''
}

# note ROUND SERVER NAME JSON: one line of the raw results.
note() { printf '{"round": %s, "server": "%s", "name": "%s", "result": %s}\n' "$@" >>"$raw"; }

# load ROUND SERVER NAME OPTIONS...: one run of takt bench.
load() {
    local round=$1 server=$2 name=$3 json
    shift 3
    if json=$("$takt" bench -s "127.0.0.1:$port" --server-pid "$server_pid" -o json \
        --duration "$seconds" --warmup "$warmup" --payload 100 "$@" 2>"$out/stderr"); then
        note "$round" "$server" "$name" "$json"
        printf '  %-5s %-9s %s\n' "$server" "$name" "$(/usr/bin/python3 perf/compare_table.py --line <<<"$json")"
    else
        failed=1
        complain "$server, $name: $(cat "$out/stderr")"
    fi
}

# peer ROUND NAME COMMAND...: a bare program whose line is "samples p50 p99 p999 mean ..".
peer() {
    local round=$1 name=$2 words
    shift 2
    words=$("$@") || { failed=1; return; }
    # shellcheck disable=SC2086
    set -- $words
    note "$round" bare "$name" "{\"samples\": $1, \"p50_ns\": $2, \"p99_ns\": $3, \"p999_ns\": $4, \"mean_ns\": $5}"
    printf '  %-5s %-9s p50 %s us, p99 %s us%s\n' bare "$name" "$(($2 / 1000))" "$(($3 / 1000))" "${6:+ ($6)}"
}

# echoes ROUND NAME REQUEST REPLY: the bare TCP echo with the sizes of that request.
echoes() {
    local echo_port
    echo_port=$(free_port)
    $echo_bin serve "$echo_port" "$3" "$4" &
    echo_pid=$!
    sleep 0.2
    peer "$1" "$2" $echo_bin ask "$echo_port" "$3" "$4" "$seconds"
    kill "$echo_pid" 2>/dev/null
    wait "$echo_pid" 2>/dev/null
    echo_pid=''
}

wants() { case " $only " in *" $1 "*) return 0 ;; *) return 1 ;; esac; }

# Half of what ZooKeeper reached in the first round: the rate of both servers' open loops.
half_of_zk() { /usr/bin/python3 perf/compare_table.py --half "$1" "$raw"; }

# one_round ROUND SERVER: every load but the large tree, at a server that starts empty.
one_round() {
    local round=$1 server=$2 dir=$data_dir/compare-$2 rate op
    rm -rf "$dir"
    start "$server" "$dir" || { failed=1; return; }
    for op in get set; do
        wants ${op}64 && load "$round" "$server" ${op}64 --ops $op -n $conns -w $window
    done
    # 39 and 146 bytes: a get and a set of 100 B; 192 and 88: their answers.
    if wants get1; then
        echoes "$round" echo_get 39 192
        load "$round" "$server" get1 --ops get -n 1 -w 1
    fi
    if wants set1; then
        echoes "$round" echo_set 146 88
        peer "$round" dsync $dsync_bin "$data_dir" "$seconds" 512
        load "$round" "$server" set1 --ops set -n 1 -w 1
    fi
    for op in get set; do
        rate=$(half_of_zk ${op}64)
        wants open && [ -n "$rate" ] &&
            load "$round" "$server" open_$op --ops $op -n $conns -w 256 --rate "$rate"
    done
    wants watch && load "$round" "$server" watch --scenario watch -n $watchers
    wants sessions && load "$round" "$server" sessions --scenario sessions -n $conns
    stop "$server"
    rm -rf "$dir"
}

# back SERVER DIR NAME: starts a stopped server again; the time from there to the first read.
back() {
    local server=$1 begin ms
    begin=$(date +%s%N)
    launch "$server" "$2"
    until "$takt" sh -s "127.0.0.1:$port" -c 'get /takt-bench/p000000' >/dev/null 2>&1; do
        if [ $(($(date +%s%N) - begin)) -gt 120000000000 ] || ! kill -0 "$server_pid" 2>/dev/null; then
            complain "$server did not come back within 120 s"
            failed=1
            return
        fi
        sleep 0.02
    done
    ms=$((($(date +%s%N) - begin) / 1000000))
    note 1 "$server" "$3" "{\"restart_ms\": $ms, \"znodes\": $znodes, \"rss_bytes\": $(
        awk -v page="$(getconf PAGESIZE)" '{ print $2 * page }' "/proc/$server_pid/statm")}"
    printf '  %-5s %-9s %s ms to the first read with %s znodes (%s)\n' "$server" restart "$ms" "$znodes" "$3"
}

# large_tree SERVER: memory of a znode; then the restart as the load left it (log, and whatever snapshot
# was taken on the way), and the restart from a snapshot of all of it: ZooKeeper writes one at every
# start, takt after snapCount requests.
large_tree() {
    local server=$1 dir=$data_dir/compare-$1-load options=${TAKTD_OPTIONS:-} newest held
    rm -rf "$dir"
    start "$server" "$dir" || { failed=1; return; }
    load 1 "$server" load --scenario load --keys $znodes --parents $parents -n 8 -w 256 --keep
    stop "$server"
    TAKTD_OPTIONS="$options --set snapCount=1000"
    back "$server" "$dir" restart_log
    "$takt" bench -s "127.0.0.1:$port" --ops set -n 4 -w 64 --warmup 0 --duration 1 --keys 10 --root /takt-bench2 \
        >/dev/null 2>"$out/stderr" || complain "$server: $(cat "$out/stderr")"
    # A snapshot of so many takes a moment; the newest one must hold them all.
    for _ in $(seq 150); do
        [ "$server" = zk ] && break
        newest=$(ls "$dir/data" | grep '^snapshot\.[0-9a-f]*$' | tail -n 1)
        held=$("$takt" snapshot inspect "$dir/data/$newest" -o json 2>/dev/null |
            sed 's/.*"znodes": \([0-9]*\).*/\1/')
        [ "${held:-0}" -ge "$znodes" ] 2>/dev/null && break
        sleep 0.2
    done
    stop "$server"
    TAKTD_OPTIONS=$options
    back "$server" "$dir" restart
    stop "$server"
    rm -rf "$dir"
}

echo "compare: $servers, $rounds rounds, $seconds s each; raw results in $raw"
for round in $(seq "$rounds"); do
    order=$servers
    [ $((round % 2)) = 0 ] && order=$(echo "$servers" | awk '{ for (i = NF; i; i--) printf "%s ", $i }')
    for server in $order; do
        echo "round $round, $server"
        one_round "$round" "$server"
    done
done
if wants load; then
    for server in $servers; do
        echo "large tree, $server"
        large_tree "$server"
    done
fi

{
    echo "date       $(date -u +%Y-%m-%dT%H:%M:%SZ)"
    echo "machine    $(lscpu | sed -n 's/^Model name: *//p'), $(nproc) cores, $(awk '/MemTotal/ { printf "%.0f GB", $2 / 1e6 }' /proc/meminfo), Linux $(uname -r)"
    echo "disk       $(df --output=fstype "$data_dir" | tail -n 1)"
    echo "takt       $(git rev-parse --short HEAD 2>/dev/null)"
    echo "zookeeper  $(dpkg-query -W -f '${Version}' libzookeeper-java 2>/dev/null), java $(java -version 2>&1 | head -n 1 | tr -d '"'), heap $heap"
    echo "load       $rounds rounds of $seconds s after $warmup s; load average at the end $(cut -d' ' -f1-3 /proc/loadavg)"
    [ -n "$(cat /sys/devices/system/cpu/isolated 2>/dev/null)" ] || echo "platform unqualified: ratios only"
} >"$out/machine.txt"
/usr/bin/python3 perf/compare_table.py --machine "$out/machine.txt" --json "$out/result.json" "$raw" |
    tee "$out/result.txt"
if [ $accept = 1 ]; then
    name=perf/results/$(date +%Y-%m-%d)-$(nproc)core
    mkdir -p perf/results
    cp "$out/result.txt" "$name.txt"
    cp "$out/result.json" "$name.json"
    echo "kept as $name.txt and $name.json"
fi
exit $failed
