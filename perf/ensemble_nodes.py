"""Three nodes of takt, ZooKeeper or etcd on loopback addresses, and a client of each that measures failover.

What the three have in common is Cluster: start, stop, who leads, CPU and memory of all. A Probe writes one
value after the other at one node and gives the time of each good answer."""
import base64
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, 'tests', 'system'))
import zkwire   # noqa: E402  the same small codec that the system tests use

ZK_JARS = '/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-nop.jar'


def free_ports(count):
    """Ports that nobody listens on now, from below the range that the kernel hands out by itself."""
    found, port = [], 20000 + os.getpid() * 37 % 9000
    while len(found) < count:
        port += 1
        with socket.socket() as sock:
            try:
                sock.bind(('', port))
                found.append(port)
            except OSError:
                pass
    return found


class Cluster:
    """Three nodes at 127.0.0.11 to 13. Subclasses know how to start one and whom to ask who leads."""
    kind = None

    def __init__(self, home, logs, tuned=False):
        self.home, self.logs, self.tuned = home, logs, tuned
        self.hosts = ['127.0.0.%d' % (11 + i) for i in range(3)]
        self.client_port, self.peer_port, self.other_port = free_ports(3)
        self.processes = [None] * 3
        shutil.rmtree(home, ignore_errors=True)
        os.makedirs(home)

    def data(self, i):
        path = os.path.join(self.home, 'data%d' % i)
        os.makedirs(path, exist_ok=True)
        return path

    def address(self, i):
        return (self.hosts[i], self.client_port)

    def start_one(self, i):
        with open(os.path.join(self.logs, '%s%d.log' % (self.kind, i)), 'ab') as log:
            self.processes[i] = subprocess.Popen(self.command(i), stdout=log, stderr=log,
                                                 stdin=subprocess.DEVNULL, cwd=self.home)

    def start(self):
        for i in range(3):
            self.start_one(i)
        self.wait_whole()
        return self

    def wait_whole(self, timeout_s=60.0):
        """Until all serve and one leads."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            for i, process in enumerate(self.processes):
                if process.poll() is not None:
                    raise RuntimeError('%s, node %d ended with code %d; its log is in %s'
                                       % (self.kind, i, process.returncode, self.logs))
            if sorted(self.role(i) or '-' for i in range(3)) == ['follower', 'follower', 'leader']:
                return
            time.sleep(0.02)
        raise RuntimeError('%s was not whole in %g s: %s; logs in %s'
                           % (self.kind, timeout_s, [self.role(i) for i in range(3)], self.logs))

    def leader(self):
        return next(i for i in range(3) if self.role(i) == 'leader')

    def pids(self):
        return [process.pid for process in self.processes]

    def cpu_s(self):
        total = 0
        for pid in self.pids():
            with open('/proc/%d/stat' % pid) as stat:
                fields = stat.read().rsplit(')', 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        return total / os.sysconf('SC_CLK_TCK')

    def rss_bytes(self):
        total = 0
        for pid in self.pids():
            with open('/proc/%d/statm' % pid) as statm:
                total += int(statm.read().split()[1]) * os.sysconf('SC_PAGESIZE')
        return total

    def kill(self, i):
        self.processes[i].kill()
        self.processes[i].wait()

    def signal(self, i, number):
        self.processes[i].send_signal(number)

    def stop(self):
        for process in self.processes:
            if process and process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
        for process in self.processes:
            if process:
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        self.processes = [None] * 3

    def remove(self):
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)


class ZkCluster(Cluster):
    """What the two servers of ZooKeeper's protocol share."""

    def config(self, i, lines):
        path = os.path.join(self.home, 'zoo%d.cfg' % i)
        with open(os.path.join(self.data(i), 'myid'), 'w') as out:
            out.write('%d\n' % (i + 1))
        if not os.path.exists(path):
            with open(path, 'w') as out:
                out.write('\n'.join(
                    ['dataDir=' + self.data(i), 'initLimit=10', 'syncLimit=5', 'maxClientCnxns=0',
                     '4lw.commands.whitelist=*', 'maxSessionTimeout=120000'] + lines +
                    ['server.%d=%s:%d:%d:participant;%s:%d' % (
                        n + 1, self.hosts[n], self.peer_port, self.other_port, self.hosts[n],
                        self.client_port) for n in range(3)]) + '\n')
        return path

    def role(self, i):
        try:
            text = zkwire.four_letter(self.address(i), 'srvr', 1.0)
        except OSError:
            return None
        found = re.search(r'^Mode: (\S+)', text, re.M)
        return found.group(1) if found else None

    def probe(self, i):
        return ZkProbe(self.address(i))


class ZooKeeper(ZkCluster):
    kind = 'zk'

    def command(self, i):
        config = self.config(i, ['admin.enableServer=false',
                                 'tickTime=%d' % (200 if self.tuned else 2000)])
        return ['java', '-Xmx' + os.environ.get('ZK_HEAP', '512m'), '-cp', ZK_JARS,
                'org.apache.zookeeper.server.quorum.QuorumPeerMain', config]


class Takt(ZkCluster):
    kind = 'takt'

    def command(self, i):
        taktd = os.environ.get('TAKTD', os.path.join(ROOT, 'build/tools/taktd'))
        return [taktd, '--config', self.config(i, ['tickTime=2000'])]


class Etcd(Cluster):
    kind = 'etcd'

    def command(self, i):
        peers = ['http://%s:%d' % (host, self.peer_port) for host in self.hosts]
        client = 'http://%s:%d' % self.address(i)
        times = ['--heartbeat-interval', '20', '--election-timeout', '200'] if self.tuned else []
        return ['etcd', '--name', 'n%d' % i, '--data-dir', self.data(i), '--logger', 'zap',
                '--log-level', 'error', '--listen-peer-urls', peers[i],
                '--initial-advertise-peer-urls', peers[i], '--listen-client-urls', client,
                '--advertise-client-urls', client, '--quota-backend-bytes', '4294967296',
                '--initial-cluster', ','.join('n%d=%s' % pair for pair in enumerate(peers))] + times

    def role(self, i):
        try:
            status = etcd_ask(self.address(i), '/v3/maintenance/status', {}, 1.0)
        except (OSError, http.client.HTTPException, ValueError):
            return None
        if not int(status.get('leader', 0)):
            return None
        return 'leader' if status['leader'] == status['header']['member_id'] else 'follower'

    def probe(self, i):
        return EtcdProbe(self.address(i))


def etcd_ask(address, path, what, timeout_s, connection=None):
    own = connection is None
    connection = connection or http.client.HTTPConnection(*address, timeout=timeout_s)
    try:
        connection.request('POST', path, json.dumps(what), {'Content-Type': 'application/json'})
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise ValueError(text)
        return json.loads(text)
    finally:
        if own:
            connection.close()


class ZkProbe:
    """Sets one node, a request at a time. A lost connection is made again at once, with its session."""

    def __init__(self, address):
        self.address, self.wire = address, None
        self.session, self.password = 0, b'\0' * 16
        self.connect()
        self.wire.err('create', zkwire.create_body('/probe'))

    def connect(self):
        self.wire = zkwire.Wire(self.address, 1.0)
        self.wire.handshake(timeout_ms=60000, session=self.session, password=self.password)
        if self.wire.timeout_ms == 0:
            raise RuntimeError('the session was lost')
        self.wire.sock.settimeout(30)
        self.session, self.password = self.wire.session, self.wire.password

    def write(self):
        """True when one write was acknowledged."""
        try:
            if self.wire is None:
                self.connect()
            return self.wire.err('setData', zkwire.set_data_body('/probe', b'x' * 100)) == 0
        except (OSError, zkwire.Closed, ValueError):
            if self.wire:
                self.wire.close()
            self.wire = None
            time.sleep(0.002)
            return False

    def close(self):
        if self.wire:
            self.wire.close()


class EtcdProbe:
    """Puts one key through etcd's JSON gateway, a request at a time. A put that etcd's leader took with it
    is answered after 5 s and two election time-outs, so this client gives up sooner and asks again."""
    deadline_s = 0.5

    def __init__(self, address):
        self.address, self.connection = address, None
        self.what = {'key': base64.b64encode(b'probe').decode(),
                     'value': base64.b64encode(b'x' * 100).decode()}

    def write(self):
        try:
            if self.connection is None:
                self.connection = http.client.HTTPConnection(*self.address, timeout=self.deadline_s)
                self.connection.connect()
                self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            etcd_ask(self.address, '/v3/kv/put', self.what, self.deadline_s, self.connection)
            return True
        except (OSError, http.client.HTTPException, ValueError):
            self.close()
            time.sleep(0.002)
            return False

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None


CLUSTERS = {'zk': ZooKeeper, 'etcd': Etcd, 'takt': Takt}
