"""Disks that are lost for good: what the servers say, and the operator's way to what one of them still has."""
import re

import harness
import zkwire as z
from ensemble import Ensemble
from harness import equal, eventually, limit
from test_ensemble_members import members, reconfig

NAMESPACE = True


def said(node):
    with open(node.log) as log:
        return log.read()


def stuck(node):
    """Why nobody can be elected, in the word memb; 'no' when somebody may be."""
    try:
        return re.search(r'^stuck\t(.*)$', z.four_letter(node.address, 'memb', 2.0), re.M).group(1)
    except OSError:     # it starts
        return 'no'


@limit(240)
def test_ensemble_begins_anew(t):
    """two of three disks are wiped: all three say whose vote is missing; --begin-anew, only with the entry at
    which the log ends, saves what the third has, and the others come in again, with a vote"""
    if not t.is_takt:
        harness.skip('--begin-anew is takt\'s own')
    e = Ensemble(t)
    t.wire(e.nodes[1]).create('/kept', b'by the third')
    e.wait_same()
    for node in e.nodes.values():
        node.stop()
    for number in (1, 2):
        e.nodes[number].wipe()
    for node in e.nodes.values():
        node.start()
    for node in e.nodes.values():
        eventually(lambda: 'with a vote: 3; not heard: none; ' in stuck(node) and 'is lost: 1 2. ' in stuck(node),
                   60, what='node %d says whose vote is missing' % node.number)
        eventually(lambda: re.search('warn +nobody leads since .*is lost: 1 2\\. ', said(node)), 60,
                   what='node %d warns' % node.number)
    for node in e.nodes.values():
        node.stop()

    saved = e.nodes[3]
    end = int(re.findall(r'log at (\d+)', said(saved))[-1])
    saved.extra = ['--begin-anew', str(end + 1)]
    saved.start()
    eventually(lambda: not saved.alive(), 60, what='a wrong entry is refused')
    assert 'ends at entry %d; give that one if' % end in said(saved)
    saved.process = None
    saved.extra = ['--begin-anew', str(end)]
    saved.start()
    e.wait_whole(60, [3])
    equal(t.wire(saved).get('/kept')[0], b'by the third')
    equal(members(t.wire(saved))[0], [3])
    for number in (1, 2):
        e.nodes[number].wipe()      # they had joined the old ensemble
        e.nodes[number].start()
        reconfig(t, e, joining=e.nodes[number].line)
    e.wait_whole(60)
    equal(members(t.wire(saved))[0], [1, 2, 3])
    saved.stop()                    # the others have all of it, and elect
    e.wait_whole(60, [1, 2])
    w = t.wire(e.leader())
    equal(w.get('/kept')[0], b'by the third')
    w.create('/after', b'')
    saved.start()                   # the flag was left in place: it throws nobody out
    eventually(lambda: not saved.alive(), 60, what='the flag left in place is refused')
    assert 'If it has begun anew already, start without the flag' in said(saved)
    saved.process = None
    saved.extra = []
    saved.start()
    e.wait_whole(60)
    eventually(lambda: t.wire(saved).err('sync', z.path_body('/')) == 0, 60)
    equal(t.wire(saved).get('/after')[0], b'')
    other = e.nodes[1]              # the log has its line: another one in the file has no effect, and that is said
    assert 'another line for this node' not in said(other)
    other.stop()
    with open(other.config) as file:
        text = file.read()
    with open(other.config, 'w') as file:
        file.write(text.replace(other.line, other.line.replace(':%d:' % other.election_port, ':3999:')))
    other.start()
    eventually(lambda: "another line for this node than the ensemble: %s:%d:3999:" % (other.host, other.peer_port)
               in said(other), 60, what='the line that has no effect is named')
