"""Framing, handshake, headers, pipelining: what goes over the wire, byte by byte."""
import struct
import time

import zkwire as z
from harness import equal, eventually

EXPIRED = bytes.fromhex('00000000' '00000000' '0000000000000000' '00000010') + b'\0' * 16
MAX_FRAME = 0xFFFFF


def test_handshake_with_read_only_byte(t):
    """a handshake with the readOnly byte is answered with 37 bytes, the last one 0"""
    w = t.raw()
    raw = w.handshake(timeout_ms=10000)
    equal(len(raw), 37)
    equal(raw[:8], bytes.fromhex('0000000000002710'))
    equal(raw[16:20], bytes.fromhex('00000010'))
    equal(raw[36:], b'\0')
    assert w.session != 0 and w.session != -(1 << 63) and (w.session >> 56) & 0xff != 0xff


def test_handshake_without_read_only_byte(t):
    """a handshake without the readOnly byte is answered without it: 36 bytes"""
    equal(len(t.raw().handshake(read_only=None)), 36)


def test_handshake_read_only_asked(t):
    """a client that allows read-only gets a 0 from a server that is not"""
    equal(t.raw().handshake(read_only=True)[36:], b'\0')


def test_handshake_version_ignored(t):
    """the protocol version of the request is ignored; 0 is answered"""
    for version in (1, 10, 11, 12, 42, -1):
        t.raw().handshake(version=version)    # raises unless 0 comes back


def test_handshake_password_any(t):
    """a new session takes any password: null, empty, long"""
    for password in (None, b'', b'x', b'y' * 1000):
        w = t.wire(password=password)
        equal(len(w.password), 16)
        equal(w.err('exists', z.path_watch('/')), 0)


def test_handshake_sessions_differ(t):
    """sessions have ids of their own"""
    equal(len({t.wire().session for _ in range(20)}), 20)


def test_timeout_clamped(t):
    """the session timeout is clamped to [min, max]"""
    for asked, got in ((-1, 1000), (0, 1000), (999, 1000), (1000, 1000), (4321, 4321),
                       (60000, 60000), (60001, 60000), (0x7fffffff, 60000), (-0x80000000, 1000)):
        equal(t.wire(timeout_ms=asked).timeout_ms, got, 'asked for %d' % asked)


def test_reattach(t):
    """a session re-attaches by id and password, keeps both, and may change its timeout"""
    a = t.wire(timeout_ms=5000)
    a.create(t.base + '/e', b'', z.EPHEMERAL)
    a.close()
    b = t.wire(session=a.session, password=a.password, timeout_ms=20000)
    equal((b.session, b.password, b.timeout_ms), (a.session, a.password, 20000))
    equal(b.get(t.base + '/e')[1].ephemeralOwner, a.session)


def test_reattach_closes_old_connection(t):
    """re-attaching closes the connection that had the session"""
    a = t.wire()
    b = t.wire(session=a.session, password=a.password)
    a.expect_close()
    equal(b.err('exists', z.path_watch('/')), 0)


def test_reattach_wrong_password(t):
    """a wrong password gets the expired answer, then a close"""
    a = t.wire()
    for password in (b'\x01' * 16, b'', None, a.password[:15], a.password + b'x'):
        b = t.raw()
        equal(b.handshake(session=a.session, password=password), EXPIRED + b'\0')
        b.expect_close()
    c = t.raw()
    equal(c.handshake(session=a.session, password=b'\x01' * 16, read_only=None), EXPIRED)
    c.expect_close()
    if t.is_takt:       # the reference closes the old connection before it looks at the password
        equal(a.err('exists', z.path_watch('/')), 0)


def test_reattach_unknown_session(t):
    """an unknown session gets the expired answer, then a close"""
    w = t.raw()
    equal(w.handshake(session=0x123456789abcdef, password=b'\0' * 16), EXPIRED + b'\0')
    w.expect_close()


def test_reattach_closed_session(t):
    """a session that was closed gets the expired answer"""
    a = t.wire()
    assert a.close_session()
    b = t.raw()
    equal(b.handshake(session=a.session, password=a.password), EXPIRED + b'\0')
    b.expect_close()


def test_zxid_ahead(t):
    """a client that has seen more than the server has is closed without an answer"""
    w = t.raw()
    w.send_frame(z.connect_request(last_zxid=1 << 60))
    w.expect_close()
    zxid = t.wire().ping().zxid
    w = t.raw()
    w.send_frame(z.connect_request(last_zxid=zxid + 1000000))
    w.expect_close()
    w = t.wire(last_zxid=zxid)
    equal(w.err('exists', z.path_watch('/')), 0)


def test_bad_length_before_handshake(t):
    """bad frame lengths before the handshake end in a close without an answer"""
    for size in (-1, -0x80000000, MAX_FRAME + 1, 0x7fffffff, 0, 1, 27):
        w = t.raw()
        w.send_raw(struct.pack('>i', size) + b'\0' * max(0, min(size, 64)))
        w.expect_close()


def test_bad_length_in_session(t):
    """bad frame lengths in a session end in a close without an answer"""
    for size in (-1, -0x80000000, MAX_FRAME + 1, 0x7fffffff, 0):
        w = t.wire()
        w.send_raw(struct.pack('>i', size))
        w.expect_close()


def test_short_header(t):
    """a request whose header cannot be read ends in a close"""
    for size in (1, 4, 7):
        w = t.wire()
        w.send_frame(b'\0' * size)
        w.expect_close()


def test_four_letter_words_are_lengths_in_session(t):
    """in a session a four-letter word is a length, too large"""
    w = t.wire()
    w.send_raw(b'ruok')
    w.expect_close()


def test_largest_frame(t):
    """a frame of exactly the limit is served, and a node that large can be read"""
    path = t.base + '/big'
    w = t.wire()
    overhead = len(z.header(0, 'create') + z.create_body(path, b''))
    data = bytes(range(256)) * 4096
    data = data[:MAX_FRAME - overhead]
    w.create(path, data)
    got, stat = w.get(path)
    equal(stat.dataLength, len(data))
    assert got == data, 'the data differs'
    w = t.wire()
    w.send_raw(struct.pack('>i', MAX_FRAME + 1))
    w.expect_close()


def test_handshake_in_pieces(t):
    """a handshake and a request that come byte by byte are served"""
    w = t.raw()
    for byte in z.frame(z.connect_request()):
        w.send_raw(bytes([byte]))
        time.sleep(0.002)
    w.handshake_reply()
    for byte in z.frame(z.header(7, 'exists') + z.path_watch('/')):
        w.send_raw(bytes([byte]))
        time.sleep(0.002)
    equal(w.reply(7).err, 0)


def test_frames_cut_anywhere(t):
    """a stream of requests cut at any place gives the same answers"""
    path = t.base + '/n'
    w = t.wire()
    w.create(path, b'x' * 100)
    stream = b''.join(z.frame(z.header(1000 + i, 'getData') + z.path_watch(path)) for i in range(200))
    at = 0
    while at < len(stream):
        size = t.random.choice((1, 2, 3, 5, 17, 64, 300))
        w.send_raw(stream[at:at + size])
        at += size
    for i in range(200):
        equal(z.decode('getData', w.reply(1000 + i).body)[0], b'x' * 100)


def test_requests_before_handshake_reply(t):
    """requests sent right behind the ConnectRequest wait for the session and are served in order"""
    w = t.raw()
    w.send_raw(z.frame(z.connect_request()) +
               z.frame(z.header(z.AUTH_XID, 'auth') + z.auth_body('digest', b'a:b')) +
               z.frame(z.header(1, 'exists') + z.path_watch('/')) +
               z.frame(z.header(2, 'whoAmI')))
    w.handshake_reply()
    equal(w.reply(z.AUTH_XID)[2:], (0, b''))
    equal(w.reply(1).err, 0)
    assert ('digest', 'a') in z.decode('whoAmI', w.reply(2).body)


def test_unknown_opcodes(t):
    """an unknown opcode is answered with its xid, zxid -1, err -6, and a close"""
    # A check outside a multi (13) is tried for itself by 3.8, and has no answer there.
    for op in (0, 10, 23, 99, 108, 500, -1, -2, 0x7fffffff) + ((13,) if t.is_takt else ()):
        w = t.wire()
        if t.is_takt:       # replies before it come first; in the reference it may overtake them
            w.send('create', z.create_body('/'), xid=5)
        w.send(op, b'', xid=77)
        if t.is_takt:
            w.reply(5)
        equal(w.reply(77), z.Reply(77, -1, z.UNIMPLEMENTED, b''), 'opcode %d' % op)
        w.expect_close()


def test_internal_opcodes(t):
    """createSession and deleteContainer are refused when a client sends them"""
    if not t.is_takt:
        t.skip('the reference lets clients send its internal opcodes')
    for op, body in ((-10, z.i32(10000)), (20, z.path_body(t.base))):
        w = t.wire()
        w.send(op, body, xid=9)
        equal(w.reply(9).err, z.UNIMPLEMENTED)
    assert t.wire().exists(t.base)


def test_truncated_records(t):
    """a record that ends early is answered with -5, costs no zxid, and the connection lives on"""
    w = t.alone().wire()
    w.create(t.base + '/n', b'1')
    full = {
        'create': z.create_body(t.base + '/x'), 'create2': z.create_body(t.base + '/x'),
        'createTTL': z.create_body(t.base + '/x', flags=5, ttl=1000),
        'createContainer': z.create_body(t.base + '/x', flags=4),
        'delete': z.path_version(t.base + '/n'), 'setData': z.set_data_body(t.base + '/n', b'2'),
        'setACL': z.set_acl_body(t.base + '/n', z.OPEN_ACL), 'getData': z.path_watch(t.base),
        'exists': z.path_watch(t.base), 'getChildren': z.path_watch(t.base),
        'getChildren2': z.path_watch(t.base), 'getACL': z.path_body(t.base),
        'sync': z.path_body(t.base), 'removeWatches': z.path_int(t.base, 3),
        'checkWatches': z.path_int(t.base, 3), 'addWatch': z.path_int(t.base, 0),
        'getAllChildrenNumber': z.path_body(t.base), 'getEphemerals': z.path_body(t.base),
        'setWatches': z.set_watches_body(0, ['/a'], ['/b'], ['/c']),
        'setWatches2': z.set_watches_body(0, ['/a'], ['/b'], ['/c'], ['/d'], ['/e']),
    }
    before = w.ping().zxid
    for op, body in full.items():
        for cut in sorted({0, 1, 3, 4, 5, len(body) // 2, len(body) - 1}):
            equal(w.err(op, body[:cut]), z.MARSHALLING, '%s cut to %d of %d' % (op, cut, len(body)))
    if t.is_takt:       # 3.8 logs an error transaction for each of the writes, 3.9 does not
        equal(w.ping().zxid, before)
    equal(w.get(t.base + '/n')[0], b'1')


def test_unreasonable_lengths(t):
    """lengths inside a record that cannot be are answered with -5"""
    w = t.wire()
    for size in (-2, -0x80000000, 0x7fffffff, 1 << 22):
        equal(w.err('exists', z.i32(size) + b'/a\0'), z.MARSHALLING, 'path length %d' % size)
        equal(w.err('create', z.ustr('/a') + z.i32(size)), z.MARSHALLING, 'data length %d' % size)
        equal(w.err('create', z.ustr('/a') + z.buf(b'') + z.i32(size)), z.MARSHALLING,
              'ACL count %d' % size)
        if size != -0x80000000 or t.is_takt:
            equal(w.err('setWatches', z.i64(0) + z.i32(size)), z.MARSHALLING, 'count %d' % size)


def test_null_fields(t):
    """null paths and vectors get the codes that the reference gives"""
    w = t.wire()
    for op, body in (('exists', z.path_watch(None)), ('getData', z.path_watch(None)),
                     ('getChildren', z.path_watch(None)), ('getChildren2', z.path_watch(None)),
                     ('delete', z.path_version(None)), ('create', z.create_body(None)),
                     ('setWatches', z.i64(0) + z.i32(-1) * 3),
                     ('setWatches2', z.i64(0) + z.i32(-1) * 5)):
        equal(w.err(op, body), z.MARSHALLING, op)
    equal(w.err('setData', z.set_data_body(None, b'')), z.BADARGUMENTS)


def test_trailing_bytes(t):
    """bytes behind a record are ignored"""
    w = t.wire()
    equal(w.err('exists', z.path_watch('/') + b'more'), 0)
    equal(w.err('create', z.create_body(t.base + '/a') + b'\0' * 9), 0)
    equal(w.err('sync', z.path_body('/') + b'x'), 0)
    equal(w.call('ping', b'zzzz', z.PING_XID).err, 0)
    w.send_frame(z.header(3, 'delete') + z.path_version(t.base + '/a') + b'\xff' * 100)
    equal(w.reply(3).err, 0)


def test_ping_bytes(t):
    """a ping is answered with xid -2, a zxid, err 0 and nothing more"""
    w = t.wire()
    w.send_raw(bytes.fromhex('00000008' 'fffffffe' '0000000b'))
    raw = w.read_frame()
    equal((len(raw), raw[:4], raw[12:]), (16, bytes.fromhex('fffffffe'), b'\0' * 4))
    w.send('ping', b'', 42)
    equal(w.reply().xid, z.PING_XID)


def test_create_bytes(t):
    """create of the documented bytes gives the documented bytes"""
    w = t.wire()
    name = ('/b%d' % (time.time_ns() % 100000000)).encode()
    w.send_raw(z.frame(bytes.fromhex('00000005' '00000001') + z.buf(name) + bytes.fromhex(
        '00000000' '00000001' '0000001f' '00000005' '776f726c64' '00000006' '616e796f6e65' '00000000')))
    raw = w.read_frame()
    equal(raw[:4], bytes.fromhex('00000005'))
    equal(raw[12:], b'\0' * 4 + z.buf(name))
    equal(w.err('delete', z.path_version(name.decode())), 0)


def test_xids_echoed(t):
    """any xid of an ordinary request is echoed"""
    w = t.wire()
    for xid in (0, 1, 0x7fffffff, -0x80000000, -3, -9, 5, 5):
        equal(w.call('exists', z.path_watch('/'), xid).xid, xid)


def test_pipelined_order(t):
    """hundreds of mixed requests sent at once are answered in order"""
    w = t.wire()
    path = t.base + '/p'
    w.create(path, b'')
    kinds = (('setData', lambda i: z.set_data_body(path, b'%d' % i)),
             ('getData', lambda i: z.path_watch(path)),
             ('exists', lambda i: z.path_watch(path)),
             ('sync', lambda i: z.path_body(path)),
             ('create', lambda i: z.create_body('%s/c%d' % (path, i))),
             ('getChildren', lambda i: z.path_watch(path)),
             ('delete', lambda i: z.path_version('/missing%d' % i)),
             ('multi', lambda i: z.multi_body([('setData', z.set_data_body(path, b'%d' % i))])))
    sent, stream, last = [], b'', None
    for i in range(600):
        op, body = kinds[t.random.randrange(len(kinds))]
        stream += z.frame(z.header(100 + i, op) + body(i))
        sent.append((op, i))
    w.send_raw(stream)
    zxid = 0
    for op, i in sent:
        reply = w.reply(100 + i)
        assert reply.zxid >= zxid, 'zxid goes back at %s %d' % (op, i)
        zxid = reply.zxid
        if op in ('setData', 'multi'):
            last = b'%d' % i
        elif op == 'getData' and last is not None:
            equal(z.decode(op, reply.body)[0], last, 'a read sees the write before it')
        elif op == 'delete':
            equal(reply.err, z.NONODE)


def test_close_session(t):
    """closeSession is answered, the socket closed, ephemerals are gone, later requests unanswered"""
    w = t.wire()
    w.create(t.base + '/e', b'', z.EPHEMERAL)
    w.send('closeSession', b'', 0)
    w.send('exists', z.path_watch('/'), 99)
    equal(w.reply(0)[2:], (0, b''))
    try:
        reply = w.read()            # the reference may answer what came before it closed
        equal(reply.xid, 99)
    except z.Closed:
        pass
    equal(t.wire().exists(t.base + '/e'), None)


def test_reply_zxid(t):
    """reads carry the last applied zxid; writes, also failed ones, take one zxid each"""
    w = t.alone().wire()
    path = t.base + '/z'
    first = w.call('create', z.create_body(path)).zxid
    equal(w.call('create', z.create_body(path)).zxid, first + 1)                   # NODEEXISTS
    equal(w.call('setData', z.set_data_body(path, b'', 7)).zxid, first + 2)        # BADVERSION
    equal(w.call('exists', z.path_watch(path)).zxid, first + 2)
    equal(w.call('sync', z.path_body(path)).zxid, first + 2)
    equal(w.ping().zxid, first + 2)
    equal(w.call('multi', z.multi_body([])).zxid, first + 3)                       # empty, still one
    equal(w.call('delete', z.path_version('/zookeeper')).zxid, first + 4)          # BADARGUMENTS
    equal(w.call('auth', z.auth_body('digest', b'u:p'), z.AUTH_XID).zxid, 0)
    other = t.wire()
    equal(other.ping().zxid, first + 5)                                            # createSession
    other.close_session()
    equal(w.ping().zxid, first + 6)                                                # closeSession


def test_half_open_handshake_does_not_block(t):
    """connections that never finish their handshake do not keep others from being served"""
    idle = [t.raw() for _ in range(50)]
    for w in idle[::2]:
        w.send_raw(b'\0\0\0')
    begin = time.monotonic()
    equal(t.wire().err('exists', z.path_watch('/')), 0)
    assert time.monotonic() - begin < 3


def test_abrupt_close_keeps_session(t):
    """a cut socket does not end the session: its ephemerals stay until it expires"""
    a = t.wire(timeout_ms=2000)
    a.create(t.base + '/e', b'', z.EPHEMERAL)
    a.close()
    b = t.wire()
    time.sleep(0.5)
    assert b.exists(t.base + '/e'), 'gone too early'
    eventually(lambda: b.exists(t.base + '/e') is None, 8, 0.1, 'expiry')


def test_ping_keeps_session(t):
    """pings keep a session alive beyond its timeout; silence ends it with a close"""
    w = t.wire(timeout_ms=1500)
    for _ in range(8):
        time.sleep(0.5)
        w.ping()
    begin = time.monotonic()
    w.expect_close()
    idle = time.monotonic() - begin
    assert 1.3 <= idle <= 1.5 + 1.0 + 1.5, 'closed after %.2f s of silence' % idle
