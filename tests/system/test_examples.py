"""The examples of tools/examples, as a user runs them."""
import os
import re

import harness
import test_clients
import zkwire as z
from harness import equal

EXPECTED = '''connected to HOST, session SESSION
created /node1
created /node2
/node1 holds first at version 0
/node1 is now at version 1
deleted /node1
/node2 holds second at version 0
/node2 is now at version 1
deleted /node2
closed
'''


def check(t, command):
    w = t.alone().wire(timeout_ms=60000)
    zxid = w.ping().zxid
    for _ in range(2):      # the second run shows that the first left nothing behind
        code, text = test_clients.run(t.server.client_prefix + command + [t.server.hosts])
        text = text.replace(t.server.hosts, 'HOST')
        equal(re.sub('session 0x[0-9a-f]+', 'session SESSION', text), EXPECTED)
        equal(code, 0)
    # create session, 2 creates, 2 sets, 2 deletes, close: 8 zxids a run.
    equal(w.ping().zxid - zxid, 16)
    equal((w.exists('/node1'), w.exists('/node2')), (None, None))


def test_first_steps_python(t):
    """first_steps.py (kazoo)"""
    check(t, ['/usr/bin/python3', os.path.join(harness.ROOT, 'tools', 'examples', 'first_steps.py')])


def test_first_steps_c(t):
    """first_steps.c (libzookeeper)"""
    source = os.path.join(harness.ROOT, 'tools', 'examples', 'first_steps.c')
    check(t, [test_clients.compiled(source, 'first_steps')])


def test_first_steps_no_server(t):
    """without a server the C example says so and fails"""
    source = os.path.join(harness.ROOT, 'tools', 'examples', 'first_steps.c')
    program = test_clients.compiled(source, 'first_steps')
    address = '127.0.0.1:%d' % harness.free_port()
    code, text = test_clients.run([program, address], 60)
    equal((code, 'no answer from ' + address in text), (1, True), text)


def test_example_values(t):
    """what the examples do, seen from another connection: the nodes are ephemerals of that session"""
    import subprocess
    w = t.wire()
    equal(w.err('addWatch', z.path_int('/', 1)), 0)
    subprocess.run(t.server.client_prefix + ['/usr/bin/python3', os.path.join(
        harness.ROOT, 'tools', 'examples', 'first_steps.py'), t.server.hosts],
        check=True, stdout=subprocess.DEVNULL)
    events = [e for e in w.take_events() if e.path.startswith('/node')]
    equal([(e.type, e.path) for e in events], [
        (z.CREATED, '/node1'), (z.CREATED, '/node2'), (z.CHANGED, '/node1'), (z.DELETED, '/node1'),
        (z.CHANGED, '/node2'), (z.DELETED, '/node2')])
