"""Disks that are lost and come back empty, and disks that are full, under load."""
import os

import harness
import zkwire as z
from ensemble import Ensemble
from harness import equal, eventually, limit
from test_ensemble import SESSION_MS, Load

NAMESPACE = True


def test_ensemble_wiped_disk(t):
    """a follower, then the leader, loses its disk and comes back empty: it catches up and counts again"""
    e = Ensemble(t)
    load = Load(t, e, [], 3)
    load.go_on(60)
    for pick in ('follower', 'leader'):
        victim = e.leader() if pick == 'leader' else e.followers()[0]
        victim.kill()
        load.go_on(20, 60 * e.patience)
        victim.wipe()
        victim.start()
        e.wait_whole(60 * e.patience)
        load.go_on(20, 60 * e.patience)
        # It counts again: with another one away the two go on.
        other = next(node for node in e.followers() if node is not victim)
        other.kill()
        load.go_on(20, 60 * e.patience)
        other.start()
        e.wait_whole(60 * e.patience)
    load.check()


def synced_at(t, node):
    """Does a new session sync there? A node that was sent a snapshot begins again, and hangs up once."""
    try:
        return t.wire(node).err('sync', z.path_body('/')) == 0
    except (z.Closed, OSError):
        return False


def full_disk(t, leads, size):
    """150 MB in writes of `size` bytes while the disk of one node, who leads or follows, is full"""
    if not t.is_takt:
        t.skip('a ZooKeeper with a full disk stops')
    if harness.QUICK:
        t.skip('150 MB are written three times: not in the quick form')
    if os.geteuid() != 0:
        t.skip('needs root to mount a small tmpfs')
    e = Ensemble(t, start=False)
    victim = e.nodes[1]
    victim.small_disk('320m')
    e.start()
    for _ in range(10):
        leader = e.leader()
        if (leader is victim) == leads:
            break
        leader.pause()
        e.leader(but=(leader,))
        leader.resume()
        e.wait_whole()
    equal(e.leader() is victim, leads)
    load = Load(t, e, [e.nodes[2], e.nodes[3]], 0)
    filler = os.path.join(victim.data, 'filler')
    with open(filler, 'wb') as out:
        try:
            while True:
                out.write(b'\0' * (1 << 20))
                out.flush()
        except OSError:
            pass
    w = t.wire(e.nodes[2], timeout_ms=SESSION_MS)
    w.create('/big')
    flight, made, count = [], 0, 150000000 // size
    for _ in range(count):      # more than the victim's two segments take
        flight.append(w.send('setData', z.set_data_body('/big', b'x' * size)))
        if len(flight) == 8:
            made += w.reply(flight.pop(0)).err == 0
    made += sum(w.reply(xid).err == 0 for xid in flight)
    equal(made, count)
    assert e.leader() is not victim, 'who has no room does not lead'
    eventually(lambda: victim.mode() != 'follower', 20, 0.5, 'clients are not kept where nothing arrives')
    load.go_on()
    load.undisturbed()
    os.unlink(filler)
    if not victim.alive():
        victim.stop()
        victim.start()
    e.wait_whole(90)
    eventually(lambda: synced_at(t, victim), 30, 0.5, 'the node catches up')
    load.go_on()
    load.check()


@limit(180)
def test_ensemble_full_disk(t):
    """the disk of a follower is full: the ensemble goes on; with room again the node catches up"""
    full_disk(t, False, 60000)


@limit(180)
def test_ensemble_full_disk_leader(t):
    """the disk of the leader is full: another one leads, and no client sees an error"""
    full_disk(t, True, 500000)
