"""kazoo, unmodified: its operations, its recipes, its sessions."""
import threading
import time

import harness
from harness import equal, eventually


def test_create_get_set_delete(t):
    """create, get, set, delete with versions"""
    k = t.kazoo()
    n = t.base + '/n'
    equal(k.create(n, b'one'), n)
    data, stat = k.get(n)
    equal((data, stat.version, stat.data_length, stat.owner_session_id), (b'one', 0, 3, None))
    stat = k.set(n, b'two', version=0)
    equal(stat.version, 1)
    from kazoo.exceptions import BadVersionError, NodeExistsError, NoNodeError, NotEmptyError
    for error, call in ((BadVersionError, lambda: k.set(n, b'', version=0)),
                        (BadVersionError, lambda: k.delete(n, version=7)),
                        (NodeExistsError, lambda: k.create(n)),
                        (NoNodeError, lambda: k.get(n + '/no')),
                        (NoNodeError, lambda: k.create(n + '/a/b')),
                        (NotEmptyError, lambda: k.delete(t.base))):
        try:
            call()
        except error:
            continue
        raise AssertionError('%s expected' % error.__name__)
    k.delete(n, version=1)
    equal(k.exists(n), None)


def test_makepath_and_recursive_delete(t):
    """makepath, ensure_path, recursive delete"""
    k = t.kazoo()
    equal(k.create(t.base + '/a/b/c/d', b'x', makepath=True), t.base + '/a/b/c/d')
    assert k.ensure_path(t.base + '/a/e/f')
    equal(sorted(k.get_children(t.base + '/a')), ['b', 'e'])
    k.delete(t.base + '/a', recursive=True)
    equal(k.exists(t.base + '/a'), None)


def test_create_include_data(t):
    """create2: the Stat comes with the path"""
    k = t.kazoo()
    path, stat = k.create(t.base + '/n', b'12', include_data=True)
    equal((path, stat.dataLength, stat.version), (t.base + '/n', 2, 0))
    children, stat = k.get_children(t.base, include_data=True)
    equal((children, stat.numChildren), (['n'], 1))


def test_sequence_and_ephemeral(t):
    """sequential and ephemeral nodes"""
    k = t.kazoo()
    made = [k.create(t.base + '/s-', sequence=True) for _ in range(5)]
    equal(made, [t.base + '/s-%010d' % i for i in range(5)])
    e = k.create(t.base + '/e-', ephemeral=True, sequence=True)
    equal(k.get(e)[1].ephemeralOwner, k.client_id[0])
    other = t.kazoo()
    k.stop()
    equal(other.exists(e), None)
    equal(len(other.get_children(t.base)), 5)


def test_client_id_and_chroot(t):
    """a chroot works"""
    k = t.kazoo()
    k.ensure_path(t.base + '/root')
    from kazoo.client import KazooClient
    c = KazooClient(hosts=t.server.hosts + t.base + '/root')
    c.start(15)
    c.create('/n', b'x')
    equal(k.get(t.base + '/root/n')[0], b'x')
    fired = threading.Event()
    c.get('/n', watch=lambda event: fired.set() if event.path == '/n' else None)
    k.set(t.base + '/root/n', b'y')
    assert fired.wait(5)
    c.stop()


def test_large_data(t):
    """nearly a megabyte goes in and comes out"""
    k = t.kazoo()
    data = bytes(range(256)) * 4090
    k.create(t.base + '/big', data)
    equal(k.get(t.base + '/big')[0] == data, True)
    for size in (0, 1, 4095, 4096, 65535, 65536, 500000):
        k.set(t.base + '/big', b'z' * size)
        equal(len(k.get(t.base + '/big')[0]), size)


def test_transaction(t):
    """transactions: all or nothing"""
    from kazoo.exceptions import RolledBackError, RuntimeInconsistency
    k = t.kazoo()
    b = t.base
    x = k.transaction()
    x.create(b + '/a', b'1')
    x.create(b + '/s-', sequence=True)
    x.check(b + '/a', 0)
    x.set_data(b + '/a', b'2', 0)
    x.create(b + '/gone')
    x.delete(b + '/gone')
    r = x.commit()
    equal((r[0], r[1], r[2], r[3].version, r[4], r[5]),
          (b + '/a', b + '/s-0000000001', True, 1, b + '/gone', True))
    x = k.transaction()
    x.create(b + '/c')
    x.check(b + '/a', 77)
    x.create(b + '/d')
    kinds = [type(e) for e in x.commit()]
    assert kinds[0] is RolledBackError and kinds[2] is RuntimeInconsistency, kinds
    equal(k.exists(b + '/c'), None)
    with k.transaction() as x:
        x.create(b + '/with')
    assert k.exists(b + '/with')


def test_acls_and_auth(t):
    """ACLs with digest authentication, in the client's constructor and later"""
    from kazoo.exceptions import NoAuthError
    from kazoo.security import OPEN_ACL_UNSAFE, make_digest_acl
    b = t.base
    k = t.kazoo(auth_data=[('digest', 'alice:secret')],
                default_acl=[make_digest_acl('alice', 'secret', all=True)])
    k.create(b + '/n', b'hidden')
    acls, stat = k.get_acls(b + '/n')
    equal([(a.perms, a.id.scheme, a.id.id.split(':')[0]) for a in acls], [(31, 'digest', 'alice')])
    o = t.kazoo()
    for call in (lambda: o.get(b + '/n'), lambda: o.set(b + '/n', b''),
                 lambda: o.set_acls(b + '/n', OPEN_ACL_UNSAFE), lambda: o.create(b + '/n/c')):
        try:
            call()
        except NoAuthError:
            continue
        raise AssertionError('NoAuthError expected')
    o.add_auth('digest', 'alice:secret')
    equal(o.get(b + '/n')[0], b'hidden')
    equal(o.set_acls(b + '/n', OPEN_ACL_UNSAFE, version=0).aversion, 1)
    equal(t.kazoo().get(b + '/n')[0], b'hidden')


def test_async(t):
    """two thousand asynchronous calls keep their order"""
    k = t.kazoo()
    n = t.base + '/n'
    k.create(n, b'')
    calls = []
    for i in range(1000):
        calls.append(k.set_async(n, b'%d' % i))
        calls.append(k.get_async(n))
    for i in range(1000):
        equal(calls[2 * i].get(30).version, i + 1)
        equal(calls[2 * i + 1].get(30)[0], b'%d' % i)


def test_sync_and_reconfig(t):
    """sync works, and reconfig is refused"""
    from kazoo.exceptions import UnimplementedError
    k = t.kazoo()
    equal(k.sync('/'), '/')
    if t.is_takt:       # kazoo does not know the code of a reconfig that is not enabled
        return
    k = t.kazoo(t.fresh(reconfigEnabled='true'), auth_data=[('digest', harness.SUPER[0])])
    try:
        k.reconfig(joining='server.9=h:1:2', leaving=None, new_members=None)
    except UnimplementedError:
        return
    raise AssertionError('reconfig was not refused')


def test_watches(t):
    """data, exists and child watches through callbacks"""
    k, o, b = t.kazoo(), t.kazoo(), t.base
    events = []
    k.exists(b + '/n', watch=lambda e: events.append((e.type, e.path)))
    k.get_children(b, watch=lambda e: events.append((e.type, e.path)))
    o.create(b + '/n')
    eventually(lambda: len(events) == 2)
    equal(sorted(events), [('CHILD', b), ('CREATED', b + '/n')])
    k.get(b + '/n', watch=lambda e: events.append((e.type, e.path)))
    o.set(b + '/n', b'1')
    eventually(lambda: events[-1] == ('CHANGED', b + '/n'))
    k.get(b + '/n', watch=lambda e: events.append((e.type, e.path)))
    o.delete(b + '/n')
    eventually(lambda: events[-1] == ('DELETED', b + '/n'))


def test_data_watch(t):
    """DataWatch follows a node through create, set, delete"""
    k, o, n = t.kazoo(), t.kazoo(), t.base + '/n'
    seen = []
    k.DataWatch(n, lambda data, stat: seen.append((data, stat.version if stat else None)))
    eventually(lambda: seen == [(None, None)])
    o.create(n, b'a')
    eventually(lambda: seen[-1] == (b'a', 0))
    o.set(n, b'b')
    eventually(lambda: seen[-1] == (b'b', 1))
    o.delete(n)
    eventually(lambda: seen[-1] == (None, None))


def test_children_watch(t):
    """ChildrenWatch follows the list"""
    k, o, b = t.kazoo(), t.kazoo(), t.base
    seen = []
    k.ChildrenWatch(b, lambda children: seen.append(sorted(children)))
    for i in range(5):
        o.create('%s/%d' % (b, i))
    eventually(lambda: seen[-1] == ['0', '1', '2', '3', '4'])
    o.delete(b + '/3')
    eventually(lambda: seen[-1] == ['0', '1', '2', '4'])


def test_tree_cache(t):
    """TreeCache mirrors a subtree"""
    from kazoo.recipe.cache import TreeCache
    k, o, b = t.kazoo(), t.kazoo(), t.base
    cache = TreeCache(k, b)
    cache.start()
    o.create(b + '/a/b/c', b'deep', makepath=True)
    eventually(lambda: cache.get_data(b + '/a/b/c') and cache.get_data(b + '/a/b/c').data == b'deep')
    o.set(b + '/a/b/c', b'new')
    eventually(lambda: cache.get_data(b + '/a/b/c').data == b'new')
    equal(cache.get_children(b + '/a'), frozenset(['b']))
    o.delete(b + '/a', recursive=True)
    eventually(lambda: cache.get_data(b + '/a/b/c') is None)
    cache.close()


def test_lock(t):
    """Lock: five contenders, one at a time"""
    clients = [t.kazoo() for _ in range(5)]
    path, inside, worst, turns = t.base + '/lock', [0], [0], []

    def contend(k, name):
        for _ in range(4):
            with k.Lock(path, name):
                inside[0] += 1
                worst[0] = max(worst[0], inside[0])
                time.sleep(0.005)
                inside[0] -= 1
                turns.append(name)
    threads = [threading.Thread(target=contend, args=(k, str(i))) for i, k in enumerate(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    equal((worst[0], len(turns)), (1, 20))
    equal(clients[0].get_children(path), [])


def test_lock_lost_with_session(t):
    """a lock is free again when its holder's session ends"""
    a, b = t.kazoo(), t.kazoo()
    lock = a.Lock(t.base + '/lock', 'a')
    assert lock.acquire()
    other = b.Lock(t.base + '/lock', 'b')
    equal(other.acquire(blocking=False), False)
    equal(other.contenders(), ['a'])
    a.stop()
    assert other.acquire(timeout=10)
    other.release()


def test_rw_lock_and_semaphore(t):
    """read locks share, write locks do not; a semaphore counts leases"""
    a, b = t.kazoo(), t.kazoo()
    path = t.base + '/rw'
    r1, r2, w = a.ReadLock(path, 'r1'), b.ReadLock(path, 'r2'), b.WriteLock(path, 'w')
    assert r1.acquire() and r2.acquire()
    equal(w.acquire(blocking=False), False)
    r1.release()
    r2.release()
    assert w.acquire(timeout=5)
    w.release()
    s1, s2, s3 = (k.Semaphore(t.base + '/sem', max_leases=2) for k in (a, b, t.kazoo()))
    assert s1.acquire(blocking=False) and s2.acquire(blocking=False)
    equal(s3.acquire(blocking=False), False)
    s1.release()
    assert s3.acquire(timeout=5)


def test_election(t):
    """Election: one leader after the other"""
    path, leaders = t.base + '/election', []
    clients = [t.kazoo() for _ in range(3)]
    threads = [threading.Thread(target=k.Election(path, str(i)).run, args=(leaders.append, i))
               for i, k in enumerate(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    equal(sorted(leaders), [0, 1, 2])


def test_barriers(t):
    """Barrier and DoubleBarrier"""
    a, b = t.kazoo(), t.kazoo()
    barrier = a.Barrier(t.base + '/barrier')
    barrier.create()
    equal(b.Barrier(t.base + '/barrier').wait(0.3), False)
    threading.Timer(0.2, barrier.remove).start()
    equal(b.Barrier(t.base + '/barrier').wait(10), True)
    passed = []

    def through(k):
        double = k.DoubleBarrier(t.base + '/double', 3)
        double.enter()
        passed.append('in')
        double.leave()
        passed.append('out')
    threads = [threading.Thread(target=through, args=(k,)) for k in (a, b, t.kazoo())]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    equal(passed[:3], ['in'] * 3)
    equal(passed.count('out'), 3)


def test_counter(t):
    """Counter: concurrent increments are all counted"""
    clients = [t.kazoo() for _ in range(4)]

    def count(k):
        counter = k.Counter(t.base + '/counter')
        for _ in range(10):
            counter += 1
    threads = [threading.Thread(target=count, args=(k,)) for k in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    equal(clients[0].Counter(t.base + '/counter').value, 40)


def test_queues(t):
    """Queue and LockingQueue hand each entry out once, in order"""
    k, o = t.kazoo(), t.kazoo()
    queue = k.Queue(t.base + '/queue')
    for i in range(20):
        queue.put(b'%d' % i)
    equal([o.Queue(t.base + '/queue').get() for _ in range(20)], [b'%d' % i for i in range(20)])
    equal(queue.get(), None)
    locking = k.LockingQueue(t.base + '/locking')
    locking.put_all([b'a', b'b', b'c'], priority=3)
    locking.put(b'first', priority=1)
    got = []
    for _ in range(4):
        got.append(locking.get(5))
        assert locking.consume()
    equal(got, [b'first', b'a', b'b', b'c'])


def test_party(t):
    """Party knows who is there"""
    a, b = t.kazoo(), t.kazoo()
    pa, pb = a.Party(t.base + '/party', 'a'), b.Party(t.base + '/party', 'b')
    pa.join()
    pb.join()
    equal(sorted(pa), ['a', 'b'])
    b.stop()
    eventually(lambda: sorted(pa) == ['a'])


def test_set_partitioner(t):
    """SetPartitioner shares a set among two"""
    a, b = t.kazoo(), t.kazoo()
    parts = [k.SetPartitioner(t.base + '/parts', set=tuple(range(6)), identifier=name,
                              time_boundary=0.3) for k, name in ((a, 'a'), (b, 'b'))]

    def settled():
        for p in parts:
            if p.release:
                p.release_set()
            elif p.allocating:
                p.wait_for_acquire(0.2)
        return all(p.acquired for p in parts) and sum(len(list(p)) for p in parts) == 6
    eventually(settled, 30, 0.1, 'a shared set')
    equal(sorted(list(parts[0]) + list(parts[1])), list(range(6)))
    for p in parts:
        p.finish()


def test_server_version_and_commands(t):
    """server_version() and command() work"""
    k = t.kazoo()
    version = k.server_version()
    assert len(version) >= 3 and version[0] == 3, version
    equal(k.command(b'ruok'), 'imok')
    assert 'Mode: standalone' in k.command(b'srvr')
    assert 'zk_znode_count\t' in k.command(b'mntr')
    assert 'Clients:' in k.command(b'stat')


def test_reattach_after_cut(t):
    """a cut socket: the same session comes back, ephemerals and watches with it"""
    from kazoo.client import KazooState
    k, o, b = t.kazoo(), t.kazoo(), t.base
    states, fired = [], threading.Event()
    k.add_listener(lambda state: states.append(state))
    k.create(b + '/e', ephemeral=True)
    k.create(b + '/n')
    k.get(b + '/n', watch=lambda event: fired.set())
    session = k.client_id[0]
    k._connection._socket.shutdown(2)
    eventually(lambda: KazooState.SUSPENDED in states and KazooState.CONNECTED in states)
    equal((k.client_id[0], KazooState.LOST in states), (session, False))
    assert k.exists(b + '/e')
    o.set(b + '/n', b'1')
    if not fired.wait(2):
        # kazoo 2.8 does not send its watches again by itself; recipes ask again.
        k.get(b + '/n', watch=lambda event: fired.set())
        o.set(b + '/n', b'2')
        assert fired.wait(5)


def test_bad_password(t):
    """a wrong password loses the session"""
    from kazoo.client import KazooClient
    k = t.kazoo()
    thief = KazooClient(hosts=t.server.hosts, client_id=(k.client_id[0], b'\1' * 16))
    thief.start(15)
    assert thief.client_id[0] != k.client_id[0]
    thief.stop()


def test_take_over_session(t):
    """another client takes the session over with id and password"""
    k = t.kazoo()
    k.create(t.base + '/e', ephemeral=True)
    session = k.client_id
    from kazoo.client import KazooClient
    heir = KazooClient(hosts=t.server.hosts, client_id=session)
    heir.start(15)
    equal(heir.client_id[0], session[0])
    assert heir.exists(t.base + '/e')
    heir.stop()


def test_expiry(t):
    """a session that nobody keeps alive expires and takes its ephemerals along"""
    o = t.kazoo()
    w = t.wire(timeout_ms=1000)
    import zkwire
    w.create(t.base + '/e', b'', zkwire.EPHEMERAL)
    gone = threading.Event()
    o.exists(t.base + '/e', watch=lambda event: gone.set() if event.type == 'DELETED' else None)
    begin = time.monotonic()
    assert gone.wait(10)
    assert 0.9 <= time.monotonic() - begin < 4, time.monotonic() - begin


def test_many_watches(t):
    """a thousand watches on a thousand nodes all fire"""
    k, o, b = t.kazoo(), t.kazoo(), t.base
    fired = set()
    for call in [o.create_async('%s/%d' % (b, i)) for i in range(1000)]:
        call.get(30)
    for call in [k.get_async('%s/%d' % (b, i), watch=lambda e: fired.add(e.path)) for i in range(1000)]:
        call.get(30)
    for call in [o.set_async('%s/%d' % (b, i), b'x') for i in range(1000)]:
        call.get(30)
    eventually(lambda: len(fired) == 1000, 30)


def test_many_clients(t):
    """thirty clients at once, each with an ephemeral"""
    clients = [t.kazoo() for _ in range(30)]
    for i, k in enumerate(clients):
        k.create('%s/%d' % (t.base, i), ephemeral=True)
    equal(len(clients[0].get_children(t.base)), 30)
    for k in clients[1:]:
        k.stop()
    equal(clients[0].get_children(t.base), ['0'])


def test_super_user(t):
    """the super user passes ACLs"""
    from kazoo.security import make_digest_acl
    k = t.kazoo(auth_data=[('digest', 'x:y')])
    k.create(t.base + '/n', b'hidden', acl=[make_digest_acl('x', 'y', read=True)])
    s = t.kazoo(auth_data=[('digest', harness.SUPER[0])])
    equal(s.get(t.base + '/n')[0], b'hidden')
    s.delete(t.base + '/n')


def test_restart_under_kazoo(t):
    """a client rides through a restart of the server with its session and ephemerals"""
    server = t.fresh()
    k = t.kazoo(server, timeout=20)
    k.create('/e', b'mine', ephemeral=True)
    session = k.client_id[0]
    server.stop()
    server.start()
    value = eventually(lambda: k.connected and k.retry(k.get, '/e'), 20)
    equal((value[0], k.client_id[0]), (b'mine', session))
