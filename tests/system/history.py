"""Clients that write down what they asked and what was answered, and the checks of what they wrote.

    Client (a thread, one session, raw wire) ──▶ History: a list of Op ──▶ check_*()

Every set writes a value of its own and answers the version that it made, so the order of a key's writes
is known and linearizability is a question of arithmetic: an operation that ended before another began must
not have seen a later version. What was sent and not answered is *unknown*: it may have happened, once.
"""
import random
import threading
import time
from collections import defaultdict, namedtuple

import zkwire as z

# outcome: 'ok', 'unknown' (no answer came), or the error's code. begin and end are monotonic seconds.
Op = namedtuple('Op', 'client session kind key value version zxid begin end outcome node')


class Lost(Exception):
    """The connection is gone; what was under way is unknown."""


class History:
    """What all clients did; each appends to a list of its own, merged at the end."""

    def __init__(self):
        self.lists = []
        self.complaints = []

    def new_list(self):
        self.lists.append([])
        return self.lists[-1]

    @property
    def ops(self):
        return [op for one in self.lists for op in one]


class Client(threading.Thread):
    """Random sets, synced and plain reads, and sequential creates below `root`, with one session.

    A client that roams goes to the next address when it loses its connection and takes its session
    along. One that stays (addresses: one) counts a lost connection as a break of the promise."""
    answer_s = 30.0

    def __init__(self, history, number, addresses, root, keys, pause_s=0.002, timeout_ms=20000):
        super().__init__(daemon=True)
        self.history, self.number, self.addresses, self.root = history, number, addresses, root
        self.name = 'c%d' % number
        self.keys, self.pause_s, self.timeout_ms = keys, pause_s, timeout_ms
        self.random = random.Random(number)
        self.ops = history.new_list()
        self.wire, self.at = None, 0
        self.session = self.password = 0
        self.zxid = 0
        self.serial = 0
        self.losses = []            # (when, why): connections that broke
        self.expired = []           # sessions that the ensemble gave up
        self.refused = 0
        self.stopping = False
        self.answered = 0
        self.last_answer = self.longest_gap = 0.0

    # ---- the connection

    def connect(self, for_s=90.0):
        """Attaches the session, or opens one, at the first address that takes it."""
        deadline = time.monotonic() + for_s
        while not self.stopping or self.wire is None:
            address = self.addresses[self.at % len(self.addresses)]
            try:
                self.attach(address)
                return
            except (OSError, z.Closed, ValueError):
                self.close_wire()
                self.at += 1
                if time.monotonic() > deadline:
                    raise AssertionError('%s found no node in %g s' % (self.name, for_s)) from None
                time.sleep(0.05)

    def attach(self, address):
        self.wire = z.Wire(address, 5.0)
        self.wire.handshake(timeout_ms=self.timeout_ms, session=self.session, last_zxid=self.zxid,
                            password=self.password or b'\0' * 16)
        self.wire.sock.settimeout(self.answer_s)
        if self.wire.session == 0 or self.wire.timeout_ms == 0:
            self.expired.append(self.session)
            self.session = self.password = 0
            raise z.Closed()
        fresh = self.session == 0
        self.session, self.password = self.wire.session, self.wire.password
        if fresh:
            self.create('ephemeral', '%s/e/%s-%x' % (self.root, self.name, self.session), z.EPHEMERAL)

    def close_wire(self):
        if self.wire:
            self.wire.close()
        self.wire = None

    # ---- operations; each appends one Op

    def note(self, kind, key, value, version, zxid, begin, outcome):
        now = time.monotonic()
        self.ops.append(Op(self.name, self.session, kind, key, value, version, zxid, begin, now,
                           outcome, self.addresses[self.at % len(self.addresses)][0]))
        if outcome != 'unknown':
            self.answered += 1
            if self.last_answer:
                self.longest_gap = max(self.longest_gap, now - self.last_answer)
            self.last_answer = now

    def ask(self, kind, key, value, requests):
        """Sends the requests together and takes their answers; notes the last of them."""
        begin = time.monotonic()
        try:
            xids = [self.wire.send(op, body) for op, body in requests]
            replies = [self.wire.reply(xid) for xid in xids]
        except (OSError, z.Closed) as why:
            self.note(kind, key, value, None, None, begin, 'unknown')
            raise Lost(repr(why)) from None
        reply, zxid = replies[-1], max(r.zxid for r in replies)
        bad = next((r.err for r in replies if r.err != 0), None)
        version = None
        if bad is None and requests[-1][0] == 'setData':
            version = z.decode('setData', reply.body).version
        elif bad is None and requests[-1][0] == 'getData':
            value, stat = z.decode('getData', reply.body)
            value, version = value.decode(), stat.version
        elif bad is None and requests[-1][0] == 'create':
            key = z.decode('create', reply.body)
        self.note(kind, key, value, version, zxid, begin, 'ok' if bad is None else bad)
        if bad is not None:
            self.refused += 1
        self.zxid = max(self.zxid, zxid)
        return bad

    def value(self):
        self.serial += 1
        return '%s.%d' % (self.name, self.serial)

    def set(self, key):
        value = self.value()
        self.ask('set', key, value, [('setData', z.set_data_body(key, value.encode()))])

    def read(self, key):
        self.ask('read', key, None, [('getData', z.path_watch(key))])

    def synced_read(self, key):
        self.ask('synced', key, None, [('sync', z.path_body(key)), ('getData', z.path_watch(key))])

    def create(self, kind, path, flags):
        value = self.value()
        self.ask(kind, path, value, [('create', z.create_body(path, value.encode(), flags=flags))])

    def one(self):
        dice, key = self.random.random(), self.random.choice(self.keys)
        if dice < 0.45:
            self.set(key)
        elif dice < 0.65:
            self.synced_read(key)
        elif dice < 0.9:
            self.read(key)
        else:
            self.create('sequential', self.root + '/s/n-', z.SEQUENTIAL)

    def run(self):
        try:
            while not self.stopping:
                try:
                    if self.wire is None:
                        self.connect()
                    self.one()
                    if self.pause_s:
                        time.sleep(self.pause_s * self.random.random() * 2)
                except Lost as why:
                    self.losses.append((time.monotonic(), str(why)))
                    self.close_wire()
                    self.at += 1
        except Exception as why:    # shown by the test, which looks at complaints
            self.history.complaints.append('%s: %r' % (self.name, why))

    def end(self):
        """Closes the session cleanly; True when the server said so."""
        if self.wire is None:
            self.connect()
        try:
            self.wire.sock.settimeout(self.answer_s)
            return self.wire.call('closeSession').err == 0
        except (OSError, z.Closed):
            return False
        finally:
            self.close_wire()


def prepare(address, root, key_count):
    """The nodes that the clients work on; gives the keys."""
    wire = z.connect(address)
    for path in [root, root + '/e', root + '/s', root + '/k']:
        wire.create(path)
    keys = ['%s/k/%d' % (root, i) for i in range(key_count)]
    for key in keys:
        wire.create(key, b'start')
    wire.close_session()
    return keys


# ---- checks: each gives a list of sentences, empty when all is well ---------------------------------

def check_registers(ops, keys, synced=('synced',)):
    """Sets and synced reads of each key are linearizable."""
    bad = []
    by_key = defaultdict(list)
    for op in ops:
        if op.kind == 'set' or op.kind in synced or op.kind == 'read':
            by_key[op.key].append(op)
    for key in keys:
        bad += check_values(key, by_key[key])
        line = [op for op in by_key[key] if op.outcome == 'ok' and op.kind != 'read']
        bad += check_real_time(key, line)
    return bad


def check_values(key, ops):
    """A version has one value, a value one version, and every value was written by somebody before."""
    bad, value_of, version_of = [], {0: 'start'}, {'start': 0}
    written = {op.value: op for op in ops if op.kind == 'set'}
    for op in ops:
        if op.outcome != 'ok':
            continue
        if value_of.setdefault(op.version, op.value) != op.value:
            bad.append('%s: version %d is %s and %s' % (key, op.version, value_of[op.version], op.value))
        if version_of.setdefault(op.value, op.version) != op.version:
            bad.append('%s: %s is version %d and %d: a set took effect twice'
                       % (key, op.value, version_of[op.value], op.version))
        if op.kind != 'set' and op.value != 'start':
            wrote = written.get(op.value)
            if wrote is None:
                bad.append('%s: nobody wrote %s' % (key, op.value))
            elif wrote.begin > op.end:
                bad.append('%s: %s was read before it was written' % (key, op.value))
            elif wrote.outcome not in ('ok', 'unknown'):
                bad.append('%s: %s was refused with %s and was read' % (key, op.value, wrote.outcome))
    return bad


def check_real_time(key, ops):
    """No operation sees less than one that had ended before it began; a write makes more."""
    bad, ended, highest, best = [], sorted(ops, key=lambda op: op.end), -1, None
    at = 0
    for op in sorted(ops, key=lambda op: op.begin):
        while at < len(ended) and ended[at].end < op.begin:
            if ended[at].version > highest:
                highest, best = ended[at].version, ended[at]
            at += 1
        if op.version < highest or (op.kind == 'set' and op.version == highest):
            bad.append('%s: %s of %s at node %s has version %d, after %s of %s at node %s had %d (%.1f ms '
                       'before)' % (key, op.kind, op.client, op.node, op.version, best.kind, best.client,
                                    best.node, highest, (op.begin - best.end) * 1e3))
    return bad


def check_sessions(ops):
    """In a session the zxid never goes back, a key's version neither, and it sees what it wrote."""
    bad = []
    by_session = defaultdict(list)
    for op in ops:
        if op.outcome != 'unknown' and op.zxid is not None:
            by_session[op.session].append(op)
    for session, mine in by_session.items():
        zxid, version = 0, {}
        for op in mine:
            if op.zxid < zxid:
                bad.append('session 0x%x at node %s: zxid 0x%x after 0x%x' % (session, op.node, op.zxid, zxid))
            zxid = max(zxid, op.zxid)
            if op.version is not None:
                if op.version < version.get(op.key, 0):
                    bad.append('session 0x%x at node %s: %s at version %d after %d'
                               % (session, op.node, op.key, op.version, version[op.key]))
                version[op.key] = op.version
    return bad


def check_sequential(ops, root, wire):
    """What was acknowledged is there, what is there was asked for, and nothing is there twice."""
    bad, asked, acknowledged = [], set(), {}
    for op in ops:
        if op.kind == 'sequential':
            if op.outcome == 'ok' and op.key in acknowledged:
                bad.append('%s was given to two creates' % op.key)
            if op.outcome == 'ok':
                acknowledged[op.key] = op.value
            if op.outcome in ('ok', 'unknown'):
                asked.add(op.value)
    there = {}
    for name in wire.ask('getChildren', z.path_watch(root + '/s')):
        path = '%s/s/%s' % (root, name)
        value = wire.get(path)[0].decode()
        if value not in asked:
            bad.append('%s holds %s, which nobody asked for' % (path, value))
        if value in there.values():
            bad.append('%s is there twice: a create took effect twice' % value)
        there[path] = value
    for path, value in acknowledged.items():
        if there.get(path) != value:
            bad.append('%s = %s was acknowledged and is %s' % (path, value, there.get(path)))
    return bad


def check_counts(ops, keys, wire):
    """The last version of a key counts its sets: each acknowledged one once, each unknown at most once."""
    bad = []
    for key in keys:
        acknowledged = sum(op.kind == 'set' and op.key == key and op.outcome == 'ok' for op in ops)
        unknown = sum(op.kind == 'set' and op.key == key and op.outcome == 'unknown' for op in ops)
        version = wire.get(key)[1].version
        if not acknowledged <= version <= acknowledged + unknown:
            bad.append('%s: %d sets acknowledged, %d unknown, version %d'
                       % (key, acknowledged, unknown, version))
    return bad


def check_ephemerals(root, wire, live, gone, where=''):
    """Exactly the live sessions' ephemerals are there, each owned by its session."""
    bad, found = [], {}
    for name in wire.ask('getChildren', z.path_watch(root + '/e')):
        found[name] = wire.get('%s/e/%s' % (root, name))[1].ephemeralOwner
    for client in live:
        name = '%s-%x' % (client.name, client.session)
        if found.pop(name, None) != client.session:
            bad.append('%s: the ephemeral of the live session of %s is gone' % (where, client.name))
    ended = {session for session in gone}
    for name, owner in found.items():
        bad.append('%s: %s is there, owner 0x%x%s' % (where, name, owner,
                                                      ', which has ended' if owner in ended else ''))
    return bad


def picture(wire, but=()):
    """{path: (data, Stat, ACL)} of the whole tree but the paths in `but`."""
    out, todo = {}, ['/']
    while todo:
        at = todo.pop()
        if at in but:
            continue
        data, stat = wire.get(at)
        out[at] = (data, stat, tuple(wire.ask('getACL', z.path_body(at))[0]))
        for name in wire.ask('getChildren', z.path_watch(at)):
            todo.append(at.rstrip('/') + '/' + name)
    return out


def check_same_tree(pictures):
    """{node: picture}: all nodes hold the same."""
    bad = []
    (first, base), *others = pictures.items()
    for name, other in others:
        for path in sorted(set(base) | set(other)):
            if base.get(path) != other.get(path):
                bad.append('%s differs: node %s has %r, node %s %r'
                           % (path, first, base.get(path), name, other.get(path)))
    return bad
