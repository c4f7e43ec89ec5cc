#!/usr/bin/python3
"""The arithmetic of compare.sh: medians, ratios, targets.

usage: compare_table.py --line < bench.json          one line for people
       compare_table.py --half NAME raw.jsonl        half of ZooKeeper's throughput, for the open loop
       compare_table.py --machine FILE --json FILE raw.jsonl     the table; and the same as JSON

A target comes from issue 2, "Must reach"; a line without one is shown for information. Figures are the
median over the rounds; a ratio is the ratio of the medians.
"""
import argparse
import json
import statistics
import sys


def read_raw(path):
    with open(path, encoding='utf-8') as lines:
        return [json.loads(line) for line in lines]


class Results:
    """Medians by server and name."""

    def __init__(self, raw):
        self.raw = raw

    def median(self, server, name, figure):
        values = [figure(entry['result']) for entry in self.raw
                  if entry['server'] == server and entry['name'] == name]
        values = [value for value in values if value is not None]
        return statistics.median(values) if values else None


def per_second(result):
    return result['total']['per_s']


def percentile(key, op=None):
    def figure(result):
        hist = result['ops'].get(op) if op else result['total']
        return hist[key] / 1000 if hist else None
    return figure


def cpu_us(result):
    if 'server_cpu_s' not in result or not result['units']:
        return None
    return result['server_cpu_s'] * 1e6 / result['units']


def sessions_per_second(result):
    return result['ops']['close']['per_s'] if 'close' in result['ops'] else None


def bytes_per_znode(result):
    return (result['server_rss_bytes'] - result['server_rss_before_bytes']) / result['units']


def all_bytes_per_znode(result):
    return result['rss_bytes'] / result['znodes']


def plain(key, scale=1.0):
    return lambda result: result[key] * scale


# name, unit, load, figure, what to reach: (kind, bound). kind 'at least' and 'at most' bound takt / ZooKeeper;
# 'value at most' bounds takt's own figure.
LINES = [
    ('get 64 x 64, throughput', '/s', 'get64', per_second, ('at least', 4)),
    ('get 64 x 64, server CPU', 'us each', 'get64', cpu_us, ('at most', 1 / 10)),
    ('get 64 x 64, p50', 'us', 'get64', percentile('p50_ns'), None),
    ('get 64 x 64, p99', 'us', 'get64', percentile('p99_ns'), None),
    ('get 64 x 64, p99.9', 'us', 'get64', percentile('p999_ns'), None),
    ('set 64 x 64, throughput', '/s', 'set64', per_second, ('at least', 3)),
    ('set 64 x 64, server CPU', 'us each', 'set64', cpu_us, ('at most', 1 / 8)),
    ('set 64 x 64, p50', 'us', 'set64', percentile('p50_ns'), None),
    ('set 64 x 64, p99', 'us', 'set64', percentile('p99_ns'), None),
    ('set 64 x 64, p99.9', 'us', 'set64', percentile('p999_ns'), None),
    ('get 1 x 1, p50', 'us', 'get1', percentile('p50_ns'), None),
    ('get 1 x 1, p99', 'us', 'get1', percentile('p99_ns'), None),
    ('set 1 x 1, p50', 'us', 'set1', percentile('p50_ns'), None),
    ('set 1 x 1, p99', 'us', 'set1', percentile('p99_ns'), None),
    ('get, half of ZooKeeper\'s max, p50', 'us', 'open_get', percentile('p50_ns'), None),
    ('get, half of ZooKeeper\'s max, p99', 'us', 'open_get', percentile('p99_ns'), ('at most', 1 / 10)),
    ('get, half of ZooKeeper\'s max, p99.9', 'us', 'open_get', percentile('p999_ns'), None),
    ('set, half of ZooKeeper\'s max, p50', 'us', 'open_set', percentile('p50_ns'), None),
    ('set, half of ZooKeeper\'s max, p99', 'us', 'open_set', percentile('p99_ns'), ('at most', 1 / 10)),
    ('set, half of ZooKeeper\'s max, p99.9', 'us', 'open_set', percentile('p999_ns'), None),
    ('watchers, set to last event, p50', 'us', 'watch', percentile('p50_ns', 'last'), ('at most', 1 / 2)),
    ('watchers, set to last event, p99', 'us', 'watch', percentile('p99_ns', 'last'), None),
    ('watchers, server CPU', 'us an event', 'watch', cpu_us, ('at most', 1 / 5)),
    ('sessions', '/s', 'sessions', sessions_per_second, ('at least', 2)),
    ('sessions, server CPU', 'us each', 'sessions', cpu_us, ('at most', 1 / 4)),
    ('memory: growth by the load', 'B a znode', 'load', bytes_per_znode, ('value at most', 260)),
    ('memory: all of it, after the restart', 'B a znode', 'restart', all_bytes_per_znode, None),
    ('load, throughput', 'creates/s', 'load', per_second, None),
    ('restart as the load left it, to first read', 's', 'restart_log', plain('restart_ms', 1e-3), None),
    ('restart from a snapshot, to first read', 's', 'restart', plain('restart_ms', 1e-3), ('value at most', 1.0)),
]

# takt's figure against bare programs on the same path in the same run.
PEER_LINES = [
    ('get 1 x 1, p50 / bare echo', 'get1', ['echo_get'], 1.25),
    ('set 1 x 1, p50 / (bare echo + durable append)', 'set1', ['echo_set', 'dsync'], 1.25),
]


def judge(target, takt, ratio):
    """(target as text, verdict)"""
    if target is None:
        return '', ''
    kind, bound = target
    value = takt if kind == 'value at most' else ratio
    if kind == 'value at most':
        text = '<= %g' % bound
    elif kind == 'at least':
        text = '>= %gx' % bound
    else:
        text = '<= 1/%g' % (1 / bound)
    if value is None:
        return text, 'no figure'
    reached = value >= bound if kind == 'at least' else value <= bound
    return text, 'PASS' if reached else 'MISS'


def number(value):
    if value is None:
        return '-'
    return '%.0f' % value if abs(value) >= 1000 else '%.4g' % value


def table(results):
    rows = []
    for name, unit, load, figure, target in LINES:
        zk = results.median('zk', load, figure)
        takt = results.median('takt', load, figure)
        if zk is None and takt is None:
            continue
        ratio = takt / zk if takt is not None and zk else None
        text, verdict = judge(target, takt, ratio)
        rows.append({'name': name, 'unit': unit, 'zookeeper': zk, 'takt': takt, 'ratio': ratio,
                     'target': text, 'verdict': verdict})
    for name, load, peers, bound in PEER_LINES:
        takt = results.median('takt', load, percentile('p50_ns'))
        bare = [results.median('bare', peer, plain('p50_ns', 1e-3)) for peer in peers]
        if takt is None or None in bare:
            continue
        ratio = takt / sum(bare)
        rows.append({'name': name, 'unit': 'us', 'bare': sum(bare), 'zookeeper': None, 'takt': takt,
                     'ratio': ratio, 'target': '<= %gx' % bound,
                     'verdict': 'PASS' if ratio <= bound else 'MISS'})
    return rows


def errors(raw):
    """Loads in which the server refused requests or left some unanswered: their figures are no good."""
    return ['%s, %s, round %d: %s, %d unanswered' % (entry['server'], entry['name'], entry['round'],
            entry['result'].get('errors'), entry['result'].get('unanswered', 0)) for entry in raw
            if entry['result'].get('errors') or entry['result'].get('unanswered')]


def print_table(rows, machine, bad):
    print(machine)
    print('%-46s %-12s %12s %12s %9s  %-8s %s' % ('', '', 'ZooKeeper', 'takt', 'ratio', 'target', ''))
    for row in rows:
        peer = row.get('bare')
        print('%-46s %-12s %12s %12s %9s  %-8s %s' % (
            row['name'], row['unit'], number(peer) if peer is not None else number(row['zookeeper']),
            number(row['takt']), '-' if row['ratio'] is None else '%.3g' % row['ratio'],
            row['target'], row['verdict']))
    print('(in the last lines the bare programs stand in ZooKeeper\'s column)')
    for line in bad:
        print('refused or unanswered: ' + line)
    passed = sum(row['verdict'] == 'PASS' for row in rows)
    judged = sum(row['verdict'] != '' for row in rows)
    print('%d of %d targets reached' % (passed, judged))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--line', action='store_true')
    parser.add_argument('--half')
    parser.add_argument('--machine')
    parser.add_argument('--json')
    parser.add_argument('raw', nargs='?')
    args = parser.parse_args()
    if args.line:
        result = json.load(sys.stdin)
        last = result['ops'].get('last', result['total'])
        print('%9.0f/s  p50 %.0f us  p99 %.0f us  p99.9 %.0f us  server CPU %s us a %s' % (
            sessions_per_second(result) or per_second(result), last['p50_ns'] / 1e3,
            last['p99_ns'] / 1e3, last['p999_ns'] / 1e3, number(cpu_us(result)), result['unit']))
        return
    raw = read_raw(args.raw)
    if args.half:
        best = [per_second(entry['result']) for entry in raw
                if entry['name'] == args.half and entry['server'] == 'zk' and entry['round'] == 1]
        if best:
            print(int(best[0] / 2))
        return
    with open(args.machine, encoding='utf-8') as lines:
        machine = lines.read()
    rows = table(Results(raw))
    bad = errors(raw)
    print_table(rows, machine, bad)
    with open(args.json, 'w', encoding='utf-8') as to:
        json.dump({'machine': machine.splitlines(), 'rows': rows, 'bad': bad}, to, indent=1)
        to.write('\n')


if __name__ == '__main__':
    main()
