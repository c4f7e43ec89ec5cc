"""Starts, stops and hurts an ensemble of takt nodes, or of Debian's ZooKeeper 3.8 for reference.

     Ensemble ── Node 1..N (a harness.Server each: process, data directory, zoo.cfg, log)
         └────── Wires (a namespace a node and cables that can be cut), or distinct loopback addresses
                 where the host allows no namespaces; tests that cut a cable then skip.

What differs between the two targets is known here and in harness.py, nowhere else.
"""
import os
import re
import shutil
import signal
import subprocess
import time

import harness
import wires
import zkwire
from harness import eventually

PEER_PORT, ELECTION_PORT, CLIENT_PORT = 2888, 3888, 2181
OPTIONS = {'reconfigEnabled': 'true', 'standaloneEnabled': 'false', 'initLimit': 20, 'syncLimit': 6,
           'readonlymode.enabled': 'true', 'tickTime': 500, 'maxSessionTimeout': 120000}
harness.JVM_PROPERTIES['readonlymode.enabled'] = 'readonlymode.enabled'


class Node(harness.Server):
    """One member: its own directory, its own zoo.cfg, which lists all of them."""

    def __init__(self, ensemble, number, role):
        super().__init__(ensemble.target, 'kernel', ensemble.options, None, ensemble.build)
        self.ensemble, self.number, self.role = ensemble, number, role
        self.port_kind = ensemble.port_kind
        self.space, self.paused, self.mounted = None, False, False
        self.env, self.queues = None, int(harness.DEFAULTS.get('roles.nets', 1))
        if ensemble.wires:
            self.space = ensemble.wires.attach(number, self.port_kind == 'kernel')
            self.host, self.port = ensemble.wires.address(number), CLIENT_PORT
            self.peer_port, self.election_port = PEER_PORT, ELECTION_PORT
        else:
            self.host = '127.0.0.%d' % (number + 1)
            self.peer_port, self.election_port = harness.free_port(), harness.free_port()
        self.config = os.path.join(self.home, 'zoo.cfg')
        self.settings = dict(ensemble.settings)     # takt's own, which a zoo.cfg cannot say
        self.joins_as = None    # lines of another initial configuration, for one that is added later

    @property
    def line(self):
        """This node's own line, as zoo.cfg and reconfig have it."""
        return 'server.%d=%s:%d:%d:%s;%s:%d' % (self.number, self.host, self.peer_port,
                                               self.election_port, self.role, self.host, self.port)

    def write_config(self):
        """Once, and again after a wipe: ZooKeeper rewrites the file as members come and go."""
        if os.path.exists(self.config):
            return
        lines = ['dataDir=' + self.data]
        for key, value in self.options.items():
            if value is not None and not (self.kind == 'zookeeper' and key in harness.JVM_PROPERTIES):
                lines.append('%s=%s' % (key, value))
        if self.role == 'observer':
            lines.append('peerType=observer')
        lines += self.joins_as or [node.line for node in self.ensemble.founders]
        with open(self.config, 'w') as out:
            out.write('\n'.join(lines) + '\n')
        with open(os.path.join(self.data, 'myid'), 'w') as out:
            out.write('%d\n' % self.number)

    def command(self):
        self.write_config()
        inside = self.space.prefix if self.space else []
        if self.kind == 'zookeeper':
            flags = ['-D%s=%s' % (flag, self.options[key])
                     for key, flag in harness.JVM_PROPERTIES.items() if key in self.options]
            return inside + ['java', '-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'] + flags + [
                '-Dzookeeper.admin.enableServer=false', '-Dorg.slf4j.simpleLogger.showDateTime=true',
                '-cp', '/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-simple.jar',
                'org.apache.zookeeper.server.quorum.QuorumPeerMain', self.config]
        out = inside + [self.taktd, '--config', self.config]
        if self.port_kind == 'dpdk':
            out += ['--port', 'dpdk', '--eal', self.eal, '--ip', '%s/24' % self.host]
        for key, value in self.settings.items():
            out += ['--set', '%s=%s' % (key, value)]
        return out + self.extra

    @property
    def eal(self):
        with open('/proc/self/uid_map') as uid_map:
            frames = 8192 if int(uid_map.read().split()[2]) > 1 else 1024
        return ('--no-pci --no-huge -m 256 --no-shconf --vdev net_af_packet0,iface=eth0,qdisc_bypass=1,'
                'blocksz=65536,framesz=2048,framecnt=%d,qpairs=%d' % (frames // self.queues, self.queues))

    def start(self, wait=False, timeout_s=60.0):
        self.paused = False
        return super().start(wait, timeout_s)

    def pause(self):
        """SIGSTOP: the process is there and does nothing."""
        self.process.send_signal(signal.SIGSTOP)
        self.paused = True

    def resume(self):
        if self.process is not None and self.paused:
            self.process.send_signal(signal.SIGCONT)
        self.paused = False

    def wipe(self):
        """The disk is lost: everything but what the operator wrote."""
        assert self.process is None, 'stop it first'
        for name in os.listdir(self.data):
            path = os.path.join(self.data, name)
            shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
        for name in os.listdir(self.home):
            if name.startswith('zoo.cfg'):
                os.unlink(os.path.join(self.home, name))

    def small_disk(self, size):
        """The data directory becomes a tmpfs of `size` (as mount writes it); before the first start."""
        if subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=' + size, 'tmpfs', self.data],
                          stderr=subprocess.DEVNULL).returncode:
            harness.skip('this host does not let us mount a tmpfs')
        self.mounted = True

    def mode(self):
        """leader, follower, observer, standalone, read-only; None when it does not answer or serve."""
        if not self.alive() or self.paused:
            return None
        try:
            found = re.search(r'^Mode: (\S+)', zkwire.four_letter(self.address, 'srvr', 1.0), re.M)
        except OSError:
            return None
        return found.group(1) if found else None

    def mntr(self):
        """{key: text} of mntr."""
        text = zkwire.four_letter(self.address, 'mntr', 5.0)
        return dict(line.split('\t', 1) for line in text.splitlines() if '\t' in line)

    def remove(self):
        self.resume()
        self.kill()
        if self.mounted:
            subprocess.run(['umount', '-l', self.data])
        super().remove()


class Ensemble:
    """Nodes 1..voters are voters, the next `observers` observers. Removed with the test."""

    def __init__(self, t, voters=3, observers=0, start=True, settings=(), **options):
        self.t, self.target, self.port_kind = t, t.target, t.port_kind
        self.is_takt = t.is_takt
        self.build = t.suite.build
        self.options, self.settings = dict(OPTIONS), dict(settings)
        self.options.update({key.replace('__', '.'): value for key, value in options.items()})
        self.nodes = {}
        try:
            self.wires, self.why_no_wires = wires.Wires(), None
            t.cleanup.append(self.wires.remove)
        except (wires.CannotWire, OSError) as why:
            self.wires, self.why_no_wires = None, str(why)
        if self.port_kind == 'dpdk':
            self.need_wires()
        self.founders = []
        for number in range(1, voters + observers + 1):
            self.founders.append(self.add(number, 'participant' if number <= voters else 'observer'))
        t.cleanup.append(self.tell)
        if start:
            self.start()

    def tell(self):
        """Logs of a test that failed are the first thing wanted."""
        keep = os.environ.get('TAKT_TEST_KEEP')
        if keep:
            where = os.path.join(keep, self.t.name)
            os.makedirs(where, exist_ok=True)
            for node in self.nodes.values():
                if os.path.exists(node.log):
                    shutil.copy(node.log, os.path.join(where, 'node%d.log' % node.number))

    def need_wires(self):
        if not self.wires:
            harness.skip('cables need network namespaces and nftables here: ' + self.why_no_wires)

    def add(self, number, role='participant'):
        """A node that is configured; nothing starts."""
        node = self.nodes[number] = Node(self, number, role)
        self.t.cleanup.append(node.remove)
        return node

    @property
    def patience(self):
        """How much longer the reference, or a port under test conditions, may take."""
        return 1.0 if self.is_takt else 4.0

    @property
    def local_paths(self):
        """Paths that need not agree: each ZooKeeper stamps its own time on the configuration."""
        return () if self.is_takt else ('/zookeeper/config',)

    def start(self, timeout_s=60.0):
        for node in self.founders:
            node.start()
        self.wait_whole(timeout_s)
        return self

    def wait_whole(self, timeout_s=60.0, numbers=None):
        """Until all (or those numbered) serve and one of them leads."""
        numbers = numbers or [n for n, node in self.nodes.items() if node.process is not None]
        deadline = time.monotonic() + timeout_s

        def look():
            for number in numbers:
                node = self.nodes[number]
                if not node.paused and not node.alive():
                    raise RuntimeError('node %d ended with code %s:\n%s' % (
                        number, node.process.returncode if node.process else None,
                        harness.tail(node.log)))
            modes = [self.nodes[number].mode() for number in numbers]
            serve = None not in modes and 'read-only' not in modes
            return modes if serve and modes.count('leader') == 1 else None
        while True:
            modes = look()
            if modes:
                return modes
            if time.monotonic() > deadline:
                raise AssertionError('not whole in %g s: %s\n%s' % (
                    timeout_s, self.modes(), '\n'.join('node %d: %s' % (
                        number, harness.tail(self.nodes[number].log, 700)) for number in numbers)))
            time.sleep(0.02)

    def modes(self):
        return {number: node.mode() for number, node in self.nodes.items()}

    def leader(self, timeout_s=30.0, but=()):
        """The node that says it leads, among those that can be asked and are not in `but`."""
        return eventually(lambda: next((node for node in self.nodes.values() if node not in but
                                        and node.mode() == 'leader'), None),
                          timeout_s, what='a leader')

    def followers(self):
        """Voters that follow, now."""
        return [node for node in self.nodes.values() if node.mode() == 'follower']

    def running(self):
        return [node for node in self.nodes.values() if node.alive() and not node.paused]

    def addresses(self, first=None):
        """(host, port) of all founders; `first` stands first."""
        nodes = sorted(self.founders, key=lambda node: (node is not first, node.number))
        return [node.address for node in nodes]

    def hosts(self, first=None):
        """The same as a client's connect string."""
        return ','.join('%s:%d' % address for address in self.addresses(first))

    def wait_same(self, timeout_s=30.0):
        """Until every running node has applied the same zxid."""
        def zxids():
            out = set()
            for node in self.running():
                found = re.search(r'^Zxid: (\S+)', zkwire.four_letter(node.address, 'srvr', 2.0), re.M)
                out.add(found.group(1) if found else None)
            return len(out) == 1 and None not in out
        eventually(zxids, timeout_s, 0.05, 'the same zxid on every node')
