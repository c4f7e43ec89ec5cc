# The part of quickstart.sh that runs several nodes: sourced by it, and uses its say, die, listen, data, nodes
# and leave. Node i has the loopback address with i - 1 added to its last part, and its directory $data/i.
#
#   $data/i/zoo.cfg   as an operator would write it: the same server lines in each
#   $data/i/data      myid, log, snapshots        $data/i/log   what the node said

first=${listen%:*} client_port=${listen##*:}
prefix=${first%.*} base=${first##*.}
pids=()

address() { echo "$prefix.$((base + $1 - 1))"; }
server() { echo "$(address "$1"):$client_port"; }

hosts() {
    local i out=
    for i in $(seq "$nodes"); do out+=,$(server "$i"); done
    echo "${out#,}"
}

write_configs() {
    local i n
    for i in $(seq "$nodes"); do
        mkdir -p "$data/$i/data"
        echo "$i" >"$data/$i/data/myid"
        {
            printf '%s\n' "dataDir=$(cd "$data/$i/data" && pwd)" tickTime=2000 initLimit=10 syncLimit=5 \
                reconfigEnabled=true '4lw.commands.whitelist=*'
            for n in $(seq "$nodes"); do
                echo "server.$n=$(address "$n"):$((client_port + 707)):$((client_port + 1707)):participant;$(server "$n")"
            done
        } >"$data/$i/zoo.cfg"
    done
}

start_node() {
    build/tools/taktd --config "$data/$1/zoo.cfg" >>"$data/$1/log" 2>&1 &
    pids[$1]=$!
}

# role I: leader, follower, ... or nothing while it does not serve.
role() {
    build/tools/takt status --server "$(server "$1")" --timeout 1 2>/dev/null |
        awk '$1 == "mode" { print $2 }'
}

leader() {
    local i
    for _ in $(seq 150); do
        for i in $(seq "$nodes"); do
            [ -n "${pids[$i]:-}" ] && [ "$(role "$i")" = leader ] && echo "$i" && return
        done
        sleep 0.1
    done
}

wait_node() {
    build/tools/takt ready --server "$(server "$1")" --timeout 30 && return
    tail -n 20 "$data/$1/log" >&2
    die "node $1 did not become ready; the end of its log, $data/$1/log, is above"
}

stop_all() {
    local i code=0
    for i in "${!pids[@]}"; do kill -TERM "${pids[$i]}" 2>/dev/null || true; done
    for i in "${!pids[@]}"; do
        wait "${pids[$i]}" || code=$?
        [ "$code" = 0 ] || say "node $i ended with code $code; its log is $data/$i/log" >&2
        unset "pids[$i]"
        code=0
    done
}

# A line a node, from its own answers.
show_status() {
    local i
    printf '    %-5s %-18s %-10s %-14s %s\n' node address mode zxid sessions
    for i in $(seq "$nodes"); do
        if [ -z "${pids[$i]:-}" ]; then
            printf '    %-5s %-18s %s\n' "$i" "$(server "$i")" "not running"
        else
            build/tools/takt status --server "$(server "$i")" --timeout 2 2>/dev/null |
                awk -v i="$i" -v at="$(server "$i")" '
                    $1 == "mode" { mode = $2 } $1 == "zxid" { zxid = $2 }
                    $1 == "sessions" { sessions = $2 }
                    END { printf "    %-5s %-18s %-10s %-14s %s\n", i, at, mode ? mode : "-", zxid, sessions }'
        fi
    done
}

shell() { # shell I COMMAND: one line of takt's shell at node I
    say "\$ takt sh --server $(server "$1") -c '$2'"
    build/tools/takt sh --server "$(server "$1")" -c "$2" | sed 's/^/    /'
}

# One client writes at a node that stays, one write after the other; on the way the leader is killed.
show_failover() {
    local old survivor out client
    old=$(leader)
    survivor=$((old % nodes + 1))
    out=$data/failover.txt
    say
    say "A client writes at node $survivor for 4 seconds, one write after the other. After 2 seconds the leader, \
node $old, is killed with kill -9:"
    build/tools/takt bench --server "$(server "$survivor")" --ops set -n 1 -w 1 --keys 1 --warmup 0 \
        --duration 4 >"$out" 2>&1 &
    client=$!
    sleep 2
    kill -KILL "${pids[$old]}"
    wait "${pids[$old]}" 2>/dev/null || true
    unset "pids[$old]"
    wait "$client" || { cat "$out"; die "the client saw an error; that should not be"; }
    awk '$1 == "total" { printf "    %d writes, longest wait %.0f ms, ", $3, $NF / 1000 }' "$out"
    grep -q '^errors\|^unanswered' "$out" && { cat "$out"; die "writes failed; that should not be"; }
    say "none failed; the connection and the session stayed."
    say "    the new leader is node $(leader)"
    show_status
    say
    say "Node $old is started again, and catches up:"
    start_node "$old"
    wait_node "$old"
    show_status
}

reach_all() {
    cat <<END

The ensemble serves every ZooKeeper client; give it all the addresses:

  kazoo (Python)    KazooClient(hosts="$(hosts)")
  zkCli.sh (Java)   zkCli.sh -server $(hosts)
  takt's shell      build/tools/takt sh --server $(hosts)
  who leads         build/tools/takt member list --server $(hosts)
  logs              $data/1/log ...
  configuration     $data/1/zoo.cfg ...: the same server lines in each
END
}

ensemble() {
    local i
    [[ $first =~ ^127\.[0-9]+\.[0-9]+\.[0-9]+$ ]] && [ $((base + nodes)) -lt 255 ] ||
        die "--listen is a loopback address such as 127.0.0.1:2181 when there are several nodes"
    for i in $(seq "$nodes"); do
        port_is_free "$(server "$i")" || taken "$(server "$i")"
    done
    write_configs
    trap stop_all EXIT
    trap 'exit 0' INT TERM
    for i in $(seq "$nodes"); do start_node "$i"; done
    for i in $(seq "$nodes"); do wait_node "$i"; done
    say
    say "$nodes nodes, one ensemble:"
    show_status
    say
    # What an interrupted run left behind; in a fresh ensemble there is nothing.
    build/tools/takt sh --server "$(server 1)" -c 'deleteall /greeting' >/dev/null 2>&1 || true
    shell 1 'create /greeting "hello, takt"'
    shell "$nodes" 'sync /greeting ; get /greeting'
    show_failover
    reach_all
    if [ "$leave" = 1 ]; then
        stop_all
        say "quickstart: done"
    else
        say
        say "Serving until Ctrl-C."
        wait
    fi
}
