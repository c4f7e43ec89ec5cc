#!/usr/bin/python3
"""The same seeded stream of requests to two servers; every answer compared field by field.

usage: tests/system/differential.py [--left takt|zookeeper] [--right takt|zookeeper]
                                    [--seeds N] [--seed FIRST] [--requests N] [--build DIR] [-v]

One TAP line a seed. Several sessions take turns in an order that the seed fixes; a request goes to
both servers, and both answers are read before the next one, so that both have the same history.
Then each session is pinged, which brings in the events that were due.

What is compared: xid, error, every field of the body, events with their order, closed connections.
What differs in value but not in meaning is bound pairwise: a zxid (and a session id) of the left
must meet the same one of the right wherever it shows again, and the order of zxids must agree.
Times must be those of the zxid that they belong to. Lists without a defined order are sorted.

KNOWN lists where 3.8 is known to differ from what takt follows (the protocol of 3.9.5, and the
stricter choices); README.md here has the same table. A stream keeps clear of what would make the
two histories part, and what remains is allowed by name and counted.
"""
import argparse
import os
import random
import socket
import sys
import traceback

import harness
import zkwire as z

# name: (how the stream treats it, why)
KNOWN = {
    'event zxid': ('not compared', '3.8 sends -1 with an event, 3.9 the zxid of the change'),
    'exists without READ': ('allowed', '3.8.0 answers exists to anybody; since 3.8.4 it needs READ. '
                            'No watches are set where ACLs are not open'),
    'events without READ': ('kept clear of', 'since 3.8.4 an event goes only to those who may read '
                            'the node: watches and closed ACLs live in different subtrees'),
    'standard over persistent': ('kept clear of', 'in 3.8 a standard watch takes the place of a '
                                 'persistent one on the same path, and one persistent mode that '
                                 'of the other: each path has one kind a session'),
    'checkWatches': ('kept clear of', "3.8 finds another connection's watch"),
    'watch types 4 and 5': ('kept clear of', 'removeWatches knows them since 3.9'),
    'flags inside a multi': ('kept clear of', '3.8 decides by the flag, not by the opcode, and '
                             'answers create2 as create; an illegal flag fails one operation in '
                             '3.8 and the whole multi in 3.9'),
    'zxid of a truncated write': ('not compared', '3.8 logs an error for it, 3.9 does not'),
    'check outside a multi': ('kept clear of', '3.8 answers it with -5 or not at all'),
    'internal opcodes': ('kept clear of', '3.8 runs createSession and deleteContainer for clients'),
    'super on /zookeeper/config': ('kept clear of', 'the reference lets super write it'),
    'characters outside the BMP': ('kept clear of', 'no path may hold them; where sync echoes them the '
                                   'reference writes two 3-byte sequences'),
    'empty path': ('kept clear of', 'the reference reads "" as "/"'),
    'order of expanded auth': ('sorted', "`auth` becomes one entry for each of the connection's identities, "
                               'which the reference keeps in hash order'),
    'IPv6 in ACLs': ('kept clear of', 'came after 3.8'),
    'password of a live session': ('kept clear of', 'the reference closes the old connection before '
                                   'it looks at the password'),
}

SESSIONS = 4
ROOTS = ('/d', '/acl', '/pw', '/q')
NAMES = ('a', 'b', 'c', 'd')
BAD_PATHS = ('/d//a', '/d/', '/d/./a', '/d/../a', 'd', '/d/a\x01', '/d/\uf8ff', '/d/a\0', '//',
             '/missing/x', '/d/a/b/c/d/e/f', '/zookeeper/none', '/d/\U0001f600')
USERS = (b'ann:1', b'bob:2', b'super:test')


class Difference(Exception):
    pass


class Bound:
    """A growing one-to-one relation of values of the left to values of the right."""

    def __init__(self, what, ordered):
        self.what, self.ordered, self.right_of, self.left_of = what, ordered, {}, {}

    def check(self, left, right):
        if left in (0, -1) or right in (0, -1):
            if left != right:
                raise Difference('%s %d and %d' % (self.what, left, right))
            return
        if self.right_of.setdefault(left, right) != right or self.left_of.setdefault(right, left) != left:
            raise Difference('%s 0x%x and 0x%x, but 0x%x belongs to 0x%x'
                             % (self.what, left, right, left, self.right_of[left]))

    def finish(self):
        if self.ordered:
            rights = [self.right_of[left] for left in sorted(self.right_of)]
            if rights != sorted(rights):
                raise Difference('the order of %ss differs' % self.what)


class Side:
    """One server and its sessions' connections."""

    def __init__(self, kind, build):
        self.server = harness.Server(kind, options={
            'znode.container.checkIntervalMs': 3600000, 'maxSessionTimeout': 600000}, build=build).start()
        self.wires = []
        self.time_of = {}           # zxid: the time of its change
        self.marks = []             # zxids at agreed moments, for setWatches

    def open(self, index=None):
        """A new session, or the session of wire `index` on a new connection."""
        old = self.wires[index] if index is not None else None
        wire = z.Wire(self.server.address, 20)
        if old is not None:
            old.close()
            wire.handshake(timeout_ms=60000, session=old.session, password=old.password)
            self.wires[index] = wire
        else:
            wire.handshake(timeout_ms=60000)
            self.wires.append(wire)
        return wire

    def answer(self, index, op, body, xid):
        """(Reply or 'closed', events before it)"""
        wire = self.wires[index]
        try:
            wire.send(op, body, xid)
            reply = wire.reply()
        except (z.Closed, BrokenPipeError, ConnectionResetError):
            reply = 'closed'
        except socket.timeout:
            reply = 'no answer'
        events, wire.events, wire.event_zxids = wire.events, [], []
        return reply, events

    def note_time(self, zxid, time_ms):
        if zxid > 0 and self.time_of.setdefault(zxid, time_ms) != time_ms:
            raise Difference('%s: two times for zxid 0x%x' % (self.server.kind, zxid))

    def finish(self):
        times = [self.time_of[zxid] for zxid in sorted(self.time_of)]
        if times != sorted(times):
            raise Difference('%s: times go back' % self.server.kind)

    def end(self):
        for wire in self.wires:
            wire.close()
        self.server.remove()


class Stream:
    """Draws requests. What it knows of the state it takes from the left's answers."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.versions = {}          # path: last Stat seen
        self.sequential = []        # paths that the server chose
        self.modes = {}             # (session, path): persistent mode
        self.watched = []           # paths that were given watches
        self.is_truncated = False   # whether the last request drawn is a record cut short

    def path(self, root=None):
        r = self.random
        root = root or r.choice(('/d', '/d', '/d', '/acl', '/pw', '/q'))
        if self.sequential and r.random() < 0.05:
            chosen = r.choice(self.sequential)
            if chosen.startswith(root):
                return chosen
        return root + ''.join('/' + r.choice(NAMES) for _ in range(r.choice((0, 1, 1, 1, 2, 2, 3))))

    def any_path(self):
        return self.random.choice(BAD_PATHS) if self.random.random() < 0.06 else self.path()

    def version(self, path, field='version'):
        r, stat = self.random, self.versions.get(path)
        now = getattr(stat, field) if stat else 0
        return r.choice((-1, -1, -1, -1, -1, now, now, now, 0, 1, -2, 0x7fffffff))

    def data(self):
        r = self.random
        return r.choice((None, b'', b'x', r.randbytes(r.randrange(0, 300)), r.randbytes(3000)))

    def acl(self, path):
        r = self.random
        if r.random() < 0.04:
            return r.choice(([], None, [(31, 'world', 'x')], [(31, 'nope', 'x')], [(1, 'digest', 'x')],
                             [(31, 'ip', '300.0.0.1')]))
        if not path.startswith('/acl'):
            return z.OPEN_ACL
        return r.choice((z.OPEN_ACL, z.OPEN_ACL, [(r.randrange(32), 'world', 'anyone')],
                         [(31, 'auth', '')], [(31, 'ip', '127.0.0.0/8')], [(31, 'ip', '10.1.1.1')],
                         [(r.randrange(32), 'world', 'anyone'), (31, 'digest', 'ann:nobody')],
                         [(31, 'world', 'anyone'), (31, 'world', 'anyone')]))

    def create(self, in_multi=False):
        r, path = self.random, self.any_path()
        kind = r.choice(('create',) * 6 + ('create2',) * 3 + ('createContainer', 'createTTL'))
        if kind == 'createTTL':
            ttl = 86400000 if in_multi or r.random() < 0.8 else r.choice((0, -1, 1 << 40))
            return kind, z.create_body(path, self.data(), self.acl(path), r.choice((5, 6)), ttl)
        if in_multi and kind == 'create2':
            kind = 'create'
        flags = 4 if kind == 'createContainer' else r.choice((0, 0, 0, 0, 1, 2, 3))
        if not in_multi and r.random() < 0.03:
            flags = r.choice((4, 5, 6, 7, -1, 99))
        return kind, z.create_body(path, self.data(), self.acl(path), flags)

    def write(self, in_multi=False):
        r = self.random
        kind = r.choice(('create',) * 5 + ('setData',) * 4 + ('delete',) * 3)
        if kind == 'create':
            return self.create(in_multi)
        path = self.any_path()
        if kind == 'delete':
            if r.random() < 0.02:
                path = r.choice(('/', '/zookeeper', '/zookeeper/quota', '/zookeeper/config'))
            elif path in ROOTS:
                path += '/a'
            return kind, z.path_version(path, self.version(path))
        return kind, z.set_data_body(path, self.data(), self.version(path))

    def multi(self):
        r, ops = self.random, []
        for _ in range(r.randrange(0, 7)):
            if r.random() < 0.2:
                path = self.any_path()
                ops.append(('check', z.path_version(path, self.version(path))))
            else:
                ops.append(self.write(True))
        if r.random() < 0.04:
            ops.insert(r.randrange(len(ops) + 1), r.choice((
                ('exists', z.path_watch('/d')), ('getData', z.path_watch('/d')), (99, b''),
                ('setACL', z.set_acl_body('/d', z.OPEN_ACL)))))
            if all(op == 'getData' for op, _ in ops):
                ops.append(('exists', z.path_watch('/d')))
        return 'multi', z.multi_body(ops)

    def read(self):
        r = self.random
        kind = r.choice(('exists', 'getData', 'getData', 'getChildren', 'getChildren2', 'getACL',
                         'getAllChildrenNumber', 'sync'))
        path = self.any_path()
        if kind == 'sync' and not path.isascii():
            path = '/d'
        if kind in ('getACL', 'getAllChildrenNumber', 'sync'):
            return kind, z.path_body(path)
        watch = path.startswith('/d') and r.random() < 0.4
        if watch:
            self.watched.append(path)
        return kind, z.path_watch(path, watch)

    def multi_read(self):
        r = self.random
        return 'multiRead', z.multi_body([
            (r.choice(('getData', 'getChildren')), z.path_watch(self.any_path()))
            for _ in range(r.randrange(0, 5))])

    def watch(self, session):
        r = self.random
        if r.random() < 0.3:
            path = r.choice(self.watched[-8:] or ['/d'])
            return 'removeWatches', z.path_int(path, r.choice((1, 2, 2, 3, 3, 0, 99)))
        path = self.path('/pw')
        if r.random() < 0.1:
            return 'addWatch', z.path_int(path, r.choice((2, -1)))
        return 'addWatch', z.path_int(path, self.modes.setdefault((session, path), r.randrange(2)))

    def other(self):
        r = self.random
        return r.choice((
            ('getEphemerals', z.path_body(r.choice(('/', '/d', '/d/a', None, '/none')))),
            ('whoAmI', b''), ('sasl', z.buf(b'x')), ('reconfig', z.reconfig_body(joining='server.2=a:1:2')),
            ('setACL', self.set_acl_body()), ('setACL', self.set_acl_body()),
            ('ping', b''), ('getACL', z.path_body('/zookeeper/config'))))

    def set_acl_body(self):
        path = self.any_path()
        return z.set_acl_body(path, self.acl(path), self.version(path, 'aversion'))

    def truncated(self):
        op, body = self.random.choice((self.write, self.read))()
        self.is_truncated = True
        return op, body[:self.random.randrange(0, max(1, len(body) - 1))]

    def request(self, session):
        r = self.random
        self.is_truncated = False
        pick = r.random()
        for limit, draw in ((0.45, self.write), (0.52, self.multi), (0.80, self.read),
                            (0.83, self.multi_read), (0.90, lambda: self.watch(session)),
                            (0.98, self.other), (1.0, self.truncated)):
            if pick < limit:
                return draw()
        return self.read()


class Comparison:
    def __init__(self, left, right, seed, build, verbose=False):
        self.sides = [Side(left, build)]
        self.sides.append(Side(right, build))
        self.stream = Stream(seed)
        self.random = random.Random(seed ^ 0x5eed)
        self.zxids, self.sessions = Bound('zxid', True), Bound('session', False)
        self.allowed, self.seen, self.verbose = {}, {}, verbose
        self.step = 0

    # -- comparing ------------------------------------------------------------------------------

    def stat(self, left, right):
        for name in ('version', 'cversion', 'aversion', 'dataLength', 'numChildren'):
            if getattr(left, name) != getattr(right, name):
                raise Difference('%s %d and %d' % (name, getattr(left, name), getattr(right, name)))
        for name in ('czxid', 'mzxid', 'pzxid'):
            self.zxids.check(getattr(left, name), getattr(right, name))
        self.sessions.check(left.ephemeralOwner, right.ephemeralOwner)
        for side, stat in zip(self.sides, (left, right)):
            side.note_time(stat.czxid, stat.ctime)
            side.note_time(stat.mzxid, stat.mtime)

    def value(self, left, right):
        if type(left) is not type(right):
            raise Difference('%r and %r' % (left, right))
        if isinstance(left, z.Stat):
            self.stat(left, right)
        elif isinstance(left, (tuple, list)):
            if len(left) != len(right):
                raise Difference('%r and %r' % (left, right))
            for a, b in zip(left, right):
                self.value(a, b)
        elif left != right:
            raise Difference('%r and %r' % (left, right))

    def body(self, op, left, right):
        values = []
        for reply in (left, right):
            value = z.decode(op, reply.body)
            if op in ('getChildren', 'getEphemerals', 'whoAmI'):
                value = value and sorted(value)
            elif op == 'getACL':
                value = (sorted(value[0]), value[1])
            elif op == 'getChildren2':
                value = (sorted(value[0]), value[1])
            elif op == 'multiRead':
                value = [(k, e, sorted(v) if k == 8 else v) for k, e, v in value]
            values.append(value)
        self.value(*values)
        return values[0]

    def reply(self, op, left, right, truncated):
        if isinstance(left, str) or isinstance(right, str):
            if left != right:
                raise Difference('%s and %s' % (left, right))
            return None
        if left.xid != right.xid:
            raise Difference('xid %d and %d' % (left.xid, right.xid))
        if left.err != right.err:
            if op == 'exists' and left.err == z.NOAUTH and right.err == 0:
                return self.allow('exists without READ')
            raise Difference('err %d and %d' % (left.err, right.err))
        self.seen[(op, left.err)] = self.seen.get((op, left.err), 0) + 1
        if truncated:       # KNOWN: zxid of a truncated write
            return None
        self.zxids.check(left.zxid, right.zxid)
        return self.body(op, left, right) if left.err == 0 else None

    def allow(self, name):
        self.allowed[name] = self.allowed.get(name, 0) + 1

    def events(self, pairs, unordered):
        left, right = pairs
        if unordered:       # the end of a session deletes in no defined order
            left, right = sorted(left), sorted(right)
        if left != right:
            raise Difference('events %r and %r' % (left, right))
        if left:
            self.seen[('event', 0)] = self.seen.get(('event', 0), 0) + len(left)

    # -- driving --------------------------------------------------------------------------------

    def ask(self, session, op, body, xid, truncated=False, unordered=False):
        answers = [side.answer(session, op, body, xid) for side in self.sides]
        name = op if isinstance(op, str) else 'opcode %d' % op
        value = self.reply(name, answers[0][0], answers[1][0], truncated)
        self.events([a[1] for a in answers], unordered)
        return answers[0][0], value

    def ping_all(self, unordered=False):
        for session in range(len(self.sides[0].wires)):
            self.ask(session, 'ping', b'', z.PING_XID, unordered=unordered)

    def learn(self, op, body, value):
        """Keeps versions and sequential names for later requests."""
        if value is None:
            return
        if op in ('create', 'create2', 'createTTL', 'createContainer'):
            path = value if op == 'create' else value[0]
            if path[-10:].isdigit() and len(self.stream.sequential) < 200:
                self.stream.sequential.append(path)
        elif op in ('exists', 'setData', 'setACL', 'getData', 'getACL'):
            path = z.Cursor(body).ustr()
            self.stream.versions[path] = value if isinstance(value, z.Stat) else value[-1]

    def reattach(self, session):
        for side in self.sides:
            side.open(session)
        self.make_super(session)

    def make_super(self, session):
        """The last session passes every ACL; its credentials are its connection's."""
        if session == SESSIONS - 1:
            self.ask(session, 'auth', z.auth_body('digest', USERS[2]), z.AUTH_XID)

    def set_watches(self, session):
        """A setWatches that looks back to an agreed moment."""
        r = self.random
        mark = r.randrange(len(self.sides[0].marks))
        lists = [sorted({self.stream.path('/d') for _ in range(r.randrange(0, 5))}) for _ in range(3)]
        answers = []
        for side in self.sides:
            answers.append(side.answer(session, 'setWatches', z.set_watches_body(side.marks[mark], *lists),
                                       z.SET_WATCHES_XID))
        self.reply('setWatches', answers[0][0], answers[1][0], False)
        self.events([a[1] for a in answers], False)

    def close_session(self, session):
        self.ask(session, 'closeSession', b'', 7, unordered=True)
        for side in self.sides:
            side.wires[session].close()
            fresh = side.open()
            side.wires.pop()
            side.wires[session] = fresh
        for key in [k for k in self.stream.modes if k[0] == session]:
            del self.stream.modes[key]
        self.sessions.check(*[side.wires[session].session for side in self.sides])
        self.make_super(session)

    def drop(self, session):
        """Cuts the connection; watches go with it."""
        self.reattach(session)
        for key in [k for k in self.stream.modes if k[0] == session]:
            del self.stream.modes[key]

    def turn(self):
        r, session = self.random, self.random.randrange(SESSIONS)
        pick = r.random()
        if pick < 0.01:
            self.say(session, 'closeSession', b'')
            self.close_session(session)
            self.ping_all(True)
            return
        if pick < 0.02:
            self.say(session, 'cut and re-attach', b'')
            self.drop(session)
        elif pick < 0.03:
            user = r.choice(USERS[:2])
            self.say(session, 'auth', user)
            self.ask(session, 'auth', z.auth_body('digest', user), z.AUTH_XID)
        elif pick < 0.033:
            self.say(session, 'unknown opcode', b'')
            self.ask(session, r.choice((10, 99, 108)), b'', 9)
            self.drop(session)
        elif pick < 0.036:
            self.say(session, 'auth of an unknown scheme', b'')
            self.ask(session, 'auth', z.auth_body('nope', b'x'), z.AUTH_XID)
            self.drop(session)
        elif pick < 0.05:
            self.say(session, 'setWatches', b'')
            self.set_watches(session)
        else:
            op, body = self.stream.request(session)
            self.say(session, op, body)
            xid = z.PING_XID if op == 'ping' else self.step + 1
            cut = self.stream.is_truncated
            reply, value = self.ask(session, op, body, xid, cut)
            self.learn(op, body, value)
            if reply == 'closed':
                self.drop(session)
            if cut:     # a write that both log, so that both are at a zxid of the same history
                self.ask(session, 'setData', z.set_data_body('/d', b''), xid)
        self.ping_all()
        if self.step % 10 == 0:
            for side in self.sides:
                side.marks.append(side.wires[0].ping().zxid)

    def say(self, session, op, body):
        self.last = 'session %d: %s %r' % (session, op, body[:200])
        if self.verbose:
            print('# %d %s' % (self.step, self.last))

    def run(self, requests):
        self.last = 'the beginning'
        for _ in range(SESSIONS):
            ids = [side.open().session for side in self.sides]
            self.sessions.check(*ids)
        self.make_super(SESSIONS - 1)
        for root in ROOTS:
            self.ask(0, 'create', z.create_body(root), 1)
        limits = b'count=-1,bytes=-1=;byteHardLimit=8000;countHardLimit=20'
        for path, data in (('/zookeeper/quota/q', b''), ('/zookeeper/quota/q/zookeeper_limits', limits),
                           ('/zookeeper/quota/q/zookeeper_stats', b'count=0,bytes=0')):
            self.ask(0, 'create', z.create_body(path, data), 2)
        for side in self.sides:
            side.marks.append(side.wires[0].ping().zxid)
        for self.step in range(requests):
            self.turn()
            if self.step % 50 == 0:
                self.ask(0, 'getData', z.path_watch('/zookeeper/quota/q/zookeeper_stats'), 3)
        self.last = 'the end'
        self.whole_tree('/')
        self.zxids.finish()
        for side in self.sides:
            side.finish()

    def whole_tree(self, path):
        """Every node that is left, with data, Stat and ACL, seen as super."""
        _, value = self.ask(3, 'getData', z.path_watch(path), 4)
        self.ask(3, 'getACL', z.path_body(path), 4)
        _, children = self.ask(3, 'getChildren', z.path_watch(path), 4)
        for name in children or ():
            self.whole_tree(path.rstrip('/') + '/' + name)

    def end(self):
        for side in self.sides:
            side.end()


def one_seed(args, seed):
    comparison = Comparison(args.left, args.right, seed, args.build, args.verbose)
    what = 'seed %d: %d requests, %s and %s agree' % (seed, args.requests, args.left, args.right)
    try:
        comparison.run(args.requests)
        rare = [k for k in ('multi', 'createTTL', 'setWatches', 'removeWatches', 'addWatch', 'event')
                if not any(op == k for op, _ in comparison.seen)]
        print('# %s' % ', '.join('%s %d: %d' % (op, err, count) for (op, err), count in
                                 sorted(comparison.seen.items())))
        for name, count in comparison.allowed.items():
            print('# allowed %d times: %s' % (count, name))
        if rare and args.requests >= 1000:
            raise Difference('never happened: %s' % ', '.join(rare))
        print('ok - differential: ' + what, flush=True)
        return 0
    except (Difference, ValueError, OSError, z.Closed) as problem:
        print('not ok - differential: ' + what)
        print('# at request %d, %s' % (comparison.step, comparison.last))
        print('# %s' % problem)
        if not isinstance(problem, Difference):
            print('# ' + traceback.format_exc().replace('\n', '\n# '))
        for side in comparison.sides:
            if not side.server.alive():
                print('# %s died: %s' % (side.server.kind, harness.tail(side.server.log)))
        print('# again: tests/system/differential.py --left %s --right %s --seeds 1 --seed %d --requests %d'
              % (args.left, args.right, seed, args.requests), flush=True)
        return 1
    finally:
        comparison.end()


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--left', choices=['takt', 'zookeeper'], default='takt')
    parser.add_argument('--right', choices=['takt', 'zookeeper'], default='zookeeper')
    parser.add_argument('--seeds', type=int, default=2 if harness.QUICK else 5)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--requests', type=int, default=1500 if harness.QUICK else 4000)
    parser.add_argument('--build', default='build')
    parser.add_argument('-v', '--verbose', action='store_true')
    args = parser.parse_args()
    if 'zookeeper' in (args.left, args.right) and not os.path.exists('/usr/share/java/zookeeper.jar'):
        print('ok - differential # SKIP the package zookeeper is not installed')
        return 0
    failed = sum(one_seed(args, args.seed + i) for i in range(args.seeds))
    print('1..%d' % args.seeds)
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
