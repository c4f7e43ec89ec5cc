"""The checks of history.py find what they are for: each is shown a history with one lie in it."""
from history import Op, check_real_time, check_registers, check_same_tree, check_sessions, check_values
from harness import equal

GOOD = [
    Op('a', 1, 'set', '/k', 'a.1', 1, 11, 0.0, 1.0, 'ok', 'n'),
    Op('b', 2, 'synced', '/k', 'a.1', 1, 11, 1.1, 1.2, 'ok', 'n'),
    Op('b', 2, 'set', '/k', 'b.1', None, None, 1.3, 3.0, 'unknown', 'n'),
    Op('a', 1, 'set', '/k', 'a.2', 3, 13, 1.5, 2.0, 'ok', 'n'),
    Op('a', 1, 'read', '/k', 'a.2', 3, 13, 2.1, 2.2, 'ok', 'n'),
]


def with_one(index, **changes):
    return GOOD[:index] + [GOOD[index]._replace(**changes)] + GOOD[index + 1:]


def found(bad, text):
    assert any(text in line for line in bad), (bad, text)


def test_history_good(t):
    """a history without a lie passes, with an unknown write that happened or did not"""
    equal(check_registers(GOOD, ['/k']), [])
    equal(check_sessions(GOOD), [])
    late = Op('c', 3, 'synced', '/k', 'b.1', 2, 12, 1.6, 1.7, 'ok', 'n')
    equal(check_registers(GOOD + [late], ['/k']), [])


def test_history_stale(t):
    """a stale synced read, two writes of one version, and a session that goes back are found"""
    found(check_registers(with_one(1, version=0, value='start'), ['/k']), 'has version 0')
    found(check_registers(with_one(3, version=1, value='a.1'), ['/k']), 'had 1')
    found(check_sessions(with_one(4, zxid=12)), 'zxid 0xc after 0xd')
    found(check_sessions(with_one(4, version=0)), 'version 0 after 3')
    late = GOOD[1]._replace(begin=2.5, end=2.6)
    found(check_real_time('/k', GOOD[:1] + [late, GOOD[3]]), 'has version 1')


def test_history_twice(t):
    """a value with two versions, a version with two values, one that nobody wrote or was refused are found"""
    twice = GOOD + [GOOD[4]._replace(version=4)]
    found(check_values('/k', twice), 'took effect twice')
    found(check_values('/k', with_one(1, value='a.2')), 'version 1 is')
    found(check_values('/k', with_one(4, value='x.9')), 'nobody wrote')
    refused = with_one(2, outcome=-5) + [GOOD[1]._replace(value='b.1', version=2, end=1.4)]
    found(check_values('/k', refused), 'was refused')
    found(check_values('/k', with_one(1, value='a.2', version=3)), 'before it was written')


def test_history_trees(t):
    """two trees that differ in one Stat are found"""
    equal(check_same_tree({1: {'/': 1}, 2: {'/': 1}}), [])
    found(check_same_tree({1: {'/': 1}, 2: {'/': 2}}), '/ differs')
