"""Members that come and go under load, and reconfigurations that are refused."""
import re

import harness
import zkwire as z
from ensemble import Ensemble
from harness import equal, eventually, limit
from test_ensemble import SESSION_MS, Load

NAMESPACE = True


def super_wire(t, node):
    w = t.wire(node, timeout_ms=SESSION_MS)
    equal(w.err('auth', z.auth_body('digest', harness.SUPER[0].encode()), z.AUTH_XID), 0)
    return w


def members(wire):
    """(numbers in /zookeeper/config, version), after a sync."""
    wire.err('sync', z.path_body('/zookeeper/config'))
    data = wire.get('/zookeeper/config')[0].decode()
    return (sorted(int(n) for n in re.findall(r'^server\.(\d+)=', data, re.M)),
            int(re.search(r'^version=([0-9a-f]+)$', data, re.M).group(1), 16))


def reconfig(t, e, timeout_s=60.0, **change):
    """Asks until it is done: the reference answers -13 while a joiner is not yet in step."""
    last = []

    def attempt():
        w = super_wire(t, e.leader())
        try:
            reply = w.call('reconfig', z.reconfig_body(**change))
        except (z.Closed, OSError) as why:      # a leader that removed itself
            last[:] = [repr(why)]
            return False
        last[:] = [reply.err]
        return reply.err == 0
    eventually(attempt, timeout_s, 0.5, 'reconfig %s (last answer %s)' % (change, last))


@limit(240)
def test_ensemble_members_come_and_go(t):
    """under load: a fourth node joins, a founder leaves, the leader leaves; the rest goes on"""
    e = Ensemble(t)
    load = Load(t, e, [], 3)
    load.go_on()
    before = members(t.wire(e.nodes[1]))
    equal(before[0], [1, 2, 3])
    joiner = e.add(4)
    joiner.joins_as = [node.line for node in e.founders] + [joiner.line]
    joiner.start()
    reconfig(t, e, joining=joiner.line)
    e.wait_whole(60 * e.patience)
    after = members(t.wire(e.nodes[4]))
    equal(after[0], [1, 2, 3, 4])
    assert after[1] > before[1]
    load.go_on(20)
    leaver = next(node for node in e.followers() if node.number != 4)
    reconfig(t, e, leaving=str(leaver.number))
    if t.is_takt:   # who left knows, and says so
        eventually(lambda: 'member\tremoved\n' in z.four_letter(leaver.address, 'memb', 2.0), 60,
                   what='node %d knows that it was removed' % leaver.number)
        with open(leaver.log) as log:
            assert 'removed from the ensemble' in log.read()
    leaver.kill()
    del e.nodes[leaver.number]
    load.go_on(20, 60 * e.patience)
    leader = e.leader()
    if t.is_takt:
        with open(leader.log) as log:
            assert 'node 4 follows' in log.read()
    reconfig(t, e, leaving=str(leader.number))
    leader.kill()
    del e.nodes[leader.number]
    for one in load.clients:
        one.addresses = [node.address for node in e.nodes.values()]
    e.wait_whole(60 * e.patience)
    load.go_on(20, 60 * e.patience)
    equal(members(t.wire(e.leader()))[0], sorted(e.nodes))
    if t.is_takt:   # who left is forgotten, some seconds later
        for node in e.running():
            eventually(lambda: int(node.mntr()['zk_takt_peer_members']) == len(e.nodes) - 1, 60,
                       what='node %d knows only members' % node.number)
    load.check()


def test_ensemble_reconfig_refused(t):
    """reconfig without the right, with a wrong version, with bad text: the reference's codes"""
    e = Ensemble(t)
    plain, w = t.wire(e.nodes[1]), super_wire(t, e.nodes[1])
    equal(plain.err('reconfig', z.reconfig_body(leaving='3')), z.NOAUTH)
    version = members(w)[1]
    equal(w.err('reconfig', z.reconfig_body(leaving='3', config_id=version + 7)), z.BADVERSION)
    equal(w.err('reconfig', z.reconfig_body(joining='server.9=nonsense')), z.BADARGUMENTS)
    equal(members(w), ([1, 2, 3], version))
