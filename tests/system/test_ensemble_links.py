"""The links between members: keys that are replaced under load, strangers that are refused, cables that
are cut where it hurts a leader most.

Each test looks at what clients saw, at who leads, and at the lines that the nodes wrote."""
import os
import signal
import socket
import struct
import time

import beatwire as b
from ensemble import Ensemble
from harness import equal, eventually
from test_beat import CREATE, SEQUENTIAL, Client
from test_ensemble import Load, cut_test

NAMESPACE = True

SECRETS = {number: ('%02x' % number) * 32 for number in (7, 8, 9)}
REFUSED, READ_AGAIN = ' is refused: ', "the peers' keys are read again"
READY = 'up after '


def lines(node, text):
    """What a node has written that holds `text`."""
    with open(node.log, errors='replace') as log:
        return [line.strip() for line in log if text in line]


def key_file(node):
    return os.path.join(node.home, 'peers.keys')


def write_keys(node, *keys):
    """A number without a sign is sent with, a negative one accepted only; (number, secret) as it is."""
    text = ''.join('%d %s\n' % (key if isinstance(key, tuple) else (key, SECRETS[abs(key)])) for key in keys)
    with open(key_file(node), 'w') as out:
        out.write(text)
    os.chmod(key_file(node), 0o600)


def only_takt(t):
    if not t.is_takt:
        t.skip("about takt's own peer link")


def keyed(t, *keys):
    """Three nodes that share these keys."""
    e = Ensemble(t, start=False)
    for node in e.nodes.values():
        node.settings['peers.key_file'] = key_file(node)
        write_keys(node, *keys)
    return e.start()


def reread(node):
    """SIGHUP, and waits for the node's word."""
    before = len(lines(node, READ_AGAIN))
    node.process.send_signal(signal.SIGHUP)
    eventually(lambda: len(lines(node, READ_AGAIN)) > before, 10, what='node %d reads its keys' % node.number)


def test_ensemble_keys_rotated(t):
    """keys replaced on three nodes by SIGHUP under load: no election, nothing refused; a bad file changes nothing"""
    only_takt(t)
    e = keyed(t, 7)
    leader = e.leader()
    term = leader.mntr()['zk_takt_term']
    load = Load(t, e, list(e.nodes.values()), 1)
    load.go_on()
    for step in ((7, -8), (7, 8), (8,), (8, -9), (9, 8), (9,)):
        for node in e.nodes.values():
            write_keys(node, *step)
            reread(node)
            load.go_on(5)
    assert 'key 9 is sent with' in lines(leader, READ_AGAIN)[-1], lines(leader, READ_AGAIN)
    for text in ('9 nonsense\n', '', '-9 %s\n' % SECRETS[9], '1 %s\n2 %s\n3 %s\n' % ((SECRETS[7],) * 3)):
        stay = len(lines(leader, 'keys stay as they were'))
        with open(key_file(leader), 'w') as out:
            out.write(text)
        leader.process.send_signal(signal.SIGHUP)
        eventually(lambda: len(lines(leader, 'keys stay as they were')) == stay + 1, 10,
                   what='a line about %r' % text)
        load.go_on(5)
    assert SECRETS[7] not in ''.join(lines(leader, '')), 'a secret is in the log'
    os.unlink(key_file(leader))
    leader.process.send_signal(signal.SIGHUP)
    eventually(lambda: 'cannot open' in lines(leader, 'keys stay as they were')[-1], 10, what='a line')
    load.go_on()
    load.undisturbed()
    equal(leader.mntr()['zk_takt_term'], term, 'there was an election')
    equal([lines(node, REFUSED) for node in e.nodes.values()], [[], [], []])
    load.check()


def test_ensemble_wrong_key(t):
    """a node with another secret, or another key, is refused with one line; with the right file and SIGHUP it joins"""
    only_takt(t)
    e = keyed(t, 7)
    victim = e.followers()[0]
    others = [node for node in e.nodes.values() if node is not victim]
    load = Load(t, e, others, 0)
    for keys, why in (((7, 'ab' * 32), 'its mark with key 7 is wrong: '), (8, 'it uses key 7, which is not in ')):
        equal(victim.stop(), 0)
        write_keys(victim, keys)
        said = len(lines(victim, REFUSED))
        victim.start()
        # The others say it, too, but of each member and cause only once a minute.
        eventually(lambda: len(lines(victim, REFUSED)) >= said + 2, 20, what='the others are refused')
        eventually(lambda: all(lines(node, REFUSED) for node in others), 20, what='and refuse')
        time.sleep(1.0)
        load.go_on()
        news = lines(victim, REFUSED)[said:]
        equal([why in line for line in news], [True, True], news)     # one line for each of the two
        equal([len(lines(node, REFUSED)) for node in others], [1, 1])
        assert victim.mode() not in ('leader', 'follower'), victim.mode()
        write_keys(victim, 7)
        reread(victim)
        e.wait_whole(30)
    for node in others:
        assert 'peer %d at' % victim.number in lines(node, REFUSED)[0], lines(node, REFUSED)
        assert 'its mark with key 7 is wrong: ' in lines(node, REFUSED)[0], lines(node, REFUSED)
    load.undisturbed()
    load.check()


def test_ensemble_another_cluster(t):
    """a node with the disk of another ensemble is refused with one line that names both; the two go on"""
    only_takt(t)
    e = Ensemble(t, settings={'ensemble.cluster': 'two', 'ensemble.form': 'majority'})
    stranger, others = e.nodes[3], [e.nodes[1], e.nodes[2]]
    for node in e.nodes.values():
        equal(node.stop(), 0)
    for node in others:
        node.wipe()
        node.settings['ensemble.cluster'] = 'one'
        node.start()
    e.wait_whole(30, [1, 2])
    load = Load(t, e, others, 0)
    stranger.start()
    for node in others:
        eventually(lambda: lines(node, REFUSED), 20, what='node %d refuses' % node.number)
    time.sleep(1.0)
    load.go_on()
    for node in others:
        said = lines(node, REFUSED)
        equal(len(said), 1, said)
        assert 'peer 3 at' in said[0] and 'it belongs to cluster' in said[0], said
    assert stranger.mode() not in ('leader', 'follower'), stranger.mode()
    load.undisturbed()
    equal(stranger.stop(), 0)
    load.check()


def test_ensemble_another_wire_version(t):
    """datagrams of another wire version, from a member's id: one line that says which, and no harm"""
    only_takt(t)
    e = Ensemble(t)
    leader = e.leader()
    load = Load(t, e, list(e.nodes.values()), 0)
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    t.cleanup.append(sender.close)
    other = e.followers()[0]
    for _ in range(200):
        head = struct.pack('<IHBBBB', 0x50544b54, 99, 0, 0, other.number, leader.number)
        sender.sendto(head + os.urandom(90), (leader.host, leader.peer_port))
    eventually(lambda: lines(leader, REFUSED), 10, what='a line')
    load.go_on()
    said = lines(leader, REFUSED)
    equal(len(said), 1, said)
    assert 'peer %d at' % other.number in said[0] and 'it speaks wire version 99, this node 1' in said[0], said
    for size in (0, 1, 9, 10, 71, 72, 1400):     # and what is nobody's
        sender.sendto(os.urandom(size), (leader.host, leader.peer_port))
    load.go_on()
    load.undisturbed()
    equal(e.leader(), leader)
    load.check()


def test_ensemble_two_with_one_id(t):
    """a second node with the id of a member is refused, names both addresses and ends; the member has not noticed"""
    only_takt(t)
    e = Ensemble(t)
    victim = e.followers()[0]
    load = Load(t, e, list(e.nodes.values()), 0)
    load.go_on()
    twin = e.add(4)
    as_victim = twin.line.replace('server.4=', 'server.%d=' % victim.number)
    twin.joins_as = [as_victim if node is victim else node.line for node in e.founders]
    twin.write_config()
    with open(os.path.join(twin.data, 'myid'), 'w') as out:
        out.write('%d\n' % victim.number)
    restarts = len(lines(victim, READY))
    assert restarts > 0
    twin.start()
    eventually(lambda: not twin.alive(), 60, what='the second one ends')
    assert twin.process.returncode != 0
    said = lines(twin, 'two nodes have the id %d' % victim.number)
    for address in ('%s:%d' % (node.host, node.peer_port) for node in (victim, twin)):
        assert said and address in said[-1], (address, said)
    load.go_on()
    refused = [line for node in e.founders for line in lines(node, 'another node with the id %d is heard at' %
                                                             victim.number)]
    assert refused and '%s:%d' % (victim.host, victim.peer_port) in refused[0], refused
    equal(len(lines(victim, READY)), restarts)
    load.undisturbed()
    load.check()


def test_ensemble_leader_deaf_or_mute(t):
    """a leader that is heard and hears nobody, then one that hears and is not heard: another leads in the end"""
    e = cut_test(t)
    # A node that hears the new leader and is not heard by it hangs up on its clients after 3 s: they
    # need not find out by themselves.
    load = Load(t, e, [], 2, answer_s=25.0 if t.is_takt else 3.0)
    load.go_on()
    for deaf in (True, False):
        leader = e.leader()
        others = [node for node in e.nodes.values() if node is not leader]
        for node in others:
            e.wires.cut(*((node.number, leader.number) if deaf else (leader.number, node.number)), ways='one')
        e.leader(30 * e.patience, but=(leader,))
        load.go_on(20, 60 * e.patience)
        assert e.wires.dropped() > 0
        e.wires.heal()
        e.wait_whole(60 * e.patience)
        load.go_on(10, 60 * e.patience)
    load.check(linearizable=t.is_takt)


def test_ensemble_lossy_cables(t):
    """a tenth of all frames is lost, each way, of members, clients and a controller: nothing is, only time"""
    only_takt(t)
    e = Ensemble(t, start=False)
    e.need_wires()
    for node in e.nodes.values():
        node.settings['beat.listen'] = '%s:2182' % node.host
    e.start()
    load = Load(t, e, [], 3, answer_s=25.0)
    e.wires.lose(10)
    controller = Client([(node.host, 2182) for node in e.nodes.values()], timeout_ms=30000)
    controller.do(CREATE, b.create('/lossy', b''))
    asked = [controller.ask(CREATE, b.create('/lossy/n-', b'', SEQUENTIAL)) for _ in range(100)]
    answers = [controller.answer(number, 60) for number in asked]
    equal([error for error, _, _ in answers], [0] * 100)
    equal([b.get_bytes(message)[0].decode() for _, message, _ in answers], ['/lossy/n-%010d' % i for i in range(100)])
    load.go_on(30, 120)
    assert e.wires.dropped() > 100, 'nothing was lost'
    e.wires.heal()
    load.go_on(10, 60)
    controller.close()
    load.check()
