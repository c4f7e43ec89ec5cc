"""Native sessions: a client of beat, written from dataplane/beat/PROTOCOL.md, on a network that it makes bad
itself (loss, repetition, reordering, both ways), and a ZooKeeper client that looks on."""
import json
import os
import random
import select
import socket
import struct
import subprocess
import time

import beatwire as b
import harness
from ensemble import Ensemble
from harness import equal, eventually

CREATE, DELETE, GET, SET, CHILDREN, CHECK, MULTI, WATCH, CLOSE = 1, 2, 4, 5, 8, 13, 14, 106, -11
EPHEMERAL, SEQUENTIAL = 1, 2
NO_NODE, BAD_VERSION, EXPIRED, TIMEOUT = -101, -103, -112, -122


class Expired(Exception):
    """The session is gone."""


class Bad:
    """A network of its own: each datagram may be lost, come twice, or behind the next one."""

    def __init__(self, seed=1, loss=0.0, twice=0.0, late=0.0):
        self.random = random.Random(seed)
        self.loss, self.twice, self.late = loss, twice, late
        self.held = []

    def carry(self, data, deliver):
        if self.random.random() < self.loss:
            return
        waiting, self.held = self.held, []
        if self.random.random() < self.late:
            self.held = [data]
        else:
            deliver(data)
            if self.random.random() < self.twice:
                deliver(data)
        for one in waiting:
            deliver(one)


class Client:
    """One session at one node of several at a time."""

    def __init__(self, nodes, timeout_ms=5000, out=None, back=None, endpoint=77):
        self.nodes, self.timeout_ms, self.endpoint = list(nodes), timeout_ms, endpoint
        self.out, self.back = out or Bad(), back or Bad()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.session, self.password, self.attach, self.zxid = 0, b'\0' * 16, 0, 0
        self.node = self.opening = 0
        self.live = self.deaf = False
        self.sequence, self.acked, self.credits = 0, 0, 16
        self.asked = {}         # number: [code, record, due at, times, deadline, to be sent, answered]
        self.answers = {}       # number: (error, message, zxid); may be of events to come
        self.event, self.events, self.early, self.parts = 0, [], {}, {}
        self.kept = {}          # replies that wait for events
        self.refused = self.attaches = 0
        self.last_heard = time.monotonic()
        self.renewed = {}
        self.arrived = []
        self.open()

    # ---- datagrams ----

    def send(self, frame):
        frame.source = self.endpoint
        if frame.kind != b.OPEN:
            frame.to, frame.session, frame.attach = self.peer, self.session, self.attach
            frame.acked, frame.event = self.acked, self.event
        data = frame.encode()
        self.out.carry(data, lambda one: self.socket.sendto(one, self.nodes[self.node]))

    def poll(self, wait_s=0.005):
        if not self.arrived and select.select([self.socket], [], [], wait_s)[0]:
            while select.select([self.socket], [], [], 0)[0]:
                data, where = self.socket.recvfrom(2000)
                if where == self.nodes[self.node] and not self.deaf:
                    self.back.carry(data, self.arrived.append)
        while self.arrived:
            frame = b.decode(self.arrived.pop(0))
            if frame and frame.to == self.endpoint:
                self.take(frame)

    def take(self, frame):
        self.last_heard = time.monotonic()
        if frame.kind == b.OPENED and frame.sequence == self.opening and not self.live:
            self.opened(frame)
            return
        if frame.kind == b.REFUSED:
            mine = frame.sequence == self.opening or frame.attach == self.attach
            if mine and frame.code == b.NOT_ATTACHED and self.live:
                self.refused += 1
                self.live = False
                self.open()
            return
        if not self.live or frame.session != self.session or frame.attach != self.attach:
            return
        self.credits = frame.credits or self.credits
        message = self.whole(frame)
        if message is None:
            return
        if frame.kind == b.REPLY and frame.sequence in self.asked:
            self.kept[frame.sequence] = (frame.event, frame.code, message, frame.time)
        elif frame.kind == b.EVENT and frame.event > self.event:
            self.early[frame.event] = (frame.code, message.decode(), frame.time)
        elif frame.kind == b.RENEWED:
            self.renewed[frame.sequence] = struct.unpack('>QQII', message)
        self.settle(frame.kind == b.EVENT)

    def whole(self, frame):
        if frame.message_size <= b.PIECE:
            return frame.piece
        parts = self.parts.setdefault((frame.kind, frame.sequence, frame.event), {})
        parts[frame.index] = frame.piece
        if sum(map(len, parts.values())) < frame.message_size:
            return None
        return b''.join(parts[i] for i in sorted(parts))

    def settle(self, acknowledge):
        while self.event + 1 in self.early:
            self.event += 1
            self.events.append(self.early.pop(self.event))
        if acknowledge:
            self.send(b.Frame(b.ACK))
        for number in sorted(self.kept):
            event, error, message, zxid = self.kept[number]
            if event > self.event:
                continue        # an event before it is not here
            del self.kept[number]
            entry = self.asked.get(number)
            if entry is None:
                continue
            entry[5] = False
            if not entry[6]:
                entry[6] = True
                self.zxid = max(self.zxid, zxid)
                self.answers[number] = (error, message, zxid)
        while self.acked + 1 in self.asked and self.asked[self.acked + 1][6]:
            self.acked += 1     # kept until then: a new attach begins behind the last without a gap
            del self.asked[self.acked]

    # ---- the session ----

    def open(self):
        self.opening = time.time_ns()
        self.open_at = 0
        self.open_tries = 0

    def open_again(self):
        if time.monotonic() < self.open_at:
            return
        self.open_tries += 1
        if self.open_tries % 8 == 0:
            self.node = (self.node + 1) % len(self.nodes)
            self.opening = time.time_ns()
        self.open_at = time.monotonic() + 0.05
        frame = b.Frame(b.OPEN, b.connect(self.timeout_ms, self.session, self.password, self.zxid),
                        session=self.session, sequence=self.opening, acked=self.acked)
        self.send(frame)

    def opened(self, frame):
        if frame.code == EXPIRED:
            raise Expired()
        self.timeout_ms, self.session, self.password = b.connected(frame.piece)
        self.attach, self.peer, self.credits = frame.attach, frame.source, frame.credits
        self.event, self.early, self.parts, self.kept = 0, {}, {}, {}
        self.live = True
        self.attaches += 1
        for entry in self.asked.values():
            entry[2], entry[5] = 0, True

    def turn(self):
        """What a control loop does once a cycle."""
        self.poll()
        now = time.monotonic()
        if not self.live:
            self.open_again()
            return
        if self.asked and now - self.last_heard > 1.0 and len(self.nodes) > 1:
            self.live = False
            self.node = (self.node + 1) % len(self.nodes)
            self.last_heard = now
            self.open()
            return
        for number in sorted(self.asked):
            entry = self.asked[number]
            if not entry[5] or number > self.acked + self.credits or now < entry[2]:
                continue
            entry[3] += 1
            entry[2] = now + min(0.2, 0.01 * 2 ** entry[3])
            for frame in b.pieces(b.REQUEST, entry[1], sequence=number, code=entry[0], time=entry[4],
                                  flags=b.AGAIN if entry[3] > 1 else 0):
                self.send(frame)

    def ask(self, code, record=b'', deadline=0):
        self.sequence += 1
        self.asked[self.sequence] = [code, record, 0, 0, deadline, True, False]
        return self.sequence

    def answer(self, number, timeout_s=30.0):
        until = time.monotonic() + timeout_s
        while number not in self.answers:
            assert time.monotonic() < until, 'no answer to %d: %r' % (number, self.asked.get(number))
            self.turn()
        return self.answers.pop(number)

    def do(self, code, record=b'', error=0, deadline=0):
        got = self.answer(self.ask(code, record, deadline))
        equal(got[0], error, 'the answer to %d' % code)
        return got[1]

    def run(self, seconds):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.turn()

    def renew(self):
        number = time.monotonic_ns()
        self.send(b.Frame(b.RENEW, sequence=number))
        return number

    def close(self):
        """Once the answer is lost the session is, too: PROTOCOL.md section 7."""
        try:
            self.do(CLOSE)
        except Expired:
            pass
        self.live = False


def node(t, **settings):
    """One node that serves beat, and where."""
    if not t.is_takt:
        harness.skip('beat is takt\'s own')
    server = t.fresh(start=False)
    at = (server.host, harness.free_port())
    if server.veth:
        server.veth.queues = settings.get('roles__nets', server.veth.queues)
    server.extra += ['--set', 'beat.listen=%s:%d' % at]
    for key, value in settings.items():
        server.extra += ['--set', '%s=%s' % (key.replace('__', '.'), value)]
    server.start()
    return server, at


def test_beat_operations(t):
    server, at = node(t)
    client = Client([at])
    zk = t.kazoo(server)
    equal(client.do(CREATE, b.create('/a', b'one', EPHEMERAL)), b.put_str('/a'))
    data, where = b.get_bytes(client.do(GET, b.get('/a')))
    equal(data, b'one')
    equal(zk.get('/a')[0], b'one')
    equal(zk.exists('/a').ephemeralOwner, client.session)
    stat = b.get_stat(client.do(SET, b.set_data('/a', b'two', 0)))
    equal(stat['version'], 1)
    client.do(SET, b.set_data('/a', b'no', 0), error=BAD_VERSION)
    client.do(MULTI, b.multi([(CHECK, b.delete('/a', 1)), (SET, b.set_data('/a', b'three'))]))
    equal(zk.get('/a')[0], b'three')
    client.do(GET, b.get('/none'), error=NO_NODE)
    message = client.do(CHILDREN, b.get('/'))
    equal(struct.unpack('>i', message[:4])[0], 2)
    client.do(GET, b.get('/a'), error=TIMEOUT, deadline=1)
    client.do(SET, b.set_data('/a', b'late'), error=TIMEOUT, deadline=1)
    equal(zk.get('/a')[0], b'three')
    client.do(DELETE, b.delete('/a'))
    big = bytes(random.Random(1).getrandbits(8) for _ in range(50000))
    client.do(CREATE, b.create('/big', big))
    equal(b.get_bytes(client.do(GET, b.get('/big')))[0], big)
    equal(zk.get('/big')[0], big)
    client.do(CREATE, b.create('/e', b'', EPHEMERAL))
    client.close()
    eventually(lambda: zk.exists('/e') is None, what='the ephemeral goes with its session')


def test_beat_on_a_bad_network(t):
    """A third lost, a third twice, a third late, each way: every write once, in order; every event once, in
    order, before the data that shows it."""
    server, at = node(t)
    client = Client([at], out=Bad(1, 0.3, 0.3, 0.3), back=Bad(2, 0.3, 0.3, 0.3))
    zk = t.kazoo(server)
    client.do(CREATE, b.create('/q', b''))
    client.do(WATCH, b.put_str('/q') + struct.pack('>i', 1))
    count = 150
    numbers = [client.ask(CREATE, b.create('/q/n-', b'', SEQUENTIAL)) for _ in range(count)]
    names = []
    for number in numbers:
        error, message, _ = client.answer(number, 60)
        equal(error, 0)
        names.append(b.get_bytes(message)[0].decode())
        assert names[-1] in [path for _, path, _ in client.events], 'the answer came before its event'
    equal(names, ['/q/n-%010d' % i for i in range(count)])
    equal(sorted(zk.get_children('/q')), ['n-%010d' % i for i in range(count)])
    equal([path for code, path, _ in client.events if code == 1], names)
    client.close()


NETS = {'roles.nets': 2, 'roles.layout': 'spread', 'roles.idle': 'park'}


def move(client):
    """To another flow, that the kernel may give to another NET: the session is resumed there."""
    client.socket.close()
    client.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.live = False
    client.open()


def sockets_at(at):
    wanted = '%s:%04X' % (socket.inet_aton(at[0])[::-1].hex().upper(), at[1])
    return sum(line.split()[1] == wanted for line in open('/proc/net/udp').readlines()[1:])


def written_by_net(server):
    """Most bytes that CORE found at once of each NET."""
    takt = [os.path.join(os.path.dirname(server.taktd), 'takt'), 'top', '--data', server.data, '--once',
            '--interval', '0.1', '-o', 'json']
    links = json.loads(subprocess.check_output(takt))['links']
    return [link['high_water_bytes'] for link in links if link['link'] == 'net_core']


def test_beat_on_every_net(t):
    """Two NETs, a socket or a queue for each: sixteen flows are spread over both, and a session that moves from flow to flow keeps
    its ephemeral, gets what was recorded, and misses no write."""
    server, at = node(t, **{key.replace('.', '__'): value for key, value in NETS.items()})
    equal(sockets_at(at), 2 if t.port_kind == 'kernel' else 0)
    clients = [Client([at], endpoint=100 + i) for i in range(16)]
    for i, client in enumerate(clients):
        client.do(CREATE, b.create('/c%d' % i, b'%d' % i, EPHEMERAL))
    assert all(written_by_net(server)), 'a NET has served nobody'
    zk = t.kazoo(server)
    for i, client in enumerate(clients):
        equal(b.get_bytes(client.do(GET, b.get('/c%d' % ((i + 1) % 16))))[0], b'%d' % ((i + 1) % 16))
    client = clients[0]
    client.do(CREATE, b.create('/q', b''))
    session = client.session
    names = []
    for _ in range(16):
        numbers = [client.ask(CREATE, b.create('/q/n-', b'', SEQUENTIAL)) for _ in range(8)]
        client.turn()           # sent; the answers find nobody
        move(client)
        names += [b.get_bytes(client.answer(number)[1])[0].decode() for number in numbers]
    equal(names, ['/q/n-%010d' % i for i in range(128)])
    equal(client.session, session)
    equal(zk.exists('/c0').ephemeralOwner, session)
    for client in clients:
        client.close()
    eventually(lambda: zk.exists('/c15') is None, what='the ephemerals go with their sessions')


def renewed_session(at, path):
    """A session of 50 ms that was renewed for ten times as long, or None: this machine's other work may keep the node or us
    from a core for 50 ms, and then it has to end."""
    client = Client([at], timeout_ms=50)
    try:
        client.do(CREATE, b.create(path, b'', EPHEMERAL))
        for _ in range(50):
            if not client.live:
                return None
            client.renew()
            client.run(0.01)
        return client if client.live and client.renewed else None
    except Expired:
        return None


def test_beat_short_sessions(t):
    """A session of 50 ms lives as long as it is renewed, and ends before one of 5 s that is renewed no more, either."""
    server, at = node(t)
    zk = t.kazoo(server)
    paths = ('/lease%d' % i for i in range(20))
    long = Client([at], timeout_ms=5000)
    for path in paths:
        client = renewed_session(at, path)
        if client:
            break
    assert client, 'twenty sessions of 50 ms, and none lived for half a second'
    _, _, lease_us, margin_us = client.renewed[max(client.renewed)]
    equal(lease_us, 50000)
    assert 0 < margin_us < 50000, margin_us
    long.do(CREATE, b.create('/long', b'', EPHEMERAL))      # its last sign of life; and the short one's was before
    eventually(lambda: zk.exists(path) is None, every_s=0.002, what='the end of the lease')
    assert zk.exists('/long'), 'the session of 50 ms lived for longer than one of 5 s'


def ensemble_of(t, settings=()):
    if not t.is_takt:
        harness.skip('beat is takt\'s own')
    if t.port_kind != 'kernel':
        harness.skip('on the kernel port')
    ensemble = Ensemble(t, start=False)
    places = {}
    for number, one in ensemble.nodes.items():
        places[number] = (one.host, harness.free_port())
        one.settings['beat.listen'] = '%s:%d' % places[number]
        one.settings.update(settings)
    ensemble.start()
    return ensemble, places


def failover(t, leader_dies):
    """Sixteen writes are carried out and their answers lost; the node dies; another one answers the same writes from
    the record, and all later ones go on, each once."""
    ensemble, places = ensemble_of(t)
    leader = ensemble.leader()
    victim = leader if leader_dies else ensemble.followers()[0]
    others = [places[n] for n in ensemble.nodes if n != victim.number]
    client = Client([places[victim.number]] + others, timeout_ms=30000,
                    out=Bad(3, 0.1, 0.1, 0.1), back=Bad(4, 0.1, 0.1, 0.1))
    client.do(CREATE, b.create('/q', b''))
    first = [client.ask(CREATE, b.create('/q/n-', b'', SEQUENTIAL)) for _ in range(40)]
    for number in first[:10]:
        client.answer(number)
    client.deaf = True          # what is in flight is carried out, and never answered
    client.run(0.6)
    victim.kill()
    client.deaf = False
    names = []
    for number in first[10:]:
        error, message, _ = client.answer(number, 60)
        equal(error, 0)
        names.append(b.get_bytes(message)[0].decode())
    equal(names, ['/q/n-%010d' % i for i in range(10, 40)])
    assert client.attaches >= 2, 'it was never attached anew'
    message = client.do(CHILDREN, b.get('/q'))
    equal(struct.unpack('>i', message[:4])[0], 40)
    client.close()


def test_beat_failover_of_a_follower(t):
    failover(t, False)


def test_beat_failover_of_the_leader(t):
    failover(t, True)


def test_beat_on_every_net_of_an_ensemble(t):
    """The same session at each member in turn, from a new flow each time, beside writes that are in flight."""
    ensemble, places = ensemble_of(t, NETS)
    for at in places.values():      # the third member may come up after the ensemble serves
        eventually(lambda: sockets_at(at) == 2, 30, what='a socket for each NET at %s:%d' % at)
    client = Client(places.values(), timeout_ms=30000)
    client.do(CREATE, b.create('/q', b''))
    names = []
    for turn in range(12):
        numbers = [client.ask(CREATE, b.create('/q/n-', b'', SEQUENTIAL)) for _ in range(8)]
        client.turn()
        client.node = turn % len(client.nodes)
        move(client)
        names += [b.get_bytes(client.answer(number)[1])[0].decode() for number in numbers]
    equal(names, ['/q/n-%010d' % i for i in range(96)])
    client.close()
