"""What was acknowledged stays: kill -9 under load, restarts, full and damaged disks."""
import os
import signal
import socket
import subprocess
import threading
import time

import harness
import zkwire as z
from harness import equal, eventually, limit


class Writer:
    """One session that changes its own node as fast as it can and remembers what was answered.

    Set number n writes n into a node at version n, so a lost, doubled or reordered set shows as a
    version that differs from the data. Creates and ephemerals go between them."""
    WINDOW = 16

    def __init__(self, server, name):
        self.server, self.path = server, '/' + name
        self.wire = z.connect(server.address, timeout_ms=60000)
        self.wire.create(self.path, b'0')
        self.wire.create(self.path + '/e', b'', z.EPHEMERAL)
        self.session, self.password = self.wire.session, self.wire.password
        self.sent = self.answered = 0           # numbers of sets
        self.created, self.maybe = set(), set()
        self.zxid = 0
        self.answers = 0
        self.stop = False

    def load(self):
        """Until the server dies: keeps WINDOW requests on their way."""
        w, flight = self.wire, []
        try:
            while not self.stop or flight:
                while len(flight) < self.WINDOW and not self.stop:
                    self.sent += 1
                    flight.append((w.send('setData', z.set_data_body(
                        self.path, b'%d' % self.sent, self.sent - 1)), 'set', self.sent))
                    if self.sent % 5 == 0:
                        name = '%s/c%d' % (self.path, self.sent)
                        self.maybe.add(name)
                        flight.append((w.send('create', z.create_body(name, b'x' * 100)), 'create', name))
                xid, kind, what = flight.pop(0)
                reply = w.reply(xid)
                if reply.err != 0:
                    raise AssertionError('%s %s answered %d' % (kind, what, reply.err))
                if reply.zxid <= self.zxid:
                    raise AssertionError('zxid 0x%x after 0x%x' % (reply.zxid, self.zxid))
                self.zxid = reply.zxid
                self.answers += 1
                if kind == 'set':
                    self.answered = what
                else:
                    self.created.add(what)
        except (z.Closed, ConnectionError, socket.timeout, BrokenPipeError):
            pass

    def check(self):
        """After a restart: re-attaches the session and compares."""
        self.wire.close()
        self.wire = w = z.connect(self.server.address, timeout_ms=60000, session=self.session,
                                  password=self.password, last_zxid=self.zxid)
        equal(w.session, self.session, 'the session survives the restart')
        zxid = w.ping().zxid
        assert zxid >= self.zxid, 'zxid went back: 0x%x after 0x%x' % (zxid, self.zxid)
        data, stat = w.get(self.path)
        equal(stat.version, int(data), 'set n makes version n')
        assert self.answered <= int(data) <= self.sent, (
            '%s holds %s; %d was acknowledged, %d sent' % (self.path, data, self.answered, self.sent))
        equal(w.get(self.path + '/e')[1].ephemeralOwner, self.session)
        names = {'%s/%s' % (self.path, n) for n in w.ask('getChildren', z.path_watch(self.path))}
        names.discard(self.path + '/e')
        equal(self.created - names, set(), 'acknowledged creates that are gone')
        equal(names - self.maybe, set(), 'nodes that nobody made')
        self.sent = self.answered = int(data)
        self.created, self.maybe, self.zxid = names, set(names), zxid
        return zxid


def kill_and_check(t, server, rounds):
    """Rounds of load, SIGKILL, restart and check."""
    writers = [Writer(server, 'w%d' % i) for i in range(6)]
    answers, highest = 0, 0
    for round_ in range(rounds):
        gone = z.connect(server.address)
        gone.create('/gone', b'', z.EPHEMERAL)
        assert gone.close_session()
        threads = [threading.Thread(target=w.load) for w in writers]
        for thread in threads:
            thread.start()
        time.sleep(t.random.uniform(0.02, 0.4))
        server.kill()
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive(), 'a writer hangs'
        server.start()
        zxid = max(w.check() for w in writers)
        assert zxid >= highest, 'zxid went back over a restart'
        highest = zxid
        probe = z.connect(server.address)
        equal(probe.exists('/gone'), None, 'the ephemeral of a closed session')
        probe.close_session()
        answers = sum(w.answers for w in writers)
    print('# %d kills, %d acknowledged writes, all there' % (rounds, answers))
    assert answers > rounds * 20, 'hardly any load: %d answers' % answers


@limit(420)
def test_kill_9_under_load(t):
    """kill -9 under load, again and again: nothing acknowledged is lost, nothing goes back"""
    kill_and_check(t, t.fresh(), 10 if harness.QUICK or not t.is_takt else 50)


@limit(300)
def test_kill_9_with_snapshots(t):
    """the same with snapshots all the time and small log files"""
    options = {'log.segment_size': '16M', 'snapshot.kept': 2} if t.is_takt else {}
    server = t.fresh(snapCount=500, **options)
    kill_and_check(t, server, 5 if harness.QUICK or not t.is_takt else 20)
    names = [n for _, _, files in os.walk(server.data) for n in files]
    assert any('snap' in n for n in names), 'no snapshot was taken: %s' % sorted(names)


def test_stop_under_load(t):
    """SIGTERM under load: exit code 0, nothing acknowledged lost"""
    server = t.fresh()
    writers = [Writer(server, 'w%d' % i) for i in range(3)]
    for _ in range(3):
        threads = [threading.Thread(target=w.load) for w in writers]
        for thread in threads:
            thread.start()
        time.sleep(0.3)
        code = server.stop()
        if t.is_takt:           # a JVM that gets SIGTERM ends with 143
            equal(code, 0)
        for thread in threads:
            thread.join(30)
        server.start()
        for w in writers:
            w.check()


def test_everything_survives(t):
    """data, Stats, ACLs, sequence counters, containers, sessions and zxids survive a restart"""
    server = t.fresh()
    w = t.wire(server, timeout_ms=30000)
    w.err('auth', z.auth_body('digest', b'u:p'), z.AUTH_XID)
    w.create('/a', b'1')
    w.create('/null', None)
    w.create('/acl', b'', 0, [(31, 'auth', ''), (1, 'world', 'anyone')])
    for _ in range(3):
        w.create('/a/s-', b'', z.SEQUENTIAL)
    w.call('delete', z.path_version('/a/s-0000000001'))
    w.create('/e', b'mine', z.EPHEMERAL)
    w.ask('createContainer', z.create_body('/c', flags=4))
    w.ask('createTTL', z.create_body('/t', flags=5, ttl=86400000))
    w.call('multi', z.multi_body([('create', z.create_body('/m')), ('setData', z.set_data_body('/a', b'2'))]))
    w.ask('setACL', z.set_acl_body('/m', [(31, 'world', 'anyone')]))
    paths = ['/', '/a', '/null', '/acl', '/a/s-0000000000', '/a/s-0000000002', '/e', '/c', '/t', '/m']

    def picture(wire):
        return [(p, wire.get(p), wire.ask('getACL', z.path_body(p))) for p in paths]
    before, zxid = picture(w), w.ping().zxid
    for how in ('stop', 'kill'):
        getattr(server, how)()
        server.start()
        w = t.wire(server, session=w.session, password=w.password, timeout_ms=30000)
        w.err('auth', z.auth_body('digest', b'u:p'), z.AUTH_XID)
        equal(picture(w), before, 'after ' + how)
        assert w.ping().zxid >= zxid
    equal(w.create('/a/s-', b'', z.SEQUENTIAL), '/a/s-0000000003')
    assert w.close_session()
    equal(t.wire(server).exists('/e'), None)


def test_session_expires_after_restart(t):
    """a session whose client never comes back after a restart expires then, not before"""
    server = t.fresh()
    w = t.wire(server, timeout_ms=2000)
    w.create('/e', b'', z.EPHEMERAL)
    server.kill()
    time.sleep(2.5)             # longer than the timeout: the server was away, not the client
    server.start()
    begin = time.monotonic()
    probe = t.wire(server)
    assert probe.exists('/e'), 'expired before the server could hear of the client'
    eventually(lambda: probe.exists('/e') is None, 8, 0.1, 'expiry')
    if t.is_takt:               # a whole timeout counts anew from the start
        assert time.monotonic() - begin > 1.5


def test_restart_with_other_settings(t):
    """writes acknowledged under other settings are replayed as they were answered"""
    if not t.is_takt:
        harness.skip('3.8 takes a TTL node for an ephemeral when the feature is off')
    server = t.fresh(extendedTypesEnabled='true', enforceQuota='false')
    w = t.wire(server)
    w.ask('createTTL', z.create_body('/t', b'kept', flags=5, ttl=86400000))
    for path, data in (('/q', b''), ('/zookeeper/quota/q', b''),
                       ('/zookeeper/quota/q/zookeeper_limits', b'count=-1,bytes=-1=;countHardLimit=2'),
                       ('/zookeeper/quota/q/zookeeper_stats', b'count=0,bytes=0')):
        w.create(path, data)
    for i in range(5):
        w.create('/q/n%d' % i)
    server.kill()
    server.options.update({'extendedTypesEnabled': 'false', 'enforceQuota': 'true'})
    server.start()
    w = t.wire(server)
    assert w.exists('/t'), 'the TTL node is gone'
    for i in range(5):
        assert w.exists('/q/n%d' % i), 'a node over the quota is gone'
    equal(w.err('createTTL', z.create_body('/t2', flags=5, ttl=86400000)), -6)
    equal(w.err('create', z.create_body('/q/more')), -125)


def test_many_restarts(t):
    """twenty restarts in a row, each with a few writes, half of them by kill"""
    server = t.fresh()
    for i in range(20 if t.is_takt else 4):
        w = z.connect(server.address)
        w.create('/n%d' % i, b'%d' % i)
        w.close()
        server.kill() if i % 2 else server.stop()
        server.start()
    w = t.wire(server)
    for i in range(20 if t.is_takt else 4):
        equal(w.get('/n%d' % i)[0], b'%d' % i)


def test_second_start_refused(t):
    """a second server on the same data directory is refused and the first is not hurt"""
    if not t.is_takt:
        t.skip('the reference does not look')
    server = t.fresh()
    w = t.wire(server)
    w.create('/n', b'1')
    second = harness.Server(t.target, t.port_kind, directory=server.home)
    second.log = os.path.join(server.home, 'second.log')
    second.start(wait=False)
    try:
        code = second.process.wait(15)
    finally:
        second.kill()
    text = harness.tail(second.log)
    assert code != 0, 'the second server started'
    assert server.data in text, 'the message does not name the data directory: ' + text
    equal(w.get('/n')[0], b'1')
    equal(w.err('create', z.create_body('/m')), 0)


def log_files(server):
    """Files of the data directory that can hold the log, biggest first. A node that runs deletes some meanwhile."""
    sizes = {}
    for folder, _, names in os.walk(server.data):
        for path in (os.path.join(folder, n) for n in names):
            try:
                sizes[path] = os.path.getsize(path)
            except FileNotFoundError:
                pass
    return sorted(sizes, key=sizes.get, reverse=True)


def find_in_log(server, needle):
    """(file, offset) of the first place that holds needle."""
    for path in log_files(server):
        with open(path, 'rb') as data:
            at = data.read().find(needle)
        if at >= 0:
            return path, at
    raise AssertionError('%r is in no file of %s' % (needle, server.data))


def flip(path, at):
    with open(path, 'r+b') as data:
        data.seek(at)
        byte = data.read(1)
        data.seek(at)
        data.write(bytes([byte[0] ^ 0x40]))


def test_corruption_stops_the_server(t):
    """a damaged record in the middle of the log: the server refuses, naming segment and offset"""
    if not t.is_takt:
        t.skip('the reference has another log')
    server = t.fresh()
    w = t.wire(server)
    for i in range(50):
        w.create('/n%d' % i, b'needle-%04d-' % i + b'x' * 2000)
    server.kill()
    path, at = find_in_log(server, b'needle-0010-')
    flip(path, at + 500)
    server.start(wait=False)
    code = server.process.wait(20)
    text = harness.tail(server.log)
    assert code != 0, 'the server starts on a damaged log'
    assert os.path.basename(path) in text, 'the segment is not named:\n' + text
    assert 'offset' in text, 'the offset is not named:\n' + text
    server.process = None
    flip(path, at + 500)        # undone, all is well again
    server.start()
    equal(len(t.wire(server).ask('getChildren', z.path_watch('/'))), 51)


def test_lost_log_is_not_begun_anew(t):
    """a log whose files are gone: the server refuses rather than serve an empty tree"""
    if not t.is_takt:
        t.skip('the reference starts empty')
    server = t.fresh()
    t.wire(server).create('/n', b'1')
    server.stop()
    lost = [f for f in log_files(server) if os.path.basename(f).startswith('log.')]
    aside = os.path.join(server.home, 'aside')
    os.makedirs(aside)
    for path in lost:
        os.rename(path, os.path.join(aside, os.path.basename(path)))
    server.start(wait=False)
    code = server.process.wait(20)
    text = harness.tail(server.log)
    assert code == 1 and server.data in text and 'has no log' in text, text
    server.process = None
    for path in lost:
        os.rename(os.path.join(aside, os.path.basename(path)), path)
    server.start()
    equal(t.wire(server).get('/n')[0], b'1')


def test_damaged_snapshot(t):
    """a damaged newest snapshot: the one before it and the log serve all; without the log, a refusal"""
    if not t.is_takt:
        t.skip('the reference has other snapshots')
    server = t.fresh(log__segment_size='16M', snapshot__every_entries=100)
    w = t.wire(server)
    for i in range(1000):
        w.create('/n%d' % i, b'x' * 100)

    def snapshots():
        return sorted(f for f in log_files(server)
                      if os.path.basename(f).startswith('snapshot.') and not f.endswith('.tmp'))
    eventually(lambda: len(snapshots()) >= 3, 10, 0.1, 'three snapshots')
    server.stop()
    files = snapshots()
    for damaged in (1, 2):
        path = files[-damaged]
        flip(path, os.path.getsize(path) // 2)
        server.start()
        equal(len(t.wire(server).ask('getChildren', z.path_watch('/'))), 1001)
        text = harness.tail(server.log)
        assert os.path.basename(path) in text and 'offset' in text, text
        server.kill()
    for path in snapshots():    # all of them: this log goes back to the first entry
        flip(path, 20)
    server.start()
    w = t.wire(server)
    equal(len(w.ask('getChildren', z.path_watch('/'))), 1001)

    def without_first_segment():
        equal(w.err('setData', z.set_data_body('/n0', b'x' * 1000000)), 0)
        return not any(f.endswith('log.0000000000000001') for f in log_files(server))
    for i in range(200):        # each a snapshot's worth of entries, so that log files go
        w.create('/m%d' % i)
    eventually(without_first_segment, 30, 0.01, 'a log file that is no longer needed')
    server.stop()
    for path in snapshots():
        flip(path, os.path.getsize(path) - 1)
    server.start(wait=False)
    code = server.process.wait(20)
    text = harness.tail(server.log)
    assert code == 1 and os.path.basename(snapshots()[0]) in text and 'are missing' in text, text
    server.process = None


def test_torn_tail_is_cut(t):
    """a last record that was only half written is cut; what was before it is served"""
    if not t.is_takt:
        t.skip('the reference has another log')
    server = t.fresh()
    w = t.wire(server)
    for i in range(20):
        w.create('/n%d' % i, b'needle-%04d-' % i + b'x' * 2000)
    server.kill()
    path, at = find_in_log(server, b'needle-0019-')
    with open(path, 'r+b') as data:     # as if the power had gone half way through its blocks
        begin = at - at % 512 + 1024
        data.seek(begin)
        data.write(b'\0' * 4096)
    server.start()
    names = t.wire(server).ask('getChildren', z.path_watch('/'))
    equal(sorted(n for n in names if n != 'zookeeper'), sorted('n%d' % i for i in range(19)))


def test_disk_full(t):
    """a full disk: writes are refused, reads go on; with room again writes work; nothing is lost"""
    if not t.is_takt:
        t.skip('the reference stops')
    if os.geteuid() != 0:
        t.skip('needs root to mount a small tmpfs')
    home = os.path.join('/tmp', 'takt-full-%d' % os.getpid())
    os.makedirs(home)
    if subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=320m', 'tmpfs', home],
                      stderr=subprocess.DEVNULL).returncode:
        os.rmdir(home)
        t.skip('this host does not let us mount a tmpfs')
    t.cleanup.append(lambda: (subprocess.run(['umount', '-l', home]), os.rmdir(home)))
    server = t.fresh(directory=home)
    w = t.wire(server, timeout_ms=60000)
    w.create('/n', b'before')
    filler = os.path.join(home, 'filler')
    with open(filler, 'wb') as out:
        free = os.statvfs(home).f_bavail * 4096 - (1 << 20)
        for _ in range(max(0, free >> 20)):
            out.write(b'\0' * (1 << 20))
    made, refused = 0, None
    for i in range(2000):
        reply = w.call('create', z.create_body('/big%d' % i, b'x' * 500000))
        if reply.err != 0:
            refused = reply.err
            break
        made += 1
    assert refused is not None, 'the disk never filled: %d creates of 500 kB' % made
    print('# refused with %d after %d creates' % (refused, made))
    equal(w.get('/n')[0], b'before', 'reads go on')
    assert w.call('create', z.create_body('/no', b'x' * 500000)).err != 0
    equal(w.exists('/no'), None, 'a refused write changes nothing')
    os.unlink(filler)
    eventually(lambda: w.err('create', z.create_body('/again', b'')) == 0, 20, 0.2, 'a write with room')
    equal(server.stop(), 0)
    server.start()
    w = t.wire(server)
    equal(w.get('/n')[0], b'before')
    equal(len([n for n in w.ask('getChildren', z.path_watch('/')) if n.startswith('big')]), made)
    assert w.exists('/again')


def test_sigint_too(t):
    """SIGINT stops it as SIGTERM does"""
    if not t.is_takt:
        t.skip('a JVM')
    server = t.fresh()
    server.process.send_signal(signal.SIGINT)
    equal(server.process.wait(20), 0)
    server.process = None
