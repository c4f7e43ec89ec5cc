#!/usr/bin/env bash
# What each port costs: the same load over the kernel's sockets and over DPDK on virtual devices, for a
# bare echo and for takt, in one run on one machine. A table, JSON, and an SVG plot.
#
# usage: perf/ports.sh [--quick] [--rounds R] [--seconds S] [--only "PORTS"] [--accept]
#   --quick      smoke: one round, short; under 30 s; its figures mean nothing
#   --rounds R   rounds of each (3); the table shows the median
#   --seconds S  measured seconds of each load (3)
#   --only       of: kernel af_packet af_xdp memif
#   --accept     also keep the result, with date and machine, under perf/results/
#
# Server and client sit in two network namespaces with a veth pair between them; the kernel port crosses the
# same pair. The bare echo is tests/system/port_echo: takt's own port (on dpdk with lwIP's TCP) and nothing
# behind it, so takt's figure less the echo's is what decoding, tree, session and answer add. memif: frames
# from process to process, both spinning: the bare echo is perf_memif, takt is a get of beat by libtakt's
# transport over a DPDK device (perf_memif_get; "many" is a window of 16). Below the table: the targets that it
# answers, and how long each core was away from a program that only spins, in the same minute. What this host
# cannot run is skipped by name, with the reason.
#
# Needs root, or user namespaces (then no af_xdp), ethtool and iproute2; gnuplot for the plot. Raw results:
# build/perf/.
set -uo pipefail
cd "$(dirname "$0")/.."
case " $* " in *" -h "* | *" --help "*) sed -n '2,21s/^# \{0,1\}//p' "$0"; exit 0 ;; esac
exec /usr/bin/python3 perf/ports.py "$@"
