"""Three nodes that own their devices: a snapshot that replaces a node's state in its process, two queues a node, the
priority of the members' frames."""
import os
import select
import struct
import threading

import beatwire as b
import harness
import zkwire as z
from ensemble import Ensemble, PEER_PORT
from harness import equal
from test_beat import CREATE, GET, NETS, SEQUENTIAL, Client, written_by_net
from test_ensemble import Load
from test_ensemble_memory import log_files, said
from vlan_switch import AUXDATA, IPV4, OUTGOING, SOL_PACKET, TAG_VALID, TCP, UDP, Switch

NAMESPACE = True

BEAT_PORT = 2182


def on_devices(t, **settings):
    """An ensemble of three that is not started. Skips on the kernel port."""
    if t.port_kind != 'dpdk':
        harness.skip('on the dpdk port')
    return Ensemble(t, start=False, settings={key.replace('__', '.'): value for key, value in settings.items()})


def test_ensemble_snapshot_comes(t):
    """the log files that a wiped follower would need are gone: a snapshot; it goes on in the same process, on the same device"""
    e = on_devices(t, snapshot__every_entries=100, snapshot__kept=1, log__segment_size='16M')
    e.start()
    leader, victim = e.leader(), e.followers()[0]
    wire = t.wire(leader)
    wire.create('/big', b'')
    first = log_files(leader)[0]
    victim.kill()
    victim.wipe()
    writes = 0
    while os.path.exists(first):
        equal(wire.err('setData', z.set_data_body('/big', os.urandom(100000))), 0)
        writes += 1
        assert writes < 3000, 'the first log file stays: %s' % log_files(leader)
    wire.create('/last', b'written while it was away')
    victim.start()
    process = victim.process
    e.wait_whole(60)
    e.wait_same()
    assert 'the node goes on from it' in said(victim), said(victim)
    equal((victim.process is process, process.poll()), (True, None))
    equal(t.wire(victim).get('/last')[0], b'written while it was away')
    assert t.wire(victim).get('/big')[0] == wire.get('/big')[0]
    next(node for node in e.followers() if node is not victim).kill()
    wire.create('/needs-its-vote', b'')
    t.wire(victim).create('/through-it', b'')
    print('# %d writes of 100 kB until the first log file was given up' % writes)


def two_queues(t):
    e = on_devices(t, **{key.replace('.', '__'): value for key, value in NETS.items()})
    for node in e.nodes.values():
        node.queues = 2
        node.settings['beat.listen'] = '%s:%d' % (node.host, BEAT_PORT)
    e.start()
    return e, [(node.host, BEAT_PORT) for node in e.nodes.values()]


def test_ensemble_two_queues(t):
    """two NETs a node, a queue pair for each: clients of TCP and controllers on both, through a leader's death and return"""
    e, places = two_queues(t)
    load = Load(t, e, (), 6)
    # nobody renews them while the load goes on and the node starts
    controllers = [Client(places, timeout_ms=120000, endpoint=100 + i) for i in range(6)]
    names = {one: [] for one in controllers}
    controllers[0].do(CREATE, b.create('/beat', b''))

    def write(count):
        for one in controllers:
            for _ in range(count):
                made = one.do(CREATE, b.create('/beat/%d-' % one.endpoint, b'', SEQUENTIAL))
                names[one].append(b.get_bytes(made)[0].decode())
    write(5)
    load.go_on(40)
    victim = e.leader()
    victim.kill()
    write(5)
    load.go_on(20, 120)
    victim.start()
    e.wait_whole(120)
    write(5)
    load.go_on(20, 120)
    written = [written_by_net(node) for node in e.nodes.values()]
    equal([len(nets) for nets in written], [2, 2, 2])
    assert all(map(any, zip(*written))), 'one NET of two has served nobody: %s' % written
    made = [os.path.basename(name) for one in controllers for name in names[one]]
    equal(sorted(made), sorted(t.kazoo(e.leader()).get_children('/beat')))
    for one in controllers:
        equal(names[one], sorted(names[one]))
        one.close()
    for node in e.nodes.values():
        assert 'handed over to queue 0 by who gets them, as the device takes no rule (' in said(node), said(node)
    print('# most bytes at once from each NET: %s' % written)
    load.check()


def test_ensemble_two_queues_lossy(t):
    """one frame of sixteen is lost, a fifth comes twice, two queues a node: requests of many pieces, once each, in order"""
    e, places = two_queues(t)
    load = Load(t, e, [], 3, answer_s=25.0)
    e.wires.lose(6)
    e.wires.double(20)
    controller = Client(places, timeout_ms=30000)
    controller.do(CREATE, b.create('/lossy', b''))
    sent = [os.urandom(size) for size in (10, 2000, 4000, 8000) * 15]
    asked = [controller.ask(CREATE, b.create('/lossy/n-', one, SEQUENTIAL)) for one in sent]
    names = ['/lossy/n-%010d' % i for i in range(len(sent))]
    answers = [controller.answer(number, 60) for number in asked]
    equal([error for error, _, _ in answers], [0] * len(sent))
    equal([b.get_bytes(message)[0].decode() for _, message, _ in answers], names)
    for name, one in zip(names, sent):
        equal(b.get_bytes(controller.do(GET, b.get(name)))[0], one)
    load.go_on(15, 120)
    assert e.wires.dropped() > 30, 'nothing was lost'
    assert e.wires.sent_twice() > 30, 'nothing came twice'
    e.wires.heal()
    load.go_on(10, 60)
    equal(len(t.kazoo(e.leader()).get_children('/lossy')), len(sent))
    controller.close()
    load.check()


class Tap:
    """Counts the frames that come from a node: {(protocol, by the members' port): {tag: count}}."""

    def __init__(self, e):
        self.seen = {number: {} for number in e.nodes}
        self.socks = {Switch.open('n%d' % number): number for number in e.nodes}
        self.stopping = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stopping:
            for sock in select.select(list(self.socks), [], [], 0.1)[0]:
                frame, aux, _, where = sock.recvmsg(65536, 256)
                if where[2] != OUTGOING and frame[12:14] == struct.pack('>H', IPV4):
                    self.count(self.seen[self.socks[sock]], frame, aux)

    @staticmethod
    def count(seen, frame, aux):
        tag = None
        for level, kind, data in aux:
            status, _, _, _, _, tci = struct.unpack('=IIIHHH', data[:18])
            if (level, kind) == (SOL_PACKET, AUXDATA) and status & TAG_VALID:
                tag = (tci & 0xfff, tci >> 13)
        ports = struct.unpack('>HH', frame[34:38])
        tags = seen.setdefault((frame[23], PEER_PORT in ports), {})
        tags[tag] = tags.get(tag, 0) + 1

    def close(self):
        self.stopping = True
        self.thread.join()
        for sock in self.socks:
            sock.close()


def test_ensemble_priority(t):
    """peers.priority: every frame of a member to a member carries it, a client's none; the ensemble serves and elects"""
    e = on_devices(t, peers__priority=6)
    tap = Tap(e)
    t.cleanup.append(lambda: tap.stopping or tap.close())
    e.start()
    load = Load(t, e, (), 3)
    load.go_on(40)
    victim = e.leader()
    victim.kill()
    load.go_on(20, 120)
    victim.start()
    e.wait_whole(60)
    load.go_on(20, 60)
    load.check()
    tap.close()
    for number, seen in tap.seen.items():
        equal(set(seen), {(UDP, True), (TCP, False)}, 'what node %d sends' % number)
        equal(set(seen[UDP, True]), {(0, 6)})
        equal(set(seen[TCP, False]), {None})
    print('# %s' % tap.seen)
