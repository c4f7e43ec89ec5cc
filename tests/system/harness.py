"""Starts and stops the server under test, and runs test functions with TAP on stdout.

A test is a function `test_*(t)` in a file test_*.py here; t is a Run. Its first line of
documentation is its name in the output. What it opens through t is closed for it. The same test
runs against taktd and against Debian's ZooKeeper 3.8: what differs is known here, nowhere else.
"""
import logging
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

import zkwire

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
QUICK = os.environ.get('TAKT_TEST_QUICK') == '1'
SUPER = ('super:test', 'super:D/InIHSb7yEEbrWz8b9l71RjZJU=')    # password, and its digest

# What every server gets unless a test says otherwise. ZooKeeper's names; taktd knows them too.
DEFAULTS = {
    'tickTime': 1000, 'minSessionTimeout': 1000, 'maxSessionTimeout': 60000,
    'maxClientCnxns': 0, 'extendedTypesEnabled': 'true', '4lw.commands.whitelist': '*',
    'DigestAuthenticationProvider.superDigest': SUPER[1], 'enforceQuota': 'true',
    'znode.container.checkIntervalMs': 1000,
}
# For ZooKeeper these are flags of the JVM, not lines of zoo.cfg.
JVM_PROPERTIES = {'znode.container.checkIntervalMs': 'znode.container.checkIntervalMs',
                  'jute.maxbuffer': 'jute.maxbuffer'}


# kazoo tells every lost connection; here they are meant.
logging.getLogger('kazoo').addHandler(logging.NullHandler())
logging.getLogger('kazoo').propagate = False


class Skip(Exception):
    """The host cannot run this test; the text says why."""


def skip(reason):
    raise Skip(reason)


class Veth:
    """A pair of virtual Ethernet ends: takt drives one through DPDK, the kernel, with the clients,
    has the other. Lives in the network namespace that run.py made, which takes it along at its end."""
    next_number = 0

    def __init__(self):
        Veth.next_number += 1
        self.number = Veth.next_number
        self.queues = int(DEFAULTS.get('roles.nets', 1))   # a pair for each NET
        self.port, self.client = 'tk%d' % self.number, 'tk%dc' % self.number
        self.ip, self.network = '10.77.%d.2' % self.number, '10.77.%d.2/24' % self.number
        for command in ('ip link add %s type veth peer name %s' % (self.port, self.client),
                        # A partial checksum would reach DPDK as a wrong one.
                        'ethtool -K %s tx off' % self.client,
                        'ip addr add 10.77.%d.1/24 dev %s' % (self.number, self.client),
                        'ip link set %s up' % self.port, 'ip link set %s up' % self.client):
            done = subprocess.run(command.split(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            if done.returncode:
                raise RuntimeError('%s: %s' % (command, done.stdout.decode()))
        for path, value in (('ipv4/neigh/%s/retrans_time_ms' % self.client, '50'),
                            ('ipv6/conf/%s/disable_ipv6' % self.port, '1'),
                            ('ipv6/conf/%s/disable_ipv6' % self.client, '1')):
            try:
                with open('/proc/sys/net/' + path, 'w') as out:
                    out.write(value)
            except OSError:
                pass

    @property
    def eal(self):
        # The driver locks its rings in memory: root of the host may, others up to ulimit -l.
        with open('/proc/self/uid_map') as uid_map:
            frames = 8192 if int(uid_map.read().split()[2]) > 1 else 1024
        return ('--no-pci --no-huge -m 256 --no-shconf --vdev net_af_packet0,iface=%s,qdisc_bypass=1,'
                'blocksz=65536,framesz=2048,framecnt=%d%s'
                % (self.port, frames // self.queues, ',qpairs=%d' % self.queues if self.queues > 1 else ''))

    def remove(self):
        subprocess.run(['ip', 'link', 'del', self.port], stderr=subprocess.DEVNULL)


def need_dpdk(build):
    """Skips when taktd was built without DPDK."""
    taktd = os.path.join(ROOT, build, 'tools', 'taktd')
    done = subprocess.run([taktd, '--version'], stdout=subprocess.PIPE)
    if b'dpdk' not in done.stdout:
        skip('this taktd was built without DPDK or lwIP')


def prepare(names):
    """What the tests in these files (all, when empty) fetch from elsewhere; outside of a namespace."""
    if os.environ.get('TAKT_TEST_NETNS') or (names and not any('clients' in n for n in names)):
        return
    import test_clients
    try:
        test_clients.prepare()
    except Skip:
        pass    # the test says so again


def enter_namespace():
    """Starts this program again in a network namespace of its own, once. As an ordinary user, in a
    user namespace, where the host allows that."""
    if os.environ.get('TAKT_TEST_NETNS'):
        subprocess.run(['ip', 'link', 'set', 'lo', 'up'], check=True)
        return
    own = ['unshare', '-n', '-m'] if os.geteuid() == 0 else ['unshare', '-U', '-r', '-n', '-m']
    if shutil.which('ethtool') is None or subprocess.run(
            own + ['ip', 'link', 'set', 'lo', 'up'], stderr=subprocess.DEVNULL).returncode:
        skip('this host does not let us make a network namespace, or has no ethtool')
    os.environ['TAKT_TEST_NETNS'] = '1'
    os.execvp(own[0], own + [sys.executable] + sys.argv)


def free_port():
    with socket.socket() as sock:
        sock.bind(('127.0.0.1', 0))
        return sock.getsockname()[1]


def tail(path, size=3000):
    try:
        with open(path, 'rb') as log:
            log.seek(0, 2)
            log.seek(max(0, log.tell() - size))
            return log.read().decode('utf-8', 'replace')
    except OSError as problem:
        return str(problem)


class Server:
    """One server process with a data directory of its own. kind: takt or zookeeper."""

    def __init__(self, kind, port_kind='kernel', options=None, directory=None, build='build'):
        self.kind, self.port_kind = kind, port_kind
        self.options = dict(DEFAULTS)
        self.options.update(options or {})
        self.home = directory or tempfile.mkdtemp(prefix='takt-test-')
        self.owns_home = directory is None
        self.data = os.path.join(self.home, 'data')
        os.makedirs(self.data, exist_ok=True)
        self.log = os.path.join(self.home, 'server.log')
        self.taktd = os.environ.get('TAKTD') or os.path.join(ROOT, build, 'tools', 'taktd')
        self.veth = Veth() if port_kind == 'dpdk' else None
        self.host, self.port = (self.veth.ip, 2181) if self.veth else ('127.0.0.1', free_port())
        self.process = None
        self.extra = []
        self.client_prefix = []     # goes before the command of a client that is a program

    @property
    def address(self):
        return (self.host, self.port)

    @property
    def hosts(self):
        return '%s:%d' % (self.host, self.port)

    def command(self):
        return self.takt_command() if self.kind == 'takt' else self.zookeeper_command()

    def takt_command(self):
        out = [self.taktd, '--dev', '--listen', self.hosts, '--data', self.data]
        for key, value in self.options.items():
            if value is not None:
                out += ['--set', '%s=%s' % (key, value)]
        if self.veth:
            out += ['--port', 'dpdk', '--eal', self.veth.eal, '--ip', self.veth.network]
        return out + self.extra

    def zookeeper_command(self):
        flags, lines = [], ['dataDir=' + self.data, 'clientPort=%d' % self.port,
                            'clientPortAddress=' + self.host, 'admin.enableServer=false']
        for key, value in self.options.items():
            if value is None:
                continue
            if key in JVM_PROPERTIES:
                flags.append('-D%s=%s' % (JVM_PROPERTIES[key], value))
            else:
                lines.append('%s=%s' % (key, value))
        config = os.path.join(self.home, 'zoo.cfg')
        with open(config, 'w') as out:
            out.write('\n'.join(lines) + '\n')
        return (['java', '-Xmx512m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'] + flags +
                ['-cp', '/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-simple.jar',
                 'org.apache.zookeeper.server.quorum.QuorumPeerMain', config] + self.extra)

    def start(self, wait=True, timeout_s=30.0):
        with open(self.log, 'ab') as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL, cwd=self.home)
        if wait:
            self.wait_ready(timeout_s)
        return self

    def wait_ready(self, timeout_s=30.0):
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError('%s ended with code %s while starting:\n%s'
                                   % (self.kind, self.process.returncode, tail(self.log)))
            try:
                if zkwire.four_letter(self.address, 'srvr', 1.0).startswith('Zookeeper version'):
                    return
            except OSError:
                pass
            time.sleep(0.02)
        raise RuntimeError('%s was not ready in %g s:\n%s' % (self.kind, timeout_s, tail(self.log)))

    def stop(self, timeout_s=20.0):
        """SIGTERM; gives the exit code."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise RuntimeError('%s did not stop on SIGTERM in %g s' % (self.kind, timeout_s))
        code, self.process = self.process.returncode, None
        return code

    def kill(self):
        """SIGKILL, as a power cut for the process."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def cpu_s(self):
        """CPU seconds that the process has used."""
        with open('/proc/%d/stat' % self.process.pid) as stat:
            fields = stat.read().rsplit(')', 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')

    def remove(self):
        self.kill()
        if self.veth:
            self.veth.remove()
        if self.owns_home:
            shutil.rmtree(self.home, ignore_errors=True)


class Run:
    """What one test sees: the shared server, servers of its own, clients, all cleaned up after it."""

    def __init__(self, suite, name):
        self.suite, self.name = suite, name
        self.cleanup = []
        self.random = random.Random(name)
        self.target, self.port_kind = suite.target, suite.port_kind
        self.is_takt = suite.target == 'takt'
        self._base = self._own = None

    @property
    def server(self):
        return self._own or self.suite.shared()

    @property
    def base(self):
        """A node of this test's own; it exists."""
        if self._base is None:
            self._base = '/' + self.name
            wire = zkwire.connect(self.server.address)
            code = wire.err('create', zkwire.create_body(self._base))
            wire.close_session()
            assert code in (0, zkwire.NODEEXISTS), code
        return self._base

    def fresh(self, start=True, directory=None, **options):
        """A server of this test's own, with these options over the defaults ('__' stands for '.')."""
        named = {key.replace('__', '.'): value for key, value in options.items()}
        server = Server(self.target, self.port_kind, named, directory, self.suite.build)
        self.cleanup.append(server.remove)
        return server.start() if start else server

    def wire(self, server=None, **kw):
        """A raw connection with a session."""
        wire = self.raw(server)
        wire.handshake(**kw)
        return wire

    def raw(self, server=None, timeout_s=10.0):
        """A raw connection, nothing sent yet."""
        wire = zkwire.Wire((server or self.server).address, timeout_s)
        self.cleanup.append(wire.close)
        return wire

    def kazoo(self, server=None, timeout=10.0, start=True, **kw):
        """A kazoo client, started."""
        from kazoo.client import KazooClient
        client = KazooClient(hosts=(server or self.server).hosts, timeout=timeout, **kw)

        def end():
            try:
                client.stop()
                client.close()
            except Exception:
                pass
        self.cleanup.append(end)
        if start:
            client.start(timeout=15)
        return client

    def alone(self):
        """From here this test has a server of its own as .server, where no session but its own ends:
        for tests that count zxids."""
        self._own = self.fresh()
        return self

    def finish(self):
        for end in reversed(self.cleanup):
            try:
                end()
            except Exception:
                print('# while cleaning up: ' + traceback.format_exc().replace('\n', '\n# '))
        self.cleanup = []

    skip = staticmethod(skip)


def eventually(ask, timeout_s=10.0, every_s=0.02, what='the condition'):
    """Waits until ask() is true and gives its value."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = ask()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError('%s did not come true in %g s' % (what, timeout_s))
        time.sleep(every_s)


def equal(got, expected, what=''):
    if got != expected:
        raise AssertionError('%s%sgot      %r\nexpected %r' % (what, '\n' if what else '', got, expected))


class TimedOut(BaseException):
    """Not an Exception, so that no test swallows it."""


class Suite:
    """Runs test functions one after the other; one shared server for those that want no own."""

    def __init__(self, target, port_kind='kernel', build='build', limit_s=120):
        self.target, self.port_kind, self.build, self.limit_s = target, port_kind, build, limit_s
        self._server = None
        self.passed = self.failed = self.skipped = 0

    def shared(self):
        if self._server is not None and not self._server.alive():
            print('# the shared server died; the end of its log:\n# '
                  + tail(self._server.log).replace('\n', '\n# '))
            self._server.remove()
            self._server = None
        if self._server is None:
            self._server = Server(self.target, self.port_kind, build=self.build).start()
        return self._server

    def run(self, function):
        name = function.__name__[len('test_'):]
        says = '%s: %s' % (function.__module__, (function.__doc__ or name).strip().split('\n')[0])
        t = Run(self, name)

        def on_alarm(signum, stack):
            raise TimedOut('no end after %d s' % limit_s)
        limit_s = getattr(function, 'limit_s', self.limit_s)
        signal.signal(signal.SIGALRM, on_alarm)
        signal.alarm(limit_s)
        begin = time.monotonic()
        problem = None
        try:
            function(t)
        except Skip as why:
            self.skipped += 1
            print('ok - %s # SKIP %s' % (says, why), flush=True)
            return
        except (Exception, TimedOut):
            problem = traceback.format_exc()
        finally:
            signal.alarm(0)
            t.finish()
        if problem is None and self._server is not None and not self._server.alive():
            problem = 'the shared server died:\n' + tail(self._server.log)
        if problem is None:
            self.passed += 1
            print('ok - %s (%.1f s)' % (says, time.monotonic() - begin), flush=True)
        else:
            self.failed += 1
            print('not ok - %s [%s]' % (says, function.__name__))
            print('# ' + problem.rstrip().replace('\n', '\n# '), flush=True)

    def finish(self):
        if self._server is not None:
            code = self._server.stop()
            if self.target == 'takt' and code != 0:
                self.failed += 1
                print('not ok - the shared server stops with code 0 (it was %s)' % code)
                print('# ' + tail(self._server.log, 8000).replace('\n', '\n# '))
            self._server.remove()
        return 1 if self.failed else 0


def limit(seconds):
    """Marks a test that may take longer than the usual two minutes."""
    def mark(function):
        function.limit_s = seconds
        return function
    return mark


def wants_namespace(function):
    """Whether the test's file says NAMESPACE = True: its nodes are joined by cables where the host
    allows it, and use distinct loopback addresses where not."""
    return getattr(sys.modules[function.__module__], 'NAMESPACE', False)


def load_tests(names=None):
    """The test functions of this directory's test_*.py, in the order of their files."""
    import importlib
    sys.path.insert(0, HERE)
    files = sorted(f[:-3] for f in os.listdir(HERE) if f.startswith('test_') and f.endswith('.py'))
    out = []
    for name in files:
        if names and name not in names and name[len('test_'):] not in names:
            continue
        module = importlib.import_module(name)
        out += [f for f in vars(module).values()
                if callable(f) and getattr(f, '__module__', '') == name
                and f.__name__.startswith('test_')]
    return out
