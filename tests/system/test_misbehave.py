"""Clients that misbehave, and whether a client that behaves notices."""
import errno
import os
import resource
import socket
import struct
import threading
import time

import harness
import zkwire as z
from harness import equal, eventually, limit

WORST_S = 1.5       # on a machine that others load too; alone it is a few milliseconds


class Good:
    """A client that behaves: asks for a node all the time and notes how long it takes."""

    def __init__(self, t, server):
        self.wire = t.wire(server, timeout_ms=30000)
        self.path = '/good'
        self.wire.err('create', z.create_body(self.path, b'data'))
        self.stop, self.worst, self.count, self.problem = False, 0.0, 0, None
        self.thread = threading.Thread(target=self.run)
        self.thread.start()
        t.cleanup.append(self.end)

    def run(self):
        try:
            while not self.stop:
                begin = time.monotonic()
                equal(self.wire.get(self.path)[0], b'data')
                if self.count % 10 == 0:
                    equal(self.wire.err('setData', z.set_data_body(self.path, b'data')), 0)
                self.worst = max(self.worst, time.monotonic() - begin)
                self.count += 1
                time.sleep(0.002)
        except BaseException as problem:
            self.problem = problem

    def end(self):
        self.stop = True
        self.thread.join(20)

    def verdict(self, least=20):
        deadline = time.monotonic() + 10        # a fast machine is through with a test in a few gets
        while self.count < least and self.problem is None and time.monotonic() < deadline:
            time.sleep(0.01)
        self.end()
        assert self.problem is None, 'the good client failed: %r' % self.problem
        print('# the good client: %d gets, worst %.1f ms' % (self.count, self.worst * 1e3))
        assert self.count >= least, 'only %d gets' % self.count
        assert self.worst < WORST_S, 'the good client waited %.2f s' % self.worst


def rss_kib(server):
    with open('/proc/%d/status' % server.process.pid) as status:
        for line in status:
            if line.startswith('VmRSS:'):
                return int(line.split()[1])
    return 0


def allow_files(count):
    """Raises this process's limit of open files (a server started after it inherits it)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))
        except (ValueError, OSError):
            harness.skip('only %d open files are allowed' % hard)
    elif soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


def test_never_reads(t):
    """a client that asks and never reads has its output bounded and delays nobody"""
    if not t.is_takt:
        t.skip('the reference buffers without bound')
    server = t.fresh(limits__output='2M')
    w = t.wire(server)
    w.create('/big', b'x' * 500000)
    good = Good(t, server)
    before = rss_kib(server)
    request = z.frame(z.header(1, 'getData') + z.path_watch('/big')) * 50
    bad = [t.wire(server) for _ in range(10)]
    for b in bad:
        b.sock.setblocking(False)
    end, sent, closed = time.monotonic() + 4, 0, 0
    while time.monotonic() < end and bad:
        for b in list(bad):
            try:
                sent += b.sock.send(request)
            except BlockingIOError:
                pass
            except OSError:
                bad.remove(b)
                closed += 1
        time.sleep(0.01)
    good.verdict()
    grown = rss_kib(server) - before
    print('# %d bytes of requests accepted, %d closed, memory grew by %d KiB' % (sent, closed, grown))
    assert grown < 128 * 1024, 'memory grew by %d KiB' % grown


def test_never_reads_events(t):
    """a watcher that never reads is bounded, and closed when it falls too far behind"""
    if not t.is_takt:
        t.skip('the reference buffers without bound')
    server = t.fresh(limits__output='2M')
    w = t.wire(server)
    base = '/' + 'n' * 200
    w.create(base)
    bad = t.wire(server)
    bad.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    equal(bad.ask('addWatch', z.path_int('/', 1)), 0)
    good = Good(t, server)
    before = rss_kib(server)
    rounds = 20 if harness.QUICK else 60
    for round_ in range(rounds):
        for i in range(1000):
            w.send('setData', z.set_data_body(base, b''))
        for i in range(1000):
            equal(w.reply().err, 0)
    good.verdict()
    grown = rss_kib(server) - before
    print('# %d events, memory grew by %d KiB' % (rounds * 1000, grown))
    assert grown < 128 * 1024, 'memory grew by %d KiB' % grown


def test_slow_senders(t):
    """a hundred clients that send a byte now and then delay nobody and are served"""
    good = Good(t, t.server)
    slow = [t.raw() for _ in range(100)]
    data = z.frame(z.connect_request(timeout_ms=20000)) + z.frame(z.header(1, 'exists') + z.path_watch('/'))
    for at in range(0, len(data), 3):
        for s in slow:
            s.send_raw(data[at:at + 3])
        time.sleep(0.03)
    for s in slow:
        s.handshake_reply()
        equal(s.reply(1).err, 0)
    good.verdict()


def test_garbage(t):
    """hundreds of connections full of random bytes change nothing for others"""
    good = Good(t, t.server)
    for i in range(300):
        try:
            w = t.raw() if i % 2 else t.wire()
            w.send_raw(t.random.randbytes(t.random.randrange(1, 3000)))
            if i % 3 == 0:
                w.send_raw(z.frame(t.random.randbytes(t.random.randrange(8, 200))))
        except OSError as problem:
            assert problem.errno in (errno.EPIPE, errno.ECONNRESET), problem
        w.close()
    good.verdict()


def test_random_records(t):
    """thousands of well-framed requests with random bodies are each answered or end in a close"""
    good = Good(t, t.server)
    ops = [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 14, 15, 17, 18, 19, 21, 22, 101, 103, 104, 105, 106, 107]
    base = t.base
    bodies = [z.create_body(base + '/r', b'abc'), z.path_version(base + '/r'), z.path_watch(base + '/r', True),
              z.set_data_body(base, b'x'), z.set_acl_body(base + '/r', z.OPEN_ACL), z.path_int(base, 3),
              z.multi_body([('create', z.create_body(base + '/q')), ('delete', z.path_version(base + '/q'))]),
              z.set_watches_body(0, [base], [base], [base], [base], [base])]
    answered = 0
    for round_ in range(10 if harness.QUICK else 30):
        w = t.wire()
        for i in range(100):
            body = bytearray(t.random.choice(bodies))
            for _ in range(t.random.randrange(0, 4)):
                body[t.random.randrange(len(body))] = t.random.randrange(256)
            del body[t.random.randrange(len(body) // 2, len(body) + 1):]
            w.send(t.random.choice(ops), bytes(body), 1000 + i)
        try:
            for i in range(100):
                reply = w.reply()
                answered += 1
        except (z.Closed, socket.timeout) as end:
            assert isinstance(end, z.Closed), 'a request without an answer'
        w.close()
    assert answered > 500, answered
    good.verdict()


def test_connection_limit(t):
    """connections of one address over the limit are closed; those within go on"""
    server = t.fresh(maxClientCnxns=10)
    held = [t.wire(server) for _ in range(10)]
    refused = 0
    for _ in range(40):
        try:        # closed at once: before the connect is over, or right behind it
            w = t.raw(server)
            w.send_frame(z.connect_request())
            w.read_exactly(1)
        except (z.Closed, ConnectionError):
            refused += 1
        else:
            w.close()
    equal(refused, 40)
    for w in held:
        equal(w.err('exists', z.path_watch('/')), 0)
    held[0].close_session()
    held[0].close()

    def served():
        try:
            w = t.raw(server)
            w.handshake()
            return w.err('exists', z.path_watch('/')) == 0
        except (z.Closed, OSError):
            return False
    eventually(served, 10, 0.1, 'a place that became free')


def test_connect_and_close_flood(t):
    """thousands of connections that come and go"""
    good = Good(t, t.server)
    end, i = time.monotonic() + 1.5, 0
    while i < 2000 or time.monotonic() < end:
        i += 1
        sock = socket.create_connection(t.server.address, timeout=10)
        if i % 4 == 0:
            sock.sendall(z.frame(z.connect_request(timeout_ms=1000)))
        if i % 3 == 0:      # an abrupt end
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        sock.close()
    good.verdict()
    equal(t.wire().err('exists', z.path_watch('/')), 0)


def test_large_requests(t):
    """clients that send megabytes as fast as they can do not starve a small one"""
    server = t.fresh()
    good = Good(t, server)
    stop = time.monotonic() + 4
    # The reference keeps its last 500 transactions in memory; megabytes would burst its heap here.
    data = b'x' * (1000000 if t.is_takt else 50000)
    problems = []

    def flood(i):
        try:
            w = z.connect(server.address)
            w.create('/f%d' % i, b'')
            while time.monotonic() < stop:
                code = w.err('setData', z.set_data_body('/f%d' % i, data))
                if code != 0:
                    problems.append(code)
        except Exception as problem:
            problems.append(problem)
    threads = [threading.Thread(target=flood, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    equal(problems, [], harness.tail(server.log))
    good.verdict(5)


@limit(240)
def test_idle_connections(t):
    """ten thousand idle connections with sessions: a get is answered, memory stays small"""
    count = 2000 if harness.QUICK or not t.is_takt else 10000
    if t.port_kind == 'dpdk':
        count = 1000
    allow_files(count + 500)
    server = t.fresh()
    before = rss_kib(server)
    hello = z.frame(z.connect_request(timeout_ms=60000))
    socks = []
    t.cleanup.append(lambda: [s.close() for s in socks])
    begin = time.monotonic()
    while len(socks) < count:
        batch = [socket.create_connection(server.address, timeout=30) for _ in range(min(200, count - len(socks)))]
        for sock in batch:
            sock.sendall(hello)
        for sock in batch:
            equal(len(sock.recv(41, socket.MSG_WAITALL)), 41)
        socks += batch
    took = time.monotonic() - begin
    idle = rss_kib(server) - before
    good = Good(t, server)
    cpu, at = server.cpu_s(), time.monotonic()
    time.sleep(3)
    good.verdict()
    print('# %d sessions in %.1f s; %.1f KiB each' % (count, took, idle / count))
    if t.is_takt:
        assert idle / count < 16, 'an idle connection costs %.1f KiB' % (idle / count)
    some = t.random.sample(socks, 50)
    for sock in some:       # the idle ones are alive
        sock.sendall(z.frame(z.header(z.PING_XID, 'ping')))
    for sock in some:
        equal(len(sock.recv(20, socket.MSG_WAITALL)), 20)


def test_idle_server_is_quiet(t):
    """a server with nothing to do uses less than 1 % of a core"""
    if not t.is_takt:
        t.skip('a JVM')
    server = t.fresh() # parks: on the dpdk port, on the socket of the device's driver
    w = t.wire(server, timeout_ms=30000)
    w.create('/n')
    time.sleep(1)
    before, begin = server.cpu_s(), time.monotonic()
    time.sleep(5)
    used = (server.cpu_s() - before) / (time.monotonic() - begin)
    print('# %.2f %% of a core' % (used * 100))
    assert used < 0.01, '%.2f %% of a core' % (used * 100)


@limit(60)
def test_half_open_reaped(t):
    """connections that never open a session are closed after a while"""
    if harness.QUICK:
        t.skip('takes 20 seconds')
    silent, partial = t.raw(timeout_s=30), t.raw(timeout_s=30)
    partial.send_raw(b'\0\0')
    begin = time.monotonic()
    silent.expect_close()
    partial.expect_close()
    took = time.monotonic() - begin
    assert 5 < took < 25, 'closed after %.1f s' % took


def test_watch_flood(t):
    """a client with fifty thousand watches costs bounded memory and others no time"""
    good = Good(t, t.server)
    w = t.wire()
    count = 50000
    before = rss_kib(t.server)
    for at in range(0, count, 1000):
        w.send_raw(b''.join(z.frame(z.header(i + 1, 'exists') + z.path_watch('%s/%08d' % (t.base, i), True))
                            for i in range(at, at + 1000)))
        for i in range(1000):
            reply = w.reply()
    good.verdict()
    print('# %d watches: %d KiB' % (count, rss_kib(t.server) - before))
    w.close()
