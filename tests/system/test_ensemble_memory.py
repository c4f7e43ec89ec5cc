"""durability.mode memory: what a crash of some, of all, and a stop in good order leave behind."""
import glob
import os
import time

import zkwire as z
from ensemble import Ensemble
from harness import equal, eventually
from test_ensemble import Load

NAMESPACE = True

CLOSED = 'stopped; the log is closed'


def said(node):
    with open(node.log) as log:
        return log.read()


def test_ensemble_memory(t):
    """durability.mode memory: kill -9 of a follower and of the leader loses nothing acknowledged; all stopped in
    good order are at once what they were; all killed stall, until --recover-from-disk"""
    e = Ensemble(t, settings={'durability.mode': 'memory'})
    load = Load(t, e, (), 3)
    load.go_on()
    for victim in (e.followers()[0], e.leader()):
        victim.kill()
        load.go_on(timeout_s=60 * e.patience)
        victim.start()
        e.wait_whole(60 * e.patience)
        eventually(lambda: 'has caught up, and votes from now on' in said(victim), 60 * e.patience, what='its vote')
        load.go_on()
    load.check()

    for node in e.nodes.values():
        equal(node.mntr()['zk_takt_durability'], 'memory')
        assert 'durabilityMode=memory\n' in z.four_letter(node.address, 'conf', 2.0)
    wire = t.wire(e.leader())
    wire.create('/kept', b'kept by everybody')
    for node in e.nodes.values():
        node.stop()
    for node in e.nodes.values():
        node.start()
    e.wait_whole(60 * e.patience)
    equal(t.wire(e.leader()).get('/kept')[0], b'kept by everybody')
    for node in e.nodes.values():
        assert 'did not stop in good order' not in said(node).split(CLOSED)[-1]

    for node in e.nodes.values():
        wait_on_disk(node, b'kept by everybody')
        node.kill()
    for node in e.nodes.values():
        node.start()
    for node in e.nodes.values():
        eventually(lambda: 'did not stop in good order' in said(node).split(CLOSED)[-1], 60 * e.patience, what='what it says of its start')
    time.sleep(2)       # an election would take a tenth of it
    equal([mode for mode in e.modes().values() if mode == 'leader'], [])
    for i, node in enumerate(e.nodes.values()):     # what systemd does, too: the mark must outlive it
        node.kill() if i == 0 else node.stop()
        node.extra = ['--recover-from-disk']
    for node in e.nodes.values():
        node.start()
    e.wait_whole(60 * e.patience)
    equal(t.wire(e.leader()).get('/kept')[0], b'kept by everybody')
    for node in e.nodes.values():
        assert 'votes with what its disk has' in said(node)


def log_files(node):
    return sorted(glob.glob(os.path.join(node.data, '**', 'log.*'), recursive=True))


def wait_on_disk(node, payload):
    def there():
        for path in log_files(node):
            with open(path, 'rb') as log:
                if payload in log.read():
                    return True
        return False
    eventually(there, 60, what='node %d has written %s' % (node.number, payload))


def copy_still(node):
    """The log as it is while nobody writes: {path: bytes}, the same twice."""
    def read():
        found = {}
        for path in log_files(node):
            with open(path, 'rb') as log:
                found[path] = log.read()
        return found
    copies = [read()]

    def same():
        copies.append(read())
        return copies[-1] == copies[-2]
    eventually(same, 60, what='a log that nobody writes')
    return copies[-1]


def test_ensemble_ahead(t):
    """all lose power and two of three what they had not written; recovered from their disks, they go on without
    it; the third, which has it, puts its log aside, catches up and counts again"""
    e = Ensemble(t, settings={'durability.mode': 'memory'})
    ahead = e.nodes[1]
    others = [e.nodes[2], e.nodes[3]]
    wire = t.wire(e.leader())
    wire.create('/kept', b'kept by all of them')
    for node in e.nodes.values():
        wait_on_disk(node, b'kept by all of them')
    copies = {node: copy_still(node) for node in others}
    for i in range(20):
        wire.create('/lost-%02d' % i, b'lost number %02d' % i)
    wait_on_disk(ahead, b'lost number 19')
    for node in e.nodes.values():
        node.kill()
    for node in others:
        for path, found in copies[node].items():
            with open(path, 'wb') as log:
                log.write(found)
    for node in e.nodes.values():
        node.extra = ['--recover-from-disk']
    for node in others:
        node.start()
    e.wait_whole(60 * e.patience, [node.number for node in others])
    wire = t.wire(e.leader())
    equal(wire.get('/kept')[0], b'kept by all of them')
    for i in range(40):
        wire.create('/new-%02d' % i, b'new number %02d' % i)
    ahead.start()
    eventually(lambda: 'has caught up, and votes from now on' in said(ahead), 60 * e.patience, what='its vote')
    assert 'holds a history that was given up' in said(ahead), said(ahead)
    assert 'does not follow this node' not in said(ahead), said(ahead)
    assert glob.glob(os.path.join(ahead.data, '**', 'lost.*.log.*'), recursive=True)
    e.wait_whole(60 * e.patience)
    e.wait_same()
    next(node for node in others if node.mode() == 'follower').kill()
    wire = t.wire(ahead)
    equal(wire.get('/new-39')[0], b'new number 39')
    equal(wire.exists('/lost-10'), None)
    wire.create('/after', b'')
