#!/usr/bin/env bash
# The Debian 12 packages that takt needs, by purpose, and their installation.
#
#   tools/packages.sh list PURPOSE...      prints the names, one a line
#   tools/packages.sh missing PURPOSE...   prints those that are not installed
#   tools/packages.sh install PURPOSE...   installs those; asks for sudo only if it must
#
# Purposes: build (taktd and takt), test (what tests/run.sh adds), bench (what perf/ adds), ensemble (what
# perf/ensemble.sh adds to that).
set -euo pipefail

packages_build='
    ca-certificates ccache dpkg-dev gcc libc6-dev make meson ninja-build patch pkg-config
    libdpdk-dev libedit-dev libjemalloc-dev libncurses-dev libssl-dev liburcu-dev liburing-dev
    libxxhash-dev libyaml-dev libzstd-dev'
packages_test='
    binutils busybox-static clang ethtool g++ git iproute2 libbenchmark-dev libclang-rt-14-dev libcmocka-dev
    libzookeeper-mt-dev procps python3 python3-kazoo qemu-system-x86 strace util-linux zookeeper'
packages_bench='
    g++ gnuplot-nox libbenchmark-dev valgrind zookeeper'

packages_ensemble='
    etcd-server'

die() { echo "tools/packages.sh: $*" >&2; exit 2; }

list() {
    local purpose
    for purpose in "$@"; do
        case $purpose in
        build) echo $packages_build ;;
        test)
            echo $packages_test
            # Any npm serves; Debian's is only asked for where there is none.
            command -v npm >/dev/null || echo nodejs npm ;;
        bench) echo $packages_bench ;;
        ensemble) echo $packages_ensemble ;;
        *) die "unknown purpose '$purpose': build, test, bench or ensemble" ;;
        esac
    done | tr ' ' '\n' | sort -u
}

missing() {
    local name
    for name in $(list "$@"); do
        case $(dpkg-query -W -f='${Status}' "$name" 2>/dev/null || true) in
        *' installed') ;;
        *) echo "$name" ;;
        esac
    done
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "these packages are missing and there is no sudo; as root: apt-get install ${names[*]}"
    fi
}

install() {
    local names
    mapfile -t names < <(missing "$@")
    [ "${#names[@]}" -gt 0 ] || return 0
    command -v apt-get >/dev/null || die "not a Debian machine; install by hand: ${names[*]}"
    echo "installing with apt: ${names[*]}"
    local env='env DEBIAN_FRONTEND=noninteractive'
    # A machine that knows all names already is not made to fetch the lists again.
    if ! apt-get -s install --no-install-recommends "${names[@]}" >/dev/null 2>&1; then
        as_root apt-get update -q
    fi
    as_root $env apt-get install -q -y --no-install-recommends "${names[@]}"
}

case ${1:-} in
list | missing | install) "$@" ;;
*) sed -n '2,9s/^# \{0,1\}//p' "$0"; [ "${1:-}" = --help ] || exit 2 ;;
esac
