"""Reads in an ensemble: `reads.mode linearizable`, which shows no stale answer at any node, and the read-only
mode of a node that has lost its quorum, as kazoo sees it."""
import socket

import zkwire as z
from ensemble import Ensemble
from harness import equal, eventually, skip
from test_ensemble import SESSION_MS, cut_test, zkwire_word

NAMESPACE = True


LINEAR = {'reads.mode': 'linearizable'}


def linearizable(t, voters=3, observers=0):
    if not t.is_takt:
        skip('ZooKeeper has no such reads')
    return Ensemble(t, voters, observers, settings=LINEAR)


def test_ensemble_linearizable(t):
    """reads.mode linearizable: a read right behind an acknowledged write sees it, at followers and at an observer"""
    e = linearizable(t, 3, 1)
    writer = t.wire(e.leader())
    readers = [t.wire(node) for node in e.nodes.values() if node.mode() != 'leader']
    writer.create('/l', b'0')
    for i in range(1, 301):
        writer.ask('setData', z.set_data_body('/l', b'%d' % i))
        reader = readers[i % len(readers)]
        if i % 4 == 0:      # each kind of read
            equal(reader.exists('/l').version, i)
        elif i % 4 == 1:
            equal(reader.get('/l')[0], b'%d' % i)
        elif i % 4 == 2:
            writer.create('/l/c%d' % i)
            assert 'c%d' % i in reader.ask('getChildren', z.path_watch('/l'))
        else:
            xids = [reader.send('getData', z.path_watch('/l')) for _ in range(5)]
            equal([z.decode('getData', reader.reply(xid).body)[0] for xid in xids], [b'%d' % i] * 5)
    # And at whichever node the write was: its own client's node need not be the leader's.
    for i in range(301, 361):
        wires = readers + [writer]
        wires[i % len(wires)].ask('setData', z.set_data_body('/l', b'%d' % i))
        equal(wires[(i + 1) % len(wires)].get('/l')[0], b'%d' % i)


def nothing_stale(wire, xid, wanted, for_s):
    """Within for_s there comes no answer, or a right one, or the end of the connection. Gives which."""
    wire.sock.settimeout(for_s)
    try:
        reply = wire.reply(xid)
    except socket.timeout:
        return 'silent'
    except (z.Closed, OSError):
        return 'closed'
    equal((reply.err, z.decode('getData', reply.body)[0]), (0, wanted), 'a stale answer')
    return 'right'


def test_ensemble_linearizable_cut(t):
    """a follower behind a cut cable answers no stale read, nor does the leader that was; healed, both are right"""
    if not t.is_takt:
        skip('ZooKeeper has no such reads')
    e = cut_test(t, settings=LINEAR)
    for which in ('follower', 'leader'):
        victim = e.leader() if which == 'leader' else e.followers()[0]
        others = [node for node in e.nodes.values() if node is not victim]
        reader = t.wire(victim, timeout_ms=SESSION_MS)
        if which == 'follower':
            reader.create('/cut', b'old')
        else:
            reader.ask('setData', z.set_data_body('/cut', b'old'))
        equal(reader.get('/cut')[0], b'old')
        e.wires.isolate(victim.number, [node.number for node in others])
        leader = e.leader(but=(victim,))
        writer = t.wire(leader, timeout_ms=SESSION_MS)
        writer.ask('setData', z.set_data_body('/cut', b'new'))
        how = nothing_stale(reader, reader.send('getData', z.path_watch('/cut')), b'new', 1.5)
        assert how != 'right', 'the cut let something through'
        e.wires.heal()
        e.wait_whole()
        equal(t.wire(victim).get('/cut')[0], b'new')
        print('# cut-off %s: %s' % (which, how))


def test_ensemble_linearizable_paused(t):
    """a leader that slept while another was elected: what was asked of it meanwhile is answered right or not"""
    e = linearizable(t)
    leader = e.leader()
    reader = t.wire(leader, timeout_ms=SESSION_MS)
    reader.create('/p', b'old')
    leader.pause()
    early = [reader.send('getData', z.path_watch('/p')) for _ in range(5)]
    new = e.leader(but=(leader,))
    t.wire(new).ask('setData', z.set_data_body('/p', b'new'))
    late = [reader.send('getData', z.path_watch('/p')) for _ in range(15)]
    leader.resume()
    reader.sock.settimeout(10.0)
    try:    # what was asked before the write may be answered from before it, too
        for xid in early:
            assert z.decode('getData', reader.reply(xid).body)[0] in (b'old', b'new')
        print('# %s' % nothing_stale(reader, late[0], b'new', 10.0))
    except (socket.timeout, z.Closed, OSError) as error:
        print('# no answer: %s' % error)
    e.wait_whole()
    equal(t.wire(leader).get('/p')[0], b'new')


def test_ensemble_read_only_kazoo(t):
    """kazoo read_only=True: its session stays and reads, a new one is read-only and works, both write again"""
    from kazoo.client import KazooClient, KeeperState
    from kazoo.exceptions import NotReadOnlyCallError
    if not t.is_takt:
        skip('the reference opens no new read-only session')
    e = Ensemble(t)
    survivor = e.followers()[0]

    def client():
        one = KazooClient(hosts='%s:%d' % survivor.address, read_only=True, timeout=30.0)
        t.cleanup.append(lambda: (one.stop(), one.close()))
        one.start(timeout=20)
        return one

    def seen():
        return [one.client_state for one in (first, second)]
    first, states = client(), []
    first.add_listener(states.append)
    first.create('/kept', b'1')
    first.create('/e', b'', ephemeral=True)
    session = first.client_id[0]
    down = [node for node in e.nodes.values() if node is not survivor]
    for node in down:
        node.kill()
    eventually(lambda: zkwire_word(survivor, 'isro') == 'ro', 40, what='the survivor is read-only')
    second = client()
    equal(seen(), [KeeperState.CONNECTED, KeeperState.CONNECTED_RO])     # the one was never hung up on
    for one in (first, second):
        equal(one.get('/kept')[0], b'1')
        assert one.exists('/e'), 'an ephemeral went with the quorum'
        for write in (lambda: one.create('/no', b''), lambda: one.set('/kept', b'2'), lambda: one.delete('/kept')):
            try:
                write()
                raise AssertionError('a write was taken')
            except NotReadOnlyCallError:
                pass
    for node in down:
        node.start()
    e.wait_whole()
    eventually(lambda: seen() == [KeeperState.CONNECTED] * 2, 40, what='both clients write again')
    first.retry(first.set, '/kept', b'2')
    second.retry(second.create, '/new', b'')
    equal(second.retry(second.get, '/kept')[0], b'2')
    equal((first.client_id[0], 'LOST' in states), (session, False), 'the first session outlives it')
    equal(first.retry(first.exists, '/e').owner_session_id, session)
