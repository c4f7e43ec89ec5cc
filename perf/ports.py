"""What ports.sh runs: server and client in two namespaces joined by a veth pair, over each port in turn.

     load (this namespace) ── tkc 10.77.0.1 ═══ veth ═══ tks 10.77.0.2 ── port_echo | taktd (another one)
                                                         the kernel's address, or a DPDK device's

See ports.sh --help."""
import argparse
import datetime
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, 'tests', 'system'))
import harness      # noqa: E402
import wires        # noqa: E402

TAKT, TAKTD = 'build/tools/takt', 'build/tools/taktd'
ECHO, MEMIF = 'build/tests/system/port_echo', 'build/perf/perf_memif'
MEMIF_GET = 'build/perf/perf_memif_get'
PORTS = ('kernel', 'af_packet', 'af_xdp', 'memif')
SERVER_IP, ECHO_SIZE, CONNS, WINDOW = '10.77.0.2', 112, 16, 16   # a get and its answer: 39 and 192 bytes
MEMIF_SIZE = 206    # bytes of a frame: those of a get of beat (125) and of its answer (286), halved


class CannotRun(Exception):
    """This host, or this build, cannot do it; the text says why."""


class Path:
    """The veth pair and the server's namespace, for one server."""

    def __init__(self, port):
        self.port, self.space = port, wires.Namespace()
        wires.run('ip link add tkc type veth peer name tks netns %d' % self.space.holder.pid)
        wires.run('ip addr add 10.77.0.1/24 dev tkc')
        if port == 'kernel':
            self.space.run('ip addr add %s/24 dev tks' % SERVER_IP)
        else:       # a partial checksum would reach DPDK as a wrong one
            wires.run('ethtool -K tkc tx off')
        wires.run('ip link set tkc up')
        self.space.run('ip link set lo up')
        self.space.run('ip link set tks up')

    @property
    def eal(self):
        vdev = 'net_af_xdp0,iface=tks'
        if self.port == 'af_packet':
            with open('/proc/self/uid_map') as uid_map:
                frames = 8192 if int(uid_map.read().split()[2]) > 1 else 1024
            vdev = ('net_af_packet0,iface=tks,qdisc_bypass=1,blocksz=65536,framesz=2048,framecnt=%d' % frames)
        return '--no-pci --no-huge -m 256 --no-shconf --vdev ' + vdev

    def remove(self):
        subprocess.run(['ip', 'link', 'del', 'tkc'], stderr=subprocess.DEVNULL)
        self.space.remove()


class Server:
    """port_echo or taktd on a Path, until the end of the with."""

    def __init__(self, what, path, out):
        self.what, self.log = what, os.path.join(out, '%s-%s.log' % (what, path.port))
        self.number = 7000 if what == 'echo' else 2181
        self.home = tempfile.mkdtemp(prefix='takt-ports-')
        at = '%s:%d' % (SERVER_IP, self.number)
        if what == 'echo':
            command = [ECHO, 'kernel', at] if path.port == 'kernel' else [
                ECHO, 'dpdk', path.eal, SERVER_IP + '/24', str(self.number), '1']
        else:
            command = [TAKTD, '--dev', '--listen', at, '--data', self.home, '--set', 'beat.listen=',
                       '--set', 'maxClientCnxns=0']
            if path.port != 'kernel':
                command += ['--port', 'dpdk', '--eal', path.eal, '--ip', SERVER_IP + '/24']
        with open(self.log, 'w') as log:
            self.process = subprocess.Popen(path.space.prefix + command, stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL)

    def __enter__(self):
        ready = ('port_echo: ready', ) if self.what == 'echo' else ()
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and self.process.poll() is None:
            if ready and ready[0] in harness.tail(self.log):
                return self
            if not ready and subprocess.run([TAKT, 'ready', '-s', '%s:%d' % (SERVER_IP, self.number), '--timeout',
                                             '1'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
                                            ).returncode == 0:
                return self
            time.sleep(0.05)
        self.__exit__()
        said = harness.tail(self.log, 400).strip().splitlines()
        raise CannotRun('%s does not start: %s' % (self.what, said[-1] if said else 'it says nothing'))

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.home, ignore_errors=True)

    def cpu_s(self):
        with open('/proc/%d/stat' % self.process.pid) as stat:
            fields = stat.read().rsplit(')', 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def asked(command, limit_s):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=limit_s)
    if done.returncode:
        raise CannotRun('%s: %s' % (os.path.basename(command[0]), ' '.join(done.stderr.split())[-200:]))
    return done.stdout


def asked_soon(command, limit_s):
    """The same, of a server whose socket is there a moment before it listens."""
    for _ in range(10):
        try:
            return asked(command, limit_s)
        except CannotRun as why:
            last = why
            time.sleep(0.2)
    raise last


def load_echo(server, conns, window, seconds):
    before = server.cpu_s()
    text = asked([ECHO, 'load', SERVER_IP, str(server.number), str(conns), str(window), str(ECHO_SIZE),
                  str(seconds)], seconds + 30)
    per_s, p50, p99 = (float(word) for word in re.search(r': (\d+) /s  p50 ([\d.]+) us  p99 ([\d.]+) us',
                                                          text).groups())
    return {'per_s': per_s, 'p50_us': p50, 'p99_us': p99,
            'cpu_us': (server.cpu_s() - before) * 1e6 / (per_s * seconds)}


def load_takt(server, conns, window, seconds):
    result = json.loads(asked([TAKT, 'bench', '-s', '%s:%d' % (SERVER_IP, server.number), '--ops', 'get', '-n',
                               str(conns), '-w', str(window), '--warmup', '0.2', '--duration', str(seconds),
                               '--server-pid', str(server.process.pid), '-o', 'json'], seconds + 30))
    return {'per_s': result['total']['per_s'], 'p50_us': result['total']['p50_ns'] / 1e3,
            'p99_us': result['total']['p99_ns'] / 1e3,
            'cpu_us': result['server_cpu_s'] * 1e6 / result['units']}


def measure(what, port, seconds, out):
    """{one: 1 x 1, many: CONNS x WINDOW} of an echo or of takt on a port."""
    load = load_echo if what == 'echo' else load_takt
    path = Path(port)
    try:
        with Server(what, path, out) as server:
            return {'one': load(server, 1, 1, seconds), 'many': load(server, CONNS, WINDOW, seconds)}
    finally:
        path.remove()


def memif_command(what, socket, home, cpu):
    """The server's end of shared memory: a bare echo, or taktd whose NET spins and whose other roles sleep."""
    if what == 'echo':
        return [MEMIF, 'serve', socket, cpu]
    eal = ('--no-pci --no-huge -m 256 --no-shconf --vdev net_memif0,role=server,socket=%s,socket-abstract=no'
           % socket)
    return [TAKTD, '--dev', '--port', 'dpdk', '--eal', eal, '--ip', SERVER_IP + '/24', '--data', home + '/data',
            '--set', 'beat.listen=%s:2182' % SERVER_IP, '--set', 'roles.layout=spread', '--set', 'roles.idle=park',
            '--set', 'roles.idles=net-spin', '--set', 'roles.cpus.net=' + cpu]


def measure_memif(what, port, seconds, out):
    """A get here is one of beat's, by libtakt's transport; it and the echo spin at both ends."""
    for program in (MEMIF, MEMIF_GET):
        if not os.path.exists(program):
            raise CannotRun('%s is not built: no DPDK' % program)
    home = tempfile.mkdtemp(prefix='takt-memif-')
    socket, last = os.path.join(home, 'sock'), str((os.cpu_count() or 1) - 1)
    log_path = os.path.join(out, '%s-memif.log' % what)
    with open(log_path, 'w') as log:
        server = subprocess.Popen(memif_command(what, socket, home, last), stdout=log, stderr=log)

    def load(window):
        ask = ([MEMIF, 'ask', socket, '0', str(MEMIF_SIZE), str(window), str(seconds)] if what == 'echo' else
               [MEMIF_GET, socket, '0', str(seconds), str(window)])
        _, p50, p99, _, per_s = (float(word) for word in asked_soon(ask, seconds + 40).split())
        # A spinning server uses its whole core, whatever the load: CPU a frame means something with many only.
        return {'per_s': per_s, 'p50_us': p50 / 1e3, 'p99_us': p99 / 1e3,
                'cpu_us': None if window == 1 else 1e6 / per_s}
    try:
        deadline = time.monotonic() + 20
        while (not os.path.exists(socket) or what == 'takt' and 'ready after' not in harness.tail(log_path)):
            if server.poll() is not None or time.monotonic() > deadline:
                raise CannotRun('the server does not start: ' + harness.tail(log_path, 300))
            time.sleep(0.05)
        return {'one': load(1), 'many': load(CONNS * WINDOW if what == 'echo' else WINDOW)}
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        shutil.rmtree(home, ignore_errors=True)


def run_rounds(ports, rounds, seconds, out):
    """({(port, what): [result]}, {(port, what): why not}). Order alternates, so that drift hits all alike. Of
    memif the two come in short pairs: how far apart two cores are changes from second to second on some hosts."""
    results, skipped = {}, {}
    for number in range(rounds):
        for port in ports if number % 2 == 0 else ports[::-1]:
            pairs = 3 if port == 'memif' else 1
            for what in ('echo', 'takt') * pairs:
                if (port, what) in skipped:
                    continue
                try:
                    run = measure_memif if port == 'memif' else measure
                    result = run(what, port, seconds / pairs, out)
                except (CannotRun, wires.CannotWire, subprocess.TimeoutExpired) as why:
                    skipped[port, what] = str(why)
                    print('  SKIP: %s on %s: %s' % (what, port, why), flush=True)
                    continue
                results.setdefault((port, what), []).append(result)
                print('  round %d  %-9s %-4s  1x1 p50 %.2f us  %dx%d %.0f /s' % (
                    number + 1, port, what, result['one']['p50_us'], CONNS, WINDOW, result['many']['per_s']),
                    flush=True)
    return results, skipped


def medians(runs):
    def median(load, key):
        values = [run[load][key] for run in runs if run[load][key] is not None]
        return statistics.median(values) if values else None
    return {'p50_us': median('one', 'p50_us'), 'p99_us': median('one', 'p99_us'),
            'per_s': median('many', 'per_s'), 'many_p99_us': median('many', 'p99_us'),
            'cpu_us': median('many', 'cpu_us')}


KEYS = (('p50_us', '1x1 p50 us', '%.2f'), ('p99_us', '1x1 p99 us', '%.2f'),
        ('per_s', '%dx%d /s' % (CONNS, WINDOW), '%.0f'), ('many_p99_us', 'its p99 us', '%.0f'),
        ('cpu_us', 'server CPU us', '%.2f'))


def table(rows, skipped, ports):
    """Lines for people: the figures, then the two questions of ratios."""
    lines = ['%-18s' % '' + ''.join('%15s' % title for _, title, _ in KEYS)]
    for port in ports:
        for what in ('echo', 'takt'):
            name = '%-10s %-7s' % (port, what)
            if (port, what) in rows:
                row = rows[port, what]
                lines.append(name + ''.join('%15s' % ('-' if row[key] is None else form % row[key])
                                            for key, _, form in KEYS))
            else:
                lines.append(name + '  skipped: ' + skipped.get((port, what), ''))
    lines += ['', 'what bypass gives, to the kernel port = 1 (p50 and CPU: less is better; /s: more)']
    for what in ('echo', 'takt'):
        base = rows.get(('kernel', what))
        for port in ports:
            if base and port in ('af_packet', 'af_xdp') and (port, what) in rows:
                row = rows[port, what]
                lines.append('  %-9s %-5s p50 %.2f   p99 %.2f   /s %.2f   CPU %.2f' % ((port, what) + tuple(
                    row[key] / base[key] for key in ('p50_us', 'p99_us', 'per_s', 'cpu_us'))))
    lines += ['', 'what takt adds to the bare echo on the same port, one request at a time']
    for port in ports:
        if (port, 'echo') in rows and (port, 'takt') in rows:
            bare, node = rows[port, 'echo'], rows[port, 'takt']
            lines.append('  %-10s p50 %+.2f us (%.2f)   p99 %+.2f us (%.2f)' % (
                port, node['p50_us'] - bare['p50_us'], node['p50_us'] / bare['p50_us'],
                node['p99_us'] - bare['p99_us'], node['p99_us'] / bare['p99_us']))
    return lines


def targets(rows, results):
    """What issue 4 asks of this table: (sentence, reached or not) each. memif: the median of its pairs."""
    found = []
    pairs = list(zip(results.get(('memif', 'echo'), []), results.get(('memif', 'takt'), [])))
    if pairs:
        for key, most in (('p50_us', 0.6), ('p99_us', 1.5)):
            more = statistics.median(node['one'][key] - bare['one'][key] for bare, node in pairs)
            found.append(('memif, a get: %s at most %.1f us above the bare echo: %+.2f' % (key[:3], most, more),
                          more <= most))
    kernel, xdp = rows.get(('kernel', 'takt')), rows.get(('af_xdp', 'takt'))
    if kernel and xdp:
        found.append(('af_xdp, ZooKeeper client: p50 not above the kernel port: %.2f, %.2f us'
                      % (xdp['p50_us'], kernel['p50_us']), xdp['p50_us'] <= kernel['p50_us']))
        found.append(('af_xdp, ZooKeeper client: server CPU a request below the kernel port: %.2f, %.2f us'
                      % (xdp['cpu_us'], kernel['cpu_us']), xdp['cpu_us'] < kernel['cpu_us']))
    return ['', 'targets'] + ['  %s  %s' % ('PASS' if good else 'MISS', text) for text, good in found] if found else []


def gaps(seconds):
    """How long each core was away from a program that only spins, in the same minute."""
    done = subprocess.run([TAKT, 'jitter', '-t', str(seconds)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True)
    return ['', 'spin gaps of the same minute'] + ['  ' + line for line in done.stdout.splitlines()]


def draw(rows, ports, where):
    """Bars of p50 and of server CPU, echo and takt side by side."""
    data = ''.join('"%s" %s\n' % (port, ' '.join(
        '%g' % rows[port, what][key] if (port, what) in rows and rows[port, what][key] is not None else '0'
        for key in ('p50_us', 'cpu_us') for what in ('echo', 'takt'))) for port in ports)
    script = '''set terminal svg size 860,420 font "sans,12" background "white"
set output "%s"
set border 3
set tics nomirror
set grid ytics lc rgb "#dddddd"
set style data histogram
set style histogram clustered gap 1
set style fill solid
set yrange [0:*]
$d << EOD
%sEOD
set multiplot layout 1,2
set title "get, one at a time: p50, us"
plot $d using 2:xtic(1) title "bare echo", $d using 3 title "takt"
set title "server CPU a request under load, us"
plot $d using 4:xtic(1) title "bare echo", $d using 5 title "takt"
unset multiplot
''' % (where, data)
    subprocess.run(['gnuplot'], input=script.encode(), stderr=subprocess.DEVNULL)


def machine(args):
    def said(command):
        return subprocess.run(command, shell=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    with open('/sys/devices/system/cpu/isolated') as isolated:
        qualified = isolated.read().strip()
    lines = ['date       ' + datetime.datetime.utcnow().strftime('%Y-%m-%dT%H:%M:%SZ'),
             'machine    %s, %d cores, Linux %s' % (said("lscpu | sed -n 's/^Model name: *//p'"), os.cpu_count(),
                                                    os.uname().release),
             'takt       ' + said('git rev-parse --short HEAD'),
             'load       %d rounds of %g s; load average at the end %s' % (
                 args.rounds, args.seconds, ' '.join('%.2f' % value for value in os.getloadavg()))]
    if os.getloadavg()[0] > 2 * os.cpu_count():     # the run itself makes up to one a core
        lines.append('busy       other work had the cores too: p99, throughput and spinners are the scheduler\'s')
    return lines + ([] if qualified else ['platform unqualified: ratios only'])


def parse():
    parser = argparse.ArgumentParser(prog='ports.sh', add_help=False)
    parser.add_argument('--quick', action='store_true')
    parser.add_argument('--accept', action='store_true')
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--seconds', type=float, default=3)
    parser.add_argument('--only', default=' '.join(PORTS))
    args = parser.parse_args()
    if args.quick:
        args.rounds, args.seconds = 1, 0.5
    for port in args.only.split():
        if port not in PORTS:
            parser.error('no port %s; there are: %s' % (port, ' '.join(PORTS)))
    return args


def main():
    args = parse()
    for need in (TAKT, TAKTD, ECHO):
        if not os.access(need, os.X_OK):
            print('ports: %s is not built; run: ninja -C build' % need, file=sys.stderr)
            return 2
    try:
        harness.enter_namespace()
        harness.need_dpdk('build')
        why = None
    except harness.Skip as skip:
        why = str(skip)
    ports = args.only.split()
    if why and not os.environ.get('TAKT_TEST_NETNS'):
        print('SKIP: %s' % why)
        return 0
    if why:
        print('SKIP: dpdk: ' + why)
        ports = [port for port in ports if port == 'kernel']
    out = 'build/perf/ports-' + datetime.datetime.now().strftime('%Y%m%d-%H%M%S')
    os.makedirs(out)
    results, skipped = run_rounds(ports, args.rounds, args.seconds, out)
    rows = {key: medians(runs) for key, runs in results.items()}
    text = '\n'.join(machine(args) + [''] + table(rows, skipped, ports) + targets(rows, results) +
                     gaps(1 if args.quick else 3)) + '\n'
    print(text, end='')
    with open(out + '/result.txt', 'w') as file:
        file.write(text)
    with open(out + '/result.json', 'w') as file:
        json.dump({'%s %s' % key: row for key, row in rows.items()}, file, indent=1)
    if shutil.which('gnuplot'):
        draw(rows, ports, out + '/result.svg')
    else:
        print('no plot: gnuplot is not installed (tools/packages.sh install bench)')
    if args.accept:
        name = 'perf/results/%s-ports-%dcore' % (datetime.date.today().isoformat(), os.cpu_count())
        for end in ('txt', 'json', 'svg'):
            if os.path.exists(out + '/result.' + end):
                shutil.copy(out + '/result.' + end, name + '.' + end)
        print('kept as %s.*' % name)
    return 0 if rows else 1


if __name__ == '__main__':
    sys.exit(main())
