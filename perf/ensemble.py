#!/usr/bin/python3
"""The run behind ensemble.sh, which documents the options: starts the clusters in turn, loads them, kills
their leaders, and writes raw.jsonl; ensemble_table.py makes the table and the plots of it."""
import argparse
import datetime
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time

import ensemble_table
from ensemble_nodes import CLUSTERS, ROOT, ZK_JARS

LOADS = 'set64 follow64 set1 open kill pause tuned load'


class Run:
    def __init__(self, args):
        self.args = args
        self.servers = args.servers.split()
        self.wanted = set(args.only.split())
        self.out = os.path.join(ROOT, 'build/perf', 'ensemble-' + time.strftime('%Y%m%d-%H%M%S'))
        os.makedirs(self.out, exist_ok=True)
        self.data = os.path.join(os.path.abspath(args.dir), 'ensemble-%d' % os.getpid())
        self.raw_path = os.path.join(self.out, 'raw.jsonl')
        self.raw, self.failed = [], False
        self.takt = os.environ.get('TAKT', os.path.join(ROOT, 'build/tools/takt'))

    # ---- results

    def note(self, round_, kind, name, result):
        self.raw.append({'round': round_, 'server': kind, 'name': name, 'result': result})
        with open(self.raw_path, 'a', encoding='utf-8') as out:
            out.write(json.dumps(self.raw[-1]) + '\n')

    def complain(self, text):
        self.failed = True
        print('ensemble: ' + text, file=sys.stderr, flush=True)

    # ---- loads

    def load_command(self, cluster, node, options):
        """The load generator of this kind of server, its figures as JSON on stdout. options: takt bench's."""
        address = '%s:%d' % cluster.address(node)
        pids = ','.join(map(str, cluster.pids()))
        if cluster.kind == 'etcd':
            return [os.path.join(ROOT, 'build/perf/perf_etcd'), '-s', address, '--server-pid', pids,
                    '--payload', '100'] + options
        return [self.takt, 'bench', '-s', address, '--server-pid', pids, '-o', 'json', '--payload', '100',
                '--ops', 'set'] + options

    def load(self, round_, cluster, name, node, options, keep=True):
        args = self.args
        command = self.load_command(cluster, node, options + [
            '--duration', str(args.seconds), '--warmup', str(args.warmup)])
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if done.returncode:
            self.complain('%s, %s: %s' % (cluster.kind, name, done.stderr.decode().strip()))
            return None
        result = json.loads(done.stdout)
        if keep:
            self.note(round_, cluster.kind, name, result)
        print('  %-5s %-9s %s' % (cluster.kind, name, ensemble_table.one_line(result)), flush=True)
        return result

    def cluster(self, kind, tuned=False):
        return CLUSTERS[kind](os.path.join(self.data, kind), self.out, tuned).start()

    def calibrate(self):
        """A first look at each one's maximum: half of the least is the open loop's rate."""
        rates = []
        for kind in self.servers:
            cluster = self.cluster(kind)
            try:
                result = self.load(0, cluster, 'calibrate', cluster.leader(), ['-n', '64', '-w', '64'], False)
                if result:
                    rates.append(result['total']['per_s'])
            finally:
                cluster.remove()
        return int(min(rates) / 2) if rates else 0

    def one_round(self, round_, kind, rate):
        cluster = self.cluster(kind)
        try:
            leader = cluster.leader()
            follower = (leader + 1) % 3
            self.note(round_, kind, 'idle', {'rss_bytes': cluster.rss_bytes()})
            for name, node, options in (
                    ('set64', leader, ['-n', '64', '-w', '64']),
                    ('follow64', follower, ['-n', '64', '-w', '64']),
                    ('set1', leader, ['-n', '1', '-w', '1']),
                    ('follow1', follower, ['-n', '1', '-w', '1']),
                    ('open', leader, ['-n', '64', '-w', '256', '--rate', str(rate)])):
                if name.replace('follow1', 'set1') in self.wanted and (name != 'open' or rate):
                    self.load(round_, cluster, name, node, options)
            self.note(round_, kind, 'after', {'rss_bytes': cluster.rss_bytes()})
        finally:
            cluster.remove()

    # ---- failover

    def failovers(self, kind, name, tuned=False):
        """--failovers times: the gap in one client's good answers around the leader's end."""
        cluster, gaps = self.cluster(kind, tuned), []
        try:
            for _ in range(self.args.failovers):
                gaps.append(self.one_failover(cluster, name))
        except (RuntimeError, StopIteration) as why:
            self.complain('%s, %s: %s' % (kind, name, why))
        finally:
            cluster.remove()
        if gaps:
            self.note(1, kind, name, {'gaps_ms': gaps})
            print('  %-5s %-9s median %.0f ms, worst %.0f ms of %d' % (
                kind, name, statistics.median(gaps), max(gaps), len(gaps)), flush=True)

    def one_failover(self, cluster, name):
        cluster.wait_whole()
        leader = cluster.leader()
        probe, good, stop = cluster.probe((leader + 1) % 3), [], threading.Event()

        def write():
            while not stop.is_set():
                if probe.write():
                    good.append(time.monotonic())
        thread = threading.Thread(target=write)
        thread.start()
        try:
            time.sleep(0.5)
            at = time.monotonic()
            if name == 'pause':
                cluster.signal(leader, signal.SIGSTOP)
            else:
                cluster.kill(leader)
            # A write that was acknowledged just before may come in just after; 5 more, and it is over.
            deadline = at + 60
            while time.monotonic() < deadline and sum(t > at for t in good[-20:]) < 10:
                time.sleep(0.01)
        finally:
            stop.set()
            thread.join(40)
            probe.close()
        around = [t for t in good if t <= at][-1:] + [t for t in good if t > at]
        if len(around) < 3:
            raise RuntimeError('no service within 60 s')
        gap = max(b - a for a, b in zip(around, around[1:]))
        if name == 'pause':
            cluster.signal(leader, signal.SIGCONT)
        else:
            cluster.start_one(leader)
        cluster.wait_whole()
        time.sleep(0.5)
        return round(gap * 1e3, 2)

    # ---- memory and restart

    def loaded(self, kind):
        """A tree of --keys znodes: memory of the three; then all stopped and started: time to first read."""
        if kind == 'etcd':
            return
        cluster = self.cluster(kind)
        keys = self.args.keys
        try:
            before, leader = cluster.rss_bytes(), cluster.leader()
            done = subprocess.run([self.takt, 'bench', '-s', '%s:%d' % cluster.address(leader), '--scenario',
                                   'load', '--keys', str(keys), '--parents', '100', '-n', '8', '-w', '128',
                                   '--payload', '100', '--keep', '-o', 'json'], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE)
            if done.returncode:
                self.complain('%s, load: %s' % (kind, done.stderr.decode().strip()))
                return
            rss = cluster.rss_bytes()
            cluster.stop()
            begin = time.monotonic()
            for i in range(3):
                cluster.start_one(i)
            while subprocess.run([self.takt, 'sh', '-s', '%s:%d' % cluster.address(leader), '-c',
                                  'sync / ; get /takt-bench/p000000'], stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL).returncode:
                if time.monotonic() - begin > 120:
                    self.complain('%s did not come back within 120 s' % kind)
                    return
                time.sleep(0.02)
            restart_s = time.monotonic() - begin
            self.note(1, kind, 'load', {'rss_before_bytes': before, 'rss_bytes': rss, 'znodes': keys,
                                        'restart_s': restart_s,
                                        'per_s': json.loads(done.stdout)['total']['per_s']})
            print('  %-5s load      %.0f MB for 3 x %d znodes; %.2f s from the start of all to a synced read'
                  % (kind, (rss - before) / 1e6, keys, restart_s), flush=True)
        finally:
            cluster.remove()

    # ---- all of it

    def everything(self):
        args = self.args
        loads = self.wanted & {'set64', 'follow64', 'set1', 'open'}
        rate = 0
        if 'open' in self.wanted:
            print('calibration', flush=True)
            rate = self.calibrate()
            self.note(0, 'all', 'rate', {'per_s': rate})
        for round_ in range(1, args.rounds + 1 if loads else 1):
            for kind in self.servers if round_ % 2 else self.servers[::-1]:
                print('round %d, %s' % (round_, kind), flush=True)
                self.one_round(round_, kind, rate)
        for name in ('kill', 'pause', 'tuned'):
            if name in self.wanted and args.failovers:
                print('failover: ' + name, flush=True)
                for kind in self.servers:
                    if name != 'tuned' or kind != 'takt':
                        self.failovers(kind, name, name == 'tuned')
        if 'load' in self.wanted:
            print('a tree', flush=True)
            for kind in self.servers:
                self.loaded(kind)


def machine(run):
    def said(command, line=0):
        try:
            text = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout.decode()
            return text.strip().split('\n')[line]
        except OSError:
            return 'none'
    model = next((line.split(':', 1)[1].strip() for line in open('/proc/cpuinfo')
                  if line.startswith('model name')), '?')
    lines = ['date       ' + datetime.datetime.now(datetime.timezone.utc).strftime('%Y-%m-%dT%H:%M:%SZ'),
             'machine    %s, %d cores, Linux %s' % (model, os.cpu_count(), os.uname().release),
             'disk       ' + said(['df', '--output=fstype', run.args.dir], -1),
             'takt       ' + said(['git', '-C', ROOT, 'rev-parse', '--short', 'HEAD'])]
    if 'zk' in run.servers:
        lines.append('zookeeper  %s, heap %s a node' % (
            said(['dpkg-query', '-W', '-f', '${Version}', 'libzookeeper-java']),
            os.environ.get('ZK_HEAP', '512m')))
    if 'etcd' in run.servers:
        lines.append('etcd       ' + said(['dpkg-query', '-W', '-f', '${Version}', 'etcd-server']))
    lines.append('load       %d rounds of %g s after %g s, %d failovers; load average at the end %s' % (
        run.args.rounds, run.args.seconds, run.args.warmup, run.args.failovers,
        ' '.join('%.2f' % x for x in os.getloadavg())))
    lines.append('nodes      three on one machine and one disk, clients beside them: ratios only')
    return lines


def check(run):
    """What must be there, in one sentence each."""
    need = [run.takt]
    if 'takt' in run.servers:
        need.append(os.environ.get('TAKTD', os.path.join(ROOT, 'build/tools/taktd')))
    if 'etcd' in run.servers:
        need.append(os.path.join(ROOT, 'build/perf/perf_etcd'))
    for path in need:
        if not os.access(path, os.X_OK):
            return '%s is not built; run: ninja -C build' % path
    if 'zk' in run.servers and not (os.path.exists(ZK_JARS.split(':')[0]) and shutil.which('java')):
        return 'no ZooKeeper: tools/packages.sh install bench'
    if 'etcd' in run.servers and not shutil.which('etcd'):
        return 'no etcd: tools/packages.sh install ensemble'
    return None


def main():
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument('--quick', action='store_true')
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--seconds', type=float, default=6)
    parser.add_argument('--warmup', type=float, default=3)
    parser.add_argument('--servers', default='zk etcd takt')
    parser.add_argument('--failovers', type=int, default=10)
    parser.add_argument('--only', default=LOADS)
    parser.add_argument('--keys', type=int, default=200000)
    parser.add_argument('--dir', default=os.path.join(ROOT, 'build/perf-data'))
    parser.add_argument('--accept', action='store_true')
    args = parser.parse_args()
    if args.quick:
        args.rounds, args.seconds, args.warmup, args.failovers, args.keys = 1, 0.5, 0.4, 1, 2000
        args.servers = ' '.join(s for s in args.servers.split() if s != 'etcd')
        args.only = ' '.join(n for n in args.only.split() if n not in ('tuned', 'pause'))
    bad = set(args.servers.split()) - set(CLUSTERS) or set(args.only.split()) - set(LOADS.split())
    if bad:
        parser.error('unknown: %s; see --help' % ' '.join(bad))
    run = Run(args)
    problem = check(run)
    if problem:
        print('ensemble: ' + problem, file=sys.stderr)
        return 2
    os.makedirs(run.data, exist_ok=True)
    print('ensemble: %s; raw results in %s' % (args.servers, os.path.relpath(run.raw_path, ROOT)), flush=True)
    try:
        run.everything()
    except KeyboardInterrupt:
        return 130
    finally:
        shutil.rmtree(run.data, ignore_errors=True)
    name = None
    if args.accept:
        name = os.path.join(ROOT, 'perf/results', '%s-%dcore-ensemble' % (
            time.strftime('%Y-%m-%d'), os.cpu_count()))
    ensemble_table.report(run.raw, machine(run), run.out, name)
    return 1 if run.failed else 0


if __name__ == '__main__':
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
