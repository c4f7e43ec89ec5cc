"""libtakt as a user builds it: takt.h alone, the pkg-config file, the interlock, a node that is killed."""
import os
import subprocess

import harness
import test_beat
import test_clients
from harness import equal

HEADER = os.path.join(harness.ROOT, 'tools', 'libtakt')


def compiled(t, name, source):
    """A program that sees takt.h and the static library only."""
    os.makedirs(test_clients.BUILD, exist_ok=True)
    program = os.path.join(test_clients.BUILD, name)
    library = os.path.join(t.suite.build, 'tools', 'libtakt', 'libtakt.a')
    code, text = test_clients.run(['gcc', '-std=gnu99', '-Wall', '-Wextra', '-Werror', '-I', HEADER, '-o',
                                   program, source, library, '-lcrypto', '-lpthread'])
    equal(code, 0, text)
    return program


def test_libtakt_interlock(t):
    """The example drives its output with the lock, and leaves no lock behind."""
    server, at = test_beat.node(t)
    zk = t.kazoo(server)
    program = compiled(t, 'interlock', os.path.join(harness.ROOT, 'tools', 'examples', 'interlock.c'))
    code, text = test_clients.run([program, '%s:%d' % at, '1000'])
    equal(code, 0, text)        # the example's own: no cycle driven is a failure
    equal(zk.exists('/interlock'), None)


def test_libtakt_ipv6(t):
    """The same over IPv6: the node listens on ::1, and the list names it in brackets after one that is dead."""
    at = '[::1]:%d' % harness.free_port()
    test_beat.node(t, beat__listen=at)
    program = compiled(t, 'interlock', os.path.join(harness.ROOT, 'tools', 'examples', 'interlock.c'))
    code, text = test_clients.run([program, '[::1]:%d,%s' % (harness.free_port(), at), '3000'])
    equal(code, 0, text)


def test_libtakt_failover(t):
    """Sequential creates go on over the death of the node, each once and in order."""
    ensemble, places = test_beat.ensemble_of(t)
    leader = ensemble.leader()
    nodes = [places[leader.number]] + [places[n] for n in ensemble.nodes if n != leader.number]
    program = compiled(t, 'libtakt_creates', os.path.join(harness.HERE, 'libtakt_creates.c'))
    client = subprocess.Popen([program, ','.join('%s:%d' % at for at in nodes), '400'],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        zk = t.kazoo(ensemble.followers()[0])
        harness.eventually(lambda: zk.exists('/q') and zk.exists('/q').numChildren >= 50, 60, what='a part of the creates')
        leader.kill()
        text = client.communicate(timeout=60)[0].decode()
    finally:
        client.kill()
    equal(client.returncode, 0, text)
    assert int(text.split()[1]) >= 2, 'it was never attached anew: ' + text


def test_libtakt_header_alone(t):
    """takt.h is C99 and C++ and needs nothing else."""
    for command in (['gcc', '-std=c99', '-pedantic', '-x', 'c'], ['g++', '-std=c++11', '-x', 'c++']):
        code, text = test_clients.run(command + ['-Wall', '-Wextra', '-Werror', '-fsyntax-only',
                                                 os.path.join(HEADER, 'takt.h')])
        equal(code, 0, text)
