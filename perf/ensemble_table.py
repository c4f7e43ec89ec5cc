"""The arithmetic of ensemble.sh: medians, ratios, targets, the table, JSON, and SVG plots by gnuplot.

A target comes from issue 3, "Must reach"; a line without one is shown for information. Figures of loads
are the median over the rounds; a ratio is takt's figure over ZooKeeper's."""
import json
import os
import shutil
import statistics
import subprocess

NAMES = {'zk': 'ZooKeeper', 'etcd': 'etcd', 'takt': 'takt'}


def per_second(result):
    return result['total']['per_s']


def total(key):
    return lambda result: result['total'][key] / 1000


def cpu_s(result):
    """CPU seconds of all three nodes for a million writes."""
    return result['server_cpu_s'] * 1e6 / result['units'] if result.get('units') else None


def gaps(figure):
    return lambda result: figure(result['gaps_ms'])


def megabytes(result):
    return result['rss_bytes'] / 1e6


def bytes_a_znode(result):
    return (result['rss_bytes'] - result['rss_before_bytes']) / result['znodes'] / 3


# name, unit, load, figure, what to reach: 'at least' and 'at most' bound takt / ZooKeeper, 'value at most'
# takt's own figure.
LINES = [
    ('set 64 x 64 at the leader, throughput', '/s', 'set64', per_second, ('at least', 3)),
    ('set 64 x 64 at the leader, CPU of all nodes', 's a million', 'set64', cpu_s, ('at most', 1 / 8)),
    ('set 64 x 64 at the leader, p50', 'us', 'set64', total('p50_ns'), None),
    ('set 64 x 64 at the leader, p99', 'us', 'set64', total('p99_ns'), None),
    ('set 64 x 64 at a follower, throughput', '/s', 'follow64', per_second, None),
    ('set 64 x 64 at a follower, CPU of all nodes', 's a million', 'follow64', cpu_s, None),
    ('set 64 x 64 at a follower, p99', 'us', 'follow64', total('p99_ns'), None),
    ('set 1 x 1 at the leader, p50', 'us', 'set1', total('p50_ns'), ('at most', 1 / 2)),
    ('set 1 x 1 at the leader, p99', 'us', 'set1', total('p99_ns'), None),
    ('set 1 x 1 at a follower, p50', 'us', 'follow1', total('p50_ns'), None),
    ('set 1 x 1 at a follower, p99', 'us', 'follow1', total('p99_ns'), None),
    ('set, half of the slowest\'s max, p50', 'us', 'open', total('p50_ns'), None),
    ('set, half of the slowest\'s max, p99', 'us', 'open', total('p99_ns'), None),
    ('set, half of the slowest\'s max, p99.9', 'us', 'open', total('p999_ns'), None),
    ('set, half of the slowest\'s max, CPU of all', 's a million', 'open', cpu_s, None),
    ('leader kill -9, median', 'ms', 'kill', gaps(statistics.median), None),
    ('leader kill -9, worst', 'ms', 'kill', gaps(max), ('value at most', 150)),
    ('leader SIGSTOP, median', 'ms', 'pause', gaps(statistics.median), None),
    ('leader SIGSTOP, worst', 'ms', 'pause', gaps(max), ('value at most', 500)),
    ('kill -9, the others tuned, median', 'ms', 'tuned', gaps(statistics.median), None),
    ('kill -9, the others tuned, worst', 'ms', 'tuned', gaps(max), None),
    ('memory of all nodes, idle', 'MB', 'idle', megabytes, None),
    ('memory of all nodes, after the loads', 'MB', 'after', megabytes, None),
    ('memory, growth by a tree', 'B a znode', 'load', bytes_a_znode, None),
    ('load of that tree', 'creates/s', 'load', lambda r: r['per_s'], None),
    ('start of all three to a synced read', 's', 'load', lambda r: r['restart_s'], None),
]


def one_line(result):
    """One load for people."""
    cpu = cpu_s(result)
    return '%9.0f/s  p50 %.0f us  p99 %.0f us  p99.9 %.0f us  CPU of all %s s a million' % (
        per_second(result), *(total(key)(result) for key in ('p50_ns', 'p99_ns', 'p999_ns')),
        '-' if cpu is None else '%.2f' % cpu)


def median(raw, server, name, figure):
    values = [figure(entry['result']) for entry in raw if entry['server'] == server and entry['name'] == name]
    values = [value for value in values if value is not None]
    return statistics.median(values) if values else None


def judge(target, takt, ratio):
    """(target as text, verdict)"""
    if target is None:
        return '', ''
    kind, bound = target
    value = takt if kind == 'value at most' else ratio
    text = {'value at most': '<= %g' % bound, 'at least': '>= %gx' % bound,
            'at most': '<= 1/%g' % (1 / bound)}[kind]
    if value is None:
        return text, 'no figure'
    return text, 'PASS' if (value >= bound if kind == 'at least' else value <= bound) else 'MISS'


def rows_of(raw):
    rows = []
    for name, unit, load, figure, target in LINES:
        row = {server: median(raw, server, load, figure) for server in NAMES}
        if all(value is None for value in row.values()):
            continue
        ratio = row['takt'] / row['zk'] if row['takt'] is not None and row['zk'] else None
        if load == 'tuned':     # takt's own times are its usual ones
            row['takt'] = median(raw, 'takt', 'kill', figure)
            ratio = row['takt'] / row['zk'] if row['takt'] is not None and row['zk'] else None
        text, verdict = judge(target, row['takt'], ratio)
        rows.append(dict(row, name=name, unit=unit, ratio=ratio, target=text, verdict=verdict))
    return rows


def errors_of(raw):
    """Loads in which requests were refused or left unanswered: their figures are no good."""
    return ['%s, %s, round %d: %s, %d unanswered' % (
        entry['server'], entry['name'], entry['round'], entry['result'].get('errors'),
        entry['result'].get('unanswered', 0)) for entry in raw
        if entry['result'].get('errors') or entry['result'].get('unanswered')]


def number(value):
    if value is None:
        return '-'
    return '%.0f' % value if abs(value) >= 1000 else '%.4g' % value


def table_of(rows, machine, bad):
    lines = machine + ['', '%-46s %-12s %11s %11s %11s %9s  %-8s %s' % (
        '', '', 'ZooKeeper', 'etcd', 'takt', 'takt/ZK', 'target', '')]
    for row in rows:
        lines.append('%-46s %-12s %11s %11s %11s %9s  %-8s %s' % (
            row['name'], row['unit'], number(row['zk']), number(row['etcd']), number(row['takt']),
            '-' if row['ratio'] is None else '%.3g' % row['ratio'], row['target'], row['verdict']))
    lines += ['refused or unanswered: ' + line for line in bad]
    judged = [row for row in rows if row['verdict']]
    lines.append('%d of %d targets reached' % (sum(row['verdict'] == 'PASS' for row in judged), len(judged)))
    return '\n'.join(lines) + '\n'


GNUPLOT_HEAD = '''set terminal svg size 760,420 font "sans,12" background "white"
set output "{out}"
set title "{title}"
set border 3
set tics nomirror
set grid ytics lc rgb "#dddddd"
set key top left
'''


def plot(script):
    subprocess.run(['gnuplot'], input=script.encode(), stderr=subprocess.DEVNULL)


def plot_failovers(raw, out):
    """Each one's failovers, sorted: how many were over within x ms."""
    for name, title in (('kill', 'Leader kill -9: the client\'s pause'),
                        ('pause', 'Leader SIGSTOP: the client\'s pause')):
        series = [(NAMES[entry['server']], sorted(entry['result']['gaps_ms']))
                  for entry in raw if entry['name'] == name]
        if not series:
            continue
        script = GNUPLOT_HEAD.format(out=os.path.join(out, name + '.svg'), title=title)
        script += 'set xlabel "ms"\nset logscale x\nset ylabel "share of failovers"\nset yrange [0:1.05]\n'
        for i, (_, values) in enumerate(series):
            script += '$d%d << EOD\n' % i + ''.join(
                '%g %g\n' % (value, (n + 1) / len(values)) for n, value in enumerate(values)) + 'EOD\n'
        script += 'plot ' + ', '.join('$d%d with steps lw 2 title "%s", $d%d with points pt 7 ps 0.5 notitle'
                                      % (i, title, i) for i, (title, _) in enumerate(series)) + '\n'
        plot(script)


def plot_bars(rows, out):
    """Throughput, CPU and latency, a bar a server, ZooKeeper = 1."""
    picked = [row for row in rows if row['zk'] and row['name'] in (
        'set 64 x 64 at the leader, throughput', 'set 64 x 64 at the leader, CPU of all nodes',
        'set 1 x 1 at the leader, p50', 'set, half of the slowest\'s max, p99', 'leader kill -9, median')]
    if not picked:
        return
    script = GNUPLOT_HEAD.format(out=os.path.join(out, 'ensemble.svg'),
                                 title='Three durable nodes, ZooKeeper = 1')
    script += 'set style data histogram\nset style histogram cluster gap 1\nset style fill solid 0.8\n'
    script += 'set logscale y\nset xtics rotate by -12 font ",9"\n$d << EOD\n'
    for row in picked:
        script += '"%s" %s\n' % (row['name'].replace(' at the leader', ''), ' '.join(
            '%g' % (row[server] / row['zk']) if row[server] else 'nan' for server in NAMES))
    script += 'EOD\nplot ' + ', '.join('$d using %d:xtic(1) title "%s"' % (i + 2, title)
                                       for i, title in enumerate(NAMES.values())) + '\n'
    plot(script)


def report(raw, machine, out, accepted=None):
    """Prints the table; writes result.txt, result.json and the plots; a copy to `accepted`.* if given."""
    rows, bad = rows_of(raw), errors_of(raw)
    text = table_of(rows, machine, bad)
    print(text, end='')
    with open(os.path.join(out, 'result.txt'), 'w', encoding='utf-8') as to:
        to.write(text)
    with open(os.path.join(out, 'result.json'), 'w', encoding='utf-8') as to:
        json.dump({'machine': machine, 'rows': rows, 'bad': bad, 'failovers_ms': {
            entry['server'] + ' ' + entry['name']: entry['result']['gaps_ms']
            for entry in raw if 'gaps_ms' in entry['result']}}, to, indent=1)
        to.write('\n')
    if shutil.which('gnuplot'):
        plot_failovers(raw, out)
        plot_bars(rows, out)
    else:
        print('no plots: gnuplot is not installed (tools/packages.sh install bench)')
    if accepted:
        os.makedirs(os.path.dirname(accepted), exist_ok=True)
        for end in ('txt', 'json'):
            shutil.copy(os.path.join(out, 'result.' + end), accepted + '.' + end)
        for name in ('kill', 'pause', 'ensemble'):
            if os.path.exists(os.path.join(out, name + '.svg')):
                shutil.copy(os.path.join(out, name + '.svg'), '%s-%s.svg' % (accepted, name))
        print('kept as %s.*' % accepted)
