#!/usr/bin/env bash
# The smallest build: without cmocka, DPDK, io_uring and the benchmarks' library, as on a machine that
# has only the packages of purpose "build", or fewer. Its node must start and serve. Prints TAP.
set -uo pipefail
cd "$(dirname "$0")/.."

dir=build-minimal log=$(mktemp)
verdict() {
    if [ "$1" = 0 ]; then echo "ok - $2"; else echo "not ok - $2"; sed 's/^/# /' "$log" | tail -n 30; fi
}

if [ ! -f "$dir/build.ninja" ]; then
    cc=gcc
    command -v ccache >/dev/null && cc='ccache gcc'
    CC=$cc meson setup "$dir" -Dtests=disabled -Ddpdk=disabled -During=disabled >"$log" 2>&1
    verdict $? "the smallest build is configured"
fi
ninja -C "$dir" tools/taktd tools/takt >"$log" 2>&1
verdict $? "taktd and takt are built"

data=$(mktemp -d)
listen=127.0.0.1:$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])')
"$dir/tools/taktd" --data "$data" --listen "$listen" >"$log" 2>&1 &
node=$!
"$dir/tools/takt" ready --server "$listen" --timeout 20 2>>"$log"
verdict $? "its node serves"
[ "$("$dir/tools/takt" sh --server "$listen" -c 'create /a x ; get /a' | tail -n 1)" = x ]
verdict $? "and answers"
kill -TERM $node
wait $node
verdict $? "and stops cleanly"
"$dir/tools/taktd" --data "$data" --port dpdk --ip 10.0.0.1/8 --eal x >"$log" 2>&1
[ $? = 2 ] && grep -q 'this build has no DPDK' "$log"
verdict $? "and says that it has no dpdk port"
rm -rf "$data" "$log"
