"""beatwire: the protocol beat, written from dataplane/beat/PROTOCOL.md and nothing else: datagrams,
and the jute records that they carry. test_beat.py has the client."""
import hashlib
import hmac
import struct

MAGIC = 0x54424541
VERSION = 1
HEADER = struct.Struct(">IBBBBIIqQQIIQiHHII")
PIECE = 1312
MESSAGE_MAX = 61440

OPEN, REQUEST, RENEW, TIME, ACK = 1, 2, 3, 4, 5
OPENED, REPLY, RENEWED, TIMED, EVENT, REFUSED = 129, 130, 131, 132, 133, 134
AGAIN, LEADER = 1, 2
NOT_ATTACHED, BUSY, OTHER_VERSION, UNFIT = 1, 2, 3, 4

FIELDS = ("version", "kind", "flags", "key", "source", "to", "session", "sequence", "acked",
          "attach", "event", "time", "code", "credits", "index", "message_size")


def _crc_table():
    table = []
    for i in range(256):
        crc = i
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
        table.append(crc)
    return table


_TABLE = _crc_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


class Frame:
    """One datagram's fields; `piece` is its part of the message."""

    def __init__(self, kind, piece=b"", **fields):
        for name in FIELDS:
            setattr(self, name, 0)
        self.version = VERSION
        self.kind = kind
        self.piece = piece
        self.message_size = len(piece)
        for name, value in fields.items():
            assert name in FIELDS, name
            setattr(self, name, value)

    def __repr__(self):
        return "Frame(" + " ".join("%s=%s" % (n, getattr(self, n)) for n in FIELDS
                                   if getattr(self, n)) + " piece=%r)" % self.piece[:40]

    def encode(self, secret=None):
        head = HEADER.pack(MAGIC, *(getattr(self, name) for name in FIELDS), 0)[:68]
        data = head + struct.pack(">I", crc32c(head + self.piece)) + self.piece
        if self.key:
            data += hmac.new(secret, data, hashlib.sha256).digest()[:16]
        return data


def decode(data, secrets=None):
    """The frame of a datagram, or None when a receiver drops it."""
    if len(data) < 72 or len(data) > 1400:
        return None
    values = HEADER.unpack(data[:72])
    frame = Frame(0)
    for name, value in zip(FIELDS, values[1:]):
        setattr(frame, name, value)
    end = len(data) - (16 if frame.key else 0)
    if values[0] != MAGIC or frame.version != VERSION or end < 72:
        return None
    if crc32c(data[:68] + data[72:end]) != values[-1]:
        return None
    if secrets is not None:
        secret = secrets.get(frame.key)
        if not secret or hmac.new(secret, data[:end], hashlib.sha256).digest()[:16] != data[end:]:
            return None
    frame.piece = data[72:end]
    return frame


def pieces(kind, message, **fields):
    """The frames of a message."""
    count = max(1, -(-len(message) // PIECE))
    frames = [Frame(kind, message[i * PIECE:(i + 1) * PIECE], index=i, **fields)
              for i in range(count)]
    for frame in frames:
        frame.message_size = len(message)
    return frames


# ---- records ----

def put_bytes(data):
    return struct.pack(">i", -1) if data is None else struct.pack(">i", len(data)) + data


def put_str(text):
    return put_bytes(text.encode())


OPEN_ACL = struct.pack(">ii", 1, 31) + put_str("world") + put_str("anyone")


def connect(timeout_ms, session=0, password=b"\0" * 16, zxid=0):
    return struct.pack(">iqiq", 0, zxid, timeout_ms, session) + put_bytes(password) + b"\0"


def connected(message):
    """timeout in ms, session, password."""
    _, timeout_ms, session, size = struct.unpack(">iiqi", message[:20])
    return timeout_ms, session, message[20:20 + size]


def create(path, data, flags=0):
    return put_str(path) + put_bytes(data) + OPEN_ACL + struct.pack(">i", flags)


def get(path, watch=False):
    return put_str(path) + (b"\1" if watch else b"\0")


def set_data(path, data, version=-1):
    return put_str(path) + put_bytes(data) + struct.pack(">i", version)


def delete(path, version=-1):
    return put_str(path) + struct.pack(">i", version)


def multi(parts):
    """parts: (code, record) each."""
    return b"".join(struct.pack(">iBi", code, 0, -1) + record for code, record in parts) + \
        struct.pack(">iBi", -1, 1, -1)


def get_bytes(message, at=0):
    """The bytes at `at` (None when null), and where they end."""
    size, = struct.unpack_from(">i", message, at)
    if size < 0:
        return None, at + 4
    return message[at + 4:at + 4 + size], at + 4 + size


STAT = struct.Struct(">qqqqiiiqiiq")
STAT_NAMES = ("czxid", "mzxid", "ctime", "mtime", "version", "cversion", "aversion", "owner",
              "length", "children", "pzxid")


def get_stat(message, at=0):
    return dict(zip(STAT_NAMES, STAT.unpack_from(message, at)))
