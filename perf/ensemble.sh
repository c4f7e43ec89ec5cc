#!/usr/bin/env bash
# Three durable nodes of takt beside three of ZooKeeper 3.8 and three of etcd (Debian's), on one machine and
# one disk, alternating in one run: a table of ratios with targets, PASS or MISS, JSON, and SVG plots.
#
# usage: perf/ensemble.sh [--quick] [--rounds R] [--seconds S] [--servers "zk etcd takt"] [--failovers N]
#                         [--only "NAMES"] [--dir DIR] [--accept]
#   --quick        smoke: ZooKeeper and takt, one round, short; under 60 s; its figures mean nothing
#   --rounds R     rounds for each (3); the table shows the median
#   --seconds S    measured seconds of each load (6)
#   --servers      which: zk, etcd, takt
#   --failovers N  leader kills, and leader pauses, for each of them (10); 0: none
#   --only         of: set64 follow64 set1 open kill pause tuned load
#   --dir DIR      where data goes: the disk that is measured (build/perf-data)
#   --accept       also keep the result, with date and machine, under perf/results/
#
# kill and pause: one client writes at a survivor, one write after the other; the time from its last good
# answer before the leader's kill -9 (SIGSTOP) to its first good one after. tuned: the same kills with short
# time-outs for the others (ZooKeeper: tickTime 200; etcd: heartbeat 20 ms, election 200 ms).
# etcd is asked over gRPC by perf_etcd, a small C client that pipelines streams as takt bench does; its
# failover client gives up a put after 0.5 s and repeats it (etcd itself would answer after 5 s and more).
#
# Environment: TAKTD, TAKT (binaries), ZK_HEAP (512m). Needs java, libzookeeper-java, python3; etcd-server for
# etcd, gnuplot for the plots: tools/packages.sh install bench ensemble. Raw results: build/perf/.
set -uo pipefail
cd "$(dirname "$0")/.."
case " $* " in *" -h "* | *" --help "*) sed -n '2,25s/^# \{0,1\}//p' "$0"; exit 0 ;; esac
exec /usr/bin/python3 perf/ensemble.py "$@"
