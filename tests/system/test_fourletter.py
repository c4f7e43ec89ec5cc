"""Four-letter words: the shapes that third parties parse."""
import re
import time

import zkwire as z
from harness import equal, eventually

# The line that Go clients take apart (month first), and the looser reading of everybody else.
GO_VERSION = re.compile(r'^Zookeeper version: ([A-Za-z0-9.\-]+), built on (\d\d/\d\d/\d{4} \d\d:\d\d [A-Z]{3})\n')
VERSION = re.compile(r'^Zookeeper version: (\d+\.\d+\.\d+)[^\n]*, built on [^\n]+\n')
GO_STATS = re.compile(
    r'Latency min/avg/max: (\d+)/([0-9.]+)/(\d+)\nReceived: (\d+)\nSent: (\d+)\nConnections: (\d+)\n'
    r'Outstanding: (\d+)\nZxid: (0x[A-Za-z0-9]+)\nMode: (\w+)\nNode count: (\d+)\n$')
STAT_CLIENT = re.compile(r'^ /([0-9a-f.:]+):(\d+)\[([015])\]\(queued=(\d+),recved=(\d+),sent=(\d+)\)$')
CONS_CLIENT = re.compile(
    r'^ /([0-9a-f.:]+):(\d+)\[(\d+)\]\(queued=(\d+),recved=(\d+),sent=(\d+),sid=(0x[0-9a-f]+),'
    r'lop=(\w+),est=(\d+),to=(\d+),(?:lcxid=(0x[0-9a-f]+),)?lzxid=(0x[0-9a-f]+),lresp=(\d+),'
    r'llat=(\d+),minlat=(\d+),avglat=([0-9.]+),maxlat=(\d+)\)$')
DASHBOARD = '''version server_state avg_latency min_latency max_latency packets_received packets_sent
num_alive_connections outstanding_requests znode_count watch_count ephemerals_count
approximate_data_size open_file_descriptor_count max_file_descriptor_count uptime
global_sessions local_sessions'''.split()


def word(t, name, server=None, **kw):
    return z.four_letter((server or t.server).address, name, **kw)


def test_ruok(t):
    """ruok answers imok and no newline"""
    equal(word(t, 'ruok'), 'imok')


def test_ruok_with_newline(t):
    """what follows the four letters is ignored"""
    equal(word(t, b'ruok\n'), 'imok')
    equal(word(t, b'ruok and more of this\r\n'), 'imok')


def test_in_pieces(t):
    """a word that comes in pieces is understood"""
    equal(word(t, b'', pieces=[b'r', b'u', b'o', b'k']), 'imok')
    equal(word(t, b'', pieces=[b'srv', b'r'])[:18], 'Zookeeper version:')


def test_isro(t):
    """isro answers rw and no newline"""
    equal(word(t, 'isro'), 'rw')


def test_srvr(t):
    """srvr has its lines in order, readable by the strict parsers"""
    text = word(t, 'srvr')
    assert VERSION.match(text), text
    if t.is_takt:
        assert GO_VERSION.match(text), text
    m = GO_STATS.search(text)
    assert m and text.count('\n') == 9, text
    equal(m.group(9), 'standalone')
    if t.is_takt:
        assert '.' not in m.group(2), 'the old Go client wants an integer average: ' + m.group(2)


def test_srvr_of_empty_server(t):
    """a new server has five nodes and 44 bytes"""
    server = t.fresh()
    text = word(t, 'srvr', server)
    equal((re.search(r'Node count: (\d+)', text).group(1), re.search(r'Zxid: (\w+)', text).group(1)),
          ('5', '0x0'))
    equal(mntr(t, server)['approximate_data_size'], '44')


def test_srvr_zxid(t):
    """srvr's zxid is the last one, in hex without padding"""
    w = t.alone().wire()
    zxid = w.call('create', z.create_body(t.base + '/n')).zxid
    equal(re.search(r'^Zxid: (\w+)$', word(t, 'srvr'), re.M).group(1), '0x%x' % zxid)


def test_stat(t):
    """stat lists clients in lines that zktop and the Go clients parse"""
    w = t.wire()
    w.ping()
    text = word(t, 'stat')
    head, rest = text.split('\n\n', 1)
    lines = head.split('\n')
    assert VERSION.match(lines[0] + '\n'), lines[0]
    equal(lines[1], 'Clients:')
    clients = [STAT_CLIENT.match(line) for line in lines[2:]]
    assert clients and all(clients), lines
    assert str(w.sock.getsockname()[1]) in [c.group(2) for c in clients]
    assert GO_STATS.match(rest), rest


def test_cons(t):
    """cons describes each connection"""
    w = t.wire(timeout_ms=12000)
    w.get('/', True)
    text = word(t, 'cons')
    assert text.endswith('\n\n'), repr(text[-40:])
    lines = {m.group(2): m for m in map(CONS_CLIENT.match, text.rstrip('\n').split('\n')) if m}
    m = lines[str(w.sock.getsockname()[1])]
    equal((int(m.group(7), 16), m.group(8), m.group(10), m.group(11)),
          (w.session, 'GETD', '12000', '0x1'))
    assert abs(int(m.group(9)) - time.time() * 1000) < 60000


def mntr(t, server=None):
    out = {}
    for line in word(t, 'mntr', server).rstrip('\n').split('\n'):
        key, value = line.split('\t')
        assert key.startswith('zk_'), line
        out[key[3:]] = value
    return out


def test_mntr_keys(t):
    """mntr has every key that dashboards use, with values of the right kind"""
    values = mntr(t)
    equal([k for k in DASHBOARD if k not in values], [])
    equal(values['server_state'], 'standalone')
    assert re.match(r'\d+\.\d+\.\d+', values['version']), values['version']
    for key in DASHBOARD[2:]:
        assert re.match(r'^-?\d+(\.\d+)?$', values[key]), '%s=%s' % (key, values[key])
    assert int(values['max_file_descriptor_count']) > int(values['open_file_descriptor_count']) > 0


def test_mntr_values(t):
    """mntr's counts are real"""
    server = t.fresh()
    w = t.wire(server)
    before = mntr(t, server)
    w.create('/a', b'12345')
    w.create('/e', b'', z.EPHEMERAL)
    w.get('/a', True)
    w.exists('/none', True)
    w.ask('getChildren', z.path_watch('/', True))
    w.ping()
    after = mntr(t, server)

    def grew(key):
        return int(float(after[key])) - int(float(before[key]))
    equal((grew('znode_count'), grew('ephemerals_count'), grew('watch_count'),
           grew('approximate_data_size')), (2, 1, 3, 9))
    equal(after['global_sessions'], '1')
    assert int(after['num_alive_connections']) >= 1
    assert grew('packets_received') >= 6 and grew('packets_sent') >= 6


def test_conf(t):
    """conf has the documented keys"""
    values = dict(line.split('=', 1) for line in word(t, 'conf').split('\n') if '=' in line)
    for key in ('clientPort', 'dataDir', 'dataLogDir', 'tickTime', 'maxClientCnxns',
                'minSessionTimeout', 'maxSessionTimeout', 'serverId'):
        assert key in values, '%s not in %s' % (key, sorted(values))
    equal((values['clientPort'], values['tickTime'], values['minSessionTimeout'],
           values['maxSessionTimeout']), (str(t.server.port), '1000', '1000', '60000'))


def test_envi(t):
    """envi has what kazoo and others read"""
    text = word(t, 'envi')
    assert text.startswith('Environment:\n'), text[:40]
    values = dict(line.split('=', 1) for line in text.split('\n')[1:] if '=' in line)
    assert re.match(r'^\d+\.\d+\.\d+', values['zookeeper.version']), values['zookeeper.version']
    for key in ('host.name', 'os.name', 'os.arch', 'os.version', 'user.name', 'user.dir'):
        assert values.get(key), key


def test_dump(t):
    """dump lists sessions and the paths of their ephemerals"""
    w = t.wire()
    w.create(t.base + '/e', b'', z.EPHEMERAL)
    text = word(t, 'dump')
    assert text.startswith('SessionTracker dump:\n'), text[:60]
    # Sessions by the time of their end, or, as a follower prints them, with their timeouts.
    assert re.search(r'^Session Sets \(\d+\)/\(\d+\):$|^Global Sessions\(\d+\):$', text, re.M), text
    assert re.search(r'^ephemeral nodes dump:$', text, re.M), text
    assert re.search(r'^Sessions with Ephemerals \(\d+\):$', text, re.M), text
    assert '\n0x%x:\n' % w.session in text and '\t%s/e\n' % t.base in text, text
    assert re.search(r'^Connections Sets \(\d+\)/\(\d+\):$', text, re.M), text


def test_watch_words(t):
    """wchs, wchc and wchp tell the watches"""
    server = t.fresh()
    w = t.wire(server)
    w.get('/', True)
    w.exists('/none', True)
    equal(word(t, 'wchs', server), '1 connections watching 2 paths\nTotal watches:2\n' if t.is_takt
          else word(t, 'wchs', server))
    assert re.match(r'^1 connections watching 2 paths\nTotal watches:2\s*$', word(t, 'wchs', server))
    by_session = word(t, 'wchc', server).strip().split('\n')
    equal((by_session[0], sorted(by_session[1:])), ('0x%x' % w.session, ['\t/', '\t/none']))
    by_path = word(t, 'wchp', server)
    assert '/none\n\t0x%x' % w.session in by_path, by_path


def test_dirs(t):
    """dirs tells two sizes"""
    assert re.match(r'^datadir_size: \d+\nlogdir_size: \d+\s*$', word(t, 'dirs')), word(t, 'dirs')


def test_resets(t):
    """crst and srst reset and say so"""
    w = t.wire()
    for _ in range(50):
        w.ping()
    equal(word(t, 'crst'), 'Connection stats reset.\n')
    equal(word(t, 'srst'), 'Server stats reset.\n')
    received = int(re.search(r'Received: (\d+)', word(t, 'srvr')).group(1))
    assert received < 50, received


def test_trace_mask(t):
    """gtmk answers a decimal mask"""
    assert re.match(r'^\d+\s*$', word(t, 'gtmk'))


def test_unknown_words(t):
    """four letters that are no word are a length: a close with nothing said"""
    for name in ('lead', 'abcd', 'RUOK', 'orst', 'icfg'):
        equal(word(t, name), '', name)


def test_whitelist(t):
    """a word that is not in the whitelist says so"""
    server = t.fresh(**{'4lw__commands__whitelist': 'srvr,ruok'})
    equal(word(t, 'ruok', server), 'imok')
    assert VERSION.match(word(t, 'srvr', server))
    equal(word(t, 'mntr', server), 'mntr is not executed because it is not in the whitelist.\n')
    equal(word(t, 'stat', server), 'stat is not executed because it is not in the whitelist.\n')


def test_many_words_at_once(t):
    """a hundred words at once are all answered"""
    import concurrent.futures as f
    with f.ThreadPoolExecutor(20) as pool:
        texts = list(pool.map(lambda i: word(t, 'mntr' if i % 2 else 'ruok'), range(100)))
    equal({len(x) > 0 for x in texts}, {True})


def test_words_leave_no_connections(t):
    """words do not stay behind as connections"""
    for _ in range(20):
        word(t, 'ruok')
    eventually(lambda: int(mntr(t)['num_alive_connections']) < 10, 5)
