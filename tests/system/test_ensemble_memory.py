"""durability.mode memory: what a crash of some, of all, and a stop in good order leave behind."""
import time

from ensemble import Ensemble
from harness import equal, eventually
from test_ensemble import Load


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
        eventually(lambda: 'has caught up, and votes from now on' in said(victim), what='its vote')
        load.go_on()
    load.check()

    wire = t.wire(e.leader())
    wire.create('/kept', b'1')
    for node in e.nodes.values():
        node.stop()
    for node in e.nodes.values():
        node.start()
    e.wait_whole(60 * e.patience)
    equal(t.wire(e.leader()).get('/kept')[0], b'1')
    for node in e.nodes.values():
        assert 'did not stop in good order' not in said(node).split('stopped; the log is closed')[-1]

    time.sleep(0.5)     # on disk by now
    for node in e.nodes.values():
        node.kill()
    for node in e.nodes.values():
        node.start()
    time.sleep(2)
    equal([mode for mode in e.modes().values() if mode == 'leader'], [])
    for node in e.nodes.values():
        assert 'did not stop in good order' in said(node)
    for i, node in enumerate(e.nodes.values()):     # what systemd does, too: the mark must outlive it
        node.kill() if i == 0 else node.stop()
        node.extra = ['--recover-from-disk']
    for node in e.nodes.values():
        node.start()
    e.wait_whole(60 * e.patience)
    equal(t.wire(e.leader()).get('/kept')[0], b'1')
    for node in e.nodes.values():
        assert 'votes with what its disk has' in said(node)
