#!/usr/bin/env bash
# From a clean Debian 12 machine to a running takt node, or to an ensemble of several on this machine,
# with a short demonstration.
#
# usage: tools/quickstart.sh [--nodes N] [--exit] [--listen ADDR:PORT] [--data DIR] [--help]
#   --nodes N           how many nodes: 1, 3, 5 or 7 [1]; an ensemble also shows how its leader is killed
#   --exit              leave after the demonstration instead of serving until Ctrl-C
#   --listen ADDR:PORT  where the (first) node listens [127.0.0.1:2181]; the next ones: 127.0.0.2:2181 ...
#   --data DIR          where data is kept [takt-data, or takt-ensemble]; a second run finds it again
#
# Installs what is missing with apt (asks for sudo only if something is), builds into build/, starts
# the nodes as you, waits until they serve, and shows how to reach them. May be run any number of times.
set -euo pipefail
cd "$(dirname "$0")/.."

leave=0 listen=127.0.0.1:2181 data= nodes=1
while [ $# -gt 0 ]; do
    case $1 in
    --exit) leave=1 ;;
    --listen | --data | --nodes)
        [ $# -gt 1 ] || { echo "$1 needs a value; see tools/quickstart.sh --help" >&2; exit 2; }
        case $1 in --listen) listen=$2 ;; --data) data=$2 ;; --nodes) nodes=$2 ;; esac
        shift ;;
    -h | --help) sed -n '2,13s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "unknown option $1; see tools/quickstart.sh --help" >&2; exit 2 ;;
    esac
    shift
done

case $nodes in
1) data=${data:-takt-data} ;;
3 | 5 | 7) data=${data:-takt-ensemble} ;;
*) echo "--nodes is 1, 3, 5 or 7: an even number tolerates no more failures than one less" >&2; exit 2 ;;
esac

log=build/quickstart.log
node=

say() { printf '%s\n' "$*"; }
die() { printf 'quickstart: %s\n' "$*" >&2; exit 1; }

# step TITLE COMMAND...: runs it quietly, says how long it took; its output is shown if it fails.
step() {
    local title=$1 begin=$SECONDS pid
    shift
    "$@" >>"$log" 2>&1 </dev/null &
    pid=$!
    while [ -t 1 ] && kill -0 "$pid" 2>/dev/null; do
        printf '\r%-28s %3d s ' "$title" $((SECONDS - begin))
        sleep 0.2
    done
    if ! wait "$pid"; then
        printf '\r%-28s failed; the end of %s:\n' "$title" "$log"
        tail -n 30 "$log" >&2
        exit 1
    fi
    printf '\r%-28s done %3d s\n' "$title" $((SECONDS - begin))
}

# Packages need a terminal for sudo's question, so this step is not quiet when it must ask.
packages() {
    local missing
    missing=$(tools/packages.sh missing build | tr '\n' ' ')
    if [ -z "$missing" ]; then
        say "packages                     all there"
    elif [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; then
        say "packages to install: $missing"
        step "installing packages" tools/packages.sh install build
    else
        say "packages to install (sudo will ask for your password): $missing"
        tools/packages.sh install build
    fi
}

configure() {
    local cc=${CC:-gcc}
    [[ $cc != *ccache* ]] && command -v ccache >/dev/null && cc="ccache $cc"
    [ -f build/build.ninja ] || CC=$cc meson setup build
}

# Somebody on the port $1 already? A node of takt, a ZooKeeper, or anything else.
port_is_free() {
    local host=${1%:*} port=${1##*:}
    [[ $host == "[::]" || $host == 0.0.0.0 || $host == "*" || -z $host ]] && host=127.0.0.1
    ! (exec 3<>"/dev/tcp/${host//[\[\]]/}/$port") 2>/dev/null
}

stop() {
    local pid=$node code=0
    [ -n "$pid" ] || return 0
    node=
    kill -TERM "$pid" 2>/dev/null || true
    wait "$pid" || code=$?
    [ "$code" = 0 ] || die "the node ended with code $code"
}

start() {
    build/tools/taktd --dev --listen "$listen" --data "$data" &
    node=$!
    trap stop EXIT
    trap 'exit 0' INT TERM
    local ready
    build/tools/takt ready --server "$listen" --timeout 30 --verbose &
    ready=$!
    # Whichever ends first: a node that died at once is not waited for.
    wait -n "$node" "$ready" && kill -0 "$node" 2>/dev/null || {
        kill "$ready" "$node" 2>/dev/null || true
        wait "$node" || true
        node=
        die "the node did not become ready; its last lines are above"
    }
}

demonstrate() {
    local commands=(
        'create /greeting "hello, takt"'
        'get -s /greeting'
        'set -v 0 /greeting "hello again"'
        'multi create /cell ; create /cell/master robot-1 ; check /greeting 1'
        'ls /'
        'deleteall /cell ; rm /greeting'
    )
    local command
    # What an interrupted run left behind; on a fresh node there is nothing.
    build/tools/takt sh --server "$listen" -c 'deleteall /cell' >/dev/null 2>&1 || true
    build/tools/takt sh --server "$listen" -c 'deleteall /greeting' >/dev/null 2>&1 || true
    say
    for command in "${commands[@]}"; do
        say "\$ takt sh -c '$command'"
        build/tools/takt sh --server "$listen" -c "$command" | sed 's/^/    /'
    done
}

reach() {
    cat <<END

This node serves every ZooKeeper client at $listen:

  takt's shell      build/tools/takt sh --server $listen
  kazoo (Python)    KazooClient(hosts="$listen")            examples: tools/examples/first_steps.py
  zkCli.sh (Java)   zkCli.sh -server $listen                (Debian: /usr/share/zookeeper/bin)
  libzookeeper (C)  zookeeper_init("$listen", ...)          examples: tools/examples/first_steps.c
  its state         build/tools/takt status --server $listen
  every setting     build/tools/taktd --help-config
END
}

mkdir -p build
: >"$log"
packages
[ -x tools/fetch-lwip.sh ] && step "fetching lwIP's source" tools/fetch-lwip.sh
step "configuring" configure
step "building" ninja -C build tools/taktd tools/takt
taken() {
    die "something listens on $1 already: stop it (a ZooKeeper: systemctl stop zookeeper; an earlier \
node: Ctrl-C there), or take another port: tools/quickstart.sh --listen 127.0.0.1:2192 --data DIR"
}
if [ "$nodes" -gt 1 ]; then
    # shellcheck source=tools/quickstart_ensemble.sh
    . tools/quickstart_ensemble.sh
    ensemble
    exit 0
fi
port_is_free "$listen" || taken "$listen"
start
demonstrate
reach
if [ "$leave" = 1 ]; then
    stop
    say "quickstart: done"
else
    say
    say "Serving until Ctrl-C."
    wait "$node" || { code=$?; node=; die "the node ended with code $code"; }
    node=
fi
