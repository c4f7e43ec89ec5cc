#!/usr/bin/env bash
# Runs a command in a network namespace of its own that has a veth pair: the kernel end has an
# address, the other end is for a DPDK device (net_af_packet, net_af_xdp).
#
# usage: tests/system/netns_dpdk.sh [--help] COMMAND [ARG...]
#   The command finds in its environment
#     TAKT_DPDK_EAL     EAL options for the free end       TAKT_DPDK_NET   its address, as IP/LEN
#     TAKT_DPDK_IP      the same address alone             TAKT_DPDK_IF    the interface of that end
#     TAKT_DPDK_PMD     af_packet (default) or af_xdp: set it before, to choose
#     TAKT_DPDK_QUEUES  queues of the device (default 1): set it before, to choose
#     TAKT_DPDK_FAMILY  4 (default) or 6: set it before, to choose the kind of address
# Works as root, and as an ordinary user where the host allows user namespaces (then af_packet only).
# Exit code: the command's; 77 when this host does not allow namespaces (the reason is printed).
set -euo pipefail

case ${1:---help} in
-h | --help) sed -n '2,15s/^# \{0,1\}//p' "$0"; exit 0 ;;
esac

skip() { echo "SKIP: $*" >&2; exit 77; }

if [ -z "${TAKT_NETNS_INSIDE:-}" ]; then
    command -v ethtool >/dev/null || skip "ethtool is not installed"
    own=(unshare --net --mount)
    [ "$(id -u)" = 0 ] || own=(unshare --user --map-root-user --net --mount)
    "${own[@]}" true 2>/dev/null || skip "this host does not let us make a network namespace"
    export TAKT_NETNS_INSIDE=1
    exec "${own[@]}" "$0" "$@"
fi

pmd=${TAKT_DPDK_PMD:-af_packet} queues=${TAKT_DPDK_QUEUES:-1}
family=${TAKT_DPDK_FAMILY:-4}
ip link set lo up
ip link add tk0 type veth peer name tk1
# The kernel's end must not leave checksums and segmentation to a device that is not there.
ethtool -K tk1 tx off >/dev/null
for end in tk0 tk1; do
    [ "$family" = 4 ] || [ $end = tk0 ] || continue
    [ -w /proc/sys/net/ipv6/conf/$end/disable_ipv6 ] &&
        echo 1 >/proc/sys/net/ipv6/conf/$end/disable_ipv6 || true
done
for end in tk0 tk1; do ip link set $end up; done
if [ "$family" = 4 ]; then ip addr add 10.77.0.1/24 dev tk1
else ip addr add fd77::1/64 dev tk1 nodad; fi
# The driver locks its two rings in memory; root may, and others up to `ulimit -l` KiB.
frames=8192
locked=$(ulimit -l)
[ "$locked" = unlimited ] || [ "$(cat /proc/self/uid_map | awk '{print $3}')" -gt 1 ] ||
    while [ $((frames * 2 * 2)) -gt $((locked * 3 / 4)) ] && [ $frames -gt 256 ]; do
        frames=$((frames / 2))
    done
case $pmd in
af_packet) vdev="net_af_packet0,iface=tk0,qdisc_bypass=1,blocksz=65536,framesz=2048,framecnt=$frames"
    [ "$queues" = 1 ] || vdev+=",qpairs=$queues" ;;
af_xdp) vdev="net_af_xdp0,iface=tk0" ;;
*) echo "netns_dpdk.sh: TAKT_DPDK_PMD is af_packet or af_xdp, not $pmd" >&2; exit 2 ;;
esac
export TAKT_DPDK_EAL="--no-pci --no-huge -m 256 --no-shconf --vdev $vdev"
if [ "$family" = 4 ]; then export TAKT_DPDK_IP=10.77.0.2 TAKT_DPDK_NET=10.77.0.2/24
else export TAKT_DPDK_IP=fd77::2 TAKT_DPDK_NET=fd77::2/64; fi
export TAKT_DPDK_IF=tk0
exec "$@"
