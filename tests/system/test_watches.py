"""Watches: kinds, one-shot and persistent, de-duplication, order, catch-up, filters."""
import zkwire as z
from harness import equal
from zkwire import CHANGED, CHILDREN, CREATED, DELETED, Event


def add_watch(w, path, recursive=False):
    equal(w.ask('addWatch', z.path_int(path, 1 if recursive else 0)), 0)


def seen(w, writer):
    """Events that w got for what writer did."""
    writer.ping()
    w.call('sync', z.path_body('/'))
    out, w.events = w.events, []
    return out


def test_one_shot(t):
    """standard watches fire once, with the right type and path"""
    w, o, n = t.wire(), t.wire(), t.base + '/n'
    equal(w.exists(n, True), None)
    o.create(n)
    equal(seen(w, o), [Event(CREATED, n)])
    w.get(n, True)
    w.get(n, True)
    w.exists(n, True)                       # same slot: one event
    o.ask('setData', z.set_data_body(n, b'1'))
    o.ask('setData', z.set_data_body(n, b'2'))
    equal(seen(w, o), [Event(CHANGED, n)])
    w.ask('getChildren', z.path_watch(n, True))
    o.create(n + '/c')
    o.create(n + '/d')
    equal(seen(w, o), [Event(CHILDREN, n)])
    w.ask('getChildren2', z.path_watch(n, True))
    o.call('delete', z.path_version(n + '/c'))
    equal(seen(w, o), [Event(CHILDREN, n)])
    o.call('delete', z.path_version(n + '/d'))
    w.ask('getChildren', z.path_watch(n, True))
    w.get(n, True)
    o.call('delete', z.path_version(n))
    equal(seen(w, o), [Event(DELETED, n)], 'told once, not by the child watch again')


def test_child_watch_on_deleted_node(t):
    """a child watch on a node that is deleted yields Deleted"""
    w, o, n = t.wire(), t.wire(), t.base + '/n'
    o.create(n)
    w.ask('getChildren', z.path_watch(n, True))
    w.ask('getChildren', z.path_watch(t.base, True))
    o.call('delete', z.path_version(n))
    equal(seen(w, o), [Event(DELETED, n), Event(CHILDREN, t.base)])


def test_failed_reads_leave_no_watch(t):
    """a getData or getChildren that fails leaves no watch behind; exists does"""
    w, o, n = t.wire(), t.wire(), t.base + '/n'
    equal(w.err('getData', z.path_watch(n, True)), z.NONODE)
    equal(w.err('getChildren', z.path_watch(n, True)), z.NONODE)
    o.create(n)
    equal(seen(w, o), [])


def test_nothing_fires(t):
    """setACL, failed writes and reads fire nothing"""
    w, o, n = t.wire(), t.wire(), t.base + '/n'
    o.create(n)
    w.get(n, True)
    w.ask('getChildren', z.path_watch(n, True))
    add_watch(w, n)
    o.ask('setACL', z.set_acl_body(n, z.OPEN_ACL))
    o.err('setData', z.set_data_body(n, b'', 99))
    o.err('create', z.create_body(n))
    o.err('delete', z.path_version(n, 99))
    o.call('multi', z.multi_body([('setData', z.set_data_body(n, b'')),
                                  ('check', z.path_version('/none', 0))]))
    equal(seen(w, o), [])


def test_event_before_own_reply(t):
    """a change of one's own: the event comes before the write's reply"""
    w, n = t.wire(), t.base + '/n'
    w.create(n)
    w.get(n, True)
    w.order = []
    xid = w.send('setData', z.set_data_body(n, b'x'))
    w.reply(xid)
    equal(w.order, [Event(CHANGED, n), xid])


def test_event_before_data(t):
    """another's change: the event comes before any reply that shows it"""
    w, o, n = t.wire(), t.wire(), t.base + '/n'
    o.create(n, b'0')
    for round_ in range(200):
        data, stat = w.get(n, True)
        o.send('setData', z.set_data_body(n, b'%d' % (round_ + 1)))
        told = False
        w.order = []
        while True:
            reply = w.call('getData', z.path_watch(n))
            now = z.decode('getData', reply.body)[0]
            told = Event(CHANGED, n) in w.order
            if now != data:
                assert told, 'data of a change whose event had not come (round %d)' % round_
                break
            if told and now == data:
                raise AssertionError('an event, then older data (round %d)' % round_)
        o.reply()
        equal(w.take_events(), [Event(CHANGED, n)])


def test_persistent(t):
    """a persistent watch keeps firing for data and children, and dedupes"""
    w, o, n = t.wire(), t.wire(), t.base + '/n'
    add_watch(w, n)
    if t.is_takt:       # in 3.8 a standard watch takes the persistent one's place
        w.exists(n, True)
    o.create(n)
    for i in range(2):
        o.ask('setData', z.set_data_body(n, b''))
    o.create(n + '/c')
    o.create(n + '/c/deep')
    o.ask('setData', z.set_data_body(n + '/c', b''))
    o.call('delete', z.path_version(n + '/c/deep'))
    o.call('delete', z.path_version(n + '/c'))
    o.call('delete', z.path_version(n))
    o.create(n)
    equal(seen(w, o), [Event(CREATED, n), Event(CHANGED, n), Event(CHANGED, n), Event(CHILDREN, n),
                       Event(CHILDREN, n), Event(DELETED, n), Event(CREATED, n)])


def test_recursive(t):
    """a recursive watch tells every change below, never ChildrenChanged"""
    w, o, n = t.wire(), t.wire(), t.base + '/n'
    add_watch(w, n, True)
    for path in (n, n + '/a', n + '/a/b'):
        o.create(path)
    o.create(n + 'ot')                      # a sibling with the same prefix
    o.ask('setData', z.set_data_body(n + '/a/b', b''))
    o.call('delete', z.path_version(n + '/a/b'))
    o.call('delete', z.path_version(n + '/a'))
    o.call('delete', z.path_version(n))
    equal(seen(w, o), [Event(CREATED, n), Event(CREATED, n + '/a'), Event(CREATED, n + '/a/b'),
                       Event(CHANGED, n + '/a/b'), Event(DELETED, n + '/a/b'),
                       Event(DELETED, n + '/a'), Event(DELETED, n)])


def test_recursive_on_root(t):
    """a recursive watch on / sees everything"""
    w, o, base = t.wire(), t.wire(), t.base
    add_watch(w, '/', True)
    o.create(base + '/x')
    equal(seen(w, o), [Event(CREATED, base + '/x')])


def test_all_kinds_one_event(t):
    """standard, persistent and recursive on one path: one event for one change"""
    w, o, n = t.wire(), t.wire(), t.base + '/n'
    o.create(n)
    w.get(n, True)
    add_watch(w, t.base, True)
    equal(seen(w, o), [])
    o.ask('setData', z.set_data_body(n, b''))
    equal(seen(w, o), [Event(CHANGED, n)])


def test_persistent_and_recursive_parent(t):
    """persistent and recursive on the parent: Created, then ChildrenChanged"""
    w, o, n = t.wire(), t.wire(), t.base + '/n'
    add_watch(w, t.base, True)
    w.ask('getChildren', z.path_watch(t.base, True))
    o.create(n)
    equal(seen(w, o), [Event(CREATED, n), Event(CHILDREN, t.base)])


def test_multi_events(t):
    """a multi's events come in the order of its operations"""
    w, o, b = t.wire(), t.wire(), t.base
    add_watch(w, b, True)
    o.call('multi', z.multi_body([
        ('create', z.create_body(b + '/n')), ('setData', z.set_data_body(b + '/n', b'1')),
        ('delete', z.path_version(b + '/n')), ('create', z.create_body(b + '/m'))]))
    equal(seen(w, o), [Event(CREATED, b + '/n'), Event(CHANGED, b + '/n'), Event(DELETED, b + '/n'),
                       Event(CREATED, b + '/m')])


def test_close_session_events(t):
    """the end of a session deletes its ephemerals with events"""
    w, o, b = t.wire(), t.wire(), t.base
    names = ['%s/e%d' % (b, i) for i in range(5)]
    for name in names:
        o.create(name, b'', z.EPHEMERAL)
        w.exists(name, True)
    w.ask('getChildren', z.path_watch(b, True))
    assert o.close_session()
    w.ping()
    events = w.take_events()
    equal(sorted(e.path for e in events if e.type == DELETED), names)
    equal([e for e in events if e.type != DELETED], [Event(CHILDREN, b)])
    equal(len({z_ for z_ in w.event_zxids[-6:]}), 1, 'all in one transaction')


def test_watches_die_with_the_connection(t):
    """watches do not survive a re-attach"""
    a, o, n = t.wire(), t.wire(), t.base + '/n'
    o.create(n)
    a.get(n, True)
    add_watch(a, n)
    a.close()
    b = t.wire(session=a.session, password=a.password)
    o.ask('setData', z.set_data_body(n, b''))
    equal(seen(b, o), [])


def test_event_zxid(t):
    """an event's header carries the zxid of its change"""
    if not t.is_takt:
        t.skip('3.8 sends -1; the zxid came with 3.9')
    w, o, n = t.wire(), t.wire(), t.base + '/n'
    o.create(n)
    w.get(n, True)
    zxid = o.call('setData', z.set_data_body(n, b'')).zxid
    equal(seen(w, o), [Event(CHANGED, n)])
    equal(w.event_zxids[-1], zxid)


def test_set_watches_catch_up(t):
    """setWatches tells at once what was missed and registers the rest"""
    w, o, b = t.wire(), t.wire(), t.base
    for name in ('same', 'changed', 'gone', 'kids', 'kept', 'gonekids'):
        o.create('%s/%s' % (b, name))
    since = o.ping().zxid
    o.ask('setData', z.set_data_body(b + '/changed', b''))
    o.call('delete', z.path_version(b + '/gone'))
    o.call('delete', z.path_version(b + '/gonekids'))
    o.create(b + '/kids/c')
    o.create(b + '/born')
    w.order = []
    xid = w.send('setWatches', z.set_watches_body(
        since, [b + '/same', b + '/changed', b + '/gone'], [b + '/born', b + '/unborn'],
        [b + '/kids', b + '/kept', b + '/gonekids']), z.SET_WATCHES_XID)
    equal(w.reply(xid)[2:], (0, b''))
    equal(w.order, [Event(CHANGED, b + '/changed'), Event(DELETED, b + '/gone'),
                    Event(CREATED, b + '/born'), Event(CHILDREN, b + '/kids'),
                    Event(DELETED, b + '/gonekids'), z.SET_WATCHES_XID])
    equal(set(w.event_zxids), {-1})
    w.events = []
    for path in ('/same', '/changed', '/kids', '/born'):
        o.ask('setData', z.set_data_body(b + path, b''))
    o.create(b + '/unborn')
    o.create(b + '/kept/c')
    o.create(b + '/kids/d')
    equal(seen(w, o), [Event(CHANGED, b + '/same'), Event(CREATED, b + '/unborn'),
                       Event(CHILDREN, b + '/kept')])


def test_set_watches2(t):
    """setWatches2 registers persistent and recursive watches without catch-up"""
    w, o, b = t.wire(), t.wire(), t.base
    o.create(b + '/p')
    o.create(b + '/r')
    equal(w.err('setWatches2', z.set_watches_body(0, [], [], [], [b + '/p'], [b + '/r']),
                z.SET_WATCHES_XID), 0)
    equal(seen(w, o), [])
    for _ in range(2):
        o.ask('setData', z.set_data_body(b + '/p', b''))
    o.create(b + '/p/c')
    o.create(b + '/r/c')
    equal(seen(w, o), [Event(CHANGED, b + '/p')] * 2 + [Event(CHILDREN, b + '/p'),
                                                        Event(CREATED, b + '/r/c')])


def test_set_watches_large(t):
    """a setWatches of thousands of paths registers all of them"""
    w, o, b = t.wire(), t.wire(), t.base
    paths = ['%s/node-%05d' % (b, i) for i in range(5000)]
    zxid = o.ping().zxid
    equal(w.err('setWatches', z.set_watches_body(zxid, [], paths, []), z.SET_WATCHES_XID), 0)
    for at in range(0, 5000, 1000):
        o.ask('multi', z.multi_body([('create', z.create_body(p, b'')) for p in paths[at:at + 1000]]))
    equal(seen(w, o), [Event(CREATED, p) for p in paths])


def test_check_and_remove_watches(t):
    """checkWatches and removeWatches know the kinds, on this connection only"""
    w, o, n = t.wire(), t.wire(), t.base + '/n'
    w.create(n)

    def check(kind):
        return w.err('checkWatches', z.path_int(n, kind))

    def remove(kind):
        return w.err('removeWatches', z.path_int(n, kind))
    for kind in (1, 2, 3) + ((4, 5) if t.is_takt else ()):      # 4 and 5 came with 3.9
        equal((check(kind), remove(kind)), (z.NOWATCHER, z.NOWATCHER), 'kind %d of none' % kind)
    for bad in (0, 6, -1, 99):
        equal((check(bad), remove(bad)), (z.MARSHALLING, z.MARSHALLING), 'kind %d' % bad)
    if t.is_takt:       # 3.8 finds anybody's watch here
        o.get(n, True)
        equal(check(2), z.NOWATCHER, "another connection's watch")
    w.get(n, True)
    equal((check(2), check(1), check(3)), (0, z.NOWATCHER, 0))
    equal((remove(1), remove(2), check(3)), (z.NOWATCHER, 0, z.NOWATCHER))
    w.ask('getChildren', z.path_watch(n, True))
    equal((check(1), check(2), remove(1), check(1)), (0, z.NOWATCHER, 0, z.NOWATCHER))
    w.get(n, True)
    w.ask('getChildren', z.path_watch(n, True))
    equal((remove(3), check(1), check(2)), (0, z.NOWATCHER, z.NOWATCHER))
    o.take_events()
    o.ask('setData', z.set_data_body(n, b''))
    equal(seen(w, o), [], 'removed watches do not fire')


def test_remove_persistent(t):
    """persistent and recursive watches are removed by their own kinds"""
    if not t.is_takt:
        t.skip('these kinds came with 3.9')
    w, o, n = t.wire(), t.wire(), t.base + '/n'
    w.create(n)
    add_watch(w, n)
    equal(w.err('removeWatches', z.path_int(n, 4)), 0)
    o.ask('setData', z.set_data_body(n, b''))
    equal(seen(w, o), [])
    add_watch(w, n, True)
    equal(w.err('removeWatches', z.path_int(n, 5)), 0)
    o.ask('setData', z.set_data_body(n, b''))
    o.create(n + '/c')
    equal(seen(w, o), [])
    add_watch(w, n)
    equal(w.err('removeWatches', z.path_int(n, 3)), 0)
    o.ask('setData', z.set_data_body(n, b''))
    equal(seen(w, o), [])


def test_add_watch_modes(t):
    """addWatch knows two modes; its reply is an int"""
    w = t.wire()
    for mode in (2, -1, 99):
        equal(w.err('addWatch', z.path_int(t.base, mode)), z.MARSHALLING, 'mode %d' % mode)
    equal(w.call('addWatch', z.path_int('/not/there', 0)).body, b'\0' * 4)


def test_watch_acl_filter(t):
    """an event is not delivered to one who may not read the node; the watch is used up"""
    if not t.is_takt:
        t.skip('the filter came with 3.8.4')
    w, o, n = t.wire(), t.wire(), t.base + '/n'
    o.err('auth', z.auth_body('digest', b'o:o'), z.AUTH_XID)
    w.exists(n, True)
    o.create(n, b'', 0, [(31, 'auth', '')])
    equal(seen(w, o), [], 'Created of a node that w may not read')
    o.ask('setACL', z.set_acl_body(n, z.OPEN_ACL))
    o.ask('setData', z.set_data_body(n, b''))
    equal(seen(w, o), [], 'the one-shot watch is gone')
    w.get(n, True)
    o.ask('setData', z.set_data_body(n, b''))
    equal(seen(w, o), [Event(CHANGED, n)])


def test_many_watchers(t):
    """two hundred connections that watch one node each hear of its change once"""
    n = t.base + '/n'
    o = t.wire()
    o.create(n)
    watchers = [t.wire() for _ in range(200)]
    for w in watchers:
        w.get(n, True)
    o.ask('setData', z.set_data_body(n, b''))
    for w in watchers:
        equal(w.wait_events(1), [Event(CHANGED, n)])
        equal(w.take_events(), [])


def test_many_watches(t):
    """ten thousand watches of one connection fire once each, in order"""
    w, o, b = t.wire(), t.wire(), t.base
    count = 10000
    stream = b''.join(z.frame(z.header(i + 1, 'exists') + z.path_watch('%s/n%05d' % (b, i), True))
                      for i in range(count))
    w.send_raw(stream)
    for i in range(count):
        equal(w.reply(i + 1).err, z.NONODE)
    for at in range(0, count, 1000):
        o.ask('multi', z.multi_body([('create', z.create_body('%s/n%05d' % (b, i), b''))
                                     for i in range(at, at + 1000)]))
    equal(seen(w, o), [Event(CREATED, '%s/n%05d' % (b, i)) for i in range(count)])


def test_events_in_order(t):
    """events of many writers come in the order of their zxids and none is lost"""
    w, b = t.wire(), t.base
    writers = [t.wire() for _ in range(8)]
    add_watch(w, b, True)
    made = []
    for i in range(300):
        for k, o in enumerate(writers):
            o.send('create', z.create_body('%s/%d-%d' % (b, k, i)))
    for k, o in enumerate(writers):
        for i in range(300):
            reply = o.reply()
            equal(reply.err, 0)
            made.append((reply.zxid, '%s/%d-%d' % (b, k, i)))
    made.sort()
    equal([e.path for e in seen(w, writers[0])], [p for _, p in made])
    if t.is_takt:
        equal(w.event_zxids, [zxid for zxid, _ in made])
