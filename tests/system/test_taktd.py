"""taktd as a process: exit codes, signals, its lock, systemd's protocol, an ordinary user, the two
commands of the README."""
import base64
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import zkwire
from harness import ROOT, equal, eventually, free_port, skip


def only_takt(t):
    if not t.is_takt or t.port_kind != 'kernel':
        skip('about the process, on the kernel port')


def taktd(t, *flags, **kw):
    """Runs taktd to its end: (exit code, stdout, stderr)."""
    done = subprocess.run([t.fresh(start=False).taktd] + list(flags), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=30, **kw)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def said(server):
    with open(server.log) as log:
        return log.read()


def test_taktd_questions(t):
    """--help, --version, --help-config, --check-config and --print-config answer on stdout, code 0"""
    only_takt(t)
    for flags, word in ((['--help'], 'taktd --dev'), (['--version'], 'taktd 0.'),
                        (['--help-config'], '#tick: 2s'), (['--dev', '--check-config'], 'good'),
                        (['--dev', '--print-config'], "listen: ['127.0.0.1:2181']  # --dev")):
        code, out, err = taktd(t, *flags)
        equal((code, err), (0, ''), flags)
        assert word in out, out


def test_taktd_wrong_usage(t):
    """a wrong command line or configuration is code 2, one sentence on stderr, and nothing is made"""
    only_takt(t)
    home = tempfile.mkdtemp()
    t.cleanup.append(lambda: shutil.rmtree(home))
    with open(os.path.join(home, 'zoo.cfg'), 'w') as out:
        out.write('dataDir=d\nclientPort=2181\nserver.1=a:1:2\nserver.2=b:1:2\n')
    with open(os.path.join(home, 'keys'), 'w') as out:
        out.write('1 nothex\n')
    for flags, word in ((['--nothing'], 'unknown flag'), ([], 'no data directory'),
                        (['--data', 'd', '--listen', 'x'], 'is not an address'),
                        (['--dev', '--set', 'tickTime=soon'], 'is not a duration'),
                        (['--config', 'zoo.cfg'], 'which of them is this node?'),
                        (['--dev', '--set', 'beat.key_file=keys', '--check-config'], 'beat.key_file: '),
                        (['--dev', '--set', 'peers.key_file=none', '--check-config'], 'peers.key_file: '),
                        (['--config', 'none'], 'cannot be read')):
        code, out, err = taktd(t, *flags, cwd=home)
        equal((code, out, err.count('\n')), (2, '', 1), flags)
        assert word in err, err
    equal(sorted(os.listdir(home)), ['keys', 'zoo.cfg'])


def test_taktd_stops(t):
    """SIGTERM, SIGINT and SIGHUP close the log and end with code 0; the data is there again"""
    only_takt(t)
    server = t.fresh(start=False)
    for number, name in enumerate((signal.SIGTERM, signal.SIGINT, signal.SIGHUP)):
        server.start()
        wire = t.wire(server)
        for old in range(number):
            equal(wire.err('exists', zkwire.path_watch('/n%d' % old)), 0)
        equal(wire.err('create', zkwire.create_body('/n%d' % number)), 0)
        server.process.send_signal(name)
        equal(server.process.wait(20), 0)
        assert 'stopped; the log is closed' in said(server).split('\n')[-2], said(server)


def test_taktd_twice(t):
    """a second node on the same data directory is refused by name, with code 1; the first goes on"""
    only_takt(t)
    server = t.fresh()
    code, out, err = taktd(t, '--data', server.data, '--listen', '127.0.0.1:%d' % free_port())
    equal((code, out), (1, ''))
    assert 'in use by process %d' % server.process.pid in err, err
    assert t.wire(server)


def test_taktd_port_in_use(t):
    """an address in use is named, with code 1"""
    only_takt(t)
    server = t.fresh()
    code, out, err = taktd(t, '--data', server.data + '2', '--listen', server.hosts)
    equal((code, out), (1, ''))
    assert server.hosts in err, err


def test_taktd_zoo_cfg(t):
    """a zoo.cfg as packages ship it serves; keys without effect are named once"""
    only_takt(t)
    server = t.fresh(start=False)
    config = os.path.join(server.home, 'zoo.cfg')
    with open(config, 'w') as out:
        out.write('tickTime=2000\ninitLimit=10\nsyncLimit=5\ndataDir=%s\nclientPort=%d\n'
                  'admin.enableServer=true\nserver.7=localhost:2888:3888\n'
                  % (server.data, server.port))
    with open(os.path.join(server.data, 'myid'), 'w') as out:
        out.write('7\n')
    server.takt_command = lambda: [server.taktd, '--config', config]
    server.start()
    assert t.wire(server)
    text = said(server)
    equal(text.count('3 keys have no effect in takt: initLimit, syncLimit'), 1, text)
    assert 'node 7 of' in text, text
    assert 'serverId=7' in zkwire.four_letter(server.address, 'conf')


def test_taktd_readme_zoo_cfg(t):
    """the README's zoo.cfg of three nodes is good on each of them, and nothing in it is without effect"""
    only_takt(t)
    with open(os.path.join(ROOT, 'README.md')) as readme:
        block = next(part for part in readme.read().split('```') if 'server.1=' in part)
    assert 'super:HASH' in block, block     # what the text above it has the reader make
    digest = base64.b64encode(hashlib.sha1(b'super:PASSWORD').digest()).decode()
    home = tempfile.mkdtemp()
    t.cleanup.append(lambda: shutil.rmtree(home))
    config = os.path.join(home, 'zoo.cfg')
    with open(config, 'w') as out:
        out.write(block.replace('/var/lib/takt', home).replace('super:HASH', 'super:' + digest))
    for node in '123':
        with open(os.path.join(home, 'myid'), 'w') as out:
            out.write(node)
        code, out, err = taktd(t, '--config', config, '--check-config')
        equal((code, err), (0, ''), out)
        assert 'node %s would listen on 0.0.0.0:2181' % node in out, out
        assert 'as a voter of 3 servers, of which 3 vote and 2 decide' in out, out


def test_taktd_systemd(t):
    """READY=1 when it serves, WATCHDOG=1 while it does, STOPPING=1 on SIGTERM"""
    only_takt(t)
    server = t.fresh(start=False)
    path = os.path.join(server.home, 'notify')
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(path)
        notify.settimeout(20)
        env = dict(os.environ, NOTIFY_SOCKET=path, WATCHDOG_USEC='200000')
        process = subprocess.Popen(server.command(), env=env, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        t.cleanup.append(process.kill)
        equal(notify.recv(4096).decode(),
              'READY=1\nSTATUS=node 1 listens on %s' % server.hosts)
        assert zkwire.four_letter(server.address, 'srvr').startswith('Zookeeper version')
        begin = time.monotonic()
        for _ in range(3):
            equal(notify.recv(4096), b'WATCHDOG=1')
        assert 0.15 < time.monotonic() - begin < 10
        process.send_signal(signal.SIGTERM)
        while True:
            got = notify.recv(4096)
            if got != b'WATCHDOG=1':
                break
        equal(got, b'STOPPING=1')
        equal(process.wait(20), 0)


def test_taktd_ordinary_user(t):
    """it runs as an ordinary user, and says clearly what such a user may not do"""
    only_takt(t)
    if os.geteuid() != 0 or shutil.which('setpriv') is None:
        skip('we are an ordinary user already, or setpriv is missing')
    server = t.fresh(start=False)
    os.chmod(server.home, 0o755)
    os.chown(server.data, 65534, 65534)
    server.log = os.path.join(server.data, 'server.log')
    as_user = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']
    usual = server.takt_command()
    # A place that everybody may read: the build directory need not be one.
    binary = os.path.join(server.home, 'taktd')
    shutil.copy(server.taktd, binary)
    server.takt_command = lambda: as_user + [binary] + usual[1:]
    server.start()
    assert t.wire(server)
    equal(server.stop(), 0)
    for flags, words in ((['--data', '/var/nobodys'], ('/var/nobodys', 'Permission denied')),
                         (['--data', server.data, '--listen', '127.0.0.1:81'],
                          ('127.0.0.1:81', 'CAP_NET_BIND_SERVICE'))):
        done = subprocess.run(as_user + [binary] + flags, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=30)
        equal(done.returncode, 1)
        for word in words:
            assert word in done.stderr.decode(), done.stderr


def test_taktd_idle_is_idle(t):
    """a node that parks takes under 1 % of a core when nobody asks anything"""
    only_takt(t)
    server = t.fresh(roles__idle='park')
    t.wire(server)
    time.sleep(1)
    before = server.cpu_s()
    time.sleep(4)
    assert server.cpu_s() - before <= 0.04, server.cpu_s() - before


def test_quickstart(t):
    """tools/quickstart.sh --exit shows its demonstration twice over one data directory, code 0"""
    only_takt(t)
    if os.environ.get('TAKTD'):
        skip('quickstart.sh starts its own build')
    home = tempfile.mkdtemp()
    t.cleanup.append(lambda: shutil.rmtree(home))
    for _ in range(2):
        listen = '127.0.0.1:%d' % free_port()
        done = subprocess.run([os.path.join(ROOT, 'tools/quickstart.sh'), '--exit', '--listen', listen,
                               '--data', os.path.join(home, 'data')], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=110)
        text = done.stdout.decode()
        equal(done.returncode, 0, text)
        assert '    hello, takt\n' in text and 'quickstart: done' in text, text
    busy = t.fresh()
    done = subprocess.run([os.path.join(ROOT, 'tools/quickstart.sh'), '--exit', '--listen', busy.hosts,
                           '--data', os.path.join(home, 'data2')], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=110)
    equal(done.returncode, 1)
    assert 'something listens on %s already' % busy.hosts in done.stdout.decode(), done.stdout
    begin = time.monotonic()
    done = subprocess.run([os.path.join(ROOT, 'tools/quickstart.sh'), '--exit', '--listen', '127.0.0.1:%d' % free_port(),
                           '--data', '/proc/self/stat'], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=110)
    assert b'did not become ready' in done.stdout and time.monotonic() - begin < 25, done.stdout    # it died at once


def test_taktd_settings_that_bite(t):
    """limits set on the command line are the ones that clients meet"""
    only_takt(t)
    server = t.fresh(limits__connections_per_address=2, limits__handshake_timeout='300ms')
    first = t.wire(server)
    lazy = t.raw(server)
    third = t.raw(server)
    equal(third.sock.recv(1), b'')                       # two are there already
    eventually(lambda: lazy.sock.recv(1) == b'', 5)      # closed for saying nothing
    equal(first.err('exists', zkwire.path_watch('/')), 0)
