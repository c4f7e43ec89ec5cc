"""The ZooKeeper wire protocol, small and literal: encoders, decoders and one blocking connection.

Written from the protocol's facts, not from a client, so that a test can send what no client would:
every length, opcode and field is the caller's choice. Nothing here retries or hides anything.
"""
import socket
import struct
from collections import namedtuple

NOTIFICATION_XID, PING_XID, AUTH_XID, SET_WATCHES_XID = -1, -2, -4, -8

OP = dict(create=1, delete=2, exists=3, getData=4, setData=5, getACL=6, setACL=7, getChildren=8,
          sync=9, ping=11, getChildren2=12, check=13, multi=14, create2=15, reconfig=16,
          checkWatches=17, removeWatches=18, createContainer=19, deleteContainer=20, createTTL=21,
          multiRead=22, auth=100, setWatches=101, sasl=102, getEphemerals=103,
          getAllChildrenNumber=104, setWatches2=105, addWatch=106, whoAmI=107,
          closeSession=-11, createSession=-10)

OK, MARSHALLING, UNIMPLEMENTED, BADARGUMENTS = 0, -5, -6, -8
NONODE, NOAUTH, BADVERSION, NOCHILDRENFOREPHEMERALS = -101, -102, -103, -108
NODEEXISTS, NOTEMPTY, INVALIDACL, AUTHFAILED, NOWATCHER = -110, -111, -114, -115, -121
QUOTAEXCEEDED, RUNTIMEINCONSISTENCY = -125, -2

CREATED, DELETED, CHANGED, CHILDREN = 1, 2, 3, 4          # event types
PERSISTENT, EPHEMERAL, SEQUENTIAL, EPHEMERAL_SEQUENTIAL, CONTAINER, TTL, TTL_SEQUENTIAL = range(7)

OPEN_ACL = [(31, 'world', 'anyone')]

Stat = namedtuple('Stat', 'czxid mzxid ctime mtime version cversion aversion ephemeralOwner '
                          'dataLength numChildren pzxid')
Reply = namedtuple('Reply', 'xid zxid err body')
Event = namedtuple('Event', 'type path')
STAT_FORMAT = '>qqqqiiiqiiq'
STAT_SIZE = struct.calcsize(STAT_FORMAT)
assert STAT_SIZE == 68


# ---- encoders: each gives bytes ----------------------------------------------------------------

def i32(value):
    return struct.pack('>i', value)


def i64(value):
    return struct.pack('>q', value)


def u8(value):
    return struct.pack('>B', value)


def buf(data):
    """A buffer, or None for the null one."""
    return i32(-1) if data is None else i32(len(data)) + data


def ustr(text):
    """A string; bytes that are no UTF-8 go through as they are, both ways."""
    return buf(text.encode('utf-8', 'surrogateescape') if isinstance(text, str) else text)


def vector(items, encode):
    return i32(-1) if items is None else i32(len(items)) + b''.join(encode(i) for i in items)


def acl(entries):
    return vector(entries, lambda e: i32(e[0]) + ustr(e[1]) + ustr(e[2]))


def connect_request(timeout_ms=10000, session=0, password=b'\0' * 16, last_zxid=0, read_only=False,
                    version=0):
    """read_only None leaves the byte out, as clients of 3.3 and before do."""
    out = i32(version) + i64(last_zxid) + i32(timeout_ms) + i64(session) + buf(password)
    return out if read_only is None else out + u8(1 if read_only else 0)


def header(xid, op):
    return i32(xid) + i32(OP[op] if isinstance(op, str) else op)


def create_body(path, data=b'', entries=OPEN_ACL, flags=0, ttl=None):
    out = ustr(path) + buf(data) + acl(entries) + i32(flags)
    return out if ttl is None else out + i64(ttl)


def path_body(path):
    return ustr(path)


def path_watch(path, watch=False):
    return ustr(path) + u8(1 if watch else 0)


def path_version(path, version=-1):
    return ustr(path) + i32(version)


def set_data_body(path, data, version=-1):
    return ustr(path) + buf(data) + i32(version)


def set_acl_body(path, entries, version=-1):
    return ustr(path) + acl(entries) + i32(version)


def path_int(path, number):
    return ustr(path) + i32(number)


def auth_body(scheme, data):
    return i32(0) + ustr(scheme) + buf(data)


def set_watches_body(zxid, data=(), exist=(), child=(), persistent=None, recursive=None):
    out = i64(zxid) + vector(data, ustr) + vector(exist, ustr) + vector(child, ustr)
    if persistent is not None or recursive is not None:
        out += vector(persistent or (), ustr) + vector(recursive or (), ustr)
    return out


def reconfig_body(joining=None, leaving=None, members=None, config_id=-1):
    return ustr(joining) + ustr(leaving) + ustr(members) + i64(config_id)


def multi_header(kind, done=False, err=-1):
    return i32(kind) + u8(1 if done else 0) + i32(err)


MULTI_END = multi_header(-1, True, -1)


def multi_body(ops, end=MULTI_END):
    """ops: (op name or number, body bytes) each."""
    return b''.join(multi_header(OP[o] if isinstance(o, str) else o) + b for o, b in ops) + end


def frame(payload):
    return i32(len(payload)) + payload


# ---- decoders ----------------------------------------------------------------------------------

class Cursor:
    """Reads fields off bytes; running past the end is a ValueError, bytes left over are not hidden."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size):
        if size < 0 or self.at + size > len(self.data):
            raise ValueError('record ends early: wanted %d at %d of %d'
                             % (size, self.at, len(self.data)))
        self.at += size
        return self.data[self.at - size:self.at]

    def i32(self):
        return struct.unpack('>i', self.take(4))[0]

    def i64(self):
        return struct.unpack('>q', self.take(8))[0]

    def u8(self):
        return self.take(1)[0]

    def buf(self):
        size = self.i32()
        return None if size == -1 else self.take(size)

    def ustr(self):
        data = self.buf()
        return None if data is None else data.decode('utf-8', 'surrogateescape')

    def vector(self, decode):
        count = self.i32()
        return None if count == -1 else [decode() for _ in range(count)]

    def acl(self):
        return self.vector(lambda: (self.i32(), self.ustr(), self.ustr()))

    def stat(self):
        return Stat(*struct.unpack(STAT_FORMAT, self.take(STAT_SIZE)))

    def left(self):
        return len(self.data) - self.at


def decode(op, body):
    """The reply body of a successful op as a plain value; bytes left over are an error."""
    c = Cursor(body)
    value = {
        'create': c.ustr, 'create2': lambda: (c.ustr(), c.stat()),
        'createContainer': lambda: (c.ustr(), c.stat()),
        'createTTL': lambda: (c.ustr(), c.stat()),
        'exists': c.stat, 'setData': c.stat, 'setACL': c.stat,
        'getData': lambda: (c.buf(), c.stat()),
        'getACL': lambda: (c.acl(), c.stat()),
        'getChildren': lambda: c.vector(c.ustr),
        'getChildren2': lambda: (c.vector(c.ustr), c.stat()),
        'sync': c.ustr, 'addWatch': c.i32, 'sasl': c.buf,
        'getEphemerals': lambda: c.vector(c.ustr), 'getAllChildrenNumber': c.i32,
        'whoAmI': lambda: c.vector(lambda: (c.ustr(), c.ustr())),
        'multi': lambda: multi_results(c), 'multiRead': lambda: multi_results(c),
        'reconfig': lambda: (c.buf(), c.stat()),
    }.get(op, lambda: None)()
    if c.left():
        raise ValueError('%s: %d bytes behind the reply body' % (op, c.left()))
    return value


def multi_results(c):
    """[(header type, header err, value)] up to the done header."""
    out = []
    while True:
        kind, done, err = c.i32(), c.u8(), c.i32()
        if done:
            if (kind, err) != (-1, -1):
                raise ValueError('multi ends with type %d err %d' % (kind, err))
            return out
        value = {1: c.ustr, 15: lambda: (c.ustr(), c.stat()), 5: c.stat, -1: c.i32,
                 4: lambda: (c.buf(), c.stat()), 8: lambda: c.vector(c.ustr),
                 2: lambda: None, 13: lambda: None}[kind]()
        out.append((kind, err, value))


# ---- one connection ----------------------------------------------------------------------------

class Closed(Exception):
    """The server closed the connection."""


class Wire:
    """One blocking connection. Replies are taken in the order in which they come; events that
    come before a reply are kept in .events (and in .order, with the replies' xids between them)."""

    def __init__(self, address, timeout_s=10.0):
        self.sock = socket.create_connection(address, timeout=timeout_s)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.input = b''
        self.events, self.order = [], []
        self.event_zxids = []
        self.xid = 0
        self.session = self.password = self.timeout_ms = None

    def send_raw(self, data):
        self.sock.sendall(data)

    def send_frame(self, payload):
        self.send_raw(frame(payload))

    def read_exactly(self, size):
        while len(self.input) < size:
            try:
                more = self.sock.recv(1 << 16)
            except (ConnectionResetError, BrokenPipeError):
                raise Closed() from None
            if not more:
                raise Closed()
            self.input += more
        out, self.input = self.input[:size], self.input[size:]
        return out

    def read_frame(self):
        size = struct.unpack('>i', self.read_exactly(4))[0]
        return self.read_exactly(size)

    def expect_close(self):
        """True when the server closes without another byte."""
        try:
            rest = self.read_exactly(1)
        except Closed:
            return True
        except socket.timeout:
            raise AssertionError('the server did not close the connection') from None
        raise AssertionError('bytes instead of a close: %r' % (rest + self.input[:60]))

    def handshake(self, **kw):
        """Opens or re-attaches a session; fills in session, password and timeout_ms."""
        self.send_frame(connect_request(**kw))
        return self.handshake_reply()

    def handshake_reply(self):
        raw = self.read_frame()
        c = Cursor(raw)
        version, self.timeout_ms, self.session, self.password = c.i32(), c.i32(), c.i64(), c.buf()
        self.read_only_byte = c.take(c.left())
        if version != 0:
            raise ValueError('protocol version %d' % version)
        return raw

    def next_xid(self):
        self.xid += 1
        return self.xid

    def send(self, op, body=b'', xid=None):
        xid = self.next_xid() if xid is None else xid
        self.send_frame(header(xid, op) + body)
        return xid

    def read(self):
        """The next packet as a Reply, whatever it is."""
        c = Cursor(self.read_frame())
        xid, zxid, err = c.i32(), c.i64(), c.i32()
        return Reply(xid, zxid, err, c.take(c.left()))

    def note(self, packet):
        c = Cursor(packet.body)
        kind, state, path = c.i32(), c.i32(), c.ustr()
        if state != 3 or packet.err != 0 or c.left():
            raise ValueError('odd event: %r' % (packet,))
        self.events.append(Event(kind, path))
        self.event_zxids.append(packet.zxid)
        self.order.append(Event(kind, path))

    def reply(self, xid=None):
        """The next reply; events before it are kept. With xid: it must carry that."""
        while True:
            packet = self.read()
            if packet.xid == NOTIFICATION_XID:
                self.note(packet)
                continue
            self.order.append(packet.xid)
            if xid is not None and packet.xid != xid:
                raise AssertionError('reply of xid %d, expected %d' % (packet.xid, xid))
            return packet

    def call(self, op, body=b'', xid=None):
        """One request and its Reply (raw)."""
        return self.reply(self.send(op, body, xid))

    def err(self, op, body=b'', xid=None):
        return self.call(op, body, xid).err

    def ask(self, op, body=b''):
        """One request that must succeed; gives the decoded body."""
        reply = self.call(op, body)
        if reply.err != 0:
            raise AssertionError('%s answered err %d' % (op, reply.err))
        return decode(op, reply.body)

    def ping(self):
        return self.call('ping', b'', PING_XID)

    def create(self, path, data=b'', flags=0, entries=OPEN_ACL):
        return self.ask('create', create_body(path, data, entries, flags))

    def get(self, path, watch=False):
        return self.ask('getData', path_watch(path, watch))

    def exists(self, path, watch=False):
        reply = self.call('exists', path_watch(path, watch))
        return decode('exists', reply.body) if reply.err == 0 else None

    def take_events(self):
        """The events kept so far; a ping goes first, so all that were due are in."""
        self.ping()
        out, self.events = self.events, []
        return out

    def wait_events(self, count, timeout_s=5.0):
        """Waits until count events are kept (without asking anything) and takes them."""
        before = self.sock.gettimeout()
        self.sock.settimeout(timeout_s)
        try:
            while len(self.events) < count:
                packet = self.read()
                if packet.xid != NOTIFICATION_XID:
                    raise AssertionError('a reply while waiting for events: %r' % (packet,))
                self.note(packet)
        finally:
            self.sock.settimeout(before)
        out, self.events = self.events, []
        return out

    def close_session(self):
        """A clean end; True when the reply came and the server closed."""
        reply = self.call('closeSession')
        return reply.err == 0 and self.expect_close()

    def close(self):
        self.sock.close()


def connect(address, timeout_s=10.0, **kw):
    """A connection with a session of its own (or the one in kw)."""
    wire = Wire(address, timeout_s)
    wire.handshake(**kw)
    return wire


def four_letter(address, word, timeout_s=10.0, pieces=None):
    """Sends a four-letter word and gives all that comes until the server closes."""
    with socket.create_connection(address, timeout=timeout_s) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        data = word if isinstance(word, bytes) else word.encode()
        for piece in pieces or [data]:
            sock.sendall(piece)
            if pieces:
                import time
                time.sleep(0.05)
        out = b''
        while True:
            try:
                more = sock.recv(1 << 16)
            except ConnectionResetError:
                break
            if not more:
                break
            out += more
    return out.decode('utf-8', 'replace')
